"""Choices against a covariate in each state."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.special import expit, ndtri

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models.base import Fit
from neurodyn.models.hmm.covariates import transition_covariates
from neurodyn.recording import arrays
from neurodyn.report import views
from neurodyn.report.style import ACCENT, FAINT, INK, SMALL, new_figure, state_colour, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_VALUES = 12
BINS = 8
LEVEL = 0.95


def has_choices(fit: Fit) -> bool:
    """Whether a fit is of binary units that depend on covariates."""
    held = views.last(fit)
    return getattr(held.model, "observation", "") == "bernoulli" and "covariate_weight" in held.parameters


def plot_psychometric(
    fit: Fit, recording: xr.Dataset, covariate: str, *, unit: Any = None, width: float = 5.6
) -> "Figure":
    r"""Probability of a choice against a covariate in each state, with what was chosen.

    Lines are the model's :math:`p(x = 1)` with all other covariates, own history and couplings at their mean in that
    state. Points are the frequencies of the choice in bins of the covariate, every bin of the recording counted
    with the probability of the state, and bars their 95 % binomial (Wilson) intervals for as many choices as these
    probabilities add up to. The probabilities have seen the choices, which brings points and lines closer together
    than new choices would be.

    Parameters
    ----------
    fit : Fit
        A Bernoulli fit of a `neurodyn.models.SwitchingGLM` or `neurodyn.models.GLM` with covariates.
    recording : xr.Dataset
        The recording to infer the states of.
    covariate : str
        Name of a covariate of the model; up to twelve different values are shown as they are, more in eight bins of
        equal numbers.
    unit : label, optional
        Unit; default the first.
    width : float
        Width in inches.

    Returns
    -------
    matplotlib.figure.Figure
        One line per state, over the range of the covariate; bins with less than one choice are left out.

    Raises
    ------
    ModelError
        If the covariate or the unit is unknown.
    NotApplicable
        If the fit is no Bernoulli fit with covariates.
    """
    held: Any = views.last(fit)
    parameters = held.parameters
    if not has_choices(fit):
        raise NotApplicable(
            f"{fit.model.name} has no choices that depend on covariates to show; fit a SwitchingGLM with covariates to "
            "binary units."
        )
    known = [str(name) for name in parameters["covariate"].values]
    if covariate not in known:
        raise ModelError(f"there is no covariate {covariate!r} in the model; it has {', '.join(known)}.")
    labels = parameters["unit"].values.tolist()
    chosen = labels[0] if unit is None else unit
    if chosen not in labels:
        raise ModelError(f"there is no unit {chosen!r}; the fit has {', '.join(map(str, labels[:5]))}.")
    data = recording.sel(unit=labels)
    values, mask = arrays(data, np.float64)
    inputs = transition_covariates(data, known, "the choices").astype(np.float64)
    where = labels.index(chosen)
    seen = mask[..., where]
    at = inputs[..., known.index(covariate)][seen]
    chance = np.nan_to_num(_chance(fit, data)[seen])
    grid = np.linspace(at.min(), at.max(), 200)
    level = _level(parameters, chosen, covariate, *_means(chance, seen, inputs, values, mask))
    curves = expit(level[:, None] + _slope(parameters, chosen, covariate)[:, None] * grid)
    figure = new_figure(width, 3.1)
    axes = figure.add_subplot()
    axes.axhline(0.5, color=FAINT, lw=0.8, zorder=0)
    index, centres = _bins(at)
    states = parameters["state"].values.tolist()
    shift = 0.006 * float(np.ptp(at)) * (np.arange(len(states)) - (len(states) - 1) / 2)
    for k, state in enumerate(states):
        colour = state_colour(k) if len(states) > 1 else ACCENT
        axes.plot(grid, curves[k], color=colour, lw=1.8, label=str(state))
        number = np.bincount(index, chance[:, k], len(centres))
        ones = np.bincount(index, chance[:, k] * values[..., where][seen], len(centres))
        shown = number >= 1
        share = ones[shown] / number[shown]
        low, high = wilson(share, number[shown])
        axes.errorbar(
            centres[shown] + shift[k],
            share,
            yerr=np.maximum([share - low, high - share], 0),
            ls="",
            marker="o",
            ms=4.5,
            color=colour,
            elinewidth=1.1,
        )
    axes.set_ylim(-0.03, 1.03)
    tidy(
        axes,
        x=covariate.replace("_", " "),
        y=f"P({chosen} = 1)",
        title="choices in each state" if len(states) > 1 else "choices",
    )
    if len(states) > 1:
        legend = axes.legend(
            title="state",
            fontsize=SMALL,
            title_fontsize=SMALL,
            frameon=False,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            handlelength=1.2,
        )
        legend.get_title().set_color(INK)
    return figure


def wilson(share: np.ndarray, number: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval of a binomial proportion.

    Parameters
    ----------
    share : np.ndarray
        Observed proportion.
    number : np.ndarray
        Number of draws, above 0, not necessarily whole.
    level : float
        Coverage.

    Returns
    -------
    np.ndarray, np.ndarray
        Lower and upper end, within 0 and 1.

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22, doi:10.1080/01621459.1927.10502953.
    """
    z = float(ndtri(0.5 + level / 2))
    centre = (share + z**2 / (2 * number)) / (1 + z**2 / number)
    half = z / (1 + z**2 / number) * np.sqrt(share * (1 - share) / number + z**2 / (4 * number**2))
    return centre - half, centre + half


