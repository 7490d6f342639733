"""Missing regressors: the model's own predicted rate takes their place, bin after bin (mean field)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.glm.design import Design, Weights, rows_of
from neurodyn.inference.glm.families import Family
from neurodyn.inference.glm.passes import linear_predictor
from neurodyn.inference.glm.switching import Parameters

TINY = 1e-30


class Kernels(NamedTuple):
    """Basis functions of the coupling and of the own history, newest lag first, ``(lag, function)``."""

    coupling: Float[Array, "lag function"]
    own: Float[Array, "own_lag own_function"]


def history_predictor(
    weights: Weights,
    history: Float[Array, "lag trial unit"],
    covariates: Float[Array, "trial covariate"],
    kernels: Kernels,
) -> Float[Array, "trial state unit"]:
    """Linear predictor of one bin from the bins before it, newest first."""
    n_trials = covariates.shape[0]
    coupling = jnp.einsum("krn,kb->rbn", history[: kernels.coupling.shape[0]], kernels.coupling)
    table = jnp.concatenate(
        [coupling.reshape(n_trials, -1), covariates, jnp.ones((n_trials, 1), covariates.dtype)], axis=1
    )
    n_features, n_states, n_units = weights.shared.shape
    eta = (table @ weights.shared.reshape(n_features, -1)).reshape(n_trials, n_states, n_units)
    if weights.own.shape[0]:
        own = jnp.einsum("krn,kb->rbn", history[: kernels.own.shape[0]], kernels.own)
        eta = eta + jnp.einsum("rbn,bsn->rsn", own, weights.own)
    return eta


def next_belief(belief: Array, transition: Array, initial: Array, first: Array) -> Array:
    """State probabilities one bin on; the initial distribution in a trial's first bin."""
    onward = belief @ transition
    return jnp.where(first, initial, onward / jnp.maximum(onward.sum(axis=1, keepdims=True), TINY))


def updated_belief(predicted: Array, log_likelihood: Array) -> Array:
    """State probabilities given also what was observed in the bin."""
    weight = jnp.log(jnp.maximum(predicted, TINY)) + log_likelihood
    return jax.nn.softmax(weight, axis=1)


def n_lags(kernels: Kernels) -> int:
    """Bins of the past that enter."""
    return max(kernels.coupling.shape[0], kernels.own.shape[0], 1)


@light_jit(static_argnames=("family",))
def fill_causally(
    parameters: Parameters,
    values: Float[Array, "trial time unit"],
    known: Bool[Array, "trial time unit"],
    scored: Bool[Array, "trial time unit"],
    covariates: Float[Array, "trial time covariate"],
    kernels: Kernels,
    *,
    family: Family,
) -> Float[Array, "trial time unit"]:
    r"""Replace each value that is not known by its expectation given the bins before it.

    .. math:: \hat x_t = \sum_s p(z_t = s \mid x_{<t})\, f(u_{ts})

    with the history in :math:`u_{ts}` filled in the same way: an approximation, since the mean stands for the
    distribution of what is missing.

    Parameters
    ----------
    parameters : Parameters
        The model.
    values : (R, T, N)
        Observed values; read where `known` or `scored`.
    known : (R, T, N)
        Which values may enter the history.
    scored : (R, T, N)
        Which values inform about the state.
    covariates : (R, T, C)
        Finite.
    kernels : Kernels
        Basis functions.
    family : Family
        Observation model.

    Returns
    -------
    (R, T, N)
        The values, those not known replaced.
    """
    n_trials, _, n_units = values.shape
    lags, dtype = n_lags(kernels), values.dtype

    def step(carry: tuple, now: tuple) -> tuple[tuple, Array]:
        belief, history = carry
        value, is_known, is_scored, covariate, first = now
        eta = history_predictor(parameters.weights, history, covariate, kernels)
        predicted = next_belief(belief, parameters.transition, parameters.initial, first)
        expected = jnp.einsum("rsn,rs->rn", family.mean(eta, parameters.scale), predicted)
        filled = jnp.where(is_known, value, expected)
        terms = family.terms(eta, value[:, None], parameters.scale)
        belief = updated_belief(predicted, jnp.where(is_scored[:, None], terms, 0).sum(axis=2))
        return (belief, jnp.concatenate([filled[None], history[:-1]])), filled

    n_states = parameters.transition.shape[0]
    start = (jnp.full((n_trials, n_states), 1 / n_states, dtype), jnp.zeros((lags, n_trials, n_units), dtype))
    times = jnp.arange(values.shape[1]) == 0
    along = tuple(jnp.swapaxes(array, 0, 1) for array in (values, known, scored, covariates))
    return jnp.swapaxes(jax.lax.scan(step, start, (*along, times))[1], 0, 1)


