"""Recordings that neurodyn itself saved: netCDF."""

from pathlib import Path

from neurodyn import recording
from neurodyn.io.files import contents, existing_file, is_hdf5
from neurodyn.io.registry import Loader


def sniff(path: Path) -> int:
    """Whether a file is netCDF 4 with a variable `activity` (2), or a damaged one (1)."""
    import h5py

    if not is_hdf5(path):
        return 0
    try:
        with h5py.File(path, "r") as file:
            return 2 * ("activity" in file and "time" in file and "unit" in file)
    except OSError:
        return int(path.suffix.lower() == ".nc")


def read_saved(path):
    """Read a recording that `neurodyn.recording.save` wrote.

    Parameters
    ----------
    path : path-like
        The netCDF file.

    Returns
    -------
    xarray.Dataset
        The recording, identical to what was saved.

    Raises
    ------
    FileError
        The file is missing or not such a file.
    """
    return recording.load(existing_file(path))


def inspect_saved(path):
    """Table of the variables of a saved recording."""
    found = read_saved(path)
    rows = []
    for name, variable in found.data_vars.items():
        step = found.attrs["sampling_interval"]
        rows.append(
            {
                "kind": "recording",
                "name": name,
                "shape": variable.shape,
                "rate": 1 / step,
                "unit": found.attrs["units"] if name == "activity" else "",
                "duration": found.sizes["time"] * step,
                "note": ", ".join(str(dim) for dim in variable.dims),
            }
        )
    return contents(rows)


LOADER = Loader(name="recording", suffixes=(".nc",), sniff=sniff, inspect=inspect_saved, read=read_saved)
