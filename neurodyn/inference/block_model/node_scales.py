r"""Weights that are products of scales of their two nodes: the scales, for given groups."""

from typing import NamedTuple

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int
from scipy.linalg import solve
from scipy.special import gammaln

from neurodyn.inference.block_model.weights import ALPHA, BETA, KAPPA, gaussian_cost

TOLERANCE = 1e-3
ITERATIONS = 200
ROUGH = 15
# Share of the variance of log weights that a rough fit takes for noise at least.
FLOOR = 0.05


class NodeScales(NamedTuple):
    """Posterior of the scales of all nodes.

    Parameters
    ----------
    mean, variance : (node,)
        Of the log scale, in standard deviations of the log weights.
    constant : float
        Nats that do not depend on the groups while the scales stay.
    """

    mean: Float[np.ndarray, " node"]
    variance: Float[np.ndarray, " node"]
    constant: float


def node_scales(
    i: Int[np.ndarray, " edge"],
    j: Int[np.ndarray, " edge"],
    values: Float[np.ndarray, " edge"],
    block: Int[np.ndarray, " edge"],
    n_nodes: int,
    *,
    rough: bool = False,
) -> NodeScales:
    r"""Scales of nodes from standardised log weights :math:`y`, for given groups.

    .. math:: y_{ij} = a_i + a_j + \mu_{rs} + \varepsilon_{ij}, \qquad
        \varepsilon_{ij} \sim N(0, 1/\tau_{rs}), \quad a_i \sim N(0, 1/\tau_a)

    with the priors of `weights.gaussian_cost` for :math:`\mu` and :math:`\tau`, and its gamma prior for :math:`\tau_a`. With
    independent :math:`q(a_i) = N(m_i, v_i)` the cost is bounded from above by

    .. math::

        \sum_{r \le s} f\Big(e_{rs}, \sum z_{ij}, \sum (z_{ij}^2 + v_i + v_j)\Big) + f_a\Big(\sum (m_i^2 + v_i)\Big)
        - \frac12 \sum_i \log(2\pi e\, v_i), \qquad z_{ij} = y_{ij} - m_i - m_j,

    where `f` is `weights.gaussian_cost` and :math:`f_a` the like with a mean of 0. Each iteration replaces the logarithms
    by tangents and solves for all means at once, so that the bound never rises.

    Parameters
    ----------
    i, j : (edge,)
        Ends of each edge.
    values : (edge,)
        Log weights, standardised over the graph.
    block : (edge,)
        Number of the pair of groups that each edge lies between.
    n_nodes : int
        Number of nodes.
    rough : bool
        Whether to end after a few iterations, and to take `FLOOR` for noise.

    Returns
    -------
    NodeScales
        Means and variances, and the part of the bound that groups do not change.

    References
    ----------
    Peixoto (2018), Physical Review E 97, 012306, doi:10.1103/PhysRevE.97.012306; Karrer & Newman (2011), Physical Review E
    83, 016107, doi:10.1103/PhysRevE.83.016107.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.node_scales import node_scales
    >>> i, j = np.triu_indices(12, 1)
    >>> scale = np.random.default_rng(0).normal(size=12)
    >>> found = node_scales(i, j, scale[i] + scale[j], np.zeros(66, int), 12)
    >>> bool(np.corrcoef(found.mean, scale)[0, 1] > 0.99)
    True
    """
    n, (used, block) = n_nodes, np.unique(block, return_inverse=True)
    block = block.reshape(-1)
    edges = np.bincount(block, minlength=len(used))
    sums = np.bincount(block, values, len(used))
    both = np.concatenate([i, j])
    ends = scipy.sparse.csr_matrix((np.ones(2 * len(i)), (both, np.tile(block, 2))), (n, len(used)))
    floor = FLOOR if rough else 0.0
    price = gaussian_cost(int(edges.max(initial=0)), floor)
    mean, variance, spread, last = np.zeros(n), np.zeros(n), 0.0, np.inf
    precision = np.ones(len(used))
    for step in range(ROUGH if rough else ITERATIONS):
        rest = values - mean[i] - mean[j]
        first = np.bincount(block, rest, len(used))
        second = np.bincount(block, rest**2 + variance[i] + variance[j], len(used))
        if step:
            now = float(price(edges, first, second).sum()) + _price_of_scales(mean, variance)
            if last - now < TOLERANCE:
                break
            last = now
        spoilt = np.maximum(second - first**2 / (KAPPA + edges), 0.0) + floor * edges
        precision = (ALPHA + edges / 2) / (BETA + spoilt / 2)
        common = (ALPHA + n / 2) / (BETA + spread / 2) if step else ALPHA / BETA
        share = precision / (KAPPA + edges)
        each = precision[block]
        load = np.bincount(both, np.tile(each, 2), n) + common
        system = np.diag(load)
        system[i, j] += each
        system[j, i] += each
        scaled = ends.multiply(share).tocsr()
        system -= (scaled @ ends.T).toarray()
        right = np.bincount(both, np.tile(each * values, 2), n) - scaled @ sums
        mean, variance = solve(system, right, assume_a="pos"), 1 / load
        spread = float((mean**2 + variance).sum())
    return NodeScales(mean, variance, _price_of_scales(mean, variance))


def _price_of_scales(mean: np.ndarray, variance: np.ndarray) -> float:
    """Nats of the scales: those of their prior less their entropy."""
    n, squares = len(mean), float((mean**2 + variance).sum())
    prior = n / 2 * np.log(2 * np.pi) - gammaln(ALPHA + n / 2) + gammaln(ALPHA) - ALPHA * np.log(BETA)
    prior += (ALPHA + n / 2) * np.log(BETA + squares / 2)
    return float(prior - np.log(2 * np.pi * np.e * variance).sum() / 2)
