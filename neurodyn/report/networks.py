"""Drawing of the network of couplings in one state."""

from typing import TYPE_CHECKING, Any

import numpy as np

from neurodyn.models.base import Fit
from neurodyn.report.couplings import coupled
from neurodyn.report.maps import GROUPS
from neurodyn.report.style import INK, QUIET, SMALL, names, new_figure, number, tidy

if TYPE_CHECKING:
    import networkx
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXCITATORY, INHIBITORY = "#b2182b", "#2166ac"  # the ends of the scale of `plot_couplings`
EDGES_PER_UNIT, MOST_EDGES = 3, 300
MOST_NAMED = 60
LETTER = 0.045  # size of a letter of a name beside a disc
INSIDE = 0.07  # discs larger than this hold names of two letters
GAP = 0.6  # between groups, in places of a unit


def strongest(graph: "networkx.DiGraph", n_edges: int) -> float:
    """Size of a coupling above which at most `n_edges` edges of a graph lie."""
    sizes = np.sort([abs(edge["weight"]) for _, _, edge in graph.edges(data=True)])[::-1]
    return float(sizes[n_edges]) if len(sizes) > n_edges else 0.0


def plot_network(fit: Fit, state: int = 0, *, threshold: float | None = None, width: float = 5.6) -> "Figure":
    """The couplings of one state as a network: red arrows excite, blue bars inhibit, wide ones are strong.

    Couplings are summed over lags; own histories are left out. Units stand on a circle in the order of the
    recording, those of one network, region, area or group side by side where the fit has such a coordinate.

    Parameters
    ----------
    fit : Fit
        A fit of a `neurodyn.models.SwitchingGLM` or `neurodyn.models.GLM` with coupling.
    state : int
        Label of the state.
    threshold : float, optional
        Couplings of at most this size are left out. By default only the strongest are drawn, three for every unit on
        average and 300 at most; the title says how many of how many.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        Every edge is a patch whose gid is ``"source -> target"``.

    Raises
    ------
    ModelError
        If there is no such state.
    NotApplicable
        If the fit has no couplings.
    """
    import networkx

    held = coupled(fit)
    graph = held.graph(state)
    graph.remove_edges_from(list(networkx.selfloop_edges(graph)))
    present = graph.number_of_edges()
    cut = (
        strongest(graph, min(EDGES_PER_UNIT * len(graph), MOST_EDGES))
        if threshold is None
        else float(threshold)
    )
    weak = [(a, b) for a, b, edge in graph.edges(data=True) if abs(edge["weight"]) <= cut]
    graph.remove_edges_from(weak)
    figure = new_figure(width, 0.94 * width + 0.55)
    axes = figure.add_subplot()
    order, groups = _grouped(graph)
    angle = _angles(groups)
    place = {unit: np.array([np.cos(a), np.sin(a)]) for unit, a in zip(order, angle, strict=True)}
    radius = float(np.clip(2.2 / max(len(order), 1), 0.016, 0.105))
    _draw_edges(axes, graph, place, radius)
    outside = _draw_units(axes, order, angle, radius, any(groups))
    outside = _draw_groups(axes, groups, angle, radius, outside)
    axes.set_xlim(-outside, outside)
    axes.set_ylim(-outside, outside)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    kept = graph.number_of_edges()
    said = (
        f"all {present:,} couplings"
        if kept == present
        else f"the {kept:,} strongest of {present:,} couplings"
    )
    if kept < present:
        said += f" (above {number(cut)})"
    many = held.parameters.sizes["state"] > 1
    tidy(axes, title=f"state {state}: {said}" if many else said, frame=())
    _legend(axes)
    return figure


def _grouped(graph: "networkx.DiGraph") -> tuple[list[Any], list[str]]:
    """Units in the order in which they are drawn, and the group of each, empty where there are none."""
    units = list(graph.nodes)
    for name in GROUPS:
        found = [str(graph.nodes[unit].get(name, "")) for unit in units]
        if len(set(found)) > 1:
            first = {group: k for k, group in enumerate(dict.fromkeys(found))}
            rank = sorted(range(len(units)), key=lambda k: (first[found[k]], k))
            return [units[k] for k in rank], [found[k] for k in rank]
    return units, [""] * len(units)


def _angles(groups: list[str]) -> np.ndarray:
    """Angle of every unit, clockwise from the top, with gaps between groups."""
    changes = np.array([a != b for a, b in zip(groups[1:], groups[:-1], strict=True)], bool)
    place = np.arange(len(groups)) + GAP * np.concatenate([[0], np.cumsum(changes)])
    whole = place[-1] + 1 + (GAP if changes.any() else 0)
    return np.pi / 2 - 2 * np.pi * place / whole


