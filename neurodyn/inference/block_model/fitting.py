"""The division of a graph into groups with the shortest description."""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Shaped

from neurodyn.errors import ModelError
from neurodyn.inference.block_model.division import divided
from neurodyn.inference.block_model.graph import Graph, read_graph
from neurodyn.inference.block_model.modularity import modularity_divisions
from neurodyn.inference.block_model.moves import TOLERANCE
from neurodyn.inference.block_model.search import Partition, in_order, search
from neurodyn.inference.block_model.terms import Terms, graph_terms, is_adapted

TOPOLOGIES = ("bernoulli", "degree-corrected-simple", "assortative", "uniform")
# Models that search on after all have described the same divisions.
FINALISTS = 4


def description_length(
    adjacency: Shaped[np.ndarray, "..."],
    groups: Int[np.ndarray, " node"],
    *,
    topology: str = "bernoulli",
    weights: str = "exponential",
) -> float:
    r"""Nats that a weighted graph takes to describe by its groups.

    .. math:: L(b) = -\log P(A \mid e, b) - \log P(x \mid A, b) - \log P(e) - \log P(b)

    with the topology of `terms.graph_terms`, the weights :math:`x` of `weights.exponential_cost` or
    `weights.gaussian_cost`, and the division of `counting.log_partition_cost`. The posterior of the groups is
    :math:`e^{-L(b)}` but for its normaliser, so the shortest description is the most probable one, and descriptions of the
    same matrix by different topologies and kinds of weights can be compared. Groups are labelled: the :math:`B!` ways
    to number them are told apart.

    Parameters
    ----------
    adjacency : (node, node)
        Symmetric weights; 0 = no edge, NaN = not observed.
    groups : (node,)
        Group of each node, any integers.
    topology : {"bernoulli", "degree-corrected"}
        Model of the edges.
    weights : {"exponential", "gaussian", "none"}
        Model of the weights on them; ``"none"`` reads edges only.

    Returns
    -------
    float
        Nats; densities of weights are taken in units of the mean weight.

    Raises
    ------
    ModelError
        If the adjacency is no such matrix, the groups are not one per node, or a name is unknown.

    References
    ----------
    Peixoto (2017), Physical Review E 95, 012317, doi:10.1103/PhysRevE.95.012317; Peixoto (2018), Physical Review E 97,
    012306, doi:10.1103/PhysRevE.97.012306.

    Examples
    --------
    Two nodes, one edge, one group: log 2 for the number of groups, log 2 for the number of edges, 2 log 2 for the weight.

    >>> import numpy as np
    >>> from neurodyn.inference.block_model.fitting import description_length
    >>> round(float(description_length(np.array([[0, 3], [3, 0]]), np.array([0, 0])) / np.log(2)), 6)
    4.0
    """
    graph = read_graph(adjacency)
    if len(groups) != len(graph.edge):
        raise ModelError(f"groups has {len(groups)} entries; the adjacency has {len(graph.edge)} nodes.")
    terms = graph_terms(graph, topology, weights, groups)
    return divided(terms, groups).description_length()


