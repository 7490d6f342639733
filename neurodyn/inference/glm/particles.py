"""Simulated paths: ancestral sampling of recordings, and forecasts as weighted averages over paths."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.glm.families import Family
from neurodyn.inference.glm.fill import Kernels, history_predictor, n_lags, next_belief, updated_belief
from neurodyn.inference.glm.switching import Parameters


@light_jit(static_argnames=("family",))
def draw_recordings(
    key: Array,
    parameters: Parameters,
    covariates: Float[Array, "trial time covariate"],
    kernels: Kernels,
    *,
    family: Family,
) -> tuple[Float[Array, "trial time unit"], Int[Array, "trial time"]]:
    """Values and states of fresh trials; the history before a trial's first bin is zero.

    Parameters
    ----------
    key : JAX key
        Randomness.
    parameters : Parameters
        The model.
    covariates : (R, T, C)
        Finite; their shape says how much is drawn.
    kernels : Kernels
        Basis functions.
    family : Family
        Observation model.

    Returns
    -------
    (R, T, N) and (R, T)
        Values and states.
    """
    n_trials, n_time = covariates.shape[:2]
    n_units, dtype = parameters.scale.shape[0], parameters.transition.dtype

    def step(carry: tuple, now: tuple) -> tuple[tuple, tuple]:
        state, history = carry
        step_key, covariate, first = now
        one, two, three = jax.random.split(step_key, 3)
        begin = jax.random.categorical(one, jnp.log(parameters.initial), shape=(n_trials,))
        onward = jax.random.categorical(two, jnp.log(parameters.transition[state]))
        state = jnp.where(first, begin, onward)
        eta = history_predictor(parameters.weights, history, covariate, kernels)
        chosen = jnp.take_along_axis(eta, state[:, None, None], axis=1)[:, 0]
        value = family.draw(three, chosen, parameters.scale).astype(dtype)
        return (state, jnp.concatenate([value[None], history[:-1]])), (value, state)

    start = (jnp.zeros(n_trials, int), jnp.zeros((n_lags(kernels), n_trials, n_units), dtype))
    inputs = (jax.random.split(key, n_time), jnp.swapaxes(covariates, 0, 1), jnp.arange(n_time) == 0)
    values, states = jax.lax.scan(step, start, inputs)[1]
    return jnp.swapaxes(values, 0, 1), states.T


def _resampled(key: Array, weight: Array, belief: Array, history: Array) -> tuple[Array, Array, Array]:
    """Particles drawn anew in proportion to their weights, in every trial whose effective number fell below half."""
    n_trials, n_particles = weight.shape
    share = jax.nn.softmax(weight, axis=1)
    poor = 1 / (share**2).sum(axis=1) < 0.5 * n_particles
    offset = jax.random.uniform(key, (n_trials, 1), share.dtype)
    points = (jnp.arange(n_particles) + offset) / n_particles
    index = jax.vmap(jnp.searchsorted)(jnp.cumsum(share, axis=1), points).clip(0, n_particles - 1)
    index = jnp.where(poor[:, None], index, jnp.arange(n_particles))
    belief = jnp.take_along_axis(belief, index[:, :, None], axis=1)
    history = jnp.take_along_axis(history, index[None, :, :, None], axis=2)
    return jnp.where(poor[:, None], 0.0, weight), belief, history


@light_jit(static_argnames=("family", "n_particles", "horizon", "present"))
def predict_by_particles(
    key: Array,
    parameters: Parameters,
    values: Float[Array, "trial time unit"],
    known: Bool[Array, "trial time unit"],
    scored: Bool[Array, "trial time unit"],
    covariates: Float[Array, "trial time covariate"],
    kernels: Kernels,
    held: Bool[Array, " covariate"],
    *,
    family: Family,
    n_particles: int,
    horizon: int,
    present: bool,
) -> tuple[Float[Array, "trial time unit"], Float[Array, "trial time unit"]]:
    """Mean and variance of every entry given those at least `horizon` bins earlier, over simulated paths.

    A particle is a path of what is missing, with its own state probabilities (exact given the path) and a weight: the
    likelihood of what was observed meanwhile. From every bin the particles run `horizon` - 1 bins on as if nothing
    more were observed. A covariate that is `held` keeps the value of the first bin ahead.

    Parameters
    ----------
    key : JAX key
        Randomness.
    parameters, values, known, scored, covariates, kernels, family
        As in `neurodyn.inference.glm.fill.fill_causally`.
    held : (C,)
        Covariates whose later values are not known ahead.
    n_particles : int
        Paths.
    horizon : int
        Steps ahead.
    present : bool
        Condition also on the bin itself (then `horizon` is 1).

    Returns
    -------
    (R, T, N), twice
        Mean and variance of a replicate.
    """
    n_trials, n_time, n_units = values.shape
    lags, dtype = n_lags(kernels), values.dtype
    n_states = parameters.transition.shape[0]
    spread = functools.partial(jnp.repeat, repeats=n_particles, axis=0)

    def rates(history: Array, covariate: Array) -> Array:
        flat = history.reshape(lags, n_trials * n_particles, n_units)
        eta = history_predictor(parameters.weights, flat, spread(covariate), kernels)
        return eta.reshape(n_trials, n_particles, n_states, n_units)

    def onward(belief: Array, first: Array) -> Array:
        flat = belief.reshape(-1, n_states)
        return next_belief(flat, parameters.transition, parameters.initial, first).reshape(belief.shape)

    def moments(eta: Array, chance: Array, weight: Array) -> tuple[Array, Array]:
        share = chance * jax.nn.softmax(weight, axis=1)[:, :, None]
        mean = family.mean(eta, parameters.scale)
        first = jnp.einsum("rpsn,rps->rn", mean, share)
        within = jnp.einsum("rpsn,rps->rn", family.variance(eta, parameters.scale), share)
        between = jnp.einsum("rpsn,rps->rn", (mean - first[:, None, None]) ** 2, share)
        return first, within + between

    def drawn(draw_key: Array, eta: Array, chance: Array) -> tuple[Array, Array]:
        one, two = jax.random.split(draw_key)
        state = jax.random.categorical(one, jnp.log(jnp.maximum(chance, 1e-30)))
        chosen = jnp.take_along_axis(eta, state[:, :, None, None], axis=2)[:, :, 0]
        return family.draw(two, chosen, parameters.scale).astype(dtype), state

    def ahead(keys: Array, carry: tuple, following: Array, first: Array) -> list[tuple[Array, Array]]:
        """Moments of this bin and of the `horizon` - 1 after it, as if none of them were observed."""
        belief, path, weight = carry
        likely = onward(belief, first)
        rate = rates(path, following[0])
        found = [moments(rate, likely, weight)]
        for bins in range(1, horizon):
            simulated, state = drawn(keys[1 + bins], rate, likely)
            path = jnp.concatenate([simulated[None], path[:-1]])
            # The path depends on the state drawn, so the belief follows it.
            likely = onward(jax.nn.one_hot(state, n_states, dtype=dtype), jnp.zeros((), bool))
            rate = rates(path, jnp.where(held, following[0], following[bins]))
            found.append(moments(rate, likely, weight))
        return found

    def step(carry: tuple, now: tuple) -> tuple[tuple, tuple]:
        belief, history, weight = carry
        step_key, value, is_known, is_scored, following, first = now
        keys = jax.random.split(step_key, 2 + horizon)
        eta, chance = rates(history, following[0]), onward(belief, first)
        found = ahead(keys, carry, following, first)[-1]
        terms = family.terms(eta, value[:, None, None], parameters.scale)
        likelihood = jnp.where(is_scored[:, None, None], terms, 0).sum(axis=3)
        joint = jnp.log(jnp.maximum(chance, 1e-30)) + likelihood
        weight = weight + jax.nn.logsumexp(joint, axis=2)
        weight = weight - weight.max(axis=1, keepdims=True)
        belief = updated_belief(chance.reshape(-1, n_states), likelihood.reshape(-1, n_states)).reshape(
            chance.shape
        )
        if present:
            found = moments(eta, belief, weight)
        missing = ~is_known.all(axis=1)

        def completed(current: Array) -> tuple[Array, Array]:
            simulated, state = drawn(keys[0], eta, current)
            chosen = jax.nn.one_hot(state, n_states, dtype=dtype)
            filled = jnp.where(is_known[:, None], value[:, None], simulated)
            return jnp.where(missing[:, None, None], chosen, current), filled

        def complete(current: Array) -> tuple[Array, Array]:
            return current, jnp.broadcast_to(value[:, None], (n_trials, n_particles, n_units))

        belief, filled = jax.lax.cond(missing.any(), completed, complete, belief)
        history = jnp.concatenate([filled[None], history[:-1]])
        weight, belief, history = _resampled(keys[1], weight, belief, history)
        return (belief, history, weight), found

    start = (
        jnp.full((n_trials, n_particles, n_states), 1 / n_states, dtype),
        jnp.zeros((lags, n_trials, n_particles, n_units), dtype),
        jnp.zeros((n_trials, n_particles), dtype),
    )
    room = jnp.zeros((n_trials, horizon, covariates.shape[2]), covariates.dtype)
    padded = jnp.concatenate([covariates, room], axis=1)
    later = jnp.stack([padded[:, bins : bins + n_time] for bins in range(horizon)], axis=2)
    inputs = (
        jax.random.split(key, n_time),
        jnp.swapaxes(values, 0, 1),
        jnp.swapaxes(known, 0, 1),
        jnp.swapaxes(scored, 0, 1),
        jnp.moveaxis(later, (1, 2), (0, 1)),
        jnp.arange(n_time) == 0,
    )
    found = jax.lax.scan(step, start, inputs)[1]
    if (
        horizon > 1
    ):  # found at a bin is what is `horizon` - 1 bins later; nothing was observed before the first of these
        begin = jax.random.split(jax.random.fold_in(key, 0), 2 + horizon)
        early = ahead(begin, start, inputs[4][0], jnp.ones((), bool))[:-1]
        found = tuple(
            jnp.concatenate([jnp.stack([one[part] for one in early]), found[part]])[:n_time]
            for part in range(2)
        )
    mean, variance = (jnp.swapaxes(one, 0, 1) for one in found)
    return mean, variance
