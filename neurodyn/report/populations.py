"""Which model holds for a population: frequencies of models, and which participant follows which."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.report.style import (
    ACCENT,
    FAINT,
    INK,
    MOVES,
    NARROW,
    NULL,
    QUIET,
    SMALL,
    label_ticks,
    names,
    new_figure,
    number,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEEDED = ("frequency", "frequency_deviation", "protected_exceedance", "responsibility", "omnibus_risk")
MARGIN = 0.03  # of the axis, so that markers at 0 and 1 stand clear of the labels


def plot_random_effects(found: xr.Dataset, *, width: float = 8.0) -> "Figure":
    r"""How frequent every model is in the population, and which participant follows which.

    Parameters
    ----------
    found : xr.Dataset
        From `neurodyn.validation.random_effects`.
    width : float
        Width in inches; below 5 the two parts are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        The most frequent model on top. First, expected frequencies with their posterior standard deviation, and as diamonds
        and numbers the protected probability that a model is the most frequent one; the dashed line is equal frequencies,
        with the omnibus risk below. Then, for every participant, the probability of following each model, those of one model
        side by side.

    Raises
    ------
    ModelError
        If `found` does not come from `neurodyn.validation.random_effects`.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.report import plot_random_effects
    >>> from neurodyn.validation import random_effects
    >>> figure = plot_random_effects(random_effects(np.repeat([[0.0, -9.0], [-2.0, 0.0]], [9, 3], axis=0)))
    >>> figure.axes[0].get_xlabel()
    'frequency in the population\nP(all equal, dashed) = 0.25'
    """
    lacking = [name for name in NEEDED if not isinstance(found, xr.Dataset) or name not in found]
    if lacking:
        raise ModelError(
            f"plot_random_effects: there is no {lacking[0]!r}; give what neurodyn.validation.random_effects returns."
        )
    order = np.argsort(-found["frequency"].values, kind="stable")
    table = found.isel(model=order)
    n_models = len(order)
    stacked = width < NARROW
    height = 0.3 * n_models + 1.35
    figure = new_figure(width, 2 * height if stacked else height)
    left, right = figure.subplots(2, 1) if stacked else figure.subplots(1, 2)
    labels = names(table["model"].values)
    _draw_frequencies(left, table, labels, columns=1 if stacked else 2)
    room = (0.75 if stacked else 0.33) * width
    _draw_responsibilities(right, table, labels if stacked else [""] * n_models, room)
    return figure


def _draw_frequencies(axes: "Axes", table: xr.Dataset, labels: list[str], columns: int) -> None:
    """Frequencies as dots with deviations, protected exceedance as diamonds and in numbers."""
    mean, deviation = table["frequency"].values, table["frequency_deviation"].values
    protected = table["protected_exceedance"].values
    rows = list(range(len(mean)))
    axes.axvline(1 / len(mean), color=QUIET, lw=0.9, ls=(0, (3, 2)), zorder=0)
    for row in rows:
        axes.axhline(row, color=FAINT, lw=0.6, zorder=-1)
        ends = np.clip([mean[row] - deviation[row], mean[row] + deviation[row]], 0, 1)
        axes.plot(ends, [row, row], color=ACCENT, lw=2.2, alpha=0.5, solid_capstyle="round")
        axes.annotate(
            f"{protected[row]:.2f}",
            (1.0, row),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=NULL,
            annotation_clip=False,
        )
    dots = axes.plot(mean, rows, ls="", marker="o", ms=6.5, color=ACCENT, clip_on=False, label="frequency")
    diamonds = axes.plot(
        protected,
        rows,
        ls="",
        marker="D",
        ms=5,
        mfc="white",
        mec=NULL,
        mew=1.3,
        clip_on=False,
        label="most frequent (protected)",
    )
    axes.set_xlim(-MARGIN, 1 + MARGIN)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    axes.set_ylim(len(rows) - 0.5, -0.5)  # as the image beside it
    axes.set_yticks(rows, labels)
    risk = number(float(table["omnibus_risk"]))
    tidy(axes, x=f"frequency in the population\nP(all equal, dashed) = {risk}", frame=("bottom",))
    axes.tick_params(axis="y", length=0)
    axes.legend(
        handles=[*dots, *diamonds],
        fontsize=SMALL,
        frameon=False,
        labelcolor=INK,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        borderaxespad=0.0,
        handletextpad=0.2,
        columnspacing=1.0,
    )


def _draw_responsibilities(axes: "Axes", table: xr.Dataset, labels: list[str], room: float) -> None:
    """Participants along the axis, those of one model side by side, surest first."""
    chance = table["responsibility"].transpose("participant", "model").values
    own = chance.argmax(axis=1)
    order = np.lexsort((-chance.max(axis=1), own))
    image = axes.imshow(
        chance[order].T, aspect="auto", interpolation="nearest", cmap=MOVES, vmin=0.0, vmax=1.0
    )
    axes.set_yticks(range(len(labels)), labels)
    people = names(table["participant"].values[order], 14)
    if len(people) * 0.13 <= room:
        label_ticks(axes, people, "x", room=room)
    else:
        axes.set_xticks([])
    tidy(axes, x=f"{len(people)} participants", title="who follows which", frame=())
    axes.tick_params(length=0)
    if axes.figure is not None:
        bar = axes.figure.colorbar(image, ax=axes, pad=0.02, aspect=14, ticks=[0.0, 0.5, 1.0])
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=SMALL, colors=INK, length=2)
        bar.set_label("probability", fontsize=SMALL, color=INK)
