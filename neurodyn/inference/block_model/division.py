"""The bookkeeping that fits a description length."""

import numpy as np
from jaxtyping import Int

from neurodyn.inference.block_model.pooled import PooledBlocks
from neurodyn.inference.block_model.state import Blocks
from neurodyn.inference.block_model.terms import Terms

Division = Blocks | PooledBlocks


def divided(terms: Terms, groups: Int[np.ndarray, " node"]) -> Division:
    """Groups with their sums: all pairs of groups apart, or pooled where the terms are."""
    return PooledBlocks(terms, groups) if terms.pooled else Blocks(terms, groups)
