"""What a tensor and a request must satisfy before compiled code sees them."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Shaped

from neurodyn.errors import ModelError
from neurodyn.inference.factorise.sweeps import POISSON, SQUARES


class Checked(NamedTuple):
    """A tensor that may be factorised.

    Attributes
    ----------
    values : numpy.ndarray
        In working precision, 0 where not observed.
    mask : numpy.ndarray of bool or None
        Which entries were observed; None where all were.
    seen : tuple of numpy.ndarray of bool
        By mode, which entries have any observed value.
    mean : float
        Mean of the observed values.
    """

    values: np.ndarray
    mask: np.ndarray | None
    seen: tuple[np.ndarray, ...]
    mean: float


def precision() -> np.dtype:
    """Double precision where the user enabled it, single precision otherwise."""
    return np.dtype(jax.dtypes.canonicalize_dtype(np.float64))


def check_tensor(
    values: Shaped[np.ndarray, "..."],
    mask: Bool[np.ndarray, "..."] | None,
    *,
    place: str = "values",
    empty: bool = False,
) -> Checked:
    """Check a tensor and put zeros behind its mask.

    Parameters
    ----------
    values : numpy.ndarray
        Any number of modes from 2; what lies behind the mask is never read.
    mask : numpy.ndarray of bool or None
        Same shape.
    place : str
        What to call the tensor in errors.
    empty : bool
        Whether it may have no observed entry at all.

    Returns
    -------
    Checked
        The tensor.

    Raises
    ------
    ModelError
        If a shape is wrong, an observed value is negative or not finite, or nothing was observed.
    """
    values = np.asarray(values)
    if values.ndim < 2 or 0 in values.shape:
        raise ModelError(
            f"{place} has shape {values.shape}; a tensor needs 2 modes or more, each with an entry."
        )
    if mask is not None:
        if mask.shape != values.shape:
            raise ModelError(f"mask has shape {mask.shape} and {place} {values.shape}; they must be equal.")
        if mask.all():
            mask = None
        elif not mask.any() and not empty:
            raise ModelError(f"no entry of {place} is observed; the mask is False throughout.")
    filled = values if mask is None else np.where(mask, values, 0)
    if not np.isfinite(filled).all():
        raise ModelError(
            f"{place} holds {int((~np.isfinite(filled)).sum())} observed entries that are NaN or infinite; "
            "pass mask=np.isfinite(values) to leave them out."
        )
    if filled.min() < 0:
        raise ModelError(
            f"{place} holds {int((filled < 0).sum())} negative entries (smallest {filled.min():.3g}); "
            "split signed values into two non-negative parts."
        )
    modes = range(values.ndim)
    if mask is None:
        seen = tuple(np.ones(size, bool) for size in values.shape)
        count = values.size
    else:
        seen = tuple(np.asarray(mask.any(tuple(set(modes) - {mode}))) for mode in modes)
        count = int(mask.sum())
    mean = float(filled.sum(dtype=np.float64)) / max(count, 1)
    return Checked(np.asarray(filled, precision()), mask, seen, mean)


def check_request(
    shape: tuple[int, ...],
    rank: int,
    loss: str,
    fixed: tuple[int, ...],
    tolerance: float,
    whole: dict[str, int],
) -> None:
    """Check what is asked of a tensor.

    Parameters
    ----------
    shape : tuple of int
        Of the tensor.
    rank : int
        Number of components.
    loss : str
        "squares" or "poisson".
    fixed : tuple of int
        Modes not to fit.
    tolerance : float
        When to stop.
    whole : dict of str to int
        Further whole numbers from 1, by name.

    Raises
    ------
    ModelError
        If anything is out of range.
    """
    for name, number in {"rank": rank, **whole}.items():
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
            raise ModelError(f"{name} is {number!r}; it must be a whole number, 1 or more.")
    if rank > max(shape):
        raise ModelError(
            f"rank is {rank}, larger than every mode of the tensor {shape}; use {max(shape)} or fewer."
        )
    if loss not in (SQUARES, POISSON):
        raise ModelError(f"loss is {loss!r}; choose {SQUARES!r} or {POISSON!r} (Kullback-Leibler).")
    if not 0 <= tolerance < np.inf:
        raise ModelError(f"tolerance is {tolerance!r}; it must be finite, 0 or more.")
    for mode in fixed:
        if mode not in range(len(shape)):
            raise ModelError(f"fixed names mode {mode!r}; the tensor has modes 0 to {len(shape) - 1}.")
    if len(set(fixed)) == len(shape):
        raise ModelError("fixed names every mode; leave one to fit.")
