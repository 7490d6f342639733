"""Sums over trials that the maximisation needs: moments of the latents, and slopes of the loadings."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurodyn.inference.linear_dynamics.poisson import LARGEST_LOG_RATE, Counts, Loadings
from neurodyn.inference.linear_dynamics.smoother import Gaussians, Smoothed


class Moments(NamedTuple):
    r"""Expected sums over the transitions into bins that count.

    Attributes
    ----------
    n_first, n_transitions : scalar
        Trials and transitions.
    first, first_square : (D,), (D, D)
        Of :math:`z_1` and :math:`z_1 z_1^T`.
    before, after, across : (D, D)
        Of :math:`z_{t-1} z_{t-1}^T`, :math:`z_t z_t^T` and :math:`z_t z_{t-1}^T`.
    before_basis, after_basis : (D, K)
        Of :math:`z_{t-1} \phi_t^T` and :math:`z_t \phi_t^T`.
    basis : (K, K)
        Of :math:`\phi_t \phi_t^T`.
    """

    n_first: Float[Array, ""]
    n_transitions: Float[Array, ""]
    first: Float[Array, " latent"]
    first_square: Float[Array, "latent latent"]
    before: Float[Array, "latent latent"]
    after: Float[Array, "latent latent"]
    across: Float[Array, "latent latent"]
    before_basis: Float[Array, "latent function"]
    after_basis: Float[Array, "latent function"]
    basis: Float[Array, "function function"]


class LoadingSlopes(NamedTuple):
    """Expected log-likelihood ``(unit,)``, its gradient ``(unit, latent + 1)`` and negative Hessian."""

    value: Float[Array, " unit"]
    gradient: Float[Array, "unit weight"]
    curvature: Float[Array, "unit weight weight"]


def moments(
    smoothed: Smoothed, basis: Float[Array, "time function"], valid: Float[Array, "time trial"]
) -> Moments:
    """Sums over trials and bins.

    Parameters
    ----------
    smoothed : Smoothed
        The posterior.
    basis : (T, K)
        Functions of time that drive the latents.
    valid : (T, B)
        1 for the bins of a trial, 0 beyond its end and for padding.

    Returns
    -------
    Moments
        The sums.
    """
    mean, covariance = smoothed.mean, smoothed.covariance
    into = valid[1:]

    def square(weight: Array, rows: slice) -> Array:
        spread = (weight[..., None, None] * covariance[rows]).sum((0, 1))
        return spread + jnp.einsum("tb,tbi,tbj->ij", weight, mean[rows], mean[rows])

    lag = (into[..., None, None] * smoothed.lagged[:-1]).sum((0, 1))
    across = lag.T + jnp.einsum("tb,tbi,tbj->ij", into, mean[1:], mean[:-1])
    return Moments(
        n_first=valid[0].sum(),
        n_transitions=into.sum(),
        first=valid[0] @ mean[0],
        first_square=square(valid[:1], slice(0, 1)),
        before=square(into, slice(0, -1)),
        after=square(into, slice(1, None)),
        across=across,
        before_basis=jnp.einsum("tb,tbi,tk->ik", into, mean[:-1], basis[1:]),
        after_basis=jnp.einsum("tb,tbi,tk->ik", into, mean[1:], basis[1:]),
        basis=jnp.einsum("tb,tk,tl->kl", into, basis[1:], basis[1:]),
    )


def loading_slopes(loadings: Loadings, latent: Gaussians, counts: Counts) -> LoadingSlopes:
    r"""Expected log-likelihood of every unit as a function of its weights and offset.

    .. math:: \sum_t x_t (c^T m_t + d) - e^{c^T m_t + d + c^T V_t c / 2}

    Parameters
    ----------
    loadings : Loadings
        Where.
    latent : Gaussians
        Posterior, ``(time, trial, latent)``.
    counts : Counts
        The data.

    Returns
    -------
    LoadingSlopes
        Summed over bins and trials.
    """
    n_units, n_latents = loadings.weight.shape
    n_trials, dtype = latent.mean.shape[1], latent.mean.dtype

    def add(total: LoadingSlopes, inputs: tuple) -> tuple[LoadingSlopes, None]:
        mean, covariance, values, observed = inputs
        spread = (covariance.reshape(n_trials * n_latents, n_latents) @ loadings.weight.T).reshape(
            n_trials, n_latents, n_units
        )
        eta = mean @ loadings.weight.T + loadings.offset
        variance = (spread * loadings.weight.T).sum(1)
        rate = jnp.exp(jnp.minimum(eta + 0.5 * variance, LARGEST_LOG_RATE)) * observed
        regressors = jnp.concatenate(
            [mean[:, :, None] + spread, jnp.ones((n_trials, 1, n_units), dtype)], axis=1
        )
        weighted = rate[:, None] * regressors
        pulled = jnp.concatenate([values.T @ mean, values.sum(0)[:, None]], axis=1)
        curvature = jnp.einsum("bin,bjn->nij", weighted, regressors)
        inside = (rate.T @ covariance.reshape(n_trials, -1)).reshape(n_units, n_latents, n_latents)
        found = LoadingSlopes(
            (values * eta - rate).sum(0),
            pulled - weighted.sum(0).T,
            curvature.at[:, :n_latents, :n_latents].add(inside),
        )
        return jax.tree.map(jnp.add, total, found), None

    zero = LoadingSlopes(
        jnp.zeros(n_units, dtype),
        jnp.zeros((n_units, n_latents + 1), dtype),
        jnp.zeros((n_units, n_latents + 1, n_latents + 1), dtype),
    )
    return jax.lax.scan(add, zero, (*latent, *counts))[0]
