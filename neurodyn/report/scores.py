"""Figures of held-out scores: models side by side, restarts, and the number of states."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.report.style import (
    ACCENT,
    CEILING,
    FAINT,
    FLOOR,
    INK,
    NARROW,
    NULL,
    QUIET,
    SMALL,
    TEXT,
    names,
    new_figure,
    number,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neurodyn.validation.comparison import Comparison

SHORT = {
    "r2": "R²",
    "r2_train_null": "R² about the training mean",
    "pearson_r": "correlation r",
    "mse": "squared error",
    "mse_over_persistence": "squared error / persistence's",
    "bits_per_spike": "bits per spike",
    "bits_per_spike_train_null": "bits per spike over training rates",
    "bits_per_choice": "bits per choice",
    "log_loss": "log loss (nats)",
    "connectivity_match": "connectivity match r",
    "log_likelihood": "log-likelihood gain (nats per bin)",
    "log_likelihood_per_entry": "log-likelihood gain (nats per entry)",
    "log_likelihood_per_spike": "log-likelihood gain (bits per spike)",
}
KINDS = {"exact": "", "bound": " (lower bound)", "estimate": " (estimate)"}


def metric_name(metric: str) -> str:
    """A metric in a few words; a likelihood with its kind."""
    for kind in ("exact", "bound", "estimate"):
        if metric.endswith(f"_{kind}"):
            stem = metric.removesuffix(f"_{kind}")
            return SHORT.get(stem, stem) + KINDS[kind]
    return SHORT.get(metric, metric.replace("_", " "))


def has_values(scores: xr.Dataset, protocol: str, metric: str) -> bool:
    """Whether any model has this score."""
    return bool(np.isfinite(scores["value"].sel(protocol=protocol, metric=metric)).any())


def headline_metrics(scores: xr.Dataset, limit: int = 2) -> list[str]:
    """The first metrics of the table with values, those that repeat another with a second null left out."""
    known = [
        metric
        for metric in scores["metric"].values.tolist()
        if any(has_values(scores, protocol, metric) for protocol in scores["protocol"].values)
    ]
    chosen = [
        metric for metric in known if "train_null" not in metric and metric not in ("pearson_r", "mse")
    ] or known
    likelihood = [metric for metric in chosen if metric.startswith("log_likelihood")]
    likelihood.sort(key=lambda metric: not _has_contender(scores, metric))
    others = [metric for metric in chosen if metric not in likelihood]
    if others:  # what the floor alone can tell compares nothing
        likelihood = [metric for metric in likelihood if _shared(scores, metric)]
    return (others[:1] + likelihood[:1] + others[1:] + likelihood[1:])[:limit]


def _shared(scores: xr.Dataset, metric: str) -> bool:
    """Whether more than one model has this score."""
    known = scores["value"].sel(metric=metric).notnull()
    return int(known.any([dim for dim in known.dims if dim != "model"]).sum()) > 1


def _has_contender(scores: xr.Dataset, metric: str) -> bool:
    """Whether a model that is no baseline has this score."""
    own = scores["value"].sel(metric=metric).isel(model=np.flatnonzero(~scores["is_baseline"].values))
    return bool(np.isfinite(own).any())


def plot_scores(
    comparison: "Comparison",
    *,
    protocols: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    width: float = 8.0,
) -> "Figure":
    """Held-out scores of all models: dots with intervals; the floor, data against data and perfection as lines.

    Parameters
    ----------
    comparison : Comparison
        From `neurodyn.validation.compare`, of one recording.
    protocols : sequence of str, optional
        Rows of panels; default: all with scores.
    metrics : sequence of str, optional
        Columns of panels; default: the main score and the log-likelihood.
    width : float
        Width in inches; below 5 the panels are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        The best model on top. Models are filled, baselines hollow; diamonds are scores on data in which there
        is nothing to find; the green line in its band is data against data. Values far below the floor are cut
        off and written at the edge.

    Raises
    ------
    ModelError
        If a protocol or metric is unknown.
    NotApplicable
        If there is no score, or the comparison joins several recordings.
    """
    scores = comparison.scores
    if comparison.parts:
        raise NotApplicable(
            f"this comparison joins {len(comparison.parts)} recordings; plot one of comparison.parts at a "
            "time."
        )
    chosen = list(metrics) if metrics is not None else headline_metrics(scores)
    rows = list(protocols) if protocols is not None else scores["protocol"].values.tolist()
    for given, dim in ((chosen, "metric"), (rows, "protocol")):
        unknown = [item for item in given if item not in scores[dim].values]
        if unknown:
            raise ModelError(
                f"there is no {dim} {unknown[0]!r}; there are {', '.join(map(str, scores[dim].values))}."
            )
    panels = [(p, m) for p in rows for m in chosen if has_values(scores, p, m)]
    if not panels:
        raise NotApplicable("no model has a score to plot; see comparison.not_applicable for the reasons.")
    n_columns = 1 if width < NARROW else min(len(chosen), len(panels))
    n_rows = -(-len(panels) // n_columns)
    n_models = scores.sizes["model"]
    figure = new_figure(width, n_rows * (0.25 * n_models + 0.85))
    grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    for axes, (protocol, metric) in zip(grid, panels, strict=False):
        _draw_panel(axes, comparison, protocol, metric, titled=len(rows) > 1)
    return figure


def _draw_panel(axes: "Axes", comparison: "Comparison", protocol: str, metric: str, *, titled: bool) -> None:
    """One metric under one protocol."""
    table = comparison.scores.sel(protocol=protocol, metric=metric)
    value = table["value"].values
    higher = bool(table["higher_is_better"])
    order = np.argsort(np.where(np.isfinite(value), -value if higher else value, np.inf), kind="stable")
    order = order[np.isfinite(value[order])]
    floor, perfect = float(table["floor"]), float(table["perfect"])
    data = float(table["ceiling"]) if "ceiling" in table else float("nan")
    low, high, perfect_shown = _limits(table, floor, perfect, data, higher)
    baseline = table["is_baseline"].values
    nulls = {n.model: n for n in comparison.nulls if n.protocol == protocol and n.metric == metric}
    labels = names(table["model"].values)
    for row, k in enumerate(order):
        colour = FLOOR if baseline[k] else ACCENT
        place = float(np.clip(value[k], low, high))
        ends = np.clip([table["lower"].values[k], table["upper"].values[k]], low, high)
        if np.isfinite(ends).all() and low < value[k] < high:
            axes.plot(ends, [row, row], color=colour, lw=2.2, alpha=0.5, solid_capstyle="round")
        marker = "o" if low < value[k] < high else ("<" if value[k] <= low else ">")
        axes.plot(
            place,
            row,
            marker=marker,
            ms=6.5,
            mfc="white" if baseline[k] else colour,
            mec=colour,
            mew=1.5,
            clip_on=False,
        )
        axes.annotate(
            number(value[k]),
            (1.0, row),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=INK,
            annotation_clip=False,
        )
        null = nulls.get(str(table["model"].values[k]))
        if null is not None and low <= null.value <= high:
            axes.plot(null.value, row + 0.27, marker="D", ms=3.2, color=NULL, mew=0)
    axes.set_yticks(range(len(order)), [labels[k] for k in order])
    for tick, k in zip(axes.get_yticklabels(), order, strict=True):
        tick.set_fontweight("normal" if baseline[k] else "bold")
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlim(low, high)
    if np.isfinite(floor):
        axes.axvline(floor, color=QUIET, lw=0.9, ls=(0, (3, 2)), zorder=0)
    if perfect_shown:
        axes.axvline(perfect, color=CEILING, lw=0.9, ls=(0, (3, 2)), zorder=0)
    if np.isfinite(data):
        _draw_ceiling(axes, table, low, high)
    for row in range(len(order)):
        axes.axhline(row, color=FAINT, lw=0.6, zorder=-1)
    tidy(axes, x=metric_name(metric) + ("" if higher else " (lower is better)"), frame=("bottom",))
    if titled:
        axes.set_title(protocol, fontsize=TEXT, color=INK, loc="left", fontweight="bold")
    axes.tick_params(axis="y", length=0, pad=8)  # markers of what is cut off lie on the edge


def _draw_ceiling(axes: "Axes", table: xr.Dataset, low: float, high: float) -> None:
    """Data against data: a line with its interval as a band, named at its foot."""
    value = float(table["ceiling"])
    ends = np.clip([float(table["ceiling_lower"]), float(table["ceiling_upper"])], low, high)
    if np.isfinite(ends).all():
        axes.axvspan(*ends, color=CEILING, alpha=0.12, lw=0, zorder=-2)
    if low < value < high:
        axes.axvline(value, color=CEILING, lw=1.6, zorder=0)


def _limits(
    table: xr.Dataset, floor: float, perfect: float, data: float, higher: bool
) -> tuple[float, float, bool]:
    """Range of an axis: all intervals, the floor and data against data, perfection where it is near."""
    bounds = np.concatenate([table[name].values for name in ("value", "lower", "upper")])
    bounds = bounds[np.isfinite(bounds)]
    values = table["value"].values[np.isfinite(table["value"].values)]
    anchor = floor if np.isfinite(floor) else float(np.median(values))
    best = float(values.max() if higher else values.min())
    reach = max(abs(best - anchor), 0.25 * float(np.median(np.abs(values - anchor))), 1e-9)
    low, high = min(bounds.min(), anchor), max(bounds.max(), anchor)
    if higher:
        low = max(low, anchor - 1.5 * reach)
    else:
        high = min(high, anchor + 1.5 * reach)
    if np.isfinite(data):
        low, high = min(low, data), max(high, data)
    near = np.isfinite(perfect) and abs(perfect - anchor) <= 2.5 * reach
    if near:
        low, high = min(low, perfect), max(high, perfect)
    margin = 0.06 * max(high - low, 1e-12)
    return low - margin, high + margin, bool(near)
