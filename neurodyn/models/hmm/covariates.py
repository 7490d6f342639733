"""Covariates of the transitions: chosen by name, shifted by availability, standardised on training data."""

from collections.abc import Sequence as Names

import numpy as np
import xarray as xr

from neurodyn.errors import RecordingError
from neurodyn.recording import covariate_arrays


def transition_covariates(
    recording: xr.Dataset, names: Names[str], what: str = "the transitions"
) -> np.ndarray:
    """What is known of each covariate when the chain moves into a bin, shape ``(trial, time, covariate)``.

    A covariate that becomes available only after the response of its bin counts from the next bin on.
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


def standardisation(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over the bins with an observation; 1 where constant."""
    rows = values[weight]
    deviation = rows.std(axis=0)
    return rows.mean(axis=0), np.where(deviation > 0, deviation, 1.0)
