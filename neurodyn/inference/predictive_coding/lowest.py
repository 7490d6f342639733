"""Upward pass at its start: leaves, and the statistics and contexts above some of them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from neurodyn.inference.predictive_coding.leaves import switched
from neurodyn.inference.predictive_coding.predictions import (
    NEAR,
    Expected,
    Parameters,
    chance_variance,
    component,
)
from neurodyn.inference.predictive_coding.structure import Structure


class Found(NamedTuple):
    """Posterior of a node, the number that shows whether it is valid, and whether it fails."""

    mean: Array
    variance: Array
    computed: Array
    failed: Array


def leaf_found(
    structure: Structure, parameters: Parameters, expected: Expected, leaf: int, value: Array, seen: Array
) -> Found:
    """A leaf after its input.

    Parameters
    ----------
    structure, parameters
        The network.
    expected : Expected
        Predictions of this step.
    leaf : int
        The leaf.
    value, seen : ()
        Its input, and whether there is one.

    Returns
    -------
    Found
        ``computed`` is the precision, of a number of unknown mean and variance what its statistics leave of the second
        moment, of a chance itself; the leaf fails where an input meets statistics that are none.
    """
    kind, predicted = structure.nodes[leaf].kind, expected.mean[leaf]
    fixed, never = parameters.initial_precision[leaf], jnp.zeros((), bool)
    if kind == "finite_binary":
        # Bayes with a Gaussian about 1 and one about 0.
        odds = fixed * ((value - 0) ** 2 - (value - 1) ** 2) / 2
        value = jax.nn.sigmoid(jnp.log(predicted) - jnp.log1p(-predicted) + odds)
    mean = jnp.where(seen, value, predicted)
    above = [expected.mean[parent] for _, parent in structure.links(structure.value, child=leaf)]
    if kind == "gaussian":
        left = above[1] - above[0] ** 2
        return Found(mean, expected.variance[leaf], left, seen & ~(left > 0))
    if kind == "chance":
        strange = ~((above[0] > -NEAR) & (above[0] < 1 + NEAR))
        return Found(mean, expected.variance[leaf], above[0], seen & strange)
    return Found(mean, 1 / fixed, fixed, never)


def statistic_found(
    structure: Structure, parameters: Parameters, expected: Expected, node: int, value: Array, seen: Array
) -> Found:
    r"""A sufficient statistic after the input u of its leaf.

    .. math:: \xi = \hat\xi + \frac{s(u) - \hat\xi}{1 + \hat\nu}, \qquad \nu = \hat\nu + 1

    One that follows beliefs is itself what they learn from.

    Parameters
    ----------
    structure, parameters, expected, value, seen
        As in `leaf_found`.
    node : int
        The statistic.

    Returns
    -------
    Found
        The weight :math:`\nu` stands in the place of a precision.
    """
    value = value ** structure.power(node)
    predicted, precision, variance = (field[node] for field in expected[:3])
    never = jnp.zeros((), bool)
    if node not in structure.held:
        return Found(jnp.where(seen, value, predicted), variance, precision, never)
    gained = jnp.where(seen, 1 / (1 + precision), variance)
    mean = jnp.where(seen, predicted + (value - predicted) * gained, predicted)
    return Found(mean, gained, precision + 1, never)


def contexts_found(
    structure: Structure, parameters: Parameters, expected: Expected, leaf: int, value: Array, seen: Array
) -> dict[int, Found]:
    r"""Contexts after the input of their leaf, :math:`p_k \propto \hat p_k\, p(u \mid k)`.

    Parameters
    ----------
    structure, parameters, expected, leaf, value, seen
        As in `leaf_found`.

    Returns
    -------
    dict of int to Found
        By node.
    """
    shares, _ = switched(structure, parameters, expected, leaf, value)
    found = {}
    for share, (_, context) in zip(shares, structure.links(structure.value, child=leaf), strict=True):
        mean = jnp.where(seen, share, expected.mean[context])
        found[context] = Found(mean, chance_variance(mean), expected.precision[context], jnp.zeros((), bool))
    return found


def of_odds(structure: Structure, node: int) -> bool:
    """Whether the value parents of a node are beliefs about log-odds."""
    kind = structure.nodes[node].kind
    if kind == "context":
        _, leaf = structure.links(structure.value, parent=node)[0]
        return structure.nodes[leaf].kind == "binary_switching"
    return kind in ("binary", "finite_binary")


def context_error(
    structure: Structure, parameters: Parameters, expected: Expected, context: int, value: Array
) -> tuple[Array, Array]:
    """What the beliefs above a context learn from if it holds: error of the input, and its precision.

    Parameters
    ----------
    structure, parameters, expected, value
        As in `leaf_found`.
    context : int
        The context.

    Returns
    -------
    () and ()
        Of 0 or 1 the precision is the variance of the prediction, as binary inputs have it.
    """
    _, leaf = structure.links(structure.value, parent=context)[0]
    mean, variance = component(structure, parameters, expected, context)
    if of_odds(structure, context):
        return value - mean, variance
    return value - mean, parameters.initial_precision[leaf]


def weighed(
    share: Array, predicted: Array, spread: Array, mean: Array, variance: Array
) -> tuple[Array, Array]:
    r"""Moments of a belief that learnt with probability r and did not with 1 - r.

    .. math::

        \mu = \hat\mu + r(\mu' - \hat\mu), \qquad
        \sigma^2 = r\sigma'^2 + (1 - r)\hat\sigma^2 + r(1 - r)(\mu' - \hat\mu)^2

    Parameters
    ----------
    share : ()
        r.
    predicted, spread : ()
        Mean and variance before.
    mean, variance : ()
        Mean and variance had it surely learnt.

    Returns
    -------
    () and ()
        Mean and variance of the mixture.
    """
    moved = mean - predicted
    return predicted + share * moved, share * variance + (1 - share) * (spread + share * moved**2)
