"""Tensors and contracts to and from files, without pickle."""
