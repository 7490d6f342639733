"""The schema: what `check` accepts, and what it says of the rest."""

import warnings

import numpy as np
import pytest
import xarray as xr

from neurodyn import recording
from neurodyn.errors import NeurodynWarning, RecordingError


@pytest.fixture
def run():
    return recording.make(np.random.default_rng(1).normal(size=(30, 3)), sampling_interval=0.1)


@pytest.fixture
def trials():
    return recording.make(np.random.default_rng(1).normal(size=(4, 30, 3)), sampling_interval=0.1)


def test_good_recordings_come_back_as_the_same_object(run, trials):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert recording.check(run) is run
        assert recording.check(trials, kinds={"continuous"}, strict=True) is trials


def test_slices_of_a_recording_are_recordings(run, trials):
    recording.check(run.isel(time=slice(5, 20)))
    recording.check(trials.isel(time=slice(5, 20), trial=[2, 0], unit=[1]))
    recording.check(run.isel(time=[4]))


def with_time(run, time):
    return run.assign_coords(time=np.asarray(time, float))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.activity.values, "is an xarray.Dataset, but this is a ndarray"),
        (lambda r: r.rename(activity="bold"), r"no variable `activity` in this Dataset \(it has: bold\)"),
        (
            lambda r: r.transpose("unit", "time"),
            r'wrong order: use recording.transpose\("time", "unit", ...\)',
        ),
        (lambda r: r.rename(unit="neuron"), "dimensions .time, neuron."),
        (lambda r: r.assign(activity=r.activity.astype(int)), "cannot hold NaN: convert"),
        (lambda r: r.drop_vars("unit"), "`unit` has no coordinate"),
        (lambda r: r.drop_vars("time"), "`time` has no coordinate"),
        (lambda r: r.drop_vars("kind"), "`kind` on `unit` is missing"),
        (
            lambda r: r.assign_coords(kind=("unit", ["count", "spikes", "count"])),
            "kind of unit 1 is 'spikes'",
        ),
        (lambda r: r.assign_coords(unit=[1, 2, 1]), "label 1 occurs 2 times"),
        (lambda r: r.isel(time=slice(0, 0)), "0 entries along `time`"),
        (lambda r: r.assign_coords(time=np.arange(30)), "dtype int64: give it as float64"),
        (lambda r: with_time(r, np.r_[np.arange(29), 28] * 0.1), r"time\[28\] and time\[29\] are both 2.8 s"),
        (
            lambda r: with_time(r, np.r_[0, 2, 1, np.arange(3, 30)] * 0.1),
            r"backwards: time\[1\] is 0.2 s and time\[2\]",
        ),
        (
            lambda r: with_time(r, np.r_[np.arange(10), np.arange(11, 31)] * 0.1),
            r"time\[9\] = 0.9 s is 0.2 s",
        ),
        (lambda r: with_time(r, np.r_[np.arange(29) * 0.1, np.nan]), r"time\[29\] is nan"),
        (
            lambda r: with_time(r, np.arange(30) * 0.2),
            "advances by 0.2 s a step.*`sampling_interval` is 0.1 s",
        ),
        (lambda r: r.isel(time=slice(None, None, 2)), "advances by 0.2 s a step"),
        (lambda r: r.assign_attrs(sampling_interval=-1.0), "`sampling_interval` is -1.0"),
        (lambda r: r.assign_attrs(sampling_interval="0.1"), "`sampling_interval` is '0.1'"),
        (lambda r: r.assign_attrs(history=["x"]), "`history` is a list: it must be a tuple"),
        (lambda r: r.assign_attrs(subject=3), "`subject` is 3: it must be a string"),
        (
            lambda r: r.drop_attrs(),
            "sampling_interval, units, modality, subject, session and 2 more is missing",
        ),
        (lambda r: r.assign(activity=r.activity * np.nan), "NaN everywhere"),
        (
            lambda r: r.assign(activity=r.activity.where(r.time != r.time[3], np.inf)),
            r"inf at unit 0, time index 3 \(0.3 s\)",
        ),
        (
            lambda r: r.assign_coords(kind=("unit", ["continuous", "continuous", "count"])),
            "unit 2.*whose kind is count",
        ),
    ],
)
def test_broken_schema_is_named(run, change, message):
    with pytest.raises(RecordingError, match=message) as caught:
        recording.check(change(run))
    assert "\n" not in str(caught.value)


