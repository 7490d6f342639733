"""The likelihood by its definition: a sum over every path, with scipy's marginal densities."""

import itertools
from collections.abc import Mapping

import numpy as np
import scipy.stats


def emission_probabilities(case: Mapping[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    """p(observed entries of x_t | z_t = k), ``(time, state)``; 1 where a bin has none."""
    n_states = len(case["initial"])
    result = np.ones((len(values), n_states))
    for t, k in itertools.product(range(len(values)), range(n_states)):
        seen = np.isfinite(values[t])
        if not seen.any():
            continue
        if "rate" in case:
            result[t, k] = scipy.stats.poisson(case["rate"][k][seen]).pmf(values[t][seen]).prod()
        else:
            covariance = case["covariance"][k][np.ix_(seen, seen)]
            result[t, k] = scipy.stats.multivariate_normal(case["mean"][k][seen], covariance).pdf(
                values[t][seen]
            )
    return result


def all_paths(case: Mapping[str, np.ndarray], values: np.ndarray) -> tuple[float, np.ndarray]:
    """Log-likelihood and smoothed probabilities of one short sequence.

    Parameters
    ----------
    case : mapping
        ``initial``, ``transition`` and ``rate``, or ``mean`` and ``covariance``.
    values : np.ndarray
        ``(time, unit)``, at most 8 bins; NaN = not observed.

    Returns
    -------
    float
        log p of the observed entries, in nats.
    np.ndarray
        p(z_t = k | all observed entries), ``(time, state)``.
    """
    emitted = emission_probabilities(case, values)
    n_time, n_states = emitted.shape
    smoothed = np.zeros((n_time, n_states))
    total = 0.0
    for path in itertools.product(range(n_states), repeat=n_time):
        states = np.array(path)
        weight = case["initial"][states[0]] * emitted[np.arange(n_time), states].prod()
        weight *= case["transition"][states[:-1], states[1:]].prod()
        total += weight
        smoothed[np.arange(n_time), states] += weight
    return float(np.log(total)), smoothed / total
