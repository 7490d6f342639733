"""One netCDF file per fit: labelled arrays and a JSON header; nothing is ever unpickled."""

import dataclasses
import json
import math
import os
import pathlib
import tempfile
from typing import Any

import h5py
import numpy as np
import xarray as xr

from neurodyn.errors import FileError, ModelError
from neurodyn.models import registry
from neurodyn.models.base import Fit, Model, Trace
from neurodyn.models.components import component_class, component_name

FORMAT = "neurodyn fit 1"
HEADER = "neurodyn_header"


def encode(value: Any) -> Any:
    """Turn a hyperparameter into JSON values; models and components become tagged dicts."""
    if isinstance(value, Model):
        return {"model": value.name, "fields": _fields(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        component = component_name(value)
        if component is None:
            raise ModelError(f"{type(value).__name__} is not a registered component and cannot be saved.")
        return {"component": component, "fields": _fields(value)}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, (np.integer, np.floating)):
        return encode(value.item())
    if isinstance(value, (tuple, list)):
        return {"tuple": [encode(item) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[encode(key), encode(item)] for key, item in value.items()]}
    raise ModelError(
        f"a hyperparameter of type {type(value).__name__} cannot be saved; use numbers, strings, tuples, models or "
        "a registered name in place of a callable."
    )


def _fields(value: Any) -> dict[str, Any]:
    """Encoded init fields of a dataclass."""
    return {
        field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init
    }


def decode(value: Any) -> Any:
    """Inverse of `encode`; classes are looked up in registries only."""
    if not isinstance(value, dict):
        return value
    if "model" in value:
        return registry.get(value["model"])(**{k: decode(v) for k, v in value["fields"].items()})
    if "component" in value:
        return component_class(value["component"])(**{k: decode(v) for k, v in value["fields"].items()})
    if "tuple" in value:
        return tuple(decode(item) for item in value["tuple"])
    if "dict" in value:
        return {decode(key): decode(item) for key, item in value["dict"]}
    return float(value["float"])


def save_fit(fit: Fit, path: Any) -> None:
    """Write a fit and its children to one netCDF file.

    Parameters
    ----------
    fit : Fit
        What to write.
    path : str or os.PathLike
        Target; replaced only once the new file is complete.

    Raises
    ------
    FileError
        If the folder does not exist.
    ModelError
        If a hyperparameter cannot be written.
    """
    target = pathlib.Path(path)
    if not target.parent.is_dir():
        raise FileError(f"the folder {target.parent} does not exist; make it before saving {target.name}.")
    handle, temporary = tempfile.mkstemp(suffix=".nc", prefix=".saving-", dir=target.parent)
    os.close(handle)
    try:
        _write_group(fit, temporary, "/", "w")
        os.replace(temporary, target)
    finally:
        pathlib.Path(temporary).unlink(missing_ok=True)


def _write_group(fit: Fit, path: str, group: str, file_mode: Any) -> None:
    """Write one fit into a group, its children below it."""
    trace = {
        "converged": bool(fit.trace.converged),
        "reason": fit.trace.reason,
        "seconds": float(fit.trace.seconds),
        "agreement": encode(float(fit.trace.agreement)),
        "warnings": list(fit.trace.warnings),
    }
    header = {
        "format": FORMAT,
        "model": encode(fit.model),
        "trace": trace,
        "provenance": encode(fit.provenance),
        "children": len(fit.children),
        "attrs": {name: encode(dict(fit.parameters[name].attrs)) for name in fit.parameters.variables},
    }
    data = fit.parameters.copy()
    data.attrs = {}
    for name in data.variables:
        data[name].attrs = {}
        data[name].encoding = {}
        if data[name].dtype.kind == "U":
            data = data.assign_coords({name: data[name].astype(object)}) if name in data.coords else data
    data["trace_objective"] = ("trace_iteration", np.asarray(fit.trace.objective, dtype=np.float64))
    data["trace_restarts"] = ("trace_restart", np.asarray(fit.trace.restarts, dtype=np.float64))
    data.attrs[HEADER] = json.dumps(header)
    data.to_netcdf(path, mode=file_mode, group=group, engine="h5netcdf")
    for index, child in enumerate(fit.children):
        _write_group(child, path, f"{group.rstrip('/')}/child{index}", "a")


def load(path: Any) -> Fit:
    """Read a fit written by `Fit.save`.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Returns
    -------
    Fit
        The fit, with identical predictions.

    Raises
    ------
    FileError
        If the file is missing, damaged, or not a saved fit.
    """
    source = pathlib.Path(path)
    if not source.is_file():
        raise FileError(f"{source} is not a file; give the path of a fit written by Fit.save.")
    if not h5py.is_hdf5(source):
        raise FileError(f"{source} is not an HDF5 file, or is truncated; give a fit written by Fit.save.")
    try:
        return _read_group(str(source), "/")
    except (OSError, KeyError, json.JSONDecodeError) as error:
        raise FileError(f"{source} is damaged or not a fit written by Fit.save ({error}).") from error


def _read_group(path: str, group: str) -> Fit:
    """Read one fit and its children."""
    with xr.open_dataset(path, group=group, engine="h5netcdf") as stored:
        data = stored.load()
    if HEADER not in data.attrs:
        raise FileError(
            f"{path} is a netCDF file but holds no fit; recordings are read by neurodyn.recording.load."
        )
    header = json.loads(data.attrs[HEADER])
    if header.get("format") != FORMAT:
        raise FileError(
            f"{path} has the format {header.get('format')!r}, this version reads {FORMAT!r}; upgrade."
        )
    model = decode(header["model"])
    trace = Trace(
        objective=data["trace_objective"].values,
        restarts=data["trace_restarts"].values,
        converged=header["trace"]["converged"],
        reason=header["trace"]["reason"],
        seconds=header["trace"]["seconds"],
        agreement=decode(header["trace"]["agreement"]),
        warnings=tuple(header["trace"]["warnings"]),
    )
    parameters = data.drop_vars(["trace_objective", "trace_restarts"])
    parameters.attrs = {}
    for name, attrs in header["attrs"].items():
        parameters[name].attrs = decode(attrs)
    children = tuple(_read_group(path, f"{group.rstrip('/')}/child{i}") for i in range(header["children"]))
    return model.fit_type(
        model=model,
        parameters=parameters,
        trace=trace,
        provenance=decode(header["provenance"]),
        children=children,
    )
