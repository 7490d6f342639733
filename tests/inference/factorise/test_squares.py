"""Least squares: the sweeps are classic ones, recover planted factors, and what is masked does not matter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn.inference.factorise import fitting
from neurodyn.inference.factorise.comparison import congruence, similarity
from neurodyn.inference.factorise.contractions import rows_target
from neurodyn.inference.factorise.core_consistency import core_consistency
from neurodyn.inference.factorise.descent import descend
from neurodyn.inference.factorise.fitting import fit
from neurodyn.inference.factorise.penalties import Penalties
from neurodyn.simulate.tensors import planted_tensor


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def start_of(shape, rank, key=0):
    rng = np.random.default_rng(key)
    return [rng.gamma(1.0, size=(size, rank)) for size in shape]


def dense(factors):
    return np.einsum("ir,jr,kr->ijk", *factors)


def classic(values, start, n_sweeps):
    """Hierarchical alternating least squares as in a textbook."""
    factors, objective = [factor.copy() for factor in start], []
    letters = "ijk"
    for _ in range(n_sweeps):
        for mode in range(3):
            others = [m for m in range(3) if m != mode]
            inputs = [f"{letters[m]}r" for m in others]
            target = np.einsum(
                f"ijk,{inputs[0]},{inputs[1]}->{letters[mode]}r", values, *(factors[m] for m in others)
            )
            inner = np.prod([factors[m].T @ factors[m] for m in others], axis=0)
            for r in np.flatnonzero(np.diag(inner)):
                change = (target[:, r] - factors[mode] @ inner[:, r]) / inner[r, r]
                factors[mode][:, r] = np.maximum(0, factors[mode][:, r] + change)
        objective.append(0.5 * np.square(values - dense(factors)).sum())
    return factors, np.array(objective)


def test_one_pass_without_extrapolation_is_classic():
    values, start = planted_tensor((7, 8, 9), 3, key=0).values, start_of((7, 8, 9), 3)
    factors, objective = classic(values, start, 25)
    found = fit(values, 3, start=start, accelerate=False, passes=1, tolerance=0.0, max_sweeps=25)[0]
    np.testing.assert_allclose(found.objective, objective, rtol=1e-9)
    np.testing.assert_allclose(found.dense(), dense(factors), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_noiseless_factors_are_found_and_runs_agree(missing):
    planted = planted_tensor((15, 16, 17), 4, key=3, missing=missing, noise_shape=None)
    mask = np.isfinite(planted.values)
    runs = fit(planted.values, 4, mask=mask, key=0, restarts=3, tolerance=1e-8)
    assert congruence(planted.factors, runs[0].factors).components.min() > 0.99
    np.testing.assert_allclose(runs[0].dense(), planted.mean, rtol=1e-2, atol=1e-3 * planted.mean.max())
    together = similarity([run.factors for run in runs if run.objective[-1] < 1e-6])
    assert together.min() > 0.99
    for run in runs:
        assert np.diff(run.objective).max() < 1e-9 * run.objective[0]
        assert (np.diff(run.weights) <= 0).all()
        for factor in run.factors:
            np.testing.assert_allclose(np.linalg.norm(factor, axis=0), 1.0)


@pytest.mark.parametrize("accelerate", [False, True])
def test_with_noise_and_holes_the_objective_is_what_it_says_and_never_rises(accelerate):
    planted = planted_tensor((12, 13, 14), 4, key=1, missing=0.5)
    mask = np.isfinite(planted.values)
    run = fit(planted.values, 4, mask=mask, key=0, accelerate=accelerate, tolerance=0.0, max_sweeps=50)[0]
    assert np.diff(run.objective).max() <= 1e-12 * run.objective[0]
    error = np.where(mask, planted.values - run.dense(), 0.0)
    np.testing.assert_allclose(run.objective[-1], 0.5 * np.square(error).sum())


def test_at_the_end_of_a_masked_fit_no_component_of_any_mode_could_be_better():
    planted = planted_tensor((9, 10, 11), 2, key=1, missing=0.4)
    mask = np.isfinite(planted.values)
    run = fit(planted.values, 2, mask=mask, key=0, tolerance=1e-13, max_sweeps=3000)[0]
    factors = [run.factors[0] * run.weights, *run.factors[1:]]
    error = np.where(mask, planted.values - run.dense(), 0.0)
    for mode, names in enumerate(["jr,kr->ir", "ir,kr->jr", "ir,jr->kr"]):
        others = [factor for which, factor in enumerate(factors) if which != mode]
        slope = -np.einsum(f"ijk,{names}", error, *others)
        scale = np.abs(np.einsum(f"ijk,{names}", np.where(mask, planted.values, 0), *others)).max()
        assert slope.min() > -1e-4 * scale
        assert np.abs(slope * (factors[mode] > 1e-6 * factors[mode].max())).max() < 1e-4 * scale


@pytest.mark.parametrize("loss", ["squares", "poisson"])
def test_what_lies_behind_the_mask_has_no_influence(loss):
    planted = planted_tensor((8, 9, 10), 3, key=2, missing=0.3)
    mask = np.isfinite(planted.values)
    found = [
        fit(np.where(mask, planted.values, fill), 3, mask=mask, key=0, loss=loss, max_sweeps=10)[0]
        for fill in (0.0, np.nan, -1e3, np.inf)
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(other.objective, found[0].objective)
        for one, two in zip(other.factors, found[0].factors, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_a_batch_is_each_restart_alone(missing):
    planted = planted_tensor((8, 9, 10), 3, key=2, missing=missing)
    mask = np.isfinite(planted.values)
    batch = fit(planted.values, 3, mask=mask, key=5, restarts=2, max_sweeps=30)
    alone = fit(planted.values, 3, mask=mask, key=5, max_sweeps=30)[0]
    same = min(batch, key=lambda run: abs(run.objective[0] - alone.objective[0]))
    np.testing.assert_allclose(same.objective, alone.objective, rtol=1e-10)
    np.testing.assert_allclose(same.dense(), alone.dense(), rtol=1e-8, atol=1e-10)


def test_restarts_in_turns_are_those_side_by_side(monkeypatch):
    planted = planted_tensor((8, 9, 10), 3, key=2, missing=0.3)
    mask = np.isfinite(planted.values)
    together = fit(planted.values, 3, mask=mask, key=5, restarts=2, max_sweeps=30, tolerance=1e-12)
    monkeypatch.setattr(fitting, "BATCH_ENTRIES", 1)
    heard = []

    class Ear:
        def update(self, fraction, text):
            heard.append(fraction)

    in_turns = fit(
        planted.values, 3, mask=mask, key=5, restarts=2, max_sweeps=30, tolerance=1e-12, progress=Ear()
    )
    np.testing.assert_allclose(heard, np.arange(1, 7) / 6)
    for one, other in zip(together, in_turns, strict=True):
        np.testing.assert_allclose(one.objective, other.objective, rtol=1e-10)


def test_a_second_fit_of_the_same_shape_compiles_nothing_and_says_how_far_it_is():
    heard = []

    class Ear:
        def update(self, fraction, text):
            heard.append((fraction, text))

    values = planted_tensor((7, 8, 9), 3, key=0).values
    fit(values, 3, key=0, max_sweeps=20, tolerance=0.0)
    before = descend.cache_size()
    found = fit(2 * values, 3, key=1, max_sweeps=33, tolerance=1e-12, progress=Ear())[0]
    assert descend.cache_size() == before
    assert len(found.objective) == 33
    assert [round(33 * fraction) for fraction, _ in heard] == [10, 20, 30, 33]


@pytest.mark.parametrize("tail", [(5,), (3, 7), (4, 3, 2), (2, 3, 40), (1, 9)])
def test_a_target_is_the_product_with_the_whole_tail(tail):
    rng = np.random.default_rng(0)
    factors = [rng.random((2, size)) for size in tail]
    entries = rng.random((6, *tail))
    letters = "jkl"[: len(tail)]
    inputs = ",".join(f"r{letter}" for letter in letters)
    expected = np.einsum(f"i{letters},{inputs}->ri", entries, *factors)
    found = rows_target(jnp.asarray(entries.reshape(6, -1)), tuple(map(jnp.asarray, factors)))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_permuting_a_mode_permutes_its_factor():
    values, start = planted_tensor((7, 8, 9), 3, key=0).values, start_of((7, 8, 9), 3)
    order = np.random.default_rng(0).permutation(8)
    one = fit(values, 3, start=start, max_sweeps=20)[0]
    moved = fit(values[:, order], 3, start=[start[0], start[1][order], start[2]], max_sweeps=20)[0]
    np.testing.assert_allclose(moved.factors[1], one.factors[1][order], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(moved.factors[2], one.factors[2], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("free", [0, 2])
def test_modes_that_are_fixed_stay_and_the_free_one_is_found(free):
    planted = planted_tensor((9, 10, 11), 3, key=4, missing=0.3, noise_shape=None)
    fixed = {mode: factor for mode, factor in enumerate(planted.factors) if mode != free}
    mask = np.isfinite(planted.values)
    run = fit(planted.values, 3, mask=mask, key=0, fixed=fixed, tolerance=1e-12)[0]
    for mode, factor in fixed.items():
        np.testing.assert_array_equal(run.factors[mode], factor)
    np.testing.assert_allclose(run.factors[free] * run.weights, planted.factors[free], atol=1e-4)


@pytest.mark.parametrize("shape", [(20, 15), (8, 7, 6, 9)])
def test_any_number_of_modes(shape):
    planted = planted_tensor(shape, 2, key=5, noise_shape=None)
    run = fit(planted.values, 2, key=0, restarts=4, tolerance=1e-9)[0]
    np.testing.assert_allclose(run.dense(), planted.mean, atol=1e-3 * planted.mean.max())
    if len(shape) > 2:
        assert congruence(planted.factors, run.factors).mean > 0.99


def test_penalties_are_in_the_objective_and_do_what_they_say():
    planted = planted_tensor((30, 8, 9), 2, key=6, missing=0.2)
    mask = np.isfinite(planted.values)
    ridge = {0: 0.1, 1: 1.0, 2: 1.0}
    runs = {
        strength: fit(
            planted.values,
            2,
            mask=mask,
            key=0,
            tolerance=0.0,
            max_sweeps=40,
            penalties=Penalties(ridge=ridge, smoothness={0: strength}, sparsity={2: 0.5}, breaks=(12,)),
        )[0]
        for strength in (0.01, 1e4)
    }
    rough = {}
    for strength, run in runs.items():
        assert np.diff(run.objective).max() <= 1e-9 * run.objective[0]
        steps = np.diff(run.factors[0], axis=0)
        rough[strength] = np.square(np.delete(steps, 11, axis=0)).sum()
        assert np.abs(steps[11]).max() > 0
    assert rough[1e4] < 0.1 * rough[0.01]
    zeros = [
        (
            fit(
                planted.values,
                2,
                mask=mask,
                key=0,
                penalties=Penalties(ridge={0: 1.0, 1: 1.0}, sparsity={2: strength}),
            )[0].factors[2]
            == 0
        ).sum()
        for strength in (0.01, 20.0)
    ]
    assert zeros[1] > zeros[0]


def test_a_penalised_optimum_cannot_be_bettered_by_a_small_change():
    planted = planted_tensor((10, 6, 7), 1, key=6)
    penalties = Penalties(ridge={0: 0.5, 1: 1.0, 2: 1.0}, smoothness={0: 5.0}, sparsity={1: 0.3})
    run = fit(planted.values, 1, key=0, penalties=penalties, tolerance=1e-13, max_sweeps=2000)[0]

    def objective(factors):
        first, second, third = factors
        loss = 0.5 * np.square(planted.values - dense(factors)).sum()
        loss += 0.25 * np.square(first).sum() + 2.5 * np.square(np.diff(first, axis=0)).sum()
        return loss + 0.5 * np.square(second).sum() + 0.3 * second.sum() + 0.5 * np.square(third).sum()

    # Scale moves between modes at no loss; the penalised optimum fixes it, so search over it here.
    grid = np.exp(np.linspace(-3, 3, 241))
    weight = run.weights[0]
    best = min(
        objective((run.factors[0] * a, run.factors[1] * b, run.factors[2] * weight / (a * b)))
        for a in grid
        for b in grid
    )
    np.testing.assert_allclose(best, run.objective[-1], rtol=1e-4)
    assert best >= run.objective[-1] * (1 - 1e-9)


def test_core_consistency_falls_beyond_the_true_rank():
    planted = planted_tensor((14, 15, 16), 3, key=0, noise_shape=None)
    noisy = planted_tensor((14, 15, 16), 3, key=0, noise_shape=20.0).values
    for rank, low, high in ((2, 80, 100.1), (3, 95, 100.1), (5, -np.inf, 50)):
        run = fit(noisy, rank, key=0, restarts=3)[0]
        assert low < core_consistency(noisy, run.weights, run.factors) < high
    exact = core_consistency(planted.mean, np.ones(3), planted.factors)
    np.testing.assert_allclose(exact, 100.0)
    mask = np.random.default_rng(0).uniform(size=planted.mean.shape) > 0.3
    holes = np.where(mask, planted.mean, np.nan)
    np.testing.assert_allclose(core_consistency(holes, np.ones(3), planted.factors, mask=mask), 100.0)
    assert np.isnan(
        core_consistency(np.ones((2, 9, 9)), np.ones(3), tuple(np.ones((n, 3)) for n in (2, 9, 9)))
    )
