"""What scaling the input of a set of units does to switching, against control sets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from neurodyn.analysis.dynamics import InterventionCurve
from neurodyn.errors import ModelError
from neurodyn.report.style import ACCENT, INK, NARROW, NULL, QUIET, SMALL, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = {
    "occupancy": "occupancy of the target",
    "leaves": "probability of leaving",
    "volatility": "changes per step",
}
BAND = (0.05, 0.95)


def plot_intervention_curves(
    curves: Mapping[str, InterventionCurve] | InterventionCurve,
    *,
    measures: tuple[str, ...] = ("occupancy", "volatility"),
    width: float = 8.0,
) -> "Figure":
    """Switching against the factor by which the input of a set of units is multiplied, beside random and matched sets.

    Parameters
    ----------
    curves : InterventionCurve, or mapping of such
        From `neurodyn.analysis.dynamics.intervention_curve`; a mapping names each, and each has a row.
    measures : tuple of {"occupancy", "leaves", "volatility"}
        Columns.
    width : float
        Width in inches; below 5 all panels are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        Lines with the gids ``chosen``, ``random`` and ``matched``, the last two medians; bands hold nine tenths of the
        control sets.

    Raises
    ------
    ModelError
        If there is no curve, or a measure is not known.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import Rectified, intervention_curve, noisy_states
    >>> from neurodyn.report import plot_intervention_curves
    >>> random = np.random.default_rng(0)
    >>> network = Rectified(np.zeros((6, 6)), np.eye(6), random.normal(size=(2, 6)))
    >>> states = noisy_states(network, jax.random.key(0), 20, 10).reshape(-1, 6)
    >>> curve = intervention_curve(
    ...     network, [0], states, 0, 1, key=jax.random.key(1), scaled="drive", factors=(0, 1, 2), n_controls=5
    ... )
    >>> [line.get_gid() for line in plot_intervention_curves(curve).axes[0].lines]
    ['untouched', 'random', 'matched', 'chosen']
    """
    named: dict[str, InterventionCurve] = dict(curves) if isinstance(curves, Mapping) else {"": curves}
    unknown = [one for one in measures if one not in MEASURES]
    if not named or not measures or unknown:
        raise ModelError(
            f"there are {len(named)} curves and the measures {measures!r}; give a curve or more, and some of "
            f"{', '.join(MEASURES)}."
        )
    stacked = width < NARROW
    across = 1 if stacked else len(measures)
    down = len(named) * (len(measures) if stacked else 1)
    figure = new_figure(width, 2.15 * down + 0.5)
    grid = figure.subplots(down, across, squeeze=False, sharex=True).ravel()
    panels = iter(grid)
    for name, curve in named.items():
        for measure in measures:
            axes = next(panels)
            _draw(axes, curve, measure)
            tidy(axes, y=MEASURES[measure], title=name if measure == measures[0] or stacked else "")
    for axes in grid[-across:]:
        axes.set_xlabel("factor of the input", fontsize=SMALL + 1, color=INK)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(
        handles[::-1],
        labels[::-1],
        loc="outside lower center",
        ncols=1 if stacked else 3,
        fontsize=SMALL,
        frameon=False,
    )
    return figure


def _draw(axes: "Axes", curve: InterventionCurve, measure: str) -> None:
    """One measure of the set and of its controls."""
    axes.axvline(1.0, color=QUIET, lw=0.8, ls=(0, (3, 2)), zorder=0, gid="untouched")
    controls: tuple[tuple[str, Any, str, str], ...] = (
        ("random", curve.random, QUIET, "random sets"),
        ("matched", curve.matched, NULL, "sets with the same readout"),
    )
    for name, found, colour, label in controls:
        values = getattr(found, measure)
        low, high = np.quantile(values, BAND, axis=0)
        axes.fill_between(curve.factors, low, high, color=colour, alpha=0.22, lw=0)
        axes.plot(curve.factors, np.median(values, axis=0), color=colour, lw=1.3, gid=name, label=label)
    axes.plot(
        curve.factors,
        getattr(curve.chosen, measure),
        color=ACCENT,
        lw=1.9,
        marker="o",
        ms=4,
        gid="chosen",
        label=f"the {len(curve.units)} units",
    )
    axes.set_ylim(bottom=0)
