"""Generalised linear models: forecasts with covariates, priors on covariates, starts and interrupted stages."""

import warnings

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import linear_sum_assignment, minimize

from neurodyn import recording
from neurodyn.errors import ModelError
from neurodyn.inference.bases import LearntKernel
from neurodyn.inference.glm import stages
from neurodyn.inference.glm.priors import OneHotPrior
from neurodyn.models import GLM, SwitchingGLM
from neurodyn.simulate.glm_network import GLMNetwork
from neurodyn.validation import holdout


def driven(role: str, seed: int = 0, n_time: int = 400) -> xr.Dataset:
    """Counts of two units that follow a covariate."""
    rng = np.random.default_rng(seed)
    drive = rng.normal(size=n_time)
    values = rng.poisson(np.exp(0.2 + 0.6 * drive[:, None] * [1.0, -1.0])).astype(float)
    return recording.make(
        values, sampling_interval=0.01, kind="count", covariates={"drive": (drive, "with", role)}
    )


def nudged(data: xr.Dataset, at: int) -> xr.Dataset:
    """The recording with another covariate in one bin."""
    values = data["covariates"].copy(deep=True)
    values[at] = values[at] + 3
    return data.assign(covariates=values)


@pytest.mark.parametrize("missing", ["mean_field", "paths"])
@pytest.mark.parametrize("role", ["measured", "exogenous"])
def test_a_forecast_knows_of_later_covariates_only_what_is_known_ahead(role, missing):
    data = driven(role)
    fit = GLM(covariates=("drive",), link="exp", missing=missing).fit(data, key=0)
    options = {"mode": "past", "horizon": 3, "key": 0}
    before, after = (fit.predict(one, **options)["mean"].values for one in (data, nudged(data, 50)))
    changed = np.abs(after - before).max(axis=1) > 1e-3 * before.max()
    # Measured, the value of bin 50 is known from the first bin ahead of it on: to forecasts of bin 52 made at bin 49.
    assert changed[50] == (role == "exogenous")
    assert changed[52] or role == "exogenous"
    assert not changed[:50].any()


def test_forecasts_by_paths_begin_with_what_the_model_knows_of_the_first_bins():
    network = GLMNetwork.draw(0, n_states=2, n_units=4)
    data = network.sample(60, key=0, n_trials=40)
    fit = SwitchingGLM(n_states=2, missing="paths").fit(data, key=0, restarts=1, max_iterations=20)
    data = data.isel(time=slice(0, 6))
    far = fit.predict(data, mode="past", horizon=3, key=1)["mean"]
    near = fit.predict(data, mode="past", horizon=1, key=1)["mean"]
    np.testing.assert_allclose(far[:, 0], near[:, 0], rtol=1e-4)
    fresh = fit.simulate(3, key=2, n_trials=4000)["activity"].mean("trial")
    assert np.abs(far[:, 1:3].mean("trial") - fresh[1:3]).max() < 0.06
    assert np.abs(far[:, 1:3] - far[:1, 1:3]).max() < 1e-5 + 0.5 * np.abs(far[:, 2] - near[:, 2]).max()


def test_measured_covariates_hidden_with_the_activity_keep_their_last_value():
    data = driven("measured")
    values, covariate = data["activity"].copy(deep=True), data["covariates"].copy(deep=True)
    values[100:120], covariate[100:120] = np.nan, np.nan
    hidden = data.assign(activity=values, covariates=covariate)
    held = data["covariates"].copy(deep=True)
    held[100:120] = held[99]
    first, second = (
        GLM(covariates=("drive",)).fit(one, key=0)
        for one in (hidden, data.assign(activity=values, covariates=held))
    )
    for name in ("weight", "covariate_weight", "bias"):
        np.testing.assert_allclose(first.parameters[name], second.parameters[name], atol=1e-5)
    again = first.predict(hidden, mode="past")["mean"]
    assert np.isfinite(again).all()
    covariate[50] = np.nan  # here something was observed
    with pytest.raises(Exception, match="drive.*time bin 50"):
        GLM(covariates=("drive",)).fit(data.assign(activity=values, covariates=covariate), key=0)


