"""What every analysis of recurrent dynamics needs: a step, and for some of them a readout."""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neurodyn.errors import ModelError


@runtime_checkable
class Dynamics(Protocol):
    """Recurrent dynamics, whatever made them; analyses that draw noise draw the input from N(0, I).

    Parameters
    ----------
    *args, **kwargs
        Of the class that follows the protocol, which is not made itself.
    """

    @property
    def n_state(self) -> int:
        """Dimensions of the state."""
        ...

    @property
    def n_input(self) -> int:
        """Dimensions of the input."""
        ...

    def step(self, state: Any, drive: Any, /) -> Any:
        """Next state.

        Parameters
        ----------
        state : array
            State before, ``(..., state)``.
        drive : array
            Input of the step, ``(..., input)``.

        Returns
        -------
        array
            State, ``(..., state)``.
        """
        ...


@runtime_checkable
class ReadOut(Dynamics, Protocol):
    """Dynamics whose states are read out as logits of symbols."""

    def logits(self, state: Any, /) -> Any:
        """Logits of the symbols.

        Parameters
        ----------
        state : array
            ``(..., state)``.

        Returns
        -------
        array
            ``(..., symbol)``.
        """
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Rectified:
    """Rectified network: piecewise linear, so that its fixed points can be enumerated.

    .. math:: h_t = \\mathrm{ReLU}(W_{in} x_t + W h_{t-1} + b), \\quad \\text{logits} = C h_t

    Parameters
    ----------
    recurrent : array
        W, ``(unit, unit)``.
    drive : array
        :math:`W_{in}`, ``(unit, input)``.
    readout : array
        C, ``(symbol, unit)``.
    bias : array, optional
        b, ``(unit,)``.

    Raises
    ------
    ModelError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.analysis.dynamics import Rectified
    >>> network = Rectified(np.array([[0.5]]), np.array([[1.0]]), np.array([[1.0], [-1.0]]))
    >>> float(network.step(np.array([2.0]), np.array([1.0]))[0])
    2.0
    """

    recurrent: Float[Any, "unit unit"]
    drive: Float[Any, "unit input"]
    readout: Float[Any, "symbol unit"]
    bias: Float[Any, " unit"] | None = None

    def __post_init__(self) -> None:
        """Check the shapes."""
        n = np.shape(self.recurrent)[0]
        shapes = {"recurrent": (n, n), "drive": (n, self.n_input), "readout": (np.shape(self.readout)[0], n)}
        if self.bias is not None:
            shapes["bias"] = (n,)
        for name, shape in shapes.items():
            if np.shape(getattr(self, name)) != shape:
                raise ModelError(
                    f"Rectified: {name} has shape {np.shape(getattr(self, name))}; with {n} units it must be {shape}."
                )

    @property
    def n_state(self) -> int:
        """Units."""
        return int(np.shape(self.recurrent)[0])

    @property
    def n_input(self) -> int:
        """Dimensions of the noise."""
        return int(np.shape(self.drive)[1])

    def step(self, state: Any, drive: Any) -> Array:
        """Next state.

        Parameters
        ----------
        state : array
            State before, ``(..., state)``.
        drive : array
            Input of the step, ``(..., input)``.

        Returns
        -------
        array
            State, ``(..., state)``.
        """
        before = (
            jnp.asarray(state) @ jnp.asarray(self.recurrent).T
            + jnp.asarray(drive) @ jnp.asarray(self.drive).T
        )
        return jax.nn.relu(before if self.bias is None else before + jnp.asarray(self.bias))

    def logits(self, state: Any) -> Array:
        """Logits of the symbols.

        Parameters
        ----------
        state : array
            ``(..., state)``.

        Returns
        -------
        array
            ``(..., symbol)``.
        """
        return jnp.asarray(state) @ jnp.asarray(self.readout).T

    def scaled(self, units: Any, *, recurrent: float = 1.0, drive: float = 1.0) -> "Rectified":
        """The network with what some of its units receive made weaker or stronger.

        Parameters
        ----------
        units : array of int
            Which units.
        recurrent, drive : float
            Factors of their recurrent and of their noise input.

        Returns
        -------
        Rectified
            Another network.

        Raises
        ------
        ModelError
            If there is no such unit.
        """
        chosen = np.asarray(units, int)
        if chosen.size and (chosen.min() < 0 or chosen.max() >= self.n_state):
            raise ModelError(
                f"units run from {chosen.min()} to {chosen.max()}; there are 0 to {self.n_state - 1}."
            )
        weights, inputs = np.array(self.recurrent), np.array(self.drive)
        weights[chosen] *= recurrent
        inputs[chosen] *= drive
        return dataclasses.replace(self, recurrent=weights, drive=inputs)


