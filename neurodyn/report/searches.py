"""Figures of what a search found: the restarts of a fit, and a sweep over its hyperparameters."""

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from neurodyn.errors import NotApplicable
from neurodyn.models.base import Fit
from neurodyn.report.scores import metric_name
from neurodyn.report.style import (
    ACCENT,
    FAINT,
    INK,
    NARROW,
    SMALL,
    new_figure,
    state_colour,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neurodyn.validation.selection import Sweep

# Up to this many nats a linear axis shows every difference; beyond it the last steps would be a flat line.
LINEAR_NATS = 12.0
# Folds that would stretch the axis more than this leave the curve of their means too flat to read.
STRETCH = 4.0


def plot_restarts(fit: Fit, *, width: float = 6.0) -> "Figure":
    """Did the optimiser find the same optimum again: final objective of every restart, and the best run's way.

    Parameters
    ----------
    fit : Fit
        A fit with a trace, such as an HMM's.
    width : float
        Width in inches; below 5 the two parts are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        First, the training objective of the kept run by iteration; then, how far each restart ended below the
        best (nats).

    Raises
    ------
    NotApplicable
        If the fit has neither an objective per iteration nor restarts (closed forms).
    """
    from neurodyn.report.views import last

    trace = last(fit).trace
    objective, restarts = np.asarray(trace.objective), np.asarray(trace.restarts)
    if objective.size < 2 and restarts.size < 2:
        raise NotApplicable(f"{fit.model.name} was fitted in closed form: there are no iterations to show.")
    count = int(objective.size > 1) + int(restarts.size > 1)
    stacked = width < NARROW
    figure = new_figure(width, 2.2 * count if stacked else 2.3)
    panels = figure.subplots(*((count, 1) if stacked else (1, count)), squeeze=False).ravel()
    if objective.size > 1:
        axes = panels[0]
        # The objective is a sum in single precision: a fall within its rounding is none, and is drawn level.
        highest = np.maximum.accumulate(objective)
        rounding = np.finfo(np.float32).eps * np.abs(objective)
        gap = highest[-1] - np.where(highest - objective <= rounding, highest, objective)
        axes.plot(np.arange(1, gap.size + 1), gap, color=ACCENT, lw=1.6)
        _nats_below(axes, float(gap.max()))
        _whole_numbers(axes, gap.size)
        tidy(axes, x="iteration", y="nats below its best", title="the kept run")
    if restarts.size > 1:
        axes = panels[-1]
        finite = restarts[np.isfinite(restarts)]
        below = np.sort(finite.max() - finite) if finite.size else np.zeros(0)
        axes.plot(
            np.arange(1, below.size + 1), below, ls="", marker="o", ms=6, mfc=ACCENT, mec="white", mew=0.8
        )
        _nats_below(axes, float(below.max(initial=0.0)))
        _whole_numbers(axes, max(below.size, 1))
        tidy(axes, x="restart, best first", y="nats below the best", title=_agreement(trace.agreement))
    return figure


def _nats_below(axes: "Axes", largest: float) -> None:
    """An axis from 0, on top because higher is better, to `largest`, at least to 1 nat: less is no difference."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

    if largest <= LINEAR_NATS:
        end = 1.15 * max(largest, 1.0)
        axes.set_ylim(end, -0.08 * end)
        ticks = [tick for tick in MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(0, end) if 0 <= tick <= end]
    else:
        axes.set_yscale("symlog", linthresh=1.0)
        axes.set_ylim(1.6 * largest, -0.4)
        decades = int(np.floor(np.log10(largest)))
        ticks = [0.0, *(10.0**power for power in range(0, decades + 1, 1 + decades // 5))]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")


def _whole_numbers(axes: "Axes", last: int) -> None:
    """An axis that counts from 1 to `last`, with ticks at whole numbers alone."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    margin = max(0.03 * (last - 1), 0.3)
    axes.set_xlim(1 - margin, last + margin)
    ticks = (
        range(1, last + 1)
        if last <= 8
        else (1, *MaxNLocator(5, integer=True, prune=None).tick_values(1, last))
    )
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if 1 <= tick <= last]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")


def _agreement(agreement: float) -> str:
    """Agreement of the restarts, short enough for a phone."""
    return f"restarts agree on {agreement:.0%}" if np.isfinite(agreement) else "restarts"


