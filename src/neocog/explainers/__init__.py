"""Explanations of what a network has learned, for any `nn.Module`."""
