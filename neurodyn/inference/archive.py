"""Bare arrays in one file, written whole or not at all, and never unpickled."""

import os
import pathlib
import tempfile
import zipfile

import numpy as np

from neurodyn.errors import FileError


def write_arrays(path: pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an npz archive; an existing file is replaced only once the new one is complete.

    Parameters
    ----------
    path : pathlib.Path
        Target, in a folder that exists.
    arrays : dict of ndarray
        Numbers and strings.
    """
    handle, temporary = tempfile.mkstemp(suffix=".npz", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        os.replace(temporary, path)
    finally:
        pathlib.Path(temporary).unlink(missing_ok=True)


def read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Read an npz archive.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    dict of ndarray
        What it holds.

    Raises
    ------
    FileError
        If it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise FileError(f"the checkpoint {path} is damaged ({error}); delete it to start anew.") from error


def checkpoint_path(path: str | os.PathLike[str]) -> pathlib.Path:
    """The path of a checkpoint, whose folder must exist.

    Raises
    ------
    FileError
        If it does not.
    """
    found = pathlib.Path(path)
    if not found.parent.is_dir():
        raise FileError(f"the folder {found.parent} of the checkpoint does not exist; make it first.")
    return found


def other_fit(path: pathlib.Path) -> FileError:
    """What to say of a checkpoint that belongs to something else."""
    return FileError(
        f"the checkpoint {path} belongs to another fit (data, settings, key or version differ); delete it or "
        "give another path."
    )
