"""From recordings to arrays and masks, and back: the NaN rule in code."""

import hashlib
import os
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import xarray as xr

from neurodyn.errors import RecordingError


class Arrays(NamedTuple):
    """Filled values and the mask of what was observed, both `(trial, time, unit)`.

    Attributes
    ----------
    values : numpy.ndarray
        Values in the units of the recording; 0 where `mask` is False.
    mask : numpy.ndarray of bool
        True where the entry was observed.
    """

    values: np.ndarray
    mask: np.ndarray


def arrays(recording: xr.Dataset, dtype: str | type | np.dtype | None = None, *, copy: bool = True) -> Arrays:
    """Split a recording into filled values and a mask, which is all that compiled code may see.

    Parameters
    ----------
    recording : xarray.Dataset
        A recording with or without trials; without, it counts as one trial.
    dtype : dtype, optional
        Floating type of the values; by default that of `activity`.
    copy : bool
        Without it the values of a recording that misses nothing may be a read-only view of its own.

    Returns
    -------
    Arrays
        `values` and `mask`, both `(trial, time, unit)`; with `copy` new arrays, never views of the recording.

    Raises
    ------
    RecordingError
        If there is no `activity`, or the arrays do not fit into the memory that is free.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> trace = recording.make([[1.0], [np.nan], [3.0]], sampling_interval=0.1)
    >>> values, mask = recording.arrays(trace)
    >>> values[0, :, 0].tolist(), mask[0, :, 0].tolist()
    ([1.0, 0.0, 3.0], [True, False, True])
    """
    if "activity" not in recording:
        raise RecordingError("There is no variable `activity` in this Dataset: is it a recording?")
    activity = recording["activity"]
    wanted = ("trial", "time", "unit") if "trial" in activity.dims else ("time", "unit")
    return _filled(activity.transpose(*wanted), dtype, "activity", copy)


def covariate_arrays(
    recording: xr.Dataset, names: Iterable | None = None, dtype: str | type | np.dtype | None = None
) -> Arrays:
    """Split the covariates into filled values and a mask.

    Parameters
    ----------
    recording : xarray.Dataset
        A recording; without covariates the result has 0 of them.
    names : list, optional
        The covariates wanted, in this order; by default all.
    dtype : dtype, optional
        Floating type of the values; by default that of the covariates.

    Returns
    -------
    Arrays
        `values` and `mask`, both `(trial, time, covariate)`; 0 where the covariate is NaN.

    Raises
    ------
    RecordingError
        If a covariate of `names` is not there.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> run = recording.make(np.zeros((4, 2)), sampling_interval=2.0, covariates={"stimulus": [0, 1, 1, 0]})
    >>> recording.covariate_arrays(run).values.shape
    (1, 4, 1)
    """
    if "covariates" not in recording:
        if names:
            raise RecordingError(
                f"The covariate {next(iter(names))!s} was asked for, but the recording has no covariates."
            )
        shape = (recording.sizes.get("trial", 1), recording.sizes["time"], 0)
        return Arrays(np.zeros(shape, dtype or recording["activity"].dtype), np.zeros(shape, bool))
    covariates = recording["covariates"]
    if names is not None:
        known = covariates["covariate"].values
        missing = [name for name in names if name not in known]
        if missing:
            raise RecordingError(
                f"The covariate {missing[0]!s} is not in the recording, which has: {', '.join(map(str, known))}."
            )
        covariates = covariates.sel(covariate=list(names))
    wanted = ("trial", "time", "covariate") if "trial" in covariates.dims else ("time", "covariate")
    return _filled(covariates.transpose(*wanted), dtype, "covariates")


def observed(recording: xr.Dataset) -> xr.DataArray:
    """Mask of the observed entries: `activity` is not NaN.

    Parameters
    ----------
    recording : xarray.Dataset
        A recording.

    Returns
    -------
    xarray.DataArray of bool
        Labelled like `activity`.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> trace = recording.make([[1.0], [np.nan]], sampling_interval=0.1)
    >>> int(recording.observed(trace).sum())
    1
    """
    return recording["activity"].notnull()


def hide(recording: xr.Dataset, where: xr.DataArray | np.ndarray) -> xr.Dataset:
    """Put NaN wherever `where` is True, so that no model can see those entries.

    Parameters
    ----------
    recording : xarray.Dataset
        A recording; it is not changed.
    where : xarray.DataArray of bool or numpy.ndarray of bool
        What to hide. A DataArray may have some of the dimensions of `activity` only (a mask on `unit`
        hides whole units); where it has labels, they must be those of the recording.

    Returns
    -------
    xarray.Dataset
        The recording with fewer observed entries and one more line of history.

    Raises
    ------
    RecordingError
        If the mask is not boolean, or its labels or shape are not those of the recording.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> trace = recording.make(np.ones((10, 2)), sampling_interval=0.1)
    >>> late = recording.hide(trace, trace.time >= 0.5)
    >>> int(recording.observed(late).sum())
    10
    """
    activity = recording["activity"]
    if where.dtype != bool:
        raise RecordingError(f"The mask of what to hide has dtype {where.dtype}: it must be boolean.")
    if isinstance(where, xr.DataArray):
        extra = set(where.dims) - set(activity.dims)
        if extra:
            raise RecordingError(
                f"The mask has the dimension {', '.join(map(str, extra))}, which `activity` lacks: reduce it first."
            )
        try:
            where, _ = xr.align(where, activity, join="exact", copy=False)
        except ValueError as error:
            raise RecordingError(
                "The labels of the mask are not those of the recording: build the mask from the same recording, "
                f"or reindex it ({error})."
            ) from error
        mask = where.broadcast_like(activity).transpose(*activity.dims).values
    else:
        mask = np.asarray(where)
        if mask.shape != activity.shape:
            raise RecordingError(f"The mask has shape {mask.shape}, `activity` has {activity.shape}.")
    values = activity.values
    newly = int(np.count_nonzero(mask & ~np.isnan(values)))
    hidden = np.where(mask, np.asarray(np.nan, values.dtype), values)
    result = recording.assign(activity=activity.copy(data=hidden))
    return with_history(result, f"hid {newly} observed entries")


