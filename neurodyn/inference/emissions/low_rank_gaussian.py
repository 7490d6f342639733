"""Gaussian emissions whose covariance is a few shared factors plus private noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neurodyn.errors import ModelError
from neurodyn.inference.emissions._covariance import sound_factor, working_floor
from neurodyn.inference.emissions._dense import (
    DenseData,
    dense_log_likelihood,
    dense_moments,
    dense_prediction,
    prepare_dense,
)
from neurodyn.inference.emissions._prior import NO_PRIOR, NormalInverseWishart
from neurodyn.inference.emissions.base import Emission, Parameters, Statistics
from neurodyn.inference.emissions.gaussian import EMPTY, check_floor, read_map, with_map


@dataclass(frozen=True, kw_only=True)
class LowRankGaussian(Emission):
    r"""Factor analysis in each state: low-rank plus diagonal covariance.

    .. math:: x_t \mid z_t = k \sim \mathcal N(\mu_k, \Lambda_k \Lambda_k^\top + \mathrm{diag}\,\psi_k)

    The maximisation runs a few iterations of factor analysis on the state's expected second
    moments; each raises the expected log-likelihood, so the whole is a generalised
    expectation maximisation and stays monotone.

    Parameters
    ----------
    rank : int
        Number of factors per state.
    prior : NormalInverseWishart
        On the mean and on the covariance as a whole. Default: none.
    covariance_floor : float
        Lowest private variance as a fraction of the unit's own variance.
    iterations : int
        Factor-analysis iterations in each maximisation.

    Raises
    ------
    ModelError
        When `rank` or `iterations` is below 1 or the floor outside (0, 1).

    References
    ----------
    Rubin and Thayer (1982), EM algorithms for ML factor analysis, doi:10.1007/BF02293851.

    Examples
    --------
    >>> LowRankGaussian(rank=2).n_parameters(1, 10)
    39
    """

    rank: int = 1
    prior: NormalInverseWishart = NO_PRIOR
    covariance_floor: float = 1e-5
    iterations: int = 20

    def __post_init__(self) -> None:
        if self.rank < 1 or self.iterations < 1:
            raise ModelError(
                f"rank is {self.rank} and iterations {self.iterations}; both must be at least 1."
            )
        check_floor(self.covariance_floor)

    @property
    def dimensions(self) -> Mapping[str, tuple[str, ...]]:
        """Dimension names of each parameter."""
        return {
            "mean": ("state", "unit"),
            "loading": ("state", "unit", "factor"),
            "noise_variance": ("state", "unit"),
        }

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of unit accepted."""
        return frozenset({"continuous", "count"})

    def n_parameters(self, n_states: int, n_units: int) -> int:
        """Number of free parameters; rotations of the factors do not count."""
        rank = min(self.rank, n_units)
        return n_states * (2 * n_units + n_units * rank - rank * (rank - 1) // 2)

    def prepare(self, values: np.ndarray, mask: np.ndarray, start: np.ndarray) -> DenseData:
        """Standardised values, and the rows which miss entries grouped by pattern."""
        return prepare_dense(values, mask)

    def log_likelihood(self, parameters: Parameters, data: DenseData) -> Float[Array, "time state"]:
        """log N(observed entries | state)."""
        mean, loading, noise = self._standard(parameters, data)
        return dense_log_likelihood(mean, _covariance(loading, noise), data)

    def statistics(
        self, posterior: Float[Array, "time state"], data: DenseData, parameters: Parameters
    ) -> Statistics:
        """Weight, first and second moments in standardised units, and the units' affine map."""
        mean, loading, noise = self._standard(parameters, data)
        return with_map(dense_moments(posterior, mean, _covariance(loading, noise), data), data)

    def maximise(self, statistics: Statistics, parameters: Parameters) -> Parameters:
        """Posterior mode of the mean, then factor analysis from the current loadings."""
        centre, scale = read_map(statistics)
        held = statistics["weight"] > EMPTY
        mean, target = self.prior.dense_mode(
            statistics["weight"], statistics["first"], statistics["second"], False
        )
        floor = working_floor(self.covariance_floor, 1, mean.dtype)
        loading = parameters["loading"] / scale[:, None]
        noise = jnp.maximum(parameters["noise_variance"] / scale**2, floor)

        def improve(_: Any, current: tuple[Array, Array]) -> tuple[Array, Array]:
            return _factor_step(target, *current, floor)

        loading, noise = jax.lax.fori_loop(0, self.iterations, improve, (loading, noise))
        fitted = {
            "mean": centre + scale * mean,
            "loading": scale[:, None] * loading,
            "noise_variance": scale**2 * noise,
        }
        return {
            name: jnp.where(held.reshape((-1,) + (1,) * (value.ndim - 1)), value, parameters[name])
            for name, value in fitted.items()
        }

    def log_prior(self, parameters: Parameters, data: DenseData) -> Float[Array, ""]:
        """Log-density of the prior, up to a constant."""
        if not self.prior.active:
            return jnp.zeros((), parameters["mean"].dtype)
        mean, loading, noise = self._standard(parameters, data)
        whitener, log_det = sound_factor(_covariance(loading, noise))
        squares = jnp.sum(jnp.einsum("kij,kj->ki", whitener, mean) ** 2)
        return self.prior.log_density(squares, log_det.sum(), jnp.sum(whitener**2))

    def neutral_parameters(self, key: Array, data: DenseData, n_states: int) -> Parameters:
        """The data's mean and variance, a tenth of it in random factors."""
        n_units = len(data.centre)
        shape = (n_states, n_units)
        direction = jax.random.normal(key, (*shape, min(self.rank, n_units)), data.scale.dtype)
        direction = direction / jnp.sqrt(jnp.sum(direction**2, 2, keepdims=True))
        return {
            "mean": jnp.broadcast_to(data.centre, shape),
            "loading": 0.1**0.5 * data.scale[:, None] * direction,
            "noise_variance": jnp.broadcast_to(0.9 * data.scale**2, shape),
        }

    def predict_mean(
        self,
        parameters: Parameters,
        probability: Float[Array, "time state"],
        data: DenseData,
        conditional: bool = True,
    ) -> tuple[Float[Array, "time unit"], Float[Array, "time unit"]]:
        """Mean and variance of a fresh replicate of every entry."""
        mean, loading, noise = self._standard(parameters, data)
        expected, variance = dense_prediction(
            mean, _covariance(loading, noise), probability, data, conditional
        )
        return data.centre + data.scale * expected, data.scale**2 * variance

    def sample(self, key: Array, parameters: Parameters, states: Int[Array, " time"]) -> Array:
        """One draw per bin given the path of states."""
        mean, loading = parameters["mean"], parameters["loading"]
        factor_key, noise_key = jax.random.split(key)
        factors = jax.random.normal(factor_key, (*states.shape, loading.shape[2]), mean.dtype)
        private = jax.random.normal(noise_key, (*states.shape, mean.shape[1]), mean.dtype)

        def add(shared: Array, state: tuple[Array, Array]) -> tuple[Array, None]:
            index, weights = state
            return jnp.where((states == index)[:, None], factors @ weights.T, shared), None

        shared, _ = jax.lax.scan(add, jnp.zeros_like(private), (jnp.arange(len(mean)), loading))
        return mean[states] + shared + jnp.sqrt(parameters["noise_variance"])[states] * private

    def project(self, parameters: Parameters, data: DenseData) -> Parameters:
        """Private variances raised to the floor."""
        floor = working_floor(self.covariance_floor, 1, data.scale.dtype)
        noise = jnp.maximum(parameters["noise_variance"], floor * data.scale**2)
        return {**parameters, "noise_variance": noise}

    def unconstrain(self, parameters: Parameters) -> dict[str, Array]:
        """Unit-free coordinates in which any real number is allowed."""
        deviation = jnp.sqrt(parameters["noise_variance"])
        return {
            "mean": parameters["mean"] / deviation,
            "loading": parameters["loading"] / deviation[:, :, None],
            "log_deviation": jnp.log(deviation),
        }

    def constrain(self, free: dict[str, Array]) -> Parameters:
        """Inverse of `unconstrain`."""
        deviation = jnp.exp(free["log_deviation"])
        return {
            "mean": free["mean"] * deviation,
            "loading": free["loading"] * deviation[:, :, None],
            "noise_variance": deviation**2,
        }

    def _standard(self, parameters: Parameters, data: DenseData) -> tuple[Array, Array, Array]:
        """Mean, loadings and private variance in standardised units."""
        mean = (parameters["mean"] - data.centre) / data.scale
        loading = parameters["loading"] / data.scale[:, None]
        return mean, loading, jnp.maximum(parameters["noise_variance"] / data.scale**2, 1e-30)


def _covariance(
    loading: Float[Array, "state unit factor"], noise: Float[Array, "state unit"]
) -> Float[Array, "state unit unit"]:
    """Loadings times their transpose plus the private variances."""
    return loading @ jnp.swapaxes(loading, 1, 2) + noise[:, :, None] * jnp.eye(
        noise.shape[1], dtype=noise.dtype
    )


def _factor_step(
    target: Float[Array, "state unit unit"],
    loading: Float[Array, "state unit factor"],
    noise: Float[Array, "state unit"],
    floor: float,
) -> tuple[Float[Array, "state unit factor"], Float[Array, "state unit"]]:
    """One iteration of factor analysis on the covariance `target`."""
    identity = jnp.eye(loading.shape[2], dtype=loading.dtype)
    weighted = jnp.swapaxes(loading / noise[:, :, None], 1, 2)
    recognition = jnp.linalg.solve(identity + weighted @ loading, weighted)
    cross = target @ jnp.swapaxes(recognition, 1, 2)
    moment = identity - recognition @ loading + recognition @ cross
    moment = 0.5 * (moment + jnp.swapaxes(moment, 1, 2))
    updated = jnp.swapaxes(jnp.linalg.solve(moment, jnp.swapaxes(cross, 1, 2)), 1, 2)
    explained = jnp.sum(updated * cross, axis=2)
    return updated, jnp.maximum(jnp.diagonal(target, axis1=1, axis2=2) - explained, floor)
