"""Graph of the strongest pairs of a component, its nodes written so that no name covers another."""

from typing import TYPE_CHECKING

import numpy as np

from neurodyn.report.style import INK, QUIET, SMALL, names, state_colour, tidy
from neurodyn.report.symbols import Sheet

if TYPE_CHECKING:
    import networkx
    from matplotlib.axes import Axes

TALL = 0.155  # inches, height of a name with its frame
PAD = 0.1  # inches, left and right of a name
GAP = 0.03  # inches between neighbours
FILLED = 0.22  # share of the panel that names may take
STEP = 0.04  # inches, between places that are tried
LETTERS = 12


def strongest_graph(
    matrix: np.ndarray, nodes: np.ndarray, *, most_edges: int, most_nodes: int
) -> "networkx.Graph":
    """The strongest pairs as a graph.

    Parameters
    ----------
    matrix : np.ndarray
        Shares of the pairs, symmetric ``(node, node)``; NaN where not observed.
    nodes : np.ndarray of str
        Names.
    most_edges, most_nodes : int
        Limits; pairs are taken by strength until one is reached.

    Returns
    -------
    networkx.Graph
        Edges with ``weight``.
    """
    import networkx

    rows, columns = np.triu_indices(len(nodes), 1)
    weights = np.nan_to_num(matrix[rows, columns])
    graph = networkx.Graph()
    for at in np.argsort(-weights, kind="stable"):
        ends = (str(nodes[rows[at]]), str(nodes[columns[at]]))
        more = sum(end not in graph for end in ends)
        if weights[at] <= 0 or graph.number_of_edges() >= most_edges or len(graph) + more > most_nodes:
            break
        graph.add_edge(*ends, weight=float(weights[at]))
    return graph


def draw_graph(
    axes: "Axes", matrix: np.ndarray, nodes: np.ndarray, groups: np.ndarray | None, *, most_edges: int
) -> None:
    """Draw the strongest pairs into axes whose place in the figure is settled.

    Parameters
    ----------
    axes : Axes
        Where; its coordinates become inches.
    matrix : np.ndarray
        Shares of the pairs, symmetric ``(node, node)``.
    nodes : np.ndarray of str
        Names.
    groups : np.ndarray of str, optional
        Group of every node; sets the colour of its frame.
    most_edges : int
        How many pairs at most.
    """
    from matplotlib.patches import FancyBboxPatch

    box = axes.get_window_extent()
    width, height = box.width / axes.figure.dpi, box.height / axes.figure.dpi
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_xticks([])
    axes.set_yticks([])
    sheet = Sheet(axes, width)
    typical = float(np.median([sheet.wide(name, SMALL - 1) for name in names(nodes, LETTERS)])) + PAD
    room = max(int(FILLED * width * height / (TALL * typical)), 2)
    graph = strongest_graph(matrix, nodes, most_edges=most_edges, most_nodes=room)
    pairs = int(np.isfinite(matrix[np.triu_indices(len(nodes), 1)]).sum())
    kept = graph.number_of_edges()
    said = f"all {kept:,} pairs" if kept == pairs else f"the {kept:,} strongest of {pairs:,} pairs"
    tidy(axes, title=said, frame=())
    if not kept:
        return
    drawn = list(graph)
    text = dict(zip(drawn, names(drawn, LETTERS), strict=True))
    half = np.array([[(sheet.wide(text[name], SMALL - 1) + PAD) / 2, TALL / 2] for name in drawn])
    spots = dict(zip(drawn, apart(_layout(graph, width, height), half, width, height), strict=True))
    largest = max(edge["weight"] for _, _, edge in graph.edges(data=True))
    for first, second, edge in sorted(graph.edges(data=True), key=lambda one: one[2]["weight"]):
        share = edge["weight"] / largest
        axes.plot(
            *np.transpose([spots[first], spots[second]]),
            color=QUIET,
            lw=0.3 + 2.2 * share**2,
            alpha=0.2 + 0.6 * share,
            solid_capstyle="round",
            gid=f"{first}--{second}",
            zorder=1 + share,
        )
    of = {} if groups is None else dict(zip(nodes.tolist(), groups.tolist(), strict=True))
    colours = {name: state_colour(at) for at, name in enumerate(group_order(groups))}
    for name, size in zip(drawn, half, strict=True):
        x, y = spots[name]
        axes.add_patch(
            FancyBboxPatch(
                (x - size[0] + 0.03, y - size[1] + 0.03),
                2 * size[0] - 0.06,
                2 * size[1] - 0.06,
                boxstyle="round,pad=0.03,rounding_size=0.06",
                fc="white",
                ec=colours[of[name]] if of else INK,
                lw=1.6 if of else 0.9,
                gid=name,
                zorder=3,
            )
        )
        sheet.write((x, y), text[name], ha="center", va="center_baseline", fontsize=SMALL - 1, zorder=4)


