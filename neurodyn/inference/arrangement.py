"""In which order the bins of a recording lie in memory while expectation-maximisation runs."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from jaxtyping import Array

_Rows = TypeVar("_Rows", np.ndarray, Array)


@dataclasses.dataclass(frozen=True)
class Arrangement:
    r"""Order of the bins: that of time, or the bins at one step of every block side by side.

    Blocked message passing advances all blocks of a recording by one step at a time. Where the bins lie in the
    order it takes them, nothing has to be turned between the emissions, which do not care for order, and the
    passes. With S segments of B blocks of L steps, bin :math:`t = (s B + b) L + l` lies at
    :math:`(s L + l) B + b`.

    Parameters
    ----------
    segments : int
        Segments that follow each other in time, S.
    length : int
        Steps of a block, L; 0 keeps the order of time. The recording has a multiple of S x L bins.

    Examples
    --------
    >>> import numpy as np
    >>> order = Arrangement(length=3)
    >>> order.arrange(np.arange(6)).tolist()
    [0, 3, 1, 4, 2, 5]
    >>> order.restore(order.arrange(np.arange(6))).tolist()
    [0, 1, 2, 3, 4, 5]
    >>> rows = np.arange(6)
    >>> with order.in_place(rows):
    ...     inside = rows.tolist()
    >>> inside, rows.tolist()
    ([0, 3, 1, 4, 2, 5], [0, 1, 2, 3, 4, 5])
    """

    segments: int = 1
    length: int = 0

    def arrange(self, rows: _Rows) -> _Rows:
        """Rows ``(time, ...)`` in this order, from that of time."""
        if not self.length:
            return rows
        parts = rows.reshape(self.segments, -1, self.length, *rows.shape[1:])
        return parts.swapaxes(1, 2).reshape(rows.shape)

    def restore(self, rows: _Rows) -> _Rows:
        """Rows ``(time, ...)`` in the order of time, from this one."""
        if not self.length:
            return rows
        parts = rows.reshape(self.segments, self.length, -1, *rows.shape[1:])
        return parts.swapaxes(1, 2).reshape(rows.shape)

    def of_one_segment(self) -> "Arrangement":
        """The order inside a single segment."""
        return dataclasses.replace(self, segments=1)

    @contextlib.contextmanager
    def in_place(self, *arrays: np.ndarray, back: bool = True) -> Iterator[None]:
        """Arrays ``(time, ...)`` of the host are in this order inside the context; copies one segment at a time.

        Without `back` they stay so.
        """
        one = self.of_one_segment()

        def turn(change: Callable[[np.ndarray], np.ndarray]) -> None:
            for rows in arrays if self.length else ():
                for segment in rows.reshape(self.segments, -1, *rows.shape[1:]):
                    segment[:] = change(segment)

        turn(one.arrange)
        try:
            yield
        finally:
            if back:
                turn(one.restore)


IN_TIME = Arrangement()
