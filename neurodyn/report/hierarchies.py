"""Drawing of a predictive-coding network: inputs below, beliefs above, the response that follows them."""

import dataclasses
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from neurodyn.errors import NotApplicable
from neurodyn.models.predictive_coding import CustomResponse, PredictiveCodingFit, PredictiveCodingNetwork
from neurodyn.models.predictive_coding.graphs import COUPLINGS
from neurodyn.report.layers import Point, needed, ordered, placed
from neurodyn.report.learnt import RESPONSE, Learnt, learnt_of
from neurodyn.report.style import QUIET, SMALL, new_figure
from neurodyn.report.symbols import (
    COLOURS,
    DASHES,
    LINE,
    MARGIN,
    Sheet,
    clipped,
    draw_arrow,
    draw_box,
    draw_node,
    legend_rows,
    write_below,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLES = {
    "binary": "choice of 0 or 1",
    "categorical": "choice among options",
    "continuous": "measured response",
}
PITCH = 0.9  # inches from level to level
GAP, CROWDED, NEAR = 0.16, 0.05, 0.07  # inches between neighbours, and between a node and its text
RADIUS = (0.17, 0.3)  # inches, of nodes that are not crowded
TINY = 5.5  # points


def plot_hierarchy(network: PredictiveCodingNetwork | PredictiveCodingFit, *, width: float = 5.0) -> "Figure":
    """A predictive-coding network as a drawing: inputs are squares, beliefs circles, the response a box.

    Solid arrows lead from beliefs to what they predict, dashed ones to what they set the volatility of; the function of a
    coupling stands beside it. Parameters that are learnt are written beside their nodes, those that nodes share beside
    the last of them; of a fit with their values, of several participants mean and standard deviation. Where nodes stand
    too close for that, a list below the drawing says what is learnt.

    Parameters
    ----------
    network : PredictiveCodingNetwork or PredictiveCodingFit
        The network, or a fit of it.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        Nodes are patches whose gid is the node's name, arrows patches whose gid is such as ``"x2 -> x1 (volatility)"``.

    Raises
    ------
    NotApplicable
        If it is no predictive-coding network.

    Examples
    --------
    >>> from neurodyn.models import HGF
    >>> from neurodyn.report import plot_hierarchy
    >>> figure = plot_hierarchy(HGF(3))
    >>> [patch.get_gid() for patch in figure.axes[0].patches if "->" in str(patch.get_gid())]
    ['x1 -> u (value)', 'x2 -> x1 (volatility)']
    """
    fit = network if isinstance(network, PredictiveCodingFit) else None
    model: Any = network if fit is None else fit.model
    if not isinstance(model, PredictiveCodingNetwork):
        raise NotApplicable(
            f"plot_hierarchy got {type(network).__name__}; give a PredictiveCodingNetwork, such as HGF(3), or its fit."
        )
    figure = new_figure(width, 1.5)
    figure.set_layout_engine("none")  # everything is placed in inches
    sheet = Sheet(figure.add_axes((0.0, 0.0, 1.0, 1.0)), width)
    scheme = _scheme(sheet, model, fit)
    where, height = _places(scheme)
    figure.set_size_inches(width, height)
    sheet.axes.set_xlim(0, width)
    sheet.axes.set_ylim(0, height)
    sheet.axes.set_axis_off()
    for edge in scheme.graph.edges:
        _couple(scheme, where, edge)
    for node in scheme.followed:
        _lead_to_response(scheme, where, node)
    for node in scheme.graph:
        draw_node(sheet, node, where[node], scheme.radius, scheme.square(node), scheme.inside.get(node))
        if node in scheme.texts:
            text = scheme.texts[node]
            x, y = where[node][0] + scheme.radius + _distance(text), where[node][1]
            if scheme.graph.in_degree(node):
                sheet.write((x, y), text, va="center_baseline")
            else:  # no arrow comes from above
                sheet.write((x, y - 0.07), text, va="bottom")
    if scheme.box:
        draw_box(sheet, where[RESPONSE], scheme.box, scheme.half(RESPONSE))
    write_below(sheet, scheme.legend, scheme.notes)
    return figure


@dataclasses.dataclass(frozen=True)
class _Scheme:
    """What is to be drawn: the graph, its levels, and all text."""

    sheet: Sheet
    graph: Any
    levels: dict[str, int]
    edges: list[tuple[str, str]]
    rows: dict
    followed: list[str]
    box: list[str]
    radius: float
    inside: dict[str, tuple[str, float]]
    texts: dict[str, str]
    legend: list[list[tuple[str, str]]]
    notes: list[str]

    def square(self, node: str) -> bool:
        """Whether a node is an input."""
        return self.graph.nodes[node]["level"] == 0

    def half(self, node: str) -> float:
        """Half the height of a node, or of the box of the response."""
        return 0.5 * LINE * len(self.box) + 0.06 if node == RESPONSE else self.radius

    def room(self, node: str) -> tuple[float, float]:
        """What a node takes to the left and to the right of its centre."""
        return _room(self.sheet, node, self.radius, self.texts, self.box)


def _scheme(sheet: Sheet, model: PredictiveCodingNetwork, fit: PredictiveCodingFit | None) -> _Scheme:
    """Levels, their order, and which text stands where."""
    graph, learnt, followed = model.graph(), learnt_of(model, fit), _followed(model)
    levels = {str(name): int(graph.nodes[name]["level"]) for name in graph}
    edges = [*graph.edges, *((node, RESPONSE) for node in followed)]
    box: list[str] = []
    if model.response is not None:
        levels[RESPONSE] = -1 if not followed or any(levels[node] == 0 for node in followed) else 0
        box = [_title(model), *(one.words for one in learnt if one.nodes == (RESPONSE,))]
    rows = ordered(levels, edges)
    radius, inside = _names(sheet, list(graph), max(map(len, rows.values())))
    texts, listed = _beside(sheet, rows, learnt, radius, inside, box)
    letters = max(20, int((sheet.width - 0.3) / 0.068))
    notes = [line for note in listed for line in textwrap.wrap(note, letters)]
    people = 1 if fit is None else fit.parameters.sizes["participant"]
    if learnt and people > 1:
        notes.append(f"mean ± standard deviation over {people} participants")
    couplings = {graph.edges[edge]["coupling"] for edge in graph.edges}
    arrows = {one for coupling in couplings for one in COUPLINGS[coupling]}
    legend = legend_rows(sheet, arrows | ({"response"} if followed else set()))
    return _Scheme(sheet, graph, levels, edges, rows, followed, box, radius, inside, texts, legend, notes)


def _places(scheme: _Scheme) -> tuple[dict, float]:
    """Where nodes and bends stand, in inches, and the height of the drawing."""
    levels, width = scheme.levels, scheme.sheet.width - 2 * MARGIN
    across = placed(scheme.rows, levels, scheme.edges, scheme.room, gap=GAP, width=width)
    tall = {node: LINE * len(text.split("\n")) for node, text in scheme.texts.items()}
    pitch = max([PITCH, *(lines + 0.15 for lines in tall.values())])
    lowest, highest = min(levels.values()), max(levels.values())
    foot = MARGIN + LINE * (len(scheme.notes) + 1.25 * len(scheme.legend)) + (0.2 if scheme.notes else 0.12)
    ground = foot + max(scheme.half(node) for node in levels if levels[node] == lowest)
    where = {}
    for one, x in across.items():
        level = levels[one] if isinstance(one, str) else one[2]
        where[one] = (MARGIN + x, ground + pitch * (level - lowest))
    rising = [tall.get(node, 0.0) - 0.07 for node in scheme.graph if not scheme.graph.in_degree(node)]
    return where, ground + pitch * (highest - lowest) + max([scheme.radius, *rising]) + MARGIN


def _followed(model: PredictiveCodingNetwork) -> list[str]:
    """Nodes whose predictions the response is known to follow."""
    if model.response is None or isinstance(model.response, CustomResponse):
        return []
    return list(dict.fromkeys(model.response.nodes)) or [model.inputs[0].name]


def _title(model: PredictiveCodingNetwork) -> str:
    """First line in the box of the response."""
    if isinstance(model.response, CustomResponse):
        return f"{model.response.rule_name.replace('_', ' ')} (told all nodes)"
    return TITLES[model.response.kind] if model.response is not None else ""


def _names(sheet: Sheet, nodes: list[str], crowd: int) -> tuple[float, dict[str, tuple[str, float]]]:
    """Radius of the nodes, and for every name that fits into it how it is written and how large."""
    largest = min(RADIUS[1], max(0.05, ((sheet.width - 2 * MARGIN) / crowd - CROWDED) / 2))
    fitting = [sheet.wide(node) / 1.6 for node in nodes if sheet.wide(node) <= 1.6 * largest]
    radius = float(np.clip(max(fitting, default=RADIUS[0]), min(RADIUS[0], largest), largest))
    inside = {}
    for node in nodes:
        lines = max(node.count("_") + node.count(" ") + 1, 1)
        for text in (node, node.replace("_", "_\n").replace(" ", "\n")):
            size = min(SMALL, SMALL * 1.6 * radius / sheet.wide(text))
            if size >= TINY and (text == node or lines * LINE <= 1.7 * radius):
                inside[node] = (text, size)
                break
    return radius, inside


def _beside(
    sheet: Sheet,
    rows: dict,
    learnt: list[Learnt],
    radius: float,
    inside: dict[str, tuple[str, float]],
    box: list[str],
) -> tuple[dict[str, str], list[str]]:
    """Text beside every node, as long as its level has room for it; else sentences for the foot of the drawing."""
    order = {node: number for row in rows.values() for number, node in enumerate(row)}
    texts: dict[str, str] = {}
    listed: list[str] = []
    for row in rows.values():
        nodes = [one for one in row if isinstance(one, str) and one != RESPONSE]
        own: dict[str, list[str]] = {node: [] if node in inside else [node] for node in nodes}
        for one in learnt:
            mine = [node for node in one.nodes if node in own]
            if mine and len(mine) == len(one.nodes):
                own[max(mine, key=order.__getitem__)].append(one.said(nodes))
        for broken in (False, True):
            found = {
                node: "\n".join(line.replace(" ", "\n") if broken else line for line in lines)
                for node, lines in own.items()
                if lines
            }

            def room(node: str, found: dict[str, str] = found) -> tuple[float, float]:
                return _room(sheet, node, radius, found, box)

            if needed(row, room, GAP) <= sheet.width - 2 * MARGIN:
                texts.update(found)
                break
        else:
            here = [one for one in learnt if set(one.nodes) <= set(nodes)]
            listed += _sentences(here)
            inside.update({node: (node, TINY) for node in nodes if node not in inside})
    return texts, listed + _sentences(
        [one for one in learnt if not any(set(one.nodes) <= set(row) for row in rows.values())]
    )


def _sentences(learnt: list[Learnt]) -> list[str]:
    """What is learnt at which nodes, those that learn the same together."""
    shared = [f"{one.words}, shared by {', '.join(one.nodes)}" for one in learnt if len(one.nodes) > 1]
    nodes: dict[str, list[str]] = {}
    for one in learnt:
        if len(one.nodes) == 1:
            nodes.setdefault(one.words, []).append(one.nodes[0])
    each = [f"{', '.join(names)}: {words}" for words, names in nodes.items()]
    return shared + (["; ".join(each)] if each else [])


def _room(
    sheet: Sheet, node: str, radius: float, texts: dict[str, str], box: list[str]
) -> tuple[float, float]:
    """What a node takes to the left and to the right of its centre."""
    if node == RESPONSE:
        half = max(map(sheet.wide, box)) / 2 + 0.1
        return half, half
    if node not in texts:
        return radius, radius
    return radius, radius + _distance(texts[node]) + sheet.wide(texts[node])


def _distance(text: str) -> float:
    """Between a node and its text: tall ones keep off the arrows that reach the node from above."""
    return NEAR if text.count("\n") < 2 else 1.7 * NEAR


def _route(scheme: _Scheme, where: dict, edge: tuple[str, str]) -> list[Point]:
    """Points that an arrow passes."""
    levels = scheme.levels
    bends = [(*edge, level) for level in range(levels[edge[0]] - 1, levels[edge[1]], -1)]
    return [where[edge[0]], *(where[bend] for bend in bends), where[edge[1]]]


def _couple(scheme: _Scheme, where: dict, edge: tuple[str, str]) -> None:
    """Arrows of one coupling, and the name of its function."""
    given = scheme.graph.edges[edge]
    points = _route(scheme, where, edge)
    sorts = COUPLINGS[given["coupling"]]
    for sort in sorts:
        shift = 0.0 if len(sorts) == 1 else 0.05 if sort == "value" else -0.05
        moved = [(x + shift, y) for x, y in points]
        start = clipped(moved, scheme.radius, False)
        end = clipped(moved[::-1], scheme.radius, scheme.square(edge[1]))
        style = "-" if sort == "value" else DASHES
        name = f"{edge[0]} -> {edge[1]} ({sort})"
        draw_arrow(scheme.sheet, [start, *moved[1:-1], end], COLOURS[sort], style, name)
    if given["function"] is not None:
        x, y = np.mean(points[:2], axis=0) if len(points) == 2 else points[1]
        white = {"fc": "white", "ec": "none", "pad": 0.6}
        look: dict[str, Any] = {"va": "center", "style": "italic", "color": QUIET, "bbox": white}
        scheme.sheet.write((float(x) + NEAR, float(y)), str(given["function"]), **look)


def _lead_to_response(scheme: _Scheme, where: dict, node: str) -> None:
    """An arrow from a node to the upper side of the response's box."""
    points = _route(scheme, where, (node, RESPONSE))
    side = max(scheme.room(RESPONSE)[0] - 0.15, 0.0)
    x, y = points[-1]
    aim = float(np.clip(points[-2][0], x - side, x + side))
    points[-1] = (aim, y + scheme.half(RESPONSE))
    start = clipped(points, scheme.radius, scheme.square(node))
    name = f"{node} -> response"
    draw_arrow(scheme.sheet, [start, *points[1:]], COLOURS["response"], "-", name)
