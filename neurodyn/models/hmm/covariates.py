"""Covariates of the transitions: chosen by name, shifted by availability, standardised on training data."""

from collections.abc import Sequence as Names

import numpy as np
import xarray as xr

from neurodyn.errors import RecordingError
from neurodyn.recording import arrays, covariate_arrays


def transition_covariates(
    recording: xr.Dataset, names: Names[str], what: str = "the transitions"
) -> np.ndarray:
    """What is known of each covariate when the chain moves into a bin, shape ``(trial, time, covariate)``.

    A covariate that becomes available only after the response of its bin counts from the next bin on. A measured one
    that is missing where nothing was observed (it is hidden with what it was measured with) keeps its last value.
    """
    if "covariates" not in recording:
        raise RecordingError(
            f"the recording has no covariates, but {what} depend on {', '.join(names)}; add them with "
            "neurodyn.recording.make(..., covariates=...)."
        )
    known = recording["covariate"].values.tolist()
    missing = [name for name in names if name not in known]
    if missing:
        raise RecordingError(
            f"there is no covariate {missing[0]!r}; the recording has {', '.join(map(str, known))}."
        )
    values, seen = covariate_arrays(recording, list(names))
    values, seen = held(recording, list(names), values, seen)
    if not seen.all():
        position = np.argwhere(~seen)[0]
        raise RecordingError(
            f"covariate {names[int(position[2])]!r} is NaN at trial {int(position[0])}, time bin {int(position[1])}; "
            f"{what} need finite covariates: fill it or restrict the recording."
        )
    available = recording["available"].sel(covariate=list(names)).values
    for index in np.flatnonzero(available == "after"):
        values[:, 1:, index] = values[:, :-1, index].copy()
        values[:, 0, index] = 0.0
    return values


def held(
    recording: xr.Dataset, names: list[str], values: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Covariates with the last known value, before it their mean, where a measured one was hidden with the activity."""
    measured = recording["role"].sel(covariate=names).values.astype(str) == "measured"
    if seen.all() or not measured.any():
        return values, seen
    hidden = ~seen & measured & ~np.any(arrays(recording).mask, axis=2, keepdims=True)
    count = np.maximum(seen.sum(axis=(0, 1)), 1)
    mean = np.where(seen, values, 0).sum(axis=(0, 1)) / count
    bins = np.arange(values.shape[1])[None, :, None]
    last = np.maximum.accumulate(np.where(seen, bins, -1), axis=1)
    kept = np.take_along_axis(values, np.maximum(last, 0), axis=1)
    kept = np.where(last >= 0, kept, mean)
    known = seen.any(axis=(0, 1))
    return np.where(hidden & known, kept, values), seen | (hidden & known)


def standardisation(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over the bins with an observation; 1 where constant."""
    rows = values[weight]
    deviation = rows.std(axis=0)
    return rows.mean(axis=0), np.where(deviation > 0, deviation, 1.0)
