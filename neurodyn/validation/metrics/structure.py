"""Structure that a model's free run shares with held-out data: functional connectivity."""

from typing import Any

import numpy as np

from neurodyn.validation.metrics.base import Metric, Sums, ratio
from neurodyn.validation.metrics.continuous import REAL
from neurodyn.validation.metrics.evaluation import Evaluation

FEWEST_PAIRS = 3
MOST_UNITS = 100


def _no_terms(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Entries have no terms of their own here; pairs do, chunk by chunk."""
    del evaluation
    return {}


def _pair_sums(evaluation: Evaluation, chunk: np.ndarray, n_chunks: int) -> dict[str, np.ndarray]:
    """Cross-products of all pairs of units about the means of this split, and the model's correlations."""
    observed = evaluation.of_kind(*REAL)
    seen = np.isfinite(observed)
    count = np.maximum(seen.sum(axis=(0, 1)), 1)
    x = np.where(seen, observed, 0.0)
    x = np.where(seen, x - x.sum(axis=(0, 1)) / count, 0.0)
    first, second = np.triu_indices(observed.shape[2], k=1)
    modelled = np.asarray(evaluation.connectivity, float)[first, second]
    known = np.isfinite(modelled)
    sums = {name: np.zeros((n_chunks, len(first))) for name in ("entries", "xx", "yy", "xy", "model")}
    for number in np.unique(chunk[chunk >= 0]):
        here = chunk == number
        values, mask = x[here], seen[here].astype(float)
        squares = (values * values).T @ mask
        sums["xy"][number] = (values.T @ values)[first, second]
        sums["xx"][number], sums["yy"][number] = squares[first, second], squares[second, first]
        pairs = (mask.T @ mask)[first, second]
        sums["entries"][number] = np.where(known, pairs, 0.0)
        sums["model"][number] = np.where(known, modelled, 0.0) * pairs
    return sums


def _match(sums: Sums, per: str) -> Any:
    """Correlation over pairs of units between the observed and the model's correlations; 0 for a constant one."""
    del per
    observed = ratio(sums["xy"], np.sqrt(np.maximum(sums["xx"] * sums["yy"], 0.0)))
    modelled = ratio(sums["model"], sums["entries"])
    usable = np.isfinite(observed) & np.isfinite(modelled)
    count = usable.sum(axis=-1, keepdims=True)

    def about(values: np.ndarray) -> np.ndarray:
        kept = np.where(usable, values, 0.0)
        return np.where(usable, kept - kept.sum(axis=-1, keepdims=True) / np.maximum(count, 1), 0.0)

    a, b = about(observed), about(modelled)
    spread_a, spread_b = (a * a).sum(axis=-1), (b * b).sum(axis=-1)
    flat = spread_b <= 1e-24
    value = ratio(
        np.where(flat, 0.0, (a * b).sum(axis=-1)), np.sqrt(spread_a * np.where(flat, 1.0, spread_b))
    )
    return np.where(count[..., 0] >= FEWEST_PAIRS, value, np.nan)


def _unfit(evaluation: Evaluation) -> str:
    """Why the scored units have no connectivity to match."""
    scored = np.isfinite(evaluation.of_kind(*REAL)).any(axis=(0, 1)).sum()
    if scored * (scored - 1) // 2 < FEWEST_PAIRS:
        return f"connectivity_match needs 3 scored units or more, and there are {int(scored)}."
    if evaluation.observed.shape[2] > MOST_UNITS:
        return (
            f"connectivity_match takes at most {MOST_UNITS} units, and there are {evaluation.observed.shape[2]}; "
            "average them by region."
        )
    return ""


CONNECTIVITY_MATCH = Metric(
    name="connectivity_match",
    label="Functional connectivity of a simulation, correlation with that of the data",
    unit="1",
    kinds=REAL,
    terms=_no_terms,
    chunked=_pair_sums,
    combine=_match,
    needs=("connectivity",),
    unfit=_unfit,
    ceiling="parts",
    floor=0.0,
    perfect=1.0,
    per_unit=False,
)