def _flattened(network: Rectified) -> tuple[tuple[Any, ...], None]:
    """Arrays of a network."""
    return (network.recurrent, network.drive, network.readout, network.bias), None


def _rebuilt(_: None, leaves: tuple[Any, ...]) -> Rectified:
    """A network of arrays that may be abstract, so that nothing is checked."""
    network = object.__new__(Rectified)
    for field, leaf in zip(dataclasses.fields(Rectified), leaves, strict=True):
        object.__setattr__(network, field.name, leaf)
    return network


jax.tree_util.register_pytree_node(Rectified, _flattened, _rebuilt)


def compiled(dynamics: "Dynamics", function: Callable[..., Any]) -> Callable[..., Any]:
    """``function(dynamics, ...)`` compiled; a network's arrays are arguments of the program, not constants in it.

    Parameters
    ----------
    dynamics : Dynamics
        The first argument.
    function : callable
        What to compile.

    Returns
    -------
    callable
        Of the other arguments.
    """
    if isinstance(dynamics, Rectified):
        whole = jax.jit(function)
        return lambda *arguments: whole(dynamics, *arguments)
    return jax.jit(lambda *arguments: function(dynamics, *arguments))


@dataclasses.dataclass(frozen=True, eq=False)
class Mapped:
    """Dynamics given as functions, for models that have no class of their own here.

    Parameters
    ----------
    function : callable
        ``function(state, input)``, on leading axes, in `jax.numpy`.
    n_state, n_input : int
        Dimensions.
    read : callable, optional
        ``read(state)`` gives logits.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from neurodyn.analysis.dynamics import Mapped
    >>> Mapped(lambda state, drive: jnp.tanh(2 * state + drive), 1, 1).n_state
    1
    """

    function: Callable[[Any, Any], Any]
    n_state: int
    n_input: int
    read: Callable[[Any], Any] | None = None

    def step(self, state: Any, drive: Any) -> Any:
        """Next state.

        Parameters
        ----------
        state : array
            State before, ``(..., state)``.
        drive : array
            Input of the step, ``(..., input)``.

        Returns
        -------
        array
            State, ``(..., state)``.
        """
        return self.function(state, drive)

    def logits(self, state: Any) -> Any:
        """Logits of the symbols.

        Parameters
        ----------
        state : array
            ``(..., state)``.

        Returns
        -------
        array
            ``(..., symbol)``.

        Raises
        ------
        ModelError
            If there is no readout.
        """
        if self.read is None:
            raise ModelError("these dynamics have no readout; give Mapped(..., read=...).")
        return self.read(state)


def rollout(dynamics: Dynamics, state: Any, drives: Any) -> Array:
    """States of every step.

    Parameters
    ----------
    dynamics : Dynamics
        What moves.
    state : array
        Before the first step, ``(..., state)``.
    drives : array
        Inputs, ``(time, ..., input)``.

    Returns
    -------
    array
        ``(time, ..., state)``.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from neurodyn.analysis.dynamics import Mapped, rollout
    >>> halving = Mapped(lambda state, drive: state / 2 + drive, 1, 1)
    >>> rollout(halving, jnp.array([8.0]), jnp.zeros((3, 1)))[:, 0].tolist()
    [4.0, 2.0, 1.0]
    """

    def one(state: Array, drive: Array) -> tuple[Array, Array]:
        state = dynamics.step(state, drive)
        return state, state

    return jax.lax.scan(one, jnp.asarray(state), jnp.asarray(drives))[1]


def noisy_states(dynamics: Dynamics, key: jax.Array, n_runs: int, n_steps: int, discard: int = 0) -> Array:
    """States of runs from zero that noise keeps going.

    Parameters
    ----------
    dynamics : Dynamics
        What moves.
    key : jax.Array
        Randomness.
    n_runs, n_steps, discard : int
        Runs, steps kept, and steps left out before.

    Returns
    -------
    array
        ``(step, run, state)``.
    """
    drives = jax.random.normal(key, (discard + n_steps, n_runs, dynamics.n_input))
    return rollout(dynamics, jnp.zeros((n_runs, dynamics.n_state)), drives)[discard:]
