"""Poisson linear dynamical systems through the public verbs."""

import functools

import numpy as np
import pytest
import xarray as xr

import neurodyn
from neurodyn import recording
from neurodyn.errors import ModelError, RecordingError
from neurodyn.models.linear_dynamics import PoissonLDS, PoissonLDSFit
from neurodyn.recording import masks

N_TRIALS, N_TIME, N_UNITS = 60, 50, 12
EIGENVALUE = 0.95 * np.exp(0.4j)


@functools.cache
def simulated() -> xr.Dataset:
    """Counts of two latents that turn; the rates and latents beside them."""
    rng = np.random.default_rng(0)
    a = np.abs(EIGENVALUE) * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    latent = np.zeros((N_TRIALS, N_TIME, 2))
    latent[:, 0] = rng.normal(size=(N_TRIALS, 2))
    for t in range(1, N_TIME):
        latent[:, t] = latent[:, t - 1] @ a.T + np.sqrt(1 - 0.95**2) * rng.normal(size=(N_TRIALS, 2))
    rates = np.exp(0.6 * latent @ rng.normal(size=(2, N_UNITS)))
    counts = rng.poisson(rates).astype(np.float32)
    counts[rng.uniform(size=counts.shape) < 0.05] = np.nan
    made = recording.make(
        counts, sampling_interval=0.02, kind="count", unit=[f"neuron {i}" for i in range(N_UNITS)]
    )
    return made.assign(
        rates=(("trial", "time", "unit"), rates), latents=(("trial", "time", "latent"), latent)
    )


def counts(trials: slice = slice(None)) -> xr.Dataset:
    return simulated().drop_vars(["rates", "latents"]).isel(trial=trials)


@functools.cache
def fitted() -> PoissonLDSFit:
    fit = PoissonLDS(n_latents=2).fit(counts(), key=0, max_iterations=30)
    assert isinstance(fit, PoissonLDSFit)
    return fit


def r_squared(found: np.ndarray, true: np.ndarray) -> float:
    return float(1 - np.square(found - true).sum() / np.square(true - true.mean()).sum())


def test_it_recovers_the_eigenvalues_the_rates_and_the_latents():
    fit, truth = fitted(), simulated()
    found = np.linalg.eigvals(fit.parameters["transition"].values)
    found = found[np.argsort(found.imag)]
    np.testing.assert_allclose(np.abs(found), np.abs(EIGENVALUE), atol=0.02)
    np.testing.assert_allclose(np.angle(found), [-0.4, 0.4], atol=0.02)
    rates = truth["rates"].values
    scores = [
        r_squared(fit.predict(counts(), mode=m)["mean"].values, rates) for m in ("all", "present", "past")
    ]
    assert scores[0] > 0.85
    assert scores[0] > scores[1] > scores[2] > 0.4
    latent = truth["latents"].values.reshape(-1, 2)
    design = fit.infer(counts())["mean"].values.reshape(-1, 2)
    design = np.concatenate([design, np.ones((len(design), 1))], axis=1)
    assert r_squared(design @ np.linalg.lstsq(design, latent, rcond=None)[0], latent) > 0.8


def test_latents_have_unit_variance_and_honest_deviations():
    found = fitted().infer(counts())
    mean, deviation = found["mean"].values, found["standard_deviation"].values
    covariance = np.cov(mean.reshape(-1, 2).T) + np.diag(np.square(deviation).mean((0, 1)))
    np.testing.assert_allclose(np.diag(covariance), 1, atol=0.02)
    np.testing.assert_allclose(mean.mean((0, 1)), 0, atol=0.02)


def test_a_hidden_count_has_no_influence_and_a_seen_one_has():
    fit, plain = fitted(), counts(slice(0, 4))
    seen = fit.predict(plain)["mean"].values
    changed = plain.copy(deep=True)
    changed["activity"].values[0, 20, 3] = 40
    where = np.zeros(plain["activity"].shape, bool)
    where[0, 20, 3] = True
    hidden, also = (fit.predict(recording.hide(one, where))["mean"].values for one in (plain, changed))
    np.testing.assert_array_equal(hidden, also)
    assert np.abs(fit.predict(changed)["mean"].values[0, 20] - seen[0, 20]).max() > 0.1


def test_what_is_filled_in_for_missing_counts_has_no_share_in_the_likelihood(monkeypatch):
    fit, part = fitted(), counts(slice(0, 4))
    expected = fit.log_likelihood(part)
    original = masks._filled

    def other(variable, dtype, what, copy=True):
        values, mask = original(variable, dtype, what, copy)
        return masks.Arrays(np.where(mask, values, 1e3).astype(values.dtype), mask)

    monkeypatch.setattr(masks, "_filled", other)
    np.testing.assert_allclose(fit.log_likelihood(part), expected, rtol=1e-12)


def test_a_filter_sees_no_later_count():
    fit, plain = fitted(), counts(slice(0, 4))
    changed = plain.copy(deep=True)
    changed["activity"].values[:, 25:] += 3
    for mode, first in (("present", 25), ("past", 26)):
        one, two = (fit.predict(data, mode=mode)["mean"].values for data in (plain, changed))
        np.testing.assert_array_equal(one[:, :first], two[:, :first])
        assert np.abs(one[:, first] - two[:, first]).max() > 0.05
    one, two = (fit.predict(data, mode="past", horizon=5)["mean"].values for data in (plain, changed))
    np.testing.assert_array_equal(one[:, :30], two[:, :30])
    assert np.abs(one[:, 30] - two[:, 30]).max() > 0.02


