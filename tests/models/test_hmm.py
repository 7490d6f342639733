"""The hidden Markov model against outside oracles, enumeration and its own contract."""

import dataclasses
import itertools

import hmmlearn.hmm
import jax
import numpy as np
import pytest
import scipy.stats
import xarray as xr

from neurodyn import recording as rec
from neurodyn.errors import ModelError, NeurodynWarning, RecordingError
from neurodyn.models import HMM, HMMFit
from neurodyn.models.hmm.states import stationary_distribution

K, D = 3, 2


@pytest.fixture(scope="module")
def truth() -> HMMFit:
    """A three-state model with made-up parameters, starting from `initial`."""
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(K, D, D)) * 0.4 + np.eye(D)
    parameters = xr.Dataset(
        {
            "initial": ("state", [0.5, 0.3, 0.2]),
            "transition": (("state", "state_next"), [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.05, 0.05, 0.9]]),
            "mean": (("state", "unit"), rng.normal(size=(K, D)) * 2),
            "covariance": (("state", "unit", "unit_2"), factor @ factor.swapaxes(1, 2)),
            "trial_start": ((), np.int8(1)),
        },
        coords={"state": range(K), "state_next": range(K), "unit": ["a", "b"], "unit_2": ["a", "b"]},
    )
    return HMMFit(model=HMM(n_states=K, emission="gaussian"), parameters=parameters)


def oracle(fit: HMMFit) -> hmmlearn.hmm.GaussianHMM:
    """The same model in hmmlearn."""
    other = hmmlearn.hmm.GaussianHMM(K, "full")
    other.startprob_ = fit.parameters["initial"].values
    other.transmat_ = fit.parameters["transition"].values
    other.means_ = fit.parameters["mean"].values
    other.covars_ = fit.parameters["covariance"].values
    return other


def ragged(lengths, seed=1, dtype="float32"):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(n, D)).cumsum(0).astype(dtype) for n in lengths]
    return rec.make(parts, sampling_interval=0.1, unit=["a", "b"], dtype=dtype), parts


@pytest.mark.parametrize("lengths", [(40,), (1, 17, 5), (1, 1, 1)])
def test_log_likelihood_and_posterior_equal_hmmlearn(truth, lengths):
    recording, parts = ragged(lengths)
    rounded = np.concatenate(parts).astype(np.float64)
    expected, posterior = oracle(truth).score_samples(rounded, list(lengths))
    terms = truth.log_likelihood(recording)
    assert terms.attrs["kind"] == "exact"
    np.testing.assert_allclose(terms.sum(), expected, rtol=1e-5)
    found = truth.infer(recording)["state_probability"].values
    found = np.concatenate([found[i, :n] for i, n in enumerate(lengths)])
    np.testing.assert_allclose(found, posterior, atol=2e-5)


def test_double_precision_equals_hmmlearn_to_nine_digits(truth):
    with jax.enable_x64(True):
        recording, parts = ragged((31, 9), dtype="float64")
        expected, posterior = oracle(truth).score_samples(np.concatenate(parts), [31, 9])
        np.testing.assert_allclose(truth.log_likelihood(recording).sum(), expected, rtol=1e-9)
        found = truth.infer(recording)["state_probability"].values
        np.testing.assert_allclose(np.concatenate([found[0], found[1, :9]]), posterior, atol=1e-9)


def enumerate_paths(fit: HMMFit, values: np.ndarray) -> tuple[float, np.ndarray]:
    """Log-likelihood and smoothed probabilities by summing over every path, with scipy marginals."""
    p = fit.parameters
    initial, transition = p["initial"].values, p["transition"].values
    mean, covariance = p["mean"].values, p["covariance"].values
    emitted = np.ones((len(values), K))
    for t, k in itertools.product(range(len(values)), range(K)):
        seen = np.isfinite(values[t])
        if seen.any():
            emitted[t, k] = scipy.stats.multivariate_normal(
                mean[k][seen], covariance[k][np.ix_(seen, seen)]
            ).pdf(values[t][seen])
    total, smoothed = 0.0, np.zeros((len(values), K))
    for path in itertools.product(range(K), repeat=len(values)):
        weight = initial[path[0]] * emitted[0, path[0]]
        for t in range(1, len(values)):
            weight *= transition[path[t - 1], path[t]] * emitted[t, path[t]]
        total += weight
        for t, k in enumerate(path):
            smoothed[t, k] += weight
    return float(np.log(total)), smoothed / total


