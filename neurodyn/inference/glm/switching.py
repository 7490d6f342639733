"""Expectation-maximisation for a hidden Markov chain whose states have generalised linear models.

Every iteration makes one E-step (blocked message passing, exact whatever underflows) and, of each unit, one damped
Newton step on the expected log-likelihood with its prior: none lowers the objective. With one state this is Newton's
method.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.em import TransitionPrior
from neurodyn.inference.em_state import HMMParameters
from neurodyn.inference.glm.design import Design, Weights
from neurodyn.inference.glm.families import Family, GaussianFamily, NegativeBinomialFamily
from neurodyn.inference.glm.hyper import PriorState
from neurodyn.inference.glm.newton import Spectrum, newton_step
from neurodyn.inference.glm.passes import evaluate, scale_statistics, state_likelihoods
from neurodyn.inference.glm.penalty import penalty_value, project
from neurodyn.inference.message_passing import ExpectedStatistics, expected_statistics

HALVINGS = 8
RENEW = 4  # iterations for which the second moments of the features serve
FLOOR_VARIANCE = 1e-6


class Parameters(NamedTuple):
    """Chain, weights and the units' scale."""

    initial: Float[Array, " state"]
    transition: Float[Array, "state state"]
    weights: Weights
    scale: Float[Array, " unit"]


class Chain(NamedTuple):
    """The flat time axis: a trial's first bins (and padding), and what is not padding."""

    start: Bool[Array, " time"]
    valid: Bool[Array, " time"]


@dataclasses.dataclass(frozen=True)
class Settings:
    """Stopping rule of a run."""

    max_iterations: int
    tolerance: float
    report: Callable[[int], None] | None = None
    checkpoint: Callable[[Any], None] | None = None


@dataclasses.dataclass
class Run:
    """What became of one start.

    Parameters
    ----------
    parameters : Parameters
        At the highest objective reached.
    objective : list of float
        Log posterior after each iteration, in nats, without what depends on the data alone.
    posterior : Array
        State probabilities at `parameters`, ``(time, state)``.
    converged, interrupted : bool
        How it ended.
    failed : str
        What was not finite, or empty.
    average : Array
        Mean curvature of every state and unit.
    """

    parameters: Parameters
    objective: list[float]
    posterior: Array
    converged: bool = False
    interrupted: bool = False
    failed: str = ""
    average: Any = None


@light_jit(static_argnames=("guard",))
def _messages(
    likelihood: Array, transition: Array, initial: Array, chain: Chain, *, guard: bool
) -> ExpectedStatistics:
    """Expectations over the chain."""
    return expected_statistics(likelihood, transition, initial, chain.start, valid=chain.valid, guard=guard)


def expectations(likelihood: Array, parameters: Parameters, chain: Chain) -> ExpectedStatistics:
    """The E-step; redone in the log domain where underflow may have harmed it."""
    arguments = (likelihood, parameters.transition, parameters.initial, chain)
    found = _messages(*arguments, guard=False)
    return found if bool(found.trusted) else _messages(*arguments, guard=True)


def empty_spectrum(weights: Weights) -> Spectrum:
    """What stands for second moments not yet computed."""
    n_features, n_states, _ = weights.shared.shape
    dtype = weights.shared.dtype
    return Spectrum(
        jnp.ones((n_states, n_features), dtype), jnp.zeros((n_states, n_features, n_features), dtype)
    )


@light_jit()
def moved(weights: Weights, direction: Weights, length: Array) -> Weights:
    """Weights some way along a direction, unit by unit."""
    return jax.tree.map(lambda leaf, change: leaf + change * length, weights, direction)


class Maximiser:
    """One damped Newton step a call, with what one step hands to the next."""

    def __init__(self, design: Design, family: Family, prior: PriorState, n_products: int) -> None:
        self.design, self.family, self.prior = design, family, prior
        self.n_products, self.calls = n_products, 0
        self.spectrum: Spectrum | None = None
        self.average: Array | None = None
        self.accepted = np.zeros(0, bool)
        self.tolerance = 0.1

    def __call__(self, parameters: Parameters, posterior: Array) -> tuple[Parameters, Array]:
        """Better weights, and the likelihood of every state at them."""
        weights, dtype = parameters.weights, parameters.weights.shared.dtype
        penalty = self.prior.penalty(weights)
        renew = self.spectrum is None or self.calls % RENEW == 0 or self.calls < 3
        self.calls += 1
        step = newton_step(
            weights,
            parameters.scale,
            self.design,
            posterior,
            penalty,
            empty_spectrum(weights) if self.spectrum is None else self.spectrum,
            np.int32(self.n_products),
            np.asarray(self.tolerance, dtype),
            family=self.family,
            renew=renew,
        )
        self.spectrum, self.average = step.spectrum, step.average
        before = _total(step.value) - np.asarray(step.penalty, float)
        gain = np.asarray(step.gain, float)
        length = np.ones(len(before))
        best, pending = np.zeros(len(before)), np.ones(len(before), bool)
        likelihood = None
        noise = 4 * np.finfo(dtype).eps * (np.abs(before) + 1)
        for _ in range(HALVINGS):
            candidate = moved(weights, step.direction, jnp.asarray(np.where(pending, length, best), dtype))
            value, likelihood = evaluate(
                candidate, parameters.scale, self.design, posterior, family=self.family
            )
            after = _total(value) - np.asarray(_penalty(candidate, penalty), float)
            good = pending & np.isfinite(after) & (after >= before + 1e-4 * length * gain - noise)
            best[good] = length[good]
            pending &= ~good
            if not pending.any():
                break
            length[pending] *= 0.5 if length[pending].max() > 0.2 else 0.25
        self.accepted = ~pending
        candidate = moved(weights, step.direction, jnp.asarray(best, dtype))
        if pending.any() or likelihood is None:
            likelihood = state_likelihoods(candidate, parameters.scale, self.design, family=self.family)
        return parameters._replace(weights=candidate), likelihood

    def rescale(self, parameters: Parameters, posterior: Array) -> Parameters | None:
        """Parameters with a better scale, where the family learns one."""
        family, scale = self.family, np.asarray(parameters.scale, float)
        if not family.learns_scale:
            return None
        first, weight = scale_statistics(
            parameters.weights, parameters.scale, self.design, posterior, family=family
        )
        first, weight = np.asarray(first, float), np.asarray(weight, float)
        if isinstance(family, GaussianFamily):
            new = np.where(weight > 0, first / np.maximum(weight, 1e-9), scale)
            new = np.maximum(new, FLOOR_VARIANCE * max(float(new.mean()), 1e-9))
        elif isinstance(family, NegativeBinomialFamily):
            slope = np.where(weight > 0, first / np.maximum(weight, 1e-9), 0.0)
            curve = np.maximum(np.abs(slope), 0.02)
            new = np.clip(scale * np.exp(np.clip(slope / curve, -0.4, 0.4)), family.least, family.largest)
        else:
            return None
        return parameters._replace(scale=jnp.asarray(new, parameters.scale.dtype))


