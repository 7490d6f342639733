"""The learnt potential of a Langevin latent: how stiff its modes are, what they look like, what they cost."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neurodyn.errors import NotApplicable
from neurodyn.inference.vae.flow_modes import FlowModes, energy_along, flow_modes
from neurodyn.models.base import Fit
from neurodyn.models.vae import CoupledChannels, LangevinFlow, NoPotential, Oscillators, SequentialVAEFit
from neurodyn.report import views
from neurodyn.report.style import (
    ACCENT,
    DIVERGING,
    FAINT,
    INK,
    NARROW,
    NULL,
    QUIET,
    SMALL,
    TEXT,
    new_figure,
    number,
    state_colour,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDS = 2  # modes shown from either end of the spectrum
FAR = 3.0
WHO = "plot_potential"
FATES = {"oscillates": ACCENT, "relaxes": QUIET, "runs away": NULL}
SLACK = 1e-6
MODES = tuple(state_colour(place) for place in (0, 1, 6, 5))  # dark enough for text


class Learnt(NamedTuple):
    """The potential of a fit.

    Parameters
    ----------
    flow : LangevinFlow
        Its latent.
    dynamics : dict
        Parameters of the latent's dynamics.
    modes : FlowModes
        About the origin.
    interval : float
        Seconds per bin.
    """

    flow: LangevinFlow
    dynamics: dict
    modes: FlowModes
    interval: float

    @property
    def fates(self) -> np.ndarray:
        """What becomes of every mode, one of `FATES`."""
        turning = np.where(self.modes.cycles > 0, "oscillates", "relaxes")
        return np.where(self.modes.growth > 1 + SLACK, "runs away", turning)


def has_potential(fit: Fit) -> bool:
    """Whether a fit has learnt a potential that reaches its predictions."""
    try:
        _latent(fit)
    except NotApplicable:
        return False
    return True


def _latent(fit: Fit) -> tuple[SequentialVAEFit, LangevinFlow]:
    """The fit with a Langevin latent, or why there is none."""
    found = views.last(fit) if isinstance(fit, Fit) else fit
    who = found.model.name if isinstance(found, Fit) else type(found).__name__
    if not isinstance(found, SequentialVAEFit):
        raise NotApplicable(
            f"{who} has no potential to show; give a fit of a SequentialVAE with a LangevinFlow."
        )
    latent = found.network.latent
    if not isinstance(latent, LangevinFlow):
        raise NotApplicable(
            f"the latent of this fit is {type(latent).__name__}, which has no potential; fit latent=LangevinFlow()."
        )
    if isinstance(latent.potential, NoPotential):
        raise NotApplicable(
            "the LangevinFlow of this fit has NoPotential; fit it with another, such as Oscillators()."
        )
    if not found.network.uses_latent:
        raise NotApplicable(
            f"the decoder of this fit is not given the latent (ablate={found.network.ablate!r}), so nothing was learnt of "
            "its potential; fit with ablate=None."
        )
    return found, latent


def learnt_potential(fit: Fit) -> Learnt:
    """Modes of the potential that a fit has learnt.

    Parameters
    ----------
    fit : Fit
        Of a `neurodyn.models.SequentialVAE` with a `LangevinFlow`.

    Returns
    -------
    Learnt
        The potential.

    Raises
    ------
    NotApplicable
        If the fit has none.
    """
    found, flow = _latent(fit)
    dynamics = found.network_parameters["latent"]["dynamics"]
    return Learnt(
        flow, dynamics, flow_modes(flow, dynamics), float(found.provenance.get("sampling_interval", 1.0))
    )


def plot_potential(fit: Fit, *, width: float = 8.0) -> "Figure":
    r"""The learnt potential of a Langevin latent: its spectrum, the energy along its modes, and what these look like.

    Parameters
    ----------
    fit : Fit
        A fit of a `neurodyn.models.SequentialVAE` whose latent is a `LangevinFlow` and reaches the decoder.
    width : float
        Width in inches; below 5 the panels are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        First, eigenvalues of the potential's second derivatives at the origin, the stiffest mode first: squared
        frequencies, in colours for what the flow does along them in the long run, given friction and step size. Then the
        energy along the two stiffest and the two softest modes, and below, these modes, laid out as channels times places
        for `CoupledChannels`; there are none for `Oscillators`, each of whose modes is one dimension. Title: friction
        :math:`\gamma`, step size :math:`\eta`, and the frequencies of modes that oscillate.

    Raises
    ------
    NotApplicable
        If the fit has no such latent, or its decoder is not given the latent.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.models.vae import LangevinFlow, SequentialVAE, Training
    >>> from neurodyn.recording import make
    >>> from neurodyn.report import plot_potential
    >>> counts = np.random.default_rng(0).poisson(0.5, size=(12, 20, 3))
    >>> recording = make(counts, sampling_interval=0.02, kind="count")
    >>> model = SequentialVAE(latent=LangevinFlow(width=8), ablate=None, training=Training(epochs=2))
    >>> plot_potential(model.fit(recording, key=0)).axes[0].get_ylabel()
    'squared frequency'
    """
    learnt = learnt_potential(fit)
    n_modes = len(learnt.modes.curvature)
    ends = min(ENDS, n_modes // 2) or 1
    shown = list(dict.fromkeys([*range(ends), *range(max(n_modes - ends, 0), n_modes)]))
    stacked = width < NARROW
    channels = learnt.flow.potential.channels if isinstance(learnt.flow.potential, CoupledChannels) else 1
    # A mode of uncoupled oscillators is one dimension, which needs no picture.
    low = (
        0.0
        if isinstance(learnt.flow.potential, Oscillators)
        else float(np.clip(0.16 * channels + 0.55, 0.7, 1.6))
    )
    heights = (2.2, 2.2, 2 * low) if stacked else (2.4, low)
    rows = len(heights) if low else len(heights) - 1
    figure = new_figure(width, sum(heights) + (1.2 if stacked else 0.9))
    grid = figure.add_gridspec(rows, 1, height_ratios=heights[:rows])
    pair = grid[:2].subgridspec(2, 1) if stacked else grid[0].subgridspec(1, 2)
    spectrum, energy = pair.subplots(squeeze=False).ravel()
    _draw_spectrum(spectrum, learnt, shown)
    _draw_energy(energy, learnt, shown)
    if low:
        shape = (-(-len(shown) // 2), min(2, len(shown))) if stacked else (1, len(shown))
        panels = grid[rows - 1].subgridspec(*shape).subplots(squeeze=False).ravel()[: len(shown)]
        _draw_modes(figure, list(panels), learnt, shown, channels)
    figure.suptitle(_words(learnt, "\n" if stacked else "; "), fontsize=TEXT, color=INK, x=0.01, ha="left")
    return figure


def _words(learnt: Learnt, join: str) -> str:
    """Friction, step size, and what oscillates."""
    modes = learnt.modes
    how = "learnt" if learnt.flow.learn else "fixed"
    said = f"friction γ {number(modes.gamma)}, step size η {number(modes.eta, tiny=0.0)} ({how})"
    turning = learnt.fates == "oscillates"
    if turning.any():
        rates = modes.cycles[turning] / learnt.interval
        low, high = number(rates.min(), tiny=0.0), number(rates.max(), tiny=0.0)
        said += f"{join}{turning.sum()} of {len(turning)} modes oscillate at {low if low == high else f'{low} to {high}'} Hz"
    return said


def _draw_spectrum(axes: "Axes", learnt: Learnt, shown: list[int]) -> None:
    """Eigenvalues in the colour of their fate."""
    from matplotlib.ticker import MaxNLocator

    values, fates = learnt.modes.curvature, learnt.fates
    place = np.arange(1, len(values) + 1)
    axes.axhline(0.0, color=QUIET, lw=0.8)
    for fate, colour in FATES.items():
        mine = fates == fate
        if mine.any():
            axes.plot(
                place[mine],
                values[mine],
                ls="",
                marker="o",
                ms=4.5,
                color=colour,
                label=f"{fate} ({mine.sum()})",
                gid=fate,
            )
    for mode, colour in zip(shown, _colours(shown), strict=True):
        axes.plot(
            place[mode],
            values[mode],
            marker="o",
            ms=9,
            mfc="none",
            mec=colour,
            mew=1.4,
            gid=f"mode {mode + 1}",
        )
    tidy(axes, x="mode", y="squared frequency", title="spectrum")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK, handletextpad=0.2, borderpad=0.1)


def _draw_energy(axes: "Axes", learnt: Learnt, shown: list[int]) -> None:
    """Energy along the modes."""
    distance = np.linspace(-FAR, FAR, 121)
    energy = energy_along(learnt.flow, learnt.dynamics, learnt.modes.direction[shown], distance)
    axes.axhline(0.0, color=FAINT, lw=0.8)
    for place, (mode, values) in enumerate(zip(shown, energy, strict=True)):
        # Modes of one end are often alike: the second is dashed on top of the first.
        style = (0, (4, 3)) if place % 2 else "-"
        label = f"mode {mode + 1}"
        axes.plot(distance, values, color=_colours(shown)[place], lw=1.8, ls=style, label=label, gid=label)
    axes.set_xlim(-FAR, FAR)
    tidy(axes, x="position along the mode", y="energy", title="potential")
    axes.legend(fontsize=SMALL, frameon=False, labelcolor=INK, handlelength=2.0, loc="upper center", ncols=2)


def _draw_modes(
    figure: "Figure", panels: list["Axes"], learnt: Learnt, shown: list[int], channels: int
) -> None:
    """Modes laid out in channels and places."""
    found = learnt.modes.direction[shown].reshape(len(shown), channels, -1)
    top = float(np.abs(found).max())
    image = None
    for axes, mode, colour, values in zip(panels, shown, _colours(shown), found, strict=True):
        image = axes.imshow(
            values, aspect="auto", interpolation="nearest", cmap=DIVERGING, vmin=-top, vmax=top
        )
        tidy(axes, frame=())
        axes.set_title(
            f"mode {mode + 1} ({number(learnt.modes.curvature[mode])})",
            fontsize=SMALL,
            color=colour,
            loc="left",
        )
        axes.set_yticks([])
        axes.tick_params(length=0)
        axes.set_xticks([])
    laid = "channels" if channels > 1 else ""
    panels[0].set_ylabel(laid, fontsize=SMALL, color=INK)
    for axes in panels:
        axes.set_xlabel("places" if channels > 1 else "dimensions", fontsize=SMALL, color=INK)
        axes.label_outer()
    if image is not None:
        bar = figure.colorbar(
            image, ax=panels, pad=0.02, aspect=12, ticks=[-top, 0, top], format=lambda v, _: f"{v:.2f}"
        )
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=SMALL, colors=INK, length=2)


def _colours(shown: list[int]) -> list[str]:
    """One for every mode shown."""
    return list(MODES[: len(shown)])
