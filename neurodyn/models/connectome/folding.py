"""From components to graphs of units, from graphs to communities, and out to other tools."""

import pathlib
from collections.abc import Mapping
from typing import Any

import networkx
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.inference.block_model.fitting import TOPOLOGIES, fit_models
from neurodyn.inference.block_model.hierarchy import fit_nested
from neurodyn.inference.random import as_key, key_words
from neurodyn.models.connectome.measures import SIGNS

UNOBSERVED = "unobserved"
NESTED = ("bernoulli", "degree-corrected")
WEIGHTS = ("exponential", "gaussian", "lognormal", "lognormal-corrected")


def graphs(factors: xr.Dataset | Any, sign: str = SIGNS[0]) -> dict[int, networkx.Graph]:
    """Fold the pairs of every component to a weighted graph of units.

    Parameters
    ----------
    factors : xr.Dataset or DynamicConnectomeFit
        What `factorise` returns, or a fit.
    sign : {"together", "opposed"}
        Which channel of affinities in two, as of ``WindowCorrelation(signed=True)``.

    Returns
    -------
    dict of int to networkx.Graph
        By component. Edges have ``weight``: the loading times the component's weight; a loading of 0 is no edge. Pairs that
        were never observed together are no edges either, and listed in the graph's attribute ``unobserved``.

    Raises
    ------
    ModelError
        If there is no such channel.

    Examples
    --------
    >>> import xarray as xr
    >>> from neurodyn.models.connectome import graphs
    >>> factors = xr.Dataset(
    ...     {"pair": (("unit", "component"), [[0.8], [0.0], [0.6]]), "weight": ("component", [2.0])},
    ...     coords={"source": ("unit", ["a", "a", "b"]), "target": ("unit", ["b", "c", "c"])},
    ... )
    >>> sorted(graphs(factors)[0].edges(data="weight"))
    [('a', 'b', 1.6), ('b', 'c', 1.2)]
    """
    factors = factors if isinstance(factors, xr.Dataset) else factors.parameters
    if sign not in SIGNS or (sign != SIGNS[0] and "sign" not in factors.coords):
        raise ModelError(
            f"sign is {sign!r}; choose 'together', or 'opposed' where affinities have two channels, as those of "
            "WindowCorrelation(signed=True)."
        )
    if "sign" in factors.coords:
        factors = factors.isel(unit=factors["sign"].values == sign)
    ends = [factors[end].values.astype(str) for end in ("source", "target")]
    nodes = np.unique(np.concatenate(ends)).tolist()
    loads = factors["pair"].transpose("unit", "component").values * factors["weight"].values
    if "pair_seen" in factors:
        loads = np.where(factors["pair_seen"].values[:, None], loads, np.nan)
    pairs = list(zip(ends[0].tolist(), ends[1].tolist(), strict=True))
    hidden = [pair for pair, row in zip(pairs, loads, strict=True) if np.isnan(row).any()]
    found = {}
    for component, column in enumerate(loads.T):
        graph = networkx.Graph(component=component, **{UNOBSERVED: hidden})
        graph.add_nodes_from(nodes)
        graph.add_weighted_edges_from(
            (*pair, float(load)) for pair, load in zip(pairs, column, strict=True) if load > 0
        )
        found[component] = graph
    return found


