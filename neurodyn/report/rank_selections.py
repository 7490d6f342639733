"""How the rank of a dynamic connectome was chosen: what is held out, whether restarts agree, and core consistency."""

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.report.style import ACCENT, FAINT, INK, NARROW, NULL, QUIET, SMALL, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEEDED = ("units_score", "units_standard_error", "blocks_score", "blocks_standard_error", "agreement")
HELD_OUT = (("units", "units in stretches", ACCENT, "o"), ("blocks", "whole stretches", NULL, "s"))


def plot_rank_selection(table: xr.Dataset, *, width: float = 8.0) -> "Figure":
    """Scores on what was held out, agreement of restarts, and core consistency, by rank; the recommendation is marked.

    Parameters
    ----------
    table : xr.Dataset
        From `neurodyn.validation.select_rank`.
    width : float
        Width in inches; below 5 the panels are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        Scores with their standard errors, one panel for units and one for stretches of time, whose scales differ; restarts
        with the level that counts as agreement; core consistency where there is one. A dashed line in each marks the
        recommended rank, the reason stands below.

    Raises
    ------
    ModelError
        If it is not such a table.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> from neurodyn.report import plot_rank_selection
    >>> names = [f"{what}_{column}" for what in ("units", "blocks") for column in ("score", "standard_error")]
    >>> table = xr.Dataset({name: ("rank", [0.1, 0.2]) for name in [*names, "agreement"]}, coords={"rank": [1, 2]})
    >>> len(plot_rank_selection(table.assign_attrs(recommended=2, reason="it is best")).axes)
    3
    """
    missing = [name for name in NEEDED if not isinstance(table, xr.Dataset) or name not in table]
    if missing or "recommended" not in table.attrs:
        raise ModelError(
            f"this is no selection of ranks: it lacks {', '.join(missing) or 'the attribute recommended'}; give what "
            "neurodyn.validation.select_rank returns."
        )
    ranks = table["rank"].values
    cores = "core_consistency" in table and bool(np.isfinite(table["core_consistency"]).any())
    count = 3 + cores
    stacked = width < NARROW
    letters = int(width / 0.068)
    lines = textwrap.wrap(f"Recommended: rank {table.attrs['recommended']}. {_reason(table)}", letters)
    foot = 0.16 * len(lines) + 0.12
    figure = new_figure(width, (1.75 * count if stacked else 2.35) + foot)
    parts: Any = figure.subfigures(2, 1, height_ratios=((1.75 * count if stacked else 2.35), foot))
    upper, lower = parts
    grid = upper.subplots(*((count, 1) if stacked else (1, count)), squeeze=False).ravel()
    for axes, (name, words, colour, marker) in zip(grid, HELD_OUT, strict=False):
        score, error = (table[f"{name}_{column}"].values for column in ("score", "standard_error"))
        axes.axhline(0, color=FAINT, lw=0.8)
        axes.errorbar(
            ranks,
            score,
            yerr=np.nan_to_num(error),
            color=colour,
            marker=marker,
            ms=4.5,
            lw=1.2,
            elinewidth=1.0,
            capsize=2,
        )
        _mark(axes, table, score)
        tidy(
            axes,
            x="rank",
            y="explained deviance",
            title=f"held-out {words}" if stacked else f"held out:\n{words}",
        )
    axes = grid[2]
    agreement = table["agreement"].values
    axes.axhline(float(table.attrs.get("alike", 0.8)), color=QUIET, lw=0.8, ls=(0, (1, 2)))
    axes.plot(ranks, agreement, color=INK, marker="D", ms=4, lw=1.2)
    axes.set_ylim(0, 1.05)
    _mark(axes, table, agreement)
    tidy(axes, x="rank", y="mean congruence", title="restarts agree" if stacked else "restarts\nagree")
    if cores:
        axes = grid[3]
        values = table["core_consistency"].values
        axes.plot(ranks, values, color=INK, marker="^", ms=4.5, lw=1.2)
        axes.set_ylim(min(0.0, max(float(np.nanmin(values)), -100.0)) - 5, 105)
        _mark(axes, table, values)
        tidy(
            axes,
            x="rank",
            y="core consistency (%)",
            title="core\nconsistency" if not stacked else "core consistency",
        )
    for axes in grid:
        axes.set_xticks(ranks if len(ranks) <= 8 else ranks[:: -(-len(ranks) // 8)])
        axes.margins(x=0.08)
    lower.text(0.02, 0.98, "\n".join(lines), va="top", fontsize=SMALL + 0.5, color=INK)
    return figure


def _reason(table: xr.Dataset) -> str:
    """The reason as a sentence."""
    reason = str(table.attrs.get("reason", ""))
    return f"{reason[:1].upper()}{reason[1:].rstrip('.')}." if reason else ""


def _mark(axes: "Axes", table: xr.Dataset, values: np.ndarray) -> None:
    """The recommended rank."""
    rank = table.attrs["recommended"]
    axes.axvline(rank, color=QUIET, lw=1.0, ls=(0, (4, 2)), zorder=0, gid="recommended")
    at = np.flatnonzero(table["rank"].values == rank)
    if len(at) and np.isfinite(values[at[0]]):
        axes.plot(rank, values[at[0]], "o", ms=11, mfc="none", mec=INK, mew=1.2)
