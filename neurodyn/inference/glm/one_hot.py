r"""Couplings as hard categories times strengths: a variational fit of relaxed one-hot variables by annealing.

Around weights already fitted, the expected log-likelihood of every unit in every state is replaced by its second
order, whose curvature matrices are exact. On that, the evidence bound

.. math::

    E_{a \sim q}\Bigl[ Q(w(a, g)) + \log p_\tau(a \mid \pi) - \log q_\tau(a \mid \alpha) \Bigr]

with Gumbel-softmax densities p and q is climbed by gradients through samples, while the temperature falls. A step
then costs no pass over the recording.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.glm.priors import OneHotPrior

SIGNS = (-1.0, 0.0, 1.0)  # inhibitory, none, excitatory
SURE = 3.0
RATE = 0.05
SMALL = 1e-12
WIDTHS = (0.3, 1.0)  # of the weak prior on the free strengths


class Expansion(NamedTuple):
    """Second order of the expected log-likelihood at `centre`.

    Parameters
    ----------
    centre, gradient : (S, N, F)
        Weights and the derivative there.
    curvature : (S, N, F, F)
        Positive semi-definite.
    """

    centre: Array
    gradient: Array
    curvature: Array


class Free(NamedTuple):
    """What is learnt: logits of the states' categories, free strengths, logits of the connectome, other weights."""

    category: Float[Array, "state unit source three"]
    strength: Float[Array, "state unit coupling"]
    connectome: Float[Array, "unit source three"]
    rest: Float[Array, "state unit rest"]


class OneHot(NamedTuple):
    """Result of an annealing, on the host.

    Parameters
    ----------
    chance : (S, N, M, 3)
        Probability of {inhibitory, none, excitatory}, per state, target and source.
    connectome : (N, M, 3)
        The learnt pi.
    weights : (S, N, F)
        Mean strength times sign of the most probable category; other features as learnt.
    bound : (step,)
        Evidence bound along the way, up to a constant.
    """

    chance: np.ndarray
    connectome: np.ndarray
    weights: np.ndarray
    bound: np.ndarray


def relaxed_log_density(
    relaxed: Float[Array, "*batch category"], logits: Float[Array, "*batch category"], temperature: Array
) -> Float[Array, "*batch"]:
    r"""Log density of a Gumbel-softmax variable on the simplex.

    .. math::

        \log \Gamma(k) + (k - 1) \log \tau - k \log \sum_j e^{l_j} a_j^{-\tau}
        + \sum_j \bigl(l_j - (\tau + 1) \log a_j\bigr)

    Parameters
    ----------
    relaxed : (..., k)
        a, positive, sums to one.
    logits : (..., k)
        l, the **logarithms** of the category probabilities, up to a constant.
    temperature : scalar
        tau.

    Returns
    -------
    (...)
        Log density with respect to the first k - 1 coordinates.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> third = jnp.full(3, 1 / 3)
    >>> round(float(jnp.exp(relaxed_log_density(third, jnp.log(third), jnp.array(1.0)))), 3)
    2.0

    References
    ----------
    Maddison, Mnih and Teh (2017), International Conference on Learning Representations, arXiv:1611.00712.
    """
    k = relaxed.shape[-1]
    log_relaxed = jnp.log(jnp.maximum(relaxed, SMALL))
    level = jax.scipy.special.gammaln(jnp.asarray(float(k))) + (k - 1) * jnp.log(temperature)
    spread = jax.nn.logsumexp(logits - temperature * log_relaxed, axis=-1)
    return level - k * spread + (logits - (temperature + 1) * log_relaxed).sum(axis=-1)


def _log_ratio(log_relaxed: Array, prior: Array, posterior: Array, temperature: Array) -> Array:
    """log p - log q of the same relaxed variable, computed without the terms both share."""
    k = log_relaxed.shape[-1]
    shifted = temperature * log_relaxed
    spread = jax.nn.logsumexp(prior - shifted, axis=-1) - jax.nn.logsumexp(posterior - shifted, axis=-1)
    return (prior - posterior).sum(axis=-1) - k * spread


def coupled(sign: Array, strength: Array, n_functions: int) -> Array:
    """Coupling weights, function-major, from signs ``(..., source)`` and strengths ``(..., function x source)``."""
    return jnp.concatenate([sign] * n_functions, axis=-1) * strength


def _bound(
    free: Free,
    expansion: Expansion,
    noise: Float[Array, "sample state unit source three"],
    temperature: Array,
    typical: Array,
    width: Array,
    tied: Array,
    allowed: Array,
    concentration: float,
    n_functions: int,
) -> Array:
    """Evidence bound up to a constant."""
    prior = jax.nn.log_softmax(free.connectome)
    posterior = jax.nn.log_softmax(free.category)
    log_relaxed = jax.nn.log_softmax((posterior + noise) / temperature)
    relaxed = jnp.exp(log_relaxed)
    strength = jax.nn.softplus(free.strength)
    weights = coupled(relaxed[..., 2] - relaxed[..., 0], strength, n_functions)
    rest = jnp.where(tied, free.rest.mean(axis=0, keepdims=True), free.rest)
    rest = jnp.broadcast_to(rest, (weights.shape[0], *rest.shape))
    change = jnp.concatenate([weights, rest], axis=-1) - expansion.centre
    fit = jnp.einsum("isnf,snf->i", change, expansion.gradient) - 0.5 * jnp.einsum(
        "isnf,snfg,isng->i", change, expansion.curvature, change
    )
    ratio = (_log_ratio(log_relaxed, prior, posterior, temperature) * allowed).sum(axis=(1, 2, 3))
    weak = -0.5 * (((free.strength - typical) / width) ** 2).sum()
    smooth = concentration * (prior * allowed[..., None]).sum()
    return (fit + ratio).mean() + weak + smooth


