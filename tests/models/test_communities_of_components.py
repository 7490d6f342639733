"""Graphs of components, their communities, and files for other tools."""

import networkx
import numpy as np
import pytest
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models.connectome import communities, graphs, leiden, louvain, write_graph

NAMES = [f"n{i}" for i in range(12)]


def two_blocks(within: float = 2.0, between: float = 0.2) -> networkx.Graph:
    rng = np.random.default_rng(0)
    graph = networkx.Graph()
    for i, a in enumerate(NAMES):
        for j in range(i):
            strength = within if (i < 6) == (j < 6) else between
            graph.add_edge(NAMES[j], a, weight=strength * rng.gamma(9.0) / 9)
    return graph


def test_weights_alone_tell_communities_of_a_complete_graph():
    found = communities(two_blocks(), key=0)
    group = found["group"].isel(level=0).to_series()
    assert group.nunique() == 2
    assert group[NAMES[:6]].nunique() == group[NAMES[6:]].nunique() == 1
    assert set(found["group"].isel(level=-1).values.tolist()) == {0}
    assert found.attrs["weights"] != "none"
    assert len(found["model"]) >= 4


def test_an_unstructured_graph_has_one_community():
    assert communities(two_blocks(1.0, 1.0), key=0)["group"].isel(level=0).max() == 0


def test_pairs_never_observed_are_neither_edges_nor_their_absence():
    graph = two_blocks()
    graph.graph["unobserved"] = [(NAMES[0], NAMES[1]), (NAMES[0], NAMES[7])]
    graph.remove_edges_from(graph.graph["unobserved"])
    group = communities(graph, key=0)["group"].isel(level=0).to_series()
    assert group[NAMES[:6]].nunique() == group[NAMES[6:]].nunique() == 1
    assert group.nunique() == 2


def test_components_fold_to_graphs_with_all_units():
    factors = xr.Dataset(
        {
            "pair": (("unit", "component"), [[0.5, 0.0], [np.nan, np.nan], [0.5, 0.0]]),
            "weight": ("component", [3.0, 0.0]),
        },
        coords={"source": ("unit", ["a", "a", "b"]), "target": ("unit", ["b", "c", "c"])},
    )
    found = graphs(factors)
    assert dict(found[0]["b"]) == {"a": {"weight": 1.5}, "c": {"weight": 1.5}}
    assert found[0].graph["unobserved"] == [("a", "c")]
    assert sorted(found[1].nodes) == ["a", "b", "c"]
    assert found[1].number_of_edges() == 0


@pytest.mark.parametrize(
    ("graph", "number"),
    [
        (networkx.empty_graph(["only"]), 1),
        (networkx.empty_graph(5), 1),
        (networkx.disjoint_union(networkx.complete_graph(7), networkx.complete_graph(7)), 2),
    ],
    ids=["one node", "no edge", "disconnected"],
)
def test_odd_graphs_have_communities_too(graph, number):
    found = communities(graph, key=0)
    assert found["group"].isel(level=0).to_series().nunique() == number
    assert set(louvain(graph, key=0)) == set(graph)


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (networkx.Graph(), "no node"),
        (networkx.DiGraph([(0, 1)]), "directed"),
        (networkx.Graph([(1, "1")]), "both called '1'"),
        (networkx.Graph([("a", "b", {"weight": -1.0})]), "weight -1.0"),
        (networkx.Graph([("a", "b", {"weight": np.nan})]), "weight nan"),
    ],
)
def test_what_is_no_weighted_graph_is_refused(graph, words):
    for function in (communities, louvain):
        with pytest.raises(ModelError, match=words):
            function(graph, key=0)


def test_a_graph_with_its_communities_can_be_read_by_other_tools(tmp_path):
    graph = two_blocks()
    found = communities(graph, key=0)
    again = networkx.read_graphml(write_graph(graph, tmp_path / "graph.graphml", found))
    assert {name: data["group_0"] for name, data in again.nodes(data=True)} == found["group"][
        0
    ].to_series().to_dict()
    assert again["n0"]["n1"]["weight"] == pytest.approx(graph["n0"]["n1"]["weight"])
    with pytest.raises(ModelError, match=r"ends in \.graphml"):
        write_graph(graph, tmp_path / "graph.txt")
    with pytest.raises(ModelError, match="does not exist"):
        write_graph(graph, tmp_path / "nowhere" / "graph.graphml")


def test_leiden_says_what_to_install_or_finds_the_blocks():
    try:
        found = leiden(two_blocks(), key=0)
    except NotApplicable:
        with pytest.raises(NotApplicable, match=r"neurodyn\[graph\]"):
            leiden(two_blocks(), key=0)
    else:
        assert len(set(found.values())) == 2
