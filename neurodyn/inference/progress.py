"""Progress is an object passed in; anything with this method serves."""

import dataclasses
from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Receives how far a long piece of work has come."""

    def update(self, fraction: float, text: str) -> None:
        """Take note.

        Parameters
        ----------
        fraction : float
            Between 0 and 1, or NaN where the end is not known.
        text : str
            What is being done, in a few words.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Share:
    """A stretch of a longer piece of work, which tells of itself as part of the whole.

    Parameters
    ----------
    whole : Progress
        Who is told.
    begin, length : float
        Where the stretch begins and how long it is, as shares of the whole.
    """

    whole: Progress
    begin: float
    length: float

    def update(self, fraction: float, text: str) -> None:
        """Pass on."""
        self.whole.update(self.begin + self.length * fraction, text)
