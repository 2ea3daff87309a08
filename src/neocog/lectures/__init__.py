"""What the lectures show of an image: classic filters, Gabor fits, templates, gradients."""
