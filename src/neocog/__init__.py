"""Train, audit, fix and explain convolutional networks, with the priors measured."""

__version__ = "0.1.0"
