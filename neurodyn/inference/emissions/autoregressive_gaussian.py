"""Gaussian emissions that depend on the preceding bins."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from neurodyn.errors import ModelError
from neurodyn.inference.emissions._autoregression import (
    AutoregressiveData,
    Regression,
    prepare_autoregression,
    regression_log_likelihood,
    regression_moments,
    regression_prediction,
)
from neurodyn.inference.emissions._covariance import (
    floor_covariance,
    inverse_factor,
    sound_covariance,
    working_floor,
)
from neurodyn.inference.emissions._history import fill_history
from neurodyn.inference.emissions._prior import NO_PRIOR, NormalInverseWishart
from neurodyn.inference.emissions.base import Emission, Parameters, Statistics
from neurodyn.inference.emissions.gaussian import EMPTY, check_floor, read_map


@dataclass(frozen=True, kw_only=True)
class AutoregressiveGaussian(Emission):
    r"""Linear regression on the preceding bins, with coefficients that depend on the state.

    .. math:: x_t \mid x_{t-1}, \dots, x_{t-p}, z_t = k \sim
              \mathcal N\left(b_k + \textstyle\sum_l A_{kl} x_{t-l}, \Sigma_k\right)

    The first `order` bins of each trial are conditioned on: they contribute 0 to the
    likelihood, and are predicted by the recording's mean. Missing entries of `x_t` are
    marginalised exactly. A missing *predecessor* cannot be: `fill_history` replaces it by its
    filtered expectation, and the predictive covariance of the bins that depend on it grows by
    `A diag(v) A'` with `v` the variance of that expectation. The likelihood is then an
    estimate, and a step of expectation maximisation may lower it. Before the first call of
    `fill_history` a missing predecessor is its unit's last observed value in the trial.

    Parameters
    ----------
    order : int
        Number of preceding bins :math:`p`.
    covariance : {"full", "tied"}
        One noise covariance per state, or one shared by all.
    prior : NormalInverseWishart
        `mean_strength` shrinks intercept and coefficients to 0 in standardised units (ridge),
        the rest acts on the noise covariance. Default: none.
    covariance_floor : float
        Lowest eigenvalue of a noise covariance after scaling every unit by its own standard
        deviation.

    Raises
    ------
    ModelError
        When `order` is below 1, `covariance` unknown or the floor outside (0, 1).

    References
    ----------
    Hamilton (1989), A new approach to the economic analysis of nonstationary time series,
    doi:10.2307/1912559.

    Examples
    --------
    >>> AutoregressiveGaussian(order=2).n_parameters(1, 3)
    27
    """

    order: int = 1
    covariance: str = "full"
    prior: NormalInverseWishart = NO_PRIOR
    covariance_floor: float = 1e-5

    def __post_init__(self) -> None:
        if self.order < 1:
            raise ModelError(f"order is {self.order}; give at least 1 preceding bin.")
        if self.covariance not in ("full", "tied"):
            raise ModelError(f"covariance is {self.covariance!r}; choose full or tied.")
        check_floor(self.covariance_floor)

    @property
    def reach(self) -> int:
        """Bins of the past on which an observation depends directly."""
        return self.order

    @property
    def dimensions(self) -> Mapping[str, tuple[str, ...]]:
        """Dimension names of each parameter."""
        return {
            "intercept": ("state", "unit"),
            "coefficients": ("state", "lag", "unit", "unit_2"),
            "covariance": ("state", "unit", "unit_2"),
        }

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of unit accepted."""
        return frozenset({"continuous", "count"})

    def n_parameters(self, n_states: int, n_units: int) -> int:
        """Number of free parameters."""
        matrices = 1 if self.covariance == "tied" else n_states
        slopes = n_units * (1 + self.order * n_units)
        return n_states * slopes + matrices * n_units * (n_units + 1) // 2

    def prepare(self, values: np.ndarray, mask: np.ndarray, start: np.ndarray) -> AutoregressiveData:
        """Standardised values with their history."""
        return prepare_autoregression(values, mask, start, self.order)

    def prepare_like(
        self,
        values: np.ndarray,
        mask: np.ndarray,
        start: np.ndarray,
        reference: tuple[np.ndarray, np.ndarray],
    ) -> AutoregressiveData:
        """`prepare` with the mean and deviation of other data, which then describe bins without a history."""
        return prepare_autoregression(values, mask, start, self.order, reference)

    def fill_history(
        self,
        parameters: Parameters,
        data: AutoregressiveData,
        transition: Float[Array, "state state"],
        initial: Float[Array, " state"],
    ) -> AutoregressiveData:
        """`data` with missing predecessors at their filtered expectation under these parameters.

        Does nothing (at no cost) where no predecessor is missing.
        """
        return fill_history(self._standard(parameters, data), data, transition, initial)

    def log_likelihood(self, parameters: Parameters, data: AutoregressiveData) -> Float[Array, "time state"]:
        """log p(observed entries | history, state)."""
        return regression_log_likelihood(self._standard(parameters, data), data)

    def statistics(
        self, posterior: Float[Array, "time state"], data: AutoregressiveData, parameters: Parameters
    ) -> Statistics:
        """Weight and second moments of [observation, history, 1] in standardised units."""
        moments = regression_moments(posterior, self._standard(parameters, data), data)
        one = jnp.ones((), data.values.dtype)
        return {**moments, "blocks": one, "centre": data.centre, "scale": data.scale}

    def maximise(self, statistics: Statistics, parameters: Parameters) -> Parameters:
        """Weighted (ridge) regression; a state without weight keeps its parameters."""
        centre, scale = read_map(statistics)
        weight, second = statistics["weight"], statistics["second"]
        n_units = len(centre)
        held = weight > EMPTY
        inner = second[:, n_units:, n_units:]
        cross = second[:, :n_units, n_units:]
        rounding = 50 * jnp.finfo(weight.dtype).eps * (weight + 1e-3)[:, None]
        ridge = self.prior.mean_strength + rounding * jnp.ones(inner.shape[-1], weight.dtype)
        inner = inner + ridge[:, :, None] * jnp.eye(inner.shape[-1], dtype=weight.dtype)
        coefficients = jnp.swapaxes(jnp.linalg.solve(inner, jnp.swapaxes(cross, 1, 2)), 1, 2)
        explained = coefficients @ jnp.swapaxes(cross, 1, 2)
        scatter = second[:, :n_units, :n_units] - 0.5 * (explained + jnp.swapaxes(explained, 1, 2))
        strength = self.prior.covariance_strength
        pseudo = strength * self.prior.variance * jnp.eye(n_units, dtype=weight.dtype)
        if self.covariance == "tied":
            total = jnp.maximum(weight.sum() + strength, EMPTY)
            noise = jnp.broadcast_to((scatter.sum(0) + pseudo) / total, scatter.shape)
        else:
            noise = (scatter + pseudo) / jnp.maximum(weight + strength, EMPTY)[:, None, None]
        noise = floor_covariance(noise, working_floor(self.covariance_floor, n_units, noise.dtype))
        fitted = self._original(Regression(coefficients, noise), centre, scale)
        keep = {name: held.reshape((-1,) + (1,) * (value.ndim - 1)) for name, value in fitted.items()}
        if self.covariance == "tied":
            keep["covariance"] = jnp.ones_like(keep["covariance"])
        return {name: jnp.where(keep[name], value, parameters[name]) for name, value in fitted.items()}

    def log_prior(self, parameters: Parameters, data: AutoregressiveData) -> Float[Array, ""]:
        """Log-density of the prior, up to a constant."""
        if not self.prior.active:
            return jnp.zeros((), parameters["intercept"].dtype)
        regression = self._standard(parameters, data)
        whitener, log_det = inverse_factor(regression.covariance)
        squares = jnp.sum((whitener @ regression.coefficients) ** 2)
        if self.covariance == "tied":
            whitener, log_det = whitener[:1], log_det[:1]
        return self.prior.log_density(squares, log_det.sum(), jnp.sum(whitener**2))

    def neutral_parameters(self, key: Array, data: AutoregressiveData, n_states: int) -> Parameters:
        """No dependence on the past, the data's mean and variance."""
        n_units = len(data.centre)
        shape = (n_states, self.order, n_units, n_units)
        return {
            "intercept": jnp.broadcast_to(data.centre, (n_states, n_units)),
            "coefficients": jnp.zeros(shape, data.scale.dtype),
            "covariance": jnp.broadcast_to(jnp.diag(data.scale**2), (n_states, n_units, n_units)),
        }

    def predict_mean(
        self,
        parameters: Parameters,
        probability: Float[Array, "time state"],
        data: AutoregressiveData,
        conditional: bool = True,
    ) -> tuple[Float[Array, "time unit"], Float[Array, "time unit"]]:
        """Mean and variance of a fresh replicate of every entry given its history."""
        expected, variance = regression_prediction(
            probability, self._standard(parameters, data), data, conditional
        )
        return data.centre + data.scale * expected, data.scale**2 * variance

    def sample(self, key: Array, parameters: Parameters, states: Int[Array, " time"]) -> Array:
        """One trial, bin after bin, from a history of zeros: draw a lead, and drop it."""
        n_units = parameters["intercept"].shape[1]
        factor = jnp.linalg.cholesky(parameters["covariance"])
        noise = jax.random.normal(key, (*states.shape, n_units), factor.dtype)

        def step(history: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
            state, draw = inputs
            mean = parameters["intercept"][state]
            mean = mean + jnp.einsum("lij,lj->i", parameters["coefficients"][state], history)
            value = mean + factor[state] @ draw
            return jnp.concatenate([value[None], history[:-1]]), value

        return lax.scan(step, jnp.zeros((self.order, n_units), factor.dtype), (states, noise))[1]

    def project(self, parameters: Parameters, data: AutoregressiveData) -> Parameters:
        """Noise covariances raised to the floor."""
        outer = data.scale[:, None] * data.scale
        floor = working_floor(self.covariance_floor, len(data.scale), data.scale.dtype)
        covariance = floor_covariance(parameters["covariance"] / outer, floor) * outer
        return {**parameters, "covariance": covariance}

    def unconstrain(self, parameters: Parameters) -> dict[str, Array]:
        """Unit-free coordinates in which any real number is allowed."""
        factor = jnp.linalg.cholesky(parameters["covariance"])
        size = jnp.diagonal(factor, axis1=1, axis2=2)
        ratio = size[:, None, :] / size[:, :, None]
        return {
            "intercept": parameters["intercept"] / size,
            "coefficients": parameters["coefficients"] * ratio[:, None],
            "log_diagonal": jnp.log(size),
            "lower": jnp.tril(factor / size[:, :, None], -1),
        }

    def constrain(self, free: dict[str, Array]) -> Parameters:
        """Inverse of `unconstrain`."""
        size = jnp.exp(free["log_diagonal"])
        unit = jnp.tril(free["lower"], -1) + jnp.eye(size.shape[1], dtype=size.dtype)
        factor = unit * size[:, :, None]
        ratio = size[:, :, None] / size[:, None, :]
        return {
            "intercept": free["intercept"] * size,
            "coefficients": free["coefficients"] * ratio[:, None],
            "covariance": factor @ jnp.swapaxes(factor, 1, 2),
        }

    def _standard(self, parameters: Parameters, data: AutoregressiveData) -> Regression:
        """Parameters in standardised units."""
        centre, scale = data.centre, data.scale
        slopes = parameters["coefficients"]
        shift = parameters["intercept"] + jnp.einsum("klij,j->ki", slopes, centre) - centre
        slopes = slopes * (scale / scale[:, None])
        stacked = jnp.moveaxis(slopes, 1, 2).reshape(len(shift), len(scale), -1)
        covariance = parameters["covariance"] / (scale[:, None] * scale)
        return Regression(
            jnp.concatenate([stacked, (shift / scale)[:, :, None]], axis=2),
            sound_covariance(covariance),
        )

    def _original(
        self, regression: Regression, centre: Float[Array, " unit"], scale: Float[Array, " unit"]
    ) -> Parameters:
        """Parameters in the data's units."""
        n_states, n_units, _ = regression.coefficients.shape
        slopes = regression.coefficients[:, :, :-1].reshape(n_states, n_units, self.order, n_units)
        slopes = jnp.moveaxis(slopes, 2, 1) * (scale[:, None] / scale)
        shift = centre + scale * regression.coefficients[:, :, -1]
        return {
            "intercept": shift - jnp.einsum("klij,j->ki", slopes, centre),
            "coefficients": slopes,
            "covariance": regression.covariance * (scale[:, None] * scale),
        }
