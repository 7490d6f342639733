"""Weighted graphs with known groups: planted blocks, and heavy-tailed communities that blur at two knobs."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from neurodyn.errors import ModelError
from neurodyn.inference.random import as_key, key_words

TRIES = 200
DRAWS = 50
SWAPS = 20


class PlantedGraph(NamedTuple):
    """A graph and its truth.

    Parameters
    ----------
    adjacency : (node, node)
        Symmetric weights, 0 where there is no edge.
    groups : (node,)
        Planted group of each node.
    """

    adjacency: Float[np.ndarray, "node node"]
    groups: Int[np.ndarray, " node"]


def planted_blocks(
    sizes: tuple[int, ...],
    density: np.ndarray,
    mean_weight: np.ndarray,
    *,
    key,
    weights: str = "exponential",
    spread: float = 1.0,
) -> PlantedGraph:
    r"""Draw a weighted stochastic block model.

    .. math:: A_{ij} \sim \mathrm{Bernoulli}(p_{b_i b_j})\, x_{ij}, \qquad \mathrm E\, x_{ij} = \mu_{b_i b_j}

    Parameters
    ----------
    sizes : tuple of int
        Number of nodes of each group.
    density : (group, group)
        Probability of an edge, symmetric.
    mean_weight : (group, group)
        Mean weight of an edge, symmetric and above 0.
    key : int or jax.Array
        Randomness.
    weights : {"exponential", "gaussian"}
        Distribution of the weights.
    spread : float
        Standard deviation of Gaussian weights; a weight that is not above 0 is drawn again.

    Returns
    -------
    PlantedGraph
        Adjacency and groups, the latter in order.

    Raises
    ------
    ModelError
        If a matrix is not symmetric with one row per group, or a value is out of range.

    References
    ----------
    Holland, Laskey & Leinhardt (1983), Social Networks 5, 109-137, doi:10.1016/0378-8733(83)90021-7; Aicher, Jacobs &
    Clauset (2015), Journal of Complex Networks 3, doi:10.1093/comnet/cnu026.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.simulate.block_graphs import planted_blocks
    >>> planted_blocks((2, 1), np.eye(2), np.ones((2, 2)), key=0).groups.tolist()
    [0, 0, 1]
    """
    if weights not in ("exponential", "gaussian"):
        raise ModelError(f"weights is {weights!r}; it must be 'exponential' or 'gaussian'.")
    density, mean_weight = np.asarray(density, float), np.asarray(mean_weight, float)
    for name, matrix, good in (
        ("density", density, (density >= 0) & (density <= 1)),
        ("mean_weight", mean_weight, (mean_weight > 0) & np.isfinite(mean_weight)),
    ):
        if matrix.shape != (len(sizes), len(sizes)) or not np.array_equal(matrix, matrix.T):
            raise ModelError(
                f"{name} has shape {matrix.shape}; it must be symmetric with a row for each of {len(sizes)} groups."
            )
        if not good.all():
            raise ModelError(f"{name} has the value {matrix[~good][0]:g}, which is out of range.")
    rng = _generator(key)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    i, j = np.triu_indices(len(groups), 1)
    there = rng.random(len(i)) < density[groups[i], groups[j]]
    i, j = i[there], j[there]
    mean = mean_weight[groups[i], groups[j]]
    if weights == "exponential":
        drawn = rng.exponential(mean)
    else:
        drawn = rng.normal(mean, spread)
        while (drawn <= 0).any():
            again = drawn <= 0
            drawn[again] = rng.normal(mean[again], spread)
    return PlantedGraph(_matrix(len(groups), i, j, drawn), groups)


def benchmark_graph(
    n_nodes: int = 125,
    *,
    key,
    mean_degree: float = 25.0,
    max_degree: int = 100,
    degree_exponent: float = 2.0,
    size_exponent: float = 1.0,
    topology_mixing: float = 0.25,
    weight_mixing: float = 0.25,
    weight_exponent: float = 1.0,
    sizes: tuple[int, int] | None = None,
) -> PlantedGraph:
    r"""Draw a weighted graph in the manner of Lancichinetti and Fortunato.

    Degrees follow :math:`P(k) \propto k^{-\tau_1}` up to the largest, from a smallest one that gives the mean; sizes of
    communities follow :math:`P(n) \propto n^{-\tau_2}`. A node of degree :math:`k` has :math:`(1 - \mu_t) k` edges within
    its community and :math:`\mu_t k` to others, both joined at random without multiple edges. Its strength is
    :math:`s = k^\beta`, of which :math:`(1 - \mu_w) s` lies within and :math:`\mu_w s` without; the weights are the positive
    ones nearest to that: starting from equal shares, an edge's weight is multiplied again and again by the square root
    of its two ends' ratios of strength wanted and strength given.

    Weights of that paper are fitted by local steps on a sum of squared errors; here they are fitted by multiplication.
    A node with more inner edges than its community has other nodes has the rest of them outside, so that mixing comes out
    a little above what was asked where hubs are as large as communities; edges that find no place at all are left out.

    Parameters
    ----------
    n_nodes : int
        Number of nodes.
    key : int or jax.Array
        Randomness.
    mean_degree : float
        Mean number of edges of a node.
    max_degree : int
        Largest number of edges of a node.
    degree_exponent, size_exponent : float
        :math:`\tau_1` and :math:`\tau_2`.
    topology_mixing, weight_mixing : float
        :math:`\mu_t` and :math:`\mu_w`, each from 0 to 1.
    weight_exponent : float
        :math:`\beta`.
    sizes : tuple of int, optional
        Smallest and largest community. By default one node more than the smallest and the largest degree, but no more
        than half of the nodes, so that edges out of the largest have somewhere to go.

    Returns
    -------
    PlantedGraph
        Adjacency and communities.

    Raises
    ------
    ModelError
        If a value is out of range, or no degrees have such a mean.

    References
    ----------
    Lancichinetti & Fortunato (2009), Physical Review E 80, 016118, doi:10.1103/PhysRevE.80.016118.

    Examples
    --------
    >>> from neurodyn.simulate.block_graphs import benchmark_graph
    >>> graph = benchmark_graph(key=0)
    >>> graph.adjacency.shape, bool(22 < (graph.adjacency > 0).sum(axis=0).mean() < 28)
    ((125, 125), True)
    """
    for name, value in (("topology_mixing", topology_mixing), ("weight_mixing", weight_mixing)):
        if not 0 <= value <= 1:
            raise ModelError(f"{name} is {value:g}; it must be from 0 to 1.")
    if not 1 <= mean_degree <= max_degree < n_nodes:
        raise ModelError(
            f"the mean degree is {mean_degree:g}, the largest {max_degree} and there are {n_nodes} nodes; "
            "they must not fall in that order, and the largest degree must be below the number of nodes."
        )
    rng = _generator(key)
    degree = _degrees(n_nodes, mean_degree, max_degree, degree_exponent, rng)
    inner = (1 - topology_mixing) * degree
    inner = (np.floor(inner) + (rng.random(n_nodes) < inner % 1)).astype(int)
    low = min(int(degree.min()) + 1, n_nodes // 2)
    low, high = sizes or (low, max(low, min(int(degree.max()) + 1, n_nodes // 2)))
    if not 1 <= low <= high <= n_nodes:
        raise ModelError(
            f"sizes is ({low}, {high}); it must be (smallest, largest), at most {n_nodes} nodes."
        )
    groups = _placeable(degree, inner, low, high, size_exponent, rng)
    inner = np.minimum(inner, np.bincount(groups)[groups] - 1)
    edge = np.zeros((n_nodes, n_nodes), dtype=bool)
    for group in range(int(groups.max()) + 1):
        _join(edge, np.where(groups == group, inner, 0), np.ones((n_nodes, n_nodes), bool), rng)
    _join(edge, degree - inner, groups[:, None] != groups, rng)
    return PlantedGraph(_weigh(edge, groups, weight_mixing, weight_exponent), groups)


def _generator(key) -> np.random.Generator:
    """NumPy's generator from a key."""
    return np.random.default_rng(key_words(as_key(key)))


