"""Learners, win-stay lose-shift and regressions on past choices recover what made the choices, and look back only."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import minimize

from neurodyn import recording
from neurodyn.errors import DataWarning, ModelError, RecordingError
from neurodyn.models.baselines import (
    ChoiceHistoryRegression,
    Mean,
    PearceHall,
    RescorlaWagner,
    WinStayLoseShift,
)
from neurodyn.simulate.agents import pearce_hall, rescorla_wagner, win_stay_lose_shift

MODELS = (
    RescorlaWagner(max_iterations=2),
    PearceHall(max_iterations=2),
    WinStayLoseShift(),
    ChoiceHistoryRegression(lags=3),
)


def name_of(model) -> str:
    return model.name


def logit(probability):
    return np.log(probability) - np.log1p(-np.asarray(probability))


def with_gaps(data: xr.Dataset, key: int = 0, share: float = 0.1) -> xr.Dataset:
    """The recording without some choices and some outcomes."""
    rng = np.random.default_rng(key)
    data = recording.hide(data, rng.uniform(size=data["activity"].shape) < share)
    covariates = data["covariates"].copy(deep=True)
    covariates.values[rng.uniform(size=covariates.shape) < share] = np.nan
    return data.assign(covariates=covariates)


def parts(data: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Choices and outcomes, NaN where missing."""
    return data["activity"].values[..., 0].astype(float), data["covariates"].values[..., 0].astype(float)


def with_parameters(fit, **values):
    """The fit with given unconstrained parameters, one for all participants or one each."""
    parameters = fit.parameters.copy(deep=True)
    for name, value in values.items():
        parameters["individual"].loc[{"parameter": name}] = value
    return dataclasses.replace(fit, parameters=parameters)


def test_pearce_hall_infers_the_values_and_associabilities_of_the_agent():
    truth = {"learning_rate": 0.7, "associability_rate": 0.4, "initial_associability": 0.8}
    data = pearce_hall(n_participants=3, n_trials=80, key=0, **truth)
    fit = PearceHall(initial_associability=0.8, max_iterations=1).fit(data, key=0)
    fit = with_parameters(fit, learning_rate_logit=logit(0.7), associability_rate_logit=logit(0.4))
    found = fit.infer(data)
    np.testing.assert_allclose(found["value"], data["value"], atol=1e-5)
    np.testing.assert_allclose(found["associability"], data["associability"], atol=1e-5)


@pytest.mark.parametrize("learning", ["reward", "cue"])
def test_pearce_hall_without_surprise_is_rescorla_wagner(learning):
    data = with_gaps(rescorla_wagner(n_participants=2, n_trials=100, key=3))
    common = {
        "inverse_temperature_log": np.log(3.0),
        "perseveration": 0.4,
        "bias_1": -0.2,
    }
    constant = with_parameters(
        RescorlaWagner(learning=learning, max_iterations=1).fit(data, key=0),
        learning_rate_logit=logit([0.3, 0.12]),
        **common,
    )
    unsurprised = with_parameters(
        PearceHall(learning=learning, initial_associability=0.6, max_iterations=1).fit(data, key=0),
        learning_rate_logit=logit([0.5, 0.2]),
        associability_rate_logit=-np.inf,
        **common,
    )
    np.testing.assert_allclose(
        unsurprised.log_likelihood(data), constant.log_likelihood(data), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        unsurprised.predict(data, mode="past", horizon=2)["mean"],
        constant.predict(data, mode="past", horizon=2)["mean"],
        atol=1e-5,
    )


