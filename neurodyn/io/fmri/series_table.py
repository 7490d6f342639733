"""Region time series kept as a table or matrix: .csv, .tsv, .txt, .npy, .npz, .mat."""

import numpy as np

from neurodyn.errors import FileError, ModelError
from neurodyn.io.arrays import load_array
from neurodyn.io.arrays import sniff as is_array_file
from neurodyn.io.files import existing_file, reading
from neurodyn.io.fmri.images import Series
from neurodyn.io.table import load_frame


def load_series(path, key: str | None, time_axis: int | None) -> Series:
    """Values (time, region) of a table or matrix, with region names where the file has them."""
    path = existing_file(path)
    names = None
    if is_array_file(path):
        values = np.asarray(load_array(path, key))
    else:
        frame = load_frame(path)
        names = list(frame.columns) if frame.attrs["header"] else None
        with reading(path, "a numeric table"):
            values = frame.to_numpy(dtype=float)
    if values.dtype.kind not in "fiub":
        raise FileError(f"{path} holds {values.dtype} values, not numbers; name another array with key=...")
    values = np.squeeze(values)
    if values.ndim != 2:
        raise FileError(f"{path}: region time series need two axes, but the array has shape {values.shape}.")
    axis, note = _time_axis(values.shape, names, time_axis, path)
    values = values if axis == 0 else values.T
    labels = names if names is not None and axis == 0 else [f"region-{i}" for i in range(values.shape[1])]
    return Series(values, labels, {}, (f"read region time series, {note}",))


def _time_axis(shape, names, given, path):
    """Which axis is time: as given; rows below a header; else the longer one."""
    if given is not None:
        if given not in (0, 1):
            raise ModelError(f"time_axis={given} must be 0 or 1.")
        return given, f"axis {given} is time as given"
    if names is not None:
        return 0, "rows are time below the header of region names"
    if shape[0] == shape[1]:
        raise FileError(f"{path} is square, {shape}; say which axis is time with time_axis=0 or 1.")
    axis = int(shape[1] > shape[0])
    return axis, f"the longer axis of {shape} taken as time"
