"""Spikes as triplets (unit, time, trial), in arrays of an .npz/.mat/HDF5 file or columns of a text table."""

from pathlib import Path
from typing import Any

import numpy as np

from neurodyn import recording
from neurodyn.errors import FileError, ModelError
from neurodyn.io.arrays import inspect_arrays, load_array, stored_arrays
from neurodyn.io.arrays import sniff as sniff_arrays
from neurodyn.io.files import existing_file, suffix_of
from neurodyn.io.registry import Loader
from neurodyn.io.table import inspect_table, load_frame
from neurodyn.io.table import sniff as sniff_table
from neurodyn.recording.clock import floor_bins
from neurodyn.recording.spikes import warn_of_wide_bins

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
UNIT_NAMES = ("neuron_ids", "neurons", "unit_ids", "units", "unit", "neuron", "cluster", "spike_clusters")
TIME_NAMES = ("spiketimes", "spike_times", "times", "time")
TRIAL_NAMES = ("trial_ids", "trials", "trial")


def sniff(path: Path) -> bool:
    """Whether a file has one array or column each for unit, time and trial of spikes."""
    try:
        if sniff_arrays(path) and suffix_of(path) in (".npz", ".mat"):
            names = list(stored_arrays(path))
        elif sniff_table(path) and suffix_of(path) in (".csv", ".tsv"):
            names = list(load_frame(path, rows=1).columns)
        else:
            return False
    except FileError:
        return False
    return _first(UNIT_NAMES, names) is not None and _first(TIME_NAMES[:2], names) is not None


def _first(wanted, names):
    """The first wanted name that is there."""
    return next((name for name in wanted if name in names), None)


def inspect_spikes(path):
    """Table of the arrays or columns of a spike file."""
    path = existing_file(path)
    return inspect_arrays(path) if sniff_arrays(path) else inspect_table(path)


