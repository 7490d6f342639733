"""The form in which every analysis sees a state sequence: trials first, bins outside a trial marked."""

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError

MISSING = -1


def with_trials(array: xr.DataArray, *trailing: str) -> xr.DataArray:
    """The array with dims (trial, time, *trailing), refusing others by name."""
    allowed = (("time", *trailing), ("trial", "time", *trailing))
    if array.dims not in allowed:
        wanted = " or ".join("(" + ", ".join(dims) + ")" for dims in allowed)
        raise ModelError(
            f"the array {array.name or ''!s} has dims {array.dims}; it must have {wanted}, as Fit.infer "
            "returns it."
        )
    return array if "trial" in array.dims else array.expand_dims("trial")


def inside_trials(array: xr.DataArray) -> np.ndarray:
    """Mask (trial, time) of the bins before each trial's own end."""
    n_trials, n_time = array.sizes["trial"], array.sizes["time"]
    if "n_bins" not in array.coords:
        return np.ones((n_trials, n_time), bool)
    return np.arange(n_time) < np.broadcast_to(array["n_bins"].values, (n_trials,))[:, None]


def codes(path: xr.DataArray) -> np.ndarray:
    """Integer states (trial, time), -1 where the path is NaN, negative, or after a trial's end."""
    path = with_trials(path)
    values = path.values
    if values.dtype.kind not in "iufb":
        raise ModelError(
            f"the state sequence has dtype {values.dtype}; give whole numbers, NaN or -1 = missing."
        )
    known = np.isfinite(values) & (np.nan_to_num(values, nan=MISSING) >= 0) & inside_trials(path)
    whole = np.where(known, values, MISSING)
    if (whole != np.floor(whole)).any():
        found = whole[whole != np.floor(whole)][0]
        raise ModelError(
            f"the state sequence holds {found:g}; states are whole numbers, NaN or -1 = missing."
        )
    return whole.astype(np.int64)


def step(array: xr.DataArray, sampling_interval: float | None) -> float:
    """Seconds per bin: as given, else from the time coordinate."""
    if sampling_interval is not None:
        if not np.isfinite(sampling_interval) or sampling_interval <= 0:
            raise ModelError(
                f"sampling_interval is {sampling_interval!r}; it must be a positive number of seconds."
            )
        return float(sampling_interval)
    if "time" not in array.coords or array.sizes["time"] < 2:
        raise ModelError(
            "the seconds per bin are unknown, since `time` has no two values; give sampling_interval."
        )
    return float(np.median(np.diff(array["time"].values)))


def runs(sequence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First bin and length of every run of equal values in a sequence (time,)."""
    change = np.flatnonzero(np.diff(sequence)) + 1
    first = np.concatenate([[0], change])
    return first, np.diff(np.concatenate([first, [len(sequence)]]))
