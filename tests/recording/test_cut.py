"""Cutting into trials and restricting to intervals."""

import warnings

import numpy as np
import pandas as pd
import pytest

from neurodyn import recording
from neurodyn.errors import NeurodynWarning, RecordingError


@pytest.fixture
def ramp():
    values = np.stack([np.arange(100.0), -np.arange(100.0)], axis=-1)
    return recording.make(
        values,
        time=10 + 0.1 * np.arange(100),
        unit=["up", "down"],
        unit_coords={"region": ["x", "y"]},
        covariates={"clock": np.arange(100)},
        history=("made a ramp",),
    )


def test_window_is_cut_around_the_bin_of_the_event(ramp):
    trials = recording.cut_trials(ramp, [12.0, 15.07], window=(-0.2, 0.3))
    assert trials.activity.dims == ("trial", "time", "unit")
    np.testing.assert_allclose(trials.time, [-0.2, -0.1, 0.0, 0.1, 0.2], atol=1e-12)
    np.testing.assert_array_equal(
        trials.activity.sel(unit="up").values, [np.arange(18, 23), np.arange(48, 53)]
    )
    np.testing.assert_array_equal(trials.covariates.values[..., 0], [np.arange(18, 23), np.arange(48, 53)])
    np.testing.assert_allclose(trials.start_time, [11.8, 14.8])
    assert trials.event_time.values.tolist() == [12.0, 15.07]
    assert trials.n_bins.values.tolist() == [5, 5]
    assert trials.region.values.tolist() == ["x", "y"]
    assert trials.attrs["history"] == ("made a ramp", "cut into 2 trials, window (-0.2, 0.3) (s)")


def test_every_event_on_a_bin_edge_finds_its_own_bin(ramp):
    events = 10 + 0.1 * np.arange(5, 95)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NeurodynWarning)
        trials = recording.cut_trials(ramp, events, window=(0, 0.2))
    np.testing.assert_array_equal(trials.activity.values[:, 0, 0], np.arange(5, 95))


def test_columns_of_the_events_become_coordinates_of_trial(ramp):
    table = pd.DataFrame(
        {
            "start_time": [11.0, 13.0],
            "stop_time": [11.5, 14.0],
            "choice": ["left", None],
            "correct": [True, False],
            "go_cue": [11.2, 13.2],
        }
    )
    trials = recording.cut_trials(ramp, table)
    assert trials.n_bins.values.tolist() == [5, 10]
    assert trials.choice.values.tolist() == ["left", ""]
    assert trials.correct.values.tolist() == [True, False]
    assert trials.table_start_time.values.tolist() == [11.0, 13.0]
    assert np.isnan(trials.activity.values[0, 5:]).all()
    assert np.isnan(trials.covariates.values[0, 5:]).all()
    np.testing.assert_array_equal(trials.activity.values[1, :, 0], np.arange(30, 40))
    cue = recording.cut_trials(ramp, table, align="go_cue", window=(-0.1, 0.1))
    np.testing.assert_array_equal(cue.activity.values[:, 0, 0], [11, 31])
    until = recording.cut_trials(ramp, table, align="go_cue", window=(-0.1, None))
    assert until.n_bins.values.tolist() == [4, 9]


def test_only_bins_wholly_inside_a_trial_count(ramp):
    trials = recording.cut_trials(ramp, [(11.05, 11.55)])
    np.testing.assert_array_equal(trials.activity.values[0, :, 0], [11, 12, 13, 14])


def test_trials_over_the_end_are_nan_there(ramp):
    trials = recording.cut_trials(ramp, [10.1, 15.0, 19.9], window=(-0.3, 0.3))
    assert trials.n_bins.values.tolist() == [6, 6, 4]
    np.testing.assert_array_equal(trials.activity.values[0, :, 0], [np.nan, np.nan, 0, 1, 2, 3])
    np.testing.assert_array_equal(trials.activity.values[2, :, 0], [96, 97, 98, 99, np.nan, np.nan])


def test_trials_outside_and_events_without_time_are_reported(ramp):
    with pytest.warns(NeurodynWarning, match="1 of 2 trials lie wholly outside.*trial 1, event at 50 s"):
        trials = recording.cut_trials(ramp, [12.0, 50.0], window=(0, 1))
    assert np.isnan(trials.activity.values[1]).all()
    with pytest.warns(NeurodynWarning, match="1 of 3 events have no time .first: row 1. and were left out"):
        trials = recording.cut_trials(ramp, [12.0, np.nan, 14.0], window=(0, 1))
    assert trials.sizes["trial"] == 2


