"""Parts of expectation-maximisation for a hidden Markov chain whose states have generalised linear models.

The E-step is blocked message passing, exact whatever underflows; the M-step makes, for every unit, one damped Newton
step on the expected log-likelihood with its prior.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.glm.checkpoints import Store
from neurodyn.inference.glm.design import Design, Weights
from neurodyn.inference.glm.families import Family, GaussianFamily, NegativeBinomialFamily
from neurodyn.inference.glm.hyper import PriorState
from neurodyn.inference.glm.newton import Spectrum, by_bend, newton_step, spectrum_of
from neurodyn.inference.glm.passes import evaluate, feature_moments, scale_statistics, state_likelihoods
from neurodyn.inference.glm.penalty import penalty_value, project
from neurodyn.inference.message_passing import ExpectedStatistics, expected_statistics

HALVINGS = 8
WORTH_COMPILING = 1 << 22  # bins x states x units from which the compiler's full effort pays
UNEVEN = 0.2  # variation of the curvature between bins from which they count by it in the second moments
RENEW = 4  # iterations for which the second moments of the features serve
FLOOR_VARIANCE = 1e-6
LARGEST_CHANGE = 0.4  # of a logarithmic dispersion in one step
LEAST_BEND = 0.02
SCALE_PARTS = (1.0, 0.4, 0.15, 0.05, 0.01)


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
    """Stopping rule and services of a run."""

    max_iterations: int
    tolerance: float
    report: Callable[[int], None] | None = None
    store: Store | None = None


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


def _alone(likelihood: Array, chain: Chain) -> ExpectedStatistics:
    """Expectations over a chain of one state, which needs no messages."""
    known = np.asarray(chain.valid, likelihood.dtype)
    begins = np.asarray(chain.start).copy()
    begins[:1] = True
    first = float((begins * known).sum())
    total, one = float(known.sum()), np.ones((), bool)
    return ExpectedStatistics(
        jnp.ones_like(likelihood),
        jnp.full((1, 1), total - first, likelihood.dtype),
        jnp.full(1, first, likelihood.dtype),
        jnp.full(1, total, likelihood.dtype),
        jnp.zeros(likelihood.shape[0], jnp.int32),
        likelihood[:, 0],
        jnp.asarray(one),
        jnp.asarray(one),
    )


def expectations(likelihood: Array, parameters: Parameters, chain: Chain) -> ExpectedStatistics:
    """The E-step; redone in the log domain where underflow may have harmed it."""
    if parameters.transition.shape[0] == 1:
        return _alone(likelihood, chain)
    arguments = (likelihood, parameters.transition, parameters.initial, chain)
    found = _messages(*arguments, guard=False)
    return found if bool(found.trusted) else _messages(*arguments, guard=True)


@light_jit()
def moved(weights: Weights, direction: Weights, length: Array) -> Weights:
    """Weights some way along a direction, unit by unit."""
    return jax.tree.map(
        lambda leaf, change: jnp.where(length > 0, leaf + change * length, leaf), weights, direction
    )


@light_jit()
def projected(weights: Weights, penalty: Any) -> Weights:
    """`project`, compiled."""
    return project(weights, penalty)


class Maximiser:
    """One damped Newton step a call, with what one step hands to the next."""

    def __init__(self, design: Design, family: Family, prior: PriorState, n_products: int) -> None:
        self.design, self.family, self.prior = design, family, prior
        self.n_products, self.calls = n_products, 0
        self.spectrum: Spectrum | None = None
        self.average: Array | None = None
        self.bend: Array | None = None
        self.accepted = np.zeros(0, bool)
        self.tolerance = 0.1

    def __call__(self, parameters: Parameters, posterior: Array) -> tuple[Parameters, Array]:
        """Better weights, and the likelihood of every state at them."""
        weights, dtype = parameters.weights, parameters.weights.shared.dtype
        penalty = self.prior.penalty(weights)
        fixed = weights.shared.shape[1] == 1  # with one state the features weigh the same in every step
        if self.spectrum is None or (not fixed and (self.calls % RENEW == 0 or self.calls < 3)):
            weight = posterior if self.bend is None else by_bend(self.bend, posterior)
            self.spectrum = spectrum_of(feature_moments(self.design, weight))
        self.calls += 1
        size = self.design.targets.size * weights.shared.shape[1]
        compiled = newton_step.full if size >= WORTH_COMPILING else newton_step
        step = compiled(
            weights,
            parameters.scale,
            self.design,
            posterior,
            penalty,
            self.spectrum,
            np.int32(self.n_products),
            np.asarray(self.tolerance, dtype),
            family=self.family,
        )
        self.average = step.average
        self.bend = step.bend if float(step.uneven) > UNEVEN else None
        group = self.family.group
        before = together(_total(step.value) - np.asarray(step.penalty, float), group)
        gain = together(np.asarray(step.gain, float), group)
        length = np.ones(len(before))
        best, pending = np.zeros(len(before)), np.ones(len(before), bool)
        likelihood = None
        noise = 4 * np.finfo(dtype).eps * (np.abs(before) + 1)
        for _ in range(HALVINGS):
            candidate = moved(weights, step.direction, jnp.asarray(np.where(pending, length, best), dtype))
            value, likelihood = evaluate(
                candidate, parameters.scale, self.design, posterior, family=self.family
            )
            after = together(_total(value) - np.asarray(compiled_penalty(candidate, penalty), float), group)
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
        """Parameters with a better scale, where the family learns one; a unit that does not gain keeps its own."""
        family, scale = self.family, np.asarray(parameters.scale, float)
        if not family.learns_scale:
            return None
        first, weight = scale_statistics(
            parameters.weights, parameters.scale, self.design, posterior, family=family
        )
        first, weight = np.asarray(first, float), np.asarray(weight, float)
        dtype = parameters.scale.dtype
        if isinstance(family, GaussianFamily):
            new = np.where(weight > 0, first / np.maximum(weight, 1e-9), scale)
            new = np.maximum(new, FLOOR_VARIANCE * max(float(new.mean()), 1e-9))
            return parameters._replace(scale=jnp.asarray(new, dtype))
        slope = np.where(weight > 0, first / np.maximum(weight, 1e-9), 0.0)
        change = np.clip(slope / np.maximum(np.abs(slope), LEAST_BEND), -LARGEST_CHANGE, LARGEST_CHANGE)
        least, largest = scale_range(family)

        def value(of: np.ndarray) -> np.ndarray:
            found, _ = evaluate(
                parameters.weights, jnp.asarray(of, dtype), self.design, posterior, family=family
            )
            return _total(found)

        best, highest = scale, value(scale)
        for part in SCALE_PARTS:
            new = np.clip(scale * np.exp(part * change), least, largest)
            found = value(new)
            best, highest = np.where(found > highest, new, best), np.maximum(found, highest)
        return parameters._replace(scale=jnp.asarray(best, dtype))


def scale_range(family: Family) -> tuple[float, float]:
    """Least and largest scale."""
    if isinstance(family, NegativeBinomialFamily):
        return family.least, family.largest
    return 1e-9, np.inf


@light_jit()
def compiled_penalty(weights: Weights, penalty: Any) -> Array:
    """`penalty_value`, compiled."""
    return penalty_value(weights, penalty)


def together(values: np.ndarray, group: int) -> np.ndarray:
    """Every entry replaced by the sum over its group of neighbours."""
    if group == 1:
        return values
    return np.repeat(values.reshape(-1, group).sum(axis=1), group)


def _total(value: Array) -> np.ndarray:
    """Sum over chunks in double precision, ``(unit,)``."""
    return np.asarray(value, float).sum(axis=0)
