"""Expectation-maximisation for hidden Markov models, as one compiled state machine.

Every pass of the loop is one E-step and one M-step at the ``query`` parameters. In accelerated mode three
passes make a SQUAREM cycle (Varadhan and Roland 2008): two plain steps give the direction ``r`` and the
curvature ``v``, the third evaluates the extrapolated point, which is kept only if its objective does not
fall below the last accepted one. The loop runs in chunks that return the state, so progress, checkpoints
and interrupts happen between chunks and do not change the numbers.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.emissions import AutoregressiveGaussian, Emission
from neurodyn.inference.message_passing import expected_statistics, forward_backward
from neurodyn.inference.transitions import (
    maximise_transitions,
    pair_probabilities,
    transition_matrices,
)

FLOOR = 1e-30


class HMMParameters(NamedTuple):
    """Initial distribution, transition matrix (rows: from), emission parameters, covariate weights."""

    initial: Float[Array, "*restart state"]
    transition: Float[Array, "*restart state state"]
    emission: Any
    weights: Float[Array, "*restart state state covariate"] | None = None


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
        first = initial_counts + (self.concentration - 1.0)
        initial = jnp.where(first.sum() > FLOOR, first / jnp.maximum(first.sum(), FLOOR), previous.initial)
        return initial, transition


class EMState(NamedTuple):
    """Everything the loop needs to go on; one per restart."""

    query: HMMParameters  # where the next E-step is taken
    good: HMMParameters  # parameters of the last accepted objective
    anchor: HMMParameters  # first point of the current cycle
    fallback: HMMParameters  # where a rejected extrapolation returns to
    log_normalizer: Float[Array, "*restart time"]  # of the last accepted point
    log_prior: Float[Array, "*restart"]
    gains: Float[Array, "*restart iteration"]  # accepted objective minus the one before, in nats
    n_accepted: Int[Array, "*restart"]
    n_steps: Int[Array, "*restart"]
    phase: Int[Array, "*restart"]
    n_rejected: Int[Array, "*restart"]
    small_steps: Int[Array, "*restart"]
    converged: Bool[Array, "*restart"]
    failed: Bool[Array, "*restart"]
    occupancy: Float[Array, "*restart state"]
    doubtful: Bool[Array, "*restart"]  # underflow harmed the last step: repeat the chunk with the guard
    path: Int[Array, "*restart time"]  # most probable state of every bin at the last accepted point


class Sequence(NamedTuple):
    """The recording as the loop sees it: trials end to end on one flat, padded time axis."""

    data: Any  # what the emission prepared
    start: Bool[Array, " time"]  # first bin of every trial, and all padding
    valid: Bool[Array, " time"]  # False in the padding
    covariates: Float[Array, "time covariate"] | None = None  # of the transitions, standardised


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
) -> tuple[HMMParameters, Array, Array, Array, Array, Array]:
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

    Returns
    -------
    HMMParameters
        Maximisers of the expected objective.
    Array
        ``log p(x_t | x_<t)`` at `parameters`, shape ``(time,)``, in nats.
    Array
        Log prior at `parameters`, scalar.
    Array
        Expected number of bins in each state, shape ``(state,)``.
    Array
        Most probable state of every bin, shape ``(time,)``.
    Array
        Whether underflow left all this right; always True with `guard`.
    """
    data = filled_history(emission, parameters, sequence.data)
    log_likelihood = emission.log_likelihood(parameters.emission, data)
    matrices = transition_into(parameters, sequence)
    messages = expected_statistics(
        log_likelihood, matrices, parameters.initial, sequence.start, valid=sequence.valid, guard=guard
    )
    statistics = emission.statistics(messages.smoothed, data, parameters.emission)
    initial, transition = prior.maximise(messages.initial_counts, messages.transition_counts, parameters)
    weights = parameters.weights
    if weights is not None and sequence.covariates is not None:
        inside = ~sequence.start.at[0].set(True)
        past = forward_backward(
            log_likelihood, matrices, parameters.initial, sequence.start, valid=sequence.valid, guard=guard
        )
        pairs = pair_probabilities(past.filtered, past.predicted, past.smoothed, matrices, inside)
        extra = prior.pseudo_counts(transition.shape[0], transition.dtype)
        transition, weights = maximise_transitions(
            pairs, parameters.transition, weights, sequence.covariates, extra, prior.ridge
        )
    updated = HMMParameters(initial, transition, emission.maximise(statistics, parameters.emission), weights)
    log_prior = emission.log_prior(parameters.emission, sequence.data) + prior.log_density(parameters)
    occupancy = jnp.where(sequence.valid, 1.0, 0.0).astype(messages.smoothed.dtype) @ messages.smoothed
    path = jnp.argmax(messages.smoothed, axis=1).astype(jnp.int16)
    return updated, messages.log_normalizer, log_prior, occupancy, path, messages.trusted


def initial_state(parameters: HMMParameters, n_time: int, max_iterations: int) -> EMState:
    """State before the first step, for one restart."""
    dtype = parameters.transition.dtype
    zero = jnp.zeros((), jnp.int32)
    return EMState(
        query=parameters,
        good=parameters,
        anchor=parameters,
        fallback=parameters,
        log_normalizer=jnp.zeros(n_time, dtype),
        log_prior=jnp.zeros((), dtype),
        gains=jnp.zeros(max_iterations, dtype),
        n_accepted=zero,
        n_steps=zero,
        phase=zero,
        n_rejected=zero,
        small_steps=zero,
        converged=jnp.zeros((), bool),
        failed=jnp.zeros((), bool),
        occupancy=jnp.ones(parameters.initial.shape[-1], dtype),
        doubtful=jnp.zeros((), bool),
        path=jnp.zeros(n_time, jnp.int16),
    )


