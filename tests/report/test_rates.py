"""Figures of single-trial rates show what was counted and what was predicted, in Hz and at the right time."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from neurodyn import models, recording, report
from neurodyn.errors import ModelError, NotApplicable
from neurodyn.validation import psth_match

BIN = 0.05


def line(axes, gid: str):
    """The line with a name."""
    (found,) = [one for one in axes.lines if one.get_gid() == gid]
    return found


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    """Eight trials of two conditions, twelve units, which start 0.2 s before an event; the last is shorter."""
    rng = np.random.default_rng(0)
    rates = rng.gamma(2.0, 0.3, (2, 20, 12))[np.repeat([0, 1], 4)]
    counts = rng.poisson(rates).astype(float)
    counts[7, 15:] = np.nan
    found = recording.make(
        counts,
        sampling_interval=BIN,
        kind="count",
        time=-0.2 + BIN * np.arange(20),
        unit=[f"n{place}" for place in range(12)],
        trial_coords={"condition": ["left"] * 4 + ["right"] * 4},
    )
    return found.assign(rates=(("trial", "time", "unit"), rates))


@pytest.fixture(scope="module")
def prediction(data) -> xr.Dataset:
    """A prediction that is no fit's."""
    return xr.Dataset({"mean": data["rates"] * 0.8 + 0.1})


@pytest.mark.parametrize("width", [3.9, 8.0])
def test_maps_hold_counts_predictions_and_true_rates_in_hz(data, prediction, width):
    figure = report.plot_rates(prediction, data, trial=[6, 7], width=width)
    assert figure.get_size_inches()[0] == pytest.approx(width)
    figure.canvas.draw()
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 6
    counts, inferred, true = (np.asarray(axes.images[0].get_array()) for axes in panels[:3])
    np.testing.assert_allclose(inferred.T, prediction["mean"].values[6] / BIN, rtol=1e-6)
    np.testing.assert_allclose(true.T, data["rates"].values[6] / BIN, rtol=1e-6)
    np.testing.assert_array_equal(counts[..., 3].T > 0, data["activity"].values[6] > 0)
    assert panels[1].images[0].get_clim() == panels[5].images[0].get_clim()
    # The shorter trial ends where it does, on the common axis that begins 200 ms before the event.
    for axes, end in ((panels[0], 800.0), (panels[3], 550.0)):
        assert axes.images[0].get_extent()[:2] == pytest.approx([-200.0, end])
        assert axes.get_xlim() == pytest.approx((-200.0, 800.0))
    assert plt.get_fignums() == []


@pytest.mark.parametrize("width", [3.9, 8.0])
def test_few_units_are_curves_above_their_spikes(data, prediction, width):
    figure = report.plot_rates(prediction, data, trial=[2, 7], units=["n5", "n2"], width=width)
    figure.canvas.draw()
    assert figure.get_size_inches()[0] == pytest.approx(width)
    panels = np.array(figure.axes).reshape(2, 2)
    for row, unit in enumerate((5, 2)):
        for column, (trial, length) in enumerate(((2, 20), (7, 15))):
            axes = panels[row, column]
            values = prediction["mean"].values[trial, :length, unit] / BIN
            np.testing.assert_allclose(line(axes, "predicted").get_ydata(), values, rtol=1e-6)
            middle = 1000 * (-0.2 + BIN * (np.arange(length) + 0.5))
            np.testing.assert_allclose(line(axes, "predicted").get_xdata(), middle)
            np.testing.assert_allclose(
                line(axes, "true").get_ydata(), data["rates"].values[trial, :length, unit] / BIN
            )
            (spikes,) = [one for one in axes.collections if one.get_gid() == "spikes"]
            at = [segment[0, 0] for segment in spikes.get_segments()]
            np.testing.assert_allclose(at, middle[data["activity"].values[trial, :length, unit] > 0])
    assert panels[0, 0].get_ylabel() == "unit n5"


def test_a_fit_predicts_from_the_whole_trial(data):
    fit = models.create("smoothed_rate").fit(data, key=0)
    axes = report.plot_rates(fit, data, trial=3, units="n4", truth=None).axes[0]
    expected = fit.predict(data)["mean"].values[3, :, 4] / BIN
    np.testing.assert_allclose(line(axes, "predicted").get_ydata(), expected, rtol=1e-5)
    assert [one.get_gid() for one in axes.lines if one.get_gid()] == ["predicted"]


