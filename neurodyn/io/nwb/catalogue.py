"""What an NWB file holds: the rows of `inspect`, and finding a series by its name."""

from pathlib import Path
from typing import Any

import numpy as np

from neurodyn.errors import FileError
from neurodyn.io.files import contents, listing
from neurodyn.io.nwb.opening import open_nwb

NEURAL = ("RoiResponseSeries", "ElectricalSeries")


def inspect_nwb(path):
    """Table of the units, series and interval tables of an NWB file."""
    with open_nwb(Path(path)) as nwbfile:
        return contents(rows(nwbfile))


def rows(nwbfile) -> list[dict]:
    """One row per units table, time series and interval table."""
    from pynwb import TimeSeries

    result = []
    if nwbfile.units is not None and len(nwbfile.units):
        result.append(_units_row(nwbfile.units))
    series = [_series_row(item) for item in nwbfile.objects.values() if isinstance(item, TimeSeries)]
    result += sorted(series, key=lambda row: row["name"])
    for name, table in tables(nwbfile).items():
        columns = ", ".join(column for column in table.colnames if column not in ("start_time", "stop_time"))
        result.append(
            {
                "kind": "intervals",
                "name": name,
                "shape": (len(table), len(table.colnames)),
                "duration": _span(table["start_time"].data[:], table["stop_time"].data[:]),
                "unit": "s",
                "note": f"columns {columns}" if columns else "",
            }
        )
    if nwbfile.electrodes is not None:
        result.append({"kind": "electrodes", "name": "electrodes", "shape": (len(nwbfile.electrodes),)})
    return result


def _units_row(units) -> dict:
    """The row of the units table, with its spike count and columns."""
    columns = [name for name in units.colnames if name != "spike_times"]
    number, duration = 0, None
    if "spike_times" in units.colnames:
        times = units["spike_times"].target.data
        number = len(times)
        if number:
            times = np.asarray(times[:])
            duration = float(times.max() - times.min())
    return {
        "kind": "units",
        "name": "units",
        "shape": (len(units),),
        "unit": "spikes",
        "duration": duration,
        "note": f"{number} spikes; columns {', '.join(columns)}",
    }


def _series_row(series) -> dict:
    """The row of one time series; no data are read but its time stamps' ends."""
    shape = shape_of(series)
    rate = duration = None
    note = ""
    if series.rate is not None:
        rate = float(series.rate)
        duration = shape[0] / rate if shape and rate else None
    elif series.timestamps is not None and len(series.timestamps) > 1:
        stamps = series.timestamps
        duration = float(stamps[len(stamps) - 1] - stamps[0])
        part = np.asarray(stamps[: min(len(stamps), 2000)])
        steps = np.diff(part)
        if steps.size and np.median(steps) > 0 and is_regular(steps):
            rate = float(1 / np.median(steps))
        else:
            note = "irregular times (events rather than a signal)"
    external = getattr(series, "external_file", None)
    if external is not None and len(external):
        note = f"frames in {len(external)} external files, which are not opened"
    return {
        "kind": type(series).__name__,
        "name": path_of(series),
        "shape": shape,
        "rate": rate,
        "unit": series.unit or "",
        "duration": duration,
        "note": note,
    }


def is_regular(steps) -> bool:
    """Whether most steps between time stamps are alike: a sampled signal, not a list of events."""
    median = np.median(steps)
    return bool(median > 0 and np.mean(np.abs(steps - median) <= 0.25 * median) > 0.9)


def shape_of(series) -> tuple:
    """Shape of a series' data without reading it."""
    return tuple(int(size) for size in getattr(series.data, "shape", np.shape(series.data)))


def _span(begins, ends):
    """Total seconds between the first begin and the last end."""
    return float(np.max(ends) - np.min(begins)) if len(begins) else 0.0


def tables(nwbfile) -> dict:
    """Interval tables by name: trials, epochs, invalid times and the others."""
    found = {}
    for name in ("trials", "epochs", "invalid_times"):
        table = getattr(nwbfile, name)
        if table is not None and len(table):
            found[name] = table
    for name, table in (nwbfile.intervals or {}).items():
        if len(table):
            found.setdefault(name, table)
    return found


def path_of(item) -> str:
    """Path of an object in its file, as `read_nwb(series=...)` takes it."""
    stored = getattr(item.data, "name", None)
    if isinstance(stored, str) and stored.endswith("/data"):
        return stored[1 : -len("/data")]
    names = []
    while item is not None and item.parent is not None:
        names.append(item.name)
        item = item.parent
    return "/".join(reversed(names))


def all_series(nwbfile, kinds: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Time series by path; `kinds` keeps those with one of these class names among their ancestors."""
    from pynwb import TimeSeries

    found = {}
    for item in nwbfile.objects.values():
        if not isinstance(item, TimeSeries):
            continue
        if kinds is None or any(base.__name__ in kinds for base in type(item).__mro__):
            found[path_of(item)] = item
    return dict(sorted(found.items()))


def find_series(nwbfile, name: str, path) -> Any:
    """The one series whose path ends with a name; raises with what there is."""
    series = all_series(nwbfile)
    wanted = name.strip("/").split("/")
    matches = [key for key in series if key.split("/")[-len(wanted) :] == wanted]
    if name.strip("/") in series:
        matches = [name.strip("/")]
    if len(matches) == 1:
        return series[matches[0]]
    if matches:
        raise FileError(f"{path} has {len(matches)} series named {name!r}: give one of {', '.join(matches)}.")
    raise FileError(f"{path} has no series {name!r}; it holds {listing(rows(nwbfile))}.")
