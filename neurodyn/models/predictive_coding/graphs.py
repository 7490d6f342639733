"""Predictive-coding networks as networkx graphs, and back."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neurodyn.errors import ModelError
from neurodyn.models.predictive_coding.parts import INPUT_KINDS, PARAMETERS, Belief, Input

if TYPE_CHECKING:
    import networkx

    from neurodyn.models.predictive_coding.network import PredictiveCodingNetwork

BELIEF = "belief"
BOTH = "both"
COUPLINGS = {"value": ("value",), "volatility": ("volatility",), BOTH: ("value", "volatility")}
OF_INPUTS = ("precision", "source", "category")
OF_BELIEFS = (*PARAMETERS, "coupling_function")


def graph_of(network: "PredictiveCodingNetwork") -> "networkx.DiGraph":
    """Nodes and couplings as a graph; the other hyperparameters are kept as its attribute ``settings``.

    Parameters
    ----------
    network : PredictiveCodingNetwork
        The network.

    Returns
    -------
    networkx.DiGraph
        From parents to children, nodes in the order of the network.

    Raises
    ------
    ModelError
        If a belief names its children in contradictory orders, which a graph cannot hold.

    Examples
    --------
    >>> from neurodyn.models import HGF
    >>> graph_of(HGF(3)).nodes["x2"]["level"]
    2
    """
    import networkx

    nodes = network.nodes
    graph = networkx.DiGraph(settings={name: getattr(network, name) for name in _settings(type(network))})
    for node in nodes:
        if isinstance(node, Input):
            graph.add_node(node.name, kind=node.kind, parameters={"precision": node.precision})
            named = {name: getattr(node, name) for name in ("source", "category")}
        else:
            values = {name: getattr(node, name) for name in PARAMETERS}
            graph.add_node(node.name, kind=BELIEF, parameters=values)
            named = {"coupling_function": node.coupling_function}
        graph.nodes[node.name].update({name: value for name, value in named.items() if value is not None})
    for node in nodes:
        if isinstance(node, Belief):
            for child in _children(node):
                value, volatility = child in node.value_children, child in node.volatility_children
                graph.add_edge(
                    node.name,
                    child,
                    coupling=BOTH if value and volatility else "value" if value else "volatility",
                    function=node.coupling_function if value else None,
                )
    for name in reversed(list(networkx.topological_sort(graph))):
        below = [graph.nodes[child]["level"] for child in graph.successors(name)]
        graph.nodes[name]["level"] = 1 + max(below, default=0) if graph.nodes[name]["kind"] == BELIEF else 0
    return graph


def _children(belief: Belief) -> list[str]:
    """All children, in an order that agrees with both of the belief's own."""
    import networkx

    chain = networkx.DiGraph()
    networkx.add_path(chain, belief.value_children)
    networkx.add_path(chain, belief.volatility_children)
    try:
        return list(networkx.topological_sort(chain))
    except networkx.NetworkXUnfeasible:
        raise ModelError(
            f"belief {belief.name!r} names children in one order as value children and in another as volatility children, "
            "which a graph cannot hold; name them in the same order."
        ) from None


def network_of(
    network: "type[PredictiveCodingNetwork]", graph: "networkx.DiGraph", settings: Mapping[str, Any]
) -> "PredictiveCodingNetwork":
    """The network that a graph draws.

    Parameters
    ----------
    network : type
        What to make.
    graph : networkx.DiGraph
        From parents to children; see `neurodyn.models.PredictiveCodingNetwork.from_graph`.
    settings : mapping
        Hyperparameters beside the nodes, in place of those that the graph holds.

    Returns
    -------
    PredictiveCodingNetwork
        With the nodes in the order of the graph.

    Raises
    ------
    ModelError
        If the graph is not directed, a kind, an attribute, a coupling or a setting is unknown, an input has children, or
        the value couplings of a belief have several functions.

    Examples
    --------
    >>> from neurodyn.models import HGF, PredictiveCodingNetwork
    >>> network_of(PredictiveCodingNetwork, graph_of(HGF(3)), {}) == HGF(3)
    True
    """
    import networkx

    if not isinstance(graph, networkx.DiGraph):
        raise ModelError(
            f"from_graph got {type(graph).__name__}; give a networkx.DiGraph with edges from parents to children."
        )
    complete = {**graph.graph.get("settings", {}), **settings}
    allowed = _settings(network)
    for name in complete:
        if name not in allowed:
            raise ModelError(f"from_graph got the unknown setting {name!r}; there are {', '.join(allowed)}.")
    return network(nodes=tuple(_node(graph, label) for label in graph.nodes), **complete)


def _settings(network: "type[PredictiveCodingNetwork]") -> list[str]:
    """Names of the hyperparameters beside the nodes."""
    return [field.name for field in dataclasses.fields(network) if field.name != "nodes"]


def _node(graph: "networkx.DiGraph", label: Any) -> Input | Belief:
    """One node with its children."""
    given = {name: value for name, value in graph.nodes[label].items() if name != "level"}
    kind = given.pop("kind", BELIEF)
    values = {**given.pop("parameters", {}), **given}
    if kind not in (*INPUT_KINDS, BELIEF):
        raise ModelError(
            f"the node {label!r} has the kind {kind!r}; inputs are {', '.join(INPUT_KINDS)}, and beliefs need no kind."
        )
    allowed = OF_BELIEFS if kind == BELIEF else OF_INPUTS
    strange = [name for name in values if name not in allowed]
    if strange:
        raise ModelError(
            f"the node {label!r} has the attribute {strange[0]!r}; {'a belief' if kind == BELIEF else 'an input'} can have "
            f"{', '.join(allowed)}."
        )
    children, functions = _couplings(graph, label)
    if kind != BELIEF:
        for child in (*children["value"], *children["volatility"]):
            raise ModelError(
                f"{label!r} is an input, so it cannot be the parent of {child!r}; turn the edge around."
            )
        return Input(str(label), kind=kind, **values)
    own = values.pop("coupling_function", None)
    if own is not None:
        functions = {own} | (functions - {None})
    if len(functions) > 1:
        raise ModelError(
            f"the value couplings of {label!r} have different functions, {', '.join(sorted(map(str, functions)))}; all "
            "couplings of a belief share one."
        )
    return Belief(
        str(label),
        value_children=tuple(children["value"]),
        volatility_children=tuple(children["volatility"]),
        coupling_function=next(iter(functions), None),
        **values,
    )


def _couplings(graph: "networkx.DiGraph", label: Any) -> tuple[dict[str, list[str]], set[Any]]:
    """Children of a node by coupling, in the order of its edges, and the functions of its value couplings."""
    children: dict[str, list[str]] = {"value": [], "volatility": []}
    functions = set()
    for _, child, edge in graph.out_edges(label, data=True):
        coupling = edge.get("coupling")
        if coupling not in COUPLINGS:
            raise ModelError(
                f"the edge from {label!r} to {child!r} has the coupling {coupling!r}; choose one of {', '.join(COUPLINGS)}."
            )
        for one in COUPLINGS[coupling]:
            children[one].append(str(child))
        function = edge.get("function")
        if "value" in COUPLINGS[coupling]:
            functions.add(function)
        elif function is not None:
            raise ModelError(
                f"the volatility coupling from {label!r} to {child!r} has a function; only value coupling has."
            )
    return children, functions