def _chance(fit: Fit, recording: xr.Dataset) -> np.ndarray:
    """Probability of every state, ``(trial, time, state)``; certain where there is one."""
    if not views.has_states(fit):
        return np.ones((recording.sizes.get("trial", 1), recording.sizes["time"], 1))
    found = views.states(fit, recording).probability.transpose(..., "time", "state").values
    return found if found.ndim == 3 else found[None]


def _means(
    chance: np.ndarray, seen: np.ndarray, inputs: np.ndarray, values: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the covariates ``(state, covariate)`` and of the units ``(state, unit)`` in every state."""
    total = np.maximum(chance.sum(axis=0)[:, None], 1e-9)
    known = mask[seen]
    units = chance.T @ np.where(known, values[seen], 0) / np.maximum(chance.T @ known, 1e-9)
    return chance.T @ inputs[seen] / total, units


def _slope(parameters: xr.Dataset, unit: Any, covariate: str) -> np.ndarray:
    """Weight of the covariate in every state."""
    return parameters["covariate_weight"].sel(unit=unit, covariate=covariate).values.astype(float)


def _level(
    parameters: xr.Dataset, unit: Any, covariate: str, inputs: np.ndarray, means: np.ndarray
) -> np.ndarray:
    """Linear predictor in every state with the covariate at 0 and all else at its mean there."""
    weight = parameters["covariate_weight"].sel(unit=unit).transpose("state", "covariate").values
    others = np.where(parameters["covariate"].values == covariate, 0.0, inputs)
    level = parameters["bias"].sel(unit=unit).values + (weight * others).sum(axis=1)
    if "weight" in parameters:
        weights = parameters["weight"].sel(target=unit).transpose("state", "source", "basis").values
        level = level + np.einsum("smb,sm,b->s", weights, means, parameters["kernel"].sum("lag").values)
    if "history_weight" in parameters:
        own = parameters["history_weight"].sel(unit=unit).transpose("state", "history_basis").values
        mine = means[:, parameters["unit"].values.tolist().index(unit)]
        level = level + mine * (own @ parameters["history_kernel"].sum("history_lag").values)
    return level


def _bins(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bin of every value, and the mean of the values in each bin."""
    different, index = np.unique(at, return_inverse=True)
    if len(different) > MOST_VALUES:
        inner = np.unique(np.quantile(at, np.arange(1, BINS) / BINS))
        index = np.searchsorted(inner, at, side="right")
        different, index = np.unique(index, return_inverse=True)
    total = np.bincount(index, at, len(different))
    return index, total / np.bincount(index, minlength=len(different))
