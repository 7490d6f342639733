"""Emission families of hidden-state models: what a bin's observation looks like in each state.

Every family follows `neurodyn.inference.emissions.base.Emission`. Choose

* `Gaussian` for continuous signals whose units covary differently in each state,
* `DiagonalGaussian` where units are independent given the state,
* `LowRankGaussian` where there are many units, which share a few factors,
* `AutoregressiveGaussian` where a state is a way of moving rather than a place,
* `Poisson` for spike counts, `Bernoulli` for binary and `Categorical` for coded responses.
"""

from neurodyn.inference.emissions._prior import NormalInverseWishart
from neurodyn.inference.emissions.autoregressive_gaussian import AutoregressiveGaussian
from neurodyn.inference.emissions.base import Emission, Parameters, Statistics
from neurodyn.inference.emissions.bernoulli import Bernoulli
from neurodyn.inference.emissions.categorical import Categorical
from neurodyn.inference.emissions.diagonal_gaussian import DiagonalGaussian
from neurodyn.inference.emissions.gaussian import Gaussian
from neurodyn.inference.emissions.low_rank_gaussian import LowRankGaussian
from neurodyn.inference.emissions.poisson import Poisson

__all__ = [
    "AutoregressiveGaussian",
    "Bernoulli",
    "Categorical",
    "DiagonalGaussian",
    "Emission",
    "Gaussian",
    "LowRankGaussian",
    "NormalInverseWishart",
    "Parameters",
    "Poisson",
    "Statistics",
]
