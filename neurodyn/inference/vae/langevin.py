"""Underdamped Langevin dynamics of a latent position and velocity in a learnt potential."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurodyn.errors import ModelError
from neurodyn.inference.vae.latents import Latent
from neurodyn.inference.vae.layers import Parameters
from neurodyn.inference.vae.potentials import Oscillators, Potential


@dataclasses.dataclass(frozen=True, kw_only=True)
class LangevinFlow(Latent):
    """Position and velocity in a potential, with friction and noise.

    .. math::

        v_t = (1 - \\gamma) (v_{t-1} - \\eta \\nabla U(z_{t-1})) + e_t, \\qquad
        z_t = z_{t-1} + \\eta v_{t-1} \\;\\;(\\text{or } v_t \\text{ in the symplectic form}), \\qquad
        e_t \\sim N(0, q^2)

    with :math:`q^2 = 2 \\gamma` as published, or :math:`1 - (1 - \\gamma)^2`, which keeps the variance of a free
    velocity at one.

    Parameters
    ----------
    width : int
        Dimensions of the position; the state holds twice as many.
    drive : bool
        Whether the encoder exerts a force: its mean and spread are the posterior of e. Without it, no data enter after
        the first bin.
    potential : Potential
        One of `neurodyn.inference.vae.potentials`. The energy of the default, independent oscillators, falls without bound
        in no direction; coupled channels confined by a quadratic only can grow modes that leave every bound while they are
        trained, a quartic holds them.
    eta : float
        Step size.
    gamma : float
        Friction, between 0 and 1.
    learn : bool
        Whether eta and gamma are learnt, beginning from the values given.
    symplectic : bool
        Move the position with the new velocity.
    noise : {"unit", "published"}
        Variance of the noise.

    References
    ----------
    Song et al. (2025), arXiv:2507.11531.

    Examples
    --------
    >>> from neurodyn.inference.vae.langevin import LangevinFlow
    >>> LangevinFlow(width=32).n_state
    64
    """

    potential: Potential = dataclasses.field(default_factory=Oscillators)
    eta: float = 0.3
    gamma: float = 0.3
    learn: bool = True
    symplectic: bool = True
    noise: str = "unit"

    def _check(self) -> None:
        """Check the hyperparameters."""
        if not isinstance(self.potential, Potential):
            raise ModelError(
                f"LangevinFlow: potential is {self.potential!r}; give one of neurodyn.inference.vae.potentials."
            )
        if not (isinstance(self.eta, (int, float)) and 0 <= self.eta < float("inf")):
            raise ModelError(f"LangevinFlow: eta is {self.eta!r}; it must be finite and 0 or more.")
        if not (isinstance(self.gamma, (int, float)) and 0 < self.gamma < 1):
            raise ModelError(f"LangevinFlow: gamma is {self.gamma!r}; it must be between 0 and 1.")
        if self.learn and self.eta == 0:
            raise ModelError("LangevinFlow: eta is 0 and learn is True; give eta above 0, or learn=False.")
        if self.noise not in ("unit", "published"):
            raise ModelError(f"LangevinFlow: noise is {self.noise!r}; choose unit or published.")

    @property
    def n_state(self) -> int:
        """Position and velocity."""
        return 2 * self.width

    def start_dynamics(self, random: np.random.Generator) -> Parameters:
        """The potential's parameters, and those of step size and friction where they are learnt."""
        found: Parameters = {"potential": self.potential.start(random, self.width)}
        if self.learn:
            found["log_eta"] = np.array(np.log(self.eta), np.float32)
            found["logit_gamma"] = np.array(np.log(self.gamma / (1 - self.gamma)), np.float32)
        return found

    def prepare(self, dynamics: Parameters) -> Parameters:
        """Force matrix, step size and friction."""
        eta, gamma = jnp.asarray(self.eta, jnp.float32), jnp.asarray(self.gamma, jnp.float32)
        if self.learn:
            eta, gamma = jnp.exp(dynamics["log_eta"]), jax.nn.sigmoid(dynamics["logit_gamma"])
        return {
            "potential": self.potential.prepare(dynamics["potential"], self.width),
            "eta": eta,
            "gamma": gamma,
        }

    def step(self, prepared: Parameters, state: Array, innovation: Array) -> Array:
        """One step of the flow."""
        z, v = jnp.split(state, 2, axis=-1)
        eta, gamma = prepared["eta"], prepared["gamma"]
        pulled = v - eta * self.potential.gradient(prepared["potential"], z)
        after = (1 - gamma) * pulled + innovation
        return jnp.concatenate([z + eta * (after if self.symplectic else v), after], axis=-1)

    def deviation(self, prepared: Parameters) -> Float[Array, ""]:
        """Standard deviation of the noise."""
        gamma = prepared["gamma"]
        return jnp.sqrt(2 * gamma if self.noise == "published" else 1 - (1 - gamma) ** 2)
