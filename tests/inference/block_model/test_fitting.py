"""Groups that were planted are found, groups that were not are not, and nothing beats an exhaustive search."""

import numpy as np
import pytest

from neurodyn.errors import ModelError
from neurodyn.inference.block_model.fitting import description_length, fit, fit_models
from neurodyn.inference.block_model.graph import read_graph
from neurodyn.inference.block_model.hierarchy import fit_nested, nested_description_length
from neurodyn.inference.block_model.moves import descend, gibbs_sweep, merge_best, split
from neurodyn.inference.block_model.partitions import normalised_mutual_information as likeness
from neurodyn.inference.block_model.posterior import sample
from neurodyn.inference.block_model.search import in_order
from neurodyn.inference.block_model.state import Blocks
from neurodyn.inference.block_model.terms import graph_terms
from neurodyn.simulate.block_graphs import planted_blocks


def divisions(n: int):
    """All divisions of n nodes: each node joins a group that is there or founds the next."""
    labels = [0] * n

    def extend(at: int, used: int):
        if at == n:
            yield np.array(labels)
            return
        for label in range(used + 1):
            labels[at] = label
            yield from extend(at + 1, max(used, label + 1))

    yield from extend(0, 0)


def blocks_of(within: float, between: float, n: int = 3) -> np.ndarray:
    return np.full((n, n), between) + np.eye(n) * (within - between)


@pytest.mark.parametrize(
    ("topology", "weights", "within", "between"),
    [
        ("bernoulli", "exponential", 0.65, 0.1),
        ("degree-corrected", "gaussian", 0.65, 0.1),
        ("degree-corrected", "exponential", 0.05, 0.5),
        ("bernoulli", "gaussian", 0.05, 0.5),
    ],
)
def test_planted_blocks_are_found(topology, weights, within, between):
    means = blocks_of(4.0, 6.0)
    planted = planted_blocks((16, 20, 24), blocks_of(within, between), means, key=1, weights=weights)
    found = fit(planted.adjacency, key=0, topology=topology, weights=weights, starts=1)
    assert likeness(found.groups, planted.groups) > 0.95
    truth = description_length(planted.adjacency, planted.groups, topology=topology, weights=weights)
    assert found.description_length <= truth + 1e-8


@pytest.mark.parametrize("weights", ["exponential", "gaussian"])
def test_groups_that_differ_in_weights_only_are_found(weights):
    means = blocks_of(10.0, 2.0, 2) if weights == "exponential" else blocks_of(7.0, 4.0, 2)
    planted = planted_blocks((25, 25), blocks_of(0.6, 0.6, 2), means, key=0, weights=weights)
    assert likeness(fit(planted.adjacency, key=0, weights=weights, starts=1).groups, planted.groups) > 0.95
    edges_only = fit(planted.adjacency, key=0, weights="none", starts=1)
    assert edges_only.n_groups == 1


def test_groups_that_differ_in_topology_only_are_found_and_equal_weights_are_no_hindrance():
    planted = planted_blocks((25, 25), blocks_of(0.6, 0.15, 2), np.ones((2, 2)), key=0)
    flat = np.sign(planted.adjacency)
    for adjacency, weights in ((planted.adjacency, "exponential"), (flat, "gaussian")):
        found = fit(adjacency, key=0, weights=weights, starts=1)
        assert likeness(found.groups, planted.groups) > 0.95


@pytest.mark.parametrize("topology", ["bernoulli", "degree-corrected"])
@pytest.mark.parametrize("weights", ["exponential", "gaussian", "none"])
def test_a_homogeneous_graph_is_one_group(topology, weights):
    means = np.full((1, 1), 5.0)
    kind = "gaussian" if weights == "gaussian" else "exponential"
    graph = planted_blocks((50,), np.full((1, 1), 0.3), means, key=2, weights=kind).adjacency
    assert fit(graph, key=0, topology=topology, weights=weights, starts=1).n_groups == 1


@pytest.mark.parametrize(
    ("topology", "weights"),
    [("bernoulli", "exponential"), ("degree-corrected", "gaussian"), ("bernoulli", "none")],
)
def test_no_division_of_eight_nodes_is_shorter(topology, weights):
    graph = planted_blocks((4, 4), blocks_of(0.95, 0.2, 2), blocks_of(5.0, 1.0, 2), key=3).adjacency
    terms = graph_terms(read_graph(graph), topology, weights)
    lengths = [Blocks(terms, groups).description_length() for groups in divisions(8)]
    assert len(lengths) == 4140
    found = fit(graph, key=0, topology=topology, weights=weights)
    assert found.description_length == pytest.approx(min(lengths), abs=1e-9)
    for b, (length, groups) in found.path.items():
        assert len(np.unique(groups)) == b
        assert description_length(graph, groups, topology=topology, weights=weights) == pytest.approx(length)


