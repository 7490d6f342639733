"""Saving and loading: one netCDF file, attributes as JSON, nothing ever unpickled."""

import json
import os
import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import xarray as xr

from neurodyn.errors import FileError, RecordingError
from neurodyn.recording.schema import check

HEADER = "neurodyn"
FORMAT = "neurodyn recording"
VERSION = 1
_INTEGERS = (("int16", -1, 2**15 - 1), ("int32", -1, 2**31 - 1))


def save(recording: xr.Dataset, path: str | os.PathLike) -> pathlib.Path:
    """Write a recording to a netCDF file.

    Whole numbers are stored as compressed integers with a fill value, attributes as one JSON string.
    The file appears complete or not at all: it is written beside its place and then renamed.

    Parameters
    ----------
    recording : xarray.Dataset
        A recording.
    path : path-like
        Where to; an existing file is replaced.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    RecordingError
        If it is not a recording, or an attribute cannot be written as JSON.
    FileError
        If the folder does not exist or cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> counts = recording.make(np.ones((50, 3)), sampling_interval=0.02, kind="count")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = recording.save(counts, pathlib.Path(folder) / "counts.nc")
    ...     recording.load(path).identical(counts)
    True
    """
    check(recording, allow_empty=True)
    path = pathlib.Path(path)
    write_dataset(
        recording, path, {"format": FORMAT, "version": VERSION}, encoding={"activity": _packing(recording)}
    )
    return path


def load(path: str | os.PathLike) -> xr.Dataset:
    """Read a recording that `save` wrote, identical to what was saved.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    xarray.Dataset
        The recording, in memory.

    Raises
    ------
    FileError
        If there is no such file, it is truncated, or it is not a recording of this package.

    Examples
    --------
    See `save`.
    """
    dataset, header = read_dataset(path)
    if header.get("format") != FORMAT:
        raise FileError(
            f"{path} holds a {header.get('format', 'file of unknown kind')}, not a recording: use the function that reads "
            "that kind, such as neurodyn.load for a fit."
        )
    if header.get("version", 0) > VERSION:
        raise FileError(
            f"{path} was written by a newer neurodyn (recording format {header['version']}, this one reads up to "
            f"{VERSION}): update neurodyn."
        )
    return check(dataset, allow_empty=True)


