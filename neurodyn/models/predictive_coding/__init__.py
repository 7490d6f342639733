"""Predictive-coding networks: generalised hierarchical Gaussian filters of inputs and of the responses to them."""

from neurodyn.inference.predictive_coding.functions import register_function
from neurodyn.inference.predictive_coding.written import register_response
from neurodyn.models.predictive_coding.composed import SwitchingInput, VolatileBelief
from neurodyn.models.predictive_coding.fit import PredictiveCodingFit
from neurodyn.models.predictive_coding.network import PredictiveCodingNetwork
from neurodyn.models.predictive_coding.parts import Belief, Input, LogNormal, Normal, Shared
from neurodyn.models.predictive_coding.ready import HGF
from neurodyn.models.predictive_coding.recovery import calibrate, recover
from neurodyn.models.predictive_coding.responses import (
    BinaryResponse,
    CustomResponse,
    GaussianResponse,
    SoftmaxResponse,
)
from neurodyn.models.predictive_coding.tracked import BetaInput, GaussianInput

__all__ = [
    "HGF",
    "Belief",
    "BetaInput",
    "BinaryResponse",
    "CustomResponse",
    "GaussianInput",
    "GaussianResponse",
    "Input",
    "LogNormal",
    "Normal",
    "PredictiveCodingFit",
    "PredictiveCodingNetwork",
    "Shared",
    "SoftmaxResponse",
    "SwitchingInput",
    "VolatileBelief",
    "calibrate",
    "recover",
    "register_function",
    "register_response",
]
