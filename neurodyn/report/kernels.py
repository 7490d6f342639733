"""Figures over lag: couplings of single pairs, and the bases of which they are made."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.inference.bases import Basis
from neurodyn.models.base import Fit
from neurodyn.report import views
from neurodyn.report.couplings import PANEL, PER, coupled, per_unit
from neurodyn.report.style import ACCENT, INK, QUIET, SEQUENTIAL, SMALL, new_figure, state_colour, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PAIRS = 4


def plot_coupling_kernels(
    fit: Fit,
    pairs: Sequence[tuple[Any, Any]] | None = None,
    *,
    sampling_interval: float | None = None,
    width: float = 8.0,
) -> "Figure":
    """Coupling over lag, one panel per pair and one line per state.

    Parameters
    ----------
    fit : Fit
        A fit of a `neurodyn.models.SwitchingGLM` or `neurodyn.models.GLM` with coupling or own history.
    pairs : sequence of tuple, optional
        Labels ``(target, source)``; a unit with itself is its own history. Default: the four pairs of different
        units with the strongest coupling, summed over lags, in any state.
    sampling_interval : float, optional
        Seconds per bin; default that of the training recording, and lags in bins for events of 1 s bins (choices).
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        All panels on one scale.

    Raises
    ------
    ModelError
        If a unit is unknown, or no pair is given.
    NotApplicable
        If the fit has no couplings.
    """
    kernels = _kernels(fit)
    n_states, units = kernels.sizes["state"], kernels["target"].values.tolist()
    chosen = _strongest(kernels) if pairs is None else [tuple(pair) for pair in pairs]
    for pair in chosen:
        strange = [unit for unit in pair if unit not in units]
        if len(pair) != 2 or strange:
            raise ModelError(
                f"there is no pair {pair!r}; give (target, source) with labels of units such as {units[0]!r}."
            )
    if not chosen:
        raise ModelError("pairs is empty; give pairs (target, source).")
    interval = sampling_interval
    if interval is None:
        interval = fit.provenance.get("sampling_interval")
        by_choice = interval == 1.0 and per_unit(fit) in (PER["binary"], PER["categorical"])
        interval = None if by_choice else interval
    lag, words = _lags(kernels.sizes["lag"], interval)
    columns = min(len(chosen), max(1, int(width // PANEL)))
    rows = -(-len(chosen) // columns)
    figure = new_figure(width, rows * 1.75 + 0.45)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for k, axes in enumerate(grid.ravel()):
        if k >= len(chosen):
            axes.set_axis_off()
            continue
        target, source = chosen[k]
        shown = kernels.sel(target=target, source=source)
        axes.axhline(0.0, color=QUIET, lw=0.7, ls=(0, (3, 2)), zorder=0)
        for s, state in enumerate(kernels["state"].values.tolist()):
            axes.plot(
                lag,
                shown.sel(state=state).values,
                color=state_colour(s) if n_states > 1 else ACCENT,
                lw=1.5,
                marker="o" if len(lag) <= 20 else "",
                ms=3,
                label=str(state),
            )
        title = f"own history of {target}" if target == source else f"{source} → {target}"
        below, left = k + columns >= len(chosen), k % columns == 0
        tidy(axes, title=title, x=words if below else "", y=f"predictor per {per_unit(fit)}" if left else "")
        axes.title.set_fontsize(SMALL + 0.5)
        axes.tick_params(labelbottom=below)
        axes.margins(x=0.04, y=0.1)
    if n_states > 1:
        state_legend(figure, grid[0, 0])
    return figure


def state_legend(figure: "Figure", axes: "Axes") -> None:
    """The labelled lines or patches of some axes as states, above the figure."""
    handles, labels = axes.get_legend_handles_labels()
    legend = figure.legend(
        handles,
        labels,
        title="state",
        loc="outside right upper",
        fontsize=SMALL,
        title_fontsize=SMALL,
        frameon=False,
        handlelength=1.2,
    )
    legend.get_title().set_color(INK)


def _kernels(fit: Fit) -> xr.DataArray:
    """Couplings by lag ``(state, target, source, lag)``, a history of its own on the diagonal."""
    held: Any = views.last(fit)
    parameters = held.parameters
    own = parameters.get("history_weight")
    if own is None:
        return coupled(fit).coupling()
    place = "channel" if "channel" in own.dims else "unit"  # of choices, one for each option but the first
    history = (
        (own * parameters["history_kernel"])
        .sum("history_basis")
        .transpose("state", place, "history_lag")
        .values
    )
    units = parameters[place].values
    before: Any = np.zeros((*history.shape[:2], len(units), 0))
    if "weight" in parameters:
        before = held.coupling().values
    n_lags = max(before.shape[3], history.shape[2])
    values = np.zeros((*before.shape[:3], n_lags))
    values[..., : before.shape[3]] = before
    diagonal = np.arange(len(units))
    values[:, diagonal, diagonal, : history.shape[2]] += history
    coords = {
        "state": parameters["state"].values,
        "target": units,
        "source": units,
        "lag": np.arange(1, n_lags + 1),
    }
    return xr.DataArray(values, dims=("state", "target", "source", "lag"), coords=coords)


def _strongest(kernels: xr.DataArray) -> list[tuple[Any, Any]]:
    """The pairs of different units with the strongest coupling in any state."""
    size = np.abs(kernels.sum("lag").transpose("state", "target", "source").values).max(axis=0)
    units = kernels["target"].values.tolist()
    if len(units) == 1:
        return [(units[0], units[0])]
    np.fill_diagonal(size, -1.0)
    best = np.argsort(-size, axis=None, kind="stable")[: min(MOST_PAIRS, len(units) * (len(units) - 1))]
    return [(units[i // len(units)], units[i % len(units)]) for i in best]


def plot_basis(basis: Basis, sampling_interval: float | None = None, *, width: float = 5.0) -> "Figure":
    """The functions of a basis: how much each past bin counts.

    Parameters
    ----------
    basis : Basis
        Of `neurodyn.inference.bases`; of a learnt one, the shape from which a fit starts.
    sampling_interval : float, optional
        Seconds per bin; without it lags are in bins.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        One line per function, dark for recent and bright for distant lags.

    Examples
    --------
    >>> from neurodyn import report
    >>> from neurodyn.inference.bases import RaisedCosine
    >>> figure = report.plot_basis(RaisedCosine(20), sampling_interval=0.01)
    """
    import matplotlib

    table = basis.kernels()
    lag, words = _lags(len(table), sampling_interval)
    figure = new_figure(width, 2.5)
    axes = figure.add_subplot()
    shades = matplotlib.colormaps[SEQUENTIAL](np.linspace(0.0, 0.9, max(table.shape[1], 2)))
    for k, label in enumerate(basis.labels()):
        axes.plot(
            lag, table[:, k], color=shades[k], lw=1.5, marker="o" if len(lag) <= 30 else "", ms=3, label=label
        )
    count = table.shape[1]
    start = ", as a fit starts" if basis.learnt else ""
    tidy(
        axes,
        x=words,
        y="weight of a past bin",
        title=f"{type(basis).__name__}: {count} function{'s' * (count > 1)}{start}",
    )
    axes.set_ylim(bottom=min(0.0, 1.1 * float(table.min())))
    axes.set_xlim(0.0, lag[-1] + 0.5 * lag[0])
    if count <= 12:
        legend = axes.legend(
            title=None if sampling_interval is None else "lags in bins",
            title_fontsize=SMALL,
            alignment="left",
            fontsize=SMALL,
            frameon=False,
            loc="upper left" if width >= 4.5 else "upper right",
            bbox_to_anchor=(1.0, 1.0) if width >= 4.5 else None,
            handlelength=1.2,
        )
        legend.get_title().set_color(INK)
    return figure


def _lags(n_lags: int, interval: float | None) -> tuple[np.ndarray, str]:
    """Lags and the label of their axis."""
    lag = np.arange(1.0, n_lags + 1)
    if interval is None:
        return lag, "lag (bins)"
    if n_lags * interval >= 2.0:
        return lag * interval, "lag (s)"
    return lag * interval * 1000.0, "lag (ms)"
