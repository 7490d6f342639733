"""Cutting a recording into trials, and restricting it to intervals."""

import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr

from neurodyn.errors import NeurodynWarning, RecordingError
from neurodyn.recording.clock import (
    Number,
    as_intervals,
    bins_inside,
    ceil_bins,
    floor_bins,
    start_column,
    stop_column,
    warn_of_sharing,
)
from neurodyn.recording.columns import as_column
from neurodyn.recording.masks import with_history
from neurodyn.recording.schema import check, listed

_RESERVED = ("activity", "covariates", "time", "unit", "trial", "kind", "covariate", "available", "role")


def cut_trials(
    recording: xr.Dataset,
    events,
    *,
    window: Sequence | None = None,
    align: str | None = None,
    stop: str | None = None,
) -> xr.Dataset:
    """Cut a continuous recording into trials around events.

    With a window, a trial is the bins from `event + window[0]` to `event + window[1]`, numbered from the bin
    that holds the event, which is time 0. Without, or where `window[1]` is None, a trial lasts until its
    own stop, and is NaN after it.

    Parameters
    ----------
    recording : xarray.Dataset
        A recording `(time, unit)`.
    events : array-like or pandas.DataFrame
        Times in seconds `(trial,)`, pairs of start and stop `(trial, 2)`, or a table whose columns become
        coordinates of `trial`.
    window : tuple of float, optional
        Seconds relative to the event, so (-0.5, 1.0) is from half a second before to one second after. The
        second may be None: until the stop of the trial.
    align : str, optional
        Column of the table that holds the event; by default `start` or `start_time`.
    stop : str, optional
        Column of the table that holds the end; by default `stop`, `stop_time` or `end`.

    Returns
    -------
    xarray.Dataset
        A recording `(trial, time, unit)`. Coordinates on `trial`: `event_time` and `start_time` (seconds, session
        clock, of the event and of the trial's first bin) and `n_bins`. Bins before the recording
        began are NaN, bins after it ended are beyond `n_bins`.

    Raises
    ------
    RecordingError
        If there are no events, no trial lies in the recording, or a window or column makes no sense.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> run = recording.make(np.arange(100.0)[:, None], sampling_interval=0.1)
    >>> trials = recording.cut_trials(run, [2.0, 5.0], window=(-0.2, 0.3))
    >>> trials.activity.squeeze().values.tolist()
    [[18.0, 19.0, 20.0, 21.0, 22.0], [48.0, 49.0, 50.0, 51.0, 52.0]]
    """
    recording = check(recording, allow_empty=True)
    _without_trials(recording, "cut into trials")
    event, end, columns = _events(events, align, stop, needs_stop=window is None or window[1] is None)
    first_seconds, last_seconds = _window(window)
    width = float(recording.attrs["sampling_interval"])
    origin = float(recording["time"].values[0])
    n_time = recording.sizes["time"]
    if window is None:
        zero = ceil_bins(event - origin, width)
    else:
        zero = floor_bins(event - origin, width)
    before = int(floor_bins(first_seconds, width))
    if end is not None and last_seconds is None:
        length = floor_bins(end - origin, width) - zero - before
    else:
        length = np.full(event.size, int(ceil_bins(last_seconds or 0.0, width)) - before)
    if (length < 1).any():
        i = int(np.argmin(length))
        raise RecordingError(
            f"Event {i} at {event[i]:.6g} s leaves a trial without one whole bin of {width:g} s: give a later stop, "
            "a longer window, or narrower bins."
        )
    first = zero + before
    n_bins = np.clip(np.minimum(first + length, n_time) - first, 0, None)
    outside = (first >= n_time) | (first + length <= 0)
    if outside.all():
        raise RecordingError(
            f"None of the {event.size} events lies in the recording, which goes from {origin:.6g} s to "
            f"{origin + n_time * width:.6g} s: are events and recording in one clock, in seconds?"
        )
    _warn_of_trials(outside, first, length, event)
    result = _gather(recording, first, n_bins, int(length.max()), before * width)
    coords = {
        "event_time": ("trial", event),
        "start_time": ("trial", origin + first * width),
        "n_bins": ("trial", n_bins),
        **{name: ("trial", column) for name, column in columns.items()},
    }
    result = result.assign_coords({"trial": ("trial", np.arange(event.size)), **coords})
    what = f"window {window}" if window is not None else "start to stop"
    return check(with_history(result, f"cut into {event.size} trials, {what} (s)"), allow_empty=True)


def restrict(recording: xr.Dataset, intervals, *, as_trials: bool = False) -> xr.Dataset:
    """Keep what lies in the intervals, and nothing else.

    Parameters
    ----------
    recording : xarray.Dataset
        A recording.
    intervals : array-like, table or pynapple.IntervalSet
        `(n, 2)` seconds, in the clock of the coordinate `time`.
    as_trials : bool
        Make every interval a trial of its own (for recordings without trials).

    Returns
    -------
    xarray.Dataset
        The recording from the first to the last bin that lies wholly inside an interval; bins between
        intervals are NaN. With `as_trials`, a recording `(trial, time, unit)`.

    Raises
    ------
    RecordingError
        If no bin lies inside, or the intervals are not pairs of increasing times.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> run = recording.make(np.ones((100, 2)), sampling_interval=0.1)
    >>> recording.restrict(run, [(2.0, 3.0), (5.0, 6.0)]).sizes["time"]
    40
    """
    recording = check(recording, allow_empty=True)
    pairs = as_intervals(intervals)
    if as_trials:
        _without_trials(recording, "restricted with as_trials=True")
        return cut_trials(recording, pairs)
    width = float(recording.attrs["sampling_interval"])
    origin = float(recording["time"].values[0])
    inside = bins_inside(pairs, origin, width, recording.sizes["time"])
    if not inside.any():
        raise RecordingError(
            f"No bin lies wholly inside the intervals, from {pairs[:, 0].min():.6g} s to {pairs[:, 1].max():.6g} s; "
            f"the recording goes from {origin:.6g} s to {origin + inside.size * width:.6g} s."
        )
    kept = np.flatnonzero(inside)
    first, last = int(kept[0]), int(kept[-1]) + 1
    result = recording.isel(time=slice(first, last))
    activity = result["activity"]
    values = np.where(inside[first:last, None], activity.values, np.asarray(np.nan, activity.dtype))
    result = result.assign(activity=activity.copy(data=values))
    if "n_bins" in result.coords:
        length = result["n_bins"]
        result = result.assign_coords(n_bins=(length.dims, np.clip(length.values - first, 0, last - first)))
    if "start_time" in result.coords:
        start = result["start_time"]
        result = result.assign_coords(start_time=(start.dims, start.values + first * width))
    return with_history(result, f"restricted to {len(pairs)} intervals, {kept.size} bins")


