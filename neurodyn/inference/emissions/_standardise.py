"""Host-side: a robust affine map per unit, and rows grouped by which entries they miss."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.rows import all_observed, any_observed

_SAMPLE_ROWS = 50_000

_HOST_CHUNK = 8_192
_LINE = 64


class MissingGroup(eqx.Module):
    """Blocks of rows; the rows of a block miss the same entries.

    `missing` holds unit indices (padded with the number of units), `rows` bins (padded with
    the number of bins).
    """

    missing: Int[Array, "block size"]
    rows: Int[Array, "block slot"]


def bucket(count: int) -> int:
    """Next length of the form q 2^j with 4 <= q <= 8: at most a quarter is padding."""
    if count <= 8:
        return max(count, 1)
    step = 1 << (int(count - 1).bit_length() - 3)
    return -(-count // step) * step


def centre_and_scale(
    values: np.ndarray, mask: Bool[np.ndarray, "time unit"]
) -> tuple[Float[np.ndarray, " unit"], Float[np.ndarray, " unit"]]:
    """Mean and standard deviation per unit after clipping far outliers; scale 1 where constant.

    Only the conditioning of the arithmetic, the covariance floor and the priors depend on
    them, so evenly spaced rows serve for long recordings. Rows without observations are
    skipped first: padding changes nothing.
    """
    rows = np.flatnonzero(any_observed(mask))
    rows = rows[:: max(1, len(rows) // _SAMPLE_ROWS)]
    n_units = values.shape[1]
    centre, scale = np.zeros(n_units), np.ones(n_units)
    for unit in range(n_units):
        seen = np.asarray(values[rows, unit][mask[rows, unit]], dtype=float)
        if seen.size == 0 or np.ptp(seen) == 0:
            seen = np.asarray(values[mask[:, unit], unit], dtype=float)
        if seen.size == 0:
            continue
        low, high = np.quantile(seen, [0.025, 0.975])
        if high > low:
            seen = np.clip(seen, low - 3 * (high - low), high + 3 * (high - low))
        centre[unit] = seen.mean()
        deviation = seen.std()
        if deviation > 1e-7 * abs(centre[unit]):
            scale[unit] = deviation
    return centre, scale


def standardise(
    values: np.ndarray,
    mask: Bool[np.ndarray, "time unit"],
    centre: Float[np.ndarray, " unit"],
    scale: Float[np.ndarray, " unit"],
    dtype: np.dtype,
    *,
    turned: bool = False,
) -> np.ndarray:
    """`(values - centre) / scale` in the working type, 0 where not observed; `turned`: ``(unit, time)``."""
    result = _aligned(values.shape[::-1] if turned else values.shape, dtype)
    rows = result.T if turned else result
    for first in range(0, len(values), _HOST_CHUNK):
        part = slice(first, first + _HOST_CHUNK)
        seen = values[part] if mask[part].all() else np.where(mask[part], values[part], centre)
        rows[part] = (seen - centre) / scale
    return result


def _aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Zeros that begin at a cache line: the device can then take the memory over instead of copying it."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + _LINE, np.uint8)
    first = -raw.ctypes.data % _LINE
    return raw[first : first + size].view(dtype).reshape(shape)


def missing_groups(mask: Bool[np.ndarray, "time unit"]) -> tuple[MissingGroup, ...]:
    """Rows observed in part, grouped by how many entries they miss (powers of two)."""
    n_bins, n_units = mask.shape
    partial = np.flatnonzero(any_observed(mask) & ~all_observed(mask))
    if partial.size == 0:
        return ()
    packed = np.packbits(mask[partial], axis=1)
    packed = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8)))
    keys = np.ascontiguousarray(packed).view(np.uint64)
    keys = keys.ravel() if keys.shape[1] == 1 else keys.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, pattern = np.unique(keys, return_index=True, return_inverse=True)
    patterns, pattern = mask[partial[first]], pattern.ravel()
    count = n_units - patterns.sum(axis=1)
    groups, size, below = [], 2, 0
    while below < n_units - 1:
        size = min(size, n_units)
        chosen = np.flatnonzero((count > below) & (count <= size))
        if chosen.size:
            groups.append(_group(partial, pattern, patterns, chosen, size, n_bins))
        below, size = size, size * 2
    return tuple(groups)


def _group(
    partial: np.ndarray, pattern: np.ndarray, patterns: np.ndarray, chosen: np.ndarray, size: int, n_bins: int
) -> MissingGroup:
    """Blocks of the rows with one of the `chosen` patterns."""
    n_units = patterns.shape[1]
    new = np.full(len(patterns), -1)
    new[chosen] = np.arange(len(chosen))
    of_row = new[pattern]
    rows, of_row = partial[of_row >= 0], of_row[of_row >= 0]
    order = np.argsort(of_row, kind="stable")
    rows, of_row = rows[order], of_row[order]
    per_pattern = np.bincount(of_row, minlength=len(chosen))
    slots = 32 if len(rows) >= 8 * len(chosen) else 1
    blocks = -(-per_pattern // slots)
    first_block = np.concatenate([[0], np.cumsum(blocks)])
    first_row = np.concatenate([[0], np.cumsum(per_pattern)])
    place = np.arange(len(rows)) - first_row[of_row]
    table = np.full((bucket(int(first_block[-1])), slots), n_bins)
    table[first_block[of_row] + place // slots, place % slots] = rows
    absent = np.sort(np.where(patterns[chosen], n_units, np.arange(n_units)), axis=1)[:, :size]
    missing = np.full((len(table), size), n_units)
    missing[: first_block[-1]] = np.repeat(absent, blocks, axis=0)
    return MissingGroup(jnp.asarray(missing, jnp.int32), jnp.asarray(table, jnp.int32))
