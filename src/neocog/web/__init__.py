"""The explorer: a page in the browser in which a person looks into a network while it answers."""
