"""The weights' part of a description length: what to sum over pairs of groups, and what the sums cost."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int

from neurodyn.inference.block_model.graph import Graph
from neurodyn.inference.block_model.node_scales import FLOOR, node_scales
from neurodyn.inference.block_model.weights import exponential_cost, gaussian_cost, standardised

Part = tuple[tuple[np.ndarray, ...], Callable[..., np.ndarray], float]


def weight_terms(
    graph: Graph,
    weights: str,
    block: Int[np.ndarray, "node node"],
    most: int,
    *,
    rough: bool = False,
) -> Part:
    """Channels of weights, their cost, and the constant that brings densities to units of the mean weight.

    Parameters
    ----------
    graph : Graph
        Edges and their weights.
    weights : str
        One of `terms.Weights`.
    block : (node, node)
        Classes of pairs to which scales of nodes are fitted, numbered from 0.
    most : int
        Largest number of edges between two groups.
    rough : bool
        Whether to end the fit of scales early.

    Returns
    -------
    tuple
        Matrices ``(node, node)`` to sum; nats from (numbers of edges, their sums); nats that depend on no group.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.graph import read_graph
    >>> from neurodyn.inference.block_model.weight_terms import weight_terms
    >>> graph = read_graph(np.array([[0.0, 1.0], [1.0, 0.0]]))
    >>> [len(weight_terms(graph, kind, np.zeros((2, 2), int), 1)[0]) for kind in ("exponential", "none")]
    [1, 0]
    """
    if weights == "exponential":
        return (graph.weight,), exponential_cost(most), 0.0
    i, j = np.nonzero(np.triu(graph.edge))
    values = graph.weight[i, j]
    if weights != "none" and standardised(values) is not None:
        if weights == "gaussian":
            centred, unit = _standard(values)
            return (
                _channels(graph, i, j, centred, centred**2),
                gaussian_cost(most),
                len(i) * float(np.log(unit)),
            )
        logs = np.log(values)
        centred, unit = _standard(logs)
        constant = len(i) * float(np.log(unit)) + float(logs.sum())
        if weights == "lognormal":
            return _channels(graph, i, j, centred, centred**2), gaussian_cost(most), constant
        scales = node_scales(i, j, centred, block[i, j], len(block), rough=rough)
        rest = centred - scales.mean[i] - scales.mean[j]
        squares = rest**2 + scales.variance[i] + scales.variance[j]
        price = gaussian_cost(most, FLOOR if rough else 0.0)
        return _channels(graph, i, j, rest, squares), price, constant + scales.constant
    return (), lambda m: np.zeros(np.shape(m)), 0.0


def _standard(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Values less their mean in units of their standard deviation, and that unit."""
    spread = float(values.std())
    return (values - values.mean()) / spread, spread


def _channels(graph: Graph, i: np.ndarray, j: np.ndarray, *of_edges: np.ndarray) -> tuple[np.ndarray, ...]:
    """Symmetric matrices of values of edges."""
    result = []
    for values in of_edges:
        matrix = np.zeros(graph.weight.shape)
        matrix[i, j] = matrix[j, i] = values
        result.append(matrix)
    return tuple(result)
