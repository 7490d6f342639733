"""Responses, categories, bandits and simulations of predictive-coding networks, against the same by hand."""

import jax
import numpy as np
import pytest
import xarray as xr

from neurodyn import recording
from neurodyn.errors import ModelError, RecordingError
from neurodyn.models import load
from neurodyn.models.predictive_coding import (
    HGF,
    Belief,
    BinaryResponse,
    CustomResponse,
    GaussianResponse,
    Input,
    LogNormal,
    Normal,
    PredictiveCodingNetwork,
    Shared,
    SoftmaxResponse,
    calibrate,
    recover,
    register_response,
)

ARMS = ("a", "b", "c")


def shown(n_time: int = 60, seed: int = 0) -> xr.Dataset:
    """An outcome and a cue that a participant is shown."""
    rng = np.random.default_rng(seed)
    return recording.make(
        rng.integers(0, 2, (n_time, 1)),
        kind="binary",
        unit=["response"],
        covariates={
            "u": ((rng.uniform(size=n_time) < 0.8).astype(float), "after", "measured"),
            "cue": (rng.normal(size=n_time), "before", "exogenous"),
        },
        time_unit="trial",
    )


def bandit(**response: object) -> PredictiveCodingNetwork:
    """A belief for every arm, with one volatility."""
    volatility = Shared("volatility", Normal(-2.0, 2.0))
    return PredictiveCodingNetwork(
        nodes=(
            *(Input(f"u_{arm}", source=f"reward_{arm}") for arm in ARMS),
            *(Belief(f"x_{arm}", value_children=(f"u_{arm}",), tonic_volatility=volatility) for arm in ARMS),
        ),
        response=SoftmaxResponse(tuple(f"u_{arm}" for arm in ARMS), **response),
    )


def pays(trial: int, response: float, random: np.random.Generator) -> np.ndarray:
    """The first arm is the best; only the chosen one shows what it gave."""
    del trial
    seen = np.full(3, np.nan)
    seen[int(response)] = random.uniform() < (0.9, 0.3, 0.1)[int(response)]
    return seen


def test_log_odds_of_a_choice_add_bias_perseveration_and_covariates():
    data = shown()
    model = HGF(2, source="u", response=BinaryResponse(1.7, 0.4, -0.6, {"cue": 0.9}), learn=())
    fit = model.at({})
    chance = fit.infer(data)["expected_mean"].sel(node="u").values.astype(float)
    choice = data["activity"].values[:, 0]
    before = np.concatenate([[0], 2 * choice[:-1] - 1])
    cue = data["covariates"].sel(covariate="cue").values
    odds = 1.7 * np.log(chance / (1 - chance)) + 0.4 - 0.6 * before + 0.9 * cue
    right = 1 / (1 + np.exp(-odds))
    wanted = np.where(choice > 0, np.log(right), np.log(1 - right))
    np.testing.assert_allclose(fit.log_likelihood(data).values.ravel(), wanted, atol=2e-5)
    predicted = fit.predict(data, mode="past")["mean"].values.ravel()
    np.testing.assert_allclose(predicted, right, atol=1e-5)


def test_a_forecast_of_two_trials_does_not_know_the_choice_between():
    data = shown()
    fit = HGF(2, source="u", response=BinaryResponse(1.0, 0.0, 2.0), learn=()).at({})
    other = data.copy(deep=True)
    other["activity"][30] = 1 - other["activity"][30]
    one, two = (fit.predict(each, mode="past", horizon=2)["mean"].values.ravel() for each in (data, other))
    assert one[31] == two[31]
    assert one[32] != two[32]


def test_covariates_tell_no_model_of_the_choice_it_predicts():
    data = shown()
    with pytest.raises(RecordingError, match="covariate u to be known before the response"):
        HGF(2, source="u", response=BinaryResponse(1.0, weights={"u": 1.0}), learn=()).at({}).log_likelihood(
            data
        )
    values, roles = data["covariates"].values, ("measured", "exogenous")
    for role in roles:
        told = {"u": (values[..., 0], "after", "measured"), "cue": (values[..., 1], "before", role)}
        one = recording.make(
            data["activity"].values, kind="binary", unit=["response"], covariates=told, time_unit="trial"
        )
        two = one.copy(deep=True)
        two["covariates"][30, 1] += 5.0
        fit = HGF(2, source="u", response=BinaryResponse(1.0, weights={"cue": 1.0}), learn=()).at({})
        first, second = (
            fit.predict(each, mode="past", horizon=2)["mean"].values.ravel() for each in (one, two)
        )
        assert (first[30] == second[30]) == (role == "measured")
        assert (first[31] != second[31]) == (role == "measured")


