"""Downward pass of a predictive-coding network: what every node expects before the input of a step."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurodyn.inference.predictive_coding.structure import Structure

NEAR = 1e-6  # a binary prediction stays this far from 0 and 1
HIGHEST = 60.0  # log-volatility beyond which a step has no valid variance
PerNode = Any  # an array (..., node); inside a step a tuple of one scalar a node, which the compiler fuses


class Parameters(NamedTuple):
    r"""Parameters of a network, one number a node or coupling; scalars of one participant.

    Parameters
    ----------
    tonic_volatility, tonic_drift, autoconnection : (node,)
        :math:`\omega, \rho, \lambda`.
    initial_mean, initial_precision : (node,)
        Beliefs before the first step; an input leaf's precision is that of its noise, of which a noisy binary leaf
        has one too.
    value_coupling : (coupling,)
        :math:`\psi`.
    volatility_coupling : (coupling,)
        :math:`\kappa`.
    """

    tonic_volatility: Float[Array, " node"]
    tonic_drift: Float[Array, " node"]
    autoconnection: Float[Array, " node"]
    initial_mean: Float[Array, " node"]
    initial_precision: Float[Array, " node"]
    value_coupling: Float[Array, " value"]
    volatility_coupling: Float[Array, " volatility"]


class Belief(NamedTuple):
    """Posterior of every node; steps pass on the variance, which needs fewer divisions than the precision."""

    mean: PerNode
    precision: PerNode
    variance: PerNode


class Expected(NamedTuple):
    r"""Prediction of every node.

    Parameters
    ----------
    mean, precision, variance : (node,)
        :math:`\hat\mu, \hat\pi, 1/\hat\pi`.
    variance_step : (node,)
        :math:`\Omega`, what a step adds to the variance.
    share : (node,)
        :math:`\gamma = \Omega \hat\pi`.
    log_volatility : (node,)
        :math:`\omega + \sum_v \kappa_v \hat\mu_v`.
    """

    mean: PerNode
    precision: PerNode
    variance: PerNode
    variance_step: PerNode
    share: PerNode
    log_volatility: PerNode


def stacked(parts: Any) -> Any:
    """The same with arrays ``(..., node)`` as fields, where they were tuples of one array a node."""
    return type(parts)(*(jnp.stack(field, axis=-1) for field in parts))


def coupled(function: object, value: Array) -> Array:
    """g of a value coupling."""
    return value if function is None else function(value)  # type: ignore[operator]


def predict(
    structure: Structure,
    parameters: Parameters,
    belief: Belief,
    time_step: Array,
    *,
    scaled_inputs: bool = False,
) -> Expected:
    r"""Predictions from the roots to the leaves.

    .. math::

        \hat\mu = \lambda \mu + t (\rho + \sum_p \psi_p g_p(\hat\mu_p)), \qquad
        \Omega = t\, e^{\omega + \sum_v \kappa_v \hat\mu_v}, \qquad
        \hat\pi = \Bigl( \frac{1}{\pi} + \Omega \Bigr)^{-1}

    Parameters
    ----------
    structure : Structure
        The network.
    parameters : Parameters
        Its parameters.
    belief : Belief
        Posterior after the step before.
    time_step : ()
        Elapsed time t.
    scaled_inputs : bool
        Whether the prediction of an input leaf is multiplied by t.

    Returns
    -------
    Expected
        Predictions, fields tuples of one scalar a node: `stacked` makes arrays of them.
    """
    n_nodes = len(structure.nodes)
    mean: list[Array] = [jnp.zeros(())] * n_nodes
    precision, variance, step = list(mean), list(mean), list(mean)
    log_volatility = list(mean)
    one = jnp.ones_like(time_step)
    for node in structure.down:
        kind = structure.nodes[node].kind
        parents = structure.links(structure.value, child=node)
        if kind in ("binary", "finite_binary"):
            total = sum((mean[parent] for _, parent in parents), jnp.zeros_like(time_step))
            mean[node] = jnp.clip(jax.nn.sigmoid(total), NEAR, 1 - NEAR)
            precision[node], step[node] = parameters.initial_precision[node], 0 * one
            variance[node] = 1 / precision[node]
            log_volatility[node] = 0 * one
            continue
        drive = parameters.tonic_drift[node] + sum(
            parameters.value_coupling[edge] * coupled(structure.value[edge].function, mean[parent])
            for edge, parent in parents
        )
        above = structure.links(structure.volatility, child=node)
        volatility = sum(
            (parameters.volatility_coupling[edge] * mean[parent] for edge, parent in above), 0 * one
        )
        if kind == "input":
            mean[node] = (time_step if scaled_inputs else one) * drive
            noise = 1 / parameters.initial_precision[node]
            step[node] = time_step * jnp.exp(jnp.minimum(volatility, HIGHEST)) if above else 0 * one
            variance[node] = noise + step[node]
        else:
            mean[node] = parameters.autoconnection[node] * belief.mean[node] + time_step * drive
            volatility = parameters.tonic_volatility[node] + volatility
            step[node] = time_step * jnp.exp(jnp.minimum(volatility, HIGHEST))
            variance[node] = belief.variance[node] + step[node]
        precision[node] = 1 / variance[node]
        log_volatility[node] = volatility
    share = (one_step * certainty for one_step, certainty in zip(step, precision, strict=True))
    return Expected(*(tuple(field) for field in (mean, precision, variance, step, share, log_volatility)))
