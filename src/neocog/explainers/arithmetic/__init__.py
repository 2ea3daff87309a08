"""One output number of any layer, with every number that makes it."""
