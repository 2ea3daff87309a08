"""The explorer: a web page that shows a network while it runs."""
