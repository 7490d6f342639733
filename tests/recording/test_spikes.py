"""Binning spike times: exact edges, exact totals."""

import fractions
import warnings

import numpy as np
import pytest

from neurodyn import recording
from neurodyn.errors import NeurodynWarning, RecordingError


@pytest.mark.parametrize("width", [0.001, 0.1, 0.02, 1 / 3, 0.0333])
@pytest.mark.parametrize("start", [0.0, 0.7, 12345.6])
def test_a_spike_on_an_edge_belongs_to_the_bin_that_begins_there(width, start):
    n = 3000
    for spikes in (start + np.arange(n) * width, start + np.cumsum(np.r_[0, np.full(n - 1, width)])):
        counts = recording.from_spikes([spikes], bin_width=width, start=start, stop=start + n * width)
        assert counts.sizes["time"] == n
        np.testing.assert_array_equal(counts.activity.values[:, 0], np.ones(n))


def test_counts_equal_those_of_exact_arithmetic():
    rng = np.random.default_rng(0)
    spikes = rng.uniform(0.3, 9.7, 500)
    width, start = 0.1, 0.3
    counts = recording.from_spikes([spikes], bin_width=width, start=start, stop=9.7)
    exact = [
        (fractions.Fraction(t) - fractions.Fraction(3, 10)) // fractions.Fraction(1, 10)
        for t in spikes.tolist()
    ]
    np.testing.assert_array_equal(
        counts.activity.values[:, 0], np.bincount(np.array(exact, int), minlength=94)
    )
    assert counts.activity.sum().item() == 500


def test_last_partial_bin_is_dropped_and_spikes_outside_are_counted():
    counts = recording.from_spikes(
        {"a": [0.05, 0.95, 1.02, 1.2], "b": []}, bin_width=0.1, start=0.1, stop=1.05
    )
    assert counts.sizes["time"] == 9
    assert counts.activity.sum().item() == 1
    assert counts.attrs["history"] == (
        "counted spikes in 9 bins of 0.1 s from 0.1 s; 3 spikes outside dropped",
    )


def test_a_spike_at_stop_is_outside():
    counts = recording.from_spikes([[0.5, 1.0]], bin_width=0.5, start=0, stop=1.0)
    assert counts.activity.values.ravel().tolist() == [0, 1]


def test_time_holds_bin_starts_in_seconds():
    counts = recording.from_spikes([[2.05, 2.4]], bin_width=0.1, start=2.0)
    np.testing.assert_allclose(counts.time.values, [2.0, 2.1, 2.2, 2.3, 2.4])
    assert counts.attrs["sampling_interval"] == 0.1
    assert counts.kind.values.tolist() == ["count"]
    assert counts.attrs["modality"] == "spikes"


def test_order_of_spikes_does_not_matter():
    spikes = np.random.default_rng(1).uniform(0, 5, 200)
    one = recording.from_spikes([np.sort(spikes)], bin_width=0.1, stop=5)
    two = recording.from_spikes([spikes], bin_width=0.1, stop=5)
    assert one.identical(two)


def test_bins_outside_intervals_are_nan():
    spikes = np.arange(0.05, 2, 0.1)
    counts = recording.from_spikes(
        [spikes], bin_width=0.1, start=0, stop=2, intervals=[(1.5, 1.95), (0.3, 0.7), (0.7, 1.0)]
    )
    seen = recording.observed(counts).values[:, 0]
    assert np.flatnonzero(seen).tolist() == [3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 18]
    assert (counts.activity.values[seen] == 1).all()


def test_intervals_bound_the_recording():
    counts = recording.from_spikes([[1.05, 5.0]], bin_width=0.1, intervals=[(1.0, 2.0), (3.0, 3.5)])
    assert counts.time.values[0] == 1.0
    assert counts.sizes["time"] == 25
    assert counts.attrs["history"][1] == "10 bins outside the intervals set to NaN"


def test_intervals_become_ragged_trials_on_request():
    spikes = {"a": [0.05, 1.31, 1.39, 3.0], "b": [1.25]}
    trials = recording.from_spikes(
        spikes,
        bin_width=0.1,
        intervals=[(1.25, 1.65), (0.0, 0.2)],
        as_trials=True,
        trial_coords={"cue": ["x", "y"]},
    )
    assert trials.activity.dims == ("trial", "time", "unit")
    assert trials.n_bins.values.tolist() == [4, 2]
    assert trials.start_time.values.tolist() == [1.25, 0.0]
    assert trials.cue.values.tolist() == ["x", "y"]
    np.testing.assert_array_equal(trials.activity.sel(unit="a", trial=0), [1, 1, 0, 0])
    np.testing.assert_array_equal(trials.activity.sel(unit="b", trial=0), [1, 0, 0, 0])
    np.testing.assert_array_equal(trials.activity.sel(unit="a", trial=1), [1, 0, np.nan, np.nan])
    assert trials.attrs["history"][0].endswith("1 spikes outside dropped")


