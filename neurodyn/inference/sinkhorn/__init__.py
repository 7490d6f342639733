"""Sinkhorn divergences between batches of sequences, and the distance of sequences aligned by optimal transport."""

from neurodyn.inference.sinkhorn.alignment import aligned_distance
from neurodyn.inference.sinkhorn.divergence import (
    independent_divergence,
    sinkhorn_divergence,
    transport_cost,
)

__all__ = ["aligned_distance", "independent_divergence", "sinkhorn_divergence", "transport_cost"]
