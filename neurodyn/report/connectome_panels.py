"""Parts of a card of a component: courses with behaviour, animals, and the matrix of its pairs."""

from typing import TYPE_CHECKING, Any

import numpy as np

from neurodyn.report.connectome_graphs import group_order
from neurodyn.report.connectome_views import ConnectomeView
from neurodyn.report.style import (
    FAINT,
    INK,
    MISSING,
    NULL,
    QUIET,
    SMALL,
    names,
    state_colour,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

LINE = 0.125  # inches from one name to the next beside a matrix
SATURATED = 0.995
WEAK = 0.2


def ramp(colour: str) -> "Colormap":
    """Colours from white through one to a dark shade of it, what is missing grey."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    middle = np.array(to_rgb(colour))
    found = LinearSegmentedColormap.from_list("component", ["white", tuple(middle), tuple(0.3 * middle)])
    return found.with_extremes(bad=MISSING)


def clock(view: ConnectomeView) -> tuple[np.ndarray, str]:
    """Times of the bins on the axis, and its label."""
    length = view.interval * len(view.time)
    for scale, label in ((3600.0, "time (h)"), (60.0, "time (min)"), (1.0, "time (s)")):
        if length > 3 * scale:
            return view.time / scale, label
    return view.time * 1000.0, "time (ms)"


def tail(labels: np.ndarray) -> list[str]:
    """Labels that are short, or without the beginning that all share, cut where a part of them ends.

    Parameters
    ----------
    labels : np.ndarray of str
        Labels.

    Returns
    -------
    list of str
        The rest of each, at most 9 letters.

    Examples
    --------
    >>> import numpy as np
    >>> tail(np.array(["2022-07-26-31", "2022-07-27-38"]))
    ['26-31', '27-38']
    """
    if max(map(len, labels.tolist())) <= 9:
        return labels.tolist()
    low, high = min(labels.tolist()), max(labels.tolist())
    alike = next((at for at, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), 0)
    cut = max(low[:alike].rfind(mark) for mark in "-_ /.") + 1
    return names([label[cut:] for label in labels.tolist()], 9)


def draw_course(
    axes: "Axes", time: np.ndarray, course: np.ndarray, colour: str, top: float, events: np.ndarray | None
) -> None:
    """The course of one animal, over shaded events; grey where it was not observed."""
    shades: list[tuple[np.ndarray, dict[str, Any]]] = [
        (~np.isfinite(course), {"color": MISSING, "gid": "missing"})
    ]
    if events is not None:
        shades.append((np.nan_to_num(events) > 0.5, {"color": NULL, "alpha": 0.28, "gid": "events"}))
    for on, look in shades:
        axes.broken_barh(runs(time, on), (0, 1), transform=axes.get_xaxis_transform(), lw=0, **look)
    axes.fill_between(time, course, 0, color=colour, alpha=0.25, lw=0)
    axes.plot(time, course, color=colour, lw=0.9, gid="course")
    axes.set_xlim(edges(time))
    axes.set_ylim(0, top)
    axes.set_yticks([])
    tidy(axes, frame=("left", "bottom"))


def draw_courses(axes: "Axes", time: np.ndarray, course: np.ndarray, colour: str) -> Any:
    """Courses of many animals as a map, saturated above their 99th percentile; the image."""
    known = course[np.isfinite(course)]
    axes.set_yticks([])
    return axes.imshow(
        course,
        aspect="auto",
        cmap=ramp(colour),
        vmin=0.0,
        vmax=max(float(np.quantile(known, 0.99)) if known.size else 0.0, 1e-12),
        interpolation="nearest",
        extent=(*edges(time), len(course), 0),
    )


def name_events(axes: "Axes", name: str) -> None:
    """What the shading is."""
    from matplotlib.patches import Patch

    axes.legend(
        handles=[Patch(fc=NULL, alpha=0.28)],
        labels=[name],
        loc="lower right",
        bbox_to_anchor=(1.0, 0.98),
        fontsize=SMALL,
        frameon=False,
        borderaxespad=0.1,
    )


def runs(time: np.ndarray, on: np.ndarray) -> list[tuple[float, float]]:
    """Beginning and length of every stretch of bins that are on, bins reaching half a bin to either side."""
    half = edges(time)[1] - time[-1]
    padded = np.concatenate([[False], on, [False]]).astype(int)
    starts, stops = (np.flatnonzero(np.diff(padded) == sign) for sign in (1, -1))
    return [(time[a] - half, time[b - 1] - time[a] + 2 * half) for a, b in zip(starts, stops, strict=True)]


def edges(time: np.ndarray) -> tuple[float, float]:
    """Beginning of the first bin and end of the last."""
    half = (time[-1] - time[0]) / max(len(time) - 1, 1) / 2 or 0.5
    return float(time[0] - half), float(time[-1] + half)


def extent(values: np.ndarray) -> tuple[float, float]:
    """Where nearly all values of a behaviour lie."""
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, (0.001, 0.999)).tolist() if known.size else (0.0, 1.0)
    return low, max(high, low + 1e-12)


def draw_behaviour(
    axes: "Axes", time: np.ndarray, values: np.ndarray, limits: tuple[float, float], name: str
) -> None:
    """A behaviour that has a size, as a line with its name."""
    if name:
        axes.set_title(name, fontsize=SMALL, color=NULL, loc="right", y=0.7)
    if limits[0] < 0 < limits[1]:
        axes.axhline(0, color=FAINT, lw=0.7)
    axes.plot(time, values, color=NULL, lw=0.8, gid="behaviour")
    axes.set_xlim(edges(time))
    axes.set_ylim(*limits)
    axes.set_yticks([])
    tidy(axes, frame=("bottom",))


def draw_animals(axes: "Axes", view: ConnectomeView, place: int, *, named: bool) -> None:
    """Strength of a component in every animal, over its mean."""
    values = view.animal[:, place]
    rows = np.arange(len(values)) + 0.5
    axes.barh(rows, np.nan_to_num(values), height=0.5, color=state_colour(place), lw=0)
    for row, value in zip(rows, values, strict=True):
        if not np.isfinite(value):
            axes.text(0, row, " not observed", va="center", fontsize=SMALL, color=QUIET)
    axes.axvline(1, color=QUIET, lw=0.8, ls=(0, (3, 2)))
    axes.set_ylim(len(values), 0)
    axes.set_yticks(rows, names(view.trials, 16) if named else [""] * len(rows))
    tidy(
        axes,
        x="loading / mean" if view.shared else "mean of course /\nits mean over animals",
        frame=("bottom",),
    )
    axes.tick_params(axis="y", length=0)


def draw_during(axes: "Axes", view: ConnectomeView, place: int, events: np.ndarray, name: str) -> None:
    """Mean course of every animal during events, and apart from them."""
    course = view.course[..., place]
    for row in range(len(course)):
        known = np.isfinite(course[row]) & np.isfinite(events[row])
        on, off = known & (events[row] > 0.5), known & (events[row] <= 0.5)
        means = [float(course[row][part].mean()) if part.any() else np.nan for part in (on, off)]
        axes.plot(means, [row + 0.5] * 2, color=QUIET, lw=1.0, zorder=1)
        axes.plot(
            means[:1], [row + 0.5], "o", ms=6.5, color=NULL, label=name if row == 0 else None, gid="during"
        )
        axes.plot(
            means[1:],
            [row + 0.5],
            "o",
            ms=6.5,
            mfc="white",
            mec=INK,
            label="else" if row == 0 else None,
            gid="else",
        )
    axes.set_xlim(left=0)
    axes.set_ylim(len(course), 0)
    axes.set_yticks([])
    tidy(axes, x="mean affinity", frame=("bottom",))
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 0.99),
        ncols=2,
        fontsize=SMALL,
        frameon=False,
        handletextpad=0.1,
        columnspacing=0.8,
        borderaxespad=0.0,
    )


def draw_matrix(
    axes: "Axes",
    matrix: np.ndarray,
    order: np.ndarray,
    nodes: np.ndarray,
    groups: np.ndarray | None,
    *,
    colour: str,
    room: float,
) -> Any:
    """Shares of all pairs in an order of the nodes, the strongest of them named; the image."""
    shown = matrix[np.ix_(order, order)]
    known = shown[np.isfinite(shown)]
    top = float(np.quantile(known, SATURATED)) if known.size else 0.0
    top = top if top > 0 else max(float(known.max(initial=0.0)), 1e-12)
    image = axes.imshow(shown, cmap=ramp(colour), vmin=0.0, vmax=top, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    tidy(axes, frame=("left", "right", "top", "bottom"))
    _name_nodes(axes, shown, nodes[order], room)
    if groups is not None:
        _name_groups(axes, groups[order], groups, room)
    return image


def _name_nodes(axes: "Axes", shown: np.ndarray, nodes: np.ndarray, room: float) -> None:
    """Names of all nodes where they fit, else of the strongest, led to where there is room."""
    strength = np.nan_to_num(shown).sum(1)
    fit = max(int(room / LINE), 1)
    if len(nodes) <= fit:
        chosen = np.arange(len(nodes))
    else:
        chosen = np.sort(np.argsort(-strength, kind="stable")[:fit])
        chosen = chosen[strength[chosen] >= WEAK * strength.max()]
    places = spread(chosen.astype(float), len(nodes) * LINE / room, -0.5, len(nodes) - 0.5)
    reach = len(nodes) / room
    for at, y, name in zip(chosen, places, names(nodes[chosen], 12), strict=True):
        straight = len(nodes) <= fit
        if not straight:
            axes.plot(
                [-0.5, -0.5 - 0.06 * reach, -0.5 - 0.2 * reach, -0.5 - 0.26 * reach],
                [at, at, y, y],
                color=QUIET,
                lw=0.5,
                clip_on=False,
            )
        axes.text(
            -0.5 - (0.05 if straight else 0.29) * reach,
            y,
            name,
            ha="right",
            va="center",
            fontsize=SMALL - 1,
            color=INK,
            gid="node",
        )
    axes.set_xlim(-0.5, len(nodes) - 0.5)
    axes.set_ylim(len(nodes) - 0.5, -0.5)


def _name_groups(axes: "Axes", ordered: np.ndarray, groups: np.ndarray, room: float) -> None:
    """Lines between groups, their colours along the right edge, and their names."""
    colours = {name: state_colour(at) for at, name in enumerate(group_order(groups))}
    edges = np.flatnonzero(ordered[1:] != ordered[:-1]) + 0.5
    for edge in edges:
        axes.axhline(edge, color=QUIET, lw=0.4)
        axes.axvline(edge, color=QUIET, lw=0.4)
    bounds = np.concatenate([[-0.5], edges, [len(ordered) - 0.5]])
    reach = len(ordered) / room
    right = len(ordered) - 0.5
    middle = (bounds[:-1] + bounds[1:]) / 2
    led = len(middle) * LINE <= room
    places = spread(middle, LINE * reach, -0.5, len(ordered) - 0.5) if led else middle
    for low, high, y in zip(bounds[:-1], bounds[1:], places, strict=True):
        name = ordered[int(np.ceil(low))]
        axes.plot(
            [right + 0.06 * reach] * 2,
            [low, high],
            color=colours[name],
            lw=4,
            clip_on=False,
            solid_capstyle="butt",
        )
        if led:
            axes.text(right + 0.14 * reach, y, name, va="center", fontsize=SMALL - 1, color=INK, gid="group")
    axes.set_xlim(-0.5, right)


def spread(places: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Places nearest to those given, in the same order and at least `gap` apart, as far as there is room.

    Parameters
    ----------
    places : np.ndarray
        Sorted.
    gap : float
        Least distance.
    low, high : float
        Ends; half a gap is left free at both.

    Returns
    -------
    np.ndarray
        Places.

    Examples
    --------
    >>> import numpy as np
    >>> spread(np.array([3.0, 3.0, 9.0]), 2.0, 0.0, 10.0).tolist()
    [2.0, 4.0, 9.0]
    """
    from scipy.optimize import isotonic_regression

    if not len(places):
        return np.asarray(places, float)
    steps = gap * np.arange(len(places))
    found = isotonic_regression(np.asarray(places, float) - steps).x
    return np.clip(found, low + gap / 2, max(high - gap / 2 - steps[-1], low + gap / 2)) + steps
