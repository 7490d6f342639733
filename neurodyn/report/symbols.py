"""Symbols of a drawing that is laid out in inches: nodes, arrows, a box, and what they mean."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from neurodyn.report.layers import Point, smooth
from neurodyn.report.style import ACCENT, INK, NULL, QUIET, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 0.14  # inches from one line of small text to the next
MARGIN = 0.14  # inches left free around the drawing
DASHES = (0, (3.5, 2.2))
HEAD = 0.1  # inches, of an arrow
COLOURS = {"value": INK, "volatility": ACCENT, "response": NULL}
MEANING = {"value": "predicts", "volatility": "sets the volatility of", "response": "response follows"}
SAMPLE = 0.34  # inches, of an arrow in the legend


@dataclasses.dataclass(frozen=True)
class Sheet:
    """What a drawing is measured with, in inches."""

    axes: "Axes"
    width: float

    def wide(self, text: str, size: float = SMALL, weight: str = "normal") -> float:
        """Width of the widest line of a text."""
        from matplotlib.font_manager import FontProperties

        figure: Any = self.axes.figure
        renderer, font = figure.canvas.get_renderer(), FontProperties(size=size, weight=weight)
        lines = [renderer.get_text_width_height_descent(line, font, False)[0] for line in text.split("\n")]
        return max(lines) / figure.dpi

    def write(self, where: Point, text: str, **settings: Any) -> None:
        """Small text."""
        self.axes.text(*where, text, **{"fontsize": SMALL, "color": INK, "linespacing": 1.15, **settings})


def clipped(points: list[Point], radius: float, square: bool) -> Point:
    """Where a line from the first point leaves the node around it."""
    start, along = np.array(points[0]), np.subtract(points[1], points[0])
    along = along / max(float(np.linalg.norm(along)), 1e-9)
    reach = radius / float(np.abs(along).max()) if square else radius
    return tuple((start + (reach + 0.02) * along).tolist())


def draw_arrow(sheet: Sheet, points: list[Point], colour: str, style: Any, name: str) -> None:
    """A line through points with a head at its end."""
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    tip, before = np.array(points[-1]), np.array(points[-2])
    along = (tip - before) / max(float(np.linalg.norm(tip - before)), 1e-9)
    across = np.array([-along[1], along[0]])
    base = tip - HEAD * along
    vertices, codes = smooth([*points[:-1], tuple(base.tolist())])
    sheet.axes.add_patch(
        PathPatch(Path(vertices, codes), fill=False, ec=colour, lw=1.2, ls=style, gid=name, zorder=1)
    )
    corners = [tip, base + 0.42 * HEAD * across, base - 0.42 * HEAD * across]
    sheet.axes.add_patch(Polygon(np.array(corners), closed=True, fc=colour, ec="none", zorder=1))


def draw_node(
    sheet: Sheet, name: str, where: Point, radius: float, square: bool, written: tuple[str, float] | None
) -> None:
    """A circle or a square with its name, where that fits."""
    from matplotlib.patches import Circle, Rectangle

    look: dict[str, Any] = {"fc": "white", "ec": INK, "lw": 1.1, "zorder": 3, "gid": name}
    if square:
        corner = (where[0] - radius, where[1] - radius)
        sheet.axes.add_patch(Rectangle(corner, 2 * radius, 2 * radius, **look))
    else:
        sheet.axes.add_patch(Circle(where, radius, **look))
    if written is not None:
        text, size = written
        sheet.write(where, text, ha="center", va="center_baseline", fontsize=size, zorder=4, linespacing=0.95)


def draw_box(sheet: Sheet, where: Point, lines: list[str], half: float) -> None:
    """The response."""
    from matplotlib.patches import FancyBboxPatch

    wide = max(map(sheet.wide, lines)) + 0.2
    sheet.axes.add_patch(
        FancyBboxPatch(
            (where[0] - wide / 2 + 0.05, where[1] - half + 0.05),
            wide - 0.1,
            2 * half - 0.1,
            boxstyle="round,pad=0.05,rounding_size=0.08",
            fc="white",
            ec=NULL,
            lw=1.1,
            zorder=3,
            gid="response",
        )
    )
    for number, line in enumerate(lines):
        y = where[1] + LINE * ((len(lines) - 1) / 2 - number)
        colour = NULL if number == 0 else INK
        sheet.write((where[0], y), line, ha="center", va="center_baseline", color=colour, zorder=4)


def legend_rows(sheet: Sheet, arrows: set[str]) -> list[list[tuple[str, str]]]:
    """What symbols mean, as many beside each other as fit; `arrows` are those that occur."""
    entries = [("square", "input"), ("circle", "belief")]
    entries += [(kind, words) for kind, words in MEANING.items() if kind in arrows]
    rows: list[list[tuple[str, str]]] = [[]]
    for entry in entries:
        row = [*rows[-1], entry]
        if rows[-1] and sum(_taken(sheet, one) for one in row) > sheet.width - 2 * MARGIN:
            rows.append([entry])
        else:
            rows[-1] = row
    return rows


def _taken(sheet: Sheet, entry: tuple[str, str]) -> float:
    """Width of an entry of the legend."""
    return (0.16 if entry[0] in ("square", "circle") else SAMPLE + 0.08) + sheet.wide(entry[1]) + 0.2


def write_below(sheet: Sheet, legend: list[list[tuple[str, str]]], notes: list[str]) -> None:
    """Notes at the foot, the legend above them."""
    from matplotlib.patches import Circle, Rectangle

    for number, note in enumerate(notes):
        y = MARGIN + LINE * (len(notes) - number - 0.7)
        sheet.write((MARGIN, y), note, va="center", color=QUIET)
    for number, row in enumerate(reversed(legend)):
        above = LINE * len(notes) + (0.08 if notes else 0.0)
        x, y = MARGIN, MARGIN + above + 1.25 * LINE * (number + 0.4)
        for kind, words in row:
            text = x + (0.16 if kind in ("square", "circle") else SAMPLE + 0.08)
            if kind == "square":
                sheet.axes.add_patch(Rectangle((x, y - 0.05), 0.1, 0.1, fc="white", ec=INK, lw=0.9))
            elif kind == "circle":
                sheet.axes.add_patch(Circle((x + 0.06, y), 0.055, fc="white", ec=INK, lw=0.9))
            else:
                colour = COLOURS[kind]
                style = DASHES if kind == "volatility" else "-"
                draw_arrow(sheet, [(x, y), (x + SAMPLE, y)], colour, style, f"legend {kind}")
            sheet.write((text, y), words, va="center_baseline", color=QUIET)
            x += _taken(sheet, (kind, words))
