"""Scores of predicted probabilities: accuracy and log loss of binary and categorical units."""

from typing import Any

import numpy as np

from neurodyn.validation.metrics.base import Metric, Sums, masked, pool, ratio
from neurodyn.validation.metrics.evaluation import Evaluation

CHOICE = frozenset({"binary", "categorical"})
PROBABILITY_FLOOR = 1e-9


def _terms(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Hits, log probabilities of what happened, and how often each category did."""
    observed = evaluation.of_kind(*CHOICE)
    seen = np.isfinite(observed)
    code = masked(observed, seen).astype(int)
    table = _probabilities(evaluation)
    if code.max(initial=0) >= table.shape[-1]:
        extra = code.max() + 1 - table.shape[-1]
        table = np.concatenate((table, np.zeros((*table.shape[:-1], extra))), axis=-1)
    chosen = np.take_along_axis(table, code[..., None], axis=-1)[..., 0]
    terms = {
        "entries": seen.astype(float),
        "hits": masked((table.argmax(axis=-1) == code).astype(float), seen),
        "log_probability": masked(np.log(np.clip(chosen, PROBABILITY_FLOOR, 1.0)), seen),
    }
    for category in range(table.shape[-1]):
        terms[f"category_{category}"] = masked((code == category).astype(float), seen)
    return terms


def _probabilities(evaluation: Evaluation) -> np.ndarray:
    """Probabilities ``(trial, time, unit, category)``, from the mean where units are binary."""
    if evaluation.probability is not None:
        return evaluation.probability
    one = np.clip(np.asarray(evaluation.mean), 0.0, 1.0)
    return np.stack((1.0 - one, one), axis=-1)


def _accuracy(sums: Sums, per: str) -> Any:
    """Share of entries whose likeliest category is the observed one."""
    return ratio(pool(sums["hits"], per), pool(sums["entries"], per))


def _log_loss(sums: Sums, per: str) -> Any:
    """Mean negative log probability of what happened, in nats."""
    return -ratio(pool(sums["log_probability"], per), pool(sums["entries"], per))


def _gain(sums: Sums, per: str) -> Any:
    """Bits per entry gained over the evaluated frequencies of every unit."""
    entries = np.asarray(sums["entries"])
    null = np.zeros_like(entries)
    for name, count in sums.items():
        if name.startswith("category_"):
            share = np.where(entries > 0, count / np.maximum(entries, 1.0), 1.0)
            null = null + np.where(count > 0, count * np.log(np.where(share > 0, share, 1.0)), 0.0)
    return ratio(pool(sums["log_probability"] - null, per), np.log(2) * pool(entries, per))


ACCURACY = Metric(
    name="accuracy",
    label="Share of choices predicted",
    unit="1",
    kinds=CHOICE,
    terms=_terms,
    combine=_accuracy,
    needs=(),
    perfect=1.0,
)
LOG_LOSS = Metric(
    name="log_loss",
    label="Log loss",
    unit="nats/entry",
    kinds=CHOICE,
    terms=_terms,
    combine=_log_loss,
    needs=(),
    higher_is_better=False,
    perfect=0.0,
)
CHOICE_GAIN = Metric(
    name="bits_per_choice",
    label="Bits per choice over the evaluated frequencies",
    unit="bits/entry",
    kinds=CHOICE,
    terms=_terms,
    combine=_gain,
    needs=(),
    floor=0.0,
)
