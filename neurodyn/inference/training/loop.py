"""The training loop on the host: chunks, held-out scores, checkpoints, progress, interrupts."""

import os
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from neurodyn.errors import ModelError
from neurodyn.inference.progress import Progress
from neurodyn.inference.training.heats import chosen, entrant_key
from neurodyn.inference.training.ledger import Ledger, Result
from neurodyn.inference.training.settings import Training
from neurodyn.inference.training.steps import (
    Layout,
    Objective,
    State,
    advance,
    advance_together,
    batch_size,
    bucket,
    first_state,
    held_out_score,
)
from neurodyn.inference.training.store import TrainingStore

Tree = Any
CHUNK_SECONDS = 3.0
EVALUATED_AT_ONCE = 256


def train(
    start: Callable[[jax.Array], Tree],
    data: Tree,
    held_out: Tree | None,
    context: Tree,
    keys: list[jax.Array],
    *,
    objective: Objective,
    settings: Training,
    names: tuple[str, ...],
    together: bool = False,
    progress: Progress | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    identity: str = "",
    snapshots: int = 0,
    candidates: int = 1,
    heat: int = 0,
) -> tuple[list[Result], bool]:
    """Train once for every key.

    Parameters
    ----------
    start : callable
        Parameters at the beginning, from a key.
    data : tree of array
        Training trials on the first axis.
    held_out : tree of array or None
        What is scored on the way and decides which parameters are kept.
    context : tree of array
        What all trials share.
    keys : list of jax.Array
        One per run.
    objective : Objective
        What is minimised.
    settings : Training
        Settings.
    names : tuple of str
        Parts of the loss.
    together : bool
        Make all runs in one batch, rather than one after the other.
    progress : Progress, optional
        Told how far it has come.
    checkpoint : path, optional
        Where the state is kept, so that a killed run goes on to the same numbers.
    checkpoint_seconds : float
        Least time between two writes.
    identity : str
        Digest of what determines the numbers.
    snapshots : int
        Copies of the averaged parameters that are kept on the way: at evaluations spread evenly from before the first
        step to after the last, at most one at each. Each takes as much memory as the parameters, on the host.
    candidates : int
        Starts of every run: each is trained for `heat` epochs, and the one whose loss is least by then goes on. The first
        is the one there would be without. Not `together`.
    heat : int
        Epochs of a heat, up to the evaluation after them.

    Returns
    -------
    list of Result
        One per run that was begun.
    bool
        Whether the user interrupted.

    Raises
    ------
    ModelError
        If there are fewer devices than asked for.
    FileError
        If the checkpoint belongs to another fit or is damaged.
    """
    if settings.devices > len(jax.devices()):
        raise ModelError(
            f"Training: devices is {settings.devices}, but JAX sees {len(jax.devices())}; ask for fewer."
        )
    n_trials = jax.tree.leaves(data)[0].shape[0]
    data = jax.tree.map(lambda leaf: jnp.asarray(_filled(np.asarray(leaf), bucket(n_trials))), data)
    held_out = None if held_out is None else jax.tree.map(jnp.asarray, held_out)
    together = together and len(keys) > 1
    groups = [tuple(range(len(keys)))] if together else [(i,) for i in range(len(keys))]
    store = TrainingStore(checkpoint, checkpoint_seconds, identity)
    interrupted = False
    results: list[Result] = []
    for number, group in enumerate(groups):

        def begun(entrant: int, group: tuple[int, ...] = group) -> _Run:
            return _Run(
                start,
                [entrant_key(keys[i], entrant) for i in group],
                data,
                n_trials,
                held_out,
                context,
                objective,
                settings,
                names,
                snapshots,
            )

        found, interrupted = chosen(
            begun,
            1 if together else candidates,
            heat,
            store,
            f"group {number}",
            _share(progress, number, len(groups)),
        )
        results += found
        if interrupted:
            store.write()
            break
    if not interrupted:
        store.remove()
    return results, interrupted


def _share(progress: Progress | None, number: int, count: int) -> Callable[[float, str], None]:
    """Report on one of several runs."""
    if progress is None:
        return lambda fraction, text: None
    return lambda fraction, text: progress.update((number + fraction) / count, text)


def snapshot_steps(total: int, every: int, count: int) -> tuple[int, ...]:
    """Steps of the evaluations at which parameters are kept, the first and the last among them."""
    evaluated = [*range(0, total, every), total]
    chosen = np.unique(np.round(np.linspace(0, len(evaluated) - 1, count)).astype(int)) if count else []
    return tuple(evaluated[place] for place in chosen)


def _filled(leaf: np.ndarray, n_trials: int) -> np.ndarray:
    """Zeros (False) after the last trial."""
    return np.concatenate([leaf, np.zeros((n_trials - len(leaf), *leaf.shape[1:]), leaf.dtype)])


