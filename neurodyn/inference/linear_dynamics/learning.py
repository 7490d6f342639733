"""From counts to a fitted Poisson linear dynamical system: its start, its climb, and the number of its latents."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from neurodyn.inference.linear_dynamics.climbing import Climb, climb
from neurodyn.inference.linear_dynamics.expectation import expect, on_device, problem_of
from neurodyn.inference.linear_dynamics.gauge import canonical
from neurodyn.inference.linear_dynamics.parameters import Parameters, Prior
from neurodyn.inference.linear_dynamics.poisson import expected_rates
from neurodyn.inference.linear_dynamics.starting import first_parameters

FIRST_TRIALS = 256  # of many trials those on which the climb begins
CHOOSING_BINS = 200  # of a stretch that stands for a trial where there are none
CHOOSING_STEPS = 48  # after few steps many latents look no better than few: they take longer to learn
UNIT_GROUPS = 4
SURE_STEPS, SURE = 40, 1e-3


class Data(NamedTuple):
    """Counts ``(trial, time, unit)``, what was observed, and functions of time ``(time, function)``."""

    values: Float[np.ndarray, "trial time unit"]
    observed: Bool[np.ndarray, "trial time unit"]
    basis: Float[np.ndarray, "time function"]

    def of_trials(self, which: Int[np.ndarray, " some"]) -> "Data":
        """Some of the trials."""
        return Data(self.values[which], self.observed[which], self.basis)


def spread_out(n_items: int, wanted: int) -> Int[np.ndarray, " some"]:
    """At most so many of some items, evenly spread."""
    return np.unique(np.linspace(0, n_items - 1, min(n_items, wanted)).round().astype(int))


def prior_of(data: Data, loading: float) -> Prior:
    """Weak priors; the offsets' is one further bin at the population's mean rate."""
    mean = np.where(data.observed, data.values, 0).sum(dtype=np.float64) / max(int(data.observed.sum()), 1)
    return Prior(rate=np.full(data.values.shape[2], max(mean, 1e-6)), loading=loading)


def fit_system(
    data: Data,
    n_latents: int,
    *,
    loading: float,
    max_iterations: int,
    tolerance: float,
    start: Parameters | None = None,
    notify: Callable[[int, float], None] | None = None,
) -> Climb:
    """Climb on some of the trials first, then on all of them.

    Parameters
    ----------
    data : Data
        Every trial has an observed entry.
    n_latents : int
        D.
    loading : float
        Precision of the prior on the loadings.
    max_iterations : int
        Most expectation steps of either climb.
    tolerance : float
        Rise of the objective, in nats per bin, at which a climb ends.
    start : Parameters, optional
        Where to begin; default: `first_parameters`.
    notify : callable, optional
        Called with the number of steps and the objective of the climb on all trials.

    Returns
    -------
    Climb
        Parameters with latents of mean 0 and covariance I, and the objective of the climb on all trials.
    """
    n_trials = len(data.values)
    if start is None:
        start = first_parameters(data.values, data.observed, n_latents, data.basis.shape[1])
    for wanted in (FIRST_TRIALS, n_trials) if n_trials > 2 * FIRST_TRIALS else (n_trials,):
        some = data.of_trials(spread_out(n_trials, wanted))
        problem = problem_of(*some, n_latents)
        prior = prior_of(some, loading)
        last = wanted == n_trials
        found = climb(
            problem,
            start,
            prior,
            max_iterations=max_iterations,
            tolerance=tolerance * some.observed.any(-1).sum(),
            notify=notify if last else None,
        )
        start = found.parameters
    sums = found.expected.moments
    count = sums.n_first + sums.n_transitions
    # Sums over all bins: the first of every trial, and those that a transition leads into.
    mean = (sums.first + sums.after_basis.sum(1)) / count
    square = (sums.first_square + sums.after) / count
    return found._replace(parameters=canonical(found.parameters, np.asarray(mean), np.asarray(square)))


def given_rates(
    parameters: Parameters, data: Data, *, steps: int = SURE_STEPS
) -> Float[np.ndarray, "trial time unit"]:
    """Expected counts of every entry given all observed ones."""
    problem = problem_of(*data, parameters.transition.shape[0])
    found = expect(parameters, problem, None, steps=steps, tolerance=SURE)
    _, loadings = on_device(parameters, data.basis)
    rates = [np.asarray(jax.jit(expected_rates)(loadings, known.latent)) for known in found.latents]
    return np.concatenate(rates, axis=1)[:, : problem.n_trials].transpose(1, 0, 2)


def choose_latents(
    data: Data,
    candidates: tuple[int, ...],
    unit_group: Int[np.ndarray, " unit"],
    *,
    loading: float,
    tolerance: float,
) -> tuple[int, Parameters | None]:
    """The smallest number of latents that predicts hidden units of held-out trials as well as the best.

    Every fourth of at most 256 trials is held out, and of each a fourth of the units is predicted from the others.
    Candidates come in rising order, and the search ends when one is not as good as the best before it, or two in a
    row are worse. As good as the best means: worse by no more than the standard error of the difference.
    Where there are fewer than four trials and time has no functions, stretches of 200 bins stand for trials.

    Parameters
    ----------
    data : Data
        Every trial has an observed entry.
    candidates : tuple of int
        Numbers of latents, rising.
    unit_group : numpy.ndarray of int
        Which of the four groups a unit is hidden with.
    loading : float
        Precision of the prior on the loadings.
    tolerance : float
        As in `fit_system`.

    Returns
    -------
    n_latents : int
        The choice.
    parameters : Parameters or None
        Its fit to the other trials; None where there was nothing to choose.
    """
    if len(candidates) == 1:
        return candidates[0], None
    if len(data.values) < 4 and data.basis.shape[1] == 1:
        data = in_stretches(data, CHOOSING_BINS)
    data = data.of_trials(spread_out(len(data.values), FIRST_TRIALS))
    test = np.arange(len(data.values)) % 4 == min(3, len(data.values) - 1)
    if test.all():
        return candidates[0], None
    train, judged = data.of_trials(np.flatnonzero(~test)), data.of_trials(np.flatnonzero(test))
    hidden = (unit_group == np.arange(test.sum())[:, None] % UNIT_GROUPS)[:, None] & judged.observed
    given = Data(judged.values, judged.observed & ~hidden, judged.basis)
    scores: list[np.ndarray] = []
    fits: list[Parameters] = []
    for n_latents in candidates:
        found = fit_system(
            train, n_latents, loading=loading, max_iterations=CHOOSING_STEPS, tolerance=tolerance
        ).parameters
        rate = np.maximum(given_rates(found, given).astype(np.float64), 1e-9)
        scores.append(np.where(hidden, judged.values * np.log(rate) - rate, 0.0).sum((1, 2)))
        fits.append(found)
        best = int(np.argmax([score.sum() for score in scores]))
        if len(scores) - 1 - best >= 2 or not _as_good(scores[-1], scores[best]):
            break
    chosen = next(index for index, score in enumerate(scores) if _as_good(score, scores[best]))
    return candidates[chosen], fits[chosen]


def _as_good(score: Float[np.ndarray, " trial"], best: Float[np.ndarray, " trial"]) -> bool:
    """Whether a sum over trials is lower by no more than the standard error of the difference."""
    worse = best - score
    return bool(worse.sum() <= np.sqrt(len(worse)) * worse.std())


def in_stretches(data: Data, length: int) -> Data:
    """Stretches of at most so many bins as trials of their own; those without an observed entry are left out."""
    _, n_time, n_units = data.values.shape
    length = min(length, max(n_time // 8, 1))
    count = n_time // length
    cut = (array[:, : count * length].reshape(-1, length, n_units) for array in (data.values, data.observed))
    values, observed = cut
    seen = observed.any((1, 2))
    return Data(values[seen], observed[seen], data.basis[:length])
