"""Gaussian emissions whose units are independent given the state."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from neurodyn.errors import ModelError
from neurodyn.inference.emissions._covariance import working_floor
from neurodyn.inference.emissions._prior import NO_PRIOR, NormalInverseWishart
from neurodyn.inference.emissions._standardise import centre_and_scale, standardise
from neurodyn.inference.emissions._time import chunk_length, map_time, sum_time
from neurodyn.inference.emissions.base import Emission, Parameters, Statistics, as_mask, working_dtype
from neurodyn.inference.emissions.gaussian import EMPTY, check_floor
from neurodyn.inference.rows import all_observed, any_observed


class DiagonalData(eqx.Module):
    """Standardised observations; `mask` is None when every bin is observed wholly or not at all."""

    time_axes: ClassVar[Mapping[str, int]] = {"values": 0, "seen": 0, "mask": 0}

    values: Float[Array, "time unit"]
    seen: Bool[Array, " time"]
    mask: Bool[Array, "time unit"] | None
    centre: Float[Array, " unit"]
    scale: Float[Array, " unit"]


@dataclass(frozen=True, kw_only=True)
class DiagonalGaussian(Emission):
    r"""Normal observations, independent over units given the state.

    .. math:: x_{td} \mid z_t = k \sim \mathcal N(\mu_{kd}, \sigma^2_{kd})

    Parameters
    ----------
    covariance : {"diagonal", "spherical"}
        One variance per unit, or, after scaling each unit by its own standard deviation, one
        per state.
    prior : NormalInverseWishart
        Default: none, that is maximum likelihood.
    covariance_floor : float
        Lowest variance as a fraction of the unit's own over the whole recording.

    Raises
    ------
    ModelError
        When `covariance` is unknown or the floor is outside (0, 1).

    Examples
    --------
    >>> DiagonalGaussian().n_parameters(3, 10)
    60
    """

    covariance: str = "diagonal"
    prior: NormalInverseWishart = NO_PRIOR
    covariance_floor: float = 1e-5

    def __post_init__(self) -> None:
        if self.covariance not in ("diagonal", "spherical"):
            raise ModelError(f"covariance is {self.covariance!r}; choose diagonal or spherical.")
        check_floor(self.covariance_floor)

    @property
    def dimensions(self) -> Mapping[str, tuple[str, ...]]:
        """Dimension names of each parameter."""
        return {"mean": ("state", "unit"), "variance": ("state", "unit")}

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of unit accepted."""
        return frozenset({"continuous", "count"})

    def n_parameters(self, n_states: int, n_units: int) -> int:
        """Number of free parameters."""
        return n_states * n_units + n_states * (1 if self.covariance == "spherical" else n_units)

    def prepare(self, values: np.ndarray, mask: np.ndarray, start: np.ndarray) -> DiagonalData:
        """Standardised values, and the mask where some bins are observed in part."""
        mask = as_mask(mask)
        dtype = working_dtype(np.asarray(values))
        centre, scale = centre_and_scale(values, mask)
        seen = any_observed(mask)
        return DiagonalData(
            values=jnp.asarray(standardise(values, mask, centre, scale, dtype)),
            seen=jnp.asarray(seen),
            mask=None if np.array_equal(seen, all_observed(mask)) else jnp.array(mask),
            centre=jnp.asarray(centre, dtype),
            scale=jnp.asarray(scale, dtype),
        )

    def log_likelihood(self, parameters: Parameters, data: DiagonalData) -> Float[Array, "time state"]:
        """Sum over observed units of log N(x | mean, variance)."""
        mean, variance = self._standard(parameters, data)
        n_states, n_units = mean.shape
        precision = 1 / jnp.sqrt(variance)
        constant = -0.5 * (jnp.log(2 * jnp.pi) + jnp.log(variance)) - jnp.log(data.scale)
        pool = jnp.repeat(jnp.eye(n_states, dtype=mean.dtype), n_units, axis=0)

        def rows(values: Array, seen: Array, mask: Array | None) -> Array:
            squares = jnp.square((values[:, None, :] - mean) * precision)
            if mask is not None:
                weight = mask.astype(mean.dtype)
                squares = squares * weight[:, None, :]
                total = weight @ constant.T
            else:
                total = constant.sum(1)
            result = total - 0.5 * (squares.reshape(len(values), -1) @ pool)
            return jnp.where(seen[:, None], result, 0)

        chunk = chunk_length(n_states * n_units)
        return map_time(rows, (data.values, data.seen, data.mask), len(data.values), chunk)

    def statistics(
        self, posterior: Float[Array, "time state"], data: DiagonalData, parameters: Parameters
    ) -> Statistics:
        """Weight, first and second moments per state and unit over observed entries."""
        dtype = data.values.dtype
        n_units = data.values.shape[1]

        def rows(values: Array, seen: Array, mask: Array | None, weight: Array) -> Statistics:
            weight = jnp.where(seen[:, None], weight.astype(dtype), 0)
            if mask is None:
                count = jnp.broadcast_to(weight.sum(0)[:, None], (weight.shape[1], n_units))
            else:
                count = weight.T @ mask.astype(dtype)
            return {"weight": count, "first": weight.T @ values, "second": weight.T @ jnp.square(values)}

        arrays = (data.values, data.seen, data.mask, posterior)
        total = sum_time(rows, arrays, len(data.values), chunk_length(n_units))
        return {
            **total,
            "blocks": jnp.ones((), dtype),
            "centre": data.centre,
            "scale": data.scale,
        }

    def maximise(self, statistics: Statistics, parameters: Parameters) -> Parameters:
        """Posterior mode under the floor; entries without weight keep their parameters."""
        centre = statistics["centre"] / statistics["blocks"]
        scale = statistics["scale"] / statistics["blocks"]
        weight = statistics["weight"]
        held = weight > EMPTY
        spherical = self.covariance == "spherical"
        mean, variance = self.prior.diagonal_mode(
            weight,
            statistics["first"],
            statistics["second"],
            spherical,
        )
        floor = working_floor(self.covariance_floor, 1, mean.dtype)
        variance = jnp.maximum(variance, floor) * scale**2
        filled = held.any(1, keepdims=True) if spherical else held
        return {
            "mean": jnp.where(held, centre + scale * mean, parameters["mean"]),
            "variance": jnp.where(filled, variance, parameters["variance"]),
        }

    def log_prior(self, parameters: Parameters, data: DiagonalData) -> Float[Array, ""]:
        """Log-density of the prior, up to a constant."""
        mean, variance = self._standard(parameters, data)
        if not self.prior.active:
            return jnp.zeros((), mean.dtype)
        return self.prior.log_density(
            jnp.sum(mean**2 / variance), jnp.log(variance).sum(), jnp.sum(1 / variance)
        )

    def neutral_parameters(self, key: Array, data: DiagonalData, n_states: int) -> Parameters:
        """Every state with the data's mean and variance."""
        shape = (n_states, len(data.centre))
        return {
            "mean": jnp.broadcast_to(data.centre, shape),
            "variance": jnp.broadcast_to(data.scale**2, shape),
        }

    def predict_mean(
        self,
        parameters: Parameters,
        probability: Float[Array, "time state"],
        data: DiagonalData,
        conditional: bool = True,
    ) -> tuple[Float[Array, "time unit"], Float[Array, "time unit"]]:
        """Mean and variance of a fresh replicate of every entry."""
        mean, variance = self._standard(parameters, data)
        middle = mean.mean(0)
        expected = probability @ (mean - middle)
        spread = jnp.maximum(probability @ (variance + (mean - middle) ** 2) - expected**2, 0)
        return data.centre + data.scale * (expected + middle), data.scale**2 * spread

    def sample(self, key: Array, parameters: Parameters, states: Int[Array, " time"]) -> Array:
        """One draw per bin given the path of states."""
        mean, variance = parameters["mean"], parameters["variance"]
        noise = jax.random.normal(key, (*states.shape, mean.shape[1]), mean.dtype)
        return mean[states] + jnp.sqrt(variance)[states] * noise

    def project(self, parameters: Parameters, data: DiagonalData) -> Parameters:
        """Variances raised to the floor."""
        floor = working_floor(self.covariance_floor, 1, data.scale.dtype)
        return {**parameters, "variance": jnp.maximum(parameters["variance"], floor * data.scale**2)}

    def unconstrain(self, parameters: Parameters) -> dict[str, Array]:
        """Unit-free coordinates in which any real number is allowed."""
        deviation = jnp.sqrt(parameters["variance"])
        return {"mean": parameters["mean"] / deviation, "log_deviation": jnp.log(deviation)}

    def constrain(self, free: dict[str, Array]) -> Parameters:
        """Inverse of `unconstrain`."""
        deviation = jnp.exp(free["log_deviation"])
        return {"mean": free["mean"] * deviation, "variance": deviation**2}

    def _standard(self, parameters: Parameters, data: DiagonalData) -> tuple[Array, Array]:
        """Mean and variance in standardised units."""
        mean = (parameters["mean"] - data.centre) / data.scale
        return mean, jnp.maximum(parameters["variance"] / data.scale**2, 1e-30)
