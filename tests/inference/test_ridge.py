"""The cheap ways of ridge regression compute what refitting on every fold does."""

import itertools

import numpy as np
import pytest
from scipy.linalg import cholesky, solve_triangular

from neurodyn.inference import autoregression as ar
from neurodyn.inference import ridge
from neurodyn.inference._held_out import held_out_squares

STRENGTHS = (1e-4, 0.03, 10.0)


def made(n_rows=83, n_features=12, n_units=4, noise=1.0, key=0):
    rng = np.random.default_rng(key)
    predictors = rng.normal(size=(n_rows, n_features)) @ rng.normal(size=(n_features, n_features))
    targets = predictors[:, :6] @ rng.normal(size=(6, n_units)) + noise * rng.normal(size=(n_rows, n_units))
    return predictors, targets


def refitted(predictors, targets, strength):
    """Residuals of five blocks of rows, each under weights fitted anew to the other rows."""
    folds = ridge.contiguous_folds(len(targets), 5)
    residuals = np.empty_like(targets)
    for fold in range(5):
        x, y = predictors[folds != fold], targets[folds != fold]
        # The penalty as rows of its own: least squares of the augmented table.
        penalty = np.sqrt(strength * len(y)) * np.eye(x.shape[1])
        zeros = np.zeros((x.shape[1], y.shape[1]))
        weights = np.linalg.lstsq(np.concatenate([x, penalty]), np.concatenate([y, zeros]))[0]
        residuals[folds == fold] = (targets - predictors @ weights)[folds == fold]
    return residuals


@pytest.mark.parametrize("by_rows", [False, True])
@pytest.mark.parametrize("n_features", [12, 100])
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("noise", [1.0, 1e-5])
def test_held_out_errors_are_those_of_refitting_every_fold(by_rows, n_features, missing, noise):
    predictors, targets = made(n_features=n_features, noise=noise)
    observed = np.random.default_rng(1).uniform(size=targets.shape) >= missing
    widths, bounds = (4, n_features), np.array([0, 17, 34, 50, 67, 83])
    np.testing.assert_array_equal(np.diff(bounds), np.bincount(ridge.contiguous_folds(83, 5)))
    found = held_out_squares(predictors, targets, observed, bounds, widths, STRENGTHS, by_rows=by_rows)
    for i, width in enumerate(widths):
        for j, strength in enumerate(STRENGTHS):
            residuals = refitted(predictors[:, :width], targets, strength) * observed
            np.testing.assert_allclose(found[i, j], np.square(residuals).sum(), rtol=1e-5)


@pytest.mark.parametrize("n_features", [12, 100])
def test_the_choice_is_the_smallest_held_out_error_and_comes_with_its_residuals(n_features):
    predictors, targets = made(n_features=n_features)
    path = ridge.choose(
        predictors, targets, np.ones(targets.shape, bool), widths=(4, n_features), strengths=STRENGTHS
    )
    errors = {
        (width, strength): np.square(refitted(predictors[:, :width], targets, strength)).mean()
        for width in (4, n_features)
        for strength in STRENGTHS
    }
    assert (path.width, path.strength) == min(errors, key=lambda pair: errors[pair])
    np.testing.assert_allclose(path.score, min(errors.values()), rtol=1e-6)
    np.testing.assert_allclose(
        path.residuals, refitted(predictors[:, : path.width], targets, path.strength), atol=1e-6
    )


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_shrinkage_is_the_one_with_the_best_held_out_density(missing):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 12)) @ rng.normal(size=(12, 12))
    observed = rng.uniform(size=values.shape) >= missing
    values = np.where(observed, values, 0.0)

    def pairwise(rows):
        return values[rows].T @ values[rows] / (observed[rows].T.astype(float) @ observed[rows])

    def shrunk(covariance, amount):
        return (1 - amount) * covariance + amount * np.diag(np.diag(covariance))

    folds, scores = ridge.contiguous_folds(60, 5), []
    for amount in ridge.SHRINKAGES:
        score = 0.0
        for fold in range(5):
            try:
                root = cholesky(shrunk(pairwise(folds != fold), amount), lower=True)
            except np.linalg.LinAlgError:
                score = np.inf
                break
            half = solve_triangular(root, pairwise(folds == fold), lower=True)
            score += 2 * np.log(np.diag(root)).sum() + np.trace(solve_triangular(root, half.T, lower=True))
        scores.append(score)
    best = ridge.SHRINKAGES[int(np.argmin(scores))]
    expected = shrunk(pairwise(folds >= 0), best)
    np.testing.assert_allclose(ridge.shrunk_covariance(values, observed), expected, rtol=1e-9)


@pytest.mark.parametrize("long_gap", [False, True])
def test_filling_all_bins_at_once_is_filling_them_in_the_order_of_time(long_gap):
    rng = np.random.default_rng(0)
    n_trials, n_time, n_units, order = 2, 200, 3, 2
    coefficients = np.zeros((order + 1, order, n_units, n_units))
    coefficients[1, :1] = 0.5 * np.eye(n_units) + 0.1 * rng.normal(size=(n_units, n_units))
    coefficients[2] = 0.45 * np.eye(n_units) + 0.02 * rng.normal(size=(2, n_units, n_units))
    noise = np.stack([np.eye(n_units), 0.5 * np.eye(n_units), 0.3 * np.eye(n_units)])
    mask = rng.uniform(size=(n_trials, n_time, n_units)) >= 0.3
    if long_gap:
        mask[1, 50:150] = False
    values = np.where(mask, rng.normal(size=mask.shape), 0.0)
    filled, variance = ar.fill_causally(values, mask, ar.Autoregression(coefficients, noise, 1.0, 1.0, 0.9))
    expected, spread = values.copy(), np.zeros_like(values)
    for t in range(n_time):
        q = min(t, order)
        mean, own = np.zeros((n_trials, n_units)), np.tile(np.diag(noise[q]), (n_trials, 1))
        for lag in range(q):
            mean += expected[:, t - lag - 1] @ coefficients[q, lag].T
            own += spread[:, t - lag - 1] @ np.square(coefficients[q, lag]).T
        expected[:, t] = np.where(mask[:, t], values[:, t], mean)
        spread[:, t] = np.where(mask[:, t], 0.0, np.minimum(own, 1.0))
    np.testing.assert_allclose(filled, expected, atol=1e-10)
    np.testing.assert_allclose(variance, spread, atol=1e-10)


def test_blocks_of_ones_own_take_the_place_of_equal_ones():
    predictors, targets = made()
    every = np.ones(targets.shape, bool)
    bounds = np.array([0, 30, 41, 83])
    path = ridge.choose(predictors, targets, every, widths=(12,), strengths=(0.3,), bounds=bounds)
    for first, last in itertools.pairwise(bounds.tolist()):
        kept = np.r_[0:first, last:83]
        x, y = predictors[kept], targets[kept]
        weights = np.linalg.solve(x.T @ x + 0.3 * len(kept) * np.eye(12), x.T @ y)
        np.testing.assert_allclose(
            path.residuals[first:last], targets[first:last] - predictors[first:last] @ weights, atol=1e-8
        )
    equal = np.array([0, 17, 34, 50, 67, 83])
    first, second = (
        ridge.choose(predictors, targets, every, widths=(4, 12), strengths=STRENGTHS, **options)
        for options in ({}, {"bounds": equal})
    )
    np.testing.assert_array_equal(first.residuals, second.residuals)
