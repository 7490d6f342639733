"""How beliefs become responses: choices, reaction times, pupil size."""

import abc
import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurodyn.inference.predictive_coding.predictions import NEAR, Expected
from neurodyn.inference.predictive_coding.structure import Structure


def tempered(chance: Array, inverse_temperature: Array) -> Array:
    r"""Probability of choosing 1 from the believed chance of 1.

    .. math:: p = \frac{m^\beta}{m^\beta + (1 - m)^\beta}

    Parameters
    ----------
    chance : Array
        m in (0, 1).
    inverse_temperature : Array
        :math:`\beta`; 0 is guessing, 1 matching.

    Returns
    -------
    Array
        p.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> round(float(tempered(jnp.asarray(0.8), jnp.asarray(1.0))), 3)
    0.8
    """
    return jax.nn.sigmoid(inverse_temperature * log_odds(chance))


def log_odds(chance: Array) -> Array:
    """log m/(1 - m), m kept off 0 and 1."""
    chance = jnp.clip(chance, NEAR, 1 - NEAR)
    return jnp.log(chance) - jnp.log1p(-chance)


class Moment(NamedTuple):
    """What a response can depend on.

    Parameters
    ----------
    expected : Expected
        Predictions of all nodes before the trial's input.
    previous : ()
        The response before, -1 where there was none.
    regressors : (regressor,)
        Covariates known beforehand.
    """

    expected: Expected
    previous: Float[Array, ""]
    regressors: Float[Array, " regressor"]


