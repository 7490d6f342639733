"""Building recordings from arrays."""

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neurodyn import recording
from neurodyn.errors import NeurodynWarning, RecordingError


def noise(*shape):
    return np.random.default_rng(0).normal(size=shape)


def test_array_becomes_labelled_float32():
    made = recording.make(
        noise(40, 3), sampling_interval=0.5, unit=["a", "b", "c"], modality="fmri", units="V"
    )
    assert made.activity.dims == ("time", "unit")
    assert made.activity.dtype == np.float32
    assert made.time.values[-1] == 39 * 0.5
    assert made.time.dtype == np.float64
    assert made.kind.values.tolist() == ["continuous"] * 3
    assert made.attrs["history"] == ()
    assert made.attrs["sampling_interval"] == 0.5
    np.testing.assert_array_equal(made.activity.values, noise(40, 3).astype(np.float32))


def test_float64_is_kept_on_request():
    made = recording.make(noise(40, 3), sampling_interval=1, dtype="float64")
    assert made.activity.dtype == np.float64
    np.testing.assert_array_equal(made.activity.values, noise(40, 3))


@pytest.mark.parametrize(
    "values", [[1, 2, 3], (1, 2, 3), np.array([1, 2, 3]), [[1], [2], [3]], [True, False, True]]
)
def test_lists_and_integers_are_converted(values):
    made = recording.make(values, sampling_interval=1, kind="count")
    assert made.activity.shape == (3, 1)
    assert made.activity.dtype == np.float32
    np.testing.assert_array_equal(made.activity.values.ravel(), np.ravel(values))


def test_masked_entries_become_nan():
    masked = np.ma.masked_equal(np.arange(6).reshape(3, 2), 3)
    made = recording.make(masked, sampling_interval=1)
    assert int(recording.observed(made).sum()) == 5
    assert np.isnan(made.activity.values[1, 1])


def test_ragged_trials_get_a_nan_tail_and_their_length():
    made = recording.make([noise(3, 2), noise(5, 2), noise(4, 2)], sampling_interval=0.1)
    assert made.activity.shape == (3, 5, 2)
    assert made.n_bins.values.tolist() == [3, 5, 4]
    assert made.activity.notnull().sum().item() == 12 * 2
    assert recording.trial_lengths(made).tolist() == [3, 5, 4]


def test_dimensions_of_a_dataarray_are_taken_by_name():
    array = xr.DataArray(
        noise(3, 40),
        dims=("unit", "time"),
        coords={"unit": list("abc"), "time": 5 + 0.1 * np.arange(40), "region": ("unit", ["x", "y", "y"])},
    )
    made = recording.make(array)
    assert made.activity.dims == ("time", "unit")
    assert made.attrs["sampling_interval"] == pytest.approx(0.1)
    assert made.region.values.tolist() == ["x", "y", "y"]
    np.testing.assert_array_equal(made.activity.values, array.values.T.astype(np.float32))


def test_columns_of_a_dataframe_are_units():
    made = recording.make(pd.DataFrame(noise(40, 2), columns=["left", "right"]), sampling_interval=2)
    assert made.unit.values.tolist() == ["left", "right"]


@pytest.mark.parametrize(
    "kind", ["count", ["count", "count"], {"a": "count", "b": "count"}, np.array(["count"] * 2)]
)
def test_kind_is_given_once_or_per_unit(kind):
    made = recording.make(np.ones((9, 2)), sampling_interval=1, unit=["a", "b"], kind=kind)
    assert made.kind.values.tolist() == ["count", "count"]


def test_mixed_kinds_are_checked_each_by_its_rule():
    values = np.stack([[0, 1, 1], [0.4, -2.0, 7.5], [2, 0, 1]], axis=-1)
    made = recording.make(values, sampling_interval=1, kind=["binary", "continuous", "categorical"])
    recording.check(made)
    with pytest.raises(RecordingError, match=r"0.4 at unit 1, time index 0 \(0 s\), whose kind is count"):
        recording.make(values, sampling_interval=1, kind=["binary", "count", "categorical"])


