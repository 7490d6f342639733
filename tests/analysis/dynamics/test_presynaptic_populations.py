"""Units that gather noise for kick units, wired by hand."""

import functools

import jax
import numpy as np
import pytest

from neurodyn.analysis.dynamics import Mapped, Rectified, noisy_states, presynaptic_effect
from neurodyn.errors import ModelError

KEY = jax.random.key(0)
# 0-2 hold symbol 0, 3-5 symbol 1; kick units 6 and 7 hear no noise, but integrators 8-10 and 11-13 do, as do idle ones.
HOLD, SIZE = [[0, 1, 2], [3, 4, 5]], 32


@functools.cache
def switch() -> Rectified:
    """Two states, left when a kick unit is driven by its integrators."""
    weights = np.zeros((SIZE, SIZE))
    for own, other in (HOLD, HOLD[::-1]):
        weights[np.ix_(own, own)], weights[np.ix_(own, other)] = 0.2, -0.2
    for kick, towards, sources in ((6, 1, [8, 9, 10]), (7, 0, [11, 12, 13])):
        weights[np.ix_(HOLD[towards], [kick])] = 4.0
        weights[kick, sources] = 0.4
    weights[np.arange(8, SIZE), np.arange(8, SIZE)] = 0.5
    drive = np.diag(np.r_[np.zeros(8), np.ones(SIZE - 8)])
    bias = np.r_[np.full(6, 0.2), np.full(2, -1.2), np.zeros(SIZE - 8)]
    readout = np.zeros((2, SIZE))
    readout[0, HOLD[0]] = readout[1, HOLD[1]] = 1.0
    return Rectified(weights, drive, readout, bias)


@functools.cache
def states() -> np.ndarray:
    return np.asarray(noisy_states(switch(), KEY, 60, 60, discard=30)).reshape(-1, SIZE)


def effect(fed, origin, target, **changes):
    options = {"count": 3, "n_controls": 60, "n_runs": 128, **changes}
    return presynaptic_effect(switch(), fed, states(), origin, target, key=KEY, **options)


def test_integrators_are_found_and_without_their_noise_the_state_is_not_left():
    for fed, origin, target, sources in (([6], 0, 1, [8, 9, 10]), ([7], 1, 0, [11, 12, 13])):
        found = effect(fed, origin, target)
        assert sorted(found.units.tolist()) == sources
        assert np.isnan(found.score[fed]).all()
        assert found.curve.chosen.leaves[1] > 0.5
        assert found.effect > 0.5
        assert found.p_random < 0.05
        assert found.p_matched < 0.05
        assert found.curve.matched.occupancy[:, 0].min() > found.curve.chosen.occupancy[0]


def test_half_of_the_noise_does_half_of_the_harm_and_idle_units_none():
    whole, half = (effect([6], 0, 1, factor=factor).effect for factor in (0.0, 0.5))
    assert 0 < half < whole
    kept = effect([6], 0, 1, factor=1.0)
    assert kept.effect == 0
    assert kept.p_random == kept.p_matched == 1


def test_sets_that_nothing_feeds_are_refused():
    with pytest.raises(ModelError, match="3 units outside of the set excite it"):
        effect([6], 0, 1, count=4)
    with pytest.raises(ModelError, match="from 0 to 31"):
        effect([40], 0, 1)
    with pytest.raises(ModelError, match="from 0 to 31"):
        effect([], 0, 1)
    with pytest.raises(ModelError, match="Mapped"):
        presynaptic_effect(Mapped(lambda h, x: h, 2, 1), [0], states(), 0, 1, key=KEY)
