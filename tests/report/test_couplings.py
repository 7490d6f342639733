"""Figures of couplings, networks, rasters, bases and choices show what the fit and the data hold."""

import dataclasses
import itertools
import pathlib

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.stats
import xarray as xr
from scipy.special import expit

from neurodyn import models, recording, report
from neurodyn.errors import ModelError, NotApplicable
from neurodyn.inference.bases import BSpline, Exponential, Lags, LearntKernel, RaisedCosine
from neurodyn.models import GLM, GLMFit, SwitchingGLM, SwitchingGLMFit
from neurodyn.report import drawings, methods, networks, psychometrics
from neurodyn.simulate.glm_network import GLMNetwork
from neurodyn.validation import compare, holdout

CATEGORIES = ["inhibitory", "none", "excitatory"]


def parameters_of(network: GLMNetwork, units=None, **coords) -> xr.Dataset:
    """Parameters of a fit that found a network exactly."""
    n_states, n_units = network.bias.shape
    units = np.arange(n_units) if units is None else np.asarray(units)
    data = xr.Dataset(
        {
            "initial": ("state", network.initial),
            "transition": (("state", "state_next"), network.transition),
            "bias": (("state", "unit"), network.bias),
            "scale": ("unit", np.ones(n_units)),
            "weight": (("state", "target", "source", "basis"), network.weights[..., None]),
            "kernel": (("lag", "basis"), network.kernel[:, None]),
            "trial_start": ((), np.int8(1)),
        },
        coords={
            "state": np.arange(n_states),
            "state_next": np.arange(n_states),
            "unit": units,
            "target": units,
            "source": units,
            "kind": ("unit", ["count"] * n_units),
            "basis": ["decay 1"],
            "lag": np.arange(1, len(network.kernel) + 1),
        },
    )
    return data.assign_coords({name: ("unit", values) for name, values in coords.items()})


def known_fit(network: GLMNetwork, units=None, **coords) -> SwitchingGLMFit:
    """A fit that found a network exactly."""
    return SwitchingGLMFit(
        model=SwitchingGLM(n_states=len(network.initial), observation="poisson"),
        parameters=parameters_of(network, units, **coords),
        provenance={"sampling_interval": network.sampling_interval},
    )


@pytest.fixture(scope="module")
def network() -> GLMNetwork:
    """Three states of eight neurons, each of which its own spikes hold back."""
    drawn = GLMNetwork.draw(2, n_states=3, n_units=8)
    weights = drawn.weights - 0.5 * np.eye(8)
    return dataclasses.replace(drawn, weights=weights, present=None)


@pytest.fixture(scope="module")
def coupled(network: GLMNetwork) -> SwitchingGLMFit:
    """The fit that found it."""
    return known_fit(network)


@pytest.fixture(scope="module")
def spikes(network: GLMNetwork) -> xr.Dataset:
    """Three trials of it, one with entries missing."""
    drawn = network.sample(120, key=0, n_trials=3)
    drawn["activity"].values[1, 30:40, 2] = np.nan
    return drawn