def test_a_rule_of_the_users_own_is_the_built_in_one_where_they_agree(tmp_path):
    def same(mean, precision, parameters, told):
        del precision
        odds = mean["x1"] + parameters["bias"] + 0.5 * told["cue"]
        return jax.nn.sigmoid(odds)

    register_response("belief and cue", same, kind="binary")
    data = shown()
    own = CustomResponse("belief and cue", {"bias": Normal(0.0, 1.0)}, ("cue",))
    model = HGF(2, source="u", response=own, learn=())
    built = HGF(2, source="u", response=BinaryResponse(1.0, Normal(0.0, 1.0), 0.0, {"cue": 0.5}), learn=())
    fits = [one.fit(data, key=0) for one in (model, built)]
    np.testing.assert_allclose(*(fit.log_likelihood(data).values for fit in fits), atol=1e-4)
    np.testing.assert_allclose(*(fit.values().values for fit in fits), atol=1e-3)
    fits[0].save(tmp_path / "fit.nc")
    again = load(tmp_path / "fit.nc")
    np.testing.assert_array_equal(again.log_likelihood(data).values, fits[0].log_likelihood(data).values)
    with pytest.raises(ModelError, match="taken"):
        register_response("belief and cue", lambda *_: 0.5, kind="binary")
    with pytest.raises(ModelError, match="no response rule"):
        CustomResponse("unheard of")


def test_a_ladder_of_a_category_is_a_binary_filter_of_it():
    rng = np.random.default_rng(1)
    codes = rng.choice(3, size=(50, 1), p=(0.6, 0.3, 0.1))
    data = recording.make(codes, kind="categorical", unit=["seen"], time_unit="trial")
    fit = HGF(2, inputs="categorical", categories=3, learn=(), x1_tonic_volatility=-2.0).at({}, unit=["seen"])
    chances = []
    for category in range(3):
        alone = recording.make(codes == category, kind="binary", unit=["u"], time_unit="trial")
        beliefs = HGF(2, learn=(), x1_tonic_volatility=-2.0).at({}).infer(alone)
        found = fit.infer(data)
        np.testing.assert_allclose(
            found["mean"].sel(node=f"x1_{category}"), beliefs["mean"].sel(node="x1"), atol=1e-5
        )
        chances.append(beliefs["expected_mean"].sel(node="u").values)
    table = np.stack(chances, axis=1)
    table = table / table.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fit.predict(data, mode="past")["mean"].values[:, 0], table, atol=1e-5)
    wanted = np.log(table[np.arange(50), codes[:, 0]])
    np.testing.assert_allclose(fit.log_likelihood(data).values.ravel(), wanted, atol=1e-4)


def test_a_volatility_shared_by_categories_is_one_parameter():
    model = HGF(3, inputs="categorical", categories=3)
    assert model.plan().names == ("x1.tonic_volatility",)
    fit = model.at({"x1.tonic_volatility": -1.5})
    fixed = HGF(3, inputs="categorical", categories=3, learn=(), x1_tonic_volatility=-1.5).at({})
    drawn = fit.simulate(60, key=0)
    assert set(np.unique(drawn["activity"])) <= {0, 1, 2}
    np.testing.assert_array_equal(fixed.simulate(60, key=0)["activity"], drawn["activity"])


def test_an_agent_learns_from_the_arm_it_takes_alone():
    fit = bandit(perseveration=0.2).at({"volatility": -3.0, "response.inverse_temperature": [6.0, 9.0]})
    data = fit.simulate(150, key=1, n_trials=2, environment=pays)
    rewards, choice = data["covariates"].values, data["activity"].values[..., 0].astype(int)
    seen = np.isfinite(rewards)
    assert (seen.sum(axis=-1) == 1).all()
    assert np.take_along_axis(seen, choice[..., None], axis=-1).all()
    assert (choice[:, 75:] == 0).mean() > 0.8
    fitted = bandit(perseveration=0.2).fit(data, key=0)
    value = fitted.infer(data)["expected_mean"].sel(node=[f"u_{arm}" for arm in ARMS]).values.astype(float)
    beta = fitted.values().sel(parameter="response.inverse_temperature").values[[0, 1], None, None]
    odds = beta * value
    odds[:, 1:] += 0.2 * np.eye(3)[choice[:, :-1]]
    table = odds - np.log(np.exp(odds).sum(axis=-1, keepdims=True))
    wanted = np.take_along_axis(table, choice[..., None], axis=-1)[..., 0]
    assert fitted.parameters.sizes["participant"] == 2
    np.testing.assert_allclose(fitted.log_likelihood(data).values, wanted, atol=1e-4)
    assert fitted.predict(data, mode="past")["mean"].shape == (2, 150, 1, 3)


