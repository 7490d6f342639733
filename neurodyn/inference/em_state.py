"""What the loop of expectation-maximisation carries from step to step: parameters in flat vectors, and counters."""

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


class HMMParameters(NamedTuple):
    """Initial distribution, transition matrix (rows: from), emission parameters, covariate weights."""

    initial: Float[Array, "*restart state"]
    transition: Float[Array, "*restart state state"]
    emission: Any
    weights: Float[Array, "*restart state state covariate"] | None = None


@dataclasses.dataclass(frozen=True)
class Packing:
    """How parameters lie in one flat vector.

    The loop chooses between whole points at every step; on flat vectors that is one operation, not one for
    every array, which halves what there is to compile.
    """

    tree: Any
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, parameters: Any) -> "Packing":
        """The packing of parameters like these."""
        leaves, tree = jax.tree.flatten(parameters)
        return cls(tree, tuple(leaf.shape for leaf in leaves))

    def pack(self, parameters: Any) -> Float[Array, " parameter"]:
        """One vector."""
        return jnp.concatenate([leaf.reshape(-1) for leaf in jax.tree.leaves(parameters)])

    def unpack(self, vector: Any) -> Any:
        """Parameters of a vector, of a JAX or a numpy array."""
        leaves, begin = [], 0
        for shape in self.shapes:
            size = math.prod(shape)
            leaves.append(vector[begin : begin + size].reshape(shape))
            begin += size
        return jax.tree.unflatten(self.tree, leaves)


class EMState(NamedTuple):
    """Everything the loop needs to go on; one per restart."""

    # Parameters, packed: where the next step is taken, those of the last accepted objective, the first point of
    # the current cycle, and where a rejected extrapolation returns to.
    points: Float[Array, "*restart 4 parameter"]
    log_normalizer: Float[Array, "*restart time"]  # of the last accepted point
    log_prior: Float[Array, "*restart"]
    gains: Float[Array, "*restart iteration"]  # accepted objective minus the one before, in nats
    # Accepted, steps, phase of the cycle, rejected, small steps in a row, steps before the next swift one, and 1 where
    # all further steps are guarded against underflow.
    counters: Int[Array, "*restart 7"]
    flags: Bool[Array, "*restart 3"]  # converged, failed, doubtful
    occupancy: Float[Array, "*restart state"]
    path: Int[Array, "*restart time"]  # most probable state of every bin at the last accepted point

    @property
    def n_accepted(self) -> Any:
        """Accepted points so far."""
        return self.counters[..., 0]

    @property
    def n_steps(self) -> Any:
        """Passes over the data so far."""
        return self.counters[..., 1]

    @property
    def n_rejected(self) -> Any:
        """Extrapolations rejected so far."""
        return self.counters[..., 3]

    @property
    def guarded(self) -> Any:
        """Whether all further steps are guarded against underflow."""
        return self.counters[..., 6] > 0

    @property
    def converged(self) -> Any:
        """Whether the stopping rule was met."""
        return self.flags[..., 0]

    @property
    def failed(self) -> Any:
        """Whether the objective of a plain step was not finite."""
        return self.flags[..., 1]

    @property
    def doubtful(self) -> Any:
        """Whether underflow harmed the last step, so that the chunk must be repeated with the guard."""
        return self.flags[..., 2]


def initial_state(parameters: HMMParameters, n_time: int, max_iterations: int) -> EMState:
    """State before the first step, for one restart (host arrays: nothing is compiled)."""
    dtype = parameters.transition.dtype
    vector = np.concatenate([np.asarray(leaf).reshape(-1) for leaf in jax.tree.leaves(parameters)])
    fields: dict[str, Any] = {
        "points": np.stack([vector] * 4),
        "log_normalizer": np.zeros(n_time, dtype),
        "log_prior": np.zeros((), dtype),
        "gains": np.zeros(max_iterations, dtype),
        "counters": np.zeros(7, np.int32),
        "flags": np.zeros(3, bool),
        "occupancy": np.ones(parameters.initial.shape[-1], dtype),
        "path": np.zeros(n_time, np.int16),
    }
    return EMState(**fields)
