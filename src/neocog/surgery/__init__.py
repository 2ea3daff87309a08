"""Changing a trained network: its down-samplers and its borders."""