def read_spike_table(
    path,
    *,
    bin_width: float,
    window: tuple[float, float] | None = None,
    time_unit: str = "s",
    unit: str | None = None,
    time: str | None = None,
    trial: str | None = None,
    n_trials: int | None = None,
    trial_columns=(),
    modality: str = "spikes",
    subject: str = "",
    session: str = "",
):
    """Read spikes stored as (unit, time, trial) triplets into counts (trial, time, unit).

    Parameters
    ----------
    path : path-like
        An .npz, .mat or HDF5 file of arrays, or a .csv/.tsv table.
    bin_width : float
        Bin width, seconds.
    window : tuple of float, optional
        First and last second of every trial, in the trial's clock; default from 0 (or the first
        spike if before) to the last spike.
    time_unit : {"s", "ms", "us"}
        Unit of the spike times in the file.
    unit, time, trial : str, optional
        Names of the arrays with the unit, time and trial of each spike; guessed from common names.
        Without a trial array all spikes are one continuous recording.
    n_trials : int, optional
        Number of trials, where the last ones may be without a spike; the same length as the
        `trial_columns` otherwise.
    trial_columns : sequence of str
        Arrays with one value per trial, kept as coordinates (as stored, in the file's own units).
    modality, subject, session : str
        Attributes of the recording.

    Returns
    -------
    xarray.Dataset
        Recording of counts.

    Raises
    ------
    FileError
        An array is absent, or the three differ in length.
    ModelError
        A time unit is not known, or the window is not (start, stop).

    Examples
    --------
    >>> import numpy, tempfile, pathlib
    >>> from neurodyn.io import read_spike_table
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "spikes.npz"
    >>> numpy.savez(path, neuron_ids=[0, 1, 1], spiketimes=[10.0, 20.0, 90.0], trial_ids=[0, 0, 1])
    >>> counts = read_spike_table(path, bin_width=0.05, window=(0.0, 0.1), time_unit="ms")
    >>> counts["activity"].sum("time").values.tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    if time_unit not in SECONDS:
        raise ModelError(f"time_unit={time_unit!r} is not known; choose one of {', '.join(SECONDS)}.")
    if not bin_width > 0:
        raise ModelError(f"bin_width={bin_width!r} must be a positive number of seconds.")
    warn_of_wide_bins(bin_width)
    path = existing_file(path)
    frame: Any = None if sniff_arrays(path) else load_frame(path)
    names = list(stored_arrays(path)) if frame is None else list(frame.columns)

    def column(name):
        if name not in names:
            raise FileError(f"{path} has no {name!r}; it has: {', '.join(map(str, names))}.")
        return np.asarray(load_array(path, name) if frame is None else frame[name]).ravel()

    unit, time = unit or _first(UNIT_NAMES, names), time or _first(TIME_NAMES, names)
    trial = trial or _first(TRIAL_NAMES, names)
    if unit is None or time is None:
        raise FileError(
            f"{path}: name the arrays with unit=... and time=...; it has: {', '.join(map(str, names))}."
        )
    who, when = column(unit), column(time).astype(np.float64) * SECONDS[time_unit]
    which = column(trial) if trial is not None else np.zeros(len(who), dtype=int)
    if not len(who) == len(when) == len(which):
        raise FileError(
            f"{path}: {unit}, {time} and {trial} have {len(who)}, {len(when)} and {len(which)} entries."
        )
    if not len(when) or not np.isfinite(when).all():
        raise FileError(f"{path}: {time} must hold finite times of at least one spike.")
    coords = {name: column(name) for name in trial_columns}
    start, stop = (
        window if window is not None else (min(0.0, float(when.min())), float(when.max()) + bin_width)
    )
    if not stop > start:
        raise ModelError(f"window={window} is not (start, stop) with stop after start, in seconds.")
    labels, unit_index = np.unique(who, return_inverse=True)
    trials, trial_index = _trials(
        which, n_trials or next((len(values) for values in coords.values()), None), path
    )
    number = int(floor_bins(stop - start, bin_width))
    if number < 1:
        raise ModelError(f"bin_width={bin_width:g} s is longer than the window {stop - start:g} s.")
    cell = floor_bins(when - start, bin_width)
    inside = (cell >= 0) & (cell < number)
    flat = np.ravel_multi_index(
        (trial_index[inside], cell[inside], unit_index[inside]), (len(trials), number, len(labels))
    )
    size = len(trials) * number * len(labels)
    counts = np.bincount(flat, minlength=size).reshape(len(trials), number, len(labels))
    history = (
        f"counted {int(inside.sum())} of {len(when)} spikes in bins of {bin_width:g} s from {start:g} to "
        f"{start + number * bin_width:g} s of each trial",
    )
    options = {} if trial is None else {"trial": trials, "trial_coords": coords}
    return recording.make(
        counts[0] if trial is None else counts,
        time=start + bin_width * np.arange(number),
        sampling_interval=bin_width,
        kind="count",
        unit=labels,
        modality=modality,
        subject=subject,
        session=session,
        source=path.name,
        history=history,
        **options,
    )


def _trials(which, number, path):
    """Labels of all trials, also of those without a spike, and each spike's position among them."""
    if number is None or which.dtype.kind not in "iu":
        return np.unique(which, return_inverse=True)
    first = int(which.min()) if which.min() in (0, 1) and which.max() - which.min() < number else 0
    if which.min() > 0 and which.max() < number:
        first = 0
    index = which.astype(np.int64) - first
    if index.min() < 0 or index.max() >= number:
        raise FileError(f"{path}: trial numbers run to {which.max()}, but there are {number} trials.")
    return np.arange(first, first + number), index


LOADER = Loader(
    name="spikes",
    suffixes=(".npz", ".mat", ".csv", ".tsv"),
    sniff=sniff,
    inspect=inspect_spikes,
    read=read_spike_table,
    hint="bin_width=",
)
