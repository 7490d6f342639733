"""How long noise leaves a state where it is read as the same symbol, and the zones this makes."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurodyn.analysis.dynamics.protocol import ReadOut, compiled
from neurodyn.errors import ModelError

BOUNDS = (2.0, 8.0)
LEAST_SHARE = 0.02
ZONES = ("transition", "kick", "cluster")
AT_ONCE = 4096


class Zones(NamedTuple):
    """Zone of every state.

    Parameters
    ----------
    zone : array
        0 transition, 1 kick zone, 2 cluster.
    bounds : tuple of float
        Residency in steps below which a state is in the first and in the second.
    fixed : bool
        Whether these are the fixed bounds, rather than thirds.
    """

    zone: Int[np.ndarray, " *point"]
    bounds: tuple[float, float]
    fixed: bool


def residency(
    dynamics: ReadOut, states: Any, *, key: jax.Array, n_runs: int = 32, most: int = 40, scale: float = 1.0
) -> Float[np.ndarray, " point"]:
    """Mean number of steps until the symbol with the largest logit is another, over runs with fresh noise.

    Parameters
    ----------
    dynamics : ReadOut
        What moves, with a readout.
    states : array
        Where the runs begin, ``(point, state)``.
    key : jax.Array
        Randomness.
    n_runs : int
        Runs from every state.
    most : int
        Steps after which a run is stopped, and counted as if it had changed then.
    scale : float
        Standard deviation of the noise.

    Returns
    -------
    np.ndarray
        Steps, at least 1 and at most `most`.

    References
    ----------
    Torre et al. (2025), arXiv:2510.25674.
    """
    points = jnp.asarray(states, jnp.float32)

    def some(dynamics: ReadOut, points: Array, key: jax.Array) -> Array:
        state = jnp.repeat(points, n_runs, axis=0)
        own = jnp.argmax(dynamics.logits(state), axis=-1)

        def one(carry: tuple[Array, Array, Array], t: Array) -> tuple[tuple[Array, Array, Array], None]:
            state, alive, steps = carry
            noise = scale * jax.random.normal(jax.random.fold_in(key, t), (len(state), dynamics.n_input))
            state = dynamics.step(state, noise)
            steps = steps + alive
            alive = alive & (jnp.argmax(dynamics.logits(state), axis=-1) == own)
            return (state, alive, steps), None

        start = state, jnp.ones(len(state), bool), jnp.zeros(len(state))
        steps = jax.lax.scan(one, start, jnp.arange(most))[0][2]
        return steps.reshape(-1, n_runs).mean(axis=1)

    size = min(max(AT_ONCE // n_runs, 1), len(points))
    found, program = [], compiled(dynamics, some)
    for number, first in enumerate(range(0, len(points), size)):
        rows = jnp.minimum(jnp.arange(first, first + size), len(points) - 1)
        found.append(np.asarray(program(points[rows], jax.random.fold_in(key, number))))
    return np.concatenate(found)[: len(points)]


def zones(steps: Float[np.ndarray, " *point"], bounds: tuple[float, float] = BOUNDS) -> Zones:
    """Transition, kick zone or cluster, by how long a state lasts.

    Parameters
    ----------
    steps : array
        Residency in steps.
    bounds : tuple of float
        Between transition and kick zone, and between kick zone and cluster. Where a zone holds under 2 % of the points,
        thirds of the points are used instead.

    Returns
    -------
    Zones
        Zones, and which bounds were used.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import zones
    >>> zones(np.array([1.0, 5.0, 30.0])).zone.tolist()
    [0, 1, 2]
    """
    found = np.digitize(steps, bounds)
    share = np.bincount(found.ravel(), minlength=3) / max(found.size, 1)
    if share.min() >= LEAST_SHARE:
        return Zones(found, (float(bounds[0]), float(bounds[1])), True)
    thirds = np.quantile(steps, [1 / 3, 2 / 3])
    return Zones(np.digitize(steps, thirds), (float(thirds[0]), float(thirds[1])), False)


def crossings(
    zone: Int[np.ndarray, "step run"],
    symbols: Int[np.ndarray, "step run"],
    origin: int,
    target: int,
    within: int = 8,
) -> np.ndarray:
    """Where runs come from a cluster into the transition zone on their way from one symbol to another.

    Parameters
    ----------
    zone : array
        Of every state of the runs.
    symbols : array
        With the largest logit.
    origin, target : int
        Symbol before, and after.
    within : int
        Steps before in which the run was in a cluster of `origin`, and after in which it is read as `target`.

    Returns
    -------
    np.ndarray
        True at the first state of the transition zone, ``(step, run)``.
    """
    n_steps = len(zone)
    inside, enters = (zone == 2) & (symbols == origin), zone == 0
    enters = enters & ~np.concatenate([np.zeros_like(enters[:1]), enters[:-1]])
    before, after = np.zeros_like(enters), np.zeros_like(enters)
    for lag in range(1, min(within, n_steps - 1) + 1):
        before[lag:] |= inside[:-lag]
        after[:-lag] |= symbols[lag:] == target
    return enters & before & after


def check_symbols(dynamics: ReadOut, origin: int, target: int) -> None:
    """Refuse symbols that the readout does not have, or that are the same."""
    count = int(jnp.shape(dynamics.logits(jnp.zeros(dynamics.n_state)))[-1])
    if origin == target or not (0 <= origin < count and 0 <= target < count):
        raise ModelError(
            f"origin is {origin} and target {target}; give two different symbols from 0 to {count - 1}."
        )
