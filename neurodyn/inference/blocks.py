"""Scaled message passing inside many blocks of time at once: the blocks, and what happens over each as a whole.

The block axis is the last (contiguous) one of every array here, so one scan step over the position
inside a block advances all blocks together by one small matrix product. `neurodyn.inference.sweeps` goes through
the blocks once their borders are known.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Shaped

from neurodyn.inference.arrangement import IN_TIME, Arrangement


class Blocks(NamedTuple):
    """A recording cut into blocks; the bin at a step of a block is column step x number of blocks + block."""

    log_likelihood: Float[Array, "state time"]
    transition: Any  # (state, state), or (step, state, state, block)
    log_initial: Float[Array, " state"]
    start: Bool[Array, "step block"]


def cut(values: Array, block_length: int) -> Array:
    """(time, ...) to (step, ..., block); `time` is a multiple of the block length."""
    blocks = values.reshape((-1, block_length, *values.shape[1:]))
    return jnp.moveaxis(blocks, 0, -1)


def join(blocks: Array, time: int) -> Array:
    """(step, ..., block) back to (time, ...), dropping the padding."""
    if blocks.ndim == 2:
        return blocks.T.reshape(-1)[:time]
    # Time ends up contiguous in memory, as the emissions like it.
    return jnp.transpose(blocks, (1, 2, 0)).reshape(blocks.shape[1], -1)[:, :time].T


def to_columns(
    rows: Shaped[Array, "time state"], length: int, order: Arrangement = IN_TIME
) -> Shaped[Array, "state column"]:
    """Rows of bins as the columns of `Blocks`, padded with zeros; nothing moves where one segment is in `order`."""
    if order.length:
        wide = rows.T.reshape(rows.shape[1], order.segments, length, -1)
        return jnp.swapaxes(wide, 1, 2).reshape(rows.shape[1], -1)
    wide = jnp.pad(rows, ((0, -rows.shape[0] % length), (0, 0))).reshape(-1, length, rows.shape[1])
    return jnp.transpose(wide, (2, 1, 0)).reshape(rows.shape[1], -1)


def from_columns(
    columns: Shaped[Array, "state column"], time: int, length: int, order: Arrangement = IN_TIME
) -> Shaped[Array, "time state"]:
    """The inverse of `to_columns`, without its padding."""
    n_rows = columns.shape[0]
    shape = (length, order.segments, -1) if order.length else (length, -1)
    return jnp.swapaxes(columns.reshape(n_rows, *shape), 1, 2).reshape(n_rows, -1)[:, :time].T


def vector(values: Array, time: int, order: Arrangement = IN_TIME) -> Array:
    """(step, block) to (time,)."""
    return from_columns(values.reshape(1, -1), time, len(values), order)[:, 0]


def fold(values: Array, combine: Callable[[Array, Array], Array]) -> Array:
    """Sum or largest over the leading axis, halves on halves: every step runs along the blocks."""
    while values.shape[0] > 1:
        half = values.shape[0] // 2
        rest = values[2 * half :]
        values = combine(values[:half], values[half : 2 * half])
        values = jnp.concatenate([values, rest]) if rest.shape[0] else values
    return values[0]


def prepare(
    log_likelihood: Float[Array, "time state"],
    transition: Float[Array, "state state"] | Float[Array, "time state state"],
    initial: Float[Array, " state"],
    start: Bool[Array, " time"],
    block_length: int,
    *,
    opens: bool = True,
    order: Arrangement = IN_TIME,
) -> Blocks:
    """The blocks of a recording, padded to a whole number of them.

    The first step is a start if this `opens` the recording. Bins come in the `order` given, whose block length is
    then `block_length`.
    """
    padding = -log_likelihood.shape[0] % block_length
    start = start.at[0].set(True) if opens else start
    start = start if order.length else jnp.pad(start, (0, padding), constant_values=True)
    first = to_columns(start[:, None], block_length, order).reshape(block_length, -1)
    columns = to_columns(log_likelihood, block_length, order)
    # Turned once: the compiler would otherwise turn it anew for every use.
    columns = columns if order.length else lax.optimization_barrier(columns)
    if transition.ndim == 3:
        transition = cut(jnp.pad(transition, ((0, padding), (0, 0), (0, 0))), block_length)
    return Blocks(columns, transition, jnp.log(initial), first)


def likelihood_at(
    blocks: Blocks, step: Array, first: Bool[Array, " block"]
) -> tuple[Float[Array, "state block"], Float[Array, " block"]]:
    """Likelihoods at one step of every block divided by their largest, and its logarithm.

    At starts they are multiplied by the initial distribution. A step impossible in every state comes out NaN, for
    the caller's guard to notice.
    """
    width = first.shape[0]
    row = lax.dynamic_slice_in_dim(blocks.log_likelihood, step * width, width, 1)
    joint = row + jnp.where(first, blocks.log_initial[:, None], jnp.zeros_like(row[:, :1]))
    shift = fold(joint, jnp.maximum)
    return jnp.exp(joint - shift), shift


def forward(matrix: Array, message: Array) -> Array:
    """Sum over the earlier state: matrix (i, j[, block]), message (i, ..., block)."""
    if matrix.ndim == 2:
        return jnp.einsum("ij,i...->j...", matrix, message)
    extra = (slice(None),) * 2 + (None,) * (message.ndim - 2)
    return jnp.sum(matrix[extra] * message[:, None], axis=0)


def backward(matrix: Array, message: Array) -> Array:
    """Sum over the later state: matrix (i, j[, block]), message (j, block)."""
    if matrix.ndim == 2:
        return matrix @ message
    return jnp.sum(matrix * message[None], axis=1)


def scanned_over(blocks: Blocks) -> tuple[Array, Array | None]:
    """The transition matrix, and the matrices to scan over if there is one for every step."""
    return blocks.transition, None if blocks.transition.ndim == 2 else blocks.transition


# Power of two that stands for zero: far below any sum of exponents, and no step brings it back.
_DEAD = -(2**28)


def _split(values: Array) -> tuple[Array, Array]:
    """Positive numbers as a rest in [1, 2) and a power of two, by their bits (many times cheaper than `frexp`)."""
    info = jnp.finfo(values.dtype)
    integer = jnp.int64 if info.bits == 64 else jnp.int32
    bias = (1 << (info.nexp - 1)) - 1
    bits = lax.bitcast_convert_type(values, integer)
    rest = (bits & ((1 << info.nmant) - 1)) | (bias << info.nmant)
    return lax.bitcast_convert_type(rest, values.dtype), ((bits >> info.nmant) - bias).astype(jnp.int32)


def transfer(blocks: Blocks) -> tuple[Float[Array, "state state block"], Float[Array, "state block"]]:
    """Each block's transfer matrix (exit state, entry state, block) and the log scale of its columns.

    Column i is the filtered distribution at the block's end given state i just before the block,
    and its log scale is the log-likelihood of the block's data given that state.
    """
    constant, scanned = scanned_over(blocks)
    n_states, (length, n_blocks) = len(blocks.log_initial), blocks.start.shape
    dtype = blocks.log_likelihood.dtype

    # The scale is kept as a power of two and a rest: a logarithm at every step would cost as much as the products.
    def step(carry: tuple, inputs: tuple) -> tuple[tuple, None]:
        message, rest, power = carry
        index, first, matrix = inputs
        likelihood, _ = likelihood_at(blocks, index, first)
        incoming = forward(constant if matrix is None else matrix, message)
        joint = jnp.where(first, jnp.ones_like(incoming), incoming) * likelihood[:, None]
        total = jnp.sum(joint, axis=0)
        inverse = jnp.where(total > 0, 1 / total, jnp.ones_like(total))
        rest, more = _split(rest * total)
        power = jnp.where(total > 0, power + more, _DEAD)
        return (joint * inverse, rest, power), None

    eye = jnp.broadcast_to(jnp.eye(n_states, dtype=dtype)[..., None], (n_states, n_states, n_blocks))
    one, zero = jnp.ones((n_states, n_blocks), dtype), jnp.zeros((n_states, n_blocks), jnp.int32)
    inputs = (jnp.arange(length), blocks.start, scanned)
    (message, rest, power), _ = lax.scan(step, (eye, one, zero), inputs)
    return message, power.astype(dtype) * jnp.log(jnp.asarray(2.0, dtype)) + jnp.log(rest)


def _log(values: Array) -> Array:
    """Logarithm, minus infinity for zero, with a derivative of zero there."""
    some = values > 0
    return jnp.where(some, jnp.log(jnp.where(some, values, jnp.ones_like(values))), -jnp.inf)


def _log_sum(values: Array) -> Array:
    """Logarithm of the sum of exponentials over the last axis, as little to compile as can be."""
    peak = jnp.max(values, axis=-1, keepdims=True)
    peak = jnp.where(peak > -jnp.inf, peak, jnp.zeros_like(peak))
    return peak + _log(jnp.sum(jnp.exp(values - peak), axis=-1, keepdims=True))


def boundaries(
    matrix: Float[Array, "state state block"], scale: Float[Array, "state block"]
) -> tuple[Float[Array, "state block"], Float[Array, "state block"]]:
    """Message entering each block, and backward message at each block's last step.

    In the log domain: what a state is worth before a block and after it can differ by more than numbers can hold.
    """
    logs = jnp.moveaxis(_log(matrix) + scale, -1, 0)
    # Both directions advance as one batch: half as many steps.
    both = jnp.stack([logs, jnp.flip(logs, 0).swapaxes(1, 2)], axis=1)

    def step(message: Array, matrices: Array) -> tuple[Array, Array]:
        onward = _log_sum(matrices + message[:, None])[..., 0]
        return onward - _log_sum(onward), message

    uniform = jnp.full((2, len(scale)), -math.log(len(scale)), scale.dtype)
    messages = jnp.exp(lax.scan(step, uniform, both)[1])
    return messages[:, 0].T, jnp.flip(messages[:, 1], 0).T


def lost_mass(
    blocks: Blocks,
    matrix: Float[Array, "state state block"],
    scale: Float[Array, "state block"],
    total: Float[Array, "step block"],
) -> Float[Array, ""]:
    """Upper bound of the filtered probability that underflow can have cost anywhere.

    What a step may lose is at most a few times the smallest number. The bound lets that much appear in
    every state at every step and carries it along with the chain.
    """
    constant, scanned = scanned_over(blocks)
    n_states = scale.shape[0]
    floor = 2 * n_states * jnp.finfo(total.dtype).tiny

    def step(carry: tuple, inputs: tuple) -> tuple[tuple, None]:
        lost, peak = carry
        index, first, scanned_matrix, normalizer = inputs
        likelihood, _ = likelihood_at(blocks, index, first)
        incoming = forward(constant if scanned_matrix is None else scanned_matrix, lost)
        lost = (jnp.where(first, jnp.zeros_like(incoming), incoming) * likelihood + floor) / normalizer
        return (lost, jnp.maximum(peak, lost)), None

    def sweep(entry: Array) -> tuple[Array, Array]:
        inputs = (jnp.arange(len(total)), blocks.start, scanned, total)
        return lax.scan(step, (entry, entry), inputs)[0]

    def hop(lost: Array, inputs: tuple) -> tuple[Array, Array]:
        matrices, added = inputs
        return matrices @ lost + added, lost

    added, _ = sweep(jnp.zeros_like(scale))
    # A start inside a block makes the chain forget, whatever the transfer matrix says of its mass.
    kept = jnp.where(jnp.any(blocks.start, axis=0), jnp.zeros_like(scale), jnp.ones_like(scale))
    growth = matrix * jnp.exp(scale - jnp.sum(jnp.log(total), axis=0))
    growth = jnp.where(kept > 0, growth, jnp.zeros_like(growth))
    _, entry = lax.scan(hop, jnp.zeros_like(scale[:, 0]), (jnp.moveaxis(growth, -1, 0), added.T))
    return jnp.max(sweep(entry.T)[1])
