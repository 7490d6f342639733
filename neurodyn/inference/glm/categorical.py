"""Choices among several options: a multinomial logistic observation model, one channel an option but the first."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurodyn.errors import ModelError
from neurodyn.inference.glm.families import Family


@dataclasses.dataclass(frozen=True, kw_only=True)
class CategoricalFamily(Family):
    r"""One of K options, :math:`p(x = k \mid u) = e^{u_k} / \sum_j e^{u_j}` with :math:`u_0 = 0`.

    A unit has K - 1 channels, whose values are 1 where their option was chosen. The curvature is a diagonal one that
    is nowhere smaller than the true one, :math:`2 p_k (1 - p_k)`.

    Parameters
    ----------
    n_categories : int
        K, 2 or more.

    Raises
    ------
    ModelError
        If there are fewer than two options.

    Examples
    --------
    >>> CategoricalFamily(n_categories=3).group
    2
    """

    name: ClassVar[str] = "categorical"
    kinds: ClassVar[frozenset[str]] = frozenset({"categorical"})

    n_categories: int = 2

    def __post_init__(self) -> None:
        if self.n_categories < 2:
            raise ModelError(f"n_categories is {self.n_categories!r}; it must be a whole number, 2 or more.")

    @property
    def link(self) -> str:
        """The inverse link."""
        return "softmax"

    @property
    def group(self) -> int:
        """Channels of a unit, whose terms belong together."""
        return self.n_categories - 1

    def _grouped(self, channels: Array) -> Array:
        """Channels ``(..., unit x (K - 1))`` as ``(..., unit, K - 1)``."""
        return channels.reshape(*channels.shape[:-1], -1, self.group)

    def _parts(self, eta: Array) -> tuple[Array, Array]:
        """Probability of every channel, and each channel's share of the log normaliser."""
        grouped = self._grouped(eta)
        top = jnp.maximum(grouped.max(axis=-1, keepdims=True), 0)
        weight = jnp.exp(grouped - top)
        total = weight.sum(axis=-1, keepdims=True) + jnp.exp(-top)
        level = jnp.broadcast_to((jnp.log(total) + top) / self.group, grouped.shape)
        return (weight / total).reshape(eta.shape), level.reshape(eta.shape)

    def terms(self, eta: Array, values: Array, scale: Array) -> Array:
        """Chosen predictor minus a share of the log normaliser; over a unit's channels they sum to log p."""
        return values * eta - self._parts(eta)[1]

    def derivatives(self, eta: Array, values: Array, scale: Array) -> tuple[Array, Array, Array]:
        """Score x - p, and a bound on the curvature."""
        chance, level = self._parts(eta)
        bend = chance * (1 - chance) * (1.0 if self.group == 1 else 2.0)
        return values * eta - level, values - chance, bend

    def mean(self, eta: Array, scale: Array) -> Array:
        """Probability of every channel's option."""
        return self._parts(eta)[0]

    def variance(self, eta: Array, scale: Array) -> Array:
        """p (1 - p)."""
        chance = self._parts(eta)[0]
        return chance * (1 - chance)

    def predictor_of(self, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Log-odds against the first option."""
        grouped = np.clip(np.asarray(mean, float).reshape(-1, self.group), 1e-4, 1.0)
        rest = np.clip(1 - grouped.sum(axis=1, keepdims=True), 1e-4, 1.0)
        return (np.log(grouped) - np.log(rest)).reshape(np.shape(mean))

    def draw(self, key: Array, eta: Array, scale: Array) -> Array:
        """One option a unit, as channels."""
        grouped = self._grouped(eta)
        whole = jnp.concatenate([jnp.zeros_like(grouped[..., :1]), grouped], axis=-1)
        chosen = jax.random.categorical(key, whole)
        return jax.nn.one_hot(chosen, self.n_categories, dtype=eta.dtype)[..., 1:].reshape(eta.shape)


def to_channels(codes: np.ndarray, n_categories: int) -> Float[np.ndarray, "*batch channel"]:
    """Codes ``(..., unit)`` as channels ``(..., unit x (K - 1))``.

    Examples
    --------
    >>> import numpy as np
    >>> to_channels(np.array([[2.0, 0.0]]), 3).tolist()
    [[0.0, 1.0, 0.0, 0.0]]
    """
    table = codes[..., None] == np.arange(1, n_categories)
    return table.reshape(*codes.shape[:-1], -1).astype(codes.dtype)


def from_channels(channels: np.ndarray, n_categories: int) -> np.ndarray:
    """Probabilities ``(..., unit, category)`` from those of the channels."""
    grouped = channels.reshape(*channels.shape[:-1], -1, n_categories - 1)
    rest = np.clip(1 - grouped.sum(axis=-1, keepdims=True), 0, 1)
    return np.concatenate([rest, grouped], axis=-1)
