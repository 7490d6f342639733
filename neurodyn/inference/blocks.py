"""Scaled message passing inside many blocks of time at once.

The block axis is the last (contiguous) one of every array here, so one scan step over the position
inside a block advances all blocks together by one small matrix product.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float


class Blocks(NamedTuple):
    """A recording cut into blocks: position in the block first, block last."""

    likelihood: Float[Array, "step state block"]
    transition: Float[Array, "state state"] | Float[Array, "step state state block"]
    start: Bool[Array, "step block"]
    shift: Float[Array, " time"]


def cut(values: Array, block_length: int) -> Array:
    """(time, ...) to (step, ..., block); `time` is a multiple of the block length."""
    blocks = values.reshape((-1, block_length, *values.shape[1:]))
    return jnp.moveaxis(blocks, 0, -1)


def join(blocks: Array, time: int) -> Array:
    """(step, ..., block) back to (time, ...), dropping the padding."""
    values = jnp.moveaxis(blocks, -1, 0)
    return values.reshape((-1, *values.shape[2:]))[:time]


def prepare(
    log_likelihood: Float[Array, "time state"],
    transition: Float[Array, "state state"] | Float[Array, "time state state"],
    initial: Float[Array, " state"],
    start: Bool[Array, " time"],
    block_length: int,
) -> Blocks:
    """Likelihoods divided by their largest value at each step; at starts multiplied by `initial`."""
    time = log_likelihood.shape[0]
    padding = -time % block_length
    first = start.at[0].set(True)
    joint = jnp.where(first[:, None], log_likelihood + jnp.log(initial), log_likelihood)
    shift = jnp.max(joint, axis=1)
    impossible = shift == -jnp.inf
    likelihood = jnp.exp(joint - jnp.where(impossible, jnp.zeros_like(shift), shift)[:, None])
    neutral = jnp.where(first[:, None], initial, jnp.ones_like(initial))
    likelihood = jnp.where(impossible[:, None], neutral, likelihood)
    likelihood = jnp.pad(likelihood, ((0, padding), (0, 0)), constant_values=1)
    if transition.ndim == 3:
        transition = cut(jnp.pad(transition, ((0, padding), (0, 0), (0, 0))), block_length)
    first = jnp.pad(first, (0, padding), constant_values=True)
    return Blocks(cut(likelihood, block_length), transition, cut(first, block_length), shift)


def _forward(matrix: Array, message: Array) -> Array:
    """Sum over the earlier state: matrix (i, j[, block]), message (i, ..., block)."""
    if matrix.ndim == 2:
        return jnp.einsum("ij,i...->j...", matrix, message)
    extra = (slice(None),) * 2 + (None,) * (message.ndim - 2)
    return jnp.sum(matrix[extra] * message[:, None], axis=0)


def _backward(matrix: Array, message: Array) -> Array:
    """Sum over the later state: matrix (i, j[, block]), message (j, block)."""
    if matrix.ndim == 2:
        return matrix @ message
    return jnp.sum(matrix * message[None], axis=1)


def _scanned(blocks: Blocks) -> tuple[Array | None, Array | None]:
    """The constant matrix, or the scanned ones."""
    if blocks.transition.ndim == 2:
        return blocks.transition, None
    return None, blocks.transition


def transfer(blocks: Blocks) -> tuple[Float[Array, "state state block"], Float[Array, "state block"]]:
    """Each block's transfer matrix (exit state, entry state, block) and the log scale of its columns.

    Column i is the filtered distribution at the block's end given state i just before the block,
    and its log scale is the log-likelihood of the block's data given that state.
    """
    constant, scanned = _scanned(blocks)
    _, n_states, n_blocks = blocks.likelihood.shape
    dtype = blocks.likelihood.dtype

    def step(carry: tuple, inputs: tuple) -> tuple[tuple, None]:
        message, scale = carry
        likelihood, first, matrix = inputs
        incoming = _forward(constant if matrix is None else matrix, message)
        joint = jnp.where(first, jnp.ones_like(incoming), incoming) * likelihood[:, None]
        total = jnp.sum(joint, axis=0)
        return (joint / jnp.where(total > 0, total, jnp.ones_like(total)), scale + jnp.log(total)), None

    eye = jnp.broadcast_to(jnp.eye(n_states, dtype=dtype)[..., None], (n_states, n_states, n_blocks))
    inputs = (blocks.likelihood, blocks.start, scanned)
    (message, scale), _ = lax.scan(step, (eye, jnp.zeros((n_states, n_blocks), dtype)), inputs)
    return message, scale


def boundaries(
    matrix: Float[Array, "state state block"], scale: Float[Array, "state block"]
) -> tuple[Float[Array, "state block"], Float[Array, "state block"]]:
    """Filtered message entering each block, and backward message at each block's last step."""
    matrices, scales = jnp.moveaxis(matrix, -1, 0), scale.T
    n_states = scale.shape[0]

    def step(carry: tuple, inputs: tuple) -> tuple[tuple, tuple]:
        ahead, behind = carry
        forward_matrix, forward_scale, backward_matrix, backward_scale = inputs
        weight = jnp.log(ahead) + forward_scale
        weight = jnp.exp(weight - jnp.max(weight))
        onward = forward_matrix @ (weight / jnp.sum(weight))
        back = jnp.log(behind @ backward_matrix) + backward_scale
        back = jnp.exp(back - jnp.max(back))
        return (onward, back), (ahead, behind)

    uniform = jnp.full((n_states,), 1 / n_states, scale.dtype)
    inputs = (matrices, scales, jnp.flip(matrices, 0), jnp.flip(scales, 0))
    _, (entry, leave) = lax.scan(step, (uniform, jnp.ones_like(uniform)), inputs)
    return entry.T, jnp.flip(leave, 0).T


