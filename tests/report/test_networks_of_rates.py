"""Figures of fits by gradients: trajectories, potentials, training, and where a report shows them."""

import dataclasses
import html
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from neurodyn import models, recording, report
from neurodyn.errors import ModelError, NotApplicable
from neurodyn.inference.vae.flow_modes import energy_along, flow_modes
from neurodyn.models.vae import (
    CoupledChannels,
    GRUEncoder,
    GRUGenerator,
    LangevinFlow,
    LearntPotential,
    LinearDecoder,
    NoPotential,
    Oscillators,
    SequentialVAE,
    Training,
    lfads,
    published_langevin_flow,
)
from neurodyn.report import methods, network_words, rate_drawings
from neurodyn.validation import compare, holdout

TINY = {
    "encoder": GRUEncoder(6),
    "decoder": LinearDecoder(8),
    "training": Training(epochs=4, batch_size=8, warm_up=2),
}


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    """Sixteen trials of two conditions, six units."""
    rng = np.random.default_rng(0)
    rates = rng.gamma(2.0, 0.4, (2, 12, 6))[np.tile([0, 1], 8)]
    labels = {"condition": np.tile(["go", "stay"], 8), "speed": np.arange(16) / 4}
    return recording.make(rng.poisson(rates), sampling_interval=0.02, kind="count", trial_coords=labels)


@pytest.fixture(scope="module")
def driven(data):
    """A fit whose latent reaches the decoder."""
    flow = LangevinFlow(width=8, potential=CoupledChannels(2, confinement="quadratic"))
    return SequentialVAE(**TINY, latent=flow, ablate=None).fit(data, key=0)


@pytest.fixture(scope="module")
def plain(data):
    """A fit of the default kind, without a latent."""
    return SequentialVAE(**TINY).fit(data, key=0)


def line(axes, gid: str):
    """The line with a name."""
    (found,) = [one for one in axes.lines if one.get_gid() == gid]
    return found


@pytest.mark.parametrize("width", [3.9, 8.0])
def test_trajectories_are_principal_components_of_the_latent(driven, data, width):
    figure = report.plot_trajectories(driven, data, width=width)
    figure.canvas.draw()
    assert figure.get_size_inches()[0] == pytest.approx(width)
    latent = driven.infer(data)["mean"].values.astype(float)
    flat = latent.reshape(-1, latent.shape[-1])
    centred = flat - flat.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    first, second = figure.axes[:2]
    assert first.get_xlabel() == f"component 1 ({values[-1] / values.sum():.0%})"
    for axes, component in ((first, 2), (second, 3)):
        drawn = np.array(line(axes, "mean stay").get_data())
        expected = (latent[1::2].mean(axis=0) - flat.mean(axis=0)) @ vectors[:, [-1, -component]]
        np.testing.assert_allclose(np.abs(drawn.T), np.abs(expected), rtol=1e-3, atol=1e-4)
    assert first.get_title("left") == "latent, 16 trials"


def test_features_stand_in_where_the_latent_is_not_used(plain, data):
    figure = report.plot_trajectories(plain, data, by=None, n_trials=5)
    assert figure.axes[0].get_title("left") == "features, 5 of 16 trials"
    pieces = figure.axes[0].collections[0]
    assert len(pieces.get_segments()) == 5 * 11
    np.testing.assert_array_equal(np.asarray(pieces.get_array()).reshape(5, 11)[0], np.arange(11))
    bar = figure.axes[-1]
    assert bar.get_ylabel() == "time (ms)"


def test_numbers_of_trials_have_a_scale(plain, data):
    figure = report.plot_trajectories(plain, data, by="speed")
    assert figure.axes[-1].get_ylabel() == "speed"
    assert figure.axes[-1].get_ylim() == (0.0, 3.75)


def test_whole_numbers_of_trials_have_whole_ticks(plain, data):
    numbered = data.assign_coords(block=("trial", np.arange(16)))
    figure = report.plot_trajectories(plain, numbered, by="block")
    figure.canvas.draw()
    ticks = figure.axes[-1].get_yticks()
    assert len(ticks) > 2
    np.testing.assert_array_equal(ticks, np.round(ticks))


