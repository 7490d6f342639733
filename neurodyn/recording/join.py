"""Joining recordings: sessions into trials, runs along time, populations along units."""

from collections.abc import Iterable, Mapping

import numpy as np
import xarray as xr

from neurodyn.errors import RecordingError
from neurodyn.recording.align import same_units
from neurodyn.recording.clock import STEP_TOLERANCE
from neurodyn.recording.columns import as_column, as_labels
from neurodyn.recording.masks import with_history
from neurodyn.recording.schema import TEXT_ATTRIBUTES, check, listed, trial_lengths

_SCHEMA_COORDS = ("time", "unit", "trial", "kind", "n_bins", "covariate", "available", "role")


def concatenate(recordings: Iterable | Mapping, *, dim: str = "trial", join: str = "exact") -> xr.Dataset:
    """Join recordings that may differ in length and, on request, in units.

    Parameters
    ----------
    recordings : sequence, mapping or xarray.DataTree
        Recordings with the same sampling interval and the same layout. The keys of a mapping, or the
        attribute `session` of each recording, become the coordinate `session` on `trial`.
    dim : str
        `trial`: sessions of any length become trials (those without trials one each, counted from time 0,
        their `start_time` kept), trials of different sessions are stacked on one time axis. `time`: runs of one
        clock are laid one after the other, NaN between them. `unit`: populations recorded at once.
    join : str
        For `trial` and `time`: `exact` demands the same units, `inner` keeps the common ones, `outer` keeps all,
        with NaN where a unit is absent.

    Returns
    -------
    xarray.Dataset
        One recording.

    Raises
    ------
    RecordingError
        If sampling intervals, layouts, units, kinds or covariates do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> monday = recording.make(np.ones((30, 2)), sampling_interval=0.1, session="monday")
    >>> friday = recording.make(np.ones((20, 2)), sampling_interval=0.1, session="friday")
    >>> both = recording.concatenate([monday, friday])
    >>> both.n_bins.values.tolist(), both.session.values.tolist()
    ([30, 20], ['monday', 'friday'])
    """
    parts, names = _parts(recordings)
    if dim not in ("trial", "time", "unit"):
        raise RecordingError(f"dim is {dim!r}: recordings are joined along 'trial', 'time' or 'unit'.")
    if join not in ("exact", "inner", "outer"):
        raise RecordingError(f"join is {join!r}: choose 'exact', 'inner' or 'outer'.")
    parts = [check(part, allow_empty=True) for part in parts]
    _same_clock_and_layout(parts, names)
    attrs = _attributes(parts)
    if dim == "unit":
        result = _along_unit(parts)
    else:
        parts = same_units(parts, names, join)
        result = _along_trial(parts, names) if dim == "trial" else _along_time(parts, names)
    result.attrs.update(attrs)
    result = with_history(result, f"joined {len(parts)} recordings along {dim}: {listed(names)}")
    return check(result, allow_empty=True)


def _parts(recordings) -> tuple[list[xr.Dataset], list[str]]:
    """The recordings and a name for each of them, used once."""
    if isinstance(recordings, xr.DataTree):
        recordings = {node.path.strip("/"): node.to_dataset(inherit=False) for node in recordings.leaves}
    if isinstance(recordings, xr.Dataset):
        raise RecordingError(
            "concatenate takes a list of recordings, but was given a single one: wrap it in a list."
        )
    if isinstance(recordings, Mapping):
        names, parts = [str(name) for name in recordings], list(recordings.values())
    else:
        parts = list(recordings)
        names = [str(getattr(part, "attrs", {}).get("session", "")) for part in parts]
        if "" in names or len(set(names)) < len(names):
            names = [str(i) for i in range(len(parts))]
    if not parts:
        raise RecordingError("concatenate was given no recording: give at least one.")
    return parts, names


