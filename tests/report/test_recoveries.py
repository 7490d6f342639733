"""Figures of recovery and calibration show the numbers they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.stats
import xarray as xr

from neurodyn import report
from neurodyn.errors import ModelError
from neurodyn.models.predictive_coding import HGF, LogNormal, Normal, calibrate

NAMES = ["x1.tonic_volatility", "response.inverse_temperature", "response.weight.signed_contrast"]


@pytest.fixture(scope="module")
def found() -> xr.Dataset:
    """A table as of `calibrate`: estimates of forty participants, the last parameter with posteriors too narrow."""
    rng = np.random.default_rng(0)
    true, deviation = rng.normal(size=(40, 3)), np.full((40, 3), 0.4)
    estimate = true + rng.normal(size=true.shape) * [0.4, 0.4, 2.0]
    rank = scipy.stats.norm.cdf((true - estimate) / deviation)
    pairs = ("participant", "parameter")
    return xr.Dataset(
        {
            "true": (pairs, true),
            "estimate": (pairs, estimate),
            "deviation": (pairs, deviation),
            "rank": (pairs, rank),
            "correlation": ("parameter", [np.corrcoef(true[:, k], estimate[:, k])[0, 1] for k in range(3)]),
            "slope": ("parameter", [np.polyfit(true[:, k], estimate[:, k], 1)[0] for k in range(3)]),
            "coverage": ("parameter", ((rank > 0.05) & (rank < 0.95)).mean(axis=0)),
            "uniformity": ("parameter", [scipy.stats.kstest(one, "uniform").pvalue for one in rank.T]),
            "count": (
                ("bin", "parameter"),
                np.stack([np.histogram(r, 10, (0, 1))[0] for r in rank.T], axis=1),
            ),
        },
        coords={
            "parameter": NAMES,
            "scale": ("parameter", ["identity", "log", "identity"]),
            "bin": np.linspace(0.05, 0.95, 10),
        },
    )


@pytest.mark.parametrize(("width", "columns"), [(3.4, 1), (5.0, 2), (8.0, 3)])
def test_estimates_stand_against_truths(found, width, columns) -> None:
    figure = report.plot_recovery(found, width=width)
    assert figure.get_size_inches()[0] == pytest.approx(width)
    figure.canvas.draw()
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == 3
    assert len({round(axes.get_position().x0, 2) for axes in figure.axes}) == columns
    for k, axes in enumerate(shown):
        dots, _, bars = axes.containers[0]
        np.testing.assert_allclose(dots.get_xdata(), found["true"][:, k])
        np.testing.assert_allclose(dots.get_ydata(), found["estimate"][:, k])
        ends = np.array([segment[:, 1] for segment in bars[0].get_segments()])
        reach = scipy.stats.norm.ppf(0.95) * found["deviation"][:, k]
        np.testing.assert_allclose(ends[:, 1] - ends[:, 0], 2 * reach)
        inside = (ends[:, 0] < found["true"][:, k]) & (found["true"][:, k] < ends[:, 1])
        assert float(inside.mean()) == pytest.approx(float(found["coverage"][k]))
        words = axes.texts[0].get_text()
        assert f"coverage of 90 % intervals: {int(inside.sum())} of 40" in words
        assert f"correlation {found['correlation'][k].item():.3g}" in words
        assert f"slope {found['slope'][k].item():.3g}" in words
        (identity,) = [line for line in axes.lines if line.get_gid() == "identity"]
        np.testing.assert_allclose(identity.get_xdata(), identity.get_ydata())
        assert axes.get_xlim() == axes.get_ylim()
    titles = [axes.get_title("left").replace("\n", " ") for axes in shown]
    assert titles == [
        "x1: tonic volatility",
        "response: inverse temperature",
        "response: weight of signed contrast",
    ]
    assert [axes.get_xlabel() for axes in shown] == ["true", "true, logarithm", "true"]
    assert plt.get_fignums() == []


@pytest.mark.parametrize("width", [3.4, 5.0, 8.0])
def test_ranks_are_counted_beside_what_a_uniform_would_give(found, width) -> None:
    figure = report.plot_calibration(found, width=width)
    figure.canvas.draw()
    shown = [axes for axes in figure.axes if axes.get_visible()]
    low, high = scipy.stats.binom.interval(0.95, 40, 0.1)
    for k, axes in enumerate(shown):
        bars = axes.containers[0]
        np.testing.assert_array_equal([bar.get_height() for bar in bars], found["count"][:, k])
        np.testing.assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in bars], found["bin"])
        (band,) = [patch for patch in axes.patches if patch not in list(bars)]
        assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((low, high))
        p = found["uniformity"][k].item()
        assert ("0.001 or less" if p <= 0.001 else f"{p:.2g}") in axes.texts[0].get_text()
        outside = (found["count"][:, k] < low) | (found["count"][:, k] > high)
        assert len({bar.get_facecolor() for bar in bars}) == 1 + int(bool(outside.any()))
    assert "0.001 or less" in shown[2].texts[0].get_text()


@pytest.mark.parametrize("width", [3.4, 5.0, 8.0])
@pytest.mark.parametrize("plot", ["plot_recovery", "plot_calibration"])
def test_words_of_one_panel_do_not_reach_into_the_next(found, width, plot) -> None:
    figure = getattr(report, plot)(found, width=width)
    figure.canvas.draw()
    boxes = [
        text.get_window_extent()
        for axes in figure.axes
        if axes.get_visible()
        for text in (*axes.texts, axes.xaxis.label, axes._left_title)
    ]
    for number, box in enumerate(boxes):
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])


def test_what_calibrate_returns_is_drawn() -> None:
    network = HGF(2, x1_tonic_volatility=Normal(-3.0, 1.0), x1_initial_precision=LogNormal(1.0, 0.5))
    table = calibrate(network, n_participants=4, n_time=40, key=0)
    assert table["scale"].values.tolist() == ["identity", "log"]
    recovery = report.plot_recovery(table)
    assert [axes.get_xlabel() for axes in recovery.axes] == ["true", "true, logarithm"]
    bars = report.plot_calibration(table).axes[0].containers[0]
    assert sum(bar.get_height() for bar in bars) == 4


def test_other_tables_are_refused_in_one_sentence(found) -> None:
    for wrong in (None, found.drop_vars("true")):
        with pytest.raises(ModelError, match="predictive_coding.recover returns"):
            report.plot_recovery(wrong)
    for wrong in (None, found.drop_vars("count")):
        with pytest.raises(ModelError, match="predictive_coding.calibrate returns"):
            report.plot_calibration(wrong)
