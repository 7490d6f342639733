"""Predictive-coding networks as models: recovery, missing data, forecasts, failures, participants."""

import warnings

import jax
import numpy as np
import pytest
import xarray as xr

from neurodyn import recording
from neurodyn.errors import ModelError, NeurodynWarning, NotApplicable, RecordingError
from neurodyn.models import HGF, PredictiveCodingNetwork
from neurodyn.models.predictive_coding import (
    Belief,
    BinaryResponse,
    GaussianResponse,
    Input,
    LogNormal,
    Normal,
)
from neurodyn.validation.split import hide_measured


def outcomes(n_people: int, n_time: int, seed: int = 0) -> np.ndarray:
    """Outcomes whose chance reverses every thirty trials."""
    rng = np.random.default_rng(seed)
    chance = np.where(np.arange(n_time) // 30 % 2 == 0, 0.8, 0.2)
    return (rng.uniform(size=(n_people, n_time)) < chance).astype(float)


def behaviour(
    choices: np.ndarray, seen: np.ndarray, role: str = "measured", kind: str = "binary"
) -> xr.Dataset:
    """Responses of participants to outcomes."""
    return recording.make(
        choices[..., None],
        sampling_interval=1.0,
        kind=kind,
        time_unit="trial",
        unit=["response"],
        trial=[f"p{i}" for i in range(len(choices))],
        covariates={"outcome": (seen, "after", role)},
    )


def learners(omega: np.ndarray, beta: np.ndarray, n_time: int, seed: int = 0) -> xr.Dataset:
    """Choices of simulated filters with two levels."""
    seen = outcomes(len(omega), n_time, seed)
    blank = behaviour(np.zeros_like(seen), seen)
    model = HGF(2, source="outcome", response=BinaryResponse(), learn=("x1.tonic_volatility",))
    fit = model.fit(blank, key=0, restarts=1)
    table = np.stack([omega, np.log(beta)], axis=1)
    fit.parameters["individual"][:] = table
    chance = fit.predict(blank, mode="past")["mean"].values[..., 0]
    drawn = (np.random.default_rng(seed + 1).uniform(size=chance.shape) < chance).astype(float)
    return behaviour(drawn, seen)


def test_volatility_and_temperature_of_participants_are_recovered():
    rng = np.random.default_rng(0)
    omega, beta = rng.normal(-2.5, 1.0, 24), np.exp(rng.normal(np.log(3), 0.4, 24))
    data = learners(omega, beta, 400)
    fit = HGF(2, source="outcome", response=BinaryResponse()).fit(data, key=0)
    found = fit.values()
    assert np.corrcoef(found.sel(parameter="x1.tonic_volatility"), omega)[0, 1] > 0.85
    assert np.corrcoef(np.log(found.sel(parameter="response.inverse_temperature")), np.log(beta))[0, 1] > 0.8
    assert fit.trace.converged
    assert fit.trace.agreement > 0.9
    assert np.isfinite(fit.parameters["log_evidence"]).all()


def test_partial_pooling_learns_the_population_and_draws_participants_to_it():
    rng = np.random.default_rng(1)
    omega, beta = rng.normal(-2.0, 0.5, 30), np.full(30, 3.0)
    data = learners(omega, beta, 80)
    apart = HGF(2, source="outcome", response=BinaryResponse()).fit(data, key=0)
    pooled = HGF(2, source="outcome", response=BinaryResponse(), pooling="partial").fit(data, key=0)
    error = [
        float(np.sqrt(((one.values().sel(parameter="x1.tonic_volatility") - omega) ** 2).mean()))
        for one in (apart, pooled)
    ]
    assert error[1] < error[0]
    centre = pooled.parameters["population_mean"].sel(parameter="x1.tonic_volatility")
    assert abs(float(centre) + 2.0) < 0.5
    assert (np.diff(pooled.trace.objective) >= 0).all()


def test_a_participant_not_trained_on_is_refused_or_adapted_or_the_population():
    data = learners(np.full(4, -2.0), np.full(4, 3.0), 60)
    model = HGF(2, source="outcome", response=BinaryResponse())
    fit = model.fit(data.isel(trial=slice(0, 3)), key=0)
    new = data.isel(trial=[3])
    with pytest.raises(ModelError, match="p3.*adapt"):
        fit.predict(new, mode="past")
    adapted = fit.adapt(new, key=0)
    assert list(adapted.parameters["participant"].values) == ["p0", "p1", "p2", "p3"]
    alone = model.fit(new, key=0)
    np.testing.assert_allclose(
        adapted.values().sel(participant="p3"), alone.values()[0], rtol=0.02, atol=0.02
    )
    np.testing.assert_array_equal(adapted.values()[:3], fit.values())


@pytest.mark.parametrize("horizon", [2, 4])
def test_forecasts_do_not_know_outcomes_measured_meanwhile(horizon):
    data = learners(np.array([-2.0, -1.0]), np.array([3.0, 2.0]), 50)
    fit = HGF(3, source="outcome", response=BinaryResponse()).fit(data, key=0)
    found = fit.predict(data, mode="past", horizon=horizon)["mean"]
    for at in (0, 1, horizon, 20, 49):
        hidden = xr.DataArray(np.arange(50) >= at - horizon + 1, dims="time", coords={"time": data["time"]})
        expected = fit.predict(hide_measured(data, hidden), mode="past")["mean"]
        np.testing.assert_allclose(found.isel(time=at), expected.isel(time=at), rtol=1e-4, atol=1e-5)


def test_a_filter_of_a_walk_predicts_it_better_than_its_mean_and_as_well_as_its_last_value():
    rng = np.random.default_rng(2)
    walk = np.cumsum(rng.normal(scale=0.3, size=(3, 300)), axis=1)
    data = recording.make((walk + rng.normal(scale=0.5, size=walk.shape))[..., None], sampling_interval=1.0)
    model = HGF(
        2,
        inputs="continuous",
        learn=("x1.tonic_volatility", "u.precision"),
        x1_initial_precision=1.0,
        x2_tonic_volatility=-8.0,
    )
    fit = model.fit(data, key=0)
    predicted = fit.predict(data, mode="past")["mean"].values
    error = np.mean((predicted - data["activity"].values)[:, 1:] ** 2)
    last = np.mean(np.diff(data["activity"].values, axis=1) ** 2)
    assert error < 0.85 * last
    learnt = fit.values()
    assert abs(float(np.log(learnt.sel(parameter="u.precision")).mean()) - np.log(4.0)) < 0.4
    with pytest.raises(NotApplicable, match="smooth"):
        fit.predict(data, mode="all")
    ahead = fit.predict(data, mode="past", horizon=5)
    assert (ahead["variance"].mean() > fit.predict(data, mode="past")["variance"].mean()).all()


def test_reaction_times_follow_the_belief_they_are_said_to():
    seen = outcomes(6, 200)
    model = HGF(2, source="outcome", response=GaussianResponse("x1"), learn=(), x1_tonic_volatility=-2.0)
    fit = model.fit(
        behaviour(np.random.default_rng(0).normal(size=seen.shape), seen, kind="continuous"), key=0
    )
    belief = (
        fit.infer(behaviour(np.zeros_like(seen), seen, kind="continuous"))["expected_mean"]
        .sel(node="x1")
        .values
    )
    times = 0.8 - 0.2 * belief + 0.05 * np.random.default_rng(1).normal(size=seen.shape)
    data = behaviour(times, seen, kind="continuous")
    fit = model.fit(data, key=0)
    predicted = fit.predict(data, mode="past")["mean"].values[..., 0]
    assert np.corrcoef(predicted.ravel(), times.ravel())[0, 1] > 0.95
    assert float(fit.values().sel(parameter="response.slope").max()) < 0
    # The density is that of the times in seconds.
    scaled = model.fit(data.assign(activity=1000 * data["activity"]), key=0)
    shift = scaled.log_likelihood(data.assign(activity=1000 * data["activity"])) - fit.log_likelihood(data)
    np.testing.assert_allclose(shift, -np.log(1000), atol=1e-3)


def test_updates_that_fail_are_named_with_node_trial_and_participant():
    values = np.random.default_rng(0).normal(scale=0.1, size=(1, 120))
    values[:, 60:] += 8.0
    data = recording.make(values[..., None], sampling_interval=1.0, trial=["p0"])
    # An initial volatility far too high leaves eHGF no valid update.
    settings = {"inputs": "continuous", "learn": (), "x1_tonic_volatility": -6.0, "x2_tonic_volatility": 2.0}
    with pytest.raises(ModelError, match=r"node 'x\d' fails at trial \d+ of participant 'p0'"):
        HGF(2, update="standard", x2_volatility_coupling=3.0, **settings).fit(data, key=0)
    fit = HGF(2, update="unbounded", **settings).fit(data, key=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(fit.log_likelihood(data)).all()


def test_a_jump_in_new_data_is_warned_of_and_predictions_stay_finite():
    rng = np.random.default_rng(0)
    quiet = recording.make(rng.normal(scale=0.1, size=(1, 120, 1)), sampling_interval=1.0, trial=["p0"])
    fit = HGF(2, inputs="continuous", learn=("x1.tonic_volatility",), x2_tonic_volatility=0.0).fit(
        quiet, key=0
    )
    jump = quiet["activity"].copy(deep=True)
    jump[:, 60:] += 50.0
    with pytest.warns(NeurodynWarning, match=r"node 'x\d' fails at trial 6\d of participant 'p0'"):
        predicted = fit.predict(quiet.assign(activity=jump), mode="past")["mean"]
    assert np.isfinite(predicted).all()


def test_other_values_and_participants_compile_nothing():
    from neurodyn.models.predictive_coding import learning

    model = HGF(2, source="outcome", response=BinaryResponse())
    for seed, n_people in ((0, 3), (1, 4), (2, 2)):
        data = learners(np.full(n_people, -2.0), np.full(n_people, 3.0), 50, seed)
        model.fit(data, key=seed).log_likelihood(data)
        if seed == 0:
            before = (learning.find_modes._cache_size(), learning._everyone._cache_size())
    assert (learning.find_modes._cache_size(), learning._everyone._cache_size()) == before


def test_a_network_built_by_hand_is_the_ready_made_one():
    data = learners(np.array([-2.0, -1.0]), np.array([3.0, 2.0]), 50)
    weak = Normal(-4.0, 3.0)
    by_hand = PredictiveCodingNetwork(
        nodes=(
            Input("u", kind="binary", source="outcome"),
            Belief("x1", value_children=("u",), tonic_volatility=weak),
            Belief("x2", volatility_children=("x1",)),
        ),
        response=BinaryResponse(),
    )
    ready = HGF(3, source="outcome", response=BinaryResponse())
    assert by_hand == ready
    xr.testing.assert_identical(by_hand.fit(data, key=0).parameters, ready.fit(data, key=0).parameters)


def test_wrong_inputs_kinds_and_settings_are_refused_in_one_sentence():
    seen = outcomes(2, 20)
    data = behaviour(np.zeros_like(seen), seen)
    ready = HGF(2, source="outcome", response=BinaryResponse())
    bad = seen.copy()
    bad[1, 3] = 3
    with pytest.raises(RecordingError, match="binary input 'u' is 3 at participant 1, trial 3"):
        ready.fit(behaviour(np.zeros_like(seen), bad), key=0)
    with pytest.raises(RecordingError, match="kind"):
        ready.fit(behaviour(np.zeros_like(seen), seen, kind="continuous"), key=0)
    with pytest.raises(RecordingError, match="covariate"):
        HGF(2, source="reward", response=BinaryResponse()).fit(data, key=0)
    with pytest.raises(RecordingError, match="source"):
        HGF(2, response=BinaryResponse()).fit(data, key=0)
    for words, make in {
        "levels": lambda: HGF(4),
        "inputs": lambda: HGF(2, inputs="other"),
        "no parameter": lambda: HGF(2, learn=("x1.speed",)),
        "update": lambda: HGF(2, update="other"),
        "pooling": lambda: HGF(2, pooling="other"),
        "LogNormal": lambda: BinaryResponse(inverse_temperature=Normal(1.0, 1.0)),
        "median": lambda: LogNormal(-1.0, 1.0),
        "deviation": lambda: Normal(0.0, 0.0),
        "coupling function": lambda: Belief("x", coupling_function="other"),
        "node 'x9'": lambda: HGF(2, source="u", response=GaussianResponse("x9")),
        "is no node": lambda: PredictiveCodingNetwork(nodes=("x",)),
    }.items():
        with pytest.raises(ModelError, match=words):
            make()


def test_elapsed_time_is_a_covariate_and_must_be_above_zero():
    seen = outcomes(1, 40)

    def timed(steps: np.ndarray) -> xr.Dataset:
        return recording.make(
            np.zeros((1, 40, 1)),
            sampling_interval=1.0,
            kind="binary",
            time_unit="trial",
            covariates={"outcome": (seen, "after", "measured"), "time_step": (steps, "before", "exogenous")},
        )

    model = HGF(2, source="outcome", response=BinaryResponse(), learn=(), x1_tonic_volatility=-2.0)
    short, long = (
        model.fit(timed(np.full((1, 40), step)), key=0).infer(timed(np.full((1, 40), step)))
        for step in (1.0, 4.0)
    )
    assert float(long["precision"].sel(node="x1").mean()) < float(short["precision"].sel(node="x1").mean())
    with pytest.raises(RecordingError, match="time_step is 0"):
        model.fit(timed(np.zeros((1, 40))), key=0)


def test_keys_matter_only_to_where_fits_begin():
    data = learners(np.array([-2.0, -3.0]), np.array([3.0, 2.0]), 80)
    model = HGF(2, source="outcome", response=BinaryResponse())
    one, two = (model.fit(data, key=jax.random.key(seed)) for seed in (0, 1))
    np.testing.assert_allclose(one.values(), two.values(), rtol=2e-2)