class _Run:
    """One run, or several in one batch, on a common clock."""

    def __init__(
        self,
        start: Callable[[jax.Array], Tree],
        keys: list[jax.Array],
        data: Tree,
        n_trials: int,
        held_out: Tree | None,
        context: Tree,
        objective: Objective,
        settings: Training,
        names: tuple[str, ...],
        snapshots: int,
    ) -> None:
        self.many = len(keys) > 1
        self.data, self.held_out, self.context = data, held_out, context
        self.n_trials, self.objective, self.settings, self.names = n_trials, objective, settings, names
        n_padded = jax.tree.leaves(data)[0].shape[0]
        self.per_epoch = -(-n_trials // batch_size(n_padded, settings))
        starts = [start(jax.random.fold_in(key, 0)) for key in keys]
        self.layout = Layout.of(starts[0])
        states = [first_state(tree, len(names), n_padded, settings) for tree in starts]
        if self.many:
            self.state: State = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
            self.keys = jnp.stack(keys)
        else:
            self.state, self.keys = states[0], keys[0]
        kept = snapshot_steps(
            settings.epochs * self.per_epoch, settings.evaluate_every * self.per_epoch, snapshots
        )
        self.ledger = Ledger(len(keys), names, self.each(self.state.averaged), settings, kept)

    def each(self, tree: Tree) -> list[Tree]:
        """Split by run, on the host."""
        tree = jax.tree.map(np.asarray, tree)
        if not self.many:
            return [tree]
        count = jax.tree.leaves(tree)[0].shape[0]
        return [jax.tree.map(lambda leaf, i=i: leaf[i], tree) for i in range(count)]

    def resume(self, arrays: dict[str, np.ndarray] | None) -> None:
        """Go on from a checkpoint."""
        if arrays is None:
            return
        leaves, tree = jax.tree.flatten(self.state)
        found = [jnp.asarray(arrays[f"state{i}"]) for i in range(len(leaves))]
        self.state = jax.tree.unflatten(tree, found)
        self.ledger.restore(arrays)

    def arrays(self) -> dict[str, np.ndarray]:
        """What a checkpoint holds."""
        leaves = {f"state{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(self.state))}
        return {**leaves, **self.ledger.arrays()}

    def heat_end(self, epochs: int) -> int:
        """Step of the first evaluation after so many epochs, or the last step."""
        every = self.settings.evaluate_every
        return min(-(-epochs // every) * every, self.settings.epochs) * self.per_epoch

    def heat_loss(self, epochs: int) -> float:
        """Loss at the end of a heat, or as far as it came; infinite where it failed in it."""
        end = self.heat_end(epochs)
        failed = np.atleast_1d(np.asarray(self.state.failed))[0]
        return float("inf") if 0 <= failed < end else float(self.ledger.loss_at(end)[0])

    def go_on(
        self, store: TrainingStore, name: str, report: Callable[[float, str], None], until: int | None = None
    ) -> None:
        """Train to the end, or to the step `until`, chunk by chunk."""
        whole = self.settings.epochs * self.per_epoch
        total = whole if until is None else until
        every = self.settings.evaluate_every * self.per_epoch
        chunk = 2
        if not self.ledger.begun:
            self.evaluate(0)
        while True:
            done = int(np.max(np.asarray(self.state.step)))
            over = self.ledger.over | (np.atleast_1d(np.asarray(self.state.failed)) >= 0)
            if done >= total or over.all():
                return
            stop = min(done + chunk, (done // every + 1) * every, total)
            began = time.perf_counter()
            self.state = jax.block_until_ready(self.take_steps(stop))
            taken, seconds = stop - done, time.perf_counter() - began
            chunk = int(np.clip(taken * CHUNK_SECONDS / max(seconds, 1e-6), 1, 8 * chunk))
            if stop % every == 0 or stop == whole:
                self.evaluate(stop)
            store.keep(name, self.arrays)
            report(stop / whole, f"epoch {stop // self.per_epoch}, {self.ledger.words()}")

    def take_steps(self, stop: int) -> State:
        """Compiled steps."""
        call = advance_together if self.many else advance
        return call(
            self.state,
            np.int32(stop),
            np.int32(self.n_trials),
            self.data,
            self.context,
            self.keys,
            objective=self.objective,
            settings=self.settings,
            names=self.names,
            layout=self.layout,
        )

    def evaluate(self, step: int) -> None:
        """Score the averaged parameters on what is held out, and remember the best."""
        averaged = self.each(self.state.averaged)
        scores = np.full(len(averaged), np.nan)
        if self.held_out is not None:
            for i, parameters in enumerate(averaged):
                total, count = held_out_score(
                    parameters,
                    self.held_out,
                    self.context,
                    objective=self.objective,
                    batch=EVALUATED_AT_ONCE,
                    layout=self.layout,
                )
                scores[i] = float(total) / max(float(count), 1)
        sums = np.asarray(self.state.sums).reshape(len(averaged), -1)
        shrink = self.ledger.note(step, step / self.per_epoch, scores, sums, averaged)
        shrunk = np.asarray(self.state.shrunk) * (shrink if self.many else shrink[0])
        self.state = self.state._replace(
            sums=jnp.zeros_like(self.state.sums), shrunk=jnp.asarray(shrunk, self.state.shrunk.dtype)
        )

    def results(self, interrupted: bool) -> list[Result]:
        """What became of the runs."""
        failed = np.atleast_1d(np.asarray(self.state.failed))
        culprits = np.asarray(self.state.culprits).reshape(len(failed), -1)
        return [
            self.ledger.result(
                i,
                self.layout.unpack,
                int(np.max(np.asarray(self.state.step))),
                int(failed[i]),
                culprits[i],
                interrupted,
            )
            for i in range(len(failed))
        ]
