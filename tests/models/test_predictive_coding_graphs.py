"""Predictive-coding networks become graphs and come back the same."""

import networkx
import pytest

from neurodyn.errors import ModelError
from neurodyn.models import HGF, PredictiveCodingNetwork
from neurodyn.models.predictive_coding import (
    Belief,
    BinaryResponse,
    GaussianResponse,
    Input,
    LogNormal,
    Normal,
    Shared,
    SoftmaxResponse,
)

VOLATILITY = Shared("volatility", Normal(-2.0, 2.0))
NETWORKS = {
    "three levels": HGF(3, source="u", response=BinaryResponse(), update="standard"),
    "continuous": HGF(3, inputs="continuous", learn=("x2.volatility_coupling", "u.precision")),
    "categories": HGF(3, inputs="categorical", categories=4, pooling="partial", unknown="prior"),
    "bandit": PredictiveCodingNetwork(
        nodes=(
            *(Input(f"u_{arm}", source=f"reward_{arm}") for arm in "ab"),
            *(Belief(f"x_{arm}", value_children=(f"u_{arm}",), tonic_volatility=VOLATILITY) for arm in "ab"),
        ),
        response=SoftmaxResponse(("u_a", "u_b")),
    ),
    "both couplings, a function, beliefs before inputs": PredictiveCodingNetwork(
        nodes=(
            Belief(
                "top",
                value_children=("right", "left"),
                volatility_children=("left", "low"),
                coupling_function="tanh",
                value_coupling=Normal(1.0, 0.5),
            ),
            Belief("left", value_children=("low",)),
            Belief("low", value_children=("u",), initial_precision=LogNormal(2.0, 1.0)),
            Belief("right", value_children=("noisy",)),
            Belief("alone", coupling_function="exp"),
            Input("u", kind="continuous", precision=LogNormal(10.0, 1.0), source="signal"),
            Input("noisy", kind="noisy_binary", source="flips"),
        ),
        response=GaussianResponse("top"),
        scaled_inputs=True,
    ),
}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_a_network_comes_back_from_its_graph(network: PredictiveCodingNetwork) -> None:
    graph = network.graph()
    assert isinstance(graph, networkx.DiGraph)
    assert list(graph.nodes) == [node.name for node in network.nodes]
    assert PredictiveCodingNetwork.from_graph(graph) == network
    assert PredictiveCodingNetwork.from_graph(networkx.MultiDiGraph(graph)) == network


def test_the_attributes_of_a_graph_say_what_the_network_is() -> None:
    graph = NETWORKS["both couplings, a function, beliefs before inputs"].graph()
    assert {name: graph.nodes[name]["level"] for name in graph} == {
        "top": 3,
        "left": 2,
        "low": 1,
        "right": 1,
        "alone": 1,
        "u": 0,
        "noisy": 0,
    }
    assert graph.nodes["u"]["kind"] == "continuous"
    assert graph.nodes["u"]["source"] == "signal"
    assert graph.nodes["low"]["kind"] == "belief"
    assert graph.nodes["low"]["parameters"]["initial_precision"] == LogNormal(2.0, 1.0)
    assert graph.edges["top", "left"] == {"coupling": "both", "function": "tanh"}
    assert graph.edges["top", "right"] == {"coupling": "value", "function": "tanh"}
    assert graph.edges["top", "low"] == {"coupling": "volatility", "function": None}


def test_a_graph_drawn_by_hand_is_the_ready_made_network() -> None:
    graph = networkx.DiGraph()
    graph.add_node("u", kind="binary", source="outcome")
    graph.add_node("x1", tonic_volatility=Normal(-4.0, 3.0))
    graph.add_node("x2")
    graph.add_edge("x1", "u", coupling="value")
    graph.add_edge("x2", "x1", coupling="volatility")
    found = PredictiveCodingNetwork.from_graph(graph, response=BinaryResponse(), update="unbounded")
    assert found == HGF(3, source="outcome", response=BinaryResponse(), update="unbounded")


def test_nodes_may_be_numbers_and_settings_are_replaced() -> None:
    graph = networkx.DiGraph([(1, 0, {"coupling": "value"})])
    graph.nodes[0]["kind"] = "binary"
    assert [node.name for node in PredictiveCodingNetwork.from_graph(graph).nodes] == ["1", "0"]
    other = PredictiveCodingNetwork.from_graph(HGF(3).graph(), update="standard")
    assert other == HGF(3, update="standard")


def _changed(change) -> networkx.DiGraph:
    """The graph of three levels, changed."""
    graph = HGF(3).graph()
    change(graph)
    return graph


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda graph: graph.nodes["u"].update(kind="binry"), "'u' has the kind 'binry'"),
        (lambda graph: graph.nodes["x1"].update(volatility=1.0), "'x1' has the attribute 'volatility'"),
        (lambda graph: graph.nodes["u"].update(tonic_drift=1.0), "an input can have"),
        (lambda graph: graph.edges["x1", "u"].update(coupling="mean"), "has the coupling 'mean'"),
        (lambda graph: graph.edges["x2", "x1"].pop("coupling"), "has the coupling None"),
        (lambda graph: graph.edges["x2", "x1"].update(function="exp"), "only value coupling"),
        (lambda graph: graph.add_edge("u", "x2", coupling="value"), "'u' is an input"),
        (lambda graph: graph.add_edge("x1", "x2", coupling="value"), "cycle"),
        (lambda graph: graph.add_edge("x1", "x2", coupling="value", function="exp"), "different functions"),
        (lambda graph: graph.graph["settings"].update(speed=1), "unknown setting 'speed'"),
    ],
)
def test_what_is_no_network_is_refused_in_one_sentence(change, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        PredictiveCodingNetwork.from_graph(_changed(change))
    assert str(caught.value).count(". ") == 0


def test_other_things_than_directed_graphs_are_refused() -> None:
    for wrong in (networkx.Graph(), None, [("x1", "u")]):
        with pytest.raises(ModelError, match=r"give a networkx\.DiGraph"):
            PredictiveCodingNetwork.from_graph(wrong)


def test_contradictory_orders_of_children_are_refused() -> None:
    network = PredictiveCodingNetwork(
        nodes=(
            Input("u", kind="continuous"),
            Belief("a", value_children=("u",)),
            Belief("b", value_children=("u",)),
            Belief("top", value_children=("a", "b"), volatility_children=("b", "a")),
        )
    )
    with pytest.raises(ModelError, match="'top' names children in one order"):
        network.graph()
