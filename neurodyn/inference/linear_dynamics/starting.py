"""Where the climb begins: factor analysis of smoothed log counts, and a regression of each bin on the last."""

import numpy as np
from jaxtyping import Bool, Float

from neurodyn.inference import factor_analysis as fa
from neurodyn.inference.linear_dynamics.parameters import Parameters
from neurodyn.inference.population.smoothing import smoothed

WIDTH = 3.0  # bins
ROWS = 50_000
LEAST_NOISE = 0.02
LARGEST_RADIUS = 0.98


def first_parameters(
    values: Float[np.ndarray, "trial time unit"],
    observed: Bool[np.ndarray, "trial time unit"],
    n_latents: int,
    n_functions: int,
) -> Parameters:
    """Parameters to begin with; latents have about unit variance.

    Parameters
    ----------
    values, observed : numpy.ndarray
        Counts and which of them were observed.
    n_latents : int
        D.
    n_functions : int
        K, functions of time that drive the latents; their weights are zero.

    Returns
    -------
    Parameters
        The same for the same data, whatever the order of the units.
    """
    n_trials, n_time, _ = values.shape
    wanted = max(1, ROWS // n_time)
    if n_trials > wanted:
        some = np.linspace(0, n_trials - 1, wanted).round().astype(int)
        values, observed = values[some], observed[some]
    count = np.maximum(observed.sum((0, 1)), 1)
    mean = np.where(observed, values, 0).sum((0, 1), dtype=np.float64) / count
    seen = observed.any((0, 1))
    latent, loadings = _factors(values[..., seen], observed[..., seen], mean[seen], count[seen], n_latents)
    rank = latent.shape[2]
    before, after = (part.reshape(-1, rank) for part in (latent[:, :-1], latent[:, 1:]))
    transition = np.linalg.solve(before.T @ before + np.eye(rank), before.T @ after).T
    transition *= min(1.0, LARGEST_RADIUS / max(np.abs(np.linalg.eigvals(transition)).max(initial=0), 1e-9))
    rest = np.eye(rank) - transition @ transition.T
    size, vectors = np.linalg.eigh(0.5 * (rest + rest.T))
    weight = np.zeros((len(mean), n_latents))
    weight[seen, :rank] = loadings
    first = latent[:, 0]
    spread = np.cov(first.T).reshape(rank, rank) if len(first) > 1 else np.zeros((rank, rank))
    whole = np.eye(n_latents)
    noise, initial, matrix = LEAST_NOISE * whole, whole.copy(), 0.9 * whole
    noise[:rank, :rank] = (vectors * np.maximum(size, LEAST_NOISE)) @ vectors.T
    initial[:rank, :rank] = spread + 0.1 * np.eye(rank)
    matrix[:rank, :rank] = transition
    return Parameters(
        transition=matrix,
        drive=np.zeros((n_latents, n_functions)),
        noise=noise,
        initial_mean=np.pad(first.mean(0), (0, n_latents - rank)),
        initial_covariance=initial,
        weight=weight,
        offset=np.log(np.maximum(mean, 0.1 / count)) - 0.5 * np.square(weight).sum(1),
    )


def _factors(
    values: np.ndarray, observed: np.ndarray, mean: np.ndarray, count: np.ndarray, n_latents: int
) -> tuple[np.ndarray, np.ndarray]:
    """Factors of smoothed log counts ``(trial, time, factor)`` and their loadings ``(unit, factor)``."""
    n_units = values.shape[2]
    deviation = smoothed(values.astype(np.float64), observed, mean, WIDTH, "both")
    logs = np.log(np.maximum(mean + deviation, 0) + 0.1 * mean + 0.1 / count)
    rows, mask = logs.reshape(-1, n_units), observed.reshape(-1, n_units)
    learnt, _, _ = fa.fit(rows, mask, min(n_latents, max(n_units - 1, 1)), max_iterations=60, tolerance=1e-4)
    latent = fa.posterior(learnt, fa.group_rows(rows, mask)).mean
    return latent.reshape(*values.shape[:2], -1), learnt.loadings
