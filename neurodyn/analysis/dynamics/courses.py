"""How dynamics change from network to network: over training, or along any other list."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from neurodyn.analysis.dynamics.fixed_points import rates_of
from neurodyn.analysis.dynamics.orbits import size_and_changes
from neurodyn.analysis.dynamics.protocol import ReadOut, Rectified, compiled, noisy_states, rollout
from neurodyn.errors import ModelError

HELD = 0.5


class Course(NamedTuple):
    """What networks do, one after the other.

    Parameters
    ----------
    growth : array
        Factor per step by which the state moves away from the origin without noise, from the start where it is
        largest; the origin attracts where it is below one.
    radius : array
        Root mean squared distance of noisy states from their mean; infinite where they run away, and the changes are NaN.
    leading, drawn : array
        Changes of the symbol per step, of the one with the largest logit, and of symbols drawn by their probabilities.
    independent : array
        What `leading` would be, were the leading symbol drawn anew at every step with the frequencies it has.
    switches : array
        Whether the leading symbol changes (at least once in ten runs), but less than half as often as that: states that
        last, and are left.
    """

    growth: Float[np.ndarray, " network"]
    radius: Float[np.ndarray, " network"]
    leading: Float[np.ndarray, " network"]
    drawn: Float[np.ndarray, " network"]
    independent: Float[np.ndarray, " network"]
    switches: Bool[np.ndarray, " network"]


def course(
    networks: Sequence[ReadOut],
    *,
    key: jax.Array,
    n_runs: int = 64,
    n_steps: int = 200,
    discard: int = 50,
    n_starts: int = 1000,
) -> Course:
    """Growth about the origin, size of the noise-driven orbit, and switching, of every network of a list.

    The networks that a fit kept on its way show when in training the states appear. All are run with the same noise,
    and let go from the same starts, besides the states their own noisy runs end in.

    Parameters
    ----------
    networks : sequence of ReadOut
        Such as `HMMEmulatorFit.snapshots` gives them.
    key : jax.Array
        Randomness.
    n_runs, n_steps, discard : int
        Noisy runs, steps kept, and steps left out before.
    n_starts : int
        Starts without noise, the sizes of normal numbers, to which the ends of the noisy runs are added.

    Returns
    -------
    Course
        One value per network.

    Raises
    ------
    ModelError
        If there is no network.

    References
    ----------
    Torre et al. (2025), arXiv:2510.25674.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import Rectified, course
    >>> networks = [Rectified(w * np.eye(4), np.eye(4), np.eye(2, 4)) for w in (0.5, 0.9)]
    >>> course(networks, key=jax.random.key(0), n_starts=10).growth.round(3).tolist()
    [0.5, 0.9]
    """
    if not networks:
        raise ModelError("course got no networks; give a list of one or more.")
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())
    first, second = jax.random.split(key)

    def measured(network: ReadOut, starts: Array) -> tuple[Array, ...]:
        states = noisy_states(network, first, n_runs, n_steps, discard)
        logits = network.logits(states)
        leading, drawn = jnp.argmax(logits, axis=-1), jax.random.categorical(second, logits)
        frequency = jax.nn.one_hot(leading, logits.shape[-1]).mean(axis=(0, 1))
        radius, changes = size_and_changes(states, (leading, drawn))
        independent = jnp.where(jnp.isfinite(radius), 1 - jnp.square(frequency).sum(), jnp.nan)
        begins = jnp.concatenate([starts, states[-1]])
        silent = rollout(network, begins, jnp.zeros((n_steps, len(begins), network.n_input)))
        return jnp.linalg.norm(silent, axis=-1), radius, *changes, independent

    size = max(network.n_state for network in networks)
    starts = jnp.asarray(np.abs(random.normal(size=(n_starts, size))), jnp.float32)
    found = [np.stack(one) for one in zip(*_every(list(networks), measured, starts), strict=True)]
    growth = np.array([rates_of(one).max() for one in found[0]])
    radius, leading, drawn, independent = (np.asarray(one, float) for one in found[1:])
    switches = (leading >= 0.1 / n_steps) & (leading < HELD * independent)
    return Course(growth, radius, leading, drawn, independent, switches)


def _every(
    networks: list[ReadOut], measured: Callable[..., tuple[Array, ...]], starts: Array
) -> list[tuple[np.ndarray, ...]]:
    """What is measured of every network, compiled once where they are of one shape."""
    shapes = {(type(one), *(np.shape(leaf) for leaf in jax.tree.leaves(one))) for one in networks}
    if len(shapes) == 1 and isinstance(networks[0], Rectified):
        stacked = jax.tree.map(
            lambda *leaves: jnp.stack([jnp.asarray(x, jnp.float32) for x in leaves]), *networks
        )
        found = jax.jit(lambda them, starts: jax.lax.map(lambda one: measured(one, starts), them))(
            stacked, starts
        )
        return list(zip(*(np.asarray(one) for one in found), strict=True))
    return [
        tuple(np.asarray(x) for x in compiled(one, measured)(starts[:, : one.n_state])) for one in networks
    ]
