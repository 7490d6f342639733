"""States as labelled arrays: ordering, matching, agreement between runs, stationary distribution."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from scipy.optimize import linear_sum_assignment

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.em import Sequence, filled_history, transition_into
from neurodyn.inference.em_driver import Run
from neurodyn.inference.em_state import HMMParameters
from neurodyn.inference.emissions import AutoregressiveGaussian, Emission
from neurodyn.inference.message_passing import Messages, checked_messages, predict_states
from neurodyn.inference.viterbi import viterbi

UNIT_DIMS = ("unit", "unit_2")


@light_jit(static_argnames=("emission", "guard"))
def _messages(
    parameters: HMMParameters, sequence: Sequence, *, emission: Emission, guard: bool
) -> tuple[Messages, jax.Array]:
    """Messages of a flat sequence, and whether underflow left them right."""
    data = filled_history(emission, parameters, sequence.data)
    log_likelihood = emission.log_likelihood(parameters.emission, data)
    matrices = transition_into(parameters, sequence)
    return checked_messages(
        log_likelihood, matrices, parameters.initial, sequence.start, valid=sequence.valid, guard=guard
    )


def posterior(parameters: HMMParameters, sequence: Sequence, *, emission: Emission) -> Messages:
    """Messages of a flat sequence at given parameters.

    The pass that is exact whatever underflows takes longer to compile; it is only made where needed.
    """
    messages, trusted = _messages(parameters, sequence, emission=emission, guard=False)
    if bool(trusted):
        return messages
    return _messages(parameters, sequence, emission=emission, guard=True)[0]


@light_jit(static_argnames=("emission", "conditional"))
def expected(
    parameters: HMMParameters, probability: jax.Array, data: Any, *, emission: Emission, conditional: bool
) -> tuple[jax.Array, jax.Array]:
    """Mean and variance of a fresh replicate of every flat entry.

    With `conditional` False nothing observed in the bin itself is used.
    """
    filled = filled_history(emission, parameters, data)
    return emission.predict_mean(parameters.emission, probability, filled, conditional)


@light_jit(static_argnames=("emission", "horizon"))
def forecast(
    parameters: HMMParameters, filtered: jax.Array, sequence: Sequence, *, emission: Emission, horizon: int
) -> tuple[jax.Array, jax.Array]:
    """Mean and variance of every flat entry given the bins up to ``t - horizon``.

    Under an autoregression the predecessors younger than the horizon are themselves forecasts.
    """
    transition, initial = transition_into(parameters, sequence), parameters.initial
    if not isinstance(emission, AutoregressiveGaussian):
        probability = predict_states(filtered, transition, initial, sequence.start, horizon)
        return emission.predict_mean(parameters.emission, probability, sequence.data, False)
    data = filled_history(emission, parameters, sequence.data)
    n_units = data.values.shape[1]
    observed, ahead = data.history, []
    mean = variance = jnp.zeros_like(data.values)
    for step in range(1, horizon + 1):
        younger = [
            jnp.roll(ahead[step - lag - 1], lag, axis=0) for lag in range(1, min(step, emission.order + 1))
        ]
        kept = observed[:, len(younger) * n_units :]
        history = jnp.concatenate([*younger, kept], axis=1)
        shifted = eqx.tree_at(lambda d: d.history, data, jnp.where(data.usable[:, None], history, observed))
        probability = predict_states(filtered, transition, initial, sequence.start, step)
        mean, variance = emission.predict_mean(parameters.emission, probability, shifted, False)
        ahead.append((mean - data.centre) / data.scale)
    return mean, variance


@light_jit(static_argnames=("emission",))
def decode(parameters: HMMParameters, sequence: Sequence, *, emission: Emission) -> jax.Array:
    """Most probable path through the states."""
    data = filled_history(emission, parameters, sequence.data)
    log_likelihood = emission.log_likelihood(parameters.emission, data)
    matrices = transition_into(parameters, sequence)
    return viterbi(log_likelihood, matrices, parameters.initial, sequence.start).path


@light_jit(static_argnames=("emission",))
def draw_values(
    key: jax.Array, parameters: HMMParameters, paths: jax.Array, *, emission: Emission
) -> jax.Array:
    """Observations along several paths ``(trial, time)``."""
    return jax.vmap(lambda k, path: emission.sample(k, parameters.emission, path))(
        jax.random.split(key, paths.shape[0]), paths
    )


def stationary_distribution(transition: np.ndarray) -> np.ndarray:
    """Long-run distribution of a chain, shape ``(state,)``.

    A reducible chain has several; then the limit of occupancy averages from the uniform start is taken.
    """
    matrix = np.asarray(transition, np.float64)
    matrix = matrix / matrix.sum(axis=1, keepdims=True)
    n_states = len(matrix)
    system = np.vstack([matrix.T - np.eye(n_states), np.ones(n_states)])
    target = np.append(np.zeros(n_states), 1.0)
    solution, _, rank, _ = np.linalg.lstsq(system, target, rcond=1e-10)
    if rank < n_states:
        average, power = np.eye(n_states), matrix
        for _ in range(60):
            average, power = 0.5 * (average + average @ power), power @ power
        solution = np.full(n_states, 1.0 / n_states) @ average
    solution = np.clip(solution, 0.0, None)
    return solution / solution.sum()


def permute(parameters: HMMParameters, order: np.ndarray, dimensions: Any) -> HMMParameters:
    """Relabel the states: new state i is old state ``order[i]``."""
    emitted = {
        name: jnp.take(value, order, axis=dimensions[name].index("state"))
        if "state" in dimensions[name]
        else value
        for name, value in parameters.emission.items()
    }
    weights = None if parameters.weights is None else parameters.weights[order][:, order]
    return HMMParameters(parameters.initial[order], parameters.transition[order][:, order], emitted, weights)


def match_paths(reference: np.ndarray, other: np.ndarray, n_states: int) -> tuple[np.ndarray, float]:
    """Permutation of `other`'s states that agrees best with `reference`, and the share of agreeing bins."""
    table = np.zeros((n_states, n_states))
    np.add.at(table, (reference, other), 1.0)
    rows, columns = linear_sum_assignment(-table)
    order = np.empty(n_states, int)
    order[rows] = columns
    return order, float(table[rows, columns].sum() / max(len(reference), 1))


