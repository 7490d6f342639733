"""How well states, couplings and connectome were found: pure functions of arrays."""

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import expit
from scipy.stats import rankdata

# A coupling of the Gaussian fit counts as present above so many standard errors.
STANDARD_ERRORS = 3.0


def match_states(true: np.ndarray, found: np.ndarray, n_states: int) -> tuple[np.ndarray, float]:
    """The found state of every true one (Hungarian matching), and the share of bins on which the paths then agree."""
    counts = np.zeros((n_states, n_states))
    np.add.at(counts, (true.ravel(), found.ravel()), 1)
    rows, order = linear_sum_assignment(-counts)
    return order, float(counts[rows, order].sum() / counts.sum())


def area_under_curve(score: np.ndarray, label: np.ndarray) -> float:
    """Chance that a pair with the label scores above one without, ties counting half; NaN where either is lacking."""
    score, label = np.asarray(score, float).ravel(), np.asarray(label, bool).ravel()
    positive = int(label.sum())
    negative = len(label) - positive
    if not positive or not negative:
        return float("nan")
    return float((rankdata(score)[label].sum() - positive * (positive + 1) / 2) / (positive * negative))


def signs(weights: np.ndarray, present: np.ndarray) -> dict[str, float]:
    """Share of couplings with the right sign or absence, of present ones found so, and of absent ones found present."""
    found = np.sign(weights)
    right, there = found == present, present != 0
    return {
        "sign": float(right.mean()),
        "recall": float(right[there].mean()),
        "false": float((found != 0)[~there].mean()),
    }


def connectome_areas(connectome: np.ndarray, truth: np.ndarray, present: np.ndarray) -> dict[str, float]:
    """Areas under the curve of a connectome ``(target, source, {inhibitory, none, excitatory})``.

    Present in at least one state; a true probability of presence above a half, beside what the share of states with
    the true link reaches; and excitation against inhibition among links present in some state.
    """
    presence, chance = 1 - connectome[..., 1], 1 - truth[..., 1]
    some = (present != 0).any(axis=0)
    balance = connectome[..., 2] - connectome[..., 0]
    return {
        "present": area_under_curve(presence, some),
        "likely": area_under_curve(presence, chance > 0.5),
        "likely_oracle": area_under_curve((present != 0).mean(axis=0), chance > 0.5),
        "excitatory": area_under_curve(balance[some], (present.sum(axis=0) > 0)[some]),
    }


def history_of(recording: Any, kernel: np.ndarray) -> np.ndarray:
    """Counts of the bins before, weighed by the kernel, ``(bin, unit)`` of all trials end to end."""
    values = np.asarray(recording["activity"].values, np.float64)
    values = values if values.ndim == 3 else values[None]
    past = np.zeros(values.shape)
    for lag, weight in enumerate(kernel, start=1):
        past[:, lag:] += weight * values[:, :-lag]
    return past.reshape(-1, values.shape[2])


def standard_errors(fit: Any, recording: Any) -> np.ndarray:
    """Standard errors of couplings of one basis function, softplus link, ``(state, target, source)``.

    From the Fisher information at the fit, bins weighed by the state probabilities of `infer`, the fit's own Gaussian
    prior not counted.
    """
    data = fit.parameters
    past = history_of(recording, data["kernel"].values[:, 0])
    table = np.concatenate([past, np.ones((len(past), 1))], axis=1).astype(np.float32)
    chance = fit.infer(recording)["state_probability"].values.reshape(len(past), -1)
    weights, bias = data["weight"].values[..., 0], data["bias"].values
    found = np.empty(weights.shape)
    for state in range(len(weights)):
        drive = past @ weights[state].T + bias[state]
        slope = expit(drive)
        information = (slope**2 / np.maximum(np.logaddexp(0, drive), 1e-12)) * chance[:, state, None]
        for unit in range(weights.shape[1]):
            rows = table * np.sqrt(information[:, unit, None]).astype(np.float32)
            matrix = (rows.T @ rows).astype(np.float64)
            inverse = np.linalg.inv(matrix + 1e-6 * np.eye(len(matrix)))
            found[state, unit] = np.sqrt(np.diagonal(inverse)[:-1])
    return found


def thresholded(fit: Any, recording: Any) -> np.ndarray:
    """The fit's couplings ``(state, target, source)``, zero below three standard errors."""
    weights = fit.parameters["weight"].values[..., 0]
    return np.where(np.abs(weights) > STANDARD_ERRORS * standard_errors(fit, recording), weights, 0)
