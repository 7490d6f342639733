"""Data against data: the ceiling is the truth where it is known, learnt in training, and absent where it must be."""

import numpy as np
import pytest
import xarray as xr
from validation_recordings import continuous

from neurodyn.errors import ModelError
from neurodyn.models import registry
from neurodyn.models.pipeline import Pipeline, Standardise
from neurodyn.recording import make
from neurodyn.validation import compare, holdout, metrics
from neurodyn.validation.comparison.repeats import averages, conditions

N_TRIALS, N_TIME, N_UNITS = 40, 60, 4


def course(shift: float = 0.0) -> np.ndarray:
    """What every trial shares, ``(time, unit)``."""
    return np.sin(np.arange(N_TIME)[:, None] / 6 + np.arange(N_UNITS) + shift)


def noisy(seed: int = 0, kind: str = "continuous", **coords) -> xr.Dataset:
    """Trials of the shared course in noise of variance 1, or Poisson counts at its exponential."""
    draw = np.random.default_rng(seed)
    shape = (N_TRIALS, N_TIME, N_UNITS)
    if kind == "count":
        values = draw.poisson(np.broadcast_to(np.exp(course()), shape)).astype(float)
    else:
        values = course() + draw.normal(size=shape)
    return make(values, sampling_interval=0.1, kind=kind, trial_coords=coords or None)


def judged(recording: xr.Dataset, protocols=None, models=("mean",), **options) -> xr.Dataset:
    made = [registry.create(name) if isinstance(name, str) else name for name in models]
    chosen = protocols or holdout.trials(5)
    return compare(made, recording, chosen, key=0, n_bootstrap=200, **{"nulls": (), **options}).scores


def ceiling(scores: xr.Dataset, metric: str) -> float:
    return float(scores["ceiling"].sel(metric=metric)[0])


def covers(scores: xr.Dataset, metric: str, truth: float) -> bool:
    width = 3 * float(scores["ceiling_standard_error"].sel(metric=metric)[0])
    return abs(ceiling(scores, metric) - truth) < width + 0.01


def test_the_ceiling_of_explained_variance_is_the_share_of_the_signal():
    scores = judged(noisy(), metrics=["r2", "r2_train_null", "pearson_r", "mse"])
    signal = course().var(axis=0)
    assert covers(scores, "r2", signal.mean() / (signal.mean() + 1))
    assert covers(scores, "r2_train_null", signal.mean() / (signal.mean() + 1))
    assert covers(scores, "pearson_r", np.sqrt(signal / (signal + 1)).mean())
    assert covers(scores, "mse", 1.0)


def test_few_repeats_are_extrapolated_and_not_taken_for_the_best_there_is():
    few = noisy().isel(trial=slice(10))
    scores = judged(few, metrics=["r2"])
    average = metrics.r2(few["activity"].isel(trial=slice(2, 10)).mean("trial"), few.isel(trial=0))
    signal = course().var(axis=0).mean()
    assert ceiling(scores, "r2") == pytest.approx(signal / (signal + 1), abs=0.05)
    assert ceiling(scores, "r2") > average


def test_the_ceiling_of_bits_per_spike_is_that_of_the_true_rates():
    recording = noisy(kind="count")
    scores = judged(recording, metrics=["bits_per_spike"])
    rates = xr.DataArray(
        np.broadcast_to(np.exp(course()), recording["activity"].shape), dims=recording["activity"].dims
    )
    assert covers(scores, "bits_per_spike", metrics.bits_per_spike(rates, recording))


