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
from jaxtyping import Int
from scipy.special import gammaln

from neurodyn.errors import ModelError
from neurodyn.inference.block_model.counting import log_factorial, log_multisets, log_partition_cost
from neurodyn.inference.block_model.graph import Graph
from neurodyn.inference.block_model.multiplicity import multiplicities
from neurodyn.inference.block_model.propensity import propensities
from neurodyn.inference.block_model.weight_terms import weight_terms

Topology = Literal["bernoulli", "degree-corrected", "degree-corrected-simple", "assortative", "uniform"]
Weights = Literal["exponential", "gaussian", "lognormal", "lognormal-corrected", "none"]
# Those with latent values, fitted to the groups at hand.
POOLED = ("assortative", "uniform")
ADAPTED = ("degree-corrected-simple", *POOLED, "lognormal-corrected")


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
    pooled : bool
        Whether `between` is of the sums over all pairs of different groups at once.
    uniform : bool
        Whether `within` is of the sums over all groups at once, too.
    clues : tuple of int
        Two channels whose rows may tell how to split a group: edges, weights.
    """

    channels: tuple[np.ndarray, ...]
    between: Callable[..., np.ndarray]
    within: Callable[..., np.ndarray]
    group: Callable[[np.ndarray, np.ndarray], np.ndarray]
    whole: Callable[[int], float]
    edge_prior: Callable[[int], float]
    constant: float
    pooled: bool = False
    uniform: bool = False
    clues: tuple[int, int] = (0, 0)

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


def is_adapted(topology: str, weights: str) -> bool:
    """Whether the model has latent values that are fitted to the groups."""
    return topology in ADAPTED or weights in ADAPTED


def graph_terms(
    graph: Graph,
    topology: str,
    weights: str,
    groups: Int[np.ndarray, " node"] | None = None,
    *,
    rough: bool = False,
) -> Terms:
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

    Topology ``"degree-corrected-simple"``: the same of a latent multigraph whose multiple edges are seen once and whose
    self-loops are not seen. `multiplicity.multiplicities` averages over it given some groups; as long as they stay, sums
    of edges are sums of expected multiplicities, and the value bounds the description length from above.

    Topology ``"assortative"``: communities, one density within each group, one between all, and propensities of nodes
    (`propensity.propensities`, a bound likewise); what weights say is pooled between groups too. Topology ``"uniform"``: the
    same with one density, and one distribution of weights, within all groups.

    Weights: `weights.exponential_cost`, `weights.gaussian_cost`, the latter of log weights (``"lognormal"``), and of log
    weights less the scales of both nodes (``"lognormal-corrected"``, `node_scales.node_scales`, a bound likewise).

    All but the last two have :math:`-\log P(e) = \log\binom{B(B+1)/2 + E - 1}{E} + \log(1 + \sum_{r \le s} n_{rs})`: the
    total `E` is uniform over what the pairs allow, and its division among pairs of groups uniform.

    Parameters
    ----------
    graph : Graph
        Edges, observed pairs, weights.
    topology, weights : str
        One of `Topology`, one of `Weights`.
    groups : (node,), optional
        Groups to which latent values are fitted; default one of all nodes.
    rough : bool
        Whether to end that fit early, with a bound that is not the lowest.

    Returns
    -------
    Terms
        Nats; weights have densities in units of their mean.

    Raises
    ------
    ModelError
        If a name is unknown, or degrees are to be corrected where a pair was not observed and multiplicities are not
        latent.

    References
    ----------
    Peixoto (2017), Physical Review E 95, 012317, doi:10.1103/PhysRevE.95.012317; Peixoto (2020), Physical Review E 102,
    012309, doi:10.1103/PhysRevE.102.012309.
    """
    check_choice(topology, weights)
    edge = graph.edge.astype(np.int64)
    n_nodes, n_edges, n_pairs = len(edge), int(edge.sum()) // 2, int(graph.pair.sum()) // 2
    numbers = np.zeros(n_nodes, np.int64) if groups is None else np.unique(groups, return_inverse=True)[1]
    numbers = numbers.reshape(-1).astype(np.int64)
    pooled, block = topology in POOLED, _pair_classes(numbers, topology)
    sums, cost, constant = weight_terms(graph, weights, block, n_edges + n_nodes, rough=rough)
    if pooled:
        uniform = topology == "uniform"
        return _assortative_terms(graph, block, (edge, *sums), cost, constant, rough, uniform)
    if topology == "degree-corrected-simple":
        return _simple_terms(graph, numbers, (edge, *sums), cost, constant, rough)
    constant += float(np.log1p(n_pairs))
    whole, edge_prior = _whole(n_nodes, n_edges)
    if topology == "bernoulli":
        # Room for sums that `Blocks` computes and overwrites: a node joined to the group where it already is.
        factorial = log_factorial(n_pairs + n_nodes)

        def between(e: np.ndarray, n: np.ndarray, *more: np.ndarray) -> np.ndarray:
            return factorial(n) - factorial(e) - factorial(n - e) + cost(e, *more)

        channels = (edge, graph.pair.astype(np.int64), *sums)
        clues = (0, 2 if sums else 0)
        group = lambda n, e: -factorial(n)  # noqa: E731
        return Terms(channels, between, between, group, whole, edge_prior, constant, clues=clues)
    missing = n_nodes * (n_nodes - 1) // 2 - n_pairs
    if missing:
        raise ModelError(
            f"{missing} pairs are NaN, but degrees can only be corrected where all pairs were observed; "
            "use topology='bernoulli' or 'degree-corrected-simple'."
        )
    factorial = log_factorial(4 * n_edges + n_nodes)

    def apart(e: np.ndarray, *more: np.ndarray) -> np.ndarray:
        return cost(e, *more) - factorial(e)

    def inside(e: np.ndarray, *more: np.ndarray) -> np.ndarray:
        return cost(e, *more) - factorial(e) - e * np.log(2.0)

    def group(n: np.ndarray, e: np.ndarray) -> np.ndarray:
        return factorial(n + e - 1) - factorial(n - 1) - factorial(n)

    constant -= float(factorial(edge.sum(axis=0)).sum())
    clues = (0, 1 if sums else 0)
    return Terms((edge, *sums), apart, inside, group, whole, edge_prior, constant, clues=clues)


