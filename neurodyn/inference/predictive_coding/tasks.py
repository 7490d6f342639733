"""What is fitted of a predictive-coding network: free parameters, and the log-density of inputs or responses.

A task is hashable and holds no numbers that are learnt: other values or participants compile nothing.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from neurodyn.errors import ModelError
from neurodyn.inference.predictive_coding.filtering import LONG, Trajectory, run, surprise
from neurodyn.inference.predictive_coding.leaves import gaussian_surprise
from neurodyn.inference.predictive_coding.predictions import Expected, Parameters, stacked
from neurodyn.inference.predictive_coding.responses import Moment, Response
from neurodyn.inference.predictive_coding.sequences import BLOCK, State, Steps, in_blocks, states
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
    previous : (time,)
        The response before, -1 where there was none.
    regressors : (time, regressor)
        Covariates that the response depends on, 0 where missing.
    """

    inputs: Float[Array, "time leaf"]
    known: Bool[Array, "time leaf"]
    time_step: Float[Array, " time"]
    response: Float[Array, " time"]
    responded: Bool[Array, " time"]
    previous: Float[Array, " time"]
    regressors: Float[Array, "time regressor"]


@dataclasses.dataclass(frozen=True)
class Slot:
    """A free parameter.

    Parameters
    ----------
    field : str
        Field of `Parameters`, or ``"response"``.
    position : int or tuple of int
        Node or coupling, or number of the response's parameter; several that have the same value.
    scale : {"identity", "log", "logit"}
        Scale on which it is unconstrained.
    """

    field: str
    position: int | tuple[int, ...]
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

    @property
    def places(self) -> tuple[int, ...]:
        """All places of the parameter."""
        return self.position if isinstance(self.position, tuple) else (self.position,)


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
            # Places that are Python numbers let the compiler see which other parameters stay what they are.
            for place in slot.places:
                if slot.field == OF_RESPONSE:
                    response = response.at[place].set(value)
                else:
                    leaf = getattr(base, slot.field).at[place].set(value)
                    base = base._replace(**{slot.field: leaf})
        return base, response

    @property
    def rule(self) -> Response:
        """The response, where there is one."""
        if self.response is None:
            raise ModelError("this network has no response; give it one.")
        return self.response

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
        return self.explained(parameters, values, found.expected, one), found

    def explained(
        self, parameters: Parameters, values: Array, expected: Expected, one: Behaviour
    ) -> Float[Array, " time"]:
        """Log-probability of every response (or input) given predictions ``(time, node)``, 0 where there was none."""
        if self.response is None:
            return -surprise(self.structure, parameters, expected, one.inputs, one.known).sum(axis=1)
        rule = self.rule
        log_probability = jax.vmap(
            lambda now, given: rule.log_probability(now, self.structure, values, given)
        )(Moment(expected, one.previous, one.regressors), one.response)
        return jnp.where(one.responded, log_probability, 0)

    def log_likelihood(self, free: Array, data: Any) -> Array:
        """Log-probability of everything observed of one participant; minus infinity where an update fails.

        Parameters
        ----------
        free : (parameter,)
            Unconstrained.
        data : tuple
            Behaviour, network and response parameters.

        Returns
        -------
        ()
            Nats.
        """
        one, base, response = data
        if len(one.response) < LONG:
            terms, found = self.terms(free, base, response, one)
            return jnp.where(found.failure.node < 0, terms.sum(), -jnp.inf)
        parameters, values = self.filled(free, base, response)
        steps = Steps(self.structure, self.order, self.scaled_inputs)
        before, failing, _ = states(steps, parameters, one.inputs, one.known, one.time_step)

        # Block by block: what is computed of a block stays near the processor, and is computed again for a derivative.
        @functools.partial(jax.checkpoint, prevent_cse=False)
        def block(total: Array, piece: tuple[State, Behaviour]) -> tuple[Array, None]:
            before, now = piece
            expected = jax.vmap(lambda *given: steps(parameters, *given)[1])(
                before, now.inputs, now.known, now.time_step
            )
            return total + self.explained(parameters, values, stacked(expected), now).sum(), None

        nothing = jnp.zeros((), one.inputs.dtype)
        total, _ = jax.lax.scan(block, nothing, in_blocks((before, one), BLOCK))
        return jnp.where(failing < 0, total, -jnp.inf)

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
        mean, deviation = data[3:]
        return self.log_likelihood(free, data[:3]) - gaussian_surprise(free, mean, 1 / deviation**2).sum()
