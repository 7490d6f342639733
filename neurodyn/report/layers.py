"""Places of the nodes of a graph that is drawn level by level."""

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

SWEEPS = 12
BEND = 0.1  # inches that an arrow which passes a level keeps free on either side

Edge = tuple[str, str]
Point = tuple[float, float]
Level = list[str | tuple[str, str, int]]  # nodes, and the bends of arrows that pass the level


def ordered(levels: Mapping[str, int], edges: Sequence[Edge]) -> dict[int, Level]:
    """Order of the nodes of every level in which arrows cross little.

    Parameters
    ----------
    levels : mapping of str to int
        Level of every node.
    edges : sequence of (str, str)
        From nodes to nodes of lower levels; one that passes a level bends there.

    Returns
    -------
    dict of int to list
        By level, from left to right: nodes and bends ``(parent, child, level)``.

    Examples
    --------
    >>> ordered({"p": 1, "q": 1, "a": 0, "b": 0}, [("p", "b"), ("q", "a")])
    {0: ['a', 'b'], 1: ['q', 'p']}
    """
    found: dict[int, Level] = {
        level: [node for node in levels if levels[node] == level] for level in sorted(set(levels.values()))
    }
    for parent, child in edges:
        for level in range(levels[child] + 1, levels[parent]):
            found.setdefault(level, []).append((parent, child, level))
    neighbours = _neighbours(levels, edges)
    heights = sorted(found)
    for sweep in range(SWEEPS):
        for level in heights if sweep % 2 == 0 else reversed(heights):
            place = {node: index / len(row) for row in found.values() for index, node in enumerate(row)}
            side = -1 if sweep % 2 == 0 else 1
            centre = {}
            for node in found[level]:
                near = [place[other] for other, there in neighbours[node] if (there - level) * side > 0]
                centre[node] = float(np.mean(near)) if near else place[node]
            found[level] = sorted(found[level], key=centre.__getitem__)
    return dict(sorted(found.items()))


def _neighbours(levels: Mapping[str, int], edges: Sequence[Edge]) -> dict:
    """What every node and bend is joined to, with its level."""
    found: dict = {node: [] for node in levels}
    for parent, child in edges:
        passed = [(parent, child, level) for level in range(levels[child] + 1, levels[parent])]
        chain = [(child, levels[child]), *((bend, bend[2]) for bend in passed), (parent, levels[parent])]
        for lower, upper in itertools.pairwise(chain):
            found.setdefault(lower[0], []).append(upper)
            found.setdefault(upper[0], []).append(lower)
    return found


def needed(row: Level, room: Callable[[str], tuple[float, float]], gap: float) -> float:
    """Width that a level takes.

    Parameters
    ----------
    row : list
        Its nodes and bends.
    room : callable
        What a node takes to the left and to the right of its centre.
    gap : float
        Between neighbours.

    Returns
    -------
    float
        Sum.
    """
    sides = [_sides(one, room) for one in row]
    return sum(left + right for left, right in sides) + gap * (len(row) - 1)


def _sides(one: str | tuple, room: Callable[[str], tuple[float, float]]) -> tuple[float, float]:
    """What a node or a bend takes on either side."""
    return room(one) if isinstance(one, str) else (BEND, BEND)


def placed(
    rows: Mapping[int, Level],
    levels: Mapping[str, int],
    edges: Sequence[Edge],
    room: Callable[[str], tuple[float, float]],
    *,
    gap: float,
    width: float,
) -> dict:
    """Horizontal places of nodes and bends: near to what they are joined to, none upon another.

    Parameters
    ----------
    rows : mapping of int to list
        Order, from `ordered`.
    levels, edges
        The graph.
    room : callable
        What a node takes to the left and to the right of its centre.
    gap : float
        Between neighbours of a level.
    width : float
        Of the drawing; levels that need more are squeezed.

    Returns
    -------
    dict
        Place of every node and bend.

    Examples
    --------
    >>> rows = ordered({"p": 1, "a": 0, "b": 0}, [("p", "a"), ("p", "b")])
    >>> half = lambda node: (0.5, 0.5)
    >>> found = placed(rows, {"p": 1, "a": 0, "b": 0}, [("p", "a"), ("p", "b")], half, gap=1.0, width=5.0)
    >>> [round(found[node], 2) for node in ("a", "p", "b")]
    [1.5, 2.5, 3.5]
    """
    neighbours = _neighbours(levels, edges)
    offset, bounds = {}, {}
    for level, row in rows.items():
        sides = [_sides(one, room) for one in row]
        step = [a[1] + gap + b[0] for a, b in itertools.pairwise(sides)]
        ends = sides[0][0] + sides[-1][1]
        squeeze = min(1.0, max(width - ends, 0.0) / sum(step)) if step else 1.0
        offset[level] = squeeze * np.concatenate([[0.0], np.cumsum(step)])
        bounds[level] = (sides[0][0], max(width - offset[level][-1] - sides[-1][1], sides[0][0]))
    place = {}
    for level, row in rows.items():
        place.update(zip(row, np.mean(bounds[level]) + offset[level], strict=True))
    heights = list(rows)
    for sweep in range(2 * SWEEPS):
        for level in heights if sweep % 2 == 0 else reversed(heights):
            row = rows[level]
            wanted = [
                np.mean([place[other] for other, _ in neighbours[one]]) if neighbours[one] else place[one]
                for one in row
            ]
            kept = np.clip(_rising(np.array(wanted) - offset[level]), *bounds[level])
            place.update(zip(row, kept + offset[level], strict=True))
    return {one: float(where) for one, where in place.items()}


def _rising(values: np.ndarray) -> np.ndarray:
    """The nearest sequence that never falls: neighbours that would are averaged."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        blocks.append((float(value), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, n), (b, m) = blocks[-2], blocks[-1]
            blocks[-2:] = [((a * n + b * m) / (n + m), n + m)]
    return np.concatenate([np.full(number, value) for value, number in blocks])


def smooth(points: Sequence[Point]) -> tuple[list[Point], list[int]]:
    """A curve through points, as vertices and codes of a matplotlib path.

    Parameters
    ----------
    points : sequence of (float, float)
        Two or more; two are joined by a straight line.

    Returns
    -------
    vertices : list of (float, float)
        First point, then two controls and an end for each piece.
    codes : list of int
        Of `matplotlib.path.Path`.

    Examples
    --------
    >>> smooth([(0.0, 0.0), (0.0, 6.0)])[0]
    [(0.0, 0.0), (0.0, 1.0), (0.0, 5.0), (0.0, 6.0)]
    """
    from matplotlib.path import Path

    array = np.array([points[0], *points, points[-1]], float)
    vertices, codes = [points[0]], [int(Path.MOVETO)]
    for i in range(1, len(array) - 2):
        first = array[i] + (array[i + 1] - array[i - 1]) / 6
        second = array[i + 1] - (array[i + 2] - array[i]) / 6
        vertices += [tuple(first.tolist()), tuple(second.tolist()), tuple(array[i + 1].tolist())]
        codes += [int(Path.CURVE4)] * 3
    return vertices, codes
