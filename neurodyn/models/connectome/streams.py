"""Affinities of a recording of units, made block by block of time."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurodyn.errors import RecordingError
from neurodyn.models.connectome.measures import Pairs, require_rate

BLOCK_BYTES = 2**27


class Blocks(NamedTuple):
    """Blocks of rows of the (animal and time) by pair matrix; calling with a number gives values and mask.

    Attributes
    ----------
    traces : numpy.ndarray
        ``(trial, time, unit)``.
    measure : callable
        Makes affinities ``(time, pair)`` of prepared traces.
    pairs : Pairs
        Units and labels of every pair.
    length : int
        Bins of a block.
    starts : tuple of (int, int)
        Trial and first bin of every block.
    """

    traces: np.ndarray
    measure: Any
    pairs: Pairs
    length: int
    starts: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, recording: xr.Dataset, measure: Any) -> "Blocks":
        """Blocks of a recording of units, as long as a hundred megabytes allow."""
        require_rate(measure, recording)
        labels = recording["unit"].values.astype(str)
        if len(labels) < 2 or len(set(labels)) < len(labels):
            raise RecordingError(
                f"the recording has {len(labels)} units of {len(set(labels))} labels; affinities need two units or more, "
                "each with a label of its own."
            )
        activity = recording["activity"].transpose(..., "time", "unit")
        traces = activity.values.reshape(-1, *activity.shape[-2:]).astype(float)
        pairs = Pairs.of(measure, labels)
        length = max(BLOCK_BYTES // (8 * len(pairs.first)), 2 * measure.reach + 1)
        starts = tuple(
            (trial, start) for trial in range(len(traces)) for start in range(0, traces.shape[1], length)
        )
        prepared = np.stack([measure.prepare(trial) for trial in traces])
        return cls(prepared, measure, pairs, length, starts)

    @property
    def count(self) -> int:
        """Number of blocks."""
        return len(self.starts)

    def __call__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Values, 0 where not observed, and mask of one block."""
        trial, start = self.starts[index]
        stop = min(start + self.length, self.traces.shape[1])
        found = self.measure.between(self.traces[trial], self.pairs.first, self.pairs.second, start, stop)
        mask = np.isfinite(found)
        return np.where(mask, found, 0.0), mask
