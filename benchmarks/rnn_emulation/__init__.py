"""The claims of the page on networks that emulate hidden Markov models."""
