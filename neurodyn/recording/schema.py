"""The recording schema: the only place that knows what a recording must look like."""

import math
import warnings
from collections.abc import Hashable, Iterable

import numpy as np
import xarray as xr

from neurodyn.errors import NeurodynWarning, RecordingError
from neurodyn.recording.clock import check_time

KINDS = ("count", "continuous", "binary", "categorical")
AVAILABLE = ("before", "with", "after")
ROLES = ("exogenous", "measured")
TEXT_ATTRIBUTES = ("units", "modality", "subject", "session", "source")
_LAYOUTS = (("time", "unit"), ("trial", "time", "unit"))


def check(
    recording,
    *,
    kinds: Iterable[str] | None = None,
    model: str = "",
    strict: bool = False,
    allow_empty: bool = False,
    finite_covariates: bool = False,
) -> xr.Dataset:
    """Return the recording unchanged if it satisfies the schema, and say what is wrong otherwise.

    Parameters
    ----------
    recording : xarray.Dataset
        `activity` with dimensions `(time, unit)` or `(trial, time, unit)`; NaN = not observed.
    kinds : iterable of str, optional
        The kinds of unit that are accepted; the others are refused by name.
    model : str
        Name of the model that asks, used in messages.
    strict : bool
        Also warn of units and trials without a single observed value. A loader wants this; a
        model does not, since a validation split hides whole units and trials on purpose.
    allow_empty : bool
        Accept a recording without any observed value (a prediction from nothing but the prior).
    finite_covariates : bool
        Refuse NaN in the covariates of the bins that belong to a trial.

    Returns
    -------
    xarray.Dataset
        The same object.

    Raises
    ------
    RecordingError
        If the schema is broken: the message says where, what was found and what to do.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> spikes = recording.make(np.ones((50, 3)), sampling_interval=0.02, kind="count")
    >>> recording.check(spikes, kinds={"count"}) is spikes
    True
    """
    if not isinstance(recording, xr.Dataset):
        raise RecordingError(
            f"A recording is an xarray.Dataset, but this is a {type(recording).__name__}: "
            "build one with neurodyn.recording.make(activity, sampling_interval=...)."
        )
    _check_layout(recording)
    _check_labels(recording)
    _check_attributes(recording)
    check_time(recording["time"].values, float(recording.attrs["sampling_interval"]))
    _check_kinds(recording, kinds, model)
    observed = _check_values(recording)
    if not observed.any() and not allow_empty:
        raise RecordingError(
            "`activity` is NaN everywhere: there is not one observed value; check the file, the scaling "
            "and the intervals it was restricted to."
        )
    _check_trials(recording, observed)
    _check_covariates(recording, finite_covariates)
    if strict:
        _warn_unobserved(recording, observed)
    return recording


def trial_lengths(recording: xr.Dataset) -> np.ndarray:
    """Number of bins `(trial,)` that belong to each trial; bins beyond are ragged padding.

    Parameters
    ----------
    recording : xarray.Dataset
        A recording; without a `trial` dimension it counts as one trial.

    Returns
    -------
    numpy.ndarray of int
        One length per trial, in bins.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> ragged = recording.make([np.ones((3, 2)), np.ones((5, 2))], sampling_interval=0.1)
    >>> recording.trial_lengths(ragged).tolist()
    [3, 5]
    """
    n_time = recording.sizes["time"]
    if "n_bins" not in recording.coords:
        return np.full(recording.sizes.get("trial", 1), n_time)
    return np.minimum(np.atleast_1d(recording["n_bins"].values).astype(np.int64), n_time)


def place(recording: xr.Dataset, index: Iterable[int]) -> str:
    """Words for one entry of `activity`, given its index along every dimension."""
    words = []
    for dim, i in zip(recording["activity"].dims, index, strict=True):
        if dim == "time":
            words.append(f"time index {i} ({recording['time'].values[i]:.6g} s)")
        else:
            words.append(f"{dim} {recording[dim].values[i]!s}")
    return ", ".join(reversed(words))


