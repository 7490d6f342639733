"""Drawing from predictive-coding networks: inputs they predict, responses to inputs, and agents in an environment."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurodyn.inference.predictive_coding.filtering import Trajectory
from neurodyn.inference.predictive_coding.leaves import leaf_draw
from neurodyn.inference.predictive_coding.posteriors import update
from neurodyn.inference.predictive_coding.predictions import (
    Belief,
    Expected,
    Parameters,
    initial,
    predict,
    stacked,
)
from neurodyn.inference.predictive_coding.responses import Moment
from neurodyn.inference.predictive_coding.structure import Structure
from neurodyn.inference.predictive_coding.tasks import Behaviour, Task

Environment = Callable[[int, float, np.random.Generator], object]


def draw_leaves(
    structure: Structure, parameters: Parameters, expected: Expected, key: Array
) -> Float[Array, " leaf"]:
    """A value for every leaf from what the network expects of it.

    Parameters
    ----------
    structure, parameters
        The network.
    expected : Expected
        Predictions of one step.
    key : Array
        Randomness.

    Returns
    -------
    (leaf,)
        0 or 1 of binary leaves (with noise added where it is seen through noise), numbers of others.
    """
    drawn = []
    for leaf in structure.leaves:
        key, first, second = jax.random.split(key, 3)
        drawn.append(leaf_draw(structure, parameters, expected, leaf, (first, second)))
    return jnp.stack(drawn)


def draw_inputs(
    task: Task, parameters: Parameters, time_step: Array, key: Array
) -> Float[Array, "time leaf"]:
    """A sequence of inputs from the network's own predictions, each taken in before the next is drawn."""
    seen = jnp.ones(len(task.structure.leaves), bool)

    def step(belief: Belief, now: tuple) -> tuple[Belief, Array]:
        elapsed, key = now
        expected = predict(task.structure, parameters, belief, elapsed, scaled_inputs=task.scaled_inputs)
        value = draw_leaves(task.structure, parameters, expected, key)
        found = update(task.structure, parameters, belief, expected, value, seen, elapsed, order=task.order)
        return found.belief, value

    start = initial(task.structure, parameters)
    return jax.lax.scan(step, start, (time_step, jax.random.split(key, len(time_step))))[1]


def draw_responses(
    task: Task, values: Array, found: Trajectory, one: Behaviour, key: Array
) -> Float[Array, " time"]:
    """Responses to the inputs of one participant, each depending on the one drawn before."""
    rule = task.rule

    def step(previous: Array, now: tuple) -> tuple[Array, Array]:
        expected, regressors, key = now
        drawn = rule.draw(key, Moment(expected, previous, regressors), task.structure, values)
        return drawn, drawn

    keys = jax.random.split(key, len(one.response))
    start = jnp.full((), -1, values.dtype)
    return jax.lax.scan(step, start, (found.expected, one.regressors, keys))[1]


def _inputs_of_all(task: Task, free: Array, data: tuple, keys: Array) -> Array:
    """`draw_inputs` of all participants."""

    def one(free: Array, rest: tuple, key: Array) -> Array:
        behaviour, base, response = rest
        return draw_inputs(task, task.filled(free, base, response)[0], behaviour.time_step, key)

    return jax.vmap(one)(free, data, keys)


def _responses_of_all(task: Task, free: Array, data: tuple, keys: Array) -> Array:
    """`draw_responses` of all participants."""

    def one(free: Array, rest: tuple, key: Array) -> Array:
        behaviour, base, response = rest
        parameters, values = task.filled(free, base, response)
        return draw_responses(task, values, task.run(parameters, behaviour), behaviour, key)

    return jax.vmap(one)(free, data, keys)


def _act(
    task: Task, free: Array, data: tuple, belief: Belief, previous: Array, step: Array, key: Array
) -> tuple:
    """Expectations and a response of all participants in one trial."""
    keys = jax.random.split(jax.random.fold_in(key, step), len(previous))

    def one(free: Array, rest: tuple, belief: Belief, previous: Array, key: Array) -> tuple:
        behaviour, base, response = rest
        parameters, values = task.filled(free, base, response)
        expected = predict(
            task.structure, parameters, belief, behaviour.time_step[step], scaled_inputs=task.scaled_inputs
        )
        moment = Moment(stacked(expected), previous, behaviour.regressors[step])
        return expected, task.rule.draw(key, moment, task.structure, values)

    return jax.vmap(one)(free, data, belief, previous, keys)


def _learn(
    task: Task,
    free: Array,
    data: tuple,
    belief: Belief,
    expected: Expected,
    value: Array,
    seen: Array,
    step: Array,
) -> Belief:
    """Beliefs of all participants after the outcome of one trial."""

    def one(
        free: Array, rest: tuple, belief: Belief, expected: Expected, value: Array, seen: Array
    ) -> Belief:
        behaviour, base, response = rest
        parameters = task.filled(free, base, response)[0]
        elapsed = behaviour.time_step[step]
        return update(
            task.structure, parameters, belief, expected, value, seen, elapsed, order=task.order
        ).belief

    return jax.vmap(one)(free, data, belief, expected, value, seen)


inputs_of_all = jax.jit(_inputs_of_all, static_argnums=0)
responses_of_all = jax.jit(_responses_of_all, static_argnums=0)
_act_compiled = jax.jit(_act, static_argnums=0)
_learn_compiled = jax.jit(_learn, static_argnums=0)


def in_environment(
    task: Task, free: Array, data: tuple, key: Array, environment: Environment
) -> tuple[np.ndarray, np.ndarray]:
    """Agents whose responses decide what they are shown.

    Parameters
    ----------
    task : Task
        The network and how it responds.
    free : (participant, parameter)
        Unconstrained parameters.
    data : tuple
        Behaviour (of which times and regressors count), network and response parameters, participants first.
    key : Array
        Randomness.
    environment : callable
        ``environment(trial, response, random)`` gives the value of every leaf, NaN for what is not shown.

    Returns
    -------
    inputs : (participant, time, leaf)
        What was shown.
    responses : (participant, time)
        What was done.
    """
    n_people, n_time = data[0].response.shape
    n_leaves, dtype = len(task.structure.leaves), data[0].inputs.dtype
    bits = np.asarray(jax.random.bits(key, (n_people,)))
    worlds = [np.random.default_rng(int(bit)) for bit in bits]

    def begin(free: Array, rest: tuple) -> Belief:
        parameters = task.filled(free, rest[1], rest[2])[0]
        return initial(task.structure, parameters)

    belief = jax.jit(jax.vmap(begin))(free, data)
    previous = jnp.full(n_people, -1, dtype)
    inputs, responses = np.full((n_people, n_time, n_leaves), np.nan), np.zeros((n_people, n_time))
    for trial in range(n_time):
        expected, previous = _act_compiled(task, free, data, belief, previous, np.int32(trial), key)
        responses[:, trial] = previous
        for person, world in enumerate(worlds):
            shown = np.asarray(environment(trial, float(responses[person, trial]), world), float)
            inputs[person, trial] = np.broadcast_to(shown, n_leaves)
        seen = np.isfinite(inputs[:, trial])
        value = jnp.asarray(np.where(seen, inputs[:, trial], 0), dtype)
        belief = _learn_compiled(
            task, free, data, belief, expected, value, jnp.asarray(seen), np.int32(trial)
        )
    return inputs, responses
