"""The claims of the page on state-switching generalised linear models."""
