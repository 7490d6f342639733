"""Compiled training steps: batches, gradients in parts, Adam, averaging, and a guard against values not finite."""

import functools
import math
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.training.settings import Training

Tree = Any


@runtime_checkable
class Objective(Protocol):
    """What is minimised; hashable, as it is part of what is compiled."""

    def parts(
        self, parameters: Tree, batch: Tree, context: Tree, key: jax.Array, epoch: Array, /
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Numerators and denominators of the loss's parts; denominators do not depend on the parameters."""
        ...

    def score(self, parameters: Tree, batch: Tree, context: Tree, /) -> tuple[Array, Array]:
        """Sum and number of held-out losses of a batch."""
        ...


class Layout(NamedTuple):
    """How a tree of arrays lies in one vector, which makes for few and large operations.

    Parameters
    ----------
    structure : PyTreeDef
        Of the tree.
    shapes : tuple of tuple of int
        Of its leaves.
    """

    structure: Any
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, tree: Tree) -> "Layout":
        """Layout of a tree."""
        leaves, structure = jax.tree.flatten(tree)
        return cls(structure, tuple(tuple(np.shape(leaf)) for leaf in leaves))

    def unpack(self, vector: Any) -> Tree:
        """The tree in a vector."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])
        leaves = [
            vector[end - math.prod(shape) : end].reshape(shape)
            for end, shape in zip(ends.tolist(), self.shapes, strict=True)
        ]
        return jax.tree.unflatten(self.structure, leaves)

    def shrunk(self) -> Float[np.ndarray, " parameter"]:
        """One for entries of matrices, which weight decay shrinks, and zero for all else."""
        return np.concatenate(
            [np.full(math.prod(shape), len(shape) >= 2, np.float32) for shape in self.shapes]
        )


def pack(tree: Tree) -> Float[Array, " parameter"]:
    """A tree of arrays in one vector."""
    return jnp.concatenate([jnp.ravel(leaf).astype(jnp.float32) for leaf in jax.tree.leaves(tree)])


class State(NamedTuple):
    """State of one training run.

    Parameters
    ----------
    parameters, averaged : array
        Current parameters, and their moving average, in one vector each.
    moments : tree
        Of Adam.
    order : array
        Trials of the current epoch in the order of their batches.
    step : array
        Steps taken.
    shrunk : array
        Product of the plateau's factors.
    failed : array
        Step at which something was not finite; -1 where nothing was.
    culprits : array
        Which parts of the loss were not finite then, and whether the gradient was.
    sums : array
        Parts of the loss summed over the steps since they were last read.
    """

    parameters: Float[Array, " parameter"]
    averaged: Float[Array, " parameter"]
    moments: Tree
    order: Int[Array, " padded"]
    step: Int[Array, ""]
    shrunk: Float[Array, ""]
    failed: Int[Array, ""]
    culprits: Float[Array, " flag"]
    sums: Float[Array, " part"]


def bucket(n_trials: int) -> int:
    """Number of trials to fill up to, so that folds of about the same size share what is compiled."""
    step = max(2 ** (max(n_trials - 1, 1).bit_length() - 3), 1)
    return -(-n_trials // step) * step


def batch_size(n_padded: int, settings: Training) -> int:
    """Trials of a step: those asked for, or all there are, up to a multiple of what divides a batch."""
    share = settings.accumulate * settings.devices
    return min(settings.batch_size, -(-n_padded // share) * share)


def optimiser(settings: Training) -> optax.GradientTransformation:
    """Clipping and Adam's direction; step size and decay are applied outside."""
    return optax.chain(
        optax.clip_by_global_norm(settings.clip if settings.clip > 0 else float("inf")),
        optax.scale_by_adam(b1=settings.betas[0], b2=settings.betas[1]),
    )


