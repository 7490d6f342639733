"""What can be wrong with a recording or a fit of a generalised linear model, said by name."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NeurodynWarning, RecordingError
from neurodyn.inference.bases import Basis
from neurodyn.inference.glm.categorical import CategoricalFamily
from neurodyn.inference.glm.families import BernoulliFamily, Family, GaussianFamily
from neurodyn.inference.glm.priors import CouplingPrior, GaussianPrior
from neurodyn.inference.glm.stages import Outcome
from neurodyn.inference.glm.switching import Parameters, Run
from neurodyn.models.glm.problem import Grid, Problem, channel_labels
from neurodyn.models.hmm.states import match_paths

if TYPE_CHECKING:
    from neurodyn.models.glm.coupled import CoupledModel

SAME = 1 - 1e-6
EMPTY = 1.0


def check_options(name: str, options: dict[str, Any]) -> None:
    """Refuse options of a fit that are out of range."""
    for option in ("restarts", "max_iterations"):
        value = options[option]
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ModelError(f"{option} is {value!r}; it must be a whole number, 1 or more.")
    if not options["tolerance"] >= 0:
        raise ModelError(f"tolerance is {options['tolerance']!r}; it must be 0 or more (nats per bin).")
    if options["initialisation"] not in ("scores", "random"):
        raise ModelError(
            f"{name}: initialisation is {options['initialisation']!r}; choose 'scores' or 'random'."
        )


def check_prior(name: str, prior: CouplingPrior, history: Any) -> None:
    """Refuse a learnt spread where the own history has a basis of its own, whose posterior variance is not known."""
    learnt = isinstance(prior, GaussianPrior) and "learnt" in (prior.deviation, prior.mean_deviation)
    if learnt and isinstance(history, Basis):
        raise ModelError(
            f"{name}: a learnt deviation needs history='coupling' or None; give the deviation as a number, or change "
            "the history."
        )


def _names(labels: Any, where: Any, most: int = 5) -> str:
    """The first few labels."""
    found = [str(label) for label in np.asarray(labels)[np.asarray(where)]]
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")


def check_values(name: str, grid: Grid, family: Family, recording: xr.Dataset) -> None:
    """Refuse values the observation model gives no chance to."""
    values = grid.values[grid.mask]
    if isinstance(family, (GaussianFamily, CategoricalFamily)):
        return
    labels = recording["unit"].values
    if not isinstance(family, BernoulliFamily):
        wrong = grid.mask & ((grid.values < 0) | (grid.values != np.floor(grid.values)))
        if wrong.any():
            where = np.argwhere(wrong)[0]
            raise RecordingError(
                f"unit {labels[where[2]]} has the value {grid.values[tuple(where)]:g} at time bin {where[1]}, which is no "
                "count; counts are whole numbers, 0 or more."
            )
    elif not np.isin(values, (0, 1)).all():
        raise RecordingError(f"{name} takes binary values 0 and 1, but there are others; recode them.")


def covariate_scale(grid: Grid) -> np.ndarray:
    """Working unit of every covariate: its root mean square, 1 where it is zero."""
    rows = grid.covariates[grid.mask.any(axis=2)]
    size = np.sqrt((rows.astype(float) ** 2).mean(axis=0)) if len(rows) else np.ones(grid.covariates.shape[2])
    return np.where(size > 0, size, 1.0)


def warn_before(
    model: "CoupledModel", grid: Grid, problem: Problem, recording: xr.Dataset, family: Family
) -> None:
    """Name silent units, identical units, covariates that depend on each other, and too many parameters."""
    categorical = isinstance(family, CategoricalFamily)
    labels, name = channel_labels(recording, family), model.name
    count = grid.mask.sum(axis=(0, 1))
    total = np.where(grid.mask, np.abs(grid.values), 0).sum(axis=(0, 1))
    silent = np.asarray((count > 0) & (total == 0))
    if silent.any() and not categorical and not isinstance(family, GaussianFamily):
        warnings.warn(
            f"{name}: {_names(labels, silent)} never fired, so its rate is set to its lower limit and its couplings "
            "say nothing; drop it.",
            NeurodynWarning,
        )
    if model.coupling is not None and not categorical:
        _warn_of_twins(name, grid, labels)
    covariates = grid.covariates[grid.mask.any(axis=2)].astype(float)
    if covariates.shape[1]:
        table = np.concatenate([covariates, np.ones((len(covariates), 1))], axis=1)
        values, vectors = np.linalg.eigh(table.T @ table / max(len(table), 1))
        loose = values < 1e-6 * max(values.max(), 1e-30)
        if loose.any():
            involved = (np.abs(vectors[:-1, loose]) > 0.1).any(axis=1)
            warnings.warn(
                f"{name}: the covariates {_names(np.array(model.covariates), involved)} depend linearly on each other or "
                "on the constant, so their weights are not determined and the smallest ones are taken; drop one.",
                NeurodynWarning,
            )
    free = (
        problem.kernel.shape[1] * len(labels) + problem.own_kernel.shape[1] + covariates.shape[1]
    ) * model._states
    short = (count > 0) & (count <= free)
    if short.any():
        warnings.warn(
            f"{name}: {_names(labels, short)} has {int(count[short].min()):,} observed bins for {free:,} parameters; use "
            "fewer states or basis functions, a stronger prior, or a longer recording.",
            NeurodynWarning,
        )


def _warn_of_twins(name: str, grid: Grid, labels: np.ndarray) -> None:
    """Name units whose series are the same up to scale."""
    n_units = len(labels)
    whole = grid.mask.all(axis=2)
    rows = grid.values[whole].astype(float)
    if len(rows) < 3 or n_units < 2:
        return
    rows = rows - rows.mean(axis=0)
    size = np.sqrt((rows**2).sum(axis=0))
    rows = rows / np.where(size > 0, size, 1)
    for first in range(0, n_units, 256):
        block = np.abs(rows[:, first : first + 256].T @ rows)
        pairs = [(first + i, j) for i, j in np.argwhere(block > SAME) if first + i < j]
        if pairs:
            one, two = pairs[0]
            more = f" (and {len(pairs) - 1} further pairs)" if len(pairs) > 1 else ""
            warnings.warn(
                f"{name}: units {labels[one]} and {labels[two]} are perfectly correlated{more}, so their couplings to a "
                "third unit cannot be told apart and are shared between them; drop one.",
                NeurodynWarning,
            )
            return


def warn_after(
    model: "CoupledModel",
    parameters: Parameters,
    share: np.ndarray,
    outcome: Outcome,
    problem: Problem,
    recording: xr.Dataset,
    family: Family,
) -> None:
    """Say what the reader must know about a fit."""
    best, name, labels = outcome.best, model.name, channel_labels(recording, family)
    if best.interrupted:
        warnings.warn(f"the fit was {reason(best)}.", NeurodynWarning)
    elif best.failed:
        warnings.warn(f"{name}: {best.failed}; the best parameters so far are kept.", NeurodynWarning)
    elif not best.converged:
        warnings.warn(f"the fit stopped unconverged: {reason(best)}; raise max_iterations.", NeurodynWarning)
    empty = share < EMPTY
    if empty.any():
        warnings.warn(
            f"{name}: {int(empty.sum())} of {len(share)} states hold less than one expected time bin; fewer states suffice.",
            NeurodynWarning,
        )
    largest = family.largest_mean(np.asarray(parameters.scale, float))
    highest = np.where(problem.grid.mask, problem.grid.values, 0).max(axis=(0, 1))
    above = highest > largest
    if above.any():
        warnings.warn(
            f"{name}: {_names(labels, above)} has counts up to {highest[above].max():g}, above the ceiling of its "
            "link; raise ceiling.",
            NeurodynWarning,
        )
    if len(share) > 1 and not isinstance(family, (GaussianFamily, CategoricalFamily)):
        _warn_of_silent_states(name, best, share, problem, labels)


def _warn_of_silent_states(
    name: str, best: Run, share: np.ndarray, problem: Problem, labels: np.ndarray
) -> None:
    """Name units that never fire in a state."""
    layout = problem.layout
    posterior = np.asarray(best.posterior)[layout.valid]
    fired = posterior.T @ np.where(layout.mask, layout.values, 0)[layout.valid]
    spoken = (fired.sum(axis=0) > 0)[None] & (fired < 1e-3) & (share >= EMPTY)[:, None]
    if spoken.any():
        warnings.warn(
            f"{name}: {_names(labels, spoken.any(axis=0))} never fires in one of the states, where its rate is bounded by "
            "the prior alone.",
            NeurodynWarning,
        )


def reason(run: Run) -> str:
    """Why a run stopped, in words."""
    steps = len(run.objective)
    if run.interrupted:
        return f"interrupted after {steps} iterations; the best parameters so far are kept"
    if run.failed:
        return run.failed
    if run.converged:
        times = "twice in a row" if run.posterior.shape[1] > 1 else "once"
        return f"gain below the tolerance {times}, after {steps} iterations"
    return f"max_iterations reached after {max(steps - 1, 1)} iterations, before convergence"


def agreement(best: Run, runs: list[Run], valid: np.ndarray) -> float:
    """Mean share of bins on which the other converged runs agree with the best one."""
    others = [run for run in runs if run is not best and run.converged]
    if not others:
        return float("nan")
    n_states = best.posterior.shape[1]
    reference = np.asarray(best.posterior).argmax(axis=1)[valid]
    return float(
        np.mean(
            [
                match_paths(reference, np.asarray(run.posterior).argmax(axis=1)[valid], n_states)[1]
                for run in others
            ]
        )
    )