@light_jit()
def _penalty(weights: Weights, penalty: Any) -> Array:
    """`penalty_value`, compiled."""
    return penalty_value(weights, penalty)


def _total(value: Array) -> np.ndarray:
    """Sum over chunks in double precision, ``(unit,)``."""
    return np.asarray(value, float).sum(axis=0)


def run_em(
    start: Parameters,
    design: Design,
    chain: Chain,
    family: Family,
    prior: PriorState,
    transition_prior: TransitionPrior,
    settings: Settings,
    *,
    posterior: Array | None = None,
    n_products: int = 5,
) -> Run:
    """Expectation-maximisation from one start.

    Parameters
    ----------
    start : Parameters
        Where to begin.
    design : Design
        The recording.
    chain : Chain
        Its flat time axis.
    family : Family
        Observation model.
    prior : PriorState
        Prior on the weights.
    transition_prior : TransitionPrior
        Prior on the chain.
    settings : Settings
        Stopping rule.
    posterior : Array, optional
        State probabilities ``(time, state)`` that the first M-step takes instead of an E-step's.
    n_products : int
        Most products with the curvature matrix in one step.

    Returns
    -------
    Run
        The best parameters found.
    """
    maximise = Maximiser(design, family, prior, n_products)
    penalised = functools.partial(_log_prior, prior, transition_prior)
    parameters = start._replace(weights=project(start.weights, prior.penalty(start.weights)))
    bins = max(float(np.asarray(design.seen).sum()), 1.0)
    if posterior is not None:
        parameters, likelihood = maximise(parameters, posterior)
    else:
        likelihood = state_likelihoods(parameters.weights, parameters.scale, design, family=family)
    n_states = parameters.transition.shape[0]
    run = Run(parameters, [], jnp.ones((design.targets.shape[0], n_states), design.targets.dtype) / n_states)
    small = 0
    try:
        for iteration in range(settings.max_iterations):
            found = expectations(likelihood, parameters, chain)
            objective = float(np.asarray(found.log_normalizer, float).sum()) + penalised(parameters)
            if not np.isfinite(objective):
                run.failed = f"the objective is not finite at iteration {iteration + 1}"
                break
            gain = objective - run.objective[-1] if run.objective else np.inf
            if gain >= 0 or not run.objective:
                run.parameters, run.posterior = parameters, found.smoothed
                run.average = maximise.average
            run.objective.append(max(objective, run.objective[-1] if run.objective else -np.inf))
            small = small + 1 if gain < settings.tolerance * bins else 0
            if small >= 2:
                run.converged = True
                break
            if settings.report is not None:
                settings.report(iteration + 1)
            weight = found.smoothed * jnp.asarray(chain.valid, found.smoothed.dtype)[:, None]
            if maximise.spectrum is not None and maximise.average is not None:
                prior.learn(parameters.weights, maximise.spectrum, maximise.average)
            if n_states == 1:
                maximise.tolerance = float(np.clip(0.3 * 0.4**iteration, 1e-3, 0.1))
            previous = HMMParameters(parameters.initial, parameters.transition, None)
            initial, transition = transition_prior.maximise(
                found.initial_counts, found.transition_counts, previous
            )
            parameters, likelihood = maximise(parameters, weight)
            parameters = parameters._replace(initial=initial, transition=transition)
            rescaled = maximise.rescale(parameters, weight)
            if rescaled is not None:
                parameters = rescaled
                likelihood = state_likelihoods(parameters.weights, parameters.scale, design, family=family)
    except KeyboardInterrupt:
        run.interrupted = True
    return run


def _log_prior(prior: PriorState, transition_prior: TransitionPrior, parameters: Parameters) -> float:
    """Log prior of weights and chain."""
    penalty = prior.penalty(parameters.weights)
    weights = -float(np.asarray(_penalty(parameters.weights, penalty), float).sum())
    chain = HMMParameters(parameters.initial, parameters.transition, None)
    return weights + prior.log_prior(parameters.weights) + float(transition_prior.log_density(chain))
