"""Uneven samples onto an even grid, honestly: what was not measured stays NaN and history says how."""

import numpy as np

from neurodyn.errors import FileError
from neurodyn.recording.clock import floor_bins


def regularise(times, values, *, name: str = "series", max_gap: float = 1.5):
    """Place samples with their own time stamps on a uniform grid.

    Time stamps that follow a regular clock (up to a quarter of a step, with whole steps missing)
    keep their values, and missing frames become NaN. Otherwise values are linearly interpolated
    at the median step, and grid points between samples more than `max_gap` steps apart are NaN.

    Parameters
    ----------
    times : array (sample,)
        Seconds, ascending.
    values : array (sample, ...)
        What was measured.
    name : str
        What to call the series in messages.
    max_gap : float
        Longest distance between neighbouring samples, in steps, that is interpolated.

    Returns
    -------
    start : float
        Time of the first grid point, seconds.
    step : float
        Step of the grid, seconds.
    values : array (time, ...)
        Values on the grid.
    history : tuple of str
        What was done.
    """
    times = np.asarray(times, dtype=np.float64)
    values = np.asarray(values)
    if times.ndim != 1 or len(times) != len(values):
        raise FileError(
            f"{name} has {len(values)} samples but {times.size} time stamps; the file is inconsistent."
        )
    usable = np.isfinite(times)
    notes = []
    if not usable.all():
        notes.append(f"{name}: dropped {np.sum(~usable)} samples without a time stamp")
        times, values = times[usable], values[usable]
    if len(times) < 2:
        raise FileError(
            f"{name} has {len(times)} time stamped samples; at least 2 are needed to know its rate."
        )
    differences = np.diff(times)
    if np.any(differences < 0):
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
        differences = np.diff(times)
        notes.append(f"{name}: time stamps were not ascending and were sorted")
    if np.any(differences == 0):
        first = np.concatenate([[True], differences > 0])
        notes.append(f"{name}: dropped {np.sum(~first)} samples with a repeated time stamp")
        times, values = times[first], values[first]
        differences = np.diff(times)
        if len(times) < 2:
            raise FileError(f"{name} has one distinct time stamp; at least 2 are needed to know its rate.")
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float32)
    median = float(np.median(differences))
    steps = np.rint(differences / median)
    index = np.concatenate([[0], np.cumsum(steps)]).astype(np.int64)
    _refuse_huge(int(np.ceil((times[-1] - times[0]) / median)), values, name, times)
    if np.all(steps >= 1):
        slope, intercept = _line(index, times)
        shift = float(np.max(np.abs(times - (intercept + slope * index))))
        if shift <= 0.25 * slope:
            start = float(times[0]) if abs(intercept - times[0]) < 1e-6 * slope else intercept
            return start, slope, *_on_clock(index, values, shift, slope, name, notes)
    grid = times[0] + median * np.arange(int(np.floor((times[-1] - times[0]) / median + 1e-9)) + 1)
    resampled = _interpolate(grid, times, values, max_gap * median)
    notes.append(
        f"{name}: uneven time stamps (steps {differences.min():.4g} to {differences.max():.4g} s) linearly "
        f"interpolated every {median:.6g} s, NaN across gaps over {max_gap * median:.4g} s"
    )
    return float(times[0]), median, resampled, tuple(notes)


def _line(index, times):
    """Least-squares slope and intercept of the clock, from centred sums for accuracy."""
    centred = index - index.mean()
    slope = float(np.sum(centred * (times - times.mean())) / np.sum(centred**2))
    return slope, float(times.mean() - slope * index.mean())


def _on_clock(index, values, shift, step, name, notes):
    """Values at their frame numbers; frames never recorded are NaN."""
    missing = int(index[-1] + 1 - len(index))
    if shift > 1e-6 * step or missing:
        notes.append(
            f"{name}: time stamps replaced by a uniform clock of {step:.9g} s (largest shift {shift:.3g} s), "
            f"{missing} missing frames set to NaN"
        )
    if not missing:
        return values, tuple(notes)
    grid = np.full((int(index[-1]) + 1, *values.shape[1:]), np.nan, dtype=values.dtype)
    grid[index] = values
    return grid, tuple(notes)


