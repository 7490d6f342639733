"""The division of a graph into groups with the shortest description."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Int, Shaped

from neurodyn.errors import ModelError
from neurodyn.inference.block_model.graph import read_graph
from neurodyn.inference.block_model.moves import (
    TOLERANCE,
    descend,
    gibbs_sweep,
    merge_best,
    merge_down,
    merge_split_down,
    split_down,
)
from neurodyn.inference.block_model.state import Blocks
from neurodyn.inference.block_model.terms import Terms, graph_terms
from neurodyn.inference.random import as_key, key_words

# Up to so many nodes every node is a group of its own at first.
MOST_SINGLE = 150
FIRST_GROUPS = 80
SHRINK = 1.3
STAGE_SWEEPS = 3
# From so many groups on they merge one pair at a time, and nodes move by chance before they descend: close to the limit
# of what can be detected, descents alone end more than ten nats above the planted groups.
FEW_GROUPS = 12
STAGE_TEMPERATURES = (1.4, 1.4, 1.0, 1.0)
ROUNDS = 20
# Cooling of a shake; it starts at the posterior's own temperature.
TEMPERATURES = (1.0, 1.0, 1.0, 0.7, 0.4)
IDLE_SHAKES = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Partition:
    """Groups of nodes, numbered from 0 by falling size, then by their first node.

    Parameters
    ----------
    groups : (node,)
        Group of each node.
    description_length : float
        Nats; densities of weights in units of the mean weight.
    trace : (step,)
        Description length during the last descent of the start that was kept; never rises.
    starts : (start,)
        Description length that every start came to.
    path : dict
        For every number of groups that was met, the shortest description and its groups.
    """

    groups: Int[np.ndarray, " node"]
    description_length: float
    trace: np.ndarray
    starts: np.ndarray
    path: dict[int, tuple[float, np.ndarray]]

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.groups.max()) + 1


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
    terms = graph_terms(read_graph(adjacency), topology, weights)
    if len(groups) != terms.n_nodes:
        raise ModelError(f"groups has {len(groups)} entries; the adjacency has {terms.n_nodes} nodes.")
    return Blocks(terms, groups).description_length()


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
    return fit_terms(graph_terms(read_graph(adjacency), topology, weights), key=key, starts=starts)


def fit_models(
    adjacency: Shaped[np.ndarray, "..."],
    *,
    key,
    topologies: tuple[str, ...] = ("bernoulli", "degree-corrected"),
    weights: tuple[str, ...] = ("exponential",),
    starts: int = 2,
) -> dict[tuple[str, str], Partition]:
    """`fit` by several models of edges and weights, the shortest description first.

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
        Number of starts of every model.

    Returns
    -------
    dict
        From (topology, weights) to the division, in the order of description lengths.

    Raises
    ------
    ModelError
        As `fit`, or if ``"none"`` stands beside another model of weights.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.fitting import fit_models
    >>> next(iter(fit_models(np.kron(np.eye(2), np.ones((8, 8))), key=0)))
    ('bernoulli', 'exponential')
    """
    if "none" in weights and len(weights) > 1:
        raise ModelError(
            "weights has 'none' beside another model, but a description without the weights is no rival."
        )
    graph, found = read_graph(adjacency), {}
    for topology in topologies:
        for kind in weights:
            found[topology, kind] = fit_terms(graph_terms(graph, topology, kind), key=key, starts=starts)
    return dict(sorted(found.items(), key=lambda item: item[1].description_length))


def fit_terms(terms: Terms, *, key, starts: int = 2, shake: bool = True) -> Partition:
    """`fit` for terms that are there already, with or without the shakes at the end."""
    if starts < 1:
        raise ModelError(f"starts is {starts}; it must be at least 1.")
    words = key_words(as_key(key))
    path: dict[int, tuple[float, np.ndarray]] = {}
    runs = []
    for start in range(starts):
        rng = np.random.default_rng([*words, start])
        blocks, steps = settle(_agglomerate(terms, rng, path), rng)
        _note(blocks, path)
        runs.append((blocks.description_length(), blocks, steps))
    values = [run[0] for run in runs]
    # The first of those that no other is shorter than.
    _, best, trace = next(run for run in runs if run[0] <= min(values) + TOLERANCE)
    if shake:
        best, trace = _shake(best, trace, np.random.default_rng([*words, starts]))
    _note(best, path)
    groups = in_order(best.groups)
    value = Blocks(terms, groups).description_length()
    return Partition(groups, value, np.array(trace), np.array(values), path)


def _shake(best: Blocks, trace: list[float], rng: np.random.Generator) -> tuple[Blocks, list[float]]:
    """Leave the division by a Markov chain that cools down, and descend, until several shakes in a row bring nothing."""
    idle = 0
    while idle < IDLE_SHAKES:
        blocks = best.copy()
        for temperature in TEMPERATURES:
            gibbs_sweep(blocks, rng, 1 / temperature)
        blocks, steps = settle(blocks, rng)
        idle += 1
        if blocks.description_length() < best.description_length() - TOLERANCE:
            best, trace, idle = blocks, steps, 0
    return best, trace


def _agglomerate(terms: Terms, rng: np.random.Generator, path: dict[int, tuple[float, np.ndarray]]) -> Blocks:
    """From many groups to one by the cheapest mergers; the division with the shortest description on the way."""
    n = terms.n_nodes
    groups = rng.permutation(n) if n <= MOST_SINGLE else rng.integers(FIRST_GROUPS, size=n)
    blocks = Blocks(terms, groups)
    best, value = blocks.copy(), blocks.description_length()
    while True:
        if 1 < blocks.n_groups <= FEW_GROUPS:
            for temperature in STAGE_TEMPERATURES:
                gibbs_sweep(blocks, rng, 1 / temperature, keep_number=True)
        descend(blocks, sweeps=STAGE_SWEEPS, keep_number=True)
        blocks.refresh()
        _note(blocks, path)
        if blocks.description_length() < value - TOLERANCE:
            best, value = blocks.copy(), blocks.description_length()
        if blocks.n_groups == 1:
            return best
        fewer = max(int(blocks.n_groups / SHRINK), FEW_GROUPS)
        merge_best(blocks, min(blocks.n_groups - 1, fewer))


def _note(blocks: Blocks, path: dict[int, tuple[float, np.ndarray]]) -> None:
    """Remember the division if none of so many groups has a shorter description."""
    value = blocks.description_length()
    if value < path.get(blocks.n_groups, (np.inf,))[0]:
        path[blocks.n_groups] = (value, blocks.groups.copy())


def settle(blocks: Blocks, rng: np.random.Generator) -> tuple[Blocks, list[float]]:
    """Descend by all kinds of moves until none lowers the description length; the division and its trace."""
    trace = [blocks.description_length()]
    kinds: tuple[Callable[[Blocks], Blocks], ...] = (
        _in_place(descend),
        _in_place(merge_down),
        lambda now: split_down(now, rng),
        lambda now: merge_split_down(now, rng),
    )
    for _ in range(ROUNDS):
        before = trace[-1]
        for kind in kinds:
            blocks = kind(blocks)
            trace.append(blocks.description_length())
        blocks.refresh()
        if trace[-1] >= before - TOLERANCE:
            break
    return blocks, trace


def _in_place(change: Callable[[Blocks], float]) -> Callable[[Blocks], Blocks]:
    """A move that changes the division as one that returns it."""

    def moved(blocks: Blocks) -> Blocks:
        change(blocks)
        return blocks

    return moved


def in_order(groups: Int[np.ndarray, " node"]) -> Int[np.ndarray, " node"]:
    """Groups numbered from 0 by falling size, equal ones by their first node."""
    _, first, label, size = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(size), dtype=np.int64)
    rank[np.lexsort((first, -size))] = np.arange(len(size))
    return rank[label.reshape(-1)]
