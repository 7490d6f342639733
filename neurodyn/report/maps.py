"""Figures of what a state is: its mean, its connectivity, and where the chain goes from it."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from neurodyn.analysis.connectivity import unit_order
from neurodyn.analysis.states import fractional_occupancy, transition_graph
from neurodyn.models.base import Fit
from neurodyn.report import views
from neurodyn.report.style import (
    DIVERGING,
    INK,
    MISSING,
    MOVES,
    SEQUENTIAL,
    SMALL,
    label_ticks,
    names,
    new_figure,
    number,
    state_colour,
    tidy,
)

if TYPE_CHECKING:
    import networkx
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUPS = ("network", "region", "area", "group")


def plot_transitions(fit: Fit, recording: xr.Dataset | None = None, *, width: float = 7.0) -> "Figure":
    """Where the chain goes: a graph of the transitions out of each state, and the matrix.

    The graph shows probabilities on leaving a state (those above 5 %); node sizes are the time spent there.
    The matrix shows probabilities per bin: in colours of moving, in grey on the diagonal of staying.

    Parameters
    ----------
    fit : Fit
        A fit with a transition matrix.
    recording : xr.Dataset, optional
        Recording that gives the time spent in each state; without it nodes are equal.
    width : float
        Width in inches; below 5 the two parts are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    NotApplicable
        If the fit has no transition matrix.
    """
    matrix = views.transition(fit)
    share = None if recording is None else fractional_occupancy(views.states(fit, recording).probability)
    stacked = width < 5
    figure = new_figure(width, 1.75 * width if stacked else 0.48 * width)
    left, right = figure.subplots(2, 1) if stacked else figure.subplots(1, 2)
    _draw_graph(left, transition_graph(matrix, share, threshold=0.05))
    _draw_matrix(right, matrix)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)  # squares beside a colour bar settle in the second pass; drawing makes one
    return figure


def _draw_graph(axes: "Axes", graph: "networkx.DiGraph") -> None:
    """Nodes on a circle, arrows as wide and dark as their probability on leaving."""
    from matplotlib.patches import FancyArrowPatch

    nodes = list(graph.nodes)
    angle = np.pi / 2 - 2 * np.pi * np.arange(len(nodes)) / max(len(nodes), 1)
    place = {name: np.array([np.cos(a), np.sin(a)]) for name, a in zip(nodes, angle, strict=True)}
    share = np.array([graph.nodes[name].get("occupancy", 1.0 / len(nodes)) for name in nodes])
    radius = np.clip(0.34 * np.sqrt(share / max(share.max(), 1e-9)), 0.13, 0.34) * min(1.0, 6 / len(nodes))
    size = dict(zip(nodes, radius, strict=True))
    for source, target, edge in graph.edges(data=True):
        weight = edge["weight"]
        along = place[target] - place[source]
        along = along / max(np.linalg.norm(along), 1e-9)
        # Arrows leave and bend to their right: the two between a pair of states then never cross.
        right = np.array([along[1], -along[0]])
        turn = np.deg2rad(50.0) if len(nodes) == 2 else 0.0
        leave, arrive = (
            np.cos(turn) * along + np.sin(turn) * right,
            np.cos(turn) * along - np.sin(turn) * right,
        )
        side = np.zeros(2) if turn else 0.045 * right
        arrow = FancyArrowPatch(
            tuple(place[source] + leave * (size[source] + 0.02) + side),
            tuple(place[target] - arrive * (size[target] + 0.03) + side),
            connectionstyle=f"arc3,rad={0.45 if turn else 0.12}",
            arrowstyle="-|>",
            mutation_scale=5 + 6 * weight,
            lw=0.4 + 3.2 * weight,
            color=INK,
            alpha=0.18 + 0.72 * weight,
            shrinkA=0,
            shrinkB=0,
        )
        axes.add_patch(arrow)
    for k, name in enumerate(nodes):
        from matplotlib.patches import Circle

        axes.add_patch(Circle(tuple(place[name]), size[name], color=state_colour(k), lw=0, zorder=3))
        axes.text(
            float(place[name][0]),
            float(place[name][1]),
            str(name),
            color="white" if _dark(state_colour(k)) else INK,
            ha="center",
            va="center",
            fontsize=SMALL + 1,
            fontweight="bold",
            zorder=4,
        )
    axes.set_xlim(-1.45, 1.45)
    axes.set_ylim(-1.45, 1.45)
    axes.set_aspect("equal")
    tidy(axes, title="on leaving a state", frame=())
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_matrix(axes: "Axes", matrix: xr.DataArray) -> None:
    """Transition probabilities per bin with their values: colours for moves, grey for staying.

    Staying is usually so much more probable than any move that one scale for both would show no move.
    """
    from matplotlib.patches import Rectangle

    values = matrix.values.astype(np.float64)
    n_states = len(values)
    stay = np.eye(n_states, dtype=bool)
    top = max(float(values[~stay].max(initial=0.0)), 1e-6)
    image = axes.imshow(np.ma.array(values, mask=stay), cmap=MOVES, vmin=0.0, vmax=top)
    digits = 2 if top >= 0.095 else 3
    for i in range(n_states):
        axes.add_patch(Rectangle((i - 0.5, i - 0.5), 1, 1, color=MISSING, lw=0))
        for j in range(n_states):
            if n_states <= 9:
                seen = values[i, j] >= 0.5 * 10.0**-digits
                text = f"{values[i, j]:.{digits}f}".removeprefix("0") if seen else "·"
                colour = "white" if i != j and values[i, j] > 0.55 * top else INK
                axes.text(j, i, text, ha="center", va="center", fontsize=SMALL - 1, color=colour)
    labels = names(matrix["state"].values if "state" in matrix.coords else np.arange(n_states))
    axes.set_xticks(range(n_states), labels)
    axes.set_yticks(range(n_states), labels)
    tidy(axes, x="to state", y="from state", title="per bin", frame=())
    axes.tick_params(length=0)
    if n_states > 1 and axes.figure is not None:
        bar = axes.figure.colorbar(image, ax=axes, pad=0.02, aspect=22, shrink=0.7, ticks=[0.0, top])
        bar.outline.set_visible(False)
        bar.ax.set_yticklabels(["0", number(top, tiny=1e-6)])
        bar.ax.tick_params(labelsize=SMALL, colors=INK, length=2)


def plot_state_means(fit: Fit, recording: xr.Dataset | None = None, *, width: float = 8.0) -> "Figure":
    """Mean activity of every unit in each state.

    Parameters
    ----------
    fit : Fit
        A fit with discrete states.
    recording : xr.Dataset, optional
        Needed where the fit's means are not in the units of the recording (a pipeline): then the mean
        activity in each state is shown.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        Heat map (state, unit): rates as a share of the unit's largest; others in standard deviations from the unit's
        mean in the recording, or without one as deviations from its mean over states.

    Raises
    ------
    NotApplicable
        If the fit has no such means, or needs the recording.
    """
    means, name = views.state_means(fit, recording)
    values = means.values.astype(np.float64)
    n_states, n_units = values.shape
    order = np.arange(n_units)
    if n_units > 2 and n_states > 1:
        spread = values - np.nanmean(values, axis=0)
        order = unit_order(xr.DataArray(_similarity(np.nan_to_num(spread).T), dims=("unit", "unit_2")))
    figure = new_figure(width, 0.26 * n_states + 1.35)
    axes = figure.add_subplot()
    rates = name == "rate"
    label = f"{name}, deviation over states"
    if rates:
        shown, label = values / np.maximum(values.max(axis=0, keepdims=True), 1e-12), "rate / largest rate"
    elif recording is not None:
        activity = recording["activity"].values.reshape(-1, n_units).astype(np.float64)
        spread = np.nanstd(activity, axis=0)
        shown = (values - np.nanmean(activity, axis=0)) / np.where(spread > 0, spread, 1.0)
        label = "standard deviations"
    else:
        shown = values - np.nanmean(values, axis=0, keepdims=True)
    limit = max(float(np.nanmax(np.abs(shown))), 1e-12) if np.isfinite(shown).any() else 1.0
    image = axes.imshow(
        shown[:, order],
        aspect="auto",
        interpolation="nearest",
        cmap=SEQUENTIAL if rates else DIVERGING,
        vmin=0.0 if rates else -limit,
        vmax=limit,
    )
    axes.set_yticks(range(n_states), names(means["state"].values))
    label_ticks(axes, [names(means["unit"].values, 14)[i] for i in order], "x", room=0.8 * width)
    tidy(axes, y="state", x=f"{n_units} units, similar ones side by side" if n_units > 1 else "", frame=())
    axes.tick_params(length=0)
    _bar(figure, image, axes, label)
    return figure


def plot_connectivity(
    fit: Fit, recording: xr.Dataset | None = None, *, groups: np.ndarray | None = None, width: float = 8.0
) -> "Figure":
    """Functional connectivity in each state, units ordered by network or by similarity.

    Parameters
    ----------
    fit : Fit
        A fit with discrete states.
    recording : xr.Dataset, optional
        Needed where the fit holds no covariance per state in the units of the recording: then correlations of
        the data weighted by the state's probability are shown.
    groups : np.ndarray, optional
        Network of each unit, shape ``(unit,)``; by default a coordinate of the fit or the recording called
        network, region, area or group, else units are clustered by their average connectivity.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        One correlation matrix per state, all in the same order and on the same scale.

    Raises
    ------
    NotApplicable
        If the fit has no discrete states, or needs the recording.
    """
    matrices = views.connectivity(fit, recording)
    if groups is None:
        groups = _known_groups(fit, recording)
    average = xr.DataArray(np.nan_to_num(matrices.values).mean(axis=0), dims=("unit", "unit_2"))
    order = unit_order(average, groups)
    n_states = len(matrices)
    rows = -(-n_states // max(2, int(width // 1.75)))
    columns = max(2, -(-n_states // rows))
    side = width / columns
    figure = new_figure(width, rows * (side + 0.16) + 0.75)
    grid = np.atleast_2d(figure.subplots(rows, columns, squeeze=False))
    image = None
    for k, axes in enumerate(grid.ravel()):
        if k >= n_states:
            axes.set_axis_off()
            continue
        image = axes.imshow(
            matrices.values[k][np.ix_(order, order)],
            cmap=DIVERGING,
            vmin=-1.0,
            vmax=1.0,
            interpolation="nearest",
        )
        if groups is not None:
            for edge in np.flatnonzero(np.asarray(groups)[order][1:] != np.asarray(groups)[order][:-1]):
                axes.axhline(edge + 0.5, color=INK, lw=0.5)
                axes.axvline(edge + 0.5, color=INK, lw=0.5)
        tidy(axes, frame=())
        axes.set_title(
            f"state {names(matrices['state'].values)[k]}", fontsize=SMALL + 1, color=INK, loc="left"
        )
        axes.set_xticks([])
        axes.set_yticks([])
    if image is not None:
        bar = figure.colorbar(
            image, ax=grid, location="bottom", shrink=0.4, aspect=28, pad=0.02, ticks=[-1, -0.5, 0, 0.5, 1]
        )
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=SMALL, colors=INK, length=2)
        bar.set_label("correlation", fontsize=SMALL, color=INK)
    return figure


def _known_groups(fit: Fit, recording: xr.Dataset | None) -> np.ndarray | None:
    """Networks of the units from the labels of the fit or the recording, when more than one is named."""
    for source in (fit.parameters, recording):
        for name in GROUPS:
            if source is not None and name in source.coords and source[name].dims == ("unit",):
                found = source[name].values.astype(str)
                if 1 < len(np.unique(found)) <= max(2, len(found) // 2):
                    return found
    return None


def _similarity(rows: np.ndarray) -> np.ndarray:
    """Cosine similarity of rows, 0 for rows of zeros."""
    size = np.linalg.norm(rows, axis=1)
    scale = np.outer(size, size)
    return np.divide(rows @ rows.T, scale, out=np.zeros_like(scale), where=scale > 0)


def _bar(figure: "Figure", image, axes: "Axes", label: str) -> None:
    """A colour scale on the right."""
    bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=14)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL, colors=INK, length=2)
    bar.set_label(label, fontsize=SMALL, color=INK)


def _dark(colour: str) -> bool:
    """Whether white text reads better on a colour."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue < 140