def _pair_classes(groups: np.ndarray, topology: str) -> np.ndarray:
    """Number of the class of each pair of nodes: those of a pair of groups, or pooled."""
    b, same = int(groups.max()) + 1, groups[:, None] == groups
    if topology == "uniform":
        return np.where(same, 0, 1)
    if topology == "assortative":
        return np.where(same, groups, b)
    return np.minimum(groups[:, None], groups) * b + np.maximum(groups[:, None], groups)


def _simple_terms(
    graph: Graph,
    groups: np.ndarray,
    channels: tuple[np.ndarray, ...],
    cost: Callable[..., np.ndarray],
    constant: float,
    rough: bool,
) -> Terms:
    """Terms of a latent multigraph whose expected multiplicities are fitted to the groups."""
    latent = multiplicities(graph, groups, rough=rough)
    n_nodes, n_edges = len(groups), float(np.triu(latent.expected).sum())
    whole, edge_prior = _whole(n_nodes, n_edges)

    def apart(e: np.ndarray, *more: np.ndarray) -> np.ndarray:
        return cost(*more) - gammaln(e + 1)

    def inside(e: np.ndarray, *more: np.ndarray) -> np.ndarray:
        return cost(*more) - gammaln(e + 1) - e * np.log(2.0)

    def group(n: np.ndarray, e: np.ndarray) -> np.ndarray:
        some = np.maximum(n, 1)
        value = gammaln(some + np.maximum(e, 0.0)) - gammaln(some) - gammaln(some + 1.0)
        return np.where(n > 0, value, 0.0)

    channels, constant = (latent.expected, *channels), constant + latent.constant
    clues = (0, 2 if len(channels) > 2 else 0)
    return Terms(channels, apart, inside, group, whole, edge_prior, constant, clues=clues)