def with_history(recording: xr.Dataset, *lines: str) -> xr.Dataset:
    """Append lines to the history of a recording.

    Parameters
    ----------
    recording : xarray.Dataset
        A recording; it is not changed.
    *lines : str
        What was done to it, one line each.

    Returns
    -------
    xarray.Dataset
        The same data with a longer history.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> trace = recording.make(np.ones((10, 2)), sampling_interval=0.1)
    >>> recording.with_history(trace, "smoothed").attrs["history"]
    ('smoothed',)
    """
    return recording.assign_attrs(history=(*recording.attrs.get("history", ()), *lines))


def fingerprint(recording: xr.Dataset) -> str:
    """SHA-256 of what a model can see: values, mask, labels, time and covariates.

    Attributes, history and the floating type do not enter, so a copy that went through a file has
    the fingerprint of the original.

    Parameters
    ----------
    recording : xarray.Dataset
        A recording.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> one = recording.make(np.ones((10, 2)), sampling_interval=0.1)
    >>> recording.fingerprint(one) == recording.fingerprint(one.copy(deep=True))
    True
    """
    digest = hashlib.sha256()
    for name in ("activity", "covariates"):
        if name not in recording:
            continue
        variable = recording[name]
        digest.update(repr((name, variable.dims, variable.shape)).encode())
        for block in _blocks(variable.values.reshape(-1)):
            mask = ~np.isnan(block)
            if mask.all():
                packed, filled = np.full(-(-block.size // 8), 255, np.uint8), block
                packed[-1:] = np.packbits(mask[-(block.size % 8 or 8) :])
            else:
                packed, filled = np.packbits(mask), np.where(mask, block, 0)
            digest.update(packed.data)
            digest.update(_narrowest(filled).data)
    for name in ("unit", "trial", "kind", "n_bins", "covariate", "available", "role"):
        if name in recording.coords:
            digest.update(repr((name, [str(value) for value in np.ravel(recording[name].values)])).encode())
    digest.update(np.asarray(recording["time"].values, "<f8").tobytes())
    return digest.hexdigest()


def _narrowest(values: np.ndarray) -> np.ndarray:
    """Little-endian numbers in single precision where that is exact, else in double; -0 becomes 0."""
    with np.errstate(over="ignore"):
        single = np.add(values, 0.0, dtype="<f4", casting="same_kind")
    exact = values.dtype.itemsize <= 4 or np.array_equal(single, values)
    return single if exact else np.add(values, 0.0, dtype="<f8")


def available_memory() -> int | None:
    """Bytes of memory that are free for this process, or None where the system does not say."""
    found = _container_memory()
    try:
        for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(1024 * int(line.split()[1]))
    except OSError:
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found) if found else None


def _container_memory(folder: str = "/sys/fs/cgroup") -> list[int]:
    """Bytes left under the limit of a container (version 2 control groups); empty without a limit."""
    group = pathlib.Path(folder)
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return []
    cache = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    return [int(limit) - used + cache] if limit.isdigit() else []


def _filled(variable: xr.DataArray, dtype, name: str, copy: bool = True) -> Arrays:
    """Values with 0 for NaN and the mask, both with three dimensions."""
    kind = np.dtype(dtype or variable.dtype)
    needed = variable.size * (kind.itemsize + 1)
    free = available_memory()
    if free is not None and needed > free:
        raise RecordingError(
            f"`{name}` of shape {variable.shape} needs {needed:,} bytes as arrays, and {free:,} are free: "
            "select fewer units or a shorter time, or use wider bins."
        )
    values = variable.values
    mask = np.isnan(values)
    np.logical_not(mask, out=mask)
    if not copy and mask.all():
        filled = values.astype(kind, copy=False).view()
        filled.flags.writeable = False
    else:
        filled = np.where(mask, values, np.zeros((), values.dtype)).astype(kind, copy=False)
    if values.ndim == 2:
        return Arrays(filled[None], mask[None])
    return Arrays(filled, mask)


def _blocks(flat: np.ndarray, size: int = 1 << 20):
    """Successive parts of a flat array."""
    for first in range(0, flat.size, size):
        yield flat[first : first + size]
