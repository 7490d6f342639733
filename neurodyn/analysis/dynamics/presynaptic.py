"""Populations that gather noise for a set of units: found by their weights, confirmed by taking their noise away."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from neurodyn.analysis.dynamics.intervention_curves import InterventionCurve, intervention_curve
from neurodyn.analysis.dynamics.interventions import WITHIN, as_low
from neurodyn.analysis.dynamics.protocol import Rectified
from neurodyn.analysis.dynamics.scores import presynaptic_score
from neurodyn.errors import ModelError


class PresynapticEffect(NamedTuple):
    """A population that feeds a set of units, and what becomes of switching without its noise.

    Parameters
    ----------
    units : array of int
        The population, the largest score first.
    score : array
        `presynaptic_score` of every unit, NaN within the set that is fed.
    curve : InterventionCurve
        At the factor asked for, and intact.
    """

    units: Int[np.ndarray, " found"]
    score: Float[np.ndarray, " unit"]
    curve: InterventionCurve

    @property
    def effect(self) -> float:
        """Share of the target's occupancy that is lost."""
        weakened, intact = self.curve.chosen.occupancy
        return float(1 - weakened / intact) if intact > 0 else float("nan")

    @property
    def p_random(self) -> float:
        """Probability that a random set lowers the occupancy as far."""
        return as_low(self.curve.chosen.occupancy[0], self.curve.random.occupancy[:, 0])

    @property
    def p_matched(self) -> float:
        """Probability that a set with as much noise lowers the occupancy as far."""
        return as_low(self.curve.chosen.occupancy[0], self.curve.matched.occupancy[:, 0])


def presynaptic_effect(
    dynamics: Rectified,
    fed: Any,
    states: Any,
    origin: int,
    target: int,
    *,
    key: jax.Array,
    count: int = 20,
    factor: float = 0.0,
    n_runs: int = 256,
    n_steps: int = WITHIN,
    n_controls: int = 200,
) -> PresynapticEffect:
    """Find the units that feed most fluctuation to a set, and see whether it kicks without their noise.

    The `count` units with the largest `presynaptic_score` are the population. Its noise input, not its activity, is
    multiplied by `factor`. Controls are random sets, and sets that match it in the noise that is taken away: the norm of
    the noise weights, times the standard deviation of the unit. No control holds a unit of the set that is fed.

    Parameters
    ----------
    dynamics : Rectified
        The network.
    fed : array of int
        The set, such as units with a large `adjoint_score`.
    states : array
        States of noisy runs, ``(point, state)``; the runs begin from those read as the origin.
    origin, target : int
        Symbols.
    key : jax.Array
        Randomness.
    count : int
        Units of the population.
    factor : float
        Of its noise input.
    n_runs, n_steps : int
        Runs for every set, and steps looked at.
    n_controls : int
        Random sets, and as many matched ones.

    Returns
    -------
    PresynapticEffect
        Population, effect and controls.

    Raises
    ------
    ModelError
        If fewer units than asked for excite the set, or too few are left to draw controls from.

    References
    ----------
    Torre et al. (2025), arXiv:2510.25674.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import Rectified, noisy_states, presynaptic_effect
    >>> weights = np.zeros((9, 9))
    >>> weights[0, 1] = 1.0
    >>> network = Rectified(weights, np.eye(9), np.eye(2, 9)[::-1])
    >>> states = noisy_states(network, jax.random.key(0), 20, 10).reshape(-1, 9)
    >>> presynaptic_effect(network, [0], states, 0, 1, key=jax.random.key(1), count=1, n_controls=5).units.tolist()
    [1]
    """
    if not isinstance(dynamics, Rectified):
        raise ModelError(
            f"presynaptic_effect got {type(dynamics).__name__}; it looks at weights, and so needs a Rectified."
        )
    sinks = np.unique(np.asarray(fed, int))
    if not sinks.size or sinks[0] < 0 or sinks[-1] >= dynamics.n_state:
        raise ModelError(
            f"the set that is fed is {sinks.tolist()}; give one or more units from 0 to {dynamics.n_state - 1}."
        )
    deviation = np.asarray(states, np.float32).std(axis=0)
    score = presynaptic_score(np.asarray(dynamics.recurrent), deviation, sinks)
    order = np.argsort(-np.where(np.isnan(score), -np.inf, score), kind="stable")
    exciting = int((score > 0).sum())
    if not 1 <= count <= exciting:
        raise ModelError(
            f"count is {count}, but {exciting} units outside of the set excite it on average; give 1 to {exciting}."
        )
    units = order[:count]
    curve = intervention_curve(
        dynamics,
        units,
        states,
        origin,
        target,
        key=key,
        scaled="drive",
        factors=(factor, 1.0),
        n_runs=n_runs,
        n_steps=n_steps,
        n_controls=n_controls,
        match=np.linalg.norm(np.asarray(dynamics.drive), axis=1) * deviation,
        excluded=sinks,
    )
    return PresynapticEffect(units, score, curve)
