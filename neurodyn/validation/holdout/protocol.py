"""What every protocol owes: named, describable, and a list of splits."""

import abc
import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.validation.layout import generator, has_trials, like_activity
from neurodyn.validation.split import EmptyPartError, Split


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol(abc.ABC):
    """A rule that says what is trained on, what is given and what is scored.

    Calling a protocol with a recording gives its first `Split`; `splits` gives all of them.
    """

    name: ClassVar[str]

    @abc.abstractmethod
    def describe(self) -> str:
        """Say what the protocol holds out, in one sentence.

        Returns
        -------
        str
            One sentence.
        """

    @abc.abstractmethod
    def _count(self, recording: xr.Dataset) -> int:
        """Number of splits of this recording; raises `NotApplicable` where the protocol has no meaning."""

    @abc.abstractmethod
    def _make(self, recording: xr.Dataset, fold: int) -> Split:
        """Make one split."""

    def __call__(self, recording: xr.Dataset) -> Split:
        """Return the first split of a recording.

        Parameters
        ----------
        recording : xr.Dataset
            A recording.

        Returns
        -------
        Split
            Fold 0.
        """
        self._count(recording)
        return self._make(recording, 0)

    def iterate(self, recording: xr.Dataset) -> Iterator[Split]:
        """Yield the splits one by one, for recordings whose masks should not all be in memory.

        Parameters
        ----------
        recording : xr.Dataset
            A recording.

        Yields
        ------
        Split
            One per fold.
        """
        for fold in range(self._count(recording)):
            yield self._make(recording, fold)

    def splits(self, recording: xr.Dataset, *, skip_empty: bool = False) -> list[Split]:
        """Return all splits of a recording.

        Parameters
        ----------
        recording : xr.Dataset
            A recording.
        skip_empty : bool
            Leave out folds with nothing observed to learn from or to score, instead of raising.

        Returns
        -------
        list of Split
            One per fold.

        Raises
        ------
        NotApplicable
            If the protocol has no meaning for this recording, or the recording is too short for the folds.
        """
        if not skip_empty:
            return list(self.iterate(recording))
        found = []
        for fold in range(self._count(recording)):
            with contextlib.suppress(EmptyPartError):
                found.append(self._make(recording, fold))
        if not found:
            raise NotApplicable(
                f"no fold of {self.name} has entries to learn from and to score; use fewer folds."
            )
        return found

    def with_gap(self, minimum: int) -> "Protocol":
        """The same protocol with a gap of at least `minimum` bins, where it has a gap.

        Parameters
        ----------
        minimum : int
            Bins, such as the largest reach of the models compared.

        Returns
        -------
        Protocol
            Itself where the protocol has no gap or its gap was stated by the user and suffices.
        """
        stated = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if "minimum_gap" not in stated:
            return self
        return dataclasses.replace(self, minimum_gap=max(minimum, stated["minimum_gap"]))


def require_trials(recording: xr.Dataset, name: str, needed: int, instead: str) -> int:
    """Number of trials, or a sentence that says how many are missing."""
    if not has_trials(recording):
        raise NotApplicable(
            f"{name} needs a recording cut into trials, this one has no trial dim; use {instead}."
        )
    count = int(recording["activity"].sizes["trial"])
    if count < needed:
        raise NotApplicable(
            f"{name} needs at least {needed} trials, this recording has {count}; use fewer folds or "
            f"{instead}."
        )
    return count


def fold_numbers(n_items: int, folds: int, order: str, key: Any) -> np.ndarray:
    """Fold of every item, balanced in size: interleaved, contiguous or at random."""
    if order == "contiguous":
        return np.arange(n_items) * folds // n_items
    numbers = np.arange(n_items) % folds
    return generator(key, "fold_numbers").permutation(numbers) if order == "random" else numbers


def following(fold_of: np.ndarray, fold: int, folds: int, number: int) -> np.ndarray:
    """Indices of the first `number` items after those of a fold, in the order in which folds are held out."""
    later = np.argsort((fold_of - fold) % folds, kind="stable")
    return np.sort(later[(fold_of[later] != fold)][:number])


def kept_words(number: int, what: str) -> str:
    """A sentence on what is neither trained on nor scored, where there is such."""
    return f" Of the rest, {number} {what} are kept for validation." if number else ""


def coordinate(name: str, value: Any, where: str) -> str:
    """Return the name of a coordinate, or say what was found."""
    if not isinstance(value, str) or not value:
        raise ModelError(f"{where}: {name} is {value!r}; name a coordinate on trial or time.")
    return value


def group_codes(recording: xr.Dataset, coord: str, where: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Group code of every trial or bin (-1: no label), the labels, and the dim they lie on."""
    if coord not in recording.coords:
        held = ", ".join(str(name) for name in recording.coords) or "no coordinates"
        raise NotApplicable(f"{where} needs the coordinate {coord!r}; this recording has {held}.")
    values = recording[coord]
    dim = values.dims[0] if values.ndim == 1 else None
    if dim not in ("trial", "time"):
        raise NotApplicable(
            f"{where} needs {coord!r} on trial or on time, it lies on {values.dims}; label every trial or bin."
        )
    import pandas

    codes, labels = pandas.factorize(values.values)
    return np.asarray(codes), np.asarray(labels), str(dim)


def part(recording: xr.Dataset, values: np.ndarray) -> xr.DataArray:
    """A mask with the dims of the activity; broadcast axes cost no memory."""
    return like_activity(recording, values)
