r"""The loop over a long sequence, and its derivative.

Only the loop itself is sequential: it carries means and variances of the inner nodes and nothing else, which compilers
turn into one small kernel. With :math:`s_t = F_t(s_{t-1}, \theta)`, the derivative needs only the local ones, taken for
all steps at once, and a linear recursion,

.. math:: \dot s_t = \frac{\partial F_t}{\partial s} \dot s_{t-1} + \frac{\partial F_t}{\partial\theta} \dot\theta,

whose transpose is the reverse mode: no step's intermediate values are kept.
"""

import dataclasses
import functools
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.predictive_coding.posteriors import Updated, update
from neurodyn.inference.predictive_coding.predictions import Belief, Expected, Parameters, initial, predict
from neurodyn.inference.predictive_coding.structure import Structure

State = tuple[Array, ...]
T = TypeVar("T")
BLOCK = 4096


@dataclasses.dataclass(frozen=True)
class Steps:
    """What a step does, apart from numbers.

    Parameters
    ----------
    structure : Structure
        The network.
    order : {"standard", "ehgf", "unbounded"}
        Order of updates.
    scaled_inputs : bool
        Whether predictions of input leaves are multiplied by the elapsed time.
    """

    structure: Structure
    order: str = "ehgf"
    scaled_inputs: bool = False

    @property
    def inner(self) -> tuple[int, ...]:
        """Nodes whose beliefs a step hands on."""
        return self.structure.held

    def start(self, parameters: Parameters) -> State:
        """Beliefs before the first step: means, then variances of the inner nodes."""
        belief = initial(self.structure, parameters)
        return tuple(field[node] for field in (belief.mean, belief.variance) for node in self.inner)

    def belief(self, parameters: Parameters, state: State) -> Belief:
        """Beliefs of all nodes."""
        count = len(self.inner)
        mean, variance = list(parameters.initial_mean), list(1 / parameters.initial_precision)
        for position, node in enumerate(self.inner):
            mean[node], variance[node] = state[position], state[count + position]
        return Belief(tuple(mean), tuple(1 / width for width in variance), tuple(variance))

    def __call__(
        self,
        parameters: Parameters,
        state: State,
        value: Float[Array, " leaf"],
        seen: Bool[Array, " leaf"],
        elapsed: Float[Array, ""],
        guarded: bool = True,
    ) -> tuple[State, Expected, Updated]:
        """One step: the state after it, the predictions of all nodes, and what the update found.

        If it is not `guarded`, an update that is not valid leaves NaN in the state, which lasts.
        """
        belief = self.belief(parameters, state)
        expected = predict(self.structure, parameters, belief, elapsed, scaled_inputs=self.scaled_inputs)
        found = update(
            self.structure,
            parameters,
            belief,
            expected,
            value,
            seen,
            elapsed,
            order=self.order,
            guarded=guarded,
        )
        after = tuple(
            field[node] for field in (found.belief.mean, found.belief.variance) for node in self.inner
        )
        if not guarded:
            fails = functools.reduce(jnp.logical_or, (found.failed[leaf] for leaf in self.structure.leaves))
            after = tuple(jnp.where(fails, jnp.nan, leaf) for leaf in after)
        return after, expected, found


class Run(NamedTuple):
    """What a loop over a sequence found.

    Parameters
    ----------
    before : State
        Beliefs before every step, arrays of one number a step.
    expected, found : Expected and Updated
        Predictions and updates, fields tuples of one array a node.
    failing, since : ()
        The first node whose update failed, and its step; -1 where none did.
    """

    before: State
    expected: Expected
    found: Updated
    failing: Int[Array, ""]
    since: Int[Array, ""]


