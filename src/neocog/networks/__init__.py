"""One file an architecture; `catalog` lists them."""