def first_state(parameters: Tree, n_parts: int, n_padded: int, settings: Training) -> State:
    """State before the first step."""
    parameters = pack(parameters)
    size = batch_size(n_padded, settings)
    return State(
        parameters=parameters,
        averaged=parameters,
        moments=optimiser(settings).init(parameters),
        order=jnp.zeros(-(-n_padded // size) * size, jnp.int32),
        step=jnp.zeros((), jnp.int32),
        shrunk=jnp.ones(()),
        failed=jnp.full((), -1, jnp.int32),
        culprits=jnp.zeros(n_parts + 1),
        sums=jnp.zeros(n_parts),
    )


@light_jit(static_argnames=("objective", "settings", "names", "layout"))
def advance(
    state: State,
    stop: Array,
    n_trials: Array,
    data: Tree,
    context: Tree,
    key: jax.Array,
    *,
    objective: Objective,
    settings: Training,
    names: tuple[str, ...],
    layout: Layout,
) -> State:
    """Take steps until `stop`, or until something is not finite.

    Every step depends on the key and its own number alone, so that it does not matter where a run is cut.

    Parameters
    ----------
    state : State
        Where training stands.
    stop : array
        Steps to have taken afterwards.
    n_trials : array
        Training trials.
    data : tree
        Training trials on the first axis of every leaf, filled up to any number.
    context : tree
        What all batches share.
    key : jax.Array
        Randomness of the run.
    objective : Objective
        What is minimised.
    settings : Training
        Settings.
    names : tuple of str
        Parts of the loss, in order.
    layout : Layout
        Of the parameters.

    Returns
    -------
    State
        Where training stands afterwards.
    """
    step = functools.partial(
        _step,
        n_trials=n_trials,
        data=data,
        context=context,
        key=key,
        objective=objective,
        settings=settings,
        names=names,
        layout=layout,
    )
    return jax.lax.while_loop(lambda s: (s.step < stop) & (s.failed < 0), step, state)


@light_jit(static_argnames=("objective", "settings", "names", "layout"))
def advance_together(
    state: State,
    stop: Array,
    n_trials: Array,
    data: Tree,
    context: Tree,
    keys: jax.Array,
    *,
    objective: Objective,
    settings: Training,
    names: tuple[str, ...],
    layout: Layout,
) -> State:
    """`advance` for several runs at once, with states and keys on a first axis."""
    one = functools.partial(
        advance.function, objective=objective, settings=settings, names=names, layout=layout
    )
    return jax.vmap(one, in_axes=(0, None, None, None, None, 0))(state, stop, n_trials, data, context, keys)


def _step(
    state: State,
    *,
    n_trials: Array,
    data: Tree,
    context: Tree,
    key: jax.Array,
    objective: Objective,
    settings: Training,
    names: tuple[str, ...],
    layout: Layout,
) -> State:
    """One step."""
    size = batch_size(jax.tree.leaves(data)[0].shape[0], settings)
    per_epoch = -(-n_trials // size)
    epoch, within = state.step // per_epoch, state.step % per_epoch
    order = jax.lax.cond(
        within == 0, lambda: _order(key, epoch, n_trials, len(state.order)), lambda: state.order
    )
    chosen = jax.lax.dynamic_slice(order, (within * size,), (size,))
    batch = jax.tree.map(lambda leaf: _where_real(leaf[jnp.maximum(chosen, 0)], chosen >= 0), data)
    batch = _divided(batch, settings.devices)
    random = jax.random.fold_in(jax.random.fold_in(key, 1), state.step)
    parts, gradient = _gradient(
        layout.unpack(state.parameters), batch, context, random, epoch, objective, settings, names
    )
    gradient = pack(gradient)
    norm = jnp.sqrt(jnp.square(gradient).sum())
    finite = jnp.isfinite(jnp.concatenate([parts, norm[None]]))
    direction, moments = optimiser(settings).update(gradient, state.moments, state.parameters)
    rate = settings.step_size(state.step, settings.epochs * per_epoch, state.shrunk)
    decay = settings.decay(epoch)

    shrinkage = decay * layout.shrunk() * state.parameters
    parameters = state.parameters - rate * (jnp.asarray(direction) + shrinkage)
    share = jnp.minimum(settings.average, (1.0 + state.step) / (10.0 + state.step))
    averaged = state.averaged + (1 - share) * (parameters - state.averaged)
    after = State(
        parameters=parameters,
        averaged=averaged,
        moments=moments,
        order=order,
        step=state.step + 1,
        shrunk=state.shrunk,
        failed=state.failed,
        culprits=state.culprits,
        sums=state.sums + parts,
    )
    ill = state._replace(failed=state.step, culprits=(~finite).astype(state.culprits.dtype))
    good = finite.all()
    return jax.tree.map(lambda new, old: jnp.where(good, new, old), after, ill)


def _order(key: jax.Array, epoch: Array, n_trials: Array, padded: int) -> Int[Array, " padded"]:
    """Trials in random order, then -1 up to whole batches."""
    drawn = jax.random.uniform(jax.random.fold_in(jax.random.fold_in(key, 2), epoch), (padded,))
    places = jnp.arange(padded)
    shuffled = jnp.argsort(jnp.where(places < n_trials, drawn, jnp.inf))
    return jnp.where(places < n_trials, shuffled, -1).astype(jnp.int32)


def _where_real(leaf: Array, real: Array) -> Array:
    """Zero (False) for the trials that only fill a batch up."""
    return jnp.where(real.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, jnp.zeros((), leaf.dtype))


def _divided(batch: Tree, devices: int) -> Tree:
    """The trials of a batch divided among devices."""
    if devices == 1:
        return batch
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:devices]), ("trial",))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("trial"))
    return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, spread), batch)


