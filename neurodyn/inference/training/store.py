"""Where a killed training run goes on."""

import os
import time
from collections.abc import Callable

import numpy as np

from neurodyn.inference.archive import checkpoint_path, other_fit, read_arrays, write_arrays


class TrainingStore:
    """State of every run of a fit in one file, or nothing without a path.

    Parameters
    ----------
    path : path or None
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

    def __init__(self, path: str | os.PathLike[str] | None, seconds: float, identity: str) -> None:
        self.path = None if path is None else checkpoint_path(path)
        self.seconds, self.identity = seconds, identity
        self.written = time.monotonic()
        self.stages: dict[str, dict[str, np.ndarray]] = {}
        self.latest: Callable[[], None] = lambda: None
        self.stage = ""
        if self.path is None or not self.path.exists():
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

    def keep(self, stage: str, arrays: Callable[[], dict[str, np.ndarray]]) -> None:
        """Remember how to write a stage and what the one before came to; write where the last time is long ago."""
        if self.path is None:
            return
        if stage != self.stage:
            self.latest()
        self.stage = stage
        self.latest = lambda: self.stages.update({stage: arrays()})
        if time.monotonic() - self.written >= self.seconds:
            self.write()

    def write(self) -> None:
        """Write every stage as it is now."""
        if self.path is None:
            return
        self.latest()
        flat = {
            f"{stage}/{item}": array for stage, held in self.stages.items() for item, array in held.items()
        }
        write_arrays(self.path, {"identity": np.array(self.identity), **flat})
        self.written = time.monotonic()

    def remove(self) -> None:
        """Delete the file of a finished fit."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
