"""Fit components to the observed part of a recording of pairs, under a clock."""

import warnings
from typing import Any, NamedTuple

import numpy as np

from neurodyn.errors import ModelError, NeurodynWarning
from neurodyn.inference.factorise import fitting
from neurodyn.inference.factorise.comparison import congruence
from neurodyn.inference.factorise.penalties import Penalties
from neurodyn.inference.factorise.sweeps import POISSON
from neurodyn.models.connectome.layout import padded

SHRINKAGE = 0.02


class Components(NamedTuple):
    """Components of a recording of pairs; all factors have columns of length 1.

    Attributes
    ----------
    weight : numpy.ndarray
        ``(component,)``, largest first.
    course : numpy.ndarray
        ``(time, component)`` under a shared clock, ``(trial, time, component)`` otherwise; 0 where nothing was seen.
    course_seen : numpy.ndarray of bool
        ``(time,)`` or ``(trial, time)``.
    animal : numpy.ndarray
        ``(trial, component)``; ones where every animal has its own clock.
    animal_seen : numpy.ndarray of bool
        ``(trial,)``.
    pair : numpy.ndarray
        ``(unit, component)``, in the order of the values given.
    pair_seen : numpy.ndarray of bool
        ``(unit,)``.
    objectives : tuple of numpy.ndarray
        Of every restart, best first.
    converged : bool
        Of the best one.
    agreement : numpy.ndarray
        Congruence of every restart with the best one, the best left out.
    component_agreement : numpy.ndarray
        Mean congruence of every component with its partner in the other restarts, ``(component,)``; NaN with one.
    """

    weight: np.ndarray
    course: np.ndarray
    course_seen: np.ndarray
    animal: np.ndarray
    animal_seen: np.ndarray
    pair: np.ndarray
    pair_seen: np.ndarray
    objectives: tuple[np.ndarray, ...]
    converged: bool
    agreement: np.ndarray
    component_agreement: np.ndarray


def learn(
    values: np.ndarray,
    mask: np.ndarray,
    rank: int,
    *,
    clock: str,
    loss: str,
    key: Any,
    restarts: int,
    shrinkage: float = 0.0,
    sparsity: float = 0.0,
    smoothness: float = 0.0,
    max_sweeps: int,
    tolerance: float,
    progress: Any = None,
) -> Components:
    """Fit components to values ``(trial, time, unit)``; what was never observed is left out first.

    Raises
    ------
    ModelError
        If nothing was observed, or the rank is larger than what was observed allows.
    """
    if not mask.any():
        raise ModelError(
            "no pair is ever observed; check that the units of the recording were recorded together."
        )
    trials, pairs = np.asarray(mask.any((1, 2))), np.asarray(mask.any((0, 1)))
    bins = np.asarray(mask.any((0, 2)) if clock == "shared" else mask.any(2))
    here, there = values[..., pairs], mask[..., pairs]
    if clock == "shared":
        tensor, seen = (np.swapaxes(a[trials][:, bins], 0, 1) for a in (here, there))
        breaks = _gaps(np.flatnonzero(bins))
    else:
        tensor, seen = here[bins], there[bins]
        # Bins of different animals are further apart than neighbours.
        breaks = _gaps(np.flatnonzero(np.pad(bins, ((0, 0), (0, 1)))))
    limit = min(len(tensor), int(pairs.sum()))
    if rank > limit:
        raise ModelError(
            f"rank is {rank}, but only {int(pairs.sum())} pairs in {len(tensor)} bins were observed; use {limit} or fewer."
        )
    pair_mode, rows = tensor.ndim - 1, len(tensor)
    # A penalty on one factor needs one on the others, or scale would move to them for nothing.
    balance = max(sparsity, smoothness) + ridge_of(tensor, seen, rank, loss, shrinkage)
    penalties = Penalties(
        ridge=dict.fromkeys(range(tensor.ndim), balance),
        sparsity={pair_mode: sparsity},
        smoothness={0: smoothness},
        breaks=breaks,
    )
    tensor, seen = padded(tensor, seen)
    runs = fitting.fit(
        tensor,
        rank,
        mask=seen,
        loss=loss,
        key=key,
        restarts=restarts,
        penalties=penalties if penalties.any else None,
        max_sweeps=max_sweeps,
        tolerance=tolerance,
        progress=progress,
    )
    best = runs[0]
    empty = int((best.weights == 0).sum())
    if empty:
        warnings.warn(
            f"{empty} of {rank} components are zero, which the data do not need; choose a lower rank.",
            NeurodynWarning,
            stacklevel=2,
        )
    alike = [congruence(best.factors, run.factors) for run in runs[1:]]
    alone = np.full(rank, np.nan)
    return Components(
        weight=best.weights,
        course=_back(best.factors[0][:rows], bins),
        course_seen=bins,
        animal=_back(best.factors[1], trials) if clock == "shared" else np.ones((len(trials), rank)),
        animal_seen=trials,
        pair=_back(best.factors[pair_mode], pairs),
        pair_seen=pairs,
        objectives=tuple(run.objective for run in runs),
        converged=best.converged,
        agreement=np.array([one.mean for one in alike]),
        component_agreement=np.mean([one.components for one in alike], axis=0) if alike else alone,
    )


def ridge_of(values: np.ndarray, mask: np.ndarray, rank: int, loss: str, shrinkage: float) -> float:
    r"""Ridge that weighs as much as a share of all bins in which every pair is 0 and every component as active as usual.

    .. math:: \rho = \kappa \, w^{2 (M - 1) / M}, \qquad w = \text{rms}(x) \sqrt{n P / R}

    with n rows (bins, or bins times animals), P pairs, R components of weight w, and M modes that share it. A pair seen in
    few bins, in which a component hardly acts, is then not given enormous loadings.
    """
    if not shrinkage:
        return 0.0
    seen = np.where(mask, values, 0.0)
    square = float(np.square(seen, dtype=float).sum()) / max(int(mask.sum()), 1)
    weight = np.sqrt(square * mask.size / rank)
    ridge = shrinkage * weight ** (2 * (mask.ndim - 1) / mask.ndim)
    if loss == POISSON:  # squares over the mean
        ridge /= max(float(seen.sum(dtype=float)) / max(int(mask.sum()), 1), np.finfo(float).tiny)
    return float(ridge)


def _gaps(places: np.ndarray) -> tuple[int, ...]:
    """Where a row does not follow on the one before it."""
    return tuple((1 + np.flatnonzero(np.diff(places) > 1)).tolist())


def _back(factor: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """A factor with the entries that were left out, as zeros."""
    whole = np.zeros((*seen.shape, factor.shape[1]))
    whole[seen] = factor
    return whole
