"""Gaussian emissions with full or tied covariance matrices."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurodyn.errors import ModelError
from neurodyn.inference.emissions._covariance import (
    floor_covariance,
    sound_factor,
    working_floor,
)
from neurodyn.inference.emissions._dense import (
    DenseData,
    dense_log_likelihood,
    dense_moments,
    dense_prediction,
    prepare_dense,
)
from neurodyn.inference.emissions._prior import NO_PRIOR, NormalInverseWishart
from neurodyn.inference.emissions.base import Emission, Parameters, Statistics

EMPTY = 1e-4  # weight, in bins, below which a state keeps its parameters


@dataclass(frozen=True, kw_only=True)
class Gaussian(Emission):
    r"""Multivariate normal observations, one mean and one covariance matrix per state.

    .. math:: x_t \mid z_t = k \sim \mathcal N(\mu_k, \Sigma_k)

    Missing entries are marginalised exactly; in the statistics they enter with their
    conditional mean and covariance, so expectation maximisation is exact.

    Parameters
    ----------
    covariance : {"full", "tied"}
        One matrix per state, or one shared by all.
    prior : NormalInverseWishart
        Default: none, that is maximum likelihood.
    covariance_floor : float
        Lowest eigenvalue of a covariance after scaling every unit by its own standard
        deviation; raised where rounding in the working precision needs it.

    Raises
    ------
    ModelError
        When `covariance` is unknown or the floor is outside (0, 1).

    Examples
    --------
    >>> import jax, numpy as np
    >>> values = np.random.default_rng(0).standard_normal((50, 2))
    >>> labels = np.arange(50) % 3
    >>> emission = Gaussian()
    >>> parameters = emission.start_parameters(jax.random.key(0), values, np.isfinite(values), labels)
    >>> parameters["covariance"].shape
    (3, 2, 2)
    """

    covariance: str = "full"
    prior: NormalInverseWishart = NO_PRIOR
    covariance_floor: float = 1e-5

    def __post_init__(self) -> None:
        if self.covariance not in ("full", "tied"):
            raise ModelError(f"covariance is {self.covariance!r}; choose full or tied.")
        check_floor(self.covariance_floor)

    @property
    def dimensions(self) -> Mapping[str, tuple[str, ...]]:
        """Dimension names of each parameter."""
        return {"mean": ("state", "unit"), "covariance": ("state", "unit", "unit_2")}

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of unit accepted."""
        return frozenset({"continuous", "count"})

    def n_parameters(self, n_states: int, n_units: int) -> int:
        """Number of free parameters."""
        matrices = 1 if self.covariance == "tied" else n_states
        return n_states * n_units + matrices * n_units * (n_units + 1) // 2

    def prepare(self, values: np.ndarray, mask: np.ndarray, start: np.ndarray) -> DenseData:
        """Standardised values, and the rows which miss entries grouped by pattern."""
        return prepare_dense(values, mask)

    def log_likelihood(self, parameters: Parameters, data: DenseData) -> Float[Array, "time state"]:
        """log N(observed entries | state)."""
        mean, covariance = self._standard(parameters, data)
        return dense_log_likelihood(mean, covariance, data)

    def statistics(
        self, posterior: Float[Array, "time state"], data: DenseData, parameters: Parameters
    ) -> Statistics:
        """Weight, first and second moments in standardised units, and the units' affine map."""
        mean, covariance = self._standard(parameters, data)
        return with_map(dense_moments(posterior, mean, covariance, data), data)

    def maximise(self, statistics: Statistics, parameters: Parameters) -> Parameters:
        """Posterior mode under the floor; a state without weight keeps its mean and covariance."""
        centre, scale = read_map(statistics)
        weight = statistics["weight"]
        held = weight > EMPTY
        mean, covariance = self.prior.dense_mode(
            weight,
            statistics["first"],
            statistics["second"],
            self.covariance == "tied",
        )
        covariance = floor_covariance(covariance, self._floor(covariance))
        mean = centre + scale * mean
        covariance = covariance * (scale[:, None] * scale)
        keep = held[:, None, None] | (self.covariance == "tied")
        return {
            "mean": jnp.where(held[:, None], mean, parameters["mean"]),
            "covariance": jnp.where(keep, covariance, parameters["covariance"]),
        }

    def log_prior(self, parameters: Parameters, data: DenseData) -> Float[Array, ""]:
        """Log-density of the prior, up to a constant."""
        if not self.prior.active:
            return jnp.zeros((), parameters["mean"].dtype)
        mean, covariance = self._standard(parameters, data)
        whitener, log_det = sound_factor(covariance)
        squares = jnp.sum(jnp.einsum("kij,kj->ki", whitener, mean) ** 2)
        if self.covariance == "tied":
            whitener, log_det = whitener[:1], log_det[:1]
        return self.prior.log_density(squares, log_det.sum(), jnp.sum(whitener**2))

    def neutral_parameters(self, key: Array, data: DenseData, n_states: int) -> Parameters:
        """Every state with the data's mean and (diagonal) variance."""
        mean = jnp.broadcast_to(data.centre, (n_states, len(data.centre)))
        covariance = jnp.broadcast_to(jnp.diag(data.scale**2), (n_states, *data.scale.shape * 2))
        return {"mean": mean, "covariance": covariance}

    def predict_mean(
        self,
        parameters: Parameters,
        probability: Float[Array, "time state"],
        data: DenseData,
        conditional: bool = True,
    ) -> tuple[Float[Array, "time unit"], Float[Array, "time unit"]]:
        """Mean and variance of a fresh replicate of every entry."""
        mean, covariance = self._standard(parameters, data)
        expected, variance = dense_prediction(mean, covariance, probability, data, conditional)
        return data.centre + data.scale * expected, data.scale**2 * variance

    def sample(self, key: Array, parameters: Parameters, states: Int[Array, " time"]) -> Array:
        """One draw per bin given the path of states."""
        return sample_dense(key, parameters["mean"], parameters["covariance"], states)

    def project(self, parameters: Parameters, data: DenseData) -> Parameters:
        """Covariances with the floor added: near enough for a proposal, and no eigenvalue lies below it."""
        covariance = parameters["covariance"]
        floor = self._floor(covariance) * data.scale**2
        return {**parameters, "covariance": covariance + floor * jnp.eye(len(floor), dtype=floor.dtype)}

    def unconstrain(self, parameters: Parameters) -> dict[str, Array]:
        """Unit-free coordinates in which any real number is allowed."""
        factor = jnp.linalg.cholesky(parameters["covariance"])
        diagonal = jnp.diagonal(factor, axis1=1, axis2=2)
        return {
            "mean": parameters["mean"] / jnp.sqrt(jnp.sum(factor**2, axis=2)),
            "log_diagonal": jnp.log(diagonal),
            "lower": jnp.tril(factor / diagonal[:, :, None], -1),
        }

    def constrain(self, free: dict[str, Array]) -> Parameters:
        """Inverse of `unconstrain`."""
        unit = jnp.tril(free["lower"], -1) + jnp.eye(free["lower"].shape[-1], dtype=free["lower"].dtype)
        factor = unit * jnp.exp(free["log_diagonal"])[:, :, None]
        return {
            "mean": free["mean"] * jnp.sqrt(jnp.sum(factor**2, axis=2)),
            "covariance": factor @ jnp.swapaxes(factor, 1, 2),
        }

    def _floor(self, covariance: Array) -> float:
        """The floor in the working precision."""
        return working_floor(self.covariance_floor, covariance.shape[-1], covariance.dtype)

    def _standard(self, parameters: Parameters, data: DenseData) -> tuple[Array, Array]:
        """Mean and covariance in standardised units."""
        mean = (parameters["mean"] - data.centre) / data.scale
        covariance = parameters["covariance"] / (data.scale[:, None] * data.scale)
        return mean, covariance


