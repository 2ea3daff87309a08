"""What a user asks for, one function each; the command line parses and calls these."""
