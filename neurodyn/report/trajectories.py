"""Paths of a population through the space of a model's latent or features."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from neurodyn.analysis.sequences import inside_trials
from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models.base import Fit
from neurodyn.report.style import (
    INK,
    NARROW,
    SEQUENTIAL,
    SMALL,
    names,
    new_figure,
    state_colour,
    tidy,
    time_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LABELS, MOST_TRIALS = 8, 60
SPACES = ("mean", "feature")
WHO = "plot_trajectories"


class Paths(NamedTuple):
    """Trajectories in principal components.

    Parameters
    ----------
    values : np.ndarray
        ``(trial, time, component)``, NaN after a trial's end.
    share : np.ndarray
        Of the variance, for every component.
    what : str
        What the space is made of.
    """

    values: np.ndarray
    share: np.ndarray
    what: str


def paths_of(fit: Fit, recording: xr.Dataset, n_components: int = 3) -> Paths:
    """Latent of a fit, or its features where it has none, in the principal components of the recording.

    Parameters
    ----------
    fit : Fit
        Its `infer` gives ``mean`` or ``feature``, ``([trial,] time, dimension)``.
    recording : xr.Dataset
        What it is inferred from, and what the components are computed of.
    n_components : int
        Most components.

    Returns
    -------
    Paths
        The sign of a component is such that its largest weight is positive.

    Raises
    ------
    NotApplicable
        If the fit infers neither, or one with a single dimension.
    """
    inferred = fit.infer(recording) if hasattr(fit, "infer") else xr.Dataset()  # type: ignore[attr-defined]
    name = next((space for space in SPACES if space in inferred), None)
    lead = recording["activity"].dims[:-1]
    if name is None or inferred[name].ndim != len(lead) + 1 or inferred[name].dims[:-1] != lead:
        who = fit.model.name if hasattr(fit, "model") else type(fit).__name__
        raise NotApplicable(
            f"{who} infers no continuous latent of every bin; give a fit of a SequentialVAE, or of factor_analysis."
        )
    table = inferred[name]
    if table.shape[-1] < 2:
        raise NotApplicable(f"{WHO} needs a latent of 2 dimensions or more, this one has {table.shape[-1]}.")
    values = table.values.astype(np.float64)
    values = values if "trial" in lead else values[None]
    activity = recording["activity"] if "trial" in lead else recording["activity"].expand_dims("trial")
    inside = inside_trials(activity) & np.isfinite(values).all(axis=2)
    rows = values[inside]
    centre = rows.mean(axis=0)
    _, spread, directions = np.linalg.svd(rows - centre, full_matrices=False)
    kept = min(n_components, len(directions))
    directions = directions[:kept]
    largest = np.abs(directions).argmax(axis=1)
    directions = directions * np.sign(directions[np.arange(kept), largest])[:, None]
    found = np.where(inside[..., None], (values - centre) @ directions.T, np.nan)
    share = spread**2 / max(float((spread**2).sum()), np.finfo(float).tiny)
    return Paths(found, share[:kept], "latent" if name == "mean" else "features")


def plot_trajectories(
    fit: Fit,
    recording: xr.Dataset,
    *,
    by: str | None = "auto",
    n_trials: int = MOST_TRIALS,
    width: float = 8.0,
) -> "Figure":
    """Paths of single trials in the first three principal components of the latent, or of the features read out.

    Parameters
    ----------
    fit : Fit
        A fit that infers a continuous latent ``mean``, or features: a `neurodyn.models.SequentialVAE` (the features where
        its decoder does not use the latent), factor analysis, a linear dynamical system.
    recording : xr.Dataset
        What the latent is inferred from; the components are those of this recording.
    by : str, optional
        Coordinate on ``trial`` whose values have a colour, with the average of their trials as a bold line where they are
        labels; None: the time within the trial. Default: ``condition`` where there are up to eight, else the time.
    n_trials : int
        Most trials to draw, evenly spaced; averages are over all.
    width : float
        Width in inches; below 5 the two panels are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        The second component and the third against the first; a dot is the first bin. Axes carry the share of the variance.

    Raises
    ------
    NotApplicable
        If the fit infers no such thing, or there is no such coordinate.
    ModelError
        If `n_trials` is below 1.

    Examples
    --------
    >>> from neurodyn.models import create
    >>> from neurodyn.report import plot_trajectories
    >>> from neurodyn.simulate.lorenz import lorenz_population
    >>> recording = lorenz_population(key=0, n_conditions=3, n_trials=4)
    >>> fit = create("factor_analysis", rank=3).fit(recording, key=0)
    >>> len(plot_trajectories(fit, recording).axes)
    2
    """
    if isinstance(n_trials, bool) or not isinstance(n_trials, (int, np.integer)) or n_trials < 1:
        raise ModelError(f"{WHO}: n_trials is {n_trials!r}; it must be a whole number, 1 or more.")
    labels = _labels(recording, by)
    paths = paths_of(fit, recording)
    stacked = width < NARROW
    many = paths.values.shape[2] > 2
    figure = new_figure(width, 6.2 if stacked and many else 3.6)
    panels = (
        figure.subplots(*((2, 1) if stacked else (1, 2)), squeeze=False).ravel()
        if many
        else [figure.add_subplot()]
    )
    held = len(paths.values)
    some = np.unique(np.linspace(0, held - 1, min(n_trials, held)).round().astype(int))
    for axes, component in zip(panels, (1, 2), strict=False):
        if labels is None:
            image = _by_time(axes, paths, some, component)
        elif labels.dtype.kind == "f":
            image = _by_value(axes, paths, some, component, labels)
        else:
            image = None
            _by_label(axes, paths, some, component, labels)
        tidy(axes, x=_component(paths, 0), y=_component(paths, component))
        axes.set_aspect("equal", adjustable="datalim")
    shown = f"{len(some)} of {held}" if len(some) < held else f"{held}"
    tidy(panels[0], title=f"{paths.what}, {shown} trials" if held > 1 else paths.what)
    _key(figure, list(panels), image, labels, recording, by)
    return figure


def _component(paths: Paths, place: int) -> str:
    """Label of an axis."""
    return f"component {place + 1} ({paths.share[place]:.0%})"


def _labels(recording: xr.Dataset, by: str | None) -> np.ndarray | None:
    """What colours the trials: text for labels, numbers for a scale, None for time."""
    if by is None:
        return None
    if by == "auto":
        held = recording.coords.get("condition")
        fits = (
            held is not None
            and held.dims == ("trial",)
            and len(np.unique(held.values.astype(str))) <= MOST_LABELS
        )
        if not fits:
            return None
        by = "condition"
    if by not in recording.coords or recording[by].dims != ("trial",):
        held = ", ".join(str(name) for name, c in recording.coords.items() if c.dims == ("trial",)) or "none"
        raise NotApplicable(f"{WHO}: there is no coordinate {by!r} on trial; those there are: {held}.")
    values = recording[by].values
    if len(np.unique(values.astype(str))) <= MOST_LABELS:
        return values.astype(str)
    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    raise NotApplicable(
        f"{WHO}: {by!r} has more than {MOST_LABELS} labels; choose trials, or another coordinate."
    )


def _by_time(axes: "Axes", paths: Paths, some: np.ndarray, component: int) -> Any:
    """Lines whose colour is the time within the trial."""
    from matplotlib.collections import LineCollection

    pieces, when = [], []
    for trial in some:
        points = paths.values[trial][:, [0, component]]
        joined = np.stack([points[:-1], points[1:]], axis=1)
        known = np.isfinite(joined).all(axis=(1, 2))
        pieces.append(joined[known])
        when.append(np.flatnonzero(known))
    lines = LineCollection(
        np.concatenate(pieces).tolist(),
        array=np.concatenate(when),
        cmap=SEQUENTIAL,
        lw=_thin(some),
        alpha=0.8,
    )
    lines.set_clim(0, paths.values.shape[1] - 1)
    axes.add_collection(lines)
    axes.autoscale_view()
    _starts(axes, paths.values[some], component, INK)
    return lines


def _by_value(axes: "Axes", paths: Paths, some: np.ndarray, component: int, labels: np.ndarray) -> Any:
    """Lines whose colour is a number of the trial."""
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(np.nanmin(labels), np.nanmax(labels)), matplotlib.colormaps[SEQUENTIAL])
    for trial in some:
        colour = scale.to_rgba(labels[trial])
        axes.plot(*paths.values[trial][:, [0, component]].T, color=colour, lw=_thin(some), alpha=0.8)
    _starts(axes, paths.values[some], component, INK)
    return scale


def _by_label(axes: "Axes", paths: Paths, some: np.ndarray, component: int, labels: np.ndarray) -> None:
    """Thin lines of trials in the colour of their label, and the average of each label's trials."""
    for place, label in enumerate(_distinct(labels)):
        colour = state_colour(place)
        mine = np.flatnonzero(labels == label)
        for trial in np.intersect1d(some, mine):
            axes.plot(*paths.values[trial][:, [0, component]].T, color=colour, lw=0.6, alpha=0.35)
        seen = np.isfinite(paths.values[mine])
        count = seen.sum(axis=0)
        total = np.where(seen, paths.values[mine], 0.0).sum(axis=0)
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        axes.plot(*mean[:, [0, component]].T, color="white", lw=3.4, zorder=3)
        axes.plot(
            *mean[:, [0, component]].T, color=colour, lw=2.0, zorder=4, label=label, gid=f"mean {label}"
        )
        _starts(axes, mean[None], component, colour)


