"""Markov chains of a posterior: the no-U-turn sampler over many problems at once, and how far to trust the draws."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from neurodyn.errors import ModelError


class Draws(NamedTuple):
    """Draws of many problems.

    Parameters
    ----------
    position : (problem, chain, draw, parameter)
        Draws.
    divergent : (problem, chain)
        Steps whose energy ran away.
    acceptance : (problem, chain)
        Mean acceptance.
    """

    position: Float[Array, "problem chain draw parameter"]
    divergent: Array
    acceptance: Array


def no_u_turn(
    log_density: Callable[[Array, Any], Array],
    start: Float[Array, "problem chain parameter"],
    data: Any,
    key: Array,
    *,
    n_warmup: int,
    n_draws: int,
) -> Draws:
    """Draws from many posteriors with one compiled program.

    Parameters
    ----------
    log_density : callable
        ``log_density(position, data)`` of one problem.
    start : (problem, chain, parameter)
        Where chains begin.
    data : tree
        Problems first.
    key : Array
        Randomness.
    n_warmup, n_draws : int
        Steps that adapt step size and scales, and steps that count.

    Returns
    -------
    Draws
        All draws.

    Raises
    ------
    ModelError
        If blackjax is not installed.
    """
    try:
        blackjax: Any = importlib.import_module("blackjax")
    except ImportError as error:
        raise ModelError('sampling posteriors needs blackjax: run pip install "neurodyn[bayes]".') from error

    def chain(position: Array, one: Any, key: Array) -> tuple[Array, Array, Array]:
        def density(at: Array) -> Array:
            return log_density(at, one)

        adapting, running = jax.random.split(key)
        warm = blackjax.window_adaptation(blackjax.nuts, density)
        (state, found), _ = warm.run(adapting, position, num_steps=n_warmup)
        kernel = blackjax.nuts(density, **found).step

        def step(state: Any, key: Array) -> tuple[Any, tuple]:
            state, told = kernel(key, state)
            return state, (state.position, told.is_divergent, told.acceptance_rate)

        _, (drawn, divergent, accepted) = jax.lax.scan(step, state, jax.random.split(running, n_draws))
        return drawn, divergent.sum(), accepted.mean()

    n_problems, n_chains = start.shape[:2]
    keys = jax.random.split(key, (n_problems, n_chains))
    every = jax.vmap(jax.vmap(chain, in_axes=(0, None, 0)))
    return Draws(*jax.jit(every)(start, data, keys))


def split_chains(draws: np.ndarray) -> np.ndarray:
    """Halves of chains ``(2 chain, draw / 2, ...)`` from ``(chain, draw, ...)``."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, half : 2 * half]])


def potential_scale_reduction(
    draws: Float[np.ndarray, "chain draw parameter"],
) -> Float[np.ndarray, " parameter"]:
    r"""How much narrower the posterior could become with more draws, :math:`\hat R` of split chains; 1 when mixed.

    Parameters
    ----------
    draws : (chain, draw, parameter)
        Draws.

    Returns
    -------
    (parameter,)
        :math:`\hat R`.

    References
    ----------
    Gelman & Rubin (1992), Statistical Science 7, doi:10.1214/ss/1177011136. Vehtari et al. (2021), Bayesian Analysis 16,
    doi:10.1214/20-BA1221.

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.random.default_rng(0).normal(size=(4, 1000, 1))
    >>> bool(potential_scale_reduction(draws)[0] < 1.01)
    True
    """
    halves = split_chains(np.asarray(draws, float))
    length = halves.shape[1]
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    between = halves.mean(axis=1).var(axis=0, ddof=1)
    pooled = (length - 1) / length * within + between
    return np.sqrt(pooled / np.where(within > 0, within, 1.0))


def effective_draws(draws: Float[np.ndarray, "chain draw parameter"]) -> Float[np.ndarray, " parameter"]:
    r"""Number of independent draws that would tell the mean as well, :math:`mn / (1 + 2\sum_t \rho_t)`.

    Autocorrelations are those of split chains, summed in pairs up to the first negative one (Geyer's initial sequence).

    Parameters
    ----------
    draws : (chain, draw, parameter)
        Draws.

    Returns
    -------
    (parameter,)
        Effective sample size.

    References
    ----------
    Geyer (1992), Statistical Science 7, doi:10.1214/ss/1177011137.

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.random.default_rng(0).normal(size=(4, 1000, 1))
    >>> bool(3000 < effective_draws(draws)[0] < 5000)
    True
    """
    halves = split_chains(np.asarray(draws, float))
    n_chains, length = halves.shape[:2]
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    pooled = (length - 1) / length * within + halves.mean(axis=1).var(axis=0, ddof=1)
    centred = halves - halves.mean(axis=1, keepdims=True)
    size = 2 ** int(np.ceil(np.log2(2 * length)))
    spectrum = np.abs(np.fft.rfft(centred, n=size, axis=1)) ** 2
    covariance = np.fft.irfft(spectrum, n=size, axis=1)[:, :length].mean(axis=0) / length
    pooled = np.where(pooled > 0, pooled, 1.0)
    correlation = 1 - (within - covariance * length / (length - 1)) / pooled
    found = np.empty(halves.shape[2])
    for number, rho in enumerate(correlation.T):
        pairs = rho[: length // 2 * 2].reshape(-1, 2).sum(axis=1)
        pairs[0] = 1 + rho[1]
        stop = int(np.argmax(pairs < 0)) if (pairs < 0).any() else len(pairs)
        total = 2 * np.minimum.accumulate(pairs[:stop]).sum() - 1 if stop else 1.0
        found[number] = n_chains * length / max(total, 1 / np.log10(n_chains * length))
    return found
