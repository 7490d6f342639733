"""neurodyn."""
