"""Sanity checks of maps, each with a measured figure."""
