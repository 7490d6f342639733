"""Preprocessing is learnt on training entries, undone in predictions, and accounted for in likelihoods."""

import numpy as np
import pytest

import neurodyn
from neurodyn import recording
from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models.baselines import ARRidge, DirectRidge, FactorAnalysis, Mean
from neurodyn.models.pipeline import (
    PCA,
    ConfoundRegression,
    HighPass,
    Pipeline,
    Standardise,
    TimeDelayEmbedding,
)


def series(n_time=400, n_units=5, key=0, **more):
    rng = np.random.default_rng(key)
    values = np.zeros((n_time, n_units))
    mixing = rng.normal(size=(2, n_units))
    state = np.zeros(2)
    for t in range(n_time):
        state = np.array([0.9, 0.7]) * state + rng.normal(size=2)
        values[t] = state @ mixing + 0.3 * rng.normal(size=n_units)
    return recording.make(values * 4 + 100, sampling_interval=0.5, dtype="float64", **more)


def test_standardising_moves_neither_predictions_nor_likelihood_of_an_equivariant_model():
    data = series()
    plain = FactorAnalysis(rank=2, tolerance=1e-9).fit(data, key=0)
    piped = Pipeline(Standardise(), FactorAnalysis(rank=2, tolerance=1e-9)).fit(data, key=0)
    np.testing.assert_allclose(piped.log_likelihood(data), plain.log_likelihood(data), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(piped.predict(data)["mean"], plain.predict(data)["mean"], rtol=1e-3)
    assert piped.log_likelihood(data).attrs == {"kind": "exact", "space": "data"}


def test_a_full_rotation_keeps_the_likelihood_and_a_reduction_says_so():
    data = series()
    plain = float(ARRidge(order=1, strength=1e-8).fit(data, key=0).log_likelihood(data).sum())
    whole = Pipeline(PCA(5), ARRidge(order=1, strength=1e-8)).fit(data, key=0).log_likelihood(data)
    assert float(whole.sum()) == pytest.approx(plain, rel=0.01)
    assert whole.attrs["space"] == "data"
    reduced = Pipeline(PCA(2), ARRidge(order=1)).fit(data, key=0).log_likelihood(data)
    assert reduced.attrs["space"] == "reduced"


def test_components_are_those_of_the_covariance_and_survive_missing_entries():
    data = series()
    values = data["activity"].values
    fit = PCA(2).fit(data)
    _, vectors = np.linalg.eigh(np.cov(values.T))
    projector = fit.parameters["components"].values @ fit.parameters["components"].values.T
    np.testing.assert_allclose(projector, vectors[:, -2:] @ vectors[:, -2:].T, atol=1e-8)
    hidden = recording.hide(data, np.random.default_rng(1).uniform(size=values.shape) < 0.1)
    incomplete = PCA(2).fit(hidden)
    found = incomplete.parameters["components"].values @ incomplete.parameters["components"].values.T
    np.testing.assert_allclose(found, projector, atol=0.05)
    full, partial = fit.forward(data)["activity"].values, fit.forward(hidden)["activity"].values
    assert np.corrcoef(full[:, 0], partial[:, 0])[0, 1] > 0.98


def test_held_out_units_are_predicted_through_components():
    data = series()
    fit = Pipeline(Standardise(), PCA(2), FactorAnalysis(rank=1)).fit(data, key=0)
    given = recording.hide(data, data["unit"] == 0)
    found = fit.predict(given)["mean"][:, 0]
    assert np.corrcoef(found, data["activity"][:, 0])[0, 1] > 0.7


def test_units_hidden_behind_components_have_their_conditional_expectation():
    data = series()
    values = data["activity"].values
    fit = Pipeline(PCA(2), Mean()).fit(data, key=0)
    given = recording.hide(data, data["unit"] == 0)
    found = fit.predict(given)
    step = fit.children[0]
    scores = fit.children[1].predict(step.forward(data))
    vectors, noise = step.parameters["components"].values, step._private
    covariance = vectors @ np.diag(scores["variance"].values[0]) @ vectors.T + noise * np.eye(len(vectors))
    level = step.parameters["mean"].values + vectors @ scores["mean"].values[0]
    weights = np.linalg.solve(covariance[1:, 1:], covariance[1:, 0])
    expected = level[0] + (values[:, 1:] - level[1:]) @ weights
    np.testing.assert_allclose(found["mean"][:, 0], expected, rtol=1e-6, atol=1e-6)
    remaining = covariance[0, 0] - noise - covariance[0, 1:] @ weights
    left = noise * (1 - np.square(vectors[0]).sum())
    np.testing.assert_allclose(found["variance"][:, 0], remaining + left, rtol=1e-5)
    # What is shown is predicted as a fresh replicate, and the past knows nothing of the bin itself.
    whole = fit.predict(data)["mean"]
    np.testing.assert_allclose(found["mean"][:, 1:], whole[:, 1:], rtol=1e-9)
    past = fit.predict(given, mode="past")["mean"][:, 0]
    np.testing.assert_allclose(past, whole[:, 0], rtol=1e-6)


def test_prediction_through_embedding_and_components_beats_the_mean():
    data = series()
    train = recording.hide(data, data["time"] >= 150)
    for lags in ((0, 1, 2), (-1, 0, 1)):
        fit = Pipeline(Standardise(), TimeDelayEmbedding(lags), PCA(4), ARRidge(order=1)).fit(train, key=0)
        forecast = fit.predict(data, mode="past")["mean"]
        late = data["time"] >= 150
        error = float(((forecast - data["activity"]) ** 2).where(late).mean())
        floor = float(
            ((Mean().fit(train, key=0).predict(data)["mean"] - data["activity"]) ** 2).where(late).mean()
        )
        assert error < 0.8 * floor


def test_embedding_stops_where_a_ragged_trial_ends():
    ragged = recording.make([np.ones((6, 1)), np.ones((3, 1))], sampling_interval=1.0)
    embedded = TimeDelayEmbedding((0, 1, 2)).fit(ragged).forward(ragged)
    assert np.isnan(embedded["activity"].values[1, 3:]).all()
    recording.check(embedded)


def test_confounds_are_removed_and_added_back():
    rng = np.random.default_rng(0)
    motion = rng.normal(size=300)
    noise = rng.normal(size=(300, 3))
    data = recording.make(
        50 + noise + 5 * motion[:, None],
        sampling_interval=2.0,
        covariates={"motion": motion},
        dtype="float64",
    )
    step = ConfoundRegression(covariates=("motion",)).fit(data)
    np.testing.assert_allclose(step.parameters["weights"], 5, atol=0.2)
    left = step.forward(data)["activity"].values
    assert np.abs(np.corrcoef(left[:, 0], motion)[0, 1]) < 0.02
    fit = Pipeline(ConfoundRegression(), Mean()).fit(data, key=0)
    assert float(((fit.predict(data)["mean"] - data["activity"]) ** 2).mean()) < 1.2
    assert (
        float(fit.log_likelihood(data).sum())
        > float(Mean().fit(data, key=0).log_likelihood(data).sum()) + 100
    )


def test_measured_confounds_are_not_forecast():
    motion = np.random.default_rng(0).normal(size=100)
    data = recording.make(motion, sampling_interval=2.0, covariates={"motion": (motion, "with", "measured")})
    fit = Pipeline(ConfoundRegression(), ARRidge(order=1)).fit(data, key=0)
    assert np.isfinite(fit.predict(data, mode="past")["mean"]).all()
    with pytest.raises(NotApplicable, match="motion"):
        fit.predict(data, mode="past", horizon=2)


def test_high_pass_removes_drift_and_keeps_what_is_fast():
    time = np.arange(500) * 0.5
    fast = np.sin(2 * np.pi * 0.3 * time)
    data = recording.make((fast + 0.05 * time)[:, None] + 10, sampling_interval=0.5, dtype="float64")
    for method in ("causal", "cosine"):
        left = HighPass(cutoff=0.01, method=method).fit(data).forward(data)["activity"].values[100:, 0]
        assert np.corrcoef(left, fast[100:])[0, 1] > 0.9


def test_a_drift_from_both_sides_answers_neither_past_nor_likelihood():
    data = series()
    fit = Pipeline(HighPass(cutoff=0.02, method="cosine"), FactorAnalysis(rank=1)).fit(data, key=0)
    assert np.isfinite(fit.predict(data)["mean"]).all()
    for call in (lambda: fit.predict(data, mode="past"), lambda: fit.log_likelihood(data)):
        with pytest.raises(NotApplicable, match="both sides"):
            call()


def sessions(names, key):
    rng = np.random.default_rng(key)
    values = rng.normal(size=(len(names), 60, 2)) * 3
    values += np.array([10.0 * len(set(names[: i + 1])) for i in range(len(names))])[:, None, None]
    return recording.make(
        values, sampling_interval=1.0, trial_coords={"session_name": names}, dtype="float64"
    )


def test_a_new_session_needs_adapting():
    train = sessions(["a", "a", "b", "b"], 0)
    new = sessions(["c", "c"], 1)
    fit = Pipeline(Standardise(by="session_name"), Mean()).fit(train, key=0)
    np.testing.assert_allclose(fit.predict(train)["mean"].mean(("time", "unit")), [10, 10, 20, 20], atol=1)
    with pytest.raises(ModelError, match=r"'c'.*adapt"):
        fit.predict(new)
    adapted = fit.adapt(new)
    np.testing.assert_allclose(adapted.predict(new)["mean"].mean(("time", "unit")), [10, 10], atol=1)
    np.testing.assert_array_equal(adapted.predict(train)["mean"], fit.predict(train)["mean"])
    prior = Pipeline(Standardise(by="session_name", unknown="prior"), Mean()).fit(train, key=0)
    np.testing.assert_allclose(prior.predict(new)["mean"].mean(("time", "unit")), [15, 15], atol=1)


def test_verbs_are_those_of_the_final_model(tmp_path):
    data = series(n_time=60)
    direct = Pipeline(Standardise(), DirectRidge(order=1)).fit(data, key=0)
    assert not hasattr(direct, "log_likelihood")
    assert not hasattr(direct, "infer")
    assert not hasattr(direct, "adapt")
    factors = Pipeline(Standardise(by="session"), FactorAnalysis(rank=1)).fit(data, key=0)
    assert hasattr(factors, "log_likelihood")
    assert hasattr(factors, "infer")
    assert hasattr(factors, "adapt")
    factors.save(tmp_path / "fit.nc")
    loaded = neurodyn.load(tmp_path / "fit.nc")
    assert type(loaded) is type(factors)
    np.testing.assert_array_equal(loaded.predict(data)["mean"], factors.predict(data)["mean"])


def test_counts_stay_positive_and_their_density_is_refused():
    spikes = recording.make(
        np.random.default_rng(0).poisson(0.3, (200, 4)), sampling_interval=0.1, kind="count"
    )
    fit = Pipeline(Standardise(), ARRidge(order=3, strength=1e-6)).fit(spikes, key=0)
    assert (fit.predict(spikes, mode="past")["mean"] > 0).all()
    with pytest.raises(NotApplicable, match="count"):
        fit.log_likelihood(spikes)


@pytest.mark.parametrize("parts", [(), (Mean(),), (Standardise(), PCA(2)), (Mean(), Mean())])
def test_a_pipeline_is_steps_and_then_a_model(parts):
    with pytest.raises(ModelError, match="Pipeline"):
        Pipeline(*parts)


@pytest.mark.parametrize("method", ["causal", "cosine"])
def test_a_high_pass_at_the_nyquist_frequency_is_refused(method):
    slow = recording.make(np.random.default_rng(0).normal(size=(50, 2)), sampling_interval=2.0)
    with pytest.raises(ModelError, match="cutoff is 0.25 Hz, .* Nyquist frequency of 0.25 Hz; give a cutoff"):
        HighPass(cutoff=0.25, method=method).fit(slow)
    assert HighPass(cutoff=0.2, method=method).fit(slow)
