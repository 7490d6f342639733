"""Conjugate prior of Gaussian means and covariances, relative to the data's scale."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from neurodyn.errors import ModelError

_TINY = 1e-30


@dataclass(frozen=True, kw_only=True)
class NormalInverseWishart:
    r"""Weak prior knowledge about each state's mean and covariance.

    With every unit centred and scaled by the data's own (robust) mean and standard deviation,

    .. math:: \log p(\mu, \Sigma) = -\tfrac{\kappa}{2}\mu^\top\Sigma^{-1}\mu
              - \tfrac{a}{2}\left[\log|\Sigma| + v\,\mathrm{tr}\,\Sigma^{-1}\right] + \text{const},

    a normal-inverse-Wishart density with :math:`\nu = a - D - 2` degrees of freedom and scale
    matrix :math:`a v I`. The posterior mode adds `covariance_strength` pseudo-observations with
    covariance `variance` and pulls the mean with `mean_strength` pseudo-observations. For
    diagonal covariances it is the product of the normal-inverse-gamma densities per unit.

    Parameters
    ----------
    mean_strength : float
        :math:`\kappa \ge 0`, pseudo-observations at the data's mean; 0 is maximum likelihood.
    covariance_strength : float
        :math:`a \ge 0`, pseudo-observations of the covariance; 0 is maximum likelihood.
    variance : float
        :math:`v > 0`, prior variance as a fraction of each unit's own.

    Raises
    ------
    ModelError
        When a strength is negative or `variance` is not positive.

    Examples
    --------
    >>> NormalInverseWishart(covariance_strength=5.0).active
    True
    """

    mean_strength: float | int = 0.0
    covariance_strength: float | int = 0.0
    variance: float | int = 1.0

    def __post_init__(self) -> None:
        for name in ("mean_strength", "covariance_strength"):
            if not getattr(self, name) >= 0:
                raise ModelError(f"{name} is {getattr(self, name)}; give a number of at least 0.")
        if not self.variance > 0:
            raise ModelError(
                f"variance is {self.variance}; give a positive fraction of each unit's variance."
            )

    @property
    def active(self) -> bool:
        """Whether the prior adds anything to the likelihood."""
        return self.mean_strength > 0 or self.covariance_strength > 0

    def dense_mode(
        self,
        weight: Float[Array, " state"],
        first: Float[Array, "state unit"],
        second: Float[Array, "state unit unit"],
        shared: bool,
    ) -> tuple[Float[Array, "state unit"], Float[Array, "state unit unit"]]:
        """Mean and covariance at the posterior mode, standardised units; 0 without any weight."""
        mean = first / jnp.maximum(weight + self.mean_strength, _TINY)[:, None]
        total = weight[:, None, None] + self.mean_strength
        scatter = second - total * (mean[:, :, None] * mean[:, None, :])
        prior = self.covariance_strength * self.variance * jnp.eye(first.shape[1], dtype=first.dtype)
        if shared:
            covariance = (scatter.sum(0) + prior) / jnp.maximum(
                weight.sum() + self.covariance_strength, _TINY
            )
            return mean, jnp.broadcast_to(covariance, second.shape)
        total = jnp.maximum(weight + self.covariance_strength, _TINY)[:, None, None]
        return mean, (scatter + prior) / total

    def diagonal_mode(
        self,
        weight: Float[Array, "state unit"],
        first: Float[Array, "state unit"],
        second: Float[Array, "state unit"],
        shared: bool,
    ) -> tuple[Float[Array, "state unit"], Float[Array, "state unit"]]:
        """Mean and variances at the posterior mode; `shared`: one variance for all units of a state."""
        mean = first / jnp.maximum(weight + self.mean_strength, _TINY)
        scatter = second - (weight + self.mean_strength) * mean**2
        strength = self.covariance_strength
        if shared:
            units = first.shape[1]
            total = jnp.maximum(weight.sum(1) + strength * units, _TINY)
            pooled = (scatter.sum(1) + strength * units * self.variance) / total
            return mean, jnp.broadcast_to(pooled[:, None], first.shape)
        return mean, (scatter + strength * self.variance) / jnp.maximum(weight + strength, _TINY)

    def log_density(
        self,
        squared_mean: Float[Array, ""],
        log_determinant: Float[Array, ""],
        trace_precision: Float[Array, ""],
    ) -> Float[Array, ""]:
        """The formula above from its three sums over states."""
        strength = self.covariance_strength
        return -0.5 * (
            self.mean_strength * squared_mean + strength * (log_determinant + self.variance * trace_precision)
        )


NO_PRIOR = NormalInverseWishart()
