"""Contiguous blocks of time, with a gap; and the future."""

import dataclasses
import warnings
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NeurodynWarning, NotApplicable
from neurodyn.recording import trial_lengths
from neurodyn.validation.holdout.autocorrelation import LARGEST_SHARE, autocorrelation_time
from neurodyn.validation.holdout.protocol import Protocol, fold_numbers, part, require_trials
from neurodyn.validation.layout import (
    as3,
    generator,
    has_trials,
    near,
    proportion,
    shape3,
    whole,
)
from neurodyn.validation.split import Split, inside


def check_gap(gap: Any, where: str) -> int | None:
    """Return the gap in bins, or None for the default."""
    return None if gap is None else whole("gap", gap, 0, where)


def resolve_gap(recording: xr.Dataset, test: np.ndarray, gap: int | None, minimum: int) -> int:
    """Gap in bins around the held-out bins ``(trial, time)``.

    The default is the autocorrelation time, capped. It is estimated on the bins further than the cap from
    the held-out part, so that no value outside the training part decides what the training part is.
    """
    if gap is not None:
        return max(gap, minimum)
    longest = int(trial_lengths(recording).max())
    cap = int(np.ceil(LARGEST_SHARE * longest))
    allowed = ~near(test, max(cap, minimum))[:, :, None] & inside(recording)
    values = as3(recording["activity"])
    return max(autocorrelation_time(values, allowed & np.isfinite(values), cap), minimum)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blocks(Protocol):
    """Contiguous blocks of time; see `neurodyn.validation.holdout.blocks`.

    Parameters
    ----------
    folds : int
        Number of splits.
    gap : int, optional
        Bins hidden from training around the held-out part; None: the autocorrelation time.
    minimum_gap : int
        Least gap in bins, raised by a comparison to the longest reach of its models.
    horizon : int
        Bins ahead each entry is predicted.
    shuffled : bool
        Single bins instead of contiguous blocks.
    key : int or jax.Array
        Draws what is held out.
    """

    name: ClassVar[str] = "blocks"
    folds: int = 5
    gap: int | None = None
    minimum_gap: int = 0
    horizon: int = 1
    shuffled: bool = False
    key: Any = None

    def describe(self) -> str:
        """Say what the protocol holds out.

        Returns
        -------
        str
            One sentence.
        """
        if self.shuffled:
            return f"{self.folds} folds of shuffled time bins, each bin predicted from its held-out past."
        width = "its autocorrelation time" if self.gap is None else f"{max(self.gap, self.minimum_gap)} bins"
        return (
            f"{self.folds} contiguous blocks of time, each held out in turn with a gap of {width} on "
            "either side, "
            f"and predicted {self.horizon} bin{'s' * (self.horizon > 1)} ahead from its own past."
        )

    def _count(self, recording: xr.Dataset) -> int:
        longest = int(trial_lengths(recording).max())
        if longest < 2 * self.folds:
            raise NotApplicable(
                f"blocks needs at least {2 * self.folds} bins for {self.folds} folds, this recording has "
                f"{longest}; "
                "use fewer folds."
            )
        return self.folds

    def _make(self, recording: xr.Dataset, fold: int) -> Split:
        n_trials, n_time, _ = shape3(recording)
        within = inside(recording)[:, :, 0]
        if self.shuffled:
            warnings.warn(
                "time bins are shuffled between training and test: neighbouring bins are alike, so a model "
                "that "
                "learnt nothing but slow drift scores high; use contiguous blocks for any claim.",
                NeurodynWarning,
                stacklevel=4,
            )
            number = np.broadcast_to(fold_numbers(n_time, self.folds, "random", self.key), within.shape)
            gap = 0
        else:
            lengths = np.maximum(trial_lengths(recording), 1)[:, None]
            number = np.minimum(np.arange(n_time) * self.folds // lengths, self.folds - 1)
            gap = -1
        test = (number == fold) & within
        if gap < 0:
            gap = resolve_gap(recording, test, self.gap, self.minimum_gap)
        train = within & ~near(test, gap)
        interval = float(recording.attrs.get("sampling_interval", 1.0))
        first, last = np.flatnonzero(test.any(axis=0))[[0, -1]]
        label = f"bins {first} to {last}, {first * interval:g} to {(last + 1) * interval:g} s"
        if n_trials > 1:
            label = f"part {fold + 1} of {self.folds} of every trial"
        return Split(
            recording=recording,
            train_mask=part(recording, train[:, :, None]),
            given_mask=part(recording, (within if self.shuffled else test)[:, :, None]),
            target_mask=part(recording, test[:, :, None]),
            mode="past",
            horizon=self.horizon,
            protocol=self.name,
            fold=fold,
            label="shuffled bins" if self.shuffled else label,
            gap=gap,
        )


def blocks(
    folds: int = 5, *, gap: int | None = None, horizon: int = 1, shuffled: bool = False, key: Any = None
) -> Blocks:
    """Hold out contiguous blocks of time, each predicted from its own past.

    Parameters
    ----------
    folds : int
        Number of blocks; each trial is cut into as many.
    gap : int, optional
        Bins hidden from training on either side of the block. Default: the autocorrelation time of the
        training part (first lag below 1/e), capped at 5 % of the recording.
    horizon : int
        Bins ahead each entry is predicted.
    shuffled : bool
        Assign single bins to folds at random. Neighbouring bins then leak into training; a warning says so.
    key : int or jax.Array, optional
        Randomness, needed with `shuffled`.

    Returns
    -------
    Blocks
        The protocol.

    Raises
    ------
    ModelError
        If an argument is out of range.

    Examples
    --------
    >>> from neurodyn.validation import holdout
    >>> holdout.blocks(4, gap=10).describe()[:27]
    '4 contiguous blocks of time'
    """
    if shuffled and key is None:
        raise ModelError("holdout.blocks: shuffled=True needs a key; pass e.g. key=0.")
    return Blocks(
        folds=whole("folds", folds, 2, "holdout.blocks"),
        gap=check_gap(gap, "holdout.blocks"),
        horizon=whole("horizon", horizon, 1, "holdout.blocks"),
        shuffled=bool(shuffled),
        key=key,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Future(Protocol):
    """The bins after a cut; see `neurodyn.validation.holdout.future`.

    Parameters
    ----------
    bins : int
        How many bins are forecast.
    folds : int
        Number of splits.
    trials : float
        Share of trials (or of time) held out.
    key : int or jax.Array
        Draws what is held out.
    """

    name: ClassVar[str] = "future"
    bins: int
    folds: int = 1
    trials: float = 0.2
    key: Any = None

    def describe(self) -> str:
        """Say what the protocol holds out.

        Returns
        -------
        str
            One sentence.
        """
        return (
            f"The last {self.bins} bins, forecast from everything before them (of each held-out trial, "
            "where the "
            "recording has trials)."
        )

    def _count(self, recording: xr.Dataset) -> int:
        if not self._forward(recording):
            length = int(trial_lengths(recording).max())
            if length < self.bins * self.folds + 2:
                raise NotApplicable(
                    f"future needs at least {self.bins * self.folds + 2} bins for {self.folds} forecasts of "
                    f"{self.bins} bins, this recording has {length}; forecast fewer bins."
                )
            return self.folds
        count = require_trials(recording, "future", 2, "one trial without the trial dim")
        if (trial_lengths(recording) > self.bins).sum() < 2:
            raise NotApplicable(
                f"future hides the last {self.bins} bins of a trial, but fewer than 2 trials are longer; "
                "hide fewer bins."
            )
        return min(self.folds, max(1, count // max(1, round(self.trials * count))))

    @staticmethod
    def _forward(recording: xr.Dataset) -> bool:
        """Whether the forecast is at the end of trials rather than of the one recording."""
        return has_trials(recording) and int(recording["activity"].sizes["trial"]) > 1

    def _make(self, recording: xr.Dataset, fold: int) -> Split:
        return self._trials(recording, fold) if self._forward(recording) else self._one(recording, fold)

    def _one(self, recording: xr.Dataset, fold: int) -> Split:
        length = int(trial_lengths(recording)[0])
        cut = length - self.bins * (self.folds - fold)
        time = np.arange(shape3(recording)[1])[None, :, None]
        before, after = time < cut, (time >= cut) & (time < cut + self.bins)
        interval = float(recording.attrs.get("sampling_interval", 1.0))
        return Split(
            recording=recording,
            train_mask=part(recording, before),
            given_mask=part(recording, before),
            target_mask=part(recording, after),
            future_mask=part(recording, time >= cut).isel(unit=0, drop=True),
            protocol=self.name,
            fold=fold,
            label=f"the {self.bins} bins after {cut * interval:g} s",
        )

    def _trials(self, recording: xr.Dataset, fold: int) -> Split:
        n_trials, n_time, _ = shape3(recording)
        lengths = trial_lengths(recording)
        time = np.arange(n_time)[None, :]
        within = time < lengths[:, None]
        tail = within & (time >= lengths[:, None] - self.bins)
        long_enough = np.flatnonzero(lengths > self.bins)
        if len(long_enough) < n_trials:
            warnings.warn(
                f"{n_trials - len(long_enough)} of {n_trials} trials are not longer than the {self.bins} "
                "bins that "
                "are forecast; they are trained on but never scored.",
                NeurodynWarning,
                stacklevel=4,
            )
        test = held_out(len(long_enough), self.trials, fold, self.key)
        chosen = np.zeros(n_trials, dtype=bool)
        chosen[long_enough[test]] = True
        train = within & ~chosen[:, None]
        return Split(
            recording=recording,
            train_mask=part(recording, train[:, :, None]),
            inputs_mask=part(recording, (train & ~tail)[:, :, None]),
            given_mask=part(recording, (within & ~tail & chosen[:, None])[:, :, None]),
            target_mask=part(recording, (tail & chosen[:, None])[:, :, None]),
            future_mask=part(recording, (tail | ~within)[:, :, None]).isel(unit=0, drop=True),
            protocol=self.name,
            fold=fold,
            label=f"the last {self.bins} bins of {int(chosen.sum())} trials",
            test_trials=np.flatnonzero(chosen),
        )


def held_out(n_items: int, fraction: float, fold: int, key: Any) -> np.ndarray:
    """Indices held out in a fold: disjoint between folds, evenly spread or drawn with a key."""
    size = max(1, round(fraction * n_items))
    groups = n_items // size
    order = np.arange(n_items) if key is None else generator(key, "held_out", n_items).permutation(n_items)
    if groups < 2:
        return np.sort(order[np.linspace(0, n_items - 1, min(size, n_items - 1)).round().astype(int)])
    return np.sort(order[np.arange(n_items) % groups == fold % groups][:size])


def future(bins: int, *, folds: int = 1, trials: float = 0.2, key: Any = None) -> Future:
    """Hold out the bins after a cut, forecast from everything before it.

    With one recording, training and given are everything before the cut, and bin ``k`` after it is a
    ``k``-step forecast; further folds move the cut back by `bins`. With trials, the last bins of every trial
    (counted from its own ``n_bins``) are never fed to the model, and those of held-out trials are scored.

    Parameters
    ----------
    bins : int
        How many bins are forecast.
    folds : int
        Number of forecasts.
    trials : float
        Fraction of trials held out, where the recording has trials.
    key : int or jax.Array, optional
        Draws the held-out trials; default: evenly spread.

    Returns
    -------
    Future
        The protocol.

    Raises
    ------
    ModelError
        If an argument is out of range.

    Examples
    --------
    >>> from neurodyn.validation import holdout
    >>> holdout.future(10).bins
    10
    """
    return Future(
        bins=whole("bins", bins, 1, "holdout.future"),
        folds=whole("folds", folds, 1, "holdout.future"),
        trials=proportion("trials", trials, "holdout.future"),
        key=key,
    )


def block_of_time(recording: xr.Dataset, fraction: float, fold: int, gap: int | None, minimum: int) -> tuple:
    """A held-out stretch of the one recording: test and train bins ``(trial, time)``, and the gap."""
    n_time = shape3(recording)[1]
    groups = max(2, round(1 / fraction))
    number = np.arange(n_time) * groups // n_time
    test = (number == (groups - 1 - fold) % groups)[None, :] & inside(recording)[:, :, 0]
    gap = resolve_gap(recording, test, gap, minimum)
    return test, inside(recording)[:, :, 0] & ~near(test, gap), gap
