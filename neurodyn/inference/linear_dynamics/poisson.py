r"""Poisson counts of a latent Gaussian: their sites, and the Gaussian posterior that bounds the evidence best.

.. math:: x_{tn} \sim \mathrm{Poisson}(e^{c_n^T z_t + d_n}), \qquad
    q(z) = p(z) \prod_t \exp(h_t^T z_t - \tfrac12 z_t^T W_t z_t) / Z

The best sites satisfy, with the expected rates :math:`r_{tn} = e^{c_n^T m_t + d_n + c_n^T V_t c_n / 2}` under q,

.. math:: W_t = \sum_n r_{tn} c_n c_n^T, \qquad h_t = \sum_n (x_{tn} - r_{tn}) c_n + W_t m_t

and one step towards them is a step of natural gradient.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from neurodyn.inference.linear_dynamics.smoother import Dynamics, Gaussians, Sites, Smoothed, smooth

LARGEST_LOG_RATE = 20.0
SLACK = 1e-6  # rounding of a bound, as a fraction
SHORTEST = 1e-3  # step of a trial that is given up


class Loadings(NamedTuple):
    """How log rates follow the latent: c ``(unit, latent)`` and d ``(unit,)``."""

    weight: Float[Array, "unit latent"]
    offset: Float[Array, " unit"]


class Counts(NamedTuple):
    """Counts (0 where not observed) and what was observed, both ``(time, trial, unit)`` of one floating type."""

    values: Float[Array, "time trial unit"]
    observed: Float[Array, "time trial unit"]


class Posterior(NamedTuple):
    """Variational posterior of every trial.

    Attributes
    ----------
    sites : Sites
        What stands for the counts.
    smoothed : Smoothed
        Moments of the latents.
    bound : (trial,)
        Lower bound on the log-probability of the observed counts, without the terms :math:`\\log x!`.
    """

    sites: Sites
    smoothed: Smoothed
    bound: Float[Array, " trial"]


def squares(weight: Float[Array, "unit latent"]) -> Float[Array, "unit latent_squared"]:
    """Products of every two weights of a unit, ``(unit, latent * latent)``."""
    return (weight[:, :, None] * weight[:, None, :]).reshape(weight.shape[0], -1)


def log_rates(
    loadings: Loadings, latent: Gaussians
) -> tuple[Float[Array, "*batch unit"], Float[Array, "*batch unit"]]:
    """Mean and variance of the log rates of a Gaussian latent, both ``(..., unit)``."""
    flat = latent.covariance.reshape(*latent.mean.shape[:-1], -1)
    return latent.mean @ loadings.weight.T + loadings.offset, flat @ squares(loadings.weight).T


def expected_rates(loadings: Loadings, latent: Gaussians) -> Float[Array, "*batch unit"]:
    """Expectation of the rates, ``(..., unit)``, in counts per bin."""
    mean, variance = log_rates(loadings, latent)
    return jnp.exp(jnp.minimum(mean + 0.5 * variance, LARGEST_LOG_RATE))


def best_sites(
    loadings: Loadings,
    latent: Gaussians,
    values: Float[Array, "*batch unit"],
    observed: Float[Array, "*batch unit"],
) -> tuple[Sites, Float[Array, "*batch"]]:
    """Sites that a posterior asks for, and the expected log-probability of its counts.

    Parameters
    ----------
    loadings : Loadings
        How log rates follow the latent.
    latent : Gaussians
        The posterior.
    values, observed : Array
        Counts (0 where not observed) and what was observed.

    Returns
    -------
    sites : Sites
        Of the shapes of the posterior.
    expected : Array
        :math:`\\sum_n x_n \\eta_n - r_n` over observed entries.
    """
    mean, variance = log_rates(loadings, latent)
    rate = jnp.exp(jnp.minimum(mean + 0.5 * variance, LARGEST_LOG_RATE)) * observed
    precision = (rate @ squares(loadings.weight)).reshape(latent.covariance.shape)
    pulled = (precision @ latent.mean[..., None])[..., 0]
    return Sites((values - rate) @ loadings.weight + pulled, precision), (values * mean - rate).sum(-1)


def first_sites(loadings: Loadings, counts: Counts, typical: Float[Array, " unit"]) -> Sites:
    """Sites to begin with: log rates at the log of counts drawn half-way to a typical rate.

    Parameters
    ----------
    loadings : Loadings
        How log rates follow the latent.
    counts : Counts
        The data.
    typical : (N,)
        A rate above 0 for every unit, in counts per bin.

    Returns
    -------
    Sites
        Those of one step of iterated weighted least squares.
    """
    guess = 0.5 * (counts.values + typical)
    weight = guess * counts.observed
    n_latents = loadings.weight.shape[1]
    precision = (weight @ squares(loadings.weight)).reshape(*weight.shape[:-1], n_latents, n_latents)
    aim = counts.values - weight + weight * (jnp.log(guess) - loadings.offset)
    return Sites((aim * counts.observed) @ loadings.weight, precision)


def bounded(dynamics: Dynamics, loadings: Loadings, counts: Counts, sites: Sites) -> tuple[Posterior, Sites]:
    """The posterior of some sites, its bound, and the sites that it asks for."""
    found = smooth(dynamics, sites)
    wanted, expected = best_sites(loadings, Gaussians(found.mean, found.covariance), *counts)
    square = found.covariance + found.mean[..., :, None] * found.mean[..., None, :]
    said = (sites.linear * found.mean).sum((0, 2)) - 0.5 * (sites.precision * square).sum((0, 2, 3))
    return Posterior(sites, found, expected.sum(0) + found.log_evidence - said), wanted


def of_trials(which: Shaped[Array, " trial"], like: Array) -> Array:
    """A number or truth of every trial on the axes of an array ``(time, trial, ...)`` or ``(trial,)``."""
    return which if like.ndim == 1 else which.reshape(1, -1, *(1,) * (like.ndim - 2))


def ascend(
    evaluate: Callable[[Sites], tuple[Posterior, Sites]],
    first: Sites,
    fallback: Sites,
    *,
    steps: int | Array,
    tolerance: float | Array,
) -> Posterior:
    """Step towards the sites that the posterior asks for; what lowers a trial's bound is taken back and shortened.

    Parameters
    ----------
    evaluate : callable
        The posterior of some sites, and the sites that it asks for.
    first : Sites
        Where to begin.
    fallback : Sites
        Where to begin if the bound of a trial is not finite there.
    steps : int
        Most evaluations.
    tolerance : float
        Stop when no trial's bound rises by more.

    Returns
    -------
    Posterior
        The best of every trial.
    """
    shapes = jax.eval_shape(evaluate, first)[0]
    current = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    current = current._replace(sites=first, bound=jnp.full_like(current.bound, -jnp.inf))
    n_trials, dtype = first.linear.shape[1], first.linear.dtype

    def going(state: tuple) -> Array:
        *_, settled, step = state
        return (step < steps) & ~settled.all()

    def advance(state: tuple) -> tuple:
        current, candidate, wanted, length, settled, step = state
        trial, asked = evaluate(candidate)
        slack = SLACK * jnp.abs(trial.bound)
        better = jnp.isfinite(trial.bound) & (trial.bound >= current.bound - slack)
        gain = jnp.where(better, trial.bound - current.bound, jnp.inf)

        def chosen(new: Array, old: Array) -> Array:
            return jnp.where(of_trials(better, new), new, old)

        current, wanted = jax.tree.map(chosen, trial, current), jax.tree.map(chosen, asked, wanted)
        length = jnp.where(better, jnp.minimum(2 * length, 1.0), 0.25 * length)
        settled = settled | (gain <= tolerance) | (length < SHORTEST)
        nowhere = ~jnp.isfinite(current.bound)

        def mixed(old: Array, new: Array) -> Array:
            return jnp.where(of_trials(nowhere, old), new, old + of_trials(length, old) * (new - old))

        candidate = jax.tree.map(mixed, current.sites, wanted)
        return current, candidate, wanted, length, settled, step + 1

    begin = (jnp.ones(n_trials, dtype), jnp.zeros(n_trials, bool), jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(going, advance, (current, first, fallback, *begin))[0]


def posterior(
    dynamics: Dynamics,
    loadings: Loadings,
    counts: Counts,
    first: Sites,
    fallback: Sites,
    *,
    steps: int | Array,
    tolerance: float | Array,
) -> Posterior:
    """The Gaussian that bounds the evidence of every trial best.

    Parameters
    ----------
    dynamics, loadings : Dynamics, Loadings
        The model.
    counts : Counts
        The data.
    first, fallback, steps, tolerance
        As in `ascend`.

    Returns
    -------
    Posterior
        Sites, moments and bounds.
    """

    def evaluate(sites: Sites) -> tuple[Posterior, Sites]:
        return bounded(dynamics, loadings, counts, sites)

    return ascend(evaluate, first, fallback, steps=steps, tolerance=tolerance)
