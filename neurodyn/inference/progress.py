"""Progress is an object passed in; anything with this method serves."""

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
