"""Rescorla-Wagner learning from choices: values, choice probabilities, and their fit to many participants.

The parameter vector of a participant is, unconstrained: logit of the learning rate, log of the inverse
temperature, perseveration, a bias for every option but the first, a weight for every stimulus.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

NEWTON_STEPS = 25


class Choices(NamedTuple):
    """Behaviour of participants; NaN never enters, masks say what was observed.

    Attributes
    ----------
    choice : Int[Array, "participant time"]
        Chosen option, 0 where not observed.
    chosen : Bool[Array, "participant time"]
        Whether the choice was observed.
    outcome : Float[Array, "participant time"]
        What followed, 0 where not observed.
    followed : Bool[Array, "participant time"]
        Whether the outcome was observed.
    stimulus : Float[Array, "participant time stimulus"]
        Standardised stimuli that favour option 1; 0 where not observed.
    """

    choice: Int[Array, "participant time"]
    chosen: Bool[Array, "participant time"]
    outcome: Float[Array, "participant time"]
    followed: Bool[Array, "participant time"]
    stimulus: Float[Array, "participant time stimulus"]


class Beliefs(NamedTuple):
    """What a participant believes before each choice, and after the last.

    Attributes
    ----------
    value : Float[Array, "time_plus option"]
        Value of each option.
    previous : Float[Array, "time_plus option"]
        One-hot previous observed choice, zeros before the first.
    """

    value: Float[Array, "time_plus option"]
    previous: Float[Array, "time_plus option"]


def beliefs(
    parameters: Float[Array, " parameter"], data: Choices, n_options: int, cue: bool, initial: float
) -> Beliefs:
    """Values by the delta rule :math:`Q \\leftarrow Q + \\alpha (r - Q)`, for one participant.

    Parameters
    ----------
    parameters : Float[Array, " parameter"]
        Unconstrained.
    data : Choices
        Of one participant: arrays without the participant axis.
    n_options : int
        Number of options.
    cue : bool
        The outcome is an event that option 1 predicts, whatever was chosen; otherwise it is the reward of the
        chosen option, and a trial without an observed choice teaches nothing.
    initial : float
        Values before the first trial.

    Returns
    -------
    Beliefs
        Before each trial, and after the last.
    """
    rate = jax.nn.sigmoid(parameters[0])
    dtype = parameters.dtype

    def learn(state, trial):
        value, previous = state
        choice, chosen, outcome, followed = trial
        hot = jax.nn.one_hot(choice, n_options, dtype=dtype)
        if cue:
            told = jnp.stack([1 - outcome, outcome]).astype(dtype)
            new = jnp.where(followed, value + rate * (told - value), value)
        else:
            new = jnp.where(chosen & followed, value + rate * hot * (outcome.astype(dtype) - value), value)
        last = jnp.where(chosen, hot, previous)
        return (new, last), (new, last)

    start = (jnp.full((n_options,), initial, dtype), jnp.zeros((n_options,), dtype))
    _, (values, lasts) = jax.lax.scan(learn, start, (data.choice, data.chosen, data.outcome, data.followed))
    return Beliefs(jnp.concatenate([start[0][None], values]), jnp.concatenate([start[1][None], lasts]))


def log_probabilities(
    parameters: Float[Array, " parameter"],
    value: Float[Array, "time option"],
    previous: Float[Array, "time option"],
    stimulus: Float[Array, "time stimulus"],
) -> Float[Array, "time option"]:
    """Log-probability of every option, a softmax of value, perseveration, bias and stimulus.

    Parameters
    ----------
    parameters : Float[Array, " parameter"]
        Unconstrained, of one participant.
    value, previous : Float[Array, "time option"]
        Beliefs before each choice.
    stimulus : Float[Array, "time stimulus"]
        Stimuli that favour option 1.

    Returns
    -------
    Float[Array, "time option"]
        Normalised.
    """
    n_options = value.shape[1]
    bias = jnp.concatenate([jnp.zeros((1,), parameters.dtype), parameters[3 : 2 + n_options]])
    logits = jnp.exp(parameters[1]) * value + parameters[2] * previous + bias
    logits = logits.at[:, 1].add(stimulus.astype(parameters.dtype) @ parameters[2 + n_options :])
    return jax.nn.log_softmax(logits, axis=-1)


def log_likelihood(
    parameters: Float[Array, " parameter"], data: Choices, n_options: int, cue: bool, initial: float
) -> Float[Array, " time"]:
    """Log-probability of each observed choice of one participant, 0 where not observed.

    Parameters
    ----------
    parameters, data, n_options, cue, initial
        As for `beliefs`.

    Returns
    -------
    Float[Array, " time"]
        In nats.
    """
    found = beliefs(parameters, data, n_options, cue, initial)
    table = log_probabilities(parameters, found.value[:-1], found.previous[:-1], data.stimulus)
    taken = jnp.take_along_axis(table, data.choice[:, None], axis=1)[:, 0]
    return jnp.where(data.chosen, taken, 0)


class Modes(NamedTuple):
    """Posterior mode of every participant under a Gaussian population prior.

    Attributes
    ----------
    parameters : Float[Array, "participant parameter"]
        The modes.
    variance : Float[Array, "participant parameter"]
        Diagonal of the inverse curvature.
    evidence : Float[Array, " participant"]
        Laplace approximation of the log marginal likelihood.
    """

    parameters: Float[Array, "participant parameter"]
    variance: Float[Array, "participant parameter"]
    evidence: Float[Array, " participant"]


@partial(jax.jit, static_argnames=("n_options", "cue"))
def modes(
    start: Float[Array, "participant parameter"],
    data: Choices,
    mean: Float[Array, " parameter"],
    variance: Float[Array, " parameter"],
    free: Bool[Array, " parameter"],
    initial: float,
    *,
    n_options: int,
    cue: bool,
) -> Modes:
    """Posterior modes of all participants at once, by damped Newton steps accepted only when they improve.

    Parameters
    ----------
    start : Float[Array, "participant parameter"]
        Where to begin.
    data : Choices
        Behaviour.
    mean, variance : Float[Array, " parameter"]
        Population prior.
    free : Bool[Array, " parameter"]
        Parameters that are learnt; the others stay at the prior mean.
    initial : float
        Values before the first trial.
    n_options : int
        Number of options.
    cue : bool
        See `beliefs`.

    Returns
    -------
    Modes
        Modes, curvature and evidence.
    """
    def objective(parameters, one):
        prior = -0.5 * jnp.sum(jnp.where(free, jnp.square(parameters - mean) / variance, 0))
        return jnp.sum(log_likelihood(parameters, one, n_options, cue, initial)) + prior

    value_of = jax.vmap(objective)
    gradient_of = jax.vmap(jax.grad(objective))
    curvature_of = jax.vmap(jax.hessian(objective))
    frozen = jnp.diag(jnp.where(free, 0, 1)).astype(start.dtype)
    keep = (free[:, None] & free[None, :]).astype(start.dtype)

    def newton(state, _):
        parameters, value, damping, _ = state
        gradient = jnp.where(free, gradient_of(parameters, data), 0)
        curvature = -curvature_of(parameters, data) * keep + frozen
        lifted = curvature + damping[:, None, None] * jnp.diag(1 / variance)
        move = jnp.linalg.solve(lifted, gradient[..., None])[..., 0]
        move = jnp.clip(jnp.where(jnp.isfinite(move), move, 0), -2, 2)
        trial_value = value_of(parameters + move, data)
        better = trial_value > value
        parameters = jnp.where(better[:, None], parameters + move, parameters)
        damping = jnp.where(better, damping * 0.2, jnp.minimum(damping * 8 + 1e-3, 1e6))
        return (parameters, jnp.where(better, trial_value, value), damping, curvature), None

    n_people, size = start.shape
    begin = (
        start,
        value_of(start, data),
        jnp.full((n_people,), 0.1, start.dtype),
        jnp.zeros((n_people, size, size), start.dtype),
    )
    (parameters, value, _, curvature), _ = jax.lax.scan(newton, begin, None, length=NEWTON_STEPS)
    eigenvalues, vectors = jnp.linalg.eigh(curvature)
    least = 0.5 / jnp.max(jnp.where(free, variance, 0))
    eigenvalues = jnp.maximum(eigenvalues, jnp.minimum(least, 1.0))
    inverse = jnp.einsum("pij,pj,pij->pi", vectors, 1 / eigenvalues, vectors)
    log_determinant = jnp.sum(jnp.log(eigenvalues), axis=-1)
    prior_normalizer = -0.5 * jnp.sum(jnp.where(free, jnp.log(variance), 0))
    return Modes(parameters, jnp.where(free, inverse, 0), value + prior_normalizer - 0.5 * log_determinant)
