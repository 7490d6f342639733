"""Description lengths against explicit sums and integrals, and the bookkeeping against sums made anew."""

import itertools
from math import comb, factorial, log

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import gammaln

from neurodyn.errors import ModelError
from neurodyn.inference.block_model.counting import log_factorial, log_partition_cost
from neurodyn.inference.block_model.fitting import description_length
from neurodyn.inference.block_model.graph import read_graph
from neurodyn.inference.block_model.state import Blocks
from neurodyn.inference.block_model.terms import graph_terms, multigraph_terms
from neurodyn.inference.block_model.weights import exponential_cost, gaussian_cost

MODELS = list(itertools.product(["bernoulli", "degree-corrected"], ["exponential", "gaussian", "none"]))


def random_graph(n: int, density: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    upper = np.triu((rng.random((n, n)) < density) * rng.gamma(2.0, size=(n, n)), 1)
    return upper + upper.T


def partition_cost(groups: np.ndarray) -> float:
    n, sizes = len(groups), np.bincount(groups)
    ways = factorial(n) / np.prod([float(factorial(s)) for s in sizes])
    return log(n) + log(comb(n - 1, len(sizes) - 1)) + log(ways)


def weight_cost(values: list[float], kind: str, everything: np.ndarray) -> float:
    """Minus log density, in units of the mean weight of the graph, by what the priors say and nothing else."""
    mean, spread, m = everything.mean(), everything.std(), len(values)
    if kind == "none" or m == 0:
        return 0.0
    if kind == "exponential":
        x = np.array(values) / mean
        density = lambda r: np.exp(-r) * np.prod(r * np.exp(-r * x))  # noqa: E731
        return -log(integrate.quad(density, 0, 60, epsabs=0, epsrel=1e-10)[0])
    # One after the other: each weight has a Student density given those before.
    kappa, mu, alpha, beta, cost = 1.0, 0.0, 1.0, 0.5, 0.0
    for z in (np.array(values) - mean) / spread:
        cost -= stats.t(2 * alpha, mu, np.sqrt(beta * (kappa + 1) / (alpha * kappa))).logpdf(z)
        beta += kappa * (z - mu) ** 2 / (2 * (kappa + 1))
        mu, kappa, alpha = (kappa * mu + z) / (kappa + 1), kappa + 1, alpha + 0.5
    return cost + m * log(spread / mean)


def brute_force(adjacency: np.ndarray, groups: np.ndarray, topology: str, weights: str) -> float:
    n, b = len(groups), groups.max() + 1
    pairs: dict = {key: [] for key in itertools.combinations_with_replacement(range(b), 2)}
    for i, j in itertools.combinations(range(n), 2):
        if not np.isnan(adjacency[i, j]):
            pairs[tuple(sorted((groups[i], groups[j])))].append(adjacency[i, j])
    edges = {key: [x for x in values if x > 0] for key, values in pairs.items()}
    everything = np.array([x for values in edges.values() for x in values])
    total, n_pairs = len(everything), sum(map(len, pairs.values()))
    cost = partition_cost(groups) + log(n_pairs + 1) + log(comb(len(pairs) + total - 1, total))
    cost += sum(weight_cost(values, weights, everything) for values in edges.values())
    if topology == "bernoulli":
        return cost + sum(log(comb(len(pairs[key]), len(edges[key]))) for key in pairs)
    degree = (adjacency > 0).sum(axis=0)
    for key, values in edges.items():
        doubled = np.prod(np.arange(2 * len(values), 0, -2, dtype=float))
        cost -= log(doubled) if key[0] == key[1] else log(factorial(len(values)))
    for r in range(b):
        ends, nodes = int(degree[groups == r].sum()), int((groups == r).sum())
        cost += log(factorial(ends)) + log(comb(nodes + ends - 1, ends))
    return cost - sum(log(factorial(k)) for k in degree)


@pytest.mark.parametrize(("topology", "weights"), MODELS)
def test_description_length_is_that_of_explicit_sums(topology, weights):
    adjacency = random_graph(9, 0.5, 0)
    for groups in ([0] * 9, [0, 0, 0, 0, 1, 1, 1, 1, 1], [0, 1, 2, 2, 1, 0, 3, 3, 0], list(range(9))):
        found = description_length(adjacency, np.array(groups), topology=topology, weights=weights)
        assert found == pytest.approx(brute_force(adjacency, np.array(groups), topology, weights), abs=1e-6)


def test_one_block_is_the_bernoulli_model_with_its_density_integrated_out():
    adjacency = random_graph(7, 0.5, 1)
    e, n = int((adjacency > 0).sum()) // 2, 21
    expected = -log(integrate.quad(lambda p: p**e * (1 - p) ** (n - e), 0, 1, epsabs=0)[0])
    found = description_length(adjacency, np.zeros(7, int), weights="none")
    assert found == pytest.approx(expected + log(7), abs=1e-6)


def test_pairs_that_were_not_observed_count_nowhere():
    adjacency, groups = random_graph(8, 0.5, 2), np.array([0, 0, 0, 1, 1, 1, 2, 2])
    for i, j in ((0, 1), (2, 5), (6, 7)):
        adjacency[i, j] = adjacency[j, i] = np.nan
    for weights in ("exponential", "gaussian", "none"):
        found = description_length(adjacency, groups, weights=weights)
        assert found == pytest.approx(brute_force(adjacency, groups, "bernoulli", weights), abs=1e-6)


def test_the_prior_of_divisions_sums_to_one():
    total = sum(
        np.exp(-partition_cost(np.array(labels)))
        for labels in itertools.product(range(6), repeat=6)
        if set(labels) == set(range(max(labels) + 1))
    )
    assert total == pytest.approx(1.0)
    groups = np.array([0, 0, 1, 2, 2, 2])
    found = log_partition_cost(6, 3) - gammaln(np.bincount(groups) + 1).sum()
    assert found == pytest.approx(partition_cost(groups))


def test_densities_of_weights_integrate_to_one():
    one = np.array([1])
    exponential, gaussian = exponential_cost(1), gaussian_cost(1)
    mass = integrate.quad(lambda x: np.exp(-exponential(one, np.array([x]))[0]), 0, np.inf)[0]
    assert mass == pytest.approx(1.0, abs=1e-6)
    mass = integrate.quad(
        lambda z: np.exp(-gaussian(one, np.array([z]), np.array([z * z]))[0]), -np.inf, np.inf
    )[0]
    assert mass == pytest.approx(1.0, abs=1e-6)


def test_degrees_that_are_alike_given_the_groups_sum_to_one():
    """The chance of degrees given the numbers of ends: all sequences of three nodes with four ends."""
    factorials = log_factorial(20)
    degrees = [k for k in itertools.product(range(5), repeat=3) if sum(k) == 4]
    cost = factorials(np.array([6]))[0] - factorials(np.array([4]))[0] - factorials(np.array([2]))[0]
    assert len(degrees) * np.exp(-cost) == pytest.approx(1.0)


@pytest.mark.parametrize(("topology", "weights"), MODELS)
def test_neither_labels_nor_the_order_of_nodes_nor_the_unit_of_weights_matter(topology, weights):
    adjacency, rng = random_graph(12, 0.4, 3), np.random.default_rng(0)
    groups = rng.integers(4, size=12)
    there = description_length(adjacency, groups, topology=topology, weights=weights)
    order = rng.permutation(12)
    for other, labels in (
        (adjacency[np.ix_(order, order)], groups[order]),
        (adjacency, 7 - 2 * groups),
        (3e-9 * adjacency, groups),
        (1e300 * adjacency, groups),
        (adjacency + np.diag(np.full(12, 5.0)), groups),
    ):
        found = description_length(other, labels, topology=topology, weights=weights)
        assert found == pytest.approx(there, abs=1e-9)


@pytest.mark.parametrize("model", [*MODELS, ("bernoulli", "missing"), ("multigraph", "")])
def test_changes_are_those_of_sums_made_anew(model):
    rng = np.random.default_rng(1)
    adjacency, n = random_graph(20, 0.4, 4), 20
    if model[0] == "multigraph":
        terms = multigraph_terms(np.rint(3 * adjacency + np.diag(rng.integers(0, 4, n))))
    elif model[1] == "missing":
        hidden = np.triu(rng.random((n, n)) < 0.2, 1)
        adjacency[hidden | hidden.T] = np.nan
        terms = graph_terms(read_graph(adjacency), "bernoulli", "gaussian")
    else:
        terms = graph_terms(read_graph(adjacency), *model)
    blocks = Blocks(terms, rng.integers(0, 6, n))
    for step in range(80):
        before = blocks.description_length()
        if step % 8 == 7 and blocks.n_groups > 1:
            change = blocks.merge_changes()
            np.testing.assert_allclose(change, change.T, atol=1e-9)
            r, s = rng.choice(blocks.n_groups, 2, replace=False)
            blocks.merge(int(r), int(s))
            expected = change[r, s]
        else:
            node, target = int(rng.integers(n)), int(rng.integers(blocks.n_groups + 1))
            expected = blocks.changes(np.arange(n), np.arange(blocks.n_groups + 1))[node, target]
            alone = blocks.changes(np.array([node]), np.array([target]))[0, 0]
            assert alone == pytest.approx(expected, abs=1e-9)
            blocks.move(node, target)
        after = blocks.description_length()
        assert after - before == pytest.approx(expected, abs=1e-9)
        assert after == pytest.approx(Blocks(terms, blocks.groups).description_length(), abs=1e-9)
    blocks = Blocks(terms, np.arange(n) % 3)
    blocks.divide(np.flatnonzero(blocks.groups == 1)[1:])
    assert blocks.n_groups == 4
    assert blocks.description_length() == pytest.approx(
        Blocks(terms, blocks.groups).description_length(), abs=1e-9
    )


def test_copies_are_independent():
    blocks = Blocks(
        graph_terms(read_graph(random_graph(10, 0.5, 0)), "bernoulli", "gaussian"), np.arange(10) % 3
    )
    before, other = blocks.description_length(), blocks.copy()
    other.move(0, 3)
    other.move(1, 2)
    other.merge(0, 1)
    assert Blocks(blocks.terms, blocks.groups).description_length() == blocks.description_length() == before


@pytest.mark.parametrize(
    ("adjacency", "words"),
    [
        (np.zeros((2, 3)), "shape"),
        (np.zeros((0, 0)), "at least 1 node"),
        (np.array([[0, -1.0], [-1.0, 0]]), "0 or more"),
        (np.array([[0, 1.0], [2.0, 0]]), "symmetric"),
        (np.array([[0, 1.0], [np.nan, 0]]), "symmetric"),
        (np.array([[0, np.inf], [np.inf, 0]]), "finite"),
    ],
)
def test_a_matrix_that_is_no_such_graph_is_refused_in_one_sentence(adjacency, words):
    with pytest.raises(ModelError, match=words):
        read_graph(adjacency)


def test_unknown_names_and_missing_pairs_are_refused():
    adjacency = random_graph(4, 0.9, 0)
    with pytest.raises(ModelError, match="'degree-corrected'"):
        description_length(adjacency, np.zeros(4, int), topology="poisson")
    with pytest.raises(ModelError, match="'gaussian'"):
        description_length(adjacency, np.zeros(4, int), weights="normal")
    with pytest.raises(ModelError, match="4 nodes"):
        description_length(adjacency, np.zeros(3, int))
    adjacency[0, 1] = adjacency[1, 0] = np.nan
    with pytest.raises(ModelError, match="topology='bernoulli'"):
        description_length(adjacency, np.zeros(4, int), topology="degree-corrected")


def test_factorials_beyond_the_table_are_computed():
    far, near = log_factorial(1 << 24), log_factorial(50)
    n = np.array([-1, 0, 1, 17, 50])
    np.testing.assert_allclose(far(n), near(n), atol=1e-12)
