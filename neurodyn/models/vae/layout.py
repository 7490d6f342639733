"""From a recording to trials and windows on the device, and back."""

import dataclasses
import zlib
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, Integer

from neurodyn.inference.random import key_words

WHOLE_TRIALS = 500
WINDOW = 100
FEWEST = 10
SPECKLE = 0.2
FEW_SPECKLE = 0.1


def unit_seeds(labels: np.ndarray) -> Integer[np.ndarray, " unit"]:
    """One integer per unit that depends on its label alone."""
    return np.array([zlib.crc32(str(label).encode()) for label in labels.tolist()], dtype=np.uint32)


def window_length(n_time: int, window: int | None) -> int:
    """Bins the network sees at once: whole trials, unless they are long or a length is asked for."""
    if window is not None:
        return min(window, n_time)
    return n_time if n_time <= WHOLE_TRIALS else WINDOW


@dataclasses.dataclass(frozen=True)
class Windows:
    """Where windows of a recording begin.

    Parameters
    ----------
    trial, start : np.ndarray
        Trial and first bin of every window.
    length : int
        Bins of a window.
    """

    trial: Int[np.ndarray, " window"]
    start: Int[np.ndarray, " window"]
    length: int

    def cut(self, array: Float[np.ndarray, "trial time unit"]) -> Float[np.ndarray, "window time unit"]:
        """Pieces of an array; what lies after its end is zero (False)."""
        missing = max(int(self.start.max(initial=0)) + self.length - array.shape[1], 0)
        padded = np.pad(array, ((0, 0), (0, missing), (0, 0)))
        bins = self.start[:, None] + np.arange(self.length)
        return padded[self.trial[:, None], bins]