@light_jit(static_argnames=("family",))
def mixture(
    parameters: Parameters, probability: Float[Array, "time state"], design: Design, *, family: Family
) -> tuple[Float[Array, "time unit"], Float[Array, "time unit"]]:
    """Mean and variance of a replicate of every entry, given the state probabilities and the histories."""

    def one(index: Array) -> tuple[Array, Array]:
        rows = rows_of(design, index)
        eta = linear_predictor(parameters.weights, rows)
        chance = jax.lax.dynamic_slice_in_dim(probability, index * design.chunk, design.chunk)
        mean, spread = family.mean(eta, parameters.scale), family.variance(eta, parameters.scale)
        overall = jnp.einsum("tsn,ts->tn", mean, chance)
        between = jnp.einsum("tsn,ts->tn", (mean - overall[:, None]) ** 2, chance)
        return overall, jnp.einsum("tsn,ts->tn", spread, chance) + between

    mean, variance = jax.lax.map(one, jnp.arange(design.n_chunks))
    return mean.reshape(-1, mean.shape[2]), variance.reshape(-1, mean.shape[2])


def state_chances(
    filtered: Float[Array, "time state"], parameters: Parameters, start: Bool[Array, " time"], horizon: int
) -> Float[Array, "time state"]:
    """State probabilities some steps after what they are conditioned on."""
    from neurodyn.inference.message_passing import predict_states

    return predict_states(filtered, parameters.transition, parameters.initial, start, horizon)


@light_jit(static_argnames=("family", "horizon"))
def forecast(
    parameters: Parameters,
    filtered: Float[Array, "time state"],
    design: Design,
    start: Bool[Array, " time"],
    held: Bool[Array, " covariate"],
    *,
    family: Family,
    horizon: int,
) -> tuple[Float[Array, "time unit"], Float[Array, "time unit"]]:
    """Mean and variance of every bin given the bins up to `horizon` before it; forecasts stand in for what is younger.

    A covariate that is `held` keeps the value of the first bin ahead. Holds the features of all bins at once.
    """
    weights, scale = parameters.weights, parameters.scale
    n_time, n_units = design.targets.shape
    padding = design.regressors.shape[0] - n_time
    observed = design.regressors[padding:]
    rows_since = design.since
    n_features, n_states, _ = weights.shared.shape
    ahead: list[Array] = []
    mean = variance = jnp.zeros_like(observed)

    def through(kernel: Array, step: int) -> Array:
        total = jnp.zeros((n_time, kernel.shape[1], n_units), observed.dtype)
        for lag in range(1, kernel.shape[0] + 1):
            source = ahead[step - lag - 1] if lag < step else observed
            rows = jnp.where((rows_since >= lag)[:, None], jnp.roll(source, lag, axis=0), 0)
            total = total + rows[:, None, :] * kernel[lag - 1][None, :, None]
        return total

    for step in range(1, horizon + 1):
        coupling = through(design.kernel, step).reshape(n_time, -1)
        origin = jnp.arange(n_time) - jnp.minimum(rows_since, step - 1)
        given = jnp.where(held, design.covariates[origin], design.covariates)
        table = jnp.concatenate([coupling, given, jnp.ones((n_time, 1), observed.dtype)], axis=1)
        eta = (table @ weights.shared.reshape(n_features, -1)).reshape(n_time, n_states, n_units)
        if weights.own.shape[0]:
            eta = eta + jnp.einsum("tbn,bsn->tsn", through(design.own_kernel, step), weights.own)
        chance = state_chances(filtered, parameters, start, step)
        level = family.mean(eta, scale)
        mean = jnp.einsum("tsn,ts->tn", level, chance)
        between = jnp.einsum("tsn,ts->tn", (level - mean[:, None]) ** 2, chance)
        variance = jnp.einsum("tsn,ts->tn", family.variance(eta, scale), chance) + between
        ahead.append(mean)
    return mean, variance
