"""Figures show what they are given, and leave matplotlib as they found it."""

import dataclasses

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from neurodyn import analysis, models, recording, report
from neurodyn.errors import ModelError, NotApplicable
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
