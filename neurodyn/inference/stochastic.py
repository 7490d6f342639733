"""Expectation-maximisation segment by segment: the parameters move after every segment, not after every pass.

A long recording tells much the same in each of its segments, so waiting for all of them before the first step
wastes most of a pass. Here one segment after the other, in random order, gets its E-step at the current
parameters; its expected statistics replace those of its last visit in the sum over segments, which the M-step
maximises at once (incremental EM, Neal and Hinton 1998). During the first pass segments not yet visited are taken
to be like those which were. A segment that continues a trial begins with the states' expected shares, not with
what came before: near its border the expectations are therefore approximate, and exact steps have to follow.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Int

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.em import FLOOR, Sequence, TransitionPrior
from neurodyn.inference.em_state import HMMParameters
from neurodyn.inference.emissions import Emission
from neurodyn.inference.emissions._time import cut_time
from neurodyn.inference.message_passing import expected_statistics
from neurodyn.inference.progress import Progress
from neurodyn.inference.segments import segment_length

# Segments between two returns to the host: about half a second for a few tens of units.
CHUNK = 8


class Memory(NamedTuple):
    """What every segment said at its last visit.

    Parameters
    ----------
    parts : pytree
        Expected statistics by segment: of the emission, of the trials' first bins, of the transitions, and the
        expected number of bins in each state; leading axis segment.
    visited : (segment,)
        Whether it was visited at all.
    """

    parts: Any
    visited: Bool[Array, " segment"]


def _visit(
    emission: Emission,
    sequence: Sequence,
    parameters: HMMParameters,
    share: Array,
    segment: int,
    index: Array,
) -> tuple[Any, Array, Array, Array]:
    """Expected statistics of one segment."""
    begin = index * segment
    data = cut_time(sequence.data, begin, segment)
    start = lax.dynamic_slice_in_dim(sequence.start, begin, segment)
    valid = lax.dynamic_slice_in_dim(sequence.valid, begin, segment)
    order = sequence.order.of_one_segment()
    begins = start[0] | (index == 0)
    log_likelihood = emission.log_likelihood(parameters.emission, data)
    # Where a trial goes on, its first bin here is no start: the expected shares stand for what came before.
    initial = jnp.maximum(parameters.initial, FLOOR)
    entry = jnp.where(begins, jnp.zeros_like(share), jnp.log(share) - jnp.log(initial))
    log_likelihood = log_likelihood.at[0].add(entry)
    found = expected_statistics(
        log_likelihood, parameters.transition, initial, start, valid=valid, guard=True, order=order
    )
    first = jnp.where(begins | ~valid[0], jnp.zeros_like(share), found.smoothed[0])
    return (
        emission.statistics(found.smoothed, data, parameters.emission),
        found.initial_counts - first,
        found.transition_counts,
        found.smoothed.T @ valid.astype(share.dtype),
    )


def _total(memory: Memory) -> Any:
    """Sum over the segments; those never visited are like the others."""
    scale = len(memory.visited) / jnp.maximum(memory.visited.sum(), 1)
    return jax.tree.map(lambda leaf: leaf.sum(0) * scale.astype(leaf.dtype), memory.parts)


@light_jit(static_argnames=("emission", "prior", "segment"))
def incremental_steps(
    parameters: HMMParameters,
    memory: Memory,
    sequence: Sequence,
    indices: Int[Array, " step"],
    *,
    emission: Emission,
    prior: TransitionPrior,
    segment: int,
) -> tuple[HMMParameters, Memory]:
    """Visit segments in turn, with an M-step after each.

    Parameters
    ----------
    parameters : HMMParameters
        Where to begin.
    memory : Memory
        Statistics of earlier visits.
    sequence : Sequence
        The data.
    indices : (step,)
        Segments in the order of their visits; a negative index is no visit.
    emission, prior, segment
        Static: the family, the prior of the transitions, bins per segment.

    Returns
    -------
    HMMParameters
        After the last M-step.
    Memory
        Statistics of the last visits.
    """

    def one(carry: tuple[HMMParameters, Memory, Any], index: Array) -> tuple[tuple, None]:
        now, memory, total = carry
        share = total[3] + 1.0
        found = _visit(emission, sequence, now, share / share.sum(), segment, jnp.maximum(index, 0))
        parts = jax.tree.map(lambda held, new: held.at[index].set(new), memory.parts, found)
        memory = Memory(parts, memory.visited.at[index].set(True))
        total = _total(memory)
        initial, transition = prior.maximise(total[1], total[2], now)
        return (
            HMMParameters(initial, transition, emission.maximise(total[0], now.emission)),
            memory,
            total,
        ), None

    def step(carry: tuple, index: Array) -> tuple[tuple, None]:
        return lax.cond(index >= 0, one, lambda same, _: (same, None), carry, index)

    (parameters, memory, _), _ = lax.scan(step, (parameters, memory, _total(memory)), indices)
    return parameters, memory


def empty_memory(parameters: HMMParameters, sequence: Sequence, emission: Emission, segment: int) -> Memory:
    """No segment visited yet."""
    n_segments = sequence.start.shape[0] // segment
    shapes = jax.eval_shape(
        lambda now, all_of: _visit(emission, all_of, now, now.initial, segment, jnp.zeros((), jnp.int32)),
        parameters,
        sequence,
    )
    parts = jax.tree.map(lambda leaf: jnp.zeros((n_segments, *leaf.shape), leaf.dtype), shapes)
    return Memory(parts, jnp.zeros(n_segments, bool))


def incremental_fit(
    seed: int,
    start: HMMParameters,
    sequence: Sequence,
    emission: Emission,
    prior: TransitionPrior,
    n_passes: int,
    progress: Progress | None = None,
) -> HMMParameters:
    r"""Parameters after some passes of incremental expectation-maximisation.

    .. math:: s_j \leftarrow \mathrm E[s(x_j, z_j) \mid x_j, \theta], \qquad
              \theta \leftarrow \arg\max_\theta Q\big(\textstyle\sum_i s_i; \theta\big)

    Parameters
    ----------
    seed : int
        Of the order of the visits.
    start : HMMParameters
        Where to begin.
    sequence : Sequence
        The data; long enough for segments, and able to be cut (`segment_length` is not 0).
    emission : Emission
        The family.
    prior : TransitionPrior
        Of the transitions.
    n_passes : int
        Visits of every segment.
    progress : Progress, optional
        Told the share done.

    Returns
    -------
    HMMParameters
        Close to an optimum; exact steps have to follow.

    References
    ----------
    Neal and Hinton (1998), A view of the EM algorithm that justifies incremental, sparse, and other variants,
    in Learning in Graphical Models, doi:10.1007/978-94-011-5014-9_12.
    """
    segment = segment_length(sequence.start.shape[0], sequence.data)
    memory = empty_memory(start, sequence, emission, segment)
    n_segments = len(memory.visited)
    rng = np.random.default_rng(seed)
    visits = np.concatenate([rng.permutation(n_segments) for _ in range(n_passes)])
    visits = np.pad(visits, (0, -len(visits) % CHUNK), constant_values=-1).astype(np.int32)
    parameters = start
    for begin in range(0, len(visits), CHUNK):
        parameters, memory = incremental_steps(
            parameters,
            memory,
            sequence,
            visits[begin : begin + CHUNK],
            emission=emission,
            prior=prior,
            segment=segment,
        )
        jax.block_until_ready(parameters.initial)
        if progress is not None:
            progress.update((begin + CHUNK) / len(visits), "incremental EM")
    return parameters
