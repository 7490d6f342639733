r"""Kalman filtering and smoothing of many sequences whose observations are given as Gaussian sites.

A site is what a bin's observations say of its latent: :math:`\exp(h_t^T z_t - \tfrac12 z_t^T W_t z_t)`. Nothing is
divided by the covariance of the noise, so directions in which there is none do no harm.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurodyn.inference.linear_dynamics.small import cholesky, inverse, product, symmetric, transpose


class Dynamics(NamedTuple):
    r""":math:`z_1 \sim N(m_0, Q_0)`, :math:`z_t = A z_{t-1} + u_t + \epsilon_t`, :math:`\epsilon_t \sim N(0, Q)`.

    Attributes
    ----------
    transition : (D, D)
        A.
    drive : (T, D)
        u; its first row has no effect.
    noise : (D, D)
        Q.
    initial_mean : (D,)
        :math:`m_0`.
    initial_covariance : (D, D)
        :math:`Q_0`.
    """

    transition: Float[Array, "latent latent"]
    drive: Float[Array, "time latent"]
    noise: Float[Array, "latent latent"]
    initial_mean: Float[Array, " latent"]
    initial_covariance: Float[Array, "latent latent"]


class Sites(NamedTuple):
    """Linear part h ``(time, trial, latent)`` and precision W ``(time, trial, latent, latent)``."""

    linear: Float[Array, "time trial latent"]
    precision: Float[Array, "time trial latent latent"]


class Gaussians(NamedTuple):
    """Means ``(..., latent)`` and covariances ``(..., latent, latent)``."""

    mean: Float[Array, "*batch latent"]
    covariance: Float[Array, "*batch latent latent"]


class Smoothed(NamedTuple):
    """Posterior of the latents.

    Attributes
    ----------
    mean, covariance
        ``(time, trial, latent)`` and ``(time, trial, latent, latent)``.
    log_evidence : (trial,)
        Log of the integral of prior times sites.
    lagged : (time, trial, latent, latent)
        Covariance of the latents of a bin and the next; the last is zero.
    """

    mean: Float[Array, "time trial latent"]
    covariance: Float[Array, "time trial latent latent"]
    log_evidence: Float[Array, " trial"]
    lagged: Float[Array, "time trial latent latent"]


def updated(
    prior: Gaussians, linear: Float[Array, "trial latent"], precision: Float[Array, "trial latent latent"]
) -> tuple[Gaussians, Float[Array, " trial"]]:
    r"""Prior times site, and the log of its integral.

    .. math:: P_f = L (I + L^T W L)^{-1} L^T, \quad P = L L^T, \qquad m_f = m + P_f (h - W m)

    Parameters
    ----------
    prior : Gaussians
        ``(trial, latent)``.
    linear, precision : Array
        The site.

    Returns
    -------
    posterior : Gaussians
        ``(trial, latent)``.
    log_evidence : (trial,)
        Log of the integral.
    """
    mean, covariance = prior
    factor = cholesky(covariance)
    inside = symmetric(transpose(factor) @ (precision @ factor)) + jnp.eye(mean.shape[-1], dtype=mean.dtype)
    shrunk, log_determinant = inverse(inside)
    after = symmetric(factor @ shrunk @ transpose(factor))
    pulled = product(precision, mean)
    residual = linear - pulled
    move = product(after, residual)
    evidence = (
        ((linear - 0.5 * pulled) * mean).sum(-1) + 0.5 * (residual * move).sum(-1) - 0.5 * log_determinant
    )
    return Gaussians(mean + move, after), evidence


def advanced(dynamics: Dynamics, now: Gaussians, drive: Float[Array, " latent"]) -> Gaussians:
    """One step ahead without observations."""
    a = dynamics.transition
    return Gaussians(now.mean @ a.T + drive, symmetric(a @ now.covariance @ a.T) + dynamics.noise)


def start(dynamics: Dynamics, n_trials: int) -> Gaussians:
    """The initial distribution of every trial."""
    mean, covariance = dynamics.initial_mean, dynamics.initial_covariance
    return Gaussians(
        jnp.broadcast_to(mean, (n_trials, *mean.shape)),
        jnp.broadcast_to(covariance, (n_trials, *covariance.shape)),
    )


def drives_after(dynamics: Dynamics) -> Float[Array, "time latent"]:
    """The drive of the bin after every bin; zero after the last."""
    return jnp.concatenate([dynamics.drive[1:], jnp.zeros_like(dynamics.drive[:1])])


def smooth(dynamics: Dynamics, sites: Sites) -> Smoothed:
    r"""Posterior given all sites.

    The backward pass carries what later sites say as :math:`\rho` and R: :math:`m_s = m + P \rho`,
    :math:`V = P - P R P` (Bryson & Frazier), which needs no inverse.

    Parameters
    ----------
    dynamics : Dynamics
        The prior.
    sites : Sites
        What the observations say.

    Returns
    -------
    Smoothed
        Means, covariances, evidence.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> one = jnp.ones((1, 1))
    >>> prior = Dynamics(one, jnp.zeros((2, 1)), 0 * one, jnp.zeros(1), one)
    >>> sites = Sites(jnp.ones((2, 1, 1)), jnp.ones((2, 1, 1, 1)))
    >>> [round(float(mean), 4) for mean in smooth(prior, sites).mean.ravel()]
    [0.6667, 0.6667]
    """
    _, n_trials, n_latents = sites.linear.shape
    dtype, a = sites.linear.dtype, dynamics.transition

    def forward(carry: tuple[Gaussians, Array], inputs: tuple) -> tuple:
        prior, evidence = carry
        linear, precision, drive = inputs
        after, more = updated(prior, linear, precision)
        return (advanced(dynamics, after, drive), evidence + more), (prior, after)

    begin = (start(dynamics, n_trials), jnp.zeros(n_trials, dtype))
    (_, evidence), (prior, after) = jax.lax.scan(forward, begin, (*sites, drives_after(dynamics)))

    def backward(carry: tuple[Array, Array], inputs: tuple) -> tuple:
        vector, matrix = carry  # what the bins after this one say
        linear, precision, predicted, filtered = inputs
        mean = filtered.mean + product(filtered.covariance, vector)
        covariance = symmetric(filtered.covariance - filtered.covariance @ matrix @ filtered.covariance)
        keep = jnp.eye(n_latents, dtype=dtype) - filtered.covariance @ precision
        pulled = linear - product(precision, predicted.mean) + vector
        said = product(transpose(keep), pulled)
        information = symmetric(transpose(keep) @ (precision + matrix @ keep))
        return (said @ a, symmetric(a.T @ information @ a)), (mean, covariance, information)

    nothing = jnp.zeros((n_trials, n_latents), dtype), jnp.zeros((n_trials, n_latents, n_latents), dtype)
    _, (mean, covariance, information) = jax.lax.scan(backward, nothing, (*sites, prior, after), reverse=True)
    ahead = jnp.eye(n_latents, dtype=dtype) - information[1:] @ prior.covariance[1:]
    lagged = (after.covariance[:-1] @ a.T) @ ahead
    return Smoothed(mean, covariance, evidence, jnp.concatenate([lagged, jnp.zeros_like(covariance[:1])]))