def test_trajectories_end_with_their_trial_and_need_no_trials(plain, data):
    counts = data["activity"].values.copy()
    counts[3, 7:] = np.nan
    ragged = data.assign(activity=data["activity"].copy(data=counts)).assign_coords(
        n_bins=("trial", np.where(np.arange(16) == 3, 7, 12))
    )
    pieces = report.plot_trajectories(plain, ragged, by=None).axes[0].collections[0].get_segments()
    assert len(pieces) == 15 * 11 + 6
    alone = report.plot_trajectories(plain, data.isel(trial=0, drop=True))
    assert alone.axes[0].get_title("left") == "features"


def test_trajectories_of_factor_analysis_and_of_none(data):
    values = np.random.default_rng(0).normal(size=(6, 20, 5))
    continuous = recording.make(values, sampling_interval=0.1)
    fit = models.create("factor_analysis", rank=2).fit(continuous, key=0)
    assert len(report.plot_trajectories(fit, continuous).axes) == 2  # one panel and its scale
    mean = models.create("mean").fit(data, key=0)
    with pytest.raises(NotApplicable, match="mean infers no continuous latent"):
        report.plot_trajectories(mean, data)
    with pytest.raises(NotApplicable, match="no coordinate 'odour' on trial; those there are: .*condition"):
        report.plot_trajectories(fit, continuous.assign_coords(condition=("trial", np.arange(6))), by="odour")
    with pytest.raises(ModelError, match="n_trials is 0"):
        report.plot_trajectories(fit, continuous, n_trials=0)


@pytest.mark.parametrize("symplectic", [False, True])
@pytest.mark.parametrize("potential", [CoupledChannels(2), Oscillators(0.5), LearntPotential(5)])
def test_modes_are_those_of_the_flow_s_own_step(symplectic, potential):
    flow = LangevinFlow(width=6, potential=potential, eta=0.2, gamma=0.1, symplectic=symplectic)
    dynamics = flow.start_dynamics(np.random.default_rng(3))
    modes = flow_modes(flow, dynamics)
    prepared = flow.prepare(dynamics)
    still = jnp.zeros((1, 6))
    step = np.asarray(jax.jacobian(lambda s: flow.step(prepared, s[None], still)[0])(jnp.zeros(12)), float)
    expected = np.linalg.eigvals(step)
    found = modes.multiplier.ravel()
    for values in (found, expected):
        assert len(values) == 12
    order = [np.argmin(np.abs(expected - value)) for value in found]
    np.testing.assert_allclose(found, expected[order], atol=2e-3)
    assert (np.diff(modes.curvature) <= 1e-9).all()
    moved = np.eye(6) @ np.asarray(
        jax.jacobian(lambda z: flow.potential.gradient(prepared["potential"], z[None])[0])(jnp.zeros(6))
    )
    for curvature, direction in zip(modes.curvature, modes.direction, strict=True):
        np.testing.assert_allclose(moved @ direction, curvature * direction, atol=1e-4)


def test_a_mode_s_period_and_decay_are_seen_in_a_simulation():
    flow = LangevinFlow(width=1, potential=Oscillators(), eta=0.1, gamma=0.02, learn=False)
    dynamics = {"potential": {"log_stiffness": np.log([4.0])}}
    modes, prepared = flow_modes(flow, dynamics), flow.prepare(dynamics)
    state, path = jnp.array([[1.0, 0.0]]), []
    for _ in range(400):
        path.append(float(state[0, 0]))
        state = flow.step(prepared, state, jnp.zeros((1, 1)))
    path = np.array(path)
    crossings = np.flatnonzero((path[:-1] < 0) & (path[1:] >= 0))
    assert 1 / np.diff(crossings).mean() == pytest.approx(modes.cycles[0], rel=0.02)
    peaks = [path[a:b].max() for a, b in itertools.pairwise(crossings)]
    decay = (peaks[-1] / peaks[0]) ** (1 / (crossings[-2] - crossings[0]))
    assert decay == pytest.approx(modes.growth[0], rel=1e-3)


