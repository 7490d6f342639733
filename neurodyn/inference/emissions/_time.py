"""Work along time in cache-sized chunks, so that nothing larger than the data is ever held."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

# Elements of the widest intermediate of one chunk: 2 MB in float32, measured fastest on a shared machine.
_CHUNK_ELEMENTS = 2**19


def chunk_length(width: int) -> int:
    """Bins per chunk (a power of two) for an intermediate with `width` numbers per bin."""
    target = max(_CHUNK_ELEMENTS // max(width, 1), 1)
    return min(max(1 << (target.bit_length() - 1), 256), 65536)


def map_time(function: Callable[..., Any], arrays: Any, length: int, chunk: int) -> Any:
    """`function(*slices)` over chunks of the leading axis, results joined along it."""
    if length <= chunk:
        return function(*arrays)
    whole = length // chunk
    mapped = lax.map(lambda i: function(*_slices(arrays, i * chunk, chunk)), jnp.arange(whole))
    mapped = jax.tree.map(lambda a: a.reshape((whole * chunk,) + a.shape[2:]), mapped)
    if whole * chunk == length:
        return mapped
    rest = function(*_slices(arrays, whole * chunk, length - whole * chunk))
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), mapped, rest)


def sum_time(function: Callable[..., Any], arrays: Any, length: int, chunk: int) -> Any:
    """Compensated sum of `function(*slices)` over chunks of the leading axis."""
    if length <= chunk:
        return function(*arrays)
    whole = length // chunk

    def add(carry, index):
        total, lost = carry
        new = function(*_slices(arrays, index * chunk, chunk))
        new = jax.tree.map(jnp.subtract, new, lost)
        larger = jax.tree.map(jnp.add, total, new)
        lost = jax.tree.map(lambda a, b, c: (a - b) - c, larger, total, new)
        return (larger, lost), None

    shapes = jax.eval_shape(lambda: function(*_slices(arrays, 0, chunk)))
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    (total, _), _ = lax.scan(add, (zeros, zeros), jnp.arange(whole))
    if whole * chunk == length:
        return total
    rest = function(*_slices(arrays, whole * chunk, length - whole * chunk))
    return jax.tree.map(jnp.add, total, rest)


def _slices(arrays: Any, start: Any, size: int) -> Any:
    """`size` rows of every array from row `start`."""
    return [jax.tree.map(lambda a: lax.dynamic_slice_in_dim(a, start, size), array) for array in arrays]
