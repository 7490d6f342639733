"""Who drives whom: couplings between units in every state, as matrices."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models.base import Fit
from neurodyn.report import views
from neurodyn.report.style import (
    DIVERGING,
    INK,
    MISSING,
    NARROW,
    SMALL,
    label_ticks,
    names,
    new_figure,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PER = {"count": "spike", "binary": "event", "categorical": "choice", "continuous": "standard deviation"}
LIMIT = 0.995
PANEL = 1.9


def has_couplings(fit: Fit) -> bool:
    """Whether a fit has couplings between units."""
    held = views.last(fit)
    return "weight" in held.parameters and hasattr(held, "coupling")


def coupled(fit: Fit) -> Any:
    """The fit that holds the couplings, or the reason why there is none.

    Parameters
    ----------
    fit : Fit
        Any fit.

    Returns
    -------
    Fit
        With the method ``coupling``.

    Raises
    ------
    NotApplicable
        If the fit has no couplings.
    """
    held = views.last(fit)
    if not has_couplings(fit):
        raise NotApplicable(
            f"{fit.model.name} has no coupling between units to show; fit a GLM with coupling."
        )
    return held


def total_coupling(fit: Fit) -> xr.DataArray:
    """Couplings summed over lags, ``(state, target, source)``.

    Parameters
    ----------
    fit : Fit
        A fit with couplings.

    Returns
    -------
    xr.DataArray
        On the linear predictor, per unit of the source's value.

    Raises
    ------
    NotApplicable
        If the fit has no couplings.
    """
    return coupled(fit).coupling().sum("lag").transpose("state", "target", "source")


def per_unit(fit: Fit) -> str:
    """What a coupling is per: a spike, an event or a standard deviation."""
    kinds = np.unique(views.last(fit).parameters["kind"].values.astype(str))
    return PER.get(kinds[0], "unit") if kinds.size == 1 else "unit"


def plot_couplings(fit: Fit, *, states: Sequence[int] | None = None, width: float = 8.0) -> "Figure":
    """Who drives whom in each state, beside what the states share.

    Couplings are summed over lags; rows are targets, columns sources, in the order of the recording. The shared
    panel is the connectome where the fit has one (probability of excitation minus that of inhibition), else the
    mean over states. Own histories, on the diagonal, are grey and have no part in the scale of colours.

    Parameters
    ----------
    fit : Fit
        A fit of a `neurodyn.models.SwitchingGLM` or `neurodyn.models.GLM` with coupling.
    states : sequence of int, optional
        Labels of the states to show; default all.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        The shared panel first, then one per state on one scale symmetric about 0; beyond the 99.5th percentile of
        the couplings colours are saturated, which arrows on the colour bar say.

    Raises
    ------
    ModelError
        If there is no such state.
    NotApplicable
        If the fit has no couplings.
    """
    held, total = coupled(fit), total_coupling(fit)
    known = total["state"].values.tolist()
    wanted = known if states is None else list(states)
    unknown = [state for state in wanted if state not in known]
    if unknown or not wanted:
        raise ModelError(f"states is {states!r}; the fit has the states {', '.join(map(str, known))}.")
    n_units = total.sizes["target"]
    apart = ~np.eye(n_units, dtype=bool)
    panels: list[tuple[str, np.ndarray, bool]] = []
    if "connectome" in held.parameters:
        chance = held.parameters["connectome"].transpose("target", "source", "category")
        shared = chance.sel(category="excitatory").values - chance.sel(category="inhibitory").values
        panels.append(("shared connectome", shared, True))
    elif len(known) > 1:
        panels.append(("mean over states", total.mean("state").values, False))
    one = len(known) == 1
    panels += [("couplings" if one else f"state {s}", total.sel(state=s).values, False) for s in wanted]
    size = np.abs(total.values[:, apart])
    limit = float(np.quantile(size, LIMIT, method="higher")) if size.size else 0.0
    limit = limit if limit > 0 else max(float(size.max(initial=0.0)), 1e-12)

    columns = min(len(panels), max(2, int(width // PANEL)))
    rows = -(-len(panels) // columns)
    side = min(width / columns, 4.2)
    stacked = "connectome" in held.parameters and rows > 1
    figure = new_figure(width, rows * (side + 0.22) + (1.35 if stacked else 0.75))
    grid = figure.subplots(rows, columns, squeeze=False)
    labels = names(total["target"].values, 10)
    images: dict[bool, Any] = {}
    for k, axes in enumerate(grid.ravel()):
        if k >= len(panels):
            axes.set_axis_off()
            continue
        title, values, chances = panels[k]
        images[chances] = _matrix(axes, np.where(apart, values, np.nan), 1.0 if chances else limit)
        _label(axes, labels, side, first=k % columns == 0, last=k + columns >= len(panels))
        tidy(axes, title=title, frame=("left", "right", "top", "bottom"))
        axes.tick_params(length=0, pad=2)
    beyond = bool(size.size) and float(size.max()) > limit * (1 + 1e-9)
    words = f"coupling, summed over lags{' ' if width >= NARROW else chr(10)}(linear predictor per {per_unit(fit)})"
    apart_bars = len(images) > 1 and not stacked
    if True in images:
        _bar(
            figure,
            grid[:, :1] if apart_bars else grid,
            images[True],
            "P(excites) − P(inhibits)",
            chances=True,
        )
    _bar(figure, grid[:, 1:] if apart_bars else grid, images[False], words, beyond=beyond)
    return figure


def _matrix(axes: "Axes", values: np.ndarray, limit: float) -> Any:
    """A matrix on a symmetric scale, what is not finite in grey."""
    import matplotlib

    colours = matplotlib.colormaps[DIVERGING].with_extremes(bad=MISSING)
    return axes.imshow(values, cmap=colours, vmin=-limit, vmax=limit, interpolation="nearest")


def _label(axes: "Axes", labels: list[str], side: float, *, first: bool, last: bool) -> None:
    """Names of the units at the outer panels where they fit, else their number."""
    room = 0.84 * side
    few = len(labels) * 0.13 <= room
    axes.set_xticks([])
    axes.set_yticks([])
    if few and first:
        label_ticks(axes, labels, "y", room=room)
    if few and last:
        label_ticks(axes, labels, "x", room=room)
    if first:
        axes.set_ylabel("target" if few else f"{len(labels)} targets", fontsize=SMALL + 1, color=INK)
    if last:
        axes.set_xlabel("source" if few else f"{len(labels)} sources", fontsize=SMALL + 1, color=INK)


def _bar(
    figure: "Figure",
    beside: np.ndarray,
    image: Any,
    words: str,
    *,
    beyond: bool = False,
    chances: bool = False,
) -> None:
    """A scale of colours below some axes."""
    from matplotlib.ticker import MaxNLocator

    bar = figure.colorbar(
        image,
        ax=beside,
        location="bottom",
        shrink=0.5 if beside.size == 1 and not chances else min(1.0, 2.0 / beside.shape[1]),
        aspect=18 if chances else 32,
        pad=0.03,
        extend="both" if beyond else "neither",
        extendfrac=0.03,
    )
    bar.locator = MaxNLocator(5, steps=[1, 2, 5, 10], symmetric=True)
    bar.update_ticks()
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL, colors=INK, length=2)
    bar.set_label(words, fontsize=SMALL, color=INK)
