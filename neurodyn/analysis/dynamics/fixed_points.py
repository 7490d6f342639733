"""Fixed points of recurrent dynamics, whether they attract, and how fast everything falls towards them."""

import functools
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Complex, Float

from neurodyn.analysis.dynamics.protocol import Dynamics, Rectified, compiled
from neurodyn.errors import ModelError

MOST_UNITS = 16
STEPS = 60
SMALLEST = 1e-30


class FixedPoints(NamedTuple):
    """Fixed points, the slowest first.

    Parameters
    ----------
    state : array
        Where they are.
    speed : array
        Distance that one step moves each, relative to one plus its norm.
    eigenvalues : array
        Of the step's Jacobian there, by falling modulus; NaN where it does not exist.
    stable : array
        Whether all lie within the unit circle.
    """

    state: Float[np.ndarray, "point state"]
    speed: Float[np.ndarray, " point"]
    eigenvalues: Complex[np.ndarray, "point state"]
    stable: Bool[np.ndarray, " point"]


def jacobians(dynamics: Dynamics, states: Any, drive: Any = None) -> Float[np.ndarray, "point state state"]:
    """Derivatives of the next state by the state.

    Parameters
    ----------
    dynamics : Dynamics
        What moves.
    states : array
        ``(point, state)``.
    drive : array, optional
        Input ``(input,)``; default: none.

    Returns
    -------
    np.ndarray
        One matrix per state.
    """
    given = jnp.zeros(dynamics.n_input) if drive is None else jnp.asarray(drive)

    def slopes(dynamics: Dynamics, states: Any) -> Any:
        return jax.vmap(jax.jacfwd(lambda state: dynamics.step(state, given)))(states)

    return np.asarray(compiled(dynamics, slopes)(jnp.asarray(states)))


def spectrum(matrices: Float[np.ndarray, "point state state"]) -> Complex[np.ndarray, "point state"]:
    """Eigenvalues by falling modulus.

    Parameters
    ----------
    matrices : array
        Jacobians.

    Returns
    -------
    np.ndarray
        Eigenvalues.
    """
    found = np.linalg.eigvals(np.asarray(matrices, np.float64)).astype(np.complex128)
    order = np.argsort(-np.abs(found), axis=-1, kind="stable")
    return np.take_along_axis(found, order, axis=-1)