def agreement(best: Run, runs: list[Run], size: int) -> float:
    """Mean share of the first `size` flat bins on which the other converged runs agree with the best one."""
    others = [run for run in runs if run is not best and run.converged]
    if not others:
        return float("nan")
    n_states, reference = len(best.occupancy), best.path[:size]
    return float(np.mean([match_paths(reference, run.path[:size], n_states)[1] for run in others]))


def to_dataset(parameters: HMMParameters, emission: Emission, recording: xr.Dataset) -> xr.Dataset:
    """Label the parameters with states and the recording's units."""
    n_states = parameters.transition.shape[0]
    labels = recording["unit"].values
    coords: dict[str, Any] = {"state": np.arange(n_states), "state_next": np.arange(n_states), "unit": labels}
    variables: dict[str, Any] = {
        "initial": (("state",), np.asarray(parameters.initial)),
        "transition": (("state", "state_next"), np.asarray(parameters.transition)),
    }
    for name, value in parameters.emission.items():
        dims = emission.dimensions[name]
        variables[name] = (dims, np.asarray(value))
        if "unit_2" in dims:
            coords["unit_2"] = labels
    if parameters.weights is not None:
        variables["transition_weight"] = (
            ("state", "state_next", "covariate"),
            np.asarray(parameters.weights),
        )
    data = xr.Dataset(variables, coords=coords)
    for name, coord in recording["unit"].coords.items():
        if name != "unit" and coord.dims == ("unit",):
            data = data.assign_coords({name: ("unit", coord.values)})
    return data


def from_dataset(data: xr.Dataset, emission: Emission, dtype: Any) -> HMMParameters:
    """Bare arrays from labelled parameters."""
    emitted = {
        name: jnp.asarray(data[name].transpose(*dims).values, dtype)
        for name, dims in emission.dimensions.items()
    }
    return HMMParameters(
        jnp.asarray(data["initial"].values, dtype),
        jnp.asarray(data["transition"].values, dtype),
        emitted,
        jnp.asarray(data["transition_weight"].values, dtype) if "transition_weight" in data else None,
    )
