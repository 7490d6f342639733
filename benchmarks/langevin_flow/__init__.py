"""The claims of the page on the Langevin flow and sequential autoencoders."""
