"""Observation models of a generalised linear model: density, score and curvature in the linear predictor."""

import abc
import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma, gammaln
from jaxtyping import Array
from scipy.special import gammaln as host_gammaln

from neurodyn.errors import ModelError

LINKS = ("softplus", "exp", "scaled_sigmoid")
TINY = 1e-30
STEEP = -15.0  # below this softplus(u) is exp(u) to single precision
HIGHEST = (
    40.0  # an exponential rate stops there: larger ones are no counts, and overflow would spoil empty states
)


def softplus_parts(eta: Array) -> tuple[Array, Array, Array]:
    """softplus(u), its logarithm and its derivative, accurate for every u."""
    small = jnp.exp(-jnp.abs(eta))
    rate = jnp.maximum(eta, 0) + jnp.log1p(small)
    slope = jnp.where(eta >= 0, 1.0, small) / (1 + small)
    log_rate = jnp.where(eta < STEEP, eta, jnp.log(jnp.maximum(rate, TINY)))
    return jnp.where(eta < STEEP, jnp.exp(eta), rate), log_rate, slope


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family(abc.ABC):
    """One observation given its linear predictor u; `scale` is one number per unit whose meaning the family says.

    Every method takes arrays that broadcast together, ``(..., unit)``, and is pure.
    """

    name: ClassVar[str]
    kinds: ClassVar[frozenset[str]]
    learns_scale: ClassVar[bool] = False

    @property
    def group(self) -> int:
        """Neighbouring entries whose terms belong together."""
        return 1

    @abc.abstractmethod
    def terms(self, eta: Array, values: Array, scale: Array) -> Array:
        """log p(x | u) without what depends on x alone."""

    @abc.abstractmethod
    def derivatives(self, eta: Array, values: Array, scale: Array) -> tuple[Array, Array, Array]:
        """`terms`, their derivative in u, and a curvature that is not negative (observed, or expected)."""

    @abc.abstractmethod
    def mean(self, eta: Array, scale: Array) -> Array:
        """Expectation of a replicate."""

    @abc.abstractmethod
    def variance(self, eta: Array, scale: Array) -> Array:
        """Variance of a replicate."""

    @abc.abstractmethod
    def predictor_of(self, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Linear predictor with this expectation (host)."""

    @abc.abstractmethod
    def draw(self, key: Array, eta: Array, scale: Array) -> Array:
        """A replicate of every entry."""

    def data_terms(self, values: np.ndarray) -> np.ndarray:
        """What of log p(x | u) depends on x alone (host, double precision)."""
        return np.zeros(values.shape)

    def first_scale(self, values: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Where the scale of every unit begins, ``(unit,)`` (host)."""
        return np.ones(values.shape[-1])

    def largest_mean(self, scale: np.ndarray) -> np.ndarray:
        """Expectation that the link cannot exceed, ``(unit,)``."""
        return np.full(scale.shape, np.inf)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PoissonFamily(Family):
    r"""Counts, :math:`x \mid u \sim \mathrm{Poisson}(f(u))`.

    Parameters
    ----------
    link : {"softplus", "exp", "scaled_sigmoid"}
        Inverse link f: :math:`\log(1 + e^u)`, :math:`e^u`, or :math:`c / (1 + e^{-u})` with the unit's ceiling c.
    ceiling : float, optional
        c in expected counts per bin, for the sigmoid; default each unit's largest training count plus one.

    Raises
    ------
    ModelError
        If the link is unknown or the ceiling not above 0.

    Examples
    --------
    >>> PoissonFamily(link="exp").link
    'exp'
    """

    name: ClassVar[str] = "poisson"
    kinds: ClassVar[frozenset[str]] = frozenset({"count"})

    link: str = "softplus"
    ceiling: float | None = None

    def __post_init__(self) -> None:
        if self.link not in LINKS:
            raise ModelError(f"link is {self.link!r}; choose one of {', '.join(LINKS)}.")
        if self.ceiling is not None and not (np.isfinite(self.ceiling) and self.ceiling > 0):
            raise ModelError(f"ceiling is {self.ceiling!r}; it must be a rate above 0 in counts per bin.")

    def _parts(self, eta: Array, scale: Array) -> tuple[Array, Array, Array, Array]:
        """Rate, its logarithm, derivative of the logarithm, and of the rate."""
        if self.link == "exp":
            eta = jnp.minimum(eta, HIGHEST)
            rate = jnp.exp(eta)
            return rate, eta, jnp.ones_like(eta), rate
        if self.link == "softplus":
            rate, log_rate, slope = softplus_parts(eta)
            steep = jnp.where(eta < STEEP, 1.0, slope / jnp.maximum(rate, TINY))
            return rate, log_rate, steep, slope
        share = jax.nn.sigmoid(eta)
        slope = scale * share * (1 - share)
        return scale * share, jnp.log(scale) - jax.nn.softplus(-eta), 1 - share, slope

    def terms(self, eta: Array, values: Array, scale: Array) -> Array:
        """x log f(u) - f(u)."""
        rate, log_rate, _, _ = self._parts(eta, scale)
        return values * log_rate - rate

    def derivatives(self, eta: Array, values: Array, scale: Array) -> tuple[Array, Array, Array]:
        """Observed curvature where that is convex, the expected one for the sigmoid."""
        rate, log_rate, log_slope, slope = self._parts(eta, scale)
        score = values * log_slope - slope
        if self.link == "exp":
            curvature = rate
        elif self.link == "softplus":
            curvature = slope * (1 - slope) + values * log_slope * jnp.maximum(log_slope - (1 - slope), 0)
        else:
            curvature = slope * log_slope
        return values * log_rate - rate, score, curvature

    def mean(self, eta: Array, scale: Array) -> Array:
        """f(u)."""
        return self._parts(eta, scale)[0]

    def variance(self, eta: Array, scale: Array) -> Array:
        """f(u)."""
        return self._parts(eta, scale)[0]

    def predictor_of(self, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Inverse of the inverse link, kept off its ends."""
        mean = np.maximum(np.asarray(mean, float), 1e-8)
        if self.link == "exp":
            return np.log(mean)
        if self.link == "softplus":
            return np.where(mean > 30, mean, np.log(np.expm1(np.minimum(mean, 30))))
        share = np.clip(mean / scale, 1e-8, 1 - 1e-6)
        return np.log(share) - np.log1p(-share)

    def draw(self, key: Array, eta: Array, scale: Array) -> Array:
        """Poisson counts."""
        return jax.random.poisson(key, self.mean(eta, scale)).astype(eta.dtype)

    def data_terms(self, values: np.ndarray) -> np.ndarray:
        """- log x!."""
        return -host_gammaln(np.asarray(values, float) + 1)

    def first_scale(self, values: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """The ceilings (1 where the link has none)."""
        if self.link != "scaled_sigmoid":
            return np.ones(values.shape[-1])
        if self.ceiling is not None:
            return np.full(values.shape[-1], float(self.ceiling))
        return np.where(mask, values, 0).max(axis=tuple(range(values.ndim - 1)), initial=0.0) + 1.0

    def largest_mean(self, scale: np.ndarray) -> np.ndarray:
        """The ceilings."""
        return scale if self.link == "scaled_sigmoid" else np.full(scale.shape, np.inf)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NegativeBinomialFamily(Family):
    r"""Overdispersed counts with mean :math:`\mu = f(u)` and variance :math:`\mu + \mu^2 / r`.

    `scale` is r, learnt for every unit; at :math:`r \to \infty` this is `PoissonFamily`.

    Parameters
    ----------
    link : {"softplus", "exp"}
        Inverse link f.

    Raises
    ------
    ModelError
        If the link is unknown.

    Examples
    --------
    >>> NegativeBinomialFamily().learns_scale
    True
    """

    name: ClassVar[str] = "negative_binomial"
    kinds: ClassVar[frozenset[str]] = frozenset({"count"})
    learns_scale: ClassVar[bool] = True
    least: ClassVar[float] = 0.05
    largest: ClassVar[float] = 1e4

    link: str = "softplus"

    def __post_init__(self) -> None:
        if self.link not in LINKS[:2]:
            raise ModelError(f"link is {self.link!r}; choose one of {', '.join(LINKS[:2])}.")

    @property
    def _poisson(self) -> PoissonFamily:
        """The family with the same link."""
        return PoissonFamily(link=self.link)

    def terms(self, eta: Array, values: Array, scale: Array) -> Array:
        """log Gamma(x + r) - log Gamma(r) + x log mu + r log r - (x + r) log(mu + r)."""
        rate, log_rate, _, _ = self._poisson._parts(eta, scale)
        counted = gammaln(values + scale) - gammaln(scale)
        return counted + values * log_rate + scale * jnp.log(scale) - (values + scale) * jnp.log(rate + scale)

    def derivatives(self, eta: Array, values: Array, scale: Array) -> tuple[Array, Array, Array]:
        """Expected curvature."""
        rate, log_rate, log_slope, slope = self._poisson._parts(eta, scale)
        counted = gammaln(values + scale) - gammaln(scale)
        terms = counted + values * log_rate + scale * jnp.log(scale)
        terms = terms - (values + scale) * jnp.log(rate + scale)
        shrink = scale / (rate + scale)
        return terms, shrink * (values * log_slope - slope), shrink * slope * log_slope

    def scale_gradient(self, eta: Array, values: Array, scale: Array) -> Array:
        """Derivative of `terms` in log r."""
        rate = self.mean(eta, scale)
        inside = digamma(values + scale) - digamma(scale) + jnp.log(scale) + 1
        return scale * (inside - jnp.log(rate + scale) - (values + scale) / (rate + scale))

    def mean(self, eta: Array, scale: Array) -> Array:
        """f(u)."""
        return self._poisson.mean(eta, scale)

    def variance(self, eta: Array, scale: Array) -> Array:
        """mu + mu^2 / r."""
        rate = self.mean(eta, scale)
        return rate + rate**2 / scale

    def predictor_of(self, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """As for Poisson counts."""
        return self._poisson.predictor_of(mean, scale)

    def draw(self, key: Array, eta: Array, scale: Array) -> Array:
        """Poisson counts with gamma rates."""
        one, two = jax.random.split(key)
        rate = self.mean(eta, scale)
        shape = jnp.broadcast_to(scale, rate.shape)
        return jax.random.poisson(two, rate * jax.random.gamma(one, shape) / shape).astype(eta.dtype)

    def data_terms(self, values: np.ndarray) -> np.ndarray:
        """- log x!."""
        return -host_gammaln(np.asarray(values, float) + 1)

    def first_scale(self, values: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """r from each unit's mean and variance."""
        axes = tuple(range(values.ndim - 1))
        count = np.maximum(mask.sum(axes), 1)
        mean = np.where(mask, values, 0).sum(axes, dtype=float) / count
        spread = np.where(mask, (values - mean) ** 2, 0).sum(axes, dtype=float) / count
        return np.clip(mean**2 / np.maximum(spread - mean, 1e-3 * mean + 1e-9), 2 * self.least, 100.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BernoulliFamily(Family):
    r"""Binary responses, :math:`p(x = 1 \mid u) = 1 / (1 + e^{-u})`.

    Examples
    --------
    >>> sorted(BernoulliFamily().kinds)
    ['binary']
    """

    name: ClassVar[str] = "bernoulli"
    kinds: ClassVar[frozenset[str]] = frozenset({"binary"})

    @property
    def link(self) -> str:
        """The inverse link."""
        return "logistic"

    def terms(self, eta: Array, values: Array, scale: Array) -> Array:
        """x u - log(1 + e^u)."""
        return values * eta - jax.nn.softplus(eta)

    def derivatives(self, eta: Array, values: Array, scale: Array) -> tuple[Array, Array, Array]:
        """Observed curvature p (1 - p)."""
        chance = jax.nn.sigmoid(eta)
        return values * eta - jax.nn.softplus(eta), values - chance, chance * (1 - chance)

    def mean(self, eta: Array, scale: Array) -> Array:
        """p."""
        return jax.nn.sigmoid(eta)

    def variance(self, eta: Array, scale: Array) -> Array:
        """p (1 - p)."""
        chance = jax.nn.sigmoid(eta)
        return chance * (1 - chance)

    def predictor_of(self, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Log-odds."""
        chance = np.clip(np.asarray(mean, float), 1e-6, 1 - 1e-6)
        return np.log(chance) - np.log1p(-chance)

    def draw(self, key: Array, eta: Array, scale: Array) -> Array:
        """0 or 1."""
        return jax.random.bernoulli(key, self.mean(eta, scale)).astype(eta.dtype)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GaussianFamily(Family):
    r"""Continuous values, :math:`x \mid u \sim N(u, v)`; `scale` is the variance v, learnt for every unit.

    Examples
    --------
    >>> sorted(GaussianFamily().kinds)
    ['continuous']
    """

    name: ClassVar[str] = "gaussian"
    kinds: ClassVar[frozenset[str]] = frozenset({"continuous"})
    learns_scale: ClassVar[bool] = True

    @property
    def link(self) -> str:
        """The inverse link."""
        return "identity"

    def terms(self, eta: Array, values: Array, scale: Array) -> Array:
        """Log-density."""
        return -0.5 * ((values - eta) ** 2 / scale + jnp.log(2 * jnp.pi * scale))

    def derivatives(self, eta: Array, values: Array, scale: Array) -> tuple[Array, Array, Array]:
        """Curvature 1 / v."""
        score = (values - eta) / scale
        curvature = jnp.broadcast_to(1 / scale, eta.shape)
        return -0.5 * (score * (values - eta) + jnp.log(2 * jnp.pi * scale)), score, curvature

    def mean(self, eta: Array, scale: Array) -> Array:
        """u."""
        return eta

    def variance(self, eta: Array, scale: Array) -> Array:
        """v."""
        return jnp.broadcast_to(scale, eta.shape)

    def predictor_of(self, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """The mean itself."""
        return np.asarray(mean, float)

    def draw(self, key: Array, eta: Array, scale: Array) -> Array:
        """A normal draw."""
        return eta + jnp.sqrt(scale) * jax.random.normal(key, eta.shape, eta.dtype)

    def first_scale(self, values: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Each unit's variance."""
        axes = tuple(range(values.ndim - 1))
        count = np.maximum(mask.sum(axes), 1)
        mean = np.where(mask, values, 0).sum(axes, dtype=float) / count
        spread = np.where(mask, (values - mean) ** 2, 0).sum(axes, dtype=float) / count
        return np.maximum(spread, 1e-6 * max(float(spread.mean()), 1e-6))
