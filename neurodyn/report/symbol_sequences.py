"""Sequences of symbols side by side: those that were recorded, and those that models make."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.report.sequence_views import sequence_view, symbol_colours
from neurodyn.report.style import INK, NARROW, SMALL, TEXT, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 40
LINE = 0.055  # inches of a sequence


def plot_sequences(samples: Mapping[str, xr.Dataset], *, most: int = MOST, width: float = 8.0) -> "Figure":
    """Sequences of symbols as coloured rows, as many of every sample.

    Parameters
    ----------
    samples : mapping
        From names to recordings of one categorical unit, the target first; a recording with gaps, or of one long run, is
        cut into complete sequences.
    most : int
        Sequences of each sample; the first ones are shown, and of all samples as many as the smallest has.
    width : float
        Width in inches; below 5 the samples stand below each other.

    Returns
    -------
    matplotlib.figure.Figure
        One image for each sample, whose array holds the codes ``(sequence, step)``; a legend names the symbols.

    Raises
    ------
    ModelError
        If there are no samples, or they are no recordings of one categorical unit with sequences of equal length.

    Examples
    --------
    >>> from neurodyn.report import plot_sequences
    >>> from neurodyn.simulate.symbol_chains import cyclic, fully_connected
    >>> target, other = cyclic().sample(20, n_trials=9, key=0), fully_connected().sample(20, n_trials=7, key=1)
    >>> figure = plot_sequences({"target": target, "other": other})
    >>> [axes.images[0].get_array().shape for axes in figure.axes]
    [(7, 20), (7, 20)]
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    if most < 1:
        raise ModelError(f"most is {most}; show one sequence or more.")
    view = sequence_view(samples)
    shown = min(most, *(len(symbols) for symbols in view.symbols.values()))
    stacked = width < NARROW
    count = len(view.symbols)
    rows, columns = (count, 1) if stacked else (1, count)
    tall = max(LINE * shown, 0.9) + 0.55
    figure = new_figure(width, rows * tall + 0.35)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    colours = symbol_colours(len(view.names))
    for number, (axes, (name, symbols)) in enumerate(zip(grid, view.symbols.items(), strict=True)):
        axes.imshow(
            symbols[:shown],
            aspect="auto",
            interpolation="nearest",
            cmap=ListedColormap(colours),
            vmin=-0.5,
            vmax=len(colours) - 0.5,
            gid=name,
        )
        axes.set_yticks([])
        last = not stacked or number == count - 1
        tidy(axes, x="step" if last else "", title=name, frame=())
    grid[0].set_ylabel(f"{shown} sequences", fontsize=TEXT, color=INK)
    figure.legend(
        handles=[Patch(fc=colour) for colour in colours],
        labels=view.names,
        title="symbol",
        title_fontsize=SMALL,
        loc="outside lower center" if stacked else "outside right upper",
        ncols=min(len(colours), 6) if stacked else 1,
        fontsize=SMALL,
        frameon=False,
        handlelength=1.0,
    )
    return figure
