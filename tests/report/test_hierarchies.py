"""Drawings of predictive-coding networks hold every node, coupling and learnt parameter, none upon another."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest

from neurodyn import report
from neurodyn.errors import NotApplicable
from neurodyn.models import HGF, PredictiveCodingNetwork
from neurodyn.models.predictive_coding import (
    Belief,
    BinaryResponse,
    CustomResponse,
    GaussianResponse,
    Input,
    LogNormal,
    Normal,
    Shared,
    SoftmaxResponse,
    register_response,
)
from neurodyn.report.layers import ordered, placed
from neurodyn.report.learnt import learnt_of


def follows_first(mean, precision, parameters, told):
    """A rule of a user's own."""
    return mean["u"]


def arms(names: str, volatility) -> PredictiveCodingNetwork:
    """A bandit."""
    nodes = [Input(f"u_{arm}", source=f"reward_{arm}") for arm in names]
    nodes += [Belief(f"x_{arm}", value_children=(f"u_{arm}",), tonic_volatility=volatility) for arm in names]
    top = Belief("x2", volatility_children=tuple(f"x_{arm}" for arm in names))
    return PredictiveCodingNetwork(
        nodes=(*nodes, top), response=SoftmaxResponse(tuple(f"u_{arm}" for arm in names))
    )


register_response("follows_first", follows_first, kind="binary")
NETWORKS = {
    "three levels": HGF(3, source="u", response=BinaryResponse(bias=Normal(0.0, 1.0))),
    "continuous": HGF(
        3, inputs="continuous", learn=("x2.volatility_coupling", "u.precision", "x3.tonic_drift")
    ),
    "ten categories": HGF(3, inputs="categorical", categories=10),
    "arms": arms("abc", Normal(-2.0, 2.0)),
    "arms that share": arms("abc", Shared("volatility", Normal(-2.0, 2.0))),
    "many arms": arms("abcdefgh", Normal(-2.0, 2.0)),
    "a rule of one's own": HGF(2, source="u", response=CustomResponse("follows_first")),
    "mixed": PredictiveCodingNetwork(
        nodes=(
            Belief(
                "top",
                value_children=("left",),
                volatility_children=("low", "left"),
                coupling_function="tanh",
                value_coupling=Normal(1.0, 0.5),
            ),
            Belief("left", value_children=("low",)),
            Belief("low", value_children=("u",), initial_precision=LogNormal(2.0, 1.0)),
            Belief("a belief of which the name is long", value_children=("noisy",)),
            Input("u", kind="continuous", precision=LogNormal(10.0, 1.0), source="signal"),
            Input("noisy", kind="noisy_binary", source="flips"),
        ),
        response=GaussianResponse("top"),
    ),
}


def patches(axes) -> dict:
    """Patches by gid."""
    return {patch.get_gid(): patch for patch in axes.patches if patch.get_gid() is not None}


def centre(patch) -> np.ndarray:
    """Middle of a patch in inches."""
    box = patch.get_path().get_extents(patch.get_patch_transform())
    return np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])


@pytest.mark.parametrize("width", [3.4, 5.0, 8.0])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_every_node_and_coupling_is_drawn_level_by_level(network, width) -> None:
    figure = report.plot_hierarchy(network, width=width)
    assert figure.get_size_inches()[0] == pytest.approx(width)
    figure.canvas.draw()
    (axes,) = figure.axes
    found, graph = patches(axes), network.graph()
    assert set(graph) <= set(found)
    height = {node: centre(found[node])[1] for node in graph}
    for parent, child, edge in graph.edges(data=True):
        sorts = ("value", "volatility") if edge["coupling"] == "both" else (edge["coupling"],)
        for sort in sorts:
            arrow = found[f"{parent} -> {child} ({sort})"]
            assert (arrow.get_linestyle() in ("-", "solid")) == (sort == "value")
        assert height[parent] > height[child]
    for node, attributes in graph.nodes(data=True):
        assert type(found[node]).__name__ == ("Circle" if attributes["kind"] == "belief" else "Rectangle")
    levels = dict(graph.nodes(data="level"))
    for one, other in itertools.combinations(graph, 2):
        assert (levels[one] == levels[other]) == (abs(height[one] - height[other]) < 1e-6)
    assert ("response" in found) == (network.response is not None)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("width", [3.4, 5.0, 8.0])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_no_text_lies_upon_another_or_outside(network, width) -> None:
    figure = report.plot_hierarchy(network, width=width)
    figure.canvas.draw()
    (axes,) = figure.axes
    boxes = [(text.get_text(), text.get_window_extent()) for text in axes.texts]
    for text, box in boxes:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.x1 + 0.5, text
        assert box.y1 <= figure.bbox.y1 + 0.5, text
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        wide = min(first.x1, second.x1) - max(first.x0, second.x0)
        tall = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert wide < 1.5 or tall < 2.5, (one, other)


