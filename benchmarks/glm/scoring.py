"""One scorer for every contestant's parameters, in double precision, independent of all of them."""

from collections.abc import Mapping

import numpy as np

CONVERGED = 1e-4
Arrays = Mapping[str, np.ndarray]


def lagged(values: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Past values through every basis function, zero before the first bin.

    Parameters
    ----------
    values : np.ndarray
        ``(time, unit)``.
    kernels : np.ndarray
        ``(lag, function)``; row 0 weighs the value one bin ago.

    Returns
    -------
    np.ndarray
        ``(time, unit x function)``, a unit's functions side by side.
    """
    n_time, n_units = values.shape
    found = np.zeros((n_time, n_units, kernels.shape[1]))
    for lag, row in enumerate(kernels, start=1):
        found[lag:] += values[:-lag, :, None] * row
    return found.reshape(n_time, -1)


def coupling_scores(parameters: Arrays, data: Arrays) -> dict[str, float]:
    """Held-out bits per spike, the common objective and its gradient.

    The objective of a unit is the mean over training bins of the Poisson negative log-likelihood without what
    depends on the data alone, plus half the ridge times its squared weights; the bias is free.

    Parameters
    ----------
    parameters : mapping
        ``weight`` (target, source, function) and ``bias`` (unit).
    data : mapping
        The arrays of `problems.write_coupling`.

    Returns
    -------
    dict
        ``held-out`` bits/spike over the test bins' own mean rates, ``held-out, training rates`` over those of the
        training bins, ``objective`` summed over units, ``gradient`` its largest absolute entry, ``gradient norm``.
    """
    bias = np.asarray(parameters["bias"], np.float64)
    weight = np.asarray(parameters["weight"], np.float64).reshape(len(bias), -1).T
    training, test = (np.asarray(data[name], np.float64) for name in ("values", "fresh"))
    features = lagged(np.concatenate([training, test]), np.asarray(data["start_kernels"], np.float64))
    ridge, n_time = float(data["start_ridge"]), len(training)
    drive = features @ weight + bias
    rate = np.logaddexp(0, drive)
    objective = (rate - count_terms(np.concatenate([training, test]), rate))[:n_time].mean(axis=0)
    objective = objective + 0.5 * ridge * (weight**2).sum(axis=0)
    slope = (1 - training / rate[:n_time]) / (1 + np.exp(-drive[:n_time]))
    gradient = np.concatenate(
        [features[:n_time].T @ slope / n_time + ridge * weight, slope.mean(axis=0)[None]]
    )
    return {
        "held-out": bits_per_spike(rate[n_time:], test, test.mean(axis=0)),
        "held-out, training rates": bits_per_spike(rate[n_time:], test, training.mean(axis=0)),
        "objective": float(objective.sum()),
        "gradient": float(np.abs(gradient).max()),
        "gradient norm": float(np.linalg.norm(gradient)),
    }


def count_terms(counts: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Count times log rate, 0 where nothing was counted."""
    return np.where(counts > 0, counts * np.log(np.maximum(rate, 1e-300)), 0.0)


def bits_per_spike(rate: np.ndarray, counts: np.ndarray, null: np.ndarray) -> float:
    """Log-likelihood above that of constant rates, in bits per spike of all units together."""
    null = np.maximum(null, 1e-300)
    above = count_terms(counts, rate) - rate - (count_terms(counts, np.broadcast_to(null, rate.shape)) - null)
    return float(above.sum() / counts.sum() / np.log(2))


def choice_scores(parameters: Arrays, data: Arrays) -> dict[str, float]:
    """Log-likelihood in nats per trial of the training choices and of the fresh ones.

    Parameters
    ----------
    parameters : mapping
        ``initial``, ``transition``, ``bias`` (state) and ``weight`` (state, input).
    data : mapping
        The arrays of `problems.write_choice`.

    Returns
    -------
    dict
        ``training``, and ``held-out``, which begins from equally probable states.
    """
    uniform = np.full(len(parameters["bias"]), 1.0)
    return {
        "training": choice_likelihood(
            parameters, data["values"], data["start_inputs"], parameters["initial"]
        ),
        "held-out": choice_likelihood(parameters, data["fresh"], data["fresh_inputs"], uniform),
    }


def choice_likelihood(
    parameters: Arrays, choices: np.ndarray, inputs: np.ndarray, initial: np.ndarray
) -> float:
    """Nats per trial by the scaled forward recursion; NaN where the parameters are unusable."""
    bias, weight, transition, belief = (
        np.asarray(array, np.float64)
        for array in (parameters["bias"], parameters["weight"], parameters["transition"], initial)
    )
    if not all(np.isfinite(array).all() for array in (bias, weight, transition, belief)):
        return float("nan")
    transition, belief = transition / transition.sum(axis=1, keepdims=True), belief / belief.sum()
    drive = np.asarray(inputs, np.float64) @ weight.T + bias
    likelihood = np.exp(-np.logaddexp(0, np.where(choices > 0, -drive, drive)))
    norms = np.empty(len(likelihood))
    for t, row in enumerate(likelihood):
        belief = belief * row
        norms[t] = belief.sum()
        belief = (belief / norms[t]) @ transition
    return float(np.log(norms).mean())
