"""Single trials: what was measured beside what a model infers of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.models.base import Fit
from neurodyn.report.predicted import Courses, chosen_trials, courses_of
from neurodyn.report.rasters import draw_counts, draw_deviations
from neurodyn.report.style import (
    ACCENT,
    FAINT,
    INK,
    NARROW,
    NULL,
    QUIET,
    SEQUENTIAL,
    SMALL,
    label_ticks,
    names,
    new_figure,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW, MOST_TRIALS = 5, 8
TICKS = 0.16  # of a panel's height, for the spikes below the rates
WHO = "plot_rates"


def plot_rates(
    fit: Fit | xr.Dataset,
    recording: xr.Dataset,
    *,
    trial: int | Sequence[int] = 0,
    units: Any = None,
    truth: str | None = "rates",
    width: float = 8.0,
) -> "Figure":
    """Single trials: the counts, and the rates that a model infers from them, on one axis of time.

    Up to five units are drawn as curves above their spikes, more as maps side by side, with the counts on the left. Where
    the recording is a simulation that holds its true rates, they are drawn too.

    Parameters
    ----------
    fit : Fit or xr.Dataset
        A fit, which is given everything the trials hold; or a prediction, from ``fit.predict(...)``, to show what was made
        of less.
    recording : xr.Dataset
        The recording.
    trial : int or sequence of int
        Positions of the trials; without trials 0.
    units : label or sequence of labels, optional
        Units to show, in this order; default all.
    truth : str, optional
        Variable of the recording with the true expected counts per bin.
    width : float
        Width in inches; below 5 the maps are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        Rates in Hz for counts; continuous units in standard deviations from their mean. Maps have one scale for all trials,
        which grows with the square root so that quiet units can be seen. Curves have the gids ``predicted`` and ``true``.

    Raises
    ------
    ModelError
        If a trial or a unit does not exist, or the prediction has another shape than the recording.
    NotApplicable
        If units are categorical, or of several kinds.

    Examples
    --------
    >>> from neurodyn.models import create
    >>> from neurodyn.report import plot_rates
    >>> from neurodyn.simulate.lorenz import lorenz_population
    >>> recording = lorenz_population(key=0, n_conditions=3, n_trials=4)
    >>> figure = plot_rates(create("smoothed_rate").fit(recording, key=0), recording, trial=1)
    >>> [axes.get_title("left") for axes in figure.axes[:3]]
    ['counts', 'inferred', 'true']
    """
    trials = chosen_trials(recording, trial, MOST_TRIALS, WHO)
    shown = courses_of(fit, recording, trials, units, truth, WHO)
    if len(shown.units) <= FEW:
        return _curves(shown, width)
    return _maps(shown, width)


def _maps(shown: Courses, width: float) -> "Figure":
    """Units as rows: counts, inferred and true rates side by side, one row of panels for every trial."""
    from matplotlib.colors import PowerNorm

    n_trials, _, n_units = shown.measured.shape
    rates = [shown.predicted] + ([] if shown.true is None else [shown.true])
    titles = ["counts" if shown.kind == "count" else "measured", "inferred", "true"][: 1 + len(rates)]
    stacked = width < NARROW
    room = float(np.clip(0.05 * n_units + 0.5, 0.8, 2.6))
    if stacked:
        room = min(room, 1.3)
    rows, columns = (n_trials * len(titles), 1) if stacked else (n_trials, len(titles))
    figure = new_figure(width, rows * (room + (0.28 if stacked else 0.12)) + 0.7)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).reshape(
        n_trials, len(titles)
    )
    top = max(float(np.quantile(rates[0][np.isfinite(rates[0])], 0.998)), 1e-9)
    scale = PowerNorm(0.5, 0.0, top)
    image = None
    for row, length in enumerate(shown.lengths):
        place = (float(shown.edges[0]), float(shown.edges[int(length)]), n_units - 0.5, -0.5)
        for column, axes in enumerate(panels[row]):
            values = (shown.measured if column == 0 else rates[column - 1])[row, :length]
            if shown.kind == "continuous":
                image = draw_deviations(axes, values, place)
            elif column == 0:
                draw_counts(axes, values, place)
            else:
                image = axes.imshow(
                    values.T,
                    aspect="auto",
                    interpolation="nearest",
                    cmap=SEQUENTIAL,
                    norm=scale,
                    extent=place,
                )
            tidy(axes, title=titles[column] if row == 0 or stacked else "", frame=("bottom",))
            axes.tick_params(axis="y", length=0)
        words = f"trial {names([shown.trials[row]], 16)[0]}"
        words = f"{words}, {n_units} units" if room > 1.2 else words
        panels[row, 0].set_ylabel(words, fontsize=SMALL + 1, color=INK)
    if not stacked:
        figure.set_layout_engine("constrained", wspace=0.05)
    label_ticks(panels[0, 0], names(shown.units, 10), "y", room=0.7 * room)
    _finish(panels, shown)
    if image is not None:
        bar = figure.colorbar(image, ax=panels[:, -1].tolist(), pad=0.02, aspect=22, fraction=0.06)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=SMALL, colors=INK, length=2)
        bar.set_label(shown.scale, fontsize=SMALL, color=INK)
    return figure


def _curves(shown: Courses, width: float) -> "Figure":
    """A row of panels for every unit, a column for every trial: rates above spikes."""
    n_trials, _, n_units = shown.measured.shape
    figure = new_figure(width, n_units * 1.05 + 0.85)
    panels = figure.subplots(n_units, n_trials, sharex=True, sharey="row", squeeze=False)
    for column, length in enumerate(shown.lengths):
        for row, axes in enumerate(panels[:, column]):
            _curve(axes, shown, column, row, int(length))
            title = f"trial {names([shown.trials[column]], 16)[0]}" if row == 0 else ""
            tidy(axes, title=title, y=f"unit {names([shown.units[row]], 12)[0]}" if column == 0 else "")
    for row in range(n_units):
        _set_heights(panels[row, 0], shown, row)
    _finish(panels, shown)
    figure.supylabel(shown.scale, fontsize=SMALL + 1, color=INK)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper right",
        ncols=3,
        fontsize=SMALL,
        frameon=False,
        labelcolor=INK,
        handlelength=1.4,
    )
    return figure


def _curve(axes: "Axes", shown: Courses, trial: int, unit: int, length: int) -> None:
    """One unit in one trial."""
    middle = (shown.edges[:length] + shown.edges[1 : length + 1]) / 2
    measured = shown.measured[trial, :length, unit]
    if shown.kind == "continuous":
        axes.plot(middle, measured, color=QUIET, lw=0.6, label="measured", gid="measured")
    if shown.true is not None:
        axes.plot(
            middle,
            shown.true[trial, :length, unit],
            color=NULL,
            lw=1.2,
            ls=(0, (3, 1.5)),
            label="true",
            gid="true",
        )
    axes.plot(
        middle, shown.predicted[trial, :length, unit], color=ACCENT, lw=1.6, label="inferred", gid="predicted"
    )
    if shown.kind == "continuous":
        return
    some = np.nan_to_num(measured) > 0
    most = max(float(np.nanmax(shown.measured[..., unit], initial=1.0)), 1.0)
    strength = np.sqrt(np.nan_to_num(measured)[some] / most)
    axes.vlines(
        middle[some],
        0.0,
        0.8 * TICKS,
        transform=axes.get_xaxis_transform(),
        colors=[(*_rgb(INK), float(np.clip(alpha, 0.25, 1.0))) for alpha in strength],
        lw=float(np.clip(60 / max(length, 1), 0.6, 1.6)),
        gid="spikes",
    )


def _rgb(colour: str) -> tuple[float, float, float]:
    """A colour in numbers."""
    from matplotlib.colors import to_rgb

    return to_rgb(colour)


def _set_heights(axes: "Axes", shown: Courses, unit: int) -> None:
    """Room for the curves, and for the spikes below them."""
    if shown.kind == "continuous":
        return
    curves = [shown.predicted[..., unit]] + ([] if shown.true is None else [shown.true[..., unit]])
    top = max(float(np.nanmax(curve)) for curve in curves) or 1.0
    axes.set_ylim(-TICKS / (1 - TICKS) * 1.05 * top, 1.05 * top)
    ticks = [tick for tick in axes.get_yticks() if 0 <= tick <= 1.05 * top]
    axes.set_yticks(ticks)
    axes.axhline(0.0, color=FAINT, lw=0.6, zorder=0)


def _finish(panels: np.ndarray, shown: Courses) -> None:
    """The common axis of time."""
    for axes in panels.ravel():
        axes.set_xlim(shown.edges[0], shown.edges[int(shown.lengths.max())])
        axes.label_outer()
    lowest = [axes for axes in panels.ravel() if axes.get_subplotspec().is_last_row()]
    for axes in lowest:
        axes.set_xlabel(shown.axis, fontsize=SMALL + 1, color=INK)