def test_simulated_inputs_are_as_likely_as_the_network_has_it():
    model = HGF(2, inputs="continuous", learn=(), x2_tonic_volatility=-6.0)
    fit = model.at({})
    drawn = fit.simulate(400, key=0)
    predicted = fit.predict(drawn.drop_vars("expected_mean"), mode="past")
    scaled = (drawn["activity"] - predicted["mean"]) / np.sqrt(predicted["variance"])
    assert abs(float(scaled.mean())) < 0.15
    assert float((scaled**2).mean()) == pytest.approx(1.0, abs=0.25)


def test_simulated_responses_follow_the_inputs_given():
    data = shown(300)
    fit = HGF(2, source="u", response=BinaryResponse(3.0), learn=()).at({}, unit=["response"])
    drawn = fit.simulate(300, key=0, n_trials=2, inputs=data)
    chance = fit.predict(drawn.drop_vars("expected_mean").isel(trial=0), mode="past")["mean"].values.ravel()
    choice = drawn["activity"].values[..., 0]
    assert float((choice - chance).mean()) == pytest.approx(0, abs=0.07)
    assert not np.array_equal(choice[0], choice[1])
    np.testing.assert_array_equal(
        drawn["covariates"].sel(covariate="u").values.reshape(-1, 300)[0],
        data["covariates"].sel(covariate="u"),
    )


def test_measured_responses_are_simulated_in_their_own_units():
    rng = np.random.default_rng(0)
    data = shown(80)
    times = 500 + 40 * rng.normal(size=(80, 1))
    timed = recording.make(
        times,
        unit=["reaction time"],
        covariates={"u": (data["covariates"].sel(covariate="u").values, "after", "measured")},
        time_unit="trial",
    )
    fit = HGF(2, source="u", response=GaussianResponse("x1"), learn=()).fit(timed, key=0)
    drawn = fit.simulate(80, key=0, inputs=timed)
    assert float(drawn["activity"].mean()) == pytest.approx(500, abs=25)


def test_recovery_and_calibration_compare_truth_and_estimate():
    network = HGF(
        2,
        source="u",
        response=BinaryResponse(LogNormal(4.0, 0.5)),
        learn=(),
        x1_tonic_volatility=Normal(-3.0, 1.0),
    )
    found = recover(network, n_participants=24, n_time=300, key=0, inputs=shown(300))
    assert float(found["correlation"].sel(parameter="response.inverse_temperature")) > 0.6
    assert (found["deviation"] > 0).all()
    assert float(found["coverage"].min()) > 0.6
    ranks = calibrate(HGF(2, x1_tonic_volatility=Normal(-3.0, 1.0)), n_participants=20, n_time=100, key=0)
    assert int(ranks["count"].sum()) == 20
    with pytest.raises(ModelError, match="learns no parameter"):
        recover(HGF(2, learn=()), n_participants=5, n_time=10, key=0)
    with pytest.raises(ModelError, match="no learnt parameter 'omega'"):
        recover(network, n_participants=5, n_time=10, key=0, population={"omega": Normal(0.0, 1.0)})


def test_simulations_that_make_no_sense_are_refused_in_one_sentence():
    data = shown()
    responds = HGF(2, source="u", response=BinaryResponse(1.0), learn=()).at({})
    wrong = {
        "either inputs=": lambda: responds.simulate(10, key=0),
        "unknown option 'input'": lambda: responds.simulate(10, key=0, input=data),
        "10 trials in time": lambda: responds.simulate(20, key=0, inputs=data.isel(time=slice(0, 10))),
        "has no response": lambda: HGF(2).at({"x1.tonic_volatility": -3.0}).simulate(5, key=0, inputs=data),
        "was not fitted": lambda: responds.simulate(5, key=0, inputs=data, participants=["x"]),
        "one for every trial": lambda: responds.simulate(5, key=0, inputs=data, participants=["0", "0"]),
        "no learnt parameter": lambda: HGF(2).at({"omega": -3.0}),
        "no value is given": lambda: HGF(2).at({}),
        "above 0": lambda: bandit().at({"volatility": -3.0, "response.inverse_temperature": -1.0}),
        "two or more options": lambda: SoftmaxResponse(("u",)),
        "does not exist": lambda: HGF(2, source="u", response=SoftmaxResponse(("u", "v"))),
        "category": lambda: Input("u", kind="continuous", category=1),
    }
    for words, action in wrong.items():
        with pytest.raises(ModelError, match=words):
            action()
