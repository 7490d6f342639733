"""Where the bins of a recording lie: every protocol and metric sees ``(trial, time, unit)``."""

from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError


def has_trials(recording: xr.Dataset) -> bool:
    """Whether the recording is cut into trials."""
    return "trial" in recording["activity"].dims


def shape3(recording: xr.Dataset) -> tuple[int, int, int]:
    """Sizes ``(trial, time, unit)``; one trial where the recording has no trial dim."""
    sizes = recording["activity"].sizes
    return int(sizes.get("trial", 1)), int(sizes["time"]), int(sizes["unit"])


def as3(array: xr.DataArray) -> np.ndarray:
    """Values with the dims ``(trial, time, unit, ...)``, without copying where possible."""
    order = [dim for dim in ("trial", "time", "unit") if dim in array.dims]
    values = array.transpose(*order, ...).values
    return values if "trial" in array.dims else values[None]


def like_activity(recording: xr.Dataset, values: np.ndarray) -> xr.DataArray:
    """Label an array broadcastable to ``(trial, time, unit)`` with the dims and labels of the activity."""
    activity = recording["activity"]
    full = np.broadcast_to(values, shape3(recording))
    if "trial" not in activity.dims:
        full = full[0]
        standard: tuple[str, ...] = ("time", "unit")
    else:
        standard = ("trial", "time", "unit")
    coords = {dim: activity.coords[dim] for dim in standard if dim in activity.coords}
    return xr.DataArray(full, dims=standard, coords=coords).transpose(*activity.dims)


def observed3(recording: xr.Dataset) -> np.ndarray:
    """Boolean ``(trial, time, unit)``: the entry was measured."""
    return np.isfinite(as3(recording["activity"]))


def stretches(flags: np.ndarray) -> list[tuple[int, int]]:
    """Half-open intervals ``(start, stop)`` on which a boolean vector is True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], np.asarray(flags, dtype=bool), [False]))))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def near(flags: np.ndarray, distance: int) -> np.ndarray:
    """Whether a True lies within `distance` bins, along the last axis (itself included)."""
    if distance <= 0:
        return np.array(flags, dtype=bool)
    total = np.cumsum(np.asarray(flags, dtype=int), axis=-1)
    total = np.concatenate((np.zeros((*total.shape[:-1], 1), dtype=int), total), axis=-1)
    n_time = flags.shape[-1]
    upper = np.minimum(np.arange(n_time) + distance + 1, n_time)
    lower = np.maximum(np.arange(n_time) - distance, 0)
    return total[..., upper] > total[..., lower]


def whole(name: str, value: Any, minimum: int, where: str) -> int:
    """Return a whole number at or above `minimum`, or say what was found."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < minimum:
        raise ModelError(f"{where}: {name} is {value!r}; it must be a whole number, {minimum} or more.")
    return int(value)


def proportion(name: str, value: Any, where: str) -> float:
    """Return a number strictly between 0 and 1, or say what was found."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 < value < 1:
        raise ModelError(f"{where}: {name} is {value!r}; it must lie strictly between 0 and 1.")
    return float(value)


def generator(key: Any, *labels: int | str) -> np.random.Generator:
    """Host random numbers from an explicit key, distinct for distinct labels."""
    return np.random.default_rng(_words(key, labels))


def derived_key(key: Any, *labels: int | str) -> int:
    """An integer key that depends on a key and on labels only, so that adding a model changes no other."""
    return int(np.random.SeedSequence(_words(key, labels)).generate_state(1)[0] >> 1)


def _words(key: Any, labels: tuple[int | str, ...]) -> list[int]:
    """Entropy words of a key (integer or JAX key) and labels."""
    import zlib

    from neurodyn.inference.random import as_key, key_words

    words = (
        [int(key)] if isinstance(key, (int, np.integer)) and not isinstance(key, bool) and key >= 0 else None
    )
    if words is None:
        words = key_words(as_key(key))
    return words + [zlib.crc32(str(label).encode()) for label in labels]
