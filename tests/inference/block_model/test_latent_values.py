"""Latent multiplicities, propensities and scales: bounds above explicit sums and integrals, and what they are for."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from neurodyn.errors import ModelError
from neurodyn.inference.block_model.counting import log_multisets, log_partition_cost
from neurodyn.inference.block_model.fitting import description_length, fit
from neurodyn.inference.block_model.graph import read_graph
from neurodyn.inference.block_model.hierarchy import fit_nested
from neurodyn.inference.block_model.modularity import modularity_divisions
from neurodyn.inference.block_model.node_scales import node_scales
from neurodyn.inference.block_model.partitions import normalised_mutual_information as likeness
from neurodyn.inference.block_model.pooled import PooledBlocks
from neurodyn.inference.block_model.posterior import sample
from neurodyn.inference.block_model.terms import graph_terms
from neurodyn.inference.block_model.weights import ALPHA, BETA, KAPPA, gaussian_cost
from neurodyn.simulate.block_graphs import benchmark_graph, planted_blocks

LATENT = [
    ("degree-corrected-simple", "none"),
    ("assortative", "lognormal-corrected"),
    ("uniform", "exponential"),
    ("bernoulli", "lognormal-corrected"),
]


def cost_of_groups(groups: np.ndarray) -> float:
    n, size = len(groups), np.bincount(groups)
    return log_partition_cost(n, len(size)) - gammaln(size + 1.0).sum()


def weighted(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    upper = np.triu((rng.random((n, n)) < 0.5) * rng.gamma(2.0, size=(n, n)), 1)
    return upper + upper.T


def test_latent_multiplicities_bound_the_sum_over_all_multigraphs():
    """A chain of three nodes: up to 14 edges behind each, up to 11 loops at each node."""
    chain, groups = np.zeros((3, 3)), np.array([0, 0, 1])
    for i, j in ((0, 1), (1, 2)):
        chain[i, j] = chain[j, i] = 1.0
    first, second, *loops = np.meshgrid(*[np.arange(1.0, 15)] * 2, *[np.arange(12.0)] * 3, indexing="ij")
    degree = [first + 2 * loops[0], first + second + 2 * loops[1], second + 2 * loops[2]]
    e00, e11, e01 = first + loops[0] + loops[1], loops[2], second
    ends, total = [2 * e00 + e01, 2 * e11 + e01], e00 + e11 + e01
    cost = np.log((total + 1) * (total + 2)) + gammaln(3 + total) - gammaln(total + 1) - gammaln(3.0)
    for r, n in enumerate((2, 1)):
        cost += gammaln(n + ends[r]) - gammaln(n)
    cost -= gammaln(e01 + 1)
    for inner in (e00, e11):
        cost -= gammaln(inner + 1) + inner * np.log(2)
    cost += gammaln(first + 1) + gammaln(second + 1)
    for loop in loops:
        cost += gammaln(loop + 1) + loop * np.log(2)
    cost -= sum(gammaln(k + 1) for k in degree)
    exact = -np.log(np.exp(-cost).sum()) + cost_of_groups(groups)
    found = description_length(chain, groups, topology="degree-corrected-simple", weights="none")
    assert exact - 0.02 < found < exact + 1.5
    assert log_multisets(3, 2.0) == pytest.approx(np.log(6))


@pytest.mark.parametrize("topology", ["assortative", "uniform"])
def test_propensities_bound_the_integral_over_all_of_them(topology):
    """A triangle with a tail in two groups, by draws from the priors."""
    edges, groups, rng = {(0, 1), (0, 2), (1, 2), (2, 3)}, np.array([0, 0, 0, 1]), np.random.default_rng(0)
    graph = np.zeros((4, 4))
    theta, within, outer = rng.exponential(size=(200_000, 4)), *rng.exponential(size=(2, 200_000))
    log_chance = np.zeros(len(theta))
    for i, j in itertools.combinations(range(4), 2):
        rate = theta[:, i] * theta[:, j] * (within if groups[i] == groups[j] else outer) * 4 / 6
        graph[i, j] = graph[j, i] = float((i, j) in edges)
        log_chance += np.log(-np.expm1(-rate)) if (i, j) in edges else -rate
    exact = -np.log(np.exp(log_chance).mean()) + cost_of_groups(groups) + np.log(7)
    found = description_length(graph, groups, topology=topology, weights="none")
    # Independent propensities cost about half a nat a node where each has two edges.
    assert exact - 0.03 < found < exact + 2.5


def test_scales_bound_the_integral_over_all_of_them():
    """Three weights of a triangle in one group, by draws from the priors."""
    rng, draws = np.random.default_rng(0), 400_000
    i, j, values = np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([0.9, -0.2, -0.7])
    tau, common = rng.gamma(ALPHA, 1 / BETA, size=(2, draws))
    centre = rng.normal(size=draws) / np.sqrt(KAPPA * tau)
    scale = rng.normal(size=(3, draws)) / np.sqrt(common)
    density = stats.norm(centre + scale[i] + scale[j], 1 / np.sqrt(tau)).pdf(values[:, None])
    exact = -np.log(density.prod(axis=0).mean())
    found = node_scales(i, j, values, np.zeros(3, int), 3)
    rest = values - found.mean[i] - found.mean[j]
    squares = (rest**2 + found.variance[i] + found.variance[j]).sum()
    bound = gaussian_cost(3)(np.array([3]), np.array([rest.sum()]), np.array([squares]))[0] + found.constant
    assert exact - 0.02 < bound < exact + 1.5


@pytest.mark.parametrize(("topology", "weights"), LATENT)
def test_neither_labels_nor_the_order_of_nodes_nor_the_unit_of_weights_matter(topology, weights):
    adjacency, rng = weighted(12, 3), np.random.default_rng(0)
    groups = rng.integers(3, size=12)
    there = description_length(adjacency, groups, topology=topology, weights=weights)
    order = rng.permutation(12)
    for other, labels in (
        (adjacency[np.ix_(order, order)], groups[order]),
        (adjacency, 5 - 2 * groups),
        (3e-9 * adjacency, groups),
    ):
        found = description_length(other, labels, topology=topology, weights=weights)
        assert found == pytest.approx(there, abs=1e-6)


@pytest.mark.parametrize(
    ("topology", "weights"), [("assortative", "lognormal-corrected"), ("uniform", "gaussian")]
)
def test_changes_of_pooled_sums_are_those_of_sums_made_anew(topology, weights):
    rng, n = np.random.default_rng(1), 15
    terms = graph_terms(read_graph(weighted(n, 4)), topology, weights)
    blocks = PooledBlocks(terms, rng.integers(0, 5, n))
    for step in range(60):
        before = blocks.description_length()
        if step % 8 == 7 and blocks.n_groups > 1:
            r, s = rng.choice(blocks.n_groups, 2, replace=False)
            expected = blocks.merge_changes()[r, s]
            blocks.merge(int(r), int(s))
        elif step % 8 == 3 and blocks.size.max() > 1:
            expected = np.nan
            blocks.divide(np.flatnonzero(blocks.groups == blocks.size.argmax())[1:])
        else:
            node, target = int(rng.integers(n)), int(rng.integers(blocks.n_groups + (blocks.n_groups < n)))
            expected = blocks.changes(np.arange(n), np.arange(blocks.n_groups + 1))[node, target]
            blocks.move(node, target)
        after = blocks.description_length()
        assert np.isnan(expected) or after - before == pytest.approx(expected, abs=1e-9)
        assert after == pytest.approx(PooledBlocks(terms, blocks.groups).description_length(), abs=1e-9)
    other = blocks.copy()
    other.move(0, other.n_groups - 1 if other.groups[0] == 0 else 0)
    assert PooledBlocks(terms, blocks.groups).description_length() == pytest.approx(
        blocks.description_length()
    )


def test_communities_with_hubs_are_found_where_a_plain_model_groups_by_degree():
    graph = benchmark_graph(60, key=0, mean_degree=12, max_degree=40, topology_mixing=0.2, weight_mixing=0.3)
    model = {"topology": "uniform", "weights": "lognormal-corrected"}
    found = fit(graph.adjacency, key=0, starts=1, **model)
    assert likeness(found.groups, graph.groups) > 0.95
    assert found.description_length <= description_length(graph.adjacency, graph.groups, **model) + 1e-3
    plain = fit(graph.adjacency, key=0, starts=1, topology="bernoulli", weights="exponential")
    assert found.description_length < plain.description_length - 20
    assert likeness(plain.groups, graph.groups) < likeness(found.groups, graph.groups)


@pytest.mark.parametrize("topology", ["degree-corrected-simple", "uniform"])
def test_a_homogeneous_graph_and_next_to_nothing_are_one_group(topology):
    graph = planted_blocks((30,), np.full((1, 1), 0.3), np.ones((1, 1)), key=2).adjacency
    for adjacency in (graph, np.zeros((1, 1)), np.zeros((5, 5)), np.ones((2, 2))):
        found = fit(adjacency, key=0, topology=topology, weights="lognormal-corrected", starts=1)
        assert found.n_groups == 1
        assert np.isfinite(found.description_length)


def test_pairs_that_were_not_observed_do_not_hide_communities():
    planted = planted_blocks((15, 15), np.array([[0.8, 0.1], [0.1, 0.8]]), np.ones((2, 2)), key=0)
    hidden = np.triu(np.random.default_rng(0).random((30, 30)) < 0.3, 1)
    adjacency = np.where(hidden | hidden.T, np.nan, planted.adjacency)
    for topology in ("uniform", "degree-corrected-simple"):
        found = fit(adjacency, key=0, topology=topology, weights="none", starts=1)
        assert likeness(found.groups, planted.groups) > 0.95


def test_modularity_finds_cliques_joined_by_an_edge():
    cliques = np.kron(np.eye(3), np.ones((5, 5)))
    cliques[4, 5] = cliques[5, 4] = 1.0
    for groups in modularity_divisions(read_graph(cliques)):
        assert likeness(groups, np.repeat([0, 1, 2], 5)) == pytest.approx(1.0)


def test_pooled_topologies_have_no_levels_above_and_a_chain_may_keep_its_number_of_groups():
    with pytest.raises(ModelError, match="levels above"):
        fit_nested(np.ones((4, 4)), key=0, topology="uniform")
    drawn = sample(np.ones((8, 8)), np.arange(8) % 3, key=0, draws=10, burn_in=0, keep_number=True)
    assert (drawn.n_groups == 3).all()