def test_far_ahead_little_is_left_but_the_mean_rate():
    fit, data = fitted(), counts()
    hidden = np.zeros(data["activity"].shape, bool)
    hidden[:, 5:] = True
    ahead = fit.predict(recording.hide(data, hidden), mode="past")["mean"].values
    assert (ahead[:, -1].std(0) < 0.4 * ahead[:, 5].std(0)).all()
    nothing = fit.predict(recording.hide(data, np.ones_like(hidden)), mode="past")["mean"].values
    np.testing.assert_allclose(nothing[0, -1], simulated()["rates"].values.mean((0, 1)), rtol=0.2)


def test_the_objective_is_near_the_filters_estimate_of_the_likelihood():
    # The one is a bound on all bins together, plus the logarithm of weak priors; the other goes bin by bin.
    fit, entries = fitted(), int(np.isfinite(counts()["activity"].values).sum())
    joint = float(fit.log_likelihood(counts()).sum())
    assert abs(joint - fit.trace.objective[-1]) / entries < 0.01
    assert (np.diff(fit.trace.objective) >= 0).all()


def test_a_simulation_looks_like_what_was_learnt():
    fit = fitted()
    drawn = fit.simulate(n_time=N_TIME, n_trials=300, key=3)
    assert drawn["latents"].shape == (300, N_TIME, 2)
    np.testing.assert_allclose(
        drawn["activity"].mean(("trial", "time")), simulated()["rates"].values.mean((0, 1)), rtol=0.25
    )
    xr.testing.assert_identical(drawn, fit.simulate(n_time=N_TIME, n_trials=300, key=3))


def test_it_comes_back_from_its_file(tmp_path):
    fit, part = fitted(), counts(slice(0, 4))
    fit.save(tmp_path / "fit.nc")
    loaded = neurodyn.load(tmp_path / "fit.nc")
    assert loaded.model == fit.model
    xr.testing.assert_identical(loaded.parameters, fit.parameters)
    np.testing.assert_array_equal(loaded.predict(part)["mean"], fit.predict(part)["mean"])
    assert "Empirical models of spiking" in loaded.cite()


def test_a_unit_never_seen_is_given_the_rate_of_the_others():
    data = counts(slice(0, 12))
    silent = recording.hide(data, data["unit"] == "neuron 4")
    fit = PoissonLDS(n_latents=2).fit(silent, key=0, max_iterations=4)
    rate = fit.predict(silent)["mean"].sel(unit="neuron 4").values
    np.testing.assert_allclose(rate, np.nanmean(silent["activity"].values), rtol=1e-4)
    assert (fit.parameters["loadings"].sel(unit="neuron 4") == 0).all()


def test_the_number_of_latents_is_chosen_on_hidden_units():
    rng = np.random.default_rng(1)
    wave = np.cos(np.arange(30) / 4 + rng.uniform(0, 6, size=(24, 1)))
    rates = np.exp(0.3 + 0.8 * wave[..., None] * rng.choice([-1, 1], 5))
    data = recording.make(rng.poisson(rates).astype(float), sampling_interval=0.02, kind="count")
    fit = PoissonLDS().fit(data, key=0, max_iterations=5)
    assert fit.parameters.sizes["latent"] == 2
    assert "2 latents" in fit.trace.reason


def test_more_than_512_trials_begin_on_some_of_them():
    rng = np.random.default_rng(2)
    level = rng.normal(size=(520, 1, 1)) * 0.5
    data = recording.make(
        rng.poisson(np.exp(level) * np.ones((1, 6, 3))), sampling_interval=0.02, kind="count"
    )
    fit = PoissonLDS(n_latents=1).fit(data, key=0, max_iterations=12)
    assert r_squared(fit.predict(data)["mean"].values, np.broadcast_to(np.exp(level), (520, 6, 3))) > 0.7


def test_functions_of_time_follow_what_all_trials_share():
    rng = np.random.default_rng(4)
    shared = np.exp(np.sin(np.arange(30) / 4))[:, None] * np.ones(4)
    data = recording.make(rng.poisson(shared, size=(40, 30, 4)), sampling_interval=0.02, kind="count")
    nothing = recording.hide(data.isel(trial=[0]), np.ones((1, 30, 4), bool))
    found = PoissonLDS(n_latents=1, time_basis=8).fit(data, key=0, max_iterations=12)
    assert r_squared(found.predict(nothing)["mean"].values[0], shared) > 0.85
    with pytest.raises(RecordingError, match="2 trials or more"):
        PoissonLDS(n_latents=1, time_basis=8).fit(data.isel(trial=[0]), key=0)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("n_latents", 0, "n_latents is 0"),
        ("n_latents", 1.5, "n_latents is 1.5"),
        ("time_basis", 1, "time_basis is 1"),
        ("loading_precision", -1.0, "loading_precision is -1.0"),
    ],
)
def test_hyperparameters_out_of_range_are_named(name, value, says):
    with pytest.raises(ModelError, match=says):
        PoissonLDS(**{name: value})


def test_bad_data_and_options_are_named():
    few = counts(slice(0, 4))
    with pytest.raises(ModelError, match="n_latents is 13, but the recording has 12 units"):
        PoissonLDS(n_latents=13).fit(few, key=0)
    with pytest.raises(ModelError, match="max_iterations is 0"):
        PoissonLDS(n_latents=1).fit(few, key=0, max_iterations=0)
    with pytest.raises(ModelError, match="tolerance is 0"):
        PoissonLDS(n_latents=1).fit(few, key=0, tolerance=0)
    with pytest.raises(RecordingError, match="poisson_lds"):
        PoissonLDS(n_latents=1).fit(few.assign_coords(kind=("unit", ["continuous"] * N_UNITS)), key=0)
    with pytest.raises(ModelError, match="unknown option 'speed'"):
        fitted().simulate(n_time=5, n_trials=1, key=0, speed=1)
