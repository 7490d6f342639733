"""Downward pass of a predictive-coding network: what every node expects before the input of a step."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurodyn.inference.predictive_coding.structure import Structure

NEAR = 1e-6  # a binary prediction stays this far from 0 and 1
LEAST = 1e-12  # variance of a mixture, against rounding
HIGHEST = 60.0  # log-volatility beyond which a step has no valid variance
PerNode = Any  # an array (..., node); inside a step a tuple of one scalar a node, which the compiler fuses


class Parameters(NamedTuple):
    r"""Parameters of a network, one number a node or coupling; scalars of one participant.

    Parameters
    ----------
    tonic_volatility, tonic_drift, autoconnection : (node,)
        :math:`\omega, \rho, \lambda`; of a count the rate of forgetting in place of :math:`\omega`, of a context the
        rate at which contexts are drawn anew.
    initial_mean, initial_precision : (node,)
        Beliefs before the first step; an input leaf's precision is that of its noise, of which a noisy binary leaf
        and a switching one have one too. The precision of a statistic is its weight in observations, or the precision
        with which the beliefs above it take it; the mean of a second moment is given as variance. The mean of a context
        is its probability when drawn.
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


def initial(structure: Structure, parameters: Parameters) -> Belief:
    """Beliefs of all nodes before the first step.

    Parameters
    ----------
    structure, parameters
        The network.

    Returns
    -------
    Belief
        Fields tuples of one scalar a node; a second moment is that of the initial variance about the initial mean.
    """
    mean, precision = list(parameters.initial_mean), parameters.initial_precision
    for node in structure.held:
        if structure.nodes[node].kind in ("statistic", "count") and structure.power(node) == 2:
            _, leaf = structure.links(structure.value, parent=node)[0]
            first = structure.links(structure.value, child=leaf)[0][1]
            mean[node] = mean[node] + parameters.initial_mean[first] ** 2
    return Belief(tuple(mean), tuple(precision), tuple(1 / precision))


class _Pass:
    """A downward pass on its way: what every node reached so far expects."""

    def __init__(self, structure: Structure, parameters: Parameters, time_step: Array) -> None:
        self.structure, self.parameters, self.time_step = structure, parameters, time_step
        n_nodes = len(structure.nodes)
        self.mean: list[Array] = [jnp.zeros(())] * n_nodes
        self.precision, self.variance, self.step = list(self.mean), list(self.mean), list(self.mean)
        self.log_volatility = [0 * jnp.ones_like(time_step)] * n_nodes

    def drive(self, node: int) -> Array:
        """Drift and what the value parents add."""
        structure, parameters = self.structure, self.parameters
        return parameters.tonic_drift[node] + sum(
            parameters.value_coupling[edge] * coupled(structure.value[edge].function, self.mean[parent])
            for edge, parent in structure.links(structure.value, child=node)
        )

    def volatility(self, node: int) -> Array:
        """What the volatility parents add to the log-volatility."""
        structure = self.structure
        return sum(
            (
                self.parameters.volatility_coupling[edge] * self.mean[parent]
                for edge, parent in structure.links(structure.volatility, child=node)
            ),
            0 * jnp.ones_like(self.time_step),
        )

    def finish(self, node: int, mean: Array, variance: Array, step: Array) -> None:
        """Take down what was found."""
        self.mean[node], self.variance[node], self.step[node] = mean, variance, step
        self.precision[node] = 1 / variance

    def expected(self) -> Expected:
        """All of it."""
        share = (one * certainty for one, certainty in zip(self.step, self.precision, strict=True))
        return Expected(
            mean=tuple(self.mean),
            precision=tuple(self.precision),
            variance=tuple(self.variance),
            variance_step=tuple(self.step),
            share=tuple(share),
            log_volatility=tuple(self.log_volatility),
        )


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

    A statistic that counts forgets at the rate f, its first weight :math:`\nu_0` and mean :math:`\xi_0` excepted, and
    contexts are drawn anew from :math:`p_0` at the rate r:

    .. math::

        \hat\nu = e^{-ft}\nu + (1 - e^{-ft})\nu_0, \qquad
        \hat\xi = \frac{e^{-ft}\nu\xi + (1 - e^{-ft})\nu_0\xi_0}{\hat\nu}, \qquad
        \hat p = e^{-rt} p + (1 - e^{-rt}) p_0

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
    found = _Pass(structure, parameters, time_step)
    for node in structure.down:
        if node not in structure.held:
            _below(found, node, scaled_inputs)
            continue
        kind, still = structure.nodes[node].kind, 0 * jnp.ones_like(time_step)
        mean, variance = belief.mean[node], belief.variance[node]
        if kind == "continuous":
            mean = parameters.autoconnection[node] * mean + time_step * found.drive(node)
            volatility = parameters.tonic_volatility[node] + found.volatility(node)
            found.log_volatility[node] = volatility
            step = time_step * jnp.exp(jnp.minimum(volatility, HIGHEST))
            found.finish(node, mean, variance + step, step)
        elif kind == "statistic":
            found.finish(node, mean, 1 / parameters.initial_precision[node], still)
        else:
            start = initial(structure, parameters)
            kept = jnp.exp(-parameters.tonic_volatility[node] * time_step)
            if kind == "context":
                mean = kept * mean + (1 - kept) * start.mean[node]
                found.finish(node, mean, chance_variance(mean), still)
                continue
            old, new = kept / variance, (1 - kept) * start.precision[node]
            variance = 1 / (old + new)
            found.finish(node, (old * mean + new * start.mean[node]) * variance, variance, still)
    return found.expected()


