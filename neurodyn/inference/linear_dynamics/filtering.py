r"""Bin by bin: what is known of the latents before and after the counts of a bin, and how probable these were.

Before a bin the latents are taken as Gaussian, after it as the Gaussian that bounds the evidence of the bin best
(assumed-density filtering). Nothing of a later bin enters.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurodyn.inference.linear_dynamics.poisson import (
    Counts,
    Loadings,
    Posterior,
    ascend,
    best_sites,
    first_sites,
)
from neurodyn.inference.linear_dynamics.smoother import (
    Dynamics,
    Gaussians,
    Sites,
    Smoothed,
    advanced,
    drives_after,
    start,
    updated,
)

STEPS = 20
SETTLED = 1e-4


class Filtered(NamedTuple):
    """Outcome of `filter_counts`.

    Attributes
    ----------
    before, after : Gaussians
        Latents given earlier bins, and given those and the bin itself; ``(time, trial, ...)``.
    terms : (time, trial)
        Lower bound on the log-probability of a bin's counts under `before`, without the terms :math:`\\log x!`.
    """

    before: Gaussians
    after: Gaussians
    terms: Float[Array, "time trial"]


def filter_counts(
    dynamics: Dynamics, loadings: Loadings, counts: Counts, typical: Float[Array, " unit"]
) -> Filtered:
    """Filter all trials.

    Parameters
    ----------
    dynamics, loadings : Dynamics, Loadings
        The model.
    counts : Counts
        The data; bins without an observation leave the latents to the dynamics.
    typical : (N,)
        A rate above 0 of every unit, from which the first sites begin.

    Returns
    -------
    Filtered
        Latents before and after every bin, and the bins' terms.
    """

    def one(before: Gaussians, inputs: tuple) -> tuple[Gaussians, tuple]:
        values, observed, drive = inputs
        here = Counts(values[None], observed[None])

        def evaluate(sites: Sites) -> tuple[Posterior, Sites]:
            after, evidence = updated(before, sites.linear[0], sites.precision[0])
            wanted, expected = best_sites(loadings, after, values, observed)
            square = after.covariance + after.mean[:, :, None] * after.mean[:, None, :]
            said = (sites.linear[0] * after.mean).sum(-1) - 0.5 * (sites.precision[0] * square).sum((-2, -1))
            smoothed = Smoothed(
                after.mean[None], after.covariance[None], evidence, jnp.zeros_like(after.covariance)[None]
            )
            wanted = Sites(wanted.linear[None], wanted.precision[None])
            return Posterior(sites, smoothed, expected + evidence - said), wanted

        at_mean, _ = best_sites(loadings, before, values, observed)
        first = Sites(at_mean.linear[None], at_mean.precision[None])
        cold = first_sites(loadings, here, typical)
        found = ascend(evaluate, cold, first, steps=STEPS, tolerance=SETTLED)
        after = Gaussians(found.smoothed.mean[0], found.smoothed.covariance[0])
        return advanced(dynamics, after, drive), (before, after, found.bound)

    n_trials = counts.values.shape[1]
    begin = start(dynamics, n_trials)
    _, (before, after, terms) = jax.lax.scan(one, begin, (*counts, drives_after(dynamics)))
    return Filtered(before, after, terms)


def forecast(dynamics: Dynamics, after: Gaussians, horizon: Float[Array, ""] | Array) -> Gaussians:
    """Latents of every bin given the bins up to some ago.

    Parameters
    ----------
    dynamics : Dynamics
        The model.
    after : Gaussians
        Given the bins up to each, ``(time, trial, ...)``.
    horizon : scalar
        How many bins ago, 1 or more.

    Returns
    -------
    Gaussians
        ``(time, trial, ...)``; the first bins follow from the initial distribution.
    """
    n_time = after.mean.shape[0]
    time = jnp.arange(n_time)

    def ahead(step: Array, now: Gaussians) -> Gaussians:
        drive = dynamics.drive[jnp.minimum(time + step + 1, n_time - 1)]
        a = dynamics.transition
        return Gaussians(now.mean @ a.T + drive[:, None], a @ now.covariance @ a.T + dynamics.noise)

    reached = jax.lax.fori_loop(0, horizon, ahead, after)

    def unconditional(now: Gaussians, drive: Array) -> tuple[Gaussians, Gaussians]:
        return advanced(dynamics, now, drive), now

    _, prior = jax.lax.scan(unconditional, start(dynamics, 1), drives_after(dynamics))
    source = jnp.maximum(time - horizon, 0)
    early = time < horizon

    def chosen(late: Array, first: Array) -> Array:
        return jnp.where(early.reshape(-1, *(1,) * (late.ndim - 1)), first, late[source])

    return jax.tree.map(chosen, reached, prior)
