"""Lyapunov exponents: how fast nearby states part or meet."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurodyn.analysis.dynamics.protocol import Dynamics, compiled
from neurodyn.errors import ModelError


def lyapunov_exponents(
    dynamics: Dynamics, state: Any, drives: Any, *, count: int | None = None, discard: int = 0, key: int = 0
) -> Float[np.ndarray, " exponent"]:
    """Largest Lyapunov exponents along one driven run.

    A frame of directions is carried along by the Jacobians and made orthogonal again by a QR decomposition in every
    step:

    .. math:: J_t Q_{t-1} = Q_t R_t, \\quad \\lambda_i = \\tfrac1T \\sum_t \\log (R_t)_{ii}

    With noise as the drive they say whether two copies that receive the same noise meet (below zero).

    Parameters
    ----------
    dynamics : Dynamics
        What moves.
    state : array
        Before the first step, ``(state,)``.
    drives : array
        Inputs, ``(time, input)``.
    count : int, optional
        How many; default: all.
    discard : int
        Steps left out at the beginning, in which the frame turns into place.
    key : int
        Randomness of the first frame.

    Returns
    -------
    np.ndarray
        Per step, in nats, the largest first; minus infinity where a direction is lost altogether.

    Raises
    ------
    ModelError
        If no step is left, or more exponents are asked for than there are dimensions.

    References
    ----------
    Benettin et al. (1980), Meccanica 15, doi:10.1007/BF02128236.

    Examples
    --------
    >>> import jax.numpy as jnp, numpy as np
    >>> from neurodyn.analysis.dynamics import Mapped, lyapunov_exponents
    >>> both = Mapped(lambda h, x: h * jnp.array([0.5, 2.0]), 2, 1)
    >>> (lyapunov_exponents(both, np.ones(2), np.zeros((50, 1)), discard=20) / np.log(2)).round(3).tolist()
    [1.0, -1.0]
    """
    n_time = len(drives)
    n = dynamics.n_state if count is None else count
    if discard >= n_time or not 1 <= n <= dynamics.n_state:
        raise ModelError(
            f"lyapunov_exponents: {n_time} steps with {discard} left out and {n} exponents of {dynamics.n_state} "
            "dimensions; leave steps, and ask for at most as many exponents as dimensions."
        )
    frame = np.linalg.qr(np.random.default_rng(key).normal(size=(dynamics.n_state, n)))[0]

    def run(dynamics: Dynamics, state: Array, frame: Array, drives: Array) -> Array:
        def one(carry: tuple[Array, Array], drive: Array) -> tuple[tuple[Array, Array], Array]:
            state, frame = carry
            slope = jax.jacfwd(lambda h: dynamics.step(h, drive))(state)
            frame, upper = jnp.linalg.qr(slope @ frame)
            return (dynamics.step(state, drive), frame), jnp.log(jnp.abs(jnp.diagonal(upper)))

        return jax.lax.scan(one, (state, frame), drives)[1]

    logs = np.asarray(
        compiled(dynamics, run)(
            jnp.asarray(state, jnp.float32), jnp.asarray(frame, jnp.float32), jnp.asarray(drives, jnp.float32)
        ),
        np.float64,
    )
    return np.sort(logs[discard:].mean(axis=0))[::-1]