def test_pearce_hall_recovers_both_rates_of_participants():
    learning, surprise = np.tile([0.35, 0.9], 5), np.repeat([0.05, 0.6], 5)
    data = pearce_hall(
        n_participants=10,
        n_trials=600,
        key=1,
        learning_rate=tuple(learning),
        associability_rate=tuple(surprise),
        inverse_temperature=6.0,
        reversal=25,
    )
    fit = PearceHall().fit(data, key=0)
    found = 1 / (1 + np.exp(-fit.parameters["individual"]))
    rates = found.sel(parameter="learning_rate_logit").values
    assert np.corrcoef(rates, learning)[0, 1] > 0.85
    assert np.abs(rates - learning).mean() < 0.15
    paces = found.sel(parameter="associability_rate_logit").values
    assert np.corrcoef(paces, surprise)[0, 1] > 0.7
    constant = RescorlaWagner().fit(data, key=0)
    assert float(fit.log_likelihood(data).sum()) > float(constant.log_likelihood(data).sum()) + 20


def test_pearce_hall_loses_nothing_where_surprise_does_not_matter():
    data = win_stay_lose_shift(n_participants=6, n_trials=120, key=0)
    fit = PearceHall().fit(data, key=0)
    constant = RescorlaWagner().fit(data, key=0)
    assert float(fit.log_likelihood(data).sum()) > float(constant.log_likelihood(data).sum()) - 3
    assert fit.trace.objective[-1] == fit.trace.restarts.max()
    assert fit.trace.restarts.min() < fit.trace.restarts.max() - 20


def test_surprise_raises_associability_and_expected_outcomes_lower_it():
    agent = pearce_hall(n_participants=1, n_trials=40, key=0)
    fit = PearceHall(max_iterations=1).fit(agent, key=0)
    fit = with_parameters(fit, learning_rate_logit=0.0, associability_rate_logit=0.0)
    repeated = agent.copy(deep=True)
    repeated["activity"].values[:] = 1.0
    repeated["covariates"].values[:, :20], repeated["covariates"].values[:, 20:] = 1.0, 0.0
    found = fit.infer(repeated)["associability"].isel(trial=0, option=1).values
    assert (np.diff(found[1:20]) < 0).all()
    assert found[20] < 0.1
    assert found[21] > 0.4


def test_a_missing_choice_teaches_a_learner_nothing():
    data = pearce_hall(n_participants=1, n_trials=50, key=0)
    data = recording.hide(data, data["time"] == data["time"][20])
    found = PearceHall(max_iterations=1).fit(data, key=0).infer(data)
    for name in ("value", "associability"):
        np.testing.assert_array_equal(found[name][:, 20], found[name][:, 21])
        assert (found[name][:, 21] != found[name][:, 22]).any()


def test_large_rewards_leave_pearce_hall_finite():
    data = pearce_hall(n_participants=2, n_trials=60, key=0)
    data = data.assign(covariates=data["covariates"] * 20 - 10)
    fit = PearceHall(max_iterations=2).fit(data, key=0)
    assert float(fit.infer(data)["associability"].max()) <= 1
    assert float(np.abs(fit.infer(data)["value"]).max()) <= 10.001
    assert np.isfinite(fit.log_likelihood(data)).all()


def test_pearce_hall_refuses_an_associability_out_of_range():
    with pytest.raises(ModelError, match=r"initial_associability is 1\.5; it must be at most 1"):
        PearceHall(initial_associability=1.5)
    with pytest.raises(ModelError, match="above 0"):
        PearceHall(initial_associability=0.0)


def test_pearce_hall_adapts_to_a_newcomer():
    data = pearce_hall(n_participants=3, n_trials=80, key=0)
    new = pearce_hall(n_participants=1, n_trials=80, key=1).assign_coords(trial=["newcomer"])
    fit = PearceHall(max_iterations=3).fit(data, key=0)
    with pytest.raises(ModelError, match=r"newcomer.*pearce_hall.*adapt"):
        fit.predict(new, mode="past")
    prior = PearceHall(max_iterations=3, unknown="prior").fit(data, key=0)
    assert float(fit.adapt(new).log_likelihood(new).sum()) >= float(prior.log_likelihood(new).sum())


