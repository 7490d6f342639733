"""Warnings that are given once in a chain of calls, however many of its links come upon the same thing."""

import contextlib
import warnings
from collections.abc import Iterator
from contextvars import ContextVar

from neurodyn.errors import NeurodynWarning

_SAID: ContextVar[set[str] | None] = ContextVar("said", default=None)


@contextlib.contextmanager
def one_call() -> Iterator[None]:
    """Within, `warn` says the same words once; a chain of calls that has begun further out goes on.

    Yields
    ------
    None
        Nothing.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     with one_call():
    ...         warn("the update fails")
    ...         warn("the update fails")
    >>> len(caught)
    1
    """
    if _SAID.get() is not None:
        yield
        return
    token = _SAID.set(set())
    try:
        yield
    finally:
        _SAID.reset(token)


def warn(words: str, *, stacklevel: int = 2) -> None:
    """Warn, unless the same was said in this chain of calls.

    Parameters
    ----------
    words : str
        What is wrong, where, and what helps.
    stacklevel : int
        As in `warnings.warn`, counted from the caller.
    """
    said = _SAID.get()
    if said is not None:
        if words in said:
            return
        said.add(words)
    warnings.warn(words, NeurodynWarning, stacklevel=stacklevel + 1)
