"""Sinkhorn divergences against exact transport, finite differences, and themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog

from neurodyn.errors import ModelError
from neurodyn.inference.sinkhorn import (
    aligned_distance,
    independent_divergence,
    sinkhorn_divergence,
    transport_cost,
)
from neurodyn.inference.sinkhorn import updates as internals
from neurodyn.inference.sinkhorn.divergence import solve


def points(n: int, seed: int, width: int = 3) -> jnp.ndarray:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(n, width)), jnp.float32)


def one_hots(n: int, seed: int, steps: int = 6, symbols: int = 3) -> jnp.ndarray:
    drawn = np.random.default_rng(seed).integers(0, symbols, (n, steps))
    return jnp.asarray(np.eye(symbols, dtype=np.float32)[drawn].reshape(n, -1))


def linear_programme(cost: np.ndarray) -> float:
    n, m = cost.shape
    rows = np.kron(np.eye(n), np.ones(m))
    columns = np.kron(np.ones(n), np.eye(m))
    found = linprog(
        cost.ravel(),
        A_eq=np.vstack([rows, columns]),
        b_eq=np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)]),
        method="highs",
    )
    return float(found.fun)


def test_a_small_blur_gives_exact_transport_between_batches_of_unequal_size():
    x, y = points(7, 0), points(11, 1)
    cost = 0.5 * np.square(np.asarray(x)[:, None] - np.asarray(y)[None]).sum(-1)
    exact = linear_programme(cost)
    found = float(transport_cost(x, y, blur=5e-3, scaling=0.9, updates=3000))
    assert exact - 1e-3 <= found <= exact + 5e-3 * np.log(77) + 1e-3
    assert found == pytest.approx(exact, rel=0.01)


def test_a_small_blur_gives_the_best_assignment_of_sequences():
    x, y = one_hots(20, 0), one_hots(20, 1)
    cost = 6 - np.asarray(x) @ np.asarray(y).T
    rows, columns = linear_sum_assignment(cost)
    found = transport_cost(x, y, steps=6, blur=5e-3, scaling=0.7, updates=500)
    assert float(found) == pytest.approx(cost[rows, columns].mean(), rel=0.01)


def entropic(x: np.ndarray, y: np.ndarray, blur: float) -> float:
    """The converged dual in double precision, by plain alternating updates."""
    cost = 0.5 * np.square(x[:, None] - y[None]).sum(-1)
    f, g = np.zeros(len(x)), np.zeros(len(y))
    for _ in range(3000):
        f = -blur * np.log(np.exp((g[None] - cost) / blur).mean(1))
        g = -blur * np.log(np.exp((f[:, None] - cost) / blur).mean(0))
    return f.mean() + g.mean()


def test_value_and_gradient_agree_with_double_precision_and_finite_differences():
    x, y = np.asarray(points(5, 0), np.float64), np.asarray(points(6, 1), np.float64)

    def cost(x):
        return transport_cost(x, jnp.asarray(y, jnp.float32), blur=0.3, updates=200)

    value, gradient = jax.value_and_grad(cost)(jnp.asarray(x, jnp.float32))
    assert float(value) == pytest.approx(entropic(x, y, 0.3), abs=1e-4)
    for place in ((0, 0), (3, 2)):
        ahead, behind = x.copy(), x.copy()
        ahead[place] += 1e-4
        behind[place] -= 1e-4
        difference = (entropic(ahead, y, 0.3) - entropic(behind, y, 0.3)) / 2e-4
        assert float(gradient[place]) == pytest.approx(difference, abs=2e-4)


def test_the_gradient_of_either_side_is_that_of_the_problem_turned_round():
    x, y = points(5, 2), points(6, 3)
    one = jax.grad(lambda y: transport_cost(x, y, blur=0.5, updates=50))(y)
    other = jax.grad(lambda y: transport_cost(y, x, blur=0.5, updates=50))(y)
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_sequences_cost_what_half_the_squared_distance_says_and_differ_in_their_gradient_by_themselves():
    x, y = one_hots(20, 0), one_hots(20, 1)
    options = {"blur": 0.1, "scaling": 0.6, "updates": 60}
    flat, forward = jax.value_and_grad(lambda x: transport_cost(x, y, steps=6, **options))(x)
    round_, back = jax.value_and_grad(lambda x: transport_cost(x, y, **options))(x)
    assert float(flat) == pytest.approx(float(round_), abs=2e-3)
    np.testing.assert_allclose(np.asarray(forward + x / 20), np.asarray(back), atol=2e-3)


def test_a_batch_is_at_no_distance_from_itself_and_at_some_from_a_shifted_one():
    x = points(40, 4)
    assert abs(float(sinkhorn_divergence(x, x))) < 1e-4
    assert float(sinkhorn_divergence(x, x + 1.0)) == pytest.approx(1.5, rel=0.05)
    gradient = jax.grad(lambda z: sinkhorn_divergence(z, x))(x)
    assert float(jnp.abs(gradient).max()) < 1e-4


def test_independent_batches_of_one_distribution_differ_by_nothing_on_average():
    same, other = [], []
    for seed in range(16):
        batches = [one_hots(20, 4 * seed + i) for i in range(4)]
        same.append(float(independent_divergence(*batches, steps=6)))
        stuck = [batch.at[:, :3].set(jnp.array([1.0, 0.0, 0.0])) for batch in batches[:2]]
        other.append(float(independent_divergence(*stuck, *batches[2:], steps=6)))
    error = np.std(same) / 4
    assert abs(np.mean(same)) < 4 * error
    assert np.mean(other) > 10 * error


def test_blocks_and_products_formed_anew_change_nothing(monkeypatch):
    x, y = one_hots(37, 0), one_hots(29, 1)

    def both():
        return jax.value_and_grad(lambda x: transport_cost(x, y, steps=6))(x)

    whole, gradient = both()
    monkeypatch.setattr(internals, "BLOCK", 29 * 8)
    monkeypatch.setattr(internals, "STORED", 10)
    solve.clear_cache()
    pieces, pieced = both()
    solve.clear_cache()
    np.testing.assert_allclose(whole, pieces, rtol=1e-5)
    np.testing.assert_allclose(gradient, pieced, atol=1e-7)


def test_sums_that_underflow_are_formed_with_care():
    x = jnp.concatenate([points(5, 0), points(5, 1) + 60.0])
    y = points(8, 2)
    value, gradient = jax.value_and_grad(lambda x: transport_cost(x, y, blur=1e-3, scaling=0.01))(x)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    careful = transport_cost(x, y, blur=1e-3, scaling=0.5, updates=300)
    cost = 0.5 * np.square(np.asarray(x)[:, None] - np.asarray(y)[None]).sum(-1)
    assert float(careful) == pytest.approx(linear_programme(cost), rel=1e-3)


def test_the_aligned_distance_is_zero_for_the_same_sequences_and_counts_what_differs():
    y = jnp.eye(3)[jnp.array([[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2]])].reshape(3, -1)
    x = jnp.eye(3)[jnp.array([[1, 1, 1, 0], [2, 2, 2, 2], [0, 0, 0, 0]])].reshape(3, -1)
    assert aligned_distance(y[::-1], y, steps=4) == 0.0
    assert aligned_distance(x, y, steps=4) == pytest.approx(np.sqrt(2) / 3, abs=1e-6)


def test_too_many_sequences_to_align_are_refused(monkeypatch):
    from neurodyn.inference.sinkhorn import alignment

    monkeypatch.setattr(alignment, "MOST_PAIRS", 8)
    with pytest.raises(ModelError, match="random part"):
        aligned_distance(one_hots(3, 0), one_hots(3, 1), steps=6)
