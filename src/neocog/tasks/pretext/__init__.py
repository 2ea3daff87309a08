"""Self-supervised methods: one file per method, a table of them, and what they share."""
