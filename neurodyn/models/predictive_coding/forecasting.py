"""Predictions further ahead, and the moments of responses, of all participants."""

from typing import Any

import jax
import jax.numpy as jnp

from neurodyn.inference.predictive_coding.leaves import leaf_moments
from neurodyn.inference.predictive_coding.posteriors import update
from neurodyn.inference.predictive_coding.predictions import (
    Belief,
    Expected,
    initial,
    predict,
    replicate,
    stacked,
)
from neurodyn.inference.predictive_coding.responses import Moment


def _ahead(task: Any, free: jax.Array, data: tuple, posterior: Belief, horizon: int) -> Expected:
    """Predictions of every step from the posteriors `horizon` steps before it, none observed between, one participant."""
    one, base, response = data[:3]
    parameters, _ = task.filled(free, base, response)
    n_time, n_leaves = one.inputs.shape
    start = stacked(initial(task.structure, parameters))
    before = jax.tree.map(lambda first, later: jnp.concatenate([first[None], later]), start, posterior)

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


def _inputs(task: Any, free: jax.Array, data: tuple, expected: Expected) -> tuple:
    """Mean and variance of the inputs of all participants, ``(participant, time, leaf)``."""

    def one(free: jax.Array, data: tuple, expected: Expected) -> tuple:
        parameters, _ = task.filled(free, *data[1:3])

        def step(now: Expected) -> tuple:
            found = [leaf_moments(task.structure, parameters, now, leaf) for leaf in task.structure.leaves]
            return tuple(jnp.stack(part) for part in zip(*found, strict=True))

        return jax.vmap(step)(expected)

    return jax.vmap(one)(free, data, expected)


def _replicates(task: Any, free: jax.Array, data: tuple, posterior: Belief) -> Expected:
    """What is expected of a fresh input in every step given also the one observed in it, all participants."""

    def one(free: jax.Array, data: tuple, posterior: Belief) -> Expected:
        parameters, _ = task.filled(free, *data[1:3])
        return jax.vmap(
            lambda belief, elapsed: stacked(
                replicate(task.structure, parameters, belief, elapsed, scaled_inputs=task.scaled_inputs)
            )
        )(posterior, data[0].time_step)

    return jax.vmap(one)(free, data, posterior)


input_moments = jax.jit(_inputs, static_argnums=0)
replicates = jax.jit(_replicates, static_argnums=0)
response_moments = jax.jit(_moments, static_argnums=0)
forecasts = jax.jit(
    lambda task, free, data, posterior, horizon: jax.vmap(
        lambda one, rest, belief: _ahead(task, one, rest, belief, horizon)
    )(free, data, posterior),
    static_argnums=(0, 4),
)
