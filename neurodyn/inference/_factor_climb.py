"""The way up the likelihood of factor analysis: steps of expectation and maximisation, some of them extrapolated."""

import numpy as np

from neurodyn.inference._factor_steps import Data, Expected, Factors, expect, maximise

LARGEST_STEP = 4.0


def climb(
    current: Factors,
    data: Data,
    *,
    isotropic: bool,
    least_noise: np.ndarray,
    max_iterations: int,
    tolerance: float,
) -> tuple[Factors, list[float], bool]:
    """Expectation-maximisation with every third iterate extrapolated.

    Parameters
    ----------
    current : Factors
        Where to start.
    data : Data
        Result of `prepare`.
    isotropic : bool
        One noise variance for all units.
    least_noise : numpy.ndarray
        Floor of the noise variances, ``(unit,)``.
    max_iterations : int
        Most expectation steps.
    tolerance : float
        Stop when a step raises the log-likelihood by less.

    Returns
    -------
    parameters : Factors
        The last iterate.
    objective : list of float
        Log-likelihood at each accepted iterate.
    converged : bool
        Whether the tolerance was met.
    """
    found, steps, longest = expect(current, data), 1, LARGEST_STEP
    objective = [found.log_likelihood]

    def improve(expected: Expected) -> Factors:
        return maximise(data, expected, isotropic=isotropic, least_noise=least_noise)

    while steps < max_iterations:
        first = improve(found)
        after, steps = expect(first, data), steps + 1
        objective.append(after.log_likelihood)
        if objective[-1] - objective[-2] < tolerance:
            return first, objective, True
        second = improve(after)
        if steps >= max_iterations:
            return second, objective, False
        trial, length = _extrapolate(current, first, second, longest, least_noise)
        with np.errstate(over="ignore", invalid="ignore"):
            found, steps = expect(trial, data), steps + 1
        if found.log_likelihood >= after.log_likelihood:
            current = trial
            longest = LARGEST_STEP * longest if length == longest else longest
        elif steps < max_iterations:
            current, longest = second, max(longest / LARGEST_STEP, 1.0)
            found, steps = expect(second, data), steps + 1
        else:
            return second, objective, False
        objective.append(found.log_likelihood)
    return improve(found), objective, False


def _extrapolate(
    start: Factors, first: Factors, second: Factors, longest: float, least_noise: np.ndarray
) -> tuple[Factors, float]:
    """Where two successive steps lead to, and the length of that step; the noise is extrapolated by its log."""
    points = [np.concatenate([p.mean, p.loadings.ravel(), np.log(p.noise)]) for p in (start, first, second)]
    step = points[1] - points[0]
    bend = points[2] - points[1] - step
    length = float(np.linalg.norm(step) / max(np.linalg.norm(bend), 1e-300))
    length = min(max(length, 1.0), longest)
    reached = points[0] + 2 * length * step + length**2 * bend
    n_units, shape = len(start.mean), start.loadings.shape
    noise = np.maximum(np.exp(np.clip(reached[-n_units:], -700, 700)), least_noise)
    return Factors(reached[:n_units], reached[n_units:-n_units].reshape(shape), noise), length
