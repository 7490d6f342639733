"""Predictive-coding networks as networkx graphs, and back."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neurodyn.errors import ModelError
from neurodyn.models.predictive_coding.composed import SwitchingInput, VolatileBelief
from neurodyn.models.predictive_coding.parts import INPUT_KINDS, Belief, Input
from neurodyn.models.predictive_coding.plans import INPUTS, Part, single
from neurodyn.models.predictive_coding.tracked import BetaInput, GaussianInput

if TYPE_CHECKING:
    import networkx

    from neurodyn.models.predictive_coding.network import PredictiveCodingNetwork

BELIEF = "belief"
BOTH = "both"
COUPLINGS = {"value": ("value",), "volatility": ("volatility",), BOTH: ("value", "volatility")}
KINDS: dict[str, type] = {
    **dict.fromkeys(INPUT_KINDS, Input),
    "gaussian": GaussianInput,
    "beta": BetaInput,
    "switching": SwitchingInput,
    "binary_switching": SwitchingInput,
    BELIEF: Belief,
    "volatile": VolatileBelief,
}
KINDS_OF_INPUTS = tuple(kind for kind, part in KINDS.items() if part in INPUTS)
NAMED = ("source", "category", "contexts", "coupling_function")  # attributes that are no parameters
ELSEWHERE = ("name", "kind", "value_children", "volatility_children")


def _attributes(kind: str) -> list[str]:
    """What a node of a kind can have."""
    return [field.name for field in dataclasses.fields(KINDS[kind]) if field.name not in ELSEWHERE]


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

    graph = networkx.DiGraph(settings={name: getattr(network, name) for name in _settings(type(network))})
    for part in network.nodes:
        _add_nodes(graph, part)
    for part in network.nodes:
        for name in part.inside:
            if isinstance(part, INPUTS):
                graph.add_edge(name, part.name, coupling="value", function=None)
    for belief in single(network.nodes):
        if isinstance(belief, Belief):
            for child in _children(belief):
                value, volatility = child in belief.value_children, child in belief.volatility_children
                graph.add_edge(
                    belief.name,
                    child,
                    coupling=BOTH if value and volatility else "value" if value else "volatility",
                    function=belief.coupling_function if value else None,
                )
    for name in reversed(list(networkx.topological_sort(graph))):
        below = [graph.nodes[child]["level"] for child in graph.successors(name)]
        lowest = graph.nodes[name]["kind"] in KINDS_OF_INPUTS
        graph.nodes[name]["level"] = 0 if lowest else 1 + max(below, default=0)
    return graph


def _kind(part: Part) -> str:
    """What the graph calls a part."""
    if isinstance(part, SwitchingInput):
        return "binary_switching" if part.kind == "binary" else "switching"
    if isinstance(part, Input):
        return part.kind
    return next(kind for kind, cls in KINDS.items() if isinstance(part, cls))


def _add_nodes(graph: "networkx.DiGraph", part: Part) -> None:
    """A part with its parameters; what is inside it follows as nodes that say so."""
    kind = _kind(part)
    values = {name: getattr(part, name) for name in _attributes(kind)}
    named = {name: values.pop(name) for name in NAMED if name in values}
    graph.add_node(part.name, kind=kind, parameters=values)
    graph.nodes[part.name].update({name: value for name, value in named.items() if value is not None})
    for name in part.inside:
        inner = "context" if isinstance(part, SwitchingInput) else name.rpartition(".")[2].replace("_", " ")
        graph.add_node(name, kind=inner, inside=part.name, parameters={})


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
    inside: dict[str, str] = {}
    parts = {}
    for label in graph.nodes:
        if "inside" not in graph.nodes[label] and graph.nodes[label].get("kind", BELIEF) != BELIEF:
            parts[label] = _node(graph, label)
            inside |= dict.fromkeys(parts[label].inside, parts[label].name)
    for label, attributes in graph.nodes.items():
        owner = inside.get(str(label))
        if owner is None and "inside" in attributes:
            raise ModelError(
                f"the node {label!r} is inside {attributes['inside']!r}, which has no such node; drop it or rename it."
            )
        if owner is None:
            parts[label] = parts.get(label) or _node(graph, label)
            continue
        for child in graph.successors(label):
            if str(child) != owner:
                raise ModelError(
                    f"{label!r} is inside {owner!r}, so it cannot be the parent of {child!r}; use a belief of its own."
                )
    return network(nodes=tuple(parts[label] for label in graph.nodes if label in parts), **complete)


def _settings(network: "type[PredictiveCodingNetwork]") -> list[str]:
    """Names of the hyperparameters beside the nodes."""
    return [field.name for field in dataclasses.fields(network) if field.name != "nodes"]


def _node(graph: "networkx.DiGraph", label: Any) -> Part:
    """One part with its children."""
    given = {name: value for name, value in graph.nodes[label].items() if name != "level"}
    kind = given.pop("kind", BELIEF)
    values = {**given.pop("parameters", {}), **given}
    if kind not in KINDS:
        raise ModelError(
            f"the node {label!r} has the kind {kind!r}; inputs are {', '.join(KINDS_OF_INPUTS)}, and beliefs need no kind "
            "unless it is volatile."
        )
    allowed, lowest = _attributes(kind), kind in KINDS_OF_INPUTS
    strange = [name for name in values if name not in allowed]
    if strange:
        raise ModelError(
            f"the node {label!r} has the attribute {strange[0]!r}; {'an input' if lowest else 'a belief'} can have "
            f"{', '.join(allowed)}."
        )
    children, functions = _couplings(graph, label)
    if lowest:
        for child in (*children["value"], *children["volatility"]):
            raise ModelError(
                f"{label!r} is an input, so it cannot be the parent of {child!r}; turn the edge around."
            )
        if kind in INPUT_KINDS:
            values["kind"] = kind
        elif kind == "binary_switching":
            values["kind"] = "binary"
        return KINDS[kind](str(label), **values)
    own = values.pop("coupling_function", None)
    if own is not None:
        functions = {own} | (functions - {None})
    if len(functions) > 1:
        raise ModelError(
            f"the value couplings of {label!r} have different functions, {', '.join(sorted(map(str, functions)))}; all "
            "couplings of a belief share one."
        )
    return KINDS[kind](
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