def test_the_description_never_gets_longer_on_a_descent():
    graph = planted_blocks((20, 20), blocks_of(0.5, 0.2, 2), np.ones((2, 2)), key=0).adjacency
    found = fit(graph, key=1)
    assert (np.diff(found.trace) <= 1e-9).all()
    assert found.description_length == pytest.approx(found.trace[-1], abs=1e-8)
    assert found.description_length <= found.starts.min() + 1e-8
    blocks = Blocks(graph_terms(read_graph(graph), "bernoulli", "exponential"), np.arange(40) % 7)
    before = blocks.description_length()
    change = descend(blocks)
    assert change < 0
    assert blocks.description_length() == pytest.approx(before + change, abs=1e-8)
    steps = np.arange(blocks.n_groups + (blocks.n_groups < 40))
    assert blocks.changes(np.arange(40), steps).min() >= -1e-7


def test_moves_that_keep_the_number_of_groups_keep_it():
    graph = planted_blocks((15, 15), blocks_of(0.5, 0.2, 2), np.ones((2, 2)), key=0).adjacency
    blocks = Blocks(graph_terms(read_graph(graph), "bernoulli", "exponential"), np.arange(30) % 9)
    descend(blocks, keep_number=True)
    assert blocks.n_groups == 9
    gibbs_sweep(blocks, np.random.default_rng(0), 0.5, keep_number=True)
    assert blocks.n_groups == 9
    merge_best(blocks, 4)
    assert blocks.n_groups == 4
    trial = split(blocks, 0, np.random.default_rng(0), "random")
    assert trial is not None
    assert trial.n_groups == 5
    assert blocks.n_groups == 4
    untouched = blocks.groups != 0
    np.testing.assert_array_equal(trial.groups[untouched], blocks.groups[untouched])


def test_the_same_key_gives_the_same_groups_and_the_unit_of_weights_none_other():
    graph = planted_blocks((12, 14), blocks_of(0.6, 0.2, 2), np.ones((2, 2)), key=5).adjacency
    first, again, scaled = (fit(x, key=7, starts=2) for x in (graph, graph, 1e-6 * graph))
    assert first.description_length == again.description_length
    np.testing.assert_array_equal(first.groups, again.groups)
    np.testing.assert_array_equal(first.groups, scaled.groups)
    assert scaled.description_length == pytest.approx(first.description_length, abs=1e-6)


@pytest.mark.parametrize("topology", ["bernoulli", "degree-corrected"])
def test_graphs_with_next_to_nothing_in_them(topology):
    for adjacency in (np.zeros((1, 1)), np.zeros((2, 2)), np.zeros((9, 9)), np.ones((2, 2))):
        found = fit(adjacency, key=0, topology=topology, starts=1)
        assert found.n_groups == 1
        assert np.isfinite(found.description_length)
        assert fit_nested(adjacency, key=0, topology=topology, starts=1).levels[0].max() == 0


def test_pieces_that_nothing_connects_are_groups_and_lone_nodes_too():
    apart = np.zeros((30, 30))
    apart[:12, :12] = apart[12:24, 12:24] = 1.0
    found = fit(apart, key=0, weights="none").groups
    assert likeness(found, np.repeat([0, 1, 2], [12, 12, 6])) == pytest.approx(1.0)


def test_pairs_that_were_not_observed_do_not_hide_groups():
    planted = planted_blocks((20, 20), blocks_of(0.7, 0.1, 2), np.ones((2, 2)), key=0)
    hidden = np.triu(np.random.default_rng(0).random((40, 40)) < 0.4, 1)
    adjacency = np.where(hidden | hidden.T, np.nan, planted.adjacency)
    assert likeness(fit(adjacency, key=0, starts=1).groups, planted.groups) > 0.95