@pytest.mark.parametrize("width", [3.9, 8.0])
def test_the_potential_shows_spectrum_energy_and_modes(driven, width):
    figure = report.plot_potential(driven, width=width)
    figure.canvas.draw()
    assert figure.get_size_inches()[0] == pytest.approx(width)
    dynamics = driven.network_parameters["latent"]["dynamics"]
    flow = driven.network.latent
    modes = flow_modes(flow, dynamics)
    spectrum, energy = figure.axes[:2]
    drawn = {
        place: value
        for one in spectrum.lines
        if one.get_gid() in ("oscillates", "relaxes", "runs away")
        for place, value in zip(one.get_xdata(), one.get_ydata(), strict=True)
    }
    np.testing.assert_allclose([drawn[place] for place in range(1, 9)], modes.curvature)
    distance = np.asarray(line(energy, "mode 1").get_xdata())
    expected = energy_along(flow, dynamics, modes.direction[[0, 7]], distance)
    np.testing.assert_allclose(line(energy, "mode 1").get_ydata(), expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(expected[0], 0.5 * modes.curvature[0] * distance**2, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(line(energy, "mode 8").get_ydata(), expected[1], rtol=1e-5, atol=1e-6)
    images = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]
    assert [image.shape for image in images[:4]] == [(2, 4)] * 4
    np.testing.assert_allclose(images[0].ravel(), modes.direction[0], rtol=1e-6)
    eta, gamma = (
        driven.parameters[f"network.latent.dynamics.{name}"].item() for name in ("log_eta", "logit_gamma")
    )
    title = figure.get_suptitle()
    assert f"friction γ {1 / (1 + np.exp(-gamma)):.3g}, step size η {np.exp(eta):.3g} (learnt)" in title


def test_modes_that_run_away_are_named(data):
    flow = LangevinFlow(width=8, potential=CoupledChannels(4), eta=0.5, learn=False)
    fit = SequentialVAE(**{**TINY, "training": Training(epochs=1)}, latent=flow, ablate=None).fit(data, key=0)
    growth = flow_modes(flow, fit.network_parameters["latent"]["dynamics"]).growth
    away = int((growth > 1 + 1e-6).sum())
    assert away > 0
    labels = report.plot_potential(fit).axes[0].get_legend_handles_labels()[1]
    assert f"runs away ({away})" in labels
    (potential,) = [one for one in rate_drawings.rate_drawings(fit, data) if one.name == "potential"]
    assert f"{away} of its modes run away" in potential.caption


def test_fits_without_a_potential_say_why(plain, driven, data):
    with pytest.raises(NotApplicable, match="ablate='latent'"):
        report.plot_potential(plain)
    with pytest.raises(NotApplicable, match="mean has no potential"):
        report.plot_potential(models.create("mean").fit(data, key=0))
    for latent, said in (
        (GRUGenerator(width=4), "GRUGenerator, which has no potential"),
        (LangevinFlow(width=8, potential=NoPotential()), "NoPotential"),
    ):
        model = dataclasses.replace(driven.model, latent=latent)
        with pytest.raises(NotApplicable, match=said):
            report.plot_potential(dataclasses.replace(driven, model=model))


@pytest.mark.parametrize("width", [3.9, 8.0])
def test_training_shows_every_evaluation_and_marks_the_one_kept(driven, plain, width):
    figure = report.plot_training(driven, width=width)
    figure.canvas.draw()
    loss, penalties = figure.axes
    parameters, best = driven.parameters, driven.provenance["best"]
    np.testing.assert_array_equal(line(loss, "held out").get_ydata(), parameters["held_out_loss"])
    np.testing.assert_array_equal(line(loss, "data").get_xdata(), parameters["epoch"])
    for axes, part in ((loss, "data"), (penalties, "initial"), (penalties, "steps")):
        np.testing.assert_array_equal(line(axes, part).get_ydata(), parameters["loss_part"].sel(part=part))
    kept = line(loss, "kept")
    assert kept.get_xdata()[0] == parameters["epoch"].values[best]
    assert kept.get_ydata()[0] == parameters["held_out_loss"].values.min()
    assert len(report.plot_training(plain, width=width).axes) == 1


def test_training_without_entries_set_aside_and_other_models(data):
    fit = SequentialVAE(**TINY, validation=0).fit(data, key=0)
    axes = report.plot_training(fit).axes[0]
    assert axes.get_title("left") == "nothing held out"
    assert [one.get_gid() for one in axes.lines] == ["data"]
    with pytest.raises(NotApplicable, match="not trained by gradients"):
        report.plot_training(models.create("mean").fit(data, key=0))


@pytest.fixture(scope="module")
def comparison(data):
    """Two networks and a baseline."""
    flow = LangevinFlow(width=8, potential=Oscillators())
    compared = {
        "sequential_vae": SequentialVAE(**TINY),
        "driven": SequentialVAE(**TINY, latent=flow, ablate=None),
        "smoothed_poisson": models.create("smoothed_poisson", width=0.04, strength=100.0),
    }
    return compare(compared, data, holdout.units(key=0), key=0, nulls=(), n_bootstrap=100)


def test_a_report_shows_the_best_network_without_being_told(comparison, tmp_path):
    text = html.unescape(report.write(comparison, tmp_path / "r.html").read_text(encoding="utf-8"))
    for said in (
        "Single trials: counts of 6 units",
        "Averages over trials of each condition",
        "Paths of single trials",
        "Loss of training entries",
        "stopped because",
        "best on entries set aside",
        "The sequential autoencoder reads a trial",
        "The sequential autoencoder “driven” reads a trial",
        "Poisson regression on smoothed activity",
        "from neurodyn.models.vae import",
    ):
        assert said in text, said
    assert "song2025" in text


def test_a_report_shows_the_fit_it_is_given(comparison, driven, tmp_path):
    text = report.write(comparison, tmp_path / "r.html", fit=driven).read_text(encoding="utf-8")
    assert "Spectrum of the learnt potential" in text


def test_figures_of_a_recording_without_trials_or_conditions(data):
    long = recording.make(
        np.random.default_rng(0).poisson(0.5, (600, 6)), sampling_interval=0.02, kind="count"
    )
    fit = SequentialVAE(**{**TINY, "training": Training(epochs=1)}, window=50).fit(long, key=0)
    drawn = {one.name: one.draw(3.9) for one in rate_drawings.rate_drawings(fit, long)}
    assert set(drawn) == {"rates", "trajectories", "training"}
    assert drawn["rates"].axes[0].get_xlim() == (0.0, rate_drawings.MOST_BINS * 0.02)
    averages = [one for one in rate_drawings.rate_drawings(fit, data) if one.name == "condition_averages"]
    assert "each condition" in averages[0].alt
    unlabelled = rate_drawings.rate_drawings(fit, data.drop_vars("condition"))
    assert any("all conditions" in one.alt for one in unlabelled)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (SequentialVAE(), ["64 units in each direction", "the encoder's states alone", "30% of the entries"]),
        (
            published_langevin_flow(),
            ["280 units forwards in time", "no data enter", "summed as published", "fixed at 0.55"],
        ),
        (lfads(), ["gated recurrent generator", "pushed by inputs", "the latent state alone", "weight of 1"]),
        (SequentialVAE(factors=7, validation=0), ["through 7 factors"]),
    ],
)
def test_networks_are_described_by_their_own_settings(model, said):
    words = network_words.network_sentences("sequential_vae", model)
    for part in said:
        assert part in words
    assert ("set aside" in words) == (model.validation > 0)
    assert ("divergence" in words) == (model.ablate is None)
    assert methods.concise(SequentialVAE(factors=7)) == "SequentialVAE(factors=7)"
