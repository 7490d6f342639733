"""What a Langevin flow does near the origin: modes of its potential, and how each of them moves from bin to bin."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Float

from neurodyn.inference.vae.langevin import LangevinFlow
from neurodyn.inference.vae.layers import Parameters


class FlowModes(NamedTuple):
    """Modes of a potential at the origin, the stiffest first.

    Parameters
    ----------
    curvature : np.ndarray
        Eigenvalues of the potential's second derivatives; for a quadratic form, squared frequencies in units of the step
        size. A negative one pushes away from the origin.
    direction : np.ndarray
        Unit vectors of the position, ``(mode, width)``.
    multiplier : np.ndarray
        Eigenvalues of the step of position and velocity along the mode without noise, ``(mode, 2)``.
    eta, gamma : float
        Step size and friction.
    """

    curvature: Float[np.ndarray, " mode"]
    direction: Float[np.ndarray, "mode width"]
    multiplier: Complex[np.ndarray, "mode 2"]
    eta: float
    gamma: float

    @property
    def cycles(self) -> Float[np.ndarray, " mode"]:
        """Cycles per bin; 0 where a mode does not oscillate."""
        turned = np.abs(np.angle(self.multiplier)).min(axis=1)
        return np.where(np.abs(np.imag(self.multiplier)).max(axis=1) > 1e-9, turned / (2 * np.pi), 0.0)

    @property
    def growth(self) -> Float[np.ndarray, " mode"]:
        """Factor by which a mode grows in a bin in the long run; below 1 it decays."""
        return np.abs(self.multiplier).max(axis=1)


def flow_modes(flow: LangevinFlow, dynamics: Parameters) -> FlowModes:
    r"""Modes of a flow about the origin.

    With second derivatives :math:`K = \sum_k \kappa_k e_k e_k^T` of the potential, every mode moves by itself,

    .. math::

        \begin{pmatrix} z \\ v \end{pmatrix}' =
        \begin{pmatrix} 1 & \eta \\ -(1 - \gamma) \eta \kappa & 1 - \gamma \end{pmatrix}
        \begin{pmatrix} z \\ v \end{pmatrix},

    in the symplectic form with the new velocity in the first row. For a quadratic potential that is the whole flow.

    Parameters
    ----------
    flow : LangevinFlow
        The latent.
    dynamics : dict
        Its parameters.

    Returns
    -------
    FlowModes
        Modes, the stiffest first.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.vae.flow_modes import flow_modes
    >>> from neurodyn.inference.vae.langevin import LangevinFlow
    >>> from neurodyn.inference.vae.potentials import Oscillators
    >>> flow = LangevinFlow(width=2, potential=Oscillators(), eta=0.1, gamma=0.01, learn=False)
    >>> found = flow_modes(flow, {"potential": {"log_stiffness": np.log([1.0, 4.0])}})
    >>> found.curvature.round(3).tolist(), (found.cycles * 2 * np.pi / 0.1).round(1).tolist()
    ([4.0, 1.0], [2.0, 1.0])
    """
    prepared = flow.prepare(dynamics)
    second = jax.hessian(lambda z: flow.potential.energy(prepared["potential"], z[None])[0])(
        jnp.zeros(flow.width, jnp.float32)
    )
    matrix = np.asarray(second, np.float64)
    curvature, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    curvature, direction = curvature[::-1], vectors.T[::-1]
    eta, gamma = float(prepared["eta"]), float(prepared["gamma"])
    velocity = np.stack([-(1 - gamma) * eta * curvature, np.full_like(curvature, 1 - gamma)], axis=-1)
    still, moving = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    position = still + eta * (velocity if flow.symplectic else moving)
    step = np.stack(np.broadcast_arrays(position, velocity), axis=-2)
    return FlowModes(curvature, direction, np.linalg.eigvals(step).astype(complex), eta, gamma)


def energy_along(
    flow: LangevinFlow,
    dynamics: Parameters,
    direction: Float[np.ndarray, "mode width"],
    distance: Float[np.ndarray, " distance"],
) -> Float[np.ndarray, "mode distance"]:
    """Potential energy along straight lines through the origin, less that at the origin.

    Parameters
    ----------
    flow : LangevinFlow
        The latent.
    dynamics : dict
        Its parameters.
    direction : np.ndarray
        Unit vectors, ``(mode, width)``.
    distance : np.ndarray
        Distances from the origin.

    Returns
    -------
    np.ndarray
        ``(mode, distance)``.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.vae.flow_modes import energy_along
    >>> from neurodyn.inference.vae.langevin import LangevinFlow
    >>> from neurodyn.inference.vae.potentials import Oscillators
    >>> flow = LangevinFlow(width=2, potential=Oscillators(), learn=False)
    >>> energy_along(flow, {"potential": {"log_stiffness": np.log([1.0, 4.0])}}, np.eye(2), np.array([0.0, 2.0])).tolist()
    [[0.0, 2.0], [0.0, 8.0]]
    """
    prepared = flow.prepare(dynamics)["potential"]
    places = np.concatenate(
        [np.zeros((1, flow.width)), (distance[:, None] * direction[:, None]).reshape(-1, flow.width)]
    )
    energy = np.asarray(flow.potential.energy(prepared, jnp.asarray(places, jnp.float32)), np.float64)
    return (energy[1:] - energy[0]).reshape(len(direction), len(distance))