def _distinct(labels: np.ndarray) -> list[str]:
    """Labels in the order of their appearance, numbers by size."""
    found = list(dict.fromkeys(labels.tolist()))
    try:
        return sorted(found, key=float)
    except ValueError:
        return found


def _starts(axes: "Axes", values: np.ndarray, component: int, colour: str) -> None:
    """Dots at the first bins."""
    first = values[:, 0][:, [0, component]]
    size = 6.0 if len(first) == 1 else 2.5
    axes.plot(*first.T, ls="", marker="o", ms=size, color=colour, mec="white", mew=0.5, zorder=5)


def _thin(some: np.ndarray) -> float:
    """Width of a line among so many."""
    return float(np.clip(12 / len(some), 0.6, 1.4))


def _key(
    figure: "Figure",
    panels: list["Axes"],
    image: Any,
    labels: np.ndarray | None,
    recording: xr.Dataset,
    by: str | None,
) -> None:
    """What the colours are."""
    from matplotlib.ticker import MaxNLocator

    name = "condition" if by == "auto" else str(by).replace("_", " ")
    if labels is not None and labels.dtype.kind != "f":
        handles, said = panels[0].get_legend_handles_labels()
        figure.legend(
            handles,
            names(said, 14),
            title=name,
            title_fontsize=SMALL,
            loc="outside right upper" if figure.get_figwidth() >= NARROW else "outside lower center",
            ncols=1 if figure.get_figwidth() >= NARROW else 4,
            fontsize=SMALL,
            frameon=False,
            labelcolor=INK,
            handlelength=1.2,
        )
        return
    bar = figure.colorbar(image, ax=panels, pad=0.02, aspect=24, fraction=0.05)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL, colors=INK, length=2)
    if labels is None:
        one = recording.isel(trial=[0]) if "trial" in recording.dims else recording
        step, name = time_axis(one)
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value * step:g}")
        last = recording.sizes["time"] - 1
        bar.set_ticks(np.linspace(0, last, 3).tolist())
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value * step:.3g}")
    elif (labels[np.isfinite(labels)] % 1 == 0).all():
        bar.locator = MaxNLocator(nbins=6, integer=True)
        bar.update_ticks()
    bar.set_label(name, fontsize=SMALL, color=INK)
