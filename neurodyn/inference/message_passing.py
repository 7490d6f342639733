"""Forward-backward and filtering for chains of discrete states, exact and fast on long recordings.

Trials lie end to end on one flat time axis; `start` marks the first bin of each, where the message
coming from the past is replaced by the initial distribution. Time is cut into blocks. A first pass
multiplies the transfer matrices of each block, all blocks at once; a short scan over the blocks then
gives the message entering each block from either side; a second pass runs the usual scaled recursions
inside all blocks at once. No approximation is made: the result does not depend on the block length.
Where expectation-maximisation asks for it, a glimpse over the borders takes the place of the first pass, and is
proved afterwards (`neurodyn.inference.sweeps`).

Probabilities are rescaled at every step. They can only fail where a (near-)structural zero of the
transition matrix meets likelihood differences of a hundred nats and more. The passes measure bounds on what
underflow can have cost; where a bound is exceeded, the sequence is redone in the log domain. The retry is a loop of
zero or one turns, so it costs nothing where it is not needed, also under `jax.vmap`.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.arrangement import IN_TIME, Arrangement
from neurodyn.inference.guarded import checked_pass, guarded_pass, swift_pass, window_of
from neurodyn.inference.sweeps import most_probable


class Messages(NamedTuple):
    """What a forward-backward pass returns.

    Attributes
    ----------
    smoothed : (T, K)
        p(z_t | x_1..x_T of the trial).
    filtered : (T, K)
        p(z_t | x_<=t).
    predicted : (T, K)
        p(z_t | x_<t); the initial distribution at starts.
    log_normalizer : (T,)
        log p(x_t | x_<t) in nats; minus infinity where an observation is impossible.
    transition_counts : (K, K)
        Expected number of transitions from row to column, within trials.
    initial_counts : (K,)
        Expected number of trials starting in each state.
    """

    smoothed: Float[Array, "time state"]
    filtered: Float[Array, "time state"]
    predicted: Float[Array, "time state"]
    log_normalizer: Float[Array, " time"]
    transition_counts: Float[Array, "state state"]
    initial_counts: Float[Array, " state"]


class ExpectedStatistics(NamedTuple):
    """What the M-step of expectation-maximisation needs, and what its loop wants to know.

    Attributes
    ----------
    smoothed : (T, K)
        p(z_t | x_1..x_T of the trial).
    transition_counts : (K, K)
        Expected number of transitions.
    initial_counts, occupancy : (K,)
        Expected number of trials that begin, and of bins spent, in each state.
    path : (T,)
        A most probable state of every bin.
    log_normalizer : (T,)
        log p(x_t | x_<t) in nats.
    trusted : scalar bool
        False where underflow may have harmed the rest; with the guard always True.
    paid : scalar bool
        False where a swift pass was tried in vain.
    """

    smoothed: Float[Array, "time state"]
    transition_counts: Float[Array, "state state"]
    initial_counts: Float[Array, " state"]
    occupancy: Float[Array, " state"]
    path: Int[Array, " time"]
    log_normalizer: Float[Array, " time"]
    trusted: Bool[Array, ""]
    paid: Bool[Array, ""]

    @property
    def log_likelihood(self) -> Float[Array, ""]:
        """The sum of the terms, in nats."""
        return accurate_sum(self.log_normalizer)


class Filtered(NamedTuple):
    """What the forward pass alone returns; the attributes are those of `Messages`."""

    filtered: Float[Array, "time state"]
    predicted: Float[Array, "time state"]
    log_normalizer: Float[Array, " time"]


def accurate_sum(values: Float[Array, " time"]) -> Float[Array, ""]:
    """Sum of a long vector by repeated sums of sixteen, so that rounding grows with log T, not T.

    Parameters
    ----------
    values : (T,)
        Terms of any unit.

    Returns
    -------
    scalar
        Their sum; minus infinity if a term is.
    """
    while values.shape[0] > 1:
        values = jnp.pad(values, (0, -values.shape[0] % 16)).reshape(-1, 16).sum(axis=1)
    return jnp.sum(values)


def _initial_counts(smoothed: Array, start: Array, valid: Array | None) -> Array:
    """Smoothed probabilities summed over the valid starts."""
    first = start.at[0].set(True)
    first = first if valid is None else first & valid
    return smoothed.T @ first.astype(smoothed.dtype)


def _cast(log_likelihood: Array, *values: Array) -> tuple[Array, ...]:
    """Other arguments in the precision of the log-likelihoods."""
    return tuple(jnp.asarray(value, log_likelihood.dtype) for value in values)


def _shifted(filtered: Array, transition: Array, initial: Array, start: Array) -> Array:
    """One-step prediction from filtered probabilities."""
    before = jnp.concatenate([initial[None], filtered[:-1]])
    onward = before @ transition if transition.ndim == 2 else jnp.einsum("ti,tij->tj", before, transition)
    return jnp.where(start.at[0].set(True)[:, None], initial, onward)


@partial(jax.jit, static_argnames=("block_length", "guard"))
def forward_backward(
    log_likelihood: Float[Array, "time state"],
    transition: Float[Array, "state state"] | Float[Array, "time state state"],
    initial: Float[Array, " state"],
    start: Bool[Array, " time"],
    *,
    valid: Bool[Array, " time"] | None = None,
    block_length: int | None = None,
    guard: bool = True,
) -> Messages:
    r"""State probabilities of a hidden Markov chain given all observations of each trial.

    .. math:: p(z_t = k \mid x_{1:T}) \propto \alpha_t(k)\, \beta_t(k)

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
    valid : (T,), optional
        False at padding bins, which then do not enter `initial_counts`. Padding bins have a row of
        zeros as log-likelihood and so contribute nothing to any other sum.
    block_length : int, optional
        Steps per block. The result does not depend on it; the default suits two cores.
    guard : bool
        Redo the sequence in the log domain where probabilities underflowed harmfully. Switch it off
        to differentiate through the pass in reverse mode.

    Returns
    -------
    Messages
        Smoothed, filtered and predicted probabilities, log normalisers, expected counts.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> messages = forward_backward(
    ...     jnp.log(jnp.array([[0.9, 0.1], [0.2, 0.8]])),
    ...     jnp.array([[0.5, 0.5], [0.5, 0.5]]),
    ...     jnp.array([0.5, 0.5]),
    ...     jnp.array([True, False]),
    ... )
    >>> messages.smoothed.round(3).tolist() == [[0.9, 0.1], [0.2, 0.8]]
    False
    >>> bool(jnp.allclose(messages.smoothed, jnp.array([[0.9, 0.1], [0.2, 0.8]])))
    True

    References
    ----------
    Rabiner (1989), Proceedings of the IEEE 77:257-286, doi:10.1109/5.18626.
    Sarkka and Garcia-Fernandez (2021), IEEE Transactions on Automatic Control 66:299-306,
    doi:10.1109/TAC.2020.2976316.
    """
    return checked_messages(
        log_likelihood, transition, initial, start, valid=valid, block_length=block_length, guard=guard
    )[0]


def checked_messages(
    log_likelihood: Float[Array, "time state"],
    transition: Float[Array, "state state"] | Float[Array, "time state state"],
    initial: Float[Array, " state"],
    start: Bool[Array, " time"],
    *,
    valid: Bool[Array, " time"] | None = None,
    block_length: int | None = None,
    guard: bool = True,
) -> tuple[Messages, Bool[Array, ""]]:
    """`forward_backward`, and whether underflow left its result right (with `guard` it always does)."""
    transition, initial = _cast(log_likelihood, transition, initial)
    (smoothed, filtered, log_normalizer, counts), trusted = checked_pass(
        log_likelihood,
        transition,
        initial,
        start,
        block_length,
        guard,
        ("smoothed", "filtered", "log_normalizer", "transition_counts"),
    )
    messages = Messages(
        smoothed,
        filtered,
        _shifted(filtered, transition, initial, start),
        log_normalizer,
        counts,
        _initial_counts(smoothed, start, valid),
    )
    return messages, trusted


@partial(jax.jit, static_argnames=("block_length", "guard", "order"))
def expected_statistics(
    log_likelihood: Float[Array, "time state"],
    transition: Float[Array, "state state"] | Float[Array, "time state state"],
    initial: Float[Array, " state"],
    start: Bool[Array, " time"],
    *,
    valid: Bool[Array, " time"] | None = None,
    block_length: int | None = None,
    guard: bool = True,
    order: Arrangement = IN_TIME,
    swift: Bool[Array, ""] | None = None,
) -> ExpectedStatistics:
    r"""What the M-step needs: `forward_backward` without the arrays it does not.

    Parameters
    ----------
    log_likelihood, transition, initial, start, valid, block_length, guard
        As in `forward_backward`.
    order : Arrangement
        In which order the bins come, and go.
    swift : scalar bool, optional
        True: try first whether the chain forgets where it began within a few steps of every border between blocks,
        which saves the multiplication of transfer matrices, and prove it afterwards. Only without `guard`, with one
        transition matrix and an `order` of long blocks; elsewhere it is left alone.

    Returns
    -------
    ExpectedStatistics
        Over the `valid` bins; the result does not depend on `swift` beyond rounding.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> statistics = expected_statistics(
    ...     jnp.zeros((3, 2)), jnp.eye(2), jnp.array([0.5, 0.5]), jnp.array([True, False, False])
    ... )
    >>> statistics.transition_counts.tolist()
    [[1.0, 0.0], [0.0, 1.0]]

    References
    ----------
    Rabiner (1989), Proceedings of the IEEE 77:257-286, doi:10.1109/5.18626.
    """
    transition, initial = _cast(log_likelihood, transition, initial)
    if swift is not None and not guard and transition.ndim == 2 and window_of(order.length):
        found, trusted, paid = swift_pass(log_likelihood, transition, initial, start, order, swift)
        smoothed, counts, log_normalizer, path = found
    else:
        wanted = ("smoothed", "log_normalizer", "transition_counts")
        (smoothed, log_normalizer, counts), trusted = checked_pass(
            log_likelihood, transition, initial, start, block_length, guard, wanted, order
        )
        path, paid = most_probable(smoothed.T), jnp.ones((), bool)
    first = _initial_counts(smoothed, start, valid)
    occupancy = smoothed.sum(axis=0) if valid is None else smoothed.T @ valid.astype(smoothed.dtype)
    return ExpectedStatistics(smoothed, counts, first, occupancy, path, log_normalizer, trusted, paid)


@partial(jax.jit, static_argnames=("horizon", "block_length", "guard"))
def filter_only(
    log_likelihood: Float[Array, "time state"],
    transition: Float[Array, "state state"] | Float[Array, "time state state"],
    initial: Float[Array, " state"],
    start: Bool[Array, " time"],
    *,
    horizon: int = 1,
    block_length: int | None = None,
    guard: bool = True,
) -> Filtered:
    r"""State probabilities given the past of each trial.

    Parameters
    ----------
    log_likelihood, transition, initial, start, block_length, guard
        As in `forward_backward`.
    horizon : int
        `predicted` is p(z_t | x_{<= t - horizon}), at least 1. The log normalisers stay those of one
        step, log p(x_t | x_<t).

    Returns
    -------
    Filtered
        Filtered and predicted probabilities (T, K) and log normalisers (T,).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> start = jnp.array([True, False])
    >>> log_likelihood = jnp.array([[0.0, -jnp.inf], [0.0, 0.0]])
    >>> filter_only(log_likelihood, jnp.eye(2)[::-1], jnp.array([0.5, 0.5]), start).predicted.tolist()
    [[0.5, 0.5], [0.0, 1.0]]

    References
    ----------
    Rabiner (1989), Proceedings of the IEEE 77:257-286, doi:10.1109/5.18626.
    """
    transition, initial = _cast(log_likelihood, transition, initial)
    wanted = ("filtered", "log_normalizer")
    filtered, log_normalizer = guarded_pass(
        log_likelihood, transition, initial, start, block_length, guard, wanted
    )
    predicted = predict_states(filtered, transition, initial, start, horizon)
    return Filtered(filtered, predicted, log_normalizer)


def predict_states(
    filtered: Float[Array, "time state"],
    transition: Float[Array, "state state"] | Float[Array, "time state state"],
    initial: Float[Array, " state"],
    start: Bool[Array, " time"],
    horizon: int = 1,
) -> Float[Array, "time state"]:
    r"""Filtered probabilities carried forward by a number of steps.

    .. math:: p(z_t \mid x_{\le t-h}) = \sum_i p(z_{t-h} = i \mid x_{\le t-h})\, (A^h)_{i \cdot}

    Where t - h lies before the trial, the initial distribution is carried forward instead.

    Parameters
    ----------
    filtered : (T, K)
        p(z_t | x_<=t).
    transition, initial, start
        As in `forward_backward`.
    horizon : int
        Number of steps h; 0 returns `filtered`.

    Returns
    -------
    (T, K)
        p(z_t | x_{<= t - h}).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> start = jnp.array([True, False, False])
    >>> predict_states(jnp.eye(3)[:, :2], jnp.eye(2), jnp.array([0.5, 0.5]), start, 2).tolist()
    [[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]]
    """
    for _ in range(horizon):
        filtered = _shifted(filtered, transition, initial, start)
    return filtered
