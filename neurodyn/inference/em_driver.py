"""Run expectation-maximisation in chunks of about half a second: restarts, checkpoints, interrupts."""

import functools
import hashlib
import os
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from neurodyn.inference.archive import checkpoint_path, other_fit, read_arrays, write_arrays
from neurodyn.inference.arrangement import Arrangement
from neurodyn.inference.em import Sequence, TransitionPrior, em_chunk, em_chunk_batch
from neurodyn.inference.em_state import EMState, HMMParameters, Packing, initial_state
from neurodyn.inference.emissions.base import Emission
from neurodyn.inference.progress import Progress

CHUNK_SECONDS = 0.5
BATCH_ELEMENTS: int | None = None
# Of many long runs, those that lead after a few steps are worth finishing; objectives seldom cross later.
SCREEN_STEPS = 24
SURVIVORS = 3


def batch_elements() -> int:
    """Largest bins x states x restarts run as one batch: none on a CPU, where restarts in turn are faster."""
    if BATCH_ELEMENTS is not None:
        return BATCH_ELEMENTS
    return 0 if jax.default_backend() == "cpu" else 1 << 28


class Settings(NamedTuple):
    """Stopping rule and services of a run."""

    max_iterations: int
    tolerance: float
    accelerate: bool
    progress: Progress | None = None
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_seconds: float = 60.0
    survivors: int = SURVIVORS
    screen_steps: int = SCREEN_STEPS


class Run(NamedTuple):
    """One finished restart, on the host.

    Parameters
    ----------
    parameters : HMMParameters
        Parameters of the last accepted objective.
    objective : np.ndarray
        Accepted objectives in nats (float64), shape ``(iteration,)``.
    occupancy : np.ndarray
        Expected bins per state, shape ``(state,)``.
    log_normalizer : np.ndarray
        ``log p(x_t | x_<t)`` at `parameters`, shape ``(time,)``.
    path : np.ndarray
        Most probable state of every flat bin, shape ``(time,)``.
    converged, failed : bool
        How it ended.
    n_steps, n_rejected : int
        Passes made, extrapolations rejected.
    """

    parameters: HMMParameters
    objective: np.ndarray
    occupancy: np.ndarray
    log_normalizer: np.ndarray
    path: np.ndarray
    converged: bool
    failed: bool
    n_steps: int
    n_rejected: int


def run_restarts(
    starts: list[HMMParameters],
    sequence: Sequence,
    emission: Emission,
    prior: TransitionPrior,
    settings: Settings,
) -> tuple[list[Run], bool]:
    """Run every start to its end, in one batch where the work is small enough to gain from it.

    Where it is not, all starts make ``settings.screen_steps`` steps and the best ``settings.survivors`` of them go on.

    Parameters
    ----------
    starts : list of HMMParameters
        One per restart.
    sequence : Sequence
        The data.
    emission : Emission
        The family.
    prior : TransitionPrior
        Prior on the transitions.
    settings : Settings
        Stopping rule, progress, checkpoint.

    Returns
    -------
    list of Run
        One per restart that was begun.
    bool
        Whether the user interrupted; the runs then hold the best so far.

    Raises
    ------
    FileError
        If the checkpoint belongs to another fit or is damaged.
    """
    n_time = sequence.start.shape[0]
    n_states = starts[0].transition.shape[-1]
    packing = Packing.of(starts[0])
    states = [initial_state(start, n_time, settings.max_iterations) for start in starts]
    batch = len(starts) > 1 and n_time * n_states * len(starts) <= batch_elements()
    groups = [stack_states(states)] if batch else states
    whole = em_chunk_batch if batch else em_chunk
    step = functools.partial(
        whole,
        emission=emission,
        prior=prior,
        packing=packing,
        accelerate=settings.accelerate,
    )
    store = _Store(settings, lambda: _identity(sequence, emission, prior, settings, groups))
    groups = store.resume(groups)
    pace = _Pace()
    interrupted = False
    try:
        for position in _schedule(groups, settings):
            stop = position.stop
            _run_group(stop, step, sequence, settings, pace, store, groups, position.index)
    except KeyboardInterrupt:
        interrupted = True
    on_host = [jax.tree.map(np.asarray, state) for state in groups]
    finished = (
        [jax.tree.map(lambda leaf, i=i: leaf[i], on_host[0]) for i in range(len(starts))]
        if batch
        else on_host
    )
    begun = [_to_run(state, packing, sequence.order) for state in finished if int(state.n_accepted) > 0]
    if begun and not interrupted:
        store.remove()
    return begun, interrupted


class _Turn(NamedTuple):
    """Which group to advance, and up to which step."""

    index: int
    stop: int


def _schedule(groups: list[EMState], settings: Settings) -> Iterator[_Turn]:
    """All groups to the end, or, where there are many, a short run of all and the rest of the leaders'."""
    chosen = list(range(len(groups)))
    if len(groups) > settings.survivors:
        for index in chosen:
            yield _Turn(index, min(settings.screen_steps, settings.max_iterations))
        scores = [_objective(state)[-1] if int(state.n_accepted) else -np.inf for state in groups]
        chosen = sorted(np.argsort(scores)[::-1][: settings.survivors].tolist())
    for index in chosen:
        yield _Turn(index, settings.max_iterations)


