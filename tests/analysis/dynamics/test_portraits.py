"""Noisy runs as a whole: zones, decay, spectra by zone, and groups of units, on a network wired by hand."""

import functools

import jax
import numpy as np
import pytest
from wired_switch import HOLD, wired_switch

from neurodyn.analysis.dynamics import Portrait, Rectified, kick_groups, portrait, zone_rates, zones
from neurodyn.analysis.dynamics.residency import ZONES
from neurodyn.errors import ModelError

KEY = jax.random.key(0)
SIZE = 10


def switch() -> Rectified:
    return wired_switch(SIZE)


@functools.cache
def runs() -> Portrait:
    return portrait(switch(), key=KEY, n_runs=20, n_steps=40, n_rollouts=8, decay_steps=50)


def test_symbols_residency_and_zones_belong_to_the_states():
    found = runs()
    logits = np.asarray(switch().logits(found.states))
    assert (found.symbols == logits.argmax(-1)).all()
    assert found.residency.shape == found.symbols.shape == found.zones.zone.shape == (40, 20)
    assert (found.zones.zone == zones(found.residency).zone).all()
    # A reconstruction from all components would be exact; what two of them miss is orthogonal to both.
    left = found.states - found.orbit.centre - found.orbit.places @ found.orbit.components
    assert np.abs(left @ found.orbit.components.T).max() < 1e-4


def test_decay_starts_at_the_last_states_and_follows_the_step_without_noise():
    found, network = runs(), switch()
    assert (found.decay[0] == found.states[-1]).all()
    after = np.asarray(network.step(found.decay[0], np.zeros(SIZE)))
    assert found.decay[1] == pytest.approx(after, abs=1e-6)
    assert np.abs(found.decay[-1] - found.decay[-2]).max() < 1e-5


def test_rates_of_a_linear_network_are_its_own_in_every_zone():
    network = Rectified(np.diag([0.5, 0.8, 0.9]), np.eye(3), np.eye(3)[:2], 50 * np.ones(3))
    found = portrait(network, key=KEY, n_runs=4, n_steps=20, n_rollouts=4, decay_steps=5)
    expected = [(0.9 - 1) / 1.9, (0.8 - 1) / 1.8, -1 / 3]
    rates = zone_rates(network, found, key=0, most=5)
    for name, values in rates.items():
        assert values.shape == (min(5, int((found.zones.zone == ZONES.index(name)).sum())), 3)
        assert values.real == pytest.approx(np.tile(expected, (len(values), 1)), abs=1e-5)
    assert set(rates) == {ZONES[k] for k in np.unique(found.zones.zone)}


def test_groups_hold_every_unit_once_and_the_units_that_were_wired_to_push():
    groups = kick_groups(switch(), runs(), [(0, 1), (1, 0)], key=KEY, size=4)
    assert set(groups["0 to 1"]) == {*HOLD[1], 6}
    assert set(groups["1 to 0"]) == {*HOLD[0], 7}
    assert set(groups["rest"]) == {8, 9}
    wide = kick_groups(switch(), runs(), [(0, 1), (1, 0)], key=KEY, size=7)
    assert sorted(np.concatenate(list(wide.values())).tolist()) == list(range(SIZE))


def test_bad_input_is_named():
    with pytest.raises(ModelError, match="n_steps is 0"):
        portrait(switch(), key=KEY, n_steps=0)
    with pytest.raises(ModelError, match="size is 10 with 1 directions"):
        kick_groups(switch(), runs(), [(0, 1)], key=KEY, size=SIZE)
    with pytest.raises(ModelError, match="name a direction"):
        kick_groups(switch(), runs(), [], key=KEY)
