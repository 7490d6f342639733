"""Whether parameters come back from simulated participants, and whether posteriors are as wide as they should be."""

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import scipy.stats
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.report.learnt import full_words
from neurodyn.report.style import (
    ACCENT,
    FAINT,
    INK,
    NULL,
    QUIET,
    SMALL,
    new_figure,
    number,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RECOVERED = ("true", "estimate", "deviation", "correlation", "slope", "coverage")
COUNTED = ("count", "rank", "uniformity")
NINETY = float(scipy.stats.norm.ppf(0.95))  # standard deviations to either end of a central 90 %
LEVEL = 0.95
PANEL = 2.35  # inches that a panel needs


def plot_recovery(found: xr.Dataset, *, width: float = 8.0) -> "Figure":
    """Estimated against true parameters of simulated participants, a panel for each parameter.

    Parameters
    ----------
    found : xr.Dataset
        From `neurodyn.models.predictive_coding.recover`.
    width : float
        Width in inches; as many panels stand beside each other as fit.

    Returns
    -------
    matplotlib.figure.Figure
        A dot for each participant with the central 90 per cent of its posterior; on the dashed line estimates are true.
        In words below every title: the correlation of estimates with truths, the slope of estimates on truths, and the
        share of bars that reach the dashed line, which should be 90 per cent. Parameters above 0 are shown as logarithms.

    Raises
    ------
    ModelError
        If `found` does not come from `recover`.

    Examples
    --------
    >>> from neurodyn.models.predictive_coding import HGF, recover
    >>> from neurodyn.report import plot_recovery
    >>> figure = plot_recovery(recover(HGF(2), n_participants=4, n_time=60, key=0))
    >>> figure.axes[0].get_title("left")
    'x1: tonic volatility'
    """
    _refuse("plot_recovery", "recover", found, RECOVERED)
    figure, panels = _panels(found, width)
    for axes, name in zip(panels, found["parameter"].values, strict=True):
        one = found.sel(parameter=name)
        true, estimate = one["true"].values, one["estimate"].values
        _diagonal(axes, true, estimate)
        axes.errorbar(
            true,
            estimate,
            yerr=NINETY * one["deviation"].values,
            ls="",
            marker="o",
            ms=4.0 if true.size <= 60 else 2.8,
            mew=0,
            color=ACCENT,
            ecolor=ACCENT,
            elinewidth=0.8,
            alpha=0.55 if true.size <= 60 else 0.35,
            zorder=2,
        )
        logarithm = ", logarithm" if str(one.get("scale", xr.DataArray("")).item()) == "log" else ""
        tidy(axes, x=f"true{logarithm}", y="estimate")
        share = float(one["coverage"])
        words = (
            f"correlation {number(one['correlation'].item())}, slope {number(one['slope'].item())}\n"
            f"coverage of 90 % intervals: {round(share * true.size)} of {true.size}"
        )
        _say(axes, words)
    return figure


def plot_calibration(found: xr.Dataset, *, width: float = 8.0) -> "Figure":
    """Ranks of true parameters in their posteriors: uniform if posteriors are as wide as they should be.

    Parameters
    ----------
    found : xr.Dataset
        From `neurodyn.models.predictive_coding.calibrate`.
    width : float
        Width in inches; as many panels stand beside each other as fit.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each parameter: the number of participants by the posterior probability below their truth, the number
        expected as a dashed line, the band that holds the number of one bin of a uniform 95 times in 100 (binomial),
        and p of a Kolmogorov-Smirnov test. Heaps at both ends mean posteriors that are too narrow, a heap in the
        middle ones that are too wide, a slope estimates that are off to one side.

    Raises
    ------
    ModelError
        If `found` does not come from `calibrate`.

    Examples
    --------
    >>> from neurodyn.models.predictive_coding import HGF, Normal, calibrate
    >>> from neurodyn.report import plot_calibration
    >>> network = HGF(2, x1_tonic_volatility=Normal(-3.0, 1.0))
    >>> figure = plot_calibration(calibrate(network, n_participants=4, n_time=60, key=0))
    >>> figure.axes[0].get_ylabel()
    'participants'
    """
    _refuse("plot_calibration", "calibrate", found, COUNTED)
    figure, panels = _panels(found, width, 0.72)
    bins, people = found.sizes["bin"], found.sizes["participant"]
    low, high = scipy.stats.binom.interval(LEVEL, people, 1 / bins)
    edges = np.linspace(0, 1, bins + 1)
    for axes, name in zip(panels, found["parameter"].values, strict=True):
        one = found.sel(parameter=name)
        counts = one["count"].values
        axes.axhspan(low, high, color=FAINT, lw=0, zorder=0)
        axes.axhline(people / bins, color=INK, lw=0.9, ls=(0, (3, 2)), zorder=3)
        for end in (low, high):
            axes.axhline(end, color=QUIET, lw=0.7, zorder=3)
        outside = (counts < low) | (counts > high)
        axes.bar(
            (edges[:-1] + edges[1:]) / 2,
            counts,
            width=0.82 / bins,
            color=np.where(outside, NULL, ACCENT).tolist(),
            zorder=2,
        )
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
        axes.set_ylim(0, 1.08 * max(float(counts.max()), float(high)))
        axes.yaxis.get_major_locator().set_params(integer=True)  # type: ignore[attr-defined]
        tidy(axes, x="rank of the truth", y="participants")
        words = f"p of uniform ranks: {_probability(one['uniformity'].item())}\nband: 95 % of uniform counts"
        _say(axes, words)
    return figure


def _refuse(verb: str, source: str, found: xr.Dataset, names: tuple[str, ...]) -> None:
    """What lacks the table of recovery."""
    lacking = [name for name in names if not isinstance(found, xr.Dataset) or name not in found]
    if lacking:
        raise ModelError(
            f"{verb}: there is no {lacking[0]!r}; give what neurodyn.models.predictive_coding.{source} returns."
        )


def _panels(found: xr.Dataset, width: float, shape: float = 1.0) -> "tuple[Figure, list[Axes]]":
    """A panel with a title for every parameter, its height `shape` times its width."""
    titles = [full_words(str(name)) for name in found["parameter"].values]
    columns = int(np.clip(width // PANEL, 1, len(titles)))
    rows = -(-len(titles) // columns)
    side = min((width - 0.2) / columns, 3.2)
    titles = ["\n".join(textwrap.wrap(title, max(12, int((side - 0.45) / 0.085)))) for title in titles]
    lines = max(title.count("\n") for title in titles)
    figure = new_figure(width, rows * (shape * (side - 0.5) + 1.1 + 0.16 * lines))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(titles) :]:
        axes.set_visible(False)
    for axes, title in zip(grid, titles, strict=False):
        axes.set_title(title, fontsize=SMALL + 1, color=INK, loc="left", fontweight="bold", pad=27)
    return figure, list(grid[: len(titles)])


def _diagonal(axes: "Axes", true: np.ndarray, estimate: np.ndarray) -> None:
    """The line on which estimates are true, and axes of the same length around all points."""
    both = np.concatenate([true, estimate])
    low, high = float(both.min()), float(both.max())
    room = 0.06 * max(high - low, 1e-6)
    ends = (low - room, high + room)
    axes.plot(ends, ends, color=QUIET, lw=0.9, ls=(0, (3, 2)), zorder=1, gid="identity")
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_aspect("equal", adjustable="box")


def _say(axes: "Axes", words: str) -> None:
    """Words between a panel and its title."""
    axes.annotate(
        words,
        (0.0, 1.0),
        xycoords="axes fraction",
        xytext=(0, 4),
        textcoords="offset points",
        va="bottom",
        fontsize=SMALL - 0.5,
        color=INK,
    )


def _probability(value: float) -> str:
    """p in two digits."""
    return "0.001 or less" if value <= 0.001 else f"{value:.2g}"