def test_kinds_a_model_does_not_accept_are_refused_by_name(run):
    mixed = run.assign(activity=run.activity.round().clip(0)).assign_coords(
        kind=("unit", ["continuous", "count", "count"])
    )
    with pytest.raises(
        RecordingError, match="Kalman accepts continuous units, but 2 of 3 are count .first: unit 1"
    ):
        recording.check(mixed, kinds=["continuous"], model="Kalman")


def test_hidden_units_and_trials_are_accepted_but_reported_when_strict(trials):
    hidden = recording.hide(recording.hide(trials, trials.unit == 1), trials.trial == 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recording.check(hidden)
    with pytest.warns(NeurodynWarning) as caught:
        recording.check(hidden, strict=True)
    assert [str(w.message)[:40] for w in caught] == [
        "1 of 3 units were never observed, all th",
        "1 of 4 trials were never observed, all t",
    ]


def test_empty_recording_passes_only_on_request(run):
    nothing = recording.hide(run, np.ones(run.activity.shape, bool))
    recording.check(nothing, allow_empty=True)
    with pytest.raises(RecordingError, match="not one observed value"):
        recording.check(nothing)


def test_padding_above_half_is_warned_of():
    with pytest.warns(NeurodynWarning, match="68 % of the entries are padding"):
        ragged = recording.make([np.ones((100, 1)), *[np.ones((10, 1))] * 3], sampling_interval=1)
    with pytest.warns(NeurodynWarning, match="68 % of the entries are padding"):
        recording.check(ragged)


def test_values_after_the_end_of_a_trial_are_refused(trials):
    wrong = trials.assign_coords(n_bins=("trial", [30, 20, 30, 30]))
    with pytest.raises(
        RecordingError, match=r"observed at unit 0, time index 20 \(2 s\), trial 1, after that trial's end"
    ):
        recording.check(wrong)
    with pytest.raises(RecordingError, match="one whole number of bins"):
        recording.check(trials.assign_coords(n_bins=("trial", [30.0, 20, 30, 30])))


def test_slow_drift_of_the_clock_is_found(run):
    drifting = recording.make(np.ones(5000), sampling_interval=0.1)
    recording.check(drifting)
    with pytest.raises(RecordingError, match="advances by 0.10005 s"):
        recording.check(drifting.assign_coords(time=np.arange(5000) * 0.10005))


def test_times_of_a_long_session_pass_in_spite_of_rounding():
    fine = recording.make(np.ones(2000), time=1.7e9 + np.arange(2000) * 1e-3, sampling_interval=1e-3)
    recording.check(fine)


def test_names_of_categories_must_cover_the_codes():
    values = np.array([0, 1, 2, 1])
    recording.make(values, sampling_interval=1, kind="categorical", unit=["c"], categories={"c": list("xyz")})
    with pytest.raises(RecordingError, match="code 2, but `categories` names only 2"):
        recording.make(
            values, sampling_interval=1, kind="categorical", unit=["c"], categories={"c": list("xy")}
        )


def test_covariates_must_fit_the_activity(run):
    inputs = recording.make(run.activity.values, sampling_interval=0.1, covariates={"x": np.arange(30)})
    recording.check(inputs, finite_covariates=True)
    for change, message in (
        (
            lambda r: r.transpose("time", "covariate", ..., "unit").assign(covariates=r.covariates.T),
            "must be .time, cov",
        ),
        (lambda r: r.drop_vars("role"), "`role` on `covariate` is missing"),
        (lambda r: r.drop_vars("covariate"), "must name every covariate once"),
        (lambda r: r.assign(covariates=r.covariates.astype(int)), "dtype int64"),
    ):
        with pytest.raises(RecordingError, match=message):
            recording.check(change(inputs))
    gap = inputs.assign(covariates=inputs.covariates.where(inputs.time != inputs.time[4]))
    recording.check(gap)
    with pytest.raises(RecordingError, match="covariate x is nan at time index 4"):
        recording.check(gap, finite_covariates=True)


def test_covariates_after_the_end_of_a_trial_need_not_be_finite():
    tail = np.r_[np.ones(3), np.nan, np.nan]
    ragged = recording.make(
        [np.ones((3, 1)), np.ones((5, 1))],
        sampling_interval=1,
        covariates={"x": np.stack([tail, np.ones(5)])},
    )
    recording.check(ragged, finite_covariates=True)


def test_arithmetic_that_keeps_attributes_keeps_the_recording(run):
    with xr.set_options(keep_attrs=True):
        recording.check(run * 2)
