"""A predictive-coding network run over a sequence of inputs: one scan, its surprise, and what went wrong first."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.predictive_coding.leaves import gaussian_surprise, leaf_surprise
from neurodyn.inference.predictive_coding.predictions import Belief, Expected, Parameters, stacked
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


def surprise(
    structure: Structure,
    parameters: Parameters,
    expected: Expected,
    inputs: Float[Array, "time leaf"],
    known: Bool[Array, "time leaf"],
    *,
    first_level: bool = False,
) -> Float[Array, "time leaf"]:
    r"""Negative log-density of every input given those before it, 0 where not observed.

    Parameters
    ----------
    structure, parameters, inputs, known
        As in `run`.
    expected : Expected
        Predictions of all nodes, fields ``(time, node)``.
    first_level : bool
        Of a continuous input, take the density under the prediction of its first value parent, which leaves out the
        noise of the input; else the predictive one, of variance :math:`\sum_p \psi_p^2 g'^2/\hat\pi_p + 1/\hat\pi_u`.

    Returns
    -------
    (time, leaf)
        Nats.
    """
    columns = []
    for position, leaf in enumerate(structure.leaves):
        value = inputs[:, position]
        parents = structure.links(structure.value, child=leaf)
        if first_level and parents and structure.nodes[leaf].kind == "input":
            parent = parents[0][1]
            found = gaussian_surprise(value, expected.mean[:, parent], expected.precision[:, parent])
        else:
            found = jax.vmap(
                lambda now, value, leaf=leaf: leaf_surprise(structure, parameters, now, leaf, value)
            )(expected, value)
        columns.append(jnp.where(known[:, position], found, 0))
    return jnp.stack(columns, axis=1)
