"""Ground truth: recordings drawn from known models."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["agents", "block_graphs", "glm_network", "lorenz", "markov", "symbol_chains", "tensors"],
)
