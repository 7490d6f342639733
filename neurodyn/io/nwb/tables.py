"""Columns of NWB tables as plain arrays: what is known of each unit, electrode, ROI and trial."""

import numpy as np

from neurodyn.errors import FileError
from neurodyn.io.nwb.catalogue import tables

RENAMED = {"location": "region", "depth": "depth"}
RESERVED = {"unit", "kind", "time", "trial", "covariate", "activity", "covariates"}
MICROMETRE = 1e-6


def plain_columns(table, rows=None, *, prefix: str = "") -> dict[str, np.ndarray]:
    """Columns with one number or string per row; references become names, ragged columns are left out."""
    columns = {}
    for name in table.colnames:
        column = table[name]
        if hasattr(column, "target"):
            continue
        values = column.data
        if hasattr(values, "dtype") and getattr(values, "ndim", 1) != 1:
            continue
        values = values[:]
        if rows is not None:
            values = [values[row] for row in rows]
        array = _plain(values)
        if array is not None and not (array.dtype.kind == "U" and (array == "").all()):
            key = RENAMED.get(name, name)
            columns[f"{prefix}{key}" if key in RESERVED else key] = array
    return columns


def _plain(values) -> np.ndarray | None:
    """An array of numbers, booleans or strings, or None where the values are neither."""
    values = list(values)
    if not values:
        return None
    if all(isinstance(value, (bool, np.bool_)) for value in values):
        return np.array(values, dtype=bool)
    if all(isinstance(value, (int, np.integer)) for value in values):
        return np.array(values, dtype=np.int64)
    if all(isinstance(value, (int, float, np.number)) for value in values):
        return np.array(values, dtype=np.float64)
    if all(isinstance(value, bytes) for value in values):
        return np.array([value.decode("utf-8", "replace") for value in values])
    if all(isinstance(value, str) for value in values):
        return np.array(values)
    if all(isinstance(getattr(value, "name", None), str) for value in values):
        return np.array([value.name for value in values])
    return None


def electrode_coords(table, rows) -> dict[str, np.ndarray]:
    """Region, group, position in metres and the rest of the electrodes table, for some of its rows."""
    coords = plain_columns(table, rows, prefix="electrode_")
    positions = [axis for axis in ("x", "y", "z") if axis in coords]
    known = any(
        np.any(np.nan_to_num(np.asarray(table[axis].data[:], dtype=float)) != 0) for axis in positions
    )
    for axis in positions:
        metres = np.asarray(coords.pop(axis), dtype=np.float64) * MICROMETRE
        if known:
            coords[axis] = metres
    coords.pop("group", None)
    if "group_name" in coords:
        coords["group"] = coords.pop("group_name")
    return coords


def intervals(nwbfile, name: str, path):
    """An interval table as a DataFrame: start_time, stop_time and its plain columns, by start."""
    import pandas

    known = tables(nwbfile)
    if name not in known:
        raise FileError(f"{path} has no interval table {name!r}; it has: {', '.join(known) or 'none'}.")
    table = known[name]
    columns = plain_columns(table)
    for column in table.colnames:
        if column in columns or not hasattr(table[column], "target"):
            continue
        cells = [table[column][row] for row in range(len(table))]
        if all(isinstance(word, str) for cell in cells for word in cell):
            columns[column] = np.array([";".join(cell) for cell in cells])
    frame = pandas.DataFrame(columns)
    return frame.sort_values("start_time", kind="stable", ignore_index=True)


def interval_names(frame) -> list[str]:
    """What to call each row of an interval table: its tags, label or name, else its number."""
    for column in ("tags", "label", "labels", "name", "epoch_name", "state", "condition"):
        if column in frame and frame[column].dtype.kind in "OUT":
            return [str(name) for name in frame[column]]
        if column in frame and not isinstance(frame[column].iloc[0], (int, float)):
            return [str(name) for name in frame[column]]
    return [str(number) for number in range(len(frame))]
