"""All components of a dynamic connectome at a glance: who, when and in which animal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.models.base import Fit
from neurodyn.report import connectome_panels as panels
from neurodyn.report.connectome_views import Behaviour, ConnectomeView, behaviour_of, connectome_view
from neurodyn.report.style import (
    DIVERGING,
    FAINT,
    INK,
    MISSING,
    NARROW,
    NULL,
    QUIET,
    SMALL,
    TEXT,
    names,
    new_figure,
    state_colour,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALES = ((1e-3, "mm"), (1e-6, "µm"))


def plot_connectome_summary(
    source: Fit | xr.Dataset,
    *,
    positions: Any = None,
    behaviour: xr.DataArray | None = None,
    width: float = 8.0,
) -> "Figure":
    """Every component in a row: its course in all animals, and its strongest nodes or where they lie.

    Parameters
    ----------
    source : Fit or xr.Dataset
        A fit of a `neurodyn.models.DynamicConnectome`, or what `neurodyn.models.connectome.factorise` returns.
    positions : xr.Dataset, mapping or array, optional
        Where nodes are, in metres: a recording whose units have coordinates x and y; by name; or ``(node, 2)`` in the order
        in which pairs name the nodes. A node without a position is left out.
    behaviour : xr.DataArray, optional
        ``([trial,] time)``: a row above the components.
    width : float
        Width in inches; below 5 the nodes are left out.

    Returns
    -------
    matplotlib.figure.Figure
        First the behaviour, where it is given; then for every component a map ``(animal, time)`` of its course, under a
        shared clock times the animal's loading, from white, 0, to dark, the 99th percentile; and the
        strength of nodes: the mean share of their pairs in the strongest pair.

    Raises
    ------
    ModelError
        If positions or behaviour do not fit.
    NotApplicable
        If there are no components of pairs.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.connectome import affinity, factorise
    >>> from neurodyn.report import plot_connectome_summary
    >>> bursts = np.random.default_rng(0).normal(size=(200, 2)).cumsum(axis=0)
    >>> traces = recording.make(np.repeat(bursts, 3, axis=1), sampling_interval=0.5, unit=list("abcdef"))
    >>> figure = plot_connectome_summary(factorise(affinity(traces), 2, key=0))
    >>> len(figure.axes)
    4
    """
    view = connectome_view(source)
    shown = behaviour_of(behaviour, view)
    places = None if positions is None else _positions(positions, view.nodes)
    narrow = width < NARROW
    courses = _courses(view)
    rows = len(courses)
    each = float(np.clip(0.16 * rows, 0.95 if not narrow else 0.4, 2.5))
    first = [] if shown is None else [min(max(0.11 * len(shown.values), 0.22), each)]
    heights = first + [each] * len(view.components)
    figure = new_figure(width, sum(heights) + 0.09 * len(heights) + 0.75)
    grid = figure.add_gridspec(
        len(heights), 1 if narrow else 2, height_ratios=heights, width_ratios=None if narrow else (3.4, 1)
    )
    time, label = panels.clock(view)
    if shown is not None:
        _behaviour(figure.add_subplot(grid[0, 0]), time, shown)
    for at in range(len(view.components)):
        row = at + len(first)
        axes = figure.add_subplot(grid[row, 0])
        panels.draw_courses(axes, time, courses[..., at], state_colour(at))
        _name_rows(axes, view, at, each)
        if at == 0:
            axes.set_title("courses, dark: their 99th percentile", fontsize=SMALL, color=INK, loc="left")
        last = at == len(view.components) - 1
        axes.tick_params(axis="x", labelbottom=last, length=3 if last else 0)
        if last:
            axes.set_xlabel(label, fontsize=TEXT, color=INK)
        if not narrow:
            beside = figure.add_subplot(grid[row, 1])
            if places is None:
                _strongest(beside, view, at, each, last)
            else:
                _map(beside, view, at, places, bar=last)
    return figure


def _courses(view: ConnectomeView) -> np.ndarray:
    """Courses of all animals, ``(animal, time, component)``: under a shared clock, times their loadings."""
    return view.course * view.animal[:, None] if view.shared else view.course


def _behaviour(axes: "Axes", time: np.ndarray, shown: Behaviour) -> None:
    """Behaviour of every animal as a map."""
    import matplotlib

    values, events, name = shown
    low, high = (0.0, 2.0) if events else panels.extent(values)
    signed = low < 0 < high
    if signed:
        high = max(-low, high)
        low = -high
    colours: Any = matplotlib.colormaps[DIVERGING].with_extremes(bad=MISSING) if signed else panels.ramp(NULL)
    axes.imshow(
        values,
        aspect="auto",
        cmap=colours,
        vmin=low,
        vmax=high,
        interpolation="nearest",
        extent=(*panels.edges(time), len(values), 0),
    )
    axes.set_yticks([])
    tidy(axes, frame=())
    axes.tick_params(axis="x", labelbottom=False, length=0)
    axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=SMALL, color=INK)
    if not events:
        said = "blue below 0, red above" if signed else "dark: high"
        axes.set_title(f"{name}, {said}", fontsize=SMALL, color=INK, loc="left")


def _name_rows(axes: "Axes", view: ConnectomeView, at: int, room: float) -> None:
    """Animals, and the component with its share."""
    rows = len(view.trials)
    tidy(axes, frame=("bottom",))
    if rows > 1:
        stride = max(1, int(np.ceil(rows * 0.13 / room)))
        axes.set_yticks(np.arange(0, rows, stride) + 0.5, panels.tail(view.trials)[::stride])
        for edge in range(1, rows):
            axes.axhline(edge, color=FAINT, lw=0.5)
    axes.tick_params(axis="y", length=0, labelsize=SMALL - 1)
    axes.set_ylabel(
        f"component {view.components[at]}\n{view.total[at]:.0%}", fontsize=SMALL, color=INK, fontweight="bold"
    )


def _strongest(axes: "Axes", view: ConnectomeView, at: int, room: float, last: bool) -> None:
    """Bars of the strongest nodes."""
    strength = np.nan_to_num(view.strength(at))
    count = min(max(int(room / 0.125), 1), len(strength))
    chosen = np.argsort(-strength, kind="stable")[:count]
    axes.barh(np.arange(count), strength[chosen], height=0.72, color=state_colour(at), lw=0)
    axes.set_yticks(np.arange(count), names(view.nodes[chosen], 12))
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_xlim(0, 1.05 * max(float(strength.max(initial=0.0)), 1e-12))
    tidy(axes, x="mean share of pairs" if last else "", frame=("bottom",))
    axes.tick_params(axis="y", length=0, labelsize=SMALL - 1)
    axes.locator_params(axis="x", nbins=3)


def _map(axes: "Axes", view: ConnectomeView, at: int, places: np.ndarray, *, bar: bool) -> None:
    """Strength of nodes where they lie."""
    strength = np.nan_to_num(view.strength(at))
    share = strength / max(float(strength.max(initial=0.0)), 1e-12)
    order = np.argsort(share, kind="stable")
    axes.scatter(
        *places[order].T,
        s=3 + 45 * share[order] ** 2,
        c=share[order],
        cmap=panels.ramp(state_colour(at)),
        vmin=0,
        vmax=1.25,
        edgecolors=QUIET,
        linewidths=0.3,
    )
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.08)
    axes.set_xticks([])
    axes.set_yticks([])
    tidy(axes, frame=())
    if bar:
        span = float(np.nanmax(np.ptp(places[np.isfinite(places).all(1)], axis=0)))
        size, unit = next(((s, u) for s, u in SCALES if span >= 2 * s), SCALES[-1])
        length = 10 ** np.floor(np.log10(max(span / 2, 1e-12)))
        left, low = np.nanmin(places, axis=0)
        axes.plot([left, left + length], [low - 0.08 * span] * 2, color=INK, lw=1.5, gid="scale")
        axes.text(
            left + length / 2,
            low - 0.11 * span,
            f"{length / size:g} {unit}",
            ha="center",
            va="top",
            fontsize=SMALL,
            color=INK,
        )


def _positions(positions: Any, nodes: np.ndarray) -> np.ndarray:
    """Places of the nodes ``(node, 2)``, NaN where none is known."""
    if isinstance(positions, xr.Dataset):
        missing = [name for name in "xy" if name not in positions.coords]
        if missing:
            raise ModelError(f"positions has no coordinate {missing[0]} on its units; add it, in metres.")
        positions = {
            str(name): (x, y)
            for name, x, y in zip(
                positions["unit"].values.tolist(), positions["x"].values, positions["y"].values, strict=True
            )
        }
    if isinstance(positions, Mapping):
        known = {str(name): np.asarray(place, float)[:2] for name, place in positions.items()}
        found = np.array([known.get(name, np.full(2, np.nan)) for name in nodes.tolist()])
    else:
        found = np.asarray(positions, float)
        if found.ndim != 2 or len(found) != len(nodes) or found.shape[1] < 2:
            raise ModelError(
                f"positions has shape {found.shape}; give x and y of each of the {len(nodes)} nodes."
            )
        found = found[:, :2]
    if not np.isfinite(found).all(1).any():
        raise ModelError(f"positions names none of the {len(nodes)} nodes, such as {nodes[0]!r}.")
    return found