def _assortative_terms(
    graph: Graph,
    block: np.ndarray,
    channels: tuple[np.ndarray, ...],
    cost: Callable[..., np.ndarray],
    constant: float,
    rough: bool,
    uniform: bool,
) -> Terms:
    """Terms of communities whose propensities and multiplicities are fitted to the groups."""
    latent, n_nodes = propensities(graph, block, rough=rough), len(block)
    # The bookkeeping also adds a group to itself before it leaves that out.
    factorial = log_factorial(2 * n_nodes)
    whole = np.array([np.inf] + [log_partition_cost(n_nodes, b) for b in range(1, n_nodes + 1)])

    def price(e: np.ndarray, x: np.ndarray, *more: np.ndarray) -> np.ndarray:
        return (e + 1) * np.log1p(np.maximum(x, 0.0)) - gammaln(np.maximum(e, 0.0) + 1) + cost(*more)

    channels, constant = (latent.expected, latent.exposure, *channels), constant + latent.constant
    return Terms(
        channels,
        price,
        price,
        lambda n, e: -factorial(n),
        whole.__getitem__,
        lambda b: 0.0,
        constant,
        pooled=True,
        uniform=uniform,
        clues=(0, 3 if len(channels) > 3 else 0),
    )


def multigraph_terms(counts: np.ndarray) -> Terms:
    r"""Terms of the block model of a matrix of numbers of edges, itself a prior of :math:`e` one level below.

    .. math:: -\log P(A \mid e, b) = \sum_{r \le s} \log\binom{n_{rs} + e_{rs} - 1}{e_{rs}},

    where :math:`n_{rs} = n_r n_s` and :math:`n_{rr} = n_r (n_r + 1)/2`: multiple edges and self-loops are allowed.

    Parameters
    ----------
    counts : (node, node)
        Symmetric numbers of edges, whole or expected; those within a node count once.

    Returns
    -------
    Terms
        Nats; the total is given.

    References
    ----------
    Peixoto (2014), Physical Review X 4, 011047, doi:10.1103/PhysRevX.4.011047.
    """
    whole_numbers = counts.dtype.kind in "iub" or bool((counts == np.rint(counts)).all())
    counts = counts.astype(np.int64 if whole_numbers else np.float64)
    n_nodes, n_edges = len(counts), np.triu(counts).sum()
    n_pairs = n_nodes * (n_nodes + 1) // 2
    factorial = log_factorial(int(n_pairs + 3 * n_edges + n_nodes)) if whole_numbers else _real_factorial
    whole, edge_prior = _whole(n_nodes, float(n_edges))

    def between(e: np.ndarray, n: np.ndarray) -> np.ndarray:
        return factorial(n + e - 1) - factorial(e) - factorial(n - 1)

    channels = (counts, np.ones(counts.shape, dtype=np.int64))
    return Terms(channels, between, between, lambda n, e: -factorial(n), whole, edge_prior, 0.0)


def _real_factorial(n: np.ndarray) -> np.ndarray:
    """Log of the gamma function of `n` + 1, 0 below 0, where 0 objects are put in 0 places."""
    return gammaln(np.maximum(n, 0.0) + 1.0)


def _whole(n_nodes: int, n_edges: int | float) -> tuple[Callable[[int], float], Callable[[int], float]]:
    """Nats of the number of groups, and those of them that tell the numbers of edges between groups."""
    n_groups = np.arange(1, n_nodes + 1)
    prior = np.array([0.0] + [log_multisets(b * (b + 1) // 2, n_edges) for b in n_groups.tolist()])
    whole = prior + np.array([np.inf] + [log_partition_cost(n_nodes, b) for b in n_groups.tolist()])
    return whole.__getitem__, prior.__getitem__
