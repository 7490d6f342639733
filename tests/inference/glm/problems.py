"""A small design with trials, and what it says in plain loops."""

import jax.numpy as jnp
import numpy as np

from neurodyn.inference.glm.design import Design, Weights, make_design

N_TIME, N_UNITS, N_STATES = 96, 3, 2
SINCE = np.concatenate([np.arange(30), np.arange(50), np.arange(16)])


def kernels() -> tuple[np.ndarray, np.ndarray]:
    kernel = np.array([[0.6, 0.1], [0.3, 0.2], [0.1, 0.7]])
    return kernel, np.array([[1.0], [0.5]])


def arrays(seed: int = 0, missing: float = 0.0):
    rng = np.random.default_rng(seed)
    values = rng.poisson(0.8, size=(N_TIME, N_UNITS)).astype(np.float64)
    mask = rng.uniform(size=values.shape) >= missing
    covariates = rng.normal(size=(N_TIME, 2))
    return values, mask, covariates


def design(
    seed: int = 0, missing: float = 0.0, *, keep: bool = True, dtype=np.float64, own: bool = True
) -> Design:
    values, mask, covariates = arrays(seed, missing)
    kernel, own_kernel = kernels()
    return make_design(
        values.astype(dtype),
        mask,
        values.astype(dtype),
        SINCE,
        covariates.astype(dtype),
        kernel,
        own_kernel if own else np.zeros((0, 0)),
        N_STATES,
        keep=keep,
    )


def weights(seed: int = 1, dtype=np.float64, own: bool = True) -> Weights:
    rng = np.random.default_rng(seed)
    n_features = 2 * N_UNITS + 2 + 1
    return Weights(
        jnp.asarray(0.3 * rng.normal(size=(n_features, N_STATES, N_UNITS)), dtype),
        jnp.asarray(0.3 * rng.normal(size=(int(own), N_STATES, N_UNITS)), dtype),
    )


def posterior(seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(N_STATES), size=N_TIME)


def features_in_loops() -> tuple[np.ndarray, np.ndarray]:
    """Shared features ``(time, feature)`` and own ones ``(time, unit)``, by the definition."""
    values, _, covariates = arrays()
    kernel, own_kernel = kernels()
    shared = np.zeros((N_TIME, 2 * N_UNITS))
    own = np.zeros((N_TIME, N_UNITS))
    for t in range(N_TIME):
        for lag in range(1, 4):
            if lag > SINCE[t]:
                continue
            for unit in range(N_UNITS):
                for function in range(2):
                    shared[t, function * N_UNITS + unit] += kernel[lag - 1, function] * values[t - lag, unit]
                if lag <= 2:
                    own[t, unit] += own_kernel[lag - 1, 0] * values[t - lag, unit]
    return np.concatenate([shared, covariates, np.ones((N_TIME, 1))], axis=1), own


def predictor_in_loops(found: Weights) -> np.ndarray:
    """u ``(time, state, unit)``."""
    shared, own = features_in_loops()
    eta = np.einsum("tf,fsn->tsn", shared, np.asarray(found.shared))
    return eta + own[:, None] * np.asarray(found.own)[0]
