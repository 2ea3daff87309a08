"""What maps over an image are made of: what is explained, where layers hold space, how to draw."""
