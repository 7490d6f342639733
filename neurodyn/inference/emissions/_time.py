"""Work along time in cache-sized chunks, so that nothing larger than the data is ever held."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

# Elements of the widest intermediate of one chunk: 512 kB in float32 stays in the second cache, and products of this
# size are left to one core; sharing them between two costs more time of both than it saves.
_CHUNK_ELEMENTS = 2**17


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


# The same where time is the last axis.
_COLUMN_ELEMENTS = 2**15


def column_chunk(height: int) -> int:
    """Bins per chunk (a power of two) where time is the last axis and `height` numbers stand above each bin."""
    target = max(_COLUMN_ELEMENTS // max(height, 1), 1)
    return min(max(1 << (target.bit_length() - 1), 128), 8192)


def map_columns(function: Callable[..., Array], arrays: Any, length: int, chunk: int) -> Array:
    """`function(*slices)` over chunks of the last axis, results ``(row, chunk)`` joined along it.

    The last chunk is moved back to end with the recording, so one compiled body serves every length.
    """
    if length <= chunk:
        return function(*arrays)
    shape = jax.eval_shape(lambda: function(*_columns(arrays, 0, chunk)))

    def place(index: Array, result: Array) -> Array:
        begin = jnp.minimum(index * chunk, length - chunk)
        return lax.dynamic_update_slice(result, function(*_columns(arrays, begin, chunk)), (0, begin))

    empty = jnp.zeros((shape.shape[0], length), shape.dtype)
    return lax.fori_loop(0, -(-length // chunk), place, empty)


def sum_columns(function: Callable[..., Any], weights: Array, arrays: Any, chunk: int) -> Any:
    """Compensated sum of `function(weights, *slices)`, linear in the weights, over chunks of the last axis."""
    length = weights.shape[-1]
    if length <= chunk:
        return function(weights, *arrays)

    def add(index: Array, carry: tuple[Any, Any]) -> tuple[Any, Any]:
        total, lost = carry
        begin = jnp.minimum(index * chunk, length - chunk)
        # A last chunk moved back meets bins that were counted already.
        fresh = begin + jnp.arange(chunk) >= index * chunk
        weight = jnp.where(fresh, lax.dynamic_slice_in_dim(weights, begin, chunk, -1), 0)
        new = jax.tree.map(jnp.subtract, function(weight, *_columns(arrays, begin, chunk)), lost)
        larger = jax.tree.map(jnp.add, total, new)
        return larger, jax.tree.map(lambda a, b, c: (a - b) - c, larger, total, new)

    shapes = jax.eval_shape(lambda: function(weights[..., :chunk], *_columns(arrays, 0, chunk)))
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    return lax.fori_loop(0, -(-length // chunk), add, (zeros, zeros))[0]


def _columns(arrays: Any, start: Any, size: int) -> Any:
    """`size` columns of every array from column `start`."""
    return [jax.tree.map(lambda a: lax.dynamic_slice_in_dim(a, start, size, -1), array) for array in arrays]


def sliceable(data: Any) -> bool:
    """Whether prepared data can be cut along time: bins refer to nothing but themselves."""
    return bool(getattr(data, "time_axes", None)) and not getattr(data, "groups", ())


def cut_time(data: Any, begin: Any, size: int) -> Any:
    """`size` bins of prepared data from bin `begin`; the class names the time axis of its fields."""
    held = {name: (getattr(data, name), axis) for name, axis in data.time_axes.items()}
    changed = {
        name: lax.dynamic_slice_in_dim(value, begin, size, axis)
        for name, (value, axis) in held.items()
        if value is not None
    }
    return dataclasses.replace(data, **changed)
