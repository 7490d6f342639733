"""What averages over repeats of a trial predict: learnt on training trials, scored on held-out ones."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from neurodyn.errors import ModelError
from neurodyn.validation.layout import as3, generator, has_trials, observed3
from neurodyn.validation.split import Split

CONDITIONS = ("condition", "stimulus", "stimulus_id")
FEWEST_REPEATS = 4
SINGLE = "no ceiling: a single presentation, with no repeat to compare it with."
WIDTHS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)


class Averages(NamedTuple):
    """Predictions of held-out entries by averages over other trials.

    Attributes
    ----------
    full : np.ndarray
        Average over all training trials of the condition, ``(trial, time, unit)``; NaN where there are too few.
    halves : tuple of np.ndarray
        Averages over one half of them, and over the other.
    inverse_full, inverse_half : float
        Mean of 1 / (trials averaged), over the scored entries.
    share : float
        Share of the scored entries that have a prediction.
    """

    full: np.ndarray
    halves: tuple[np.ndarray, np.ndarray]
    inverse_full: float
    inverse_half: float
    share: float


def conditions(recording: xr.Dataset, repeats: Any) -> tuple[np.ndarray | None, str]:
    """Condition of every trial as whole numbers, and what trials of a condition share; or None, and why not.

    Parameters
    ----------
    recording : xr.Dataset
        A recording.
    repeats : "auto", str, sequence of str, or None
        As for `neurodyn.validation.compare`.

    Returns
    -------
    number : np.ndarray or None
        ``(trial,)``.
    words : str
        For the note beside the ceiling, or the reason.

    Raises
    ------
    ModelError
        If a coordinate does not exist on the trials.
    """
    if repeats is None:
        return None, "no ceiling: the trials were not taken as repeats of each other."
    if isinstance(repeats, str) and repeats == "auto":
        names: Sequence[str] = [n for n in CONDITIONS if n in recording.coords and _of_trials(recording, n)][
            :1
        ]
    else:
        names = [repeats] if isinstance(repeats, str) else list(repeats)
        absent = [name for name in names if name not in recording.coords or not _of_trials(recording, name)]
        if absent:
            known = [str(name) for name in recording.coords if _of_trials(recording, str(name))]
            raise ModelError(
                f"compare: repeats names {absent[0]!r}, which is no coordinate of the trials; there are "
                f"{', '.join(known) or 'none'}."
            )
    if not has_trials(recording) or recording.sizes["trial"] <= FEWEST_REPEATS:
        return None, SINGLE
    if recording.attrs.get("time_unit") == "trial":
        return None, "no ceiling: the sequences of choices are not repeats of each other."
    if not names:
        return np.zeros(recording.sizes["trial"], dtype=int), "aligned in time"
    labels = [
        "|".join(map(str, row)) for row in zip(*(recording[n].values.tolist() for n in names), strict=True)
    ]
    return np.unique(labels, return_inverse=True)[1].reshape(-1), f"with the same {' and '.join(names)}"


def _of_trials(recording: xr.Dataset, name: str) -> bool:
    """Whether a coordinate has one value per trial."""
    return name in recording.coords and recording[name].dims == ("trial",) and name != "trial"


def averages(split: Split, condition: np.ndarray, key: Any) -> Averages | None:
    """Predict the scored entries from averages over training trials of the same condition.

    Averages are smoothed over time with a Gaussian kernel, whose width is chosen for each unit by how well one half
    of the training trials predicts the other; they never hold the predicted trial itself. Counts are kept at 2 % of
    the unit's mean rate or above.

    Parameters
    ----------
    split : Split
        What is trained on and what is scored.
    condition : np.ndarray
        ``(trial,)``: condition of every trial.
    key : int or jax.Array
        Draws the halves.

    Returns
    -------
    Averages or None
        None where no scored entry has enough repeats.
    """
    values = as3(split.recording["activity"]).astype(float)
    trained = np.isfinite(as3(split.train["activity"]))
    scored = np.asarray(as3(split.target_mask)) & observed3(split.recording)
    values = np.where(trained, values, 0.0)
    half = _halves(np.asarray(trained.any(axis=(1, 2))), condition, key)
    counting = split.recording["kind"].values.astype(str) == "count"
    mean = values.sum(axis=(0, 1)) / np.maximum(trained.sum(axis=(0, 1)), 1)
    floor = np.where(counting, np.maximum(0.02 * mean, 1e-6), -np.inf)
    groups = [(condition == number)[:, None, None] for number in np.unique(condition)]
    total = [
        [np.where(g & (half == h)[:, None, None], values, 0.0).sum(axis=0) for h in (0, 1)] for g in groups
    ]
    count = [[(trained & g & (half == h)[:, None, None]).sum(axis=0) for h in (0, 1)] for g in groups]
    width = _widths(total, count, counting, floor, mean)
    shape = values.shape
    full, one, two = (np.full(shape, np.nan) for _ in range(3))
    number = np.full(shape, np.inf)
    of_halves = np.full(shape, np.inf)
    for g, totals, counts in zip(groups, total, count, strict=True):
        for trial in np.flatnonzero(g[:, 0, 0] & scored.any(axis=(1, 2))):
            own_total, own_count = values[trial], trained[trial].astype(int)
            t = [totals[h] - (own_total if half[trial] == h else 0.0) for h in (0, 1)]
            n = [counts[h] - (own_count if half[trial] == h else 0) for h in (0, 1)]
            enough = scored[trial] & (n[0] + n[1] >= FEWEST_REPEATS) & (n[0] > 0) & (n[1] > 0)
            if not enough.any():
                continue
            for array, top, bottom in (
                (full, t[0] + t[1], n[0] + n[1]),
                (one, t[0], n[0]),
                (two, t[1], n[1]),
            ):
                array[trial] = np.where(enough, np.maximum(_smooth(top, bottom, width, mean), floor), np.nan)
            number[trial] = np.where(enough, n[0] + n[1], np.inf)
            of_halves[trial] = np.where(
                enough, 2.0 / (1.0 / np.maximum(n[0], 1) + 1.0 / np.maximum(n[1], 1)), np.inf
            )
    usable = np.isfinite(full)
    if not usable.any():
        return None
    return Averages(
        full=full,
        halves=(one, two),
        inverse_full=float(np.mean(1.0 / number[usable])),
        inverse_half=float(np.mean(1.0 / of_halves[usable])),
        share=float(usable.sum() / max(scored.sum(), 1)),
    )


def _halves(trained: np.ndarray, condition: np.ndarray, key: Any) -> np.ndarray:
    """Half of every training trial, balanced within conditions; -1 for other trials."""
    draw = generator(key, "halves")
    half = np.full(len(condition), -1)
    for number in np.unique(condition):
        members = draw.permutation(np.flatnonzero(trained & (condition == number)))
        half[members] = (np.arange(len(members)) + draw.integers(2)) % 2
    return half


def _smooth(total: np.ndarray, count: np.ndarray, width: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Averages ``(time, unit)`` smoothed over time, each unit with its own width; the unit's mean where unknown."""
    result = np.empty(total.shape)
    for size in np.unique(width):
        at = width == size
        top, bottom = total[:, at].astype(float), count[:, at].astype(float)
        if size > 0:
            top, bottom = (gaussian_filter1d(item, size, axis=0, mode="constant") for item in (top, bottom))
        known = bottom > 1e-9
        result[:, at] = np.where(known, top / np.where(known, bottom, 1.0), mean[at])
    return result


def _widths(
    total: list[list[np.ndarray]],
    count: list[list[np.ndarray]],
    counting: np.ndarray,
    floor: np.ndarray,
    mean: np.ndarray,
) -> np.ndarray:
    """Kernel of every unit, in bins: the one with which halves of the training trials predict each other best."""
    n_time = total[0][0].shape[0]
    candidates = [width for width in WIDTHS if width <= n_time / 4] or [0.0]
    loss = np.zeros((len(candidates), len(mean)))
    for place, width in enumerate(candidates):
        every = np.full(len(mean), width)
        for totals, counts in zip(total, count, strict=True):
            for one, other in ((0, 1), (1, 0)):
                found = np.maximum(_smooth(totals[one], counts[one], every, mean), floor)
                squared = counts[other] * found**2 - 2.0 * totals[other] * found
                rate = np.where(counting, found, 1.0)
                poisson = counts[other] * rate - totals[other] * np.log(rate)
                loss[place] += np.where(counting, poisson, squared).sum(axis=0)
    return np.asarray(candidates)[np.argmin(loss, axis=0)]
