"""Recurrent weights sorted by groups of units, and their means between groups."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from neurodyn.analysis.dynamics import group_weights
from neurodyn.errors import ModelError
from neurodyn.report.style import (
    DIVERGING,
    INK,
    MISSING,
    NARROW,
    SMALL,
    TEXT,
    new_figure,
    number,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SATURATED = 0.99


def plot_grouped_weights(
    recurrent: Float[Any, "unit unit"], groups: Mapping[str, Any], *, width: float = 8.0
) -> "Figure":
    """Recurrent weights with the units of a group side by side, and the mean weight from every group onto every group.

    Parameters
    ----------
    recurrent : array
        W; rows receive.
    groups : mapping
        From names to units, such as from `neurodyn.analysis.dynamics.kick_groups`; units of no group are left out.
    width : float
        Width in inches; below 5 the panels are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        On the left the weights in the order of the groups (colours saturate at the 99th percentile of their size, the
        diagonal is grey); on the right `neurodyn.analysis.dynamics.group_weights`.

    Raises
    ------
    ModelError
        If W is not square, or a group names a unit twice, one of another group, or one that is not there.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.report import plot_grouped_weights
    >>> weights = np.random.default_rng(0).normal(size=(6, 6))
    >>> figure = plot_grouped_weights(weights, {"0 to 1": [3, 1], "rest": [0, 2, 4, 5]})
    >>> figure.axes[1].images[0].get_array().shape
    (2, 2)
    """
    weights = np.array(recurrent, np.float64)
    if weights.ndim != 2 or len(set(weights.shape)) != 1:
        raise ModelError(f"recurrent has shape {weights.shape}; give one square matrix.")
    named = {str(name): np.asarray(units, int).ravel() for name, units in groups.items() if np.size(units)}
    order = np.concatenate(list(named.values())) if named else np.zeros(0, int)
    if not order.size or len(np.unique(order)) < len(order) or order.min() < 0 or order.max() >= len(weights):
        raise ModelError(
            f"groups name {len(order)} units, {len(np.unique(order))} of them different; each must be in one group, and "
            f"lie between 0 and {len(weights) - 1}."
        )
    means = group_weights(weights, list(named.values()))
    np.fill_diagonal(weights, np.nan)
    stacked = width < NARROW
    side = width if stacked else width / 2
    figure = new_figure(width, (1.75 if stacked else 0.95) * side + 0.2)
    left, right = figure.subplots(2 if stacked else 1, 1 if stacked else 2)
    shown = weights[np.ix_(order, order)]
    known = np.abs(shown[np.isfinite(shown)])
    _draw(left, shown, max(float(np.quantile(known, SATURATED)) if known.size else 0.0, 1e-12))
    borders = np.cumsum([len(units) for units in named.values()])
    for edge in borders[:-1]:
        left.axhline(edge - 0.5, color=INK, lw=0.7)
        left.axvline(edge - 0.5, color=INK, lw=0.7)
    middles = borders - np.array([len(units) for units in named.values()]) / 2 - 0.5
    counted = [f"{name} ({len(units)})" for name, units in named.items()]
    _label(left, middles, counted, "recurrent weights, sorted")
    left.set_xticks([])
    left.set_xlabel("from, in the same order", fontsize=TEXT, color=INK)
    limit = max(float(np.nanmax(np.abs(means))) if np.isfinite(means).any() else 0.0, 1e-12)
    _draw(right, means, limit)
    for row, column in np.ndindex(means.shape):
        value = means[row, column]
        if np.isfinite(value):
            right.text(
                column,
                row,
                number(value, tiny=1e-6),
                ha="center",
                va="center",
                fontsize=SMALL,
                color="white" if abs(value) > 0.6 * limit else INK,
            )
    _label(right, np.arange(len(named)), list(named), "mean weight between groups")
    return figure


def _draw(axes: "Axes", values: np.ndarray, limit: float) -> None:
    """A matrix of signed weights with its scale."""
    import matplotlib

    cmap = matplotlib.colormaps[DIVERGING].with_extremes(bad=MISSING)
    image = axes.imshow(values, cmap=cmap, vmin=-limit, vmax=limit, interpolation="nearest")
    figure: Any = axes.figure
    bar = figure.colorbar(
        image, ax=axes, location="bottom", pad=0.02, aspect=30, shrink=0.7, ticks=[-limit, 0.0, limit]
    )
    bar.outline.set_visible(False)
    bar.ax.set_xticklabels([number(-limit, tiny=1e-9), "0", number(limit, tiny=1e-9)])
    bar.ax.tick_params(labelsize=SMALL, colors=INK, length=2)


def _label(axes: "Axes", places: np.ndarray, labels: list[str], title: str) -> None:
    """Names of the groups."""
    axes.set_xticks(places, labels, rotation=0 if max(map(len, labels)) * len(labels) < 40 else 30)
    axes.set_yticks(places, labels)
    tidy(axes, x="from", y="onto", title=title, frame=())
    axes.tick_params(length=0)