def test_models_are_ordered_by_their_description():
    """A graph of two blocks with Gaussian weights, drawn by one of the models."""
    planted = planted_blocks(
        (20, 20), blocks_of(0.6, 0.2, 2), blocks_of(9.0, 7.0, 2), key=0, weights="gaussian"
    )
    found = fit_models(planted.adjacency, key=0, weights=("exponential", "gaussian"), starts=1)
    lengths = [partition.description_length for partition in found.values()]
    assert len(found) == 8
    assert lengths == sorted(lengths)
    assert next(iter(found)) == ("bernoulli", "gaussian")
    with pytest.raises(ModelError, match="'none'"):
        fit_models(planted.adjacency, key=0, weights=("none", "gaussian"))


def test_a_call_without_start_or_key_is_refused():
    with pytest.raises(ModelError, match="starts is 0"):
        fit(np.zeros((2, 2)), key=0, starts=0)
    with pytest.raises(ModelError, match="key"):
        fit(np.zeros((2, 2)), key=None)


def test_groups_are_numbered_by_size_then_first_node():
    assert in_order(np.array([5, 2, 2, 9, 9])).tolist() == [2, 0, 0, 1, 1]


def test_levels_above_tell_apart_many_small_groups_that_a_flat_model_merges():
    """A ring of sixty cliques of five nodes, against its thirty pairs of neighbouring cliques."""
    cliques = np.repeat(np.arange(60), 5)
    graph = (cliques[:, None] == cliques).astype(float)
    for r in range(60):
        i, j = 5 * r, (5 * r + 6) % 300
        graph[i, j] = graph[j, i] = 1.0
    pairs = cliques // 2
    lengths = [description_length(graph, groups, weights="none") for groups in (cliques, pairs)]
    assert lengths[0] > lengths[1] + 10
    above = [np.arange(30) // 2, np.arange(15) // 2, np.zeros(8, int)]
    nested = [
        nested_description_length(graph, [cliques, np.arange(60) // 2, *above], weights="none"),
        nested_description_length(graph, [pairs, *above], weights="none"),
    ]
    assert nested[0] < nested[1] - 10


def test_a_hierarchy_is_no_longer_than_the_flat_division_and_fits_together():
    density = np.full((6, 6), 0.05)
    density[:3, :3] = density[3:, 3:] = 0.3
    np.fill_diagonal(density, 0.9)
    planted = planted_blocks((9,) * 6, density, np.ones((6, 6)), key=0)
    found = fit_nested(planted.adjacency, key=0, weights="none", starts=1)
    assert likeness(found.groups, planted.groups) > 0.95
    assert found.description_length <= found.flat.description_length + np.log(found.flat.n_groups) + 1e-8
    for lower, upper in zip(found.levels, found.levels[1:], strict=False):
        assert len(upper) == lower.max() + 1
    assert found.levels[-1].max() == 0
    assert (found.at(len(found.levels) - 1) == 0).all()
    again = nested_description_length(planted.adjacency, found.levels, weights="none")
    assert again == pytest.approx(found.description_length, abs=1e-8)


def test_levels_that_do_not_fit_are_refused():
    graph = np.ones((4, 4))
    with pytest.raises(ModelError, match="must have 1"):
        nested_description_length(graph, [np.array([0, 0, 1, 1])])
    with pytest.raises(ModelError, match="level 1 has 3"):
        nested_description_length(graph, [np.array([0, 0, 1, 1]), np.zeros(3, int)])


def test_draws_follow_the_posterior_of_all_divisions():
    graph = planted_blocks((3, 2), blocks_of(0.9, 0.4, 2), blocks_of(4.0, 1.0, 2), key=3).adjacency
    terms, together, weight = (
        graph_terms(read_graph(graph), "bernoulli", "exponential"),
        np.zeros((5, 5)),
        0.0,
    )
    number = np.zeros(6)
    for groups in divisions(5):
        blocks = Blocks(terms, groups)
        share = np.prod(np.arange(1, blocks.n_groups + 1)) * np.exp(-blocks.description_length())
        together += share * (groups[:, None] == groups)
        number[blocks.n_groups] += share
        weight += share
    drawn = sample(graph, np.zeros(5, int), key=0, draws=1500, burn_in=20)
    np.testing.assert_allclose(drawn.together, together / weight, atol=0.06)
    share = np.bincount(drawn.n_groups, minlength=6) / 1500
    np.testing.assert_allclose(share, number / weight, atol=0.06)
    assert drawn.marginals.shape == (5, 1)
    with pytest.raises(ModelError, match="draws"):
        sample(graph, np.zeros(5, int), key=0, draws=0)
