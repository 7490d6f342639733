"""Upward pass of a predictive-coding network: posterior of every node from the errors of its children."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from neurodyn.inference.predictive_coding.kinds import INSIDE, STATISTICS, SWITCHING
from neurodyn.inference.predictive_coding.lowest import (
    Found,
    context_error,
    contexts_found,
    leaf_found,
    of_odds,
    statistic_found,
    weighed,
)
from neurodyn.inference.predictive_coding.predictions import (
    HIGHEST,
    Belief,
    Expected,
    Parameters,
    PerNode,
    chance_variance,
    coupled,
)
from neurodyn.inference.predictive_coding.structure import Structure
from neurodyn.inference.predictive_coding.unbounded import unbounded_posterior

ORDERS = ("standard", "ehgf", "unbounded")
LEAST_VARIANCE = 1e-10


class Updated(NamedTuple):
    """What an upward pass found; fields are tuples of one scalar a node.

    Parameters
    ----------
    belief : Belief
        Posterior; at a node that failed its prediction.
    computed : (node,)
        Precision as the update equations give it, also where it is no precision.
    failed : (node,)
        Where the update is not valid.
    observed : (node,)
        Whether the node learnt anything in this step.
    """

    belief: Belief
    computed: PerNode
    failed: PerNode
    observed: PerNode


class _Errors(NamedTuple):
    """What the parents of a node learn from.

    Parameters
    ----------
    value, volatility : ()
        Errors.
    certainty : ()
        Precision with which value parents take the error.
    share : () or None
        Probability with which there was anything to learn, where that depends on contexts; both errors are weighted by
        it already.
    """

    value: Array
    volatility: Array
    certainty: Array
    share: Array | None = None

    def weighted(self, term: Array) -> Array:
        """The share of a term."""
        return term if self.share is None else self.share * term


def _in_context(structure: Structure, node: int) -> bool:
    """Whether a node drives an input in a context."""
    return any(
        structure.nodes[child].kind == "context" for _, child in structure.links(structure.value, parent=node)
    )


def _only_child(structure: Structure, node: int) -> bool:
    """Whether a node has one child."""
    return (
        sum(len(structure.links(edges, parent=node)) for edges in (structure.value, structure.volatility))
        == 1
    )


def _value_terms(
    structure: Structure,
    parameters: Parameters,
    node: int,
    errors: dict[int, _Errors],
    observed: dict[int, Array],
    at: Array,
) -> tuple[Array, Array]:
    """What value children add to a node's precision, and to its precision times mean, derivatives taken at `at`."""
    precision = weighted = jnp.zeros_like(at)
    alone = _only_child(structure, node)
    for edge, child in structure.links(structure.value, parent=node):
        kappa, found = parameters.value_coupling[edge], errors[child]
        error, certainty = found.value, found.certainty
        if of_odds(structure, child):
            more, pull = kappa**2 * certainty, kappa * error
        else:
            function = structure.value[edge].function
            slope, bend = jnp.ones_like(at), jnp.zeros_like(at)
            if function is not None:
                first = jax.grad(lambda value, function=function: coupled(function, value))
                slope, bend = first(at), jax.grad(first)(at)
            told = kappa**2 * slope**2
            if structure.nodes[child].kind != "context":  # what a context teaches is weighed as a whole
                told = found.weighted(told)
            more = certainty * (told - kappa * bend * error)
            pull = kappa * certainty * slope * error
        precision = precision + _if_seen(observed[child], more, alone)
        weighted = weighted + _if_seen(observed[child], pull, alone)
    return precision, weighted


def _if_seen(seen: Array, term: Array, alone: bool) -> Array:
    """A child's term, 0 where it was not observed; of an only child the node itself sees to that."""
    return term if alone else jnp.where(seen, term, 0)


