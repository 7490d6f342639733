"""The NaN rule: arrays, observed, hide, fingerprint."""

import numpy as np
import pytest
import xarray as xr

from neurodyn import recording
from neurodyn.errors import RecordingError
from neurodyn.recording import masks


@pytest.fixture
def trials():
    values = np.random.default_rng(2).normal(size=(4, 20, 3))
    values[1, 5:8, 0] = np.nan
    return recording.make(values, sampling_interval=0.1, unit=list("abc"), history=("recorded",))


def test_arrays_are_filled_and_masked(trials):
    values, mask = recording.arrays(trials)
    assert values.shape == mask.shape == (4, 20, 3)
    assert values.dtype == np.float32
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, ~np.isnan(trials.activity.values))
    assert (values[~mask] == 0).all()
    np.testing.assert_array_equal(values[mask], trials.activity.values[mask])


def test_a_recording_without_trials_is_one_trial(trials):
    values, mask = recording.arrays(trials.isel(trial=0, drop=True), dtype="float64")
    assert values.shape == mask.shape == (1, 20, 3)
    assert values.dtype == np.float64


def test_arrays_are_copies(trials):
    whole = trials.isel(trial=[0])
    before = whole.activity.values.copy()
    recording.arrays(whole).values[:] = 7
    np.testing.assert_array_equal(whole.activity.values, before)


def test_what_exceeds_memory_is_refused_with_the_bytes(trials, monkeypatch):
    monkeypatch.setattr(masks, "available_memory", lambda: 1000)
    with pytest.raises(
        RecordingError, match=r"`activity` of shape \(4, 20, 3\) needs 1,200 bytes.* 1,000 are free"
    ):
        recording.arrays(trials)


def test_missing_activity_or_covariates_are_named(trials):
    with pytest.raises(RecordingError, match="no variable `activity`"):
        recording.arrays(xr.Dataset())
    assert recording.covariate_arrays(trials).values.shape == (4, 20, 0)
    with pytest.raises(RecordingError, match="covariate speed was asked for"):
        recording.covariate_arrays(trials, ["speed"])


@pytest.mark.parametrize(
    "dims", [("unit",), ("trial",), ("time",), ("unit", "trial"), ("unit", "time", "trial")]
)
def test_hide_broadcasts_a_mask_by_name(trials, dims):
    rng = np.random.default_rng(3)
    where = xr.DataArray(
        rng.random([trials.sizes[d] for d in dims]) < 0.5, dims=dims, coords={d: trials[d] for d in dims}
    )
    hidden = recording.hide(trials, where)
    expected = trials.activity.where(~where).transpose("trial", "time", "unit")
    np.testing.assert_array_equal(hidden.activity.values, expected.values)
    assert hidden.activity.dtype == trials.activity.dtype
    recording.check(hidden)


def test_hide_leaves_the_original_and_appends_to_history(trials):
    before = trials.copy(deep=True)
    hidden = recording.hide(trials, trials.unit == "a")
    assert trials.identical(before)
    assert hidden.attrs["history"] == ("recorded", "hid 77 observed entries")
    assert recording.hide(hidden, hidden.unit == "a").attrs["history"][-1] == "hid 0 observed entries"


def test_hide_keeps_attributes_of_activity():
    made = recording.make(
        [0, 1, 1], sampling_interval=1, kind="binary", unit=["c"], categories={"c": ["no", "yes"]}
    )
    assert recording.hide(made, made.time > 1).activity.attrs == made.activity.attrs


def test_hide_refuses_masks_that_do_not_fit(trials):
    for mask, message in (
        (trials.activity * 0, "must be boolean"),
        ((trials.unit == "a").assign_coords(unit=list("abd")), "not those of the recording"),
        ((trials.time > 1).isel(time=slice(5)), "not those of the recording"),
        ((trials.time > 1).rename(time="bin"), "has the dimension bin"),
        (np.ones((2, 2), bool), r"shape \(2, 2\)"),
    ):
        with pytest.raises(RecordingError, match=message):
            recording.hide(trials, mask)


def test_observed_is_labelled_like_activity(trials):
    seen = recording.observed(trials)
    assert seen.dims == trials.activity.dims
    assert int(seen.sum()) == 4 * 20 * 3 - 3
    np.testing.assert_array_equal(seen.unit.values, trials.unit.values)


def test_fingerprint_sees_values_mask_labels_time_and_covariates(trials):
    inputs = recording.make(
        np.ones((20, 3)), sampling_interval=0.1, covariates={"x": np.arange(20)}, unit=list("abc")
    )
    reference = recording.fingerprint(inputs)
    changed = inputs.copy(deep=True)
    changed.activity[3, 1] += 1e-3
    moved = inputs.copy(deep=True)
    moved.covariates[3, 0] += 1
    others = [
        changed,
        moved,
        recording.hide(inputs, inputs.time == 0),
        inputs.assign_coords(unit=list("abd")),
        inputs.assign_coords(kind=("unit", ["count"] * 3)),
        inputs.assign_coords(time=inputs.time + 0.1),
        inputs.assign_coords(role=("covariate", ["measured"])),
        inputs.isel(unit=[0, 2, 1]),
    ]
    prints = {recording.fingerprint(other) for other in others}
    assert len(prints) == len(others)
    assert reference not in prints


def test_fingerprint_ignores_what_no_model_sees(trials):
    reference = recording.fingerprint(trials)
    other = trials.assign_attrs(history=("else",), subject="x")
    other = other.assign(activity=other.activity.astype(np.float64))
    assert recording.fingerprint(other) == reference
    negative_nan = trials.copy(deep=True)
    negative_nan.activity.values[np.isnan(negative_nan.activity.values)] = -np.nan
    assert recording.fingerprint(negative_nan) == reference


def test_free_memory_is_a_plausible_number():
    free = masks.available_memory()
    assert free is None or 1e6 < free < 1e15


def test_the_limit_of_a_container_is_respected(tmp_path):
    for name, text in (("max", "1000\n"), ("current", "700\n"), ("stat", "anon 500\ninactive_file 150\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert masks._container_memory(str(tmp_path)) == [450]
    (tmp_path / "memory.max").write_text("max\n")
    assert masks._container_memory(str(tmp_path)) == []
    assert masks._container_memory(str(tmp_path / "none")) == []
