"""Where the elements of each tensor stand; see `reach.positions.follow`."""
