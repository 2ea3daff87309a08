"""An opened model from anywhere: one class, what is found out of it, and data as it takes it."""
