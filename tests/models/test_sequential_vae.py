"""Sequential variational autoencoders through the public verbs."""

import dataclasses
import functools
import warnings

import jax
import numpy as np
import pytest
import xarray as xr

import neurodyn
from neurodyn import recording
from neurodyn.analysis.dynamics import fixed_points, rollout
from neurodyn.errors import ModelError, NeurodynWarning, NotApplicable, RecordingError
from neurodyn.inference.vae.potentials import CoupledChannels, NoPotential
from neurodyn.models.vae import (
    GRUEncoder,
    IndependentNoise,
    LangevinFlow,
    LinearDecoder,
    LinearDynamics,
    Masking,
    RandomWalk,
    SequentialVAE,
    Training,
    TransformerDecoder,
    lfads,
    published_langevin_flow,
)
from neurodyn.models.vae.layout import part, rows, tiled, unit_seeds
from neurodyn.models.vae.parameters import from_dataset, to_dataset

TINY = Training(epochs=3, batch_size=8, warm_up=2)


def tiny(**changes) -> SequentialVAE:
    parts = {
        "encoder": GRUEncoder(6, bidirectional=False),
        "latent": LangevinFlow(width=4),
        "decoder": LinearDecoder(6),
        "training": TINY,
        "ablate": None,
    }
    return SequentialVAE(**{**parts, **changes})


@functools.cache
def waves(n_trials: int = 60, n_time: int = 24, n_units: int = 12) -> xr.Dataset:
    """Counts whose rates follow two oscillations with a phase of each trial's own; the true ``rates`` beside."""
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 2 * np.pi, n_trials)[:, None] + np.arange(n_time) * 2 * np.pi / 12
    latent = np.stack([np.cos(phase), np.sin(phase)], axis=-1)
    rates = np.exp(0.8 * latent @ rng.normal(size=(2, n_units)) - 0.5)
    found = recording.make(rng.poisson(rates), sampling_interval=0.02, kind="count")
    return found.assign(rates=(("trial", "time", "unit"), rates))


def counts(n_trials: int = 12, n_time: int = 10, n_units: int = 3) -> xr.Dataset:
    return recording.make(
        np.random.default_rng(1).poisson(1.0, (n_trials, n_time, n_units)),
        sampling_interval=0.02,
        kind="count",
    )


def r_squared(found, true) -> float:
    return float(1 - ((found - true) ** 2).sum() / ((true - true.mean()) ** 2).sum())


def test_it_finds_rates_that_no_trial_average_can():
    data = waves()
    train, test = data.isel(trial=slice(0, 48)), data.isel(trial=slice(48, None))
    model = SequentialVAE(
        encoder=GRUEncoder(24),
        decoder=LinearDecoder(24),
        ablate="latent",
        training=Training(epochs=60, batch_size=16),
    )
    rates = model.fit(train, key=0).predict(test)["mean"].values
    true = test["rates"].values
    psth = np.broadcast_to(train["activity"].mean("trial").values, true.shape)
    assert r_squared(rates, true) > 0.7
    assert r_squared(psth, true) < 0.2


def test_what_inputs_hide_is_never_fed():
    data = counts()
    hidden = np.zeros((1, 1, 3), bool)
    hidden[..., 2] = True
    inputs = recording.hide(data, np.broadcast_to(hidden, data["activity"].shape))
    fit = tiny().fit(data, inputs=inputs, key=0)
    weights = fit.parameters["network.encoder.forward.input.weight"].values
    started = tiny(training=dataclasses.replace(TINY, learning_rate=0.0)).fit(data, inputs=inputs, key=0)
    first = started.parameters["network.encoder.forward.input.weight"].values
    shrinkage = weights[2] / first[2]
    np.testing.assert_allclose(shrinkage, shrinkage.mean(), rtol=1e-4)  # decay alone has moved them
    assert np.std(weights[0] / first[0]) > 1e-3


