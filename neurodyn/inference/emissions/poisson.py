"""Poisson emissions for spike counts."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.special import gammaln

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

_HOST_CHUNK = 65_536
_TABLE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Poisson(Emission):
    r"""Counts, independent over units given the state.

    .. math:: x_{td} \mid z_t = k \sim \mathrm{Poisson}(\lambda_{kd})

    Parameters
    ----------
    prior_strength : float
        Pseudo-bins :math:`s` with the unit's average count :math:`m_d`: the prior is
        :math:`\mathrm{Gamma}(1 + s m_d, s)`. 0 (default) is maximum likelihood.
    floor : float
        Lowest rate as a fraction of the unit's average count, so that a unit which happened to
        be silent in a state does not make one later spike impossible. A unit without any count
        has half a count over the recording as its average.

    Raises
    ------
    ModelError
        When a hyperparameter is out of range; from `prepare`, when a count is negative or
        fractional.

    Examples
    --------
    >>> Poisson().n_parameters(4, 10)
    40
    """

    prior_strength: float | int = 0.0
    floor: float = 1e-4

    def __post_init__(self) -> None:
        check_strength(self.prior_strength, self.floor)

    @property
    def dimensions(self) -> Mapping[str, tuple[str, ...]]:
        """Dimension names of each parameter."""
        return {"rate": ("state", "unit")}

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of unit accepted."""
        return frozenset({"count"})

    def n_parameters(self, n_states: int, n_units: int) -> int:
        """Number of free parameters."""
        return n_states * n_units

    def prepare(self, values: np.ndarray, mask: np.ndarray, start: np.ndarray) -> IndependentData:
        """Counts, and the sum of log-factorials of every bin."""
        values, mask = np.asarray(values), as_mask(mask)
        check_whole_numbers(values, mask, np.inf, "Poisson")
        return prepare_independent(values, mask, -_log_factorials(values, mask), np.inf)

    def log_likelihood(self, parameters: Parameters, data: IndependentData) -> Float[Array, "time state"]:
        """Sum over observed units of log Poisson(x | rate)."""
        rate = parameters["rate"]
        log_rate = jnp.log(jnp.maximum(rate, 1e-30))
        return linear_log_likelihood(log_rate, -rate, data)

    def statistics(
        self, posterior: Float[Array, "time state"], data: IndependentData, parameters: Parameters
    ) -> Statistics:
        """Expected bins and counts per state and unit."""
        return sums(posterior, data)

    def maximise(self, statistics: Statistics, parameters: Parameters) -> Parameters:
        """Posterior mode; a state without weight keeps its rate."""
        average = statistics["average"] / statistics["blocks"]
        weight = statistics["weight"]
        held = weight > EMPTY
        total = statistics["total"] + self.prior_strength * average
        rate = total / (jnp.where(held, weight, 1.0) + self.prior_strength)
        rate = jnp.maximum(rate, self.floor * average)
        return {"rate": jnp.where(held, rate, parameters["rate"])}

    def log_prior(self, parameters: Parameters, data: IndependentData) -> Float[Array, ""]:
        """Log-density of the Gamma priors, up to a constant."""
        rate = jnp.maximum(parameters["rate"], 1e-30)
        return self.prior_strength * jnp.sum(data.average * jnp.log(rate / data.average) - rate)

    def neutral_parameters(self, key: Array, data: IndependentData, n_states: int) -> Parameters:
        """Every state with the units' average counts."""
        return {"rate": jnp.broadcast_to(data.average, (n_states, len(data.average)))}

    def predict_mean(
        self,
        parameters: Parameters,
        probability: Float[Array, "time state"],
        data: IndependentData,
        conditional: bool = True,
    ) -> tuple[Float[Array, "time unit"], Float[Array, "time unit"]]:
        """Mean and variance of a fresh replicate of every entry."""
        rate = parameters["rate"]
        expected = probability @ rate
        between = jnp.maximum(probability @ rate**2 - expected**2, 0)
        return expected, expected + between

    def sample(self, key: Array, parameters: Parameters, states: Int[Array, " time"]) -> Array:
        """One draw per bin given the path of states."""
        rate = parameters["rate"]
        return jax.random.poisson(key, rate[states]).astype(rate.dtype)

    def project(self, parameters: Parameters, data: IndependentData) -> Parameters:
        """Rates raised to the floor."""
        return {"rate": jnp.maximum(parameters["rate"], self.floor * data.average)}

    def unconstrain(self, parameters: Parameters) -> dict[str, Array]:
        """Log rates."""
        return {"log_rate": jnp.log(jnp.maximum(parameters["rate"], 1e-30))}

    def constrain(self, free: dict[str, Array]) -> Parameters:
        """Inverse of `unconstrain`."""
        return {"rate": jnp.exp(jnp.minimum(free["log_rate"], 60.0))}


def _log_factorials(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Sum over observed units of log(x!), per bin."""
    result = np.zeros(len(values))
    for first in range(0, len(values), _HOST_CHUNK):
        part = slice(first, first + _HOST_CHUNK)
        counts = values[part] if mask[part].all() else np.where(mask[part], values[part], 0)
        highest = counts.max(initial=0)
        if highest < _TABLE:
            table = gammaln(np.arange(int(highest) + 1) + 1.0)
            result[part] = table[counts.astype(np.int64)].sum(axis=1)
        else:
            result[part] = gammaln(counts.astype(float) + 1.0).sum(axis=1)
    return result
