"""Spikes with the states behind them."""

import itertools
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.models.base import Fit
from neurodyn.report import views
from neurodyn.report.style import (
    DIVERGING,
    INK,
    MISSING,
    SMALL,
    label_ticks,
    names,
    new_figure,
    shrink,
    state_colour,
    tidy,
    time_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

BAND = 0.55


def plot_raster_states(
    fit: Fit,
    recording: xr.Dataset,
    *,
    trial: int = 0,
    start: float | None = None,
    stop: float | None = None,
    width: float = 8.0,
) -> "Figure":
    """One trial's activity with the probability of every state above it as coloured bands.

    Behind counts and events, darker the more of them, the colour of the most probable state is repeated, pale.

    Parameters
    ----------
    fit : Fit
        A fit with discrete states.
    recording : xr.Dataset
        The recording to infer the states of.
    trial : int
        Position of the trial; without trials 0.
    start, stop : float, optional
        Part to show, in seconds from the trial's first bin (in choices for a recording of choices).
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        Bands above, whose heights add up to 1; activity below; missing entries grey.

    Raises
    ------
    ModelError
        If the trial or the part does not exist.
    NotApplicable
        If the fit has no discrete states.
    """
    probability = views.states(fit, recording).probability
    values, chance = recording["activity"], probability
    if "trial" in values.dims:
        if not 0 <= trial < values.sizes["trial"]:
            raise ModelError(f"trial is {trial}; the recording has {values.sizes['trial']}, counted from 0.")
        values, chance = values.isel(trial=trial), chance.isel(trial=trial)
    elif trial != 0:
        raise ModelError(f"trial is {trial}, but the recording has none; leave it out.")
    n_bins = int(values["n_bins"]) if "n_bins" in values.coords else values.sizes["time"]
    by_choice = recording.attrs.get("time_unit") == "trial"
    interval = 1.0 if by_choice else float(recording.attrs["sampling_interval"])
    first = 0 if start is None else int(np.floor(start / interval + 1e-6))
    end = n_bins if stop is None else min(n_bins, int(np.ceil(stop / interval - 1e-6)))
    if not 0 <= first < end:
        raise ModelError(
            f"start {start!r} and stop {stop!r} leave no bin of a trial that lasts {n_bins * interval:g} "
            f"{'choices' if by_choice else 's'}."
        )
    part = recording.isel(time=slice(first, end))
    if "trial" in part.dims:
        part = part.isel(trial=[trial])
    step, words = time_axis(part)
    columns = int(width * 150)
    shown, block = shrink(values.transpose("time", "unit").values[first:end], columns)
    bands, _ = shrink(chance.transpose("time", "state").values[first:end], columns)
    edges = (first + np.minimum(np.arange(len(shown) + 1) * block, end - first)) * step

    room = float(np.clip(0.11 * shown.shape[1] + 0.35, 0.7, 4.2))
    figure = new_figure(width, BAND + room + 0.85)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(BAND, room))
    labels = probability["state"].values.tolist()
    _draw_bands(above, bands, edges, labels, width)
    kinds = set(recording["kind"].values.astype(str).tolist())
    _draw_raster(below, shown, edges, None if kinds & {"continuous", "categorical"} else bands)
    below.set_xlim(edges[0], edges[-1])
    label_ticks(below, names(recording["unit"].values, 12), "y", room=room)
    units = recording.sizes["unit"]
    tidy(below, x=words, y=f"{units} unit{'s' * (units > 1)}", frame=("bottom",))
    below.tick_params(axis="y", length=0)
    above.tick_params(axis="x", length=0, labelbottom=False)
    return figure


def _draw_bands(axes: "Axes", bands: np.ndarray, edges: np.ndarray, labels: list, width: float) -> None:
    """Probabilities on top of each other, and their legend."""
    top = np.cumsum(np.nan_to_num(bands), axis=1)
    for k, label in enumerate(labels):
        base = top[:, k - 1] if k else np.zeros(len(top))
        axes.stairs(
            top[:, k], edges, baseline=base, fill=True, color=state_colour(k), lw=0, label=f"state {label}"
        )
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 1])
    tidy(axes, y="probability", frame=())
    axes.yaxis.label.set_fontsize(SMALL)
    axes.tick_params(axis="y", length=0)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=int(np.clip(width // 0.95, 2, 12)),
        fontsize=SMALL,
        frameon=False,
        handlelength=1.0,
        handleheight=0.8,
        columnspacing=1.2,
        borderpad=0.1,
        borderaxespad=0.2,
    )


def _draw_raster(axes: "Axes", shown: np.ndarray, edges: np.ndarray, bands: np.ndarray | None) -> None:
    """Activity, counts and events as ink on the colour of the most probable state."""
    place = (edges[0], edges[-1], shown.shape[1] - 0.5, -0.5)
    if bands is None:
        known = np.ma.masked_invalid(shown)
        centre, spread = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-12)
        draw_deviations(axes, (known - centre) / spread, place)
        return
    certain = np.isfinite(bands).all(axis=1)
    path = np.where(certain, np.argmax(np.nan_to_num(bands), axis=1), -1)
    changes = np.flatnonzero(np.diff(np.concatenate([[-2], path, [-2]])))
    for left, right in itertools.pairwise(changes):
        if path[left] >= 0:
            axes.axvspan(edges[left], edges[right], color=state_colour(int(path[left])), alpha=0.16, lw=0)
    draw_counts(axes, shown, place)


def draw_counts(axes: "Axes", shown: np.ndarray, place: tuple[float, float, float, float]) -> None:
    """Counts (time, unit) as ink, the darker the more; missing entries grey."""
    from matplotlib.colors import to_rgb

    peak = np.array([np.quantile(c[np.isfinite(c)], 0.99) if np.isfinite(c).any() else 1.0 for c in shown.T])
    most = np.array([c[np.isfinite(c)].max(initial=0.0) for c in shown.T])
    peak = np.where(peak > 0, peak, np.where(most > 0, most, 1.0))
    ink = np.zeros((shown.shape[1], len(shown), 4))
    ink[..., :3] = to_rgb(INK)
    ink[..., 3] = np.sqrt(np.clip(np.nan_to_num(shown) / peak, 0, 1)).T
    ink[~np.isfinite(shown).T] = (*to_rgb(MISSING), 1.0)
    axes.imshow(ink, aspect="auto", interpolation="nearest", extent=place, zorder=1)


def draw_deviations(axes: "Axes", shown: np.ndarray, place: tuple[float, float, float, float]) -> "AxesImage":
    """Activity (time, unit) in standard deviations, red above the mean and blue below; missing entries grey."""
    import matplotlib

    colours = matplotlib.colormaps[DIVERGING].with_extremes(bad=MISSING)
    return axes.imshow(
        np.ma.masked_invalid(shown).T,
        aspect="auto",
        interpolation="nearest",
        cmap=colours,
        vmin=-2.5,
        vmax=2.5,
        extent=place,
    )
