"""The orbit that noise keeps a network on, and how switching depends on the strength of the noise."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurodyn.analysis.dynamics.protocol import Dynamics, ReadOut, compiled, noisy_states
from neurodyn.errors import ModelError


class Orbit(NamedTuple):
    """States of noisy runs in the plane of their first principal components.

    Parameters
    ----------
    places : array
        ``(step, run, component)``.
    components : array
        Directions, ``(component, state)``.
    centre : array
        Mean state.
    explained : array
        Share of the variance of each component.
    radius : float
        Root of the mean squared distance from the centre, in all dimensions.
    """

    places: Float[np.ndarray, "step run component"]
    components: Float[np.ndarray, "component state"]
    centre: Float[np.ndarray, " state"]
    explained: Float[np.ndarray, " component"]
    radius: float


def orbit(states: Float[Any, "step run state"], n_components: int = 2) -> Orbit:
    """Principal components of noisy runs.

    Parameters
    ----------
    states : array
        As `noisy_states` gives them.
    n_components : int
        Components kept.

    Returns
    -------
    Orbit
        The orbit; the sign of each component is such that its largest weight is positive.

    Raises
    ------
    ModelError
        If more components are asked for than there are dimensions.
    """
    values = np.asarray(states, np.float64)
    if not 1 <= n_components <= values.shape[-1]:
        raise ModelError(f"n_components is {n_components}; the states have {values.shape[-1]} dimensions.")
    flat = values.reshape(-1, values.shape[-1])
    centre = flat.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(flat.T).reshape(flat.shape[1], -1))
    directions = directions[:, ::-1][:, :n_components].T
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    directions = directions * np.where(largest < 0, -1.0, 1.0)
    total = max(float(variances.sum()), 1e-300)
    return Orbit(
        places=(values - centre) @ directions.T,
        components=directions,
        centre=centre,
        explained=variances[::-1][:n_components] / total,
        radius=float(np.sqrt(total)),
    )


class NoiseCurve(NamedTuple):
    """What changes with the strength of the noise.

    Parameters
    ----------
    scale : array
        Standard deviation of the noise.
    radius : array
        Root mean squared distance of the states from their mean; infinite where they run away, and the changes are NaN.
    leading, drawn : array
        Changes of the symbol per step, of the one with the largest logit, and of symbols drawn by their probabilities.
    """

    scale: Float[np.ndarray, " scale"]
    radius: Float[np.ndarray, " scale"]
    leading: Float[np.ndarray, " scale"]
    drawn: Float[np.ndarray, " scale"]


def noise_curve(
    dynamics: ReadOut,
    scales: Sequence[float],
    *,
    key: jax.Array,
    n_runs: int = 64,
    n_steps: int = 200,
    discard: int = 50,
) -> NoiseCurve:
    """Radius of the orbit and rate of switching against the strength of the noise (stochastic resonance, or not).

    A rectified network without biases is positively homogeneous: its radius is proportional to the noise, and the leading
    symbol does not depend on it at all, so that the rate of drawn symbols is a curve over their temperature.

    Parameters
    ----------
    dynamics : ReadOut
        What moves, with a readout.
    scales : sequence of float
        Standard deviations of the noise.
    key : jax.Array
        Randomness, the same for all scales.
    n_runs, n_steps, discard : int
        Runs, steps kept, and steps left out before.

    Returns
    -------
    NoiseCurve
        The curve.
    """
    first, second = jax.random.split(key)

    def at(dynamics: ReadOut, scale: Array) -> tuple[Array, Array, Array]:
        return _noisy(dynamics, first, second, scale, n_runs, n_steps, discard)

    scaled = compiled(dynamics, at)
    found = np.array([[float(x) for x in scaled(jnp.float32(scale))] for scale in scales])
    return NoiseCurve(np.asarray(scales, float), found[:, 0], found[:, 1], found[:, 2])


class _Scaled(NamedTuple):
    """Dynamics driven by noise of another strength."""

    inner: Dynamics
    scale: Array
    n_state: int
    n_input: int

    def step(self, state: Any, drive: Any) -> Any:
        """Next state."""
        return self.inner.step(state, self.scale * drive)


def _noisy(
    dynamics: ReadOut,
    first: jax.Array,
    second: jax.Array,
    scale: Array,
    n_runs: int,
    n_steps: int,
    discard: int,
) -> tuple[Array, Array, Array]:
    """Radius, and changes per step of leading and drawn symbols."""
    moved = _Scaled(dynamics, scale, dynamics.n_state, dynamics.n_input)
    states = noisy_states(moved, first, n_runs, n_steps, discard)
    logits = dynamics.logits(states)
    drawn = jax.random.categorical(second, logits)
    leading = jnp.argmax(logits, axis=-1)
    radius, (of_leading, of_drawn) = size_and_changes(states, (leading, drawn))
    return radius, of_leading, of_drawn


def size_and_changes(
    states: Float[Array, "step run state"], symbols: tuple[Array, ...]
) -> tuple[Array, list[Array]]:
    """Radius of noisy runs, infinite where they run away, and changes per step of symbols, NaN then."""
    flat = states.reshape(-1, states.shape[-1])
    radius = jnp.sqrt(jnp.square(flat - flat.mean(axis=0)).sum(axis=-1).mean())
    finite = jnp.isfinite(radius)
    changes = [jnp.where(finite, (one[1:] != one[:-1]).mean(), jnp.nan) for one in symbols]
    return jnp.where(finite, radius, jnp.inf), changes
