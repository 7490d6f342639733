"""Chains against normal posteriors known in full, and their diagnostics against autoregressions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn.inference.chains import effective_draws, no_u_turn, potential_scale_reduction


def test_draws_have_the_moments_of_the_posterior():
    pytest.importorskip("blackjax", reason="sampling needs the extra bayes")
    mean = jnp.array([[1.0, -2.0], [0.0, 5.0]])
    root = jnp.array([[[1.0, 0.0], [0.8, 0.6]], [[0.1, 0.0], [0.0, 2.0]]])

    def log_density(position, data):
        centre, factor = data
        scaled = jnp.linalg.solve(factor, position - centre)
        return -0.5 * (scaled**2).sum()

    drawn = no_u_turn(
        log_density, jnp.zeros((2, 2, 2)), (mean, root), jax.random.key(0), n_warmup=300, n_draws=1500
    )
    position = np.asarray(drawn.position, float)
    assert position.shape == (2, 2, 1500, 2)
    for problem in range(2):
        flat = position[problem].reshape(-1, 2)
        spread = np.asarray(root[problem] @ root[problem].T)
        error = np.sqrt(np.diag(spread) / effective_draws(position[problem]).clip(max=3000))
        assert (np.abs(flat.mean(axis=0) - mean[problem]) < 4 * error).all()
        np.testing.assert_allclose(np.cov(flat.T), spread, atol=0.12 * spread.max())
        assert (potential_scale_reduction(position[problem]) < 1.02).all()
    assert int(np.asarray(drawn.divergent).sum()) == 0


def test_chains_apart_are_not_mixed():
    draws = np.random.default_rng(0).normal(size=(2, 500, 1))
    assert potential_scale_reduction(draws)[0] < 1.02
    assert potential_scale_reduction(draws + np.array([0.0, 3.0])[:, None, None])[0] > 1.5


@pytest.mark.parametrize("memory", [0.0, 0.6, 0.9])
def test_effective_draws_of_an_autoregression(memory):
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(4, 20_000))
    draws = np.zeros_like(noise)
    draws[:, 0] = noise[:, 0] / np.sqrt(1 - memory**2)
    for step in range(1, noise.shape[1]):
        draws[:, step] = memory * draws[:, step - 1] + noise[:, step]
    wanted = draws.size * (1 - memory) / (1 + memory)
    assert effective_draws(draws[..., None])[0] == pytest.approx(wanted, rel=0.15)