def _gradient(
    parameters: Tree,
    batch: Tree,
    context: Tree,
    key: jax.Array,
    epoch: Array,
    objective: Objective,
    settings: Training,
    names: tuple[str, ...],
) -> tuple[Float[Array, " part"], Tree]:
    """Parts of the loss and its gradient, over the parts of a batch in turn."""

    def numerators(parameters: Tree, piece: Tree, key: jax.Array) -> Array:
        return _stack(objective.parts(parameters, piece, context, key, epoch)[0], names)

    def denominators(piece: Tree, key: jax.Array) -> Array:
        return _stack(objective.parts(parameters, piece, context, key, epoch)[1], names)

    if settings.accumulate == 1:

        def loss(parameters: Tree) -> tuple[Array, Array]:
            above, below = objective.parts(parameters, batch, context, key, epoch)
            quotients = _stack(above, names) / jax.lax.stop_gradient(_stack(below, names))
            return quotients.sum(), quotients

        gradient, quotients = jax.grad(loss, has_aux=True)(parameters)
        return quotients, gradient
    pieces = jax.tree.map(
        lambda leaf: leaf.reshape(settings.accumulate, leaf.shape[0] // settings.accumulate, *leaf.shape[1:]),
        batch,
    )
    keys = jax.random.split(key, settings.accumulate)
    below = jax.lax.map(lambda both: denominators(*both), (pieces, keys)).sum(0)

    def one(carry: tuple[Array, Tree], both: tuple[Tree, jax.Array]) -> tuple[tuple[Array, Tree], None]:
        def loss(parameters: Tree) -> tuple[Array, Array]:
            quotients = numerators(parameters, *both) / below
            return quotients.sum(), quotients

        gradient, quotients = jax.grad(loss, has_aux=True)(parameters)
        return (carry[0] + quotients, jax.tree.map(jnp.add, carry[1], gradient)), None

    zero = (jnp.zeros(len(names)), jax.tree.map(jnp.zeros_like, parameters))
    return jax.lax.scan(one, zero, (pieces, keys))[0]


def _stack(parts: dict[str, Array], names: tuple[str, ...]) -> Float[Array, " part"]:
    """Parts in a fixed order."""
    return jnp.stack([parts[name] for name in names])


@light_jit(static_argnames=("objective", "batch", "layout"))
def held_out_score(
    parameters: Float[Array, " parameter"],
    data: Tree,
    context: Tree,
    *,
    objective: Objective,
    batch: int,
    layout: Layout,
) -> tuple[Array, Array]:
    """Sum and number of held-out losses, a batch at a time.

    Parameters
    ----------
    parameters : array
        Of the model, in one vector.
    data : tree
        Held-out trials on the first axis.
    context : tree
        What all batches share.
    objective : Objective
        What scores them.
    batch : int
        Trials at a time.
    layout : Layout
        Of the parameters.

    Returns
    -------
    array, array
        Sum, and count.
    """
    n_trials = jax.tree.leaves(data)[0].shape[0]
    size = min(batch, n_trials)
    padded = -(-n_trials // size) * size

    def pile(leaf: Array) -> Array:
        filled = jnp.concatenate([leaf, jnp.zeros((padded - n_trials, *leaf.shape[1:]), leaf.dtype)])
        return filled.reshape(-1, size, *leaf.shape[1:])

    sums, counts = jax.lax.map(
        lambda piece: objective.score(layout.unpack(parameters), piece, context), jax.tree.map(pile, data)
    )
    return sums.sum(), counts.sum()
