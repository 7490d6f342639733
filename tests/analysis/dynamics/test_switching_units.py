"""Residency, scores and interventions on a network whose switching is wired by hand."""

import functools

import jax
import numpy as np
import pytest

from neurodyn.analysis.dynamics import (
    Mapped,
    Rectified,
    adjoint_score,
    crossing_score,
    crossings,
    group_weights,
    matched_set,
    noise_curve,
    noise_sensitivity,
    noisy_states,
    orbit,
    presynaptic_score,
    residency,
    silencing,
    switching,
    zones,
)
from neurodyn.errors import ModelError

KEY = jax.random.key(0)
# Units 0-2 hold symbol 0, units 3-5 hold symbol 1; unit 6 gathers noise and excites 3-5, unit 7 the others.
HOLD, REST = [[0, 1, 2], [3, 4, 5]], 24


@functools.cache
def switch() -> Rectified:
    """Two states that inhibit each other, each left when its own kick unit has gathered noise."""
    weights = np.zeros((REST, REST))
    for own, other in (HOLD, HOLD[::-1]):
        weights[np.ix_(own, own)] = 0.2
        weights[np.ix_(own, other)] = -0.2
    weights[np.ix_(HOLD[1], [6])] = 4.0
    weights[np.ix_(HOLD[0], [7])] = 4.0
    drive = np.zeros((REST, REST))
    drive[6, 6] = drive[7, 7] = 1.0
    drive[np.arange(8, REST), np.arange(8, REST)] = 1.0
    bias = np.zeros(REST)
    bias[:6], bias[6:8] = 0.2, -0.6
    readout = np.zeros((2, REST))
    readout[0, HOLD[0]] = readout[1, HOLD[1]] = 1.0
    readout[0, 8:16], readout[1, 16:] = 1e-3, 1e-3
    return Rectified(weights, drive, readout, bias)


@functools.cache
def states() -> np.ndarray:
    return np.asarray(noisy_states(switch(), KEY, 40, 60, discard=30))


def test_units_wired_to_kick_score_highest_each_in_its_direction():
    flat = states().reshape(-1, REST)
    for origin, target, unit in ((0, 1, 6), (1, 0, 7)):
        score = adjoint_score(switch(), flat, origin, target, key=KEY)
        silent = score.copy()
        silent[HOLD[target]] = -np.inf  # the target's own units push as well
        assert silent.argmax() == unit
        assert (score[HOLD[origin]] < 0).all()
        np.testing.assert_allclose(score[8:16], -1e-3 * 0, atol=5e-3)


def test_silencing_the_kick_unit_traps_and_controls_do_not():
    flat = states().reshape(-1, REST)
    found = silencing(switch(), [6], flat, 0, 1, key=KEY, n_runs=64, n_controls=60)
    assert found.intact_leaves > 0.5
    assert found.leaves < 0.1
    assert found.verdict == "traps"
    assert found.effect > 0.9
    assert (
        found.p_random < 0.06
    )  # the origin's own units, silenced, leave it at once; none is as strong a trap
    nothing = silencing(switch(), [10], flat, 0, 1, key=KEY, n_runs=64, n_controls=60)
    assert nothing.leaves == nothing.intact_leaves
    assert nothing.verdict == "nothing"
    assert nothing.p_random > 0.2
    with pytest.raises(ModelError, match="controls remain"):
        silencing(switch(), np.arange(20), flat, 0, 1, key=KEY)
    with pytest.raises(ModelError, match="two different symbols"):
        silencing(switch(), [6], flat, 0, 0, key=KEY)


def test_weakening_the_noise_of_a_unit_is_an_intervention_on_its_input_alone():
    weaker = switch().scaled([6], drive=0.0)
    np.testing.assert_array_equal(weaker.recurrent, switch().recurrent)
    assert (weaker.drive[6] == 0).all()
    flat = np.asarray(noisy_states(weaker, KEY, 40, 60, discard=30)).reshape(-1, REST)
    assert flat[:, 6].max() == 0
    intact = states().reshape(-1, REST)
    curve = [
        switching(switch().scaled([6], drive=factor), intact, 0, 1, key=KEY, n_runs=64)
        for factor in (0.0, 0.5, 1.0, 2.0)
    ]
    assert (np.diff([one.leaves for one in curve]) >= 0).all()
    assert curve[0].occupancy < 0.1 < curve[2].occupancy
    with pytest.raises(ModelError, match="there are 0 to 23"):
        switch().scaled([24])


