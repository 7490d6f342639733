"""The expectation step of many trials, in groups of a fixed size: every recording reuses what was compiled for one."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.linear_dynamics.moments import LoadingSlopes, Moments, loading_slopes, moments
from neurodyn.inference.linear_dynamics.parameters import Parameters
from neurodyn.inference.linear_dynamics.poisson import (
    Counts,
    Loadings,
    Posterior,
    best_sites,
    first_sites,
    posterior,
)
from neurodyn.inference.linear_dynamics.smoother import Dynamics, Gaussians

GROUP = 256  # most trials worked on together
GROUP_NUMBERS = 1 << 24  # most numbers in the covariances of a group


class Group(NamedTuple):
    """Some trials on the device, padded.

    Attributes
    ----------
    counts : Counts
        ``(time, trial, unit)``.
    valid : (time, trial)
        1 for bins up to a trial's last observed one.
    """

    counts: Counts
    valid: Array


class Problem(NamedTuple):
    """A recording as expectation-maximisation works on it.

    Attributes
    ----------
    groups : tuple of Group
        The trials.
    n_trials : int
        Without padding.
    basis : (time, function)
        Functions of time that drive the latents.
    typical : (unit,)
        A rate above 0 of every unit, from which its first sites begin.
    """

    groups: tuple[Group, ...]
    n_trials: int
    basis: np.ndarray
    typical: np.ndarray


class Latents(NamedTuple):
    """What is remembered of a group's posterior from one step to the next."""

    latent: Gaussians
    known: Array  # scalar: whether it is one


class Expected(NamedTuple):
    """Outcome of an expectation step.

    Attributes
    ----------
    bound : (trial,)
        Lower bounds on the log-probability of every trial, without the terms :math:`\\log x!`.
    moments : Moments
        Sums over all trials, on the host.
    latents : tuple of Latents
        Posteriors of the groups.
    """

    bound: np.ndarray
    moments: Moments
    latents: tuple[Latents, ...]


def group_size(n_trials: int, n_time: int, n_latents: int) -> int:
    """Trials worked on together: a power of two, bounded by memory."""
    fits = max(GROUP_NUMBERS // (n_time * n_latents**2), 1)
    return 1 << int(np.floor(np.log2(max(min(fits, GROUP, 1 << int(np.ceil(np.log2(n_trials)))), 1))))


def problem_of(
    values: Float[np.ndarray, "trial time unit"],
    observed: Bool[np.ndarray, "trial time unit"],
    basis: Float[np.ndarray, "time function"],
    n_latents: int,
) -> Problem:
    """Groups of trials on the device.

    Parameters
    ----------
    values : numpy.ndarray
        Counts.
    observed : numpy.ndarray of bool
        Which of them were observed.
    basis : numpy.ndarray
        Functions of time that drive the latents.
    n_latents : int
        D, for the size of the groups.

    Returns
    -------
    Problem
        In single precision.
    """
    n_trials, n_time, _ = values.shape
    size = group_size(n_trials, n_time, n_latents)
    seen = np.asarray(observed.any(-1))
    last = np.where(seen.any(1), n_time - np.argmax(seen[:, ::-1], axis=1), 0)
    groups = []
    for first in range(0, n_trials, size):
        part = slice(first, first + size)
        padding = [(0, 0), (0, size - len(values[part])), (0, 0)]
        mask = np.pad(observed[part].transpose(1, 0, 2), padding)
        data = np.where(mask, np.pad(values[part].transpose(1, 0, 2), padding), 0)
        valid = np.pad(np.less(np.arange(n_time)[:, None], last[part]), padding[:2])
        counts = Counts(jnp.asarray(data, jnp.float32), jnp.asarray(mask, jnp.float32))
        groups.append(Group(counts, jnp.asarray(valid, jnp.float32)))
    count = np.maximum(observed.sum((0, 1)), 1)
    mean = np.where(observed, values, 0).sum((0, 1), dtype=np.float64) / count
    return Problem(tuple(groups), n_trials, basis, np.maximum(mean, 0.1 / count))


def on_device(parameters: Parameters, basis: Float[np.ndarray, "time function"]) -> tuple[Dynamics, Loadings]:
    """Parameters in single precision, with the drive of every bin."""
    single = [
        jnp.asarray(array, jnp.float32)
        for array in (
            parameters.transition,
            basis @ parameters.drive.T,
            parameters.noise,
            parameters.initial_mean,
            parameters.initial_covariance,
            parameters.weight,
            parameters.offset,
        )
    ]
    return Dynamics(*single[:5]), Loadings(*single[5:])


@light_jit()
def infer_group(
    dynamics: Dynamics,
    loadings: Loadings,
    counts: Counts,
    before: Latents,
    typical: Array,
    steps: Array,
    tolerance: Array,
) -> Posterior:
    """Posterior of a group, beginning from what is remembered."""
    cold = first_sites(loadings, counts, typical)
    warm, _ = best_sites(loadings, before.latent, *counts)
    first = jax.tree.map(lambda new, old: jnp.where(before.known, new, old), warm, cold)
    return posterior(dynamics, loadings, counts, first, cold, steps=steps, tolerance=tolerance)


@light_jit()
def _moments(found: Posterior, basis: Array, valid: Array) -> Moments:
    return moments(found.smoothed, basis, valid)


@light_jit()
def _slopes(loadings: Loadings, latent: Gaussians, counts: Counts) -> LoadingSlopes:
    return loading_slopes(loadings, latent, counts)


def nothing_known(group: Group, n_latents: int) -> Latents:
    """No posterior yet."""
    n_time, n_trials, _ = group.counts.values.shape
    zero = jnp.zeros((n_time, n_trials, n_latents), jnp.float32)
    return Latents(Gaussians(zero, jnp.zeros((*zero.shape, n_latents), jnp.float32)), jnp.zeros((), bool))


def side_by_side(work, items) -> list:
    """Results of some work, two or more items at a time where there are cores."""
    items = list(items)
    n_threads = min(len(items), os.cpu_count() or 1)
    if n_threads < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(work, items))


