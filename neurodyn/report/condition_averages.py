"""Averages over the trials of a condition: measured ones, and those that a model predicts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models.base import Fit
from neurodyn.report.predicted import PER_SECOND, chosen_units, kind_of, prediction_of
from neurodyn.report.style import INK, NARROW, SMALL, names, new_figure, state_colour, tidy, time_axis
from neurodyn.validation.psth import psth_match

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_UNITS, MOST_CONDITIONS = 6, 4
WHO = "plot_condition_average"
TOGETHER = "all trials"


def plot_condition_average(
    fit: Fit | xr.Dataset,
    recording: xr.Dataset,
    *,
    by: str | None = "condition",
    units: Any = None,
    conditions: Sequence[Any] | None = None,
    smoothing: float = 0.0,
    width: float = 8.0,
) -> "Figure":
    """The average of the counts over the trials of each condition, and that of the inferred rates.

    Parameters
    ----------
    fit : Fit or xr.Dataset
        A fit, which is given everything the recording holds; or a prediction, from ``fit.predict(...)``, to compare what was
        predicted of trials or units that were held out.
    recording : xr.Dataset
        A recording with trials.
    by : str, optional
        Coordinate on ``trial`` that names the condition; None: all trials together.
    units : label or sequence of labels, optional
        Units to show; default the six whose averages vary most, beyond their noise.
    conditions : sequence of labels, optional
        Conditions to show; default up to four, evenly spaced.
    smoothing : float
        Standard deviation in seconds of a Gaussian that counts and rates are smoothed with alike.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for every unit: bands are the measured average and its standard error on either side, lines the inferred one,
        both in Hz for counts. The title has the R² of :func:`neurodyn.validation.psth_match` over all conditions.

    Raises
    ------
    ModelError
        If a unit or a condition does not exist, no condition has two trials, or the prediction has another shape.
    NotApplicable
        If there are no trials, or no such coordinate.

    Examples
    --------
    >>> from neurodyn.models import create
    >>> from neurodyn.report import plot_condition_average
    >>> from neurodyn.simulate.lorenz import lorenz_population
    >>> recording = lorenz_population(key=0, n_conditions=3, n_trials=4)
    >>> fit = create("smoothed_rate").fit(recording, key=0)
    >>> len(plot_condition_average(fit, recording, units=[0, 1, 2]).axes)
    3
    """
    if "trial" not in recording["activity"].dims:
        raise NotApplicable(f"{WHO} averages over trials, and the recording has none; cut it into trials.")
    kind = kind_of(
        recording if units is None else recording.sel(unit=chosen_units(recording, units, WHO)), WHO
    )
    labelled = recording
    if by is None:
        by = "averaged"
        labelled = recording.assign_coords(averaged=("trial", np.full(recording.sizes["trial"], TOGETHER)))
    mean = prediction_of(fit, recording, WHO)
    found = psth_match(mean, labelled, by=by, smoothing=smoothing, key=0, n_bootstrap=1)
    shown = _most_varied(found) if units is None else chosen_units(recording, units, WHO)
    found = found.sel(unit=shown)
    some = _chosen_conditions(found, conditions, by)
    return _drawn(found, some, kind, recording, width)


def _most_varied(found: xr.Dataset) -> np.ndarray:
    """Units whose averages vary most beyond their noise, in the recording's order."""
    seen = np.isfinite(found["noise"].values)
    values = np.where(seen, found["observed"].values, np.nan)
    centred = np.where(
        seen, values - np.nanmean(np.where(seen, values, np.nan), axis=(0, 1), keepdims=True), 0.0
    )
    signal = (centred**2 - np.where(seen, found["noise"].values, 0.0)).sum(axis=(0, 1))
    best = np.sort(np.argsort(-signal, kind="stable")[:MOST_UNITS])
    return found["unit"].values[best]


