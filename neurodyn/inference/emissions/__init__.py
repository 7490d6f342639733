"""Emission families of hidden-state models: what a bin's observation looks like in each state.

Every family follows `neurodyn.inference.emissions.base.Emission`. Choose

* `Gaussian` for continuous signals whose units covary differently in each state,
* `DiagonalGaussian` where units are independent given the state.
"""

from neurodyn.inference.emissions._prior import NormalInverseWishart
from neurodyn.inference.emissions.base import Emission, Parameters, Statistics
from neurodyn.inference.emissions.diagonal_gaussian import DiagonalGaussian
from neurodyn.inference.emissions.gaussian import Gaussian

__all__ = [
    "DiagonalGaussian",
    "Emission",
    "Gaussian",
    "NormalInverseWishart",
    "Parameters",
    "Statistics",
]
