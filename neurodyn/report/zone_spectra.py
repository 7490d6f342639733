"""Eigenvalues of local Jacobians, zone by zone, on the plane of rates."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Complex

from neurodyn.analysis.dynamics.residency import ZONES
from neurodyn.errors import ModelError
from neurodyn.report.noise_orbits import ZONE_COLOURS
from neurodyn.report.style import FLOOR, INK, NARROW, SMALL, new_figure, number, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEFT = -2.5
WORDS: dict[str, str] = {"transition": "transition", "kick": "kick zone", "cluster": "cluster"}


def plot_zone_spectra(
    rates: Mapping[str, Complex[np.ndarray, "point state"]], *, width: float = 8.0
) -> "Figure":
    """Eigenvalues of the step's Jacobian at states of every zone, through (λ − 1) / (λ + 1).

    What lies right of the line grows in a step without noise, what lies above or below the middle turns.

    Parameters
    ----------
    rates : mapping
        From `neurodyn.analysis.dynamics.zone_rates`.
    width : float
        Width in inches; below 5 the zones are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        One panel for each zone, with points that have its gid at real and imaginary parts; the line with the gid
        ``unit circle`` is where the modulus of an eigenvalue is one. What decays faster than the panel shows is counted.

    Raises
    ------
    ModelError
        If there is no zone, or one that is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import as_rates
    >>> from neurodyn.report import plot_zone_spectra
    >>> figure = plot_zone_spectra({"cluster": as_rates(np.array([[1.1 + 0j, 0.5], [0.9, 0.0]]))})
    >>> figure.axes[0].texts[0].get_text().splitlines()[0]
    'grows in 50% of 2 states'
    """
    unknown = [name for name in rates if name not in ZONES]
    if not rates or unknown:
        raise ModelError(
            f"rates name {unknown[0]!r} as a zone; there are {', '.join(ZONES)}."
            if unknown
            else "rates hold no zone; give what zone_rates returns."
        )
    stacked = width < NARROW
    count = len(rates)
    figure = new_figure(width, 2.3 * count + 0.3 if stacked else 2.9)
    shape = (count, 1) if stacked else (1, count)
    panels = figure.subplots(*shape, squeeze=False, sharex=True, sharey=True).ravel()
    shown = np.concatenate([np.ravel(one) for one in rates.values()])
    inside = shown[np.isfinite(shown) & (np.real(shown) >= LEFT)]
    high = 1.1 * max(float(np.abs(np.imag(inside)).max(initial=0.0)), 0.2)
    right = max(1.25 * float(np.real(inside).max(initial=0.0)), 0.3)
    for place, (axes, (name, values)) in enumerate(zip(panels, rates.items(), strict=True)):
        flat = np.ravel(values)
        known = np.isfinite(flat) & (np.real(flat) >= LEFT)
        axes.axvline(0.0, color=FLOOR, lw=1.0, ls=(0, (3, 2)), zorder=1, gid="unit circle")
        axes.plot(
            np.real(flat)[known],
            np.imag(flat)[known],
            ls="",
            marker="o",
            ms=2.6,
            mew=0,
            alpha=0.45,
            color=ZONE_COLOURS[name],
            gid=name,
            zorder=2,
        )
        growth = np.max(np.where(np.isfinite(values), np.real(values), -np.inf), axis=1)
        grows = float((growth > 0).mean())
        tidy(
            axes,
            x="real part" if not stacked or place == count - 1 else "",
            y="imaginary part" if stacked or place == 0 else "",
            title=WORDS[name],
        )
        said = (
            f"grows in {grows:.0%} of {len(values)} states\nlargest rate {number(growth.max(), tiny=1e-6)}\n"
            f"mean of the largest {number(growth.mean(), tiny=1e-6)}"
        )
        beyond = int((~known).sum())
        if beyond:
            said += f"\n{beyond / flat.size:.0%} further left"
        axes.text(0.03, 0.97, said, transform=axes.transAxes, va="top", fontsize=SMALL - 0.5, color=INK)
    panels[0].set_xlim(LEFT, right)
    panels[0].set_ylim(-high, 1.9 * high)
    return figure
