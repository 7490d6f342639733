"""Predictions further ahead, and the moments of responses, of all participants."""

from typing import Any

import jax
import jax.numpy as jnp

from neurodyn.inference.predictive_coding.posteriors import update
from neurodyn.inference.predictive_coding.predictions import Belief, Expected, predict, stacked
from neurodyn.inference.predictive_coding.responses import Moment


def _ahead(task: Any, free: jax.Array, data: tuple, posterior: Belief, horizon: int) -> Expected:
    """Predictions of every step from the posteriors `horizon` steps before it, none observed between, one participant."""
    one, base, response = data[:3]
    parameters, _ = task.filled(free, base, response)
    n_time, n_leaves = one.inputs.shape
    before = Belief(
        jnp.concatenate([parameters.initial_mean[None], posterior.mean]),
        jnp.concatenate([parameters.initial_precision[None], posterior.precision]),
        jnp.concatenate([1 / parameters.initial_precision[None], posterior.variance]),
    )

    def forecast(step: jax.Array) -> Expected:
        origin = jnp.maximum(step - horizon + 1, 0)
        belief = jax.tree.map(lambda leaf: leaf[origin], before)
        scaled = task.scaled_inputs
        first = predict(task.structure, parameters, belief, one.time_step[origin], scaled_inputs=scaled)
        expected = stacked(first)
        for further in range(1, horizon):
            elapsed = one.time_step[jnp.minimum(origin + further - 1, n_time - 1)]
            blank = update(
                task.structure,
                parameters,
                belief,
                expected,
                jnp.zeros(n_leaves, one.inputs.dtype),
                jnp.zeros(n_leaves, bool),
                elapsed,
                order=task.order,
            )
            after = stacked(blank.belief)
            later = predict(
                task.structure,
                parameters,
                after,
                one.time_step[jnp.minimum(origin + further, n_time - 1)],
                scaled_inputs=scaled,
            )
            reached = origin + further <= step
            belief = jax.tree.map(lambda new, old, r=reached: jnp.where(r, new, old), after, belief)
            expected = jax.tree.map(
                lambda new, old, r=reached: jnp.where(r, new, old), stacked(later), expected
            )
        return expected

    return jax.vmap(forecast)(jnp.arange(n_time))


def _moments(task: Any, free: jax.Array, moment: Moment, base: Any, response: Any) -> tuple:
    """Mean and variance of the responses of all participants, ``(participant, time, ...)``."""

    def one(free: jax.Array, moment: Moment) -> tuple:
        _, values = task.filled(free, jax.tree.map(jnp.asarray, base), jnp.asarray(response, free.dtype))
        return jax.vmap(lambda now: task.response.moments(now, task.structure, values))(moment)

    return jax.vmap(one)(free, moment)


response_moments = jax.jit(_moments, static_argnums=0)
forecasts = jax.jit(
    lambda task, free, data, posterior, horizon: jax.vmap(
        lambda one, rest, belief: _ahead(task, one, rest, belief, horizon)
    )(free, data, posterior),
    static_argnums=(0, 4),
)
