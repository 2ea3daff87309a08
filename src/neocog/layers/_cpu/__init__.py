"""Kernels for a processor, behind the functions of `neocog.layers`: the same numbers, sooner."""