def replicate(
    structure: Structure,
    parameters: Parameters,
    posterior: Belief,
    time_step: Array,
    *,
    scaled_inputs: bool = False,
) -> Expected:
    """What a fresh input is expected to be in a step whose own input is known: leaves from the beliefs after it.

    Parameters
    ----------
    structure, parameters
        The network.
    posterior : Belief
        After the step.
    time_step, scaled_inputs
        As in `predict`.

    Returns
    -------
    Expected
        Nodes other than leaves as they are after the step.
    """
    found = _Pass(structure, parameters, time_step)
    for node in structure.down:
        if node in structure.held:
            still = 0 * jnp.ones_like(time_step)
            found.finish(node, posterior.mean[node], posterior.variance[node], still)
        else:
            _below(found, node, scaled_inputs)
    return found.expected()


def chance_variance(chance: Array) -> Array:
    """Variance of 0 or 1, kept off 0."""
    chance = jnp.clip(chance, NEAR, 1 - NEAR)
    return chance * (1 - chance)


def _below(found: _Pass, node: int, scaled_inputs: bool) -> None:
    """A leaf, or a statistic that follows beliefs, from what stands above it."""
    structure, parameters = found.structure, found.parameters
    kind = structure.nodes[node].kind
    parents = structure.links(structure.value, child=node)
    one = jnp.ones_like(found.time_step)
    if kind in ("binary", "finite_binary"):
        total = sum((found.mean[parent] for _, parent in parents), 0 * one)
        mean = jnp.clip(jax.nn.sigmoid(total), NEAR, 1 - NEAR)
        found.finish(node, mean, 1 / parameters.initial_precision[node], 0 * one)
    elif kind in ("input", "statistic"):
        above = kind == "input" and bool(structure.links(structure.volatility, child=node))
        scale = found.time_step if scaled_inputs and kind == "input" else one
        volatility = found.volatility(node)
        step = found.time_step * jnp.exp(jnp.minimum(volatility, HIGHEST)) if above else 0 * one
        found.log_volatility[node] = volatility
        noise = 1 / parameters.initial_precision[node]
        found.finish(node, scale * found.drive(node), noise + step, step)
    elif kind == "chance":
        mean = jnp.clip(found.mean[parents[0][1]], NEAR, 1 - NEAR)
        found.finish(node, mean, chance_variance(mean), 0 * one)
    elif kind == "gaussian":
        first, second = (found.mean[parent] for _, parent in parents)
        left = second - first**2
        found.finish(node, first, jnp.where(left > 0, left, NEAR), 0 * one)
    else:
        parts = [component(structure, parameters, found, parent) for _, parent in parents]
        weights = [found.mean[parent] for _, parent in parents]
        pairs = list(zip(weights, parts, strict=True))
        mean = sum((weight * part[0] for weight, part in pairs), 0 * one)
        square = sum((weight * (part[1] + part[0] ** 2) for weight, part in pairs), 0 * one)
        found.finish(node, mean, jnp.maximum(square - mean**2, LEAST), 0 * one)


def doubt(structure: Structure, parameters: Parameters, expected: Any, node: int) -> Array:
    r"""Variance of what the value parents of a node predict, :math:`\sum_p \psi_p^2 g_p'^2 / \hat\pi_p`."""
    total = jnp.zeros(())
    for edge, parent in structure.links(structure.value, child=node):
        slope, function = parameters.value_coupling[edge], structure.value[edge].function
        if function is not None:
            slope = slope * jax.grad(function)(expected.mean[parent])
        total = total + slope**2 * expected.variance[parent]
    return total


def component(
    structure: Structure, parameters: Parameters, expected: Any, context: int
) -> tuple[Array, Array]:
    """Mean and variance of a switching input in one context.

    Parameters
    ----------
    structure, parameters
        The network.
    expected : Expected
        Predictions of the beliefs above the context, one step.
    context : int
        The context's node.

    Returns
    -------
    () and ()
        Of a number its mean and the variance of belief and noise; of 0 or 1 the chance of 1 and its variance.
    """
    _, leaf = structure.links(structure.value, parent=context)[0]
    parents = structure.links(structure.value, child=context)
    if structure.nodes[leaf].kind == "binary_switching":
        total = sum((expected.mean[parent] for _, parent in parents), jnp.zeros(()))
        chance = jnp.clip(jax.nn.sigmoid(total), NEAR, 1 - NEAR)
        return chance, chance * (1 - chance)
    mean = parameters.tonic_drift[context] + sum(
        parameters.value_coupling[edge] * coupled(structure.value[edge].function, expected.mean[parent])
        for edge, parent in parents
    )
    return mean, 1 / parameters.initial_precision[leaf] + doubt(structure, parameters, expected, context)


def pseudo_count(structure: Structure, parameters: Parameters, expected: Any, statistic: int) -> Array:
    r"""Weight :math:`\nu` of a statistic in observations.

    A belief that follows the statistic s with the precision :math:`\pi_u` of an input is updated by

    .. math:: \mu = \hat\mu + \frac{\pi_u}{\pi}(s - \hat\mu), \qquad \pi = \hat\pi + \pi_u,

    which is :math:`\xi \leftarrow \xi + (s - \xi)/(1 + \nu)` where :math:`1 + \nu = \pi/\pi_u`, that is
    :math:`\nu = \pi/\pi_u - 1 = \hat\pi/\pi_u`. Of several beliefs, or coupled ones, :math:`1/\hat\pi` is the variance of
    their prediction.

    Parameters
    ----------
    structure, parameters
        The network.
    expected : Expected
        Predictions of one step.
    statistic : int
        Its node.

    Returns
    -------
    ()
        :math:`\nu`.
    """
    if statistic in structure.held:
        return expected.precision[statistic]
    return 1 / (doubt(structure, parameters, expected, statistic) * parameters.initial_precision[statistic])