def test_trials_agree_with_cutting_the_continuous_recording():
    rng = np.random.default_rng(4)
    spikes = {i: rng.uniform(0, 20, 300) for i in range(3)}
    intervals = [(1.0, 3.0), (5.5, 6.5), (10.0, 12.5)]
    direct = recording.from_spikes(spikes, bin_width=0.05, intervals=intervals, as_trials=True)
    cut = recording.restrict(
        recording.from_spikes(spikes, bin_width=0.05, stop=20), intervals, as_trials=True
    )
    np.testing.assert_array_equal(direct.activity.values, cut.activity.values)
    np.testing.assert_allclose(direct.start_time, cut.start_time)


def test_metadata_follow_their_units():
    counts = recording.from_spikes(
        [[0.1], [0.2]],
        bin_width=0.1,
        unit=["u7", "u9"],
        unit_coords={"region": ["adn", None], "depth": [1.0, 2.0]},
    )
    assert counts.region.values.tolist() == ["adn", ""]
    assert counts.sel(unit="u9").depth.item() == 2.0


def test_silence_before_the_first_spike_is_warned_of():
    with pytest.warns(NeurodynWarning, match="first spike of any unit is at 600 s: give `start`"):
        recording.from_spikes([[600.0, 700.0]], bin_width=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recording.from_spikes([[600.0, 700.0]], bin_width=1.0, start=0)


def test_negative_times_are_allowed_where_start_is_negative():
    counts = recording.from_spikes([[-0.35, 0.1]], bin_width=0.1, start=-0.4, stop=0.2)
    assert counts.activity.values.ravel().tolist() == [1, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spike_times": {"a": [0.1, np.nan]}}, "Spike 1 of unit a is at nan s"),
        ({"spike_times": {"a": [0.1, np.inf]}}, "Spike 1 of unit a is at inf s"),
        ({"spike_times": {"a": [0.1, -0.2]}}, "Spike 1 of unit a is at -0.2 s, before 0"),
        ({"spike_times": {}}, "0 units"),
        ({"spike_times": [[], []]}, "not one spike in any unit"),
        ({"spike_times": np.array([0.1, 0.2])}, r"one array per unit, such as \[times\]"),
        ({"spike_times": [[0.1]], "unit": ["a", "b"]}, "2 labels were given for 1 units"),
        ({"spike_times": {"a": [0.1]}, "unit": ["a"]}, "whose keys are the labels"),
        ({"spike_times": [[0.1]], "bin_width": 0}, "`bin_width` is 0"),
        ({"spike_times": [[0.1]], "stop": 0.05}, "0 whole bins of 0.1 s from 0 s to 0.05 s"),
        ({"spike_times": [[0.1]], "start": 3, "stop": 2}, "from 3 s to 2 s: it must stop after it starts"),
        ({"spike_times": [[0.1]], "intervals": [(2, 1)]}, "Interval 0 goes from 2 s to 1 s"),
        ({"spike_times": [[0.1]], "intervals": [(0, np.nan)]}, "Interval 0 goes from 0 s to nan s"),
        ({"spike_times": [[0.1]], "intervals": [1, 2, 3]}, r"shape \(3,\)"),
        ({"spike_times": [[0.1]], "intervals": [(0, 0.05), (1, 1.05)]}, "No bin of 0.1 s lies wholly inside"),
        ({"spike_times": [[0.1]], "as_trials": True}, "needs `intervals`"),
        (
            {"spike_times": [[0.1]], "as_trials": True, "intervals": [(0, 1)], "start": 0},
            "leave `start` and `stop` out",
        ),
        (
            {"spike_times": [[0.1]], "as_trials": True, "intervals": [(0, 1), (2, 2.01)]},
            "Interval 1.* shorter than one bin",
        ),
    ],
)
def test_bad_spike_times_are_named(arguments, message):
    with pytest.raises(RecordingError, match=message) as caught:
        recording.from_spikes(**{"bin_width": 0.1, **arguments})
    assert "\n" not in str(caught.value)


def test_trials_that_share_time_are_warned_of():
    with pytest.warns(NeurodynWarning, match="1 of 2 trials share bins with an earlier trial"):
        recording.from_spikes([[0.5, 1.5]], bin_width=0.1, intervals=[(0, 1), (0.5, 1.5)], as_trials=True)


def test_a_bin_width_in_milliseconds_is_doubted():
    with pytest.warns(NeurodynWarning, match="bins of 50 s, .*give bin_width=0.05 if milliseconds"):
        recording.from_spikes([[1.0, 120.0]], bin_width=50)