def test_missing_data_equal_enumeration_of_all_paths(truth):
    rng = np.random.default_rng(5)
    values = rng.normal(size=(7, D)) * 2
    values[2, 0] = values[3] = values[6, 1] = np.nan
    recording = rec.make(values, sampling_interval=0.1, unit=["a", "b"])
    expected, smoothed = enumerate_paths(truth, recording["activity"].values.astype(np.float64))
    np.testing.assert_allclose(truth.log_likelihood(recording).sum(), expected, rtol=1e-5)
    np.testing.assert_allclose(truth.infer(recording)["state_probability"], smoothed, atol=2e-5)


def test_missing_entries_are_predicted_by_the_conditional_mean(truth):
    rng = np.random.default_rng(6)
    values = rng.normal(size=(6, D)) * 2
    values[3, 0] = np.nan
    recording = rec.make(values, sampling_interval=0.1, unit=["a", "b"])
    _, smoothed = enumerate_paths(truth, recording["activity"].values.astype(np.float64))
    p = truth.parameters
    mean, covariance = p["mean"].values, p["covariance"].values
    conditional = mean[:, 0] + covariance[:, 0, 1] / covariance[:, 1, 1] * (values[3, 1] - mean[:, 1])
    prediction = truth.predict(recording)["mean"].values
    np.testing.assert_allclose(prediction[3, 0], smoothed[3] @ conditional, rtol=1e-4)
    np.testing.assert_allclose(prediction[0], smoothed[0] @ mean, rtol=1e-4)


def test_given_entries_are_subtracted_from_the_joint(truth):
    recording, _ = ragged((20,))
    hidden = np.zeros(recording["activity"].shape, bool)
    hidden[..., 8:12, :] = True
    given = rec.hide(recording, xr.DataArray(hidden, dims=recording["activity"].dims))
    target = rec.hide(recording, xr.DataArray(~hidden, dims=recording["activity"].dims))
    joint = float(truth.log_likelihood(recording).sum())
    known = float(truth.log_likelihood(given).sum())
    assert float(truth.log_likelihood(target, given=given).sum()) == pytest.approx(joint - known, abs=1e-3)


def planted(n_time=600, n_trials=4, seed=0, truth_fit=None):
    return truth_fit.simulate(n_time, n_trials=n_trials, key=seed)


def test_simulated_states_occur_as_often_as_the_chain_says(truth):
    states = planted(2000, 4, truth_fit=truth)["state"].values
    share = np.bincount(states[:, 200:].ravel(), minlength=K) / states[:, 200:].size
    expected = stationary_distribution(truth.parameters["transition"].values)
    np.testing.assert_allclose(share, expected, atol=0.05)


def test_fit_recovers_the_generating_parameters(truth):
    recording = planted(truth_fit=truth)
    fit = HMM(n_states=K, concentration=1.0).fit(recording, key=0)
    best = float(truth.log_likelihood(recording).sum())
    assert float(fit.trace.objective[-1]) > best
    matched = truth.match(fit, recording)
    np.testing.assert_allclose(matched.parameters["mean"], truth.parameters["mean"], atol=0.2)
    np.testing.assert_allclose(matched.parameters["transition"], truth.parameters["transition"], atol=0.06)


def test_states_are_matched_on_observed_bins_alone(truth):
    """Whatever the two fits think of the many bins that nobody saw, where the second is certain of a state of its own."""
    values = np.full((2, 1060, D), np.nan, np.float32)
    values[:, :60] = planted(60, 2, truth_fit=truth)["activity"].values
    padded = rec.make(values, sampling_interval=0.1, unit=["a", "b"])
    usual = int(stationary_distribution(truth.parameters["transition"].values).argmax())
    moved = truth.permute_states(np.roll(np.arange(K), usual + 1))
    rows = np.full((K, K), 0.01) + 0.97 * np.eye(K)[0]
    forgetful = dataclasses.replace(
        moved, parameters=moved.parameters.assign(transition=(("state", "state_next"), rows))
    )
    again = truth.match(forgetful, padded)
    np.testing.assert_allclose(again.parameters["mean"], truth.parameters["mean"])


