"""Observation models: from what is read out to a probability of the data and an expected value."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.scipy.special as special
import numpy as np
from jaxtyping import Array, Float

from neurodyn.inference.vae.layers import Parameters

LOG_RATE = (-16.0, 12.0)


@dataclasses.dataclass(frozen=True)
class Poisson:
    """Counts with the exponential of what is read out as their mean.

    Examples
    --------
    >>> from neurodyn.inference.vae.likelihoods import Poisson
    >>> Poisson().kinds
    ('count',)
    """

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of units it describes."""
        return ("count",)

    def start(self, mean: Float[np.ndarray, " unit"], deviation: Float[np.ndarray, " unit"]) -> Parameters:
        """Biases that give every unit its mean."""
        del deviation
        return {"bias": np.log(np.maximum(mean, 1e-5)).astype(np.float32)}

    def negative(
        self, parameters: Parameters, read: Float[Array, "... unit"], values: Float[Array, "... unit"]
    ) -> Float[Array, "... unit"]:
        """Negative log-probability in nats, without what depends on the data alone."""
        log_rate = self._log_rate(parameters, read)
        return jnp.exp(log_rate) - values * log_rate

    def mean(self, parameters: Parameters, read: Float[Array, "... unit"]) -> Float[Array, "... unit"]:
        """Expected counts per bin."""
        return jnp.exp(self._log_rate(parameters, read))

    def variance(self, parameters: Parameters, read: Float[Array, "... unit"]) -> Float[Array, "... unit"]:
        """Variance given what is read out."""
        return self.mean(parameters, read)

    def draw(self, parameters: Parameters, read: Float[Array, "... unit"], key: jax.Array) -> Array:
        """Counts."""
        return jax.random.poisson(key, self.mean(parameters, read)).astype(read.dtype)

    def _log_rate(self, parameters: Parameters, read: Array) -> Array:
        return jnp.clip(read + parameters["bias"], *LOG_RATE)


@dataclasses.dataclass(frozen=True)
class NegativeBinomial:
    """Counts with mean m and variance ``m + m^2 / r``, r learnt for every unit.

    Examples
    --------
    >>> from neurodyn.inference.vae.likelihoods import NegativeBinomial
    >>> NegativeBinomial().kinds
    ('count',)
    """

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of units it describes."""
        return ("count",)

    def start(self, mean: Float[np.ndarray, " unit"], deviation: Float[np.ndarray, " unit"]) -> Parameters:
        """Biases that give every unit its mean; r of ten."""
        del deviation
        return {
            "bias": np.log(np.maximum(mean, 1e-5)).astype(np.float32),
            "log_size": np.full(mean.shape, np.log(10.0), np.float32),
        }

    def negative(
        self, parameters: Parameters, read: Float[Array, "... unit"], values: Float[Array, "... unit"]
    ) -> Float[Array, "... unit"]:
        """Negative log-probability in nats, without log x!."""
        log_rate = jnp.clip(read + parameters["bias"], *LOG_RATE)
        log_size = jnp.clip(parameters["log_size"], -5.0, 8.0)
        size = jnp.exp(log_size)
        together = jnp.logaddexp(log_rate, log_size)
        chosen = special.gammaln(values + size) - special.gammaln(size)
        return (values + size) * together - values * log_rate - size * log_size - chosen

    def mean(self, parameters: Parameters, read: Float[Array, "... unit"]) -> Float[Array, "... unit"]:
        """Expected counts per bin."""
        return jnp.exp(jnp.clip(read + parameters["bias"], *LOG_RATE))

    def variance(self, parameters: Parameters, read: Float[Array, "... unit"]) -> Float[Array, "... unit"]:
        """Variance given what is read out."""
        mean = self.mean(parameters, read)
        return mean + jnp.square(mean) * jnp.exp(-jnp.clip(parameters["log_size"], -5.0, 8.0))

    def draw(self, parameters: Parameters, read: Float[Array, "... unit"], key: jax.Array) -> Array:
        """Counts."""
        first, second = jax.random.split(key)
        size = jnp.exp(jnp.clip(parameters["log_size"], -5.0, 8.0))
        rate = self.mean(parameters, read) * jax.random.gamma(first, size, read.shape) / size
        return jax.random.poisson(second, rate).astype(read.dtype)


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """Continuous values with a standard deviation learnt for every unit.

    Examples
    --------
    >>> from neurodyn.inference.vae.likelihoods import Gaussian
    >>> Gaussian().kinds
    ('continuous',)
    """

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of units it describes."""
        return ("continuous",)

    def start(self, mean: Float[np.ndarray, " unit"], deviation: Float[np.ndarray, " unit"]) -> Parameters:
        """The training moments; what is read out is in standard deviations."""
        log_scale = np.log(np.maximum(deviation, 1e-8)).astype(np.float32)
        return {"bias": mean.astype(np.float32), "log_deviation": log_scale, "log_scale": log_scale}

    def negative(
        self, parameters: Parameters, read: Float[Array, "... unit"], values: Float[Array, "... unit"]
    ) -> Float[Array, "... unit"]:
        """Negative log-density in nats, relative to a unit's training deviation."""
        log_deviation = parameters["log_deviation"]
        surprise = jnp.square((values - self.mean(parameters, read)) * jnp.exp(-log_deviation))
        return (
            0.5 * (surprise + jnp.log(2 * jnp.pi))
            + log_deviation
            - jax.lax.stop_gradient(parameters["log_scale"])
        )

    def mean(self, parameters: Parameters, read: Float[Array, "... unit"]) -> Float[Array, "... unit"]:
        """Expected value."""
        return parameters["bias"] + jnp.exp(jax.lax.stop_gradient(parameters["log_scale"])) * read

    def variance(self, parameters: Parameters, read: Float[Array, "... unit"]) -> Float[Array, "... unit"]:
        """Variance given what is read out."""
        return jnp.broadcast_to(jnp.exp(2 * parameters["log_deviation"]), read.shape)

    def draw(self, parameters: Parameters, read: Float[Array, "... unit"], key: jax.Array) -> Array:
        """Values."""
        noise = jax.random.normal(key, read.shape, read.dtype)
        return self.mean(parameters, read) + jnp.exp(parameters["log_deviation"]) * noise


Likelihood = Poisson | NegativeBinomial | Gaussian