@pytest.fixture(scope="module")
def choices() -> tuple[SwitchingGLMFit, xr.Dataset]:
    """Choices of two states that alternate in long runs, and the parameters that made them."""
    generator = np.random.default_rng(0)
    contrast = generator.choice([-1.0, -0.5, 0.0, 0.5, 1.0], 600)
    noise = generator.normal(size=600)
    state = np.repeat(np.arange(6) % 2, 100)
    slope, bias, other = np.array([6.0, 0.0]), np.array([0.5, 2.0]), np.array([0.3, 0.0])
    chance = expit(slope[state] * contrast + bias[state] + other[state] * noise)
    data = recording.make(
        (generator.random(600) < chance).astype(float)[:, None],
        kind="binary",
        unit=["right"],
        covariates={"contrast": contrast, "noise": noise},
        time_unit="trial",
    )
    parameters = xr.Dataset(
        {
            "initial": ("state", [0.5, 0.5]),
            "transition": (("state", "state_next"), [[0.99, 0.01], [0.01, 0.99]]),
            "bias": (("state", "unit"), bias[:, None]),
            "scale": ("unit", [1.0]),
            "covariate_weight": (("state", "unit", "covariate"), np.stack([slope, other], axis=1)[:, None]),
            "trial_start": ((), np.int8(1)),
        },
        coords={
            "state": [0, 1],
            "state_next": [0, 1],
            "unit": ["right"],
            "kind": ("unit", ["binary"]),
            "covariate": ["contrast", "noise"],
        },
    )
    model = SwitchingGLM(
        n_states=2,
        coupling=None,
        history=None,
        covariates=("contrast", "noise"),
        observation="bernoulli",
    )
    return SwitchingGLMFit(model=model, parameters=parameters), data


def images(figure) -> list:
    """The matrices of a figure, colour bars left out."""
    return [axes.images[0] for axes in figure.axes if axes.images]


@pytest.mark.parametrize("width", [3.9, 8.0])
def test_every_figure_is_drawn_at_any_width(coupled, spikes, choices, width: float) -> None:
    fit, data = choices
    figures = [
        report.plot_couplings(coupled, width=width),
        report.plot_network(coupled, width=width),
        report.plot_coupling_kernels(coupled, width=width),
        report.plot_raster_states(coupled, spikes, width=width),
        report.plot_basis(RaisedCosine(20), 0.01, width=width),
        report.plot_psychometric(fit, data, "contrast", width=width),
    ]
    for figure in figures:
        assert figure.get_size_inches()[0] == pytest.approx(width)
        figure.canvas.draw()
    assert plt.get_fignums() == []


def test_matrices_are_the_couplings_on_one_symmetric_scale(coupled, network: GLMNetwork) -> None:
    figure = report.plot_couplings(coupled)
    shared, *states = images(figure)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.images]
    assert titles == ["mean over states", "state 0", "state 1", "state 2"]
    apart = ~np.eye(8, dtype=bool)
    limits = {image.get_clim() for image in (shared, *states)}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == -high
    assert high == pytest.approx(np.quantile(np.abs(network.weights[:, apart]), 0.995, method="higher"))
    for image, truth in zip((shared, *states), (network.weights.mean(axis=0), *network.weights), strict=True):
        shown = image.get_array()
        np.testing.assert_array_equal(np.ma.getmaskarray(shown), ~apart)
        np.testing.assert_allclose(np.asarray(shown)[apart], truth[apart], atol=1e-7)


def test_couplings_that_leave_the_scale_are_marked_on_its_bar() -> None:
    larger = GLMNetwork.draw(0, n_states=3, n_units=12)

    def last(weights: np.ndarray):
        fit = known_fit(dataclasses.replace(larger, weights=weights, present=None))
        return images(report.plot_couplings(fit))[-1]

    outlier = larger.weights.copy()
    outlier[0, 0, 1] = 50.0
    assert last(outlier).colorbar.extend == "both"
    assert last(outlier).get_clim()[1] < 5.0
    assert last(np.sign(larger.weights)).colorbar.extend == "neither"


def test_the_connectome_is_shown_as_excitation_minus_inhibition(coupled, network: GLMNetwork) -> None:
    held = coupled.parameters.assign(
        connectome=(("target", "source", "category"), network.connectome)
    ).assign_coords(category=CATEGORIES)
    one_hot = dataclasses.replace(coupled, parameters=held)
    figure = report.plot_couplings(one_hot, states=[2, 0])
    shared, *states = images(figure)
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.images] == [
        "shared connectome",
        "state 2",
        "state 0",
    ]
    apart = ~np.eye(8, dtype=bool)
    truth = network.connectome[..., 2] - network.connectome[..., 0]
    np.testing.assert_allclose(np.asarray(shared.get_array())[apart], truth[apart])
    assert shared.get_clim() == (-1.0, 1.0)
    np.testing.assert_allclose(np.asarray(states[0].get_array())[apart], network.weights[2][apart], atol=1e-7)
    words = {axes.get_xlabel() for axes in figure.axes}
    assert "P(excites) − P(inhibits)" in words
    assert "coupling, summed over lags (linear predictor per spike)" in words