def test_overlapping_trials_are_warned_of(ramp):
    with pytest.warns(NeurodynWarning, match="1 of 3 trials share bins with an earlier trial"):
        recording.cut_trials(ramp, [15.0, 12.0, 12.5], window=(0, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recording.cut_trials(ramp, [12.0, 13.0, 14.0], window=(0, 1))


def test_hidden_entries_stay_hidden_through_a_cut(ramp):
    hidden = recording.hide(ramp, (ramp.time > 11.95) & (ramp.unit == "up"))
    trials = recording.cut_trials(hidden, [12.0], window=(-0.2, 0.2))
    np.testing.assert_array_equal(trials.activity.values[0, :, 0], [18, 19, np.nan, np.nan])
    np.testing.assert_array_equal(trials.activity.values[0, :, 1], [-18, -19, -20, -21])


@pytest.mark.parametrize(
    ("events", "options", "message"),
    [
        ([12.0], {}, "need a `window`"),
        ([], {"window": (0, 1)}, r"shape \(0,\)"),
        (["a"], {"window": (0, 1)}, "give times in seconds"),
        ([np.nan], {"window": (0, 1)}, "all are NaN"),
        ([12.0], {"window": (1, 0)}, "ends before it begins"),
        ([12.0], {"window": (0, 1, 2)}, "two times in seconds"),
        ([12.0], {"window": (np.nan, 1)}, "two times in seconds"),
        ([12000.0], {"window": (0, 1)}, "in one clock, in seconds"),
        ([(12.0, 12.01)], {}, "without one whole bin"),
        (pd.DataFrame({"t": [1.0]}), {"window": (0, 1)}, "columns t: say with `align`"),
        (pd.DataFrame({"start": [1.0]}), {}, "say with `stop`"),
    ],
)
def test_bad_events_are_named(ramp, events, options, message):
    with pytest.raises(RecordingError, match=message):
        recording.cut_trials(ramp, events, **options)


def test_trials_cannot_be_cut_twice(ramp):
    trials = recording.cut_trials(ramp, [12.0], window=(0, 1))
    with pytest.raises(RecordingError, match="has trials already"):
        recording.cut_trials(trials, [0.0], window=(0, 1))


def test_restrict_keeps_whole_bins_and_hides_the_gaps(ramp):
    part = recording.restrict(ramp, [(13.0, 13.55), (12.0, 12.5)])
    np.testing.assert_allclose(part.time.values[[0, -1]], [12.0, 13.4])
    seen = recording.observed(part).values[:, 0]
    assert np.flatnonzero(seen).tolist() == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    np.testing.assert_array_equal(part.covariates.values[:, 0], np.arange(20, 35))
    assert part.attrs["history"] == ("made a ramp", "restricted to 2 intervals, 10 bins")
    recording.check(part)


def test_restrict_of_trials_moves_their_start_and_length():
    ragged = recording.make(
        [np.ones((4, 1)), np.ones((10, 1))], sampling_interval=0.1, trial_coords={"start_time": [5.0, 7.0]}
    )
    part = recording.restrict(ragged, (0.2, 0.8))
    assert part.n_bins.values.tolist() == [2, 6]
    np.testing.assert_allclose(part.start_time, [5.2, 7.2])
    recording.check(part)


def test_restrict_outside_the_recording_is_refused(ramp):
    with pytest.raises(RecordingError, match="No bin lies wholly inside the intervals"):
        recording.restrict(ramp, [(100, 200)])
    with pytest.raises(RecordingError, match="needs `start` and `stop`"):
        recording.restrict(ramp, pd.DataFrame({"from": [1.0], "to": [2.0]}))


def test_restrict_takes_a_table(ramp):
    table = pd.DataFrame({"start_time": [12.0], "stop_time": [13.0], "label": ["sleep"]})
    assert recording.restrict(ramp, table).sizes["time"] == 10


def test_a_trial_taken_out_can_be_restricted():
    trials = recording.make([np.ones((3, 1)), np.ones((5, 1))], sampling_interval=0.1)
    part = recording.restrict(trials.isel(trial=0), (0.1, 0.4))
    assert part.n_bins.item() == 2
    assert part.sizes["time"] == 3
