"""Observation models: derivatives, normalisation, limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn.errors import ModelError
from neurodyn.inference.glm.families import (
    BernoulliFamily,
    GaussianFamily,
    NegativeBinomialFamily,
    PoissonFamily,
)

COUNTS = [
    PoissonFamily(),
    PoissonFamily(link="exp"),
    PoissonFamily(link="scaled_sigmoid", ceiling=9.0),
    NegativeBinomialFamily(),
    NegativeBinomialFamily(link="exp"),
]
ALL = [*COUNTS, BernoulliFamily(), GaussianFamily()]
CONVEX = [PoissonFamily(), PoissonFamily(link="exp"), BernoulliFamily(), GaussianFamily()]


def ident(family) -> str:
    return f"{family.name}-{family.link}"


def values_of(family) -> np.ndarray:
    if family.name == "bernoulli":
        return np.array([0.0, 1.0, 1.0])
    return np.array([0.0, 1.0, 4.0]) if family in COUNTS else np.array([-0.3, 0.8, 2.0])


def scale_of(family) -> float:
    return 9.0 if family.link == "scaled_sigmoid" else 1.7


@pytest.mark.parametrize("family", ALL, ids=ident)
def test_score_is_the_derivative_of_the_terms(family):
    with jax.enable_x64(True):
        scale = jnp.asarray(scale_of(family))
        for value in values_of(family):
            for eta in (-6.0, -0.7, 0.1, 1.9):
                term = lambda u, value=value: family.terms(u, jnp.asarray(value), scale)  # noqa: E731
                found = family.derivatives(jnp.asarray(eta), jnp.asarray(value), scale)
                np.testing.assert_allclose(found[0], term(jnp.asarray(eta)), rtol=1e-12)
                np.testing.assert_allclose(found[1], jax.grad(term)(eta), rtol=1e-8, atol=1e-10)
                assert float(found[2]) >= 0


@pytest.mark.parametrize("family", CONVEX, ids=ident)
def test_curvature_is_the_second_derivative_where_that_is_convex(family):
    with jax.enable_x64(True):
        scale = jnp.asarray(scale_of(family))
        for value in values_of(family):
            for eta in (-6.0, -0.7, 0.1, 1.9):
                term = lambda u, value=value: family.terms(u, jnp.asarray(value), scale)  # noqa: E731
                found = family.derivatives(jnp.asarray(eta), jnp.asarray(value), scale)[2]
                np.testing.assert_allclose(found, -jax.grad(jax.grad(term))(eta), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("family", [f for f in COUNTS if f not in CONVEX], ids=ident)
def test_expected_curvature_averages_the_second_derivative(family):
    with jax.enable_x64(True):
        scale, eta = jnp.asarray(scale_of(family)), 0.6
        counts = jnp.arange(400.0)
        density = jnp.exp(family.terms(jnp.asarray(eta), counts, scale) + family.data_terms(np.arange(400)))
        second = jax.vmap(lambda x: jax.grad(jax.grad(lambda u: family.terms(u, x, scale)))(eta))(counts)
        expected = -(density * second).sum()
        curve = family.derivatives(jnp.asarray(eta), jnp.asarray(2.0), scale)[2]
        np.testing.assert_allclose(curve, expected, rtol=1e-6)


@pytest.mark.parametrize("family", COUNTS, ids=ident)
@pytest.mark.parametrize("eta", [-2.0, 0.4, 1.6])
def test_the_density_of_counts_sums_to_one_with_the_stated_moments(family, eta):
    with jax.enable_x64(True):
        counts, scale = np.arange(600.0), jnp.asarray(scale_of(family))
        log_density = family.terms(jnp.asarray(eta), jnp.asarray(counts), scale) + family.data_terms(counts)
        density = np.exp(np.asarray(log_density))
        np.testing.assert_allclose(density.sum(), 1, rtol=1e-9)
        mean = (density * counts).sum()
        np.testing.assert_allclose(family.mean(jnp.asarray(eta), scale), mean, rtol=1e-8)
        spread = (density * (counts - mean) ** 2).sum()
        np.testing.assert_allclose(family.variance(jnp.asarray(eta), scale), spread, rtol=1e-7)


@pytest.mark.parametrize("family", ALL, ids=ident)
def test_nothing_overflows_at_extreme_predictors(family):
    if family.link == "exp":
        return
    scale = jnp.asarray(scale_of(family), jnp.float32)
    for eta in (-80.0, -20.0, 80.0):
        for value in values_of(family):
            found = family.derivatives(jnp.float32(eta), jnp.float32(value), scale)
            assert all(np.isfinite(np.asarray(one)) for one in found)


def test_softplus_is_accurate_where_single_precision_would_lose_it():
    eta = np.array([-30.0, -15.5, -14.5, -3.0, 0.0, 20.0], np.float32)
    found = PoissonFamily().terms(jnp.asarray(eta), jnp.ones(6, jnp.float32), jnp.ones(()))
    exact = np.log(np.log1p(np.exp(eta.astype(float)))) - np.log1p(np.exp(eta.astype(float)))
    np.testing.assert_allclose(found, exact, rtol=2e-6)


def test_a_negative_binomial_with_a_large_dispersion_is_poisson():
    with jax.enable_x64(True):
        eta, counts = jnp.asarray(0.3), jnp.arange(8.0)
        many = NegativeBinomialFamily().terms(eta, counts, jnp.asarray(1e7))
        np.testing.assert_allclose(many, PoissonFamily().terms(eta, counts, jnp.ones(())), atol=1e-4)


@pytest.mark.parametrize("family", ALL, ids=ident)
def test_the_predictor_of_a_mean_has_that_mean(family):
    mean, scale = np.array([0.01, 0.4, 0.9]), np.full(3, scale_of(family))
    eta = family.predictor_of(mean, scale)
    np.testing.assert_allclose(family.mean(jnp.asarray(eta), jnp.asarray(scale)), mean, rtol=1e-5)


@pytest.mark.parametrize("family", ALL, ids=ident)
def test_draws_have_the_stated_moments(family):
    scale = jnp.asarray(scale_of(family), jnp.float32)
    eta = jnp.full(200_000, 0.4, jnp.float32)
    drawn = np.asarray(family.draw(jax.random.key(0), eta, scale), float)
    mean, variance = float(family.mean(eta[0], scale)), float(family.variance(eta[0], scale))
    assert abs(drawn.mean() - mean) < 5 * np.sqrt(variance / len(drawn))
    np.testing.assert_allclose(drawn.var(), variance, rtol=0.03)


def test_unknown_links_and_ceilings_are_refused():
    with pytest.raises(ModelError, match="tanh"):
        PoissonFamily(link="tanh")
    with pytest.raises(ModelError, match="ceiling"):
        PoissonFamily(link="scaled_sigmoid", ceiling=0.0)
    with pytest.raises(ModelError, match="scaled_sigmoid"):
        NegativeBinomialFamily(link="scaled_sigmoid")
