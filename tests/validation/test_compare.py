"""Comparisons: the same entries for all, honest uncertainty, leaks found, interrupts survived."""

import dataclasses
import warnings
from typing import ClassVar

import numpy as np
import pytest
import xarray as xr
from validation_recordings import continuous, ragged

from neurodyn.errors import ModelError, NeurodynWarning, NotApplicable
from neurodyn.models import registry
from neurodyn.models.base import Fit, Model, Prediction
from neurodyn.models.pipeline import Pipeline, Standardise
from neurodyn.models.verbs import HasLogLikelihood
from neurodyn.recording import make
from neurodyn.report import words
from neurodyn.validation import Comparison, Selected, compare, holdout, metrics
from neurodyn.validation.layout import as3, observed3

KINDS = frozenset({"continuous", "count"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Toy(Model):
    """Mean of training, plus whatever the kind of toy adds."""

    name: ClassVar[str] = "toy"
    kinds: ClassVar[frozenset[str]] = KINDS
    fit_options: ClassVar[dict] = {"restarts": 1}
    trick: str = ""
    bins: int = 0

    @property
    def reach(self) -> int:
        return self.bins

    def _fit(self, recording, *, inputs, key, options):
        if self.trick == "fails":
            raise RuntimeError("the solver did not converge")
        if self.trick == "refuses":
            raise NotApplicable("it was not made for this.")
        if self.trick == "stops" and options["restarts"] == 1:
            raise KeyboardInterrupt
        if self.trick == "warns":
            warnings.warn("two states are empty.", NeurodynWarning, stacklevel=2)
        values = as3(recording["activity"]).astype(float)
        mean = np.nan_to_num(np.nanmean(np.where(np.isfinite(values), values, np.nan), axis=(0, 1)))
        parameters = xr.Dataset({"mean": ("unit", mean)}, coords={"unit": recording["unit"].values})
        kind = LikelyFit if self.trick in ("exact", "bound") else ToyFit
        return kind(model=self, parameters=parameters)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ToyFit(Fit):
    """Constant, peeking, or persistent predictions."""

    def _predict(self, recording, *, mode, horizon, key):
        values = as3(recording["activity"]).astype(float)
        constant = np.broadcast_to(self.parameters["mean"].values, values.shape).copy()
        if self.model.trick == "peeks":
            seen = np.isfinite(values)
            constant[seen] += 0.5 * (values[seen] - constant[seen])
        if self.model.trick == "persists":
            last = metrics.persistence(recording, horizon)
            constant = np.where(np.isfinite(last), last, constant)
        return Prediction(np.maximum(constant, 1e-3) if (recording["kind"] == "count").all() else constant)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LikelyFit(HasLogLikelihood, ToyFit):
    """A likelihood of one nat per observed entry above zero."""

    def _likelihood_attrs(self, recording):
        return {"kind": self.model.trick, "space": "data"}

    def _log_likelihood_terms(self, recording):
        return observed3(recording).sum(axis=2).astype(float)


Toy.fit_type = ToyFit


def score(comparison: Comparison, metric: str, model: str, protocol: str = "blocks") -> float:
    return float(comparison.scores["value"].sel(protocol=protocol, metric=metric, model=model))


def quick(models, recording, protocols, **options) -> Comparison:
    return compare(models, recording, protocols, key=0, n_bootstrap=200, **{"nulls": (), **options})


def test_a_score_equals_the_metric_of_the_pooled_predictions(one):
    comparison = quick({"last": Toy(trick="persists")}, one, holdout.blocks(4, gap=0))
    mean = one["activity"].astype(float).copy()
    target = np.full(mean.shape, np.nan)
    for split, fit in zip(comparison.splits["blocks"], comparison.fits["blocks", "last"], strict=True):
        where = split.target_mask.values
        predicted = fit.predict(split.given, mode=split.mode)["mean"].values
        mean.values[where] = predicted[where]
        target[where] = one["activity"].values[where]
    whole = one.assign(activity=one["activity"].copy(data=target.astype(np.float32)))
    assert score(comparison, "r2", "last") == pytest.approx(metrics.r2(mean, whole), rel=1e-6)
    assert int(comparison.scores["n_entries"].sel(metric="r2", model="last")[0]) == np.isfinite(target).sum()


def test_the_mean_is_added_and_sits_at_its_floor(one):
    comparison = quick([Toy()], one, holdout.blocks(4))
    assert comparison.scores["model"].values.tolist() == ["toy", "mean"]
    assert score(comparison, "r2_train_null", "mean") == pytest.approx(0.0, abs=1e-6)
    assert score(comparison, "r2_train_null", "toy") == pytest.approx(0.0, abs=1e-6)
    assert score(comparison, "pearson_r", "mean") == 0.0
    assert comparison.scores["reference"].sel(metric="r2").values.tolist() == ["mean"]


def test_the_longest_reach_drops_the_same_warm_up_for_every_model(trialled):
    short = quick({"a": Toy()}, trialled, holdout.trials(5))
    long = quick(
        {"a": Toy(), "b": Toy(bins=4, trick="persists"), "c": Toy(bins=-1)}, trialled, holdout.trials(5)
    )
    entries = long.scores["n_entries"].sel(protocol="trials", metric="bits_per_spike")
    assert len(set(entries.values.tolist())) == 1
    before = observed3(trialled)
    expected = sum(
        before[trial, np.flatnonzero(before[trial].any(axis=1))[0] + 4 :].sum()
        for trial in range(len(before))
    )
    assert int(entries[0]) == expected
    assert int(short.scores["n_entries"].sel(metric="bits_per_spike").max()) == before.sum()


def test_the_gap_is_raised_to_the_longest_reach(one):
    comparison = quick({"a": Toy(bins=9)}, one, holdout.blocks(4, gap=1))
    assert [split.gap for split in comparison.splits["blocks"]] == [9, 9, 9, 9]


def test_likelihoods_of_different_kinds_never_share_a_column(one):
    comparison = quick({"a": Toy(trick="exact"), "b": Toy(trick="bound")}, one, holdout.blocks(4))
    names = comparison.scores["metric"].values.tolist()
    assert {"log_likelihood_exact", "log_likelihood_bound"} <= set(names)
    assert np.isfinite(score(comparison, "log_likelihood_exact", "a"))
    assert np.isnan(score(comparison, "log_likelihood_bound", "a"))
    assert np.isfinite(score(comparison, "log_likelihood_bound", "b"))
    frame = comparison.to_dataframe().set_index(["metric", "model"])
    assert (
        frame.loc[("log_likelihood_bound", "a"), "not_applicable"]
        == "a has a log-likelihood of another kind."
    )
    assert score(comparison, "log_likelihood_exact", "mean") == pytest.approx(0.0, abs=1e-3)


def test_a_model_without_a_likelihood_says_so(one):
    comparison = quick({"a": Toy()}, one, holdout.blocks(4))
    assert comparison.reason("blocks", "log_likelihood_exact", "a") == "toy gives no likelihood."


def test_a_cheating_model_is_reported_as_leaking_and_honest_ones_are_not():
    recording = continuous(n_time=400)
    models = {"peeks": Toy(trick="peeks", bins=1), "honest": Toy(trick="persists", bins=1)}
    comparison = compare(models, recording, holdout.blocks(4), key=0, n_bootstrap=200)
    assert comparison.leaking == ("peeks",)
    assert "leaks" in comparison.warnings["peeks"][0]
    assert "Leaking: peeks" in comparison.verdict()
    assert {null.model for null in comparison.nulls} == {"peeks", "honest", "mean"}


def test_a_circular_shift_never_accuses_a_model_of_its_own_past():
    models = {"honest": Toy(trick="persists", bins=1)}
    comparison = compare(
        models, continuous(n_time=400), holdout.blocks(4), key=0, n_bootstrap=200, nulls="circular_shift"
    )
    null = next(null for null in comparison.nulls if null.model == "honest")
    assert null.value > 0
    assert comparison.leaking == ()


def test_leaks_are_found_on_counts_in_trials():
    comparison = compare({"peeks": Toy(trick="peeks")}, ragged(40), holdout.trials(4), key=0, n_bootstrap=200)
    assert comparison.leaking == ("peeks",)


def test_a_better_model_beats_the_baseline_and_its_difference_is_paired():
    recording = continuous(n_time=600, seed=5)
    comparison = quick(
        {"last": Toy(trick="persists", bins=1)}, recording, holdout.blocks(4), reference="mean"
    )
    row = comparison.scores.sel(protocol="blocks", metric="r2", model="last")
    assert float(row["difference"]) == pytest.approx(
        score(comparison, "r2", "last") - score(comparison, "r2", "mean")
    )
    assert float(row["difference_lower"]) > 0
    assert float(row["p_adjusted"]) < 0.01
    assert "last beats mean" in comparison.verdict()


def test_a_baseline_behind_preprocessing_or_with_open_settings_is_still_a_baseline():
    recording = continuous(n_time=600, seed=5)
    models = {
        "scaled": Pipeline(Standardise(), registry.create("ar_ridge", order=1)),
        "open": Selected(registry.create("ar_ridge"), order=(1, 2)),
        "open and scaled": Selected(Pipeline(Standardise(), registry.create("ar_ridge")), order=(1, 2)),
        "toy": Toy(),
        "scaled toy": Pipeline(Standardise(), Toy()),
    }
    comparison = quick(models, recording, holdout.blocks(4))
    judged = dict(
        zip(comparison.scores["model"].values, comparison.scores["is_baseline"].values.tolist(), strict=True)
    )
    assert judged == {
        "scaled": True,
        "open": True,
        "open and scaled": True,
        "toy": False,
        "scaled toy": False,
        "mean": True,
    }
    assert str(comparison.scores["reference"].sel(metric="r2")[0].values) in (
        "scaled",
        "open",
        "open and scaled",
    )
    assert "toy falls short of" in comparison.verdict()
    only = quick([models["scaled"]], recording, holdout.blocks(4))
    assert words.headline(only).startswith("Only baselines were compared")


def test_two_names_of_one_model_differ_by_exactly_nothing(one):
    comparison = quick({"a": Toy(), "b": Toy()}, one, holdout.blocks(4), reference="a")
    row = comparison.scores.sel(protocol="blocks", metric="r2", model="b")
    assert float(row["difference"]) == 0.0
    assert float(row["p_value"]) == 1.0


def test_failures_and_refusals_become_reasons_and_leave_the_others_alone(one):
    models = {"fails": Toy(trick="fails"), "refuses": Toy(trick="refuses"), "works": Toy(trick="persists")}
    comparison = quick(models, one, [holdout.blocks(4), holdout.trials(4)])
    assert np.isfinite(score(comparison, "r2", "works"))
    assert "did not converge" in comparison.reason("blocks", "r2", "fails")
    assert "not made for this" in comparison.reason("blocks", "r2", "refuses")
    assert "no trial dim" in comparison.not_applicable["trials", "", ""]
    assert "trials: not applicable" in comparison.verdict()
    with pytest.raises(RuntimeError, match="did not converge"):
        quick(models, one, holdout.blocks(4), on_error="raise")


def test_warnings_are_collected_by_model(one):
    comparison = quick({"a": Toy(trick="warns")}, one, holdout.blocks(4))
    assert comparison.warnings == {"a": ("two states are empty.",)}


def test_fit_options_reach_the_models_that_know_them_and_an_interrupt_keeps_what_is_done(one):
    whole = quick({"a": Toy(trick="stops")}, one, holdout.blocks(4), fit_options={"restarts": 2, "other": 1})
    assert whole.complete
    comparison = quick({"first": Toy(trick="persists"), "a": Toy(trick="stops")}, one, holdout.blocks(4))
    assert not comparison.complete
    assert "interrupted" in comparison.verdict()


def test_only_folds_that_every_model_finished_are_counted(one):
    calls = []

    class Count:
        def update(self, fraction, text):
            calls.append((fraction, text))
            if text == "toy, blocks, fold 3" and fraction > 0:
                raise KeyboardInterrupt

    comparison = quick([Toy(trick="persists")], one, holdout.blocks(4, gap=0), progress=Count())
    assert not comparison.complete
    assert int(comparison.scores["n_entries"].sel(metric="r2", model="toy")[0]) == 2 * 50 * 6
    assert np.isfinite(score(comparison, "r2", "toy"))
    fractions = [fraction for fraction, _ in calls]
    assert fractions == sorted(fractions)


def test_the_same_key_gives_the_same_table_and_adding_a_model_changes_no_other(one):
    first = quick({"a": Toy(trick="persists")}, one, holdout.units(key=1))
    again = quick({"a": Toy(trick="persists"), "b": Toy()}, one, holdout.units(key=1))
    for name in ("value", "standard_error", "lower", "upper"):
        np.testing.assert_array_equal(
            first.scores[name].sel(metric="r2", model="a"), again.scores[name].sel(metric="r2", model="a")
        )


def test_every_protocol_at_once_on_trials(trialled):
    protocols = {
        "trials": holdout.trials(5),
        "subjects": holdout.groups("subject_id", adapt=True),
        "co-smoothing": holdout.units(0.4, key=0),
        "speckled": holdout.entries(key=0),
        "forward": holdout.future(5),
    }
    comparison = quick({"a": Toy()}, trialled, protocols)
    values = comparison.scores["value"].sel(metric="bits_per_spike_train_null", model="mean")
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values, 0.0, atol=0.05)
    units = comparison.unit_scores
    assert units.sizes["unit"] == 5
    assert (units["p_holm"].fillna(1) >= units["p_value"].fillna(1) - 1e-12).all()


def test_several_recordings_stand_side_by_side():
    comparison = quick([Toy()], {"one": continuous(), "two": continuous(seed=9)}, holdout.blocks(4))
    assert comparison.scores["value"].dims[0] == "recording"
    assert comparison.scores["recording"].values.tolist() == ["one", "two"]
    single = quick([Toy()], continuous(seed=9), holdout.blocks(4))
    np.testing.assert_array_equal(comparison.scores["value"].sel(recording="two"), single.scores["value"])
    assert set(comparison.to_dataframe()["recording"]) == {"one", "two", "mean over recordings"}
    assert "two" in comparison.verdict()


def test_the_table_has_a_row_for_every_value(one):
    comparison = quick([Toy()], one, [holdout.blocks(4), holdout.future(10)])
    frame = comparison.to_dataframe()
    assert len(frame) == comparison.scores["value"].size
    assert {"value", "standard_error", "p_adjusted", "n_entries", "seconds_fit", "not_applicable"} <= set(
        frame
    )
    assert "r2" in repr(comparison)


@pytest.mark.parametrize(
    "call",
    [
        lambda: quick([], continuous(), holdout.blocks(4)),
        lambda: quick([Toy], continuous(), holdout.blocks(4)),
        lambda: quick(["hmm"], continuous(), holdout.blocks(4)),
        lambda: quick([Toy()], continuous(), []),
        lambda: quick([Toy()], continuous(), [holdout.blocks]),
        lambda: quick([Toy()], continuous(), holdout.blocks(4), metrics=["r3"]),
        lambda: quick([Toy()], continuous(), holdout.blocks(4), nulls="reverse"),
        lambda: quick([Toy()], continuous(), holdout.blocks(4), reference="nobody"),
        lambda: quick([Toy()], continuous(), holdout.blocks(4), on_error="ignore"),
        lambda: quick([Toy()], continuous(), holdout.blocks(4), level=95.0),
        lambda: quick([Toy()], {}, holdout.blocks(4)),
    ],
)
def test_arguments_out_of_range_are_refused_in_words(call):
    with pytest.raises(ModelError):
        call()


def test_a_recording_to_which_no_protocol_applies_is_refused(one):
    with pytest.raises(NotApplicable, match="no protocol applies"):
        quick([Toy()], one, holdout.trials(5))


def test_one_test_part_that_is_too_short_for_the_warm_up_says_so():
    recording = make(np.random.default_rng(0).normal(size=(6, 8, 2)), sampling_interval=1.0)
    with pytest.raises(NotApplicable, match="longest-reaching model"):
        quick([Toy(bins=8)], recording, holdout.trials(3))


def several(n: int = 6, **options) -> Comparison:
    recordings = {f"s{seed}": continuous(n_time=300, seed=seed) for seed in range(n)}
    return quick({"last": Toy(trick="persists", bins=1)}, recordings, holdout.blocks(3), **options)


def test_the_mean_over_recordings_is_paired_and_as_uncertain_as_recordings_differ():
    comparison = several()
    assert comparison.pooled is not None
    pooled = comparison.pooled.scores.sel(protocol="blocks", metric="r2")
    each = comparison.scores.sel(protocol="blocks", metric="r2")
    last, own = pooled.sel(model="last"), each["value"].sel(model="last").values
    assert float(last["value"]) == pytest.approx(own.mean())
    gap = own - each["value"].sel(model="mean").values
    assert str(pooled["reference"].values) == "mean"
    assert float(last["difference"]) == pytest.approx(gap.mean())
    across = gap.std(ddof=1) / np.sqrt(len(gap))
    within = np.sqrt((each["difference_standard_error"].sel(model="last").values ** 2).sum()) / len(gap)
    expected = np.hypot(across, within)
    assert across * 0.9 < float(last["difference_standard_error"]) < 1.35 * expected
    assert float(last["difference_lower"]) < gap.mean() < float(last["difference_upper"])
    assert float(last["p_adjusted"]) < 0.05
    assert int(last["n_recordings"]) == 6
    assert int(last["n_entries"]) == int(each["n_entries"].sel(model="last").sum())
    assert "of 6 recordings" in comparison.verdict()
    assert "last beats mean" in comparison.pooled.verdict()


def test_recordings_that_disagree_leave_the_mean_uncertain():
    draw = np.random.default_rng(0)
    smooth, rough = continuous(n_time=800, seed=1), make(draw.normal(size=(800, 6)), sampling_interval=0.5)
    comparison = quick({"last": Toy(trick="persists", bins=1)}, {"a": smooth, "b": rough}, holdout.blocks(3))
    assert comparison.pooled is not None
    row = comparison.pooled.scores.sel(protocol="blocks", metric="r2", model="last")
    assert float(row["p_adjusted"]) > 0.05
    assert float(row["lower"]) < float(comparison.scores["value"].sel(metric="r2", model="last").min()) + 0.05
    assert "cannot be told apart" in comparison.pooled.verdict()


def test_pooled_rows_are_in_the_table_and_one_recording_has_none():
    comparison = several(3)
    frame = comparison.to_dataframe().set_index(["recording", "metric", "model"])
    mean = frame.loc[("mean over recordings", "r2", "last")]
    assert mean["value"] == pytest.approx(frame.loc[(["s0", "s1", "s2"], "r2", "last"), "value"].mean())
    assert several(1).pooled is None
    again = several(3).to_dataframe()
    np.testing.assert_array_equal(again["lower"], comparison.to_dataframe()["lower"])


def test_pooling_keeps_kinds_apart_and_counts_the_recordings_that_have_a_score():
    models = {"exact": Toy(trick="exact"), "bound": Toy(trick="bound")}
    recordings = {name: continuous(seed=seed) for seed, name in enumerate("ab")}
    recordings["tiny"] = continuous(n_time=40, n_units=3)
    comparison = quick(
        {**models, "late": Toy(trick="persists", bins=1)}, recordings, holdout.blocks(4), reference="mean"
    )
    assert comparison.pooled is not None
    pooled = comparison.pooled.scores
    assert np.isnan(pooled["value"].sel(metric="log_likelihood_bound", model="exact")).all()
    assert np.isfinite(pooled["value"].sel(metric="log_likelihood_bound", model="bound")).all()
    assert int(pooled["n_recordings"].sel(metric="log_likelihood_bound", model="exact")[0]) == 0
