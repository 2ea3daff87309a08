"""From a recipe to a run folder; the only reader and writer of one."""