def sweep_forward(
    blocks: Blocks, entry: Float[Array, "state block"]
) -> tuple[Float[Array, "step state block"], Float[Array, "step block"]]:
    """Filtered probabilities and normalisers inside every block."""
    constant, scanned = _scanned(blocks)

    def step(message: Array, inputs: tuple) -> tuple[Array, tuple[Array, Array]]:
        likelihood, first, matrix = inputs
        incoming = _forward(constant if matrix is None else matrix, message)
        joint = jnp.where(first, jnp.ones_like(incoming), incoming) * likelihood
        total = jnp.sum(joint, axis=0)
        filtered = joint / total
        return filtered, (filtered, total)

    return lax.scan(step, entry, (blocks.likelihood, blocks.start, scanned))[1]


def sweep_backward(
    blocks: Blocks,
    entry: Float[Array, "state block"],
    leave: Float[Array, "state block"],
    filtered: Float[Array, "step state block"],
    total: Float[Array, "step block"],
) -> tuple[Float[Array, "step state block"], Float[Array, "state state"], Float[Array, ""]]:
    """Smoothed probabilities, expected transition counts, and the largest amplification.

    The amplification of step t, max_k beta_t(k) / c_t, bounds what the smallest representable number
    could weigh in the posterior: whatever underflowed in the forward sweep is at most that number
    times this amplification. A result whose amplification is small is therefore right.
    """
    constant, scanned = _scanned(blocks)
    n_states = entry.shape[0]
    dtype = filtered.dtype
    before = jnp.concatenate([entry[None], filtered[:-1]])

    def step(carry: tuple, inputs: tuple) -> tuple[tuple, Array]:
        backward, counts, amplification = carry
        likelihood, first, matrix, here, earlier, normalizer = inputs
        matrix = constant if matrix is None else matrix
        smoothed = here * backward
        inverse = 1 / jnp.sum(smoothed, axis=0)
        gain = inverse / normalizer
        amplification = jnp.maximum(amplification, jnp.max(backward, axis=0) * gain)
        message = likelihood * backward * gain
        onward = jnp.where(first, jnp.ones_like(message), _backward(matrix, message))
        inner = jnp.where(first, jnp.zeros_like(message), message)
        if matrix.ndim == 2:
            counts = counts + earlier @ inner.T
        else:
            counts = counts + earlier[:, None] * matrix * inner[None]
        return (onward, counts, amplification), smoothed * inverse

    shape = (n_states, n_states) if scanned is None else (n_states, n_states, entry.shape[1])
    carry = (leave, jnp.zeros(shape, dtype), jnp.zeros(entry.shape[1], dtype))
    inputs = (blocks.likelihood, blocks.start, scanned, filtered, before, total)
    (_, counts, amplification), smoothed = lax.scan(step, carry, inputs, reverse=True)
    counts = counts * constant if constant is not None else jnp.sum(counts, axis=-1)
    return smoothed, counts, jnp.max(amplification)
