"""Behaviour stored in NWB, resampled onto a recording's bins as covariates."""

from typing import Any

import numpy as np

from neurodyn.errors import FileError
from neurodyn.io.nwb.catalogue import all_series, is_regular, path_of, shape_of
from neurodyn.io.nwb.series import samples
from neurodyn.io.resample import circular_period, onto_bins

AXES = ("x", "y", "z")
FASTEST = 1000.0


def behaviour_series(nwbfile, wanted) -> dict[str, Any]:
    """Series of behaviour by path: the named ones, or all spatial ones and regular ones kept as behaviour.

    Of plain series in acquisition, those up to `FASTEST` Hz count: faster ones are raw voltages.
    """
    spatial = all_series(nwbfile, ("SpatialSeries",))
    found = {
        path: series
        for path, series in all_series(nwbfile).items()
        if _is_numeric(series) and (path in spatial or _is_behaviour(series, path))
    }
    if wanted is True:
        return found
    chosen = {}
    for name in [wanted] if isinstance(wanted, str) else wanted:
        parts = name.strip("/").split("/")
        matches = {
            path: series
            for path, series in all_series(nwbfile).items()
            if any(path.split("/")[i : i + len(parts)] == parts for i in range(path.count("/") + 1))
        }
        if not matches:
            known = ", ".join(found) or "none"
            raise FileError(f"There is no behaviour series {name!r} in the file; it has: {known}.")
        chosen.update(matches)
    return chosen


def _is_numeric(series) -> bool:
    """Whether a series holds numbers over time, for one or several channels."""
    shape = shape_of(series)
    return (
        len(shape) in (1, 2)
        and shape[0] > 0
        and np.dtype(getattr(series.data, "dtype", float)).kind in "fiub"
    )


def _is_behaviour(series, path) -> bool:
    """Whether a plain time series is a signal kept as behaviour, or a slow one in acquisition."""
    from pynwb import TimeSeries

    if type(series) is not TimeSeries:
        return False
    rate = _signal_rate(series)
    if rate is None:
        return False
    kept = {"behavior", "BehavioralTimeSeries", "PupilTracking"} & _parents(series)
    return bool(kept) or (path.startswith("acquisition/") and rate <= FASTEST)


def _parents(series) -> set[str]:
    """Names and class names of everything a series lies in."""
    names = set()
    item = series.parent
    while item is not None:
        names |= {item.name, type(item).__name__}
        item = item.parent
    return names


def _signal_rate(series) -> float | None:
    """Rate of a series sampled regularly, judged by its first time stamps; None for a list of events."""
    if series.rate is not None:
        return float(series.rate)
    stamps = series.timestamps
    if stamps is None or len(stamps) < 3:
        return None
    steps = np.diff(np.asarray(stamps[: min(len(stamps), 2000)], dtype=np.float64))
    return float(1 / np.median(steps)) if is_regular(steps) else None


def covariates(nwbfile, wanted, starts, width, *, path):
    """Covariates (time, covariate) of the chosen series on the given bins, or None, and the history.

    Returns
    -------
    table : dict
        `values` (time, covariate), `names` and `units` of each covariate.
    history : tuple of str
        What was done with each series.
    """
    chosen = behaviour_series(nwbfile, wanted)
    short = [key.split("/")[-1] for key in chosen]
    columns, names, units, history = [], [], [], []
    span = (float(starts[0]) - 5 * width, float(starts[-1]) + 6 * width)
    for key, series in chosen.items():
        base = key.split("/")[-1] if short.count(key.split("/")[-1]) == 1 else key
        unit = series.unit or ""
        if not _overlaps(series, span):
            history.append(f"behaviour {path_of(series)} lies outside the recording and was left out")
            continue
        found = samples(series, span, path=path)
        number = found.values.shape[1]
        for column in range(number):
            values = found.values[:, column]
            period = circular_period(unit, values)
            columns.append(onto_bins(found.times, values, starts, width, period=period))
            names.append(base if number == 1 else f"{base}_{AXES[column] if number <= 3 else column}")
            units.append(unit)
        how = "circular mean" if circular_period(unit, found.values[:, 0]) else "mean"
        history.append(f"behaviour {path_of(series)}: {how} of the samples in each bin")
    if not columns:
        return None, tuple(history)
    return {"values": np.stack(columns, axis=1), "names": names, "units": units}, tuple(history)


def _overlaps(series, span) -> bool:
    """Whether a series has any sample in the span."""
    length = shape_of(series)[0]
    if series.rate is not None:
        first = float(series.starting_time or 0.0)
        last = first + (length - 1) / float(series.rate)
    else:
        first, last = float(series.timestamps[0]), float(series.timestamps[len(series.timestamps) - 1])
    return first < span[1] and last >= span[0]
