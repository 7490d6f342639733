"""Recurrent networks driven by noise that emit symbols: steps, training objective, particle filter."""

from neurodyn.inference.recurrent.filtering import Filtered, filter_symbols
from neurodyn.inference.recurrent.network import Network, fast_key
from neurodyn.inference.recurrent.noise import gaussian_noise, random_words
from neurodyn.inference.recurrent.objective import (
    LOSSES,
    Objective,
    Sequences,
    lags,
    pair_error,
    pair_frequencies,
    stretches,
)

__all__ = [
    "LOSSES",
    "Filtered",
    "Network",
    "Objective",
    "Sequences",
    "fast_key",
    "filter_symbols",
    "gaussian_noise",
    "lags",
    "pair_error",
    "pair_frequencies",
    "random_words",
    "stretches",
]