def test_future_counts_cannot_change_past_rates_of_a_causal_network():
    data = counts()
    fit = tiny(decoder=TransformerDecoder(6, feed_forward=6, causal=True)).fit(data, key=0)
    changed = data.copy(deep=True)
    changed["activity"].values[:, 6:] += 5
    for mode in ("present", "all"):
        before, after = (fit.predict(d, mode=mode)["mean"].values for d in (data, changed))
        np.testing.assert_array_equal(before[:, :6], after[:, :6])
        assert np.abs(before[:, 6:] - after[:, 6:]).max() > 1e-4


def test_a_network_that_looks_ahead_may_not_in_the_present():
    data = counts()
    fit = tiny(encoder=GRUEncoder(6)).fit(data, key=0)
    changed = data.copy(deep=True)
    changed["activity"].values[:, 6:] += 5
    before, after = (fit.predict(d, mode="present")["mean"].values for d in (data, changed))
    np.testing.assert_allclose(before[:, :6], after[:, :6], rtol=1e-6)
    both = [fit.predict(d)["mean"].values for d in (data, changed)]
    assert np.abs(both[0][:, :6] - both[1][:, :6]).max() > 1e-5


def test_a_prediction_averaged_over_draws_depends_on_no_other_trial():
    data = counts()
    fit = tiny(passes=4).fit(data, key=0)
    whole = fit.predict(data)["mean"].values
    np.testing.assert_allclose(fit.predict(data.isel(trial=[3, 5]))["mean"].values, whole[[3, 5]], rtol=1e-5)
    assert np.abs(fit.predict(data, key=1)["mean"].values - whole).max() > 1e-6
    np.testing.assert_array_equal(fit.predict(data, key=1)["mean"], fit.predict(data, key=1)["mean"])


def test_a_killed_fit_goes_on_to_the_same_parameters(tmp_path):
    data = counts()
    whole = tiny().fit(data, key=0)

    class Killed:
        def update(self, fraction, text):
            if fraction > 0.3:
                raise RuntimeError("killed")

    path = tmp_path / "state.npz"
    with pytest.raises(RuntimeError, match="killed"):
        tiny().fit(data, key=0, checkpoint=path, checkpoint_seconds=0.0, progress=Killed())
    assert path.exists()
    again = tiny().fit(data, key=0, checkpoint=path)
    xr.testing.assert_identical(again.parameters, whole.parameters)


def test_restarts_keep_the_best_held_out_score_in_one_batch_or_one_by_one():
    data = counts()
    apart = tiny().fit(data, key=0, restarts=3)
    together = tiny().fit(data, key=0, restarts=3, together=True)
    np.testing.assert_allclose(apart.trace.restarts, together.trace.restarts, rtol=1e-4)
    assert apart.trace.objective[-1] == apart.trace.restarts.max()


def test_latents_are_inferred_and_data_simulated_where_the_decoder_sees_the_latent_alone():
    data = counts()
    fit = lfads(width=4, factors=3, inputs=2, training=TINY).fit(data, key=0)
    posterior = fit.infer(data)
    assert posterior["mean"].shape == (12, 10, 4)
    assert (posterior["standard_deviation"] >= 0).all()
    assert float(posterior["standard_deviation"].max()) > 0
    drawn = fit.simulate(15, n_trials=200, key=0)
    assert drawn["activity"].shape == (200, 15, 3)
    np.testing.assert_allclose(drawn["activity"].mean(("trial", "time")), 1.0, atol=0.5)
    dynamics = fit.dynamics()
    assert (dynamics.n_state, dynamics.n_input) == (4, 2)
    first, second = jax.random.split(jax.random.key(0))
    start, push = jax.random.normal(first, (3, 4)), jax.random.normal(second, (3, 6, 2))
    prior = fit.network.latent.prior(fit.network_parameters["latent"], 3, 7, jax.random.key(0))
    np.testing.assert_allclose(
        rollout(dynamics, start, push.swapaxes(0, 1)).swapaxes(0, 1), prior[:, 1:], atol=1e-5
    )
    found = fixed_points(dynamics, start)
    np.testing.assert_allclose(dynamics.step(found.state, np.zeros(2)), found.state, atol=1e-3)
    beside = tiny().fit(data, key=0)
    with pytest.raises(NotApplicable, match="reads_encoder=False"):
        beside.simulate(5, key=0)


