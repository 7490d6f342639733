r"""A simple graph as what is seen of a multigraph: how many edges lie behind each.

The microcanonical degree-corrected model spreads its chance over multigraphs. Where a hub is joined to almost every
node of its group, a simple graph is none it would draw. Here the multigraph :math:`G` is latent: an edge is seen where
:math:`G_{ij} \ge 1`, and self-loops are not seen at all.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import digamma, gammaln

from neurodyn.inference.block_model.graph import Graph

# An iteration that gains less ends the search; its cost is that of one pass over the edges.
TOLERANCE = 1e-4
ITERATIONS = 200
ROUGH = 15
# Below it the mean of a Poisson variable that is not 0 is 1 to double precision.
LEAST_RATE = 1e-9
TINY = 1e-300


class Multiplicities(NamedTuple):
    """Expected numbers of latent edges.

    Parameters
    ----------
    expected : (node, node)
        Expected multiplicity of each pair, at least 1 where there is an edge and 0 where there is none; the diagonal
        holds the expected number of self-loops.
    constant : float
        Nats that do not depend on the groups while the expectations stay.
    """

    expected: Float[np.ndarray, "node node"]
    constant: float


def multiplicities(graph: Graph, groups: Int[np.ndarray, " node"], *, rough: bool = False) -> Multiplicities:
    r"""Posterior means of the edges behind a simple graph, for given groups.

    The description of a multigraph by its groups, degrees :math:`k` and numbers of edges :math:`e` (see
    `terms.graph_terms`) is averaged over independent :math:`G_{ij}` and freed of their entropy, which bounds from above
    what the simple graph takes:

    .. math::

        -\log P(A \mid b) \le \mathrm E_q[-\log P(G \mid b)] - H(q), \qquad
        q(G_{ij}) \propto \frac{\lambda_{ij}^{G_{ij}}}{G_{ij}!}\; [G_{ij} \ge 1 \text{ if } A_{ij} = 1,\;
        G_{ij} = 0 \text{ if } A_{ij} = 0],

    pairs that were not observed and self-loops being free. The factorials of sums are taken at the means of the sums
    (their second-order terms add up to less than 0, as degrees are convex with a larger weight than groups' sums), and
    the rates at the minimum,

    .. math::

        \log \lambda_{ij} = \psi(k_i + 1) + \psi(k_j + 1) + \psi(e_{rs} + 1) - \psi(e_r + n_r) - \psi(e_s + n_s) + c,

    are found by iteration (:math:`c` is the slope of the prior of the number of edges; log 2 more within a group).

    Parameters
    ----------
    graph : Graph
        Edges and observed pairs.
    groups : (node,)
        Group of each node, numbered from 0.
    rough : bool
        Whether to end after a few iterations.

    Returns
    -------
    Multiplicities
        Means, and the part of the bound that groups do not change.

    References
    ----------
    Peixoto (2020), Physical Review E 102, 012309, doi:10.1103/PhysRevE.102.012309.

    Examples
    --------
    A star hides few edges, a clique many.

    >>> import numpy as np
    >>> from neurodyn.inference.block_model.graph import read_graph
    >>> from neurodyn.inference.block_model.multiplicity import multiplicities
    >>> star, clique = np.zeros((9, 9)), np.ones((9, 9))
    >>> star[0, 1:] = star[1:, 0] = 1
    >>> found = [multiplicities(read_graph(x), np.zeros(9, int)).expected for x in (star, clique)]
    >>> bool(found[0][0, 1] < found[1][0, 1])
    True
    """
    known, hidden = (np.nonzero(np.triu(kind, 1)) for kind in (graph.edge, ~graph.pair))
    i, j = (np.concatenate(ends) for ends in zip(known, hidden, strict=True))
    sums = _Sums(i, j, groups)
    is_known = np.arange(len(i)) < len(known[0])
    inside = np.log(2.0) * (groups[i] == groups[j])
    mean, loops, rate, value = is_known.astype(np.float64), np.zeros(len(groups)), np.zeros(len(i)), np.inf
    for _ in range(ROUGH if rough else ITERATIONS):
        degree, between, ends, total = sums(mean, loops)
        slope = digamma(total + 1) - digamma(total + sums.places) - 1 / (total + 1) - 1 / (total + 2)
        node = digamma(degree + 1) - digamma(ends + sums.size)[groups]
        pair = digamma(between + 1) + slope
        rate = np.exp(node[i] + node[j] + pair.reshape(-1)[sums.block] + inside)
        mean = np.where(is_known, _mean_above_zero(rate), rate)
        loops = np.exp(2 * node + np.diagonal(pair)[groups])
        before, value = value, sums.bound(mean, loops) + _less_entropy(mean, loops, rate, is_known)
        if abs(before - value) < TOLERANCE:
            break
    expected = np.zeros((len(groups), len(groups)))
    expected[i, j] = mean
    expected = expected + expected.T
    np.fill_diagonal(expected, loops)
    degree, _, _, total = sums(mean, loops)
    constant = _less_entropy(mean, loops, rate, is_known) - gammaln(degree + 1).sum() + _prior_of_total(total)
    return Multiplicities(expected, float(constant))


class _Sums:
    """Sums over nodes and pairs of groups of what lies on pairs of nodes."""

    def __init__(self, i: np.ndarray, j: np.ndarray, groups: np.ndarray):
        self.i, self.j, self.groups = i, j, groups
        self.n_groups = int(groups.max()) + 1
        self.block = groups[i] * self.n_groups + groups[j]
        self.size = np.bincount(groups)
        self.places = self.n_groups * (self.n_groups + 1) / 2

    def __call__(
        self, mean: np.ndarray, loops: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Degrees, numbers of edges between groups, numbers of ends in them, and of all edges."""
        n, b = len(self.groups), self.n_groups
        degree = np.bincount(self.i, mean, n) + np.bincount(self.j, mean, n) + 2 * loops
        between = np.bincount(self.block, mean, b * b).reshape(b, b)
        between = between + between.T
        # Within a group every edge was counted twice.
        within = np.diagonal(between) / 2 + np.bincount(self.groups, loops, b)
        np.fill_diagonal(between, within)
        return degree, between, between.sum(axis=1) + within, float(mean.sum() + loops.sum())

    def bound(self, mean: np.ndarray, loops: np.ndarray) -> float:
        """Nats of the multigraph, but for what no multiplicity changes."""
        degree, between, ends, total = self(mean, loops)
        value = gammaln(self.size + ends).sum() - np.triu(gammaln(between + 1)).sum()
        value -= np.log(2.0) * np.diagonal(between).sum() + gammaln(degree + 1).sum()
        value += gammaln(self.places + total) - gammaln(total + 1)
        return float(value) + _prior_of_total(total)


def _prior_of_total(total: float) -> float:
    """Nats of the number of all edges, whose chance is 1 / ((E + 1) (E + 2))."""
    return float(np.log(total + 1) + np.log(total + 2))


def _mean_above_zero(rate: np.ndarray) -> np.ndarray:
    """Mean of a Poisson variable that is not 0."""
    safe = np.maximum(rate, LEAST_RATE)
    return safe / -np.expm1(-safe)


def _less_entropy(mean: np.ndarray, loops: np.ndarray, rate: np.ndarray, is_known: np.ndarray) -> float:
    """Minus the entropies, with the expected log factorials of the multiplicities, which cancel."""
    free = mean * np.log(np.maximum(rate, TINY)) - rate
    seen = np.where(is_known, np.log(-np.expm1(-np.maximum(rate, LEAST_RATE))), 0.0)
    return float((free - seen).sum() + (loops * np.log(2 * np.maximum(loops, TINY)) - loops).sum())
