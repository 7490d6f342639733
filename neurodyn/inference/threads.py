"""One thread for linear algebra made of many small operations.

A product or a factorisation of a few hundred rows finishes within a millisecond, but the threads of a BLAS
library wait for each other after every one of them, and on a machine whose cores are busy with other work each
such wait costs a time slice. Thousands of small operations then take a hundred times longer than on one thread.
"""

import contextlib
import functools
import threading
from collections.abc import Iterator

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_inside = 0
_limiter = None


@functools.cache
def _controller() -> ThreadpoolController:
    """The BLAS libraries of this process, looked up once."""
    return ThreadpoolController()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """BLAS on one thread inside a block or a decorated function; the number from before is restored at the end.

    Blocks may be nested, and may run in several Python threads: the last one to end restores the number.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.threads import one_thread
    >>> with one_thread():
    ...     float(np.trace(np.eye(3) @ np.eye(3)))
    3.0
    """
    global _inside, _limiter
    with _lock:
        if _inside == 0:
            _limiter = _controller().limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _limiter is not None:
                _limiter.restore_original_limits()
                _limiter = None
