"""Noisy runs of a network as a whole: where they are, how long their symbols last, and where all goes without noise."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Float, Int

from neurodyn.analysis.dynamics.fixed_points import as_rates, jacobians, spectrum
from neurodyn.analysis.dynamics.orbits import Orbit, orbit
from neurodyn.analysis.dynamics.protocol import Dynamics, ReadOut, noisy_states, rollout
from neurodyn.analysis.dynamics.residency import BOUNDS, ZONES, Zones, residency, zones
from neurodyn.analysis.dynamics.scores import adjoint_score
from neurodyn.errors import ModelError


class Portrait(NamedTuple):
    """Noisy runs, their zones, and what becomes of their states without noise.

    Parameters
    ----------
    states : array
        Of the noisy runs.
    symbols : array
        With the largest logit.
    residency : array
        Mean number of steps until the symbol changes.
    zones : Zones
        Zone of every state, ``(step, run)``.
    orbit : Orbit
        Principal components of the states.
    decay : array
        States of runs without any input; the first of each is the last state of a noisy run.
    """

    states: Float[np.ndarray, "step run state"]
    symbols: Int[np.ndarray, "step run"]
    residency: Float[np.ndarray, "step run"]
    zones: Zones
    orbit: Orbit
    decay: Float[np.ndarray, "time start state"]

    @property
    def flat(self) -> Float[np.ndarray, "point state"]:
        """States of all steps and runs."""
        return self.states.reshape(-1, self.states.shape[-1])


def portrait(
    dynamics: ReadOut,
    *,
    key: jax.Array,
    n_runs: int = 32,
    n_steps: int = 60,
    discard: int = 30,
    n_rollouts: int = 32,
    decay_steps: int = 100,
    bounds: tuple[float, float] = BOUNDS,
) -> Portrait:
    """Run a network with noise, see how long its symbols last from every state, and let go of it.

    Parameters
    ----------
    dynamics : ReadOut
        What moves, with a readout.
    key : jax.Array
        Randomness.
    n_runs, n_steps, discard : int
        Noisy runs, steps kept, and steps left out before.
    n_rollouts : int
        Runs from every state by which its residency is measured.
    decay_steps : int
        Steps without noise.
    bounds : tuple of float
        See `zones`.

    Returns
    -------
    Portrait
        What was found.

    Raises
    ------
    ModelError
        If a number is not positive.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import Rectified, portrait
    >>> random = np.random.default_rng(0)
    >>> network = Rectified(np.zeros((4, 4)), np.eye(4), random.normal(size=(2, 4)))
    >>> found = portrait(network, key=jax.random.key(0), n_runs=3, n_steps=20, discard=2)
    >>> found.orbit.places.shape, float(np.abs(found.decay[1:]).max())
    ((20, 3, 2), 0.0)
    """
    given = {"n_runs": n_runs, "n_steps": n_steps, "n_rollouts": n_rollouts, "decay_steps": decay_steps}
    for name, value in given.items():
        if value < 1:
            raise ModelError(f"portrait: {name} is {value}; it must be 1 or more.")
    first, second = jax.random.split(key)
    states = np.asarray(noisy_states(dynamics, first, n_runs, n_steps, discard))
    flat = states.reshape(-1, states.shape[-1])
    steps = residency(dynamics, flat, key=second, n_runs=n_rollouts).reshape(states.shape[:2])
    still = np.zeros((decay_steps, n_runs, dynamics.n_input), np.float32)
    return Portrait(
        states=states,
        symbols=np.asarray(jnp.argmax(dynamics.logits(states), axis=-1)),
        residency=steps,
        zones=zones(steps, bounds),
        orbit=orbit(states, min(2, states.shape[-1])),
        decay=np.concatenate([states[-1:], np.asarray(rollout(dynamics, states[-1], still))]),
    )


def zone_rates(
    dynamics: Dynamics, found: Portrait, *, key: int, most: int = 60
) -> dict[str, Complex[np.ndarray, "point state"]]:
    """Eigenvalues of the step's Jacobian at states of every zone, as rates of a flow.

    The Jacobian is that of the step that follows a state without noise.

    Parameters
    ----------
    dynamics : Dynamics
        What moves.
    found : Portrait
        Its noisy runs.
    key : int
        Chooses the states.
    most : int
        States of a zone.

    Returns
    -------
    dict of np.ndarray
        For every zone that has states: `as_rates` of each one's eigenvalues, by falling modulus of these.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import Rectified, portrait, zone_rates
    >>> network = Rectified(0.5 * np.eye(3), np.eye(3), np.eye(3))
    >>> found = portrait(network, key=jax.random.key(0), n_runs=3, n_steps=20)
    >>> rates = zone_rates(network, found, key=0, most=4)["transition"]
    >>> rates.shape, float(rates.real.max().round(3))
    ((4, 3), -0.333)
    """
    random = np.random.default_rng(key)
    zone = found.zones.zone.ravel()
    rates = {}
    for number, name in enumerate(ZONES):
        there = np.flatnonzero(zone == number)
        if there.size:
            chosen = random.permutation(there)[:most]
            rates[name] = as_rates(spectrum(jacobians(dynamics, found.flat[chosen])))
    return rates


def kick_groups(
    dynamics: ReadOut,
    found: Portrait,
    directions: list[tuple[int, int]],
    *,
    key: jax.Array,
    size: int = 20,
) -> dict[str, Int[np.ndarray, " unit"]]:
    """Units by the direction in which they push: those with the largest adjoint score for each, and the rest.

    Parameters
    ----------
    dynamics : ReadOut
        What moves, with a readout.
    found : Portrait
        Its noisy runs.
    directions : list of tuple of int
        Origin and target of each direction.
    key : jax.Array
        Randomness of the scores.
    size : int
        Units of a direction; one that is among these of several is given to that where its score, as a share of the
        largest, is highest.

    Returns
    -------
    dict of np.ndarray
        ``"0 to 2"`` and so on, by falling score, then ``"rest"``: every unit once.

    Raises
    ------
    ModelError
        If there are not so many units, or an origin is read nowhere.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import Rectified, kick_groups, portrait
    >>> network = Rectified(np.zeros((4, 4)), np.eye(4), np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]]))
    >>> found = portrait(network, key=jax.random.key(0), n_runs=3, n_steps=20)
    >>> {name: len(units) for name, units in kick_groups(network, found, [(0, 1)], key=jax.random.key(1), size=1).items()}
    {'0 to 1': 1, 'rest': 3}
    """
    if not directions or not 1 <= size < dynamics.n_state:
        raise ModelError(
            f"kick_groups: size is {size} with {len(directions)} directions; name a direction or more, and fewer units than "
            f"the {dynamics.n_state} there are."
        )
    scores = np.stack(
        [adjoint_score(dynamics, found.flat, *direction, key=key) for direction in directions]
    ).astype(np.float64)
    leading = np.zeros(scores.shape, bool)
    np.put_along_axis(leading, np.argsort(-scores, axis=1, kind="stable")[:, :size], True, axis=1)
    share = scores / np.maximum(scores.max(axis=1, keepdims=True), 1e-30)
    owner = np.where(leading, share, -np.inf).argmax(axis=0)
    groups = {}
    for number, (origin, target) in enumerate(directions):
        mine = np.flatnonzero(leading[number] & (owner == number))
        groups[f"{origin} to {target}"] = mine[np.argsort(-scores[number, mine], kind="stable")]
    groups["rest"] = np.flatnonzero(~leading.any(axis=0))
    return groups
