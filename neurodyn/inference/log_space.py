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


def _per_step(log_transition: Array, time: int) -> tuple[Array | None, Array | None]:
    """The constant matrix, or the scanned ones."""
    return (log_transition, None) if log_transition.ndim == 2 else (None, log_transition)


def log_filter(
    log_likelihood: Float[Array, "time state"],
    log_transition: Float[Array, "state state"] | Float[Array, "time state state"],
    log_initial: Float[Array, " state"],
    start: Bool[Array, " time"],
) -> tuple[Float[Array, "time state"], Float[Array, "time state"], Float[Array, " time"]]:
    """Log filtered and log predicted state probabilities, and log p(x_t | x_<t)."""
    constant, scanned = _per_step(log_transition, log_likelihood.shape[0])

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
    emission = jnp.where((normalizer == -jnp.inf)[:, None], jnp.zeros_like(log_likelihood), log_likelihood)
    constant, scanned = _per_step(log_transition, log_likelihood.shape[0])
    previous = jnp.concatenate([log_initial[None], filtered[:-1]])

    def step(carry: tuple, inputs: tuple) -> tuple[tuple, Array]:
        backward, total, lost = carry
        row, first, matrix, here, before = inputs
        matrix = constant if matrix is None else matrix
        posterior = here + backward
        scale = log_sum_exp(posterior, 0)
        message = row + backward - scale
        joint = matrix + message[None, :]
        into = jnp.where(first, jnp.zeros_like(message), log_sum_exp(joint, 1))
        pair = before[:, None] + joint
        mass = log_sum_exp(log_sum_exp(pair, 1), 0)
        pair = jnp.where(first | (mass == -jnp.inf), jnp.zeros_like(pair), jnp.exp(pair - mass))
        # Compensated summation: a float32 running total loses digits over a million steps.
        term = pair - lost
        grown = total + term
        lost = (grown - total) - term
        return (into, grown, lost), jnp.exp(posterior - scale)

    n_states = log_likelihood.shape[1]
    zeros = jnp.zeros((n_states, n_states), log_likelihood.dtype)
    (_, counts, _), smoothed = lax.scan(
        step,
        (jnp.zeros_like(log_initial), zeros, zeros),
        (emission, start, scanned, filtered, previous),
        reverse=True,
    )
    return LogMessages(smoothed, jnp.exp(filtered), jnp.exp(predicted), normalizer, counts)
