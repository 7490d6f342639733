"""Equal windows of symbols without gaps, cut from recordings of any shape."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from neurodyn.errors import ModelError

LONGEST = 100
FEWEST_VISITS = 20


class Windows(NamedTuple):
    """Windows, and what was left over.

    Parameters
    ----------
    symbols : array
        Codes.
    dropped : int
        Observed bins that are in no window.
    """

    symbols: Int[np.ndarray, "window step"]
    dropped: int


def stretches(observed: Bool[np.ndarray, "trial time"]) -> list[tuple[int, int, int]]:
    """Trial, first bin and length of every stretch without a gap.

    Parameters
    ----------
    observed : array
        Mask.

    Returns
    -------
    list of tuple of int
        In order of trial and time.
    """
    edges = np.diff(np.pad(observed.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    trial, begin = np.nonzero(edges == 1)
    end = np.nonzero(edges == -1)[1]
    return list(zip(trial.tolist(), begin.tolist(), (end - begin).tolist(), strict=True))


def window_length(lengths: list[int]) -> int:
    """The length of a stretch that keeps most bins, among those up to `LONGEST` and half as long as the longest.

    Parameters
    ----------
    lengths : list of int
        Of the stretches.

    Returns
    -------
    int
        Bins.
    """
    clipped = np.minimum(lengths, LONGEST)
    candidates = np.unique(clipped[2 * clipped >= clipped.max()])
    kept = [(sum(length // one * one for length in lengths), one) for one in candidates.tolist()]
    return int(max(kept)[1])


def cut_windows(
    symbols: Int[np.ndarray, "trial time"], observed: Bool[np.ndarray, "trial time"], window: int | None
) -> Windows:
    """Cut every stretch from its beginning into windows that do not overlap.

    Parameters
    ----------
    symbols, observed : array
        Codes and mask.
    window : int, optional
        Bins of a window; None: see `window_length`.

    Returns
    -------
    Windows
        The windows.

    Raises
    ------
    ModelError
        If there are fewer than two windows of two bins.
    """
    found = stretches(observed)
    if not found:
        raise ModelError("hmm_emulator: no bin of the recording is observed; give one with symbols.")
    longest = max(length for _, _, length in found)
    length = window_length([one[2] for one in found]) if window is None else window
    cut = [
        symbols[trial, begin + k * length : begin + (k + 1) * length]
        for trial, begin, available in found
        for k in range(available // length)
    ]
    if length < 2 or len(cut) < 2:
        raise ModelError(
            f"hmm_emulator: the recording has {len(cut)} windows of {length} bins without a gap (the longest stretch is "
            f"{longest} bins); it needs two or more of at least 2 bins: give more trials, or a smaller window."
        )
    stacked = np.stack(cut).astype(np.int32)
    return Windows(stacked, int(observed.sum()) - stacked.size)


def doubts(symbols: Int[np.ndarray, "window step"], names: list[str]) -> list[str]:
    """What a network cannot learn from these windows, in sentences.

    Parameters
    ----------
    symbols : array
        Windows.
    names : list of str
        Of the symbols.

    Returns
    -------
    list of str
        Symbols that never occur, and those that are never left.
    """
    said = []
    count = np.bincount(symbols.ravel(), minlength=len(names))
    absent = [names[k] for k in np.flatnonzero(count == 0)]
    if absent:
        said.append(
            f"hmm_emulator: {len(absent)} of {len(names)} symbols never occur in the windows (such as {absent[0]!r}); the "
            "network learns to avoid them, and their probability is small but not zero."
        )
    before, after = symbols[:, :-1], symbols[:, 1:]
    for k in range(len(names)):
        stays = int(((before == k) & (after == k)).sum())
        entered = bool(((before != k) & (after == k)).any())
        if entered and stays >= FEWEST_VISITS and not ((before == k) & (after != k)).any():
            said.append(
                f"hmm_emulator: symbol {names[k]!r} is never left once it is entered ({stays} steps within it); a network "
                "kept going by noise can only approach an absorbing state: shorten the windows to what comes before."
            )
    return said