@pytest.mark.parametrize("width", [3.4, 8.0])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_every_learnt_parameter_is_written(network, width) -> None:
    figure = report.plot_hierarchy(network, width=width)
    said = " ".join(text.get_text() for text in figure.axes[0].texts).replace("\n", " ")
    for one in learnt_of(network):
        assert one.words in said


def test_parameters_stand_beside_their_nodes_in_full_words() -> None:
    (axes,) = report.plot_hierarchy(NETWORKS["continuous"]).axes
    found = patches(axes)
    texts = {text.get_text(): text.get_position() for text in axes.texts}
    for node, words in (("u", "precision"), ("x2", "volatility coupling"), ("x3", "tonic drift")):
        x, y = centre(found[node])
        assert abs(texts[words][1] - y) < 0.1
        assert 0 < texts[words][0] - x < 0.6


def test_what_nodes_share_is_said_once() -> None:
    (axes,) = report.plot_hierarchy(NETWORKS["arms that share"]).axes
    assert [text.get_text() for text in axes.texts].count("volatility, shared") == 1


def test_a_fit_is_drawn_with_its_values() -> None:
    model = HGF(2, source="u", response=BinaryResponse())
    one = model.at({"x1.tonic_volatility": -2.5, "response.inverse_temperature": 4.0})
    texts = [text.get_text() for text in report.plot_hierarchy(one).axes[0].texts]
    assert "tonic volatility −2.5" in texts
    assert "inverse temperature 4" in texts
    many = model.at({"x1.tonic_volatility": [-2.0, -3.0], "response.inverse_temperature": 4.0})
    texts = [text.get_text() for text in report.plot_hierarchy(many).axes[0].texts]
    assert "tonic volatility −2.5 ± 0.71" in texts
    assert "mean ± standard deviation over 2 participants" in texts


def test_couplings_to_one_of_several_children_name_it() -> None:
    network = PredictiveCodingNetwork(
        nodes=(
            Input("u", kind="continuous"),
            Belief("x1", value_children=("u",)),
            Belief("x2", value_children=("u",)),
            Belief("x3", volatility_children=("x1", "x2"), volatility_coupling=Normal(1.0, 0.5)),
        )
    )
    assert [(one.words, one.nodes) for one in learnt_of(network)] == [
        ("volatility coupling to x1", ("x3",)),
        ("volatility coupling to x2", ("x3",)),
    ]


def test_places_keep_their_order_and_distance() -> None:
    rng = np.random.default_rng(0)
    levels = {f"n{k}": int(level) for k, level in enumerate(np.sort(rng.integers(0, 4, 14)))}
    names = list(levels)
    edges = [(a, b) for a in names for b in names if levels[a] > levels[b] and rng.uniform() < 0.3]
    rows = ordered(levels, edges)
    found = placed(rows, levels, edges, lambda node: (0.1, 0.2), gap=0.1, width=20.0)
    for row in rows.values():
        at = np.array([found[one] for one in row])
        least = [(0.2 if isinstance(a, str) else 0.1) + 0.1 + 0.1 for a in row[:-1]]
        assert (np.diff(at) > np.array(least) - 1e-9).all()
        assert at.min() >= 0.1 - 1e-9
        assert at.max() <= 20.0


def test_arrows_that_could_cross_do_not() -> None:
    rows = ordered({"p": 1, "q": 1, "r": 1, "a": 0, "b": 0, "c": 0}, [("p", "c"), ("q", "b"), ("r", "a")])
    assert [rows[1].index(parent) for parent in "pqr"] == [rows[0].index(child) for child in "cba"]


def test_other_things_are_refused_in_one_sentence() -> None:
    for wrong in (None, "x1", HGF(2).graph()):
        with pytest.raises(NotApplicable, match="give a PredictiveCodingNetwork"):
            report.plot_hierarchy(wrong)
