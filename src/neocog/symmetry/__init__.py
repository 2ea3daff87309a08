"""Transformations of signals and their action on feature fields: fields, residuals, generators."""