def _same_clock_and_layout(parts: list[xr.Dataset], names: list[str]) -> None:
    """All recordings have the sampling interval, dimensions and covariates of the first."""
    first = parts[0]
    for name, part in zip(names, parts, strict=True):
        interval = first.attrs["sampling_interval"]
        if abs(part.attrs["sampling_interval"] - interval) > STEP_TOLERANCE * interval:
            raise RecordingError(
                f"The sampling interval of {name} is {part.attrs['sampling_interval']:.6g} s, that of {names[0]} is "
                f"{interval:.6g} s: resample or bin both alike first."
            )
        if part["activity"].dims != first["activity"].dims:
            raise RecordingError(
                f"{name} has dimensions {part['activity'].dims}, {names[0]} has {first['activity'].dims}: "
                "cut both into trials, or neither."
            )
        for attribute in ("units", "time_unit"):
            if part.attrs.get(attribute, "") != first.attrs.get(attribute, ""):
                raise RecordingError(
                    f"The attribute `{attribute}` of {name} is {part.attrs.get(attribute, '')!r}, that of {names[0]} "
                    f"is {first.attrs.get(attribute, '')!r}: convert to the same first."
                )


def _attributes(parts: list[xr.Dataset]) -> dict:
    """Attributes of the whole: what is common, texts that differ joined by commas, every history once."""
    attrs = dict(parts[0].attrs)
    for name in TEXT_ATTRIBUTES:
        words = dict.fromkeys(part.attrs[name] for part in parts if part.attrs[name])
        attrs[name] = ", ".join(words)
    attrs["history"] = tuple(dict.fromkeys(line for part in parts for line in part.attrs["history"]))
    return attrs


def _along_trial(parts: list[xr.Dataset], names: list[str]) -> xr.Dataset:
    """Stack trials; a session without trials becomes one."""
    parts = [
        _as_trial(part, name) if "trial" not in part.dims else part
        for part, name in zip(parts, names, strict=True)
    ]
    interval = parts[0].attrs["sampling_interval"]
    origin = min(part["time"].values[0] for part in parts)
    offsets = [
        _bins(part["time"].values[0] - origin, interval, name)
        for part, name in zip(parts, names, strict=True)
    ]
    n_time = max(offset + part.sizes["time"] for offset, part in zip(offsets, parts, strict=True))
    pieces = [_padded(part, offset, n_time) for part, offset in zip(parts, offsets, strict=True)]
    dims = ("trial", "time", "unit")
    data: dict = {
        "activity": (dims, np.concatenate([piece["activity"] for piece in pieces]), _categories(parts))
    }
    labels = _covariate_labels(parts, names)
    if labels:
        data["covariates"] = (
            (*dims[:2], "covariate"),
            np.concatenate([piece["covariates"] for piece in pieces]),
        )
    coords: dict = {
        name: (coord.dims, coord.values) for name, coord in parts[0].coords.items() if "unit" in coord.dims
    }
    coords.update(labels)
    coords["time"] = ("time", _grid(parts, offsets, origin, n_time, interval))
    lengths = [trial_lengths(part) + offset for part, offset in zip(parts, offsets, strict=True)]
    coords["n_bins"] = ("trial", np.concatenate(lengths))
    coords.update(_trial_columns(parts, names, offsets))
    return xr.Dataset(data, coords=coords, attrs=parts[0].attrs)


def _as_trial(part: xr.Dataset, name: str) -> xr.Dataset:
    """A recording without trials as one trial: a session from time 0, or a trial that was taken out, as it was."""
    scalars = {str(n): ("trial", [c.values[()]]) for n, c in part.coords.items() if c.ndim == 0}
    part = part.drop_vars(list(scalars))
    if "trial" not in scalars:
        start = float(part["time"].values[0])
        part = part.assign_coords(time=part["time"].values - start)
        scalars = {**scalars, "trial": ("trial", [name]), "start_time": ("trial", [start])}
    variables = {str(n): v.expand_dims("trial") for n, v in part.data_vars.items()}
    return part.assign(variables).assign_coords({"n_bins": ("trial", [part.sizes["time"]]), **scalars})


def _padded(part: xr.Dataset, offset: int, n_time: int) -> dict[str, np.ndarray]:
    """The variables of a recording, laid into a longer time axis of NaN."""
    out = {}
    for name in ("activity", "covariates"):
        if name in part:
            values = part[name].values
            block = np.full((values.shape[0], n_time, values.shape[2]), np.nan, values.dtype)
            block[:, offset : offset + values.shape[1]] = values
            out[name] = block
    return out


