"""Where expectation-maximisation begins: clustered starts, given parameters, re-seeded empty states."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NeurodynWarning
from neurodyn.inference.compilation import light_jit
from neurodyn.inference.em import Sequence, TransitionPrior
from neurodyn.inference.em_driver import Run, Settings, run_restarts
from neurodyn.inference.em_state import HMMParameters
from neurodyn.inference.emissions import AutoregressiveGaussian, Emission
from neurodyn.inference.initialise import METHODS, starts
from neurodyn.inference.progress import Progress
from neurodyn.inference.rows import any_observed
from neurodyn.inference.segments import LONG, segment_length
from neurodyn.inference.split_merge import proposals
from neurodyn.inference.stochastic import incremental_fit
from neurodyn.models.base import Fit
from neurodyn.models.hmm.layout import Layout
from neurodyn.models.hmm.states import from_dataset

RESEED_ATTEMPTS = 3
PROPOSALS = 6
FAILURES = 1  # rounds in a row without a better optimum before the search ends
# Nats per bin within which two optima count as the same.
AGREEMENT = 1e-5
PRIOR_STAY = 0.9


def draw_starts(
    key: jax.Array, emission: Emission, sequence: Sequence, layout: Layout, n_states: int, n_restarts: int
) -> list[HMMParameters]:
    """Parameters from several clusterings of the bins into states."""
    # Neither padding nor a unit never seen may move a start.
    size, padding = len(layout.index), len(layout.valid) - len(layout.index)
    mask = layout.mask[:size]
    units = mask.any(axis=0)
    found = starts(
        key,
        layout.values[:size, units],
        mask[:, units],
        layout.start[:size],
        n_states,
        n_restarts,
        kind=kind_of(emission),
    )
    labels = [np.pad(one.labels, (0, padding)) for one in found]
    return [from_labels(key, emission, sequence, layout, one, n_states) for one in labels]


@light_jit(static_argnames=("emission",))
def _first_maximisation(key: jax.Array, data: Any, responsibilities: jax.Array, *, emission: Emission) -> Any:
    """Emission parameters from an assignment of bins to states."""
    return emission.start_from_data(key, data, responsibilities)


def from_labels(
    key: jax.Array, emission: Emission, sequence: Sequence, layout: Layout, labels: np.ndarray, n_states: int
) -> HMMParameters:
    """One M-step from an assignment of bins to states; transitions are counted, with a weak prior."""
    seen = any_observed(layout.mask)
    responsibilities = np.zeros((len(labels), n_states), layout.values.dtype)
    responsibilities[seen, labels[seen]] = 1.0
    arranged = jnp.asarray(sequence.order.arrange(responsibilities))
    emitted = _first_maximisation(key, sequence.data, arranged, emission=emission)
    inside = seen[1:] & seen[:-1] & ~layout.start[1:]
    counts = np.full((n_states, n_states), (1 - PRIOR_STAY) / max(n_states - 1, 1))
    np.fill_diagonal(counts, PRIOR_STAY if n_states > 1 else 1.0)
    counts *= n_states
    np.add.at(counts, (labels[:-1][inside], labels[1:][inside]), 1.0)
    first = np.ones(n_states)
    begins = layout.start & layout.valid & seen
    np.add.at(first, labels[begins], 1.0)
    dtype = layout.values.dtype
    return HMMParameters(
        jnp.asarray(first / first.sum(), dtype),
        jnp.asarray(counts / counts.sum(axis=1, keepdims=True), dtype),
        emitted,
    )


def hurry(
    key: jax.Array,
    starts: list[HMMParameters],
    sequence: Sequence,
    emission: Emission,
    prior: TransitionPrior,
    n_passes: int,
    progress: Progress | None,
) -> list[HMMParameters]:
    """Every start some incremental passes further; interrupted, those not yet treated stay as they are."""
    n_time = sequence.start.shape[0]
    if sequence.covariates is not None or not segment_length(n_time, sequence.data):
        raise ModelError(
            f"incremental_passes is {n_passes}, but this recording cannot be cut into segments: it needs at least "
            f"{LONG:,} bins (it has {n_time:,} with padding), each observed whole or not at all, no "
            "autoregression and no transition covariates; set incremental_passes to 0."
        )
    done = list(starts)
    try:
        for position, start in enumerate(starts):
            seed = int(jax.random.randint(jax.random.fold_in(key, position), (), 0, 2**31 - 1))
            done[position] = incremental_fit(seed, start, sequence, emission, prior, n_passes, progress)
    except KeyboardInterrupt:
        warnings.warn(
            "interrupted during the incremental passes; exact steps go on from here.", NeurodynWarning
        )
    return done


def given_start(
    start: Any, n_states: int, recording: xr.Dataset, dtype: Any, emission: Emission
) -> HMMParameters:
    """Parameters the user gave, as a Dataset or a fit."""
    data = start.parameters if isinstance(start, Fit) else start
    if not isinstance(data, xr.Dataset):
        raise ModelError(
            f"start_parameters is a {type(start).__name__}; give a Dataset as in HMMFit.parameters, or an HMMFit."
        )
    missing = [name for name in ("initial", "transition", *emission.dimensions) if name not in data]
    if missing:
        raise ModelError(
            f"start_parameters lacks {missing[0]!r}; it needs initial, transition and the emission's arrays."
        )
    if data.sizes["state"] != n_states:
        raise ModelError(f"start_parameters has {data.sizes['state']} states, the model {n_states}.")
    labels = recording["unit"].values
    if "unit" in data.coords and not np.array_equal(data["unit"].values, labels):
        data = data.sel(unit=labels)
        if "unit_2" in data.coords:
            data = data.sel(unit_2=labels)
    return from_dataset(data, emission, dtype)


def kind_of(emission: Emission) -> str:
    """What states of this family differ in."""
    if isinstance(emission, AutoregressiveGaussian):
        return "autoregressive"
    return "gaussian" if "continuous" in emission.kinds else "count"


def rearrange(
    best: Run,
    runs: list[Run],
    sequence: Sequence,
    layout: Layout,
    emission: Emission,
    prior: TransitionPrior,
    settings: Settings,
    key: jax.Array,
    rounds: int,
) -> tuple[Run, bool]:
    """Split and merge states as long as that finds a better optimum.

    Where all finished starts, of more than one kind, ended in the same optimum it is taken for the global one.
    """
    n_states, size = len(best.occupancy), len(layout.index)
    near = AGREEMENT * max(int(any_observed(layout.mask).sum()), 1)
    if not best.converged or _settled(best, runs, near, kind_of(emission)):
        return best, False
    units = layout.mask[:size].any(axis=0)
    again = settings._replace(checkpoint=None, survivors=1)
    known: set[tuple[tuple[int, int], int]] = set()
    failures = 0
    for turn in range(rounds):
        found = proposals(
            jax.random.fold_in(key, turn),
            layout.values[:size, units],
            layout.mask[:size, units],
            layout.start[:size],
            best.path[:size].astype(int),
            n_states,
            PROPOSALS,
            kind=kind_of(emission),
            known=known,
        )
        if not found:
            break
        known |= {(one.merged, one.split) for one in found}
        padding = len(layout.valid) - size
        labels = [np.pad(one.labels, (0, padding)) for one in found]
        starts = [from_labels(key, emission, sequence, layout, one, n_states) for one in labels]
        starts = [one._replace(weights=best.parameters.weights) for one in starts]
        tried, interrupted = run_restarts(starts, sequence, emission, prior, again)
        better = [run for run in tried if not run.failed and run.objective[-1] > best.objective[-1] + near]
        if better:
            best, known, failures = max(better, key=lambda run: run.objective[-1]), set(), 0
        else:
            failures += 1
        if interrupted or failures == FAILURES:
            return best, interrupted
    return best, False


def _settled(best: Run, runs: list[Run], near: float, kind: str) -> bool:
    """Whether every finished run, from starts of more than one kind, ended in the same optimum."""
    methods = METHODS[kind]
    finished = [(methods[i % len(methods)], run) for i, run in enumerate(runs) if run.converged]
    agree = all(best.objective[-1] - run.objective[-1] < near for _, run in finished)
    return agree and len({method for method, _ in finished}) > 1


def reseed(
    best: Run,
    sequence: Sequence,
    layout: Layout,
    emission: Emission,
    prior: TransitionPrior,
    settings: Settings,
    key: jax.Array,
) -> tuple[Run, bool]:
    """Give states that lost all their bins to the worst explained ones, and keep what is better."""
    for attempt in range(RESEED_ATTEMPTS):
        empty = np.flatnonzero(best.occupancy < 1.0)
        if not len(empty) or best.failed:
            return best, False
        labels = best.path.astype(int)
        seen = np.flatnonzero(any_observed(layout.mask))
        worst = seen[np.argsort(best.log_normalizer[seen])]
        share = max(len(seen) // (4 * len(best.occupancy)), 1)
        for position, state in enumerate(empty):
            labels[worst[position * share : (position + 1) * share]] = state
        start = from_labels(
            jax.random.fold_in(key, attempt), emission, sequence, layout, labels, len(best.occupancy)
        )
        again = settings._replace(checkpoint=None)
        runs, interrupted = run_restarts([start], sequence, emission, prior, again)
        warnings.warn(
            f"{len(empty)} of {len(best.occupancy)} states lost all their bins and were re-seeded from the worst "
            "explained ones.",
            NeurodynWarning,
        )
        if runs and not runs[0].failed and runs[0].objective[-1] > best.objective[-1]:
            best = runs[0]
        if interrupted:
            return best, True
    return best, False