def expect(
    parameters: Parameters,
    problem: Problem,
    before: tuple[Latents, ...] | None,
    *,
    steps: int,
    tolerance: float,
) -> Expected:
    """Posteriors of all trials and their sums.

    Parameters
    ----------
    parameters : Parameters
        The model.
    problem : Problem
        The data.
    before : tuple of Latents, optional
        Posteriors to begin from.
    steps : int
        Most evaluations of a trial's bound.
    tolerance : float
        Rise of a trial's bound, in nats, at which it has settled.

    Returns
    -------
    Expected
        Bounds, sums and posteriors.
    """
    dynamics, loadings = on_device(parameters, problem.basis)
    basis, typical = jnp.asarray(problem.basis, jnp.float32), jnp.asarray(problem.typical, jnp.float32)
    n_latents = parameters.transition.shape[0]
    known = before or tuple(nothing_known(group, n_latents) for group in problem.groups)
    settings = jnp.asarray(steps, jnp.int32), jnp.asarray(tolerance, jnp.float32)

    def one(item: tuple[Group, Latents]) -> tuple:
        group, latents = item
        found = infer_group(dynamics, loadings, group.counts, latents, typical, *settings)
        sums = _moments(found, basis, group.valid)
        latent = Gaussians(found.smoothed.mean, found.smoothed.covariance)
        host = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), sums)
        return np.asarray(found.bound, np.float64), host, Latents(latent, jnp.ones((), bool))

    parts = side_by_side(one, zip(problem.groups, known, strict=True))
    bounds, sums, latents = zip(*parts, strict=True)
    total = jax.tree.map(lambda *leaves: np.sum(leaves, axis=0), *sums)
    return Expected(np.concatenate(bounds)[: problem.n_trials], total, latents)


def slopes_of(
    problem: Problem, latents: tuple[Latents, ...], weight: np.ndarray, offset: np.ndarray
) -> LoadingSlopes:
    """Expected log-likelihood of all trials and its derivatives in the loadings, on the host."""
    loadings = Loadings(jnp.asarray(weight, jnp.float32), jnp.asarray(offset, jnp.float32))

    def one(item: tuple[Group, Latents]) -> LoadingSlopes:
        group, known = item
        found = _slopes(loadings, known.latent, group.counts)
        return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), found)

    parts = side_by_side(one, zip(problem.groups, latents, strict=True))
    return jax.tree.map(lambda *leaves: np.sum(leaves, axis=0), *parts)
