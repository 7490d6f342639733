"""Beliefs of a predictive-coding network over trials, with the inputs they come from and the responses that follow."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.errors import NotApplicable
from neurodyn.models.base import Fit
from neurodyn.models.predictive_coding import PredictiveCodingFit
from neurodyn.report.courses import Course, course_of, groups_of, in_words
from neurodyn.report.style import (
    ACCENT,
    FAINT,
    INK,
    MISSING,
    NARROW,
    NULL,
    QUIET,
    SMALL,
    new_figure,
    state_colour,
    tidy,
    time_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT, INPUTS, ROW = 0.95, 1.15, 0.16  # inches: of a panel, of one with inputs, of a row of ticks
ABOVE, STEP = 1.17, 0.17  # where rows of ticks begin above probabilities, and how far apart they are
OUTSIDE = 0.17  # of probabilities, where the ticks of choices stand


def plot_beliefs(fit: Fit, recording: xr.Dataset, *, participant: Any = None, width: float = 8.0) -> "Figure":
    """The hierarchy of beliefs of one participant over trials, highest on top, inputs and responses at the bottom.

    Every belief is drawn as what was expected before each trial, with a band of one standard deviation of the belief
    after it. Below, what was seen: inputs of 0 and 1 as ticks, numbers as dots, trials without any input grey, and as a
    line what was predicted of the input before it, with the standard deviation where the model explains a measured
    input. A response is drawn in the same way with its own prediction. Beliefs, inputs and options that play the same
    part share a panel; each has a colour and a row of ticks there, pale where an input was 0.

    Parameters
    ----------
    fit : Fit
        A fit of a `neurodyn.models.PredictiveCodingNetwork`, such as of `neurodyn.models.HGF`.
    recording : xr.Dataset
        Recording with the inputs, and the responses if the model has one.
    participant : label, optional
        Whose trials to show, by the coordinate ``participant`` or ``trial``; default the first.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        Lines and bands have the name of their node as gid.

    Raises
    ------
    ModelError
        If there is no such participant.
    NotApplicable
        If the fit is none of a predictive-coding network.

    Examples
    --------
    >>> from neurodyn.models import HGF
    >>> from neurodyn.report import plot_beliefs
    >>> fit = HGF(3).at({"x1.tonic_volatility": -3.0})
    >>> figure = plot_beliefs(fit, fit.simulate(40, key=0))
    >>> [axes.get_title("left") for axes in figure.axes]
    ['x2 sets the volatility of x1', 'x1 predicts u', '']
    """
    if not isinstance(fit, PredictiveCodingFit):
        name = fit.model.name if isinstance(fit, Fit) else type(fit).__name__
        raise NotApplicable(
            f"{name} has no beliefs to show; give a fit of a PredictiveCodingNetwork, such as HGF(3)."
        )
    course = course_of(fit, recording, participant)
    beliefs, inputs = groups_of(fit.model)
    colours = _colours(fit, beliefs, inputs)
    apart = course.response is not None and not _together(fit, course, inputs)
    heights = [max(HEIGHT, 0.15 * len(group) + 0.1 if len(group) > 1 else 0.0) for group in beliefs]
    heights += [INPUTS + (ROW * len(group) if len(group) > 1 else 0.0) for group in inputs]
    if apart:
        options = course.options
        heights.append(INPUTS + (ROW * len(options) if options else 0.0))
    figure = new_figure(width, sum(heights) + 0.3 * len(heights) + 0.35)
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    step, words = time_axis(recording)
    sheet = _Sheet(course, colours, np.arange(course.length) * step, width)
    for axes, group in zip(panels, beliefs, strict=False):
        sheet.beliefs(axes, group, in_words(fit.model, group))
    for axes, group in zip(panels[len(beliefs) :], inputs, strict=False):
        sheet.inputs(axes, group, with_choices=course.response is not None and not apart)
    if apart:
        sheet.response(panels[-1])
    for axes in panels[:-1]:
        axes.tick_params(axis="x", length=0, labelbottom=False)
    panels[-1].set_xlim(-0.6 * step, (course.length - 0.4) * step)
    of = f" of participant {course.label}" if course.label else ""
    panels[-1].set_xlabel(f"{words}{of}", fontsize=SMALL + 1, color=INK)
    figure.align_ylabels(list(panels))
    return figure


def _together(fit: PredictiveCodingFit, course: Course, inputs: list[list[str]]) -> bool:
    """Whether choices of 0 or 1 are shown with the only input, which is of that kind."""
    return (
        fit.model.response is not None
        and fit.model.response.kind == "binary"
        and len(inputs) == 1
        and len(inputs[0]) == 1
        and course.kinds[inputs[0][0]] == "binary"
    )


def _colours(fit: PredictiveCodingFit, beliefs: list[list[str]], inputs: list[list[str]]) -> dict[str, str]:
    """One colour for every input of several and the beliefs above it alone."""
    import networkx

    graph = fit.model.graph()
    found = {
        node: state_colour(k) if len(group) > 1 else ACCENT
        for group in inputs
        for k, node in enumerate(group)
    }
    several = {node for group in inputs if len(group) > 1 for node in group}
    for group in beliefs:
        for k, node in enumerate(group):
            below = [leaf for leaf in networkx.descendants(graph, node) if leaf in several]
            many = len(group) > 1
            found[node] = found[below[0]] if many and len(below) == 1 else state_colour(k) if many else ACCENT
    return found


@dataclasses.dataclass(frozen=True)
class _Sheet:
    """One participant's course on a common axis."""

    course: Course
    colours: dict[str, str]
    time: np.ndarray
    width: float

    def beliefs(self, axes: "Axes", group: list[str], title: str) -> None:
        """Expected means with bands."""
        low, high = [], []
        for node in group:
            mean, spread = self.course.mean[node], self.course.deviation[node]
            self._line(axes, node, mean, self.colours[node], spread)
            low += [np.min(mean), np.quantile(mean - spread, 0.02)]
            high += [np.max(mean), np.quantile(mean + spread, 0.98)]
        room = 0.08 * max(max(high) - min(low), 1e-6)
        axes.set_ylim(min(low) - room, max(high) + room)
        tidy(axes, title=title, y=self.course.named(group))
        if len(group) > 1:
            axes.legend(
                loc="center left",
                bbox_to_anchor=(1.0, 0.5),
                fontsize=SMALL,
                frameon=False,
                handlelength=1.0,
                labelspacing=0.2,
                borderpad=0.0,
            )

    def inputs(self, axes: "Axes", group: list[str], *, with_choices: bool) -> None:
        """What was seen and predicted of inputs of one kind."""
        kind = self.course.kinds[group[0]]
        if kind == "binary" and len(group) > 1:
            seen = {node: self.course.inputs[node] for node in group}
            lines = {node: self.course.predicted[node] for node in group}
            zeros = "" if self.course.one_of_them else " (pale: 0)"
            self._title(axes, f"ticks: seen{zeros}, lines: predicted", "input")
            self._rows(axes, seen, lines, [self.colours[node] for node in group])
            return
        for node in group:
            colour = self.colours[node]
            many = len(group) > 1
            predicted = f"{node}, predicted" if many else f"{node} predicted"
            self._line(
                axes, node, self.course.predicted[node], colour, self.course.spread.get(node), predicted
            )
            if kind == "binary":
                self._ticks(axes, self.course.inputs[node], colour, f"{node} seen", 0.0)
            else:
                self._dots(axes, self.course.inputs[node], colour if many else QUIET, f"{node} seen")
        if with_choices:
            self._choices(axes, OUTSIDE)
        if kind != "continuous":
            axes.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
        if kind == "binary":
            outside = 1.75 * OUTSIDE if with_choices else 0.1
            axes.set_ylim(-outside, 1 + outside)
        self._unseen(axes, np.all([~np.isfinite(self.course.inputs[node]) for node in group], axis=0))
        tidy(axes, y="input" if kind == "continuous" else "probability of 1")
        self._legend(axes)

    def response(self, axes: "Axes") -> None:
        """What was done and predicted, on a panel of its own."""
        course = self.course
        if course.options:
            given = course.response
            seen = {option: np.where(given == k, 1.0, np.nan) for k, option in enumerate(course.options)}
            colours = [
                self.colours[node] if node else state_colour(k) for k, node in enumerate(course.option_nodes)
            ]
            self._title(axes, "ticks: chosen, lines: predicted", course.response_name)
            self._rows(axes, seen, dict(zip(course.options, course.expected.T, strict=True)), colours)
            return
        if course.response_kind == "binary":
            self._choices(axes, 0.0)
            axes.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
            axes.set_ylim(-0.1, 1.1)
            tidy(axes, y="probability of 1")
        else:
            self._line(axes, "response", course.expected, NULL, course.expected_deviation, "predicted")
            self._dots(axes, course.response, QUIET, course.response_name)
            tidy(axes, y=course.response_name)
        self._unseen(axes, ~np.isfinite(course.response))
        self._legend(axes)

    def _choices(self, axes: "Axes", outside: float) -> None:
        """Choices of 0 or 1 and their predicted probability."""
        name = self.course.response_name
        self._line(axes, "response", self.course.expected, NULL, None, f"{name} predicted")
        self._ticks(axes, self.course.response, NULL, name, outside)

    def _line(
        self,
        axes: "Axes",
        node: str,
        mean: np.ndarray,
        colour: str,
        spread: np.ndarray | None,
        label: str | None = None,
    ) -> None:
        """Expectation and band."""
        if spread is not None:
            axes.fill_between(
                self.time, mean - spread, mean + spread, color=colour, alpha=0.18, lw=0, gid=node
            )
        axes.plot(self.time, mean, color=colour, lw=1.2, label=label or node, gid=node, zorder=3)

    def _ticks(self, axes: "Axes", values: np.ndarray, colour: str, label: str, outside: float) -> None:
        """0 and 1 as ticks, moved away from the line by `outside`."""
        axes.plot(
            self.time,
            values + outside * np.where(values > 0.5, 1, -1),
            **{**self._mark(), "color": colour, "label": label},
        )

    def _mark(self) -> dict[str, Any]:
        """Ticks as wide as their number allows."""
        wide = float(np.clip(0.4 * 72 * (self.width - 1) / max(len(self.time), 1), 0.45, 1.4))
        return {"ls": "", "marker": "|", "ms": 6.0, "mew": wide}

    def _dots(self, axes: "Axes", values: np.ndarray, colour: str, label: str) -> None:
        """Numbers."""
        size = float(np.clip(1.3 * 72 * (self.width - 1) / max(len(values), 1), 2.1, 3.5))
        axes.plot(
            self.time,
            values,
            ls="",
            marker="o",
            ms=size,
            mew=0,
            color=colour,
            alpha=0.7,
            label=label,
            zorder=2,
        )

    def _rows(
        self,
        axes: "Axes",
        seen: dict[str, np.ndarray],
        lines: dict[str, np.ndarray],
        colours: list[str],
    ) -> None:
        """Probabilities of several options, and above them a row of ticks for each, pale where it was 0."""
        places = [ABOVE + STEP * (len(seen) - 1 - k) for k in range(len(seen))]
        for place, colour, (name, values) in zip(places, colours, seen.items(), strict=True):
            self._line(axes, name, lines[name], colour, None)
            for value, alpha in ((0.0, 0.25), (1.0, 1.0)):
                if value == 0 and self.course.one_of_them:
                    continue
                marks = {
                    **self._mark(),
                    "color": colour,
                    "alpha": alpha,
                    "ms": 5.0,
                    "gid": f"{name} {value:g}",
                }
                axes.plot(self.time, np.where(values == value, place, np.nan), **marks)
        axes.axhline(1.0, color=FAINT, lw=0.6, zorder=0)
        axes.set_ylim(-0.05, places[0] + 0.1)
        labels = [name if len(name) <= 12 else f"{name[:11]}…" for name in seen]
        axes.set_yticks([0, 0.5, 1, *places], ["0", ".5", "1", *labels])
        for tick, colour in zip(axes.get_yticklabels()[3:], colours, strict=True):
            tick.set_color(colour)
            tick.set_fontsize(SMALL - 1)
        self._unseen(axes, np.all([~np.isfinite(values) for values in seen.values()], axis=0))

    def _title(self, axes: "Axes", words: str, y: str) -> None:
        """What ticks and lines are."""
        tidy(axes, y=y)
        axes.set_title(words, fontsize=SMALL, color=INK, loc="left", pad=4)

    def _unseen(self, axes: "Axes", unseen: np.ndarray) -> None:
        """Grey where nothing was seen."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], unseen, [False]]).astype(int)))
        step = float(self.time[1] - self.time[0]) if len(self.time) > 1 else 1.0
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            axes.axvspan(
                (start - 0.5) * step,
                (stop - 0.5) * step,
                color=MISSING,
                lw=0,
                zorder=0,
                label="unseen" if start == edges[0] else None,
            )

    def _legend(self, axes: "Axes") -> None:
        """What is what, above the panel."""
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=5 if self.width >= NARROW else 2,
            fontsize=SMALL,
            frameon=False,
            labelcolor=INK,
            handlelength=1.0,
            columnspacing=1.2,
            handletextpad=0.5,
            borderpad=0.1,
            borderaxespad=0.2,
        )
