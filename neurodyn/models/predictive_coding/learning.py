"""Learning the parameters of participants, and the population they come from."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from neurodyn.errors import ModelError
from neurodyn.inference.modes import Modes, find_modes
from neurodyn.inference.predictive_coding.filtering import LONG
from neurodyn.inference.predictive_coding.tasks import Behaviour
from neurodyn.models.predictive_coding.failures import failure_words, remedy
from neurodyn.models.predictive_coding.layout import padded
from neurodyn.models.predictive_coding.plans import Plan
from neurodyn.models.predictive_coding.responses import GaussianResponse, Response

PRIOR_COUNT = 2.0  # participants that the given deviations count for
SETTLED = 1e-3


class Learnt(NamedTuple):
    """Participants' modes and the population around them."""

    labels: list[str]
    individual: np.ndarray
    covariance: np.ndarray
    evidence: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    objective: np.ndarray
    converged: bool
    reason: str
    restarts: np.ndarray
    agreement: float


def standardised(
    behaviour: Behaviour, response: Response | None, reference: tuple[float, float] | None
) -> tuple[Behaviour, tuple[float, float] | None]:
    """Measured responses with mean 0 and deviation 1, by the moments given or by their own."""
    if not isinstance(response, GaussianResponse):
        return behaviour, None
    if reference is None:
        seen = np.asarray(behaviour.response, float)[np.asarray(behaviour.responded)]
        spread = float(seen.std()) if len(seen) else 0.0
        reference = (float(seen.mean()) if len(seen) else 0.0, spread if spread > 0 else 1.0)
    scaled = (np.asarray(behaviour.response) - reference[0]) / reference[1]
    scaled = np.where(behaviour.responded, scaled, 0).astype(np.asarray(behaviour.response).dtype)
    return behaviour._replace(response=scaled), reference


def prepared(plan: Plan, behaviour: Behaviour, mean: np.ndarray, deviation: np.ndarray) -> tuple[Any, ...]:
    """What `Task` takes, participants first."""
    n_people = len(behaviour.response)
    dtype = behaviour.inputs.dtype

    def everyone(array: Any) -> np.ndarray:
        array = np.asarray(array, dtype)
        return np.broadcast_to(array, (n_people, *array.shape))

    return (
        behaviour,
        jax.tree.map(everyone, plan.base),
        everyone(plan.response),
        everyone(mean),
        everyone(deviation),
    )


def seen_by(plan: Plan, behaviour: Behaviour) -> np.ndarray:
    """Participants of whom anything was observed that a parameter could be learnt from."""
    if plan.task.response is not None:
        return np.flatnonzero(np.asarray(behaviour.responded).any(axis=1))
    return np.flatnonzero(np.asarray(behaviour.known).any(axis=(1, 2)))


def best_of(found: Modes, n_people: int) -> tuple[Modes, np.ndarray]:
    """The best start of every participant, and all their log-densities ``(start, participant)``."""
    by_start = jax.tree.map(lambda leaf: np.asarray(leaf).reshape(-1, n_people, *leaf.shape[1:]), found)
    scores = np.where(np.isfinite(by_start.log_density), by_start.log_density, -np.inf)
    winner = scores.argmax(axis=0)
    return jax.tree.map(lambda leaf: leaf[winner, np.arange(n_people)], by_start), scores


def modes_of(
    plan: Plan, behaviour: Behaviour, starts: np.ndarray, mean: np.ndarray, deviation: np.ndarray
) -> tuple[Modes, np.ndarray]:
    """Posterior modes from the starts ``(start, participant, parameter)``."""
    n_people = len(behaviour.response)
    wide = padded(behaviour)
    width = len(wide.response)
    room = np.broadcast_to(mean, (len(starts), width - n_people, len(mean)))
    starts = np.concatenate([starts, room], axis=1)
    data = prepared(plan, wide, mean, deviation)
    many = jax.tree.map(lambda leaf: jnp.concatenate([leaf] * len(starts)), data)
    if not len(mean):  # nothing is free
        found = fixed(plan, data)
        return jax.tree.map(lambda leaf: leaf[:n_people], found), np.asarray(found.log_density)[
            None, :n_people
        ]
    begin = jnp.asarray(starts.reshape(-1, len(mean)), data[0].inputs.dtype)
    found, scores = best_of(find_modes(plan.task, begin, many), width)
    return jax.tree.map(lambda leaf: leaf[:n_people], found), scores[:, :n_people]


def fixed(plan: Plan, data: tuple[Any, ...]) -> Modes:
    """Participants of a network without free parameters."""
    nobody = jnp.zeros((len(data[0].response), 0), data[0].inputs.dtype)
    terms, found = _everyone(plan.task, nobody, data[:3])
    value = np.where(np.asarray(found.failure.node) < 0, np.asarray(terms, float).sum(axis=1), -np.inf)
    zero = np.zeros(len(value))
    return Modes(np.asarray(nobody), value, np.zeros((len(value), 0, 0)), value, zero, zero == 0)  # type: ignore[arg-type]


