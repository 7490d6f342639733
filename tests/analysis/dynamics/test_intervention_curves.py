"""Curves of interventions on a network whose switching is wired by hand."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from wired_switch import wired_switch

from neurodyn.analysis.dynamics import Mapped, Rectified, intervention_curve, noisy_states
from neurodyn.errors import ModelError

KEY = jax.random.key(0)
SIZE = 24


@functools.cache
def switch() -> Rectified:
    """The wired switch with idle units, whose readout they blur a little."""
    network = wired_switch(SIZE)
    readout = np.array(network.readout)
    readout[0, 8:16], readout[1, 16:] = 1e-3, 1e-3
    return dataclasses.replace(network, readout=readout)


@functools.cache
def states() -> np.ndarray:
    return np.asarray(noisy_states(switch(), KEY, 40, 60, discard=30)).reshape(-1, SIZE)


def curve(units, **changes):
    options = {"key": KEY, "factors": (0, 0.5, 1, 2), "n_controls": 30, **changes}
    return intervention_curve(switch(), units, states(), 0, 1, **options)


def test_the_noise_of_the_kick_unit_makes_the_curve_and_that_of_idle_units_does_not():
    found = curve([6], scaled="drive")
    assert (np.diff(found.chosen.leaves) >= 0).all()
    assert found.chosen.leaves[0] < 0.2
    assert found.chosen.occupancy[0] < 0.02 < 0.2 < found.chosen.occupancy[2]
    assert found.chosen.volatility[3] > found.chosen.volatility[0]
    assert found.p_random[0] < 0.1
    assert found.p_random[2] == found.p_matched[2] == 1
    for curves in (found.random, found.matched):
        assert curves.leaves.shape == (30, 4)
        np.testing.assert_array_equal(curves.occupancy[:, 2], found.chosen.occupancy[2])


def test_a_curve_agrees_with_networks_scaled_and_run_step_by_step():
    random, n, chosen = np.random.default_rng(0), 400, [1, 4, 6]
    start = states()[np.asarray(switch().logits(states())).argmax(-1) == 0]
    for scaled in ("recurrent", "drive"):
        found = curve(chosen, scaled=scaled)
        for k, factor in ((0, 0.0), (3, 2.0)):
            network = switch().scaled(chosen, **{scaled: factor})
            h, left, there = start[random.integers(0, len(start), n)], np.zeros(n, bool), 0.0
            for _ in range(40):
                noise = random.normal(size=(n, SIZE))
                h = np.maximum(h @ network.recurrent.T + noise @ network.drive.T + network.bias, 0)
                read = (h @ network.readout.T).argmax(-1)
                left, there = left | (read != 0), there + (read == 1).mean() / 40
            assert found.chosen.leaves[k] == pytest.approx(left.mean(), abs=0.08)
            assert found.chosen.occupancy[k] == pytest.approx(there, abs=0.05)


def test_units_that_hold_a_state_lose_it_without_their_recurrent_input():
    network = Rectified(
        np.array([[1.0, 0], [0, 0]]), np.zeros((2, 1)), np.array([[1.0, 0], [0, 1]]), np.array([0, 0.5])
    )
    wide = Rectified(
        np.pad(network.recurrent, (0, 4)),
        np.zeros((6, 1)),
        np.pad(network.readout, ((0, 0), (0, 4))),
        np.pad([0, 0.5], (0, 4)),
    )
    start = np.array([[1.0, 0.5, 0, 0, 0, 0]])
    found = intervention_curve(
        wide, [0], start, 0, 1, key=KEY, factors=(0, 1, 2), n_runs=4, n_steps=10, n_controls=3
    )
    np.testing.assert_allclose(found.chosen.occupancy, [1.0, 0.0, 0.0])
    np.testing.assert_allclose(found.chosen.volatility, [0.1, 0.0, 0.0])
    np.testing.assert_allclose(found.chosen.leaves, [1.0, 0.0, 0.0])


def test_controls_leave_out_what_is_excluded():
    with pytest.raises(ModelError, match="controls remain"):
        intervention_curve(switch(), np.arange(8), states(), 0, 1, key=KEY, excluded=np.arange(8, 20))
    found = curve([6], scaled="drive", excluded=[*range(6), 7])
    assert np.ptp(found.random.leaves, axis=0).max() < 0.02


def test_bad_arguments_are_named():
    for changes, words in (
        ({"scaled": "noise"}, "recurrent, drive"),
        ({"factors": (-1.0,)}, "not negative"),
        ({"match": np.zeros(3)}, "24 units"),
    ):
        with pytest.raises(ModelError, match=words):
            intervention_curve(switch(), [6], states(), 0, 1, key=KEY, **changes)
    for units in ([-1], [24], []):
        with pytest.raises(ModelError, match="numbered from 0"):
            intervention_curve(switch(), units, states(), 0, 1, key=KEY)
    with pytest.raises(ModelError, match="Mapped"):
        intervention_curve(Mapped(lambda h, x: h, 2, 1), [0], states(), 0, 1, key=KEY)
