"""A continuous NWB series (calcium, LFP, voltage, current) as values in SI units on an even grid."""

import bisect
from typing import NamedTuple

import numpy as np

from neurodyn.errors import FileError
from neurodyn.io.files import cut_interval
from neurodyn.io.nwb.catalogue import path_of, shape_of
from neurodyn.io.nwb.tables import electrode_coords, plain_columns
from neurodyn.io.resample import regularise


class Samples(NamedTuple):
    """Values of a series: `times` (sample,) seconds, `values` (sample, channel), notes for the history."""

    times: np.ndarray
    values: np.ndarray
    rate: float | None
    history: tuple[str, ...]


def samples(series, interval=None, channels=None, *, path="") -> Samples:
    """Read one stretch of a series, only the requested slice, scaled to its unit."""
    shape = shape_of(series)
    name = path_of(series)
    if len(shape) not in (1, 2):
        raise FileError(
            f"{path}: {name} has shape {shape}, not (time,) or (time, channel); it is not a signal."
        )
    if not shape[0]:
        raise FileError(f"{path}: {name} holds no samples.")
    if series.rate is not None:
        first = float(series.starting_time or 0.0)
        rate = float(series.rate)
        if not rate > 0:
            raise FileError(
                f"{path}: {name} states a rate of {rate:g} Hz, which cannot be; correct the file."
            )
        begin, end = _indices_by_rate(first, rate, shape[0], interval)
        times = first + np.arange(begin, end) / rate
    elif series.timestamps is not None:
        rate = None
        begin, end = _indices_by_stamps(series.timestamps, interval)
        times = np.asarray(series.timestamps[begin:end], dtype=np.float64)
    else:
        raise FileError(f"{path}: {name} has neither a rate nor time stamps; correct the file.")
    if end <= begin:
        raise FileError(f"{path}: {name} has no sample in the interval {interval} s.")
    raw = series.data[begin:end] if channels is None else series.data[begin:end, channels]
    values, note = _scaled(np.asarray(raw), series, channels)
    if values.ndim == 1:
        values = values[:, None]
    return Samples(times, values, rate, (f"read {name}, samples {begin} to {end}", *note))


def held(series, interval, path):
    """The interval cut to what the series holds, with a warning; refused where that is nothing."""
    length = shape_of(series)[0]
    if interval is None or not length:
        return interval
    if series.rate is not None and series.rate > 0:
        start = float(series.starting_time or 0.0)
        stop = start + length / float(series.rate)
    elif series.timestamps is not None:
        # An interval excludes its stop, and the last sample is held.
        start, stop = float(series.timestamps[0]), float(np.nextafter(series.timestamps[length - 1], np.inf))
    else:
        return interval
    return cut_interval(interval, start, stop, f"{path_of(series)} of {path}")


def _indices_by_rate(first, rate, length, interval):
    """Sample range of an interval in seconds, from a starting time and a rate."""
    if interval is None:
        return 0, length
    begin = int(np.ceil((interval[0] - first) * rate - 1e-6))
    end = int(np.ceil((interval[1] - first) * rate - 1e-6))
    return min(max(begin, 0), length), min(max(end, 0), length)


def _indices_by_stamps(stamps, interval):
    """The same by bisection of stored time stamps, without reading them all."""
    if interval is None:
        return 0, len(stamps)
    return bisect.bisect_left(stamps, interval[0]), bisect.bisect_left(stamps, interval[1])


def _scaled(raw, series, channels):
    """Stored numbers times conversion (per channel too) plus offset, as floats."""
    values = raw if raw.dtype == np.float64 else raw.astype(np.float32)
    conversion = 1.0 if series.conversion is None else float(series.conversion)
    offset = float(getattr(series, "offset", 0.0) or 0.0)
    per_channel = getattr(series, "channel_conversion", None)
    if per_channel is not None:
        per_channel = np.asarray(per_channel[:], dtype=np.float64)
        per_channel = per_channel if channels is None else per_channel[channels]
    if conversion == 1.0 and offset == 0.0 and per_channel is None:
        return values, ()
    factor = conversion if per_channel is None else conversion * per_channel
    values = (values * factor + offset).astype(values.dtype)
    return values, (
        f"scaled by {conversion:g}{' per channel' if per_channel is not None else ''}, offset {offset:g}",
    )


def on_grid(found: Samples, name: str):
    """Start, step, values and history of samples on a uniform grid."""
    if found.rate is not None:
        return float(found.times[0]), 1 / found.rate, found.values, found.history
    start, step, values, notes = regularise(found.times, found.values, name=name)
    return start, step, values, (*found.history, *notes)


def channel_labels(series, number: int):
    """Labels and coordinates of a series' channels from its electrodes or ROIs table."""
    region = getattr(series, "electrodes", None)
    if region is not None:
        rows = [int(row) for row in region.data[:]]
        coords = electrode_coords(region.table, rows)
        return _labels(region.table, rows, coords), coords
    region = getattr(series, "rois", None)
    if region is not None:
        rows = [int(row) for row in region.data[:]]
        coords = plain_columns(region.table, rows, prefix="roi_")
        plane = getattr(region.table, "imaging_plane", None)
        if plane is not None and plane.location:
            coords["region"] = np.array([plane.location] * len(rows))
        return _labels(region.table, rows, coords), coords
    electrode = getattr(series, "electrode", None)
    if electrode is not None and number == 1:
        coords = {"region": np.array([electrode.location])} if electrode.location else {}
        return [series.name], coords
    return [series.name] if number == 1 else list(range(number)), {}


def _labels(table, rows, coords):
    """Channel names where they are unique, else the table's ids."""
    for column in ("channel_name", "label", "roi_name"):
        if column in coords and len(set(coords[column])) == len(rows):
            return [str(name) for name in coords[column]]
    ids = np.asarray(table.id[:])
    labels = [int(ids[row]) for row in rows]
    return labels if len(set(labels)) == len(labels) else list(range(len(labels)))
