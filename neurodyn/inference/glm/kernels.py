"""The shape of the history, learnt: one kernel that all pairs of units share."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.glm.design import Design, Weights, rows_of
from neurodyn.inference.glm.families import Family
from neurodyn.inference.glm.passes import linear_predictor

DAMPING = 1e-6


@light_jit(static_argnames=("family",))
def kernel_slopes(
    weights: Weights, scale: Array, design: Design, posterior: Float[Array, "time state"], *, family: Family
) -> tuple[Float[Array, " lag"], Float[Array, "lag lag"]]:
    r"""Gradient and curvature of the expected log-likelihood in the values of a kernel with one function.

    .. math:: \partial u_{tsn} / \partial \phi_k = \sum_m w_{s,n \leftarrow m} x_{t-k,m}

    Parameters
    ----------
    weights, scale, design, posterior, family
        As in `neurodyn.inference.glm.passes.evaluate`; the design's coupling has one function.

    Returns
    -------
    (K,) and (K, K)
        Summed over bins, states and units.
    """
    n_lags, n_units = design.kernel.shape[0], design.targets.shape[1]
    n_states = posterior.shape[1]
    coupling = weights.shared[:n_units].reshape(n_units, n_states * n_units)
    padding = design.regressors.shape[0] - design.targets.shape[0]

    def one(carry: tuple[Array, Array], index: Array) -> tuple[tuple[Array, Array], None]:
        rows = rows_of(design, index)
        chance = jax.lax.dynamic_slice_in_dim(posterior, index * design.chunk, design.chunk)
        since = jax.lax.dynamic_slice_in_dim(design.since, index * design.chunk, design.chunk)
        eta = linear_predictor(weights, rows)
        _, score, curvature = family.derivatives(eta, rows.targets[:, None], scale)
        known = rows.seen[:, None, None] if rows.mask is None else rows.mask[:, None, :]
        weight = jnp.where(known, chance[:, :, None], 0)
        score, curvature = (score * weight).reshape(-1), (curvature * weight).reshape(-1)

        def effect(lag: Array) -> Array:
            first = index * design.chunk + padding - 1 - lag
            past = jax.lax.dynamic_slice_in_dim(design.regressors, first, design.chunk)
            return (jnp.where((since > lag)[:, None], past, 0) @ coupling).reshape(-1)

        table = jax.lax.map(effect, jnp.arange(n_lags))
        gradient, bend = carry
        return (gradient + table @ score, bend + (table * curvature) @ table.T), None

    start = (jnp.zeros(n_lags, scale.dtype), jnp.zeros((n_lags, n_lags), scale.dtype))
    return jax.lax.scan(one, start, jnp.arange(design.n_chunks))[0]


def kernel_step(
    kernel: Float[np.ndarray, "lag one"],
    weights: Weights,
    scale: Array,
    design: Design,
    posterior: Array,
    family: Family,
    length: float = 1.0,
) -> tuple[np.ndarray, Weights]:
    """A Newton step on the kernel, which is then brought to sum 1, the coupling weights taking over its size.

    Parameters
    ----------
    kernel : ndarray, (K, 1)
        The kernel of the design.
    weights, scale, design, posterior, family
        As in `kernel_slopes`.
    length : float
        Part of the Newton step.

    Returns
    -------
    ndarray, (K, 1)
        The new kernel.
    Weights
        The weights that belong to it.
    """
    gradient, bend = kernel_slopes(weights, scale, design, posterior, family=family)
    gradient, bend = np.asarray(gradient, float), np.asarray(bend, float)
    level = DAMPING * max(float(np.trace(bend)) / len(bend), 1e-12)
    moved = kernel[:, 0] + length * np.linalg.solve(bend + level * np.eye(len(bend)), gradient)
    size = moved.sum() if abs(moved.sum()) > 0.1 * np.abs(moved).sum() else np.abs(moved).sum()
    n_units = design.targets.shape[1]
    shared = weights.shared.at[:n_units].multiply(jnp.asarray(size, weights.shared.dtype))
    return (moved / size)[:, None], Weights(shared, weights.own)