def test_counts_beyond_float32_stay_exact():
    made = recording.make([2**24 + 1, 3], sampling_interval=1, kind="count")
    assert made.activity.values[0, 0] == 2**24 + 1


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (
            [[0, 1], [2, -3]],
            "count",
            r"-3 at unit 1, time index 1 \(0.5 s\), whose kind is count: counts are whole",
        ),
        ([[0, 1.5], [0, 0]], "count", "1.5 at unit 1, time index 0"),
        ([[0, 2], [0, 0]], "binary", "2 at unit 1.* binary units hold 0 or 1"),
        ([[0, -1], [0, 0]], "categorical", "-1 at unit 1.* codes 0, 1"),
        ([[0, np.inf], [0, 0]], "continuous", "inf at unit 1, time index 0"),
        ([[[0, 1]], [[-np.inf, 1]]], "continuous", "-inf at unit 0, time index 0.*, trial 1"),
    ],
)
def test_impossible_values_are_named_with_their_place(values, kind, message):
    with pytest.raises(RecordingError, match=message):
        recording.make(np.array(values, float), sampling_interval=0.5, kind=kind)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activity": np.zeros((0, 3))}, "0 time steps"),
        ({"activity": np.zeros((3, 0))}, "0 units"),
        ({"activity": np.zeros((0, 3, 2))}, "0 trials"),
        ({"activity": []}, "0 time steps"),
        ({"activity": np.zeros((2, 2, 2, 2))}, "4 dimensions"),
        ({"activity": 3.0}, "0 dimensions"),
        ({"activity": ["a", "b"]}, "give real numbers"),
        ({"activity": np.ones(3, complex)}, "complex128"),
        ({"activity": [[1, 2], [3]]}, "not an array of numbers"),
        ({"activity": [np.ones((3, 2)), np.ones((3, 4))]}, "2, 4 units"),
        ({"activity": np.full((5, 2), np.nan)}, "NaN everywhere"),
        ({"activity": np.ones((3, 2)), "kind": "spikes"}, "'spikes' is not known"),
        ({"activity": np.ones((3, 2)), "kind": ["count"] * 3}, "3 entries for 2 units"),
        ({"activity": np.ones((3, 2)), "kind": {0: "count"}}, "no kind for the unit 1"),
        ({"activity": np.ones((3, 2)), "unit": ["a", "a"]}, "label a occurs 2 times"),
        ({"activity": np.ones((3, 2)), "unit": list("abc")}, "`time` axis has 3, so transpose"),
        ({"activity": np.ones((3, 2)), "trial": [0]}, "no such dimension"),
        ({"activity": np.ones((3, 2)), "trial_coords": {"x": [0]}}, "without trials"),
        ({"activity": np.ones((3, 2)), "unit_coords": {"region": ["x"]}}, "2 entries"),
        ({"activity": np.ones((3, 2)), "unit_coords": {"time": [0, 1]}}, "cannot be called 'time'"),
        ({"activity": np.ones((3, 2)), "sampling_interval": 0}, "above 0"),
        ({"activity": np.ones((3, 2)), "sampling_interval": None}, "sampling interval is missing"),
        ({"activity": np.ones((3, 2)), "sampling_interval": np.nan}, "is nan"),
        ({"activity": np.ones((3, 2)), "dtype": "float16"}, "float16"),
        ({"activity": np.full((3, 2), 1e300)}, "beyond float32"),
        ({"activity": xr.DataArray(np.ones((3, 2)))}, "rename them"),
    ],
)
def test_bad_arguments_are_refused_with_one_sentence(arguments, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NeurodynWarning)
        with pytest.raises(RecordingError, match=message) as caught:
            recording.make(**{"sampling_interval": 1.0, **arguments})
    assert "\n" not in str(caught.value)


def test_wide_array_is_suspected_of_being_transposed():
    with pytest.warns(NeurodynWarning, match="transpose it if time is its second axis"):
        recording.make(noise(5, 40), sampling_interval=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recording.make(noise(5, 40), sampling_interval=1, unit=np.arange(40))


def test_one_time_step_one_unit_and_one_trial_are_recordings():
    assert recording.make([[1.0]], sampling_interval=1).activity.shape == (1, 1)
    assert recording.make([[[1.0]]], sampling_interval=1).activity.shape == (1, 1, 1)
    with pytest.raises(RecordingError, match="One time step"):
        recording.make([[1.0]], time=[0.0])


def test_unit_without_a_value_is_named_by_a_warning():
    values = noise(20, 3)
    values[:, 1] = np.nan
    with pytest.warns(NeurodynWarning, match=r"1 of 3 units were never observed.*unit b"):
        made = recording.make(values, sampling_interval=1, unit=list("abc"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recording.check(made)


def test_constant_unit_and_outlier_are_kept():
    values = noise(20, 2)
    values[:, 0] = 4.0
    values[7, 1] = 1e6
    made = recording.make(values, sampling_interval=1)
    assert made.activity.values[7, 1] == 1e6
    assert (made.activity.values[:, 0] == 4).all()


def test_offset_that_float32_cannot_hold_is_warned_of():
    with pytest.warns(NeurodynWarning, match="subtract the offset"):
        recording.make(1e9 + noise(50, 1), sampling_interval=1)


def test_covariates_carry_what_is_known_of_them():
    made = recording.make(
        noise(4, 10, 2),
        sampling_interval=0.1,
        covariates={"cue": np.arange(10), "speed": (noise(4, 10), "with", "measured")},
    )
    assert made.covariates.dims == ("trial", "time", "covariate")
    assert made.available.values.tolist() == ["before", "with"]
    assert made.role.values.tolist() == ["exogenous", "measured"]
    np.testing.assert_array_equal(made.covariates.sel(covariate="cue").values[2], np.arange(10))
    values, mask = recording.covariate_arrays(made, ["speed"])
    assert values.shape == (4, 10, 1)
    assert mask.all()


@pytest.mark.parametrize(
    ("covariates", "message"),
    [
        ({"x": np.arange(3)}, "covariate x has shape"),
        ({"x": (np.arange(10), "before")}, "tuple of 2"),
        ({"x": (np.arange(10), "now", "exogenous")}, "'now'"),
        ({"x": (np.arange(10), "with", "guess")}, "'guess'"),
        ({"x": ["a"] * 10}, "give real numbers"),
        ({"x": np.full(10, np.inf)}, "covariate x is inf at time index 0"),
        (xr.DataArray(np.ones((10, 1)), dims=("a", "b")), "must be"),
    ],
)
def test_bad_covariates_are_refused(covariates, message):
    with pytest.raises(RecordingError, match=message):
        recording.make(noise(10, 2), sampling_interval=0.1, covariates=covariates)
