r"""Communities of nodes with propensities: one density within each group, one between all groups.

A simple graph is what is seen of a multigraph: an edge where :math:`G_{ij} \ge 1`. Without that, a hub joined to almost
every node of its group is a graph the model would not draw.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import digamma, gammaln

from neurodyn.inference.block_model.graph import Graph

TOLERANCE = 1e-3
ITERATIONS = 300
ROUGH = 15
# Shape of the gamma distribution of propensities, whose mean is 1.
SHAPE = 1.0
# Below it the mean of a Poisson variable that is not 0 is 1 to double precision.
LEAST_RATE = 1e-9


class Propensities(NamedTuple):
    """Latent values of an assortative model for given groups.

    Parameters
    ----------
    expected : (node, node)
        Expected multiplicity of each edge, 0 where there is none.
    exposure : (node, node)
        Multiplicity expected at the mean density of the graph, from both propensities; 0 where not observed.
    constant : float
        Nats that do not depend on the groups while the latent values stay.
    """

    expected: Float[np.ndarray, "node node"]
    exposure: Float[np.ndarray, "node node"]
    constant: float


def propensities(graph: Graph, block: Int[np.ndarray, "node node"], *, rough: bool = False) -> Propensities:
    r"""Multiplicities and propensities behind a simple graph, for given classes of pairs of nodes.

    .. math:: G_{ij} \sim \mathrm{Poisson}(\bar\omega\, \theta_i \theta_j\, \omega_{c(i, j)}), \qquad
        A_{ij} = [G_{ij} \ge 1], \qquad \theta_i \sim \mathrm{Gamma}(1, 1), \quad \omega \sim \mathrm{Exp}(1),

    with one :math:`\omega_c` for each class of pairs (those within a group, and those between any two), and
    :math:`\bar\omega` the share of pairs that are joined, which is told beforehand. The densities are integrated out; with
    independent :math:`q(G_{ij})`, Poisson of rate :math:`\lambda_{ij}` but never 0, and gamma :math:`q(\theta_i)`,

    .. math::

        L = \sum_c \big[(e_c + 1) \log(1 + x_c) - \log\Gamma(e_c + 1)\big]
        - \sum_i k_i\, \mathrm E \log\theta_i + \sum_i \mathrm{KL}\big(q(\theta_i)\,\|\,p\big)
        - e \log\bar\omega - H(q_G) + \sum_{i<j} \mathrm E \log G_{ij}!

    bounds the description length from above, where :math:`e_c` sums expected multiplicities and :math:`x_c` sums
    :math:`\bar\omega\,\mathrm E\theta_i\,\mathrm E\theta_j`. Every latent value in turn is put at its optimum until the
    bound stays.

    Parameters
    ----------
    graph : Graph
        Edges and observed pairs.
    block : (node, node)
        Class of each pair, numbered from 0.
    rough : bool
        Whether to end after a few iterations.

    Returns
    -------
    Propensities
        Multiplicities, exposures, and the part of the bound that groups do not change.

    References
    ----------
    Peixoto (2020), Physical Review E 102, 012309, doi:10.1103/PhysRevE.102.012309; Karrer & Newman (2011), Physical Review E
    83, 016107, doi:10.1103/PhysRevE.83.016107; Zhang & Peixoto (2020), Physical Review Research 2, 043271,
    doi:10.1103/PhysRevResearch.2.043271.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.graph import read_graph
    >>> from neurodyn.inference.block_model.propensity import propensities
    >>> star = np.zeros((9, 9))
    >>> star[0, 1:] = star[1:, 0] = 1
    >>> found = propensities(read_graph(star), np.zeros((9, 9), int))
    >>> bool(found.exposure[0, 1] > found.exposure[1, 2])
    True
    """
    n, b = len(block), int(block.max()) + 1
    n_pairs = int(graph.pair.sum()) // 2
    i, j = np.nonzero(np.triu(graph.edge))
    mean_density = max(len(i), 1) / max(n_pairs, 1)
    of_edge, seen = block[i, j], graph.pair.astype(np.float64) * mean_density
    multiplicity, shape = np.ones(len(i)), np.zeros(n)
    mean, rate, value = np.ones(n), np.ones(len(i)), np.inf
    constant, exposed = 0.0, _exposed(seen, mean, block, b)
    for _ in range(ROUGH if rough else ITERATIONS):
        shape = SHAPE + np.bincount(i, multiplicity, n) + np.bincount(j, multiplicity, n)
        edges = np.bincount(of_edge, multiplicity, b)
        density = (edges + 1) / (1 + exposed)
        # The root of the step keeps two nodes that balance each other from swinging.
        mean = np.sqrt(mean * shape / (SHAPE + (seen * density[block]) @ mean))
        scale, exposed = shape / mean, _exposed(seen, mean, block, b)
        logs = digamma(shape) - np.log(scale)
        log_density = digamma(edges + 1) - np.log1p(exposed)
        rate = np.exp(logs[i] + logs[j] + log_density[of_edge]) * mean_density
        safe = np.maximum(rate, LEAST_RATE)
        multiplicity = safe / -np.expm1(-safe)
        degree = np.bincount(i, multiplicity, n) + np.bincount(j, multiplicity, n)
        edges = np.bincount(of_edge, multiplicity, b)
        constant = _divergence(shape, scale) - degree @ logs - edges.sum() * np.log(mean_density)
        constant += (multiplicity * np.log(safe) - safe - np.log(-np.expm1(-safe))).sum()
        before = value
        value = constant + ((edges + 1) * np.log1p(exposed) - gammaln(edges + 1)).sum()
        if abs(before - value) < TOLERANCE:
            break
    expected = np.zeros((n, n))
    expected[i, j] = expected[j, i] = multiplicity
    exposure = seen * mean[:, None] * mean
    return Propensities(expected, exposure, float(constant) + float(np.log1p(n_pairs)))


def _exposed(seen: np.ndarray, mean: np.ndarray, block: np.ndarray, b: int) -> np.ndarray:
    """Sums of exposures within every group and between all."""
    exposure = seen * mean[:, None] * mean
    return np.bincount(block.reshape(-1), exposure.reshape(-1), b) / 2


def _divergence(shape: np.ndarray, scale: np.ndarray) -> float:
    """Divergence of gamma distributions from the prior of shape and rate `SHAPE`."""
    parts = (shape - SHAPE) * digamma(shape) - gammaln(shape) + gammaln(SHAPE)
    parts = parts + SHAPE * (np.log(scale) - np.log(SHAPE)) + shape * (SHAPE - scale) / scale
    return float(parts.sum())
