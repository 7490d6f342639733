"""Additive metrics: sums over entries first, a value afterwards, so that chunks can be resampled."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from neurodyn.validation.metrics.evaluation import Evaluation
from neurodyn.validation.uncertainty import chunk_sums

Sums = Mapping[str, np.ndarray]
WORDS = {
    "mean": "a predicted mean",
    "marginals": "the training part",
    "log_likelihood": "a log-likelihood",
    "previous": "a prediction from the past alone (mode 'past')",
    "connectivity": "a simulation",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """A score that is a function of sums over entries.

    Parameters
    ----------
    name : str
        Name, as in the table of a comparison.
    label : str
        Words for axes and headings.
    unit : str
        Unit of the value.
    kinds : frozenset of str
        Kinds of units it is defined for.
    terms : callable
        ``terms(evaluation)`` gives arrays ``(trial, time, unit)`` (or ``(trial, time, 1)``), zero where nothing
        is scored; their sums over any set of entries determine the value.
    combine : callable
        ``combine(sums, per)`` turns sums ``(..., unit)`` into values ``(...)`` (``per="pooled"``) or
        ``(..., unit)`` (``per="unit"``).
    needs : tuple of str
        Fields of `Evaluation` it cannot do without.
    higher_is_better : bool
        Direction.
    floor : float
        Value of a prediction that knows nothing; NaN where there is none.
    perfect : float
        Value of perfection; NaN where there is none.
    per_unit : bool
        Whether it can be given per unit.
    exclusive : bool
        Whether every scored unit must be of one of `kinds`.
    chunked : callable, optional
        ``chunked(evaluation, chunk, n_chunks)`` gives the sums by chunk, ``(chunk, ...)``, where terms for every
        entry would be too many (pairs of units).
    unfit : callable, optional
        ``unfit(evaluation)`` says what else is in the way, or gives an empty text.
    ceiling : {"", "repeats", "parts"}
        What the data against themselves are: averages over repeats of a trial, one part against another, or nothing.
    extrapolate : callable, optional
        ``extrapolate(full, half, gain, per)``: the value of averages over infinitely many repeats, from the sums of
        averages over all and over half of them; default: ``full + gain * (full - half)`` of the values.
    """

    name: str
    label: str
    unit: str
    kinds: frozenset[str]
    terms: Callable[[Evaluation], dict[str, np.ndarray]]
    combine: Callable[[Any, str], Any]
    needs: tuple[str, ...] = ("mean",)
    higher_is_better: bool = True
    floor: float = float("nan")
    perfect: float = float("nan")
    per_unit: bool = True
    exclusive: bool = False
    chunked: Callable[[Evaluation, np.ndarray, int], dict[str, np.ndarray]] | None = None
    unfit: Callable[[Evaluation], str] | None = None
    ceiling: str = ""
    extrapolate: Callable[[Any, Any, float, str], Any] | None = None

    def missing(self, evaluation: Evaluation) -> str:
        """Why this metric has no meaning for an evaluation; empty where it has one.

        Parameters
        ----------
        evaluation : Evaluation
            What is to be scored.

        Returns
        -------
        str
            One sentence, or nothing.
        """
        lacking = [name for name in self.needs if getattr(evaluation, name) is None]
        if lacking:
            return f"{self.name} needs {' and '.join(WORDS.get(name, name) for name in lacking)}."
        if not np.isfinite(evaluation.of_kind(*self.kinds)).any():
            return f"{self.name} needs {' or '.join(sorted(self.kinds))} units, and none is scored."
        scored = np.isfinite(evaluation.observed).any(axis=(0, 1))
        if self.exclusive and not np.isin(evaluation.kind[scored], list(self.kinds)).all():
            return f"{self.name} needs every scored unit to be {' or '.join(sorted(self.kinds))}."
        return "" if self.unfit is None else self.unfit(evaluation)

    def sums(self, evaluation: Evaluation, chunk: np.ndarray, n_chunks: int) -> dict[str, np.ndarray]:
        """Sums of the terms over every chunk.

        Parameters
        ----------
        evaluation : Evaluation
            What is scored.
        chunk : np.ndarray
            Chunk number of every bin, ``(trial, time)``; -1 is left out.
        n_chunks : int
            Number of chunks.

        Returns
        -------
        dict of str to np.ndarray
            ``(chunk, unit)``, or ``(chunk, pair)``.
        """
        if self.chunked is not None:
            return self.chunked(evaluation, chunk, n_chunks)
        return chunk_sums(self.terms(evaluation), chunk, n_chunks)

    def value(self, evaluation: Evaluation, per: str = "pooled") -> Any:
        """Score an evaluation.

        Parameters
        ----------
        evaluation : Evaluation
            What is scored.
        per : {"pooled", "unit"}
            One value, or one per unit.

        Returns
        -------
        float or np.ndarray
            A scalar, or ``(unit,)``.
        """
        if self.chunked is not None:
            whole = np.zeros(evaluation.observed.shape[:2], dtype=int)
            return self.combine({k: v[0] for k, v in self.chunked(evaluation, whole, 1).items()}, per)
        sums = {name: term.sum(axis=(0, 1)) for name, term in self.terms(evaluation).items()}
        return self.combine(sums, per)


def masked(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Values where True and zero elsewhere, whatever lies there."""
    return np.where(where, values, 0.0)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient, NaN where the denominator is zero."""
    numerator, denominator = np.asarray(numerator, float), np.asarray(denominator, float)
    usable = denominator != 0
    return np.where(usable, numerator / np.where(usable, denominator, 1.0), np.nan)


def pool(values: np.ndarray, per: str) -> Any:
    """Sum over the last axis for a pooled value, unchanged for one per unit."""
    return np.asarray(values.sum(axis=-1)) if per == "pooled" else values


def average(values: np.ndarray, per: str) -> Any:
    """Mean over the units that have a value, or the values per unit."""
    if per == "unit":
        return values
    usable = np.isfinite(values)
    return ratio(np.where(usable, values, 0.0).sum(axis=-1), usable.sum(axis=-1))
