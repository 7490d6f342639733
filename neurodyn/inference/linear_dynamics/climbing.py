"""Expectation-maximisation of a Poisson linear dynamical system, with extrapolated steps."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg

from neurodyn.inference.linear_dynamics.expectation import Expected, Problem, expect, slopes_of
from neurodyn.inference.linear_dynamics.parameters import Parameters, Prior, best_dynamics, better_loadings

FIRST_STEPS, STEPS = 30, 6
SETTLED = 0.01  # nats of a trial's bound
LARGEST_STEP = 4.0


class Climb(NamedTuple):
    """Where a climb ended.

    Attributes
    ----------
    parameters : Parameters
        The last accepted ones.
    objective : list of float
        Bound plus log prior of the accepted parameters.
    converged : bool
        Whether the tolerance was met.
    expected : Expected
        Their posterior.
    """

    parameters: Parameters
    objective: list[float]
    converged: bool
    expected: Expected


def climb(
    problem: Problem,
    start: Parameters,
    prior: Prior,
    *,
    max_iterations: int,
    tolerance: float,
    notify: Callable[[int, float], None] | None = None,
) -> Climb:
    """Raise the bound; every third iterate is extrapolated from the two before it, and dropped where that is worse.

    Parameters
    ----------
    problem : Problem
        The data.
    start : Parameters
        Where to begin.
    prior : Prior
        Weak priors.
    max_iterations : int
        Most expectation steps.
    tolerance : float
        Stop when a step of expectation and maximisation raises the objective by less, in nats.
    notify : callable, optional
        Called with the number of steps and the objective.

    Returns
    -------
    Climb
        Parameters, objective.
    """

    def judge(parameters: Parameters, before: Expected | None) -> tuple[Expected, float]:
        known = None if before is None else before.latents
        steps = FIRST_STEPS if before is None else STEPS
        found = expect(parameters, problem, known, steps=steps, tolerance=SETTLED)
        value = float(found.bound.sum()) + prior.log_density(parameters)
        return found, value if np.isfinite(value) else -np.inf

    def improve(parameters: Parameters, found: Expected) -> Parameters:
        moved = best_dynamics(parameters, found.moments, prior)
        return better_loadings(moved, functools.partial(slopes_of, problem, found.latents), prior)

    current, steps = start, 1
    found, value = judge(current, None)
    objective, longest = [value], LARGEST_STEP
    while steps < max_iterations:
        first = improve(current, found)
        after, value = judge(first, found)
        steps += 1
        if notify is not None:
            notify(steps, value)
        if value < objective[-1]:  # rounding: the bound settles to a tolerance only
            return Climb(current, objective, True, found)
        objective.append(value)
        if objective[-1] - objective[-2] < tolerance:
            return Climb(first, objective, True, after)
        if steps + 1 >= max_iterations:
            return Climb(first, objective, False, after)
        second = improve(first, after)
        trial, length = extrapolated(current, first, second, longest)
        reached, value = judge(trial, after)
        steps += 1
        if value >= objective[-1]:
            current, found = trial, reached
            longest = LARGEST_STEP * longest if length == longest else longest
        else:
            longest = max(longest / LARGEST_STEP, 1.0)
            current, (found, value) = second, judge(second, after)
            steps += 1
            if value < objective[-1]:
                return Climb(first, objective, True, after)
        objective.append(value)
    return Climb(current, objective, False, found)


def flat(parameters: Parameters) -> np.ndarray:
    """All parameters as one vector, covariances by their logarithm."""
    logs = parameters._replace(
        noise=_log(parameters.noise), initial_covariance=_log(parameters.initial_covariance)
    )
    return np.concatenate([array.ravel() for array in logs])


def from_flat(vector: np.ndarray, like: Parameters) -> Parameters:
    """Inverse of `flat`."""
    ends = np.cumsum([array.size for array in like])[:-1]
    parts = [part.reshape(array.shape) for part, array in zip(np.split(vector, ends), like, strict=True)]
    found = Parameters(*parts)
    return found._replace(noise=_exp(found.noise), initial_covariance=_exp(found.initial_covariance))


def _log(matrix: np.ndarray) -> np.ndarray:
    values, vectors = scipy.linalg.eigh(matrix)
    return (vectors * np.log(np.maximum(values, 1e-12))) @ vectors.T


def _exp(matrix: np.ndarray) -> np.ndarray:
    values, vectors = scipy.linalg.eigh(0.5 * (matrix + matrix.T))
    return (vectors * np.exp(np.clip(values, -27, 27))) @ vectors.T


def extrapolated(
    start: Parameters, first: Parameters, second: Parameters, longest: float
) -> tuple[Parameters, float]:
    """Where two successive steps lead to, and the length of that step."""
    points = [flat(one) for one in (start, first, second)]
    step = points[1] - points[0]
    bend = points[2] - points[1] - step
    length = float(np.linalg.norm(step) / max(np.linalg.norm(bend), 1e-300))
    length = min(max(length, 1.0), longest)
    return from_flat(points[0] + 2 * length * step + length**2 * bend, second), length