def communities(
    graph: networkx.Graph,
    *,
    key: Any,
    topologies: tuple[str, ...] = TOPOLOGIES,
    weights: tuple[str, ...] = WEIGHTS,
    starts: int = 1,
) -> xr.Dataset:
    """Communities of a weighted graph by the shortest description, level by level.

    Every model of the edges and of the weights on them is fitted; the one with the shortest description is kept, and where
    its edges are those of a plain or degree-corrected model, communities are grouped further by a nested one. No number of
    communities is asked for: where one block describes the graph best, there is one.

    Parameters
    ----------
    graph : networkx.Graph
        Undirected; weights above 0 in ``weight`` (1 where there is none). Pairs in the graph's attribute ``unobserved`` are
        left out of the description, which then is the Bernoulli one.
    key : int or jax.Array
        Randomness.
    topologies : tuple of str
        Models of the edges, of those that `neurodyn.inference.block_model.fitting.fit_models` knows.
    weights : tuple of str
        Models of the weights, or ("none",).
    starts : int
        Starts of the search.

    Returns
    -------
    xr.Dataset
        ``group (level, node)``, level 0 the finest, groups numbered from 0; ``description_length (model)`` in nats.
        Attributes ``topology`` and ``weights`` of the model that was chosen.

    Raises
    ------
    ModelError
        If the graph has no node, is directed, or has a weight that is negative or not finite.

    References
    ----------
    Peixoto, T. P. (2018). Nonparametric weighted stochastic block models. Physical Review E 97, 012306.
    doi:10.1103/PhysRevE.97.012306

    Examples
    --------
    >>> import networkx
    >>> from neurodyn.models.connectome import communities
    >>> found = communities(networkx.disjoint_union(networkx.complete_graph(8), networkx.complete_graph(8)), key=0)
    >>> found["group"].isel(level=0).values.tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    adjacency = _adjacency(graph)
    nodes = [str(node) for node in graph]
    if len(nodes) == 1 or not (adjacency > 0).any():
        return _labelled(np.zeros((1, len(nodes)), int), nodes, {}, ("none", "none"))
    if np.isnan(adjacency).any():
        topologies = ("bernoulli",)
    found = fit_models(adjacency, key=key, topologies=topologies, weights=weights, starts=starts)
    lengths = {f"{name[0]}, {name[1]}": part.description_length for name, part in found.items()}
    topology, of_weights = next(iter(found))
    best = found[topology, of_weights]
    levels = [best.groups]
    if topology in NESTED:
        nested = fit_nested(adjacency, key=key, topology=topology, weights=of_weights, starts=starts)
        levels = [nested.at(level) for level in range(len(nested.levels))]
        lengths[f"{topology}, {of_weights}, nested"] = nested.description_length
    return _labelled(np.stack([_numbered(level) for level in levels]), nodes, lengths, (topology, of_weights))


def louvain(graph: networkx.Graph, *, key: Any) -> dict[Any, int]:
    """Communities of largest modularity (Louvain), by node.

    Parameters
    ----------
    graph : networkx.Graph
        Undirected, weights in ``weight``.
    key : int or jax.Array
        Order of the moves.

    Returns
    -------
    dict
        Community of every node.

    References
    ----------
    Blondel, V. D. et al. (2008). Fast unfolding of communities in large networks. Journal of Statistical Mechanics, P10008.
    doi:10.1088/1742-5468/2008/10/P10008

    Examples
    --------
    >>> import networkx
    >>> from neurodyn.models.connectome import louvain
    >>> len(set(louvain(networkx.disjoint_union(networkx.complete_graph(4), networkx.complete_graph(4)), key=0).values()))
    2
    """
    _adjacency(graph)
    found = networkx.community.louvain_communities(
        graph, weight="weight", seed=int(key_words(as_key(key))[-1])
    )
    return {node: number for number, members in enumerate(found) for node in members}


def leiden(graph: networkx.Graph, *, key: Any) -> dict[Any, int]:
    """Communities of largest modularity (Leiden), by node; needs the extra ``graph``.

    Parameters
    ----------
    graph : networkx.Graph
        Undirected, weights in ``weight``.
    key : int or jax.Array
        Order of the moves.

    Returns
    -------
    dict
        Community of every node.

    Raises
    ------
    NotApplicable
        If igraph and leidenalg are not installed.

    References
    ----------
    Traag, V. A., Waltman, L. & van Eck, N. J. (2019). From Louvain to Leiden: guaranteeing well-connected communities.
    Scientific Reports 9, 5233. doi:10.1038/s41598-019-41695-z
    """
    try:
        import igraph
        import leidenalg
    except ImportError as error:
        raise NotApplicable(
            "leiden needs igraph and leidenalg, which are not installed; pip install 'neurodyn[graph]', or use louvain."
        ) from error
    _adjacency(graph)
    nodes = list(graph)
    place = {node: at for at, node in enumerate(nodes)}
    edges = [(place[a], place[b]) for a, b in graph.edges]
    other = igraph.Graph(n=len(nodes), edges=edges)
    strength = [graph[a][b].get("weight", 1.0) for a, b in graph.edges]
    found = leidenalg.find_partition(
        other,
        leidenalg.ModularityVertexPartition,
        weights=strength,
        seed=int(key_words(as_key(key))[-1] % 2**31),
    )
    return dict(zip(nodes, found.membership, strict=True))


def write_graph(
    graph: networkx.Graph, path: Any, groups: xr.Dataset | Mapping[Any, int] | None = None
) -> pathlib.Path:
    """Write a graph, and to which communities its nodes belong, as GraphML.

    Parameters
    ----------
    graph : networkx.Graph
        Such as one of `graphs`.
    path : str or os.PathLike
        Ends in ``.graphml``.
    groups : xr.Dataset or mapping, optional
        What `communities` or `louvain` return; nodes get the attributes ``group_0`` (the finest), ``group_1``, ... or
        ``group``.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ModelError
        If the path has another ending, or its folder does not exist.

    Examples
    --------
    >>> import networkx, tempfile, pathlib
    >>> from neurodyn.models.connectome import louvain, write_graph
    >>> graph = networkx.path_graph(["a", "b", "c"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_graph(graph, pathlib.Path(folder) / "chain.graphml", louvain(graph, key=0))
    ...     again = networkx.read_graphml(path)
    >>> sorted(again.nodes)
    ['a', 'b', 'c']
    """
    target = pathlib.Path(path)
    if target.suffix != ".graphml":
        raise ModelError(f"the graph would be written to {target.name}; give a name that ends in .graphml.")
    if not target.parent.is_dir():
        raise ModelError(f"the folder {target.parent} does not exist; make it before writing {target.name}.")
    plain = networkx.Graph()
    plain.add_nodes_from(graph.nodes(data=True))
    plain.add_edges_from(graph.edges(data=True))
    if isinstance(groups, xr.Dataset):
        place = {name: at for at, name in enumerate(groups["node"].values.astype(str).tolist())}
        for level in range(groups.sizes["level"]):
            row = groups["group"].values[level]
            values = {node: int(row[place[str(node)]]) for node in plain if str(node) in place}
            networkx.set_node_attributes(plain, values, f"group_{level}")
    elif groups is not None:
        networkx.set_node_attributes(plain, {node: int(number) for node, number in groups.items()}, "group")
    networkx.write_graphml(plain, target)
    return target


def _adjacency(graph: networkx.Graph) -> np.ndarray:
    """Symmetric weights, 0 without an edge, NaN where unobserved; what is no such graph is refused."""
    if graph.is_directed() or graph.is_multigraph():
        raise ModelError(
            "the graph is directed or has parallel edges; make it simple first, as with graph.to_undirected()."
        )
    if not len(graph):
        raise ModelError("the graph has no node; give one with at least one.")
    names = [str(node) for node in graph]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ModelError(f"two nodes are both called {twice!r}; give every node a name of its own.")
    for a, b, weight in graph.edges(data="weight", default=1.0):
        if not np.isfinite(weight) or weight < 0:
            raise ModelError(
                f"the edge {a!r} to {b!r} has weight {weight}; weights are finite and 0 or more."
            )
    nodes = list(graph)
    found = networkx.to_numpy_array(graph, nodelist=nodes, weight="weight", nonedge=0.0)
    np.fill_diagonal(found, 0.0)
    place = {node: at for at, node in enumerate(nodes)}
    for a, b in graph.graph.get(UNOBSERVED, ()):
        if a in place and b in place:
            found[place[a], place[b]] = found[place[b], place[a]] = np.nan
    return found


def _numbered(groups: np.ndarray) -> np.ndarray:
    """Groups numbered in the order in which nodes meet them."""
    _, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[codes]


def _labelled(
    groups: np.ndarray, nodes: list[str], lengths: dict[str, float], chosen: tuple[str, str]
) -> xr.Dataset:
    """Groups by level and node."""
    return xr.Dataset(
        {
            "group": (("level", "node"), groups),
            "description_length": ("model", np.array(list(lengths.values()), dtype=float)),
        },
        coords={"level": np.arange(len(groups)), "node": nodes, "model": np.array(list(lengths), dtype=str)},
        attrs={"topology": chosen[0], "weights": chosen[1]},
    )
