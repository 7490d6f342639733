"""How switching changes as the recurrent or the noise input of a set of units is made weaker or stronger."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurodyn.analysis.dynamics.interventions import (
    WITHIN,
    control_sets,
    few_units,
    readout_difference,
    starts_read_as,
)
from neurodyn.analysis.dynamics.protocol import Rectified
from neurodyn.errors import ModelError

FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
INPUTS = ("recurrent", "drive")


class Switched(NamedTuple):
    """How runs from one symbol fare at every factor; of control sets, with their number as first axis.

    Parameters
    ----------
    leaves : array
        Probability that the symbol changes within the steps looked at.
    occupancy : array
        Share of these steps in which the target is read.
    volatility : array
        Changes of the leading symbol per step.
    """

    leaves: Float[np.ndarray, "*control factor"]
    occupancy: Float[np.ndarray, "*control factor"]
    volatility: Float[np.ndarray, "*control factor"]


class InterventionCurve(NamedTuple):
    """Effect of scaling what a set of units receives.

    Parameters
    ----------
    factors : array
        By which the input was multiplied.
    units : array of int
        The set.
    chosen, random, matched : Switched
        For the set, for random sets of the same size and for sets matched to it.
    """

    factors: Float[np.ndarray, " factor"]
    units: Int[np.ndarray, " chosen"]
    chosen: Switched
    random: Switched
    matched: Switched

    @property
    def p_random(self) -> Float[np.ndarray, " factor"]:
        """Two-sided probability that a random set has so low, or so high, an occupancy; one at a factor of 1."""
        return _two_sided(self.chosen.occupancy, self.random.occupancy)

    @property
    def p_matched(self) -> Float[np.ndarray, " factor"]:
        """The same for matched sets."""
        return _two_sided(self.chosen.occupancy, self.matched.occupancy)


def _two_sided(found: Float[np.ndarray, " factor"], null: Float[np.ndarray, "control factor"]) -> np.ndarray:
    """Rank probability, ties counted on both sides."""
    below, above = (null <= found).sum(axis=0), (null >= found).sum(axis=0)
    return np.minimum(2 * (1 + np.minimum(below, above)) / (1 + len(null)), 1.0)


def intervention_curve(
    dynamics: Rectified,
    units: Any,
    states: Any,
    origin: int,
    target: int,
    *,
    key: jax.Array,
    scaled: str = "recurrent",
    factors: Sequence[float] = FACTORS,
    n_runs: int = 256,
    n_steps: int = WITHIN,
    n_controls: int = 40,
    match: Any = None,
    excluded: Any = (),
) -> InterventionCurve:
    """Multiply the recurrent or the noise input of a set of units, and see how often one symbol gives way to another.

    .. math:: h_t = \\mathrm{ReLU}(d \\odot W_{in} x_t + r \\odot W h_{t-1} + b)

    with r, or d, the factor for the units of the set and one for all others. All sets and factors see the same starts
    and the same noise, so that every curve passes through the same point at a factor of one.

    Parameters
    ----------
    dynamics : Rectified
        The network.
    units : array of int
        The set.
    states : array
        States of noisy runs, ``(point, state)``; the runs begin from those read as the origin.
    origin, target : int
        Symbols.
    key : jax.Array
        Randomness.
    scaled : {"recurrent", "drive"}
        Which input.
    factors : sequence of float
        Not negative.
    n_runs, n_steps : int
        Runs for every set and factor, and steps looked at.
    n_controls : int
        Random sets, and as many matched ones.
    match : array, optional
        One number per unit in which matched sets are alike; default: the difference of the symbols' readout weights
        times the unit's standard deviation.
    excluded : array of int
        Units that controls may not hold either.

    Returns
    -------
    InterventionCurve
        Curves of the set and its controls.

    Raises
    ------
    ModelError
        If too few units are left to draw controls from, no state is read as the origin, or an argument is out of range.

    References
    ----------
    Torre et al. (2025), arXiv:2510.25674.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import Rectified, intervention_curve, noisy_states
    >>> random = np.random.default_rng(0)
    >>> network = Rectified(np.zeros((6, 6)), np.eye(6), random.normal(size=(2, 6)))
    >>> states = noisy_states(network, jax.random.key(0), 20, 10).reshape(-1, 6)
    >>> found = intervention_curve(
    ...     network, [0], states, 0, 1, key=jax.random.key(1), scaled="drive", factors=(0, 1, 2), n_controls=5
    ... )
    >>> found.chosen.occupancy.shape, found.matched.volatility.shape
    ((3,), (5, 3))
    """
    if not isinstance(dynamics, Rectified):
        raise ModelError(
            f"intervention_curve got {type(dynamics).__name__}; it takes apart what units receive, and so needs a Rectified."
        )
    if scaled not in INPUTS:
        raise ModelError(f"scaled is {scaled!r}; choose one of {', '.join(INPUTS)}.")
    values = np.asarray(factors, float)
    if values.ndim != 1 or not values.size or not (np.isfinite(values) & (values >= 0)).all():
        raise ModelError(f"factors are {factors!r}; give a list of finite numbers that are not negative.")
    barred = np.unique(np.asarray(excluded, int))
    chosen = few_units(units, dynamics.n_state, len(barred))
    starts = starts_read_as(dynamics, states, origin, target, key, n_runs)
    random = np.random.default_rng([*np.asarray(jax.random.key_data(key)).ravel().tolist(), 1])
    alike = readout_difference(dynamics, states, origin, target) if match is None else np.asarray(match)
    if alike.shape != (dynamics.n_state,):
        raise ModelError(
            f"match has shape {alike.shape}; give one number for each of {dynamics.n_state} units."
        )
    drawn, matched = control_sets(chosen, alike, random, n_controls, barred)
    sets = np.array([chosen, *drawn, *matched])
    gains = np.ones((len(sets), len(values), dynamics.n_state), np.float32)
    gains[np.arange(len(sets))[:, None, None], np.arange(len(values))[:, None], sets[:, None]] = values[
        :, None
    ]
    drives = jax.random.normal(key, (n_steps, n_runs, dynamics.n_input))
    found = _curves(
        dynamics,
        jnp.asarray(gains.reshape(-1, dynamics.n_state)),
        starts,
        drives,
        origin,
        target,
        scaled == "recurrent",
    )
    measured = [np.asarray(one, float).reshape(len(sets), len(values)) for one in found]
    rows = (0, slice(1, 1 + n_controls), slice(1 + n_controls, None))
    return InterventionCurve(values, chosen, *(Switched(*(one[row] for one in measured)) for row in rows))


@jax.jit
def _curves(
    network: Rectified, gains: Array, starts: Array, drives: Array, origin: Any, target: Any, recurrent: Any
) -> tuple[Array, Array, Array]:
    """Probability of leaving, occupancy of the target and changes per step, for every row of gains."""
    weights = jnp.asarray(network.recurrent).T
    driven = drives @ jnp.asarray(network.drive).T
    bias = 0.0 if network.bias is None else jnp.asarray(network.bias)

    def leading(state: Array) -> Array:
        return jnp.argmax(network.logits(state), axis=-1)

    def with_gains(gain: Array) -> tuple[Array, Array, Array]:
        of_recurrent, of_drive = jnp.where(recurrent, gain, 1.0), jnp.where(recurrent, 1.0, gain)

        def one(carry: tuple[Array, ...], noise: Array) -> tuple[tuple[Array, ...], None]:
            state, before, left, there, turns = carry
            state = jax.nn.relu(of_recurrent * (state @ weights) + of_drive * noise + bias)
            read = leading(state)
            return (
                state,
                read,
                left | (read != origin),
                there + (read == target),
                turns + (read != before),
            ), None

        zero = jnp.zeros(len(starts))
        start = starts, leading(starts), jnp.zeros(len(starts), bool), zero, zero
        _, _, left, there, turns = jax.lax.scan(one, start, driven)[0]
        return left.mean(), there.mean() / len(drives), turns.mean() / len(drives)

    return jax.lax.map(with_gains, gains)
