"""Hidden Markov models of recordings."""

from neurodyn.models.hmm.fit import HMMFit
from neurodyn.models.hmm.model import HMM

__all__ = ["HMM", "HMMFit"]
