"""An undirected weighted graph as a matrix: what a block model needs of it, checked once."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from neurodyn.errors import ModelError

ASYMMETRY = 1e-9


class Graph(NamedTuple):
    """A graph without self-loops.

    Parameters
    ----------
    edge : (node, node)
        Whether two nodes are joined; False on the diagonal.
    pair : (node, node)
        Whether it is known if two nodes are joined; False on the diagonal.
    weight : (node, node)
        Weight of each edge in units of their mean, 0 where there is none.
    """

    edge: Bool[np.ndarray, "node node"]
    pair: Bool[np.ndarray, "node node"]
    weight: Float[np.ndarray, "node node"]


def read_graph(adjacency: Shaped[np.ndarray, "..."]) -> Graph:
    """Check a matrix of weights and take it apart.

    Parameters
    ----------
    adjacency : (node, node)
        Symmetric weights, 0 where there is no edge, NaN where a pair was not observed. The diagonal is never read.

    Returns
    -------
    Graph
        Edges, observed pairs, and weights divided by their mean.

    Raises
    ------
    ModelError
        If the matrix is not square, not symmetric, or has a negative or infinite weight.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.graph import read_graph
    >>> read_graph(np.array([[0, 2, 6], [2, 0, np.nan], [6, np.nan, 0]])).weight[0].tolist()
    [0.0, 0.5, 1.5]
    """
    if adjacency.ndim != 2 or adjacency.shape[0] != adjacency.shape[1] or len(adjacency) == 0:
        raise ModelError(
            f"the adjacency has shape {adjacency.shape}; it must be (node, node), at least 1 node."
        )
    values = np.array(adjacency, dtype=np.float64)
    np.fill_diagonal(values, 0.0)
    pair = ~np.isnan(values)
    if (pair != pair.T).any():
        i, j = np.argwhere(pair != pair.T)[0]
        raise ModelError(
            f"the adjacency is NaN at one of ({i}, {j}) and ({j}, {i}) only; it must be symmetric."
        )
    values[~pair] = 0.0
    if not np.isfinite(values).all():
        i, j = np.argwhere(~np.isfinite(values))[0]
        raise ModelError(
            f"the adjacency is infinite at ({i}, {j}); weights must be finite, or NaN if not observed."
        )
    if (values < 0).any():
        i, j = np.argwhere(values < 0)[0]
        raise ModelError(
            f"the adjacency is {values[i, j]:g} at ({i}, {j}); weights must be 0 or more: "
            "fit the positive and the negative part as two graphs."
        )
    apart = np.abs(values - values.T)
    if (apart > ASYMMETRY * values.max(initial=0.0)).any():
        i, j = np.unravel_index(apart.argmax(), apart.shape)
        raise ModelError(
            f"the adjacency is {values[i, j]:g} at ({i}, {j}) and {values[j, i]:g} at ({j}, {i}); "
            "it must be symmetric, such as its mean with its transpose."
        )
    edge = values > 0
    edge = edge | edge.T
    np.fill_diagonal(pair, False)
    # Divided by the largest first: the sum of huge weights would overflow.
    values = values / values.max(initial=0.0) if edge.any() else values
    values = (values + values.T) / 2
    return Graph(edge, pair, values / values[edge].mean() if edge.any() else values)
