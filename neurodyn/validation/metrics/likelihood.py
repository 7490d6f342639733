"""Log-likelihood gained over independent units without dynamics, learnt on the training part."""

from typing import Any

import numpy as np
from scipy.special import gammaln, xlogy

from neurodyn.validation.metrics.base import Metric, Sums, masked, pool, ratio
from neurodyn.validation.metrics.counts import RATE_FLOOR
from neurodyn.validation.metrics.evaluation import Evaluation, Marginals

ANY = frozenset({"count", "continuous", "binary", "categorical"})


def null_log_likelihood(observed: np.ndarray, kind: np.ndarray, trained: Marginals) -> np.ndarray:
    """Log density of every entry under its unit's training marginal, in nats.

    Counts are Poisson, continuous units Gaussian, binary units Bernoulli, categorical units categorical.

    Parameters
    ----------
    observed : np.ndarray
        ``(trial, time, unit)``, NaN where not scored.
    kind : np.ndarray
        ``(unit,)``.
    trained : Marginals
        Moments of the training entries.

    Returns
    -------
    np.ndarray
        ``(trial, time, unit)``, zero where not scored.
    """
    seen = np.isfinite(observed)
    x = masked(observed, seen)
    rate = np.maximum(trained.mean, RATE_FLOOR)
    gaussian = -0.5 * (np.log(2 * np.pi * trained.variance) + (x - trained.mean) ** 2 / trained.variance)
    counts = np.where(kind == "count", x, 0.0)
    poisson = xlogy(counts, rate) - rate - gammaln(counts + 1.0)
    one = np.clip(trained.mean, RATE_FLOOR, 1 - RATE_FLOOR)
    bernoulli = np.log(np.where(x > 0.5, one, 1 - one))
    n_categories = trained.probability.shape[1]
    code = np.where(kind == "categorical", x, 0.0).astype(int)
    table = np.log(trained.probability)
    known = table[np.arange(x.shape[2]), np.minimum(code, n_categories - 1)]
    categorical = np.where(code < n_categories, known, np.log(RATE_FLOOR))
    density = np.select(
        [kind == "count", kind == "binary", kind == "categorical"],
        [poisson, bernoulli, categorical],
        gaussian,
    )
    return masked(density, seen)


def _terms(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Gain over the null in nats, scored bins, entries and spikes; ``(trial, time, 1)``."""
    seen = np.isfinite(evaluation.observed)
    trained = evaluation.marginals
    if trained is None or evaluation.log_likelihood is None:
        return {}
    null = null_log_likelihood(evaluation.observed, evaluation.kind, trained).sum(axis=2)
    bins = np.asarray(seen.any(axis=2))
    counts = evaluation.of_kind("count")
    return {
        "gain": masked(evaluation.log_likelihood - null, bins)[:, :, None],
        "model": masked(evaluation.log_likelihood, bins)[:, :, None],
        "bins": bins.astype(float)[:, :, None],
        "entries": seen.sum(axis=2, keepdims=True).astype(float),
        "spikes": masked(counts, np.isfinite(counts)).sum(axis=2, keepdims=True),
    }


def _per_bin(sums: Sums, per: str) -> Any:
    """Nats per time sample gained over the null."""
    del per
    return ratio(pool(sums["gain"], "pooled"), pool(sums["bins"], "pooled"))


def _per_entry(sums: Sums, per: str) -> Any:
    """Nats per observed entry gained over the null."""
    del per
    return ratio(pool(sums["gain"], "pooled"), pool(sums["entries"], "pooled"))


def _per_spike(sums: Sums, per: str) -> Any:
    """Bits per spike gained over the null."""
    del per
    return ratio(pool(sums["gain"], "pooled"), np.log(2) * pool(sums["spikes"], "pooled"))


LOG_LIKELIHOOD = Metric(
    name="log_likelihood",
    label="Log-likelihood gained over independent units",
    unit="nats/sample",
    kinds=ANY,
    terms=_terms,
    combine=_per_bin,
    needs=("log_likelihood", "marginals"),
    floor=0.0,
    per_unit=False,
)
LOG_LIKELIHOOD_PER_ENTRY = Metric(
    name="log_likelihood_per_entry",
    label="Log-likelihood gained over independent units",
    unit="nats/entry",
    kinds=ANY,
    terms=_terms,
    combine=_per_entry,
    needs=("log_likelihood", "marginals"),
    floor=0.0,
    per_unit=False,
)
LOG_LIKELIHOOD_PER_SPIKE = Metric(
    name="log_likelihood_per_spike",
    label="Log-likelihood gained over independent Poisson units",
    unit="bits/spike",
    kinds=frozenset({"count"}),
    exclusive=True,
    terms=_terms,
    combine=_per_spike,
    needs=("log_likelihood", "marginals"),
    floor=0.0,
    per_unit=False,
)