def test_many_units_lose_their_labels_and_few_keep_them() -> None:
    def labels(n_units: int) -> tuple[list[str], str]:
        figure = report.plot_couplings(known_fit(GLMNetwork.draw(1, n_states=2, n_units=n_units)))
        first = figure.axes[0]
        return [label.get_text() for label in first.get_yticklabels()], first.get_ylabel()

    assert labels(3) == (["0", "1", "2"], "target")
    assert labels(300) == ([], "300 targets")


def test_what_has_no_couplings_or_states_says_so(choices, coupled, spikes) -> None:
    fit, data = choices
    for draw in (report.plot_couplings, report.plot_network, report.plot_coupling_kernels):
        with pytest.raises(NotApplicable, match="no coupling"):
            draw(fit)
    with pytest.raises(ModelError, match="there is no state|has the states"):
        report.plot_couplings(coupled, states=[5])
    with pytest.raises(ModelError, match="there is no state"):
        report.plot_network(coupled, 7)
    with pytest.raises(ModelError, match="there is no pair"):
        report.plot_coupling_kernels(coupled, [(0, 99)])
    with pytest.raises(NotApplicable, match="no choices"):
        report.plot_psychometric(coupled, spikes, "contrast")
    with pytest.raises(ModelError, match="no covariate 'colour'"):
        report.plot_psychometric(fit, data, "colour")
    mean = models.create("mean").fit(spikes, key=0)
    with pytest.raises(NotApplicable, match="no discrete states"):
        report.plot_raster_states(mean, spikes)


def edges(figure) -> dict[str, object]:
    """The arrows of a drawn network by gid."""
    return {patch.get_gid(): patch for patch in figure.axes[0].patches if patch.get_gid()}


@pytest.mark.parametrize("threshold", [0.0, 0.3, None])
def test_edges_drawn_are_the_edges_of_the_graph(coupled, network: GLMNetwork, threshold) -> None:
    figure = report.plot_network(coupled, 1, threshold=threshold)
    weights = network.weights[1] * ~np.eye(8, dtype=bool)
    present = np.count_nonzero(weights)
    cut = np.sort(np.abs(weights), axis=None)[::-1][24] if threshold is None else threshold
    wanted = {f"{m} -> {n}": weights[n, m] for n, m in np.argwhere(np.abs(weights) > cut)}
    drawn = edges(figure)
    assert set(drawn) == set(wanted)
    for name, weight in wanted.items():
        colour = networks.EXCITATORY if weight > 0 else networks.INHIBITORY
        assert plt.matplotlib.colors.to_hex(drawn[name].get_edgecolor()) == colour
    order = sorted(wanted, key=lambda name: abs(wanted[name]))
    widths = [drawn[name].get_linewidth() for name in order]
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(widths))
    title = figure.axes[0].get_title(loc="left")
    said = f"all {present}" if len(wanted) == present else f"the {len(wanted)} strongest of {present}"
    assert title.startswith(f"state 1: {said} couplings")


def test_by_default_three_edges_a_unit_are_drawn_and_never_more_than_the_most() -> None:
    dense = GLMNetwork.draw(0, n_states=1, n_units=120)
    drawn = edges(report.plot_network(known_fit(dense)))
    assert len(drawn) == networks.MOST_EDGES
    small = GLMNetwork.draw(0, n_states=1, n_units=20)
    assert len(edges(report.plot_network(known_fit(small)))) == 60


