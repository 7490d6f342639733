"""Uneven time stamps and behaviour onto even grids."""

import numpy as np
import pytest

from neurodyn.errors import FileError
from neurodyn.io.resample import circular_period, labels_on_bins, onto_bins, regularise


def test_a_jittered_clock_keeps_every_value():
    rng = np.random.default_rng(0)
    times = 5 + np.arange(1000) / 30 + rng.uniform(-0.002, 0.002, 1000)
    values = rng.normal(size=1000)
    start, step, found, history = regularise(times, values)
    np.testing.assert_array_equal(found, values)
    assert abs(step - 1 / 30) < 1e-6
    assert abs(start - 5) < 2e-3
    assert "0 missing frames" in history[0]


def test_missing_frames_are_nan_in_their_places():
    keep = np.delete(np.arange(100), [10, 11, 50])
    _, _, found, _ = regularise(keep * 0.1, keep.astype(float))
    assert np.flatnonzero(np.isnan(found)).tolist() == [10, 11, 50]
    np.testing.assert_array_equal(found[keep], keep)


def test_uneven_samples_are_interpolated_but_not_across_gaps():
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.05, 0.15, 400))
    times[200:] += 5.0
    _, step, found, history = regularise(times, 3 * times + 1)
    grid = times[0] + step * np.arange(len(found))
    seen = np.isfinite(found)
    np.testing.assert_allclose(found[seen], 3 * grid[seen] + 1, rtol=1e-9)
    inside_gap = (grid > times[199]) & (grid < times[200])
    assert not seen[inside_gap].any()
    assert seen[~inside_gap].mean() > 0.95
    assert "interpolated" in history[0]


def test_repeated_and_unsorted_time_stamps_are_told():
    _, _, found, history = regularise([0.0, 0.2, 0.1, 0.1, 0.3], [0.0, 2.0, 1.0, 9.0, 3.0])
    assert found.tolist() == [0, 1, 2, 3]
    assert any("sorted" in line for line in history)
    assert any("repeated" in line for line in history)


@pytest.mark.parametrize(
    ("times", "message"),
    [([1.0], "at least 2"), ([1.0, 1.0], "one distinct"), ([0.0, 1.0, 2.0, 1e9], "uniform grid of .* bytes")],
)
def test_time_stamps_that_make_no_grid_are_refused(times, message):
    with pytest.raises(FileError, match=message):
        regularise(times, np.zeros(len(times)))


def test_bins_take_the_mean_of_their_samples():
    times = np.arange(100) / 100
    found = onto_bins(times, times, np.arange(10) / 10, 0.1)
    np.testing.assert_allclose(found, np.arange(10) / 10 + 0.045)


def test_bins_narrower_than_the_samples_are_interpolated_and_outside_is_nan():
    times = np.arange(11.0)
    starts = np.arange(-1, 12, 0.25)
    found = onto_bins(times, 2 * times, starts, 0.25)
    outside = (starts + 0.25 <= 0) | (starts > 10)
    assert np.isnan(found[outside]).all()
    inside = (starts >= 0) & (starts + 0.25 < 10) & (starts % 1 != 0)
    np.testing.assert_allclose(found[inside], 2 * (starts[inside] + 0.125))


def test_angles_near_the_cut_average_to_the_cut_not_to_the_opposite():
    times = np.array([0.01, 0.02, 0.03, 0.04])
    angles = np.array([0.1, 2 * np.pi - 0.1, 0.1, 2 * np.pi - 0.1])
    found = onto_bins(times, angles, np.array([0.0]), 0.1, period=2 * np.pi)
    assert min(found[0], 2 * np.pi - found[0]) < 1e-9


def test_only_angles_within_one_turn_are_circular():
    assert circular_period("radians", [0.0, 6.0]) == 2 * np.pi
    assert circular_period("degrees", [0.0, 359.0]) == 360.0
    assert circular_period("radians", [0.0, 20.0]) is None
    assert circular_period("rad/s", [0.0, 1.0]) is None


def test_labels_follow_the_bin_centre():
    labels = labels_on_bins([0.0, 1.0, 2.0, 3.0], 1.0, [0.4, 2.6], [2.0, 9.0], ["a", "b"])
    assert labels.tolist() == ["a", "a", "", "b"]
