"""Changing a trained network: its downsamplers and its borders."""