def test_matched_sets_leave_the_set_out_and_are_read_out_alike():
    readout = (
        np.concatenate([np.full(10, 5.0), np.zeros(30)]) + np.random.default_rng(0).normal(size=40) * 0.1
    )
    found = matched_set(np.arange(4), readout, np.random.default_rng(1), nearest=3)
    assert len(set(found.tolist())) == 4
    assert not set(found.tolist()) & set(range(4))
    assert (found < 10).all()


def test_residency_is_that_of_a_coin_and_zones_follow_it():
    """A one-dimensional state that is replaced by noise: the symbol changes with probability one half per step."""
    coin = Mapped(lambda h, x: x, 1, 1, read=lambda h: np.array([1.0, -1.0]) * h)
    found = residency(coin, np.array([[1.0], [-2.0]]), key=KEY, n_runs=4000, most=30)
    np.testing.assert_allclose(found, 2.0, atol=0.1)
    stuck = Mapped(lambda h, x: h, 1, 1, read=coin.read)
    np.testing.assert_array_equal(residency(stuck, np.ones((2, 1)), key=KEY, n_runs=3, most=7), 7)
    fixed = zones(np.array([1.0, 1.5, 4.0, 30.0]))
    assert fixed.fixed
    assert fixed.zone.tolist() == [0, 0, 1, 2]
    thirds = zones(np.arange(9) + 20.0)
    assert not thirds.fixed
    assert np.bincount(thirds.zone).tolist() == [3, 3, 3]


def test_crossings_go_from_cluster_through_transition_to_the_other_symbol():
    zone = np.array([2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 2])[:, None]
    symbols = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1])[:, None]
    assert np.flatnonzero(crossings(zone, symbols, 0, 1, within=4)).tolist() == [3]
    assert not crossings(zone, symbols, 1, 0).any()


def test_the_crossing_score_finds_what_rises_before_events():
    random = np.random.default_rng(0)
    events = random.random((200, 10)) < 0.02
    signals = random.normal(size=(200, 10, 3))
    signals[..., 1] += 3 * events
    score = crossing_score(signals, events, key=0)
    assert score[1] > 6
    assert np.abs(score[[0, 2]]).max() < 4
    with pytest.raises(ModelError, match="crossings"):
        crossing_score(signals, np.zeros_like(events), key=0)


def test_groups_and_who_feeds_them():
    found = group_weights(switch().recurrent, [np.array(HOLD[0]), np.array(HOLD[1])])
    np.testing.assert_allclose(found, [[0.2, -0.2], [-0.2, 0.2]])
    score = presynaptic_score(switch().recurrent, states().reshape(-1, REST).std(0), np.array(HOLD[1]))
    assert np.nanargmax(score) == 6


def test_noise_matters_where_kick_units_can_use_it():
    flat = states().reshape(-1, REST)
    symbol = np.asarray(switch().logits(flat)).argmax(-1)
    here = flat[symbol == 0][:50]
    found = noise_sensitivity(switch(), here, 0, 1, key=KEY)
    assert found.shape == (50,)
    assert (found >= 0).all()
    deaf = switch().scaled(np.arange(REST), drive=0.0)
    np.testing.assert_array_equal(noise_sensitivity(deaf, here, 0, 1, key=KEY), 0)


def test_the_orbit_lies_in_its_plane_and_the_radius_is_proportional_to_noise_without_biases():
    random = np.random.default_rng(0)
    plane = random.normal(size=(2, 6))
    path = random.normal(size=(30, 4, 2)) @ plane + 3.0
    found = orbit(path)
    assert found.explained.sum() == pytest.approx(1.0)
    rebuilt = found.places @ found.components + found.centre
    np.testing.assert_allclose(rebuilt, path, atol=1e-9)
    network = Rectified(
        0.2 * random.normal(size=(6, 6)), random.normal(size=(6, 3)), random.normal(size=(3, 6))
    )
    curve = noise_curve(network, (0.5, 1.0, 2.0), key=KEY, n_runs=16, n_steps=50)
    np.testing.assert_allclose(curve.radius, curve.radius[1] * curve.scale, rtol=1e-4)
    np.testing.assert_allclose(curve.leading, curve.leading[1], atol=1e-3)
    assert curve.drawn[2] < curve.drawn[0]
    lifted = Rectified(network.recurrent, network.drive, network.readout, np.full(6, 0.5))
    other = noise_curve(lifted, (0.5, 2.0), key=KEY, n_runs=16, n_steps=50)
    assert abs(other.leading[1] - other.leading[0]) > 0.01
