"""Bernoulli emissions for binary observations."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurodyn.inference.emissions._independent import (
    IndependentData,
    check_strength,
    check_whole_numbers,
    linear_log_likelihood,
    prepare_independent,
    sums,
)
from neurodyn.inference.emissions.base import Emission, Parameters, Statistics, as_mask
from neurodyn.inference.emissions.gaussian import EMPTY


@dataclass(frozen=True, kw_only=True)
class Bernoulli(Emission):
    r"""Binary observations, independent over units given the state.

    .. math:: x_{td} \mid z_t = k \sim \mathrm{Bernoulli}(p_{kd})

    Parameters
    ----------
    prior_strength : float
        Pseudo-bins :math:`s` with the unit's average :math:`m_d`: the prior is
        :math:`\mathrm{Beta}(1 + s m_d, 1 + s (1 - m_d))`. 0 (default) is maximum likelihood.
    floor : float
        Lowest probability of either outcome as a fraction of its average over the recording.

    Raises
    ------
    ModelError
        When a hyperparameter is out of range; from `prepare`, when a value is not 0 or 1.

    Examples
    --------
    >>> Bernoulli().n_parameters(4, 10)
    40
    """

    prior_strength: float | int = 0.0
    floor: float = 1e-4

    def __post_init__(self) -> None:
        check_strength(self.prior_strength, self.floor)

    @property
    def dimensions(self) -> Mapping[str, tuple[str, ...]]:
        """Dimension names of each parameter."""
        return {"probability": ("state", "unit")}

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of unit accepted."""
        return frozenset({"binary"})

    def n_parameters(self, n_states: int, n_units: int) -> int:
        """Number of free parameters."""
        return n_states * n_units

    def prepare(self, values: np.ndarray, mask: np.ndarray, start: np.ndarray) -> IndependentData:
        """Binary values and mask."""
        values, mask = np.asarray(values), as_mask(mask)
        check_whole_numbers(values, mask, 1.0, "Bernoulli")
        return prepare_independent(values, mask, None, 1.0)

    def log_likelihood(self, parameters: Parameters, data: IndependentData) -> Float[Array, "time state"]:
        """Sum over observed units of log Bernoulli(x | probability)."""
        probability = _possible(parameters["probability"])
        never = jnp.log1p(-probability)
        return linear_log_likelihood(jnp.log(probability) - never, never, data)

    def statistics(
        self, posterior: Float[Array, "time state"], data: IndependentData, parameters: Parameters
    ) -> Statistics:
        """Expected bins and events per state and unit."""
        return sums(posterior, data)

    def maximise(self, statistics: Statistics, parameters: Parameters) -> Parameters:
        """Posterior mode; a state without weight keeps its probability."""
        average = statistics["average"] / statistics["blocks"]
        weight = statistics["weight"]
        held = weight > EMPTY
        total = statistics["total"] + self.prior_strength * average
        probability = total / (jnp.where(held, weight, 1.0) + self.prior_strength)
        kept = jnp.where(held, probability, parameters["probability"])
        return {"probability": self._clip(kept, average)}

    def log_prior(self, parameters: Parameters, data: IndependentData) -> Float[Array, ""]:
        """Log-density of the Beta priors, up to a constant."""
        probability = _possible(parameters["probability"])
        average = data.average
        return self.prior_strength * jnp.sum(
            average * jnp.log(probability) + (1 - average) * jnp.log1p(-probability)
        )

    def neutral_parameters(self, key: Array, data: IndependentData, n_states: int) -> Parameters:
        """Every state with the units' averages."""
        return {"probability": jnp.broadcast_to(data.average, (n_states, len(data.average)))}

    def predict_mean(
        self,
        parameters: Parameters,
        probability: Float[Array, "time state"],
        data: IndependentData,
        conditional: bool = True,
    ) -> tuple[Float[Array, "time unit"], Float[Array, "time unit"]]:
        """Mean and variance of a fresh replicate of every entry."""
        expected = jnp.clip(probability @ parameters["probability"], 0, 1)
        return expected, expected * (1 - expected)

    def sample(self, key: Array, parameters: Parameters, states: Int[Array, " time"]) -> Array:
        """One draw per bin given the path of states."""
        probability = parameters["probability"]
        return jax.random.bernoulli(key, probability[states]).astype(probability.dtype)

    def project(self, parameters: Parameters, data: IndependentData) -> Parameters:
        """Probabilities moved off 0 and 1."""
        return {"probability": self._clip(parameters["probability"], data.average)}

    def unconstrain(self, parameters: Parameters) -> dict[str, Array]:
        """Log odds."""
        return {"log_odds": jax.scipy.special.logit(_possible(parameters["probability"]))}

    def constrain(self, free: dict[str, Array]) -> Parameters:
        """Inverse of `unconstrain`."""
        return {"probability": jax.nn.sigmoid(free["log_odds"])}

    def _clip(self, probability: Array, average: Array) -> Array:
        """Keep both outcomes possible."""
        low = self.floor * average
        return _possible(jnp.clip(probability, low, 1 - self.floor * (1 - average)))


def _possible(probability: Array) -> Array:
    """Keep the logarithm of either outcome finite."""
    smallest = 4 * jnp.finfo(probability.dtype).eps
    return jnp.clip(probability, smallest, 1 - smallest)
