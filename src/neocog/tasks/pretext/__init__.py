"""Self-supervised methods: one file a method, a table of them, and what they share."""
