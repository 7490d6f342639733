"""The blocked pass, and the log domain where underflow would have made it wrong."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference import blocks
from neurodyn.inference.arrangement import IN_TIME, Arrangement
from neurodyn.inference.log_space import log_filter, log_forward_backward
from neurodyn.inference.sweeps import (
    Backward,
    Forward,
    across,
    agreement,
    glimpse,
    sweep_backward,
    sweep_forward,
)

_Result = TypeVar("_Result")
BLOCK_ASPECT = 0.7
CACHE_LINE = 16  # numbers in single precision
WINDOW = 64  # steps in which a chain is given the chance to forget where it began


def default_block_length(time: int) -> int:
    """Steps per block that balance the scans' overhead against the width of one step.

    Bins one block apart are turned side by side; odd multiples of 16 keep them out of each other's way in the
    cache, where a power of two would have them evict each other.
    """
    best = max(1, round(math.sqrt(BLOCK_ASPECT * time)))
    if best >= 2 * CACHE_LINE:
        near = [CACHE_LINE * odd for odd in range(1, best // 8, 2) if 2 * CACHE_LINE * odd >= best]
        near = [length for length in near if length < 2 * best]
        # A length that divides the recording saves a padded copy of it.
        return min(near, key=lambda length: (time % length > 0, abs(length - best)))
    near = [length for length in range(best // 2 + 1, 2 * best) if time % length == 0]
    return min(near, key=lambda length: abs(length - best), default=min(best, time))


def amplification_limit(dtype: Any, size: int) -> float:
    """Largest amplification at which all underflow in `size` numbers together stays below the rounding unit."""
    limits = jnp.finfo(dtype)
    return float(limits.eps) / (float(limits.tiny) * max(size, 1))


def window_of(block_length: int) -> int:
    """Steps of a glimpse over each border of a block; 0 where blocks are too short for it to save anything."""
    return min(WINDOW, block_length // 2) if block_length >= WINDOW else 0


def _limit(values: Array) -> float:
    """`amplification_limit` of an array."""
    return amplification_limit(values.dtype, values.size)


class Pass(NamedTuple):
    """Both sweeps over all blocks, and whether underflow left them right."""

    smoothed: Float[Array, "state column"]
    transition_counts: Float[Array, "state state"]
    path: Int[Array, "step block"]
    log_normalizer: Float[Array, "step block"]
    trusted: Bool[Array, ""]


def swift_sweeps(parts: blocks.Blocks, swift: Bool[Array, ""]) -> tuple[Pass, Bool[Array, ""]]:
    """Both sweeps, from a glimpse over the borders where that proves right, else from the transfer matrices.

    Parameters
    ----------
    parts : Blocks
        The recording in blocks.
    swift : scalar
        Whether to try the glimpse at all.

    Returns
    -------
    Pass
        The same whichever way was taken, up to what `agreement` allows.
    scalar
        False where the glimpse was in vain.
    """
    window = window_of(len(parts.start))
    limit = _limit(parts.log_likelihood)

    def look() -> tuple[Array, Array]:
        return across(*glimpse(parts, window))

    def turn(state: tuple) -> tuple:
        attempt = state[0]
        hasty = swift & (attempt == 0)
        entry, leave = lax.cond(hasty, look, lambda: blocks.boundaries(*blocks.transfer(parts)))
        ahead = sweep_forward(parts, entry)
        back = sweep_backward(parts, ahead, entry, leave)
        right = ~hasty | agreement(entry, leave, ahead.filtered[-1], back.arrivals)
        log_normalizer = jnp.log(ahead.total) + ahead.shift
        trusted = sound(parts.transition, ahead, back, limit)
        found = Pass(back.smoothed, back.transition_counts, back.path, log_normalizer, trusted)
        return attempt + 1, right, found

    attempts, found = until_right(turn)
    return found, ~swift | (attempts == 1)


def sound(transition: Array, ahead: Forward, back: Backward, limit: float) -> Bool[Array, ""]:
    """Whether nothing that underflowed inside the blocks can weigh in the posterior.

    What one sweep lost weighs no more than the other amplifies it. Only where every transition has a decent chance is
    there no state that both can lose.
    """
    small = (jnp.min(ahead.total) > 1 / limit) & (jnp.max(back.amplification) < limit)
    return small & (jnp.min(transition) > 1 / limit)


def until_right(turn: Callable[[tuple], tuple]) -> tuple[Array, Any]:
    """Repeat ``attempt, right, found = turn((attempt, right, found))`` until it is right: attempts, and what was found."""
    begin = (jnp.zeros((), jnp.int32), jnp.zeros((), bool))
    shapes = jax.eval_shape(turn, (*begin, None))[2]
    empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    attempts, _, found = lax.while_loop(lambda state: ~state[1], turn, (*begin, empty))
    return attempts, found


def _blocked(
    log_likelihood: Array,
    transition: Array,
    initial: Array,
    start: Array,
    block_length: int | None,
    wanted: tuple[str, ...],
    guard: bool = True,
    order: Arrangement = IN_TIME,
) -> tuple[tuple[Array, ...], Array]:
    """The wanted fields by blocks, and whether underflow left them right."""
    time = log_likelihood.shape[0]
    length = min(default_block_length(time) if block_length is None else block_length, time)
    length = order.length or length
    parts = blocks.prepare(log_likelihood, transition, initial, start, length, order=order)
    matrix, scale = blocks.transfer(parts)
    entry, leave = blocks.boundaries(matrix, scale)
    ahead = sweep_forward(parts, entry)
    limit = _limit(log_likelihood)
    trusted = jnp.min(ahead.total) > 1 / limit
    fields = {"log_normalizer": blocks.vector(jnp.log(ahead.total) + ahead.shift, time, order)}
    if "smoothed" in wanted:
        back = sweep_backward(parts, ahead, entry, leave)
        trusted = trusted & (jnp.max(back.amplification) < limit)
        smoothed = blocks.from_columns(back.smoothed, time, length, order)
        fields |= {"smoothed": smoothed, "transition_counts": back.transition_counts}
    if "filtered" in wanted:
        columns = jnp.swapaxes(ahead.filtered, 0, 1).reshape(ahead.filtered.shape[1], -1)
        fields["filtered"] = blocks.from_columns(columns, time, length, order)
    # Where every transition has a decent chance, a lost state is found again at the next step. Elsewhere a state can be
    # lost from both sides, which no bound of either sweep alone would tell.
    dense = jnp.min(transition) > 1 / limit
    if not guard:
        return tuple(fields[name] for name in wanted), trusted & dense
    doubtful = trusted & ~dense

    def check(state: tuple) -> tuple:
        lost = blocks.lost_mass(parts, matrix, scale, ahead.total)
        return jnp.zeros_like(state[0]), lost < 8 * jnp.finfo(lost.dtype).eps

    trusted = lax.while_loop(lambda state: state[0], check, (doubtful, trusted))[1]
    return tuple(fields[name] for name in wanted), trusted


def _retry(result: _Result, trusted: Array, exact: Callable[[], _Result]) -> _Result:
    """The result where it is trusted, else `exact()`: a loop of no turns, or of one."""

    def body(state: tuple) -> tuple:
        return jnp.ones_like(state[0]), exact()

    return lax.while_loop(lambda state: ~state[0], body, (trusted, result))[1]


def swift_pass(
    log_likelihood: Float[Array, "time state"],
    transition: Float[Array, "state state"],
    initial: Float[Array, " state"],
    start: Bool[Array, " time"],
    order: Arrangement,
    swift: Bool[Array, ""],
) -> tuple[tuple[Array, Array, Array, Array], Bool[Array, ""], Bool[Array, ""]]:
    """A pass over bins in `order`, without the log domain; see `swift_sweeps`.

    Smoothed probabilities, transition counts, log normalisers and path; whether to trust them; whether it paid.
    """
    time, length = len(start), order.length
    parts = blocks.prepare(log_likelihood, transition, initial, start, length, order=order)
    found, paid = swift_sweeps(parts, swift)
    smoothed = blocks.from_columns(found.smoothed, time, length, order)
    log_normalizer, path = (blocks.vector(v, time, order) for v in (found.log_normalizer, found.path))
    return (smoothed, found.transition_counts, log_normalizer, path), found.trusted, paid


def guarded_pass(
    log_likelihood: Array,
    transition: Array,
    initial: Array,
    start: Array,
    block_length: int | None,
    guard: bool,
    wanted: tuple[str, ...],
) -> tuple[Array, ...]:
    """The wanted fields of a pass; what is not wanted is not computed."""
    return checked_pass(log_likelihood, transition, initial, start, block_length, guard, wanted)[0]


def checked_pass(
    log_likelihood: Array,
    transition: Array,
    initial: Array,
    start: Array,
    block_length: int | None,
    guard: bool,
    wanted: tuple[str, ...],
    order: Arrangement = IN_TIME,
) -> tuple[tuple[Array, ...], Array]:
    """The wanted fields, and whether they can be trusted (with `guard`, always)."""
    result, trusted = _blocked(log_likelihood, transition, initial, start, block_length, wanted, guard, order)
    if not guard:
        return result, trusted

    def exact() -> tuple[Array, ...]:
        arguments = (
            order.restore(log_likelihood),
            jnp.log(transition),
            jnp.log(initial),
            order.restore(start),
        )
        if "smoothed" in wanted:
            messages = log_forward_backward(*arguments)
            found = {name: getattr(messages, name) for name in wanted}
            turned = ("smoothed", "filtered", "log_normalizer")
            return tuple(order.arrange(value) if name in turned else value for name, value in found.items())
        filtered, _, log_normalizer = log_filter(*arguments)
        found = {"filtered": jnp.exp(filtered), "log_normalizer": log_normalizer}
        return tuple(found[name] for name in wanted)

    return _retry(result, trusted, exact), jnp.ones_like(trusted)


def log_filtered_states(
    log_likelihood: Array, transition: Array, initial: Array, start: Array, block_length: int | None
) -> Array:
    """Logarithms of the filtered probabilities, exact however small where the chain needs it."""
    wanted = ("filtered",)
    (filtered,), trusted = _blocked(log_likelihood, transition, initial, start, block_length, wanted)
    # Sampling backwards needs what is small now and certain later: a sparse chain takes the exact road.
    trusted = trusted & (jnp.min(transition) > 1 / _limit(log_likelihood))

    def exact() -> Array:
        return log_filter(log_likelihood, jnp.log(transition), jnp.log(initial), start)[0]

    return _retry(jnp.log(filtered), trusted, exact)