def listed(names: Iterable[Hashable], limit: int = 5) -> str:
    """Names separated by commas, shortened after `limit` of them."""
    names = [str(name) for name in names]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _check_layout(recording: xr.Dataset) -> None:
    """Presence, dimensions, dtype and size of `activity`."""
    if "activity" not in recording.data_vars:
        raise RecordingError(
            f"There is no variable `activity` in this Dataset (it has: {listed(recording.data_vars) or 'none'}): "
            "rename the scored variable, or build the recording with neurodyn.recording.make."
        )
    activity = recording["activity"]
    if activity.dims not in _LAYOUTS:
        found = "(" + ", ".join(map(str, activity.dims)) + ")"
        wanted = next((layout for layout in _LAYOUTS if set(layout) == set(activity.dims)), None)
        if wanted is not None:
            arguments = ", ".join(f'"{dim}"' for dim in wanted)
            raise RecordingError(
                f"`activity` has dimensions {found}, in the wrong order: use recording.transpose({arguments}, ...)."
            )
        raise RecordingError(
            f"`activity` has dimensions {found}: they must be (time, unit) or (trial, time, unit); rename them."
        )
    if not np.issubdtype(activity.dtype, np.floating):
        raise RecordingError(
            f"`activity` has dtype {activity.dtype}, which cannot hold NaN: convert it with "
            'recording.assign(activity=recording.activity.astype("float32")) or neurodyn.recording.make.'
        )
    for dim in activity.dims:
        if activity.sizes[dim] == 0:
            raise RecordingError(f"`activity` has 0 entries along `{dim}`: there is nothing to model.")


def _check_labels(recording: xr.Dataset) -> None:
    """Coordinates exist on every dimension and name each entry once."""
    for dim in recording["activity"].dims:
        if dim not in recording.coords:
            raise RecordingError(
                f"The dimension `{dim}` has no coordinate: add it with recording.assign_coords({dim}=...)."
            )
    for dim in ("unit", "trial"):
        if dim in recording["activity"].dims:
            values, counts = np.unique(recording[dim].values, return_counts=True)
            if (counts > 1).any():
                raise RecordingError(
                    f"The {dim} label {values[counts > 1][0]!s} occurs {counts.max()} times: "
                    f"every {dim} needs its own label."
                )


def _check_attributes(recording: xr.Dataset) -> None:
    """The attributes the schema asks for, each of its own type."""
    attrs = recording.attrs
    missing = [name for name in ("sampling_interval", *TEXT_ATTRIBUTES, "history") if name not in attrs]
    if missing:
        raise RecordingError(
            f"The attribute {listed(missing)} is missing from recording.attrs: neurodyn.recording.make sets all "
            "of them, and xarray.set_options(keep_attrs=True) keeps them through arithmetic."
        )
    interval = attrs["sampling_interval"]
    number = isinstance(interval, (int, float, np.number)) and not isinstance(interval, bool)
    if not number or not math.isfinite(interval) or interval <= 0:
        raise RecordingError(
            f"The attribute `sampling_interval` is {interval!r}: give the width of a bin in seconds, above 0."
        )
    for name in TEXT_ATTRIBUTES:
        if not isinstance(attrs[name], str):
            raise RecordingError(f"The attribute `{name}` is {attrs[name]!r}: it must be a string.")
    if not isinstance(attrs["history"], tuple) or not all(isinstance(line, str) for line in attrs["history"]):
        raise RecordingError(
            f"The attribute `history` is a {type(attrs['history']).__name__}: it must be a tuple of strings."
        )


