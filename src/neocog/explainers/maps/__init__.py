"""What maps over a picture are made of: what is explained, where layers hold space, how to draw."""
