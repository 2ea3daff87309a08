"""Transformations of signals and what they do to feature fields: motions, residuals, generators."""