def check_floor(floor: float) -> None:
    """Raise unless the floor is a fraction of a variance."""
    if not 0 < floor < 1:
        raise ModelError(f"covariance_floor is {floor}; give a fraction of each unit's variance in (0, 1).")


def with_map(moments: Statistics, data: DenseData) -> Statistics:
    """Moments with the affine map they refer to, in a form which survives addition over blocks."""
    one = jnp.ones((), data.values.dtype)
    return {**moments, "blocks": one, "centre": data.centre, "scale": data.scale}


def read_map(statistics: Statistics) -> tuple[Array, Array]:
    """Centre and scale of summed statistics."""
    blocks = statistics["blocks"]
    return statistics["centre"] / blocks, statistics["scale"] / blocks


def sample_dense(
    key: Array,
    mean: Float[Array, "state unit"],
    covariance: Float[Array, "state unit unit"],
    states: Int[Array, " time"],
) -> Float[Array, "time unit"]:
    """Draws of N(mean_z, covariance_z), state by state to spare memory."""
    noise = jax.random.normal(key, (*states.shape, mean.shape[1]), mean.dtype)
    deviation = jnp.sqrt(jnp.maximum(jnp.diagonal(covariance, axis1=1, axis2=2), 1e-37))
    factor = jnp.linalg.cholesky(covariance / (deviation[:, :, None] * deviation[:, None, :]))
    factor = factor * deviation[:, :, None]

    def add(drawn: Array, state: tuple[Array, Array, Array]) -> tuple[Array, None]:
        index, location, root = state
        return jnp.where((states == index)[:, None], location + noise @ root.T, drawn), None

    return jax.lax.scan(add, jnp.zeros_like(noise), (jnp.arange(len(mean)), mean, factor))[0]
