"""Features, likelihoods, gradients and curvature products against plain loops and automatic derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import problems as small
import pytest

from neurodyn.inference.glm import passes
from neurodyn.inference.glm.design import chunk_length, convolved, rows_of
from neurodyn.inference.glm.families import PoissonFamily

FAMILY = PoissonFamily()
ONE = jnp.ones(small.N_UNITS)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def cut(design, chunk: int):
    """The same design in chunks of another length."""
    fields = {name: getattr(design, name) for name in type(design).__dataclass_fields__}
    return type(design)(**{**fields, "chunk": chunk})


def test_features_are_those_of_the_definition_and_stop_at_the_beginning_of_a_trial():
    shared, own = small.features_in_loops()
    rows = rows_of(small.design(), jnp.array(0))
    np.testing.assert_allclose(rows.features, shared, atol=1e-12)
    np.testing.assert_allclose(rows.own[:, 0], own, atol=1e-12)


def test_features_computed_block_by_block_are_those_kept_whole():
    whole, lazy = small.design(), small.design(keep=False)
    assert whole.features is not None
    assert lazy.features is None
    for chunk in (96, 32, 8):
        found = [rows_of(cut(lazy, chunk), jnp.array(i)).features for i in range(96 // chunk)]
        np.testing.assert_allclose(np.concatenate(found), whole.features, atol=1e-12)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("chunk", [96, 16])
def test_likelihood_of_every_state_is_the_sum_over_observed_units(missing, chunk):
    weights = small.weights()
    design = cut(small.design(missing=missing), chunk)
    values, mask, _ = small.arrays(missing=missing)
    rate = np.log1p(np.exp(small.predictor_in_loops(weights)))
    expected = np.where(mask[:, None], values[:, None] * np.log(rate) - rate, 0).sum(axis=2)
    found = passes.state_likelihoods(weights, ONE, design, family=FAMILY)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    value, again = passes.evaluate(weights, ONE, design, jnp.asarray(small.posterior()), family=FAMILY)
    np.testing.assert_allclose(again, expected, atol=1e-10)
    np.testing.assert_allclose(value.sum(), (expected * small.posterior()).sum(), atol=1e-9)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("chunk", [96, 16])
def test_gradient_and_curvature_products_are_the_derivatives(missing, chunk):
    design = cut(small.design(missing=missing, keep=False), chunk)
    weights, posterior = small.weights(), jnp.asarray(small.posterior())

    def objective(one):
        return passes.evaluate.function(one, ONE, design, posterior, family=FAMILY)[0].sum()

    found = passes.slopes(weights, ONE, design, posterior, FAMILY)
    expected = jax.grad(objective)(weights)
    np.testing.assert_allclose(found.gradient.shared, expected.shared, atol=1e-9)
    np.testing.assert_allclose(found.gradient.own, expected.own, atol=1e-9)
    direction = small.weights(seed=9)
    product = passes.curvature_product(direction, design, found.curvature)
    second = jax.jvp(jax.grad(objective), (weights,), (direction,))[1]
    np.testing.assert_allclose(product.shared, -second.shared, atol=1e-8)
    np.testing.assert_allclose(product.own, -second.own, atol=1e-8)


def test_whole_curvature_matrices_agree_with_products():
    design, weights = small.design(own=False), small.weights(own=False)
    posterior = jnp.asarray(small.posterior())
    gradient, matrix = passes.exact_curvature(weights, ONE, design, posterior, family=FAMILY)
    found = passes.slopes(weights, ONE, design, posterior, FAMILY)
    np.testing.assert_allclose(gradient.shared, found.gradient.shared, atol=1e-10)
    direction = small.weights(seed=4, own=False)
    product = passes.curvature_product(direction, design, found.curvature)
    np.testing.assert_allclose(
        np.einsum("snfg,gsn->fsn", matrix, direction.shared), product.shared, atol=1e-9
    )


def test_second_moments_of_the_features():
    shared, _ = small.features_in_loops()
    found = passes.feature_moments(small.design(), jnp.asarray(small.posterior()))
    expected = np.einsum("ts,tf,tg->sfg", small.posterior(), shared, shared)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("n_time", [8, 96, 3072, 61_440, 61_441, 99_991])
@pytest.mark.parametrize("width", [1, 100, 1200])
def test_chunks_divide_the_recording(n_time, width):
    chunk = chunk_length(n_time, width)
    assert n_time % chunk == 0
    assert chunk * width <= 4 * max((1 << 16), 256 * width) or chunk == n_time


def test_a_basis_longer_than_a_trial_sees_what_there_is():
    window = jnp.arange(1.0, 7.0)[:, None]
    found = convolved(window, jnp.array([0, 1, 2]), jnp.ones((3, 1)))
    assert found[:, 0, 0].tolist() == [0.0, 4.0, 9.0]