def _check_kinds(recording: xr.Dataset, kinds: Iterable[str] | None, model: str) -> None:
    """Every unit has a known kind, and one the model accepts."""
    if "kind" not in recording.coords or recording["kind"].dims != ("unit",):
        raise RecordingError(
            "The coordinate `kind` on `unit` is missing: add it with "
            'recording.assign_coords(kind=("unit", [...])), each one of ' + ", ".join(KINDS) + "."
        )
    found = recording["kind"].values.astype(str)
    unknown = np.flatnonzero(~np.isin(found, KINDS))
    if unknown.size:
        label = recording["unit"].values[unknown[0]]
        raise RecordingError(
            f"The kind of unit {label!s} is {str(found[unknown[0]])!r}: it must be one of {', '.join(KINDS)}."
        )
    if kinds is None:
        return
    refused = np.flatnonzero(~np.isin(found, list(kinds)))
    if refused.size:
        who = model or "This model"
        raise RecordingError(
            f"{who} accepts {' or '.join(sorted(kinds))} units, but {refused.size} of {found.size} are "
            f"{listed(sorted(set(found[refused])))} (first: unit {recording['unit'].values[refused[0]]!s}): "
            "select the others with recording.sel(unit=recording.kind == ...), or choose another model."
        )


def _check_values(recording: xr.Dataset) -> np.ndarray:
    """No infinity, and every unit's values are of its kind; return the mask of observed entries."""
    values = recording["activity"].values
    finite = np.isfinite(values)
    observed = finite
    if not finite.all():
        observed = ~np.isnan(values)
        infinite = observed & ~finite
        if infinite.any():
            index = _first(infinite)
            raise RecordingError(
                f"`activity` is {values[tuple(index)]} at {place(recording, index)}: replace infinite values by "
                "NaN where nothing was measured."
            )
    kind = recording["kind"].values.astype(str)
    for name, rule, remedy in (
        ("count", _bad_count, 'counts are whole numbers from 0; use kind="continuous" for rates'),
        ("binary", _bad_binary, "binary units hold 0 or 1; recode, or use another kind"),
        ("categorical", _bad_category, "categorical units hold the codes 0, 1, ...; recode them"),
    ):
        chosen = np.flatnonzero(kind == name)
        if chosen.size == 0:
            continue
        columns = values if chosen.size == kind.size else values[..., chosen]
        bad = rule(columns)
        if bad.any():
            index = _first(bad)
            index[-1] = int(chosen[index[-1]])
            raise RecordingError(
                f"`activity` is {values[tuple(index)]:.6g} at {place(recording, index)}, whose kind is "
                f"{name}: {remedy}."
            )
        if name == "categorical":
            _check_categories(recording, columns, chosen)
    return observed


def _check_categories(recording: xr.Dataset, columns: np.ndarray, chosen: np.ndarray) -> None:
    """The names of the categories, where they are given, cover every code."""
    named = recording["activity"].attrs.get("categories", {})
    labels = recording["unit"].values
    for column, position in enumerate(chosen):
        names = named.get(str(labels[position]))
        if names is None or np.isnan(columns[..., column]).all():
            continue
        top = int(np.nanmax(columns[..., column]))
        if top >= len(names):
            raise RecordingError(
                f"Unit {labels[position]!s} holds the code {top}, but `categories` names only {len(names)} of "
                f"its categories ({listed(names)}): name the others too."
            )


def _bad_count(values: np.ndarray) -> np.ndarray:
    """Where a value is neither NaN nor a whole number from 0."""
    return (values < 0) | (np.floor(values) != values) & ~np.isnan(values)


def _bad_binary(values: np.ndarray) -> np.ndarray:
    """Where a value is neither NaN nor 0 nor 1."""
    return (values != 0) & (values != 1) & ~np.isnan(values)


_bad_category = _bad_count


def _first(where: np.ndarray) -> list[int]:
    """Index of the first True."""
    return [int(i) for i in np.unravel_index(int(np.argmax(where)), where.shape)]


