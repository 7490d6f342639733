"""Where noise keeps a network: its orbit coloured by residency and by symbol, and what happens without noise."""

from typing import TYPE_CHECKING, Any

import numpy as np

from neurodyn.analysis.dynamics import Portrait
from neurodyn.analysis.dynamics.residency import ZONES
from neurodyn.errors import ModelError
from neurodyn.report.style import FAINT, INK, NARROW, QUIET, SMALL, new_figure, number, state_colour, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Paul Tol's "high contrast" set, which is still told apart in grey.
ZONE_COLOURS: dict[str, str] = dict(zip(ZONES, ("#BB5566", "#DDAA33", "#004488"), strict=True))
LINES = 24


def zone_words(bounds: tuple[float, float]) -> dict[str, str]:
    """Every zone with the steps its states last.

    Parameters
    ----------
    bounds : tuple of float
        Between the zones.

    Returns
    -------
    dict of str
        Words.

    Examples
    --------
    >>> zone_words((2.0, 8.0))["kick"]
    'kick zone, 2 to 8 steps'
    """
    low, high = (number(one) for one in bounds)
    words = (
        f"transition, under {low} steps",
        f"kick zone, {low} to {high} steps",
        f"cluster, over {high} steps",
    )
    return dict(zip(ZONES, words, strict=True))


def plot_orbit(found: Portrait, *, symbol_names: Any = None, width: float = 8.0) -> "Figure":
    """States of noisy runs in the plane of their first principal components, and their collapse without noise.

    Parameters
    ----------
    found : Portrait
        From `neurodyn.analysis.dynamics.portrait`.
    symbol_names : sequence of str, optional
        Names of the symbols; default: their numbers.
    width : float
        Width in inches; below 5 the panels are stacked.

    Returns
    -------
    matplotlib.figure.Figure
        On the left, points with the gid of their zone, lines with the gid ``decay`` from states along which the network
        goes when the noise is taken away, and a cross with the gid ``rest`` at their mean end; on the right the same points
        by the symbol with the largest logit, with gids such as ``symbol 0``.

    Raises
    ------
    ModelError
        If the state has one dimension, or the names do not fit.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import Rectified, portrait
    >>> from neurodyn.report import plot_orbit
    >>> network = Rectified(0.5 * np.eye(4), np.eye(4), np.eye(4)[:2])
    >>> figure = plot_orbit(portrait(network, key=jax.random.key(0), n_runs=4, n_steps=20))
    >>> figure.axes[1].get_title(loc="left")
    'leading symbol'
    """
    from matplotlib.lines import Line2D

    if found.orbit.places.shape[-1] < 2:
        raise ModelError("the state has one dimension; an orbit is drawn of two or more.")
    count = int(found.symbols.max()) + 1
    given = [str(k) for k in range(count)] if symbol_names is None else [str(one) for one in symbol_names]
    if len(given) < count:
        raise ModelError(f"symbol_names has {len(given)} names; the network reads {count} symbols.")
    stacked = width < NARROW
    side = width if stacked else width / 2
    figure = new_figure(width, (2 if stacked else 1) * 0.95 * side)
    left, right = figure.subplots(2 if stacked else 1, 1 if stacked else 2)
    places = found.orbit.places.reshape(-1, 2)
    zone = found.zones.zone.ravel()
    words = zone_words(found.zones.bounds)
    _draw_decay(left, found)
    shares = np.bincount(zone, minlength=3) / max(zone.size, 1)
    for place, name in enumerate(ZONES):
        _points(left, places[zone == place], ZONE_COLOURS[name], f"{words[name]} ({shares[place]:.0%})", name)
    symbols = found.symbols.ravel()
    for symbol in np.unique(symbols).tolist():
        share = float((symbols == symbol).mean())
        label = f"{given[symbol]} ({share:.0%})"
        _points(right, places[symbols == symbol], state_colour(symbol), label, f"symbol {symbol}")
    explained = found.orbit.explained
    y = f"component 2 ({explained[1]:.0%} of the variance)"
    tidy(left, x=f"component 1 ({explained[0]:.0%})", y=y, title="how long the symbol lasts from here")
    tidy(right, x=f"component 1 ({explained[0]:.0%})", y=y if stacked else "", title="leading symbol")
    for axes in (left, right):
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.06)
        legend = axes.legend(
            fontsize=SMALL - 0.5,
            frameon=False,
            labelcolor=INK,
            handletextpad=0.4,
            handlelength=1.3,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.16),
            ncols=1 if axes is left else 3,
        )
        for handle in legend.legend_handles:
            if isinstance(handle, Line2D):
                handle.set_alpha(1.0)
                handle.set_markersize(6.0)
    return figure


def _points(axes: "Axes", places: np.ndarray, colour: str, label: str, name: str) -> None:
    """States as dots."""
    axes.plot(
        places[:, 0],
        places[:, 1],
        ls="",
        marker="o",
        ms=2.2,
        mew=0,
        alpha=0.65,
        color=colour,
        label=label,
        gid=name,
    )


def _draw_decay(axes: "Axes", found: Portrait) -> None:
    """Lines without noise, and where they end."""
    plane = (found.decay - found.orbit.centre) @ found.orbit.components.T
    for start in range(min(LINES, plane.shape[1])):
        axes.plot(
            plane[:, start, 0],
            plane[:, start, 1],
            color=QUIET,
            lw=0.8,
            alpha=0.8,
            zorder=3,
            gid="decay",
            label="without noise" if start == 0 else None,
        )
    end = plane[-1].mean(axis=0)
    first, last = (np.linalg.norm(found.decay[at], axis=-1).mean() for at in (0, -1))
    origin = last < 0.01 * first
    axes.plot(
        *end,
        ls="",
        marker="X",
        ms=9,
        mfc=INK,
        mec=FAINT,
        zorder=5,
        gid="rest",
        label="the origin"
        if origin
        else f"after {len(plane) - 1} steps, norm {number(last / max(first, 1e-12))} of the start",
    )
