r"""A description length as a sum over pairs of groups, over groups, and a part that only their number decides.

.. math:: L(b) = \sum_{r<s} f(T_{rs}) + \sum_r g(T_{rr}) + \sum_r h(n_r, e_r) + w(B) + \mathrm{const},

where :math:`T_{rs}` are sums over the pairs of nodes between two groups (edges, observed pairs, weights, squared weights),
:math:`n_r` is the number of nodes of a group and :math:`e_r` the sum of their degrees. Every model here has this form, so
the same bookkeeping serves all.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from neurodyn.errors import ModelError
from neurodyn.inference.block_model.counting import log_factorial, log_multisets, log_partition_cost
from neurodyn.inference.block_model.graph import Graph
from neurodyn.inference.block_model.weights import exponential_cost, gaussian_cost, standardised

Topology = Literal["bernoulli", "degree-corrected"]
Weights = Literal["exponential", "gaussian", "none"]


@dataclasses.dataclass(frozen=True, eq=False)
class Terms:
    """What a description length is made of.

    Parameters
    ----------
    channels : tuple of numpy.ndarray
        Symmetric matrices ``(node, node)`` to sum over pairs of groups, whole numbers as int64; edges first. A diagonal
        entry belongs to the node itself and counts once.
    between, within : Callable
        Nats of the sums of every channel between two groups, and within one.
    group : Callable
        Nats of a group's number of nodes and sum of degrees.
    whole : Callable
        Nats of the number of groups.
    edge_prior : Callable
        The part of `whole` that says how many edges there are between groups.
    constant : float
        Nats that do not depend on the groups.
    """

    channels: tuple[np.ndarray, ...]
    between: Callable[..., np.ndarray]
    within: Callable[..., np.ndarray]
    group: Callable[[np.ndarray, np.ndarray], np.ndarray]
    whole: Callable[[int], float]
    edge_prior: Callable[[int], float]
    constant: float

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.channels[0])


def check_choice(topology: str, weights: str) -> None:
    """Refuse a name that is not one of the models.

    Raises
    ------
    ModelError
        If the topology or the weights are unknown.
    """
    for name, value, known in (
        ("topology", topology, get_args(Topology)),
        ("weights", weights, get_args(Weights)),
    ):
        if value not in known:
            raise ModelError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, known))}.")


def graph_terms(graph: Graph, topology: str, weights: str) -> Terms:
    r"""Terms of the weighted block model of a simple graph.

    Topology ``"bernoulli"``: given the numbers of edges :math:`e_{rs}` between groups, all graphs are alike:

    .. math:: -\log P(A \mid e, b) = \sum_{r \le s} \log\binom{n_{rs}}{e_{rs}},

    with :math:`n_{rs}` observed pairs. It is the Bernoulli model whose densities have been integrated out, before the prior
    of :math:`e`.

    Topology ``"degree-corrected"``: the microcanonical model of given degrees, all of which are alike in a group:

    .. math::

        -\log P(A \mid k, e, b) = -\sum_{r<s} \log e_{rs}! - \sum_r \log (2 e_{rr})!! + \sum_r \log e_r!
        - \sum_i \log k_i!, \qquad
        -\log P(k \mid e, b) = \sum_r \log\binom{n_r + e_r - 1}{e_r},

    with :math:`e_{rr}` edges within a group and :math:`e_r` ends of edges in it. It spreads its chance over graphs with
    multiple edges too, so that a dense graph without them is dearer than it need be.

    Either has :math:`-\log P(e) = \log\binom{B(B+1)/2 + E - 1}{E} + \log(1 + \sum_{r \le s} n_{rs})`: the total `E` is
    uniform over what the pairs allow, and its division among pairs of groups uniform.

    Parameters
    ----------
    graph : Graph
        Edges, observed pairs, weights.
    topology, weights : str
        One of `Topology`, one of `Weights`.

    Returns
    -------
    Terms
        Nats; weights have densities in units of their mean.

    Raises
    ------
    ModelError
        If a name is unknown, or degrees are to be corrected where a pair was not observed.

    References
    ----------
    Peixoto (2017), Physical Review E 95, 012317, doi:10.1103/PhysRevE.95.012317.
    """
    check_choice(topology, weights)
    edge = graph.edge.astype(np.int64)
    n_nodes, n_edges, n_pairs = len(edge), int(edge.sum()) // 2, int(graph.pair.sum()) // 2
    sums, cost, constant = _weight_terms(graph, weights, n_edges, n_edges + n_nodes)
    constant += float(np.log1p(n_pairs))
    whole, edge_prior = _whole(n_nodes, n_edges)
    if topology == "bernoulli":
        # Room for sums that `Blocks` computes and overwrites: a node joined to the group where it already is.
        factorial = log_factorial(n_pairs + n_nodes)

        def between(e: np.ndarray, n: np.ndarray, *more: np.ndarray) -> np.ndarray:
            return factorial(n) - factorial(e) - factorial(n - e) + cost(e, *more)

        channels = (edge, graph.pair.astype(np.int64), *sums)
        return Terms(channels, between, between, lambda n, e: -factorial(n), whole, edge_prior, constant)
    missing = n_nodes * (n_nodes - 1) // 2 - n_pairs
    if missing:
        raise ModelError(
            f"{missing} pairs are NaN, but degrees can only be corrected where all pairs were observed; "
            "use topology='bernoulli'."
        )
    factorial = log_factorial(4 * n_edges + n_nodes)

    def apart(e: np.ndarray, *more: np.ndarray) -> np.ndarray:
        return cost(e, *more) - factorial(e)

    def inside(e: np.ndarray, *more: np.ndarray) -> np.ndarray:
        return cost(e, *more) - factorial(e) - e * np.log(2.0)

    def group(n: np.ndarray, e: np.ndarray) -> np.ndarray:
        return factorial(n + e - 1) - factorial(n - 1) - factorial(n)

    constant -= float(factorial(edge.sum(axis=0)).sum())
    return Terms((edge, *sums), apart, inside, group, whole, edge_prior, constant)


def multigraph_terms(counts: np.ndarray) -> Terms:
    r"""Terms of the block model of a matrix of numbers of edges, itself a prior of :math:`e` one level below.

    .. math:: -\log P(A \mid e, b) = \sum_{r \le s} \log\binom{n_{rs} + e_{rs} - 1}{e_{rs}},

    where :math:`n_{rs} = n_r n_s` and :math:`n_{rr} = n_r (n_r + 1)/2`: multiple edges and self-loops are allowed.

    Parameters
    ----------
    counts : (node, node)
        Symmetric numbers of edges; those within a node count once.

    Returns
    -------
    Terms
        Nats; the total is given.

    References
    ----------
    Peixoto (2014), Physical Review X 4, 011047, doi:10.1103/PhysRevX.4.011047.
    """
    counts = np.asarray(counts, dtype=np.int64)
    n_nodes, n_edges = len(counts), int(np.triu(counts).sum())
    n_pairs = n_nodes * (n_nodes + 1) // 2
    factorial = log_factorial(n_pairs + 3 * n_edges + n_nodes)
    whole, edge_prior = _whole(n_nodes, n_edges)

    def between(e: np.ndarray, n: np.ndarray) -> np.ndarray:
        return factorial(n + e - 1) - factorial(e) - factorial(n - 1)

    channels = (counts, np.ones_like(counts))
    return Terms(channels, between, between, lambda n, e: -factorial(n), whole, edge_prior, 0.0)


def _weight_terms(
    graph: Graph, weights: str, n_edges: int, most: int
) -> tuple[tuple[np.ndarray, ...], Callable[..., np.ndarray], float]:
    """Channels of weights, their cost, and the constant that brings densities to units of the mean weight."""
    if weights == "exponential":
        return (graph.weight,), exponential_cost(most), 0.0
    upper = np.triu(graph.edge)
    standard = standardised(graph.weight[upper]) if weights == "gaussian" else None
    if standard is not None:
        values, unit = standard
        matrix = np.zeros_like(graph.weight)
        matrix[upper] = values
        matrix = matrix + matrix.T
        return (matrix, matrix**2), gaussian_cost(most), n_edges * float(np.log(unit))
    return (), lambda m: np.zeros(np.shape(m)), 0.0


def _whole(n_nodes: int, n_edges: int) -> tuple[Callable[[int], float], Callable[[int], float]]:
    """Nats of the number of groups, and those of them that tell the numbers of edges between groups."""
    n_groups = np.arange(1, n_nodes + 1)
    prior = np.array([0.0] + [log_multisets(b * (b + 1) // 2, n_edges) for b in n_groups.tolist()])
    whole = prior + np.array([np.inf] + [log_partition_cost(n_nodes, b) for b in n_groups.tolist()])
    return whole.__getitem__, prior.__getitem__
