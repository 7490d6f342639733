"""Choosing a setting on held-out data, averages around events, and intervals of parameters."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import xarray as xr
from validation_recordings import continuous, ragged

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models.base import Fit, Model, Prediction, Trace
from neurodyn.recording import make
from neurodyn.validation import bootstrap_parameters, event_average, holdout, sweep
from neurodyn.validation.layout import as3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Polynomial(Model):
    """Least squares on powers of the previous value: needs one power, gains nothing from more."""

    name: ClassVar[str] = "polynomial"
    kinds: ClassVar[frozenset[str]] = frozenset({"continuous"})
    fit_options: ClassVar[dict] = {"restarts": 1, "start_parameters": None}
    degree: int = 1
    shift: float = 0.0

    @property
    def reach(self) -> int:
        return 1

    def _fit(self, recording, *, inputs, key, options):
        if self.shift < 0:
            raise KeyboardInterrupt
        x = as3(recording["activity"])[..., 0].astype(float)
        before, after = x[:, :-1].ravel(), x[:, 1:].ravel()
        both = np.isfinite(before) & np.isfinite(after)
        design = np.vander(before[both], self.degree + 1, increasing=True)
        weights, *_ = np.linalg.lstsq(design, after[both], rcond=None)
        error = float(np.mean((design @ weights - after[both]) ** 2))
        parameters = xr.Dataset(
            {"weight": ("power", weights + self.shift)},
            coords={"unit": recording["unit"].values, "power": np.arange(self.degree + 1)},
        )
        trace = Trace(objective=np.array([-2 * error, -error]), agreement=0.5 + 0.1 * options["restarts"])
        return PolynomialFit(model=self, parameters=parameters, trace=trace)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PolynomialFit(Fit):
    """Its prediction one step ahead."""

    def _predict(self, recording, *, mode, horizon, key):
        x = as3(recording["activity"]).astype(float)
        before = np.nan_to_num(np.concatenate((np.zeros_like(x[:, :1]), x[:, :-1]), axis=1))
        weights = self.parameters["weight"].values
        return Prediction(sum(weight * before**power for power, weight in enumerate(weights)))


def series(n_time: int = 1500, seed: int = 0) -> xr.Dataset:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=n_time)
    for t in range(1, n_time):
        x[t] += 0.6 * x[t - 1]
    return make(x[:, None], sampling_interval=0.1)


def test_the_one_standard_error_rule_prefers_the_simplest_setting_that_is_as_good():
    found = sweep(Polynomial(), series(), holdout.blocks(4), key=0, metric="r2", degree=range(6))
    assert found.best == {"degree": 1}
    assert found.best_model == Polynomial(degree=1)
    table = found.table
    assert table["score"].dims == ("degree",)
    assert float(table["score"].sel(degree=0)) < 0.05
    assert float(table["score"].sel(degree=1)) == pytest.approx(0.36, abs=0.06)
    top = int(np.argmax(table["score"].values))
    assert float(table["deficit"][top]) == 0.0
    assert (table["deficit"] <= 1e-12).all()


def test_the_training_objective_favours_the_larger_model_and_does_not_choose():
    found = sweep(Polynomial(), series(), holdout.blocks(4), key=0, metric="r2", restarts=3, degree=(1, 5, 9))
    objective = found.table["objective"].values
    assert (np.diff(objective) > 0).all()
    assert found.best == {"degree": 1}
    np.testing.assert_allclose(found.table["agreement"], 0.8)


def test_a_grid_of_two_hyperparameters_is_labelled_by_both():
    found = sweep(
        Polynomial(),
        series(),
        holdout.blocks(3),
        key=0,
        metric="mse",
        rule="best",
        degree=[1, 2],
        shift=[1.0, 0.0],
    )
    assert found.table["score"].dims == ("degree", "shift")
    assert found.best["shift"] == 0.0
    assert not found.table.attrs["higher_is_better"]
    assert float(found.table["score"].sel(degree=1, shift=0.0)) < float(
        found.table["score"].sel(degree=1, shift=1.0)
    )
    assert len(found.fits[1, 0.0]) == 3


def test_sweeping_a_registered_model_chooses_by_its_likelihood():
    from neurodyn.models import registry

    recording = series(400)
    found = sweep(registry.create("ar_ridge"), recording, holdout.blocks(3), key=0, order=(1, 3))
    assert found.table.attrs["metric"].startswith("log_likelihood_")
    assert np.isfinite(found.table["score"]).all()


def test_an_interrupted_sweep_keeps_finished_settings():
    found = sweep(
        Polynomial(), series(300), holdout.blocks(3), key=0, metric="r2", shift=[0.0, 0.1, -1.0, 0.2]
    )
    assert not found.complete
    assert np.isfinite(found.table["score"].values).tolist() == [True, True, False, False]
    assert found.best == {"shift": 0.0}


@pytest.mark.parametrize(
    "call",
    [
        lambda: sweep(Polynomial(), series(300), holdout.blocks(3), key=0),
        lambda: sweep(Polynomial(), series(300), holdout.blocks(3), key=0, n_states=[1]),
        lambda: sweep(Polynomial(), series(300), holdout.blocks(3), key=0, degree=[]),
        lambda: sweep(Polynomial(), series(300), holdout.blocks(3), key=0, rule="two", degree=[1]),
        lambda: sweep(Polynomial(), series(300), holdout.trials(3), key=0, degree=[1]),
    ],
)
def test_sweeps_that_make_no_sense_are_refused(call):
    with pytest.raises((ModelError, NotApplicable)):
        call()


def test_event_averages_equal_the_mean_over_events_and_their_intervals_shrink_with_events():
    draw = np.random.default_rng(0)
    p = draw.random((2000, 1))
    posterior = xr.DataArray(
        np.hstack((p, 1 - p)), dims=("time", "state"), coords={"time": np.arange(2000) * 0.5, "state": [0, 1]}
    )
    events = np.arange(10, 990, 2.0)
    found = event_average(posterior, events, window=(-1.0, 1.0), key=0)
    np.testing.assert_allclose(found["lag"], [-1.0, -0.5, 0.0, 0.5, 1.0])
    rows = (events / 0.5).astype(int)
    np.testing.assert_allclose(found["mean"].sel(lag=0.5, state=0), p[rows + 1, 0].mean())
    few = event_average(posterior, events[:30], window=(-1.0, 1.0), key=0)
    ratio = float((few["standard_error"] / found["standard_error"]).mean())
    assert ratio == pytest.approx(np.sqrt(len(events) / 30), rel=0.2)
    assert float(found["standard_error"].mean()) == pytest.approx(np.sqrt(1 / 12 / len(events)), rel=0.15)


def test_event_averages_leave_out_what_lies_beyond_the_recording():
    posterior = xr.DataArray(np.full((20, 1), 1.0), dims=("time", "state"), coords={"time": np.arange(20.0)})
    found = event_average(
        xr.Dataset({"state_probability": posterior}), [1.0, 10.0], window=(-3.0, 0.0), key=0
    )
    assert found["n_events"].values.tolist() == [1, 1, 2, 2]
    with pytest.raises(ModelError, match="no state_probability"):
        event_average(xr.Dataset({"mean": posterior}), [1.0], window=(-1.0, 1.0), key=0)


def test_parameter_intervals_cover_the_truth_and_have_the_textbook_standard_error():
    found = bootstrap_parameters(Polynomial(), series(3000), key=0, n=60)
    weight = found["weight"].sel(power=1)
    assert float(weight.sel(estimate="lower")) < 0.6 < float(weight.sel(estimate="upper"))
    assert float(weight.sel(estimate="standard_error")) == pytest.approx(np.sqrt((1 - 0.36) / 3000), rel=0.4)
    assert found.attrs["block"] >= 10


def test_trials_are_resampled_whole_where_there_are_trials():
    draw = np.random.default_rng(0)
    trials = [draw.normal(size=(length, 1)) for length in draw.integers(10, 20, size=30)]
    found = bootstrap_parameters(
        Polynomial(), make(trials, sampling_interval=0.1), key=0, n=10, names=["weight"]
    )
    assert found.attrs["block"] == 0
    assert list(found.data_vars) == ["weight"]
    assert (found["weight"].sel(estimate="standard_error") > 0).all()


def test_registered_baselines_have_parameter_intervals_on_data_with_covariates():
    from neurodyn.models import registry

    found = bootstrap_parameters(registry.create("mean"), continuous(400), key=0, n=10)
    assert found["mean"].dims == ("estimate", "unit")
    again = bootstrap_parameters(registry.create("mean"), continuous(400), key=0, n=10)
    assert found.identical(again)


def test_too_few_trials_or_blocks_are_refused():
    with pytest.raises(NotApplicable, match="at least 5"):
        bootstrap_parameters(Polynomial(), series(100), key=0, n=5, block=40)
    with pytest.raises(NotApplicable, match="at least 5"):
        bootstrap_parameters(Polynomial(), ragged().isel(trial=slice(0, 4)), key=0, n=5)
    with pytest.raises(ModelError, match="no numeric parameter"):
        bootstrap_parameters(Polynomial(), series(100), key=0, n=5, names=["slope"])
