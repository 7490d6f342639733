"""Strengths of known components, and what is expected of them."""

import numpy as np
import pytest
from scipy.optimize import nnls

from neurodyn.inference.factorise.courses import Habits, expected, strengths

RNG = np.random.default_rng(0)
LOADINGS = RNG.gamma(0.5, size=(30, 3))
HABITS = Habits(np.ones(3), np.full(3, 1e9), 1e-3, 0.8 ** np.arange(6.0)[:, None] * np.ones(3))


def test_strengths_are_non_negative_least_squares_of_what_was_seen():
    values = np.maximum(RNG.normal(1.0, 1.0, size=(20, 30)), 0.0)
    mask = RNG.random(values.shape) < 0.7
    found = strengths(values, mask, LOADINGS, HABITS)
    for row, seen, one in zip(values, mask, found, strict=True):
        np.testing.assert_allclose(one, nnls(LOADINGS[seen], row[seen])[0], atol=1e-6)


@pytest.mark.parametrize("loss", ["squares", "poisson"])
def test_a_row_does_not_depend_on_other_rows(loss):
    values, mask = RNG.gamma(2.0, size=(4, 30)), np.ones((4, 30), bool)
    whole = strengths(values, mask, LOADINGS, HABITS, loss=loss)
    louder = np.vstack([values[:2], 1e5 * values[2:]])
    np.testing.assert_allclose(
        strengths(louder, mask, LOADINGS, HABITS, loss=loss)[:2], whole[:2], rtol=1e-5, atol=1e-7
    )


def test_counts_are_fitted_by_maximum_likelihood():
    truth = RNG.gamma(2.0, size=(5, 3))
    counts = RNG.poisson(20 * truth @ LOADINGS.T).astype(float)
    found = strengths(counts, np.ones(counts.shape, bool), 20 * LOADINGS, HABITS, loss="poisson")
    rate = found @ (20 * LOADINGS).T
    score = (counts / rate - 1) @ (
        20 * LOADINGS
    )  # zero where a strength is free, not above where it is at its bound
    assert np.abs(score[found > 1e-6]).max() < 1e-2
    assert (score[found <= 1e-6] < 1e-2).all()


def test_a_horizon_beyond_the_recording_expects_the_mean():
    courses, seen = RNG.gamma(1.0, size=(1, 5, 3)), np.ones((1, 5), bool)
    np.testing.assert_allclose(expected(courses, seen, HABITS, mode="past", horizon=40), 1.0)


def test_between_two_seen_bins_both_count():
    courses, seen = np.full((1, 3, 3), 5.0), np.array([[True, False, True]])
    alone = expected(courses, np.array([[True, False, False]]), HABITS)[0, 1]
    assert (expected(courses, seen, HABITS)[0, 1] > alone).all()
