"""Poisson loss: monotone, at its optimum, and right with holes."""

import jax
import numpy as np
import pytest

from neurodyn.inference.factorise.comparison import congruence
from neurodyn.inference.factorise.fitting import fit
from neurodyn.inference.factorise.penalties import Penalties
from neurodyn.simulate.tensors import planted_tensor


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def counts_of(shape, rank, key=0, missing=0.0):
    planted = planted_tensor(shape, rank, key=key, noise_shape=None)
    rng = np.random.default_rng(key)
    return rng.poisson(20 * planted.mean).astype(float), rng.uniform(size=shape) >= missing, planted.factors


def divergence(values, model):
    some = values > 0
    return (model - values).sum() + (values[some] * np.log(values[some] / model[some])).sum()


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("accelerate", [False, True])
def test_the_divergence_never_rises_and_factors_are_found(missing, accelerate):
    counts, mask, factors = counts_of((15, 16, 17), 3, missing=missing)
    run = fit(counts, 3, mask=mask, key=0, loss="poisson", accelerate=accelerate, max_sweeps=200)[0]
    assert np.diff(run.objective).max() <= 1e-10 * run.objective[0]
    np.testing.assert_allclose(run.objective[-1], divergence(counts[mask], run.dense()[mask]), rtol=1e-9)
    assert congruence(factors, run.factors).components.min() > 0.97


def test_one_component_without_holes_has_a_closed_form():
    counts, _, _ = counts_of((6, 7, 8), 2, key=1)
    run = fit(counts, 1, key=0, loss="poisson", tolerance=1e-14)[0]
    margins = [counts.sum(axes) for axes in ((1, 2), (0, 2), (0, 1))]
    expected = np.einsum("i,j,k->ijk", *margins) / counts.sum() ** 2
    np.testing.assert_allclose(run.dense(), expected, rtol=1e-6)


@pytest.mark.parametrize("smooth", [{}, {0: 5.0}])
def test_penalties_keep_it_monotone(smooth):
    counts, mask, _ = counts_of((12, 7, 8), 2, key=2, missing=0.2)
    counts[3] = 0
    penalties = Penalties(ridge={0: 0.1, 1: 1.0, 2: 0.5}, sparsity={1: 0.5}, smoothness=smooth)
    run = fit(
        counts,
        2,
        mask=mask,
        key=0,
        loss="poisson",
        penalties=penalties,
        accelerate=False,
        tolerance=0.0,
        max_sweeps=60,
    )[0]
    assert np.diff(run.objective).max() <= 1e-10 * run.objective[0]
    if not smooth:
        assert (run.factors[0][3] == 0).all()


def test_a_component_with_a_penalty_is_at_its_optimum():
    counts, _, _ = counts_of((6, 7, 8), 1, key=3)
    penalties = Penalties(ridge={0: 2.0, 1: 1.0, 2: 1.0}, smoothness={0: 3.0}, sparsity={2: 1.0})
    run = fit(counts, 1, key=0, loss="poisson", penalties=penalties, tolerance=1e-14, max_sweeps=3000)[0]

    def objective(factors):
        first, second, third = factors
        model = np.einsum("i,j,k->ijk", *factors)
        smooth = 1.5 * np.square(np.diff(first)).sum()
        ridge = np.square(first).sum() + 0.5 * np.square(second).sum() + 0.5 * np.square(third).sum()
        return divergence(counts, model) + smooth + ridge + third.sum()

    from scipy.optimize import minimize

    def split(logs):
        return np.split(np.exp(logs), [6, 13])

    begin = np.concatenate([np.log(f[:, 0] * run.weights[0] ** (1 / 3) + 1e-9) for f in run.factors])
    best = minimize(lambda logs: objective(split(logs)), begin, method="L-BFGS-B", options={"maxiter": 500})
    np.testing.assert_allclose(run.objective[-1], best.fun, rtol=1e-5)
