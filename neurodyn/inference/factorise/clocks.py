"""Animals without a common clock: each has a time factor of its own, what they share has one for all.

.. math:: x^{(a)}_{tp} \\approx \\sum_r f^{(a)}_{tr} \\, g_{pr}

Every entry of a time factor belongs to one animal and one bin, so that this is the factorisation of the animals' recordings
laid end to end: (animal x time) by pair. Animals may differ in length, and lack pairs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from neurodyn.errors import ModelError


class Joined(NamedTuple):
    """Recordings laid end to end.

    Attributes
    ----------
    values : numpy.ndarray
        ``(animal x time, ...)``.
    mask : numpy.ndarray of bool
        Which entries were observed.
    lengths : tuple of int
        Bins of every animal.
    """

    values: np.ndarray
    mask: np.ndarray
    lengths: tuple[int, ...]

    @property
    def breaks(self) -> tuple[int, ...]:
        """Where each animal after the first begins, for a smoothness that must not link animals."""
        return tuple(int(start) for start in np.cumsum(self.lengths)[:-1])


def join_clocks(
    values: Sequence[Shaped[np.ndarray, "_ *shared"]],
    masks: Sequence[Bool[np.ndarray, "_ *shared"]] | None = None,
) -> Joined:
    """Lay the recordings of several animals end to end.

    Parameters
    ----------
    values : sequence of numpy.ndarray
        ``(time, ...)`` of each animal; lengths may differ, the further modes are the same for all, NaN where an animal lacks
        them.
    masks : sequence of numpy.ndarray of bool, optional
        Which entries were observed; those that are finite by default.

    Returns
    -------
    Joined
        For `fit`: ``fit(joined.values, rank, mask=joined.mask, ...)``.

    Raises
    ------
    ModelError
        If there is no animal, or their further modes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.clocks import join_clocks
    >>> joined = join_clocks([np.ones((3, 2)), np.ones((5, 2))])
    >>> joined.values.shape, joined.breaks
    ((8, 2), (3,))
    """
    if not values:
        raise ModelError("values holds no animal; pass at least one.")
    shared = values[0].shape[1:]
    for animal, part in enumerate(values):
        if part.shape[1:] != shared or part.ndim < 2:
            raise ModelError(
                f"animal {animal} has shape {part.shape}; after time, all animals need the modes of the first, {shared}."
            )
    masks = [np.isfinite(part) for part in values] if masks is None else masks
    for animal, (part, mask) in enumerate(zip(values, masks, strict=True)):
        if mask.shape != part.shape:
            raise ModelError(f"the mask of animal {animal} has shape {mask.shape}, its values {part.shape}.")
    return Joined(
        np.concatenate(list(values)), np.concatenate(list(masks)), tuple(len(part) for part in values)
    )


def split_clocks(
    factor: Float[np.ndarray, "time component"], lengths: tuple[int, ...]
) -> tuple[Float[np.ndarray, "_ component"], ...]:
    """Cut the time factor of joined recordings into one for every animal.

    Parameters
    ----------
    factor : numpy.ndarray
        ``(animal x time, component)``.
    lengths : tuple of int
        Bins of every animal.

    Returns
    -------
    tuple of numpy.ndarray
        ``(time, component)`` of every animal.

    Raises
    ------
    ModelError
        If the lengths do not add up.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.clocks import split_clocks
    >>> [part.shape for part in split_clocks(np.ones((8, 2)), (3, 5))]
    [(3, 2), (5, 2)]
    """
    if sum(lengths) != len(factor):
        raise ModelError(f"lengths add up to {sum(lengths)}, but the factor has {len(factor)} bins.")
    return tuple(np.split(factor, np.cumsum(lengths)[:-1]))
