"""Expectation-maximisation for hidden Markov models, as one compiled state machine.

Every pass of the loop is one E-step and one M-step at the ``query`` parameters. In accelerated mode three
passes make a SQUAREM cycle (Varadhan and Roland 2008): two plain steps give the direction ``r`` and the
curvature ``v``, the third evaluates the extrapolated point, which is kept only if its objective does not
fall below the last accepted one. The loop runs in chunks that return the state, so progress, checkpoints
and interrupts happen between chunks and do not change the numbers.
"""

import dataclasses
import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.arrangement import IN_TIME, Arrangement
from neurodyn.inference.compilation import light_jit
from neurodyn.inference.em_state import EMState, HMMParameters, Packing
from neurodyn.inference.emissions import AutoregressiveGaussian, Emission
from neurodyn.inference.message_passing import expected_statistics, forward_backward
from neurodyn.inference.segments import (
    Expectations,
    segment_length,
    segmented_expectations,
)
from neurodyn.inference.transitions import (
    maximise_transitions,
    pair_probabilities,
    transition_matrices,
)

FLOOR = 1e-30
RARE = 1e-20  # least probability of a transition that is possible at all: nobody's evidence, yet no zero
REST = 7  # steps without a glimpse over the borders of blocks after one that was in vain


def possible(transition: Float[Array, "state state"], before: Float[Array, "state state"]) -> Array:
    """Transitions that were possible stay so, since rounding must not forbid them; those that were not stay at zero."""
    return jnp.where(before > 0, jnp.maximum(transition, RARE), jnp.zeros_like(transition))


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransitionPrior:
    """Dirichlet prior on every row of the transition matrix and on the initial distribution.

    .. math:: A_{i\\cdot} \\sim \\mathrm{Dirichlet}(\\alpha + \\kappa e_i)

    Parameters
    ----------
    concentration : float
        :math:`\\alpha \\ge 1`; 1 is flat (maximum likelihood).
    sticky : float
        :math:`\\kappa \\ge 0`, extra pseudo-counts of staying in a state.
    ridge : float
        Strength of the Gaussian prior on the weights of transition covariates.
    """

    concentration: float = 1.0
    sticky: float = 0.0
    ridge: float = 1.0

    def pseudo_counts(self, n_states: int, dtype: Any) -> Float[Array, "state state"]:
        """Pseudo-counts added to the expected transition counts."""
        return jnp.full((n_states, n_states), self.concentration - 1.0, dtype) + self.sticky * jnp.eye(
            n_states, dtype=dtype
        )

    def log_density(self, parameters: HMMParameters) -> Array:
        """Log prior up to a constant."""
        initial, transition = parameters.initial, parameters.transition
        extra = self.pseudo_counts(transition.shape[0], transition.dtype)
        rows = jnp.where(extra > 0, extra * jnp.log(jnp.maximum(transition, FLOOR)), 0.0).sum()
        first = (self.concentration - 1.0) * jnp.log(jnp.maximum(initial, FLOOR)).sum()
        total = rows + (first if self.concentration > 1.0 else 0.0)
        return (
            total if parameters.weights is None else total - 0.5 * self.ridge * jnp.sum(parameters.weights**2)
        )

    def maximise(
        self,
        initial_counts: Float[Array, " state"],
        transition_counts: Float[Array, "state state"],
        previous: HMMParameters,
    ) -> tuple[Array, Array]:
        """Posterior mode; a row without any count keeps its previous value."""
        counts = transition_counts + self.pseudo_counts(transition_counts.shape[0], transition_counts.dtype)
        total = counts.sum(axis=1, keepdims=True)
        transition = jnp.where(total > FLOOR, counts / jnp.maximum(total, FLOOR), previous.transition)
        transition = possible(transition, previous.transition)
        first = initial_counts + (self.concentration - 1.0)
        initial = jnp.where(first.sum() > FLOOR, first / jnp.maximum(first.sum(), FLOOR), previous.initial)
        return initial, transition


class Sequence(eqx.Module):
    """The recording as the loop sees it: trials end to end on one flat, padded time axis, its bins in `order`."""

    data: Any  # what the emission prepared
    start: Bool[Array, " time"]  # first bin of every trial, and all padding
    valid: Bool[Array, " time"]  # False in the padding
    covariates: Float[Array, "time covariate"] | None = None  # of the transitions, standardised
    order: Arrangement = eqx.field(static=True, default=IN_TIME)


def transition_into(
    parameters: HMMParameters, sequence: Sequence
) -> Float[Array, "state state"] | Float[Array, "time state state"]:
    """The transition matrix, or with covariates the one into every bin."""
    if parameters.weights is None or sequence.covariates is None:
        return parameters.transition
    return transition_matrices(parameters.transition, parameters.weights, sequence.covariates)


