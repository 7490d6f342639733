"""Predictive-coding networks: generalised hierarchical Gaussian filters of inputs and of the responses to them."""

from neurodyn.models.predictive_coding.fit import PredictiveCodingFit
from neurodyn.models.predictive_coding.network import HGF, PredictiveCodingNetwork
from neurodyn.models.predictive_coding.parts import (
    Belief,
    BinaryResponse,
    GaussianResponse,
    Input,
    LogNormal,
    Normal,
)

__all__ = [
    "HGF",
    "Belief",
    "BinaryResponse",
    "GaussianResponse",
    "Input",
    "LogNormal",
    "Normal",
    "PredictiveCodingFit",
    "PredictiveCodingNetwork",
]
