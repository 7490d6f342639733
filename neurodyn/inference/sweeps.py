"""Forward and backward recursions inside many blocks of time at once, and a guess at how they begin.

What expectations need is written once, in the order in which the bins lie.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.blocks import Blocks, backward, fold, forward, likelihood_at, scanned_over


class Forward(NamedTuple):
    """What the forward sweep leaves behind.

    Attributes
    ----------
    filtered : (step, K, block)
        p(z_t | x_<=t).
    total : (step, block)
        Normalisers, of likelihoods whose largest is one.
    shift : (step, block)
        Logarithm of what was divided out to make it one.
    likelihood : (step, K, block)
        What remains.
    """

    filtered: Float[Array, "step state block"]
    total: Float[Array, "step block"]
    shift: Float[Array, "step block"]
    likelihood: Float[Array, "step state block"]


class Backward(NamedTuple):
    """What the backward sweep leaves behind.

    Attributes
    ----------
    smoothed : (K, T)
        p(z_t | x_1..x_T of the trial); the bin at a step of a block is column step x number of blocks + block.
    transition_counts : (K, K)
        Expected number of transitions.
    path : (step, block)
        A most probable state.
    amplification : (block,)
        The largest max_k beta_t(k) / c_t; it bounds what the smallest representable number could weigh in the
        posterior. Whatever underflowed in the forward sweep is at most that number times this amplification, so a
        result whose amplification is small is right.
    arrivals : (K, block)
        The backward message just before every block.
    """

    smoothed: Float[Array, "state time"]
    transition_counts: Float[Array, "state state"]
    path: Int[Array, "step block"]
    amplification: Float[Array, " block"]
    arrivals: Float[Array, "state block"]


def glimpse(blocks: Blocks, window: int) -> tuple[Float[Array, "state block"], Float[Array, "state block"]]:
    """Messages leaving every block at its end and at its beginning, guessed from its last and first `window` steps.

    Both begin from equally probable states, which a chain with informative observations soon forgets.
    Whether it had is for `agreement` to say, after the sweeps.
    """
    constant, scanned = scanned_over(blocks)
    n_states, (length, n_blocks) = len(blocks.log_initial), blocks.start.shape
    uniform = jnp.full((n_states, n_blocks), 1 / n_states, blocks.log_initial.dtype)

    def ahead(message: Array, inputs: tuple) -> tuple[Array, None]:
        index, first, matrix = inputs
        likelihood, _ = likelihood_at(blocks, index, first)
        incoming = forward(constant if matrix is None else matrix, message)
        joint = jnp.where(first, jnp.ones_like(incoming), incoming) * likelihood
        return joint * (1 / fold(joint, jnp.add)), None

    def back(message: Array, inputs: tuple) -> tuple[Array, None]:
        index, first, matrix = inputs
        likelihood, _ = likelihood_at(blocks, index, first)
        onward = backward(constant if matrix is None else matrix, likelihood * message)
        onward = jnp.where(first, jnp.ones_like(onward), onward)
        return onward * (1 / fold(onward, jnp.add)), None

    steps = (jnp.arange(length), blocks.start, scanned)
    late = [None if part is None else part[-window:] for part in steps]
    early = [None if part is None else part[:window] for part in steps]
    exits = lax.scan(ahead, uniform, tuple(late))[0]
    arrivals = lax.scan(back, uniform, tuple(early), reverse=True)[0]
    return exits, arrivals


def across(
    exits: Float[Array, "state block"], arrivals: Float[Array, "state block"]
) -> tuple[Float[Array, "state block"], Float[Array, "state block"]]:
    """Message entering each block and backward message at its last step, from what its neighbours let out."""
    uniform = jnp.full_like(exits[:, :1], 1 / exits.shape[0])
    entry = jnp.concatenate([uniform, exits[:, :-1]], axis=1)
    return entry, jnp.concatenate([arrivals[:, 1:], uniform], axis=1)


def agreement(
    entry: Float[Array, "state block"],
    leave: Float[Array, "state block"],
    exits: Float[Array, "state block"],
    arrivals: Float[Array, "state block"],
) -> Bool[Array, ""]:
    """Whether the messages the sweeps carry out of every block are those with which they began the next one.

    Compared by their ratios: the maps between borders expand no distance of ratios. In a chain that forgets, what
    agrees at every border to rounding is right to rounding; in one that does not, deviations add up, and so they must
    not drift by more than rounding times the root of the number of borders.
    """
    limits = jnp.finfo(entry.dtype)

    def close(one: Array, other: Array) -> Array:
        size = jnp.maximum(one, other)
        gap = jnp.where(size > 16 * limits.tiny, (one - other) / size, jnp.zeros_like(size))
        drift = jnp.max(jnp.abs(jnp.cumsum(gap, axis=1)), initial=0.0)
        step = jnp.max(jnp.abs(gap), initial=0.0)
        return (step <= 32 * limits.eps) & (drift <= 64 * limits.eps * math.sqrt(max(gap.shape[1], 1)))

    arrivals = arrivals / jnp.sum(arrivals, axis=0)
    return close(entry[:, 1:], exits[:, :-1]) & close(leave[:, :-1], arrivals[:, 1:])


def sweep_forward(blocks: Blocks, entry: Float[Array, "state block"]) -> Forward:
    """Filtered probabilities and normalisers inside every block."""
    constant, scanned = scanned_over(blocks)

    def step(message: Array, inputs: tuple) -> tuple[Array, Forward]:
        index, first, matrix = inputs
        likelihood, shift = likelihood_at(blocks, index, first)
        incoming = forward(constant if matrix is None else matrix, message)
        joint = jnp.where(first, jnp.ones_like(incoming), incoming) * likelihood
        total = fold(joint, jnp.add)
        filtered = joint * (1 / total)
        return filtered, Forward(filtered, total, shift, likelihood)

    return lax.scan(step, entry, (jnp.arange(len(blocks.start)), blocks.start, scanned))[1]


def most_probable(probability: Float[Array, "state bin"]) -> Int[Array, " bin"]:
    """The first state with the largest probability; every step runs along the bins."""
    best, state = probability[0], jnp.zeros(probability.shape[1], jnp.int32)
    for index in range(1, len(probability)):
        state = jnp.where(probability[index] > best, index, state)
        best = jnp.maximum(best, probability[index])
    return state.astype(jnp.int16)


def sweep_backward(
    blocks: Blocks, ahead: Forward, entry: Float[Array, "state block"], leave: Float[Array, "state block"]
) -> Backward:
    """Smoothed probabilities, and what is counted with them."""
    constant, scanned = scanned_over(blocks)
    (n_states, n_blocks), length = entry.shape, len(blocks.start)
    dtype = entry.dtype

    def count(counts: Array, earlier: Array, inner: Array) -> Array:
        if scanned is None:
            return counts + earlier @ inner.T
        return counts + earlier[:, None] * inner

    def step(carry: tuple, inputs: tuple) -> tuple[tuple, Array]:
        message, inner, counts, amplification, written = carry
        index, first, matrix, (here, normalizer, _, likelihood) = inputs
        smoothed = here * message
        inverse = 1 / fold(smoothed, jnp.add)
        gain = inverse / normalizer
        amplification = jnp.maximum(amplification, fold(message, jnp.maximum) * gain)
        onward = likelihood * message * gain
        smoothed = smoothed * inverse
        counts = count(counts, here, inner)
        before = backward(constant if matrix is None else matrix, onward)
        inner = onward if matrix is None else matrix * onward[None]
        before = jnp.where(first, jnp.ones_like(before), before)
        inner = jnp.where(first, jnp.zeros_like(inner), inner)
        # Written where the bins lie: nothing as long as the recording has to be turned afterwards.
        written = lax.dynamic_update_slice(written, smoothed, (0, index * n_blocks))
        return (before, inner, counts, amplification, written), most_probable(smoothed)

    inner = jnp.zeros(entry.shape if scanned is None else (n_states, *entry.shape), dtype)
    counts = jnp.zeros((n_states, n_states) if scanned is None else inner.shape, dtype)
    written = jnp.zeros((n_states, length * n_blocks), dtype)
    carry = (leave, inner, counts, jnp.zeros(n_blocks, dtype), written)
    inputs = (jnp.arange(length), blocks.start, scanned, ahead)
    (arrivals, inner, counts, amplification, written), path = lax.scan(step, carry, inputs, reverse=True)
    counts = count(counts, entry, inner)
    counts = counts * constant if scanned is None else jnp.sum(counts, axis=-1)
    return Backward(written, counts, path, amplification, arrivals)