def test_units_of_a_region_stand_side_by_side() -> None:
    drawn = GLMNetwork.draw(0, n_states=1, n_units=6)
    region = ["A", "B", "A", "B", "A", "B"]
    figure = report.plot_network(known_fit(drawn, units=list("uvwxyz"), region=region))
    order, groups = networks._grouped(known_fit(drawn, units=list("uvwxyz"), region=region).graph(0))
    assert order == ["u", "w", "y", "v", "x", "z"]
    assert groups == ["A", "A", "A", "B", "B", "B"]
    assert {"A", "B", "u", "z"} <= {text.get_text() for text in figure.axes[0].texts}
    gaps = -np.diff(networks._angles(groups))
    assert gaps.argmax() == 2


def test_bands_are_the_probabilities_and_ink_is_the_spikes(coupled, spikes) -> None:
    figure = report.plot_raster_states(coupled, spikes, trial=1)
    above, below = figure.axes
    chance = coupled.infer(spikes)["state_probability"].isel(trial=1).values
    heights = np.array([patch.get_data().values - patch.get_data().baseline for patch in above.patches])
    np.testing.assert_allclose(heights.T, chance, atol=1e-6)
    np.testing.assert_allclose(heights.sum(axis=0), 1.0, atol=1e-5)
    ink = np.asarray(below.images[0].get_array())
    counts = spikes["activity"].isel(trial=1).transpose("unit", "time").values
    known = np.isfinite(counts)
    np.testing.assert_array_equal((ink[..., 3] > 0)[known], counts[known] > 0)
    assert (ink[~known][:, 3] == 1).all()
    legend = [text.get_text() for text in above.get_legend().get_texts()]
    assert legend == ["state 0", "state 1", "state 2"]


def test_the_part_shown_is_the_part_asked_for(coupled, spikes) -> None:
    figure = report.plot_raster_states(coupled, spikes, trial=2, start=0.2, stop=0.5)
    assert np.asarray(figure.axes[1].images[0].get_array()).shape[:2] == (8, 30)
    assert figure.axes[1].get_xlim() == pytest.approx((200.0, 500.0))
    assert figure.axes[1].get_xlabel() == "time (ms)"
    whole = report.plot_raster_states(coupled, spikes, trial=2).axes[1].images[0].get_array()
    np.testing.assert_array_equal(
        np.asarray(figure.axes[1].images[0].get_array())[..., 3] > 0, np.asarray(whole)[:, 20:50, 3] > 0
    )
    with pytest.raises(ModelError, match="trial is 3"):
        report.plot_raster_states(coupled, spikes, trial=3)
    with pytest.raises(ModelError, match="no bin"):
        report.plot_raster_states(coupled, spikes, start=5.0)
    alone = spikes.isel(trial=0)
    with pytest.raises(ModelError, match="has none"):
        report.plot_raster_states(coupled, alone, trial=1)
    assert report.plot_raster_states(coupled, alone).axes[1].images


@pytest.mark.parametrize(
    "basis", [Lags(3), Exponential(6, (1.0, 3.0)), RaisedCosine(20), BSpline(20), LearntKernel(4)]
)
def test_lines_of_a_basis_are_its_functions(basis) -> None:
    axes = report.plot_basis(basis, 0.02).axes[0]
    shown = np.stack([line.get_ydata() for line in axes.lines], axis=1)
    np.testing.assert_allclose(shown, basis.kernels())
    np.testing.assert_allclose(axes.lines[0].get_xdata(), 20.0 * np.arange(1, basis.n_lags + 1))
    assert axes.get_xlabel() == "lag (ms)"
    assert report.plot_basis(basis).axes[0].get_xlabel() == "lag (bins)"
    assert ("as a fit starts" in axes.get_title(loc="left")) == basis.learnt


