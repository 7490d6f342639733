"""The baselines recover what generated the data, and their densities are densities."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, poisson

from neurodyn import recording
from neurodyn.errors import ModelError, NotApplicable, RecordingError
from neurodyn.inference import factor_analysis as fa
from neurodyn.inference.autoregression import spectral_radius
from neurodyn.models.baselines import (
    ARRidge,
    DirectRidge,
    FactorAnalysis,
    Mean,
    Persistence,
    RescorlaWagner,
    SmoothedRate,
    TrialAverage,
)
from neurodyn.simulate.agents import rescorla_wagner

WEIGHTS = np.array([[0.8, 0.15, 0.0], [-0.2, 0.6, 0.1], [0.0, 0.0, 0.3]])


def autoregressive(n_time=3000, key=0, n_trials=None):
    rng = np.random.default_rng(key)
    shape = (n_trials or 1, n_time, 3)
    values, noise = np.zeros(shape), rng.normal(size=shape)
    for t in range(1, n_time):
        values[:, t] = values[:, t - 1] @ WEIGHTS.T + noise[:, t]
    return recording.make(values if n_trials else values[0], sampling_interval=0.1, dtype="float64")


def test_mean_of_counts_is_the_smoothed_rate_and_its_likelihood_is_poisson():
    spikes = recording.make([[0, 4], [0, 2], [0, 6]], sampling_interval=1.0, kind="count")
    fit = Mean().fit(spikes, key=0)
    pooled = 12 / 6
    rates = np.array([pooled / 4, (12 + pooled) / 4])
    np.testing.assert_allclose(fit.predict(spikes)["mean"][0], rates, rtol=1e-6)
    expected = poisson(rates).logpmf(spikes["activity"].values).sum(-1)
    np.testing.assert_allclose(fit.log_likelihood(spikes), expected, rtol=1e-6)


def test_mean_of_categories_is_their_frequency():
    labels = [0, 1, 1, 2]
    data = recording.make(np.array(labels)[:, None], sampling_interval=1.0, kind="categorical")
    probability = Mean().fit(data, key=0).predict(data)["mean"]
    assert probability.dims == ("time", "unit", "category")
    np.testing.assert_allclose(probability[0, 0], np.array([1.5, 2.5, 1.5]) / 5.5, rtol=1e-6)


def test_autoregression_recovers_its_coefficients():
    data = autoregressive()
    fit = ARRidge(order=1, strength=1e-6).fit(data, key=0)
    deviation = fit.parameters["deviation"].values
    found = fit.parameters["coefficients"].values[1, 0] * deviation[:, None] / deviation[None, :]
    np.testing.assert_allclose(found, WEIGHTS, atol=0.06)


def test_autoregression_recovers_its_coefficients_with_a_fifth_missing():
    data = autoregressive()
    hidden = recording.hide(data, np.random.default_rng(1).uniform(size=data["activity"].shape) < 0.2)
    fit = ARRidge(order=1, strength=1e-6).fit(hidden, key=0)
    deviation = fit.parameters["deviation"].values
    found = fit.parameters["coefficients"].values[1, 0] * deviation[:, None] / deviation[None, :]
    np.testing.assert_allclose(found, WEIGHTS, atol=0.12)
    assert fit.log_likelihood(hidden).attrs["kind"] == "estimate"
    assert fit.log_likelihood(data).attrs["kind"] == "exact"


def test_autoregressive_likelihood_of_bins_after_a_gap_is_the_inflated_gaussian():
    data = autoregressive(n_time=60)
    fit = ARRidge(order=2, strength=1e-3).fit(data, key=0)
    data["activity"].values[20, 0] = data["activity"].values[22, :2] = np.nan
    terms = fit.log_likelihood(data).values
    (mean, deviation), (weights, noise) = (
        (fit.parameters[one].values for one in pair)
        for pair in (("mean", "deviation"), ("coefficients", "noise"))
    )
    values = (data["activity"].values - mean) / deviation
    filled, spread = values.copy(), np.zeros_like(values)
    for t in range(19, 26):
        predicted = weights[2, 0] @ filled[t - 1] + weights[2, 1] @ filled[t - 2]
        covariance, variance = noise[2].copy(), np.diag(noise[2]).copy()
        for lag in range(2):
            covariance += weights[2, lag] * spread[t - 1 - lag] @ weights[2, lag].T
            variance += np.square(weights[2, lag]) @ spread[t - 1 - lag]
        scale = np.sqrt(np.minimum(np.diag(covariance), np.diag(noise[0])) / np.diag(covariance))
        covariance *= np.outer(scale, scale)
        seen = np.isfinite(values[t])
        density = multivariate_normal(predicted[seen], covariance[np.ix_(seen, seen)])
        expected = density.logpdf(values[t, seen]) - np.log(deviation[seen]).sum()
        np.testing.assert_allclose(terms[t], expected, rtol=1e-6)
        filled[t], spread[t] = (
            np.where(seen, values[t], predicted),
            np.where(seen, 0.0, np.minimum(variance, np.diag(noise[0]))),
        )


def test_autoregressive_likelihood_is_near_that_of_the_generating_model():
    train, test = autoregressive(key=0), autoregressive(key=1)
    found = float(ARRidge().fit(train, key=0).log_likelihood(test).mean())
    values = test["activity"].values
    truth = multivariate_normal(np.zeros(3)).logpdf(values[1:] - values[:-1] @ WEIGHTS.T).mean()
    assert truth - 0.02 < found < truth + 0.02


def test_a_forecast_over_a_gap_is_the_iterated_one_and_returns_to_the_mean():
    data = autoregressive(n_time=500)
    fit = ARRidge(order=1, strength=1e-6).fit(data, key=0)
    given = recording.hide(data, data["time"] >= data["time"][400])
    forecast = fit.predict(given, mode="past")
    standard = (data["activity"].values[399] - fit.parameters["mean"].values) / fit.parameters[
        "deviation"
    ].values
    weights = fit.parameters["coefficients"].values[1, 0]
    expected = np.linalg.matrix_power(weights, 7) @ standard
    expected = fit.parameters["mean"].values + fit.parameters["deviation"].values * expected
    np.testing.assert_allclose(forecast["mean"][406], expected, rtol=1e-6)
    np.testing.assert_allclose(forecast["mean"][-1], fit.parameters["mean"], atol=0.01)
    assert (np.diff(forecast["variance"][400:440], axis=0) >= -1e-9).all()


def test_an_explosive_series_gives_a_stable_forecast():
    growing = recording.make(np.exp(np.arange(60) / 6.0)[:, None], sampling_interval=1.0, dtype="float64")
    fit = ARRidge(order=1).fit(growing, key=0)
    assert spectral_radius(fit.parameters["coefficients"].values[1]) < 1
    given = recording.hide(growing, growing["time"] > 2)
    assert np.isfinite(fit.predict(given, mode="past")["mean"]).all()


def test_autoregression_says_what_it_cannot_do():
    data = autoregressive(n_time=5)
    with pytest.raises(RecordingError, match="lower the order"):
        ARRidge(order=8).fit(data, key=0)
    with pytest.raises(NotApplicable, match="past"):
        ARRidge(order=1).fit(data, key=0).predict(data)
    with pytest.raises(ModelError, match="order is 0"):
        ARRidge(order=0)


def test_direct_and_iterated_ridge_agree_on_what_generated_the_data():
    train, test = autoregressive(key=0), autoregressive(key=1)
    errors = []
    for model in (ARRidge(order=1), DirectRidge(order=1, max_horizon=4)):
        forecast = model.fit(train, key=0).predict(test, mode="past", horizon=4)["mean"]
        errors.append(float(((forecast - test["activity"])[10:] ** 2).mean()))
    np.testing.assert_allclose(errors[0], errors[1], rtol=0.02)


def test_direct_ridge_beyond_its_last_horizon_predicts_the_mean():
    data = autoregressive(n_time=300)
    fit = DirectRidge(order=1, max_horizon=3).fit(data, key=0)
    found = fit.predict(data, mode="past", horizon=4)["mean"]
    np.testing.assert_allclose(found, np.broadcast_to(fit.parameters["mean"], found.shape))
    assert not hasattr(fit, "log_likelihood")


def test_persistence_keeps_the_last_value_over_a_gap():
    data = recording.make([1.0, 2.0, np.nan, np.nan, 7.0], sampling_interval=1.0)
    found = Persistence().fit(data, key=0).predict(data, mode="past")["mean"].values[1:, 0]
    np.testing.assert_allclose(found, [1, 2, 2, 2])


def test_smoothing_finds_the_rate_and_leaves_the_entry_out():
    rate = 5 + 4 * np.sin(np.arange(600) / 20)
    spikes = recording.make(np.random.default_rng(0).poisson(rate), sampling_interval=0.1, kind="count")
    fit = SmoothedRate().fit(spikes, key=0)
    assert np.corrcoef(fit.predict(spikes)["mean"][:, 0], rate)[0, 1] > 0.95
    spike = spikes.copy(deep=True)
    spike["activity"].values[300, 0] += 50
    moved = (fit.predict(spike)["mean"] - fit.predict(spikes)["mean"]).values[:, 0]
    assert moved[300] == pytest.approx(0, abs=1e-4)
    assert moved[301] > 0.5


def test_trial_average_finds_the_course_of_a_trial():
    rate = 3 + 2 * np.sin(np.arange(80) / 10)
    spikes = recording.make(
        np.random.default_rng(0).poisson(rate, (30, 80))[..., None], sampling_interval=0.1, kind="count"
    )
    found = TrialAverage().fit(spikes, key=0).predict(spikes)["mean"][0, :, 0]
    assert float(np.sqrt(np.mean((found - rate) ** 2))) < 0.3
    with pytest.raises(RecordingError, match="2 trials"):
        TrialAverage().fit(spikes.isel(trial=[0]), key=0)


def factor_data(n_time=1500, missing=0.0):
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(6, 2))
    noise = rng.uniform(0.3, 1.0, size=6)
    values = rng.normal(size=(n_time, 2)) @ loadings.T + np.sqrt(noise) * rng.normal(size=(n_time, 6))
    data = recording.make(values, sampling_interval=1.0, dtype="float64")
    data = recording.hide(data, rng.uniform(size=values.shape) < missing)
    return data, loadings @ loadings.T + np.diag(noise)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_factor_analysis_recovers_the_covariance_and_its_rank(missing):
    data, covariance = factor_data(missing=missing)
    fit = FactorAnalysis().fit(data, key=0)
    assert fit.parameters.sizes["factor"] == 2
    loadings, noise = fit.parameters["loadings"].values, fit.parameters["noise"].values
    np.testing.assert_allclose(loadings @ loadings.T + np.diag(noise), covariance, atol=0.45)
    assert (np.diff(fit.trace.objective) > -1e-6).all()


def test_factor_likelihood_and_prediction_equal_the_joint_gaussian():
    data, _ = factor_data(n_time=200, missing=0.3)
    fit = FactorAnalysis(rank=2).fit(data, key=0)
    loadings, noise, mean = (fit.parameters[name].values for name in ("loadings", "noise", "mean"))
    covariance = loadings @ loadings.T + np.diag(noise)
    terms, predicted = fit.log_likelihood(data).values, fit.predict(data)["mean"].values
    for t in range(20):
        row = data["activity"].values[t]
        seen = np.isfinite(row)
        if not seen.any():
            assert terms[t] == 0
            continue
        inner = covariance[np.ix_(seen, seen)]
        np.testing.assert_allclose(
            terms[t], multivariate_normal(mean[seen], inner).logpdf(row[seen]), rtol=1e-8
        )
        gain = covariance[np.ix_(~seen, seen)] @ np.linalg.inv(inner)
        np.testing.assert_allclose(predicted[t, ~seen], mean[~seen] + gain @ (row - mean)[seen], rtol=1e-6)


def test_probabilistic_pca_equals_its_closed_form():
    data, _ = factor_data()
    values = data["activity"].values
    learnt, _, _ = fa.fit(values, np.ones(values.shape, bool), 2, isotropic=True, tolerance=1e-10)
    variances, vectors = np.linalg.eigh(np.cov(values.T, bias=True))
    noise = variances[:-2].mean()
    top = vectors[:, -2:] * np.sqrt(variances[-2:] - noise)
    np.testing.assert_allclose(learnt.noise, noise, rtol=1e-3)
    np.testing.assert_allclose(learnt.loadings @ learnt.loadings.T, top @ top.T, atol=1e-2)


def test_a_gaussian_density_of_counts_is_refused():
    spikes = recording.make(np.random.default_rng(0).poisson(3, (50, 4)), sampling_interval=0.1, kind="count")
    fit = FactorAnalysis(rank=1).fit(spikes, key=0)
    assert (fit.predict(spikes)["mean"] > 0).all()
    with pytest.raises(NotApplicable, match="count"):
        fit.log_likelihood(spikes)


def test_rescorla_wagner_recovers_learning_rates_and_ranks_participants():
    rates = np.linspace(0.1, 0.7, 6)
    data = rescorla_wagner(
        n_participants=6, n_trials=300, key=1, learning_rate=tuple(rates), inverse_temperature=5.0
    )
    fit = RescorlaWagner().fit(data, key=0)
    found = 1 / (1 + np.exp(-fit.parameters["individual"].sel(parameter="learning_rate_logit").values))
    assert np.corrcoef(found, rates)[0, 1] > 0.85
    assert np.abs(found - rates).mean() < 0.12
    floor = float(Mean().fit(data, key=0).log_likelihood(data).mean())
    assert float(fit.log_likelihood(data).mean()) > floor + 0.1


def test_an_unknown_participant_needs_adapting():
    data = rescorla_wagner(n_participants=2, n_trials=60, key=1)
    new = rescorla_wagner(n_participants=1, n_trials=60, key=2).assign_coords(trial=["newcomer"])
    fit = RescorlaWagner(max_iterations=3).fit(data, key=0)
    with pytest.raises(ModelError, match=r"newcomer.*adapt"):
        fit.predict(new, mode="past")
    adapted = fit.adapt(new)
    assert np.isfinite(adapted.predict(new, mode="past")["mean"]).all()
    before = adapted.parameters["individual"].sel(participant=data["trial"].values)
    np.testing.assert_array_equal(before, fit.parameters["individual"])
    prior = RescorlaWagner(max_iterations=3, unknown="prior").fit(data, key=0)
    assert float(adapted.log_likelihood(new).sum()) >= float(prior.log_likelihood(new).sum())


def test_mouse_choices_are_predicted_from_contrast(data):
    import pandas as pd

    files = sorted((data / "behaviour-ibl-trials").glob("*.csv"))
    if not files:
        pytest.skip("the mouse behaviour holds no table")
    table = pd.read_csv(files[0])
    columns = {"choice", "signed_contrast"} - set(table.columns)
    if columns:
        pytest.skip(f"the mouse behaviour lacks the columns {columns}")
    choice = (table["choice"].to_numpy() > 0).astype(float)
    choice[table["choice"].to_numpy() == 0] = np.nan
    mouse = recording.make(
        choice[:, None],
        kind="binary",
        time_unit="trial",
        covariates={"contrast": (table["signed_contrast"].to_numpy(), "before", "exogenous")},
    )
    train = recording.hide(mouse, mouse["time"] >= 350)
    test = recording.hide(mouse, mouse["time"] < 350)
    fit = RescorlaWagner(outcome=None, stimulus=("contrast",)).fit(train, key=0)
    floor = float(Mean().fit(train, key=0).log_likelihood(test).sum())
    assert float(fit.log_likelihood(test).sum()) > floor + 20
