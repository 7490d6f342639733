"""What networks of a list do one after the other, where it is known."""

import jax
import numpy as np
import pytest

from neurodyn.analysis.dynamics import Mapped, Rectified, course
from neurodyn.errors import ModelError

KEY = jax.random.key(0)


def pair(own: float, drive: float = 1.0, bias: float = 0.0) -> Rectified:
    """Two units that each keep a share of themselves and inhibit the other half as much."""
    weights = np.array([[own, -own / 2], [-own / 2, own]])
    return Rectified(weights, drive * np.eye(2), np.eye(2), np.full(2, bias))


def test_states_appear_where_units_keep_themselves_and_their_growth_is_the_weight():
    found = course([pair(0.0), pair(0.5), pair(0.9), pair(0.95)], key=KEY, n_runs=32, n_starts=50)
    np.testing.assert_allclose(found.growth, [0, 0.5, 0.9, 0.95], atol=1e-3)
    assert (np.diff(found.radius) > 0).all()
    assert (np.diff(found.leading) < 0).all()
    np.testing.assert_allclose(found.independent, 0.5, atol=0.07)
    assert found.leading[0] > 0.45  # both units silent are a tie that goes to the first
    assert found.switches.tolist() == [False, False, True, True]
    assert (found.drawn > found.leading).all()


def test_a_network_that_noise_does_not_reach_or_that_only_repeats_it_does_not_switch():
    deaf, stuck = pair(0.9, drive=0.0), pair(1.0, drive=1e-6, bias=0.1)
    found = course([deaf, stuck], key=KEY, n_runs=16, n_starts=20)
    assert found.radius[0] == 0
    assert found.leading[0] == found.independent[0] == 0
    assert not found.switches.any()
    assert found.growth[1] > 1
    runaway = course([pair(3.0)], key=KEY, n_runs=4, n_steps=300, n_starts=5)
    assert runaway.growth[0] == pytest.approx(3.0, rel=1e-3)
    assert (runaway.radius[0], runaway.switches[0]) == (np.inf, False)
    assert np.isnan(runaway.leading[0])


def test_other_dynamics_are_measured_one_by_one():
    network = pair(0.9)
    other = Mapped(network.step, 2, 2, read=network.logits)
    one = course([network], key=KEY, n_runs=8, n_starts=10)
    two = course([other, network], key=KEY, n_runs=8, n_starts=10)
    np.testing.assert_allclose(two.growth, one.growth[0], rtol=1e-4)
    np.testing.assert_allclose(two.radius, one.radius[0], rtol=1e-4)
    np.testing.assert_array_equal(two.switches, one.switches[0])
    with pytest.raises(ModelError, match="no networks"):
        course([], key=KEY)
