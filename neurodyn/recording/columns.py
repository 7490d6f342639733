"""Labels, columns of metadata and covariates from whatever they were given as."""

import numpy as np
import xarray as xr

from neurodyn.errors import RecordingError


def as_labels(values) -> np.ndarray:
    """Labels as an array of int64 or of text, whichever they are."""
    values = np.asarray(values)
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype.kind == "O" and all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in values.ravel()
    ):
        return values.astype(np.int64)
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values == np.floor(values)).all():
        return values.astype(np.int64)
    return np.array([str(value) for value in values.ravel()], dtype=str)


def as_column(values) -> np.ndarray:
    """A column of metadata as numbers, booleans, dates or text; a missing text is empty."""
    values = np.asarray(values)
    if values.dtype.kind in "biufMm":
        return values
    if values.dtype.kind == "U":
        return values
    flat = values.ravel().tolist()
    missing = [v is None or (isinstance(v, float) and np.isnan(v)) or str(v) in ("<NA>", "NaT") for v in flat]
    known = [v for v, gone in zip(flat, missing, strict=True) if not gone]
    if known and all(isinstance(v, bool) for v in known) and not any(missing):
        return values.astype(bool)
    if known and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in known):
        return np.array([np.nan if gone else v for v, gone in zip(flat, missing, strict=True)]).reshape(
            values.shape
        )
    words = ["" if gone else _text(v) for v, gone in zip(flat, missing, strict=True)]
    return np.array(words, dtype=str).reshape(values.shape)


def as_numbers(values, name: str) -> np.ndarray:
    """Values as a real numeric array; masked entries become NaN."""
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.result_type(values.dtype, np.float32)), np.nan)
    try:
        values = np.asarray(values)
        if values.dtype.kind == "O":
            values = values.astype(float)
    except (ValueError, TypeError) as error:
        raise RecordingError(
            f"{name} is not an array of numbers ({error}): give (time, unit), or a list of (time, unit) arrays, "
            "one per trial."
        ) from error
    if values.dtype.kind not in "biuf":
        raise RecordingError(f"{name} has dtype {values.dtype}: give real numbers.")
    return values


def make_covariates(covariates, dims: tuple, shape: tuple, dtype: str = "float32") -> tuple[np.ndarray, dict]:
    """Stack covariates into one array `(..., time, covariate)` and its labels."""
    if isinstance(covariates, xr.DataArray):
        wanted = (*dims, "covariate")
        if set(covariates.dims) != set(wanted):
            raise RecordingError(
                f"`covariates` has dimensions ({', '.join(map(str, covariates.dims))}): "
                f"they must be ({', '.join(wanted)})."
            )
        covariates = covariates.transpose(*wanted)
        if covariates.shape[:-1] != shape:
            raise RecordingError(
                f"`covariates` has shape {covariates.shape}, `activity` has {shape} before its units."
            )
        n = covariates.sizes["covariate"]
        names = covariates["covariate"].values if "covariate" in covariates.coords else np.arange(n)
        labels = {"covariate": np.array([str(name) for name in names], dtype=str)}
        for name, default in (("available", "before"), ("role", "exogenous")):
            words = covariates[name].values if name in covariates.coords else np.full(n, default)
            labels[name] = words.astype(str)
        return covariates.values.astype(dtype), labels
    columns, rows = [], []
    for name, entry in covariates.items():
        parts = entry if isinstance(entry, tuple) else (entry, "before", "exogenous")
        if len(parts) != 3:
            raise RecordingError(
                f"The covariate {name!s} is a tuple of {len(parts)}: give values, or (values, available, role)."
            )
        column = as_numbers(parts[0], f"covariate {name!s}")
        if column.shape not in (shape, shape[-1:]):
            raise RecordingError(
                f"The covariate {name!s} has shape {column.shape}: `activity` needs {shape}."
            )
        columns.append(np.broadcast_to(column, shape))
        rows.append((str(name), str(parts[1]), str(parts[2])))
    labels = {
        key: np.array(column, dtype=str)
        for key, column in zip(("covariate", "available", "role"), zip(*rows, strict=True), strict=True)
    }
    return np.stack(columns, axis=-1).astype(dtype), labels


def _text(value) -> str:
    """A metadata value as text."""
    return value.decode() if isinstance(value, bytes) else str(value)