@pytest.mark.parametrize("learning", ["reward", "cue"])
def test_win_stay_lose_shift_is_counted(learning):
    data = with_gaps(win_stay_lose_shift(n_participants=5, n_trials=90, key=0))
    choices, outcomes = parts(data)
    stays, trials = np.zeros(2), np.zeros(2)
    for choice, outcome in zip(choices, outcomes, strict=True):
        for t in range(1, len(choice)):
            if not np.isnan([choice[t], choice[t - 1], outcome[t - 1]]).any():
                win = int(outcome[t - 1] > 0 if learning == "reward" else outcome[t - 1] == choice[t - 1])
                trials[win] += 1
                stays[win] += choice[t] == choice[t - 1]
    fit = WinStayLoseShift(learning=learning).fit(data, key=0)
    np.testing.assert_allclose(fit.parameters["stay_probability"], (stays + 1) / (trials + 2), rtol=1e-12)
    np.testing.assert_array_equal(fit.parameters["trials"], trials)
    base = (np.nansum(choices) + 1) / (np.isfinite(choices).sum() + 2)
    np.testing.assert_allclose(fit.parameters["base_rate"], [base], rtol=1e-12)


def test_win_stay_lose_shift_recovers_its_agent():
    data = win_stay_lose_shift(
        n_participants=8, n_trials=500, key=1, stay_after_win=0.85, stay_after_loss=0.4
    )
    found = WinStayLoseShift().fit(data, key=0).parameters["stay_probability"]
    np.testing.assert_allclose(found.sel(result=["win", "loss"]), [0.85, 0.4], atol=0.03)


def test_win_stay_lose_shift_predicts_from_the_trial_before_and_else_the_base_rate():
    choices = np.array([1, 1, 0, np.nan, 1, 0, 1.0])
    outcome = np.array([1, 0, 1, 1, np.nan, 0, 1.0])
    data = recording.make(
        choices[:, None],
        kind="binary",
        time_unit="trial",
        covariates={"outcome": (outcome, "after", "measured")},
    )
    fit = WinStayLoseShift().fit(data, key=0)
    loss, win = fit.parameters["stay_probability"].values
    base = fit.parameters["base_rate"].values[0]
    found = fit.predict(data, mode="past")["mean"].values[:, 0]
    np.testing.assert_allclose(found, [base, win, loss, 1 - win, base, base, 1 - loss], rtol=1e-6)
    ahead = fit.predict(data, mode="past", horizon=2)["mean"]
    np.testing.assert_allclose(ahead, np.full(ahead.shape, base), rtol=1e-6)
    terms = np.where(np.isnan(choices), 0, np.log(np.where(choices == 1, found, 1 - found)))
    np.testing.assert_allclose(fit.log_likelihood(data), terms, rtol=1e-6)


def test_win_stay_lose_shift_needs_the_name_of_an_outcome():
    with pytest.raises(ModelError, match="give the name of a covariate"):
        WinStayLoseShift(outcome=None)
    data = win_stay_lose_shift(n_participants=1, n_trials=30, key=0)
    with pytest.raises(RecordingError, match="reward is not in the recording"):
        WinStayLoseShift(outcome="reward").fit(data, key=0)


def by_hand(data: xr.Dataset, lags: int, learning: str) -> tuple[np.ndarray, np.ndarray]:
    """Standardised features and targets of every observed choice, entry by entry."""
    choices, outcomes = parts(data)
    rows, targets = [], []
    for choice, outcome in zip(choices, outcomes, strict=True):
        side = 2 * choice - 1
        coded = side * outcome if learning == "reward" else 2 * outcome - 1
        for t in np.flatnonzero(np.isfinite(choice)):
            back = [t - lag for lag in range(1, lags + 1)]
            rows.append([series[b] if b >= 0 else np.nan for series in (side, coded) for b in back])
            targets.append(choice[t])
    rows = np.array(rows)
    features = (rows - np.nanmean(rows, axis=0)) / np.nanstd(rows, axis=0)
    return np.nan_to_num(features), np.array(targets)


