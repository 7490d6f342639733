"""Affinities of pairs of traces: against plain loops, and what missing bins, units and signs must not do."""

import numpy as np
import pytest
from scipy.signal import savgol_filter

from neurodyn.errors import ModelError
from neurodyn.inference.affinity import concurrent_change, pairs_of, slopes, window_correlation


def walks(n_time: int = 60, n_units: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_time, n_units)).cumsum(axis=0)


@pytest.mark.parametrize(("window", "order"), [(3, 1), (5, 2), (9, 3)])
def test_slopes_are_those_of_scipy_in_robust_deviations(window, order):
    traces = walks()
    half = window // 2
    raw = savgol_filter(traces, window, order, deriv=1, axis=0)[half:-half]
    expected = raw / (1.4826 * np.median(np.abs(raw), axis=0))
    found = slopes(traces, window=window, order=order)
    np.testing.assert_allclose(found[half:-half], expected, rtol=1e-9)
    assert np.isnan(found[:half]).all()
    assert np.isnan(found[-half:]).all()


def test_slopes_know_neither_scale_nor_level_and_a_still_trace_has_none():
    traces = walks()
    np.testing.assert_allclose(slopes(7 * traces + 1e3), slopes(traces), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(slopes(-traces), -slopes(traces), rtol=1e-9)
    traces[:, 2] = 0.1
    found = slopes(traces)[2:-2, 2]
    np.testing.assert_array_equal(found, 0)


def test_a_missing_bin_is_missed_as_far_as_the_window_reaches_and_no_other_unit_minds():
    traces = walks()
    holed = traces.copy()
    holed[30, 1] = np.nan
    found = slopes(holed, window=5)
    assert np.flatnonzero(np.isnan(found[2:-2, 1])).tolist() == [26, 27, 28, 29, 30]
    np.testing.assert_array_equal(found[:, [0, 2, 3]], slopes(traces, window=5)[:, [0, 2, 3]])
    holed[:, 1] = np.nan
    assert np.isnan(slopes(holed)[:, 1]).all()


def test_concurrent_change_is_the_geometric_mean_of_changes_of_one_sign():
    slope = slopes(walks())[3:-3]
    first, second = pairs_of(4)
    found = concurrent_change(slope, first, second)
    rising = concurrent_change(slope, first, second, rises=True)
    for t in range(len(slope)):
        for pair, (i, j) in enumerate(zip(first, second, strict=True)):
            alike = slope[t, i] * slope[t, j] > 0
            assert found[t, pair] == pytest.approx(np.sqrt(abs(slope[t, i] * slope[t, j])) if alike else 0)
            assert rising[t, pair] == pytest.approx(found[t, pair] if slope[t, i] > 0 else 0)
    np.testing.assert_allclose(concurrent_change(-slope, first, second), found)
    # Pairs are determined by one another: why single pairs are never what is held out.
    place = {pair: k for k, pair in enumerate(zip(first.tolist(), second.tolist(), strict=True))}
    product = found[:, place[0, 1]] * found[:, place[2, 3]]
    every = (found > 0).all(axis=1)
    np.testing.assert_allclose(product[every], (found[:, place[0, 2]] * found[:, place[1, 3]])[every])


@pytest.mark.parametrize("window", [3, 7, 21])
def test_window_correlation_is_that_of_numpy(window):
    traces = walks() + 1e4
    traces[40:44, 3] = np.nan
    traces[:, 2] = np.where(np.arange(60) < 30, traces[0, 2], traces[:, 2])
    first, second = pairs_of(4)
    found = window_correlation(traces, first, second, window=window)
    half = window // 2
    for t in range(60):
        part = traces[t - half : t + half + 1]
        for pair, (i, j) in enumerate(zip(first, second, strict=True)):
            if t < half or t >= 60 - half or not np.isfinite(part[:, [i, j]]).all():
                assert np.isnan(found[t, pair])
            elif part[:, i].std() == 0 or part[:, j].std() == 0:
                assert found[t, pair] == 0
            else:
                assert found[t, pair] == pytest.approx(
                    max(np.corrcoef(part[:, i], part[:, j])[0, 1], 0), abs=1e-6
                )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: slopes(walks(), window=4), "odd window above an order"),
        (lambda: slopes(walks(), window=3, order=3), "odd window above an order"),
        (lambda: slopes(walks(4), window=5), "but the recording only 4"),
        (lambda: window_correlation(walks(), *pairs_of(4), window=2), "give an odd number from 3"),
        (lambda: window_correlation(walks(5), *pairs_of(4), window=7), "to the recording's 5 bins"),
    ],
)
def test_windows_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ModelError, match=message):
        call()
