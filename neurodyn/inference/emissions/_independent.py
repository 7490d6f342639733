"""Families whose log-likelihood is linear in the observed values of independent units."""

from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from neurodyn.errors import ModelError
from neurodyn.inference.emissions._time import chunk_length, map_time, sum_time
from neurodyn.inference.emissions.base import working_dtype
from neurodyn.inference.rows import all_observed, any_observed

_HOST_CHUNK = 65_536


class IndependentData(eqx.Module):
    """Observed values (0 where missing); `mask` is None when no bin is observed in part.

    `offset` is the part of the log-likelihood that depends on the data alone, `average` each
    unit's mean (never quite 0 or the maximum), to which floors and priors refer.
    """

    time_axes: ClassVar[Mapping[str, int]] = {"values": 0, "seen": 0, "mask": 0, "offset": 0}

    values: Float[Array, "time unit"]
    seen: Bool[Array, " time"]
    mask: Bool[Array, "time unit"] | None
    offset: Float[Array, " time"]
    average: Float[Array, " unit"]


def prepare_independent(
    values: np.ndarray, mask: np.ndarray, offset: np.ndarray | None, highest: float | int
) -> IndependentData:
    """Filled values, mask and the units' averages, half an event away from 0 and `highest`."""
    values, mask = np.asarray(values), np.asarray(mask, bool)
    dtype = working_dtype(values)
    complete = bool(mask.all())
    # A copy in any case: the device may otherwise share its memory with the host's array.
    filled = values.astype(dtype) if complete else np.where(mask, values, 0).astype(dtype)
    seen = any_observed(mask)
    count = np.full(mask.shape[1], len(mask)) if complete else mask.sum(axis=0)
    total = filled.sum(axis=0, dtype=float)
    ceiling = np.maximum(highest * np.maximum(count, 1) - 0.5, 0.5)
    average = np.clip(total, 0.5, ceiling) / np.maximum(count, 1)
    return IndependentData(
        values=jnp.asarray(filled),
        seen=jnp.asarray(seen),
        mask=None if complete or np.array_equal(seen, all_observed(mask)) else jnp.array(mask),
        offset=jnp.asarray(np.zeros(len(values)) if offset is None else offset, dtype),
        average=jnp.asarray(average, dtype),
    )


def check_whole_numbers(values: np.ndarray, mask: np.ndarray, highest: float | int, family: str) -> None:
    """Raise when an observed value is not an integer between 0 and `highest`."""
    for first in range(0, len(values), _HOST_CHUNK):
        part = slice(first, first + _HOST_CHUNK)
        seen = values[part] if mask[part].all() else np.where(mask[part], values[part], 0)
        wrong = ~((seen >= 0) & (seen <= highest) & (seen == np.floor(seen)))
        if wrong.any():
            row, unit = (int(i[0]) for i in np.nonzero(wrong))
            allowed = "0, 1, 2, ..." if np.isinf(highest) else f"0 to {highest:g}"
            raise ModelError(
                f"{family} emissions got {seen[row, unit]:g} at bin {first + row}, unit {unit}; "
                f"give whole numbers ({allowed}) or mark the entry as missing."
            )


def linear_log_likelihood(
    slope: Float[Array, "state unit"], constant: Float[Array, "state unit"], data: IndependentData
) -> Float[Array, "time state"]:
    """`values @ slope' + mask @ constant' + offset`, zero in bins without observation."""
    total = constant.sum(1)

    def rows(values: Array, seen: Array, mask: Array | None, offset: Array) -> Array:
        level = total if mask is None else mask.astype(values.dtype) @ constant.T
        return jnp.where(seen[:, None], values @ slope.T + level + offset[:, None], 0)

    arrays = (data.values, data.seen, data.mask, data.offset)
    return map_time(rows, arrays, len(data.values), chunk_length(2 * slope.shape[1]))


def sums(posterior: Float[Array, "time state"], data: IndependentData) -> dict[str, Array]:
    """Expected number of observed bins and total per state and unit, with the units' averages."""
    n_units = data.values.shape[1]

    def rows(values: Array, seen: Array, mask: Array | None, weight: Array) -> dict[str, Array]:
        weight = jnp.where(seen[:, None], weight.astype(values.dtype), 0)
        if mask is None:
            count = jnp.broadcast_to(weight.sum(0)[:, None], (weight.shape[1], n_units))
        else:
            count = weight.T @ mask.astype(values.dtype)
        return {"weight": count, "total": weight.T @ values}

    arrays = (data.values, data.seen, data.mask, posterior)
    result = sum_time(rows, arrays, len(data.values), chunk_length(2 * n_units))
    return {**result, "blocks": jnp.ones((), data.values.dtype), "average": data.average}


def check_strength(strength: float | int, floor: float) -> None:
    """Raise unless the prior strength and the floor are in range."""
    if not strength >= 0:
        raise ModelError(f"prior_strength is {strength}; give a number of bins of at least 0.")
    if not 0 < floor < 1:
        raise ModelError(f"floor is {floor}; give a fraction in (0, 1).")
