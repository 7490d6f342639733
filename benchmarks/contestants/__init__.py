"""One script per contestant; each runs in its own process, in its own environment."""
