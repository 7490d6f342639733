"""Held-out units (co-smoothing), and entries speckled over the recording in blocks."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.recording import trial_lengths
from neurodyn.validation.holdout.along_time import block_of_time, check_gap, held_out
from neurodyn.validation.holdout.protocol import Protocol, part, require_trials
from neurodyn.validation.layout import generator, has_trials, proportion, shape3, whole
from neurodyn.validation.split import Split, inside

SHORTEST_PATCH = 10
PATCH_SHARE = 0.02


@dataclasses.dataclass(frozen=True, kw_only=True)
class Units(Protocol):
    """Co-smoothing; see `neurodyn.validation.holdout.units`.

    Parameters
    ----------
    fraction : float
        Share of units, or of stretches, held out.
    trials : float
        Share of trials (or of time) held out.
    folds : int
        Number of splits.
    gap : int, optional
        Bins hidden from training around the held-out part; None: the autocorrelation time.
    minimum_gap : int
        Least gap in bins, raised by a comparison to the longest reach of its models.
    key : int or jax.Array
        Draws what is held out.
    """

    name: ClassVar[str] = "units"
    fraction: float = 0.25
    trials: float = 0.2
    folds: int = 1
    gap: int | None = None
    minimum_gap: int = 0
    key: Any

    def describe(self) -> str:
        """Say what the protocol holds out.

        Returns
        -------
        str
            One sentence.
        """
        return (
            f"{self.fraction:.0%} of the units in {self.trials:.0%} of the trials (or of time), predicted "
            "from the "
            "other units at the same time (co-smoothing)."
        )

    def _count(self, recording: xr.Dataset) -> int:
        if shape3(recording)[2] < 2:
            raise NotApplicable("units needs at least 2 units, this recording has 1; use holdout.blocks.")
        if has_trials(recording):
            require_trials(recording, "units", 2, "holdout.blocks")
        elif shape3(recording)[1] < 10:
            raise NotApplicable(
                f"units needs at least 10 bins, this recording has {shape3(recording)[1]}; record longer."
            )
        return self.folds

    def _make(self, recording: xr.Dataset, fold: int) -> Split:
        n_trials, _, n_units = shape3(recording)
        hidden = np.zeros(n_units, dtype=bool)
        hidden[held_out(n_units, self.fraction, fold, int(generator(self.key, "units").integers(2**31)))] = (
            True
        )
        within = inside(recording)[:, :, 0]
        if has_trials(recording):
            chosen = np.zeros(n_trials, dtype=bool)
            chosen[
                held_out(n_trials, self.trials, fold, int(generator(self.key, "trials").integers(2**31)))
            ] = True
            test = within & chosen[:, None]
            train, gap, where = within & ~chosen[:, None], 0, f"{int(chosen.sum())} of {n_trials} trials"
        else:
            test, train, gap = block_of_time(recording, self.trials, fold, self.gap, self.minimum_gap)
            chosen = None
            where = f"{int(test.sum())} consecutive bins"
        shown = ~hidden[None, None, :]
        return Split(
            recording=recording,
            train_mask=part(recording, train[:, :, None]),
            inputs_mask=part(recording, train[:, :, None] & shown),
            given_mask=part(recording, test[:, :, None] & shown),
            target_mask=part(recording, test[:, :, None] & ~shown),
            mode="all",
            protocol=self.name,
            fold=fold,
            label=f"{int(hidden.sum())} of {n_units} units in {where}",
            gap=gap,
            test_trials=None if chosen is None else np.flatnonzero(chosen),
        )


def units(
    fraction: float = 0.25, *, trials: float = 0.2, folds: int = 1, gap: int | None = None, key: Any
) -> Units:
    """Hold out units in held-out trials, predicted from the other units (co-smoothing).

    Training trials show all units, but the held-out ones are never *fed* to the model (``inputs``); in test
    trials the others are given. Where there are no trials, a block of time takes their place.

    Parameters
    ----------
    fraction : float
        Share of units held out.
    trials : float
        Share of trials (or of time) held out.
    folds : int
        Number of splits, with disjoint units and trials as far as they go.
    gap : int, optional
        Bins hidden from training around the block of time; default: the autocorrelation time.
    key : int or jax.Array
        Draws the units and trials.

    Returns
    -------
    Units
        The protocol.

    Raises
    ------
    ModelError
        If an argument is out of range.

    References
    ----------
    .. [1] Pei, F. et al. (2021). Neural Latents Benchmark '21. arXiv:2109.04463.
       doi:10.48550/arXiv.2109.04463

    Examples
    --------
    >>> from neurodyn.validation import holdout
    >>> holdout.units(fraction=0.25, trials=0.2, key=0).name
    'units'
    """
    return Units(
        fraction=proportion("fraction", fraction, "holdout.units"),
        trials=proportion("trials", trials, "holdout.units"),
        folds=whole("folds", folds, 1, "holdout.units"),
        gap=check_gap(gap, "holdout.units"),
        key=key,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entries(Protocol):
    """Speckled entries in blocks; see `neurodyn.validation.holdout.entries`.

    Parameters
    ----------
    fraction : float
        Share of units, or of stretches, held out.
    length : int, optional
        Bins of one stretch; None: 2 % of the time axis, at least 10.
    folds : int
        Number of splits.
    key : int or jax.Array
        Draws what is held out.
    """

    name: ClassVar[str] = "entries"
    fraction: float = 0.1
    length: int | None = None
    folds: int = 1
    key: Any

    def describe(self) -> str:
        """Say what the protocol holds out.

        Returns
        -------
        str
            One sentence.
        """
        width = "short stretches" if self.length is None else f"stretches of {self.length} bins"
        share = f"{self.fraction:.0%} of the entries"
        return f"{share}, speckled over units in {width}, predicted from everything else."

    def _patch(self, recording: xr.Dataset) -> int:
        """Bins of one patch; fixed by the recording's length, never by its values."""
        longest = int(trial_lengths(recording).max())
        return min(self.length or max(SHORTEST_PATCH, round(PATCH_SHARE * longest)), longest)

    def _count(self, recording: xr.Dataset) -> int:
        n_trials, n_time, n_units = shape3(recording)
        patches = n_trials * n_units * -(-n_time // self._patch(recording))
        needed = int(np.ceil(1 / self.fraction))
        if patches < needed:
            raise NotApplicable(
                f"entries holds out {self.fraction:.0%} of stretches of {self._patch(recording)} bins, but "
                "this "
                f"recording has only {patches} of them; shorten them with length=."
            )
        return self.folds

    def _make(self, recording: xr.Dataset, fold: int) -> Split:
        n_trials, n_time, n_units = shape3(recording)
        patch = self._patch(recording)
        n_patches = -(-n_time // patch)
        count = n_trials * n_patches * n_units
        seed = int(generator(self.key, "entries").integers(2**31))
        drawn = np.zeros(count, dtype=bool)
        drawn[held_out(count, self.fraction, fold, seed)] = True
        speckle = np.repeat(drawn.reshape(n_trials, n_patches, n_units), patch, axis=1)[:, :n_time]
        within = inside(recording)
        rest = within & ~speckle
        return Split(
            recording=recording,
            train_mask=part(recording, rest),
            given_mask=part(recording, rest),
            target_mask=part(recording, within & speckle),
            mode="all",
            protocol=self.name,
            fold=fold,
            label=f"{int(drawn.sum())} stretches of {patch} bins of single units",
        )


def entries(fraction: float = 0.1, *, length: int | None = None, folds: int = 1, key: Any) -> Entries:
    """Hold out stretches of single units, speckled over the recording, predicted from everything else.

    Parameters
    ----------
    fraction : float
        Share of the stretches held out.
    length : int, optional
        Bins of one stretch; default: 2 % of the time axis, at least 10 bins. Single bins (``length=1``) can
        be interpolated from their neighbours and say little about dynamics.
    folds : int
        Number of splits, disjoint as far as they go.
    key : int or jax.Array
        Draws the stretches.

    Returns
    -------
    Entries
        The protocol.

    Raises
    ------
    ModelError
        If an argument is out of range.

    References
    ----------
    .. [1] Wold, S. (1978). Cross-validatory estimation of the number of components in factor and principal
       components models. Technometrics 20, 397-405. doi:10.1080/00401706.1978.10489693

    Examples
    --------
    >>> from neurodyn.validation import holdout
    >>> holdout.entries(0.1, length=20, key=0).length
    20
    """
    if key is None:
        raise ModelError("holdout.entries: key is None; pass e.g. key=0.")
    return Entries(
        fraction=proportion("fraction", fraction, "holdout.entries"),
        length=None if length is None else whole("length", length, 1, "holdout.entries"),
        folds=whole("folds", folds, 1, "holdout.entries"),
        key=key,
    )
