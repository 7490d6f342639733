"""Graphs against what is known of their nodes."""

import networkx
import numpy as np
import pytest

from neurodyn.analysis import graph_association, together
from neurodyn.errors import ModelError


def test_a_noisy_copy_is_associated_and_a_shuffled_one_is_not():
    rng = np.random.default_rng(0)
    weights = rng.gamma(0.5, size=(30, 30))
    weights = np.triu(weights, 1) + np.triu(weights, 1).T
    first = networkx.from_numpy_array(weights)
    second = networkx.from_numpy_array(weights * rng.gamma(4, size=(30, 30)))
    order = dict(enumerate(rng.permutation(30).tolist()))
    assert graph_association(first, second, key=0, n_permutations=199).p_value == 1 / 200
    shuffled = graph_association(first, networkx.relabel_nodes(second, order), key=0, n_permutations=199)
    assert shuffled.p_value > 0.01
    assert abs(shuffled.expected) < 0.05


def test_directions_are_added_and_other_nodes_left_out():
    one = networkx.path_graph(6)
    two = networkx.DiGraph([(b, a) for a, b in one.edges])
    two.add_edge("elsewhere", 0)
    found = graph_association(one, two, key=0, n_permutations=50)
    assert found.value == pytest.approx(1.0)
    assert found.size == 6


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ModelError, match="share 0 nodes"):
        graph_association(networkx.path_graph(5), networkx.path_graph(list("abcde")), key=0)
    with pytest.raises(ModelError, match="written alike"):
        together({"a": 0}, [("x", "y")], key=0)


def test_pairs_that_are_together_by_chance_are_not_found():
    rng = np.random.default_rng(1)
    names = [f"{n}{side}" for n in range(40) for side in "LR"]
    pairs = [(f"{n}L", f"{n}R") for n in range(40)]
    chance = together(dict(zip(names, rng.integers(4, size=80), strict=True)), pairs, key=0)
    assert chance.p_value > 0.02
    assert chance.expected == pytest.approx(0.25, abs=0.05)
    assert together({name: name[:-1] for name in names}, pairs, key=0).value == 1.0
