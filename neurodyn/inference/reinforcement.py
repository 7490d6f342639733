"""Learning from choices by trial and error: values, choice probabilities, and their fit to many participants.

The parameter vector of a participant is, unconstrained: logit of the learning rate, log of the inverse
temperature, perseveration, a bias for every option but the first, a weight for every stimulus; and, where
learning has an associability, the logit of its rate.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

STEPS = 30


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


class Rule(NamedTuple):
    """What is fixed of how participants learn; compiled code is made for each rule.

    Attributes
    ----------
    n_options : int
        Number of options.
    cue : bool
        The outcome is an event that option 1 predicts, whatever was chosen; otherwise it is the reward of the
        chosen option, and a trial without an observed choice teaches nothing.
    initial : float
        Values before the first trial.
    associability : float, optional
        Associability before the first trial (Pearce-Hall); None keeps the learning rate constant
        (Rescorla-Wagner).
    """

    n_options: int
    cue: bool
    initial: float
    associability: float | None = None


class Beliefs(NamedTuple):
    """What a participant believes before each choice, and after the last.

    Attributes
    ----------
    value : Float[Array, "time_plus option"]
        Value of each option.
    previous : Float[Array, "time_plus option"]
        One-hot previous observed choice, zeros before the first.
    associability : Float[Array, "time_plus option"], optional
        How fast each option's value is learnt, relative to the learning rate; None where it is constant.
    """

    value: Float[Array, "time_plus option"]
    previous: Float[Array, "time_plus option"]
    associability: Float[Array, "time_plus option"] | None = None


def beliefs(parameters: Float[Array, " parameter"], data: Choices, rule: Rule) -> Beliefs:
    """Values by the delta rule, for one participant.

    .. math:: Q \\leftarrow Q + \\alpha A (r - Q), \\qquad A \\leftarrow \\min(1, \\eta |r - Q| + (1 - \\eta) A)

    with both errors taken before the update, and A = 1 throughout where the rule has no associability.

    Parameters
    ----------
    parameters : Float[Array, " parameter"]
        Unconstrained.
    data : Choices
        Of one participant: arrays without the participant axis.
    rule : Rule
        How the participant learns.

    Returns
    -------
    Beliefs
        Before each trial, and after the last.
    """
    rate = jax.nn.sigmoid(parameters[0])
    dtype, n_options = parameters.dtype, rule.n_options

    def learn(state, trial):
        value, previous, associability = state
        choice, chosen, outcome, followed = trial
        hot = jax.nn.one_hot(choice, n_options, dtype=dtype)
        if rule.cue:
            told, taught = jnp.stack([1 - outcome, outcome]).astype(dtype), jnp.ones_like(hot)
            learns = followed
        else:
            told, taught = outcome.astype(dtype), hot
            learns = chosen & followed
        error = told - value
        if associability is None:
            new, adapted = value + rate * taught * error, None
        else:
            new = value + rate * associability * taught * error
            shift = jax.nn.sigmoid(parameters[-1]) * (jnp.abs(error) - associability)
            adapted = jnp.where(learns, jnp.minimum(associability + taught * shift, 1), associability)
        last = jnp.where(chosen, hot, previous)
        state = (jnp.where(learns, new, value), last, adapted)
        return state, state

    first = None if rule.associability is None else jnp.full((n_options,), rule.associability, dtype)
    start = (jnp.full((n_options,), rule.initial, dtype), jnp.zeros((n_options,), dtype), first)
    _, later = jax.lax.scan(learn, start, (data.choice, data.chosen, data.outcome, data.followed))
    return Beliefs(*jax.tree.map(lambda one, rest: jnp.concatenate([one[None], rest]), start, later))


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
    n_options, n_stimuli = value.shape[1], stimulus.shape[1]
    bias = jnp.concatenate([jnp.zeros((1,), parameters.dtype), parameters[3 : 2 + n_options]])
    weights = parameters[2 + n_options : 2 + n_options + n_stimuli]
    logits = jnp.exp(parameters[1]) * value + parameters[2] * previous + bias
    logits = logits.at[:, 1].add(stimulus.astype(parameters.dtype) @ weights)
    return jax.nn.log_softmax(logits, axis=-1)


def log_likelihood(
    parameters: Float[Array, " parameter"], data: Choices, rule: Rule
) -> Float[Array, " time"]:
    """Log-probability of each observed choice of one participant, 0 where not observed.

    Parameters
    ----------
    parameters, data, rule
        As for `beliefs`.

    Returns
    -------
    Float[Array, " time"]
        In nats.
    """
    found = beliefs(parameters, data, rule)
    table = log_probabilities(parameters, found.value[:-1], found.previous[:-1], data.stimulus)
    taken = jnp.take_along_axis(table, data.choice[:, None], axis=1)[:, 0]
    return jnp.where(data.chosen, taken, 0)


@partial(jax.jit, static_argnames=("rule",))
def everyone(
    parameters: Float[Array, "participant parameter"], data: Choices, *, rule: Rule
) -> tuple[Beliefs, Float[Array, "participant time"]]:
    """Beliefs and log-likelihood terms of all participants.

    Parameters
    ----------
    parameters : Float[Array, "participant parameter"]
        Unconstrained.
    data : Choices
        Behaviour.
    rule : Rule
        How they learn.

    Returns
    -------
    beliefs : Beliefs
        With a leading participant axis.
    terms : Float[Array, "participant time"]
        Log-probability of each observed choice.
    """
    found = jax.vmap(lambda one, part: beliefs(one, part, rule))(parameters, data)
    terms = jax.vmap(lambda one, part: log_likelihood(one, part, rule))(parameters, data)
    return found, terms


everyones_log_probabilities = jax.jit(jax.vmap(log_probabilities))


def padded(data: Choices, participants: int = 4, trials: int = 64) -> Choices:
    """Behaviour padded with unobserved trials and participants, so that similar shapes share compiled code.

    Parameters
    ----------
    data : Choices
        Behaviour.
    participants, trials : int
        Sizes become multiples of these.

    Returns
    -------
    Choices
        With masks False in the padding.
    """
    n_people, n_time = data.choice.shape
    extra = ((0, -n_people % participants), (0, -n_time % trials))
    return Choices(*(jnp.pad(leaf, extra + ((0, 0),) * (leaf.ndim - 2)) for leaf in data))


class Modes(NamedTuple):
    """Posterior mode of every participant under a Gaussian population prior.

    Attributes
    ----------
    parameters : Float[Array, "participant parameter"]
        The modes.
    variance : Float[Array, "participant parameter"]
        Diagonal of the inverse of the expected information.
    evidence : Float[Array, " participant"]
        Laplace approximation of the log marginal likelihood.
    """

    parameters: Float[Array, "participant parameter"]
    variance: Float[Array, "participant parameter"]
    evidence: Float[Array, " participant"]


@partial(jax.jit, static_argnames=("rule",))
def modes(
    start: Float[Array, "participant parameter"],
    data: Choices,
    mean: Float[Array, " parameter"],
    variance: Float[Array, " parameter"],
    free: Bool[Array, " parameter"],
    *,
    rule: Rule,
) -> Modes:
    """Posterior modes of all participants at once, by damped Fisher scoring that accepts only improvements.

    Parameters
    ----------
    start : Float[Array, "participant parameter"]
        Where to begin.
    data : Choices
        Behaviour.
    mean, variance : Float[Array, " parameter"]
        Population prior.
    free : Bool[Array, " parameter"]
        Parameters that are learnt; the others stay where they begin.
    rule : Rule
        How the participants learn.

    Returns
    -------
    Modes
        Modes, inverse curvature (expected information) and evidence.
    """
    n_people, size = start.shape
    pull = jnp.where(free, 1 / variance, 0)

    def table_of(parameters, one):
        found = beliefs(parameters, one, rule)
        return log_probabilities(parameters, found.value[:-1], found.previous[:-1], one.stimulus)

    def local(parameters, one):
        table = table_of(parameters, one)
        slope = jax.jacfwd(table_of)(parameters, one)
        hot = jax.nn.one_hot(one.choice, rule.n_options, dtype=table.dtype) * one.chosen[:, None]
        weight = jnp.exp(table) * one.chosen[:, None]
        away = parameters - mean
        value = jnp.sum(hot * table) - 0.5 * jnp.sum(pull * jnp.square(away))
        gradient = jnp.einsum("tk,tkp->p", hot, slope) - pull * away
        information = jnp.einsum("tk,tkp,tkq->pq", weight, slope, slope) + jnp.diag(pull)
        held = jnp.where(free, 0, 1).astype(table.dtype)
        keep = (1 - held)[:, None] * (1 - held)[None, :]
        return value, gradient * (1 - held), information * keep + jnp.diag(held)

    def score(state, _):
        candidate, best, damping = state
        value, gradient, information = jax.vmap(local)(candidate, data)
        better = value > best[1]
        damping = jnp.where(better, damping * 0.2, jnp.minimum(damping * 8 + 1e-3, 1e6))
        new = (candidate, value, gradient, information)
        best = tuple(
            jnp.where(jnp.reshape(better, (-1,) + (1,) * (one.ndim - 1)), one, old)
            for one, old in zip(new, best, strict=True)
        )
        lifted = best[3] + damping[:, None, None] * jnp.diag(jnp.where(free, 1 / variance, 1))
        move = jnp.linalg.solve(lifted, best[2][..., None])[..., 0]
        return (best[0] + jnp.clip(jnp.where(jnp.isfinite(move), move, 0), -2, 2), best, damping), None

    dtype = start.dtype
    nothing = (
        start,
        jnp.full((n_people,), -jnp.inf, dtype),
        jnp.zeros_like(start),
        jnp.broadcast_to(jnp.eye(size, dtype=dtype), (n_people, size, size)),
    )
    begin = (start, nothing, jnp.full((n_people,), 0.1, dtype))
    (_, (parameters, value, _, information), _), _ = jax.lax.scan(score, begin, None, length=STEPS)
    log_determinant = 2 * jnp.sum(
        jnp.log(jnp.diagonal(jnp.linalg.cholesky(information), axis1=1, axis2=2)), axis=-1
    )
    inverse = jnp.diagonal(jnp.linalg.inv(information), axis1=1, axis2=2)
    normalizer = -0.5 * jnp.sum(jnp.where(free, jnp.log(variance), 0))
    return Modes(parameters, jnp.where(free, inverse, 0), value + normalizer - 0.5 * log_determinant)
