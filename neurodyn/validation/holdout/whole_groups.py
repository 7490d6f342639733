"""Whole groups: runs, sessions, subjects or conditions."""

import dataclasses
import warnings
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from neurodyn.errors import NeurodynWarning, NotApplicable
from neurodyn.validation.holdout.along_time import check_gap, resolve_gap
from neurodyn.validation.holdout.protocol import (
    Protocol,
    coordinate,
    fold_numbers,
    following,
    group_codes,
    kept_words,
    part,
)
from neurodyn.validation.layout import near, whole
from neurodyn.validation.split import Split, inside


@dataclasses.dataclass(frozen=True, kw_only=True)
class Groups(Protocol):
    """Whole runs, sessions or subjects; see `neurodyn.validation.holdout.groups`.

    Parameters
    ----------
    coord : str
        Coordinate that labels the groups.
    folds : int, optional
        Number of splits; None: one per group.
    adapt : bool
        Whether the first half of a held-out group is used to adapt.
    gap : int, optional
        Bins hidden from training around the held-out part; None: the autocorrelation time.
    minimum_gap : int
        Least gap in bins, raised by a comparison to the longest reach of its models.
    horizon : int
        Bins ahead each entry is predicted.
    validation : int
        Groups kept from training for ``split.validation``.
    key : int or jax.Array, optional
        Deals the groups to the folds at random; None: in turn, as they first appear.
    """

    name: ClassVar[str] = "groups"
    coord: str
    folds: int | None = None
    adapt: bool = False
    gap: int | None = None
    minimum_gap: int = 0
    horizon: int = 1
    validation: int = 0
    key: Any = None

    @property
    def label(self) -> str:
        """Name in a table: what is held out."""
        return self.coord if self.coord.endswith("s") else f"{self.coord}s"

    def describe(self) -> str:
        """Say what the protocol holds out.

        Returns
        -------
        str
            One sentence.
        """
        which = "each" if self.folds is None else f"{self.folds} sets"
        local = (
            " Local parameters are learnt on its first half; the second half is scored, for every model."
            if self.adapt
            else ""
        )
        return f"Leave {which} {self.coord} out, and predict it from its own past.{local}" + kept_words(
            self.validation, self.label
        )

    def _count(self, recording: xr.Dataset) -> int:
        _, labels, dim = group_codes(recording, self.coord, self.name)
        folds = self.folds or max(len(labels), 1)
        needed = max(self.folds or 2, -(-len(labels) // folds) + self.validation + 1)
        if len(labels) < needed:
            raise NotApplicable(
                f"groups needs at least {needed} values of {self.coord!r} on {dim}, this recording has "
                f"{len(labels)}; use fewer folds, holdout.trials or holdout.blocks."
            )
        return self.folds or len(labels)

    def _make(self, recording: xr.Dataset, fold: int) -> Split:
        codes, labels, dim = group_codes(recording, self.coord, self.name)
        folds = self._count(recording)
        order = "interleaved" if self.key is None else "random"
        fold_of = fold_numbers(len(labels), folds, order, self.key)
        held = (codes >= 0) & (fold_of[codes] == fold)
        kept = np.isin(codes, following(fold_of, fold, folds, self.validation))
        within = inside(recording)[:, :, 0]
        on_time = dim == "time"
        test, validation = (within & (who[None, :] if on_time else who[:, None]) for who in (held, kept))
        gap = 0
        if on_time:
            gap = self._gap(recording, codes, test)
        labelled = (codes >= 0)[None, :] if on_time else (codes >= 0)[:, None]
        train = within & labelled & ~near(test | validation, gap)
        validation &= ~near(test, gap)
        scored, adapt = test, None
        if self.adapt:
            adapt, scored = self._halves(recording, codes, held, test, on_time)
        names = ", ".join(str(label) for label in labels[fold_of == fold][:4])
        return Split(
            recording=recording,
            train_mask=part(recording, train[:, :, None]),
            given_mask=part(recording, scored[:, :, None]),
            target_mask=part(recording, scored[:, :, None]),
            adapt_mask=None if adapt is None else part(recording, adapt[:, :, None]),
            validation_mask=part(recording, validation[:, :, None]) if self.validation else None,
            horizon=self.horizon,
            protocol=f"groups({self.coord})",
            fold=fold,
            label=f"{self.coord} {names}",
            gap=gap,
            test_trials=None if on_time else np.flatnonzero(scored.any(axis=1)),
        )

    def _gap(self, recording: xr.Dataset, codes: np.ndarray, test: np.ndarray) -> int:
        """Gap at the borders: none where every group is one unbroken run, unless one is asked for."""
        starts = np.flatnonzero(np.diff(codes, prepend=codes[0] - 1))
        broken = len(starts) > len(np.unique(codes))
        if not broken and self.gap is None:
            return self.minimum_gap
        if broken and self.gap is None:
            warnings.warn(
                f"{self.coord!r} comes back to the same label along time, so held-out stretches border on "
                "training "
                "ones; a gap of the autocorrelation time is left out of training on either side.",
                NeurodynWarning,
                stacklevel=5,
            )
        return resolve_gap(recording, test, self.gap, self.minimum_gap)

    def _halves(
        self, recording: xr.Dataset, codes: np.ndarray, held: np.ndarray, test: np.ndarray, on_time: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """First half of every held-out group to adapt on, second half to score; bins ``(trial, time)``."""
        adapt, scored = np.zeros_like(test), np.zeros_like(test)
        for code in np.unique(codes[held]):
            members = np.flatnonzero(codes == code)
            if not on_time and len(members) == 1:
                bins = np.flatnonzero(test[members[0]])
                half = len(bins) // 2
                adapt[members[0], bins[:half]] = True
                gap = resolve_gap(recording, adapt, self.gap, self.minimum_gap)
                scored[members[0], bins[half + gap :]] = True
                continue
            first, second = members[: len(members) // 2], members[len(members) // 2 :]
            if on_time:
                adapt[:, first] = test[:, first]
                second = second[resolve_gap(recording, adapt, self.gap, self.minimum_gap) :]
                scored[:, second] = test[:, second]
            else:
                adapt[first], scored[second] = test[first], test[second]
        return adapt, scored


def groups(
    coord: str,
    folds: int | None = None,
    *,
    adapt: bool = False,
    gap: int | None = None,
    horizon: int = 1,
    validation: int = 0,
    key: Any = None,
) -> Groups:
    """Hold out whole runs, sessions, subjects or conditions, each predicted from its own past.

    Parameters
    ----------
    coord : str
        Coordinate that labels the groups, on ``trial`` or on ``time``; unlabelled entries are not used.
    folds : int, optional
        Number of sets of groups; default: leave one group out.
    adapt : bool
        For models with local parameters: the first half of every held-out group (its trials, or its time) is
        used by ``fit.adapt`` only, and the second half is scored, the same for every model.
    gap : int, optional
        Bins hidden at the borders of groups along time. Default: none where every group is one unbroken run,
        else the autocorrelation time.
    horizon : int
        Bins ahead each entry is predicted.
    validation : int
        Groups that are kept from training too and never scored: ``split.validation``, for early stopping and the
        choice of hyperparameters.
    key : int or jax.Array, optional
        Deals the groups to the sets at random; default: in turn, as they first appear.

    Returns
    -------
    Groups
        The protocol.

    Raises
    ------
    ModelError
        If an argument is out of range.

    Examples
    --------
    >>> from neurodyn.validation import holdout
    >>> holdout.groups("run").describe()
    'Leave each run out, and predict it from its own past.'

    Of 65 conditions, 46 to train on, 6 to stop by and 13 to score:

    >>> from neurodyn.simulate.lorenz import lorenz_population
    >>> recording = lorenz_population(key=0, n_trials=2, n_units=3, n_bins=5)
    >>> split = holdout.groups("condition", 5, validation=6, key=0)(recording)
    >>> shown = [part["activity"].notnull().any(("time", "unit")) for part in (split.train, split.validation, split.target)]
    >>> [len(set(recording["condition"].values[trials.values])) for trials in shown]
    [46, 6, 13]
    """
    return Groups(
        coord=coordinate("coord", coord, "holdout.groups"),
        folds=None if folds is None else whole("folds", folds, 2, "holdout.groups"),
        adapt=bool(adapt),
        gap=check_gap(gap, "holdout.groups"),
        horizon=whole("horizon", horizon, 1, "holdout.groups"),
        validation=whole("validation", validation, 0, "holdout.groups"),
        key=key,
    )