def filled_history(emission: Emission, parameters: HMMParameters, data: Any) -> Any:
    """The data, with missing predecessors of an autoregression at their filtered expectation."""
    if isinstance(emission, AutoregressiveGaussian):
        return emission.fill_history(parameters.emission, data, parameters.transition, parameters.initial)
    return data


def em_step(
    emission: Emission,
    prior: TransitionPrior,
    sequence: Sequence,
    parameters: HMMParameters,
    guard: bool = True,
    swift: Bool[Array, ""] | None = None,
) -> tuple[HMMParameters, Array, Expectations]:
    """One E-step and one M-step.

    Parameters
    ----------
    emission : Emission
        Family and priors.
    prior : TransitionPrior
        Prior on the transitions.
    sequence : Sequence
        The data.
    parameters : HMMParameters
        Where the expectations are taken.
    guard : bool
        Redo a pass harmed by underflow in the log domain (compiles longer), or only say so.
    swift : scalar bool, optional
        As in `neurodyn.inference.message_passing.expected_statistics`.

    Returns
    -------
    HMMParameters
        Maximisers of the expected objective.
    Array
        Log prior at `parameters`, scalar.
    Expectations
        At `parameters`.
    """
    found, pairs = _expect(emission, sequence, parameters, guard, swift)
    initial, transition = prior.maximise(found.initial_counts, found.transition_counts, parameters)
    weights = parameters.weights
    if pairs is not None and weights is not None and sequence.covariates is not None:
        extra = prior.pseudo_counts(transition.shape[0], transition.dtype)
        transition, weights = maximise_transitions(
            pairs, parameters.transition, weights, sequence.covariates, extra, prior.ridge
        )
    emitted = emission.maximise(found.statistics, parameters.emission)
    updated = HMMParameters(initial, transition, emitted, weights)
    log_prior = emission.log_prior(parameters.emission, sequence.data) + prior.log_density(parameters)
    return updated, log_prior, found


def _expect(
    emission: Emission,
    sequence: Sequence,
    parameters: HMMParameters,
    guard: bool,
    swift: Bool[Array, ""] | None,
) -> tuple[Expectations, Array | None]:
    """The E-step, and with covariates the probability of every transition into every bin."""
    start, valid = sequence.start, sequence.valid
    segment = segment_length(start.shape[0], sequence.data)
    if segment and not guard and parameters.weights is None:
        return segmented_expectations(
            emission,
            parameters.emission,
            sequence.data,
            parameters.transition,
            parameters.initial,
            start,
            valid,
            segment,
            sequence.order,
            swift,
        ), None
    data = filled_history(emission, parameters, sequence.data)
    log_likelihood = emission.log_likelihood(parameters.emission, data)
    matrices = transition_into(parameters, sequence)
    messages = expected_statistics(
        log_likelihood,
        matrices,
        parameters.initial,
        start,
        valid=valid,
        guard=guard,
        order=sequence.order,
        swift=swift,
    )
    pairs = None
    if parameters.weights is not None:
        past = forward_backward(log_likelihood, matrices, parameters.initial, start, valid=valid, guard=guard)
        inside = ~start.at[0].set(True)
        pairs = pair_probabilities(past.filtered, past.predicted, past.smoothed, matrices, inside)
    found = Expectations(
        emission.statistics(messages.smoothed, data, parameters.emission),
        messages.initial_counts,
        messages.transition_counts,
        messages.log_normalizer,
        messages.occupancy,
        messages.path,
        messages.trusted,
        messages.paid,
    )
    return found, pairs


def _squarem(emission: Emission, data: Any, packing: Packing, points: Float[Array, "3 parameter"]) -> Array:
    """Extrapolate from three successive EM iterates, in unconstrained coordinates."""

    def relax(vector: Array) -> Any:
        parameters = packing.unpack(vector)
        return (
            jnp.log(jnp.maximum(parameters.initial, FLOOR)),
            jnp.log(jnp.maximum(parameters.transition, FLOOR)),
            emission.unconstrain(parameters.emission),
            parameters.weights,
        )

    free = Packing.of(jax.eval_shape(relax, points[0]))
    u = jax.vmap(lambda vector: free.pack(relax(vector)))(points)
    r, v = u[1] - u[0], u[2] - 2 * u[1] + u[0]
    alpha = jnp.clip(jnp.sqrt(jnp.sum(r**2) / jnp.maximum(jnp.sum(v**2), FLOOR)), 1.0, 32.0)
    initial, transition, emitted, weights = free.unpack(u[0] + 2 * alpha * r + alpha**2 * v)
    before = packing.unpack(points[0]).transition
    return packing.pack(
        HMMParameters(
            jax.nn.softmax(initial),
            possible(jax.nn.softmax(transition, axis=-1), before),
            emission.project(emission.constrain(emitted), data),
            weights,
        )
    )


