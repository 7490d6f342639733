"""Where a killed fit goes on: the state of every stage, in one file."""

import hashlib
import os
import time
from typing import Any

import numpy as np

from neurodyn.inference.archive import checkpoint_path, other_fit, read_arrays, write_arrays


def digest(*parts: Any) -> str:
    """Digest of what determines the numbers of a fit: arrays and things with a faithful ``repr``."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            found.update(repr((part.dtype.str, part.shape)).encode())
            found.update(np.ascontiguousarray(part).tobytes())
        else:
            found.update(repr(part).encode())
    return found.hexdigest()


class Store:
    """Arrays of every stage of a fit, by the name of the stage.

    Parameters
    ----------
    path : str or os.PathLike
        The file; its folder must exist.
    seconds : float
        Least time between two writes.
    identity : str
        Digest of the fit.

    Raises
    ------
    FileError
        If there is a file that is damaged or belongs to another fit.
    """

    def __init__(self, path: str | os.PathLike[str], seconds: float, identity: str) -> None:
        self.path, self.seconds, self.identity = checkpoint_path(path), seconds, identity
        self.written = time.monotonic()
        self.stages: dict[str, dict[str, np.ndarray]] = {}
        if not self.path.exists():
            return
        stored = read_arrays(self.path)
        if str(stored.pop("identity", "")) != identity:
            raise other_fit(self.path)
        for name, array in stored.items():
            stage, _, item = name.partition("/")
            self.stages.setdefault(stage, {})[item] = array

    def load(self, stage: str) -> dict[str, np.ndarray] | None:
        """Arrays of a stage, where it had begun."""
        return self.stages.get(stage)

    def due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() - self.written >= self.seconds

    def keep(self, stage: str, arrays: dict[str, np.ndarray]) -> None:
        """Remember a stage; it is written with the next write."""
        self.stages[stage] = arrays

    def write(self) -> None:
        """Write everything remembered."""
        flat = {
            f"{stage}/{item}": array
            for stage, arrays in self.stages.items()
            for item, array in arrays.items()
        }
        write_arrays(self.path, {"identity": np.array(self.identity), **flat})
        self.written = time.monotonic()

    def remove(self) -> None:
        """Delete the file of a finished fit."""
        self.path.unlink(missing_ok=True)
