"""A path becomes batches; `open` is the one door."""
