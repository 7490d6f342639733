"""The claims about hidden Markov models, one module a line; each has `measure(quick) -> list of Line`."""
