"""Recurrent networks driven by noise that emit symbols: steps, training objective, particle filter."""

from neurodyn.inference.recurrent.filtering import Filtered, filter_symbols
from neurodyn.inference.recurrent.network import Network, fast_key
from neurodyn.inference.recurrent.noise import gaussian_noise, random_words
from neurodyn.inference.recurrent.objective import LOSSES, Objective, Sequences
from neurodyn.inference.recurrent.visits import longest_visit, visit_error, visit_frequencies
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
    "longest_visit",
    "random_words",
    "stretches",
    "visit_error",
    "visit_frequencies",
    "word_error",
    "word_frequencies",
    "word_length",
]
