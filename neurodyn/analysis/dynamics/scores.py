"""Which units push a network from one symbol to another: adjoint and crossing scores, noise, and who feeds them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from neurodyn.analysis.dynamics.protocol import ReadOut, compiled
from neurodyn.analysis.dynamics.residency import check_symbols
from neurodyn.errors import ModelError

AHEAD = 6


def _gap_later(dynamics: ReadOut, origin: int, target: int, state: Array, noise: Array) -> Array:
    """Logit of the target less that of the origin after some noisy steps."""
    state = jax.lax.scan(lambda h, x: (dynamics.step(h, x), None), state, noise)[0]
    logits = dynamics.logits(state)
    return logits[target] - logits[origin]


def adjoint_score(
    dynamics: ReadOut, states: Any, origin: int, target: int, *, key: jax.Array, ahead: int = AHEAD
) -> Float[np.ndarray, " state"]:
    """How far a typical change of each unit moves the logits from one symbol to another some steps later.

    .. math:: a_i = \\mathrm{sd}(h_i) \\Big\\langle \\frac{\\partial (y_b - y_a)(t + 6)}{\\partial h_i(t)} \\Big\\rangle

    averaged over the given states that are read as the origin a, and over noise. The units with the largest scores are
    candidates for those that kick the network from a to b; `silencing` says whether they do.

    Parameters
    ----------
    dynamics : ReadOut
        What moves, with a readout.
    states : array
        States of noisy runs, ``(point, state)``.
    origin, target : int
        Symbols a and b.
    key : jax.Array
        Randomness of the noise.
    ahead : int
        Steps later.

    Returns
    -------
    np.ndarray
        One score per unit, in logits.

    Raises
    ------
    ModelError
        If no state is read as the origin.
    """
    check_symbols(dynamics, origin, target)
    points = jnp.asarray(states, jnp.float32)
    chosen = points[np.asarray(jnp.argmax(dynamics.logits(points), axis=-1)) == origin]
    if not len(chosen):
        raise ModelError(f"no state is read as symbol {origin}; give states of longer noisy runs.")
    noise = jax.random.normal(key, (len(chosen), ahead, dynamics.n_input))

    def mean_slope(dynamics: ReadOut, points: Array, noise: Array) -> Array:
        slope = jax.grad(lambda h, x: _gap_later(dynamics, origin, target, h, x))
        return jax.vmap(slope)(points, noise).mean(axis=0)

    return np.asarray(compiled(dynamics, mean_slope)(chosen, noise)) * np.asarray(points).std(axis=0)


def noise_sensitivity(
    dynamics: ReadOut, states: Any, origin: int, target: int, *, key: jax.Array, ahead: int = AHEAD
) -> Float[np.ndarray, " point"]:
    """Standard deviation of the later logit gap that the next step's noise accounts for, to first order.

    .. math:: \\Big\\| \\frac{\\partial (y_b - y_a)(t + 6)}{\\partial x_{t+1}} \\Big\\|

    Parameters
    ----------
    dynamics : ReadOut
        What moves, with a readout.
    states : array
        ``(point, state)``.
    origin, target : int
        Symbols a and b.
    key : jax.Array
        Randomness of the noise.
    ahead : int
        Steps later.

    Returns
    -------
    np.ndarray
        In logits, one per state.
    """
    check_symbols(dynamics, origin, target)
    points = jnp.asarray(states, jnp.float32)
    noise = jax.random.normal(key, (len(points), ahead, dynamics.n_input))

    def norms(dynamics: ReadOut, points: Array, noise: Array) -> Array:
        slope = jax.grad(lambda h, x: _gap_later(dynamics, origin, target, h, x), argnums=1)
        return jnp.linalg.norm(jax.vmap(slope)(points, noise)[:, 0], axis=-1)

    return np.asarray(compiled(dynamics, norms)(points, noise))


def crossing_score(
    signals: Float[np.ndarray, "step run unit"],
    events: Bool[np.ndarray, "step run"],
    *,
    key: int,
    lag: int = 4,
    n_shuffles: int = 200,
) -> Float[np.ndarray, " unit"]:
    """Mean change of every unit up to an event, in standard deviations of what random times show.

    Parameters
    ----------
    signals : array
        Pre-activations or states of noisy runs.
    events : array
        Such as `crossings`.
    key : int
        Draws the random times.
    lag : int
        Steps over which the change is taken.
    n_shuffles : int
        Sets of random times, as many in each as there are events.

    Returns
    -------
    np.ndarray
        One score per unit.

    Raises
    ------
    ModelError
        If there are fewer than two events later than the lag.
    """
    change = signals[lag:] - signals[:-lag]
    flat, where = change.reshape(-1, change.shape[-1]), np.flatnonzero(events[lag:].ravel())
    if len(where) < 2:
        raise ModelError(f"there are {len(where)} crossings; give longer runs, or states that switch.")
    random = np.random.default_rng(key)
    null = np.stack([flat[random.integers(0, len(flat), len(where))].mean(axis=0) for _ in range(n_shuffles)])
    spread = null.std(axis=0)
    return (flat[where].mean(axis=0) - null.mean(axis=0)) / np.where(spread > 0, spread, np.inf)


def group_weights(
    recurrent: Float[np.ndarray, "unit unit"], groups: list[Int[np.ndarray, " _"]]
) -> Float[np.ndarray, "to source"]:
    """Mean recurrent weight from every group onto every group: excitation within and inhibition between, or not.

    Parameters
    ----------
    recurrent : array
        W; rows receive.
    groups : list of array of int
        Units of each group.

    Returns
    -------
    np.ndarray
        Mean weights, the diagonal of W left out.
    """
    weights = np.array(recurrent, np.float64)
    np.fill_diagonal(weights, np.nan)
    return np.array([[np.nanmean(weights[np.ix_(to, source)]) for source in groups] for to in groups])


def presynaptic_score(
    recurrent: Float[np.ndarray, "unit unit"],
    deviation: Float[np.ndarray, " unit"],
    units: Int[np.ndarray, " chosen"],
) -> Float[np.ndarray, " unit"]:
    """How much of a set's input fluctuates with each other unit: mean weight onto the set times standard deviation.

    Parameters
    ----------
    recurrent : array
        W; rows receive.
    deviation : array
        Of every unit in noisy runs.
    units : array of int
        The set.

    Returns
    -------
    np.ndarray
        One score per unit, NaN within the set.
    """
    found = np.asarray(recurrent)[units].mean(axis=0) * deviation
    found[units] = np.nan
    return found