def test_blocks_can_be_held_out_of_a_recording_with_measured_covariates():
    from neurodyn import compare

    scores = compare(
        {"with": GLM(covariates=("drive",)), "without": GLM()},
        driven("measured"),
        holdout.blocks(2),
        key=0,
        nulls=(),
        metrics=["bits_per_spike"],
    ).scores
    value = scores.isel(protocol=0, metric=0)["value"]
    assert float(value.sel(model="with")) > float(value.sel(model="without")) + 0.05


def test_a_prior_on_covariates_is_the_posterior_mode():
    rng = np.random.default_rng(0)
    drive = np.sort(rng.normal(size=80))
    choice = (drive > 0.1).astype(float)  # separable: without a prior the weight has no bound
    data = recording.make(
        choice[:, None],
        sampling_interval=1.0,
        kind="binary",
        covariates={"drive": (drive, "before", "exogenous")},
    )
    deviation = 2.0
    fit = GLM(coupling=None, history=None, covariates=("drive",), covariate_deviation=deviation).fit(
        data, key=0
    )
    size = np.sqrt((drive**2).mean())

    def negative(free: np.ndarray) -> float:
        eta = free[0] + free[1] * drive / size
        return float((np.logaddexp(0, eta) - choice * eta).sum() + 0.5 * (free[1] / deviation) ** 2)

    best = minimize(negative, np.zeros(2), tol=1e-12).x
    assert float(fit.parameters["covariate_weight"].item()) == pytest.approx(best[1] / size, rel=2e-3)
    assert float(fit.parameters["bias"].item()) == pytest.approx(best[0], abs=5e-3)