@pytest.mark.parametrize("order", [[0, 0, 1], [0, 1], [1, 2, 3]])
def test_an_order_of_states_names_every_one_once(truth, order):
    with pytest.raises(ModelError, match="name every one from 0 on once"):
        truth.permute_states(order)


@pytest.mark.parametrize("accelerate", [False, True])
def test_em_never_decreases_the_likelihood(truth, accelerate):
    recording = planted(truth_fit=truth)
    fit = HMM(n_states=4).fit(recording, key=1, restarts=1, accelerate=accelerate)
    gains = np.diff(fit.trace.objective)
    assert len(gains) > 3
    assert gains.min() > -1e-6 * abs(fit.trace.objective[0])


def test_acceleration_reaches_no_worse_an_optimum_in_fewer_steps(truth):
    recording = planted(truth_fit=truth)
    plain = HMM(n_states=K).fit(recording, key=1, restarts=1, accelerate=False, tolerance=1e-7)
    fast = HMM(n_states=K).fit(recording, key=1, restarts=1, accelerate=True, tolerance=1e-7)
    assert fast.trace.objective[-1] > plain.trace.objective[-1] - 0.05


def test_batched_restarts_equal_single_runs(truth, monkeypatch):
    from neurodyn.inference import em_driver

    recording = planted(150, 2, truth_fit=truth)
    alone = HMM(n_states=K).fit(recording, key=2, restarts=3)
    monkeypatch.setattr(em_driver, "BATCH_ELEMENTS", 1 << 20)
    together = HMM(n_states=K).fit(recording, key=2, restarts=3)
    np.testing.assert_allclose(together.trace.restarts, alone.trace.restarts, rtol=1e-4)


def test_a_killed_fit_resumes_to_the_same_numbers(truth, tmp_path):
    from neurodyn.inference import em_driver

    recording = planted(300, 2, truth_fit=truth)
    options = {"key": 3, "restarts": 2, "tolerance": 1e-7}
    whole = HMM(n_states=K).fit(recording, **options)

    class Stop:
        calls = 0

        def update(self, fraction, text):
            Stop.calls += 1
            if Stop.calls == 2:
                raise RuntimeError("killed")

    path = tmp_path / "fit.npz"
    chunk, em_driver.CHUNK_SECONDS = em_driver.CHUNK_SECONDS, 1e-9
    try:
        with pytest.raises(RuntimeError, match="killed"):
            HMM(n_states=K).fit(recording, **options, checkpoint=path, checkpoint_seconds=0, progress=Stop())
    finally:
        em_driver.CHUNK_SECONDS = chunk
    assert path.exists()
    resumed = HMM(n_states=K).fit(recording, **options, checkpoint=path)
    np.testing.assert_array_equal(resumed.trace.objective, whole.trace.objective)
    xr.testing.assert_identical(resumed.parameters, whole.parameters)
    assert not path.exists()


def test_an_interrupt_keeps_the_best_so_far(truth):
    recording = planted(300, 2, truth_fit=truth)

    class Interrupt:
        def update(self, fraction, text):
            raise KeyboardInterrupt

    with pytest.warns(NeurodynWarning, match="interrupted"):
        fit = HMM(n_states=K).fit(recording, key=0, tolerance=0, progress=Interrupt())
    assert not fit.trace.converged
    assert "interrupted" in fit.trace.reason
    assert np.isfinite(fit.predict(recording)["mean"]).all()


def test_a_checkpoint_of_another_fit_is_refused(truth, tmp_path):
    from neurodyn.errors import FileError

    recording = planted(100, 2, truth_fit=truth)
    path = tmp_path / "fit.npz"
    path.write_bytes(b"not an archive")
    with pytest.raises(FileError, match="damaged"):
        HMM(n_states=K).fit(recording, key=0, checkpoint=path)


