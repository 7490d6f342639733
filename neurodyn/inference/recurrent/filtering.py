"""Particle filter over the noise of a network that emits symbols."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.recurrent.network import Network, Parameters


class Filtered(NamedTuple):
    """What one filter says of a sequence.

    Parameters
    ----------
    log_likelihood : array
        Terms log p(s_t | s_<t), zero where nothing was observed.
    ahead : array
        Probabilities of the symbols given all up to t - horizon.
    present : array
        Given all up to t.
    smoothed : array
        Given all up to t + lag - 1.
    mean, deviation : array
        Of the network's state, given the same.
    """

    log_likelihood: Float[Array, " time"]
    ahead: Float[Array, "time symbol"]
    present: Float[Array, "time symbol"]
    smoothed: Float[Array, "time symbol"]
    mean: Float[Array, "time unit"]
    deviation: Float[Array, "time unit"]


def _resampled(weights: Array, offset: Array) -> Int[Array, " particle"]:
    """Systematic resampling: which particle every new one comes from."""
    n = weights.shape[0]
    edges = jnp.cumsum(weights)
    places = (jnp.arange(n) + offset) / n * edges[-1]
    return jnp.minimum(jnp.searchsorted(edges, places), n - 1)


def _one_sequence(
    parameters: Parameters,
    symbols: Int[Array, " time"],
    observed: Bool[Array, " time"],
    key: jax.Array,
    network: Network,
    particles: int,
    horizon: int,
    lag: int,
) -> Filtered:
    """Filter one sequence; every step's noise depends on the key and its number alone."""
    n_time = symbols.shape[0]

    def chances(hidden: Array) -> Array:
        return jax.nn.softmax(network.logits(parameters, hidden))

    def onward(hidden: Array, t: Array) -> Array:
        noise = jax.random.normal(jax.random.fold_in(key, 2 * t), (particles, network.noise))
        return network.step(parameters, hidden, noise)

    def later(hidden: Array, t: Array) -> Array:
        hidden = jax.lax.fori_loop(1, horizon + 1, lambda j, h: onward(h, t + j), hidden)
        return chances(hidden).mean(0)

    def one(carry: tuple[Array, Array, Array], at: tuple[Array, Array, Array]) -> tuple:
        hidden, kept, ancestors = carry
        symbol, seen, t = at
        hidden = onward(hidden, t)
        chance = chances(hidden)
        own = jnp.where(seen, chance[:, symbol], 1.0)
        term = jnp.where(seen, jnp.log(jnp.maximum(own.mean(), 1e-30)), 0.0)
        weights = own / jnp.maximum(own.sum(), 1e-30)
        offset = jax.random.uniform(jax.random.fold_in(key, 2 * t + 1))
        unmoved = jnp.arange(particles)
        source = jnp.where(seen & (own.sum() > 1e-25), _resampled(weights, offset), unmoved)
        present = jnp.where(seen, weights @ chance, chance.mean(0))
        place = t % lag
        kept = kept.at[place].set(hidden)
        ancestors = ancestors[:, source].at[place].set(source)
        oldest = (t + 1) % lag
        past = kept[oldest][ancestors[oldest]]
        moments = past.mean(0), past.std(0)
        hidden = hidden[source]
        further = chance.mean(0) if horizon == 1 else later(hidden, t)
        return (hidden, kept, ancestors), (term, further, present, chances(past).mean(0), *moments)

    start = (
        jnp.zeros((particles, network.width)),
        jnp.zeros((lag, particles, network.width)),
        jnp.zeros((lag, particles), jnp.int32),
    )
    # Steps after the end are unobserved: the smoothed values of the last bins come out there.
    extra = lag - 1
    padded = jnp.concatenate([symbols, jnp.zeros(extra, symbols.dtype)])
    seen = jnp.concatenate([observed, jnp.zeros(extra, bool)])
    _, found = jax.lax.scan(one, start, (padded, seen, jnp.arange(n_time + extra)))
    terms, further, present, smoothed, mean, deviation = found
    if horizon > 1:
        first = jnp.zeros((particles, network.width))

        def free(hidden: Array, t: Array) -> tuple[Array, Array]:
            hidden = onward(hidden, t)
            return hidden, chances(hidden).mean(0)

        _, before = jax.lax.scan(free, first, jnp.arange(min(horizon, n_time)))
        further = jnp.concatenate([before, further])
    return Filtered(
        terms[:n_time], further[:n_time], present[:n_time], smoothed[extra:], mean[extra:], deviation[extra:]
    )


@light_jit(static_argnames=("network", "particles", "horizon", "lag"))
def filter_symbols(
    parameters: Parameters,
    symbols: Int[Array, "sequence time"],
    observed: Bool[Array, "sequence time"],
    keys: jax.Array,
    *,
    network: Network,
    particles: int,
    horizon: int = 1,
    lag: int = 16,
) -> Filtered:
    """Particle filters over the noise, one per sequence and key.

    .. math:: p(s_t \\mid s_{<t}) \\approx \\tfrac1N \\sum_n \\mathrm{softmax}(C h_t^n)_{s_t}, \\quad
        h_t^n = \\mathrm{ReLU}(W_{in} x_t^n + W h_{t-1}^n)

    Particles are drawn anew in proportion to the probability they give to an observed symbol; a symbol that is missing
    has weight one. The product of the terms is an unbiased estimate of the likelihood, its logarithm is not.

    Parameters
    ----------
    parameters : dict
        Of the network.
    symbols : array
        Codes; any where not observed.
    observed : array
        Mask.
    keys : jax.Array
        One per sequence.
    network : Network
        The network.
    particles : int
        N.
    horizon : int
        Steps ahead of `Filtered.ahead`.
    lag : int
        Bins after t (itself included) that smoothing at t looks at.

    Returns
    -------
    Filtered
        With a leading axis of sequences.

    References
    ----------
    Gordon et al. (1993), doi:10.1049/ip-f-2.1993.0015. Kitagawa (1996), doi:10.2307/1390750.
    """

    def one(symbols: Array, observed: Array, key: jax.Array) -> Filtered:
        return _one_sequence(parameters, symbols, observed, key, network, particles, horizon, lag)

    return jax.vmap(one)(symbols, observed, keys)
