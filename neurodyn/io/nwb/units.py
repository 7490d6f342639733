"""Sorted units of an NWB file as spike counts per bin."""

from collections.abc import Callable, Mapping

import numpy as np

from neurodyn.errors import FileError, ModelError
from neurodyn.io.files import listing
from neurodyn.io.nwb.catalogue import all_series, rows, tables
from neurodyn.io.nwb.tables import electrode_coords, plain_columns

BY_SPIKES = "the first to the last spike"


def unit_rows(nwbfile, where, path) -> list[int]:
    """Rows of the units table that `where` keeps: all, a query, a mapping of values, or a function."""
    units = nwbfile.units
    if where is None:
        return list(range(len(units)))
    import pandas

    frame = pandas.DataFrame({"id": np.asarray(units.id[:]), **unit_coords(nwbfile, range(len(units)))})
    if isinstance(where, Mapping):
        keep = np.ones(len(frame), dtype=bool)
        for name, wanted in where.items():
            if name not in frame:
                raise FileError(
                    f"{path}: units have no column {name!r}; they have: {', '.join(frame.columns)}."
                )
            wanted = [wanted] if isinstance(wanted, (str, int, float, bool)) else list(wanted)
            keep &= frame[name].isin(wanted).to_numpy()
    elif isinstance(where, str):
        try:
            keep = np.asarray(frame.eval(where))
        except (pandas.errors.UndefinedVariableError, SyntaxError, ValueError, TypeError) as error:
            raise ModelError(
                f"units_where={where!r} cannot be evaluated ({error}); columns of the units: "
                f"{', '.join(frame.columns)}."
            ) from error
    elif isinstance(where, Callable):
        keep = np.asarray(where(frame))
    else:
        raise ModelError(
            f"units_where={where!r} is neither a query, a mapping nor a function of the units table."
        )
    if keep.dtype != bool or keep.shape != (len(frame),):
        raise ModelError(
            f"units_where={where!r} must give one True or False per unit, not {keep.dtype} {keep.shape}."
        )
    if not keep.any():
        raise FileError(f"{path}: units_where={where!r} keeps none of the {len(frame)} units.")
    return [int(row) for row in np.flatnonzero(keep)]


def unit_coords(nwbfile, chosen) -> dict[str, np.ndarray]:
    """What the file knows of each unit: its own columns, then those of its electrode or group."""
    units = nwbfile.units
    chosen = list(chosen)
    coords = plain_columns(units, chosen, prefix="unit_")
    if "electrodes" in units.colnames and chosen:
        first = [_first_electrode(units, row) for row in chosen]
        if all(row is not None for row in first):
            for name, values in electrode_coords(units["electrodes"].target.table, first).items():
                coords.setdefault(name, values)
    if "electrode_group" in units.colnames and "region" not in coords:
        groups = units["electrode_group"].data
        regions = np.array([str(groups[row].location or "") for row in chosen])
        if (regions != "").any():
            coords["region"] = regions
    return coords


def _first_electrode(units, row):
    """Row of the electrodes table of a unit's first electrode; the table lists the largest first by custom."""
    index = units["electrodes"]
    begin = 0 if row == 0 else int(index.data[row - 1])
    return int(index.target.data[begin]) if int(index.data[row]) > begin else None


def unit_labels(nwbfile, chosen) -> list:
    """Ids of the units, or their rows where ids repeat."""
    ids = np.asarray(nwbfile.units.id[:])[list(chosen)]
    return ids.tolist() if len(set(ids.tolist())) == len(ids) else list(chosen)


def spike_times(nwbfile, chosen, path) -> list[np.ndarray]:
    """Spike times in seconds of each chosen unit, ascending."""
    units = nwbfile.units
    if "spike_times" not in units.colnames:
        raise FileError(f"{path} has units without spike times; columns: {', '.join(units.colnames)}.")
    result = []
    for row in chosen:
        times = np.sort(np.asarray(units["spike_times"][row], dtype=np.float64))
        if not np.isfinite(times).all():
            raise FileError(f"{path}: unit {row} has spike times that are not finite; correct the file.")
        result.append(times)
    return result


def within(times, start: float, stop: float) -> list[np.ndarray]:
    """Those ascending spike times that lie in an interval, its stop excluded."""
    return [part[np.searchsorted(part, start) : np.searchsorted(part, stop)] for part in times]


def observed_span(nwbfile, chosen, times) -> tuple[float, float, str]:
    """First and last second to bin and why: observation intervals, else epochs and spikes together."""
    observed = observation_intervals(nwbfile, chosen)
    if observed is not None:
        edges = np.concatenate([part.ravel() for part in observed])
        return float(edges.min()), float(edges.max()), "the units' observation intervals"
    begins = [float(part[0]) for part in times if len(part)]
    ends = [float(part[-1]) for part in times if len(part)]
    reason = BY_SPIKES
    if "epochs" in tables(nwbfile):
        table = nwbfile.epochs
        begins.append(float(np.min(table["start_time"].data[:])))
        ends.append(float(np.max(table["stop_time"].data[:])))
        reason = "the epochs and all spikes"
    if not begins:
        return 0.0, 0.0, "no spikes"
    return min(begins), max(ends), reason


def observation_intervals(nwbfile, chosen) -> list[np.ndarray] | None:
    """When each unit was observed, (interval, 2) in seconds, or None where the file does not say."""
    units = nwbfile.units
    if "obs_intervals" not in units.colnames:
        return None
    parts = [np.asarray(units["obs_intervals"][row], dtype=np.float64).reshape(-1, 2) for row in chosen]
    return parts if all(len(part) for part in parts) else None


def unobserved(parts, starts, width) -> np.ndarray:
    """Mask (time, unit) of the bins that do not lie wholly inside an observation interval."""
    slack = 1e-9 * max(1.0, float(np.abs(starts).max()))
    mask = np.ones((len(starts), len(parts)), dtype=bool)
    for unit, part in enumerate(parts):
        for begin, end in part:
            mask[(starts >= begin - slack) & (starts + width <= end + slack), unit] = False
    return mask


def no_units(nwbfile, path) -> FileError:
    """The error of a file without units: what it holds instead and how to read that."""
    found = sorted(all_series(nwbfile), key=lambda name: not name.startswith(("acquisition/", "processing/")))
    held = listing([row for row in rows(nwbfile) if row["kind"] not in ("electrodes", "intervals")])
    remedy = (
        f"read one with read_nwb(path, series={found[0].split('/')[-1]!r})"
        if found
        else "there is nothing to model"
    )
    return FileError(f"{path} has no units (sorted spikes); it holds {held}: {remedy}.")
