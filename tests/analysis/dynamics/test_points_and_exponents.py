"""Fixed points, growth and Lyapunov exponents of dynamics whose answers are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn.analysis.dynamics import (
    Dynamics,
    Mapped,
    ReadOut,
    Rectified,
    as_rates,
    enumerated_fixed_points,
    fixed_points,
    growth_rates,
    jacobians,
    lyapunov_exponents,
    noisy_states,
    rollout,
    spectrum,
)
from neurodyn.errors import ModelError


def small_network(seed: int = 0, n: int = 5, bias: bool = True) -> Rectified:
    random = np.random.default_rng(seed)
    return Rectified(
        random.normal(size=(n, n)),
        random.normal(size=(n, 3)),
        random.normal(size=(2, n)),
        random.normal(size=n) if bias else None,
    )


def test_networks_and_functions_follow_the_protocol_and_a_run_is_its_steps():
    network = small_network()
    assert isinstance(network, Dynamics)
    assert isinstance(network, ReadOut)
    mapped = Mapped(network.step, 5, 3)
    drives = np.random.default_rng(1).normal(size=(4, 2, 3))
    states = rollout(mapped, np.zeros((2, 5)), drives)
    by_hand = np.zeros((2, 5))
    for drive in drives:
        by_hand = np.maximum(by_hand @ network.recurrent.T + drive @ network.drive.T + network.bias, 0)
    np.testing.assert_allclose(states[-1], by_hand, rtol=1e-4, atol=1e-5)
    assert noisy_states(mapped, jax.random.key(0), 3, 6, discard=2).shape == (6, 3, 5)
    with pytest.raises(ModelError, match="readout"):
        mapped.logits(np.zeros(5))
    with pytest.raises(ModelError, match="shape"):
        Rectified(np.eye(3), np.ones((2, 1)), np.ones((1, 3)))


@pytest.mark.parametrize("seed", range(2))
def test_enumerated_points_are_fixed_and_newton_finds_no_others(seed):
    network = small_network(seed)
    exact = enumerated_fixed_points(network)
    moved = np.asarray(network.step(exact.state, np.zeros(3)))
    np.testing.assert_allclose(moved, exact.state, rtol=1e-4, atol=1e-4)
    starts = np.random.default_rng(seed).normal(size=(60, 5)) * 3
    found = fixed_points(network, np.concatenate([starts, exact.state + 1e-3]), tolerance=1e-5)
    for state in found.state:
        assert np.linalg.norm(exact.state - state, axis=1).min() < 1e-2 * (1 + np.linalg.norm(state))
    for state, stable in zip(exact.state, exact.stable, strict=True):
        near = np.linalg.norm(found.state - state, axis=1)
        assert near.min() < 1e-2 * (1 + np.linalg.norm(state))
        assert found.stable[near.argmin()] == stable


def test_stability_is_what_a_run_from_nearby_shows():
    network = Rectified(np.array([[1.2, -1.0], [-1.0, 1.2]]), np.eye(2), np.eye(2), bias=np.array([0.5, 0.5]))
    points = enumerated_fixed_points(network)
    assert not points.stable.any()
    winner = Rectified(np.array([[0.5, -1.0], [-1.0, 0.5]]), np.eye(2), np.eye(2), bias=np.array([0.5, 0.5]))
    points = enumerated_fixed_points(winner)
    assert points.stable.sum() == 2
    for state, stable in zip(points.state, points.stable, strict=True):
        away = rollout(winner, state + np.array([1e-2, -1e-2]), np.zeros((60, 2)))[-1]
        assert (np.linalg.norm(away - state) < 1e-3) == stable


def test_a_network_too_large_to_enumerate_is_refused():
    big = Rectified(np.zeros((17, 17)), np.zeros((17, 1)), np.zeros((1, 17)))
    with pytest.raises(ModelError, match="fixed_points"):
        enumerated_fixed_points(big)


def test_the_unit_circle_becomes_the_imaginary_axis():
    angles = np.exp(1j * np.linspace(-2, 2, 9))
    np.testing.assert_allclose(as_rates(angles).real, 0, atol=1e-12)
    assert (as_rates(0.9 * angles).real < 0).all()
    assert (as_rates(1.1 * angles).real > 0).all()


def test_jacobians_are_those_of_the_active_units():
    network = small_network(3)
    states = np.abs(np.random.default_rng(0).normal(size=(6, 5)))
    before = states @ network.recurrent.T + network.bias
    expected = np.where(before[:, :, None] > 0, network.recurrent, 0.0)
    found = jacobians(network, states)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    values = spectrum(found)
    assert (np.diff(np.abs(values), axis=1) <= 1e-9).all()


def test_growth_is_that_of_the_largest_eigenvalue_and_scales_with_nothing():
    network = Rectified(np.diag([0.9, 0.4]), np.eye(2), np.eye(2))
    starts = np.abs(np.random.default_rng(0).normal(size=(50, 2))) + 0.1
    np.testing.assert_allclose(growth_rates(network, starts), 0.9, atol=1e-3)
    np.testing.assert_allclose(growth_rates(network, 100 * starts), 0.9, atol=1e-3)
    faster = Rectified(0.01 * np.eye(2), np.eye(2), np.eye(2))
    np.testing.assert_allclose(growth_rates(faster, starts), 0.01, rtol=1e-2)
    explosive = Rectified(1.1 * np.eye(2), np.eye(2), np.eye(2))
    np.testing.assert_allclose(growth_rates(explosive, starts), 1.1, atol=1e-3)
    assert growth_rates(Rectified(-np.eye(2), np.eye(2), np.eye(2)), starts).max() == 0


def test_lyapunov_exponents_of_linear_maps_and_of_the_henon_map():
    matrix = np.array([[0.8, 0.3], [0.0, 0.5]])
    linear = Mapped(lambda h, x: h @ jnp.asarray(matrix, jnp.float32).T + x, 2, 2)
    drives = np.random.default_rng(0).normal(size=(400, 2))
    found = lyapunov_exponents(linear, np.zeros(2), drives, discard=100)
    np.testing.assert_allclose(found, np.log([0.8, 0.5]), atol=1e-3)
    henon = Mapped(lambda h, x: jnp.stack([1 - 1.4 * h[..., 0] ** 2 + h[..., 1], 0.3 * h[..., 0]], -1), 2, 1)
    found = lyapunov_exponents(henon, np.array([0.1, 0.1]), np.zeros((20_000, 1)), discard=100)
    assert found[0] == pytest.approx(0.419, abs=0.015)
    assert found.sum() == pytest.approx(np.log(0.3), abs=1e-3)
    with pytest.raises(ModelError, match="leave steps"):
        lyapunov_exponents(henon, np.zeros(2), np.zeros((5, 1)), discard=5)
