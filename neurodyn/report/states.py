"""Figures of the states of a fit: when they occur, how often, for how long."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from neurodyn.analysis.states import dwell_times, expected_dwell_times, fractional_occupancy
from neurodyn.models.base import Fit
from neurodyn.report import views
from neurodyn.report.recordings import draw_activity
from neurodyn.report.style import (
    FAINT,
    INK,
    NARROW,
    QUIET,
    SMALL,
    duration,
    flat_time,
    new_figure,
    shrink,
    state_colour,
    tidy,
    time_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_states(fit: Fit, recording: xr.Dataset, *, width: float = 8.0) -> "Figure":
    """The states over the data: activity above, the probability of every state below.

    Parameters
    ----------
    fit : Fit
        A fit with discrete states (an HMM, or a pipeline that ends in one).
    recording : xr.Dataset
        The recording to infer the states of; trials are laid end to end.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, not registered with pyplot.

    Raises
    ------
    NotApplicable
        If the fit has no discrete states.
    """
    view = views.states(fit, recording)
    n_states = view.probability.sizes["state"]
    heights = (float(np.clip(0.05 * recording.sizes["unit"], 1.0, 2.2)), 0.19 * n_states + 0.15)
    figure = new_figure(width, sum(heights) + 0.75)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    draw_activity(above, recording, columns=int(width * 150), room=heights[0])
    draw_state_rows(below, view.probability, time_axis(recording)[0], columns=int(width * 150))
    above.tick_params(axis="x", length=0, labelbottom=False)
    below.set_xlabel(time_axis(recording)[1], fontsize=SMALL + 1, color=INK)
    return figure


def draw_state_rows(axes: "Axes", probability: xr.DataArray, step: float, *, columns: int) -> None:
    """One row per state, filled in its colour as high as its probability."""
    values, _, _ = flat_time(probability)
    shown, block = shrink(values, columns)
    edges = np.arange(len(shown) + 1) * block * step
    for k in range(shown.shape[1]):
        base = shown.shape[1] - 1 - k
        top = base + 0.86 * np.nan_to_num(shown[:, k])
        axes.stairs(top, edges, baseline=base, fill=True, color=state_colour(k), lw=0)
        axes.axhline(base, color=FAINT, lw=0.6, zorder=0)
    axes.set_ylim(-0.1, shown.shape[1])
    axes.set_xlim(0, len(values) * step)
    axes.set_yticks(np.arange(shown.shape[1])[::-1] + 0.43, [str(s) for s in _labels(probability)])
    tidy(axes, y="state", frame=("bottom",))
    axes.tick_params(axis="y", length=0)


def plot_occupancy(fit: Fit, recording: xr.Dataset, *, width: float = 4.0) -> "Figure":
    """Fraction of the time spent in each state; with trials, one dot for each beside the bar.

    Parameters
    ----------
    fit : Fit
        A fit with discrete states.
    recording : xr.Dataset
        The recording to infer the states of.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    NotApplicable
        If the fit has no discrete states.
    """
    probability = views.states(fit, recording).probability
    share = fractional_occupancy(probability)
    figure = new_figure(width, 0.24 * share.size + 0.9)
    axes = figure.add_subplot()
    rows = list(range(share.size))
    axes.barh(rows, share.values, height=0.66, color=[state_colour(k) for k in rows])
    reach = float(share.max())
    if "trial" in probability.dims and probability.sizes["trial"] > 1:
        each = fractional_occupancy(probability, by_trial=True).values
        reach = float(np.nanmax(each))
        spread = np.linspace(-0.22, 0.22, len(each)) if len(each) <= 40 else np.zeros(len(each))
        for k in rows:
            axes.plot(
                each[:, k], k + spread, ls="", marker="o", ms=2.2, mfc="white", mec=INK, mew=0.5, alpha=0.7
            )
    else:
        for k in rows:
            axes.text(
                share.values[k] + 0.015 * reach,
                k,
                f"{share.values[k]:.0%}",
                va="center",
                fontsize=SMALL,
                color=INK,
            )
    axes.set_yticks(rows, [str(s) for s in _labels(probability)])
    axes.set_ylim(share.size - 0.5, -0.5)
    axes.set_xlim(0, min(1.0, 1.15 * reach))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    tidy(axes, x="time spent in the state", y="state")
    return figure


def plot_dwell_times(fit: Fit, recording: xr.Dataset, *, width: float = 4.0) -> "Figure":
    """How long visits to each state last: every visit a dot, the median a bar, what the chain implies a ring.

    Parameters
    ----------
    fit : Fit
        A fit with discrete states.
    recording : xr.Dataset
        The recording to infer the states of.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        The figure; visits cut off by the edge of a trial or a gap are left out where a state has others.

    Raises
    ------
    NotApplicable
        If the fit has no discrete states.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    view = views.states(fit, recording)
    interval = float(recording.attrs["sampling_interval"])
    visits = dwell_times(view.path, sampling_interval=interval)
    implied = expected_dwell_times(views.transition(fit), interval)
    n_states = view.probability.sizes["state"]
    figure = new_figure(width, 0.24 * n_states + 0.9)
    axes = figure.add_subplot()
    rng = np.random.default_rng(0)
    for k in range(n_states):
        mine = visits["state"].values == k
        whole = mine & visits["complete"].values
        lasted = visits["duration"].values[whole if whole.any() else mine]
        chosen = rng.permutation(lasted)[:400]
        jitter = rng.uniform(-0.26, 0.26, chosen.size)
        axes.plot(chosen, k + jitter, ls="", marker="o", ms=3.6, color=state_colour(k), alpha=0.6, mew=0)
        if lasted.size:
            axes.plot([np.median(lasted)] * 2, [k - 0.34, k + 0.34], color=INK, lw=1.6)
        if np.isfinite(implied.values[k]):
            axes.plot(implied.values[k], k, marker="o", ms=5.5, mfc="none", mec=INK, mew=1.0)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(np.arange(n_states), [str(s) for s in _labels(view.probability)])
    axes.set_ylim(n_states - 0.4, -0.6)
    unit = "trials" if recording.attrs.get("time_unit") == "trial" else "s"
    tidy(axes, x=f"dwell time ({unit})", y="state")
    return figure


