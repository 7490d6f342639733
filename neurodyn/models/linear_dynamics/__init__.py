"""Linear dynamical systems seen through counts."""

from neurodyn.models.linear_dynamics.fit import PoissonLDSFit
from neurodyn.models.linear_dynamics.model import PoissonLDS

__all__ = ["PoissonLDS", "PoissonLDSFit"]