@pytest.mark.parametrize("learning", ["reward", "cue"])
def test_the_regression_is_at_the_optimum_another_optimiser_finds(learning):
    data = with_gaps(rescorla_wagner(n_participants=3, n_trials=120, key=0, perseveration=0.5))
    features, targets = by_hand(data, 3, learning)
    fit = ChoiceHistoryRegression(lags=3, learning=learning, ridge=2.5).fit(data, key=0)

    def loss(weights):
        odds = weights[0] + features @ weights[1:]
        likelihood = -np.logaddexp(0, -np.where(targets == 1, odds, -odds)).sum()
        pseudo = -np.logaddexp(0, -weights[0]) - np.logaddexp(0, weights[0])
        return -(likelihood + pseudo - 0.5 * 2.5 * np.square(weights[1:]).sum())

    best = minimize(loss, np.zeros(7), method="BFGS", options={"gtol": 1e-7})
    found = np.concatenate([fit.parameters["bias"].values, fit.parameters["weights"].values])
    np.testing.assert_allclose(found, best.x, atol=1e-5)
    np.testing.assert_allclose(fit.trace.objective[-1], -best.fun, rtol=1e-9)
    assert fit.trace.converged
    likelihood = float(fit.log_likelihood(data).sum())
    odds = found[0] + features @ found[1:]
    np.testing.assert_allclose(likelihood, -np.logaddexp(0, -np.where(targets == 1, odds, -odds)).sum())


def test_the_regression_recovers_perseveration_and_finds_no_effect_of_outcomes():
    data = rescorla_wagner(
        n_participants=4, n_trials=1500, key=0, learning_rate=0.0, perseveration=0.8, bias=0.3
    )
    fit = ChoiceHistoryRegression(lags=2).fit(data, key=0)
    weights = (fit.parameters["weights"] / fit.parameters["deviation"]).values
    np.testing.assert_allclose(weights, [0.8, 0, 0, 0], atol=0.1)
    intercept = float(fit.parameters["bias"][0]) - float((weights * fit.parameters["centre"]).sum())
    assert abs(intercept - 0.3) < 0.1


def test_the_regression_recovers_the_weights_of_outcomes_and_stimulus():
    rng = np.random.default_rng(0)
    n_time, choice_weight, outcome_weight, slope = 6000, -0.4, 1.1, 0.9
    contrast = rng.normal(size=n_time)
    choices, outcomes = np.zeros((2, n_time))
    for t in range(n_time):
        side = 2 * choices[t - 1] - 1 if t else 0.0
        odds = slope * contrast[t] + choice_weight * side + outcome_weight * side * outcomes[t - 1]
        choices[t] = rng.uniform() < 1 / (1 + np.exp(-odds))
        outcomes[t] = rng.uniform() < 0.5
    data = recording.make(
        choices[:, None],
        kind="binary",
        time_unit="trial",
        covariates={
            "outcome": (outcomes, "after", "measured"),
            "contrast": (contrast, "before", "exogenous"),
        },
    )
    fit = ChoiceHistoryRegression(lags=1, stimulus=("contrast",)).fit(data, key=0)
    weights = (fit.parameters["weights"] / fit.parameters["deviation"]).values
    np.testing.assert_allclose(weights, [choice_weight, outcome_weight, slope], atol=0.12)


def test_what_the_regression_does_not_know_contributes_nothing():
    data = win_stay_lose_shift(n_participants=2, n_trials=100, key=0)
    fit = ChoiceHistoryRegression(lags=2).fit(data, key=0)
    base = 1 / (1 + np.exp(-float(fit.parameters["bias"][0])))
    hidden = recording.hide(data, np.ones(data["activity"].shape, bool))
    np.testing.assert_allclose(fit.predict(hidden)["mean"], np.full((2, 100, 1), base), rtol=1e-6)
    beyond = fit.predict(data, mode="past", horizon=3)["mean"]
    np.testing.assert_allclose(beyond, np.full((2, 100, 1), base), rtol=1e-6)
    first = fit.predict(data, mode="past")["mean"][:, 0]
    np.testing.assert_allclose(first, np.full((2, 1), base), rtol=1e-6)