def cut_words(fit: Fit, recording: xr.Dataset) -> str:
    """What the figure of dwell times leaves out or shows short, as a sentence for its caption; "" where nothing.

    Parameters
    ----------
    fit : Fit
        A fit with discrete states.
    recording : xr.Dataset
        The recording to infer the states of.

    Returns
    -------
    str
        Starts with a space.
    """
    interval = float(recording.attrs["sampling_interval"])
    visits = dwell_times(views.states(fit, recording).path, sampling_interval=interval)
    state, whole, lasted = (visits[name].values for name in ("state", "complete", "duration"))
    shown_short = ~whole & ~np.isin(state, state[whole])
    left_out = ~whole & ~shown_short
    words = ""
    if left_out.any():
        count, most = int(left_out.sum()), float(lasted[left_out].max())
        longest = f"{most:g} trials" if recording.attrs.get("time_unit") == "trial" else duration(most)
        words += (
            f" Left out: {count} visit{'s' if count > 1 else ''} cut short by the edge of a trial, of the recording or of "
            f"a gap, whose end or beginning was not seen; the longest lasted at least {longest}."
        )
    if shown_short.any():
        words += (
            " States of which no whole visit was seen show their cut ones, which lasted at least that long."
        )
    return words


def plot_event_aligned(aligned: xr.DataArray, *, width: float = 5.0) -> "Figure":
    """Probability of each state around an event: the mean over events and its standard error.

    Parameters
    ----------
    aligned : xr.DataArray
        Dims ``(event, lag, state)``, as `neurodyn.analysis.event_aligned` returns.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    values = aligned.transpose("event", "lag", "state").values
    known = np.isfinite(values)
    count = known.sum(axis=0)
    mean = np.divide(
        np.where(known, values, 0.0).sum(axis=0), count, out=np.full(count.shape, np.nan), where=count > 0
    )
    spread = np.where(known, values - mean, 0.0) ** 2
    error = np.sqrt(spread.sum(axis=0) / np.maximum(count - 1, 1) / np.maximum(count, 1))
    figure = new_figure(width, 2.6)
    axes = figure.add_subplot()
    lag = aligned["lag"].values
    for k in range(values.shape[2]):
        colour = state_colour(k)
        axes.fill_between(
            lag, mean[:, k] - error[:, k], mean[:, k] + error[:, k], color=colour, alpha=0.22, lw=0
        )
        axes.plot(lag, mean[:, k], color=colour, lw=1.5, label=str(_labels(aligned)[k]))
    axes.axvline(0.0, color=QUIET, lw=0.8, ls=(0, (3, 2)))
    axes.set_xlim(lag[0], lag[-1])
    axes.set_ylim(bottom=0.0)
    tidy(axes, x="time from the event (s)", y="probability", title=f"{values.shape[0]} events")
    legend = axes.legend(
        title="state",
        fontsize=SMALL,
        title_fontsize=SMALL,
        frameon=False,
        ncols=1 if width >= NARROW else 3,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0) if width >= NARROW else (0.0, -0.25),
    )
    legend.get_title().set_color(INK)
    return figure


def _labels(array: xr.DataArray) -> list:
    """Labels of the states."""
    return array["state"].values.tolist() if "state" in array.coords else list(range(array.sizes["state"]))
