"""How training by gradients went: parts of the loss, the held-out loss, and which parameters were kept."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from neurodyn.errors import NotApplicable
from neurodyn.models.base import Fit
from neurodyn.report import views
from neurodyn.report.style import (
    ACCENT,
    INK,
    NARROW,
    NULL,
    QUIET,
    SMALL,
    TEXT,
    new_figure,
    state_colour,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEEDED = ("epoch", "held_out_loss", "loss_part")
PART_WORDS = {
    "data": "training",
    "initial": "divergence of the first state",
    "steps": "divergence of the steps",
}


def has_training(fit: Fit) -> bool:
    """Whether a fit remembers its training."""
    return all(name in views.last(fit).parameters for name in NEEDED)


def plot_training(fit: Fit, *, width: float = 8.0) -> "Figure":
    """Loss of the training and of the held-out entries over epochs; a ring marks the parameters that are kept.

    Parameters
    ----------
    fit : Fit
        A fit by gradients, such as of a `neurodyn.models.SequentialVAE`.
    width : float
        Width in inches; below 5 the panels are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        Negative log-probability of an entry in nats: training entries as the mean since the evaluation before, entries that
        were set aside at the evaluation. On the right, where the latent has a prior, the weighted divergences from it that
        the loss adds. Lines have the gids of `loss_part` and ``held out``.

    Raises
    ------
    NotApplicable
        If the fit was not trained by gradients.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.models.vae import SequentialVAE, Training
    >>> from neurodyn.recording import make
    >>> from neurodyn.report import plot_training
    >>> counts = np.random.default_rng(0).poisson(0.5, size=(12, 20, 3))
    >>> recording = make(counts, sampling_interval=0.02, kind="count")
    >>> fit = SequentialVAE(training=Training(epochs=2)).fit(recording, key=0)
    >>> [line.get_gid() for line in plot_training(fit).axes[0].lines]
    ['data', 'held out', 'kept']
    """
    if not isinstance(fit, Fit) or not has_training(fit):
        name = fit.model.name if isinstance(fit, Fit) else type(fit).__name__
        raise NotApplicable(f"{name} was not trained by gradients; there is no course of a loss to show.")
    learner = views.last(fit)
    parameters = learner.parameters
    names = [str(name) for name in parameters["part"].values]
    penalties = [name for name in names if name != "data"]
    stacked = width < NARROW
    panels = 1 + bool(penalties)
    rows, columns = (panels, 1) if stacked else (1, panels)
    figure = new_figure(width if panels > 1 or stacked else min(width, 5.6), 2.4 * rows + 0.3)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    best = int(learner.provenance.get("best", 0))
    _draw_loss(axes[0], parameters, best)
    if penalties:
        _draw_penalties(axes[1], parameters, penalties, best)
    for one in axes:
        one.set_xlim(0, 1.02 * max(float(parameters["epoch"].max()), 1e-9))
        one.set_xlabel("epoch", fontsize=TEXT, color=INK)
    return figure


def _draw_loss(axes: "Axes", parameters: xr.Dataset, best: int) -> None:
    """Training and held-out entries."""
    epoch, held_out = parameters["epoch"].values, parameters["held_out_loss"].values
    data = parameters["loss_part"].sel(part="data").values
    axes.plot(epoch, data, color=QUIET, lw=1.3, marker=".", ms=3.5, label=PART_WORDS["data"], gid="data")
    title = "nothing held out"
    if np.isfinite(held_out).any():
        axes.plot(epoch, held_out, color=ACCENT, lw=1.6, marker=".", ms=4, label="held out", gid="held out")
        axes.plot(
            epoch[best],
            held_out[best],
            ls="",
            marker="o",
            ms=9,
            mfc="none",
            mec=NULL,
            mew=1.6,
            zorder=4,
            label="kept",
            gid="kept",
        )
        title = f"held out {held_out[best]:.4g} at epoch {epoch[best]:g}".replace("-", "−")
    low, high = _range(data, held_out)
    axes.set_ylim(low, high)
    tidy(axes, y="nats per entry", title=title)
    axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK, handlelength=1.4)


def _range(data: np.ndarray, held_out: np.ndarray) -> tuple[float, float]:
    """Limits that show the end of training, where what came first towers above it."""
    both = np.concatenate([data, held_out])
    both = both[np.isfinite(both)]
    later = np.concatenate([values[len(values) // 4 :] for values in (data, held_out)])
    later = later[np.isfinite(later)]
    least, top = both.min(), (later if later.size else both).max()
    high = min(both.max(), top + (top - least))
    room = 0.06 * max(high - least, 1e-9)
    return float(least - room), float(high + room)


def _draw_penalties(axes: "Axes", parameters: xr.Dataset, names: list[str], best: int) -> None:
    """Weighted divergences, on a logarithmic scale where they span much."""
    epoch = parameters["epoch"].values
    most, least = 0.0, np.inf
    for place, name in enumerate(names):
        values = parameters["loss_part"].sel(part=name).values
        axes.plot(
            epoch,
            values,
            color=state_colour(place),
            lw=1.4,
            marker=".",
            ms=3.5,
            label=PART_WORDS.get(name, name),
            gid=name,
        )
        positive = values[np.isfinite(values) & (values > 0)]
        if positive.size:
            most, least = max(most, positive.max()), min(least, positive.min())
    if most > 50 * least:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0.0)
    axes.axvline(epoch[best], color=NULL, lw=0.9, ls=(0, (3, 2)), zorder=0)
    tidy(axes, y="nats per entry", title="weighted divergence from the prior")
    axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK, handlelength=1.4)
