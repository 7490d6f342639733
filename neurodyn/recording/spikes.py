"""Recordings from spike times."""

import warnings
from collections.abc import Mapping

import numpy as np
import xarray as xr

from neurodyn.errors import NeurodynWarning, RecordingError
from neurodyn.recording.build import make
from neurodyn.recording.clock import Number, as_intervals, bins_inside, floor_bins, warn_of_sharing

WIDEST = 10.0


def from_spikes(
    spike_times,
    *,
    bin_width: Number,
    start: Number | None = None,
    stop: Number | None = None,
    intervals=None,
    as_trials: bool = False,
    unit=None,
    unit_coords: Mapping | None = None,
    trial_coords: Mapping | None = None,
    covariates=None,
    modality: str = "spikes",
    subject="",
    session="",
    source="",
    history=(),
) -> xr.Dataset:
    """Count spikes in bins.

    Bin `i` is `[start + i * bin_width, start + (i + 1) * bin_width)`: a spike on an edge belongs to the bin
    that begins there, also where rounding puts it a hair before. A last bin that does not fit before
    `stop` is dropped.

    Parameters
    ----------
    spike_times : mapping or sequence
        Label to spike times, or one array of spike times per unit; in seconds, in any order.
    bin_width : float
        Width of a bin in seconds.
    start, stop : float, optional
        Limits of the recording in seconds. By default from 0 (or the first interval) to the end of the bin
        of the last spike (or the last interval).
    intervals : array-like, table or pynapple.IntervalSet, optional
        When the recording was valid, `(n, 2)` seconds. Bins that are not wholly inside are NaN.
    as_trials : bool
        Make every interval a trial with its own bins from its own start, NaN after its end.
    unit : sequence, optional
        Labels of the units, if `spike_times` is a sequence.
    unit_coords, trial_coords, covariates, modality, subject, session, source, history
        As in `make`.

    Returns
    -------
    xarray.Dataset
        Counts `(time, unit)` or `(trial, time, unit)`. The history says how many spikes were outside.

    Raises
    ------
    RecordingError
        If spike times are negative (unless `start` is), NaN or infinite, or there is not one bin.

    Examples
    --------
    >>> from neurodyn import recording
    >>> counts = recording.from_spikes({"a": [0.05, 0.1, 0.31], "b": []}, bin_width=0.1, stop=0.4)
    >>> counts.activity.sel(unit="a").values.tolist()
    [1.0, 1.0, 0.0, 1.0]
    """
    if isinstance(spike_times, Mapping):
        if unit is not None:
            raise RecordingError(
                "`unit` was given beside a mapping, whose keys are the labels: leave one out."
            )
        unit, spike_times = list(spike_times), list(spike_times.values())
    if isinstance(spike_times, np.ndarray) and spike_times.dtype.kind in "iuf" and spike_times.ndim == 1:
        raise RecordingError(
            "`spike_times` is one array of numbers: give one array per unit, such as [times] for a single unit."
        )
    spike_times = list(spike_times)
    labels = list(range(len(spike_times))) if unit is None else list(unit)
    if not labels:
        raise RecordingError("There are 0 units with spike times: there is nothing to bin.")
    if len(labels) != len(spike_times):
        raise RecordingError(f"{len(labels)} labels were given for {len(spike_times)} units.")
    width = _positive(bin_width)
    pairs = None if intervals is None else as_intervals(intervals)
    earliest = start if start is not None or pairs is None else float(pairs[:, 0].min())
    trains = [_train(times, label, earliest) for times, label in zip(spike_times, labels, strict=True)]
    common = {
        "sampling_interval": width, "kind": "count", "unit": labels, "unit_coords": unit_coords,
        "covariates": covariates, "modality": modality, "subject": subject, "session": session, "source": source,
    }  # fmt: skip
    if as_trials:
        if pairs is None:
            raise RecordingError("as_trials=True needs `intervals`: give the start and stop of every trial.")
        if start is not None or stop is not None:
            raise RecordingError(
                "as_trials=True takes its times from `intervals`: leave `start` and `stop` out."
            )
        warn_of_sharing(pairs[:, 0], pairs[:, 1], stacklevel=2)
        counts, outside = _trials(trains, pairs, width)
        line = (
            f"counted spikes in bins of {width:g} s in {len(pairs)} trials; {outside} spikes outside dropped"
        )
        extra = {"start_time": pairs[:, 0], **dict(trial_coords or {})}
        return make(counts, trial_coords=extra, history=(*_lines(history), line), **common)
    first, last = _limits(trains, start, stop, pairs, width)
    n_bins = int(floor_bins(last - first, width))
    if n_bins < 1:
        raise RecordingError(
            f"There are 0 whole bins of {width:g} s from {first:.6g} s to {last:.6g} s: use a smaller bin width, "
            "or a later stop."
        )
    counts = np.stack([_count(train, first, width, n_bins) for train in trains], axis=-1)
    outside = int(sum(train.size for train in trains) - counts.sum())
    line = (
        f"counted spikes in {n_bins} bins of {width:g} s from {first:g} s; {outside} spikes outside dropped"
    )
    lines = [line]
    values = counts.astype(np.float64 if counts.max() > 2**24 else np.float32)
    if pairs is not None:
        inside = bins_inside(pairs, first, width, n_bins)
        if not inside.any():
            raise RecordingError(
                f"No bin of {width:g} s lies wholly inside one of the {len(pairs)} intervals: use a smaller bin width."
            )
        values[~inside] = np.nan
        lines.append(f"{n_bins - int(inside.sum())} bins outside the intervals set to NaN")
    time = first + np.arange(n_bins) * width
    return make(values, time=time, trial_coords=trial_coords, history=(*_lines(history), *lines), **common)