def test_a_prior_on_covariates_holds_biases_of_states_about_their_level():
    rng = np.random.default_rng(1)
    drive = rng.normal(size=300)
    choice = (rng.uniform(size=300) < np.where(np.arange(300) // 30 % 2, 0.99, 0.2)).astype(float)
    data = recording.make(
        choice[:, None],
        sampling_interval=1.0,
        kind="binary",
        covariates={"drive": (drive, "before", "exogenous")},
    )
    level = np.log(choice.mean() / (1 - choice.mean()))
    spread = {}
    for deviation in (None, 2.0, 0.05):
        model = SwitchingGLM(
            n_states=2, coupling=None, history=None, covariates=("drive",), covariate_deviation=deviation
        )
        fit = model.fit(data, key=0, restarts=2)
        spread[deviation] = float(np.abs(fit.parameters["bias"] - level).max())
    assert spread[None] > spread[2.0] > spread[0.05]
    assert spread[0.05] < 0.4


def test_a_unit_that_was_never_observed_changes_no_start():
    network = GLMNetwork.draw(0, n_states=2, n_units=33)
    data = network.sample(300, key=0)
    values = np.concatenate([np.full((300, 1), np.nan), data["activity"].values], axis=1)
    more = recording.make(values, sampling_interval=0.01, kind="count")
    model = SwitchingGLM(n_states=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, two = (model.fit(each, key=0, restarts=1) for each in (data, more))
    np.testing.assert_allclose(one.parameters["weight"], two.parameters["weight"][:, 1:, 1:], atol=2e-3)


def test_restarts_of_neighbouring_keys_are_different():
    data = GLMNetwork.draw(0, n_states=3, n_units=4).sample(400, key=0)
    options = {"initialisation": "random", "max_iterations": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = SwitchingGLM(n_states=3).fit(data, key=5, restarts=2, **options)
        second = SwitchingGLM(n_states=3).fit(data, key=6, restarts=2, **options)
    shared = np.intersect1d(np.round(first.trace.restarts, 2), np.round(second.trace.restarts, 2))
    assert not len(shared)


def test_one_iteration_is_better_than_none():
    data = GLMNetwork.draw(0, n_states=2, n_units=4).sample(2000, key=0)
    with pytest.warns(UserWarning, match="reached after 1 iterations"):
        fit = GLM().fit(data, key=0, max_iterations=1)
    assert float(np.abs(fit.parameters["weight"]).max()) > 0.01
    assert fit.trace.objective[-1] > fit.trace.objective[0]


def test_an_exponential_rate_that_overflows_in_an_empty_state_spoils_nothing():
    data = driven("exogenous")
    fit = SwitchingGLM(n_states=2, coupling=None, history=None, covariates=("drive",), link="exp").fit(
        data, key=0, restarts=1
    )
    weight = fit.parameters["covariate_weight"].copy(deep=True)
    weight[1] = 500.0
    wild = fit.parameters.assign(
        covariate_weight=weight,
        initial=("state", [1.0, 0.0]),
        transition=(("state", "state_next"), np.eye(2)),
    )
    start = SwitchingGLM(
        n_states=2, coupling=None, history=None, covariates=("drive",), link="exp", concentration=1.0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = start.fit(data, key=0, start_parameters=wild, max_iterations=3)
    assert np.isfinite(again.predict(data, mode="past")["mean"]).all()
    assert np.isfinite(again.log_likelihood(data)).all()
    alone = GLM(coupling=None, history=None, covariates=("drive",), link="exp").fit(data, key=0)
    assert float(again.log_likelihood(data).sum()) == pytest.approx(
        float(alone.log_likelihood(data).sum()), abs=2.0
    )


def test_links_and_ceilings_that_would_be_ignored_are_refused():
    for model in (
        lambda: GLM(observation="bernoulli", link="exp"),
        lambda: GLM(observation="gaussian", link="exp"),
        lambda: GLM(ceiling=3.0),
        lambda: GLM(observation="negative_binomial", ceiling=3.0),
    ):
        with pytest.raises(ModelError, match=r"link|ceiling"):
            model()
    binary = recording.make(np.tile([0.0, 1.0], 20)[:, None], sampling_interval=1.0, kind="binary")
    with pytest.raises(ModelError, match="link"):
        GLM(link="exp").fit(binary, key=0)


def test_given_parameters_keep_a_learnt_kernel_and_name_unknown_units():
    data = GLMNetwork.draw(0, n_states=1, n_units=4).sample(3000, key=0)
    model = GLM(coupling=LearntKernel(4))
    fit = model.fit(data, key=0)
    again = model.fit(data, key=0, start_parameters=fit, max_iterations=5)
    np.testing.assert_allclose(again.parameters["kernel"], fit.parameters["kernel"], atol=0.05)
    assert again.trace.objective[0] >= fit.trace.objective[-1] - 0.5
    other = data.assign_coords(unit=[f"other{i}" for i in range(4)])
    with pytest.raises(ModelError, match="other0"):
        model.fit(other, key=0, start_parameters=fit)


def test_ctrl_c_in_a_later_stage_returns_the_stage_before(monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    data = GLMNetwork.draw(0, n_states=2, n_units=4).sample(1000, key=0)
    monkeypatch.setattr(stages, "fit_one_hot", stop)
    with pytest.warns(UserWarning, match="interrupted"):
        fit = SwitchingGLM(n_states=2, prior=OneHotPrior()).fit(data, key=0, restarts=1)
    assert np.isfinite(fit.log_likelihood(data)).all()
    assert float(np.abs(fit.parameters["weight"]).max()) > 0.01


def test_a_connection_whose_weights_were_all_dropped_is_certainly_none():
    chance = np.array([[[[0.1, 0.2, 0.7], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]]]])
    weights = np.array([[[0.0, 0.0, 0.0, 0.0, 0.0, -0.2]]])  # two functions of three sources
    found = stages.without(chance, weights, 2)[0, 0]
    np.testing.assert_allclose(found, [[0, 1, 0], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]])


def test_starts_tell_states_apart_in_a_recording_that_bursts():
    network = GLMNetwork.draw(4, n_states=5, n_units=20, version="redrawn")
    data = network.sample(2000, key=1004, n_trials=6)
    assert data["activity"].max() > 1000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = SwitchingGLM(n_states=5).fit(data, key=0, restarts=1, max_iterations=12)
    path = fit.infer(data)["state_probability"].argmax("state").values.ravel()
    table = np.zeros((5, 5))
    np.add.at(table, (data["state"].values.ravel(), path), 1)
    matched = table[linear_sum_assignment(-table)].sum() / table.sum()
    assert matched > 0.95