def test_choices_that_are_all_alike_leave_the_regression_finite():
    data = recording.make(
        np.ones((30, 1)),
        kind="binary",
        time_unit="trial",
        covariates={"outcome": (np.ones(30), "after", "measured")},
    )
    with pytest.warns(DataWarning, match="constant"):
        fit = ChoiceHistoryRegression().fit(data, key=0)
    np.testing.assert_allclose(fit.predict(data)["mean"], np.full((30, 1), 31 / 32), rtol=1e-6)


def test_the_regression_refuses_what_it_cannot_use():
    with pytest.raises(ModelError, match="ridge is 0"):
        ChoiceHistoryRegression(ridge=0)
    with pytest.raises(ModelError, match="lags is 0"):
        ChoiceHistoryRegression(lags=0)
    data = win_stay_lose_shift(n_participants=1, n_trials=30, key=0)
    with pytest.raises(
        RecordingError, match=r"choice_history_regression with learning='cue' needs outcomes of 0 or 1"
    ):
        ChoiceHistoryRegression(learning="cue").fit(data.assign(covariates=data["covariates"] * 3), key=0)


@pytest.mark.parametrize("learning", ["reward", "cue"])
@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_predictions_look_back_only(model, learning):
    data = with_gaps(rescorla_wagner(n_participants=2, n_trials=60, key=0, perseveration=0.5))
    fit = dataclasses.replace(model, learning=learning).fit(data, key=0)
    now = fit.predict(data)["mean"].values
    for changed in (20, 41):
        later = data.copy(deep=True)
        later["activity"].values[:, changed:] = 1 - later["activity"].values[:, changed:]
        later["covariates"].values[:, changed:] = 1 - later["covariates"].values[:, changed:]
        for horizon in (1, 2, 4):
            before = fit.predict(data, mode="past", horizon=horizon)["mean"].values
            after = fit.predict(later, mode="past", horizon=horizon)["mean"].values
            np.testing.assert_array_equal(after[:, : changed + horizon], before[:, : changed + horizon])
        terms = fit.log_likelihood(later).values[:, :changed]
        np.testing.assert_array_equal(terms, fit.log_likelihood(data).values[:, :changed])
        assert (fit.predict(later)["mean"].values[:, changed + 1] != now[:, changed + 1]).any()


@pytest.mark.parametrize("model", [RescorlaWagner, PearceHall, ChoiceHistoryRegression])
def test_a_stimulus_known_only_after_the_choice_is_refused(model):
    data = rescorla_wagner(n_participants=1, n_trials=30, key=0)
    with pytest.raises(RecordingError, match=r"outcome to be known before the choice.*available after"):
        model(stimulus=("outcome",)).fit(data, key=0)
    with pytest.raises(ModelError, match="tuple of covariate names"):
        model(stimulus="outcome")


@pytest.mark.parametrize("model", [PearceHall(), WinStayLoseShift(), ChoiceHistoryRegression()], ids=name_of)
def test_choices_that_follow_outcomes_are_predicted_better_than_by_their_mean(model):
    train = rescorla_wagner(n_participants=4, n_trials=200, key=0)
    test = rescorla_wagner(n_participants=4, n_trials=200, key=1)
    floor = float(Mean().fit(train, key=0).log_likelihood(test).mean())
    assert float(model.fit(train, key=0).log_likelihood(test).mean()) > floor + 0.05


def test_agents_refuse_what_they_cannot_simulate():
    with pytest.raises(ModelError, match="two options"):
        win_stay_lose_shift(n_participants=1, n_trials=5, key=0, reward_probability=(0.1, 0.2, 0.3))
    with pytest.raises(ModelError, match="n_trials is 0"):
        pearce_hall(n_participants=1, n_trials=0, key=0)
    with pytest.raises(ModelError, match="stay_after_win is 1.2; give probabilities"):
        win_stay_lose_shift(n_participants=1, n_trials=5, key=0, stay_after_win=1.2)
