"""Cards of the components of a dynamic connectome, and all of them at a glance."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.models.base import Fit
from neurodyn.report import connectome_panels as panels
from neurodyn.report.connectome_graphs import draw_graph
from neurodyn.report.connectome_views import (
    Behaviour,
    ConnectomeView,
    behaviour_of,
    connectome_view,
    groups_of,
    node_order,
)
from neurodyn.report.style import INK, NARROW, SMALL, TEXT, names, new_figure, number, state_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 16
MOST_EDGES = 80
AFFINITY = "affinity of the strongest pair"


def plot_component(
    source: Fit | xr.Dataset,
    component: Any,
    *,
    behaviour: xr.DataArray | None = None,
    groups: Any = None,
    most_edges: int = MOST_EDGES,
    width: float = 8.0,
) -> "Figure":
    """Card of a component: when it is strong, in which animals, which pairs it holds, and their graph.

    What is drawn multiplies to the affinity that the component gives a pair: its course, the affinity of its strongest pair;
    under a shared clock the loading of the animal over their mean; and the share of the pair in the strongest one.

    Parameters
    ----------
    source : Fit or xr.Dataset
        A fit of a `neurodyn.models.DynamicConnectome`, or what `neurodyn.models.connectome.factorise` returns.
    component : int
        Label of the component.
    behaviour : xr.DataArray, optional
        ``([trial,] time)``. Events (boolean, or 0 and 1) are shaded, and means of the course during them stand beside those
        of the other bins; other values are drawn beneath the course. Its name is written.
    groups : xr.DataArray, mapping or sequence, optional
        Group of every node, such as one level of communities: they stand together, the strongest first. By default similar
        nodes do.
    most_edges : int
        Pairs in the graph at most.
    width : float
        Width in inches; below 5 the parts are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        Courses are lines with the gid ``course``, one for each animal with its own clock; nodes of the graph patches whose
        gid is the name, its edges lines such as ``AVAL--AVAR``. Colours of the matrix are saturated above the 99.5th
        percentile; pairs that were never observed are grey.

    Raises
    ------
    ModelError
        If there is no such component, or behaviour or groups do not fit.
    NotApplicable
        If there are no components of pairs.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.connectome import affinity, factorise
    >>> from neurodyn.report import plot_component
    >>> bursts = np.random.default_rng(0).normal(size=(200, 2)).cumsum(axis=0)
    >>> traces = recording.make(np.repeat(bursts, 3, axis=1), sampling_interval=0.5, unit=list("abcdef"))
    >>> figure = plot_component(factorise(affinity(traces), 2, key=0), 0)
    >>> figure.get_suptitle().split(":")[0]
    'component 0'
    """
    view = connectome_view(source)
    place = view.place(component)
    grouped = None if groups is None else groups_of(groups, view.nodes)
    shown = behaviour_of(behaviour, view)
    stacked = width < NARROW
    rows = len(view.course)
    lines = rows <= MOST_ROWS
    row = 0.75 if rows == 1 else 0.5
    if shown is not None and not shown.events and lines:
        row *= 1.6
    above = max(rows * row if lines else 0.16 * rows, 0.17 * len(view.trials)) + 0.75
    side = width if stacked else 0.5 * width
    parts = [above, 0.8 * side + 0.75, 0.9 * side] if stacked else [above, side + 0.2]
    figure = new_figure(width, sum(parts) + 0.3)
    figure.suptitle(
        _title(view, place, stacked), x=0.02, ha="left", fontsize=TEXT + 1, color=INK, fontweight="bold"
    )
    grid = figure.add_gridspec(len(parts), 1, height_ratios=parts)
    top = grid[0].subgridspec(1, 2, width_ratios=(2.4, 1) if stacked else (4.4, 1), wspace=0.02)
    _courses(figure, top, view, place, shown, lines, stacked)
    if stacked:
        left, right = figure.add_subplot(grid[1]), figure.add_subplot(grid[2])
    else:
        below = grid[1].subgridspec(1, 2, wspace=0.02)
        left, right = figure.add_subplot(below[0]), figure.add_subplot(below[1])
    matrix = view.matrix(place)
    image = panels.draw_matrix(
        left,
        matrix,
        node_order(matrix, grouped),
        view.nodes,
        grouped,
        colour=state_colour(place),
        room=0.68 * side,
    )
    known = matrix[np.isfinite(matrix)]
    beyond = bool(known.size) and float(known.max()) > image.norm.vmax * (1 + 1e-9)
    _scale(figure, image, left, "share of the strongest pair (grey: never observed)", "bottom", beyond)
    right.set_title(" ", fontsize=TEXT)
    right.set_xticks([])
    right.set_yticks([])
    engine = figure.get_layout_engine()
    if engine is not None:
        for _ in range(2):  # squares beside a colour bar settle in the second pass
            engine.execute(figure)
        figure.set_layout_engine("none")
    draw_graph(right, matrix, view.nodes, grouped, most_edges=most_edges)
    return figure


def _title(view: ConnectomeView, place: int, stacked: bool) -> str:
    """What a component is and how far it is to be trusted."""
    said = f"component {view.components[place]}: {view.total[place]:.0%} of the modelled affinity"
    agreed = view.agreement[place]
    more = f",{chr(10) if stacked else ' '}restarts agree {agreed:.2f}"
    return said + (more if np.isfinite(agreed) else "")


def _courses(
    figure: "Figure",
    grid: Any,
    view: ConnectomeView,
    place: int,
    shown: Behaviour | None,
    lines: bool,
    stacked: bool,
) -> None:
    """Courses with behaviour, and the animals beside them."""
    time, label = panels.clock(view)
    course = view.course[..., place]
    beside = figure.add_subplot(grid[1])
    if not lines:
        axes = figure.add_subplot(grid[0])
        image = panels.draw_courses(axes, time, course, state_colour(place))
        panels.tidy(axes, x=label, y=f"{len(course)} animals", frame=())
        _scale(figure, image, axes, AFFINITY, "top")
        panels.draw_animals(beside, view, place, named=False)
        return
    known = course[np.isfinite(course)]
    top = max(float(known.max(initial=0.0)), 1e-12)
    sized = None if shown is None or shown.events else shown
    events = shown if sized is None else None
    step = 1 if sized is None else 2
    inner = grid[0].subgridspec(
        len(course) * step, 1, height_ratios=[1.6, 1][:step] * len(course), hspace=0.0
    )
    tags = panels.tail(view.trials) if stacked else names(view.trials, 16)
    last: Any = None
    for row, values in enumerate(course):
        axes = last = figure.add_subplot(inner[row * step])
        here = None if events is None else events.values[row]
        panels.draw_course(axes, time, values, state_colour(place), 1.05 * top, here)
        if not view.shared and len(course) > 1:
            axes.set_ylabel(tags[row], rotation=0, ha="right", va="center", fontsize=SMALL, color=INK)
        if row == 0:
            axes.set_yticks([0, top], ["0", number(top)])
            axes.set_title("affinity" if stacked else AFFINITY, fontsize=SMALL, color=INK, loc="left")
            if events is not None and view.shared:
                panels.name_events(axes, events.name)
        if sized is not None:
            axes.tick_params(axis="x", length=0, labelbottom=False)
            last = figure.add_subplot(inner[2 * row + 1])
            name = "" if row else sized.name
            panels.draw_behaviour(last, time, sized.values[row], panels.extent(sized.values), name)
        final = row == len(course) - 1
        last.tick_params(axis="x", labelbottom=final, length=3 if final else 0)
    last.set_xlabel(label, fontsize=TEXT, color=INK)
    if events is not None and not view.shared:
        panels.draw_during(beside, view, place, events.values, events.name)
    else:
        panels.draw_animals(beside, view, place, named=view.shared)


def _scale(figure: "Figure", image: Any, axes: Any, words: str, location: str, beyond: bool = False) -> None:
    """A scale of colours beside axes."""
    bar = figure.colorbar(
        image,
        ax=axes,
        location=location,
        shrink=0.6,
        aspect=30,
        pad=0.02,
        extend="max" if beyond else "neither",
        extendfrac=0.03,
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL, colors=INK, length=2)
    bar.set_label(words, fontsize=SMALL, color=INK)
