"""Graphs with planted groups have the densities, weights, degrees and mixing that were asked for."""

import numpy as np
import pytest

from neurodyn.errors import ModelError
from neurodyn.simulate.block_graphs import benchmark_graph, planted_blocks


@pytest.mark.parametrize("weights", ["exponential", "gaussian"])
def test_planted_blocks_have_their_densities_and_weights(weights):
    density = np.array([[0.5, 0.1], [0.1, 0.3]])
    means = np.array([[6.0, 9.0], [9.0, 12.0]])
    planted = planted_blocks((120, 180), density, means, key=0, weights=weights, spread=0.5)
    np.testing.assert_array_equal(planted.adjacency, planted.adjacency.T)
    assert not np.diagonal(planted.adjacency).any()
    assert np.bincount(planted.groups).tolist() == [120, 180]
    for r in range(2):
        for s in range(r, 2):
            rows, columns = planted.groups == r, planted.groups == s
            block = planted.adjacency[np.ix_(rows, columns)]
            values = block[np.triu_indices(len(block), 1)] if r == s else block.ravel()
            p, there = density[r, s], values[values > 0]
            assert abs((values > 0).mean() - p) < 4 * np.sqrt(p * (1 - p) / len(values))
            spread = means[r, s] if weights == "exponential" else 0.5
            assert abs(there.mean() - means[r, s]) < 4 * spread / np.sqrt(len(there))
            assert there.std() == pytest.approx(spread, rel=0.15)


def test_gaussian_weights_are_positive():
    planted = planted_blocks((60,), np.ones((1, 1)), np.full((1, 1), 0.1), key=0, weights="gaussian")
    assert planted.adjacency[np.triu_indices(60, 1)].min() > 0


@pytest.mark.parametrize("mixing", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("mean_degree", [10.0, 25.0])
def test_benchmark_graphs_are_as_asked(mixing, mean_degree):
    found = {name: [] for name in ("degree", "mixing", "weight_mixing", "exponent")}
    for key in range(3):
        graph = benchmark_graph(
            key=key, mean_degree=mean_degree, topology_mixing=mixing, weight_mixing=0.4, weight_exponent=1.5
        )
        adjacency, apart = graph.adjacency, graph.groups[:, None] != graph.groups
        np.testing.assert_array_equal(adjacency, adjacency.T)
        assert not np.diagonal(adjacency).any()
        degree, strength = (adjacency > 0).sum(axis=0), adjacency.sum(axis=0)
        assert degree.max() <= 100
        assert degree.max() > 3 * mean_degree
        assert np.median(degree) < mean_degree
        kept = degree > 0
        found["degree"].append(degree.mean())
        found["mixing"].append((((adjacency > 0) & apart).sum(axis=0)[kept] / degree[kept]).mean())
        found["weight_mixing"].append(((adjacency * apart).sum(axis=0)[kept] / strength[kept]).mean())
        found["exponent"].append(np.polyfit(np.log(degree[kept]), np.log(strength[kept]), 1)[0])
    assert np.mean(found["degree"]) == pytest.approx(mean_degree, rel=0.05)
    assert np.mean(found["mixing"]) == pytest.approx(mixing, abs=0.05)
    assert np.mean(found["weight_mixing"]) == pytest.approx(0.4, abs=0.08)
    assert np.mean(found["exponent"]) == pytest.approx(1.5, abs=0.2)


def test_sizes_of_communities_and_keys():
    graph = benchmark_graph(key=0, mean_degree=12, max_degree=30, sizes=(20, 40))
    sizes = np.bincount(graph.groups)
    assert sizes.sum() == 125
    assert sizes.min() >= 20
    again = benchmark_graph(key=0, mean_degree=12, max_degree=30, sizes=(20, 40))
    np.testing.assert_array_equal(graph.adjacency, again.adjacency)
    assert (graph.adjacency != benchmark_graph(key=1, mean_degree=12, max_degree=30).adjacency).any()


def test_values_out_of_range_are_refused():
    one = np.ones((1, 1))
    for call, words in (
        (lambda: benchmark_graph(key=0, topology_mixing=1.5), "topology_mixing"),
        (lambda: benchmark_graph(20, key=0), "number of nodes"),
        (lambda: benchmark_graph(key=0, mean_degree=3.0, degree_exponent=0.5), "mean degree"),
        (lambda: benchmark_graph(key=0, sizes=(10, 300)), "sizes"),
        (lambda: planted_blocks((2,), 2 * one, one, key=0), "density"),
        (lambda: planted_blocks((2,), one, 0 * one, key=0), "mean_weight"),
        (lambda: planted_blocks((2, 2), np.array([[1, 0], [0.5, 1]]), np.ones((2, 2)), key=0), "symmetric"),
        (lambda: planted_blocks((2,), one, one, key=0, weights="none"), "weights"),
        (lambda: planted_blocks((2,), one, one, key=None), "key"),
    ):
        with pytest.raises(ModelError, match=words):
            call()