def plot_sweep(sweep: "Sweep", *, width: float = 4.8) -> "Figure":
    """Held-out score against a hyperparameter, such as the number of states, with standard errors.

    Parameters
    ----------
    sweep : Sweep
        From `neurodyn.validation.sweep`; a grid with two hyperparameters gives one line for each value of the second.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        Dots with standard errors; thin lines are folds, cut where they lie far off; the ring marks the chosen
        setting.

    Raises
    ------
    NotApplicable
        If the grid has more than two hyperparameters.
    """
    table = sweep.table
    dims = [str(dim) for dim in table["score"].dims]
    if len(dims) > 2:
        raise NotApplicable(
            f"the sweep is over {len(dims)} hyperparameters ({', '.join(dims)}); select two of its table to plot."
        )
    first, rest = dims[0], dims[1:]
    values = table[first].values
    numeric = np.issubdtype(values.dtype, np.number)
    place = values.astype(float) if numeric else np.arange(len(values), dtype=float)
    figure = new_figure(width, 2.9)
    axes = figure.add_subplot()
    chosen = sweep.best
    for line, other in enumerate(table[rest[0]].values if rest else [None]):
        here = table.isel({rest[0]: line}) if rest else table
        colour = ACCENT if not rest else state_colour(line)
        score, error = here["score"].values, np.nan_to_num(here["standard_error"].values)
        if not rest:
            axes.plot(
                place, here["fold_score"].transpose(first, "fold").values, color=FAINT, lw=0.9, zorder=0
            )
        axes.errorbar(
            place,
            score,
            yerr=error,
            color=colour,
            marker="o",
            ms=5,
            lw=1.4,
            elinewidth=1.6,
            label="" if other is None else setting_labels(table[rest[0]].values)[line],
            capsize=0,
        )
        mine = not rest or chosen[rest[0]] == other
        at = [k for k, value in enumerate(values) if mine and value == chosen[first]]
        axes.plot(place[at], score[at], ls="", marker="o", ms=12, mfc="none", mec=INK, mew=1.2)
    if len(values) <= 15:
        axes.set_xticks(place, ["\n".join(textwrap.wrap(label, 16)) for label in setting_labels(values)])
    low, high, _ = sweep_limits(sweep)
    axes.set_ylim(low, high)
    tidy(
        axes,
        x=first.replace("n_states", "number of states").replace("_", " "),
        y=metric_name(str(table.attrs["metric"])),
    )
    if rest:
        legend = axes.legend(
            title=rest[0].replace("_", " "), fontsize=SMALL, title_fontsize=SMALL, frameon=False
        )
        legend.get_title().set_color(INK)
    return figure


def setting_labels(values: Any) -> list[str]:
    """Settings as short text: numbers as they are, priors and the like by what tells them apart.

    Parameters
    ----------
    values : array_like
        Values of one hyperparameter in a sweep.

    Returns
    -------
    list of str
        Names of classes where these differ, else the arguments that do.

    Examples
    --------
    >>> setting_labels(["Ridge(strength=1.0)", "GaussianPrior(deviation=0.1)"])
    ['Ridge', 'GaussianPrior']
    >>> setting_labels(["Ridge(strength=1.0)", "Ridge(strength=2.0)"])
    ['strength=1.0', 'strength=2.0']
    """
    text = [str(value) for value in np.asarray(values).tolist()]
    heads = [label.partition("(")[0] for label in text]
    if len(set(heads)) == len(text):
        return heads
    parts = [label.partition("(")[2].removesuffix(")").split(", ") for label in text]
    if len(set(heads)) > 1 or not all(map(all, parts)):
        return text
    return [", ".join(one for one in mine if any(one not in other for other in parts)) for mine in parts]


def sweep_limits(sweep: "Sweep") -> tuple[float, float, bool]:
    """Range of the axis of a sweep, and whether folds that lie far off are cut by it.

    Parameters
    ----------
    sweep : Sweep
        What is drawn.

    Returns
    -------
    float, float
        Lower and upper end.
    bool
        Whether a fold leaves the range.
    """
    table = sweep.table
    score, error = table["score"].values, np.nan_to_num(table["standard_error"].values)
    known = np.concatenate([(score - error).ravel(), (score + error).ravel()])
    known = known[np.isfinite(known)]
    if not known.size:
        return 0.0, 1.0, False
    low, high = float(known.min()), float(known.max())
    cut = False
    # With two hyperparameters there are too many folds to draw.
    if table["score"].ndim == 1:
        folds = table["fold_score"].values
        folds = np.append(folds[np.isfinite(folds)], known)
        cut = float(np.ptp(folds)) > STRETCH * max(high - low, 1e-9)
        if not cut:
            low, high = float(folds.min()), float(folds.max())
    margin = 0.12 * max(high - low, 1e-9)
    return low - margin, high + margin, cut
