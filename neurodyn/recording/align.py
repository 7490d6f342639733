"""Bringing recordings onto one list of units."""

import warnings

import numpy as np
import xarray as xr

from neurodyn.errors import NeurodynWarning, RecordingError
from neurodyn.recording.columns import as_column, as_labels
from neurodyn.recording.schema import listed


def same_units(parts: list[xr.Dataset], names: list[str], join: str) -> list[xr.Dataset]:
    """Every recording on one list of units."""
    first = parts[0]["unit"].values.tolist()
    sets = [part["unit"].values.tolist() for part in parts]
    if join == "exact":
        for name, units in zip(names, sets, strict=True):
            differ = set(first) ^ set(units)
            if differ:
                raise RecordingError(
                    f"{name} and {names[0]} differ in {len(differ)} units ({listed(sorted(differ, key=str))}): use "
                    "join='inner' or 'outer' if equal labels mean the same unit, or relabel the units."
                )
        wanted = first
    elif join == "inner":
        wanted = [unit for unit in first if all(unit in units for units in sets)]
        if not wanted:
            raise RecordingError(
                "The recordings have no unit in common: use join='outer', or relabel the units."
            )
    else:
        wanted = list(dict.fromkeys(unit for units in sets for unit in units))
    columns = _unit_columns(parts, wanted)
    wanted_labels = as_labels(np.array(wanted, dtype=object))
    return [_on_units(part, wanted, wanted_labels, columns) for part in parts]


def _on_units(part: xr.Dataset, wanted: list, labels: np.ndarray, columns: dict) -> xr.Dataset:
    """One recording with the wanted units, NaN where it has none."""
    position = {unit: i for i, unit in enumerate(part["unit"].values.tolist())}
    values = part["activity"].values
    out = np.full((*values.shape[:-1], len(wanted)), np.nan, values.dtype)
    there = [i for i, unit in enumerate(wanted) if unit in position]
    out[..., there] = values[..., [position[wanted[i]] for i in there]]
    keep = part.drop_vars(["activity", *(n for n, c in part.coords.items() if "unit" in c.dims)])
    keep = keep.assign_coords({"unit": ("unit", labels), **{n: ("unit", c) for n, c in columns.items()}})
    return keep.assign(activity=(part["activity"].dims, out, part["activity"].attrs))


def _unit_columns(parts: list[xr.Dataset], wanted: list) -> dict[str, np.ndarray]:
    """Coordinates on `unit` for the wanted units, taken from the recordings that have them."""
    names = dict.fromkeys(
        n for part in parts for n, c in part.coords.items() if c.dims == ("unit",) and n != "unit"
    )
    columns = {}
    for name in names:
        known: dict = {}
        conflict = None
        for part in parts:
            if name not in part.coords:
                continue
            for unit, value in zip(part["unit"].values.tolist(), part[name].values.tolist(), strict=True):
                if (
                    unit in known
                    and known[unit] != value
                    and not (value != value and known[unit] != known[unit])
                ):
                    conflict = conflict or (unit, known[unit], value)
                known.setdefault(unit, value)
        if conflict and name == "kind":
            raise RecordingError(
                f"Unit {conflict[0]!s} is {conflict[1]} in one recording and {conflict[2]} in another: relabel it."
            )
        if conflict:
            warnings.warn(
                f"The coordinate `{name}` of unit {conflict[0]!s} is {conflict[1]} in one recording and {conflict[2]} "
                "in another: it was dropped from the joined recording.",
                NeurodynWarning,
                stacklevel=5,
            )
            continue
        columns[name] = as_column(np.array([known.get(unit) for unit in wanted], dtype=object))
    return columns