def _trial_columns(parts: list[xr.Dataset], names: list[str], offsets: list[int]) -> dict:
    """Coordinates on `trial`: labels, session, subject, and the union of the columns."""
    sizes = [part.sizes["trial"] for part in parts]
    labels = [as_labels(part["trial"].values) for part in parts]
    joined = np.concatenate([label.astype(object) for label in labels])
    if len(set(map(str, joined))) < joined.size:
        joined = np.array(
            [f"{name}/{label}" for name, column in zip(names, labels, strict=True) for label in column]
        )
    coords = {"trial": ("trial", as_labels(joined))}
    columns = dict.fromkeys(n for part in parts for n, c in part.coords.items() if c.dims == ("trial",))
    for name in columns:
        if name in _SCHEMA_COORDS:
            continue
        pieces = []
        for part, offset in zip(parts, offsets, strict=True):
            values = (
                part[name].values if name in part.coords else np.full(part.sizes["trial"], None, dtype=object)
            )
            if name == "start_time" and name in part.coords:
                values = values - offset * part.attrs["sampling_interval"]
            pieces.append(values)
        if len({piece.dtype.kind for piece in pieces}) > 1 or any(
            piece.dtype.kind == "O" for piece in pieces
        ):
            pieces = [piece.astype(object) for piece in pieces]
        coords[str(name)] = ("trial", as_column(np.concatenate(pieces)))
    if "session" not in coords:
        coords["session"] = ("trial", np.repeat(names, sizes))
    if "subject" not in coords and len({part.attrs["subject"] for part in parts}) > 1:
        coords["subject"] = ("trial", np.repeat([part.attrs["subject"] for part in parts], sizes))
    return coords


def _along_time(parts: list[xr.Dataset], names: list[str]) -> xr.Dataset:
    """Lay recordings of one clock along time, NaN between them."""
    order = sorted(range(len(parts)), key=lambda i: parts[i]["time"].values[0])
    parts, names = [parts[i] for i in order], [names[i] for i in order]
    interval = parts[0].attrs["sampling_interval"]
    origin = parts[0]["time"].values[0]
    offsets = [
        _bins(part["time"].values[0] - origin, interval, name)
        for part, name in zip(parts, names, strict=True)
    ]
    ends = [offset + part.sizes["time"] for offset, part in zip(offsets, parts, strict=True)]
    for i in range(1, len(parts)):
        if offsets[i] < ends[i - 1]:
            raise RecordingError(
                f"{names[i]} begins at {parts[i]['time'].values[0]:.6g} s, before {names[i - 1]} ends: their times are "
                "not of one clock, so join them with dim='trial', or shift their times."
            )
        if "trial" in parts[i].dims and not np.array_equal(
            parts[i]["trial"].values, parts[0]["trial"].values
        ):
            raise RecordingError(
                f"{names[i]} and {names[0]} have different trials: join them with dim='trial'."
            )
    labels = _covariate_labels(parts, names)
    data = {}
    for name in ("activity", *(["covariates"] if labels else [])):
        shape = list(parts[0][name].shape)
        shape[-2] = ends[-1]
        block = np.full(shape, np.nan, np.result_type(*(part[name].dtype for part in parts)))
        for part, first, last in zip(parts, offsets, ends, strict=True):
            block[..., first:last, :] = part[name].values
        data[name] = (parts[0][name].dims, block, _categories(parts) if name == "activity" else {})
    coords = {
        n: (c.dims, c.values) for n, c in parts[0].coords.items() if "time" not in c.dims and n != "n_bins"
    }
    coords.update(labels)
    coords["time"] = ("time", _grid(parts, offsets, origin, ends[-1], interval))
    if "trial" in parts[0].dims:
        coords["n_bins"] = ("trial", trial_lengths(parts[-1]) + offsets[-1])
    return xr.Dataset(data, coords=coords, attrs=parts[0].attrs)