def _without_trials(recording: xr.Dataset, what: str) -> None:
    """Refuse a recording that has trials already."""
    if "trial" in recording["activity"].dims:
        raise RecordingError(
            f"The recording has trials already, and cannot be {what}: start from the continuous one."
        )


def _window(window) -> tuple[float, float | None]:
    """The window in seconds."""
    if window is None:
        return 0.0, None
    if len(window) != 2 or window[0] is None or not np.isfinite([x for x in window if x is not None]).all():
        raise RecordingError(f"The window is {window!r}: give two times in seconds, such as (-0.5, 1.0).")
    if window[1] is not None and window[1] <= window[0]:
        raise RecordingError(
            f"The window {tuple(window)} ends before it begins: both times are relative to the event, and times "
            "before it are negative."
        )
    return float(window[0]), None if window[1] is None else float(window[1])


def _events(events, align, stop, needs_stop: bool) -> tuple[np.ndarray, np.ndarray | None, dict]:
    """Event times, ends where needed, and the other columns."""
    if hasattr(events, "columns"):
        columns = {str(name): as_column(events[name].to_numpy()) for name in events.columns}
        align = str(align or start_column(events) or "start")
        stop = str(stop or stop_column(events) or "stop")
        for name, needed, meaning in ((align, True, "align"), (stop, needs_stop, "stop")):
            if needed and name not in columns:
                raise RecordingError(
                    f"The table of events has the columns {listed(columns, 20)}: say with `{meaning}` which holds the "
                    f"{'event' if meaning == 'align' else 'end of the trial'}."
                )
        event = columns[align]
        end = columns[stop] if needs_stop else None
    else:
        columns, end = {}, None
        event = np.asarray(getattr(events, "t", getattr(events, "values", events)))
        if event.ndim == 2 and event.shape[1] == 2:
            event, end = event[:, 0], event[:, 1]
        elif needs_stop:
            raise RecordingError("Events without a stop need a `window`, such as (-0.5, 1.0) in seconds.")
    if event.ndim != 1 or event.size == 0 or event.dtype.kind not in "iuf":
        raise RecordingError(
            f"The events have shape {event.shape} and dtype {event.dtype}: give times in seconds."
        )
    event = event.astype(np.float64)
    end = None if end is None or not needs_stop else np.asarray(end, np.float64)
    known = np.isfinite(event) if end is None else np.isfinite(event) & np.isfinite(end)
    if not known.all():
        if not known.any():
            raise RecordingError(f"None of the {event.size} events has a time: all are NaN.")
        warnings.warn(
            f"{int((~known).sum())} of {known.size} events have no time (first: row {int(np.argmin(known))}) and "
            "were left out.",
            NeurodynWarning,
            stacklevel=4,
        )
    columns = {_free(name): column[known] for name, column in columns.items()}
    return event[known], None if end is None else end[known], columns


def _free(name: str) -> str:
    """A column name that is not one the schema or this module uses."""
    taken = (*_RESERVED, "start_time", "n_bins", "event_time")
    return f"table_{name}" if name in taken else name


def _warn_of_trials(outside: np.ndarray, first: np.ndarray, length: np.ndarray, event: np.ndarray) -> None:
    """Warn of trials outside the recording, and of bins that two trials share."""
    if outside.any():
        i = int(np.argmax(outside))
        warnings.warn(
            f"{int(outside.sum())} of {outside.size} trials lie wholly outside the recording (first: trial {i}, event at "
            f"{event[i]:.6g} s) and are all NaN.",
            NeurodynWarning,
            stacklevel=3,
        )
    warn_of_sharing(first, first + length, stacklevel=3)


def _gather(
    recording: xr.Dataset, first: np.ndarray, n_bins: np.ndarray, length: int, time_zero: Number
) -> xr.Dataset:
    """The bins of every trial, NaN where a trial has none."""
    n_time = recording.sizes["time"]
    steps = np.arange(length)
    index = first[:, None] + steps
    valid = (index >= 0) & (steps < n_bins[:, None])
    safe = np.clip(index, 0, n_time - 1)
    data = {}
    for name in ("activity", "covariates"):
        if name in recording:
            values = recording[name].values
            block = values[safe]
            block[~valid] = np.nan
            data[name] = (("trial", *recording[name].dims), block, recording[name].attrs)
    coords = {
        name: (c.dims, c.values) for name, c in recording.coords.items() if "time" not in c.dims and c.dims
    }
    coords["time"] = ("time", time_zero + steps * float(recording.attrs["sampling_interval"]))
    return xr.Dataset(data, coords=coords, attrs=recording.attrs)
