"""scipy's L-BFGS on one unit after the other, analytic gradient, double precision; the design is built once."""

import clock
import numpy as np
from scipy.optimize import minimize

GRADIENT = 1e-5


def lagged(values, kernels):
    """Past values through every basis function, zero before the first bin, ``(time, unit x function)``."""
    found = np.zeros((*values.shape, kernels.shape[1]))
    for lag, row in enumerate(kernels, start=1):
        found[lag:] += values[:-lag, :, None] * row
    return found.reshape(len(values), -1)


def objective(parameters, features, counts, ridge):
    """Mean negative log-likelihood with half the ridge times the squared weights, and its gradient; bias last."""
    weight, n_time = parameters[:-1], len(counts)
    drive = features @ weight + parameters[-1]
    small = np.exp(-np.abs(drive))
    rate = np.log1p(small) + np.maximum(drive, 0)
    slope = (1 - counts / rate) * (np.where(drive > 0, 1.0, small) / (1 + small))
    value = (rate.sum() - counts @ np.log(rate)) / n_time + 0.5 * ridge * (weight @ weight)
    gradient = np.empty_like(parameters)
    gradient[:-1] = slope @ features / n_time + ridge * weight
    gradient[-1] = slope.mean()
    return value, gradient


def prepare(problem, iterations, options):
    """Arrays in double precision, and a fit to convergence."""
    del iterations, options
    values = problem["values"].astype(np.float64)
    kernels, ridge = problem["start_kernels"].astype(np.float64), float(problem["start_ridge"])
    n_units, last = values.shape[1], {}

    def fit():
        features = lagged(values, kernels)
        found = []
        for unit in range(n_units):
            counts = np.ascontiguousarray(values[:, unit])
            start = np.zeros(features.shape[1] + 1)
            start[-1] = np.log(np.expm1(counts.mean()))
            found.append(
                minimize(
                    objective,
                    start,
                    (features, counts, ridge),
                    method="L-BFGS-B",
                    jac=True,
                    options={"gtol": GRADIENT, "ftol": 0.0, "maxiter": 1000},
                )
            )
        last["found"] = found
        learnt = np.stack([one.x for one in found])
        return {"weight": learnt[:, :-1].reshape(n_units, n_units, -1), "bias": learnt[:, -1]}

    def about():
        found = last["found"]
        return {
            "converged": bool(all(one.success for one in found)),
            "steps": int(sum(one.nit for one in found)),
            "passes": int(sum(one.nfev for one in found)),
        }

    return {"fit": fit, "about": about}


if __name__ == "__main__":
    clock.run(prepare)