def test_the_published_model_is_the_publications():
    model = published_langevin_flow("dmfc_rsg", width=8, training=TINY, passes=2)
    assert (model.latent.gamma, model.masking.keep, model.latent.eta) == (0.70, 0.6, 0.01)
    assert not model.latent.drive
    fit = model.fit(counts(), key=0)
    assert fit.parameters["network.decoder.project.weight"].shape == (24, 72)
    assert np.isfinite(fit.predict(counts())["mean"]).all()
    with pytest.raises(ModelError, match="mc_gaze"):
        published_langevin_flow("mc_gaze")


def test_continuous_recordings_are_predicted_in_their_own_units():
    rng = np.random.default_rng(0)
    level = np.repeat(rng.normal(size=(40, 1, 1)), 12, axis=1)
    values = 100 + 30 * (level + 0.3 * rng.normal(size=(40, 12, 4)))
    data = recording.make(values, sampling_interval=0.1)
    model = tiny(encoder=GRUEncoder(12), ablate="latent", training=Training(epochs=60, batch_size=16))
    fit = model.fit(data.isel(trial=slice(0, 32)), key=0)
    found = fit.predict(data.isel(trial=slice(32, None)))
    true = np.broadcast_to(100 + 30 * level[32:], found["mean"].shape)
    assert r_squared(found["mean"].values, true) > 0.6
    assert 5 < float(np.sqrt(found["variance"].median())) < 25


def test_a_long_recording_is_cut_into_windows_and_predicted_everywhere():
    rng = np.random.default_rng(0)
    rate = np.exp(np.sin(np.arange(400) / 8)[:, None] * rng.normal(size=5))
    data = recording.make(rng.poisson(rate), sampling_interval=0.02, kind="count")
    training = Training(epochs=150, batch_size=8, evaluate_every=10)
    fit = tiny(window=40, encoder=GRUEncoder(8), ablate="latent", training=training).fit(data, key=0)
    rates = fit.predict(data)["mean"].values
    assert r_squared(rates, rate) > 0.3
    assert np.isfinite(fit.predict(data, mode="past")["mean"]).all()


def test_windows_cover_every_bin_and_past_rows_see_nothing_later():
    windows = tiled(2, 23, 10)
    covered = np.zeros((2, 23), int)
    for trial, start in zip(windows.trial, windows.start, strict=True):
        covered[trial, start : start + 10] += 1
    assert covered.min() >= 1
    given = np.random.default_rng(0).random((2, 23, 4)) < 0.4
    for mode, horizon in (("past", 1), ("past", 4), ("present", 1)):
        plan = rows(given, 10, mode, horizon, causal=False)
        last = np.arange(23) - (horizon if mode == "past" else 0)
        assert (plan.visible[plan.row] <= np.maximum(last, -1)).all()
        assert (plan.windows.trial[plan.row] == np.arange(2)[:, None]).all()
        offset = np.arange(23) - plan.windows.start[plan.row]
        assert ((offset >= 0) & (offset < 10)).all()
    tail = np.ones((1, 23, 4), bool)
    tail[:, 15:] = False
    assert len(rows(tail, 23, "past", 1, causal=False).visible) == 16  # the last bins share one row


@pytest.mark.parametrize(
    ("n_trials", "n_time", "length"), [(20, 12, 12), (1, 300, 20), (4, 12, 12), (1, 30, 30)]
)
def test_what_decides_when_to_stop_is_neither_fed_nor_trained_on(n_trials, n_time, length):
    import jax

    mask = np.random.default_rng(0).random((n_trials, n_time, 3)) < 0.9
    values = np.arange(mask.size, dtype=np.float32).reshape(mask.shape) + 1
    parted = part(np.where(mask, values, 0), mask, mask, length, 0.2, np.arange(3), jax.random.key(0))
    held = parted.held_out
    assert held is not None
    assert not (held.fed & held.scored).any()
    scored = set(held.values[held.scored].tolist())
    assert scored
    assert not scored & set(parted.train.values[parted.train.scored].tolist())
    assert not scored & set(parted.train.values[parted.train.fed].tolist())