def _matrix(n: int, i: np.ndarray, j: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Symmetric matrix of weighted edges."""
    result = np.zeros((n, n))
    result[i, j] = values
    return result + result.T


def _degrees(n: int, mean: float, largest: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Degrees of a bounded power law with a given mean: quantiles of the law in random order, so that the mean is met."""
    places = (rng.permutation(n) + rng.random(n)) / n

    def drawn(low: float) -> np.ndarray:
        if abs(exponent - 1) < 1e-9:
            return low * (largest / low) ** places
        a = 1 - exponent
        return (low**a + places * (largest**a - low**a)) ** (1 / a)

    low, high = 0.5, float(largest)
    if drawn(low).mean() > mean:
        raise ModelError(
            f"the mean degree is {mean:g}, below that of any power law of exponent {exponent:g} up to {largest}; "
            "lower the largest degree or raise the exponent."
        )
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if drawn(middle).mean() < mean else (low, middle)
    values = drawn(low)
    return np.maximum(np.floor(values + rng.random(n)), 1).astype(int).clip(max=largest)


def _placeable(
    degree: np.ndarray, inner: np.ndarray, low: int, high: int, exponent: float, rng: np.random.Generator
) -> np.ndarray:
    """Communities none of which has more outer edges than all others together, or of many draws the nearest to that."""
    best, least = np.zeros(len(degree), dtype=int), np.inf
    for _ in range(DRAWS):
        groups = _communities(inner, low, high, exponent, rng)
        within = np.minimum(inner, np.bincount(groups)[groups] - 1)
        outer = np.bincount(groups, weights=degree - within)
        excess = (2 * outer - outer.sum()).max()
        if excess < least:
            best, least = groups, excess
        if least <= 0:
            break
    return best


def _communities(
    inner: np.ndarray, low: int, high: int, exponent: float, rng: np.random.Generator
) -> np.ndarray:
    """Sizes of a power law that add up to the nodes, and a community for every node, those of most inner edges first.

    The last size drawn is cut to fit, or its nodes join the other communities where it would be too small.
    """
    n = len(inner)
    possible = np.arange(low, high + 1)
    chance = possible.astype(float) ** -exponent
    sizes: list[int] = []
    while sum(sizes) < n:
        sizes.append(int(rng.choice(possible, p=chance / chance.sum())))
    sizes[-1] -= sum(sizes) - n
    if sizes[-1] < low and len(sizes) > 1:
        for _ in range(sizes.pop()):
            sizes[int(rng.integers(len(sizes)))] += 1
    size, groups = np.array(sizes), np.full(n, -1)
    room = size.copy()
    for node in np.argsort(-inner, kind="stable"):
        fits = np.flatnonzero((size > inner[node]) & (room > 0))
        # Where no community with room is large enough, the largest of those with room takes the node.
        group = (
            rng.choice(fits, p=room[fits] / room[fits].sum()) if len(fits) else (size * (room > 0)).argmax()
        )
        groups[node] = group
        room[group] -= 1
    return groups


def _join(edge: np.ndarray, degree: np.ndarray, allowed: np.ndarray, rng: np.random.Generator) -> None:
    """Add edges at random until every node has so many more, as far as allowed pairs go; in place.

    The node that lacks most edges is joined to nodes drawn in proportion to what they lack; random swaps of two edges
    then forget that order.
    """
    lacking, added, left = degree.copy(), np.zeros_like(edge), []
    free = allowed & ~edge
    np.fill_diagonal(free, False)
    while True:
        node = int(lacking.argmax())
        if lacking[node] == 0:
            break
        others = np.flatnonzero(free[node] & ~added[node] & (lacking > 0))
        take = min(lacking[node], len(others))
        if take:
            share = lacking[others] / lacking[others].sum()
            chosen = rng.choice(others, size=take, replace=False, p=share)
            added[node, chosen] = added[chosen, node] = True
            lacking[chosen] -= 1
        left += [node] * (lacking[node] - take)
        lacking[node] = 0
    i, j = np.nonzero(np.triu(added))
    # Ends without a partner: an edge between two others gives way to one from each end.
    for a, b in zip(left[::2], left[1::2], strict=False):
        open_ = free & ~added
        fits = np.flatnonzero(open_[a, i] & open_[b, j] & ((a != b) | (i != j)))
        if len(fits):
            at = int(rng.choice(fits))
            p, q = i[at], j[at]
            added[[p, q], [q, p]] = False
            added[[a, p, b, q], [p, a, q, b]] = True
            i[at], j[at] = p, a
            i, j = np.append(i, q), np.append(j, b)
    for _ in range(SWAPS * len(i)):
        a, b = rng.integers(len(i), size=2)
        p, q, r, s = i[a], j[a], i[b], j[b]
        if rng.random() < 0.5:
            r, s = s, r
        new = free[p, s] and free[r, q] and not added[p, s] and not added[r, q]
        if new and len({int(p), int(q), int(r), int(s)}) == 4:
            added[[p, q, r, s], [q, p, s, r]] = False
            added[[p, s, r, q], [s, p, q, r]] = True
            i[a], j[a], i[b], j[b] = p, s, r, q
    edge |= added


def _weigh(edge: np.ndarray, groups: np.ndarray, mixing: float, exponent: float) -> np.ndarray:
    """Positive weights with each node's strength within and without as near as may be to what is wanted."""
    strength = edge.sum(axis=0).astype(float) ** exponent
    same = groups[:, None] == groups
    result = np.zeros(edge.shape)
    for part, share in ((edge & same, 1 - mixing), (edge & ~same, mixing)):
        wanted = strength * share
        weight = part.astype(float)
        for _ in range(TRIES):
            given = weight.sum(axis=0)
            ratio = np.sqrt(np.divide(wanted, given, out=np.zeros_like(given), where=given > 0))
            weight = weight * ratio[:, None] * ratio
        result += weight
    return (result + result.T) / 2