@light_jit(static_argnames=("prior", "n_functions"))
def _anneal(
    key: Array,
    free: Free,
    expansion: Expansion,
    typical: Array,
    width: Array,
    tied: Array,
    allowed: Array,
    *,
    prior: OneHotPrior,
    n_functions: int,
) -> tuple[Free, Array]:
    """Gradient steps while the temperature falls; the last quarter at its final value with falling step sizes."""
    steps = prior.steps
    rates = optax.cosine_decay_schedule(RATE, steps, alpha=0.05)
    optimiser = optax.adam(rates, b1=0.9, b2=0.99)
    first, last = np.log(prior.first_temperature), np.log(prior.temperature)

    def advance(carry: tuple, index: Array) -> tuple[tuple, Array]:
        current, state = carry
        temperature = jnp.exp(first + (last - first) * jnp.minimum(index / (0.75 * steps), 1.0))
        noise = jax.random.gumbel(
            jax.random.fold_in(key, index), (prior.samples, *current.category.shape), current.category.dtype
        )
        objective = functools.partial(
            _bound,
            expansion=expansion,
            noise=noise,
            temperature=temperature,
            typical=typical,
            width=width,
            tied=tied,
            allowed=allowed,
            concentration=prior.concentration,
            n_functions=n_functions,
        )
        value, slope = jax.value_and_grad(lambda one: -objective(one))(current)
        change, state = optimiser.update(slope, state)
        return (optax.apply_updates(current, change), state), -value

    (free, _), bound = jax.lax.scan(advance, (free, optimiser.init(free)), jnp.arange(steps))
    return free, bound


def inverse_softplus(value: Any) -> Any:
    """Inverse of softplus, for values above zero."""
    value = np.maximum(value, 1e-4)
    return np.where(value > 20, value, np.log(np.expm1(np.minimum(value, 20))))


def fit_one_hot(
    key: Array,
    expansion: Expansion,
    deviation: np.ndarray,
    allowed: np.ndarray,
    tied: np.ndarray,
    prior: OneHotPrior,
    n_functions: int,
    before: OneHot | None = None,
) -> OneHot:
    """Categories and strengths of every coupling, and the connectome they share.

    Parameters
    ----------
    key : JAX key
        Of the Gumbel samples.
    expansion : Expansion
        Second order of the expected log-likelihood.
    deviation : ndarray, (S, N, B x M)
        Standard errors of the coupling weights at the centre.
    allowed : ndarray, (N, M)
        1 where a connection is possible.
    tied : ndarray of bool, (rest,)
        Which other features have one weight for all states.
    prior : OneHotPrior
        Hyperparameters.
    n_functions : int
        B.
    before : OneHot, optional
        An earlier result, to go on from.

    Returns
    -------
    OneHot
        Hard weights: absent couplings are zero.
    """
    centre = np.asarray(expansion.centre, float)
    dtype = expansion.centre.dtype
    inside = deviation.shape[2]
    n_states, n_units, _ = centre.shape
    n_sources = inside // n_functions
    grid = (n_states, n_units, n_functions, n_sources)
    weights, errors = centre[:, :, :inside].reshape(grid), deviation.reshape(grid)
    ratio = weights / np.maximum(errors, SMALL)
    total = np.sqrt((ratio**2).mean(axis=2)) * allowed
    sign = np.sign(
        weights[
            np.arange(n_states)[:, None, None, None],
            np.arange(n_units)[:, None, None],
            np.abs(ratio).argmax(axis=2)[:, :, None],
            np.arange(n_sources),
        ]
    )[:, :, 0]
    present = total > prior.threshold
    sizes = np.abs(weights)[np.broadcast_to(present[:, :, None], grid)]
    typical = inverse_softplus(np.median(sizes)) if sizes.size else inverse_softplus(np.array(0.1))
    width = float(np.clip(inverse_softplus(sizes).std(), *WIDTHS)) if sizes.size > 1 else WIDTHS[1]
    category = np.zeros((*present.shape, 3))
    category[..., 1] = np.where(present, 0.0, SURE)
    category[..., 2] = np.where(present & (sign > 0), SURE, 0.0)
    category[..., 0] = np.where(present & (sign < 0), SURE, 0.0)
    strength = np.where(present[:, :, None], inverse_softplus(np.abs(weights)), typical)
    chance = np.exp(category) / np.exp(category).sum(axis=-1, keepdims=True)
    connectome = np.log(chance.mean(axis=0))
    if before is not None:
        category, connectome = np.log(before.chance + 1e-4), np.log(before.connectome + 1e-4)
    free = Free(
        jnp.asarray(category, dtype),
        jnp.asarray(strength.reshape(n_states, n_units, inside), dtype),
        jnp.asarray(connectome, dtype),
        jnp.asarray(centre[:, :, inside:], dtype),
    )
    free, bound = _anneal(
        key,
        free,
        expansion,
        jnp.asarray(typical, dtype),
        jnp.asarray(width, dtype),
        jnp.asarray(tied),
        jnp.asarray(allowed, dtype),
        prior=prior,
        n_functions=n_functions,
    )
    chance = np.asarray(jax.nn.softmax(free.category), float)
    found = np.asarray(SIGNS)[chance.argmax(axis=-1)] * allowed
    hard = np.concatenate([found] * n_functions, axis=-1) * np.asarray(jax.nn.softplus(free.strength), float)
    rest = np.asarray(free.rest, float)
    rest = np.where(tied, rest.mean(axis=0, keepdims=True), rest)
    return OneHot(
        chance,
        np.asarray(jax.nn.softmax(free.connectome), float),
        np.concatenate([hard, rest], axis=-1),
        np.asarray(bound, float),
    )