def test_a_units_seed_is_its_labels():
    assert unit_seeds(np.array(["a", "b"]))[1] == unit_seeds(np.array(["b", "c"]))[0]


def test_recordings_of_odd_sizes_train():
    for data in (counts(n_time=1), counts(n_trials=1), counts(n_units=1)):
        rates = tiny().fit(data, key=0).predict(data)["mean"]
        assert np.isfinite(rates).all()


def test_a_silent_unit_and_one_never_observed_get_finite_rates_and_a_word():
    data = counts()
    data["activity"].values[..., 0] = 0
    gone = recording.hide(data, data["unit"] == data["unit"][1])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = tiny().fit(gone, key=0)
    assert any("never observed" in str(w.message) for w in caught if issubclass(w.category, NeurodynWarning))
    rates = fit.predict(gone)["mean"].values
    assert np.isfinite(rates).all()
    assert rates[..., 0].mean() < 0.2


def test_thousands_of_units_fit_into_memory_part_by_part():
    data = counts(n_trials=8, n_time=5, n_units=2000)
    model = tiny(training=Training(epochs=1, batch_size=8, accumulate=4, warm_up=0))
    assert np.isfinite(model.fit(data, key=0).predict(data)["mean"]).all()


def test_counts_that_are_not_whole_and_mixed_kinds_are_refused():
    data = counts()
    broken = data.copy(deep=True).astype(np.float64)
    broken["activity"].values[0, 0, 0] = 0.5
    with pytest.raises(RecordingError, match=r"0\.5"):
        tiny().fit(broken, key=0)
    mixed = data.assign_coords(kind=("unit", ["count", "count", "continuous"]))
    with pytest.raises(ModelError, match="mixes"):
        tiny().fit(mixed, key=0)
    with pytest.raises(ModelError, match="'gaussian', but the units are count"):
        tiny(likelihood="gaussian").fit(data, key=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": "gru"}, "encoder is 'gru'"),
        ({"loss": "mse"}, "loss is 'mse'"),
        ({"validation": 0.95}, "validation is 0.95"),
        ({"window": 1}, "window is 1"),
        ({"passes": -1}, "passes is -1"),
        ({"ablate": "decoder"}, "ablate is 'decoder'"),
        ({"masking": Masking(keep=0.5), "factors": 0}, "factors is 0"),
    ],
)
def test_hyperparameters_out_of_range_are_refused_by_name(change, message):
    with pytest.raises(Exception, match=message) as caught:
        tiny(**change)
    assert isinstance(caught.value, ModelError) or "encoder" in change


@pytest.mark.parametrize(
    "latent",
    [
        RandomWalk(width=4),
        IndependentNoise(width=4),
        LinearDynamics(width=4),
        LangevinFlow(width=4, potential=NoPotential(), learn=False),
        LangevinFlow(width=4, potential=CoupledChannels(2, confinement="quartic")),
    ],
    ids=lambda latent: type(latent).__name__,
)
def test_parameters_survive_as_labelled_arrays(latent):
    network = tiny(latent=latent)._network("poisson")
    tree = network.start(np.random.default_rng(0), unit_seeds(np.array(["a", "b"])), np.ones(2), np.ones(2))
    back = from_dataset(to_dataset(tree, np.array(["a", "b"])))
    assert jax.tree.structure(back) == jax.tree.structure(tree)
    assert all(jax.tree.leaves(jax.tree.map(lambda one, other: np.array_equal(one, other), tree, back)))


def test_a_latent_without_parameters_predicts_after_it_was_saved(tmp_path):
    fit = tiny(latent=RandomWalk(width=2), training=Training(epochs=1)).fit(counts(), key=0)
    fit.save(tmp_path / "fit")
    kept = fit.predict(counts())["mean"]
    xr.testing.assert_identical(neurodyn.load(tmp_path / "fit").predict(counts())["mean"], kept)
