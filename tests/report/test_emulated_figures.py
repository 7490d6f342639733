"""Figures of emulated states: what is drawn equals the numbers, and where a page shows them."""

import dataclasses
import functools
import html
import re

import jax
import numpy as np
import pytest
import xarray as xr

from neurodyn import report
from neurodyn.analysis.dynamics import (
    NoiseCurve,
    Portrait,
    Rectified,
    as_rates,
    group_weights,
    intervention_curve,
    portrait,
)
from neurodyn.errors import ModelError
from neurodyn.models import HMMEmulator
from neurodyn.models.base import Trace
from neurodyn.models.recurrent import HMMEmulatorFit, sequence_windows
from neurodyn.recording import make
from neurodyn.report import emulator_drawings, noise_curves
from neurodyn.report.drawings import fit_drawings
from neurodyn.report.shown_fit import fit_section
from neurodyn.simulate.symbol_chains import fully_connected
from neurodyn.validation.metrics import sequence_statistics

SIZE, NARROW = 16, 3.9


@pytest.fixture(scope="module")
def samples() -> dict[str, xr.Dataset]:
    """A target, and a smaller sample of the same chain."""
    chain = fully_connected()
    return {
        "target": chain.sample(12, n_trials=60, key=0).drop_vars("state"),
        "other": chain.sample(12, n_trials=25, key=1).drop_vars("state"),
    }


@functools.cache
def fit() -> HMMEmulatorFit:
    """A network of random weights, as if it had been trained on windows of 12 steps."""
    random = np.random.default_rng(0)
    parameters = xr.Dataset(
        {
            "input": (("hidden", "noise"), random.normal(size=(SIZE, 4)).astype(np.float32)),
            "recurrent": (
                ("hidden", "hidden_before"),
                0.2 * random.normal(size=(SIZE, SIZE)).astype(np.float32),
            ),
            "readout": (("category", "hidden"), random.normal(size=(3, SIZE)).astype(np.float32)),
        },
        coords={"unit": ["symbol"], "category": ["A", "B", "C"]},
    )
    provenance = {"key": [0, 1], "window": 12, "windows": 60, "dropped_bins": 3, "sampling_interval": 1.0}
    trace = Trace(reason="all steps were taken", seconds=4.0)
    return HMMEmulatorFit(
        model=HMMEmulator(width=SIZE, noise=4), parameters=parameters, trace=trace, provenance=provenance
    )


@functools.cache
def runs() -> Portrait:
    return portrait(
        fit().dynamics(), key=jax.random.key(0), n_runs=8, n_steps=30, n_rollouts=4, decay_steps=80
    )


def marked(axes, gid: str):
    """The line with a name."""
    (found,) = [line for line in axes.lines if line.get_gid() == gid]
    return found


@pytest.mark.parametrize("width", [8.0, NARROW])
def test_as_many_sequences_of_every_sample_are_drawn_as_they_are(samples, width):
    figure = report.plot_sequences(samples, most=20, width=width)
    for axes, (name, sample) in zip(figure.axes, samples.items(), strict=True):
        (image,) = axes.images
        assert image.get_gid() == axes.get_title(loc="left") == name
        assert (image.get_array() == sample["activity"].values[:20, :, 0]).all()
        assert image.get_clim() == (-0.5, 2.5)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "1", "2"]
    shown = [axes.images[0].get_array().shape[0] for axes in report.plot_sequences(samples, width=width).axes]
    assert shown == [25, 25]


def test_a_long_recording_with_a_gap_is_cut_like_the_other_sample(samples):
    values = samples["target"]["activity"].values.reshape(-1, 1).copy()
    values[30] = np.nan
    long = make(values, sampling_interval=1.0, kind="categorical", unit=["symbol"])
    figure = report.plot_sequences({"recorded": long, "other": samples["other"]})
    first = figure.axes[0].images[0].get_array()
    assert first.shape == (25, 12)
    assert (first[:2] == values[:24, 0].reshape(2, 12)).all()
    assert (first[2] == values[31:43, 0]).all()
    found = sequence_windows(long, 12)
    assert found.attrs["dropped_bins"] == 719 - found["activity"].size
    assert sequence_windows(samples["target"])["activity"].values == pytest.approx(
        samples["target"]["activity"].values
    )


