"""Bits per spike: Poisson log-likelihood of predicted rates, gained over a constant rate."""

from typing import Any

import numpy as np
from scipy.special import xlogy

from neurodyn.validation.metrics.base import Metric, Sums, masked, pool, ratio
from neurodyn.validation.metrics.evaluation import Evaluation

RATE_FLOOR = 1e-9


def _terms(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Poisson terms of the model, counts, entries, and the rate of training."""
    counts = evaluation.of_kind("count")
    seen = np.isfinite(counts)
    counts = masked(counts, seen)
    rate = np.maximum(np.where(seen, np.asarray(evaluation.mean), 1.0), RATE_FLOOR)
    terms = {
        "model": masked(xlogy(counts, rate) - rate, seen),
        "spikes": counts,
        "entries": seen.astype(float),
    }
    if evaluation.marginals is not None:
        trained = np.maximum(evaluation.marginals.mean, RATE_FLOOR)
        terms["train"] = masked(xlogy(counts, trained) - trained, seen)
    return terms


def _over_evaluated(sums: Sums, per: str) -> Any:
    """Bits per spike over the mean rate of the evaluated entries."""
    spikes, entries = np.asarray(sums["spikes"]), np.asarray(sums["entries"])
    null = xlogy(spikes, spikes / np.maximum(entries, 1.0)) - spikes
    return ratio(pool(sums["model"] - null, per), np.log(2) * pool(spikes, per))


def _over_train(sums: Sums, per: str) -> Any:
    """Bits per spike over the mean rate of the training entries."""
    return ratio(pool(sums["model"] - sums["train"], per), np.log(2) * pool(sums["spikes"], per))


BITS_PER_SPIKE = Metric(
    name="bits_per_spike",
    label="Bits per spike over the evaluated mean rate",
    unit="bits/spike",
    kinds=frozenset({"count"}),
    terms=_terms,
    combine=_over_evaluated,
    floor=0.0,
    ceiling="repeats",
)
BITS_PER_SPIKE_TRAIN = Metric(
    name="bits_per_spike_train_null",
    label="Bits per spike over the training mean rate",
    unit="bits/spike",
    kinds=frozenset({"count"}),
    terms=_terms,
    combine=_over_train,
    needs=("mean", "marginals"),
    floor=0.0,
    ceiling="repeats",
)
