"""Comparing models over participants: exact answers, populations recovered, tables that do not compare refused."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from neurodyn.errors import ModelError, NeurodynWarning, NotApplicable
from neurodyn.models import HGF, create
from neurodyn.models.predictive_coding import BinaryResponse
from neurodyn.recording import make
from neurodyn.validation import (
    compare,
    evidence_table,
    holdout,
    paired_differences,
    random_effects,
    uncertainty,
)


def table(values, models=None, participants=None) -> xr.DataArray:
    """A labelled table."""
    values = np.asarray(values, float)
    return xr.DataArray(
        values,
        dims=("participant", "model"),
        coords={
            "participant": participants or [f"p{i}" for i in range(len(values))],
            "model": models or [f"m{i}" for i in range(values.shape[1])],
        },
    )


def population(frequency, n: int, rng, apart: float = 3.0, n_data: int = 2) -> np.ndarray:
    """Exact log evidences of participants who follow models drawn with these frequencies."""
    truth = rng.choice(len(frequency), size=n, p=frequency)
    centres = apart * np.eye(len(frequency))
    seen = centres[truth][:, None] + rng.normal(size=(n, n_data, len(frequency)))
    return stats.norm.logpdf(seen[:, :, None], centres).sum(axis=(1, 3))


@pytest.mark.parametrize("n", [1, 8, 300])
def test_equal_models_share_everything(n):
    found = random_effects(np.full((n, 2), -7.0))
    for name in ("frequency", "exceedance", "protected_exceedance"):
        np.testing.assert_allclose(found[name], 0.5, atol=1e-12)
    np.testing.assert_allclose(found["responsibility"], 0.5, atol=1e-12)
    assert float(found["omnibus_risk"]) > 0.5


def test_the_omnibus_risk_of_equal_evidences_is_near_one():
    assert float(random_effects(np.zeros((200, 4)))["omnibus_risk"]) > 0.99
    half = np.repeat(60.0 * np.eye(4), 50, axis=0)
    assert float(random_effects(half)["omnibus_risk"]) > 0.99


def test_a_model_that_is_overwhelmingly_better_exceeds():
    values = np.zeros((25, 3))
    values[:, 1] += 12.0
    found = random_effects(table(values))
    assert float(found["exceedance"].sel(model="m1")) > 1 - 1e-6
    assert float(found["protected_exceedance"].sel(model="m1")) > 1 - 1e-6
    assert float(found["omnibus_risk"]) < 1e-6
    np.testing.assert_allclose(found["responsibility"].sel(model="m1"), 1.0, atol=1e-4)
    assert float(found["frequency"].sel(model="m1")) == pytest.approx(26 / 28, abs=1e-3)


def test_moments_are_those_of_the_dirichlet_distribution():
    found = random_effects(np.random.default_rng(0).normal(scale=3, size=(12, 3)), concentration=0.7)
    posterior = stats.dirichlet(found["alpha"].values)
    np.testing.assert_allclose(found["frequency"], posterior.mean())
    np.testing.assert_allclose(found["frequency_deviation"], np.sqrt(posterior.var()))
    assert float(found["alpha"].sum()) == pytest.approx(12 + 3 * 0.7)
    np.testing.assert_allclose(found["responsibility"].sum("model"), 1.0)
    risk = 1 / (1 + np.exp(float(found["free_energy"] - found["free_energy_null"])))
    assert float(found["omnibus_risk"]) == pytest.approx(risk)
    np.testing.assert_allclose(found["protected_exceedance"], (1 - risk) * found["exceedance"] + risk / 3)


def test_a_constant_per_participant_changes_nothing():
    rng = np.random.default_rng(0)
    values = rng.normal(scale=2, size=(20, 3))
    shifted = values + 1000.0 * rng.normal(size=(20, 1))
    one, other = random_effects(values), random_effects(shifted)
    for name in set(one) - {"free_energy", "free_energy_null"}:
        np.testing.assert_allclose(other[name], one[name], atol=1e-8)
    one, other = paired_differences(values), paired_differences(shifted)
    for name in set(one) - {"mean"}:
        np.testing.assert_allclose(other[name], one[name], atol=1e-8)


def test_permuted_models_and_participants_permute_the_results():
    values = table(np.random.default_rng(1).normal(scale=2, size=(15, 4)))
    shuffled = values.isel(model=[2, 0, 3, 1], participant=np.random.default_rng(2).permutation(15))
    for function in (random_effects, paired_differences):
        one, other = function(values), function(shuffled.transpose("model", "participant"))
        xr.testing.assert_allclose(one, other.reindex_like(one), rtol=1e-8)


@pytest.mark.parametrize("frequency", [(0.5, 0.5), (0.8, 0.2), (0.6, 0.3, 0.1)])
def test_frequencies_of_simulated_populations_lie_within_the_posteriors_uncertainty(frequency):
    rng = np.random.default_rng(5)
    inside, means = [], []
    for _ in range(60):
        found = random_effects(population(frequency, 60, rng))
        alpha = found["alpha"].values
        ends = stats.beta(alpha, alpha.sum() - alpha).ppf([[0.025], [0.975]])
        inside.append((ends[0] < frequency) & (frequency < ends[1]))
        means.append(found["frequency"].values)
    assert np.mean(inside) > 0.88
    # The prior counts for one participant per model.
    shrunk = (60 * np.array(frequency) + 1) / (60 + len(frequency))
    np.testing.assert_allclose(np.mean(means, axis=0), shrunk, atol=0.03)


def test_participants_with_nan_are_left_out_by_name():
    values = np.random.default_rng(0).normal(size=(6, 2))
    values[2, 1] = np.nan
    people = ["anna", "ben", "carl", "dora", "emil", "fay"]
    with pytest.warns(NeurodynWarning, match="carl"):
        found = random_effects(table(values, participants=people))
    assert found.attrs["left_out"] == ("carl",)
    assert found["participant"].values.tolist() == ["anna", "ben", "dora", "emil", "fay"]
    whole = random_effects(np.delete(values, 2, axis=0))
    np.testing.assert_array_equal(found["frequency"], whole["frequency"])
    with pytest.warns(NeurodynWarning, match="carl"):
        assert paired_differences(table(values, participants=people)).attrs["n_participants"] == 5


@pytest.mark.parametrize("function", [random_effects, paired_differences])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((4, 1)), "2 or more"),
        (np.zeros((0, 3)), "no participant"),
        (np.zeros(4), "participant, model"),
        (np.full((2, 2), np.nan), "no participant is left"),
        (np.array([[0.0, -np.inf], [0.0, 0.0]]), "participant 0 under model 1"),
        (xr.DataArray(np.zeros((2, 2)), dims=("subject", "model")), "subject"),
    ],
)
def test_tables_that_hold_no_comparison_are_refused(function, values, words):
    with pytest.raises(ModelError, match=words):
        function(values)


def test_arguments_out_of_range_are_refused_by_name():
    values = np.zeros((3, 2))
    for concentration in (0.0, -1.0, np.nan, np.inf, True, "one"):
        with pytest.raises(ModelError, match="concentration"):
            random_effects(values, concentration=concentration)
    with pytest.raises(ModelError, match="level"):
        paired_differences(values, level=1.5)
    with pytest.raises(ModelError, match="reference is 'best'"):
        paired_differences(values, reference="best")
    with pytest.raises(ModelError, match="2 or more"):
        paired_differences(values[:1])


def test_one_participant_is_enough_for_random_effects():
    found = random_effects(np.array([[0.0, -30.0]]))
    np.testing.assert_allclose(found["frequency"], [2 / 3, 1 / 3], rtol=1e-9)
    assert float(found["exceedance"][0]) == pytest.approx(0.75, rel=1e-9)


def test_a_data_frame_keeps_its_labels():
    frame = pd.DataFrame([[0.0, -5.0], [0.0, -4.0]], index=["a", "b"], columns=["full", "null"])
    found = random_effects(frame)
    assert found["model"].values.tolist() == ["full", "null"]
    assert found["participant"].values.tolist() == ["a", "b"]


def test_paired_differences_are_those_of_a_t_test():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(14, 1)) * 10 + rng.normal(size=(14, 3)) + np.array([0.0, 1.0, 0.3])
    found = paired_differences(table(values), reference="m0", level=0.9)
    for model in ("m1", "m2"):
        gap = values[:, int(model[1])] - values[:, 0]
        test = stats.ttest_1samp(gap, 0.0)
        ends = test.confidence_interval(0.9)
        here = found.sel(model=model)
        assert float(here["difference"]) == pytest.approx(gap.mean())
        assert float(here["difference_standard_error"]) == pytest.approx(stats.sem(gap))
        assert float(here["p_value"]) == pytest.approx(test.pvalue)
        assert float(here["difference_lower"]) == pytest.approx(ends.low)
        assert float(here["difference_upper"]) == pytest.approx(ends.high)
        assert int(here["n_better"]) == (gap > 0).sum()
        assert int(here["n_worse"]) == (gap < 0).sum()
        np.testing.assert_allclose(here["participant_difference"], gap)
    p = found["p_value"].values
    assert np.isnan(p[0])
    np.testing.assert_allclose(found["p_adjusted"].values[1:], uncertainty.correct(p[1:]))
    assert found.attrs["n_tests"] == 2


def test_differences_from_the_best_are_corrected_for_all_pairs():
    values = np.random.default_rng(1).normal(size=(10, 4)) + np.array([0.0, 2.0, 1.5, -1.0])
    found = paired_differences(table(values))
    assert found.attrs["reference"] == "m1"
    assert found.attrs["n_tests"] == 6
    assert (found["difference"] <= 0).all()
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    p = [stats.ttest_rel(values[:, i], values[:, j]).pvalue for i, j in pairs]
    adjusted = dict(zip(pairs, uncertainty.correct(p), strict=True))
    wanted = [adjusted[0, 1], np.nan, adjusted[1, 2], adjusted[1, 3]]
    np.testing.assert_allclose(found["p_adjusted"], wanted)


def test_the_best_of_equal_models_is_seldom_called_better():
    rng = np.random.default_rng(0)
    called = [
        float(paired_differences(rng.normal(size=(12, 5)))["p_adjusted"].min()) < 0.05 for _ in range(300)
    ]
    assert np.mean(called) < 0.08


@pytest.fixture(scope="module")
def behaviour() -> xr.Dataset:
    """Choices of four participants who repeat what was right."""
    rng = np.random.default_rng(0)
    chance = np.where(np.arange(60) // 20 % 2 == 0, 0.85, 0.15)
    outcome = (rng.uniform(size=(4, 60)) < chance).astype(float)
    return make(
        np.roll(outcome, 1, axis=1)[..., None],
        sampling_interval=1.0,
        kind="binary",
        time_unit="trial",
        trial=[f"p{i}" for i in range(4)],
        covariates={"outcome": (outcome, "after", "measured")},
    )


def test_evidences_of_fits_stand_side_by_side(behaviour):
    model = HGF(2, source="outcome", response=BinaryResponse())
    fit, fewer = model.fit(behaviour, key=0), model.fit(behaviour.isel(trial=slice(1, None)), key=0)
    found = evidence_table({"one": fit, "two": fit})
    assert found.attrs["kind"] == "evidence"
    np.testing.assert_array_equal(found.sel(model="two"), fit.parameters["log_evidence"])
    np.testing.assert_allclose(random_effects(found)["frequency"], 0.5, atol=1e-12)
    with pytest.warns(NeurodynWarning, match="different recordings"):
        partial = evidence_table({"one": fit, "two": fewer})
    with pytest.warns(NeurodynWarning, match="p0"):
        assert random_effects(partial).sizes["participant"] == 3
    with pytest.raises(ModelError, match="do not compare"):
        evidence_table({"one": fit, "two": fit.log_likelihood(behaviour)})
    with pytest.raises(NotApplicable, match="no log evidence"):
        evidence_table({"mean": create("mean").fit(behaviour, key=0)})


def test_held_out_likelihoods_of_a_comparison_are_summed_over_bins_and_folds(behaviour):
    models = {"rw": create("rescorla_wagner", max_iterations=2), "mean": create("mean")}
    comparison = compare(models, behaviour, holdout.blocks(3, gap=0), key=0, nulls=(), n_bootstrap=10)
    folds = {
        name: [
            fit.log_likelihood(split.target)
            for fit, split in zip(comparison.fits["blocks", name], comparison.splits["blocks"], strict=True)
        ]
        for name in models
    }
    found = evidence_table(folds)
    assert found["participant"].values.tolist() == [f"p{i}" for i in range(4)]
    for name in models:
        by_hand = sum(fold.sum("time").values for fold in folds[name])
        np.testing.assert_allclose(found.sel(model=name), by_hand)
    scores = comparison.scores.sel(protocol="blocks", metric="log_likelihood_exact")
    gained = float(scores["value"].sel(model="rw") - scores["value"].sel(model="mean"))
    paired = paired_differences(found, reference="mean")
    assert float(paired["difference"].sel(model="rw")) / 60 == pytest.approx(gained, rel=1e-4)


def test_terms_that_do_not_add_up_or_compare_are_refused():
    terms = xr.DataArray(-np.ones((2, 5)), dims=("trial", "time"), attrs={"kind": "exact"})
    bound = terms.assign_attrs(kind="bound")
    with pytest.raises(ModelError, match=r"kind exact.*kind bound"):
        evidence_table({"a": terms, "b": bound})
    with pytest.raises(ModelError, match="folds of 'a'"):
        evidence_table({"a": [terms, bound]})
    with pytest.raises(ModelError, match="reduced space"):
        evidence_table({"a": terms.assign_attrs(space="reduced")})
    with pytest.raises(ModelError, match="dim participant"):
        evidence_table({"a": terms.isel(trial=0)})
    for wrong in ({"a": 3.0}, {"a": []}, {}):
        with pytest.raises(ModelError, match="evidence_table"):
            evidence_table(wrong)
    blank = terms.where(terms["time"] < 0, 0.0).where(xr.DataArray([True, False], dims="trial"), terms)
    found = evidence_table({"a": blank, "b": blank})
    assert np.isnan(found[0]).all()
    assert (found[1] == -5.0).all()
