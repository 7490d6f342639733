"""Exact message passing in the log domain, one time step after the other."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float


class LogMessages(NamedTuple):
    """Messages of one log-domain sweep; the arrays hold probabilities except `log_normalizer`."""

    smoothed: Float[Array, "time state"]
    filtered: Float[Array, "time state"]
    predicted: Float[Array, "time state"]
    log_normalizer: Float[Array, " time"]
    transition_counts: Float[Array, "state state"]


def log_sum_exp(values: Array, axis: int) -> Array:
    """Logarithm of a sum of exponentials; minus infinity, not NaN, where every term is zero."""
    peak = jnp.max(values, axis=axis, keepdims=True)
    peak = jnp.where(peak == -jnp.inf, jnp.zeros_like(peak), peak)
    return jnp.squeeze(peak, axis) + jnp.log(jnp.sum(jnp.exp(values - peak), axis=axis))


def _per_step(log_transition: Array) -> tuple[Array, Array | None]:
    """The transition matrix, and the matrices to scan over if there is one for every step."""
    return log_transition, None if log_transition.ndim == 2 else log_transition


def log_filter(
    log_likelihood: Float[Array, "time state"],
    log_transition: Float[Array, "state state"] | Float[Array, "time state state"],
    log_initial: Float[Array, " state"],
    start: Bool[Array, " time"],
) -> tuple[Float[Array, "time state"], Float[Array, "time state"], Float[Array, " time"]]:
    """Log filtered and log predicted state probabilities, and log p(x_t | x_<t)."""
    constant, scanned = _per_step(log_transition)

    def step(message: Array, inputs: tuple) -> tuple[Array, tuple[Array, Array, Array]]:
        row, first, matrix = inputs
        matrix = constant if matrix is None else matrix
        predicted = jnp.where(first, log_initial, log_sum_exp(message[:, None] + matrix, 0))
        joint = predicted + row
        normalizer = log_sum_exp(joint, 0)
        # An impossible observation tells nothing about the state: carry on as if it were missing.
        filtered = jnp.where(normalizer == -jnp.inf, predicted, joint - normalizer)
        return filtered, (filtered, predicted, normalizer)

    _, (filtered, predicted, normalizer) = lax.scan(
        step, log_initial, (log_likelihood, start.at[0].set(True), scanned)
    )
    return filtered, predicted, normalizer


def log_forward_backward(
    log_likelihood: Float[Array, "time state"],
    log_transition: Float[Array, "state state"] | Float[Array, "time state state"],
    log_initial: Float[Array, " state"],
    start: Bool[Array, " time"],
) -> LogMessages:
    """Smoothed probabilities and expected transition counts, safe for any structural zero."""
    start = start.at[0].set(True)
    filtered, predicted, normalizer = log_filter(log_likelihood, log_transition, log_initial, start)
    impossible = normalizer == -jnp.inf
    emission = jnp.where(impossible, jnp.zeros_like(normalizer), normalizer)[:, None]
    emission = jnp.where(impossible[:, None], jnp.zeros_like(log_likelihood), log_likelihood - emission)
    constant, scanned = _per_step(log_transition)
    previous = jnp.concatenate([log_initial[None], filtered[:-1]])

    def step(carry: tuple, inputs: tuple) -> tuple[tuple, Array]:
        backward, total, lost = carry
        row, first, matrix, here, before = inputs
        posterior = here + backward
        scale = log_sum_exp(posterior, 0)
        joint = (constant if matrix is None else matrix) + (row + backward - scale)[None, :]
        into = jnp.where(first, jnp.zeros_like(backward), log_sum_exp(joint, 1))
        pair = jnp.where(first, jnp.zeros_like(joint), jnp.exp(before[:, None] + joint))
        # Compensated summation: a float32 running total loses digits over a million steps.
        term = pair - lost
        grown = total + term
        return (into, grown, (grown - total) - term), jnp.exp(posterior - scale)

    n_states = log_initial.shape[0]
    zeros = jnp.zeros((n_states, n_states), log_initial.dtype)
    carry = (jnp.zeros_like(log_initial), zeros, zeros)
    inputs = (emission, start, scanned, filtered, previous)
    (_, counts, _), smoothed = lax.scan(step, carry, inputs, reverse=True)
    return LogMessages(smoothed, jnp.exp(filtered), jnp.exp(predicted), normalizer, counts)
