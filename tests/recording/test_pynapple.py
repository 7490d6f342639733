"""To and from pynapple."""

import numpy as np
import pytest

from neurodyn import recording
from neurodyn.errors import RecordingError

nap = pytest.importorskip("pynapple")


@pytest.fixture
def group():
    rng = np.random.default_rng(6)
    spikes = {3: nap.Ts(np.sort(rng.uniform(0, 10, 200))), 8: nap.Ts(np.sort(rng.uniform(0, 10, 80)))}
    return nap.TsGroup(spikes, time_support=nap.IntervalSet(0, 10), metadata={"region": ["ca1", "adn"]})


def test_spike_trains_are_counted_as_pynapple_counts_them(group):
    made = recording.from_pynapple(group, bin_width=0.1, session="s1")
    np.testing.assert_array_equal(made.activity.values, group.count(0.1).d)
    np.testing.assert_allclose(made.time.values + 0.05, group.count(0.1).t)
    assert made.unit.values.tolist() == [3, 8]
    assert made.region.values.tolist() == ["ca1", "adn"]
    assert made.attrs["session"] == "s1"


def test_outside_the_time_support_nothing_was_observed(group):
    part = group.restrict(nap.IntervalSet([1, 6], [2, 7]))
    made = recording.from_pynapple(part, bin_width=0.1)
    assert made.time.values[0] == 1.0
    assert recording.observed(made).values[:, 0].sum() == 20


def test_signals_round_trip():
    frame = nap.TsdFrame(
        t=5 + np.arange(40) * 0.1, d=np.random.default_rng(7).normal(size=(40, 2)), columns=["x", "y"]
    )
    made = recording.from_pynapple(frame, modality="ieeg", units="V", history=("before",))
    np.testing.assert_array_equal(made.activity.values, frame.d.astype(np.float32))
    assert made.attrs["history"] == ("read from a pynapple TsdFrame", "before")
    back = recording.to_pynapple(made)
    np.testing.assert_allclose(back.t, frame.t)
    np.testing.assert_array_equal(back.d, frame.d.astype(np.float32))
    assert list(back.columns) == ["x", "y"]
    again = recording.from_pynapple(back, modality="ieeg", units="V", history=("before",))
    assert again.drop_attrs().identical(made.drop_attrs())


def test_gaps_of_a_signal_are_nan():
    t = np.r_[np.arange(10), np.arange(15, 20)] * 0.1
    made = recording.from_pynapple(nap.Tsd(t=t, d=np.arange(15.0)))
    assert made.activity.shape == (20, 1)
    assert np.flatnonzero(np.isnan(made.activity.values[:, 0])).tolist() == [10, 11, 12, 13, 14]
    np.testing.assert_array_equal(made.activity.values[15:, 0], np.arange(10, 15))


def test_counts_can_be_stamped_at_bin_centres(group):
    counts = recording.from_pynapple(group, bin_width=0.1)
    np.testing.assert_allclose(recording.to_pynapple(counts, centre=True).t, group.count(0.1).t)


def test_what_cannot_be_converted_is_named(group):
    with pytest.raises(RecordingError, match="give `bin_width`"):
        recording.from_pynapple(group)
    with pytest.raises(RecordingError, match="this is a list"):
        recording.from_pynapple([1, 2])
    signal = nap.Tsd(t=np.array([0, 0.1, 0.2, 0.33, 0.4]), d=np.ones(5))
    with pytest.raises(RecordingError, match="no uniform step.*after sample 2"):
        recording.from_pynapple(signal)
    with pytest.raises(RecordingError, match="leave `bin_width` out"):
        recording.from_pynapple(signal, bin_width=0.1)
    trials = recording.make(np.ones((2, 5, 1)), sampling_interval=0.1)
    with pytest.raises(RecordingError, match="has no trials"):
        recording.to_pynapple(trials)


def test_pynapple_intervals_and_events_can_cut(group):
    counts = recording.from_pynapple(group, bin_width=0.1)
    epochs = nap.IntervalSet([1, 4], [2, 5])
    trials = recording.restrict(counts, epochs, as_trials=True)
    np.testing.assert_array_equal(trials.activity.values[1], counts.activity.values[40:50])
    around = recording.cut_trials(counts, nap.Ts(np.array([2.0, 5.0])), window=(0, 0.5))
    np.testing.assert_array_equal(around.activity.values[1], counts.activity.values[50:55])