def _lines(history) -> tuple[str, ...]:
    """History as a tuple of lines."""
    return (history,) if isinstance(history, str) else tuple(history)


def _positive(bin_width) -> float:
    """The bin width, if it is one."""
    width = float(bin_width)
    if not np.isfinite(width) or width <= 0:
        raise RecordingError(f"`bin_width` is {bin_width!r}: give the width of a bin in seconds, above 0.")
    warn_of_wide_bins(width)
    return width


def warn_of_wide_bins(width: float) -> None:
    """Warn of a bin width that looks like milliseconds."""
    if width > WIDEST:
        warnings.warn(
            f"Spikes are counted in bins of {width:g} s, because bin_width is in seconds: give bin_width={width / 1000:g} "
            "if milliseconds were meant.",
            NeurodynWarning,
            stacklevel=4,
        )


def _train(times, label, start: Number | None) -> np.ndarray:
    """One unit's spike times, sorted and checked."""
    train = np.asarray(getattr(times, "t", times), dtype=np.float64).ravel()
    bad = np.flatnonzero(~np.isfinite(train))
    if bad.size:
        raise RecordingError(
            f"Spike {bad[0]} of unit {label!s} is at {train[bad[0]]} s: remove spikes without a time."
        )
    if train.size and train.min() < 0 and (start is None or start >= 0):
        index = int(np.argmin(train))
        raise RecordingError(
            f"Spike {index} of unit {label!s} is at {train[index]:.6g} s, before 0: correct its time, or give a "
            "negative `start` if time is counted from an event."
        )
    return np.sort(train)


def _limits(trains, start, stop, pairs, width: float) -> tuple[float, float]:
    """Start and stop of the recording in seconds."""
    spikes = [train for train in trains if train.size]
    if start is None and pairs is not None:
        start = pairs[:, 0].min()
    if stop is None and pairs is not None:
        stop = pairs[:, 1].max()
    if start is None:
        start = 0.0
        first = min((train[0] for train in spikes), default=0.0)
        last = max((train[-1] for train in spikes), default=0.0)
        if first > 10 * width and first > 0.05 * last:
            warnings.warn(
                f"Counting from 0 s, but the first spike of any unit is at {first:.6g} s: give `start` if the "
                "recording began later, or the empty bins will be taken for silence.",
                NeurodynWarning,
                stacklevel=3,
            )
    if stop is None:
        if not spikes:
            raise RecordingError(
                "There is not one spike in any unit: give `stop` to count zeros, or check the file."
            )
        last = max(train[-1] for train in spikes)
        stop = start + (int(floor_bins(last - start, width)) + 1) * width
    if not np.isfinite([start, stop]).all() or stop <= start:
        raise RecordingError(f"The recording goes from {start} s to {stop} s: it must stop after it starts.")
    return float(start), float(stop)


def _count(train: np.ndarray, first: Number, width: Number, n_bins: int) -> np.ndarray:
    """Spikes per bin `(bin,)`; only those near the bins are looked at, since a session has many trials."""
    low, high = np.searchsorted(train, np.array([first - width, first + (n_bins + 1) * width]))
    bins = floor_bins(train[low:high] - first, width)
    bins = bins[(bins >= 0) & (bins < n_bins)]
    return np.bincount(bins, minlength=n_bins)


def _trials(trains, pairs: np.ndarray, width: float) -> tuple[list[np.ndarray], int]:
    """Counts `(time, unit)` of every interval, and how many spikes lie in none of them."""
    n_bins = floor_bins(pairs[:, 1] - pairs[:, 0], width)
    if (n_bins < 1).any():
        i = int(np.argmin(n_bins))
        raise RecordingError(
            f"Interval {i}, from {pairs[i, 0]:.6g} s to {pairs[i, 1]:.6g} s, is shorter than one bin of {width:g} s."
        )
    counts = [
        np.stack([_count(train, start, width, int(n)) for train in trains], axis=-1)
        for start, n in zip(pairs[:, 0], n_bins, strict=True)
    ]
    total = sum(train.size for train in trains)
    inside = sum(_covered(train, pairs[:, 0], pairs[:, 0] + n_bins * width) for train in trains)
    return counts, int(total - inside)


def _covered(train: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> int:
    """Spikes that lie in at least one interval."""
    depth = np.zeros(train.size + 1, np.int64)
    np.add.at(depth, np.searchsorted(train, starts), 1)
    np.add.at(depth, np.searchsorted(train, stops), -1)
    return int((np.cumsum(depth)[:-1] > 0).sum())
