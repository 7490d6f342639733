"""A picture of the data."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from neurodyn.report.style import (
    DIVERGING,
    FAINT,
    INK,
    MISSING,
    SMALL,
    flat_time,
    label_ticks,
    names,
    new_figure,
    shrink,
    tidy,
    time_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRACES = 10


def plot_recording(recording: xr.Dataset, *, width: float = 8.0) -> "Figure":
    """A recording at a glance: counts as a raster, others as traces or a heat map, missing entries grey.

    Counts are shown from white (none) to dark (the unit's 99th percentile); ten continuous units or fewer as
    traces; more as a heat map in standard deviations of each unit. Trials are laid end to end.

    Parameters
    ----------
    recording : xr.Dataset
        A recording, ``activity`` on ``([trial,] time, unit)``.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, not registered with pyplot.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording, report
    >>> data = recording.make(np.random.default_rng(0).poisson(1.0, (100, 5)), sampling_interval=0.1, kind="count")
    >>> figure = report.plot_recording(data)
    """
    n_units = recording.sizes["unit"]
    traces = n_units <= TRACES and not (recording["kind"].values == "count").all()
    height = (
        np.clip(0.11 * n_units + 1.0, 1.9, 4.2) if not traces else np.clip(0.38 * n_units + 0.8, 1.6, 4.2)
    )
    figure = new_figure(width, float(height))
    axes = figure.add_subplot()
    if traces:
        draw_traces(axes, recording, room=height - 0.7)
    else:
        draw_activity(axes, recording, columns=int(width * 150), room=height - 0.7, bar=True)
    axes.set_xlabel(time_axis(recording)[1], fontsize=SMALL + 1, color=INK)
    return figure


def draw_activity(
    axes: "Axes", recording: xr.Dataset, *, columns: int, room: float, bar: bool = False
) -> None:
    """Heat map of all units over time."""
    import matplotlib

    values, _, first = flat_time(recording["activity"])
    picture, block = shrink(values, columns)
    step = time_axis(recording)[0]
    counts = (recording["kind"].values == "count").all()
    with np.errstate(invalid="ignore"):
        scaled = _by_peak(picture) if counts else _by_deviation(picture)
    colours = matplotlib.colormaps["Greys" if counts else DIVERGING].with_extremes(bad=_bad(counts))
    image = axes.imshow(
        scaled.T,
        aspect="auto",
        interpolation="nearest",
        cmap=colours,
        vmin=0.0 if counts else -2.5,
        vmax=1.0 if counts else 2.5,
        extent=(0.0, len(picture) * block * step, len(scaled.T) - 0.5, -0.5),
    )
    axes.set_xlim(0, len(values) * step)
    _separate(axes, first, step)
    n_units = recording.sizes["unit"]
    what = "pair" if "source" in recording.coords and "target" in recording.coords else "unit"
    tidy(axes, y=f"{n_units} {what}{'s' * (n_units > 1)}", frame=())
    label_ticks(axes, names(recording["unit"].values, 12), "y", room=room)
    if bar:
        scale = axes.figure.colorbar(image, ax=axes, pad=0.01, shrink=0.8, aspect=18)
        scale.outline.set_visible(False)
        scale.ax.tick_params(labelsize=SMALL, colors=INK, length=2)
        if counts:
            scale.set_ticks([0.0, 1.0], labels=["0", "peak"])
        scale.set_label("count" if counts else "standard deviations", fontsize=SMALL, color=INK)


def draw_traces(axes: "Axes", recording: xr.Dataset, *, room: float) -> None:
    """One line per unit, each between its own 1st and 99th percentile; missing stretches shaded."""
    values, _, first = flat_time(recording["activity"])
    step = time_axis(recording)[0]
    kinds = recording["kind"].values
    time = np.arange(len(values)) * step
    for row in range(values.shape[1]):
        series = values[:, row].astype(np.float64)
        known = np.isfinite(series)
        if not known.any():
            axes.axhspan(row - 0.4, row + 0.4, color=MISSING, lw=0)
            continue
        low, high = (
            np.quantile(series[known], [0.01, 0.99])
            if kinds[row] == "continuous"
            else (
                series[known].min(),
                series[known].max(),
            )
        )
        spread = high - low if high > low else 1.0
        line = row + 0.38 - 0.76 * np.clip((series - low) / spread, -0.2, 1.2)
        if kinds[row] == "continuous":
            axes.plot(time, line, color=INK, lw=0.6)
        else:
            axes.plot(time, line, color=INK, lw=0.0, marker="|", ms=3.5, mew=0.7)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], ~known, [False]]).astype(int)))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            axes.axvspan(
                start * step,
                stop * step,
                ymin=_share(row - 0.45, values.shape[1]),
                ymax=_share(row + 0.45, values.shape[1]),
                color=MISSING,
                lw=0,
            )
    axes.set_xlim(0, len(values) * step)
    axes.set_ylim(values.shape[1] - 0.5, -0.5)
    _separate(axes, first, step)
    tidy(axes, frame=("bottom",))
    axes.tick_params(axis="y", length=0)
    label_ticks(axes, names(recording["unit"].values, 14), "y", room=room)


def _share(row: float, n_rows: int) -> float:
    """Position of a data coordinate on the flipped vertical axis, as a fraction of its height."""
    return 1.0 - (row + 0.5) / n_rows


def _bad(counts: bool) -> str:
    """Colour of missing entries: grey, tinted where grey already means a count."""
    return "#e8d9c4" if counts else MISSING


def _by_peak(picture: np.ndarray) -> np.ndarray:
    """Counts as a fraction of each unit's 99th percentile."""
    top = np.array([np.quantile(c[np.isfinite(c)], 0.99) if np.isfinite(c).any() else 1.0 for c in picture.T])
    peak = np.array([c[np.isfinite(c)].max(initial=0.0) for c in picture.T])
    top = np.where(top > 0, top, np.where(peak > 0, peak, 1.0))
    return np.clip(picture / top, 0.0, 1.0)


def _by_deviation(picture: np.ndarray) -> np.ndarray:
    """Standard scores of each unit, constant ones at 0."""
    known = np.isfinite(picture)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, picture, 0.0).sum(axis=0) / count
    centred = np.where(known, picture - mean, 0.0)
    deviation = np.sqrt((centred**2).sum(axis=0) / count)
    return np.where(known, centred / np.where(deviation > 0, deviation, 1.0), np.nan)


def _separate(axes: "Axes", first: np.ndarray, step: float) -> None:
    """Thin lines between trials, where there are few enough to see."""
    if 1 < len(first) <= 60:
        for start in first[1:]:
            axes.axvline(start * step, color=FAINT, lw=0.6)