def as_rates(eigenvalues: Complex[np.ndarray, "*any"]) -> Complex[np.ndarray, "*any"]:
    """Eigenvalues of a map on the plane of those of a flow: the unit circle becomes the imaginary axis.

    .. math:: \\lambda \\mapsto \\frac{\\lambda - 1}{\\lambda + 1}

    Parameters
    ----------
    eigenvalues : array
        Of a step's Jacobian.

    Returns
    -------
    np.ndarray
        Real parts below zero decay, imaginary parts turn; infinite at -1.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import as_rates
    >>> as_rates(np.array([1.0 + 0j, 0.0 + 0j])).real.tolist()
    [0.0, -1.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return (eigenvalues - 1) / (eigenvalues + 1)


def fixed_points(
    dynamics: Dynamics, starts: Any, *, drive: Any = None, tolerance: float = 1e-4, apart: float = 1e-2
) -> FixedPoints:
    """Fixed points that damped Newton steps reach from given states.

    A step solves :math:`(J - I) d = h - F(h)` in the least-squares sense with a damping that falls while the speed
    does; where it does not, it is not taken.

    Parameters
    ----------
    dynamics : Dynamics
        What moves.
    starts : array
        Where to begin, ``(start, state)``: states of noisy runs are a good choice.
    drive : array, optional
        Constant input ``(input,)``; default: none.
    tolerance : float
        Largest speed of what is called a fixed point.
    apart : float
        Points nearer than that (relative to one plus their norm) are one.

    Returns
    -------
    FixedPoints
        Those found; none need be. Where the step has a corner, as a rectified network has at zero, the Jacobian is
        that of one side: see `growth_rates`.

    References
    ----------
    Sussillo and Barak (2013), Neural Computation 25, doi:10.1162/NECO_a_00409.

    Examples
    --------
    >>> import jax.numpy as jnp, numpy as np
    >>> from neurodyn.analysis.dynamics import Mapped, fixed_points
    >>> found = fixed_points(Mapped(lambda h, x: jnp.tanh(2 * h + x), 1, 1), np.array([[-2.0], [0.1], [2.0]]))
    >>> [f"{abs(x):.3f}" for x in found.state[:, 0]], found.stable.tolist()
    (['0.958', '0.000', '0.958'], [True, False, True])
    """
    given = jnp.zeros(dynamics.n_input) if drive is None else jnp.asarray(drive)

    def moved(dynamics: Dynamics, state: Any) -> Any:
        return dynamics.step(state, given) - state

    def one(dynamics: Dynamics, carry: tuple[Any, Any]) -> tuple[tuple[Any, Any], None]:
        state, damping = carry
        move = functools.partial(moved, dynamics)
        error, slope = move(state), jax.jacfwd(move)(state)
        normal = slope.T @ slope + damping * jnp.eye(state.shape[0])
        proposed = state - jnp.linalg.solve(normal, slope.T @ error)
        better = jnp.square(move(proposed)).sum() < jnp.square(error).sum()
        damping = jnp.clip(jnp.where(better, damping / 4, damping * 8), 1e-8, 1e8)
        return (jnp.where(better, proposed, state), damping), None

    def search(dynamics: Dynamics, states: Any) -> tuple[Any, Any]:
        def from_one(state: Any) -> tuple[Any, Any]:
            steps = jax.lax.scan(
                lambda carry, _: one(dynamics, carry), (state, jnp.asarray(1e-2)), None, length=STEPS
            )
            found = steps[0][0]
            distance = jnp.square(moved(dynamics, found)).sum()
            return found, jnp.sqrt(distance / jnp.square(1 + jnp.linalg.norm(found)))

        return jax.vmap(from_one)(states)

    states, speeds = (np.asarray(x) for x in compiled(dynamics, search)(jnp.asarray(starts, jnp.float32)))
    kept: list[int] = []
    for i in np.argsort(speeds, kind="stable"):
        if not speeds[i] <= tolerance:
            break
        near = [np.linalg.norm(states[i] - states[j]) < apart * (1 + np.linalg.norm(states[j])) for j in kept]
        if not any(near):
            kept.append(int(i))
    chosen = states[kept]
    order = np.lexsort(chosen.T[::-1]) if len(kept) else np.zeros(0, int)
    chosen, speed = chosen[order], speeds[kept][order]
    values = (
        spectrum(jacobians(dynamics, chosen, given))
        if len(kept)
        else np.zeros((0, dynamics.n_state), complex)
    )
    return FixedPoints(chosen, speed, values, np.abs(values).max(axis=1, initial=0) < 1)


def enumerated_fixed_points(network: Rectified, drive: Any = None) -> FixedPoints:
    """All fixed points of a small rectified network, one linear system per set of active units.

    Parameters
    ----------
    network : Rectified
        The network, of at most 16 units.
    drive : array, optional
        Constant input ``(input,)``; default: none.

    Returns
    -------
    FixedPoints
        All isolated ones; the eigenvalues are those of the point's own linear region, NaN on its edge.

    Raises
    ------
    ModelError
        If there are too many units.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import Rectified, enumerated_fixed_points
    >>> one = Rectified(np.array([[2.0]]), np.array([[1.0]]), np.array([[1.0]]), bias=np.array([-1.0]))
    >>> enumerated_fixed_points(one).state[:, 0].tolist()
    [0.0, 1.0]
    """
    n = network.n_state
    if n > MOST_UNITS:
        raise ModelError(
            f"the network has {n} units and so 2^{n} linear regions; at most {MOST_UNITS} units are enumerated: use "
            "fixed_points."
        )
    weights = np.asarray(network.recurrent, np.float64)
    given = np.zeros(n) if network.bias is None else np.asarray(network.bias, np.float64)
    if drive is not None:
        given = given + np.asarray(network.drive, np.float64) @ np.asarray(drive, np.float64)
    found: list[np.ndarray] = []
    for bits in itertools.product((False, True), repeat=n):
        active = np.flatnonzero(bits)
        state = np.zeros(n)
        if active.size:
            matrix = np.eye(active.size) - weights[np.ix_(active, active)]
            if np.linalg.cond(matrix) > 1e12:
                continue
            state[active] = np.linalg.solve(matrix, given[active])
        before = weights @ state + given
        scale = 1e-9 * (1 + np.abs(state).max())
        consistent = (state[active] >= -scale).all() and (before[np.logical_not(bits)] <= scale).all()
        if consistent and not any(np.allclose(state, other, atol=1e-8) for other in found):
            found.append(state)
    states = np.array(found).reshape(-1, n)
    before = states @ weights.T + given
    active = before > 1e-9
    values = (
        spectrum(np.where(active[:, :, None], weights, 0.0)) if len(states) else np.zeros((0, n), complex)
    )
    values[(np.abs(before) <= 1e-9).any(axis=1)] = np.nan
    stable = np.nan_to_num(np.abs(values), nan=np.inf).max(axis=1, initial=0) < 1
    return FixedPoints(states, np.zeros(len(states)), values, stable)


def growth_rates(
    dynamics: Dynamics, starts: Any, *, n_steps: int = 200, drive: Any = None, about: Any = None
) -> Float[np.ndarray, " start"]:
    """Factor by which the distance from a point grows per step when nothing else drives the dynamics.

    .. math:: \\left( \\frac{\\| h_T - p \\|}{\\| h_{T/2} - p \\|} \\right)^{2/T}

    Below one from every start, the point attracts, also where it has no Jacobian (a rectified network without biases
    at zero). The second half is measured, where the slowest direction is left, of the time until the distance is too
    small to be told from zero.

    Parameters
    ----------
    dynamics : Dynamics
        What moves.
    starts : array
        ``(start, state)``.
    n_steps : int
        T.
    drive : array, optional
        Constant input; default: none.
    about : array, optional
        The point p; default: zero.

    Returns
    -------
    np.ndarray
        One factor per start; 0 where the point is reached.
    """
    given = jnp.zeros(dynamics.n_input) if drive is None else jnp.asarray(drive)
    point = jnp.zeros(dynamics.n_state) if about is None else jnp.asarray(about)
    states = jnp.asarray(starts, jnp.float32)
    drives = jnp.broadcast_to(given, (states.shape[0], dynamics.n_input))

    def distances(dynamics: Dynamics, states: Any) -> Any:
        def one(state: Any, _: None) -> tuple[Any, Any]:
            state = dynamics.step(state, drives)
            return state, jnp.linalg.norm(state - point, axis=-1)

        return jax.lax.scan(one, states, None, length=n_steps)[1]

    return rates_of(np.asarray(compiled(dynamics, distances)(states)))


def rates_of(distances: Float[np.ndarray, "step start"]) -> Float[np.ndarray, " start"]:
    """Growth per step over the second half of the time in which a distance is neither lost nor beyond all numbers."""
    found = np.asarray(distances, np.float64)
    last = np.maximum(((found > SMALLEST) & np.isfinite(found)).sum(axis=0) - 1, 0)
    middle, columns = last // 2, np.arange(found.shape[1])
    usable = last > middle
    ratio = np.where(usable, found[last, columns], 0.0) / np.where(usable, found[middle, columns], 1.0)
    return ratio ** (1 / np.maximum(last - middle, 1))
