r"""Groups of groups: the numbers of edges between groups are themselves a graph with a block model.

A flat model pays :math:`\log\binom{B(B+1)/2 + E - 1}{E}` for its numbers of edges, which grows as :math:`B^2` and hides
groups of fewer than about :math:`\sqrt N` nodes. Telling them by a block model of their own, level by level up to one group,
costs about :math:`B \log B` where they have structure.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped

from neurodyn.errors import ModelError
from neurodyn.inference.block_model.fitting import fit_graph
from neurodyn.inference.block_model.graph import read_graph
from neurodyn.inference.block_model.moves import TOLERANCE, split
from neurodyn.inference.block_model.search import Partition, fit_terms, in_order
from neurodyn.inference.block_model.state import Blocks
from neurodyn.inference.block_model.terms import POOLED, Terms, graph_terms, multigraph_terms
from neurodyn.inference.random import as_key, key_words


@dataclasses.dataclass(frozen=True, eq=False)
class Hierarchy:
    """Groups, groups of groups, and so on up to one.

    Parameters
    ----------
    levels : tuple of (member,)
        Group of each node; then of each group the group one level above. The last level has one group.
    description_length : float
        Nats of all levels.
    flat : Partition
        The best division without levels above.
    """

    levels: tuple[np.ndarray, ...]
    description_length: float
    flat: Partition

    @property
    def groups(self) -> np.ndarray:
        """Group of each node on the lowest level."""
        return self.levels[0]

    def at(self, level: int) -> np.ndarray:
        """Group of each node on a level, 0 the lowest."""
        groups = self.levels[0]
        for upper in self.levels[1 : level + 1]:
            groups = upper[groups]
        return groups


def nested_description_length(
    adjacency: Shaped[np.ndarray, "..."],
    levels: Sequence[np.ndarray],
    *,
    topology: str = "bernoulli",
    weights: str = "exponential",
) -> float:
    r"""Nats that a weighted graph takes to describe by its groups and the groups of those.

    .. math:: L = L_0(b_0) + \sum_{l \ge 1} \Big[\sum_{r \le s}
        \log\binom{n^l_{rs} + e^l_{rs} - 1}{e^l_{rs}} - \log P(b_l)\Big]

    where :math:`L_0` is `fitting.description_length` without the prior of the numbers of edges between groups, which the
    levels above tell: :math:`e^l_{rs}` edges between two groups of level `l`, and :math:`n^l_{rs}` pairs of their members.

    Parameters
    ----------
    adjacency : (node, node)
        Symmetric weights; 0 = no edge, NaN = not observed.
    levels : sequence of (member,)
        Group of each node, then of each group of the level below, numbered from 0; one group on the last.
    topology : {"bernoulli", "degree-corrected"}
        Model of the edges.
    weights : {"exponential", "gaussian", "none"}
        Model of the weights.

    Returns
    -------
    float
        Nats; one more than `fitting.description_length` by log B where one group holds all `B`.

    Raises
    ------
    ModelError
        If the levels do not fit each other, or as `fitting.description_length`.

    References
    ----------
    Peixoto (2014), Physical Review X 4, 011047, doi:10.1103/PhysRevX.4.011047.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.fitting import description_length
    >>> from neurodyn.inference.block_model.hierarchy import nested_description_length
    >>> graph, groups = np.kron(np.eye(2), np.ones((4, 4))), np.repeat([0, 1], 4)
    >>> nested = nested_description_length(graph, [groups, np.zeros(2, int)])
    >>> bool(np.isclose(nested, description_length(graph, groups) + np.log(2)))
    True
    """
    _refuse_pooled(topology)
    return _value(graph_terms(read_graph(adjacency), topology, weights, levels[0]), levels)


def fit_nested(
    adjacency: Shaped[np.ndarray, "..."],
    *,
    key,
    topology: str = "bernoulli",
    weights: str = "exponential",
    starts: int = 2,
) -> Hierarchy:
    """The groups, and groups of groups, that describe a weighted graph in the fewest nats.

    The best divisions into every number of groups that `fitting.fit` met each get the levels above that describe their
    numbers of edges best; the shortest description is kept, its groups are split where that shortens it further, and
    the levels above are found anew.

    Parameters
    ----------
    adjacency : (node, node)
        Symmetric weights; 0 = no edge, NaN = not observed (with ``topology="bernoulli"``).
    key : int or jax.Array
        Randomness.
    topology : {"bernoulli", "degree-corrected"}
        Model of the edges.
    weights : {"exponential", "gaussian", "none"}
        Model of the weights.
    starts : int
        Number of starts of `fitting.fit`.

    Returns
    -------
    Hierarchy
        The levels and their description length.

    Raises
    ------
    ModelError
        As `fitting.fit`.

    References
    ----------
    Peixoto (2014), Physical Review X 4, 011047, doi:10.1103/PhysRevX.4.011047.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.hierarchy import fit_nested
    >>> cliques = np.kron(np.eye(2), np.ones((8, 8)))
    >>> [int(level.max()) + 1 for level in fit_nested(cliques, key=0).levels]
    [2, 1]
    """
    graph = read_graph(adjacency)
    _refuse_pooled(topology)
    flat = fit_graph(graph, topology, weights, key=key, starts=starts)
    terms = graph_terms(graph, topology, weights, flat.groups)
    seed = key_words(as_key(key))
    candidates = {**flat.path, flat.n_groups: (flat.description_length, flat.groups)}
    best, value = [flat.groups], np.inf
    # The most promising first: levels above cost at least nothing.
    lengths = {b: Blocks(terms, groups).description_length() for b, (_, groups) in candidates.items()}
    bounds = sorted((length - terms.edge_prior(b), b) for b, length in lengths.items())
    for bound, b in bounds:
        if bound >= value:
            break
        levels = _with_levels_above(Blocks(terms, candidates[b][1]), seed)
        length = _value(terms, levels)
        if length < value:
            best, value = levels, length
    best, value = _split_further(terms, best, value, seed)
    return Hierarchy(tuple(_numbered(best)), value, flat)


def _refuse_pooled(topology: str) -> None:
    """Refuse a topology without numbers of edges between groups."""
    if topology in POOLED:
        raise ModelError(
            f"topology is {topology!r}, which pools what is between groups, so that there is nothing for levels above "
            "to tell; fit another topology, or use fitting.fit."
        )


def _value(terms: Terms, levels: Sequence[np.ndarray]) -> float:
    """Nats of all levels."""
    total = 0.0
    for at, groups in enumerate(levels):
        if len(groups) != terms.n_nodes:
            raise ModelError(
                f"level {at} has {len(groups)} entries; the level below has {terms.n_nodes} groups."
            )
        blocks = Blocks(terms, groups)
        total += blocks.description_length() - terms.edge_prior(blocks.n_groups)
        terms = multigraph_terms(blocks.edges_between)
    if terms.n_nodes != 1:
        raise ModelError(f"the last level has {terms.n_nodes} groups; it must have 1.")
    return total


def _with_levels_above(blocks: Blocks, seed: list[int]) -> list[np.ndarray]:
    """The division and, level by level, the best flat division of its numbers of edges, until one group is left.

    A level is chosen before it is known what those above it cost, so in the end each is tried as the last but one.
    """
    terms_below, levels = blocks.terms, [blocks.groups.copy()]
    while blocks.n_groups > 1:
        terms = multigraph_terms(blocks.edges_between)
        key = np.array(seed, dtype=np.uint32)
        groups = fit_terms(terms, key=key, starts=1, shake=False).groups
        if groups.max() + 1 == len(groups):
            groups = np.zeros_like(groups)
        levels.append(groups)
        blocks = Blocks(terms, groups)
    shorter = [[*levels[:at], np.zeros(len(levels[at]), dtype=np.int64)] for at in range(1, len(levels) - 1)]
    return min([levels, *shorter], key=lambda some: _value(terms_below, some))


def _split_further(
    terms: Terms, levels: list[np.ndarray], value: float, seed: list[int]
) -> tuple[list[np.ndarray], float]:
    """Split groups of the lowest level, both halves in the same group above, while the description gets shorter."""
    rng, blocks = np.random.default_rng(seed), Blocks(terms, levels[0])
    pending, first = list(range(blocks.n_groups)), value
    while pending and len(levels) > 1:
        group = pending.pop()
        for how in ("edges", "weights"):
            trial = split(blocks, group, rng, how)
            if trial is None:
                break
            wider = [trial.groups, np.append(levels[1], levels[1][group]), *levels[2:]]
            length = _value(terms, wider)
            if length < value - TOLERANCE:
                blocks, levels, value = trial, wider, length
                pending += [group, blocks.n_groups - 1]
                break
    if value < first:
        again = _with_levels_above(Blocks(terms, blocks.groups), seed)
        length = _value(terms, again)
        if length < value:
            levels, value = again, length
    return levels, value


def _numbered(levels: list[np.ndarray]) -> list[np.ndarray]:
    """The same levels with groups numbered by falling size, in members of their level."""
    result, upper = [], None
    for groups in levels:
        if upper is not None:
            # Members of this level are the groups below in their new order.
            groups = groups[upper]
        number = in_order(groups)
        upper = np.empty(int(number.max()) + 1, dtype=np.int64)
        upper[number] = groups
        result.append(number)
    return result
