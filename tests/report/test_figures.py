"""Figures show what they are given, and leave matplotlib as they found it."""

import dataclasses
from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from neurodyn import analysis, models, recording, report
from neurodyn.errors import ModelError, NotApplicable
from neurodyn.report.searches import sweep_limits
from neurodyn.report.states import cut_words
from neurodyn.report.style import number, shrink
from neurodyn.validation import holdout, sweep


@pytest.mark.parametrize("width", [3.9, 8.0])
def test_every_figure_of_a_fit_is_drawn_at_any_width(fit, planted: xr.Dataset, width: float) -> None:
    settings = dict(matplotlib.rcParams)
    figures = [
        report.plot_recording(planted, width=width),
        report.plot_states(fit, planted, width=width),
        report.plot_occupancy(fit, planted, width=width),
        report.plot_dwell_times(fit, planted, width=width),
        report.plot_transitions(fit, planted, width=width),
        report.plot_state_means(fit, planted, width=width),
        report.plot_connectivity(fit, planted, width=width),
        report.plot_restarts(fit, width=width),
    ]
    for figure in figures:
        assert figure.get_size_inches()[0] == pytest.approx(width)
        figure.canvas.draw()
    assert plt.get_fignums() == []
    assert dict(matplotlib.rcParams) == settings


def test_the_state_raster_shows_the_planted_sequence(fit, planted: xr.Dataset) -> None:
    rows = report.plot_states(fit, planted).axes[1]
    path = analysis.state_sequence(fit.infer(planted)["state_probability"]).values
    heights = np.array([patch.get_data().values for patch in rows.patches])
    shown = np.argmax(heights - np.floor(heights.min(axis=1, keepdims=True)), axis=0)
    np.testing.assert_array_equal(shown, path)


def test_occupancy_bars_are_the_occupancy(fit, planted: xr.Dataset) -> None:
    bars = report.plot_occupancy(fit, planted).axes[0].patches
    share = analysis.fractional_occupancy(fit.infer(planted)["state_probability"])
    np.testing.assert_allclose([bar.get_width() for bar in bars], share, rtol=1e-6)


def test_missing_entries_are_shaded_in_traces(planted: xr.Dataset) -> None:
    axes = report.plot_recording(planted).axes[0]
    spans = [patch.get_extents() for patch in axes.patches]
    assert len(spans) == 1
    assert axes.patches[0].get_x() == pytest.approx(25.0)
    assert axes.patches[0].get_width() == pytest.approx(5.0)


def test_counts_and_ragged_trials_are_drawn_without_their_padding() -> None:
    generator = np.random.default_rng(0)
    trials = [generator.poisson(2.0, (n, 12)).astype(float) for n in (30, 20)]
    data = recording.make(trials, sampling_interval=0.1, kind="count")
    image = report.plot_recording(data).axes[0].images[0].get_array()
    assert image.shape == (12, 50)
    assert not np.ma.getmaskarray(image).any()


def test_scores_are_drawn_where_they_are(comparison) -> None:
    figure = report.plot_scores(comparison, metrics=["r2"])
    axes = figure.axes[0]
    drawn = {label.get_text() for label in axes.get_yticklabels()}
    assert drawn == {"hmm", "persistence", "mean"}
    values = comparison.scores["value"].sel(protocol="blocks", metric="r2")
    dots = [
        line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1
    ]
    assert max(dots) == pytest.approx(float(values.max()))


def test_a_failure_far_below_the_floor_does_not_squeeze_the_others(comparison) -> None:
    scores = comparison.scores.copy(deep=True)
    scores["value"].loc[{"model": "persistence", "metric": "r2"}] = -500.0
    scores["lower"].loc[{"model": "persistence", "metric": "r2"}] = -900.0
    worse = dataclasses.replace(comparison, scores=scores)
    axes = report.plot_scores(worse, metrics=["r2"]).axes[0]
    assert axes.get_xlim()[0] > -5


def test_unknown_scores_are_refused_by_name(comparison) -> None:
    with pytest.raises(ModelError, match="no metric 'beauty'"):
        report.plot_scores(comparison, metrics=["beauty"])
    with pytest.raises(ModelError, match="width"):
        report.plot_scores(comparison, width=0.1)


def test_models_without_states_say_so(planted: xr.Dataset) -> None:
    mean = models.create("mean").fit(planted, key=0)
    with pytest.raises(NotApplicable, match="no discrete states"):
        report.plot_states(mean, planted)
    with pytest.raises(NotApplicable, match="closed form"):
        report.plot_restarts(mean)


def test_the_sweep_marks_the_chosen_setting(planted: xr.Dataset) -> None:
    found = sweep(
        models.create("ar_ridge"),
        planted,
        holdout.blocks(3),
        key=0,
        order=(1, 2, 3),
        metric="r2",
        n_bootstrap=100,
    )
    axes = report.plot_sweep(found).axes[0]
    ring = next(line for line in axes.lines if line.get_markersize() == 12)
    assert ring.get_xdata()[0] == found.best["order"]
    assert axes.get_xlabel() == "order"