@pytest.mark.parametrize("width", [8.0, NARROW])
def test_statistics_are_those_of_all_sequences(samples, width):
    figure = report.plot_sequence_statistics(samples, width=width)
    target, other, gap, frequencies, volatility = figure.axes
    tables = {}
    for axes, (name, sample) in zip((target, other), samples.items(), strict=True):
        expected = sequence_statistics(sample)
        tables[name] = expected["transition"].values
        image = axes.images[0].get_array()
        assert image.filled(np.nan)[0, 1] == pytest.approx(tables[name][0, 1])
        assert np.ma.getmaskarray(image).diagonal().all()
        assert f"{tables[name][1, 1]:.3f}"[1:] in [text.get_text() for text in axes.texts]
        assert marked(frequencies, name).get_ydata() == pytest.approx(expected["frequency"].values)
        changes = marked(volatility, name).get_ydata()
        assert changes.sum() == pytest.approx(1)
        assert changes @ np.arange(len(changes)) == pytest.approx(float(expected["volatility"]))
        assert marked(volatility, f"mean of {name}").get_xdata()[0] == pytest.approx(
            float(expected["volatility"])
        )
    assert np.asarray(gap.images[0].get_array()) == pytest.approx(tables["other"] - tables["target"])
    assert gap.get_title(loc="left") == "other − target"
    three = report.plot_sequence_statistics({**samples, "third": samples["target"]}, width=width)
    assert len(three.axes) == 7
    assert np.asarray(three.axes[4].images[0].get_array()) == pytest.approx(np.zeros((3, 3)))


def test_samples_that_do_not_fit_are_named(samples):
    with pytest.raises(ModelError, match="one sample"):
        report.plot_sequence_statistics({"target": samples["target"]})
    with pytest.raises(ModelError, match="give a mapping"):
        report.plot_sequences(samples["target"])  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="'counts' holds count units"):
        report.plot_sequences({"counts": make(np.ones((5, 12, 1)), sampling_interval=1.0, kind="count")})
    with pytest.raises(ModelError, match="most is 0"):
        report.plot_sequences(samples, most=0)


@pytest.mark.parametrize("width", [8.0, NARROW])
def test_the_orbit_shows_every_state_by_zone_and_by_symbol_and_ends_at_the_origin(width):
    found = runs()
    left, right = report.plot_orbit(found, symbol_names=["A", "B", "C"], width=width).axes
    places = found.orbit.places.reshape(-1, 2)
    for number, zone in enumerate(("transition", "kick", "cluster")):
        line = marked(left, zone)
        assert np.c_[line.get_data()] == pytest.approx(places[found.zones.zone.ravel() == number])
    for symbol in np.unique(found.symbols):
        line = marked(right, f"symbol {symbol}")
        assert np.c_[line.get_data()] == pytest.approx(places[found.symbols.ravel() == symbol])
        assert line.get_label().startswith("ABC"[symbol])
    decays = [line for line in left.lines if line.get_gid() == "decay"]
    assert len(decays) == 8
    assert np.c_[decays[3].get_data()][0] == pytest.approx(found.orbit.places[-1, 3])
    origin = -found.orbit.centre @ found.orbit.components.T
    assert np.ravel(marked(left, "rest").get_data()) == pytest.approx(origin, abs=1e-2)
    assert marked(left, "rest").get_label() == "the origin"
    with pytest.raises(ModelError, match="symbol_names has 1 names"):
        report.plot_orbit(found, symbol_names=["A"])


def test_a_network_that_rests_elsewhere_is_not_said_to_rest_at_the_origin():
    network = Rectified(0.5 * np.eye(3), np.eye(3), np.eye(3)[:2], np.ones(3))
    found = portrait(network, key=jax.random.key(0), n_runs=4, n_steps=10, n_rollouts=2, decay_steps=40)
    axes = report.plot_orbit(found).axes[0]
    rest = (np.full(3, 2.0) - found.orbit.centre) @ found.orbit.components.T
    assert np.ravel(marked(axes, "rest").get_data()) == pytest.approx(rest, abs=1e-3)
    assert marked(axes, "rest").get_label().startswith("after 40 steps")


@pytest.mark.parametrize("width", [8.0, NARROW])
def test_spectra_are_drawn_by_zone_and_count_what_grows_and_what_is_out_of_sight(width):
    values = as_rates(np.array([[1.2, 0.5 + 0.5j, 0.5 - 0.5j], [0.9, 0.1, -0.9]], complex))
    figure = report.plot_zone_spectra({"kick": values, "cluster": values[1:]}, width=width)
    kick, cluster = figure.axes
    points = marked(kick, "kick")
    assert sorted(points.get_xdata()) == pytest.approx(sorted(np.ravel(values.real)[:-1]))
    assert np.abs(points.get_ydata()).max() == pytest.approx(np.abs(values.imag).max())
    assert marked(kick, "unit circle").get_xdata()[0] == 0
    assert kick.texts[0].get_text().startswith("grows in 50% of 2 states")
    assert "17% further left" in kick.texts[0].get_text()
    assert cluster.texts[0].get_text().startswith("grows in 0% of 1 states")
    with pytest.raises(ModelError, match="'elsewhere' as a zone"):
        report.plot_zone_spectra({"elsewhere": values})
    with pytest.raises(ModelError, match="no zone"):
        report.plot_zone_spectra({})


