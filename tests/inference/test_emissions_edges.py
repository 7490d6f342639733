"""Outliers, constant units, conjugate priors, missing predecessors and larger blocks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from neurodyn.inference.emissions import (
    AutoregressiveGaussian,
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    Gaussian,
    LowRankGaussian,
    NormalInverseWishart,
    Poisson,
)

REAL = [
    Gaussian(),
    Gaussian(covariance="tied"),
    DiagonalGaussian(),
    LowRankGaussian(rank=1),
    AutoregressiveGaussian(),
]


def whole(values):
    """A mask which hides nothing and a single start."""
    return np.ones(values.shape, bool), np.arange(len(values)) == 0


@pytest.mark.parametrize("emission", REAL, ids=lambda e: type(e).__name__ + getattr(e, "covariance", ""))
def test_constant_unit_and_a_huge_outlier_stay_finite(emission):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((200, 3)).astype(np.float32)
    values[:, 1] = 7.0
    values[100, 0] = 1e6
    data = emission.prepare(values, *whole(values))

    @jax.jit
    def iterate(parameters):
        posterior = jax.nn.softmax(emission.log_likelihood(parameters, data), axis=1)
        return emission.maximise(emission.statistics(posterior, data, parameters), parameters)

    weights = jax.nn.one_hot(jnp.arange(200) % 3, 3)
    parameters = emission.start_from_data(jax.random.key(0), data, weights)
    for _ in range(6):
        parameters = iterate(parameters)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in parameters.values())
    assert bool(jnp.isfinite(emission.log_likelihood(parameters, data)).all())


def test_a_silent_unit_keeps_a_positive_rate_and_one_spike_is_possible():
    counts = np.zeros((100, 2), np.float32)
    counts[::2, 0] = 3
    emission = Poisson()
    data = emission.prepare(counts, *whole(counts))
    weights = jax.nn.one_hot(jnp.arange(100) % 2, 2)
    parameters = emission.start_from_data(jax.random.key(0), data, weights)
    assert float(parameters["rate"].min()) > 0
    later = emission.prepare(np.ones((1, 2), np.float32), np.ones((1, 2), bool), np.ones(1, bool))
    assert float(emission.log_likelihood(parameters, later).min()) > -40


@pytest.mark.parametrize(
    "emission", [*REAL, Poisson(), Bernoulli(), Categorical(n_categories=2)], ids=lambda e: type(e).__name__
)
def test_a_unit_never_observed_stays_finite_and_says_nothing(emission):
    rng = np.random.default_rng(0)
    values = (rng.random((60, 2)) < 0.4).astype(np.float32)
    mask = np.ones((60, 2), bool)
    mask[:, 1] = False
    data = emission.prepare(values, mask, np.arange(60) == 0)
    weights = jax.nn.one_hot(jnp.arange(60) % 2, 2)
    parameters = emission.start_from_data(jax.random.key(0), data, weights)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in parameters.values())
    likelihood = emission.log_likelihood(parameters, data)
    assert bool(jnp.isfinite(likelihood).all())
    other = emission.prepare(np.where(mask, values, 7.0), mask, np.arange(60) == 0)
    np.testing.assert_array_equal(emission.log_likelihood(parameters, other), likelihood)
    mean, _ = emission.predict_mean(parameters, weights, data)
    assert bool(jnp.isfinite(mean).all())


def test_conjugate_priors_give_the_analytic_mode():
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, (60, 1)).astype(np.float32)
    one = jnp.ones((60, 1))
    emission = Poisson(prior_strength=10.0)
    data = emission.prepare(counts, *whole(counts))
    rate = emission.start_from_data(jax.random.key(0), data, one.at[30:].set(0))["rate"]
    mode = (counts[:30].sum() + 10 * counts.mean()) / 40
    np.testing.assert_allclose(rate, [[mode]], rtol=1e-5)

    binary = (counts > 1).astype(np.float32)
    emission = Bernoulli(prior_strength=10.0)
    data = emission.prepare(binary, *whole(binary))
    chance = emission.start_from_data(jax.random.key(0), data, one.at[30:].set(0))["probability"]
    np.testing.assert_allclose(chance, [[(binary[:30].sum() + 10 * binary.mean()) / 40]], rtol=1e-5)

    codes = np.minimum(counts, 2)
    emission = Categorical(n_categories=3, prior_strength=10.0)
    data = emission.prepare(codes, *whole(codes))
    chance = emission.start_from_data(jax.random.key(0), data, one.at[30:].set(0))["probability"]
    seen = np.array([(codes[:30] == c).sum() for c in range(3)])
    overall = np.array([(codes == c).mean() for c in range(3)])
    np.testing.assert_allclose(chance[0, 0], (seen + 10 * overall) / 40, rtol=1e-5)


def test_normal_inverse_wishart_mode_equals_the_textbook():
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        values = rng.standard_normal((80, 2)) @ np.array([[2.0, 0.5], [0.0, 1.0]]) + [3.0, -1.0]
        emission = Gaussian(prior=NormalInverseWishart(mean_strength=4, covariance_strength=12, variance=0.7))
        data = emission.prepare(values, *whole(values))
        chosen = jnp.zeros((80, 1)).at[:30].set(1.0)
        found = emission.start_from_data(jax.random.key(0), data, chosen)
        centre, scale = np.asarray(data.centre), np.asarray(data.scale)
    part = (values[:30] - centre) / scale
    average = part.mean(0)
    scatter = (part - average).T @ (part - average)
    pulled = scatter + 30 * 4 / 34 * np.outer(average, average) + 12 * 0.7 * np.eye(2)
    np.testing.assert_allclose(found["mean"][0], centre + scale * 30 * average / 34, rtol=1e-9)
    np.testing.assert_allclose(found["covariance"][0], pulled / 42 * np.outer(scale, scale), rtol=1e-9)


@pytest.mark.parametrize("missing", [1, 3, 9, 18])
def test_rows_that_miss_many_entries_equal_scipy(missing):
    """Small gaps go through sweeps, large ones through a library factorisation."""
    rng = np.random.default_rng(missing)
    n_units = 20
    with jax.enable_x64(True):
        root = rng.standard_normal((2, n_units, n_units))
        covariance = root @ root.swapaxes(1, 2) + np.eye(n_units)
        mean = rng.standard_normal((2, n_units))
        values = rng.standard_normal((40, n_units)) * 3
        mask = np.ones((40, n_units), bool)
        for t in range(35):
            mask[t, rng.choice(n_units, missing, replace=False) if t < 5 else np.arange(missing)] = False
        emission = Gaussian()
        data = emission.prepare(values, mask, np.arange(40) == 0)
        parameters = {"mean": jnp.asarray(mean), "covariance": jnp.asarray(covariance)}
        likelihood = emission.log_likelihood(parameters, data)
        predicted, spread = emission.predict_mean(parameters, jnp.ones((40, 2)) * jnp.array([1.0, 0.0]), data)
    for t in (0, 3, 7, 34, 39):
        o, m = mask[t], ~mask[t]
        for k in range(2):
            law = stats.multivariate_normal(mean[k, o], covariance[k][np.ix_(o, o)])
            np.testing.assert_allclose(likelihood[t, k], law.logpdf(values[t, o]), rtol=1e-9)
        gain = covariance[0][np.ix_(m, o)] @ np.linalg.inv(covariance[0][np.ix_(o, o)])
        np.testing.assert_allclose(
            predicted[t, m], mean[0, m] + gain @ (values[t, o] - mean[0, o]), rtol=1e-7
        )
        np.testing.assert_allclose(
            spread[t, m], np.diag(covariance[0])[m] - np.diag(gain @ covariance[0][np.ix_(o, m)]), rtol=1e-7
        )
        np.testing.assert_allclose(predicted[t, o], mean[0, o], rtol=1e-9)


def test_narrow_states_far_from_the_centre_keep_their_digits_in_float32():
    rng = np.random.default_rng(0)
    mean = np.array([[-100.0, 40.0], [100.0, 40.5]])
    states = rng.integers(2, size=500)
    values = (mean[states] + rng.standard_normal((500, 2))).astype(np.float32)
    emission = Gaussian()
    data = emission.prepare(values, *whole(values))
    parameters = {"mean": jnp.asarray(mean, jnp.float32), "covariance": jnp.stack([jnp.eye(2)] * 2)}
    likelihood = np.asarray(emission.log_likelihood(parameters, data))
    own = likelihood[np.arange(500), states]
    exact = stats.norm.logpdf(values.astype(float), mean[states]).sum(1)
    np.testing.assert_allclose(own, exact, rtol=1e-4, atol=1e-3)


def test_chunks_of_time_join_without_a_seam(monkeypatch):
    from neurodyn.inference.emissions import _time

    rng = np.random.default_rng(0)
    values, weights = rng.standard_normal((1000, 3)), jnp.asarray(rng.dirichlet(np.ones(2), 1000))
    emission = DiagonalGaussian()
    data = emission.prepare(values.astype(np.float32), *whole(values))
    parameters = emission.start_from_data(jax.random.key(0), data, weights)
    once = emission.log_likelihood(parameters, data), emission.statistics(weights, data, parameters)
    monkeypatch.setattr(_time, "_CHUNK_ELEMENTS", 1)
    pieces = emission.log_likelihood(parameters, data), emission.statistics(weights, data, parameters)
    for a, b in zip(jax.tree.leaves(once), jax.tree.leaves(pieces), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4)


def simulated_regression(n_bins=400, seed=0):
    """Two states of a bivariate regression and their parameters."""
    rng = np.random.default_rng(seed)
    slopes = np.array([[[0.9, 0.1], [0.0, 0.8]], [[-0.5, 0.2], [0.1, 0.6]]])
    shift = np.array([[1.0, 0.0], [0.0, -1.0]])
    states = np.repeat(rng.integers(2, size=n_bins // 20), 20)
    values = np.zeros((n_bins, 2))
    for t in range(1, n_bins):
        values[t] = shift[states[t]] + slopes[states[t]] @ values[t - 1] + 0.5 * rng.standard_normal(2)
    parameters = {
        "intercept": jnp.asarray(shift),
        "coefficients": jnp.asarray(slopes[:, None]),
        "covariance": jnp.asarray(np.stack([0.25 * np.eye(2)] * 2)),
    }
    return values, states, parameters


def test_autoregression_equals_scipy_and_recovers_its_coefficients():
    with jax.enable_x64(True):
        values, states, parameters = simulated_regression()
        emission = AutoregressiveGaussian()
        data = emission.prepare(values, *whole(values))
        likelihood = np.asarray(emission.log_likelihood(parameters, data))
        fitted = emission.start_from_data(jax.random.key(0), data, jax.nn.one_hot(states, 2, dtype=float))
    predicted = np.asarray(parameters["intercept"])[states[1:]] + np.einsum(
        "tij,tj->ti", np.asarray(parameters["coefficients"])[states[1:], 0], values[:-1]
    )
    exact = stats.norm.logpdf(values[1:], predicted, 0.5).sum(1)
    np.testing.assert_allclose(likelihood[np.arange(1, 400), states[1:]], exact, rtol=1e-9)
    assert (likelihood[0] == 0).all()
    for k in range(2):
        rows = np.flatnonzero(states[1:] == k) + 1
        design = np.column_stack([values[rows - 1], np.ones(len(rows))])
        solution = np.linalg.lstsq(design, values[rows], rcond=None)[0].T
        np.testing.assert_allclose(fitted["coefficients"][k, 0], solution[:, :2], atol=1e-8)
        np.testing.assert_allclose(fitted["intercept"][k], solution[:, 2], atol=1e-8)


def test_filled_history_equals_the_kalman_filter_with_one_state():
    with jax.enable_x64(True):
        values, _, parameters = simulated_regression(60)
        parameters = {name: value[:1] for name, value in parameters.items()}
        rng = np.random.default_rng(2)
        mask = rng.random(values.shape) > 0.4
        mask[0] = True
        emission = AutoregressiveGaussian()
        data = emission.prepare(np.where(mask, values, 0), mask, np.arange(60) == 0)
        filled = emission.fill_history(parameters, data, jnp.ones((1, 1)), jnp.ones(1))
        history = np.asarray(filled.history * filled.scale + filled.centre)
        variance = np.zeros((60, 2))
        listed = np.asarray(filled.uncertain)
        inside = listed < 60
        variance[listed[inside]] = np.asarray(filled.history_variance * filled.scale**2)[inside]
    slope, shift = np.asarray(parameters["coefficients"])[0, 0], np.asarray(parameters["intercept"])[0]
    mean, covariance = values[0], np.zeros((2, 2))
    for t in range(1, 60):
        np.testing.assert_allclose(history[t], mean, atol=1e-8)
        np.testing.assert_allclose(variance[t], np.diag(covariance), atol=1e-8)
        mean, covariance = shift + slope @ mean, slope @ covariance @ slope.T + 0.25 * np.eye(2)
        o = mask[t]
        if o.any():
            gain = covariance[:, o] @ np.linalg.inv(covariance[np.ix_(o, o)])
            mean = mean + gain @ (values[t, o] - mean[o])
            covariance = covariance - gain @ covariance[o]


def test_regression_with_missing_predecessors_is_finite_and_near_the_complete_fit():
    values, states, _ = simulated_regression(800)
    mask = np.random.default_rng(1).random(values.shape) > 0.1
    emission = AutoregressiveGaussian()
    weights = jax.nn.one_hot(states, 2)
    whole_data = emission.prepare(values.astype(np.float32), *whole(values))
    reference = emission.start_from_data(jax.random.key(0), whole_data, weights)
    data = emission.prepare(np.where(mask, values, 0).astype(np.float32), mask, np.arange(800) == 0)
    parameters = emission.start_from_data(jax.random.key(0), data, weights)

    @jax.jit
    def iterate(parameters):
        ready = emission.fill_history(
            parameters, data, jnp.array([[0.95, 0.05], [0.05, 0.95]]), jnp.full(2, 0.5)
        )
        return emission.maximise(emission.statistics(weights, ready, parameters), parameters)

    for _ in range(5):
        parameters = iterate(parameters)
    np.testing.assert_allclose(parameters["coefficients"], reference["coefficients"], atol=0.15)
    assert bool(jnp.isfinite(emission.log_likelihood(parameters, data)).all())