def test_lines_over_lag_are_the_couplings_in_every_state(coupled, network: GLMNetwork) -> None:
    figure = report.plot_coupling_kernels(coupled, [(1, 6), (3, 3)])
    first, second = figure.axes
    assert first.get_title(loc="left") == "6 → 1"
    assert second.get_title(loc="left") == "own history of 3"
    for axes, (target, source) in ((first, (1, 6)), (second, (3, 3))):
        lines = [line for line in axes.lines if len(line.get_xdata()) == 5]
        shown = np.stack([line.get_ydata() for line in lines])
        np.testing.assert_allclose(
            shown, network.weights[:, target, source, None] * network.kernel, atol=1e-6
        )
        np.testing.assert_allclose(lines[0].get_xdata(), [10, 20, 30, 40, 50])
    strongest = report.plot_coupling_kernels(coupled).axes[0].get_title(loc="left")
    size = np.abs(network.weights).max(axis=0) * ~np.eye(8, dtype=bool)
    target, source = np.unravel_index(size.argmax(), size.shape)
    assert strongest == f"{source} → {target}"


def test_a_history_of_its_own_is_the_diagonal(coupled, network: GLMNetwork) -> None:
    own = np.linspace(-2, 2, 24).reshape(3, 8)
    held = coupled.parameters.assign(
        weight=coupled.parameters["weight"] * xr.DataArray(1 - np.eye(8), dims=("target", "source")),
        history_weight=(("state", "unit", "history_basis"), own[..., None]),
        history_kernel=(("history_lag", "history_basis"), Exponential(7).kernels()),
    )
    held["weight"] = held["weight"].transpose("state", "target", "source", "basis")
    fit = dataclasses.replace(coupled, parameters=held)
    own_axes, other = report.plot_coupling_kernels(fit, [(2, 2), (2, 5)]).axes
    shown = np.stack([line.get_ydata() for line in own_axes.lines if len(line.get_xdata()) == 7])
    np.testing.assert_allclose(shown, own[:, 2, None] * Exponential(7).kernels()[:, 0])
    shown = np.stack([line.get_ydata() for line in other.lines if len(line.get_xdata()) == 7])
    np.testing.assert_allclose(shown[:, :5], network.weights[:, 2, 5, None] * network.kernel, atol=1e-6)
    np.testing.assert_array_equal(shown[:, 5:], 0.0)


def test_curves_and_points_of_choices_are_model_and_frequencies(choices) -> None:
    fit, data = choices
    axes = report.plot_psychometric(fit, data, "contrast").axes[0]
    curves = [line for line in axes.lines if len(line.get_xdata()) == 200]
    assert len(curves) == 2
    chance = fit.infer(data)["state_probability"].values
    noise = data["covariates"].sel(covariate="noise").values
    mean = chance.T @ noise / chance.sum(axis=0)
    x = curves[0].get_xdata()
    assert (x[0], x[-1]) == (-1.0, 1.0)
    np.testing.assert_allclose(curves[0].get_ydata(), expit(6 * x + 0.5 + 0.3 * mean[0]), atol=1e-6)
    np.testing.assert_allclose(curves[1].get_ydata(), expit(2.0), atol=1e-6)
    contrast = data["covariates"].sel(covariate="contrast").values
    chosen = data["activity"].values[:, 0]
    for k, container in enumerate(axes.containers):
        points, _, (bars,) = container
        number = np.array([chance[contrast == c, k].sum() for c in np.unique(contrast)])
        ones = np.array([(chance[:, k] * chosen)[contrast == c].sum() for c in np.unique(contrast)])
        np.testing.assert_allclose(points.get_ydata(), ones / number, atol=1e-6)
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        low, high = psychometrics.wilson(ones / number, number)
        np.testing.assert_allclose(ends, np.stack([low, high], axis=1), atol=1e-6)