def _along_unit(parts: list[xr.Dataset]) -> xr.Dataset:
    """Put populations recorded at once side by side."""
    for part in parts[1:]:
        for dim in part["activity"].dims[:-1]:
            same = part[dim].values.shape == parts[0][dim].values.shape and (
                np.allclose(part[dim], parts[0][dim], atol=STEP_TOLERANCE * part.attrs["sampling_interval"])
                if dim == "time"
                else np.array_equal(part[dim].values, parts[0][dim].values)
            )
            if not same:
                raise RecordingError(
                    f"The recordings differ in their `{dim}` coordinate: units can only be joined where `{dim}` is "
                    "the same; restrict both to the common part first."
                )
    units = np.concatenate([as_labels(part["unit"].values).astype(object) for part in parts])
    repeated = [unit for unit in dict.fromkeys(units) if (units == unit).sum() > 1]
    if repeated:
        raise RecordingError(
            f"The unit label {repeated[0]!s} occurs in more than one recording: relabel the units."
        )
    names = dict.fromkeys(
        n for part in parts for n, c in part.coords.items() if c.dims == ("unit",) and n != "unit"
    )
    coords = {n: (c.dims, c.values) for n, c in parts[0].coords.items() if "unit" not in c.dims}
    coords["unit"] = ("unit", as_labels(units))
    for name in names:
        pieces = [
            (part[name].values if name in part.coords else np.full(part.sizes["unit"], None)).astype(object)
            for part in parts
        ]
        coords[name] = ("unit", as_column(np.concatenate(pieces)))
    values = np.concatenate([part["activity"].values for part in parts], axis=-1)
    data: dict = {"activity": (parts[0]["activity"].dims, values, _categories(parts))}
    if any("covariates" in part for part in parts):
        joined = xr.concat([part["covariates"] for part in parts if "covariates" in part], "covariate")
        _, first = np.unique(joined["covariate"].values, return_index=True)
        joined = joined.isel(covariate=np.sort(first))
        data["covariates"] = (joined.dims, joined.values)
        coords.update({n: ("covariate", joined[n].values) for n in ("covariate", "available", "role")})
    return xr.Dataset(data, coords=coords, attrs=parts[0].attrs)


def _bins(seconds: float, interval: float, name: str) -> int:
    """Seconds as a whole number of bins."""
    bins = seconds / interval
    if abs(bins - round(bins)) > 0.01:
        raise RecordingError(
            f"{name} is {abs(bins - round(bins)):.3g} of a bin off the time grid of the others: bin or resample all "
            "of them from the same origin."
        )
    return round(bins)


def _grid(parts, offsets, origin: float, n_time: int, interval: float) -> np.ndarray:
    """The joined time axis, exactly that of a part which spans it."""
    for part, offset in zip(parts, offsets, strict=True):
        if offset == 0 and part.sizes["time"] == n_time:
            return part["time"].values
    return origin + np.arange(n_time) * interval


def _categories(parts: list[xr.Dataset]) -> dict:
    """Attributes of `activity`: names of categories, which must agree."""
    merged: dict = {}
    for part in parts:
        for unit, names in part["activity"].attrs.get("categories", {}).items():
            if merged.setdefault(unit, names) != names:
                raise RecordingError(
                    f"The categories of unit {unit} are {listed(merged[unit])} in one recording and {listed(names)} in "
                    "another: recode one of them."
                )
    return {"categories": merged} if merged else {}


def _covariate_labels(parts: list[xr.Dataset], names: list[str]) -> dict:
    """Labels of the covariates, which must agree."""
    found = [
        {n: tuple(part[n].values.tolist()) for n in ("covariate", "available", "role")}
        if "covariates" in part
        else {}
        for part in parts
    ]
    for name, labels in zip(names, found, strict=True):
        if labels != found[0]:
            raise RecordingError(
                f"{name} and {names[0]} have different covariates ({listed(labels.get('covariate', ())) or 'none'}; "
                f"{listed(found[0].get('covariate', ())) or 'none'}): select the common ones first."
            )
    return {n: ("covariate", np.array(column)) for n, column in found[0].items()}
