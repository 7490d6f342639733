"""Dynamic functional connectomes: affinities of pairs and what they are made of."""

from neurodyn.models.connectome.affinity import Affinity, ConcurrentChange, WindowCorrelation, affinity

__all__ = ["Affinity", "ConcurrentChange", "WindowCorrelation", "affinity"]
