"""One scorer for every contestant's parameters, in double precision, independent of all of them."""

from collections.abc import Mapping

import numpy as np
import scipy.linalg
from scipy.special import gammaln

CHUNK = 50_000


def emission_log_density(parameters: Mapping[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    """Log-density of every sample under every state, ``(time, state)``.

    Parameters
    ----------
    parameters : mapping
        ``rate`` (state, unit), or ``mean`` (state, unit) and ``covariance`` (state, unit, unit).
    values : np.ndarray
        Complete samples, ``(time, unit)``.

    Returns
    -------
    np.ndarray
        In nats.
    """
    values = np.asarray(values, np.float64)
    if "rate" in parameters:
        rate = np.maximum(np.asarray(parameters["rate"], np.float64), 1e-300)
        return values @ np.log(rate).T - rate.sum(axis=1) - gammaln(values + 1).sum(axis=1)[:, None]
    mean = np.asarray(parameters["mean"], np.float64)
    covariance = np.asarray(parameters["covariance"], np.float64)
    result = np.empty((len(values), len(mean)))
    for k in range(len(mean)):
        root = np.linalg.cholesky(covariance[k])
        white = scipy.linalg.solve_triangular(root, (values - mean[k]).T, lower=True)
        constant = 2 * np.log(np.diag(root)).sum() + mean.shape[1] * np.log(2 * np.pi)
        result[:, k] = -0.5 * ((white**2).sum(axis=0) + constant)
    return result


def log_likelihood_per_sample(
    parameters: Mapping[str, np.ndarray], values: np.ndarray, *, uniform_start: bool
) -> float:
    """Log-likelihood per sample by the scaled forward recursion.

    Parameters
    ----------
    parameters : mapping
        ``initial``, ``transition`` and the emission's arrays.
    values : np.ndarray
        Complete samples, ``(time, unit)``.
    uniform_start : bool
        Begin from equally probable states: the initial distribution learnt from one sequence is one-hot and
        says nothing about another.

    Returns
    -------
    float
        Nats per sample; NaN where the parameters are unusable.
    """
    if not all(np.isfinite(np.asarray(array)).all() for array in parameters.values()):
        return float("nan")
    transition = np.asarray(parameters["transition"], np.float64)
    transition = transition / transition.sum(axis=1, keepdims=True)
    n_states = len(transition)
    initial = np.asarray(parameters["initial"], np.float64)
    belief = np.full(n_states, 1 / n_states) if uniform_start else initial / initial.sum()
    total = 0.0
    try:
        for begin in range(0, len(values), CHUNK):
            table = emission_log_density(parameters, values[begin : begin + CHUNK])
            highest = table.max(axis=1, keepdims=True)
            norms = np.empty(len(table))
            for t, likelihood in enumerate(np.exp(table - highest)):
                belief = belief * likelihood
                norms[t] = belief.sum()
                belief = (belief / norms[t]) @ transition
            total += float(np.log(norms).sum() + highest.sum())
    except np.linalg.LinAlgError:
        return float("nan")
    return total / len(values)
