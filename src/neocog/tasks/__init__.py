"""Head, loss, metrics and decoding together."""
