"""The most probable path of states."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.backtracking import follow
from neurodyn.inference.blocks import cut, join
from neurodyn.inference.guarded import default_block_length
from neurodyn.inference.message_passing import accurate_sum


class ViterbiPath(NamedTuple):
    """The most probable path (T,) and the log joint probability of path and data, in nats."""

    path: Int[Array, " time"]
    log_joint: Float[Array, ""]


def _rescale(message: Array) -> tuple[Array, Array]:
    """The message with its largest entry at zero, and that entry; all-impossible columns untouched."""
    peak = jnp.max(message, axis=0)
    return message - jnp.where(peak == -jnp.inf, jnp.zeros_like(peak), peak), peak


def _onward(message: Array, matrix: Array, first: Array, log_initial: Array) -> Array:
    """Best score of reaching each later state: message (i, ..., block), matrix (i, j[, block])."""
    wide = (slice(None),) * 2 + (None,) * (message.ndim - (1 if matrix.ndim == 2 else 2))
    best = jnp.max(message[:, None] + matrix[wide], axis=0)
    fresh = log_initial.reshape((-1,) + (1,) * (message.ndim - 1)) + jnp.max(message, axis=0)
    return jnp.where(first, fresh, best)


def _entering(row: Array, first: Array, matrix: Array | None, constant: Array, log_initial: Array) -> Array:
    """Score entering each block, from max-plus transfer matrices and a short scan over blocks."""
    n_states, n_blocks = row.shape[1:]

    def step(carry: tuple, inputs: tuple) -> tuple[tuple, None]:
        message, scale = carry
        emission, start, scanned = inputs
        scanned = constant if scanned is None else scanned
        message, peak = _rescale(_onward(message, scanned, start, log_initial) + emission[:, None])
        return (message, scale + peak), None

    eye = jnp.where(jnp.eye(n_states, dtype=bool), 0.0, -jnp.inf).astype(row.dtype)
    whole = jnp.broadcast_to(eye[..., None], (n_states, n_states, n_blocks))
    (whole, scale), _ = lax.scan(
        step, (whole, jnp.zeros((n_states, n_blocks), row.dtype)), (row, first, matrix)
    )

    def hop(message: Array, inputs: tuple) -> tuple[Array, Array]:
        block, offset = inputs
        return _rescale(jnp.max(block + (message + offset)[None], axis=1))[0], message

    blocks = (jnp.moveaxis(whole, -1, 0), scale.T)
    return lax.scan(hop, jnp.zeros(n_states, row.dtype), blocks)[1].T


@partial(jax.jit, static_argnames=("block_length",))
def viterbi(
    log_likelihood: Float[Array, "time state"],
    transition: Float[Array, "state state"] | Float[Array, "time state state"],
    initial: Float[Array, " state"],
    start: Bool[Array, " time"],
    *,
    block_length: int | None = None,
) -> ViterbiPath:
    r"""Most probable path of states given all observations.

    .. math:: \arg\max_{z_{1:T}} p(z_{1:T}, x_{1:T})

    Parameters
    ----------
    log_likelihood : (T, K)
        log p(x_t | z_t = k) in nats. A row of zeros is a bin without any observation.
    transition : (K, K) or (T, K, K)
        Rows sum to one. `transition[t]` leads from t - 1 to t; it is ignored at starts.
    initial : (K,)
        Distribution of the state at each trial's first bin.
    start : (T,)
        True at each trial's first bin, and at padding bins. The first bin always is one.
    block_length : int, optional
        Steps per block; the result does not depend on it.

    Returns
    -------
    ViterbiPath
        Path (T,) of state indices, and log p(path, data). If the data are impossible under every path
        the log joint is minus infinity and the path arbitrary.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> log_likelihood = jnp.log(jnp.array([[0.9, 0.1], [0.4, 0.6], [0.9, 0.1]]))
    >>> transition = jnp.array([[0.9, 0.1], [0.1, 0.9]])
    >>> start = jnp.array([True, False, False])
    >>> viterbi(log_likelihood, transition, jnp.array([0.5, 0.5]), start).path.tolist()
    [0, 0, 0]

    References
    ----------
    Viterbi (1967), IEEE Transactions on Information Theory 13:260-269, doi:10.1109/TIT.1967.1054010.
    """
    time, n_states = log_likelihood.shape
    dtype = log_likelihood.dtype
    log_transition = jnp.log(jnp.asarray(transition, dtype))
    log_initial = jnp.log(jnp.asarray(initial, dtype))
    start = start.at[0].set(True)
    length = min(default_block_length(time) if block_length is None else block_length, time + 1)
    # One padding bin at least: the map of a start does not depend on the state it is asked for.
    padding = length - time % length
    row = cut(jnp.pad(log_likelihood, ((0, padding), (0, 0))), length)
    first = cut(jnp.pad(start, (0, padding), constant_values=True), length)
    constant, matrix = log_transition, None
    if log_transition.ndim == 3:
        matrix = cut(jnp.pad(log_transition, ((0, padding), (0, 0), (0, 0))), length)

    def step(message: Array, inputs: tuple) -> tuple[Array, Array]:
        emission, begins, scanned = inputs
        scanned = constant[..., None] if scanned is None else scanned
        candidates = message[:, None] + jnp.where(begins, jnp.zeros_like(scanned), scanned)
        onward = _rescale(_onward(message, scanned, begins, log_initial) + emission)[0]
        return onward, jnp.argmax(candidates, axis=0).astype(jnp.int32)

    entry = _entering(row, first, matrix, constant, log_initial)
    _, maps = lax.scan(step, entry, (row, first, matrix))
    states = follow(lambda table: table[None], maps, (1, n_states, row.shape[2]))
    path = join(states[:, 0], time)

    before = jnp.concatenate([path[:1], path[:-1]])
    moved = log_transition[before, path] if matrix is None else log_transition[jnp.arange(time), before, path]
    emitted = jnp.take_along_axis(log_likelihood, path[:, None], axis=1)[:, 0]
    return ViterbiPath(path, accurate_sum(jnp.where(start, log_initial[path], moved) + emitted))
