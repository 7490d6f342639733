"""Recurrent networks driven by noise that emit symbols: steps, training objective, particle filter."""

from neurodyn.inference.recurrent.filtering import Filtered, filter_symbols
from neurodyn.inference.recurrent.network import Network, fast_key
from neurodyn.inference.recurrent.noise import gaussian_noise, random_words
from neurodyn.inference.recurrent.objective import LOSSES, Objective, Sequences
from neurodyn.inference.recurrent.words import (
    change_error,
    change_frequencies,
    change_lags,
    lags,
    stretches,
    word_error,
    word_frequencies,
    word_length,
)

__all__ = [
    "LOSSES",
    "Filtered",
    "Network",
    "Objective",
    "Sequences",
    "change_error",
    "change_frequencies",
    "change_lags",
    "fast_key",
    "filter_symbols",
    "gaussian_noise",
    "lags",
    "random_words",
    "stretches",
    "word_error",
    "word_frequencies",
    "word_length",
]
