"""Potential energies of a latent position, and the force they exert."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurodyn.errors import ModelError
from neurodyn.inference.vae.encoders import whole_number
from neurodyn.inference.vae.layers import Parameters, normal, zeros

TAPS = 3


@dataclasses.dataclass(frozen=True)
class NoPotential:
    """No energy, hence no force.

    Examples
    --------
    >>> from neurodyn.inference.vae.potentials import NoPotential
    >>> NoPotential().start(None, 4)
    {}
    """

    def start(self, random: np.random.Generator | None, width: int) -> Parameters:
        """No parameters."""
        del random, width
        return {}

    def prepare(self, parameters: Parameters, width: int) -> Parameters:
        """Nothing to compute once for all bins."""
        del width
        return parameters

    def gradient(
        self, prepared: Parameters, position: Float[Array, "batch width"]
    ) -> Float[Array, "batch width"]:
        """Zero."""
        del prepared
        return jnp.zeros_like(position)

    def energy(self, prepared: Parameters, position: Float[Array, "batch width"]) -> Float[Array, " batch"]:
        """Zero."""
        del prepared
        return jnp.zeros(position.shape[:-1])


@dataclasses.dataclass(frozen=True)
class Oscillators:
    """Uncoupled harmonic oscillators.

    .. math:: U(z) = \\tfrac12 \\sum_i k_i z_i^2, \\qquad k_i > 0

    Parameters
    ----------
    stiffness : float
        k at the beginning of training, for all alike up to a spread of a half; learnt afterwards.

    Examples
    --------
    >>> from neurodyn.inference.vae.potentials import Oscillators
    >>> Oscillators(0.5).stiffness
    0.5
    """

    stiffness: float = 1.0

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        _positive("stiffness", self.stiffness, "Oscillators")

    def start(self, random: np.random.Generator, width: int) -> Parameters:
        """Logarithms of the stiffnesses."""
        return {"log_stiffness": np.float32(np.log(self.stiffness)) + normal(random, 0.5, width)}

    def prepare(self, parameters: Parameters, width: int) -> Parameters:
        """Stiffness of every oscillator."""
        del width
        return {"stiffness": jnp.exp(parameters["log_stiffness"])}

    def gradient(
        self, prepared: Parameters, position: Float[Array, "batch width"]
    ) -> Float[Array, "batch width"]:
        """Gradient of the energy."""
        return prepared["stiffness"] * position

    def energy(self, prepared: Parameters, position: Float[Array, "batch width"]) -> Float[Array, " batch"]:
        """Energy."""
        return 0.5 * (prepared["stiffness"] * jnp.square(position)).sum(-1)


@dataclasses.dataclass(frozen=True)
class CoupledChannels:
    """Locally coupled channels: a quadratic form of convolutions, with or without a term that confines it.

    .. math::

        U(z) = \\sum_{c, c', p} (W_{cc'} * z_{c'})_p\\, z_{c, p}
        + \\sum_i \\left(\\tfrac{a}{2} z_i^2 + \\tfrac{b}{4} z_i^4\\right), \\qquad
        \\lVert W_{cc'} \\rVert = 1

    The position is laid out as channels times places; each filter W has three taps. Without the confining term the
    form is indefinite, and a flow in it leaves every bound once the step size is learnt.

    Parameters
    ----------
    channels : int
        Channels; they divide the width.
    circular : bool
        Whether the last place is a neighbour of the first.
    confinement : {"none", "quadratic", "quartic"}
        Which of a and b are learnt (both begin at one); the others are zero.

    References
    ----------
    Song et al. (2025), arXiv:2507.11531.

    Examples
    --------
    >>> from neurodyn.inference.vae.potentials import CoupledChannels
    >>> CoupledChannels().channels
    4
    """

    channels: int = 4
    circular: bool = False
    confinement: str = "none"

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        whole_number("channels", self.channels, 1, "CoupledChannels")
        if self.confinement not in ("none", "quadratic", "quartic"):
            raise ModelError(
                f"CoupledChannels: confinement is {self.confinement!r}; choose one of none, quadratic, quartic."
            )

    def start(self, random: np.random.Generator, width: int) -> Parameters:
        """Small random filters: at zero a normalised filter has no gradient."""
        if width % self.channels:
            raise ModelError(
                f"CoupledChannels: the latent has {width} dimensions and channels is {self.channels}; the channels "
                "must divide them."
            )
        found = {"filter": normal(random, 0.1, self.channels, self.channels, TAPS)}
        if self.confinement != "none":
            found["log_quadratic"] = zeros()
        if self.confinement == "quartic":
            found["log_quartic"] = zeros()
        return found

    def prepare(self, parameters: Parameters, width: int) -> Parameters:
        """The symmetric matrix of the force, and the confining coefficients."""
        n_places = width // self.channels
        taps = parameters["filter"]
        taps = taps * jax.lax.rsqrt(jnp.square(taps).sum(-1, keepdims=True) + 1e-12)
        matrix = jnp.zeros((self.channels, n_places, self.channels, n_places))
        for tap in range(TAPS):
            offset = tap - TAPS // 2
            shift = jnp.roll(jnp.eye(n_places), offset, axis=1)
            if not self.circular:
                shift = jnp.triu(jnp.tril(shift, TAPS // 2), -(TAPS // 2))
            matrix = matrix + taps[:, :, tap][:, None, :, None] * shift[None, :, None, :]
        flat = matrix.reshape(self.channels * n_places, -1)
        found = {"form": flat + flat.T}
        if self.confinement != "none":
            found["quadratic"] = jnp.exp(parameters["log_quadratic"])
        if self.confinement == "quartic":
            found["quartic"] = jnp.exp(parameters["log_quartic"])
        return found

    def gradient(
        self, prepared: Parameters, position: Float[Array, "batch width"]
    ) -> Float[Array, "batch width"]:
        """Gradient of the energy."""
        found = position @ prepared["form"]
        if self.confinement != "none":
            found = found + prepared["quadratic"] * position
        if self.confinement == "quartic":
            found = found + prepared["quartic"] * position**3
        return found

    def energy(self, prepared: Parameters, position: Float[Array, "batch width"]) -> Float[Array, " batch"]:
        """Energy."""
        found = 0.5 * ((position @ prepared["form"]) * position).sum(-1)
        if self.confinement != "none":
            found = found + 0.5 * prepared["quadratic"] * jnp.square(position).sum(-1)
        if self.confinement == "quartic":
            found = found + 0.25 * prepared["quartic"] * (position**4).sum(-1)
        return found


@dataclasses.dataclass(frozen=True)
class LearntPotential:
    """A two-layer network in a bowl.

    .. math:: U(z) = w^T \\tanh(A z + a) + \\tfrac12 \\lVert z \\rVert^2

    Parameters
    ----------
    hidden : int
        Hidden units.

    Examples
    --------
    >>> from neurodyn.inference.vae.potentials import LearntPotential
    >>> LearntPotential(16).hidden
    16
    """

    hidden: int = 64

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        whole_number("hidden", self.hidden, 1, "LearntPotential")

    def start(self, random: np.random.Generator, width: int) -> Parameters:
        """Weights."""
        return {
            "weight": normal(random, width**-0.5, width, self.hidden),
            "bias": zeros(self.hidden),
            "height": normal(random, self.hidden**-0.5, self.hidden),
        }

    def prepare(self, parameters: Parameters, width: int) -> Parameters:
        """Nothing to compute once for all bins."""
        del width
        return parameters

    def gradient(
        self, prepared: Parameters, position: Float[Array, "batch width"]
    ) -> Float[Array, "batch width"]:
        """Gradient of the energy."""
        bent = jnp.tanh(position @ prepared["weight"] + prepared["bias"])
        return position + ((1 - bent**2) * prepared["height"]) @ prepared["weight"].T

    def energy(self, prepared: Parameters, position: Float[Array, "batch width"]) -> Float[Array, " batch"]:
        """Energy."""
        bent = jnp.tanh(position @ prepared["weight"] + prepared["bias"])
        return bent @ prepared["height"] + 0.5 * jnp.square(position).sum(-1)


def _positive(name: str, value: float, what: str) -> None:
    """Refuse a hyperparameter that is not above zero."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise ModelError(f"{what}: {name} is {value!r}; it must be finite and above 0.")


Potential = NoPotential | Oscillators | CoupledChannels | LearntPotential
