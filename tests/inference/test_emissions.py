"""What every emission family must hold, whichever it is."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from neurodyn.errors import ModelError
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

PRIOR = NormalInverseWishart(mean_strength=2.0, covariance_strength=9.0, variance=0.5)
FAMILIES = {
    "full": Gaussian(),
    "full-prior": Gaussian(prior=PRIOR),
    "tied": Gaussian(covariance="tied"),
    "diagonal": DiagonalGaussian(),
    "spherical-prior": DiagonalGaussian(covariance="spherical", prior=PRIOR),
    "low-rank-prior": LowRankGaussian(rank=1, prior=PRIOR),
    "autoregressive": AutoregressiveGaussian(order=2),
    "autoregressive-tied-prior": AutoregressiveGaussian(covariance="tied", prior=PRIOR),
    "poisson": Poisson(),
    "poisson-prior": Poisson(prior_strength=3.0),
    "bernoulli": Bernoulli(),
    "bernoulli-prior": Bernoulli(prior_strength=3.0),
    "categorical": Categorical(n_categories=3),
    "categorical-prior": Categorical(n_categories=3, prior_strength=2.0),
}
K, D, T = 3, 3, 240
every_family = pytest.mark.parametrize("name", FAMILIES)


def observations(name, seed=0):
    """Values of a few clusters in units far from 0 and 1, a mask, and the starts of 3 trials."""
    rng = np.random.default_rng(seed)
    states = np.repeat(rng.integers(K, size=T // 8), 8)
    mask = rng.random((T, D)) > 0.15
    mask[10:13] = False
    if name.startswith("autoregressive"):
        # A bin observed in part may not be anyone's predecessor: only then is the likelihood exact.
        mask = np.ones((T, D), bool)
        mask[79, :2] = mask[159, 1:] = mask[239, 0] = False
    start = np.isin(np.arange(T), [0, 80, 160])
    if name.startswith(("poisson", "bernoulli", "categorical")):
        rate = rng.gamma(1.0, 1.5, (K, D))
        counts = rng.poisson(rate[states]).astype(np.float32)
        top = {"p": np.inf, "b": 1, "c": 2}[name[0]]
        return np.minimum(counts, top), mask, start
    root = rng.standard_normal((K, D, D))
    noise = np.einsum("tij,tj->ti", root[states], rng.standard_normal((T, D)))
    values = rng.standard_normal((K, D))[states] * 2 + noise
    return (values * [1, 10, 0.1] + [0, 50, -3]).astype(np.float32), mask, start


@functools.cache
def compiled(emission):
    """Jitted methods of one family."""
    names = ("log_likelihood", "statistics", "maximise", "log_prior", "start_from_data", "predict_mean")
    return {name: jax.jit(getattr(emission, name)) for name in names}


def begin(name, dtype=np.float32, fill=0.0, seed=0):
    """Prepared data, parameters after one M-step from a soft assignment, posterior."""
    emission, call = FAMILIES[name], compiled(FAMILIES[name])
    values, mask, start = observations(name, seed)
    data = emission.prepare(np.where(mask, values, fill).astype(dtype), mask, start)
    weights = np.random.default_rng(1).dirichlet(np.ones(K), T).astype(dtype)
    parameters = call["start_from_data"](jax.random.key(0), data, jnp.asarray(weights))
    posterior = jax.nn.softmax(call["log_likelihood"](parameters, data), axis=1)
    return emission, call, data, parameters, posterior


def largest_difference(one, two):
    """Largest difference of two trees of arrays relative to each leaf's size."""
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
    return max(float(np.max(np.abs(a - b)) / (np.max(np.abs(b)) + 1e-12)) for a, b in pairs)


@every_family
def test_em_never_decreases_the_objective_with_missing_entries(name):
    with jax.enable_x64(True):
        _, call, data, parameters, _ = begin(name, np.float64)
        objective = []
        for _ in range(12):
            likelihood = call["log_likelihood"](parameters, data)
            total = jax.nn.logsumexp(likelihood - np.log(K), axis=1).sum() + call["log_prior"](
                parameters, data
            )
            objective.append(float(total))
            moments = call["statistics"](jax.nn.softmax(likelihood, axis=1), data, parameters)
            parameters = call["maximise"](moments, parameters)
    steps = np.diff(objective)
    assert steps.min() > -1e-6 * abs(objective[0])
    assert objective[-1] > objective[0] + 1e-2


