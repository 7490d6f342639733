"""States around events: stimulus onsets, button presses, ripples."""

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from neurodyn.analysis.sequences import inside_trials, with_trials
from neurodyn.errors import ModelError


def event_aligned(
    probability: xr.DataArray, events: ArrayLike, *, window: tuple[float, float]
) -> xr.DataArray:
    """State probabilities around every event.

    Parameters
    ----------
    probability : xr.DataArray
        State probabilities, dims ``([trial,] time, state)``, with a ``time`` coordinate in seconds.
    events : array-like
        Times of the events in seconds on the coordinate ``time``, shape ``(event,)``; with trials, events
        count in every trial.
    window : tuple of float
        First and last time around the event in seconds, such as ``(-1.0, 2.0)``.

    Returns
    -------
    xr.DataArray
        Dims ``(event, lag, state)``, ``lag`` in seconds (multiples of the bin); NaN where the window leaves
        the recording or the trial.

    Raises
    ------
    ModelError
        If there is no event, none falls into the recording, or the window is empty.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> path = np.eye(2)[[0, 0, 1, 1, 0, 0]]
    >>> p = xr.DataArray(path, dims=("time", "state"), coords={"time": np.arange(6.0)})
    >>> event_aligned(p, [2.0], window=(-1.0, 1.0))[0, :, 1].values.tolist()
    [0.0, 1.0, 1.0]
    """
    values = with_trials(probability, "state")
    times = values["time"].values
    onsets = np.atleast_1d(np.asarray(events, dtype=np.float64))
    if onsets.ndim != 1 or not np.isfinite(onsets).all() or onsets.size == 0:
        raise ModelError(
            f"events has shape {onsets.shape}; give one finite time in seconds per event, at least one."
        )
    if len(window) != 2 or not window[0] < window[1]:
        raise ModelError(f"window is {window!r}; give (first, last) seconds around the event, first < last.")
    interval = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    lags = np.arange(
        int(np.ceil(window[0] / interval - 1e-9)), int(np.floor(window[1] / interval + 1e-9)) + 1
    )
    if lags.size == 0:
        raise ModelError(f"the window {window!r} holds no bin of {interval:g} s; make it wider.")
    centre = np.floor((onsets - times[0]) / interval + 1e-9).astype(np.int64)
    inside = (centre >= 0) & (centre < len(times))
    if not inside.any():
        raise ModelError(
            f"none of the {onsets.size} events lies within the recording, {times[0]:g} to "
            f"{times[-1] + interval:g} s; give them in seconds on the recording's clock."
        )
    position = centre[inside, None] + lags
    known = (position >= 0) & (position < len(times))
    source = np.where(inside_trials(values)[..., None], values.values.astype(np.float64), np.nan)
    cut = source[:, np.clip(position, 0, len(times) - 1)]
    cut = np.where(known[None, ..., None], cut, np.nan).reshape(-1, lags.size, values.sizes["state"])
    n_trials = values.sizes["trial"]
    coords = {"lag": lags * interval, "event": np.tile(np.flatnonzero(inside), n_trials)}
    if "state" in values.coords:
        coords["state"] = values["state"].values
    return xr.DataArray(cut, dims=("event", "lag", "state"), coords=coords, name="event_aligned")
