"""Whole trials."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.validation.holdout.protocol import (
    Protocol,
    coordinate,
    fold_numbers,
    following,
    group_codes,
    kept_words,
    part,
    require_trials,
)
from neurodyn.validation.layout import derived_key, whole
from neurodyn.validation.split import Split, inside

ORDERS = ("interleaved", "contiguous", "random")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trials(Protocol):
    """Whole trials; see `neurodyn.validation.holdout.trials`.

    Parameters
    ----------
    folds : int
        Number of splits.
    horizon : int
        Bins ahead each entry is predicted.
    order : str
        How trials are dealt to the folds.
    within : str, optional
        Coordinate on ``trial``; the trials of each of its labels are dealt to the folds by themselves.
    validation : int
        Trials (of every label) kept from training for ``split.validation``.
    key : int or jax.Array
        Draws what is held out.
    """

    name: ClassVar[str] = "trials"
    folds: int = 5
    horizon: int = 1
    order: str = "interleaved"
    within: str | None = None
    validation: int = 0
    key: Any = None

    def describe(self) -> str:
        """Say what the protocol holds out.

        Returns
        -------
        str
            One sentence.
        """
        share = "" if self.within is None else f", of every {self.within}"
        return (
            f"{self.folds} {self.order} sets of whole trials{share}, each held out in turn and predicted "
            f"{self.horizon} bin{'s' * (self.horizon > 1)} ahead from the trial's own past."
            + kept_words(
                self.validation, "trials" if self.within is None else f"trials of every {self.within}"
            )
        )

    def _strata(self, recording: xr.Dataset) -> list[np.ndarray]:
        """Indices of the trials that are dealt to the folds together."""
        if self.within is None:
            return [np.arange(recording["activity"].sizes["trial"])]
        codes, labels, dim = group_codes(recording, self.within, self.name)
        if dim != "trial":
            raise NotApplicable(
                f"trials needs {self.within!r} on trial, it lies on {dim}; label every trial."
            )
        return [np.flatnonzero(codes == code) for code in range(len(labels))]

    def _count(self, recording: xr.Dataset) -> int:
        require_trials(recording, "trials", self.folds, "holdout.blocks")
        strata = self._strata(recording)
        fewest = min((len(stratum) for stratum in strata), default=0)
        needed = -(-fewest // self.folds) + self.validation + 1
        if fewest < needed:
            whose = "" if self.within is None else f" of every {self.within}"
            raise NotApplicable(
                f"trials needs at least {needed} trials{whose} to leave one to train on, this recording has {fewest}; use "
                "more folds, or fewer trials of validation."
            )
        return self.folds

    def _make(self, recording: xr.Dataset, fold: int) -> Split:
        n_trials = int(recording["activity"].sizes["trial"])
        chosen, kept, known = np.zeros((3, n_trials), dtype=bool)
        for number, stratum in enumerate(self._strata(recording)):
            # Trials without strata are dealt by the key itself.
            key = (
                derived_key(self.key, number)
                if self.within is not None and self.order == "random"
                else self.key
            )
            fold_of = fold_numbers(len(stratum), self.folds, self.order, key)
            known[stratum] = True
            chosen[stratum] = fold_of == fold
            kept[stratum[following(fold_of, fold, self.folds, self.validation)]] = True
        within = inside(recording) & known[:, None, None]
        test, validation = (within & which[:, None, None] for which in (chosen, kept))
        return Split(
            recording=recording,
            train_mask=part(recording, within & ~test & ~validation),
            given_mask=part(recording, test),
            target_mask=part(recording, test),
            validation_mask=part(recording, validation) if self.validation else None,
            horizon=self.horizon,
            protocol=self.name,
            fold=fold,
            label=f"{int(chosen.sum())} of {n_trials} trials",
            test_trials=np.flatnonzero(chosen),
        )


def trials(
    folds: int = 5,
    *,
    horizon: int = 1,
    order: str | None = None,
    within: str | None = None,
    validation: int = 0,
    key: Any = None,
) -> Trials:
    """Hold out whole trials, each predicted from its own past.

    Parameters
    ----------
    folds : int
        Sets of trials, each held out once.
    horizon : int
        Bins ahead each entry is predicted.
    order : {"interleaved", "contiguous", "random"}, optional
        How trials are dealt to the folds: every `folds`-th one, stretches of neighbours (harder: slow drift
        cannot be interpolated), or at random. Default: random with a key, else interleaved.
    within : str, optional
        Coordinate on ``trial``, such as a condition: every fold then holds out its share of the trials of every label.
        Trials without a label are not used. To hold out whole conditions, see `groups`.
    validation : int
        Trials (of every label, with `within`) that are kept from training too and never scored: ``split.validation``,
        for early stopping and the choice of hyperparameters.
    key : int or jax.Array, optional
        Randomness of ``order="random"``.

    Returns
    -------
    Trials
        The protocol.

    Raises
    ------
    ModelError
        If an argument is out of range.

    Examples
    --------
    >>> from neurodyn.validation import holdout
    >>> holdout.trials(5).order
    'interleaved'
    >>> holdout.trials(5, within="condition", validation=2).describe()[:54]
    '5 interleaved sets of whole trials, of every condition'
    """
    order = order or ("interleaved" if key is None else "random")
    if order not in ORDERS:
        raise ModelError(f"holdout.trials: order is {order!r}; choose one of {', '.join(ORDERS)}.")
    if order == "random" and key is None:
        raise ModelError("holdout.trials: order='random' needs a key; pass e.g. key=0.")
    return Trials(
        folds=whole("folds", folds, 2, "holdout.trials"),
        horizon=whole("horizon", horizon, 1, "holdout.trials"),
        order=order,
        within=None if within is None else coordinate("within", within, "holdout.trials"),
        validation=whole("validation", validation, 0, "holdout.trials"),
        key=key,
    )