def loop(
    steps: Steps,
    parameters: Parameters,
    inputs: Float[Array, "time leaf"],
    known: Bool[Array, "time leaf"],
    time_step: Float[Array, " time"],
    *,
    guarded: bool = True,
    remembered: bool = True,
) -> Run:
    """Step after step; whatever is not read of what it returns is not computed.

    Parameters
    ----------
    steps : Steps
        The network.
    parameters : Parameters
        Its parameters.
    inputs, known : (time, leaf)
        What the leaves observe, and where.
    time_step : (time,)
        Elapsed time.
    guarded : bool
        As in `update`.
    remembered : bool
        Whether a derivative by reverse mode keeps the intermediate values of all steps, or takes steps again.

    Returns
    -------
    Run
        Beliefs, predictions, updates and the first failure.
    """

    def step(carry: tuple[State, Array, Array], now: tuple) -> tuple[tuple[State, Array, Array], tuple]:
        state, failing, since = carry
        value, seen, elapsed, number = now
        after, expected, found = steps(parameters, state, value, seen, elapsed, guarded)
        first = nowhere
        for node in reversed(range(len(found.failed))):
            first = jnp.where(found.failed[node], node, first)
        begins = (failing < 0) & (first >= 0)
        carry = (after, jnp.where(begins, first, failing), jnp.where(begins, number, since))
        return carry, (state, expected, found)

    nowhere = jnp.asarray(-1)
    body = step if remembered else jax.checkpoint(step, prevent_cse=False)
    start = (steps.start(parameters), nowhere, nowhere)
    along = (inputs, known, time_step, jnp.arange(len(inputs)))
    (_, failing, since), (before, expected, found) = jax.lax.scan(body, start, along)
    return Run(before, expected, found, failing, since)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def states(
    steps: Steps,
    parameters: Parameters,
    inputs: Float[Array, "time leaf"],
    known: Bool[Array, "time leaf"],
    time_step: Float[Array, " time"],
) -> tuple[State, Int[Array, ""], Int[Array, ""]]:
    """Beliefs before every step of a sequence.

    Parameters
    ----------
    steps, parameters, inputs, known, time_step
        As in `loop`.

    Returns
    -------
    tuple of (time,), () and ()
        Means, then variances of the inner nodes; the first node whose update failed, and its step, -1 where none did.
    """
    nowhere = jnp.asarray(-1)

    # An update that fails leaves NaN, which lasts; node and step are found out in a second loop, only if one did. How many
    # bytes a step touches decides whether the loop is compiled into one kernel: with them, in double precision, it is not.
    def step(state: State, now: tuple) -> tuple[State, State]:
        return steps(parameters, state, *now, guarded=False)[0], state

    def again() -> tuple[State, Array, Array]:
        found = loop(steps, parameters, inputs, known, time_step)
        return found.before, found.failing, found.since

    last, before = jax.lax.scan(step, steps.start(parameters), (inputs, known, time_step))
    fails = jnp.isnan(jnp.stack(last)).any()
    return jax.lax.cond(fails, again, lambda: (before, nowhere, nowhere))


@states.defjvp
def _states_tangent(steps: Steps, primals: tuple, tangents: tuple) -> tuple[tuple, tuple]:
    """Tangents of the states: local derivatives of all steps at once, and a linear loop."""
    parameters, inputs, known, time_step = primals
    parameters_dot, inputs_dot, _, time_step_dot = tangents
    before, failing, since = states(steps, *primals)
    count = len(before)

    def local(
        state: State, value: Array, value_dot: Array, elapsed: Array, elapsed_dot: Array, seen: Array
    ) -> tuple[list[State], State]:
        def after(parameters: Parameters, state: State, value: Array, elapsed: Array) -> State:
            return steps(parameters, state, value, seen, elapsed)[0]

        def along(place: int) -> State:
            only = tuple(jnp.full_like(leaf, leaf_place == place) for leaf_place, leaf in enumerate(state))
            return jax.jvp(lambda state: after(parameters, state, value, elapsed), (state,), (only,))[1]

        driven = jax.jvp(
            lambda parameters, value, elapsed: after(parameters, state, value, elapsed),
            (parameters, value, elapsed),
            (parameters_dot, value_dot, elapsed_dot),
        )[1]
        return [along(place) for place in range(count)], driven

    def step(dot: State, now: tuple[list[State], State]) -> tuple[State, State]:
        slope, drive = now
        after = tuple(
            sum((slope[place][target] * dot[place] for place in range(count)), drive[target])
            for target in range(count)
        )
        return after, dot

    @functools.partial(jax.checkpoint, prevent_cse=False)
    def block(dot: State, piece: tuple) -> tuple[State, State]:
        return jax.lax.scan(step, dot, jax.vmap(local)(*piece))

    start_dot = jax.jvp(steps.start, (parameters,), (parameters_dot,))[1]
    n_time = len(inputs)
    pieces = in_blocks((before, inputs, inputs_dot, time_step, time_step_dot, known), BLOCK)
    _, before_dot = jax.lax.scan(block, start_dot, pieces)
    before_dot = tuple(leaf.reshape(-1)[:n_time] for leaf in before_dot)
    nothing = np.zeros((), jax.dtypes.float0)
    return (before, failing, since), (before_dot, nothing, nothing)


def in_blocks(tree: T, size: int) -> T:
    """Leaves ``(time, ...)`` as ``(block, size, ...)``.

    The last block is filled up with repetitions of the last step in which nothing is observed: masks are False there.
    """

    def cut(leaf: Array) -> Array:
        extra = [(0, -len(leaf) % size), *[(0, 0)] * (leaf.ndim - 1)]
        wide = jnp.pad(leaf, extra) if leaf.dtype == bool else jnp.pad(leaf, extra, mode="edge")
        return wide.reshape(len(wide) // size, size, *leaf.shape[1:])

    return jax.tree.map(cut, tree)