def write_dataset(
    dataset: xr.Dataset, path: str | os.PathLike, header: Mapping, encoding: Mapping | None = None
) -> None:
    """Write any Dataset with a JSON header, whole or not at all.

    Parameters
    ----------
    dataset : xarray.Dataset
        Variables of numbers, text or dates; attributes of numbers, text, lists, tuples and dicts.
    path : path-like
        Where to; an existing file is replaced.
    header : mapping
        What `read_dataset` gives back beside the Dataset; its entry `format` says what the file is.
    encoding : mapping, optional
        Variable to storage settings, as in `xarray.Dataset.to_netcdf`.

    Raises
    ------
    RecordingError
        If a variable or an attribute cannot be stored.
    FileError
        If the folder does not exist or cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import xarray as xr
    >>> from neurodyn import recording
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "any.nc"
    ...     recording.write_dataset(xr.Dataset(attrs={"pair": (1, 2)}), path, {"format": "example"})
    ...     dataset, header = recording.read_dataset(path)
    >>> dataset.attrs["pair"], header["format"]
    ((1, 2), 'example')
    """
    path = pathlib.Path(path)
    stored = {
        "header": dict(header),
        "attrs": _encode(dataset.attrs, ""),
        "variables": {
            str(name): _encode(v.attrs, str(name)) for name, v in dataset.variables.items() if v.attrs
        },
        "dtypes": {str(name): _dtype_name(v.dtype) for name, v in dataset.variables.items()},
        "order": [str(name) for name in dataset.data_vars],
    }
    plain = dataset.copy()
    plain.attrs = {HEADER: json.dumps(stored)}
    settings = {}
    for name, variable in plain.variables.items():
        variable.attrs = {}
        variable.encoding = {}
        settings[name] = _setting(variable)
    settings.update(
        {name: dict(value) for name, value in (encoding or {}).items() if name in plain.variables}
    )
    if not path.parent.is_dir():
        raise FileError(f"The folder {path.parent} does not exist: create it first.")
    if path.is_dir():
        raise FileError(f"{path} is a folder: give the path of a file to write.")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise FileError(
            f"The folder {path.parent} cannot be written ({error.strerror}): choose another."
        ) from error
    os.close(handle)
    try:
        plain.to_netcdf(temporary, engine="h5netcdf", encoding=settings)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except (TypeError, ValueError) as error:
        raise RecordingError(
            f"{path} was not written, because a variable or coordinate cannot be stored ({_reason(error)}): convert it to "
            "numbers or text, and keep `/` out of its name."
        ) from error
    except OSError as error:
        raise FileError(f"{path} could not be written ({error}): is the disk full?") from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def read_dataset(path: str | os.PathLike) -> tuple[xr.Dataset, dict]:
    """Read a Dataset and its header from a file that `write_dataset` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    dataset : xarray.Dataset
        Identical to what was written, in memory.
    header : dict
        The header.

    Raises
    ------
    FileError
        If there is no such file, it is truncated, or this package did not write it.

    Examples
    --------
    See `write_dataset`.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise FileError(
            f"{path} does not exist: check the path (the current folder is {pathlib.Path.cwd()})."
        )
    if path.is_dir():
        raise FileError(f"{path} is a folder: give the path of the file in it.")
    if path.stat().st_size == 0:
        raise FileError(f"{path} is empty, 0 bytes: it was never written completely; save it again.")
    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get(HEADER)
    except OSError as error:
        with path.open("rb") as file:
            whole = file.read(8) == b"\x89HDF\r\n\x1a\n"
        what = "is a truncated or damaged netCDF (HDF5) file" if whole else "is not a netCDF (HDF5) file"
        raise FileError(f"{path} {what}: {_reason(error)}.") from error
    if text is None:
        raise FileError(
            f"{path} is an HDF5 file, but not one that neurodyn wrote: read a lab's file with neurodyn.io.read."
        )
    try:
        stored = json.loads(text)
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            dataset = opened.load()
        return _restored(dataset, stored), stored["header"]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise FileError(f"{path} is damaged and cannot be read: {_reason(error)}.") from error


def _restored(dataset: xr.Dataset, stored: dict) -> xr.Dataset:
    """Attributes, dtypes and the order of variables as they were."""
    changed = {}
    for name, dtype in stored["dtypes"].items():
        variable = dataset.variables[name]
        values = variable.values
        values = values.astype(str) if dtype == "text" else values.astype(dtype, copy=False)
        changed[name] = (variable.dims, values, _decode(stored["variables"].get(name, {})))
    coords = {name: changed[name] for name in dataset.coords}
    data = {name: changed[name] for name in stored["order"]}
    return xr.Dataset(data, coords=coords, attrs=_decode(stored["attrs"]))


def _packing(recording: xr.Dataset) -> dict:
    """How to store `activity`: integers where all values are whole, compressed floats otherwise."""
    activity = recording["activity"]
    setting = _setting(activity.variable)
    if (recording["kind"].values == "continuous").any():
        return setting
    top = np.nanmax(activity.values) if activity.notnull().any() else 0
    for dtype, fill, largest in _INTEGERS:
        if top <= largest:
            return {**setting, "dtype": dtype, "_FillValue": fill}
    return setting


def _setting(variable: xr.Variable) -> dict:
    """Compression for arrays, none for scalars and text; no fill value of xarray's own."""
    if variable.dtype.kind in "biuf":
        packed = {"zlib": True, "complevel": 4, "shuffle": True} if variable.size > 64 else {}
        return {"_FillValue": None, **packed} if variable.dtype.kind == "f" else packed
    return {}


def _dtype_name(dtype: np.dtype) -> str:
    """Name of a dtype, one word for all kinds of text."""
    return "text" if dtype.kind in "UOST" else dtype.str


def _encode(value, where: str) -> Any:
    """A value as JSON; tuples are marked, so that they come back as tuples."""
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise RecordingError(
                f"An attribute of `{where}` is a dict with keys that are not text: use text keys."
            )
        return {key: _encode(item, f"{where}.{key}" if where else key) for key, item in value.items()}
    if isinstance(value, tuple):
        return {"__tuple__": [_encode(item, where) for item in value]}
    if isinstance(value, list):
        return [_encode(item, where) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise RecordingError(
        f"The attribute `{where}` is a {type(value).__name__}, which cannot be saved: use numbers, text, lists or dicts."
    )


def _decode(value) -> Any:
    """The inverse of `_encode`."""
    if isinstance(value, dict):
        if set(value) == {"__tuple__"}:
            return tuple(_decode(item) for item in value["__tuple__"])
        return {key: _decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item) for item in value]
    return value


def _reason(error: Exception) -> str:
    """The first line of an error, without its full stop."""
    return (str(error).splitlines() or [type(error).__name__])[0].strip().rstrip(".")