def test_repeats_are_trials_of_the_same_condition():
    draw = np.random.default_rng(1)
    condition = np.tile(["left", "right"], N_TRIALS // 2)
    shared = np.where((condition == "left")[:, None, None], course(), -course())
    recording = make(
        shared + draw.normal(size=shared.shape), sampling_interval=0.1, trial_coords={"condition": condition}
    )
    signal = (course() ** 2).mean()
    known = judged(recording, metrics=["r2"])
    assert ceiling(known, "r2") == pytest.approx(signal / (signal + 1), abs=0.03)
    assert "with the same condition" in str(known["ceiling_note"].values)
    renamed = recording.rename(condition="side")
    assert ceiling(judged(renamed, metrics=["r2"], repeats="side"), "r2") == ceiling(known, "r2")
    mixed = judged(renamed, metrics=["r2"])
    assert np.isnan(ceiling(mixed, "r2"))
    assert "share no time course" in str(mixed["ceiling_note"].values)


def test_what_was_measured_once_has_no_ceiling_and_says_so():
    scores = judged(continuous(), holdout.blocks(4))
    assert scores["ceiling"].isnull().all()
    assert "a single presentation" in str(scores["ceiling_note"].sel(metric="r2").values)
    assert "no likelihood of their own" in str(
        scores["ceiling_note"].sel(metric="log_likelihood_exact").values
    )
    denied = judged(noisy(), metrics=["r2"], repeats=None)
    assert "not taken as repeats" in str(denied["ceiling_note"].values)


def test_singular_conditions_and_behaviour_have_no_repeats():
    scores = judged(noisy(condition=np.arange(N_TRIALS)), metrics=["r2"])
    assert "too few repeats" in str(scores["ceiling_note"].values)
    recording = noisy()
    recording.attrs["time_unit"] = "trial"
    number, why = conditions(recording, "auto")
    assert number is None
    assert "choices" in why
    with pytest.raises(ModelError, match="no coordinate of the trials"):
        judged(noisy(), repeats="contrast")


def test_averages_never_see_what_they_predict():
    recording = noisy()
    split = holdout.trials(5).splits(recording)[1]
    scored = split.target_mask.values
    altered = recording.copy(deep=True)
    altered["activity"].values[scored] = 99.0
    again = holdout.trials(5).splits(altered)[1]
    everyone = np.zeros(N_TRIALS, dtype=int)
    before, after = averages(split, everyone, 0), averages(again, everyone, 0)
    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(before.full, after.full)
    assert np.isfinite(before.full[scored]).all()
    assert np.isnan(before.full[~scored]).all()
    assert before.inverse_full == pytest.approx(1 / 32)
    assert before.inverse_half == pytest.approx(1 / 16)


@pytest.mark.parametrize(
    ("protocol", "bins"),
    [(holdout.entries(key=0), 60), (holdout.units(0.5, key=0), 60), (holdout.future(20), 20)],
)
def test_every_protocol_on_trials_has_a_ceiling_near_the_truth(protocol, bins):
    scores = judged(noisy(), protocol, metrics=["r2"])
    signal = course()[-bins:].var(axis=0).mean()
    assert ceiling(scores, "r2") == pytest.approx(signal / (signal + 1), abs=0.06)


def factors(n_time: int = 1500, seed: int = 0) -> xr.Dataset:
    draw = np.random.default_rng(seed)
    loadings = np.random.default_rng(9).normal(size=(8, 2))
    return make(
        draw.normal(size=(n_time, 2)) @ loadings.T + draw.normal(size=(n_time, 8)), sampling_interval=0.1
    )


def test_the_connectivity_of_one_part_is_the_ceiling_for_that_of_another():
    recording = factors()
    models = ("factor_analysis", Pipeline(Standardise(), registry.create("factor_analysis")), "ar_ridge")
    comparison = compare(
        [registry.create(name) if isinstance(name, str) else name for name in models],
        recording,
        holdout.blocks(2, gap=0),
        key=0,
        metrics=["auto", "connectivity_match"],
        nulls=(),
        n_bootstrap=200,
    )
    scores = comparison.scores.sel(protocol="blocks", metric="connectivity_match")
    halves = [
        np.corrcoef(part.T)[np.triu_indices(8, 1)] for part in np.split(recording["activity"].values, 2)
    ]
    assert float(scores["ceiling"]) == pytest.approx(np.corrcoef(halves)[0, 1], abs=0.01)
    assert float(scores["value"].sel(model="factor_analysis")) > 0.9
    assert float(scores["value"].sel(model="pipeline")) > 0.9
    assert abs(float(scores["value"].sel(model="mean"))) < 0.6
    assert np.isnan(scores["value"].sel(model="ar_ridge"))
    assert comparison.reason("blocks", "connectivity_match", "ar_ridge") == "ar_ridge cannot simulate."
    assert "training data against that of the held-out data" in str(scores["ceiling_note"].values)


def test_connectivity_needs_three_units_and_at_most_a_hundred():
    for n_units, said in ((2, "3 scored units"), (101, "at most 100")):
        recording = make(np.random.default_rng(0).normal(size=(60, n_units)), sampling_interval=0.1)
        comparison = compare(
            [registry.create("mean")],
            recording,
            holdout.blocks(3),
            key=0,
            nulls=(),
            n_bootstrap=10,
            metrics=["r2", "connectivity_match"],
        )
        assert said in comparison.reason("blocks", "connectivity_match", "mean")
        assert said in str(comparison.scores["ceiling_note"].sel(metric="connectivity_match").values)


def test_the_ceiling_is_in_the_table_the_words_and_the_repr():
    comparison = compare(
        [registry.create("mean")], noisy(), holdout.trials(5), key=0, nulls=(), n_bootstrap=100
    )
    frame = comparison.to_dataframe()
    assert {"ceiling", "ceiling_standard_error", "ceiling_lower", "ceiling_upper", "ceiling_note"} <= set(
        frame
    )
    row = frame.set_index(["metric", "model"]).loc[("r2", "mean")]
    assert row["ceiling_lower"] < row["ceiling"] < row["ceiling_upper"]
    assert "Data against data: " in repr(comparison)
    single = compare(
        [registry.create("mean")], continuous(), holdout.blocks(4), key=0, nulls=(), n_bootstrap=100
    )
    assert "No ceiling: a single presentation" in repr(single)
