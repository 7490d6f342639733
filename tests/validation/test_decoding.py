"""Behaviour decoded from rates: against ridge by hand, known ceilings, lags, and leaks from what is held out."""

import dataclasses

import numpy as np
import pytest

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.recording import make
from neurodyn.validation import decode_behaviour, holdout

QUICK = {"key": 0, "n_bootstrap": 50}


def made(n_trials=40, n_time=30, n_features=4, noise=0.5, lag=0, seed=0, missing=0.0):
    """Features, and two covariates that are linear in them `lag` bins earlier, with noise of known size."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(n_trials, n_time, n_features))
    for t in range(1, n_time):
        features[:, t] += 0.8 * features[:, t - 1]
    weights = draw.normal(size=(n_features, 2)) / 2
    signal = np.zeros((n_trials, n_time, 2))
    for t in range(n_time):
        if 0 <= t - lag < n_time:
            signal[:, t] = features[:, t - lag] @ weights
    behaviour = 3.0 + signal + noise * draw.normal(size=signal.shape)
    behaviour[draw.random(behaviour.shape) < missing] = np.nan
    recording = make(
        draw.poisson(1.0, size=(n_trials, n_time, 3)).astype(float),
        sampling_interval=0.02,
        kind="count",
        trial_coords={"condition": np.arange(n_trials) % 4},
        covariates={
            "vel_x": (behaviour[..., 0], "after", "measured"),
            "vel_y": (behaviour[..., 1], "after", "measured"),
            "cue": (np.zeros((n_trials, n_time)), "before", "exogenous"),
        },
    )
    return recording, features, signal


def test_the_decoder_is_ridge_regression_on_standardised_training_rates():
    recording, features, _ = made()
    split = holdout.trials(5)(recording)
    found = decode_behaviour(features, features, split, strengths=(0.1,), **QUICK)
    behaviour = recording["covariates"].values[..., :2].astype(float)
    test = np.isin(np.arange(40), split.test_trials)
    x, y = features[~test].reshape(-1, 4), behaviour[~test].reshape(-1, 2)
    mean, deviation = x.mean(0), x.std(0)
    z = (x - mean) / deviation
    weights = np.linalg.solve(z.T @ z + 0.1 * len(z) * np.eye(4), z.T @ (y - y.mean(0)))
    expected = y.mean(0) + ((features[test] - mean) / deviation) @ weights
    np.testing.assert_allclose(found["decoded"].values[test], expected, rtol=1e-6)
    truth = behaviour[test].reshape(-1, 2)
    error = ((truth - expected.reshape(-1, 2)) ** 2).sum(0)
    r2 = 1 - error / ((truth - truth.mean(0)) ** 2).sum(0)
    np.testing.assert_allclose(found["r2"], r2, rtol=1e-6)
    assert float(found["mean_r2"]) == pytest.approx(r2.mean())
    assert found["covariate"].values.tolist() == ["vel_x", "vel_y"]
    assert np.isnan(found["decoded"].values[~test]).all()
    np.testing.assert_array_equal(found["behaviour"].values[test], behaviour[test])
    assert (found.attrs["n_train"], found.attrs["n_test"], found.attrs["n_chunks"]) == (32 * 30, 8 * 30, 8)


def test_linear_behaviour_is_decoded_up_to_its_noise():
    recording, features, signal = made(n_trials=200, noise=0.7)
    found = decode_behaviour(features, features, holdout.trials(5)(recording), **QUICK)
    ceiling = 1 - 0.49 / (0.49 + signal.var(axis=(0, 1)))
    np.testing.assert_allclose(found["r2"], ceiling, atol=0.03)
    assert (found["strength"] < 0.01).all()


@pytest.mark.parametrize("lag", [0, 3, -2])
def test_the_lag_is_the_time_by_which_behaviour_follows_the_rates(lag):
    recording, features, signal = made(lag=lag, noise=1e-3, n_features=3)
    split = holdout.trials(5)(recording)
    right = decode_behaviour(features, features, split, lag=lag * 0.02, **QUICK)
    wrong = decode_behaviour(features, features, split, lag=(lag + 4) * 0.02, **QUICK)
    assert float(right["mean_r2"]) > 0.999
    assert float(wrong["mean_r2"]) < 0.6
    # What is decoded stands at the bin in which it was measured.
    test = split.test_trials
    known = np.isfinite(right["decoded"].values[test])
    np.testing.assert_allclose(right["decoded"].values[test][known], 3 + signal[test][known], atol=0.02)
    edge = np.isnan(right["decoded"].values[test][0, :, 0])
    assert np.flatnonzero(edge).tolist() == (list(range(lag)) if lag >= 0 else list(range(30 + lag, 30)))


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_held_out_behaviour_and_rates_change_no_weight(missing):
    recording, features, _ = made(missing=missing)
    split = holdout.trials(5)(recording)
    first = decode_behaviour(features, features, split, **QUICK)
    test = split.test_trials
    altered = recording["covariates"].values.copy()
    altered[test, :, :2] *= -7
    again = dataclasses.replace(
        split, recording=recording.assign(covariates=recording["covariates"].copy(data=altered))
    )
    elsewhere = np.full(features.shape, 1e5)
    elsewhere[~np.isin(np.arange(40), test)] = features[~np.isin(np.arange(40), test)]
    other = np.full(features.shape, -1e5)
    other[test] = features[test]
    second = decode_behaviour(elsewhere, other, again, **QUICK)
    np.testing.assert_array_equal(first["decoded"], second["decoded"])
    np.testing.assert_array_equal(first["strength"], second["strength"])


def test_missing_behaviour_counts_nowhere():
    recording, features, _ = made(missing=0.4, n_trials=100)
    found = decode_behaviour(features, features, holdout.trials(5)(recording), **QUICK)
    complete = made(n_trials=100)[0]
    full = decode_behaviour(features, features, holdout.trials(5)(complete), **QUICK)
    np.testing.assert_allclose(found["r2"], full["r2"], atol=0.05)
    np.testing.assert_array_equal(
        np.isfinite(found["behaviour"]),
        np.isfinite(recording["covariates"].values[..., :2]) & (full["behaviour"].notnull()),
    )


def test_strength_is_chosen_by_blocks_of_training_trials():
    # More features than the training trials can tell apart: the weakest penalty overfits.
    draw = np.random.default_rng(0)
    recording, features, _ = made(n_trials=15, n_time=4, noise=3.0)
    noisy = np.concatenate([features, draw.normal(size=(15, 4, 60))], axis=-1)
    split = holdout.trials(5)(recording)
    found = decode_behaviour(noisy, noisy, split, **QUICK)
    weak = decode_behaviour(noisy, noisy, split, strengths=(1e-6,), **QUICK)
    assert (found["strength"] >= 0.03).all()
    assert float(found["mean_r2"]) > float(weak["mean_r2"]) + 0.3


def test_the_floor_is_the_course_of_the_training_trials_of_the_same_condition():
    recording, features, _ = made(n_trials=60, noise=0.3)
    time = np.sin(np.arange(30) / 4)
    by_condition = np.array([1.0, -1.0, 0.5, 2.0])[np.arange(60) % 4]
    values = recording["covariates"].values.copy()
    values[..., 0] += 4 * time
    values[..., 1] += 4 * by_condition[:, None] * time
    moved = recording.assign(covariates=recording["covariates"].copy(data=values))
    split = holdout.trials(5, within="condition")(moved)
    plain = decode_behaviour(features, features, split, **QUICK)
    known = decode_behaviour(features, features, split, within="condition", **QUICK)
    assert plain["floor"][0] > 0.6
    assert plain["floor"][1] < 0.5
    assert (known["floor"] > 0.6).all()
    train = np.setdiff1d(np.arange(60), split.test_trials)
    test = split.test_trials
    course = values[train].astype(float).mean(0)
    truth = values[test].astype(float)
    for column in range(2):
        error = ((truth[..., column] - course[:, column]) ** 2).sum()
        spread = ((truth[..., column] - truth[..., column].mean()) ** 2).sum()
        assert float(plain["floor"][column]) == pytest.approx(1 - error / spread, rel=1e-5)
    np.testing.assert_allclose(plain["gain"], plain["r2"] - plain["floor"])
    assert float(plain["mean_gain"]) == pytest.approx(float(plain["gain"].mean()))


def test_rates_of_another_session_decode_nothing_and_the_interval_says_so():
    recording, features, _ = made(n_trials=60)
    unrelated = np.random.default_rng(9).normal(size=features.shape)
    found = decode_behaviour(unrelated, unrelated, holdout.trials(5)(recording), key=0)
    assert float(found["mean_r2"]) < 0.02
    assert float(found["mean_r2_lower"]) < 0.01
    assert float(found["mean_gain_lower"]) <= 0 <= float(found["mean_gain_upper"])


def test_the_standard_error_is_that_of_other_test_trials():
    values, errors = [], []
    for seed in range(12):
        recording, features, _ = made(n_trials=60, noise=1.5, seed=0)
        order = np.random.default_rng(seed).permutation(60)
        split = holdout.trials(5)(recording.isel(trial=order))
        found = decode_behaviour(features[order], features[order], split, key=seed, n_bootstrap=200)
        values.append(float(found["r2"][0]))
        errors.append(float(found["r2_standard_error"][0]))
    assert 0.5 < np.mean(errors) / np.std(values, ddof=1) < 2


def test_a_recording_without_trials_is_decoded_by_blocks_of_time():
    recording, features, _ = made(n_trials=1, n_time=2000)
    covariates = recording["covariates"].isel(trial=0, drop=True)
    one = recording.isel(trial=0, drop=True).drop_vars("covariates").assign(covariates=covariates)
    one = one.drop_vars([name for name in ("n_bins", "condition") if name in one.coords])
    split = holdout.blocks(5, gap=10)(one)
    found = decode_behaviour(features[0], features[0], split, covariates="vel_x", **QUICK)
    assert found["decoded"].dims == ("time", "covariate")
    assert float(found["r2"][0]) > 0.5
    assert found.attrs["n_chunks"] >= 10
    assert float(found["floor"][0]) <= 0


def test_co_smoothing_trains_on_the_bins_that_may_be_fed_and_never_on_forward_bins():
    recording, features, _ = made()
    units = holdout.units(0.34, trials=0.2, key=0)(recording)
    assert decode_behaviour(features, features, units, **QUICK).attrs["n_train"] == 32 * 30
    forward = units.inputs_mask.copy()
    forward[:, 25:] = False
    fewer = dataclasses.replace(units, inputs_mask=forward)
    assert decode_behaviour(features, features, fewer, **QUICK).attrs["n_train"] == 32 * 25


def test_bad_input_is_named():
    recording, features, _ = made(n_trials=10)
    split = holdout.trials(5)(recording)
    for options, words in (
        ({"lag": 0.03}, "lag is 0.03"),
        ({"lag": float("nan")}, "lag is nan"),
        ({"strengths": ()}, "strengths is"),
        ({"strengths": (0.0, 1.0)}, "strengths is"),
        ({"n_folds": 1}, "n_folds is 1"),
        ({"level": 0}, "level is 0"),
        ({"n_bootstrap": -1}, "n_bootstrap is -1"),
    ):
        with pytest.raises(ModelError, match=words):
            decode_behaviour(features, features, split, **{**QUICK, **options})
    for options, words in (
        ({"covariates": "gaze"}, "no covariate gaze; the recording has vel_x, vel_y, cue"),
        ({"covariates": ()}, "none named"),
        ({"within": "cue"}, "needs the coordinate 'cue'"),
        ({"lag": 5.0}, "vel_x was never measured in the training bins"),
    ):
        with pytest.raises(NotApplicable, match=words):
            decode_behaviour(features, features, split, **{**QUICK, **options})
    with pytest.raises(ModelError, match=r"train_rates has shape \(9, 30, 4\)"):
        decode_behaviour(features[:9], features, split, **QUICK)
    with pytest.raises(ModelError, match="4 features and test_rates 2"):
        decode_behaviour(features, features[..., :2], split, **QUICK)
    broken = features.copy()
    broken[split.test_trials[0], 0, 0] = np.nan
    decode_behaviour(broken, features, split, **QUICK)
    with pytest.raises(ModelError, match="test_rates is not finite"):
        decode_behaviour(features, broken, split, **QUICK)
    with pytest.raises(ModelError, match="both trained on and scored under entries"):
        decode_behaviour(features, features, holdout.entries(0.2, key=0)(recording), **QUICK)
    bare = recording.drop_vars(["covariates", "covariate", "available", "role"])
    with pytest.raises(NotApplicable, match="the recording has none"):
        decode_behaviour(features, features, holdout.trials(5)(bare), **QUICK)
    only = recording.isel(covariate=[2])
    with pytest.raises(NotApplicable, match="no measured covariate among cue"):
        decode_behaviour(features, features, holdout.trials(5)(only), **QUICK)
