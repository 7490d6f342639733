"""Leaves whose sufficient statistics are tracked: conjugate beliefs, filters, densities, gradients, failures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats

from neurodyn.errors import ModelError
from neurodyn.inference.predictive_coding import filtering
from neurodyn.inference.predictive_coding.filtering import run, surprise
from neurodyn.inference.predictive_coding.leaves import leaf_moments, student_surprise
from neurodyn.inference.predictive_coding.predictions import Parameters
from neurodyn.inference.predictive_coding.structure import Edge, Node, Structure

INSIDE = (Edge("m", "u"), Edge("s", "u"))


def gaussian(kind: str) -> Structure:
    """A number whose statistics have a fixed weight, or count."""
    return Structure((Node("u", "gaussian"), Node("m", kind), Node("s", kind)), INSIDE)


FOLLOWED = Structure(
    (Node("u", "gaussian"), Node("m", "statistic"), Node("s", "statistic"), Node("a"), Node("b")),
    (*INSIDE, Edge("a", "m"), Edge("b", "s")),
)


def chance(kind: str) -> Structure:
    """0 or 1 of a chance that is tracked."""
    return Structure((Node("u", "chance"), Node("p", kind)), (Edge("p", "u"),))


def parameters(structure: Structure, *, mean: list, precision: list, tonic: list | None = None) -> Parameters:
    """All couplings 1."""
    n_nodes = len(structure.nodes)
    fields = (
        np.zeros(n_nodes) if tonic is None else tonic,
        np.zeros(n_nodes),
        np.ones(n_nodes),
        mean,
        precision,
        np.ones(len(structure.value)),
        np.ones(len(structure.volatility)),
    )
    return Parameters(*(jnp.asarray(field, jnp.zeros(0).dtype) for field in fields))


def filtered(structure, learnt, values, known=None, steps=None):
    """Beliefs, and terms of the surprise."""
    values = jnp.asarray(values, jnp.zeros(0).dtype)[:, None]
    known = jnp.ones(values.shape, bool) if known is None else jnp.asarray(known)[:, None]
    steps = jnp.ones(len(values)) if steps is None else jnp.asarray(steps, values.dtype)
    found = run(structure, learnt, values, known, steps)
    return found, np.asarray(surprise(structure, learnt, found.expected, values, known))[:, 0]


def test_a_fixed_weight_averages_exponentially_and_predicts_by_a_student_density():
    rng, nu = np.random.default_rng(0), 7.0
    values = rng.normal(1.0, 2.0, size=60)
    with jax.enable_x64(True):
        structure = gaussian("statistic")
        learnt = parameters(structure, mean=[0, 0.3, 2.0], precision=[1, nu, nu])
        found, terms = filtered(structure, learnt, values)
    xi = np.array([0.3, 2.0 + 0.3**2])
    for step, value in enumerate(values):
        density = scipy.stats.t(nu + 1, xi[0], np.sqrt(xi[1] - xi[0] ** 2))
        assert terms[step] == pytest.approx(-density.logpdf(value), rel=1e-9)
        assert float(found.expected.mean[step, 0]) == pytest.approx(xi[0], rel=1e-12)
        xi = xi + (np.array([value, value**2]) - xi) / (1 + nu)
        np.testing.assert_allclose(found.posterior.mean[step, 1:], xi, rtol=1e-12)


@pytest.mark.parametrize("nu", [0.4, 3.0, 30.0])
def test_the_student_density_is_that_of_the_conjugate_belief_without_a_factor(nu):
    """By quadrature over mean and precision, under a flat measure of both."""
    xi1, xi2, value = 0.4, 2.0, -1.3

    def log_belief(mean, precision):
        terms = xi1 * mean * precision - xi2 * precision / 2 - mean**2 * precision / 2 + np.log(precision) / 2
        return nu * terms

    def marginal(extra):
        # The integral over the mean is Gaussian: weight nu (and 1 more of an observation).
        def over_mean(precision):
            weight = nu + extra
            centre = (nu * xi1 + extra * value) / weight
            square = nu * xi2 + extra * value**2 - weight * centre**2
            log = (weight - 1) / 2 * np.log(precision) - square * precision / 2
            return np.exp(log - extra * np.log(2 * np.pi) / 2) * np.sqrt(2 * np.pi / weight)

        return scipy.integrate.quad(over_mean, 0, np.inf, epsabs=0, epsrel=1e-11, limit=400)[0]

    # The closed form of the inner integral, checked against the belief itself at one precision.
    grid = np.linspace(-60, 60, 400_001)
    inner = np.exp(log_belief(grid, 0.7)).sum() * (grid[1] - grid[0])
    square = nu * (xi2 - xi1**2)
    closed = 0.7 ** ((nu - 1) / 2) * np.exp(-square * 0.7 / 2) * np.sqrt(2 * np.pi / nu)
    assert inner == pytest.approx(closed, rel=1e-8)
    expected = -np.log(marginal(1) / marginal(0))
    with jax.enable_x64(True):
        numbers = (jnp.asarray(one) for one in (value, xi1, xi2 - xi1**2, nu + 1))
        assert float(student_surprise(*numbers)) == pytest.approx(expected, rel=1e-7)


def test_student_surprise_keeps_its_digits_at_every_degree_of_freedom():
    freedom = np.array([0.05, 0.5, 1.0, 2.0, 3.3, 20.0, 1e3, 1e5])
    expected = -scipy.stats.t(freedom, 0.2, 1.3).logpdf(2.0)
    with jax.enable_x64(True):
        found = student_surprise(jnp.asarray(2.0), jnp.asarray(0.2), jnp.asarray(1.69), jnp.asarray(freedom))
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    found = student_surprise(*(jnp.asarray(one, jnp.float32) for one in (2.0, 0.2, 1.69, freedom)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_counting_multiplies_up_to_the_marginal_likelihood_of_the_conjugate_belief():
    rng = np.random.default_rng(1)
    values, nu, mean, variance = rng.normal(2.0, 0.7, size=40), 2.5, 0.5, 1.5
    with jax.enable_x64(True):
        structure = gaussian("count")
        learnt = parameters(structure, mean=[0, mean, variance], precision=[1, nu, nu])
        found, terms = filtered(structure, learnt, values)

    def log_normaliser(weight, square):
        """Of the belief with this weight and sum of squares about its mean: a Gaussian times a gamma integral."""
        shape = (weight + 1) / 2
        return 0.5 * np.log(2 * np.pi / weight) + scipy.special.gammaln(shape) - shape * np.log(square / 2)

    weight = nu + len(values)
    centre = (nu * mean + values.sum()) / weight
    total = nu * (variance + mean**2) + (values**2).sum()
    evidence = (
        log_normaliser(weight, total - weight * centre**2)
        - log_normaliser(nu, nu * variance)
        - len(values) * np.log(2 * np.pi) / 2
    )
    assert terms.sum() == pytest.approx(-evidence, rel=1e-10)
    np.testing.assert_allclose(found.posterior.precision[:, 1], nu + 1 + np.arange(40), rtol=1e-12)
    np.testing.assert_allclose(found.posterior.mean[-1, 1:], [centre, total / weight], rtol=1e-12)


def test_counted_chances_are_beta_counts_and_fixed_ones_a_delta_rule():
    rng = np.random.default_rng(2)
    values, nu, start = (rng.uniform(size=80) < 0.3).astype(float), 5.0, 0.6
    with jax.enable_x64(True):
        learnt = parameters(chance("count"), mean=[0, start], precision=[1, nu])
        counted, terms = filtered(chance("count"), learnt, values)
        fixed, _ = filtered(chance("statistic"), learnt, values)
    ones, zeros, rule = nu * start, nu * (1 - start), start
    for step, value in enumerate(values):
        predicted = ones / (ones + zeros)
        assert float(counted.expected.mean[step, 0]) == pytest.approx(predicted, rel=1e-12)
        assert terms[step] == pytest.approx(-np.log(predicted if value else 1 - predicted), rel=1e-12)
        assert float(fixed.expected.mean[step, 0]) == pytest.approx(rule, rel=1e-12)
        ones, zeros = ones + value, zeros + 1 - value
        rule += (value - rule) / (1 + nu)
    evidence = scipy.special.betaln(ones, zeros) - scipy.special.betaln(nu * start, nu * (1 - start))
    assert terms.sum() == pytest.approx(-evidence, rel=1e-12)


def test_forgetting_draws_counts_to_the_first_ones():
    rng, rate = np.random.default_rng(3), 0.2
    values, steps = (rng.uniform(size=50) < 0.8).astype(float), rng.uniform(0.5, 3.0, size=50)
    known = rng.uniform(size=50) < 0.7
    first = np.array([1.5, 2.5])
    with jax.enable_x64(True):
        learnt = parameters(
            chance("count"), mean=[0, first[0] / first.sum()], precision=[1, first.sum()], tonic=[0, rate]
        )
        found, terms = filtered(chance("count"), learnt, values, known, steps)
    counts = first.copy()
    for step, value in enumerate(values):
        kept = np.exp(-rate * steps[step])
        counts = kept * counts + (1 - kept) * first
        assert float(found.expected.mean[step, 0]) == pytest.approx(counts[0] / counts.sum(), rel=1e-10)
        assert float(found.expected.precision[step, 1]) == pytest.approx(counts.sum(), rel=1e-10)
        if known[step]:
            counts = counts + [value, 1 - value]
        else:
            assert terms[step] == 0
    assert 0 < known.sum() < 50


def test_beliefs_that_follow_the_statistics_have_the_weight_of_their_gain():
    rng, noise, omega = np.random.default_rng(4), np.array([0.8, 0.2]), np.array([-2.0, -3.0])
    values = rng.normal(0.5, 1.5, size=60)
    with jax.enable_x64(True):
        learnt = parameters(
            FOLLOWED,
            mean=[0, 0, 0, 0.2, 3.0],
            precision=[1, *noise, *(4.0 * noise)],
            tonic=[0, 0, 0, *omega],
        )
        found, terms = filtered(FOLLOWED, learnt, values)
        certain = np.asarray(found.posterior.precision[:, 3:]), np.asarray(found.expected.precision[:, 3:])
    xi, nu = np.array([0.2, 3.0]), np.zeros(2)
    precision = 4.0 * noise
    for step, value in enumerate(values):
        expected = 1 / (1 / precision + np.exp(omega))
        nu, precision = expected / noise, expected + noise
        np.testing.assert_allclose(certain[0][step] / noise - 1, nu, rtol=1e-10)
        square = (xi[1] - xi[0] ** 2) * nu[1] * (nu[0] + 1) / (nu[0] * (nu[1] + 1))
        density = scipy.stats.t(nu[1] + 1, xi[0], np.sqrt(square))
        assert terms[step] == pytest.approx(-density.logpdf(value), rel=1e-9)
        xi = xi + (np.array([value, value**2]) - xi) / (1 + nu)
        np.testing.assert_allclose(found.posterior.mean[step, 3:], xi, rtol=1e-10)
    assert np.ptp(certain[1], axis=0).min() > 0


def test_statistics_followed_without_volatility_are_counts():
    values = np.random.default_rng(5).normal(size=50)
    with jax.enable_x64(True):
        nu = 3.0
        counted = parameters(gaussian("count"), mean=[0, 0.1, 2.0], precision=[1, nu, nu])
        followed = parameters(
            FOLLOWED,
            mean=[0, 0, 0, 0.1, 2.0 + 0.1**2],
            precision=[1, 1, 1, nu, nu],
            tonic=[0, 0, 0, -60, -60],
        )
        one, two = (
            filtered(*both, values)[1] for both in ((gaussian("count"), counted), (FOLLOWED, followed))
        )
    np.testing.assert_allclose(one, two, rtol=1e-10)


@pytest.mark.parametrize("structure", [gaussian("statistic"), chance("statistic"), FOLLOWED])
def test_missing_inputs_teach_nothing_and_surprise_nobody(structure):
    n_nodes = len(structure.nodes)
    learnt = parameters(
        structure, mean=[0.5] * (n_nodes - 1) + [2.0 if n_nodes > 2 else 0.5], precision=[4.0] * n_nodes
    )
    values = np.random.default_rng(6).integers(0, 2, size=30).astype(float)
    known = np.arange(30) % 4 != 1
    runs = [filtered(structure, learnt, np.where(known, values, fill), known) for fill in (0.0, 1.0, -1e3)]
    for other in runs[1:]:
        jax.tree.map(np.testing.assert_array_equal, runs[0], other)
    found, terms = runs[0]
    assert (terms[~known] == 0).all()
    assert (terms[known] != 0).all()
    unseen = np.flatnonzero(~known)
    for node in structure.held:
        np.testing.assert_array_equal(found.posterior.mean[unseen, node], found.expected.mean[unseen, node])
    assert not found.observed[unseen].any()


@pytest.mark.parametrize("structure", [gaussian("statistic"), gaussian("count"), FOLLOWED, chance("count")])
@pytest.mark.parametrize("long", [False, True])
def test_gradients_are_finite_differences(monkeypatch, structure, long):
    if long:
        monkeypatch.setattr(filtering, "LONG", 1)
    rng = np.random.default_rng(7)
    n_nodes = len(structure.nodes)
    values = rng.integers(0, 2, size=40) if n_nodes == 2 else rng.normal(size=40)
    known, steps = np.arange(40) % 5 != 2, rng.uniform(0.5, 2.0, size=40)
    with jax.enable_x64(True):
        learnt = parameters(
            structure,
            mean=[0.0, 0.2, *([1.5] if n_nodes > 2 else []), *([0.3, 2.0] if n_nodes > 3 else [])],
            precision=np.full(n_nodes, 4.0),
            tonic=np.full(n_nodes, 0.1),
        )
        inputs, seen = jnp.asarray(values, float)[:, None], jnp.asarray(known)[:, None]

        @jax.jit
        def total(learnt):
            found = run(structure, learnt, inputs, seen, jnp.asarray(steps))
            return surprise(structure, learnt, found.expected, inputs, seen).sum()

        direction = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), learnt)
        if n_nodes <= 3:  # couplings to the leaf are no parameters
            direction = direction._replace(value_coupling=jnp.zeros_like(learnt.value_coupling))
        slope = jax.tree.map(lambda a, b: float((a * b).sum()), jax.grad(total)(learnt), direction)
        size = 1e-6
        high, low = (
            float(total(jax.tree.map(lambda a, b, s=sign: a + s * size * b, learnt, direction)))
            for sign in (1, -1)
        )
    assert sum(slope) == pytest.approx((high - low) / (2 * size), rel=1e-5)
    assert abs(slope.initial_mean) > 1e-3
    assert abs(slope.initial_precision) > 1e-3


@pytest.mark.parametrize("long", [False, True])
def test_statistics_that_leave_no_variance_are_named(monkeypatch, long):
    if long:
        monkeypatch.setattr(filtering, "LONG", 1)
    learnt = parameters(
        FOLLOWED, mean=[0, 0, 0, 0.0, 1.0], precision=[1, 1, 1, 0.1, 50.0], tonic=[0, 0, 0, 0.0, -8.0]
    )
    values = np.concatenate([np.zeros(5), np.full(10, 6.0)])
    found, terms = filtered(FOLLOWED, learnt, values)
    # The mean follows at once, the second moment hardly: after trial 5 nothing is left.
    assert (int(found.failure.node), int(found.failure.step)) == (0, 6)
    assert float(found.failure.computed_precision) < 0
    assert np.isfinite(terms).all()
    assert np.isfinite(found.posterior.mean).all()
    outside = Structure(
        (Node("u", "chance"), Node("p", "statistic"), Node("a")), (Edge("p", "u"), Edge("a", "p"))
    )
    learnt = parameters(outside, mean=[0, 0, 1.5], precision=[1, 1, 10.0], tonic=[0, 0, -4.0])
    found, terms = filtered(outside, learnt, np.ones(5))
    assert (int(found.failure.node), int(found.failure.step)) == (0, 0)
    assert float(found.failure.computed_precision) == pytest.approx(1.5)
    assert np.isfinite(terms).all()


def test_moments_are_those_of_the_density():
    structure, nu = gaussian("statistic"), 9.0
    learnt = parameters(structure, mean=[0, 0.3, 2.0], precision=[1, nu, nu])
    found, _ = filtered(structure, learnt, np.zeros(1))
    first = jax.tree.map(lambda leaf: leaf[0], found.expected)
    mean, variance = leaf_moments(structure, learnt, first, 0)
    expected = scipy.stats.t(nu + 1, 0.3, np.sqrt(2.0))
    assert (float(mean), float(variance)) == pytest.approx((0.3, expected.var()), rel=1e-5)


def test_statistics_out_of_place_are_refused_in_one_sentence():
    u, m, s, x = Node("u", "gaussian"), Node("m", "statistic"), Node("s", "count"), Node("x")
    wrong = {
        "needs 2 statistics": lambda: Structure((u, m), (Edge("m", "u"),)),
        "only leaves of that sort": lambda: Structure((Node("v", "input"), m), (Edge("m", "v"),)),
        "needs one leaf": lambda: Structure((Node("v", "input"), m)),
        "counts": lambda: Structure((u, m, s, x), (*INSIDE, Edge("x", "s"))),
        "no volatility": lambda: Structure((u, m, s, x), INSIDE, (Edge("x", "m"),)),
        "sets no volatility": lambda: Structure(
            (u, m, s, x, Node("v", "input")), (*INSIDE, Edge("x", "v")), (Edge("m", "x"),)
        ),
        "has a function": lambda: Structure((u, m, s), (Edge("m", "u", abs), Edge("s", "u"))),
    }
    for words, make in wrong.items():
        with pytest.raises(ModelError, match=words):
            make()
