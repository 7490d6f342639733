"""Graphs of units against what is known of them: another graph, or which units belong together; by permuted names."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import networkx
import numpy as np
from scipy.stats import rankdata

from neurodyn.errors import ModelError
from neurodyn.inference.random import as_key, key_words


class Permuted(NamedTuple):
    """A statistic beside its values under permuted names.

    Attributes
    ----------
    value : float
        Of the names as they are.
    expected : float
        Mean over permutations.
    upper : float
        The level that 95 % of the permutations stay below.
    p_value : float
        One-sided: the share of permutations at least as high, the names as they are counted among them.
    size : int
        Nodes, or pairs of names, that the statistic rests on.
    """

    value: float
    expected: float
    upper: float
    p_value: float
    size: int


def graph_association(
    first: networkx.Graph, second: networkx.Graph, *, key: Any, n_permutations: int = 1000
) -> Permuted:
    r"""Rank correlation of the edge weights of two graphs over the nodes they share (Mantel test).

    Pairs without an edge count as weight 0, unless the graph's attribute ``unobserved`` lists them (of the first graph,
    such as `neurodyn.models.connectome.graphs` makes): these are left out. Directions are added up. Weights of one graph
    are compared with those of the other, and with those after its nodes exchanged names, which keeps every structure but
    that of who is who.

    Parameters
    ----------
    first, second : networkx.Graph
        Weights in the edge attribute ``weight`` (1 where there is none), such as a component of a dynamic connectome and an
        anatomical connectome.
    key : int or jax.Array
        Draws the permutations.
    n_permutations : int
        Their number.

    Returns
    -------
    Permuted
        Spearman's correlation; `size` is the number of shared nodes.

    Raises
    ------
    ModelError
        If fewer than four nodes are shared.

    References
    ----------
    Mantel, N. (1967). The detection of disease clustering and a generalized regression approach. Cancer Research 27,
    209-220.

    Examples
    --------
    >>> import networkx
    >>> from neurodyn.analysis import graph_association
    >>> graph = networkx.gnm_random_graph(20, 60, seed=0)
    >>> found = graph_association(graph, graph, key=0, n_permutations=99)
    >>> round(found.value, 3), found.p_value
    (1.0, 0.01)
    """
    shared = [node for node in first if node in second]
    if len(shared) < 4:
        raise ModelError(
            f"the graphs share {len(shared)} nodes; a rank correlation over pairs needs four or more: check that both call "
            "units by the same names."
        )
    one, other = (_weights(graph, shared) for graph in (first, second))
    pairs = np.triu_indices(len(shared), 1)
    hidden = {frozenset(pair) for graph in (first, second) for pair in graph.graph.get("unobserved", ())}
    if hidden:
        seen = [frozenset((shared[a], shared[b])) not in hidden for a, b in zip(*pairs, strict=True)]
        pairs = tuple(end[seen] for end in pairs)
    ranks = rankdata(one[pairs])
    # Ranks of the other graph as a matrix, so that a permutation only moves them.
    moved = np.zeros_like(other)
    every = np.triu_indices(len(shared), 1)
    moved[every] = rankdata(other[every])
    moved = moved + moved.T
    draw = np.random.default_rng(key_words(as_key(key)))
    value = _correlation(ranks, moved[pairs])
    null = np.empty(n_permutations)
    for at in range(n_permutations):
        order = draw.permutation(len(shared))
        null[at] = _correlation(ranks, moved[np.ix_(order, order)][pairs])
    return _beside(value, null, len(shared))


def together(
    groups: Mapping[Hashable, Hashable],
    pairs: Iterable[tuple[Hashable, Hashable]],
    *,
    key: Any,
    n_permutations: int = 1000,
) -> Permuted:
    """Share of pairs of units that are in one group, beside what it is when units exchange names.

    Parameters
    ----------
    groups : mapping
        Group of every unit.
    pairs : iterable of tuple
        Names that belong together, such as left and right homologues; pairs of which a unit has no group are left out.
    key : int or jax.Array
        Draws the permutations.
    n_permutations : int
        Their number.

    Returns
    -------
    Permuted
        Share of pairs; `size` is their number.

    Raises
    ------
    ModelError
        If no pair is left.

    Examples
    --------
    >>> from neurodyn.analysis import together
    >>> groups = {f"{name}{side}": name in "abcd" for name in "abcdefgh" for side in "LR"}
    >>> found = together(groups, [(f"{name}L", f"{name}R") for name in "abcdefgh"], key=0)
    >>> found.value, bool(0.3 < found.expected < 0.6), bool(found.p_value < 0.01)
    (1.0, True, True)
    """
    names = list(groups)
    place = {name: at for at, name in enumerate(names)}
    known = np.array(
        [(place[a], place[b]) for a, b in pairs if a in place and b in place], dtype=int
    ).reshape(-1, 2)
    if not len(known):
        raise ModelError("no pair has both its units among the groups; check that names are written alike.")
    codes = np.unique([str(group) for group in groups.values()], return_inverse=True)[1]
    draw = np.random.default_rng(key_words(as_key(key)))

    def share(of: np.ndarray) -> float:
        return float((of[known[:, 0]] == of[known[:, 1]]).mean())

    null = np.array([share(codes[draw.permutation(len(codes))]) for _ in range(n_permutations)])
    return _beside(share(codes), null, len(known))


def _weights(graph: networkx.Graph, nodes: list) -> np.ndarray:
    """Symmetric matrix of weights, both directions added."""
    found = networkx.to_numpy_array(graph, nodelist=nodes, weight="weight", nonedge=0.0)
    return found + found.T if graph.is_directed() else found


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson correlation of ranks; 0 where either is constant."""
    one, other = one - one.mean(), other - other.mean()
    size = np.sqrt((one @ one) * (other @ other))
    return float(one @ other / size) if size > 0 else 0.0


def _beside(value: float, null: np.ndarray, size: int) -> Permuted:
    """A value beside its permutations."""
    p_value = (1 + int((null >= value - 1e-12).sum())) / (1 + len(null))
    return Permuted(value, float(null.mean()), float(np.quantile(null, 0.95)), p_value, size)