def _volatility_terms(
    structure: Structure,
    parameters: Parameters,
    expected: Expected,
    node: int,
    errors: dict[int, _Errors],
    observed: dict[int, Array],
) -> tuple[Array, Array]:
    """What volatility children add to a node's precision, and to its precision times mean."""
    precision = weighted = jnp.zeros_like(expected.mean[node])
    alone = _only_child(structure, node)
    for edge, child in structure.links(structure.volatility, parent=node):
        kappa, share = parameters.volatility_coupling[edge], expected.share[child]
        surprise = errors[child].volatility
        scaled = kappa * share
        more = errors[child].weighted(scaled**2 / 2) + scaled**2 * surprise - kappa**2 * share * surprise / 2
        precision = precision + _if_seen(observed[child], more, alone)
        weighted = weighted + _if_seen(observed[child], scaled * surprise / 2, alone)
    return precision, weighted


def _shared(children: list[int], errors: dict[int, _Errors], observed: dict[int, Array]) -> Array | None:
    """Probability that any child had something to learn from, where that depends on contexts."""
    if all(errors[child].share is None for child in children):
        return None
    missed = jnp.ones(())
    for child in children:
        share = errors[child].share
        missed = missed * jnp.where(observed[child], 0 if share is None else 1 - share, 1)
    return 1 - missed


