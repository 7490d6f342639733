"""Joining sessions, runs and populations."""

import warnings

import numpy as np
import pytest
import xarray as xr

from neurodyn import recording
from neurodyn.errors import NeurodynWarning, RecordingError


def session(n_time, *, seed=0, n_units=3, **details):
    values = np.random.default_rng(seed).normal(size=(n_time, n_units))
    return recording.make(values, **{"sampling_interval": 0.1, **details})


def test_sessions_of_unequal_length_become_trials():
    monday = session(
        30, session="monday", subject="m1", time=100 + 0.1 * np.arange(30), history=("read monday",)
    )
    friday = session(20, seed=1, session="friday", subject="m2", history=("read friday",))
    both = recording.concatenate([monday, friday])
    assert both.activity.dims == ("trial", "time", "unit")
    np.testing.assert_array_equal(both.activity.values[0], monday.activity.values)
    np.testing.assert_array_equal(both.activity.values[1, :20], friday.activity.values)
    assert np.isnan(both.activity.values[1, 20:]).all()
    assert both.n_bins.values.tolist() == [30, 20]
    assert both.session.values.tolist() == ["monday", "friday"]
    assert both.subject.values.tolist() == ["m1", "m2"]
    assert both.start_time.values.tolist() == [100.0, 0.0]
    assert both.time.values[0] == 0.0
    assert both.attrs["history"] == (
        "read monday",
        "read friday",
        "joined 2 recordings along trial: monday, friday",
    )
    assert both.attrs["session"] == "monday, friday"


def test_trials_of_sessions_are_stacked_with_their_columns():
    def trials(n, label, **extra):
        values = np.random.default_rng(n).normal(size=(n, 8, 2))
        return recording.make(
            values, sampling_interval=0.1, session=label, trial_coords={"cue": [label] * n, **extra}
        )

    both = recording.concatenate(
        {"s1": trials(2, "a", speed=[1.0, 2.0]), "s2": trials(3, "b", hit=[True, False, True])}
    )
    assert both.trial.values.tolist() == ["s1/0", "s1/1", "s2/0", "s2/1", "s2/2"]
    assert both.session.values.tolist() == ["s1"] * 2 + ["s2"] * 3
    assert both.cue.values.tolist() == ["a", "a", "b", "b", "b"]
    np.testing.assert_array_equal(both.speed.values, [1, 2, np.nan, np.nan, np.nan])
    recording.check(both, strict=True)


def test_windows_that_begin_at_different_times_share_one_axis():
    early = recording.make(
        np.ones((1, 6, 1)), time=-0.3 + 0.1 * np.arange(6), trial_coords={"start_time": [5.0]}
    )
    late = recording.make(
        2 * np.ones((1, 4, 1)), time=-0.1 + 0.1 * np.arange(4), trial_coords={"start_time": [9.0]}
    )
    both = recording.concatenate([early, late])
    np.testing.assert_allclose(both.time, -0.3 + 0.1 * np.arange(6), atol=1e-12)
    np.testing.assert_array_equal(both.activity.values[1, :, 0], [np.nan, np.nan, 2, 2, 2, 2])
    np.testing.assert_allclose(both.start_time, [5.0, 8.8])
    assert both.n_bins.values.tolist() == [6, 6]
    shifted = late.assign_coords(time=late.time + 0.05)
    with pytest.raises(RecordingError, match="0.5 of a bin off the time grid"):
        recording.concatenate([early, shifted])


def test_units_are_matched_by_label_on_request():
    one = session(10, unit=["a", "b", "c"], unit_coords={"region": ["x", "y", "z"]})
    two = session(10, seed=1, unit=["c", "a", "d"], unit_coords={"region": ["z", "x", "w"]})
    with pytest.raises(RecordingError, match=r"1 and 0 differ in 2 units \(b, d\): use join="):
        recording.concatenate([one, two])
    outer = recording.concatenate([one, two], join="outer")
    assert outer.unit.values.tolist() == ["a", "b", "c", "d"]
    assert outer.region.values.tolist() == ["x", "y", "z", "w"]
    np.testing.assert_array_equal(outer.activity.sel(unit=["c", "a", "d"]).values[1], two.activity.values)
    assert np.isnan(outer.activity.sel(unit="b").values[1]).all()
    inner = recording.concatenate([one, two], join="inner")
    assert inner.unit.values.tolist() == ["a", "c"]


def test_units_in_another_order_are_the_same_units():
    one, two = session(10, unit=list("abc")), session(10, unit=list("abc"))
    both = recording.concatenate([one, two.isel(unit=[2, 0, 1])])
    np.testing.assert_array_equal(both.activity.values[0], both.activity.values[1])