def group_order(groups: np.ndarray | None) -> list[str]:
    """Names of groups, numbers by size; the order in which they take colours."""
    found = [] if groups is None else np.unique(groups).tolist()
    return sorted(found, key=lambda name: (0, int(name), "") if name.isdigit() else (1, 0, name))


def _layout(graph: "networkx.Graph", width: float, height: float) -> np.ndarray:
    """Places by Kamada and Kawai's springs; parts that no edge joins side by side, in rooms as large as they need."""
    import networkx

    place: dict[str, np.ndarray] = {}
    parts = sorted(networkx.connected_components(graph), key=lambda part: (-len(part), min(part)))
    for part, (x, y, wide, tall) in zip(parts, rooms([len(p) for p in parts], width, height), strict=True):
        # In the order of the graph: a part is a set, and its order would change from run to run.
        own = graph.subgraph(part)
        ordered = networkx.Graph()
        ordered.add_nodes_from(name for name in graph if name in part)
        ordered.add_edges_from((a, b, edge) for a, b, edge in graph.edges(data=True) if own.has_edge(a, b))
        found = networkx.kamada_kawai_layout(ordered, weight=None)
        spots = np.array([found[name] for name in ordered], dtype=float)
        low, span = spots.min(0), np.ptp(spots, axis=0)
        scaled = np.divide(spots - low, span, out=np.full_like(spots, 0.5), where=span > 1e-9)
        edge = 0.08 if len(parts) > 1 else 0.0
        inside = edge + (1 - 2 * edge) * scaled
        place |= dict(zip(ordered, inside * [wide, tall] + [x, y], strict=True))
    return np.array([place[name] for name in graph])


def rooms(sizes: list[int], width: float, height: float) -> list[tuple[float, float, float, float]]:
    """Cut a panel into rectangles with areas in proportion to sizes, the longer side first.

    Parameters
    ----------
    sizes : list of int
        The largest first.
    width, height : float
        Of the panel.

    Returns
    -------
    list of (x, y, width, height)
        One for each.

    Examples
    --------
    >>> rooms([2, 1, 1], 4.0, 3.0)
    [(0.0, 0.0, 2.0, 3.0), (2.0, 0.0, 2.0, 1.5), (2.0, 1.5, 2.0, 1.5)]
    """
    if len(sizes) == 1:
        return [(0.0, 0.0, width, height)]
    ends = np.cumsum(sizes)
    cut = int(np.argmin(np.abs(ends[:-1] - ends[-1] / 2))) + 1
    share = float(ends[cut - 1] / ends[-1])
    if width >= height:
        near = rooms(sizes[:cut], width * share, height)
        far = rooms(sizes[cut:], width * (1 - share), height)
        return near + [(x + width * share, y, w, h) for x, y, w, h in far]
    near = rooms(sizes[:cut], width, height * share)
    far = rooms(sizes[cut:], width, height * (1 - share))
    return near + [(x, y + height * share, w, h) for x, y, w, h in far]


def apart(spots: np.ndarray, half: np.ndarray, width: float, height: float) -> np.ndarray:
    """Move boxes, one after the other, to the nearest place inside that none before covers.

    Parameters
    ----------
    spots : np.ndarray
        Centres, ``(box, 2)``, the most important first.
    half : np.ndarray
        Half of their width and height, ``(box, 2)``.
    width, height : float
        Of the panel.

    Returns
    -------
    np.ndarray
        Centres, ``(box, 2)``; a box for which there is no room stays.

    Examples
    --------
    >>> import numpy as np
    >>> moved = apart(np.array([[1.0, 1.0], [1.0, 1.1]]), np.full((2, 2), 0.2), 2.0, 2.0)
    >>> moved[0].tolist(), bool(np.abs(moved[1] - moved[0]).max() >= 0.4)
    ([1.0, 1.0], True)
    """
    raster = np.meshgrid(np.arange(0, width, STEP), np.arange(0, height, STEP))
    grid = np.column_stack([one.ravel() for one in raster])
    placed = np.array(spots, dtype=float)
    for at, (spot, mine) in enumerate(zip(placed.copy(), half, strict=True)):
        limits = np.maximum(np.array([width, height]) - mine, mine)
        tried = np.vstack([np.clip(spot, mine, limits), grid])
        inside = ((tried >= mine) & (tried <= limits)).all(1)
        tried = tried[inside]
        away = np.abs(tried[:, None] - placed[:at]) >= mine + half[:at] + GAP
        free = tried[away.any(2).all(1)]
        if len(free):
            placed[at] = free[np.argmin(np.square(free - spot).sum(1))]
    return placed