def update(
    structure: Structure,
    parameters: Parameters,
    before: Belief,
    expected: Expected,
    inputs: Float[Array, " leaf"],
    known: Bool[Array, " leaf"],
    time_step: Array,
    *,
    order: str,
    guarded: bool = True,
) -> Updated:
    r"""Posteriors from the leaves to the roots.

    With prediction errors :math:`\delta = \mu - \hat\mu` and
    :math:`\Delta = \hat\pi / \pi + \hat\pi \delta^2 - 1` (over the number of volatility parents),

    .. math::

        \pi &= \hat\pi + \sum_j \hat\pi_j (\psi_j^2 g'^2 - \psi_j g'' \delta_j)
            + \sum_v \tfrac12 (\kappa\gamma_v)^2 + (\kappa\gamma_v)^2 \Delta_v - \tfrac12 \kappa^2 \gamma_v \Delta_v \\
        \mu &= \hat\mu + \frac1\pi \Bigl( \sum_j \psi_j \hat\pi_j g' \delta_j + \sum_v \tfrac12 \kappa \gamma_v \Delta_v
            \Bigr)

    A node of which no child was observed keeps its prediction's mean and spreads.

    Parameters
    ----------
    structure, parameters
        The network.
    before : Belief
        Posterior after the step before.
    expected : Expected
        Predictions of this step.
    inputs, known : (leaf,)
        Values of the leaves, in the order of `Structure.leaves`, and which were observed.
    time_step : ()
        Elapsed time.
    order : {"standard", "ehgf", "unbounded"}
        How a node with a volatility child is updated: precision before mean; mean first, with the predicted precision; or
        by two expansions of the exact posterior, blended.
    guarded : bool
        Whether a node whose update is not valid keeps its prediction; if not, steps are quicker, and a node above the
        leaves is left with a variance of NaN, which lasts.

    Returns
    -------
    Updated
        Posterior, and what went wrong.
    """
    n_nodes = len(structure.nodes)
    zero = jnp.zeros_like(time_step)
    mean, variance = [zero] * n_nodes, [zero] * n_nodes
    computed, failed = [zero] * n_nodes, [jnp.zeros((), bool)] * n_nodes
    errors: dict[int, _Errors] = {}
    observed: dict[int, Array] = {}
    lowest: dict[int, Found] = {}
    values: dict[int, Array] = {}
    squares: dict[
        int, Array
    ] = {}  # variance about the prediction, of nodes in a context as if it surely held
    place = {node: position for position, node in enumerate(structure.leaves)}
    for node in reversed(structure.down):
        kind, predicted = structure.nodes[node].kind, expected.mean[node]
        certainty, spread = expected.precision[node], expected.variance[node]
        moves = (expected.variance_step[node] > 0) & (expected.log_volatility[node] <= HIGHEST)
        above = structure.links(structure.volatility, child=node)
        if node in place:
            seen = known[place[node]]
            value = jnp.where(seen, inputs[place[node]], predicted)
            here = (structure, parameters, expected, node, value, seen)
            lowest[node] = leaf_found(*here)
            if above:
                lowest[node] = lowest[node]._replace(failed=~moves & seen)
            if kind in SWITCHING:
                lowest |= contexts_found(*here)
            for _, parent in structure.links(structure.value, child=node):
                if structure.nodes[parent].kind in INSIDE:
                    observed[parent], values[parent] = seen, value
            observed[node] = seen
        elif kind in STATISTICS:
            lowest[node] = statistic_found(
                structure, parameters, expected, node, values[node], observed[node]
            )
        if node in lowest:
            mean[node], variance[node], computed[node], failed[node] = lowest[node]
            if kind == "context":
                held = context_error(structure, parameters, expected, node, values[node])
                errors[node] = _Errors(held[0], zero, held[1], mean[node])
                continue
            certainty = chance_variance(predicted) if of_odds(structure, node) else certainty
            share = None
        else:
            children = structure.links(structure.value, parent=node)
            below = structure.links(structure.volatility, parent=node)
            seen = jnp.zeros((), bool)
            for _, child in (*children, *below):
                seen = seen | observed[child]
            share = _shared([child for _, child in (*children, *below)], errors, observed)
            pull = new_mean = None
            if order == "unbounded" and below:
                first_edge, first = below[0]
                new_mean, computed[node] = unbounded_posterior(
                    predicted,
                    certainty,
                    parameters.volatility_coupling[first_edge],
                    parameters.tonic_volatility[first],
                    time_step,
                    before.variance[first],
                    squares[first],
                    expected.precision[first],
                )
                growth = spread * computed[node]
            else:
                from_volatility = _volatility_terms(structure, parameters, expected, node, errors, observed)
                terms = (structure, parameters, node, errors, observed)
                more, pull = _value_terms(*terms, before.mean[node])
                pull = pull + from_volatility[1]
                if order == "ehgf" and below:
                    new_mean = predicted + spread * pull
                    more, _ = _value_terms(*terms, new_mean)
                more = more + from_volatility[0]
                computed[node], growth = certainty + more, 1 + spread * more
            # The precision grows by this factor.
            new_variance = spread / (jnp.where(growth > 0, growth, 1) if guarded else growth)
            if new_mean is None:
                new_mean = predicted + new_variance * pull
            valid = (growth > 0) & jnp.isfinite(new_mean) & moves
            failed[node] = seen & ~valid
            squares[node] = new_variance + (new_mean - predicted) ** 2
            if share is not None and (_in_context(structure, node) or (order == "unbounded" and below)):
                new_mean, new_variance = weighed(share, predicted, spread, new_mean, new_variance)
            alone = spread
            if above:
                drift = parameters.tonic_volatility[node] + sum(
                    parameters.volatility_coupling[edge] * before.mean[parent] for edge, parent in above
                )
                alone = before.variance[node] + time_step * jnp.exp(jnp.minimum(drift, HIGHEST))
            new_variance = jnp.where(valid, new_variance, spread if guarded else jnp.nan)
            variance[node] = jnp.maximum(jnp.where(seen, new_variance, alone), LEAST_VARIANCE)
            mean[node] = jnp.where(seen & valid if guarded else seen, new_mean, predicted)
            observed[node] = seen
        error = mean[node] - predicted
        square = variance[node] + error**2
        if share is None:
            squares[node] = square
        excess = square * expected.precision[node] - 1
        errors[node] = _Errors(error, excess / max(len(above), 1), certainty, share)
    return Updated(
        Belief(tuple(mean), tuple(1 / width for width in variance), tuple(variance)),
        tuple(computed),
        tuple(failed),
        tuple(observed[node] for node in range(n_nodes)),
    )
