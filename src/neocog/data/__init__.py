"""A place on disk becomes batches; `open` is the one door."""
