"""Exhibits to one self-contained HTML file."""
