"""The cheap ways of factor analysis compute what the plain ones do."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from neurodyn.inference import _factor_steps as steps
from neurodyn.inference import factor_analysis as fa
from neurodyn.inference.threads import one_thread


def made(n_rows=240, n_units=9, rank=3, missing=0.0, patterns=None, key=0):
    rng = np.random.default_rng(key)
    loadings, noise = rng.normal(size=(n_units, rank)), rng.uniform(0.3, 1.0, n_units)
    values = rng.normal(size=(n_rows, rank)) @ loadings.T + np.sqrt(noise) * rng.normal(
        size=(n_rows, n_units)
    )
    if patterns is None:
        mask = rng.uniform(size=values.shape) >= missing
    else:
        mask = (rng.uniform(size=(patterns, n_units)) >= 0.3)[rng.integers(patterns, size=n_rows)]
    mask[mask.sum(1) == 0, 0] = True
    parameters = fa.Factors(0.1 * rng.normal(size=n_units), loadings + 0.1, noise + 0.1)
    return np.where(mask, values, 0.0), mask, parameters


@pytest.mark.parametrize(("missing", "patterns"), [(0.0, None), (0.2, None), (0.0, 5)])
def test_second_moments_give_what_rows_give(missing, patterns):
    values, mask, parameters = made(missing=missing, patterns=patterns)
    mask[:, 4] = False
    by_rows = steps.expect(parameters, steps.prepare(values, mask, by_rows=True))
    by_moments = steps.expect(parameters, steps.prepare(values, mask, by_rows=False))
    for one, other in zip(by_rows, by_moments, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_an_expectation_is_the_sum_over_rows():
    values, mask, parameters = made(missing=0.2)
    found = steps.expect(parameters, steps.prepare(values, mask))
    total, cross, moments, log_likelihood = 0.0, 0.0, 0.0, 0.0
    for row, seen in zip(values, mask, strict=True):
        weight = parameters.loadings[seen] / parameters.noise[seen][:, None]
        covariance = np.linalg.inv(np.eye(3) + weight.T @ parameters.loadings[seen])
        design = np.append(covariance @ weight.T @ (row - parameters.mean)[seen], 1.0)
        second = np.outer(design, design) + np.pad(covariance, (0, 1))
        total, cross = total + second, cross + np.outer(np.where(seen, row, 0.0), design)
        moments = moments + seen[:, None, None] * second
        joint = parameters.loadings @ parameters.loadings.T + np.diag(parameters.noise)
        error, joint = (row - parameters.mean)[seen], joint[np.ix_(seen, seen)]
        log_likelihood -= 0.5 * (
            error @ np.linalg.solve(joint, error) + np.linalg.slogdet(2 * np.pi * joint)[1]
        )
    data = steps.prepare(values, mask)
    np.testing.assert_allclose(found.log_likelihood, log_likelihood)
    np.testing.assert_allclose(found.total, total)
    np.testing.assert_allclose(found.cross, cross)
    np.testing.assert_allclose(found.moments[data.column], moments)


def test_batches_change_nothing(monkeypatch):
    values, mask, parameters = made(missing=0.2)
    rows = fa.group_rows(values, mask)
    whole = steps.expect(parameters, steps.prepare(values, mask)), fa.replicate(parameters, rows)
    monkeypatch.setattr(steps, "BATCH", 100)
    parts = steps.expect(parameters, steps.prepare(values, mask)), fa.replicate(parameters, rows)
    for one, other in zip([*whole[0], *whole[1]], [*parts[0], *parts[1]], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [3, steps.LARGE + 2])
def test_inverses_are_inverses(size):
    root = np.random.default_rng(0).normal(size=(steps.SIDE_BY_SIDE + 40, size, 2 * size))
    matrices = root @ np.swapaxes(root, 1, 2)
    inverses, log_determinants = steps.invert(matrices)
    np.testing.assert_allclose(inverses @ matrices, np.broadcast_to(np.eye(size), matrices.shape), atol=1e-9)
    np.testing.assert_allclose(log_determinants, np.linalg.slogdet(matrices)[1])


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_acceleration_rises_always_and_ends_no_lower_than_plain_steps(missing):
    values, mask, _ = made(missing=missing)
    values = values - np.where(mask, values, 0.0).sum(0) / mask.sum(0)
    data, least = steps.prepare(values, mask), np.full(9, 1e-6)
    plain = fa.initialise(values, mask, 3)
    for _ in range(400):
        plain = steps.maximise(data, steps.expect(plain, data), isotropic=False, least_noise=least)
    _, objective, converged = fa.fit(values, mask, 3, tolerance=1e-8)
    assert converged
    assert np.diff(objective).min() > -1e-8
    assert objective[-1] > steps.expect(plain, data).log_likelihood - 1e-3
    assert len(objective) < 200


def test_a_fit_far_from_zero_is_the_same_fit_moved():
    values, mask, _ = made(missing=0.2)
    near, far = fa.fit(values, mask, 2)[0], fa.fit(np.where(mask, values + 1e4, 0.0), mask, 2)[0]
    np.testing.assert_allclose(far.mean - 1e4, near.mean, atol=1e-5)
    np.testing.assert_allclose(far.loadings, near.loadings, atol=1e-4)


def test_factors_are_added_to_those_there_are():
    values, mask, _ = made(n_rows=2000)
    two = fa.fit(values, mask, 2)[0]
    start = fa.grow(two, values, mask, 3)
    np.testing.assert_array_equal(start.loadings[:, :2], two.loadings)
    _, warm, _ = fa.fit(values, mask, 3, start=start)
    _, cold, _ = fa.fit(values, mask, 3)
    np.testing.assert_allclose(warm[-1], cold[-1], atol=0.5)


def test_linear_algebra_gets_its_threads_back():
    before = [pool["num_threads"] for pool in threadpool_info()]
    with one_thread(), one_thread():
        inside = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert set(inside) <= {1}
    assert [pool["num_threads"] for pool in threadpool_info()] == before
