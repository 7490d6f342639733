"""Scoring in single precision keeps the digits that an ill-conditioned covariance would cost."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from neurodyn.inference.emissions import Gaussian, LowRankGaussian, Poisson
from neurodyn.inference.emissions.scoring import for_scoring

N_TIME, N_UNITS, N_STATES = 200, 6, 2


def ill_conditioned(condition, level=0.0):
    """Data and parameters, all exactly representable in single precision."""
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(N_STATES, N_UNITS, N_UNITS)))[0]
    spectrum = np.geomspace(1, 1 / condition, N_UNITS)
    covariance = np.einsum("kij,j,klj->kil", rotation, spectrum, rotation).astype(np.float32)
    covariance = 0.5 * (covariance + covariance.swapaxes(1, 2))
    mean = (level + 0.1 * rng.normal(size=(N_STATES, N_UNITS))).astype(np.float32)
    values = rng.multivariate_normal(mean[0], covariance[0], N_TIME).astype(np.float32)
    return values, {"mean": mean.astype(float), "covariance": covariance.astype(float)}


def scored(emission, values, parameters, exact, missing=None):
    mask = np.ones(values.shape, bool)
    if missing is not None:
        mask[:, missing] = False
    data = emission.prepare(values, mask, np.arange(len(values)) == 0)
    data = for_scoring(data, parameters) if exact else data
    single = {name: jnp.asarray(value, jnp.float32) for name, value in parameters.items()}
    return np.asarray(emission.log_likelihood(single, data), float)


def truth(values, parameters, seen):
    return np.stack(
        [
            multivariate_normal(mean[seen], covariance[np.ix_(seen, seen)]).logpdf(
                values[:, seen].astype(float)
            )
            for mean, covariance in zip(parameters["mean"], parameters["covariance"], strict=True)
        ],
        axis=1,
    )


@pytest.mark.parametrize("missing", [None, 2], ids=["complete", "a unit missing"])
def test_an_ill_conditioned_covariance_is_scored_to_single_precision(missing):
    values, parameters = ill_conditioned(2e3)
    seen = [unit for unit in range(N_UNITS) if unit != missing]
    expected = truth(values, parameters, seen)
    ours = scored(Gaussian(), values, parameters, True, missing) - expected
    plain = scored(Gaussian(), values, parameters, False, missing) - expected
    # What decides between states is the difference of their likelihoods.
    assert np.abs(ours[:, 0] - ours[:, 1]).max() < 5e-5 * np.abs(expected).max()
    assert np.abs(ours).mean() < 0.5 * np.abs(plain).mean()


def test_a_high_level_costs_no_digits():
    values, parameters = ill_conditioned(10.0, level=4096.0)
    expected = truth(values, parameters, list(range(N_UNITS)))
    np.testing.assert_allclose(scored(Gaussian(), values, parameters, True), expected, rtol=2e-4, atol=2e-3)


def test_low_rank_factors_are_those_of_the_dense_covariance():
    values, _ = ill_conditioned(10.0)
    rng = np.random.default_rng(1)
    mean = rng.normal(size=(N_STATES, N_UNITS))
    loading, noise = rng.normal(size=(N_STATES, N_UNITS, 2)), rng.uniform(0.5, 1, size=(N_STATES, N_UNITS))
    dense = loading @ loading.swapaxes(1, 2) + noise[:, :, None] * np.eye(N_UNITS)
    low = {"mean": mean, "loading": loading, "noise_variance": noise}
    one = scored(LowRankGaussian(rank=2), values, low, True)
    other = scored(Gaussian(), values, {"mean": mean, "covariance": dense}, True)
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(one, scored(LowRankGaussian(rank=2), values, low, False), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("broken", [-1.0, np.nan])
def test_a_covariance_that_cannot_be_factorised_is_left_to_the_compiled_code(broken):
    values, parameters = ill_conditioned(10.0)
    parameters["covariance"][1, 0, 0] = broken
    data = Gaussian().prepare(values, np.isfinite(values), np.arange(N_TIME) == 0)
    assert for_scoring(data, parameters).factors is None


def test_other_families_are_left_alone():
    counts = np.ones((10, 2), np.float32)
    data = Poisson().prepare(counts, np.isfinite(counts), np.arange(10) == 0)
    assert for_scoring(data, {"rate": np.ones((2, 2))}) is data
