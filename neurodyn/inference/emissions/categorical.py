"""Categorical emissions for choices and other codes without order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurodyn.errors import ModelError
from neurodyn.inference.emissions._independent import check_strength, check_whole_numbers
from neurodyn.inference.emissions._time import chunk_length, map_time, sum_time
from neurodyn.inference.emissions.base import Emission, Parameters, Statistics, as_mask, working_dtype
from neurodyn.inference.emissions.gaussian import EMPTY


class CategoricalData(eqx.Module):
    """Codes (-1 where missing) and each category's frequency over the recording."""

    time_axes: ClassVar[Mapping[str, int]] = {"codes": 0}

    codes: Int[Array, "time unit"]
    frequency: Float[Array, "unit category"]


@dataclass(frozen=True, kw_only=True)
class Categorical(Emission):
    r"""Codes 0 to C - 1, independent over units given the state.

    .. math:: P(x_{td} = c \mid z_t = k) = p_{kdc}

    Parameters
    ----------
    n_categories : int
        Number of codes C, the same for all units.
    prior_strength : float
        Pseudo-bins :math:`s` with the unit's frequencies :math:`m_d`: the prior is
        :math:`\mathrm{Dirichlet}(1 + s m_d)`. 0 (default) is maximum likelihood.
    floor : float
        Lowest probability of a code as a fraction of its frequency over the recording.

    Raises
    ------
    ModelError
        When a hyperparameter is out of range; from `prepare`, when a code is not 0 to C - 1.

    Examples
    --------
    >>> Categorical(n_categories=3).n_parameters(4, 2)
    16
    """

    n_categories: int
    prior_strength: float | int = 0.0
    floor: float = 1e-4

    def __post_init__(self) -> None:
        check_strength(self.prior_strength, self.floor)
        if self.n_categories < 2:
            raise ModelError(f"n_categories is {self.n_categories}; give at least 2.")

    @property
    def dimensions(self) -> Mapping[str, tuple[str, ...]]:
        """Dimension names of each parameter."""
        return {"probability": ("state", "unit", "category")}

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of unit accepted."""
        return frozenset({"categorical", "binary"})

    def n_parameters(self, n_states: int, n_units: int) -> int:
        """Number of free parameters."""
        return n_states * n_units * (self.n_categories - 1)

    def prepare(self, values: np.ndarray, mask: np.ndarray, start: np.ndarray) -> CategoricalData:
        """Integer codes."""
        values, mask = np.asarray(values), as_mask(mask)
        check_whole_numbers(values, mask, self.n_categories - 1.0, "Categorical")
        codes = np.where(mask, values, -1).astype(np.int32)
        counts = np.stack([(codes == c).sum(axis=0) for c in range(self.n_categories)], axis=1)
        counts = np.maximum(counts, 0.5)
        frequency = counts / counts.sum(axis=1, keepdims=True)
        return CategoricalData(jnp.asarray(codes), jnp.asarray(frequency, working_dtype(values)))

    def log_likelihood(self, parameters: Parameters, data: CategoricalData) -> Float[Array, "time state"]:
        """Sum over observed units of log p(code)."""
        probability = jnp.maximum(parameters["probability"], 1e-30)
        weights = jnp.log(probability).reshape(len(probability), -1).T
        return map_time(
            lambda codes: self._one_hot(codes, weights.dtype) @ weights,
            (data.codes,),
            len(data.codes),
            chunk_length(weights.shape[0]),
        )

    def statistics(
        self, posterior: Float[Array, "time state"], data: CategoricalData, parameters: Parameters
    ) -> Statistics:
        """Expected number of times each code was seen in each state."""
        dtype = data.frequency.dtype

        def rows(codes: Array, weight: Array) -> Array:
            return weight.astype(dtype).T @ self._one_hot(codes, dtype)

        total = sum_time(
            rows, (data.codes, posterior), len(data.codes), chunk_length(data.frequency.size)
        ).reshape(posterior.shape[1], *data.frequency.shape)
        return {"total": total, "blocks": jnp.ones((), dtype), "frequency": data.frequency}

    def maximise(self, statistics: Statistics, parameters: Parameters) -> Parameters:
        """Posterior mode; a state without weight keeps its probabilities."""
        frequency = statistics["frequency"] / statistics["blocks"]
        total = statistics["total"]
        weight = total.sum(2, keepdims=True)
        held = weight > EMPTY
        total = total + self.prior_strength * frequency
        probability = total / (jnp.where(held, weight, 1.0) + self.prior_strength)
        kept = jnp.where(held, probability, parameters["probability"])
        return {"probability": self._raise(kept, frequency)}

    def log_prior(self, parameters: Parameters, data: CategoricalData) -> Float[Array, ""]:
        """Log-density of the Dirichlet priors, up to a constant."""
        probability = jnp.maximum(parameters["probability"], 1e-30)
        return self.prior_strength * jnp.sum(data.frequency * jnp.log(probability))

    def neutral_parameters(self, key: Array, data: CategoricalData, n_states: int) -> Parameters:
        """Every state with the units' frequencies."""
        return {"probability": jnp.broadcast_to(data.frequency, (n_states, *data.frequency.shape))}

    def predict_mean(
        self,
        parameters: Parameters,
        probability: Float[Array, "time state"],
        data: CategoricalData,
        conditional: bool = True,
    ) -> tuple[Float[Array, "time unit category"], Float[Array, "time unit category"]]:
        """Probability of each code in a fresh replicate of every entry, and its indicator's variance."""
        chance = jnp.einsum("tk,kdc->tdc", probability, parameters["probability"])
        return chance, jnp.maximum(chance * (1 - chance), 0)

    def sample(self, key: Array, parameters: Parameters, states: Int[Array, " time"]) -> Array:
        """One draw per bin given the path of states."""
        probability = parameters["probability"]
        return jax.random.categorical(key, jnp.log(probability)[states]).astype(probability.dtype)

    def project(self, parameters: Parameters, data: CategoricalData) -> Parameters:
        """Probabilities raised to the floor."""
        return {"probability": self._raise(parameters["probability"], data.frequency)}

    def unconstrain(self, parameters: Parameters) -> dict[str, Array]:
        """Log probabilities."""
        return {"log_probability": jnp.log(jnp.maximum(parameters["probability"], 1e-30))}

    def constrain(self, free: dict[str, Array]) -> Parameters:
        """Probabilities from unnormalised logarithms."""
        return {"probability": jax.nn.softmax(free["log_probability"], axis=-1)}

    def _one_hot(self, codes: Array, dtype: Any) -> Array:
        """Indicators (time, unit category); all zero where missing."""
        return jax.nn.one_hot(codes, self.n_categories, dtype=dtype).reshape(len(codes), -1)

    def _raise(self, probability: Array, frequency: Array) -> Array:
        """Raise to the floor and scale the other categories down: the maximum under the floor."""
        low = jnp.broadcast_to(self.floor * frequency, probability.shape)
        below = probability < low
        for _ in range(2):
            free = jnp.where(below, 0, probability)
            room = 1 - jnp.sum(jnp.where(below, low, 0), -1, keepdims=True)
            raised = jnp.where(below, low, free * room / jnp.maximum(free.sum(-1, keepdims=True), 1e-30))
            below = below | (raised < low)
        return raised
