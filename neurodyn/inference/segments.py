"""The E-step of a long recording, segment by segment: memory beyond the data does not grow with its length.

A first walk over the segments computes the likelihoods and the transfer matrix of every block (K x K numbers for
some 256 bins), or glimpses over the borders of every block; the short scan over all blocks gives the messages at the
borders; a second walk computes the messages inside each segment and adds up its statistics. Between the walks the
likelihoods are kept only where there are no more states than units; else they are computed twice. The result is that
of one pass over the whole recording.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference import blocks
from neurodyn.inference.arrangement import IN_TIME, Arrangement
from neurodyn.inference.emissions import Emission
from neurodyn.inference.emissions._time import cut_time, sliceable
from neurodyn.inference.guarded import (
    amplification_limit,
    default_block_length,
    sound,
    until_right,
    window_of,
)
from neurodyn.inference.sweeps import across, agreement, glimpse, sweep_backward, sweep_forward

SEGMENT = 240 * 272  # whole blocks of the length that suits it
LONG = 8 * SEGMENT


class Expectations(NamedTuple):
    """What an E-step hands to the M-step and to the loop.

    Parameters
    ----------
    statistics : dict
        The emission's expected sufficient statistics.
    initial_counts : (K,)
        Expected number of trials that start in each state.
    transition_counts : (K, K)
        Expected number of transitions.
    log_normalizer : (T,)
        log p(x_t | x_<t) in nats.
    occupancy : (K,)
        Expected number of bins in each state.
    path : (T,)
        Most probable state of every bin.
    trusted : bool
        Whether underflow left all this right.
    paid : bool
        False where a glimpse over the borders of blocks was in vain.
    """

    statistics: Any
    initial_counts: Float[Array, " state"]
    transition_counts: Float[Array, "state state"]
    log_normalizer: Float[Array, " time"]
    occupancy: Float[Array, " state"]
    path: Int[Array, " time"]
    trusted: Bool[Array, ""]
    paid: Bool[Array, ""]


def segment_length(n_time: int, data: Any) -> int:
    """Bins per segment; 0 where the recording is short or its data cannot be cut along time.

    Bins observed in part refer to rows of the whole recording, and an autoregression to the bins before.
    """
    return SEGMENT if n_time >= LONG and n_time % SEGMENT == 0 and sliceable(data) else 0


def arrangement_of(n_time: int) -> Arrangement:
    """The order in which a recording of so many bins is worked on fastest, where its emission does not mind."""
    segments = n_time // SEGMENT if n_time >= LONG and n_time % SEGMENT == 0 else 1
    length = default_block_length(n_time // segments)
    return Arrangement(segments, length) if n_time % (segments * length) == 0 else IN_TIME


def segmented_expectations(
    emission: Emission,
    parameters: Any,
    data: Any,
    transition: Float[Array, "state state"],
    initial: Float[Array, " state"],
    start: Bool[Array, " time"],
    valid: Bool[Array, " time"],
    segment: int,
    order: Arrangement = IN_TIME,
    swift: Bool[Array, ""] | None = None,
) -> Expectations:
    """Expectations at given parameters, `segment` bins at a time.

    Parameters
    ----------
    emission : Emission
        The family.
    parameters : dict
        Of the emission.
    data : pytree
        What the emission prepared; `sliceable`.
    transition, initial, start, valid
        As in `neurodyn.inference.message_passing.forward_backward`.
    segment : int
        Bins per segment; divides the number of bins.
    order : Arrangement
        In which order the bins come, segment by segment.
    swift : scalar bool, optional
        As in `neurodyn.inference.message_passing.expected_statistics`.

    Returns
    -------
    Expectations
        As of one pass over everything.
    """
    n_time, n_states = start.shape[0], initial.shape[0]
    n_segments, length = n_time // segment, order.length or default_block_length(segment)
    order = order.of_one_segment()
    start = start.at[0].set(True)
    limit = amplification_limit(initial.dtype, n_time * n_states)
    # Likelihoods that take no more room than the data are kept for the second walk.
    keeps = n_states <= sum(leaf.size for leaf in jax.tree.leaves(data)) // n_time

    def take(index: Array, parts: blocks.Blocks | None = None) -> tuple[Any, Array, blocks.Blocks]:
        begin = index * segment
        part = cut_time(data, begin, segment)
        inside = lax.dynamic_slice_in_dim(valid, begin, segment)
        if parts is None:
            first = lax.dynamic_slice_in_dim(start, begin, segment)
            log_likelihood = emission.log_likelihood(parameters, part)
            parts = blocks.prepare(
                log_likelihood, transition, initial, first, length, opens=False, order=order
            )
        return part, inside, parts._replace(transition=transition)

    def over_segments(border: Array) -> Array:
        return jnp.moveaxis(border.reshape(n_states, n_segments, -1), 1, 0)

    def side_by_side(walked: Array) -> Array:
        return jnp.moveaxis(walked, 0, -2).reshape(*walked.shape[1:-1], -1)

    def borders(find: Callable[[blocks.Blocks], tuple[Array, Array]], join: Callable[..., tuple]) -> tuple:
        def walk(index: Array) -> tuple[tuple[Array, Array], blocks.Blocks | None]:
            parts = take(index)[2]
            return find(parts), parts._replace(transition=None) if keeps else None

        found, kept = lax.map(walk, jnp.arange(n_segments))
        entry, leave = join(*map(side_by_side, found))
        return over_segments(entry), over_segments(leave), kept

    def glimpsed() -> tuple:
        return borders(lambda parts: glimpse(parts, window_of(length)), across)

    def one(
        index: Array, entry: Array, leave: Array, parts: blocks.Blocks | None
    ) -> tuple[Expectations, Array, Array]:
        part, inside, parts = take(index, parts)
        ahead = sweep_forward(parts, entry)
        back = sweep_backward(parts, ahead, entry, leave)
        smoothed = blocks.from_columns(back.smoothed, segment, length, order)
        begins = blocks.vector(parts.start, segment, order) & inside
        found = Expectations(
            emission.statistics(smoothed, part, parameters),
            smoothed.T @ begins.astype(smoothed.dtype),
            back.transition_counts,
            blocks.vector(jnp.log(ahead.total) + ahead.shift, segment, order),
            smoothed.T @ inside.astype(smoothed.dtype),
            blocks.vector(back.path, segment, order),
            sound(transition, ahead, back, limit),
            jnp.ones((), bool),
        )
        return found, ahead.filtered[-1], back.arrivals

    def add(summed: tuple, inputs: tuple) -> tuple[tuple, tuple]:
        found, exits, arrivals = one(*inputs)
        sums = (found.statistics, found.initial_counts, found.transition_counts, found.occupancy)
        terms = (found.log_normalizer, found.path, found.trusted, exits, arrivals)
        return jax.tree.map(jnp.add, summed, sums), terms

    def turn(state: tuple) -> tuple:
        attempt, *_ = state
        hasty = jnp.zeros((), bool) if swift is None else swift & (attempt == 0)

        def exact() -> tuple:
            return borders(blocks.transfer, blocks.boundaries)

        possible = swift is not None and window_of(length) > 0
        entries, leaves, kept = lax.cond(hasty, glimpsed, exact) if possible else exact()
        inputs = (jnp.arange(n_segments), entries, leaves, kept)
        shapes = jax.eval_shape(one, *jax.tree.map(lambda leaf: leaf[0], inputs))[0]
        totals = (shapes.statistics, shapes.initial_counts, shapes.transition_counts, shapes.occupancy)
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), totals)
        summed, (log_normalizer, path, trusted, exits, arrivals) = lax.scan(add, zeros, inputs)
        agreed = agreement(*map(side_by_side, (entries, leaves, exits, arrivals)))
        statistics, initial_counts, transition_counts, occupancy = summed
        found = Expectations(
            statistics,
            initial_counts,
            transition_counts,
            log_normalizer.reshape(-1),
            occupancy,
            path.reshape(-1),
            trusted.all(),
            (attempt == 0) | (jnp.zeros((), bool) if swift is None else ~swift),
        )
        return attempt + 1, ~hasty | agreed, found

    return until_right(turn)[1]