def tiled(n_trials: int, n_time: int, length: int) -> Windows:
    """Windows that overlap by half and cover every bin.

    Parameters
    ----------
    n_trials, n_time : int
        Of the recording.
    length : int
        Bins of a window.

    Returns
    -------
    Windows
        One per trial where it is as long as a trial.
    """
    starts = np.arange(0, max(n_time - length, 0) + 1, max(length // 2, 1))
    if starts[-1] + length < n_time:
        starts = np.append(starts, n_time - length)
    return Windows(np.repeat(np.arange(n_trials), len(starts)), np.tile(starts, n_trials), length)


class Pieces(NamedTuple):
    """Windows on the host, as `neurodyn.inference.vae.objective.Trials` has them on the device."""

    values: Float[np.ndarray, "window time unit"]
    fed: Bool[np.ndarray, "window time unit"]
    scored: Bool[np.ndarray, "window time unit"]


@dataclasses.dataclass(frozen=True)
class Parted:
    """Training and held-out windows.

    Parameters
    ----------
    train : Pieces
        What is fed and scored in training.
    held_out : Pieces or None
        What is fed and scored to decide when training has gone far enough.
    """

    train: Pieces
    held_out: Pieces | None


def part(
    values: Float[np.ndarray, "trial time unit"],
    mask: Bool[np.ndarray, "trial time unit"],
    fed: Bool[np.ndarray, "trial time unit"],
    length: int,
    share: float,
    seeds: Integer[np.ndarray, " unit"],
    key: jax.Array,
) -> Parted:
    """Set entries aside: in whole windows where there are enough of them, else speckled over all.

    In the windows set aside, what is scored is what `fed` hides or, where it hides nothing, a fifth of the entries.

    Parameters
    ----------
    values, mask, fed : array
        Data, what is observed, and what of it may be fed.
    length : int
        Bins of a window.
    share : float
        Share of the windows set aside; 0: nothing.
    seeds : array
        One integer per unit.
    key : jax.Array
        Which windows.

    Returns
    -------
    Parted
        The parts.
    """
    windows = tiled(mask.shape[0], mask.shape[1], length)
    cut = [windows.cut(array) for array in (values, mask, fed)]
    some = cut[1].any((1, 2))
    windows = Windows(windows.trial[some], windows.start[some], length)
    shown, observed, allowed = (array[some] for array in cut)
    if share == 0:
        return Parted(Pieces(shown, allowed, observed), None)
    words = key_words(key)
    generator = np.random.default_rng([*words, 0])
    if len(shown) < FEWEST:
        speckle = _speckle(words, seeds, observed.shape[:2], FEW_SPECKLE) & observed
        train = Pieces(shown, allowed & ~speckle, observed & ~speckle)
        if not train.fed.any() or not speckle.any():
            return Parted(Pieces(shown, allowed, observed), None)
        return Parted(train, Pieces(shown, allowed & ~speckle, speckle))
    count = max(round(share * len(shown)), 1)
    aside = np.zeros(len(shown), bool)
    aside[generator.permutation(len(shown))[:count]] = True
    hides = (observed & ~allowed)[aside].any()
    given = allowed[aside]
    if not hides:
        given &= ~_speckle(words, seeds, given.shape[:2], SPECKLE)
    held_out = Pieces(shown[aside], given, observed[aside] & ~given)
    clear = ~aside & ~_touched(windows, aside)
    return Parted(Pieces(shown[clear], allowed[clear], observed[clear]), held_out)


def _speckle(
    words: list[int], seeds: Integer[np.ndarray, " unit"], shape: tuple[int, int], share: float
) -> Bool[np.ndarray, "window time unit"]:
    """Coins that follow a unit wherever it stands."""
    drawn = [np.random.default_rng([*words, int(seed)]).random(shape) < share for seed in seeds]
    return np.stack(drawn, axis=-1)


def _touched(windows: Windows, aside: Bool[np.ndarray, " window"]) -> Bool[np.ndarray, " window"]:
    """Windows that share bins with one set aside."""
    found = np.zeros(len(aside), bool)
    for trial, start in zip(windows.trial[aside], windows.start[aside], strict=True):
        found |= (windows.trial == trial) & (np.abs(windows.start - start) < windows.length)
    return found


@dataclasses.dataclass(frozen=True)
class Rows:
    """What the network is run on to predict every bin of a recording.

    Parameters
    ----------
    windows : Windows
        One per row.
    visible : np.ndarray
        Last bin of the recording a row may see.
    row : np.ndarray
        The row that predicts a bin, ``(trial, time)``.
    """

    windows: Windows
    visible: Int[np.ndarray, " row"]
    row: Int[np.ndarray, "trial time"]


def rows(
    given: Bool[np.ndarray, "trial time unit"], length: int, mode: str, horizon: int, causal: bool
) -> Rows:
    """Windows to run so that every bin is predicted from what its mode allows.

    Bins that are predicted from the same entries share a row.

    Parameters
    ----------
    given : array
        What is observed.
    length : int
        Bins of a window.
    mode : str
        ``all``, ``past`` or ``present``.
    horizon : int
        Steps ahead in mode ``past``.
    causal : bool
        Whether the network's output depends on nothing later.

    Returns
    -------
    Rows
        Windows, and which of them predicts a bin.
    """
    n_trials, n_time = given.shape[:2]
    end = n_time - 1
    if mode == "all" or (mode == "present" and causal and length >= n_time):
        windows = tiled(n_trials, n_time, length)
        starts = np.unique(windows.start)
        margin = np.minimum(
            np.arange(n_time) - starts[:, None], starts[:, None] + length - 1 - np.arange(n_time)
        )
        best = np.argmax(margin, axis=0)
        row = np.arange(n_trials)[:, None] * len(starts) + best
        return Rows(windows, np.full(len(windows.trial), end), row)
    last = np.arange(n_time) - (horizon if mode == "past" else 0)
    observed = given.any(-1)
    latest = np.maximum.accumulate(np.where(observed, np.arange(n_time), -1), axis=1)
    effective = np.where(last >= 0, latest[:, np.maximum(last, 0)], -1)
    start = np.broadcast_to(np.clip(np.arange(n_time) - length + 1, 0, None), effective.shape)
    effective = np.where(effective < start, -1, effective)
    trial = np.broadcast_to(np.arange(n_trials)[:, None], effective.shape)
    distinct, row = np.unique(
        np.stack([trial.ravel(), start.ravel(), effective.ravel()], axis=1), axis=0, return_inverse=True
    )
    windows = Windows(distinct[:, 0], distinct[:, 1], length)
    return Rows(windows, distinct[:, 2], row.reshape(n_trials, n_time))
