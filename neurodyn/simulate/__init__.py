"""Ground truth: recordings drawn from known models."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__, submodules=["agents", "glm_network", "lorenz", "markov", "tensors"]
)