def _choose(condition: Array, yes: Any, no: Any) -> Any:
    """Elementwise selection between two trees by a scalar condition."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def _squarem(
    emission: Emission, data: Any, p0: HMMParameters, p1: HMMParameters, p2: HMMParameters
) -> HMMParameters:
    """Extrapolate from three successive EM iterates, in unconstrained coordinates."""

    def relax(parameters: HMMParameters) -> Any:
        return (
            jnp.log(jnp.maximum(parameters.initial, FLOOR)),
            jnp.log(jnp.maximum(parameters.transition, FLOOR)),
            emission.unconstrain(parameters.emission),
            parameters.weights,
        )

    three = jax.vmap(relax)(jax.tree.map(lambda *leaves: jnp.stack(leaves), p0, p1, p2))
    u0 = jax.tree.map(lambda u: u[0], three)
    r = jax.tree.map(lambda u: u[1] - u[0], three)
    v = jax.tree.map(lambda u: u[2] - 2 * u[1] + u[0], three)
    norm_r = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(r))
    norm_v = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(v))
    alpha = jnp.clip(jnp.sqrt(norm_r / jnp.maximum(norm_v, FLOOR)), 1.0, 32.0)
    jumped = jax.tree.map(lambda a, b, c: a + 2 * alpha * b + alpha**2 * c, u0, r, v)
    initial, transition, emitted, weights = jumped
    return HMMParameters(
        jax.nn.softmax(initial),
        jax.nn.softmax(transition, axis=-1),
        emission.project(emission.constrain(emitted), data),
        weights,
    )


def _advance(
    emission: Emission,
    prior: TransitionPrior,
    accelerate: bool,
    guard: bool,
    sequence: Sequence,
    n_observed: Array,
    tolerance: Array,
    state: EMState,
) -> EMState:
    """One pass of the state machine."""
    updated, log_normalizer, log_prior, occupancy, path, trusted = em_step(
        emission, prior, sequence, state.query, guard
    )
    first = state.n_accepted == 0
    gain = jnp.sum(log_normalizer - state.log_normalizer) + (log_prior - state.log_prior)
    finite = jnp.isfinite(log_normalizer).all() & jnp.isfinite(log_prior)
    trial = state.phase == 2
    accepted = finite & (~trial | (gain >= 0))
    failed = ~finite & ~trial
    per_bin = gain / n_observed
    small = (state.phase == 1) if accelerate else ~first
    small = small & finite & (per_bin < tolerance)
    small_steps = jnp.where(
        (state.phase == 1) | (not accelerate), jnp.where(small, state.small_steps + 1, 0), state.small_steps
    )
    if accelerate:
        jumped = _squarem(emission, sequence.data, state.anchor, state.query, updated)
        query = _choose(
            state.phase == 1,
            jumped,
            _choose(trial & ~accepted, state.fallback, updated),
        )
        phase = (state.phase + 1) % 3
    else:
        query, phase = updated, state.phase
    recorded = jnp.where(first, 0.0, gain)
    slot = jnp.minimum(state.n_accepted, state.gains.shape[0] - 1)
    return EMState(
        query=_choose(failed, state.good, query),
        good=_choose(accepted, state.query, state.good),
        anchor=_choose(state.phase == 0, state.query, state.anchor),
        fallback=_choose(state.phase == 1, updated, state.fallback),
        log_normalizer=jnp.where(accepted, log_normalizer, state.log_normalizer),
        log_prior=jnp.where(accepted, log_prior, state.log_prior),
        gains=jnp.where(accepted, state.gains.at[slot].set(recorded), state.gains),
        n_accepted=state.n_accepted + accepted.astype(jnp.int32),
        n_steps=state.n_steps + 1,
        phase=phase,
        n_rejected=state.n_rejected + (trial & ~accepted).astype(jnp.int32),
        small_steps=small_steps,
        converged=small_steps >= 2,
        failed=failed,
        occupancy=jnp.where(accepted, occupancy, state.occupancy),
        doubtful=~trusted,
        path=jnp.where(accepted, path, state.path),
    )


@functools.partial(jax.jit, static_argnames=("emission", "prior", "accelerate", "guard"))
def em_chunk(
    state: EMState,
    sequence: Sequence,
    limit: Int[Array, ""],
    n_observed: Float[Array, ""],
    tolerance: Float[Array, ""],
    *,
    emission: Emission,
    prior: TransitionPrior,
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
    emission, prior, accelerate, guard
        Static: the family, the prior, whether to extrapolate, and whether to redo a step harmed by underflow in
        the log domain; without `guard` the chunk stops there with ``doubtful`` set.

    Returns
    -------
    EMState
        The state after the chunk.
    """

    def going(current: EMState) -> Array:
        return (current.n_steps < limit) & ~(current.converged | current.failed | current.doubtful)

    body = functools.partial(_advance, emission, prior, accelerate, guard, sequence, n_observed, tolerance)
    return jax.lax.while_loop(going, body, state)


@functools.partial(jax.jit, static_argnames=("emission", "prior", "accelerate", "guard"))
def em_chunk_batch(
    state: EMState,
    sequence: Sequence,
    limit: Int[Array, ""],
    n_observed: Float[Array, ""],
    tolerance: Float[Array, ""],
    *,
    emission: Emission,
    prior: TransitionPrior,
    accelerate: bool,
    guard: bool = False,
) -> EMState:
    """`em_chunk` for several restarts in one batch (leading axis of `state`)."""

    def one(single: EMState) -> EMState:
        return em_chunk(
            single,
            sequence,
            limit,
            n_observed,
            tolerance,
            emission=emission,
            prior=prior,
            accelerate=accelerate,
            guard=guard,
        )

    return jax.vmap(one)(state)
