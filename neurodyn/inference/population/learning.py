"""Regressions of all views, their kernel widths and penalties chosen on held-out trials."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from neurodyn.inference.population.regression import fit_regressions, log_likelihoods
from neurodyn.inference.population.views import (
    BOTH,
    NOTHING,
    PRESENT,
    Inputs,
    Targets,
    ahead_of,
    by_width,
    past,
    rows_of_view,
    table_of,
)
from neurodyn.inference.ridge import contiguous_folds

TIME_SHARE = 1 / 30  # of a penalty, for functions of time: they vary as much as a log rate does
FOLDS = 3
CHOOSING_ROWS = 20_000
ROUGH = 1.0  # nats a step may promise and yet be left undone while choosing


class Regressions(NamedTuple):
    """Weights of every view, and what was chosen.

    Attributes
    ----------
    weights : dict
        ``(feature, unit)`` by view: regressors, functions of time, constant.
    width, strength : dict
        ``(unit,)`` by side, ``both`` and ``past``.
    objective : numpy.ndarray
        Penalised log-likelihood of the view ``both``, step by step.
    converged : bool
        Whether all fits did.
    """

    weights: dict[str, np.ndarray]
    width: dict[str, np.ndarray]
    strength: dict[str, np.ndarray]
    objective: np.ndarray
    converged: bool


def aheads(furthest: int) -> tuple[int, ...]:
    """Bins ahead that get weights of their own: dense at first, ever sparser up to the last.

    Parameters
    ----------
    furthest : int
        The last, 1 or more.

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> aheads(10)
    (1, 2, 3, 6, 10)
    """
    count = int(np.ceil(np.log2(furthest))) + 1
    return tuple(dict.fromkeys(round(one) for one in np.geomspace(1, furthest, count)))


def learn(
    inputs: Inputs,
    targets: Targets,
    link: str,
    widths: tuple[float, ...],
    strengths: tuple[float, ...],
    horizon: int,
) -> Regressions:
    """Choose and fit.

    Parameters
    ----------
    inputs : Inputs
        Regressors.
    targets : Targets
        What is explained.
    link : {"identity", "log"}
        As in `neurodyn.inference.population.regression.fit_regressions`.
    widths, strengths : tuple of float
        Candidates: kernel widths in bins, and precisions of the prior on weights of standardised regressors.
    horizon : int
        Largest number of bins ahead with weights of its own.

    Returns
    -------
    Regressions
        Views ``both``, ``present``, ``nothing`` and of the past at `aheads`.
    """
    chosen = {
        "both": choose(inputs, targets, BOTH, link, widths, strengths),
        "past": choose(inputs, targets, past(1), link, widths, strengths),
    }
    n_units, n_regressors = targets.values.shape[2], inputs.values.shape[2]
    n_features = n_regressors + inputs.time.shape[1] + 1
    weights, objective, converged = {}, np.zeros(0), True
    views = [BOTH, PRESENT, NOTHING, *map(past, aheads(horizon))]
    start = np.zeros((n_features, n_units))
    for view in views:
        width, strength = chosen["both" if view == BOTH else "past"]
        weights[view], warm = np.zeros((n_features, n_units)), ahead_of(view) > 1
        courses = []
        for one, units in by_width(width if view != NOTHING else np.ones(n_units)):
            table = table_of(inputs, targets, view, one, units)
            penalty = penalty_of(strength[units], n_features, inputs.time.shape[1])
            found = fit_regressions(table.rows, penalty, link, start=start[:, units] if warm else None)
            start[:, units] = found.weights
            weights[view][:, units] = found.weights / table.factors()
            converged &= found.converged
            courses.append(found.objective)
        if view == BOTH:
            longest = max(map(len, courses))
            objective = np.sum([np.pad(one, (0, longest - len(one)), mode="edge") for one in courses], axis=0)
    width, strength = ({side: pair[index] for side, pair in chosen.items()} for index in (0, 1))
    return Regressions(weights, width, strength, objective, converged)


def penalty_of(
    strength: Float[np.ndarray, " unit"], n_features: int, n_time_functions: int
) -> Float[np.ndarray, "feature unit"]:
    """Precisions of all weights; the constant, the last feature, has none."""
    penalty = np.repeat(np.asarray(strength, float)[None], n_features, axis=0)
    penalty[n_features - 1 - n_time_functions : -1] *= TIME_SHARE
    penalty[-1] = 0.0
    return penalty


def choose(
    inputs: Inputs,
    targets: Targets,
    view: str,
    link: str,
    widths: tuple[float, ...],
    strengths: tuple[float, ...],
) -> tuple[Float[np.ndarray, " unit"], Float[np.ndarray, " unit"]]:
    """Width and strength of every unit with the best held-out trials.

    The width is chosen first, at a middling strength. Of many trials some 20,000 bins serve, evenly spread. Fewer
    trials than folds are held out in contiguous blocks of bins.

    Parameters
    ----------
    inputs, targets, view, link, widths, strengths
        As in `learn`.

    Returns
    -------
    width, strength : numpy.ndarray
        ``(unit,)``.
    """
    n_trials, n_time, n_units = targets.values.shape
    wanted = max(FOLDS, CHOOSING_ROWS // n_time)
    if n_trials > wanted:
        some = np.linspace(0, n_trials - 1, wanted).round().astype(int)
        inputs = inputs._replace(values=inputs.values[some], shown=inputs.shown[some])
        targets = Targets(targets.values[some], targets.observed[some])
        n_trials = wanted
    fold_of = np.repeat(np.arange(n_trials)[:, None] % FOLDS, n_time, axis=1)
    if n_trials < FOLDS:
        fold_of = contiguous_folds(n_trials * n_time, FOLDS).reshape(n_trials, n_time)
    fold_of = fold_of[rows_of_view(inputs, targets, view)]
    ordered = tuple(sorted(strengths, reverse=True))
    width, strength = np.full(n_units, widths[0]), np.full(n_units, ordered[0])

    def scores(one: float, units: np.ndarray, folds: range, candidates: tuple[float, ...]) -> np.ndarray:
        table = table_of(inputs, targets, view, one, units)
        return _held_out(table.rows, fold_of, folds, candidates, inputs.time.shape[1], link)

    if len(widths) > 1:
        middle = (ordered[len(ordered) // 2],)
        found = [scores(one, np.arange(n_units), range(1), middle)[0] for one in widths]
        width = np.asarray(widths)[np.argmax(found, axis=0)]
    if len(ordered) > 1:
        for one, units in by_width(width):
            strength[units] = np.asarray(ordered)[scores(one, units, range(FOLDS), ordered).argmax(axis=0)]
    return width, strength


def _held_out(rows, fold_of, folds, strengths, n_time_functions, link) -> np.ndarray:
    """Log-likelihood of held-out folds, ``(strength, unit)``; every strength starts from the one before."""
    n_units = len(rows.replaced)
    scores = np.zeros((len(strengths), n_units))
    for fold in folds:
        train, test = rows.of(fold_of != fold), rows.of(fold_of == fold)
        start = None
        for index, strength in enumerate(strengths if len(train.targets) else ()):
            penalty = penalty_of(np.full(n_units, strength), train.shared.shape[1], n_time_functions)
            start = fit_regressions(train, penalty, link, start=start, tolerance=ROUGH).weights
            scores[index] += log_likelihoods(test, start, link)
    return scores
