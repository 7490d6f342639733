"""What is fitted of a predictive-coding network: free parameters, and the log-density of inputs or responses.

A task is hashable and holds no numbers that are learnt: other values or participants compile nothing.
"""

import abc
import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from neurodyn.errors import ModelError
from neurodyn.inference.predictive_coding.filtering import (
    Trajectory,
    binary_surprise,
    gaussian_surprise,
    run,
    surprise,
)
from neurodyn.inference.predictive_coding.predictions import Parameters
from neurodyn.inference.predictive_coding.responses import tempered
from neurodyn.inference.predictive_coding.structure import Structure

SCALES = ("identity", "log", "logit")
OF_RESPONSE = "response"


def constrained(value: Array, scale: str) -> Array:
    """From the unconstrained value of a parameter to its own."""
    if scale == "log":
        return jnp.exp(value)
    return jax.nn.sigmoid(value) if scale == "logit" else value


class Behaviour(NamedTuple):
    """One participant; masks say what was observed, other values are finite.

    Parameters
    ----------
    inputs, known : (time, leaf)
        What the leaves observe.
    time_step : (time,)
        Elapsed time.
    response, responded : (time,)
        Responses.
    """

    inputs: Float[Array, "time leaf"]
    known: Bool[Array, "time leaf"]
    time_step: Float[Array, " time"]
    response: Float[Array, " time"]
    responded: Bool[Array, " time"]


@dataclasses.dataclass(frozen=True)
class Slot:
    """A free parameter.

    Parameters
    ----------
    field : str
        Field of `Parameters`, or ``"response"``.
    position : int
        Node or coupling, or number of the response's parameter.
    scale : {"identity", "log", "logit"}
        Scale on which it is unconstrained.
    """

    field: str
    position: int
    scale: str = "identity"

    def __post_init__(self) -> None:
        if self.field not in (*Parameters._fields, OF_RESPONSE):
            raise ModelError(
                f"there is no parameter {self.field!r}; choose among {', '.join(Parameters._fields)}, {OF_RESPONSE}."
            )
        if self.scale not in SCALES:
            raise ModelError(
                f"the scale of {self.field} is {self.scale!r}; choose one of {', '.join(SCALES)}."
            )


@dataclasses.dataclass(frozen=True)
class Response(abc.ABC):
    """How beliefs become responses."""

    parameters: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def log_probability(
        self, trajectory: Trajectory, structure: Structure, values: Array, response: Array
    ) -> Float[Array, " time"]:
        """Log-probability of every response, `values` the response's parameters."""


@dataclasses.dataclass(frozen=True)
class BinaryChoice(Response):
    r"""Choice of 1 with probability :math:`m^\beta / (m^\beta + (1-m)^\beta)`, m the prediction of the first leaf."""

    parameters: ClassVar[tuple[str, ...]] = ("inverse_temperature",)

    def chance(self, trajectory: Trajectory, structure: Structure, values: Array) -> Float[Array, " time"]:
        """Probability of 1 before every response."""
        return tempered(trajectory.expected.mean[:, structure.leaves[0]], values[0])

    def log_probability(
        self, trajectory: Trajectory, structure: Structure, values: Array, response: Array
    ) -> Float[Array, " time"]:
        """Log-probability of every choice."""
        return -binary_surprise(response, self.chance(trajectory, structure, values))


@dataclasses.dataclass(frozen=True)
class GaussianResponse(Response):
    r"""A measured response, normal about a line in the prediction of a node.

    .. math:: y_t \sim N(b_0 + b_1 \hat\mu_{t}, \sigma^2)

    Parameters
    ----------
    node : str
        Node whose prediction counts.
    """

    parameters: ClassVar[tuple[str, ...]] = ("intercept", "slope", "noise")
    node: str

    def log_probability(
        self, trajectory: Trajectory, structure: Structure, values: Array, response: Array
    ) -> Float[Array, " time"]:
        """Log-density of every response."""
        mean = values[0] + values[1] * trajectory.expected.mean[:, structure.index(self.node)]
        return -gaussian_surprise(response, mean, 1 / values[2] ** 2)


@dataclasses.dataclass(frozen=True)
class Task:
    """A network, what of it is free, and how it responds.

    Parameters
    ----------
    structure : Structure
        The network.
    slots : tuple of Slot
        Free parameters, in the order of the unconstrained vector.
    response : Response, optional
        None: the inputs themselves are what is explained.
    order : str
        Order of updates.
    scaled_inputs : bool
        As in `run`.
    """

    structure: Structure
    slots: tuple[Slot, ...]
    response: Response | None = None
    order: str = "ehgf"
    scaled_inputs: bool = False

    def filled(self, free: Array, base: Parameters, response: Array) -> tuple[Parameters, Array]:
        """Parameters of network and response with the free ones in their places."""
        for number, slot in enumerate(self.slots):
            value = constrained(free[number], slot.scale)
            if slot.field == OF_RESPONSE:
                response = response.at[slot.position].set(value)
            else:
                leaf = getattr(base, slot.field).at[slot.position].set(value)
                base = base._replace(**{slot.field: leaf})
        return base, response

    def run(self, parameters: Parameters, one: Behaviour) -> Trajectory:
        """Beliefs of one participant."""
        return run(
            self.structure,
            parameters,
            one.inputs,
            one.known,
            one.time_step,
            order=self.order,
            scaled_inputs=self.scaled_inputs,
        )

    def terms(
        self, free: Array, base: Parameters, response: Array, one: Behaviour
    ) -> tuple[Float[Array, " time"], Trajectory]:
        """Log-probability of every response (or input), 0 where there was none, and the beliefs."""
        parameters, values = self.filled(free, base, response)
        found = self.run(parameters, one)
        if self.response is None:
            return -surprise(self.structure, parameters, found, one.inputs, one.known).sum(axis=1), found
        log_probability = self.response.log_probability(found, self.structure, values, one.response)
        return jnp.where(one.responded, log_probability, 0), found

    def __call__(self, free: Array, data: Any) -> Array:
        """Log posterior of one participant; minus infinity where an update fails.

        Parameters
        ----------
        free : (parameter,)
            Unconstrained.
        data : tuple
            Behaviour, network and response parameters, prior mean and deviation of the free ones.

        Returns
        -------
        ()
            Nats.
        """
        one, base, response, mean, deviation = data
        terms, found = self.terms(free, base, response, one)
        prior = gaussian_surprise(free, mean, 1 / deviation**2).sum()
        return jnp.where(found.failure.node < 0, terms.sum() - prior, -jnp.inf)
