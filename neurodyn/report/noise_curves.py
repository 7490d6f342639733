"""How switching depends on the strength of the noise: a resonance curve, or only one over the temperature."""

from typing import TYPE_CHECKING

import numpy as np

from neurodyn.analysis.dynamics import NoiseCurve
from neurodyn.errors import ModelError
from neurodyn.report.style import ACCENT, INK, NARROW, NULL, QUIET, SMALL, new_figure, number, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALIKE = 1e-3
PROPORTIONAL = (
    "The radius is proportional to the noise and the leading symbol does not depend on it:\n"
    "a curve over the temperature of drawn symbols, no resonance of the dynamics."
)


def is_temperature(curve: NoiseCurve) -> bool:
    """Whether the strength of the noise changes nothing but the scale of the states, as in a network without biases.

    Parameters
    ----------
    curve : NoiseCurve
        From `neurodyn.analysis.dynamics.noise_curve`.

    Returns
    -------
    bool
        Whether the radius is proportional to the noise, and leading symbols change equally often.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import NoiseCurve
    >>> is_temperature(NoiseCurve(np.array([1.0, 2.0]), np.array([3.0, 6.0]), np.full(2, 0.1), np.array([0.2, 0.1])))
    True
    """
    moved = curve.scale > 0
    if moved.sum() < 2:
        return False
    ratio = curve.radius[moved] / curve.scale[moved]
    return bool(
        ratio.min() > 0
        and np.ptp(ratio) <= ALIKE * ratio.mean()
        and np.ptp(curve.leading[moved]) <= ALIKE + 0.02 * curve.leading[moved].mean()
    )


def plot_noise_curve(curve: NoiseCurve, *, width: float = 8.0) -> "Figure":
    """Changes of the symbol per step against the standard deviation of the noise, with and without drawing the symbols.

    The text above says whether the curve is one over temperature alone, as it is for a network without biases.

    Parameters
    ----------
    curve : NoiseCurve
        From `neurodyn.analysis.dynamics.noise_curve`.
    width : float
        Width in inches; below 5 the panels are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        Lines with the gids ``leading`` (the symbol with the largest logit), ``drawn`` (symbols drawn by their
        probabilities) and ``radius``.

    Raises
    ------
    ModelError
        If there is one strength only.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import Rectified, noise_curve
    >>> from neurodyn.report import plot_noise_curve
    >>> network = Rectified(np.zeros((4, 4)), np.eye(4), np.eye(4)[:2])
    >>> figure = plot_noise_curve(noise_curve(network, (0.5, 1, 2), key=jax.random.key(0), n_runs=8, n_steps=20))
    >>> [line.get_gid() for line in figure.axes[0].lines]
    ['leading', 'drawn', 'as trained']
    """
    if np.size(curve.scale) < 2:
        raise ModelError("the curve has one strength of the noise; give two or more.")
    order = np.argsort(curve.scale)
    scale = curve.scale[order]
    stacked = width < NARROW
    same = is_temperature(curve)
    figure = new_figure(width, 5.0 if stacked else 2.9)
    left, right = figure.subplots(2 if stacked else 1, 1 if stacked else 2)
    lines = (
        (left, curve.leading, ACCENT, "leading symbol", "leading"),
        (left, curve.drawn, NULL, "drawn symbol", "drawn"),
        (right, curve.radius, INK, "", "radius"),
    )
    for axes, values, colour, label, name in lines:
        axes.plot(scale, values[order], color=colour, lw=1.5, marker="o", ms=3.5, label=label, gid=name)
    positive = scale[0] > 0
    for axes in (left, right):
        axes.axvline(1.0, color=QUIET, lw=0.8, ls=(0, (3, 2)), zorder=0, gid="as trained")
        if positive:
            axes.set_xscale("log")
            axes.set_xticks(scale, [number(one) for one in scale])
            axes.minorticks_off()
        if positive and axes is right:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
    x = "standard deviation of the noise (1: as in training)"
    tidy(left, x="" if stacked else x, y="changes per step", title="volatility")
    tidy(
        right,
        x=x,
        y="radius of the orbit",
        title="proportional to the noise" if same else "size of the states",
    )
    for axes in (left, right):
        axes.xaxis.label.set_fontsize(SMALL)
    left.legend(fontsize=SMALL, frameon=False, labelcolor=INK)
    if same:
        said = (
            PROPORTIONAL
            if not stacked
            else PROPORTIONAL.replace(" and the", "\nand the").replace(" drawn", "\ndrawn")
        )
        figure.suptitle(said, x=0.02, ha="left", fontsize=SMALL, color=INK)
    return figure
