"""Measurements of any `nn.Module`."""