def test_continuous_units_are_in_standard_deviations_on_both_sides():
    rng = np.random.default_rng(1)
    values = 5.0 + 3.0 * rng.normal(size=(40, 8))
    data = recording.make(values, sampling_interval=0.5)
    shown = report.plot_rates(xr.Dataset({"mean": data["activity"]}), data)
    measured, inferred = (np.asarray(axes.images[0].get_array()) for axes in shown.axes[:2])
    np.testing.assert_allclose(measured, inferred, rtol=1e-5)
    np.testing.assert_allclose(measured.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(measured.std(axis=1), 1, rtol=1e-4)
    assert [axes.get_title("left") for axes in shown.axes[:2]] == ["measured", "inferred"]


def test_what_cannot_be_shown_is_refused(data, prediction):
    with pytest.raises(ModelError, match="trial is 8; the recording has 8"):
        report.plot_rates(prediction, data, trial=8)
    with pytest.raises(ModelError, match="no unit 'n99'"):
        report.plot_rates(prediction, data, units=["n99"])
    with pytest.raises(ModelError, match="shape"):
        report.plot_rates(prediction.isel(time=slice(0, 5)), data)
    with pytest.raises(ModelError, match="neither a fit nor a prediction"):
        report.plot_rates(7, data)
    mixed = data.assign_coords(kind=("unit", ["count"] * 11 + ["continuous"]))
    with pytest.raises(NotApplicable, match="continuous and count"):
        report.plot_rates(prediction, mixed)
    assert report.plot_rates(prediction, mixed, units=["n0"]).axes


def band(axes, gid: str) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of a band."""
    (found,) = [one for one in axes.collections if one.get_gid() == gid]
    points = found.get_paths()[0].vertices
    n_time = (len(points) - 3) // 2
    return points[1 : n_time + 1, 1], points[n_time + 2 : -1, 1][::-1]


@pytest.mark.parametrize("width", [3.9, 8.0])
def test_averages_by_condition_are_those_of_the_trials(data, prediction, width):
    figure = report.plot_condition_average(prediction, data, units=["n3", "n8"], width=width)
    figure.canvas.draw()
    for axes, unit in zip(figure.axes, (3, 8), strict=True):
        for label, trials in (("left", slice(0, 4)), ("right", slice(4, 7))):
            # Of the shorter trial, the bins before its end count.
            counts = data["activity"].values[trials, :, unit] / BIN
            if label == "right":
                counts = data["activity"].values[4:8, :15, unit] / BIN
            n_time = counts.shape[1]
            mean, error = counts.mean(axis=0), counts.std(axis=0, ddof=1) / 2
            low, high = band(axes, f"measured {label}")
            np.testing.assert_allclose(low[:n_time], mean - error, atol=1e-6)
            np.testing.assert_allclose(high[:n_time], mean + error, atol=1e-6)
            four = slice(0, 4) if label == "left" else slice(4, 8)
            expected = prediction["mean"].values[four, :n_time, unit].mean(axis=0) / BIN
            np.testing.assert_allclose(
                line(axes, f"inferred {label}").get_ydata()[:n_time], expected, rtol=1e-6
            )
    matched = psth_match(prediction["mean"], data, key=0)["unit_r2"].sel(unit="n3").item()
    assert figure.axes[0].get_title("left") == f"unit n3 (R² {matched:.2f})".replace("-", "−")


def test_units_that_differ_between_conditions_are_chosen():
    rng = np.random.default_rng(0)
    rates = np.full((2, 30, 9), 1.0)
    rates[1, :, [2, 6]] = 4.0
    counts = rng.poisson(rates[np.repeat([0, 1], 10)])
    labels = {"condition": np.repeat([0, 1], 10)}
    data = recording.make(counts, sampling_interval=0.1, kind="count", trial_coords=labels)
    figure = report.plot_condition_average(xr.Dataset({"mean": data["activity"]}), data)
    titles = [axes.get_title("left") for axes in figure.axes]
    assert len(titles) == 6
    assert {"unit 2 (R² 1.00)", "unit 6 (R² 1.00)"} <= set(titles)


def test_all_trials_together_need_no_condition(data, prediction):
    figure = report.plot_condition_average(prediction, data, by=None, units="n1")
    expected = prediction["mean"].values[:, :15, 1].mean(axis=0) / BIN
    found = line(figure.axes[0], "inferred all trials").get_ydata()[:15]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_conditions_are_chosen_by_label(data, prediction):
    axes = report.plot_condition_average(prediction, data, units="n1", conditions=["right"]).axes[0]
    assert [one.get_gid() for one in axes.lines] == ["inferred right"]
    with pytest.raises(ModelError, match="'up' has no two trials; those that have are left, right"):
        report.plot_condition_average(prediction, data, conditions=["up"])
    with pytest.raises(NotApplicable, match="'odour'"):
        report.plot_condition_average(prediction, data, by="odour")
    one = {"mean": prediction["mean"].isel(trial=0, drop=True)}
    with pytest.raises(NotApplicable, match="averages over trials"):
        report.plot_condition_average(xr.Dataset(one), data.isel(trial=0, drop=True))
