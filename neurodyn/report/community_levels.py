"""Communities within communities, as nested bars."""

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.report.style import FAINT, INK, SMALL, names, new_figure, state_colour, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE = 0.14  # inches
LEVEL = 0.95  # inches, width of a level on a wide figure


def plot_community_hierarchy(communities: xr.Dataset | xr.DataArray, *, width: float = 8.0) -> "Figure":
    """Levels of communities side by side, the coarsest on the left, and the nodes of the finest written beside it.

    Parameters
    ----------
    communities : xr.Dataset or xr.DataArray
        Variable ``group``, on ``(level, node)`` or ``node`` alone.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        A rectangle for every group of every level, with the gid ``"level, group"``, within that of the level above; where
        levels are not nested, a group of several pieces has several. The names of its nodes stand to the right of every
        group of the finest level, which is as tall as they need. Colours are those of the finest level of at most fourteen
        groups, and of the levels that are finer still; groups that hold several colours are grey.

    Raises
    ------
    ModelError
        If there is no group on nodes, or no node.

    Examples
    --------
    >>> import xarray as xr
    >>> from neurodyn.report import plot_community_hierarchy
    >>> group = xr.DataArray([[0, 0, 1, 2], [0, 0, 1, 1]], dims=("level", "node"), coords={"node": list("abcd")})
    >>> figure = plot_community_hierarchy(group.rename("group").to_dataset())
    >>> [patch.get_gid() for patch in figure.axes[0].patches]
    ['1, 0', '1, 1', '0, 0', '0, 1', '0, 2']
    """
    group, levels, nodes = _groups(communities)
    counts = [len(np.unique(row)) for row in group]
    columns = np.argsort(counts, kind="stable")
    order = _nested_order([group[at] for at in columns])
    share = min(LEVEL, 0.6 * width / len(columns))
    column = len(columns) * share + 0.1
    letters = max(int((width - column - 0.3) / 0.062), 8)
    pieces = _pieces(group[columns[-1]][order])
    listed = [textwrap.wrap(", ".join(names(nodes[order[a:b]], 16)), letters) for a, b in pieces]
    # Where every node begins, in inches from the top: the nodes of a piece share the room that its names need.
    ends = np.concatenate([[0.0], np.cumsum([len(lines) * LINE + 0.08 for lines in listed])])
    tops = np.concatenate(
        [np.linspace(ends[k], ends[k + 1], b - a, endpoint=False) for k, (a, b) in enumerate(pieces)]
        + [ends[-1:]]
    )
    figure = new_figure(width, float(ends[-1]) + 0.7)
    axes = figure.add_subplot()
    coloured = _colours(group, counts)
    for place, at in enumerate(columns):
        row = group[at][order]
        for start, stop in _pieces(row):
            _bar(
                axes,
                (place * share, tops[start], 0.96 * share, tops[stop] - tops[start]),
                str(row[start]),
                coloured[order[start:stop]],
                f"{levels[at]}, {row[start]}",
            )
    for top, lines in zip(ends[:-1], listed, strict=True):
        axes.text(
            column, top + 0.04, "\n".join(lines), va="top", fontsize=SMALL - 0.5, color=INK, linespacing=1.2
        )
    axes.set_xlim(-0.02, width - 0.2)
    axes.set_ylim(ends[-1], 0)
    ticks = [f"level {levels[at]}\n{counts[at]} group{'s' * (counts[at] > 1)}" for at in columns]
    axes.set_xticks((np.arange(len(columns)) + 0.48) * share, ticks)
    axes.set_yticks([])
    tidy(axes, frame=())
    axes.tick_params(length=0)
    return figure


def _pieces(row: np.ndarray) -> list[tuple[int, int]]:
    """First node of every run of one group, and that after its last."""
    edges = (np.flatnonzero(row[1:] != row[:-1]) + 1).tolist()
    return list(zip([0, *edges], [*edges, len(row)], strict=True))


def _groups(communities: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups ``(level, node)`` as text, labels of the levels and of the nodes."""
    found = (
        communities["group"]
        if isinstance(communities, xr.Dataset) and "group" in communities
        else communities
    )
    if not isinstance(found, xr.DataArray) or "node" not in found.dims or set(found.dims) - {"level", "node"}:
        what = tuple(map(str, found.dims)) if isinstance(found, xr.DataArray) else type(communities).__name__
        raise ModelError(f"communities is {what}; give a variable group on (level, node).")
    if "level" not in found.dims:
        found = found.expand_dims("level")
    found = found.transpose("level", "node")
    if 0 in found.shape:
        raise ModelError("communities has no node or no level.")
    levels, nodes = (
        found[dim].values.astype(str) if dim in found.coords else np.arange(found.sizes[dim]).astype(str)
        for dim in ("level", "node")
    )
    return found.values.astype(str), levels, nodes


def _nested_order(rows: list[np.ndarray]) -> np.ndarray:
    """Order of nodes by the groups of the first level, within them by those of the next, and so on; large ones first."""
    keys = []
    for row in rows:
        values, place, count = np.unique(row, return_inverse=True, return_counts=True)
        rank = np.empty(len(values), int)
        rank[np.argsort(-count, kind="stable")] = np.arange(len(values))
        keys.append(rank[place])
    return np.lexsort(keys[::-1])


def _colours(group: np.ndarray, counts: list[int]) -> np.ndarray:
    """A colour for every node, ``(node, 3)``: that of its group at the finest level with few enough of them."""
    from matplotlib.colors import to_rgb

    able = [at for at, count in enumerate(counts) if count <= 14]
    chosen = max(able, key=lambda at: counts[at]) if able else int(np.argmin(counts))
    values, place, count = np.unique(group[chosen], return_inverse=True, return_counts=True)
    rank = np.empty(len(values), int)
    rank[np.argsort(-count, kind="stable")] = np.arange(len(values))
    return np.array([to_rgb(state_colour(int(rank[at]))) for at in place])


def _bar(
    axes: "Axes", box: tuple[float, float, float, float], name: str, shades: np.ndarray, gid: str
) -> None:
    """One group, in the colour of its nodes where they have one, else in grey, with its name where that fits."""
    from matplotlib.patches import Rectangle

    x, y, wide, tall = box
    one = bool((shades == shades[0]).all())
    colour: Any = tuple(0.55 + 0.45 * shades[0]) if one else FAINT
    axes.add_patch(Rectangle((x, y), wide, tall, fc=colour, ec="white", lw=1.2, gid=gid))
    if tall >= LINE:
        label = names([name], max(int(wide / 0.07), 2))[0]
        axes.text(x + wide / 2, y + tall / 2, label, ha="center", va="center", fontsize=SMALL, color=INK)
