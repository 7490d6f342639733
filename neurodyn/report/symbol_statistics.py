"""Statistics of samples of symbol sequences beside those of their target: transitions, frequencies, volatility."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.report.sequence_views import SequenceView, sample_colours, sequence_view
from neurodyn.report.style import (
    DIVERGING,
    INK,
    MISSING,
    MOVES,
    NARROW,
    SMALL,
    new_figure,
    number,
    tidy,
)
from neurodyn.validation.metrics import sequence_statistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WRITTEN = 6
MOST_NAMED = 20
RARE = 20  # times more frequent: then a linear axis would hide the rarest


def plot_sequence_statistics(samples: Mapping[str, xr.Dataset], *, width: float = 8.0) -> "Figure":
    """Symbol transitions of every sample and their difference from the target's, symbol frequencies, and volatility.

    Parameters
    ----------
    samples : mapping
        From names to recordings of one categorical unit, the target first, as for `plot_sequences`; all sequences are used.
    width : float
        Width in inches; below 5 the parts are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        Images of the matrices (the diagonal, which is staying, is grey and has no part in the scale), and of sample less
        target; points with the gid of the sample at the frequencies; steps with this gid at the share of sequences with as
        many changes, and a vertical line at the mean.

    Raises
    ------
    ModelError
        If there is one sample only, or they are no recordings of one categorical unit with sequences of equal length.

    Examples
    --------
    >>> from neurodyn.report import plot_sequence_statistics
    >>> from neurodyn.simulate.symbol_chains import fully_connected
    >>> samples = {name: fully_connected().sample(20, n_trials=50, key=key) for key, name in enumerate(("target", "other"))}
    >>> len(plot_sequence_statistics(samples).axes)
    5
    """
    view = sequence_view(samples)
    if len(view.symbols) < 2:
        raise ModelError("there is one sample; give the target and what is to be compared with it.")
    found = {name: sequence_statistics(one) for name, one in view.recordings.items()}
    symbols = list(range(len(view.names)))
    tables = {
        name: one["transition"].reindex(symbol=symbols, symbol_next=symbols).values
        for name, one in found.items()
    }
    shares = {
        name: one["frequency"].reindex(symbol=symbols).fillna(0.0).values for name, one in found.items()
    }
    figure, places = _layout(width, len(tables))
    _draw_tables(places["tables"], places["differences"], tables, view.names)
    _draw_frequencies(places["frequencies"], shares, view)
    _draw_volatility(places["volatility"], view)
    return figure


def _layout(width: float, count: int) -> tuple["Figure", dict[str, Any]]:
    """Where the parts stand: two samples in one row with their difference, more with differences below."""
    stacked = width < NARROW
    if stacked:
        side = 0.72 * width
        rows = 2 * count - 1
        figure = new_figure(width, rows * side + 2 * 2.0 + 0.3)
        grid = figure.add_gridspec(rows + 2, 1, height_ratios=[side] * rows + [2.0, 2.0])
        axes = [figure.add_subplot(grid[row]) for row in range(rows)]
        below = [figure.add_subplot(grid[rows]), figure.add_subplot(grid[rows + 1])]
        tables, differences = axes[:count], axes[count:]
    else:
        columns, levels = (3, 1) if count == 2 else (count, 2)
        side = width / columns
        figure = new_figure(width, levels * side + 2.3)
        outer = figure.add_gridspec(2, 1, height_ratios=[levels * side, 2.2])
        grid = outer[0].subgridspec(levels, columns)
        tables = [figure.add_subplot(grid[0, column]) for column in range(count)]
        if count == 2:
            differences = [figure.add_subplot(grid[0, 2])]
        else:
            differences = [figure.add_subplot(grid[1, column]) for column in range(1, count)]
        inner = outer[1].subgridspec(1, 2)
        below = [figure.add_subplot(inner[0]), figure.add_subplot(inner[1])]
    return figure, {
        "tables": tables,
        "differences": differences,
        "frequencies": below[0],
        "volatility": below[1],
    }


def _draw_tables(
    tables: list["Axes"], differences: list["Axes"], found: dict[str, np.ndarray], names: list[str]
) -> None:
    """Matrices on one scale, differences on another."""
    target = next(iter(found))
    off = ~np.eye(len(names), dtype=bool)
    top = max(float(np.nanmax([np.nan_to_num(one)[off].max(initial=0.0) for one in found.values()])), 1e-6)
    for axes, (name, values) in zip(tables, found.items(), strict=True):
        _draw_table(
            axes, np.ma.array(values, mask=~off | ~np.isfinite(values)), values, name, names, MOVES, 0.0, top
        )
    gaps = {
        name: np.nan_to_num(values) - np.nan_to_num(found[target])
        for name, values in found.items()
        if name != target
    }
    most = max(float(np.abs(list(gaps.values())).max()), 1e-6)
    for axes, (name, gap) in zip(differences, gaps.items(), strict=True):
        _draw_table(axes, gap, gap, f"{name} − {target}", names, DIVERGING, -most, most)
    tables[0].set_ylabel("from symbol", fontsize=SMALL, color=INK)


def _draw_table(
    axes: "Axes",
    shown: Any,
    values: np.ndarray,
    title: str,
    names: list[str],
    colours: str,
    low: float,
    high: float,
) -> None:
    """A matrix with its values where they fit."""
    import matplotlib

    cmap = matplotlib.colormaps[colours].with_extremes(bad=MISSING)
    axes.imshow(shown, cmap=cmap, vmin=low, vmax=high)
    signed = low < 0
    if len(names) <= WRITTEN:
        for row, column in np.ndindex(values.shape):
            value = values[row, column]
            if not np.isfinite(value):
                continue
            text = f"{value:+.3f}" if signed and abs(value) >= 5e-4 else f"{abs(value):.3f}"
            dark = abs(value) > 0.6 * high and (signed or row != column)
            axes.text(
                column,
                row,
                text.replace("-", "−").replace("0.", "."),
                ha="center",
                va="center",
                fontsize=SMALL - 0.5,
                color="white" if dark else INK,
            )
    places = range(len(names)) if len(names) <= MOST_NAMED else []
    labels = names if len(names) <= MOST_NAMED else []
    axes.set_xticks(list(places), labels)
    axes.set_yticks(list(places), labels)
    tidy(axes, x="to symbol", title=title, frame=())
    axes.xaxis.label.set_fontsize(SMALL)
    axes.tick_params(length=0)


def _draw_frequencies(axes: "Axes", shares: dict[str, np.ndarray], view: SequenceView) -> None:
    """Share of all steps that every symbol has."""
    colours = sample_colours(view)
    count = len(shares)
    for place, (name, values) in enumerate(shares.items()):
        shift = (place - (count - 1) / 2) * 0.5 / count
        axes.plot(
            np.arange(len(values)) + shift,
            values,
            ls="",
            marker="o" if place == 0 else "D",
            ms=5.5,
            mfc=colours[name],
            mec="white",
            mew=0.5,
            label=name,
            gid=name,
        )
    axes.set_xlim(-0.6, len(view.names) - 0.4)
    every = np.concatenate(list(shares.values()))
    if 0 < RARE * every.min() < every.max():
        axes.set_yscale("log")
        axes.set_ylim(0.5 * every.min(), 2 * every.max())
    else:
        axes.set_ylim(0, 1.12 * max(float(every.max()), 1e-9))
    if len(view.names) <= MOST_NAMED:
        axes.set_xticks(range(len(view.names)), view.names)
    tidy(axes, x="symbol", y="share of steps", title="symbol frequencies")
    axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK, handletextpad=0.2)


def _draw_volatility(axes: "Axes", view: SequenceView) -> None:
    """How many sequences have how many changes."""
    colours = sample_colours(view)
    changes = {name: (np.diff(one, axis=1) != 0).sum(axis=1) for name, one in view.symbols.items()}
    most = max(int(one.max()) for one in changes.values())
    for name, counts in changes.items():
        share = np.bincount(counts, minlength=most + 1) / len(counts)
        mean = float(counts.mean())
        first = name == next(iter(changes))
        axes.plot(
            np.arange(most + 1),
            share,
            drawstyle="steps-mid",
            color=colours[name],
            lw=1.8 if first else 1.3,
            label=f"{name}: {number(mean)}",
            gid=name,
        )
        axes.axvline(mean, color=colours[name], lw=1.0, ls=(0, (3, 2)), gid=f"mean of {name}")
    axes.set_ylim(0, 1.2 * axes.get_ylim()[1])
    axes.set_xlim(-0.6, most + 0.6)
    tidy(axes, x="changes of the symbol in a sequence", y="share of sequences", title="volatility")
    axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK, title="mean", title_fontsize=SMALL)