def _refuse_huge(length, values, name, times):
    """A single wrong time stamp must not ask for all memory."""
    if length > max(100 * len(times), 1_000_000):
        size = length * values.itemsize * int(np.prod(values.shape[1:], initial=1))
        raise FileError(
            f"{name} has {len(times)} samples spread over {times[-1] - times[0]:.6g} s, a uniform grid of "
            f"{size:,} bytes; read a part of it with interval=(start, stop)."
        )


def _interpolate(points, times, values, longest):
    """Linear interpolation at `points`, NaN outside the samples and in gaps over `longest`."""
    right = np.clip(np.searchsorted(times, points, side="left"), 1, len(times) - 1)
    left = right - 1
    span = times[right] - times[left]
    weight = ((points - times[left]) / span).astype(values.dtype)
    weight = weight.reshape(weight.shape + (1,) * (values.ndim - 1))
    result = values[left] * (1 - weight) + values[right] * weight
    exact = points == times[right]
    result[exact] = values[right][exact]
    at_left = points == times[left]
    result[at_left] = values[left][at_left]
    outside = (points < times[0]) | (points > times[-1])
    result[outside | ((span > longest) & ~exact & ~at_left)] = np.nan
    return result


def onto_bins(times, values, starts, width, *, period: float | None = None, max_gap: float | None = None):
    """One value per bin from samples with their own time stamps.

    A bin with samples takes their mean (for an angle of the given period, the direction of the mean
    unit vector). A bin without takes the linear interpolation at its centre where the neighbouring
    samples are at most `max_gap` apart, else NaN.

    Parameters
    ----------
    times : array (sample,)
        Seconds, ascending.
    values : array (sample,)
        Measured values; NaN ones are ignored.
    starts : array (time,)
        Bin starts, seconds.
    width : float
        Bin width, seconds.
    period : float or None
        Period of a circular quantity (2 pi for radians).
    max_gap : float or None
        Seconds; None is the larger of three median sample intervals and two bins.

    Returns
    -------
    array (time,)
        float64, NaN where nothing was measured.
    """
    times = np.asarray(times, dtype=np.float64)
    values = np.asarray(values, dtype=np.float64)
    starts = np.asarray(starts, dtype=np.float64)
    good = np.isfinite(times) & np.isfinite(values)
    times, values = times[good], values[good]
    result = np.full(len(starts), np.nan)
    if not len(times):
        return result
    if np.any(np.diff(times) < 0):
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    lowest = values.min()
    turns = np.zeros(len(values)) if period is None else 2 * np.pi * values / period
    signal = values if period is None else np.cos(turns) + 1j * np.sin(turns)
    cell = floor_bins(times - starts[0], width)
    within = (cell >= 0) & (cell < len(starts))
    number = np.bincount(cell[within], minlength=len(starts))
    total = np.zeros(len(starts), dtype=signal.dtype)
    np.add.at(total, cell[within], signal[within])
    filled = number > 0
    mean = np.zeros(len(starts), dtype=signal.dtype)
    mean[filled] = total[filled] / number[filled]
    empty = ~filled
    if len(times) > 1 and empty.any():
        if max_gap is None:
            max_gap = max(3 * float(np.median(np.diff(times))), 2 * width)
        between = _interpolate(starts[empty] + width / 2, times, signal, max_gap)
        mean[empty] = between
        filled[empty] = np.isfinite(between)
    if period is None:
        result[filled] = mean[filled]
        return result
    angle = np.angle(mean[filled]) * period / (2 * np.pi)
    result[filled] = np.mod(angle, period) if lowest >= 0 else angle
    return result


def circular_period(unit: str, values) -> float | None:
    """Period of an angle that wraps around, or None: by its unit, and only if it stays in one turn."""
    unit = unit.strip().lower()
    if unit in {"rad", "radian", "radians"}:
        period = 2 * np.pi
    elif unit in {"deg", "degree", "degrees", "°"}:
        period = 360.0
    else:
        return None
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).any():
        return period
    return period if np.nanmax(values) - np.nanmin(values) <= period * (1 + 1e-6) else None


def labels_on_bins(starts, width, begins, ends, names) -> np.ndarray:
    """Name of the interval that contains each bin's centre, empty where there is none, later ones win."""
    centres = np.asarray(starts, dtype=np.float64) + width / 2
    names = [str(name) for name in names]
    labels = np.full(len(centres), "", dtype=f"<U{max([len(name) for name in names] + [1])}")
    for begin, end, name in zip(begins, ends, names, strict=True):
        labels[(centres >= begin) & (centres < end)] = name
    return labels
