"""Choosing inside training: the scored data have no part in it, and every fold says what it chose."""

import dataclasses
import pathlib

import numpy as np
import pytest
from test_selection_and_parameters import Polynomial, series

import neurodyn
from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models import HMM, registry
from neurodyn.models.baselines import ARRidge
from neurodyn.models.pipeline import Pipeline, Standardise
from neurodyn.recording import make
from neurodyn.report import words
from neurodyn.validation import Selected, compare, holdout, sweep


def test_each_fold_chooses_as_a_sweep_of_its_training_part_would():
    recording, inner = series(900), holdout.blocks(4)
    model = Selected(Polynomial(), inner, metric="r2", degree=(0, 1, 3))
    comparison = compare({"open": model}, recording, holdout.blocks(3), key=0, nulls=(), n_bootstrap=100)
    assert comparison.chosen == {("blocks", "open"): [{"degree": 1}] * 3}
    for split, fit in zip(comparison.splits["blocks"], comparison.fits["blocks", "open"], strict=True):
        found = sweep(
            Polynomial(), split.train, inner, key=1, metric="r2", skip_empty_folds=True, degree=(0, 1, 3)
        )
        assert fit.model == found.best_model
    fixed = compare(
        {"one": Polynomial(degree=1)}, recording, holdout.blocks(3), key=0, nulls=(), n_bootstrap=100
    )
    value = [c.scores["value"].sel(metric="r2", model=m) for c, m in ((comparison, "open"), (fixed, "one"))]
    np.testing.assert_allclose(*value)
    assert "Chosen in each training part: degree 1, 1, 1." in comparison.verdict()


def test_what_is_scored_has_no_part_in_the_choice():
    recording = series(900)
    model = Selected(Polynomial(), metric="r2", degree=(0, 1, 3))
    split = holdout.blocks(3).splits(recording)[2]
    altered = recording.copy(deep=True)
    hidden = ~split.train_mask.values
    altered["activity"].values[hidden] = 1e3 * np.random.default_rng(0).normal(size=int(hidden.sum()))
    again = dataclasses.replace(split, recording=altered)
    first, second = (model.fit(item.train, key=0) for item in (split, again))
    assert first.provenance["chosen"] == second.provenance["chosen"]
    np.testing.assert_array_equal(first.parameters["weight"], second.parameters["weight"])


def test_noise_is_not_flattered_by_the_choice():
    recording = make(np.random.default_rng(3).normal(size=(300, 1)), sampling_interval=0.1)
    settings = tuple(float(shift) for shift in np.linspace(0.0, 0.5, 6))
    open_model = Selected(Polynomial(), metric="r2", rule="best", shift=settings)
    comparison = compare({"open": open_model}, recording, holdout.blocks(3), key=0, nulls=(), n_bootstrap=100)
    outside = sweep(
        Polynomial(), recording, holdout.blocks(3), key=0, metric="r2", rule="best", shift=settings
    )
    nested = float(comparison.scores["value"].sel(metric="r2", model="open")[0])
    assert nested <= float(outside.table["score"].max()) + 1e-9


def test_a_pipeline_chooses_the_setting_of_its_last_model(tmp_path: pathlib.Path):
    draw = np.random.default_rng(0)
    state = np.repeat(np.tile([0, 1], 8), 20)
    values = np.array([[2.0, -2.0, 0.0], [-2.0, 2.0, 1.0]])[state] + draw.normal(size=(320, 3))
    recording = make(values, sampling_interval=0.1)
    model = Selected(
        Pipeline(Standardise(), HMM(n_states=2, emission="gaussian_diagonal")),
        holdout.blocks(3),
        n_states=(1, 2),
    )
    assert model.final.name == "hmm"
    assert model.name == "pipeline"
    fit = model.fit(recording, key=0, restarts=1)
    assert fit.provenance["chosen"] == {"n_states": 2}
    assert fit.model.final.n_states == 2
    fit.save(tmp_path / "fit.nc")
    loaded = neurodyn.load(tmp_path / "fit.nc")
    assert loaded.provenance["chosen"] == {"n_states": 2}
    np.testing.assert_array_equal(
        loaded.predict(recording, mode="past")["mean"], fit.predict(recording, mode="past")["mean"]
    )
    found = sweep(model.model, recording, holdout.blocks(3), key=0, restarts=1, n_states=(1, 2))
    assert found.best_model.final.n_states == 2


def test_several_recordings_say_what_all_of_their_folds_chose():
    models = {
        "ar_ridge": Selected(ARRidge(), order=(1, 2)),
        "hmm": Selected(HMM(n_states=1), n_states=(1, 2)),
    }
    recordings = {"a": series(300), "b": series(300, seed=1)}
    options = {"nulls": (), "n_bootstrap": 50, "fit_options": {"restarts": 1}}
    comparison = compare(models, recordings, holdout.blocks(3), key=0, **options)
    assert len(comparison.chosen["blocks", "ar_ridge"]) == 6
    one = comparison.parts["b"]
    assert comparison.chosen["blocks", "hmm"][3:] == one.chosen["blocks", "hmm"]
    numbers = [found["n_states"] for found in one.chosen["blocks", "hmm"]]
    said = f"{min(numbers)} to {max(numbers)}" if min(numbers) < max(numbers) else str(numbers[0])
    assert words.full_name(one, "hmm") == f"the hidden Markov model with {said} states"
    unknown = dataclasses.replace(one, fits={})
    assert words.full_name(unknown, "hmm") == "the hidden Markov model"


def test_sub_folds_that_the_outer_fold_emptied_are_left_out():
    recording = series(600)
    split = holdout.blocks(2).splits(recording)[0]
    model = Selected(ARRidge(), holdout.blocks(4), order=(1, 2))
    assert model.reach == 2
    assert model.fit(split.train, key=0).provenance["chosen"]["order"] in (1, 2)
    with pytest.raises(ModelError, match="no observed entry"):
        sweep(ARRidge(), split.train, holdout.blocks(4), key=0, order=(1, 2))


def test_an_interrupt_while_choosing_is_passed_on():
    with pytest.raises(KeyboardInterrupt):
        Selected(Polynomial(), metric="r2", shift=(0.0, -1.0)).fit(series(300), key=0)


def test_a_protocol_that_cannot_cut_the_training_part_is_a_reason():
    model = Selected(registry.create("ar_ridge"), holdout.trials(3), order=(1, 2))
    comparison = compare({"open": model}, series(300), holdout.blocks(3), key=0, nulls=(), n_bootstrap=10)
    assert "no trial dim" in comparison.reason("blocks", "r2", "open")
    with pytest.raises(NotApplicable):
        model.fit(series(300), key=0)


def test_it_is_written_as_it_is_made_and_refuses_what_makes_no_sense():
    model = Selected(ARRidge(), order=(1, 2), rule="best")
    assert repr(model) == f"Selected({ARRidge()!r}, order=(1, 2))"
    assert dataclasses.replace(model, rule="one_standard_error").grid == model.grid
    for wrong in (
        lambda: Selected(ARRidge()),
        lambda: Selected(ARRidge(), order=()),
        lambda: Selected(ARRidge(), n_states=(1, 2)),
        lambda: Selected("hmm", n_states=(1, 2)),
        lambda: Selected(ARRidge(), rule="two", order=(1,)),
        lambda: Selected(ARRidge(), holdout.blocks, order=(1,)),
        lambda: Selected(Pipeline(Standardise(), ARRidge()), n_states=(1, 2)),
    ):
        with pytest.raises(ModelError):
            wrong()