@dataclasses.dataclass(frozen=True)
class Response(abc.ABC):
    """How beliefs become a response, one trial at a time; `values` are the parameters in the order of `parameters`."""

    kind: ClassVar[str]

    @property
    @abc.abstractmethod
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters."""

    @abc.abstractmethod
    def log_probability(self, moment: Moment, structure: Structure, values: Array, response: Array) -> Array:
        """Log-probability or log-density of a response."""

    @abc.abstractmethod
    def moments(self, moment: Moment, structure: Structure, values: Array) -> tuple[Array, Array]:
        """Mean and variance of the response; of a choice among options their probabilities ``(option,)``, twice."""

    @abc.abstractmethod
    def draw(self, key: Array, moment: Moment, structure: Structure, values: Array) -> Array:
        """A response."""


@dataclasses.dataclass(frozen=True)
class BinaryChoice(Response):
    r"""Choice of 0 or 1 from the prediction m of the first leaf.

    .. math:: \log\frac{p}{1-p} = \beta \log\frac{m}{1-m} + b + \kappa s_{t-1} + w^T x_t

    with :math:`s_{t-1} = \pm 1` the choice before (0 where there was none).

    Parameters
    ----------
    regressors : tuple of str
        Names of x.
    """

    kind: ClassVar[str] = "binary"
    regressors: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[str, ...]:
        """Inverse temperature, bias, perseveration, weights."""
        return (
            "inverse_temperature",
            "bias",
            "perseveration",
            *(f"weight.{name}" for name in self.regressors),
        )

    def log_odds(self, moment: Moment, structure: Structure, values: Array) -> Array:
        """Log-odds of 1."""
        before = jnp.where(moment.previous < 0, 0, jnp.where(moment.previous > 0.5, 1, -1))
        total = (
            values[0] * log_odds(moment.expected.mean[structure.leaves[0]]) + values[1] + values[2] * before
        )
        return total + values[3:] @ moment.regressors if self.regressors else total

    def log_probability(self, moment: Moment, structure: Structure, values: Array, response: Array) -> Array:
        """Of a choice, its probability kept off 0 and 1."""
        chance = jnp.clip(jax.nn.sigmoid(self.log_odds(moment, structure, values)), NEAR, 1 - NEAR)
        return jnp.where(response > 0.5, jnp.log(chance), jnp.log1p(-chance))

    def moments(self, moment: Moment, structure: Structure, values: Array) -> tuple[Array, Array]:
        """Probability of 1, and its variance."""
        chance = jax.nn.sigmoid(self.log_odds(moment, structure, values))
        return chance, chance * (1 - chance)

    def draw(self, key: Array, moment: Moment, structure: Structure, values: Array) -> Array:
        """0 or 1."""
        chance = jax.nn.sigmoid(self.log_odds(moment, structure, values))
        return jax.random.bernoulli(key, chance).astype(chance.dtype)


@dataclasses.dataclass(frozen=True)
class SoftmaxChoice(Response):
    r"""Choice among options from the predictions of a node each.

    .. math:: \log p_k = \beta \hat\mu_k + \kappa [c_{t-1} = k] - \log\sum_j e^{\beta \hat\mu_j + \kappa [c_{t-1} = j]}

    Parameters
    ----------
    nodes : tuple of str
        The node whose prediction is the value of each option.
    """

    kind: ClassVar[str] = "categorical"
    nodes: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[str, ...]:
        """Inverse temperature and perseveration."""
        return ("inverse_temperature", "perseveration")

    def log_probabilities(self, moment: Moment, structure: Structure, values: Array) -> Array:
        """``(option,)``."""
        value = moment.expected.mean[jnp.asarray([structure.index(name) for name in self.nodes])]
        again = jnp.arange(len(self.nodes)) == moment.previous
        return jax.nn.log_softmax(values[0] * value + values[1] * again)

    def log_probability(self, moment: Moment, structure: Structure, values: Array, response: Array) -> Array:
        """Of the option taken."""
        return self.log_probabilities(moment, structure, values)[response.astype(int)]

    def moments(self, moment: Moment, structure: Structure, values: Array) -> tuple[Array, Array]:
        """Probabilities of the options."""
        chance = jnp.exp(self.log_probabilities(moment, structure, values))
        return chance, chance

    def draw(self, key: Array, moment: Moment, structure: Structure, values: Array) -> Array:
        """Number of an option."""
        found = jax.random.categorical(key, self.log_probabilities(moment, structure, values))
        return found.astype(values.dtype)


@dataclasses.dataclass(frozen=True)
class CategoryOfInputs(Response):
    r"""Which of several binary inputs will be 1, as the beliefs about them have it.

    .. math:: p_k = \hat\mu_k / \sum_j \hat\mu_j

    Parameters
    ----------
    nodes : tuple of str
        The binary leaves.
    """

    kind: ClassVar[str] = "categorical"
    nodes: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[str, ...]:
        """None."""
        return ()

    def moments(self, moment: Moment, structure: Structure, values: Array) -> tuple[Array, Array]:
        """Probabilities of the categories."""
        chance = moment.expected.mean[jnp.asarray([structure.index(name) for name in self.nodes])]
        chance = chance / chance.sum()
        return chance, chance

    def log_probability(self, moment: Moment, structure: Structure, values: Array, response: Array) -> Array:
        """Of a category."""
        return jnp.log(self.moments(moment, structure, values)[0][response.astype(int)])

    def draw(self, key: Array, moment: Moment, structure: Structure, values: Array) -> Array:
        """Number of a category."""
        chance = self.moments(moment, structure, values)[0]
        return jax.random.categorical(key, jnp.log(chance)).astype(chance.dtype)


@dataclasses.dataclass(frozen=True)
class GaussianResponse(Response):
    r"""A measured response, normal about a line in the prediction of a node.

    .. math:: y_t \sim N(b_0 + b_1 \hat\mu_{t}, \sigma^2)

    Parameters
    ----------
    node : str
        Node whose prediction counts.
    """

    kind: ClassVar[str] = "continuous"
    node: str = ""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Intercept, slope and noise."""
        return ("intercept", "slope", "noise")

    def moments(self, moment: Moment, structure: Structure, values: Array) -> tuple[Array, Array]:
        """Mean and variance."""
        return values[0] + values[1] * moment.expected.mean[structure.index(self.node)], values[2] ** 2

    def log_probability(self, moment: Moment, structure: Structure, values: Array, response: Array) -> Array:
        """Log-density."""
        return normal_log_density(response, *self.moments(moment, structure, values))

    def draw(self, key: Array, moment: Moment, structure: Structure, values: Array) -> Array:
        """A number."""
        mean, variance = self.moments(moment, structure, values)
        return mean + jnp.sqrt(variance) * jax.random.normal(key, (), mean.dtype)


def normal_log_density(value: Array, mean: Array, variance: Array) -> Array:
    """Log-density of a normal number."""
    return -0.5 * (jnp.log(2 * jnp.pi * variance) + (value - mean) ** 2 / variance)