def test_starts_ignore_padding_and_units_never_seen():
    from neurodyn.inference.emissions import Gaussian
    from neurodyn.models.hmm.layout import fast_sequence, lay_out
    from neurodyn.models.hmm.starting import draw_starts

    rng = np.random.default_rng(4)
    values = rng.normal(size=(3, 40, 3)).astype(np.float32)
    values[:, 20:] += 2
    mask = np.ones(values.shape, bool)
    mask[1, 33:] = False
    longer = np.concatenate([values, np.zeros((3, 37, 3), np.float32)], axis=1)
    longer = np.concatenate([longer, np.zeros((3, 77, 1), np.float32)], axis=2)
    longer_mask = np.zeros(longer.shape, bool)
    longer_mask[:, :40, :3] = mask

    def found(values, mask):
        layout = lay_out(values, mask, strip=True)
        sequence = fast_sequence(layout, Gaussian())
        return draw_starts(jax.random.key(0), Gaussian(), sequence, layout, 3, 6)

    for one, other in zip(found(values, mask), found(longer, longer_mask), strict=True):
        np.testing.assert_array_equal(one.transition, other.transition)
        np.testing.assert_allclose(one.emission["mean"], other.emission["mean"][:, :3], atol=1e-5)


def test_a_second_fit_of_the_same_shape_compiles_nothing(truth):
    from neurodyn.inference.em import em_chunk, em_chunk_batch

    first, second = planted(200, 2, seed=1, truth_fit=truth), planted(200, 2, seed=2, truth_fit=truth)
    HMM(n_states=K).fit(first, key=0)
    before = em_chunk.cache_size(), em_chunk_batch.cache_size()
    HMM(n_states=K).fit(second, key=1)
    assert (em_chunk.cache_size(), em_chunk_batch.cache_size()) == before


def test_a_new_recording_starts_from_the_stationary_distribution():
    values = np.concatenate([np.zeros((100, 1)), np.full((100, 1), 9.0)]) + np.random.default_rng(0).normal(
        size=(200, 1)
    )
    fit = HMM(n_states=2).fit(rec.make(values, sampling_interval=1.0), key=0)
    late = rec.make(values[150:], sampling_interval=1.0)
    first = float(fit.log_likelihood(late)[0])
    assert first > -8, "a one-hot start learnt at the first sample would cost far more"


def test_states_that_lose_all_bins_are_reported(truth):
    values = np.zeros((60, 1)) + np.repeat([[0.0], [1.0]], 30, axis=0)
    recording = rec.make(values, sampling_interval=1.0)
    fit = HMM(n_states=2).fit(recording, key=0)
    assert np.isfinite(fit.parameters["covariance"]).all()
    assert np.isfinite(fit.log_likelihood(recording)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_states": 0}, "n_states is 0"),
        ({"n_states": 2.5}, "n_states is 2.5"),
        ({"n_states": 2, "emission": "gauss"}, "emission is 'gauss'"),
        ({"n_states": 2, "sticky": -1}, "sticky is -1"),
        ({"n_states": 2, "concentration": 0.5}, "concentration is 0.5"),
        ({"n_states": 2, "start": "first"}, "start is 'first'"),
    ],
)
def test_hyperparameters_out_of_range_are_named(arguments, message):
    with pytest.raises(ModelError, match=message):
        HMM(**arguments)


def test_too_short_a_recording_is_refused(truth):
    with pytest.raises(RecordingError, match="2 observed time bins for 3 states"):
        HMM(n_states=3).fit(rec.make(np.ones((2, 1)), sampling_interval=1.0), key=0)
    with pytest.raises(ModelError, match="unknown option 'restart'"):
        HMM(n_states=2).fit(planted(50, 1, truth_fit=truth), key=0, restart=3)


def test_wrong_kind_of_unit_is_refused():
    counts = rec.make(np.ones((50, 2)), sampling_interval=1.0, kind="binary")
    with pytest.raises(RecordingError, match="binary"):
        HMM(n_states=2, emission="gaussian").fit(counts, key=0)


def test_sticky_prior_lengthens_dwell_times(truth):
    recording = planted(100, 2, truth_fit=truth)
    loose = HMM(n_states=K).fit(recording, key=0)
    sticky = HMM(n_states=K, sticky=500.0).fit(recording, key=0)
    diagonal = [np.diag(fit.parameters["transition"].values).mean() for fit in (loose, sticky)]
    assert diagonal[1] > diagonal[0]


