"""Which rows of a mask were observed, fast: most recordings miss nothing, and then there is nothing to look for."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool

_WORD = 8
_FULL = np.frombuffer(b"\x01" * _WORD, np.uint64)[0]


def _words(mask: np.ndarray) -> np.ndarray | None:
    """Eight entries as one number, where the layout allows it."""
    fits = mask.dtype == bool and mask.flags.c_contiguous and mask.size and mask.shape[-1] % _WORD == 0
    return mask.view(np.uint64) if fits else None


def any_observed(mask: Bool[np.ndarray, "*row unit"]) -> Bool[np.ndarray, "*row"]:
    """Whether anything was observed in a row.

    Parameters
    ----------
    mask : numpy.ndarray of bool
        True where observed, unit last.

    Returns
    -------
    numpy.ndarray of bool
        ``mask.any(axis=-1)``.

    Examples
    --------
    >>> import numpy as np
    >>> any_observed(np.array([[True, False], [False, False]])).tolist()
    [True, False]
    """
    words = _words(mask)
    return (
        np.asarray(mask.any(axis=-1))
        if words is None
        else _each(words, lambda column: column != 0, np.logical_or)
    )


def all_observed(mask: Bool[np.ndarray, "*row unit"]) -> Bool[np.ndarray, "*row"]:
    """Whether everything was observed in a row.

    Parameters
    ----------
    mask : numpy.ndarray of bool
        True where observed, unit last.

    Returns
    -------
    numpy.ndarray of bool
        ``mask.all(axis=-1)``.

    Examples
    --------
    >>> import numpy as np
    >>> all_observed(np.array([[True, False], [True, True]])).tolist()
    [False, True]
    """
    words = _words(mask)
    if words is None:
        return np.asarray(mask.all(axis=-1))
    return _each(words, lambda column: column == _FULL, np.logical_and)


def _each(words: np.ndarray, test: Callable[[np.ndarray], np.ndarray], combine: np.ufunc) -> np.ndarray:
    """Columns tested one by one: numpy reduces a short last axis many times slower."""
    found = test(words[..., 0])
    for column in range(1, words.shape[-1]):
        combine(found, test(words[..., column]), out=found)
    return found