def _check_trials(recording: xr.Dataset, observed: np.ndarray) -> None:
    """`n_bins` is possible, nothing is observed after it, and padding does not prevail."""
    if "n_bins" not in recording.coords or "trial" not in recording["activity"].dims:
        return
    coordinate = recording["n_bins"]
    if (
        coordinate.dims != ("trial",)
        or not np.issubdtype(coordinate.dtype, np.integer)
        or (coordinate < 0).any()
    ):
        raise RecordingError(
            "The coordinate `n_bins` must hold one whole number of bins, from 0, for every trial: "
            f"it has dimensions {coordinate.dims} and dtype {coordinate.dtype}."
        )
    lengths, n_time = trial_lengths(recording), recording.sizes["time"]
    padding = np.arange(n_time) >= lengths[:, None]
    if not padding.any():
        return
    beyond = observed & padding[:, :, None]
    if beyond.any():
        index = _first(beyond)
        raise RecordingError(
            f"`activity` is observed at {place(recording, index)}, after that trial's end (`n_bins` is "
            f"{lengths[index[0]]}): correct `n_bins`, or put NaN after it."
        )
    if padding.mean() > 0.5:
        warnings.warn(
            f"{100 * padding.mean():.0f} % of the entries are padding, because trials last from {lengths.min()} "
            f"to {lengths.max()} bins: split or drop the longest trials to save memory and time.",
            NeurodynWarning,
            stacklevel=3,
        )


def _check_covariates(recording: xr.Dataset, finite: bool) -> None:
    """Dimensions, labels and values of the covariates."""
    if "covariates" not in recording.data_vars:
        return
    covariates = recording["covariates"]
    wanted = (*recording["activity"].dims[:-1], "covariate")
    if covariates.dims != wanted:
        raise RecordingError(
            f"`covariates` has dimensions ({', '.join(map(str, covariates.dims))}): they must be "
            f"({', '.join(map(str, wanted))}), like those of `activity`."
        )
    names = covariates["covariate"].values if "covariate" in covariates.coords else None
    if names is None or np.unique(names).size != names.size:
        raise RecordingError("The coordinate `covariate` must name every covariate once.")
    for name, allowed in (("available", AVAILABLE), ("role", ROLES)):
        if name not in covariates.coords or covariates[name].dims != ("covariate",):
            raise RecordingError(
                f"The coordinate `{name}` on `covariate` is missing: say for each one of {', '.join(allowed)}."
            )
        words = covariates[name].values.astype(str)
        bad = np.flatnonzero(~np.isin(words, allowed))
        if bad.size:
            raise RecordingError(
                f"`{name}` of the covariate {names[bad[0]]!s} is {str(words[bad[0]])!r}: "
                f"it must be one of {', '.join(allowed)}."
            )
    values = covariates.values
    if not np.issubdtype(values.dtype, np.floating):
        raise RecordingError(f"`covariates` has dtype {values.dtype}: convert it to float32.")
    wrong = np.isinf(values)
    if finite:
        inside = np.arange(values.shape[-2]) < trial_lengths(recording)[:, None]
        inside = inside[0] if values.ndim == 2 else inside
        wrong = ~np.isfinite(values) & inside[..., None]
    if wrong.any():
        index = _first(wrong)
        raise RecordingError(
            f"The covariate {names[index[-1]]!s} is {values[tuple(index)]} at time index {index[-2]} "
            f"({recording['time'].values[index[-2]]:.6g} s): fill it, drop it, or hide those bins."
        )


def _warn_unobserved(recording: xr.Dataset, observed: np.ndarray) -> None:
    """Warn of units, and of trials, in which nothing was observed."""
    dims = recording["activity"].dims
    for dim, axes in (("unit", tuple(range(len(dims) - 1))), ("trial", (-2, -1))):
        if dim not in dims:
            continue
        empty = np.flatnonzero(~observed.any(axis=axes))
        if empty.size:
            warnings.warn(
                f"{empty.size} of {recording.sizes[dim]} {dim}s were never observed, all their values are NaN: "
                f"{dim} {listed(recording[dim].values[empty])}; drop them with recording.drop_sel({dim}=...), "
                "or find out why.",
                NeurodynWarning,
                stacklevel=4,
            )