def stack_states(states: list[EMState]) -> EMState:
    """Several restarts on a leading axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *states)


class _Pace:
    """How many steps make a chunk; learnt from the last chunk."""

    def __init__(self) -> None:
        self.steps = 2

    def learn(self, seconds: float, done: int) -> None:
        """Adjust, at most eightfold at a time (the first chunk includes compilation)."""
        if done > 0:
            wanted = int(CHUNK_SECONDS * done / max(seconds, 1e-6))
            self.steps = int(np.clip(wanted, 1, 8 * self.steps))


def _run_group(
    stop: int,
    step: Callable[..., EMState],
    sequence: Sequence,
    settings: Settings,
    pace: _Pace,
    store: "_Store",
    groups: list[EMState],
    position: int,
) -> None:
    """Advance one restart, or a batch, chunk by chunk up to step `stop`; `groups` holds the latest state."""
    state = groups[position]
    dtype = state.log_prior.dtype
    observed = np.asarray(max(int(np.asarray(sequence.valid).sum()), 1), dtype)
    tolerance = np.asarray(settings.tolerance, dtype)
    while True:
        taken = np.atleast_1d(np.asarray(state.counters)[..., 1])
        over = np.atleast_1d(np.asarray(state.flags)[..., :2].any(axis=-1))
        if (over | (taken >= stop)).all():
            return
        done = int(taken[~over].max())
        limit = min(done + pace.steps, stop)
        began = time.perf_counter()
        guard = bool(np.asarray(state.guarded).any())
        advanced = step(state, sequence, np.int32(limit), observed, tolerance, guard=guard)
        doubtful = np.atleast_1d(np.asarray(advanced.doubtful))
        if doubtful.any():
            # The steps before the doubtful one stay as they were, wherever the chunk began.
            before = int(np.atleast_1d(np.asarray(advanced.n_steps))[doubtful].min()) - 1
            if before > done:
                state = step(state, sequence, np.int32(before), observed, tolerance, guard=False)
            counters = np.array(state.counters)
            counters[..., 6] = 1
            state = groups[position] = state._replace(counters=counters)
            continue
        state = jax.block_until_ready(advanced)
        groups[position] = state
        reached = int(np.asarray(state.counters)[..., 1].max())
        pace.learn(time.perf_counter() - began, reached - done)
        if settings.progress is not None:
            share = reached / settings.max_iterations
            settings.progress.update((position + share) / len(groups), f"EM iteration {reached}")
        store.maybe_write(groups)


def _objective(state: EMState) -> np.ndarray:
    """Accepted objectives in double precision, from their exact differences and the last one."""
    accepted = int(np.asarray(state.counters)[0])
    gains = np.asarray(state.gains, np.float64)[: min(accepted, state.gains.shape[0])]
    last = float(np.sum(np.asarray(state.log_normalizer), dtype=np.float64) + float(state.log_prior))
    return last - (gains.sum() - np.cumsum(gains))


def _to_run(state: EMState, packing: Packing, order: Arrangement) -> Run:
    """What became of one restart; `state` is on the host."""
    return Run(
        parameters=packing.unpack(state.points[1]),
        objective=_objective(state),
        occupancy=np.asarray(state.occupancy),
        log_normalizer=order.restore(np.asarray(state.log_normalizer)),
        path=order.restore(np.asarray(state.path)),
        converged=bool(state.converged),
        failed=bool(state.failed),
        n_steps=int(state.n_steps),
        n_rejected=int(state.n_rejected),
    )


def _identity(
    sequence: Sequence, emission: Emission, prior: TransitionPrior, settings: Settings, groups: list[EMState]
) -> str:
    """Digest of everything that determines the numbers of a run."""
    digest = hashlib.sha256(
        repr((emission, prior, settings.max_iterations, settings.tolerance, settings.accelerate)).encode()
    )
    for leaf in jax.tree.leaves((sequence, groups)):
        digest.update(np.ascontiguousarray(np.asarray(leaf)).tobytes())
    return digest.hexdigest()


class _Store:
    """Checkpoint file: bare arrays in an npz archive, written whole and never unpickled."""

    def __init__(self, settings: Settings, identity: Callable[[], str]) -> None:
        self.path = None if settings.checkpoint is None else pathlib.Path(settings.checkpoint)
        self.seconds = settings.checkpoint_seconds
        self.identity = identity() if self.path is not None else ""
        self.written = time.monotonic()

    def maybe_write(self, groups: list[EMState]) -> None:
        """Write if the last checkpoint is old enough."""
        if self.path is None or time.monotonic() - self.written < self.seconds:
            return
        leaves = {f"leaf{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(groups))}
        write_arrays(self.path, {"identity": np.array(self.identity), **leaves})
        self.written = time.monotonic()

    def resume(self, groups: list[EMState]) -> list[EMState]:
        """Return the stored state where a checkpoint of this very fit exists."""
        if self.path is None:
            return groups
        checkpoint_path(self.path)
        if not self.path.exists():
            return groups
        leaves, tree = jax.tree.flatten(groups)
        stored = read_arrays(self.path)
        names = [f"leaf{i}" for i in range(len(leaves))]
        if str(stored.get("identity", "")) != self.identity or not all(name in stored for name in names):
            raise other_fit(self.path)
        return jax.tree.unflatten(tree, [jnp.asarray(stored[name]) for name in names])

    def remove(self) -> None:
        """Delete the checkpoint of a finished fit."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
