"""Leak check: a recording with nothing to find, on which no honest model scores above the floor."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.validation import uncertainty
from neurodyn.validation.layout import derived_key, has_trials
from neurodyn.validation.metrics import Metric
from neurodyn.validation.nulls import NULLS, permute_time

LEAK_METRICS = ("bits_per_spike", "r2", "bits_per_choice")
LEVEL = 0.998


@dataclasses.dataclass(frozen=True, kw_only=True)
class NullScore:
    """Score of one model on a null recording.

    Parameters
    ----------
    protocol, model, null, metric : str
        Where it comes from.
    value, lower, upper : float
        Score and its 99.8 % interval; the floor is 0.
    leaking : bool
        Whether the interval lies above the floor on a null that leaves nothing to find.
    """

    protocol: str
    model: str
    null: str
    metric: str
    value: float
    lower: float
    upper: float
    leaking: bool


def chosen_nulls(nulls: Any, recording: xr.Dataset) -> dict[str, Callable[..., xr.Dataset]]:
    """Null recordings by name; "auto" permutes time, the one null that is empty under every protocol."""
    del recording
    if isinstance(nulls, str):
        nulls = ("permute_time",) if nulls == "auto" else (nulls,)
    chosen = {}
    for null in nulls:
        if callable(null):
            chosen[getattr(null, "__name__", "null")] = null
        elif null in NULLS:
            chosen[null] = NULLS[null]
        else:
            raise ModelError(f"there is no null {null!r}; there are {', '.join(NULLS)}.")
    return chosen


def empties(null: Callable[..., xr.Dataset], protocol: str, recording: xr.Dataset) -> bool:
    """Whether nothing above the mean can be found on this null under this protocol.

    A circular shift keeps each unit's own past, from which an autoregression rightly predicts; it empties only the
    prediction of units from other units, and with trials not even that, for what is locked to the trial remains.
    """
    if null is permute_time:
        return True
    return null is NULLS["circular_shift"] and protocol == "units" and not has_trials(recording)


def null_score(
    sums: dict[str, dict[str, np.ndarray]],
    metrics: dict[str, Metric],
    n_chunks: int,
    *,
    key: Any,
    n_bootstrap: int,
    empty: bool,
    labels: tuple[str, str, str],
) -> NullScore | None:
    """Score of a model on a null recording, and whether it leaks; None where no metric applies."""
    for name in LEAK_METRICS:
        if name not in sums:
            continue
        protocol, model, null = labels
        weights = uncertainty.resamples(n_chunks, n_bootstrap, derived_key(key, "null", protocol, null))
        metric = metrics[name]
        value = metric.combine({term: total.sum(axis=0) for term, total in sums[name].items()}, "pooled")
        drawn = uncertainty.draws(sums[name], metric.combine, weights, "pooled")
        found = uncertainty.interval(value, drawn, n_chunks, LEVEL)
        return NullScore(
            protocol=protocol,
            model=model,
            null=null,
            metric=name,
            value=float(found.value),
            lower=float(found.lower),
            upper=float(found.upper),
            leaking=bool(empty and found.lower > 0),
        )
    return None
