"""Scores of predictions on the entries that were held out.

A metric is additive: it is a function of sums over entries, so that chunks of data can be resampled.
"""

from neurodyn.validation.metrics.base import Metric
from neurodyn.validation.metrics.connectivity import connectivity_by_state, connectivity_match
from neurodyn.validation.metrics.evaluation import (
    Evaluation,
    Marginals,
    evaluation,
    marginals,
    persistence,
)
from neurodyn.validation.metrics.functions import (
    accuracy,
    bits_per_spike,
    log_likelihood_gain,
    log_loss,
    mean_squared_error,
    n_step_error,
    pearson_r,
    r2,
)
from neurodyn.validation.metrics.rates import bits_per_spike_by_unit, rate_r2
from neurodyn.validation.metrics.sequences import (
    compare_sequences,
    sequence_distance,
    sequence_divergence,
    sequence_statistics,
)
from neurodyn.validation.metrics.states import state_agreement
from neurodyn.validation.metrics.table import METRICS, automatic, get

__all__ = [
    "METRICS",
    "Evaluation",
    "Marginals",
    "Metric",
    "accuracy",
    "automatic",
    "bits_per_spike",
    "bits_per_spike_by_unit",
    "compare_sequences",
    "connectivity_by_state",
    "connectivity_match",
    "evaluation",
    "get",
    "log_likelihood_gain",
    "log_loss",
    "marginals",
    "mean_squared_error",
    "n_step_error",
    "pearson_r",
    "persistence",
    "r2",
    "rate_r2",
    "sequence_distance",
    "sequence_divergence",
    "sequence_statistics",
    "state_agreement",
]