def fit(
    adjacency: Shaped[np.ndarray, "..."],
    *,
    key,
    topology: str = "bernoulli",
    weights: str = "exponential",
    starts: int = 2,
) -> Partition:
    """The groups that describe a weighted graph in the fewest nats, their number included.

    Every start merges many groups down to one, moving nodes between the mergers; from the best number of groups on it
    moves nodes, merges, splits, and merges and splits again while the description length falls. The best of the starts
    is then shaken by a Markov chain of falling temperature, and descends again, until that brings nothing more.

    Parameters
    ----------
    adjacency : (node, node)
        Symmetric weights; 0 = no edge, NaN = not observed (with ``topology="bernoulli"``). The diagonal is not read.
    key : int or jax.Array
        Randomness.
    topology : {"bernoulli", "degree-corrected"}
        Model of the edges.
    weights : {"exponential", "gaussian", "none"}
        Model of the weights on them.
    starts : int
        Number of starts, the shortest description of which is kept.

    Returns
    -------
    Partition
        The groups, their description length, and those of other numbers of groups.

    Raises
    ------
    ModelError
        If the adjacency is no such matrix, or an argument is out of range.

    References
    ----------
    Peixoto (2014), Physical Review E 89, 012804, doi:10.1103/PhysRevE.89.012804; Peixoto (2020), Physical Review E 102,
    012305, doi:10.1103/PhysRevE.102.012305.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.fitting import fit
    >>> two_cliques = np.kron(np.eye(2), np.ones((8, 8)))
    >>> fit(two_cliques, key=0).groups.tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    return fit_graph(read_graph(adjacency), topology, weights, key=key, starts=starts)


def fit_models(
    adjacency: Shaped[np.ndarray, "..."],
    *,
    key,
    topologies: tuple[str, ...] = TOPOLOGIES,
    weights: tuple[str, ...] = ("exponential",),
    starts: int = 2,
) -> dict[tuple[str, str], Partition]:
    """Divisions by several models of edges and weights, the shortest description first.

    A pool of divisions, by modularity and by the models without latent values, is described by every model; the few with
    the shortest descriptions search on from their best one, and the best of those is searched as in `fit`.

    Parameters
    ----------
    adjacency : (node, node)
        Symmetric weights; 0 = no edge.
    key : int or jax.Array
        Randomness, the same for every model.
    topologies, weights : tuple of str
        Models of the edges, and of the weights on them. ``"none"`` describes no weights, so its description is always
        shorter and belongs in no such comparison.
    starts : int
        Number of starts of the full search.

    Returns
    -------
    dict
        From (topology, weights) to the best division found, in the order of description lengths.

    Raises
    ------
    ModelError
        As `fit`, or if ``"none"`` stands beside another model of weights.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.fitting import fit_models
    >>> models = fit_models(np.kron(np.eye(2), np.ones((8, 8))), key=0)
    >>> len(models), next(iter(models.values())).n_groups
    (4, 2)
    """
    if "none" in weights and len(weights) > 1:
        raise ModelError(
            "weights has 'none' beside another model, but a description without the weights is no rival."
        )
    if starts < 1:
        raise ModelError(f"starts is {starts}; it must be at least 1.")
    graph = read_graph(adjacency)
    models = [(topology, kind) for topology in topologies for kind in weights]
    pool = [np.zeros(len(graph.edge), dtype=np.int64), *modularity_divisions(graph)]
    found: dict[tuple[str, str], Partition] = {}
    for model in models:
        # One search from scratch for each topology without latent values, by the first weights without.
        if not is_adapted(*model) and not any(model[0] == other[0] for other in found):
            found[model] = fit_graph(graph, *model, key=key, starts=1, shake=False)
            pool.append(found[model].groups)
    for model in models:
        best = _merged(graph, model, _shortest(graph, model, pool))
        if model not in found or best.description_length < found[model].description_length:
            found[model] = best
    for model in _in_order(found)[:FINALISTS]:
        divisions = [_shortest(graph, model, pool)]
        found[model] = fit_graph(graph, *model, key=key, starts=0, shake=False, divisions=divisions)
        pool.append(found[model].groups)
    tried: set[tuple[str, str]] = set()
    while (model := _in_order(found)[0]) not in tried:
        tried.add(model)
        divisions = [found[model].groups, _shortest(graph, model, pool)]
        found[model] = fit_graph(graph, *model, key=key, starts=starts, divisions=divisions)
        pool.append(found[model].groups)
    return {model: found[model] for model in _in_order(found)}


def _in_order(found: dict[tuple[str, str], Partition]) -> list[tuple[str, str]]:
    """Models by their description lengths."""
    return sorted(found, key=lambda model: found[model].description_length)


def _described(graph: Graph, model: tuple[str, str], groups: np.ndarray, rough: bool = False) -> Partition:
    """A division as a model describes it, without any search."""
    groups = in_order(groups)
    value = divided(graph_terms(graph, *model, groups, rough=rough), groups).description_length()
    return Partition(
        groups, value, np.array([value]), np.array([value]), {int(groups.max()) + 1: (value, groups)}
    )


def _merged(graph: Graph, model: tuple[str, str], groups: np.ndarray) -> Partition:
    """A division whose groups are merged, cheapest pair first, while the description gets shorter.

    Latent values are fitted to every merger: those fitted to groups that belong together hide that they do.
    """
    best = _described(graph, model, groups, rough=True)
    while is_adapted(*model) and best.n_groups > 1:
        merged = [
            _described(graph, model, np.where(best.groups == two, one, best.groups), rough=True)
            for one, two in itertools.combinations(range(best.n_groups), 2)
        ]
        next_best = min(merged, key=lambda one: one.description_length)
        if next_best.description_length >= best.description_length - TOLERANCE:
            break
        best = next_best
    return _described(graph, model, best.groups)


def _shortest(graph: Graph, model: tuple[str, str], pool: Sequence[np.ndarray]) -> np.ndarray:
    """The division of a pool that a model describes in the fewest nats."""
    described = [_described(graph, model, groups, rough=True) for groups in pool]
    return min(described, key=lambda one: one.description_length).groups


def fit_graph(
    graph: Graph,
    topology: str,
    weights: str,
    *,
    key,
    starts: int = 2,
    shake: bool = True,
    divisions: Sequence[np.ndarray] = (),
) -> Partition:
    """`fit` of a graph that has been read, from `divisions` besides; latent values are fitted in turns with the groups."""
    adapted, one = is_adapted(topology, weights), graph_terms(graph, topology, weights)

    def adapt(groups: np.ndarray, rough: bool) -> Terms:
        return graph_terms(graph, topology, weights, groups, rough=rough) if adapted else one

    if adapted and starts:
        divisions = [*divisions, *modularity_divisions(graph)]
    return search(
        adapt, len(graph.edge), key=key, starts=starts, shake=shake, adapted=adapted, divisions=divisions
    )
