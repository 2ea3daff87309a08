"""Looking into a running module: the operations it performs, and its values on the way."""
