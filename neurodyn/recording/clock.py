"""Bins, edges and intervals: the arithmetic of time, safe against rounding."""

import warnings
from typing import Any

import numpy as np

from neurodyn.errors import NeurodynWarning, RecordingError

Number = float | int | np.floating | np.integer
EDGE = 1e-6
STEP_TOLERANCE = 1e-3
DRIFT_TOLERANCE = 0.5
_START = ("start", "start_time", "onset")
_STOP = ("stop", "stop_time", "end", "end_time")


def check_time(time: np.ndarray, sampling_interval: Number) -> None:
    """Refuse a time axis that is not finite, increasing, uniform and in step with the interval."""
    if time.dtype != np.float64:
        raise RecordingError(
            f"The coordinate `time` has dtype {time.dtype}: give it as float64 seconds, for example "
            "recording.assign_coords(time=start + numpy.arange(n) * sampling_interval)."
        )
    if _plainly_uniform(time, float(sampling_interval)):
        return
    bad = np.flatnonzero(~np.isfinite(time))
    if bad.size:
        raise RecordingError(
            f"time[{bad[0]}] is {time[bad[0]]}: every time must be a finite number of seconds."
        )
    if time.size < 2:
        return
    steps = np.diff(time)
    same = np.flatnonzero(steps == 0)
    if same.size:
        i = int(same[0])
        raise RecordingError(
            f"time[{i}] and time[{i + 1}] are both {time[i]:.10g} s: remove the duplicate sample."
        )
    back = np.flatnonzero(steps < 0)
    if back.size:
        i = int(back[0])
        raise RecordingError(
            f"Time runs backwards: time[{i}] is {time[i]:.10g} s and time[{i + 1}] is {time[i + 1]:.10g} s; "
            "sort the samples by time."
        )
    step = float(np.median(steps))
    slack = 4 * np.spacing(np.abs(time).max())
    uneven = np.flatnonzero(np.abs(steps - step) > STEP_TOLERANCE * step + slack)
    if uneven.size:
        i = int(uneven[0])
        raise RecordingError(
            f"Time is not uniform: the step from time[{i}] = {time[i]:.10g} s is {steps[i]:.6g} s, the "
            f"median step is {step:.6g} s; resample to a uniform step, or put NaN into the missing bins."
        )
    drift = abs((time[-1] - time[0]) - (time.size - 1) * sampling_interval)
    if abs(step - sampling_interval) > STEP_TOLERANCE * sampling_interval + slack or (
        drift > DRIFT_TOLERANCE * sampling_interval
    ):
        raise RecordingError(
            f"`time` advances by {(time[-1] - time[0]) / (time.size - 1):.8g} s a step, but the attribute "
            f"`sampling_interval` is {sampling_interval:.8g} s: correct the one that is wrong."
        )


def _plainly_uniform(time: np.ndarray, width: float) -> bool:
    """Whether all steps are so close to the interval that nothing more needs to be looked at."""
    if time.size < 2:
        return False
    steps = np.diff(time)
    drift = abs((time[-1] - time[0]) - (time.size - 1) * width)
    slack = STEP_TOLERANCE * width / 3
    return bool(
        steps.min() >= width - slack and steps.max() <= width + slack and drift <= DRIFT_TOLERANCE * width
    )


def floor_bins(seconds, width: Number) -> Any:
    """Index of the bin `[i * width, (i + 1) * width)` that holds each time.

    A time within a millionth of a bin of an edge lies on the edge, hence in the bin that begins there:
    0.3 / 0.1 is 2.9999999999999996 in floating point, and yet bin 3.
    """
    return np.floor(np.asarray(seconds, np.float64) / width + EDGE).astype(np.int64)


def ceil_bins(seconds, width: Number) -> Any:
    """Index of the first bin that begins at each time or later."""
    return np.ceil(np.asarray(seconds, np.float64) / width - EDGE).astype(np.int64)


def as_intervals(intervals) -> np.ndarray:
    """Intervals `(n, 2)` in seconds, in the order given, from pairs, a table or a pynapple IntervalSet."""
    if hasattr(intervals, "columns"):
        start, stop = column_named(intervals, _START), column_named(intervals, _STOP)
        if start is None or stop is None:
            raise RecordingError(
                f"The table of intervals has the columns {', '.join(map(str, intervals.columns))}: "
                "it needs `start` and `stop`, in seconds."
            )
        pairs = np.stack([np.asarray(intervals[start]), np.asarray(intervals[stop])], axis=-1)
    else:
        pairs = np.asarray(getattr(intervals, "values", intervals))
    if pairs.shape == (2,):
        pairs = pairs[None]
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.shape[0] == 0 or pairs.dtype.kind not in "iuf":
        raise RecordingError(
            f"The intervals have shape {pairs.shape} and dtype {pairs.dtype}: give pairs (start, stop) in seconds."
        )
    pairs = pairs.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(pairs).all(axis=1) | (pairs[:, 1] <= pairs[:, 0]))
    if bad.size:
        start, stop = pairs[bad[0]]
        raise RecordingError(
            f"Interval {bad[0]} goes from {start:.6g} s to {stop:.6g} s: each must stop after it starts."
        )
    return pairs


def merged(intervals: np.ndarray) -> np.ndarray:
    """Intervals sorted by start, those that touch or overlap made one."""
    intervals = intervals[np.argsort(intervals[:, 0], kind="stable")]
    out = [intervals[0].tolist()]
    for start, stop in intervals[1:].tolist():
        if start <= out[-1][1]:
            out[-1][1] = max(out[-1][1], stop)
        else:
            out.append([start, stop])
    return np.array(out)


def bins_inside(intervals: np.ndarray, origin: Number, width: Number, n_bins: int) -> np.ndarray:
    """Which of `n_bins` bins from `origin` lie wholly inside one of the intervals `(n_bins,)`."""
    inside = np.zeros(n_bins, bool)
    for start, stop in merged(intervals):
        first = int(ceil_bins(start - origin, width))
        last = int(floor_bins(stop - origin, width))
        inside[max(first, 0) : max(last, 0)] = True
    return inside


def sharing(starts: np.ndarray, stops: np.ndarray) -> int:
    """How many intervals begin before an earlier one has ended."""
    order = np.argsort(starts, kind="stable")
    ends = np.maximum.accumulate(stops[order])
    return int((starts[order][1:] < ends[:-1]).sum())


def warn_of_sharing(starts: np.ndarray, stops: np.ndarray, stacklevel: int) -> None:
    """Warn of trials that have bins in common."""
    shared = sharing(starts, stops)
    if shared:
        warnings.warn(
            f"{shared} of {starts.size} trials share bins with an earlier trial: a held-out trial would be partly seen "
            "in training; use shorter trials, or hold out blocks of time before cutting.",
            NeurodynWarning,
            stacklevel=stacklevel + 1,
        )


def column_named(frame, names: tuple[str, ...]):
    """The first of the names that is a column, or None."""
    return next((name for name in names if name in frame.columns), None)


def start_column(frame):
    """The column of a table that holds starts."""
    return column_named(frame, _START)


def stop_column(frame):
    """The column of a table that holds stops."""
    return column_named(frame, _STOP)
