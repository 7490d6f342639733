"""Divisions to start a search from: those of the largest modularity."""

import numpy as np
from jaxtyping import Int

from neurodyn.inference.block_model.graph import Graph
from neurodyn.inference.block_model.moves import descend, merge_down
from neurodyn.inference.block_model.pooled import PooledBlocks
from neurodyn.inference.block_model.terms import Terms

ROUNDS = 10


def modularity_divisions(graph: Graph) -> list[Int[np.ndarray, " node"]]:
    r"""Divisions of the edges and of the weights by modularity, by descents of nodes and mergers of groups in turns.

    .. math:: Q = \sum_r \sum_{i < j \in r} \Big(A_{ij} - \frac{k_i k_j}{2m}\Big)

    Parameters
    ----------
    graph : Graph
        Edges and weights.

    Returns
    -------
    list of (node,)
        Groups by edges, then by weights.

    References
    ----------
    Newman (2006), Physical Review E 74, 036104, doi:10.1103/PhysRevE.74.036104.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.graph import read_graph
    >>> from neurodyn.inference.block_model.modularity import modularity_divisions
    >>> modularity_divisions(read_graph(np.kron(np.eye(2), np.ones((4, 4)))))[0].tolist()
    [0, 0, 0, 0, 1, 1, 1, 1]
    """
    result = []
    for matrix in (graph.edge.astype(np.float64), graph.weight):
        strength = matrix.sum(axis=0)
        gain = matrix - np.outer(strength, strength) / max(strength.sum(), 1e-300)
        np.fill_diagonal(gain, 0.0)
        result.append(_divided(gain))
    return result


def _divided(gain: np.ndarray) -> np.ndarray:
    """Groups of large inner sums."""
    n_nodes = len(gain)
    terms = Terms(
        (gain,),
        between=lambda inner: np.zeros(np.shape(inner)),
        within=lambda inner: -inner,
        group=lambda n, e: np.zeros(np.shape(n)),
        whole=lambda b: 0.0,
        edge_prior=lambda b: 0.0,
        constant=0.0,
        pooled=True,
    )
    blocks = PooledBlocks(terms, np.arange(n_nodes))
    for _ in range(ROUNDS):
        if descend(blocks) + merge_down(blocks) >= -1e-8:
            break
    return blocks.groups