@every_family
def test_the_maximised_parameters_are_a_maximum(name):
    """No small step away from the M-step's result raises the expected objective (complete data)."""
    emission, call = FAMILIES[name], compiled(FAMILIES[name])
    with jax.enable_x64(True):
        values, _, start = observations(name)
        data = emission.prepare(values.astype(float), np.ones((T, D), bool), start)
        posterior = jnp.asarray(np.random.default_rng(1).dirichlet(np.ones(K), T))
        parameters = call["start_from_data"](jax.random.key(0), data, posterior)
        if name.startswith("low-rank"):
            moments = call["statistics"](posterior, data, parameters)
            for _ in range(200):
                parameters = call["maximise"](moments, parameters)

        def expected(free):
            changed = emission.constrain(free)
            return jnp.sum(posterior * emission.log_likelihood(changed, data)) + emission.log_prior(
                changed, data
            )

        free = emission.unconstrain(parameters)
        gradient = jax.jit(jax.grad(expected))(free)
    if "tied" in name or "spherical" in name:
        gradient.pop("log_diagonal", None), gradient.pop("lower", None), gradient.pop("log_deviation", None)
    worst = max(float(np.abs(np.asarray(leaf)).max()) for leaf in jax.tree.leaves(gradient))
    assert worst < (0.3 if name.startswith("low-rank") else 1e-4)


@every_family
def test_statistics_add_up_over_blocks_of_time(name):
    _, call, data, parameters, posterior = begin(name)
    first = jnp.arange(T)[:, None] < 100
    parts = [call["statistics"](jnp.where(half, posterior, 0), data, parameters) for half in (first, ~first)]
    whole = call["maximise"](call["statistics"](posterior, data, parameters), parameters)
    summed = call["maximise"](jax.tree.map(jnp.add, *parts), parameters)
    assert largest_difference(summed, whole) < 1e-4


@every_family
def test_values_behind_the_mask_change_nothing(name):
    reference = begin(name)
    noise = np.random.default_rng(5).standard_normal((T, D))
    for fill in (1e3, noise, np.nan):
        other = begin(name, fill=fill)
        np.testing.assert_array_equal(other[4], reference[4])
        assert largest_difference(other[3], reference[3]) == 0.0


@every_family
def test_bins_without_observation_have_likelihood_one(name):
    _, call, data, parameters, _ = begin(name)
    values, mask, _ = observations(name)
    likelihood = np.asarray(call["log_likelihood"](parameters, data))
    assert (likelihood[~mask.any(axis=1)] == 0).all()
    assert np.isfinite(likelihood).all()
    assert likelihood.shape == (len(values), K)


@every_family
def test_padding_with_missing_bins_changes_nothing(name):
    emission, call, data, parameters, posterior = begin(name)
    values, mask, start = observations(name)
    pad = 16
    longer = emission.prepare(
        np.concatenate([np.where(mask, values, 0), np.zeros((pad, D), values.dtype)]),
        np.concatenate([mask, np.zeros((pad, D), bool)]),
        np.concatenate([start, np.ones(pad, bool)]),
    )
    likelihood = np.asarray(call["log_likelihood"](parameters, longer))
    np.testing.assert_allclose(likelihood[:T], call["log_likelihood"](parameters, data), rtol=1e-4, atol=1e-3)
    assert (likelihood[T:] == 0).all()
    wide = jnp.concatenate([posterior, jnp.ones((pad, K)) / K])
    fitted = call["maximise"](call["statistics"](wide, longer, parameters), parameters)
    plain = call["maximise"](call["statistics"](posterior, data, parameters), parameters)
    if not name.startswith("categorical"):
        assert largest_difference(fitted, plain) < 1e-4


@every_family
def test_an_empty_state_stays_finite(name):
    _, call, data, parameters, posterior = begin(name)
    empty = posterior.at[:, 1].set(0.0)
    fitted = call["maximise"](call["statistics"](empty, data, parameters), parameters)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(fitted))
    assert bool(jnp.isfinite(call["log_likelihood"](fitted, data)).all())


@every_family
def test_permuting_units_permutes_the_result(name):
    emission, call, data, parameters, _ = begin(name)
    values, mask, start = observations(name)
    order = np.array([2, 0, 1])
    shuffled = emission.prepare(values[:, order], mask[:, order], start)
    moved = {}
    for key, value in parameters.items():
        for axis, dimension in enumerate(emission.dimensions[key]):
            if dimension in ("unit", "unit_2"):
                value = jnp.take(value, order, axis=axis)
        moved[key] = value
    np.testing.assert_allclose(
        call["log_likelihood"](moved, shuffled),
        call["log_likelihood"](parameters, data),
        rtol=1e-4,
        atol=2e-3,
    )


@every_family
def test_unconstrained_coordinates_come_back(name):
    emission, _, _, parameters, _ = begin(name)
    assert largest_difference(emission.constrain(emission.unconstrain(parameters)), parameters) < 1e-4


@every_family
def test_parameters_have_the_promised_dimensions(name):
    emission, _, data, parameters, _ = begin(name)
    sizes = {"state": K, "unit": D, "unit_2": D, "lag": emission.reach, "category": 3}
    sizes["factor"] = getattr(emission, "rank", 0)
    assert set(parameters) == set(emission.dimensions)
    for key, value in parameters.items():
        assert value.shape == tuple(sizes[dimension] for dimension in emission.dimensions[key])
    projected = emission.project(parameters, data)
    assert largest_difference(projected, parameters) < 1e-4
    assert hash(emission) == hash(FAMILIES[name])