def test_transitions_follow_their_covariate():
    rng = np.random.default_rng(0)
    drive = np.sign(np.sin(np.arange(3000) / 37.0))
    states = np.zeros(3000, int)
    for t in range(1, 3000):
        to_one = 0.3 if drive[t] > 0 else 0.01
        to_zero = 0.01 if drive[t] > 0 else 0.3
        states[t] = rng.random() < to_one if states[t - 1] == 0 else rng.random() >= to_zero
    values = states[:, None] * 3.0 + rng.normal(size=(3000, 1))
    recording = rec.make(values, sampling_interval=0.1, covariates={"drive": drive})
    plain = HMM(n_states=2).fit(recording, key=0)
    driven = HMM(n_states=2, transition_covariates=("drive",)).fit(recording, key=0)
    assert np.diff(driven.trace.objective).min() > -0.05
    gain = float((driven.log_likelihood(recording) - plain.log_likelihood(recording)).sum())
    assert gain > 100
    high = int(driven.parameters["mean"].values.ravel().argmax())
    weight = driven.parameters["transition_weight"].values[1 - high, :, 0]
    odds = 2 * (weight[high] - weight[1 - high])
    assert odds == pytest.approx(np.log(0.3 / 0.7) - np.log(0.01 / 0.99), abs=0.8)
    with pytest.raises(RecordingError, match="no covariates"):
        driven.predict(recording.drop_vars(["covariates"]))


@pytest.fixture(scope="module")
def autoregressive():
    """Two ways of moving: one smooth, one alternating."""
    rng = np.random.default_rng(3)
    values = np.zeros((800, 2))
    for t in range(1, 800):
        values[t] = (0.9 if (t // 100) % 2 else -0.7) * values[t - 1] + rng.normal(size=2)
    recording = rec.make(values, sampling_interval=0.1)
    return recording, HMM(n_states=2, emission="autoregressive").fit(recording, key=0, restarts=3)


def test_autoregressive_states_find_two_ways_of_moving(autoregressive):
    recording, fit = autoregressive
    slopes = sorted(np.diagonal(fit.parameters["coefficients"].values[:, 0], axis1=1, axis2=2).mean(1))
    np.testing.assert_allclose(slopes, [-0.7, 0.9], atol=0.1)
    path = fit.infer(recording)["state_path"].values
    truth = (np.arange(800) // 100) % 2
    assert max(np.mean(path == truth), np.mean(path != truth)) > 0.95


@pytest.mark.parametrize("horizon", [1, 2, 3])
def test_autoregressive_forecasts_use_nothing_younger_than_the_horizon(autoregressive, horizon):
    recording, fit = autoregressive
    short = recording.isel(time=slice(0, 40))
    forecast = fit.predict(short, mode="past", horizon=horizon)["mean"].values
    for t in (0, 1, 10, 25):
        masked = short.copy(deep=True)
        masked["activity"][max(t - horizon + 1, 0) :] = np.nan
        alone = fit.predict(masked, mode="past", horizon=1)["mean"].values[t]
        np.testing.assert_allclose(forecast[t], alone, atol=2e-3)


def test_autoregressive_likelihood_is_exact_where_the_past_was_observed(autoregressive):
    recording, fit = autoregressive
    gap = recording.isel(time=slice(0, 40)).copy(deep=True)
    gap["activity"][20, 0] = np.nan
    terms = fit.log_likelihood(gap)
    assert terms.attrs["kind"] == "estimate"
    assert np.flatnonzero(~terms["exact"].values).tolist() == [21]


def test_one_state_is_a_single_gaussian(truth):
    recording = planted(100, 2, truth_fit=truth)
    fit = HMM(n_states=1).fit(recording, key=0)
    values = recording["activity"].values.reshape(-1, D).astype(np.float64)
    np.testing.assert_allclose(fit.parameters["mean"][0], values.mean(0), rtol=1e-3)
    expected = scipy.stats.multivariate_normal(values.mean(0), np.cov(values.T, bias=True)).logpdf(values)
    np.testing.assert_allclose(fit.log_likelihood(recording).values.ravel(), expected, rtol=1e-3, atol=1e-3)