@pytest.mark.parametrize("reach", [0.0, 0.3, 5.0, 40.0, 3e6])
def test_restarts_have_whole_ticks_and_few_of_them(fit, reach: float) -> None:
    trace = dataclasses.replace(
        fit.trace,
        objective=-np.linspace(reach, 0.0, 3),
        restarts=-np.linspace(0.0, reach, 20),
        agreement=0.59,
    )
    figure = report.plot_restarts(dataclasses.replace(fit, trace=trace))
    figure.canvas.draw()
    for axes in figure.axes:
        ticks = axes.get_xticks()
        assert (ticks == np.round(ticks)).all()
        assert ticks.min() >= 1
        nats = axes.get_yticks()
        assert nats[0] == 0
        assert 2 <= len(nats) <= 8
        bottom, top = axes.get_ylim()
        assert bottom > max(reach, 1.0)
        assert top < 0
    assert figure.axes[1].get_title(loc="left") == "restarts agree on 59%"


def test_falls_within_rounding_are_drawn_level_and_others_are_not(fit) -> None:
    objective = np.array([-4.2e5, -4e5, -4e5 - 0.01, -4e5 + 1.0, -4e5 - 3.0, -4e5 + 2.0])
    trace = dataclasses.replace(fit.trace, objective=objective)
    drawn = report.plot_restarts(dataclasses.replace(fit, trace=trace)).axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, [20002.0, 2.0, 2.0, 1.0, 5.0, 0.0], atol=1e-6)


def test_the_matrix_has_one_scale_for_moves_and_grey_for_staying(fit) -> None:
    axes = report.plot_transitions(fit).axes[1]
    matrix = fit.parameters["transition"].values
    moves = matrix[~np.eye(3, dtype=bool)]
    image = axes.images[0]
    assert image.get_clim() == pytest.approx((0.0, moves.max()))
    np.testing.assert_array_equal(np.ma.getmaskarray(image.get_array()), np.eye(3, dtype=bool))


def test_two_states_are_joined_by_two_arcs_apart_from_each_other(fit, planted: xr.Dataset) -> None:
    two = models.create("hmm", n_states=2, emission="gaussian_diagonal").fit(planted, key=0, restarts=1)
    figure = report.plot_transitions(two)
    figure.canvas.draw()
    arrows = [patch for patch in figure.axes[0].patches if hasattr(patch, "get_arrowstyle")]
    middles = [np.mean(arrow.get_path().vertices[:3], axis=0)[0] for arrow in arrows]
    assert sorted(np.sign(middles)) == [-1, 1]
    assert abs(middles[0] - middles[1]) > 0.4


def test_cut_visits_are_told(fit, planted: xr.Dataset) -> None:
    assert "Left out: 2 visits" in cut_words(fit, planted)
    one_bin = planted.isel(time=slice(0, 10))
    assert "no whole visit" in cut_words(fit, one_bin)


def test_folds_of_a_sweep_are_inside_the_axis_or_said_to_be_cut() -> None:
    def range_of(folds: list[list[float]]) -> tuple[float, float, bool]:
        table = xr.Dataset(
            {
                "score": ("n_states", [0.1, 0.2]),
                "standard_error": ("n_states", [0.05, 0.05]),
                "fold_score": (("n_states", "fold"), folds),
            }
        )
        return sweep_limits(SimpleNamespace(table=table))  # type: ignore[arg-type]

    low, high, cut = range_of([[0.0, 0.4], [0.1, 0.5]])
    assert low < 0.0
    assert high > 0.5
    assert not cut
    low, high, cut = range_of([[-9.0, 0.4], [0.1, 0.5]])
    assert cut
    assert low > -1


def test_event_aligned_probabilities_are_averaged_over_events(fit, planted: xr.Dataset) -> None:
    aligned = analysis.event_aligned(
        fit.infer(planted)["state_probability"], np.array([10.0, 40.0, 70.0]), window=(-2.0, 2.0)
    )
    axes = report.plot_event_aligned(aligned).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), aligned.isel(state=0).mean("event"), rtol=1e-6)


def test_figures_show_themselves_in_notebooks(planted: xr.Dataset) -> None:
    assert report.plot_recording(planted)._repr_html_().startswith('<img alt="')


def test_averaging_for_the_screen_keeps_means_and_gaps() -> None:
    values = np.arange(10.0)[:, None].copy()
    values[4:6] = np.nan
    small, block = shrink(values, 5)
    assert block == 2
    np.testing.assert_allclose(small[:, 0], [0.5, 2.5, np.nan, 6.5, 8.5])


def test_numbers_are_written_for_people() -> None:
    assert number(-0.12345) == "−0.123"
    assert number(3e-16) == "0"


def test_settings_are_named_by_what_tells_them_apart() -> None:
    from neurodyn.report.searches import setting_labels

    assert setting_labels(np.array([1, 2, 8])) == ["1", "2", "8"]
    assert setting_labels(["Ridge(strength=1.0)", "GaussianPrior(deviation=0.3)"]) == [
        "Ridge",
        "GaussianPrior",
    ]
    found = setting_labels(["Lags(n=1, a=2)", "Lags(n=4, a=2)"])
    assert found == ["n=1", "n=4"]