@pytest.mark.parametrize("width", [8.0, NARROW])
def test_weights_are_sorted_by_group_and_averaged_between_groups(width):
    weights = np.random.default_rng(0).normal(size=(6, 6))
    groups = {"0 to 1": np.array([4, 1]), "1 to 0": np.array([], int), "rest": np.array([0, 2, 3, 5])}
    figure = report.plot_grouped_weights(weights, groups, width=width)
    order = [4, 1, 0, 2, 3, 5]
    shown = np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)
    off = ~np.eye(6, dtype=bool)
    assert shown[off] == pytest.approx(weights[np.ix_(order, order)][off])
    assert np.isnan(shown.diagonal()).all()
    means = np.asarray(figure.axes[1].images[0].get_array())
    assert means == pytest.approx(group_weights(weights, [np.array([4, 1]), np.array([0, 2, 3, 5])]))
    labels = [text.get_text() for text in figure.axes[1].get_yticklabels()]
    assert labels == ["0 to 1", "rest"]
    for wrong in ({"a": [0, 1], "b": [1]}, {"a": [6]}, {}):
        with pytest.raises(ModelError, match="each must be in one group"):
            report.plot_grouped_weights(weights, wrong)
    with pytest.raises(ModelError, match="square"):
        report.plot_grouped_weights(weights[:3], groups)


@pytest.mark.parametrize("width", [8.0, NARROW])
def test_the_noise_curve_says_where_it_is_one_over_temperature(width):
    scale = np.array([2.0, 0.5, 1.0])
    same = NoiseCurve(scale, 3 * scale, np.full(3, 0.2), np.array([0.22, 0.4, 0.3]))
    figure = report.plot_noise_curve(same, width=width)
    left, right = figure.axes
    assert marked(left, "leading").get_ydata() == pytest.approx(0.2)
    assert np.c_[marked(left, "drawn").get_data()].ravel() == pytest.approx([0.5, 0.4, 1, 0.3, 2, 0.22])
    assert marked(right, "radius").get_ydata() == pytest.approx([1.5, 3, 6])
    assert "no resonance" in " ".join(figure.get_suptitle().split())
    other = same._replace(leading=np.array([0.3, 0.1, 0.2]))
    assert noise_curves.is_temperature(same)
    assert not noise_curves.is_temperature(other)
    assert report.plot_noise_curve(other, width=width).get_suptitle() == ""
    with pytest.raises(ModelError, match="one strength"):
        report.plot_noise_curve(NoiseCurve(*(np.ones(1) for _ in range(4))))


def test_intervention_curves_show_the_set_and_the_middle_of_its_controls():
    curve = intervention_curve(
        fit().dynamics(),
        [0, 1],
        runs().flat,
        *np.unique(runs().symbols)[:2].tolist(),
        key=jax.random.key(1),
        factors=(0.0, 1.0, 2.0),
        n_runs=16,
        n_steps=10,
        n_controls=5,
    )
    for width in (8.0, NARROW):
        figure = report.plot_intervention_curves({"one": curve, "two": curve}, width=width)
        assert len(figure.axes) == 4
        for axes, measure in zip(figure.axes[:2], ("occupancy", "volatility"), strict=True):
            assert marked(axes, "chosen").get_ydata() == pytest.approx(getattr(curve.chosen, measure))
            middle = np.median(getattr(curve.matched, measure), axis=0)
            assert marked(axes, "matched").get_ydata() == pytest.approx(middle)
            assert marked(axes, "random").get_xdata() == pytest.approx([0, 1, 2])
    with pytest.raises(ModelError, match="occupancy, leaves, volatility"):
        report.plot_intervention_curves(curve, measures=("speed",))


def test_a_report_shows_sequences_statistics_orbit_spectra_and_weights(samples):
    wide, pairs = fit_drawings(fit(), samples["target"])
    assert not pairs
    assert [one.name for one in wide] == ["sequences", "statistics", "orbit", "spectra", "weights"]
    section = html.unescape(fit_section(None, fit(), samples["target"], 12))  # type: ignore[arg-type]
    section = re.sub(r"base64,[A-Za-z0-9+/=]+", "", section)
    assert section.count("<figure>") == 5
    calm = float(sequence_statistics(samples["target"])["volatility"])
    assert f"{calm:.3g} changes in a recorded sequence" in section
    assert "60 sequences of 12 bins; 3 bins in none" in section
    assert "all steps were taken" in section


def test_a_recording_without_complete_windows_still_shows_the_network(samples):
    short = samples["target"].isel(time=slice(0, 5))
    assert next(one.name for one in emulator_drawings.emulator_drawings(fit(), short)) == "orbit"


def test_methods_follow_the_settings():
    said = emulator_drawings.emulator_sentences("mine", HMMEmulator(bias=True, loss="paper", steps=7))
    assert "“mine”" in said
    assert "with biases" in said
    assert "for 7 steps" in said
    assert "every sequence meets itself" in said
    assert emulator_drawings.emulator_sentences("other", dataclasses.make_dataclass("Other", [])()) == ""