def learn(
    plan: Plan,
    behaviour: Behaviour,
    key: jax.Array,
    *,
    pooled: bool,
    restarts: int,
    most: int,
    labels: list[str],
) -> Learnt:
    """Posterior modes, and with `pooled` the population by expectation-maximisation with a Laplace approximation."""
    seen = seen_by(plan, behaviour)
    behaviour = jax.tree.map(lambda leaf: np.asarray(leaf)[seen], behaviour)
    mean, deviation = plan.mean.copy(), plan.deviation.copy()
    size, n_people = len(mean), len(seen)
    noise = np.asarray(jax.random.normal(key, (restarts - 1, size)), float)
    first = np.concatenate([np.zeros((1, size)), noise]) * deviation + mean
    starts = np.broadcast_to(first[:, None], (restarts, n_people, size))
    objective, kept, converged, scores = [], [], not pooled, np.zeros((0, n_people))
    for _ in range(most if pooled and size else 1):
        found, found_scores = modes_of(plan, behaviour, starts, mean, deviation)
        scores = scores if len(scores) else found_scores
        refuse_failures(plan, behaviour, found, [labels[index] for index in seen], mean, deviation)
        if not pooled:
            objective = [float(np.asarray(found.log_density, float).sum())]
            kept = [(mean, deviation, found)]
            converged = bool(np.asarray(found.settled).all())
            break
        hyper = -0.5 * (((mean - plan.mean) / plan.deviation) ** 2).sum()
        ratio = (plan.deviation / deviation) ** 2
        hyper -= 0.5 * PRIOR_COUNT * (ratio - np.log(ratio)).sum()
        objective.append(float(np.asarray(found.log_evidence, float).sum()) + float(hyper))
        kept.append((mean, deviation, found))
        if len(objective) > 1 and objective[-1] - objective[-2] < SETTLED * n_people:
            converged = True
            break
        individual = np.asarray(found.parameters, float)
        spread = np.diagonal(np.asarray(found.covariance, float), axis1=1, axis2=2)
        weight, pull = n_people / deviation**2, 1 / plan.deviation**2
        mean = (weight * individual.mean(axis=0) + pull * plan.mean) / (weight + pull)
        total = ((individual - mean) ** 2 + spread).sum(axis=0) + PRIOR_COUNT * plan.deviation**2
        deviation = np.sqrt(total / (n_people + PRIOR_COUNT))
        starts = individual[None]
    mean, deviation, found = kept[int(np.argmax(objective))]
    close = np.abs(scores - scores.max(axis=0)) < 0.1
    return Learnt(
        [labels[index] for index in seen],
        np.asarray(found.parameters),
        np.asarray(found.covariance),
        np.asarray(found.log_evidence, float),
        mean,
        deviation,
        np.maximum.accumulate(np.asarray(objective)),
        converged,
        "modes settled" if converged else "reached the largest number of steps",
        np.array([float(np.where(np.isfinite(row), row, np.nan).sum()) for row in scores]),
        float(close[1:].mean()) if len(close) > 1 else float("nan"),
    )


def refuse_failures(
    plan: Plan,
    behaviour: Behaviour,
    found: Modes,
    labels: list[str],
    mean: np.ndarray,
    deviation: np.ndarray,
) -> None:
    """Name the participant, node and trial where no start gave valid updates."""
    bad = np.flatnonzero(~np.isfinite(np.asarray(found.log_density)))
    if not len(bad):
        return
    one = Behaviour(*(leaf[bad[:1]] for leaf in behaviour))
    failure = everyones_beliefs(plan, one, np.asarray(mean)[None])[1].failure
    one_failure, structure = jax.tree.map(lambda leaf: leaf[0], failure), plan.task.structure
    words = failure_words(one_failure, structure, labels[bad[0]])
    raise ModelError(f"{words}; {remedy(one_failure, structure, fitted=False)}.")


def everyones_beliefs(plan: Plan, behaviour: Behaviour, individual: np.ndarray) -> tuple[np.ndarray, Any]:
    """Terms of the log-likelihood ``(participant, time)`` and beliefs of all participants."""
    n_people = len(behaviour.response)
    terms, found = _everyone(plan.task, *_told(plan, behaviour, individual))
    return np.asarray(terms, float)[:n_people], jax.tree.map(lambda leaf: np.asarray(leaf)[:n_people], found)


def everyones_terms(
    plan: Plan, behaviour: Behaviour, individual: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Terms of the log-likelihood, and which participants' updates were all valid; the beliefs are not kept."""
    n_people = len(behaviour.response)
    terms, failing = _everyones_terms(plan.task, *_told(plan, behaviour, individual))
    return np.asarray(terms, float)[:n_people], np.asarray(failing)[:n_people] < 0


def _told(plan: Plan, behaviour: Behaviour, individual: np.ndarray) -> tuple[np.ndarray, tuple]:
    """Parameters and data of everyone, padded."""
    wide = padded(behaviour)
    data = prepared(plan, wide, plan.mean, plan.deviation)
    rest = np.broadcast_to(plan.mean, (len(wide.response) - len(individual), len(plan.mean)))
    return np.concatenate([individual, rest]).astype(data[0].inputs.dtype), data[:3]


def _terms(task: Any, free: Any, data: tuple) -> tuple[jax.Array, Any]:
    """Of all participants, side by side, or where sequences are long one after the other."""

    def one(of: tuple) -> tuple[jax.Array, Any]:
        free, (behaviour, base, response) = of
        return task.terms(free, base, response, behaviour)

    if data[0].response.shape[1] >= LONG:
        return jax.lax.map(one, (free, data))
    return jax.vmap(one)((free, data))


def _terms_alone(task: Any, free: jax.Array, data: tuple) -> tuple[jax.Array, jax.Array]:
    """The terms, and the node that fails first."""
    terms, found = _terms(task, free, data)
    return terms, found.failure.node


_everyone = jax.jit(_terms, static_argnums=0)
_everyones_terms = jax.jit(_terms_alone, static_argnums=0)