def _chosen_conditions(found: xr.Dataset, wanted: Sequence[Any] | None, by: str) -> list[int]:
    """Positions of the conditions to show."""
    held = found["condition"].values.tolist()
    if wanted is None:
        return sorted({round(place) for place in np.linspace(0, len(held) - 1, MOST_CONDITIONS)})
    lacking = [one for one in wanted if one not in held]
    if lacking or not len(wanted):
        raise ModelError(
            f"{WHO}: {by} {lacking[0] if lacking else '(none named)'!r} has no two trials; those that have are "
            f"{', '.join(names(held[:8]))}{' …' if len(held) > 8 else ''}."
        )
    return [held.index(one) for one in wanted]


def _drawn(found: xr.Dataset, some: list[int], kind: str, recording: xr.Dataset, width: float) -> "Figure":
    """A panel for every unit."""
    n_units = found.sizes["unit"]
    columns = min(n_units, 1 if width < 3.5 else 2 if width < NARROW + 1 else 3)
    rows = -(-n_units // columns)
    figure = new_figure(width, 1.55 * rows + 0.75)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False)
    step, words = time_axis(recording.isel(trial=[0]))
    interval = float(recording.attrs["sampling_interval"])
    scale = 1.0 / interval if kind == "count" else 1.0
    first = 0.0 if recording.attrs.get("time_unit") == "trial" else float(found["time"].values[0]) / interval
    middle = (first + 0.5 + np.arange(found.sizes["time"])) * step
    for place, axes in enumerate(panels.ravel()):
        if place >= n_units:
            axes.remove()
            continue
        one = found.isel(unit=place)
        for colour, condition in enumerate(some):
            _one_condition(axes, one.isel(condition=condition), middle, scale, state_colour(colour))
        fitted = float(one["unit_r2"])
        said = f" (R² {round(fitted, 2) + 0.0:.2f})".replace("-", "−") if np.isfinite(fitted) else ""
        tidy(axes)
        axes.set_title(
            f"unit {names([one['unit'].item()], 12)[0]}{said}", fontsize=SMALL, color=INK, loc="left"
        )
        axes.set_xlim(middle[0] - step / 2, middle[-1] + step / 2)
        if kind == "count":
            axes.set_ylim(bottom=0.0)
        if place + columns >= n_units:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel(words, fontsize=SMALL + 1, color=INK)
    figure.supylabel(PER_SECOND[kind] if kind != "continuous" else "activity", fontsize=SMALL + 1, color=INK)
    _legend(figure, found, some, width)
    return figure


def _one_condition(axes: "Axes", one: xr.Dataset, middle: np.ndarray, scale: float, colour: str) -> None:
    """Band of what was measured, line of what was predicted."""
    observed, error = one["observed"].values * scale, np.sqrt(one["noise"].values) * scale
    label = one["condition"].item()
    axes.fill_between(
        middle, observed - error, observed + error, color=colour, alpha=0.3, lw=0, gid=f"measured {label}"
    )
    axes.plot(middle, one["predicted"].values * scale, color=colour, lw=1.5, gid=f"inferred {label}")


def _legend(figure: "Figure", found: xr.Dataset, some: list[int], width: float) -> None:
    """Colours of the conditions, and what bands and lines are."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    labels = found["condition"].values
    several = len(labels) > 1
    handles: list[Any] = [
        Patch(color=INK, alpha=0.3, lw=0, label="measured ± s.e."),
        Line2D([], [], color=INK, label="inferred"),
    ]
    if several:
        by = found.attrs["by"].replace("_", " ")
        handles += [
            Line2D(
                [], [], color=state_colour(colour), lw=4, label=f"{by} {names([labels[condition]], 12)[0]}"
            )
            for colour, condition in enumerate(some)
        ]
    figure.legend(
        handles=handles,
        loc="outside upper right",
        ncols=len(handles) if width >= NARROW else 2,
        fontsize=SMALL,
        frameon=False,
        labelcolor=INK,
        handlelength=1.2,
        columnspacing=1.2,
    )
