"""Building blocks of networks: pure functions and the thin modules that hold their parameters."""
