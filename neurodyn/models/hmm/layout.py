"""Trials end to end on one flat, padded time axis, and back."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.inference.arrangement import IN_TIME
from neurodyn.inference.em import Sequence
from neurodyn.inference.emissions import Emission
from neurodyn.inference.rows import any_observed
from neurodyn.inference.segments import LONG, SEGMENT, arrangement_of
from neurodyn.recording import arrays


class Layout(NamedTuple):
    """Where each flat bin comes from.

    Parameters
    ----------
    values : np.ndarray
        Filled values, shape ``(flat, unit)``.
    mask : np.ndarray
        Whether observed, shape ``(flat, unit)``; False in the padding.
    start : np.ndarray
        Whether a bin is the first of its trial (True in the padding), shape ``(flat,)``.
    valid : np.ndarray
        False in the padding, shape ``(flat,)``.
    index : np.ndarray
        Position of each valid bin in the raveled ``(trial, time)`` grid.
    shape : tuple of int
        Number of trials and of time bins.
    """

    values: np.ndarray
    mask: np.ndarray
    start: np.ndarray
    valid: np.ndarray
    index: np.ndarray
    shape: tuple[int, int]

    def scatter(self, flat: np.ndarray, fill: float = 0.0) -> np.ndarray:
        """Bring flat results ``(flat, ...)`` back to ``(trial, time, ...)``."""
        flat = np.asarray(flat)
        out = np.full((self.shape[0] * self.shape[1], *flat.shape[1:]), fill, dtype=flat.dtype)
        out[self.index] = flat[: len(self.index)]
        return out.reshape(*self.shape, *flat.shape[1:])

    def flatten(self, grid: np.ndarray) -> np.ndarray:
        """Bring a grid ``(trial, time, ...)`` to the padded flat axis, zero in the padding."""
        rows = grid.reshape(self.shape[0] * self.shape[1], *grid.shape[2:])
        out = np.zeros((len(self.valid), *rows.shape[1:]), dtype=rows.dtype)
        out[: len(self.index)] = rows[self.index]
        return out


def bucket(size: int) -> int:
    """Smallest ``m * 2**e`` with m in 8..15 that holds `size`, or whole segments of a long recording.

    Recordings, folds and sessions of similar length then share one compiled function. At most 14 % is padding.
    """
    if size >= LONG:
        return -(-int(size) // SEGMENT) * SEGMENT
    size = max(int(size), 8)
    exponent = max(size.bit_length() - 4, 0)
    step = 1 << exponent
    return -(-size // step) * step


def working_arrays(recording: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Filled values in the floating type compiled code will use, and the mask."""
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(recording["activity"].dtype))
    return arrays(recording, dtype, copy=False)


def lay_out(values: np.ndarray, mask: np.ndarray, *, strip: bool) -> Layout:
    """Concatenate trials along one padded time axis.

    Parameters
    ----------
    values : np.ndarray
        Filled values, shape ``(trial, time, unit)``.
    mask : np.ndarray
        Whether observed, same shape.
    strip : bool
        Drop trials without any observation, and each trial's bins after its last observation: they carry
        no information about parameters.

    Returns
    -------
    Layout
        Flat arrays padded to a bucket. With `strip`, the bucket of the whole grid is kept unless the
        stripped data would fit into half of it, so that folds of one recording share a compiled function.
    """
    n_trials, n_time, n_units = values.shape
    seen = any_observed(mask)
    if strip:
        last = np.where(np.any(seen, axis=1), n_time - np.argmax(seen[:, ::-1], axis=1), 0)
    else:
        last = np.full(n_trials, n_time)
    keep = np.arange(n_time)[None, :] < last[:, None]
    index = np.flatnonzero(keep)
    whole = bucket(n_trials * n_time)
    size = whole if 2 * len(index) > whole else bucket(len(index))
    flat_values = np.zeros((size, n_units), values.dtype)
    flat_mask = np.zeros((size, n_units), bool)
    rows = slice(len(index)) if len(index) and index[-1] == len(index) - 1 else index
    flat_values[: len(index)] = values.reshape(-1, n_units)[rows]
    flat_mask[: len(index)] = mask.reshape(-1, n_units)[rows]
    start = np.ones(size, bool)
    start[: len(index)] = (index % n_time) == 0
    valid = np.zeros(size, bool)
    valid[: len(index)] = True
    return Layout(flat_values, flat_mask, start, valid, index, (n_trials, n_time))


def fast_sequence(
    layout: Layout, emission: Emission, covariates: jax.Array | None = None, *, last: bool = False
) -> Sequence:
    """The recording as expectation-maximisation takes it, its bins in the order that is fastest.

    If this is the `last` use of the layout's values and mask, they are left in that order. What looks back in time,
    an autoregression or transitions with covariates, needs the order of time.
    """
    free = emission.reach == 0 and covariates is None
    order = arrangement_of(len(layout.start)) if free else IN_TIME
    start, valid = order.arrange(layout.start), order.arrange(layout.valid)
    with order.in_place(layout.values, layout.mask, back=not last):  # of a long recording every copy counts
        data = emission.for_fitting(emission.prepare(layout.values, layout.mask, start))
    return Sequence(data, jnp.asarray(start), jnp.asarray(valid), covariates, order)
