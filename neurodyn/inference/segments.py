"""The E-step of a long recording, segment by segment: memory beyond the data does not grow with its length.

A first walk over the segments computes the likelihoods and the transfer matrix of every block (K x K numbers for
some 256 bins); the short scan over all blocks gives the messages at every block's borders; a second walk computes
the messages inside each segment and adds up its statistics. Between the walks the likelihoods are kept only where
there are no more states than units; else they are computed twice. The result
is that of one pass over the whole recording.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference import blocks
from neurodyn.inference.arrangement import IN_TIME, Arrangement
from neurodyn.inference.emissions import Emission
from neurodyn.inference.emissions._time import cut_time, sliceable
from neurodyn.inference.guarded import amplification_limit, default_block_length

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
    """

    statistics: Any
    initial_counts: Float[Array, " state"]
    transition_counts: Float[Array, "state state"]
    log_normalizer: Float[Array, " time"]
    occupancy: Float[Array, " state"]
    path: Int[Array, " time"]
    trusted: Bool[Array, ""]


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


def over_time(smoothed: Array, valid: Array) -> tuple[Array, Array]:
    """Expected bins per state, and the most probable state of every bin."""
    wide = smoothed.T
    return wide @ valid.astype(wide.dtype), jnp.argmax(wide, axis=0).astype(jnp.int16)


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

    Returns
    -------
    Expectations
        As of one pass over everything.
    """
    n_time, n_states = start.shape[0], initial.shape[0]
    n_segments, length = n_time // segment, order.length or default_block_length(segment)
    order = order.of_one_segment()
    start = start.at[0].set(True)

    def take(index: Array, parts: blocks.Blocks | None = None) -> tuple[Any, Array, Array, blocks.Blocks]:
        begin = index * segment
        part = cut_time(data, begin, segment)
        first = lax.dynamic_slice_in_dim(start, begin, segment)
        inside = lax.dynamic_slice_in_dim(valid, begin, segment)
        if parts is None:
            log_likelihood = emission.log_likelihood(parameters, part)
            parts = blocks.prepare(
                log_likelihood, transition, initial, first, length, opens=False, order=order
            )
        return part, first, inside, parts._replace(transition=transition)

    def walk(index: Array) -> tuple[Array, Array, blocks.Blocks | None]:
        parts = take(index)[3]
        return *blocks.transfer(parts), parts._replace(transition=None) if keeps else None

    # Likelihoods that take no more room than the data are kept for the second walk.
    keeps = n_states <= sum(leaf.size for leaf in jax.tree.leaves(data)) // n_time
    matrices, scales, kept = lax.map(walk, jnp.arange(n_segments))
    matrix = jnp.moveaxis(matrices, 0, 2).reshape(n_states, n_states, -1)
    scale = jnp.moveaxis(scales, 0, 1).reshape(n_states, -1)
    entries, leaves, smallest = blocks.boundaries(matrix, scale)
    borders = tuple(jnp.moveaxis(b.reshape(n_states, n_segments, -1), 1, 0) for b in (entries, leaves))
    limit = amplification_limit(scale.dtype, n_time * n_states)

    def one(index: Array, entry: Array, leave: Array, parts: blocks.Blocks | None) -> Expectations:
        part, first, inside, parts = take(index, parts)
        filtered, total = blocks.sweep_forward(parts, entry)
        smoothed, counts, amplification = blocks.sweep_backward(parts, entry, leave, filtered, total)
        smoothed = blocks.join(smoothed, segment, order)
        occupancy, path = over_time(smoothed, inside)
        return Expectations(
            emission.statistics(smoothed, part, parameters),
            smoothed.T @ (first & inside).astype(smoothed.dtype),
            counts,
            blocks.join(jnp.log(total) + parts.shift, segment, order),
            occupancy,
            path,
            (jnp.min(total) > 1 / limit) & (amplification < limit),
        )

    def add(summed: tuple, inputs: tuple) -> tuple[tuple, tuple]:
        found = one(*inputs)
        sums = (found.statistics, found.initial_counts, found.transition_counts, found.occupancy)
        return jax.tree.map(jnp.add, summed, sums), (found.log_normalizer, found.path, found.trusted)

    inputs = (jnp.arange(n_segments), *borders, kept)
    shapes = jax.eval_shape(one, *jax.tree.map(lambda leaf: leaf[0], inputs))
    totals = (shapes.statistics, shapes.initial_counts, shapes.transition_counts, shapes.occupancy)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), totals)
    summed, (log_normalizer, path, trusted) = lax.scan(add, zeros, inputs)
    statistics, initial_counts, transition_counts, occupancy = summed
    return Expectations(
        statistics,
        initial_counts,
        transition_counts,
        log_normalizer.reshape(-1),
        occupancy,
        path.reshape(-1),
        trusted.all() & (smallest > 1 / limit),
    )
