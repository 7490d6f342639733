"""K-means and the assignments expectation maximisation starts from."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from neurodyn.errors import ModelError
from neurodyn.inference.initialise import kmeans, starts


def agreement(labels, truth, n_states):
    """Share of bins with the right label after the best matching."""
    table = np.zeros((n_states, n_states))
    np.add.at(table, (labels, truth), 1)
    rows, columns = linear_sum_assignment(-table)
    return table[rows, columns].sum() / len(truth)


def path(rng, n_bins, n_states, stay):
    """A sticky Markov path."""
    states = np.zeros(n_bins, int)
    for t in range(1, n_bins):
        states[t] = states[t - 1] if rng.random() < stay else rng.integers(n_states)
    return states


def test_kmeans_recovers_separated_clusters_in_any_unit():
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=3000)
    values = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]])[truth] + rng.standard_normal((3000, 3))
    found = kmeans(0, values * [1e-6, 1, 1e5] + [0, 300, 0], 4)
    assert agreement(found.labels[0], truth, 4) > 0.98
    assert (np.diff(found.objective) >= 0).all()
    assert found.labels.shape == (4, 3000)


def test_kmeans_is_reproducible_and_ignores_what_the_mask_hides():
    rng = np.random.default_rng(1)
    values, mask = rng.standard_normal((500, 3)), rng.random((500, 3)) > 0.2
    first = kmeans(3, np.where(mask, values, 0), 3, mask=mask)
    other = kmeans(3, np.where(mask, values, np.nan), 3, mask=mask)
    np.testing.assert_array_equal(first.labels, other.labels)
    np.testing.assert_array_equal(first.objective, other.objective)


def test_kmeans_survives_fewer_distinct_values_than_clusters():
    found = kmeans(0, np.ones((10, 2)), 3)
    assert np.isfinite(found.objective).all()
    assert found.labels.max() < 3


def test_smoothing_finds_overlapping_states_which_last():
    rng = np.random.default_rng(2)
    truth = path(rng, 4000, 3, 0.98)
    values = rng.standard_normal((3, 4))[truth] * 0.8 + rng.standard_normal((4000, 4))
    whole, first = np.ones(values.shape, bool), np.arange(4000) == 0
    found = {s.method: agreement(s.labels, truth, 3) for s in starts(0, values, whole, first, 3, 5)}
    assert found["smooth"] > found["samples"] + 0.05
    assert found["smooth"] > 0.8


def test_local_moments_find_states_that_differ_in_covariance_only():
    rng = np.random.default_rng(3)
    truth = path(rng, 6000, 2, 0.99)
    roots = np.array([[[1.0, 0.0], [0.9, 0.44]], [[1.0, 0.0], [-0.9, 0.44]]])
    values = np.einsum("tij,tj->ti", roots[truth], rng.standard_normal((6000, 2)))
    whole, first = np.ones(values.shape, bool), np.arange(6000) == 0
    found = {s.method: agreement(s.labels, truth, 2) for s in starts(0, values, whole, first, 2, 5)}
    assert found["moments"] > 0.85
    assert found["samples"] < 0.8


def test_lagged_moments_find_states_that_differ_in_dynamics_only():
    rng = np.random.default_rng(4)
    truth = path(rng, 6000, 2, 0.99)
    values = np.zeros((6000, 1))
    for t in range(1, 6000):
        slope = (0.8, -0.8)[truth[t]]
        values[t] = slope * values[t - 1] + rng.standard_normal()
    found = starts(0, values, np.ones(values.shape, bool), np.arange(6000) == 0, 2, 1, kind="autoregressive")
    assert agreement(found[0].labels, truth, 2) > 0.85


def test_starts_do_not_cross_trials_and_skip_missing_bins():
    values = np.concatenate([np.zeros((50, 1)), np.ones((50, 1))])
    mask = np.ones((100, 1), bool)
    mask[20:30] = False
    begin = np.isin(np.arange(100), [0, 50])
    for one in starts(0, np.where(mask, values, 1e3), mask, begin, 2, 2):
        assert len(set(one.labels[:20])) == len(set(one.labels[50:])) == 1
        assert one.labels[0] != one.labels[50]


def test_bad_requests_are_refused():
    values = np.zeros((5, 1))
    with pytest.raises(ModelError, match="nothing to cluster"):
        kmeans(0, values, 2, mask=np.zeros((5, 1), bool))
    with pytest.raises(ModelError, match="n_clusters"):
        kmeans(0, values, 0)
    with pytest.raises(ModelError, match="kind"):
        starts(0, values, values == 0, np.arange(5) == 0, 2, 1, kind="spikes")