def _advance(
    emission: Emission,
    prior: TransitionPrior,
    packing: Packing,
    accelerate: bool,
    guard: bool,
    sequence: Sequence,
    n_observed: Array,
    tolerance: Array,
    state: EMState,
) -> EMState:
    """One pass of the state machine."""
    query, good, anchor, fallback = state.points
    n_accepted, n_steps, phase, n_rejected, small_steps, wait, guarded = state.counters
    following, log_prior, found = em_step(
        emission, prior, sequence, packing.unpack(query), guard, None if guard else wait == 0
    )
    wait = jnp.where(found.paid, jnp.maximum(wait - 1, 0), REST)
    log_normalizer = found.log_normalizer
    updated = packing.pack(following)
    first = n_accepted == 0
    gain = jnp.sum(log_normalizer - state.log_normalizer) + (log_prior - state.log_prior)
    finite = jnp.isfinite(jnp.sum(log_normalizer) + log_prior)
    trial = phase == 2
    accepted = finite & (~trial | (gain >= 0))
    failed = ~finite & ~trial
    rejected = trial & ~accepted
    plain = (phase == 1) if accelerate else jnp.ones((), bool)
    small = plain & ~first & finite & (gain / n_observed < tolerance)
    small_steps = jnp.where(plain, jnp.where(small, small_steps + 1, 0), small_steps)
    onward = updated
    if accelerate:
        jumped = _squarem(emission, sequence.data, packing, jnp.stack([anchor, query, updated]))
        onward = jnp.where(phase == 1, jumped, jnp.where(rejected, fallback, updated))
    points = jnp.stack(
        [
            jnp.where(failed, good, onward),
            jnp.where(accepted, query, good),
            jnp.where(phase == 0, query, anchor),
            jnp.where(phase == 1, updated, fallback),
        ]
    )
    phase = (phase + 1) % 3 if accelerate else phase
    counters = [n_accepted + accepted, n_steps + 1, phase, n_rejected + rejected, small_steps, wait, guarded]
    slot = jnp.arange(state.gains.shape[0]) == n_accepted
    return EMState(
        points=points,
        log_normalizer=jnp.where(accepted, log_normalizer, state.log_normalizer),
        log_prior=jnp.where(accepted, log_prior, state.log_prior),
        gains=jnp.where(slot & accepted & ~first, gain, state.gains),
        counters=jnp.stack(counters),
        flags=jnp.stack([small_steps >= 2, failed, ~found.trusted]),
        occupancy=jnp.where(accepted, found.occupancy, state.occupancy),
        path=jnp.where(accepted, found.path, state.path),
    )


@light_jit(static_argnames=("emission", "prior", "packing", "accelerate", "guard"))
def em_chunk(
    state: EMState,
    sequence: Sequence,
    limit: Int[Array, ""],
    n_observed: Float[Array, ""],
    tolerance: Float[Array, ""],
    *,
    emission: Emission,
    prior: TransitionPrior,
    packing: Packing,
    accelerate: bool,
    guard: bool = False,
) -> EMState:
    """Run one restart until it stops or has made `limit` steps in all.

    Parameters
    ----------
    state : EMState
        Where to go on.
    sequence : Sequence
        The data.
    limit : Array
        Total number of steps after which the chunk returns.
    n_observed : Array
        Number of bins with an observation, for the stopping rule.
    tolerance : Array
        Stop after two plain steps in a row that gain less than this many nats per bin.
    emission, prior, packing, accelerate, guard
        Static: the family, the prior, how parameters lie in a vector, whether to extrapolate, and whether to
        redo a step harmed by underflow in the log domain; without `guard` the chunk stops there with ``doubtful`` set.

    Returns
    -------
    EMState
        The state after the chunk.
    """

    def going(current: EMState) -> Array:
        return (current.n_steps < limit) & ~(current.converged | current.failed | current.doubtful)

    body = functools.partial(
        _advance, emission, prior, packing, accelerate, guard, sequence, n_observed, tolerance
    )
    return jax.lax.while_loop(going, body, state)


@light_jit(static_argnames=("emission", "prior", "packing", "accelerate", "guard"))
def em_chunk_batch(
    state: EMState,
    sequence: Sequence,
    limit: Int[Array, ""],
    n_observed: Float[Array, ""],
    tolerance: Float[Array, ""],
    *,
    emission: Emission,
    prior: TransitionPrior,
    packing: Packing,
    accelerate: bool,
    guard: bool = False,
) -> EMState:
    """`em_chunk` for several restarts in one batch (leading axis of `state`)."""

    def one(single: EMState) -> EMState:
        return em_chunk.function(
            single,
            sequence,
            limit,
            n_observed,
            tolerance,
            emission=emission,
            prior=prior,
            packing=packing,
            accelerate=accelerate,
            guard=guard,
        )

    return jax.vmap(one)(state)