@every_family
def test_predictions_are_finite_and_agree_with_samples(name):
    emission, call, data, parameters, _ = begin(name)
    mean, variance = call["predict_mean"](parameters, jnp.ones((T, K)) / K, data)
    assert mean.shape[:2] == variance.shape[:2] == (T, D)
    assert bool(jnp.isfinite(mean).all())
    assert bool((variance >= 0).all())
    if name.startswith("autoregressive"):
        return
    if name.startswith("categorical"):
        np.testing.assert_allclose(mean.sum(2), 1, rtol=1e-5)
        return
    path = jnp.repeat(jnp.arange(K), 4000)
    drawn = np.asarray(emission.sample(jax.random.key(3), parameters, path)).reshape(K, 4000, D)
    blank = emission.prepare(np.zeros((K, D), np.float32), np.zeros((K, D), bool), np.ones(K, bool))
    mean, variance = emission.predict_mean(parameters, jnp.eye(K), blank)
    error = np.abs(drawn.mean(1) - mean) / np.sqrt(variance / 4000 + 1e-9)
    assert error.max() < 5
    np.testing.assert_allclose(drawn.var(1), variance, rtol=0.25, atol=1e-3)


@pytest.mark.parametrize("name", ["full", "tied", "diagonal", "low-rank-prior"])
@pytest.mark.parametrize("wide", [False, True])
def test_gaussian_likelihood_equals_scipy_marginals(name, wide):
    tolerance = 1e-9 if wide else 1e-5
    with jax.enable_x64(wide):
        _, call, data, parameters, _ = begin(name, np.float64 if wide else np.float32)
        likelihood = np.asarray(call["log_likelihood"](parameters, data))
        mean = np.asarray(parameters["mean"], float)
        if "covariance" in parameters:
            covariance = np.asarray(parameters["covariance"], float)
        elif "variance" in parameters:
            covariance = np.asarray(parameters["variance"], float)[:, :, None] * np.eye(D)
        else:
            loading = np.asarray(parameters["loading"], float)
            covariance = loading @ loading.swapaxes(1, 2)
            covariance = covariance + np.asarray(parameters["noise_variance"], float)[:, :, None] * np.eye(D)
    values, mask, _ = observations(name)
    expected = np.zeros((T, K))
    for t in np.flatnonzero(mask.any(axis=1)):
        o = mask[t]
        for k in range(K):
            law = stats.multivariate_normal(mean[k, o], covariance[k][np.ix_(o, o)])
            expected[t, k] = law.logpdf(values[t, o])
    np.testing.assert_allclose(likelihood, expected, rtol=tolerance, atol=10 * tolerance)


def test_count_likelihoods_equal_scipy():
    for name, law in (("poisson", stats.poisson), ("bernoulli", stats.bernoulli)):
        _, call, data, parameters, _ = begin(name)
        values, mask, _ = observations(name)
        (table,) = (np.asarray(v, float) for v in parameters.values())
        expected = (law.logpmf(values[:, None], table) * mask[:, None]).sum(-1)
        np.testing.assert_allclose(call["log_likelihood"](parameters, data), expected, rtol=1e-5, atol=1e-5)
    _, call, data, parameters, _ = begin("categorical")
    values, mask, _ = observations("categorical")
    table = np.asarray(parameters["probability"], float)
    chosen = np.stack([table[:, d, values[:, d].astype(int)] for d in range(D)], axis=2)
    expected = np.where(mask, np.log(chosen), 0).sum(2).T
    np.testing.assert_allclose(call["log_likelihood"](parameters, data), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("emission", "value", "named"),
    [
        (Poisson(), -1, "-1"),
        (Poisson(), 0.5, "0.5"),
        (Bernoulli(), 3, "3"),
        (Categorical(n_categories=2), 2, "2"),
    ],
)
def test_impossible_codes_are_refused_with_their_place(emission, value, named):
    values = np.zeros((5, 2), np.float32)
    values[3, 1] = value
    with pytest.raises(ModelError, match=rf"got {named} at bin 3, unit 1"):
        emission.prepare(values, np.ones((5, 2), bool), np.arange(5) == 0)
    mask = np.ones((5, 2), bool)
    mask[3, 1] = False
    emission.prepare(values, mask, np.arange(5) == 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Gaussian(covariance="round"),
        lambda: Gaussian(covariance_floor=0.0),
        lambda: LowRankGaussian(rank=0),
        lambda: AutoregressiveGaussian(order=0),
        lambda: Poisson(prior_strength=-1.0),
        lambda: Categorical(n_categories=1),
        lambda: NormalInverseWishart(variance=0.0),
    ],
)
def test_hyperparameters_out_of_range_are_refused(make):
    with pytest.raises(ModelError):
        make()
