"""A predictive-coding network run over a sequence of inputs: one scan, its surprise, and what went wrong first."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.predictive_coding.predictions import NEAR, Belief, Expected, Parameters, stacked
from neurodyn.inference.predictive_coding.sequences import Steps, loop, states
from neurodyn.inference.predictive_coding.structure import Structure

LONG = 2048  # trials from which on a sequence is more likely alone than one of many


class Failure(NamedTuple):
    """The first update that was not valid: node and step (-1: none), predicted and computed precision, log-volatility."""

    node: Int[Array, ""]
    step: Int[Array, ""]
    expected_precision: Float[Array, ""]
    computed_precision: Float[Array, ""]
    log_volatility: Float[Array, ""]


class Trajectory(NamedTuple):
    """Beliefs over time, every leaf of the tree with a leading dimension ``(time, node)``.

    Parameters
    ----------
    posterior : Belief
        After every step.
    expected : Expected
        Before it.
    observed : (time, node)
        Whether the node learnt anything.
    failure : Failure
        The first invalid update.
    """

    posterior: Belief
    expected: Expected
    observed: Bool[Array, "time node"]
    failure: Failure


def run(
    structure: Structure,
    parameters: Parameters,
    inputs: Float[Array, "time leaf"],
    known: Bool[Array, "time leaf"],
    time_step: Float[Array, " time"],
    *,
    order: str = "ehgf",
    scaled_inputs: bool = False,
) -> Trajectory:
    """Filter a sequence.

    Parameters
    ----------
    structure : Structure
        The network.
    parameters : Parameters
        Its parameters.
    inputs, known : (time, leaf)
        What the leaves observe, in the order of `Structure.leaves`, and where; other values may be anything finite.
    time_step : (time,)
        Elapsed time before every step, above 0.
    order : {"standard", "ehgf", "unbounded"}
        Order of updates.
    scaled_inputs : bool
        Whether predictions of input leaves are multiplied by the elapsed time.

    Returns
    -------
    Trajectory
        Beliefs; from the first failure on they are predictions at the nodes that fail.
    """
    steps = Steps(structure, order, scaled_inputs)
    if len(inputs) < LONG:
        _, expected, found, failing, since = loop(
            steps, parameters, inputs, known, time_step, remembered=False
        )
    else:
        before, failing, since = states(steps, parameters, inputs, known, time_step)
        expected, found = jax.vmap(lambda *now: steps(parameters, *now)[1:])(before, inputs, known, time_step)
    expected, posterior = stacked(expected), stacked(found.belief)
    computed, observed = (jnp.stack(part, axis=-1) for part in (found.computed, found.observed))
    failure = Failure(
        failing,
        since,
        *(
            jnp.where(failing < 0, 0, table[since, failing])
            for table in (expected.precision, computed, expected.log_volatility)
        ),
    )
    return Trajectory(posterior, expected, observed, failure)


def gaussian_surprise(value: Array, mean: Array, precision: Array) -> Array:
    r""":math:`-\log N(x; \hat\mu, 1/\hat\pi)`."""
    return 0.5 * (jnp.log(2 * jnp.pi) - jnp.log(precision) + precision * (value - mean) ** 2)


def binary_surprise(value: Array, chance: Array) -> Array:
    """-log p of 0 or 1."""
    chance = jnp.clip(chance, NEAR, 1 - NEAR)
    return -jnp.log(jnp.where(value > 0.5, chance, 1 - chance))


def finite_binary_surprise(value: Array, chance: Array, precision: Array) -> Array:
    """-log of the mixture of a Gaussian about 1 and one about 0."""
    one = jnp.log(chance) - gaussian_surprise(value, jnp.ones(()), precision)
    zero = jnp.log1p(-chance) - gaussian_surprise(value, jnp.zeros(()), precision)
    return -jnp.logaddexp(one, zero)


def surprise(
    structure: Structure,
    parameters: Parameters,
    trajectory: Trajectory,
    inputs: Float[Array, "time leaf"],
    known: Bool[Array, "time leaf"],
    *,
    first_level: bool = False,
) -> Float[Array, "time leaf"]:
    r"""Negative log-density of every input given those before it, 0 where not observed.

    Parameters
    ----------
    structure, parameters, trajectory, inputs, known
        As in `run`.
    first_level : bool
        Of a continuous input, take the density under the prediction of its first value parent, which leaves out the
        noise of the input; else the predictive one, of variance :math:`\sum_p \psi_p^2 g'^2/\hat\pi_p + 1/\hat\pi_u`.

    Returns
    -------
    (time, leaf)
        Nats.
    """
    columns = []
    expected = trajectory.expected
    for position, leaf in enumerate(structure.leaves):
        value, kind = inputs[:, position], structure.nodes[leaf].kind
        mean, precision = expected.mean[:, leaf], expected.precision[:, leaf]
        if kind == "binary":
            found = binary_surprise(value, mean)
        elif kind == "finite_binary":
            found = finite_binary_surprise(value, mean, precision)
        else:
            parents = structure.links(structure.value, child=leaf)
            if first_level and parents:
                parent = parents[0][1]
                found = gaussian_surprise(value, expected.mean[:, parent], expected.precision[:, parent])
            else:
                variance = 1 / precision
                for edge, parent in parents:
                    slope = parameters.value_coupling[edge]
                    function = structure.value[edge].function
                    if function is not None:
                        slope = slope * jax.vmap(jax.grad(function))(expected.mean[:, parent])
                    variance = variance + slope**2 / expected.precision[:, parent]
                found = gaussian_surprise(value, mean, 1 / variance)
        columns.append(jnp.where(known[:, position], found, 0))
    return jnp.stack(columns, axis=1)