def test_what_does_not_agree_is_refused_or_dropped():
    one = session(10)
    for other, message in (
        (session(10, sampling_interval=0.2), "sampling interval of 1 is 0.2 s, that of 0 is 0.1 s"),
        (session(10, units="V"), "attribute `units` of 1 is 'V'"),
        (
            session(10, kind="continuous", covariates={"x": np.arange(10)}),
            r"different covariates \(x; none\)",
        ),
        (
            one.isel(time=[0]).expand_dims(trial=[0]).transpose("trial", "time", "unit"),
            "cut both into trials, or neither",
        ),
    ):
        with pytest.raises(RecordingError, match=message):
            recording.concatenate([one, other])
    counts = recording.make(np.ones((10, 3)), sampling_interval=0.1, kind="count")
    with pytest.raises(RecordingError, match="Unit 0 is continuous in one recording and count in another"):
        recording.concatenate([one, counts])
    a, b = session(10, unit_coords={"depth": [1, 2, 3]}), session(10, unit_coords={"depth": [1, 5, 3]})
    with pytest.warns(NeurodynWarning, match="`depth` of unit 1 is 2 in one recording and 5 in another"):
        joined = recording.concatenate([a, b])
    assert "depth" not in joined.coords
    for bad, message in (
        ([], "no recording"),
        (one, "wrap it in a list"),
    ):
        with pytest.raises(RecordingError, match=message):
            recording.concatenate(bad)
    with pytest.raises(RecordingError, match="dim is 'epoch'"):
        recording.concatenate([one], dim="epoch")
    with pytest.raises(RecordingError, match="join is 'left'"):
        recording.concatenate([one], join="left")


def test_runs_of_one_clock_leave_nan_between_them():
    whole = session(50, covariates={"x": np.arange(50)})
    parts = [whole.isel(time=slice(30, 50)), whole.isel(time=slice(0, 20))]
    joined = recording.concatenate(parts, dim="time")
    np.testing.assert_allclose(joined.time, whole.time)
    np.testing.assert_array_equal(joined.activity.values[:20], whole.activity.values[:20])
    np.testing.assert_array_equal(joined.activity.values[30:], whole.activity.values[30:])
    assert np.isnan(joined.activity.values[20:30]).all()
    np.testing.assert_array_equal(joined.covariates.values[30:, 0], np.arange(30, 50))
    with pytest.raises(RecordingError, match="not of one clock, so join them with dim='trial'"):
        recording.concatenate([whole, whole], dim="time")


def test_two_halves_make_the_whole_again():
    whole = session(50)
    halves = [whole.isel(time=slice(0, 20)), whole.isel(time=slice(20, 50))]
    joined = recording.concatenate(halves, dim="time")
    assert joined.drop_attrs().identical(whole.drop_attrs())


def test_populations_recorded_at_once_stand_side_by_side():
    spikes = recording.make(
        np.ones((20, 2)), sampling_interval=0.1, kind="count", unit=["n1", "n2"], modality="spikes"
    )
    lfp = session(20, n_units=1, unit=["lfp"], modality="ieeg", unit_coords={"region": ["ca1"]})
    both = recording.concatenate([spikes, lfp], dim="unit")
    assert both.unit.values.tolist() == ["n1", "n2", "lfp"]
    assert both.kind.values.tolist() == ["count", "count", "continuous"]
    assert both.region.values.tolist() == ["", "", "ca1"]
    assert both.attrs["modality"] == "spikes, ieeg"
    with pytest.raises(RecordingError, match="label n1 occurs in more than one"):
        recording.concatenate([spikes, spikes], dim="unit")
    with pytest.raises(RecordingError, match="differ in their `time`"):
        recording.concatenate([spikes, session(19, unit=list("abc"))], dim="unit")


def test_a_datatree_of_sessions_can_be_joined():
    tree = xr.DataTree.from_dict({"monday": session(30), "friday": session(20)})
    both = recording.concatenate(tree)
    assert both.session.values.tolist() == ["monday", "friday"]


def test_joining_one_session_changes_no_value():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone = recording.concatenate([session(30)])
    np.testing.assert_array_equal(alone.activity.values[0], session(30).activity.values)


def test_names_of_categories_must_agree():
    def choices(names):
        return recording.make([0, 1], sampling_interval=1, kind="binary", unit=["c"], categories={"c": names})

    assert recording.concatenate([choices(["l", "r"])] * 2).activity.attrs["categories"] == {"c": ["l", "r"]}
    with pytest.raises(RecordingError, match="categories of unit c are l, r in one recording and r, l"):
        recording.concatenate([choices(["l", "r"]), choices(["r", "l"])])


def test_trials_taken_out_one_by_one_can_be_put_together_again():
    trials = recording.make(
        [np.ones((3, 2)), np.zeros((5, 2))],
        time=-0.2 + 0.1 * np.arange(5),
        trial=["a", "b"],
        trial_coords={"cue": ["x", "y"], "start_time": [4.0, 7.0]},
        covariates={"speed": np.arange(5)},
    )
    joined = recording.concatenate([trials.isel(trial=0), trials.isel(trial=1)])
    assert recording.trial_lengths(trials.isel(trial=0)).tolist() == [3]
    assert joined.drop_vars("session").drop_attrs().identical(trials.drop_attrs())