def test_many_values_are_put_into_bins_of_equal_numbers(choices) -> None:
    fit, data = choices
    axes = report.plot_psychometric(fit, data, "noise").axes[0]
    points, _, _ = axes.containers[0]
    noise = data["covariates"].sel(covariate="noise").values
    centres = [np.mean(part) for part in np.array_split(np.sort(noise), psychometrics.BINS)]
    np.testing.assert_allclose(points.get_xdata(), centres, atol=0.05)


def test_own_history_and_couplings_enter_the_curves_at_their_mean(choices) -> None:
    fit, data = choices
    held = fit.parameters.assign(
        history_weight=(("state", "unit", "history_basis"), np.array([[[0.7]], [[-0.4]]])),
        history_kernel=(("history_lag", "history_basis"), 2.0 * Lags(1).kernels()),
    )
    model = dataclasses.replace(fit.model, history=Lags(1))
    fuller = dataclasses.replace(fit, parameters=held, model=model)
    chance = fuller.infer(data)["state_probability"].values
    mean = chance.T @ data["activity"].values[:, 0] / chance.sum(axis=0)
    curves = [
        line
        for line in report.plot_psychometric(fuller, data, "contrast").axes[0].lines
        if len(line.get_xdata()) == 200
    ]
    np.testing.assert_allclose(curves[1].get_ydata(), expit(2.0 - 0.8 * mean[1]), atol=1e-6)


def test_intervals_are_wilsons() -> None:
    for ones, number in ((0, 7), (3, 10), (40, 41)):
        low, high = psychometrics.wilson(np.array([ones / number]), np.array([number]))
        found = scipy.stats.binomtest(ones, number).proportion_ci(0.95, method="wilson")
        assert (low[0], high[0]) == pytest.approx((found.low, found.high))


def test_one_state_is_one_panel_and_one_curve(network: GLMNetwork, choices) -> None:
    held = parameters_of(network).isel(state=[0], state_next=[0])
    single = GLMFit(model=GLM(observation="poisson"), parameters=held)
    figure = report.plot_couplings(single)
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.images] == ["couplings"]
    assert report.plot_network(single).axes[0].get_title(loc="left").startswith(("all", "the"))
    fit, data = choices
    model = GLM(coupling=None, history=None, covariates=fit.model.covariates, observation="bernoulli")
    alone = GLMFit(model=model, parameters=fit.parameters.isel(state=[0], state_next=[0]))
    axes = report.plot_psychometric(alone, data, "contrast").axes[0]
    assert len(axes.containers) == 1
    wide, pairs = drawings.fit_drawings(single, data)
    assert [item.name for item in wide] == ["couplings"]
    assert pairs == []


def test_the_page_of_a_switching_glm_shows_its_couplings(
    network: GLMNetwork, spikes, tmp_path: pathlib.Path
) -> None:
    coupled = known_fit(network)
    compared = {"glm": GLM(), "mean": models.create("mean")}
    found = compare(
        compared, spikes.isel(time=slice(40, 120)), holdout.trials(3), key=0, nulls=(), n_bootstrap=100
    )
    page = report.write(found, tmp_path / "report.html", fit=coupled).read_text(encoding="utf-8")
    for said in ("Matrices of the couplings between 8 units", "of state 1 as a network", "trusted"):
        assert said in page
    snippet = methods.python_snippet(found)
    assert "from neurodyn.inference.bases import Exponential" in snippet
    assert "from neurodyn.inference.glm.priors import Ridge" in snippet
    exec(snippet[: snippet.index("protocols =")], {})
    plain = report.write(found, tmp_path / "plain.html", fit=found.fits[("trials", "glm")][0])
    page = plain.read_text(encoding="utf-8")
    assert "Matrices of the couplings" in page
    assert "Can the states be trusted" not in page


def test_the_figures_of_choices_are_part_of_a_report(choices) -> None:
    fit, data = choices
    wide, _ = drawings.fit_drawings(fit, data)
    assert {"choices_0", "choices_1"} <= {item.name for item in wide}
    for item in wide:
        item.draw(item.width).canvas.draw()
