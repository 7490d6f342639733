"""Recordings from arrays."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import NeurodynWarning, RecordingError
from neurodyn.recording.clock import Number
from neurodyn.recording.columns import as_column, as_labels, as_numbers, make_covariates
from neurodyn.recording.schema import KINDS, check, listed

EXACT_IN_FLOAT32 = 2**24


def make(
    activity,
    *,
    sampling_interval: Number | None = None,
    time=None,
    kind: Any = "continuous",
    unit=None,
    trial=None,
    unit_coords: Mapping | None = None,
    trial_coords: Mapping | None = None,
    covariates=None,
    categories: Mapping | None = None,
    units="",
    modality="",
    subject="",
    session="",
    source="",
    history=(),
    time_unit: str | None = None,
    dtype: str = "float32",
) -> xr.Dataset:
    """Build a recording from an array.

    Parameters
    ----------
    activity : array-like
        `(time, unit)`, `(trial, time, unit)`, `(time,)` for one unit, or a list of `(time, unit)` arrays of
        unequal length, one per trial. NaN and masked entries were not observed. The dimensions of a
        DataArray are taken by name, its coordinates are kept; the columns of a DataFrame are units.
    sampling_interval : float, optional
        Width of a bin in seconds. Needed unless `time` is given; 1 where `time_unit="trial"`.
    time : array-like, optional
        Start of every bin in seconds, uniform, `(time,)`; by default counted from 0.
    kind : str, sequence or mapping
        `count`, `continuous`, `binary` or `categorical`: one for all units, one per unit, or by label.
    unit, trial : array-like, optional
        Labels; by default counted from 0.
    unit_coords, trial_coords : mapping, optional
        What else is known of each unit and trial. `start_time` (seconds in the session's clock, of the
        trial's first bin) and `n_bins` (bins that belong to the trial) have a meaning in the schema.
    covariates : mapping or xarray.DataArray, optional
        Name to values `(time,)` or `(trial, time)`, or to a tuple `(values, available, role)`; by default
        `available` is `before` and `role` is `exogenous`. A DataArray has a dimension `covariate`.
    categories : mapping, optional
        For categorical units: label to the list of names of the codes 0, 1, ...
    units : str
        SI unit of the values, such as `V`; empty for counts and arbitrary units.
    modality, subject, session, source : str
        What was recorded (`spikes`, `calcium`, `fmri`, `ieeg`, `eeg`, `behaviour`), from whom, and from where.
    history : sequence of str
        What was done to the data so far.
    time_unit : str, optional
        `trial` where time counts trials instead of seconds.
    dtype : str
        `float32` or `float64`. Counts above 2**24 are kept in float64 always, for exactness.

    Returns
    -------
    xarray.Dataset
        A recording, checked.

    Raises
    ------
    RecordingError
        If the array is empty, not numeric, infinite, or not of its kind; if labels or times do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> bold = recording.make(np.random.default_rng(0).normal(size=(250, 31)), sampling_interval=1.89,
    ...                       modality="fmri")
    >>> dict(bold.sizes)
    {'time': 250, 'unit': 31}
    """
    if dtype not in ("float32", "float64"):
        raise RecordingError(f"dtype is {dtype!r}: choose 'float32' or 'float64'.")
    coords = {}
    if isinstance(activity, xr.DataArray):
        activity, coords = _from_labelled(activity)
    elif hasattr(activity, "columns") and hasattr(activity, "to_numpy"):
        coords["unit"] = list(activity.columns)
        activity = activity.to_numpy()
    given = {"time": time, "unit": unit, "trial": trial}
    coords.update({name: value for name, value in given.items() if value is not None})
    values, n_bins = _to_array(activity)
    dims = ("time", "unit") if values.ndim == 2 else ("trial", "time", "unit")
    _check_shape(values, dims, coords)
    if len(dims) == 2 and not coords and values.shape[0] < values.shape[1]:
        warnings.warn(
            f"The array of shape {values.shape} is read as {values.shape[0]} time steps of {values.shape[1]} "
            "units: transpose it if time is its second axis; give `unit` or `time` to state that it is not.",
            NeurodynWarning,
            stacklevel=2,
        )
    interval, time_values = _clock(coords.get("time"), sampling_interval, values.shape[-2], time_unit)
    unit_labels = as_labels(coords["unit"] if "unit" in coords else np.arange(values.shape[-1]))
    kind_values = _kinds(coords.pop("kind", kind), unit_labels)
    variables = {
        "time": ("time", time_values),
        "unit": ("unit", unit_labels),
        "kind": ("unit", kind_values),
    }
    skip = ("time", "unit", "trial", "kind")
    extra_unit = {name: v for name, v in coords.get("_unit", {}).items() if name not in skip}
    extra_trial = {name: v for name, v in coords.get("_trial", {}).items() if name not in skip}
    for name, column in {**extra_unit, **dict(unit_coords or {})}.items():
        variables[name] = ("unit", _column(column, unit_labels.size, name, "unit"))
    if len(dims) == 3:
        n_trials, n_time = values.shape[:2]
        variables["trial"] = (
            "trial",
            as_labels(coords["trial"] if "trial" in coords else np.arange(n_trials)),
        )
        variables["n_bins"] = ("trial", np.full(n_trials, n_time) if n_bins is None else n_bins)
        for name, column in {**extra_trial, **dict(trial_coords or {})}.items():
            variables[name] = ("trial", _column(column, n_trials, name, "trial"))
    elif trial_coords:
        raise RecordingError(
            "`trial_coords` were given for an activity without trials: give (trial, time, unit)."
        )
    data: dict = {"activity": (dims, _to_float(values, unit_labels, kind_values, dtype))}
    if categories:
        data["activity"] += ({"categories": {str(k): [str(n) for n in v] for k, v in categories.items()}},)
    if covariates is not None and len(covariates):
        block, labels = make_covariates(covariates, dims[:-1], values.shape[:-1], dtype)
        data["covariates"] = ((*dims[:-1], "covariate"), block)
        variables.update({name: ("covariate", column) for name, column in labels.items()})
    attrs = {
        "sampling_interval": interval,
        "units": str(units),
        "modality": str(modality),
        "subject": str(subject),
        "session": str(session),
        "source": str(source),
        "history": (history,) if isinstance(history, str) else tuple(str(line) for line in history),
    }
    if time_unit is not None:
        attrs["time_unit"] = str(time_unit)
    return check(xr.Dataset(data, coords=variables, attrs=attrs), strict=True)


def _from_labelled(array: xr.DataArray) -> tuple[np.ndarray, dict]:
    """Values in schema order and the coordinates of a DataArray."""
    if array.dims == ("time",):
        array = array.expand_dims(unit=[0], axis=1)
    wanted = ("trial", "time", "unit") if "trial" in array.dims else ("time", "unit")
    if set(array.dims) != set(wanted):
        raise RecordingError(
            f"The DataArray has dimensions ({', '.join(map(str, array.dims))}): rename them to (time, unit) or "
            "(trial, time, unit)."
        )
    array = array.transpose(*wanted)
    coords: dict = {dim: array[dim].values for dim in wanted if dim in array.coords}
    if "kind" in array.coords:
        coords["kind"] = array["kind"].values
    for dim in ("unit", "trial"):
        names = [name for name, coord in array.coords.items() if coord.dims == (dim,) and name != dim]
        coords["_" + dim] = {name: array[name].values for name in names}
    return array.values, coords


def _to_array(activity) -> tuple[np.ndarray, np.ndarray | None]:
    """A numeric array with two or three dimensions, and the lengths of ragged trials."""
    if isinstance(activity, (list, tuple)) and activity and all(np.ndim(part) == 2 for part in activity):
        parts = [as_numbers(part, f"trial {i} of `activity`") for i, part in enumerate(activity)]
        widths = {part.shape[1] for part in parts}
        if len(widths) > 1:
            raise RecordingError(
                f"The trials have {listed(sorted(widths))} units: every trial must have the same units; "
                "put NaN where one is absent."
            )
        n_bins = np.array([part.shape[0] for part in parts])
        stacked = np.full(
            (len(parts), n_bins.max(), widths.pop()), np.nan, np.result_type(*parts, np.float32)
        )
        for row, part in zip(stacked, parts, strict=True):
            row[: part.shape[0]] = part
        return stacked, n_bins
    values = as_numbers(activity, "`activity`")
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim not in (2, 3):
        raise RecordingError(
            f"`activity` has {values.ndim} dimensions, shape {values.shape}: give (time, unit) or (trial, time, unit)."
        )
    return values, None


def _check_shape(values: np.ndarray, dims: tuple, coords: Mapping) -> None:
    """Nothing is empty and every label has its entry."""
    sizes = dict(zip(dims, values.shape, strict=True))
    for dim, size in sizes.items():
        if size == 0:
            words = {"time": "time steps", "unit": "units", "trial": "trials"}[dim]
            raise RecordingError(
                f"`activity` has shape {values.shape}, 0 {words}: there is nothing to model."
            )
    for dim in ("time", "unit", "trial"):
        if dim not in coords:
            continue
        if dim not in sizes:
            raise RecordingError(
                f"`{dim}` was given, but `activity` of shape {values.shape} has no such dimension."
            )
        n = np.size(np.asarray(coords[dim], dtype=object))
        if n != sizes[dim]:
            other = next((d for d, size in sizes.items() if size == n and d != dim), None)
            hint = f"; its `{other}` axis has {n}, so transpose it" if other else ""
            raise RecordingError(
                f"{n} labels were given for `{dim}`, but `activity` of shape {values.shape} has {sizes[dim]}{hint}."
            )


def _clock(time, sampling_interval, n_time: int, time_unit: str | None) -> tuple[float, np.ndarray]:
    """The sampling interval and the start of every bin."""
    if time_unit == "trial" and sampling_interval is None and time is None:
        sampling_interval = 1.0
    if time is not None:
        time = np.asarray(time)
        if time.dtype.kind not in "iuf":
            raise RecordingError(f"`time` has dtype {time.dtype}: give seconds as numbers.")
        time = time.astype(np.float64)
        if sampling_interval is None:
            if n_time < 2:
                raise RecordingError(
                    "One time step does not tell its width: give `sampling_interval` in seconds."
                )
            sampling_interval = (time[-1] - time[0]) / (n_time - 1)
            if not sampling_interval > 0:
                sampling_interval = 1.0
    if sampling_interval is None:
        raise RecordingError(
            "The sampling interval is missing: give `sampling_interval` in seconds, or `time`."
        )
    try:
        interval = float(sampling_interval)
    except (TypeError, ValueError) as error:
        raise RecordingError(f"`sampling_interval` is {sampling_interval!r}: give seconds.") from error
    if not np.isfinite(interval) or interval <= 0:
        raise RecordingError(
            f"`sampling_interval` is {interval!r}: give the width of a bin in seconds, above 0."
        )
    return interval, np.arange(n_time) * interval if time is None else time


def _kinds(kind, labels: np.ndarray) -> np.ndarray:
    """One kind per unit."""
    if isinstance(kind, str):
        kind = [kind] * labels.size
    elif isinstance(kind, Mapping):
        missing = [label for label in labels.tolist() if label not in kind]
        if missing:
            raise RecordingError(f"`kind` names no kind for the unit {missing[0]!s}: add it.")
        kind = [kind[label] for label in labels.tolist()]
    kinds = np.array([str(word) for word in np.asarray(kind).ravel()], dtype=str)
    if kinds.size != labels.size:
        raise RecordingError(
            f"`kind` has {kinds.size} entries for {labels.size} units: give one, or one per unit."
        )
    unknown = kinds[~np.isin(kinds, KINDS)]
    if unknown.size:
        raise RecordingError(
            f"The kind {str(unknown[0])!r} is not known: it must be one of {', '.join(KINDS)}."
        )
    return kinds


def _column(values, size: int, name: str, dim: str) -> np.ndarray:
    """A column of metadata with one entry per label."""
    if name in ("activity", "covariates", "time", "unit", "trial", "kind", "covariate", "available", "role"):
        raise RecordingError(
            f"A coordinate of `{dim}` cannot be called {name!r}, which the schema uses: rename it."
        )
    column = as_column(values)
    if column.ndim == 0:
        column = np.full(size, column)
    if column.shape != (size,):
        raise RecordingError(f"The coordinate `{name}` has shape {column.shape}: `{dim}` has {size} entries.")
    if name == "n_bins":
        if column.dtype.kind not in "iuf" or not np.all(column == np.floor(column)):
            raise RecordingError("The coordinate `n_bins` must hold whole numbers.")
        column = column.astype(np.int64)
    return column


def _to_float(values: np.ndarray, labels: np.ndarray, kinds: np.ndarray, dtype: str) -> np.ndarray:
    """Floating values; refuses what the chosen precision would destroy."""
    if dtype == "float64":
        return values.astype(np.float64)
    whole = kinds != "continuous"
    if whole.any() and values.dtype.itemsize > 2 and values.dtype.kind != "b":
        exact = values if whole.all() else values[..., whole]
        finite = exact[np.isfinite(exact)] if values.dtype.kind == "f" else exact
        if finite.size and finite.max() > EXACT_IN_FLOAT32:
            return values.astype(np.float64)
    if values.dtype == np.float64 or (values.dtype.kind in "iu" and values.dtype.itemsize > 2):
        _check_precision(values, labels)
    return values.astype(np.float32)


def _check_precision(values: np.ndarray, labels: np.ndarray) -> None:
    """Refuse float32 where it overflows, warn where it rounds a unit's variation away."""
    flat = values.reshape(-1, values.shape[-1])
    finite = np.isfinite(flat)
    size = np.abs(np.where(finite, flat, 0)).max(axis=0)
    over = np.flatnonzero(size > np.finfo(np.float32).max)
    if over.size:
        raise RecordingError(
            f"Unit {labels[over[0]]!s} reaches {size[over[0]]:.3g}, beyond float32: rescale it, or use dtype='float64'."
        )
    suspects = np.flatnonzero(size > 1e4)
    for column in suspects:
        inside = flat[finite[:, column], column].astype(np.float64)
        spread = inside.std()
        if 0 < spread < 16 * np.spacing(np.float32(size[column])):
            warnings.warn(
                f"Unit {labels[column]!s} varies by {spread:.3g} around values of {size[column]:.6g}, which float32 "
                "rounds away: subtract the offset, or use dtype='float64'.",
                NeurodynWarning,
                stacklevel=4,
            )
            return