def _draw_edges(axes: "Axes", graph: "networkx.DiGraph", place: dict[Any, np.ndarray], radius: float) -> None:
    """Arrows bent towards the centre's side, weak ones below strong ones."""
    from matplotlib.patches import FancyArrowPatch

    edges = sorted(graph.edges(data=True), key=lambda edge: abs(edge[2]["weight"]))
    largest = max((abs(edge["weight"]) for _, _, edge in edges), default=1.0)
    fine = float(np.clip(12 / max(len(place), 1), 0.25, 1.0))
    for level, (source, target, edge) in enumerate(edges):
        share = abs(edge["weight"]) / largest
        excites = edge["kind"] == "excitatory"
        along = place[target] - place[source]
        along = along / max(float(np.linalg.norm(along)), 1e-9)
        style = (
            f"-|>,head_length={0.35 + 0.2 * fine},head_width={0.16 + 0.12 * fine}"
            if excites
            else f"|-|,widthA=0,widthB={0.18 + 0.17 * fine}"
        )
        axes.add_patch(
            FancyArrowPatch(
                tuple(place[source] + 1.15 * radius * along),
                tuple(place[target] - 1.45 * radius * along),
                connectionstyle="arc3,rad=0.12",
                arrowstyle=style,
                mutation_scale=10,
                lw=fine * (0.5 + 2.4 * share),
                color=EXCITATORY if excites else INHIBITORY,
                alpha=0.3 + 0.6 * share,
                shrinkA=0,
                shrinkB=0,
                gid=f"{source} -> {target}",
                zorder=1 + level / max(len(edges), 1),
            )
        )


def _draw_units(axes: "Axes", order: list[Any], angle: np.ndarray, radius: float, grouped: bool) -> float:
    """Discs with their names, where those can be read; how far the drawing reaches."""
    from matplotlib.patches import Circle

    text = names(order, 12)
    edge = 1.0 + radius + (0.09 if grouped else 0.0)
    inside = radius > INSIDE and max(map(len, text), default=0) <= 2
    reach = edge + 0.04
    for k, turn in enumerate(angle):
        spot = (float(np.cos(turn)), float(np.sin(turn)))
        axes.add_patch(Circle(spot, radius, fc="white", ec=INK, lw=0.9, zorder=3))
        if inside:
            axes.text(*spot, text[k], ha="center", va="center_baseline", fontsize=SMALL, color=INK, zorder=4)
        elif len(order) <= MOST_NAMED:
            flip = np.cos(turn) < -1e-9
            axes.text(
                reach * spot[0],
                reach * spot[1],
                text[k],
                rotation=np.rad2deg(turn) + (180 if flip else 0),
                rotation_mode="anchor",
                ha="right" if flip else "left",
                va="center",
                fontsize=SMALL - (1.5 if len(order) > 30 else 0),
                color=INK,
            )
    if inside or len(order) > MOST_NAMED:
        return edge + 0.05
    return reach + LETTER * max(map(len, text), default=0) + 0.02


def _draw_groups(axes: "Axes", groups: list[str], angle: np.ndarray, radius: float, outside: float) -> float:
    """Arcs around the units of each group, its name outside those of the units; how far the drawing reaches."""
    if not any(groups):
        return outside
    step = float(np.abs(np.diff(angle)).min())
    for group in dict.fromkeys(groups):
        mine = angle[[index for index, name in enumerate(groups) if name == group]]
        turn = np.linspace(mine.max() + 0.4 * step, mine.min() - 0.4 * step, 50)
        reach = 1.0 + radius + 0.06
        axes.plot(reach * np.cos(turn), reach * np.sin(turn), color=QUIET, lw=2.5, solid_capstyle="butt")
        middle = float(mine.mean())
        axes.text(
            (outside + 0.05) * np.cos(middle),
            (outside + 0.05) * np.sin(middle),
            group,
            rotation=np.rad2deg(middle) - 90 + (180 if np.sin(middle) < -1e-9 else 0),
            rotation_mode="anchor",
            ha="center",
            va="center",
            fontsize=SMALL + 1,
            fontweight="bold",
            color=QUIET,
        )
    return outside + 0.12


def _legend(axes: "Axes") -> None:
    """What the colours are."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=EXCITATORY, lw=2, label="excitatory (arrow)"),
        Line2D([], [], color=INHIBITORY, lw=2, label="inhibitory (bar)"),
    ]
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, fontsize=SMALL, frameon=False
    )
