"""Recordings of pairs as tensors: order of the pairs, what was seen, and the words for what is wrong."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from neurodyn.errors import RecordingError
from neurodyn.recording import arrays

CLOCKS = ("shared", "own")
BUCKET = 64
ONE_ANIMAL = "recording"


class Laid(NamedTuple):
    """The observed part of a recording of pairs.

    Attributes
    ----------
    values : numpy.ndarray
        ``(trial, time, unit)``, units in the order of their labels; 0 where not observed.
    mask : numpy.ndarray of bool
        What was observed.
    order : numpy.ndarray of int
        Place in the recording of every unit.
    trials : numpy.ndarray of str
        Labels of the trials.
    """

    values: np.ndarray
    mask: np.ndarray
    order: np.ndarray
    trials: np.ndarray


def lay(recording: xr.Dataset) -> Laid:
    """Values and mask with the units in the order of their labels, so that no order of the recording matters.

    Parameters
    ----------
    recording : xr.Dataset
        A recording of pairs.

    Returns
    -------
    Laid
        Arrays and labels.

    Raises
    ------
    RecordingError
        If an entry is negative.
    """
    values, mask = arrays(recording)
    negative = mask & (values < 0)
    if negative.any():
        trial, bin_, unit = np.argwhere(negative)[0]
        raise RecordingError(
            f"activity holds {int(negative.sum())} negative entries, the first {values[trial, bin_, unit]:.3g} at bin "
            f"{bin_} of pair {recording['unit'].values[unit]!r}; affinities are 0 or more: split signed ones into two "
            "non-negative channels, or make them with neurodyn.models.connectome.affinity."
        )
    labels = recording["unit"].values.astype(str)
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if (labels == label).sum() > 1)
        raise RecordingError(f"two pairs are called {twice!r}; give every pair a label of its own.")
    order = np.argsort(labels, kind="stable")
    return Laid(values[..., order], mask[..., order], order, trial_labels(recording))


def trial_labels(recording: xr.Dataset) -> np.ndarray:
    """Labels of the trials; one name where there is no trial dim."""
    if "trial" not in recording.dims:
        return np.array([ONE_ANIMAL])
    return recording["trial"].values.astype(str)


def padded(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that were never observed added up to a multiple, so that folds share what is compiled."""
    rest = -len(values) % BUCKET
    width = ((0, rest), *[(0, 0)] * (values.ndim - 1))
    return np.pad(values, width), np.pad(mask, width)


def bins_of(time: np.ndarray, origin: float, interval: float) -> np.ndarray:
    """Number of every bin on a clock that starts at `origin`."""
    return np.round((np.asarray(time, float) - origin) / interval).astype(int)
