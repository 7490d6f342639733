"""Trials that were binned from their own start: hide what was not observed, add behaviour."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurodyn import recording
from neurodyn.io.nwb.behaviour import AXES, behaviour_series
from neurodyn.io.nwb.catalogue import path_of
from neurodyn.io.nwb.series import samples
from neurodyn.io.resample import circular_period, onto_bins
from neurodyn.recording.clock import EDGE, merged

MARGIN = 3


def bin_starts(result: xr.Dataset) -> np.ndarray:
    """Session time of the start of every bin, ``(trial, time)``."""
    width = float(result.attrs["sampling_interval"])
    return result["start_time"].values[:, None] + width * np.arange(result.sizes["time"])


def hide_unobserved(result: xr.Dataset, observed: Sequence[np.ndarray] | None) -> xr.Dataset:
    """The recording with NaN in bins that do not lie wholly in a unit's observation intervals."""
    if observed is None:
        return result
    starts, width = bin_starts(result), float(result.attrs["sampling_interval"])
    # Units of one array share their intervals.
    inside: dict[bytes, np.ndarray] = {}
    for part in observed:
        if part.tobytes() not in inside:
            inside[part.tobytes()] = _inside(merged(part), starts, width)
    mask = np.stack([inside[part.tobytes()] for part in observed], axis=-1)
    if mask.all():
        return result
    activity = result["activity"]
    values = np.where(mask, activity.values, np.asarray(np.nan, activity.dtype))
    return recording.with_history(
        result.assign(activity=activity.copy(data=values)),
        f"set {int((~mask).sum())} entries outside the observation intervals to NaN",
    )


def _inside(intervals: np.ndarray, starts: np.ndarray, width: float) -> np.ndarray:
    """Whether every bin lies wholly in one of the intervals, which do not touch."""
    slack = EDGE * width
    last = np.searchsorted(intervals[:, 0], starts + slack, side="right") - 1
    return (last >= 0) & (starts + width <= intervals[np.maximum(last, 0), 1] + slack)


def with_behaviour(nwbfile: Any, result: xr.Dataset, wanted: str | Sequence[str], path: Any) -> xr.Dataset:
    """The recording with series of behaviour, averaged in the bins of every trial, as measured covariates."""
    starts, width = bin_starts(result), float(result.attrs["sampling_interval"])
    span = (float(starts.min()) - MARGIN * width, float(starts.max()) + (MARGIN + 1) * width)
    columns, names, units = [], [], []
    for key, series in behaviour_series(nwbfile, wanted).items():
        found = samples(series, span, path=path)
        order = np.argsort(found.times, kind="stable")
        times, values = found.times[order], found.values[order]
        for column in range(values.shape[1]):
            period = circular_period(series.unit or "", values[:, column])
            columns.append(_per_trial(times, values[:, column], starts, width, period))
            base = key.split("/")[-1]
            several = values.shape[1] > 1
            names.append(
                f"{base}_{AXES[column] if values.shape[1] <= len(AXES) else column}" if several else base
            )
            units.append(series.unit or "")
        result = recording.with_history(
            result, f"behaviour {path_of(series)}: mean of the samples in each bin of every trial"
        )
    number = len(names)
    block = xr.DataArray(
        np.stack(columns, axis=-1).astype(np.float32),
        dims=("trial", "time", "covariate"),
        coords={
            "covariate": names,
            "available": ("covariate", ["after"] * number),
            "role": ("covariate", ["measured"] * number),
            "covariate_units": ("covariate", units),
        },
    )
    return result.assign(covariates=block)


def _per_trial(
    times: np.ndarray, values: np.ndarray, starts: np.ndarray, width: float, period: float | None
) -> np.ndarray:
    """Values ``(trial, time)`` from the samples about each trial."""
    result = np.full(starts.shape, np.nan)
    margin = MARGIN * width
    edges = np.searchsorted(times, np.stack([starts[:, 0] - margin, starts[:, -1] + width + margin], axis=1))
    for trial, (low, high) in enumerate(edges):
        result[trial] = onto_bins(times[low:high], values[low:high], starts[trial], width, period=period)
    return result
