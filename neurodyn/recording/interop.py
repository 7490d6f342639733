"""To and from pynapple objects."""

import numpy as np
import xarray as xr

from neurodyn.errors import RecordingError
from neurodyn.recording.build import make
from neurodyn.recording.clock import STEP_TOLERANCE, Number, bins_inside, floor_bins
from neurodyn.recording.columns import as_column
from neurodyn.recording.schema import check
from neurodyn.recording.spikes import from_spikes


def from_pynapple(obj, *, bin_width: Number | None = None, kind: str = "continuous", **details) -> xr.Dataset:
    """Build a recording from a pynapple object.

    Parameters
    ----------
    obj : pynapple.TsGroup, TsdFrame or Tsd
        Spike times, which are counted in bins over the time support, or signals, which are laid on
        their own uniform step. What lies outside the time support is NaN.
    bin_width : float, optional
        Width of a bin in seconds; needed for spike times, and only for them.
    kind : str
        Kind of the values of a signal.
    **details
        `modality`, `subject`, `session`, `source`, `units`, ... as in `make`.

    Returns
    -------
    xarray.Dataset
        A recording `(time, unit)`; the metadata of the object are coordinates of `unit`.

    Raises
    ------
    RecordingError
        If it is another object, a bin width is missing, or a signal has no uniform step.

    Examples
    --------
    >>> import numpy as np
    >>> import pynapple as nap
    >>> from neurodyn import recording
    >>> group = nap.TsGroup({7: nap.Ts(np.array([0.1, 0.35]))}, time_support=nap.IntervalSet(0, 1))
    >>> counts = recording.from_pynapple(group, bin_width=0.25)
    >>> counts.activity.sel(unit=7).values.tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    name = type(obj).__name__
    if name == "TsGroup":
        if bin_width is None:
            raise RecordingError("A TsGroup holds spike times: give `bin_width` in seconds.")
        trains = {label: np.asarray(obj[label].t) for label in list(obj)}
        return from_spikes(
            trains,
            bin_width=bin_width,
            intervals=obj.time_support.values,
            unit_coords=_metadata(obj),
            **details,
        )
    if name not in ("TsdFrame", "Tsd"):
        raise RecordingError(f"from_pynapple takes a TsGroup, a TsdFrame or a Tsd, but this is a {name}.")
    if bin_width is not None:
        raise RecordingError(
            f"A {name} has its own time step: leave `bin_width` out, or use obj.bin_average first."
        )
    time, values = np.asarray(obj.t, np.float64), np.asarray(obj.d)
    values = values[:, None] if values.ndim == 1 else values
    time, values = _on_grid(time, values)
    width = (time[-1] - time[0]) / (time.size - 1)
    support = obj.time_support.values
    start_inside = bins_inside(support + np.array([0.0, width]), time[0], width, time.size)
    values = np.where(start_inside[:, None], values, np.nan)
    unit = list(obj.columns) if name == "TsdFrame" else [0]
    coords = _metadata(obj) if name == "TsdFrame" else {}
    history = ("read from a pynapple " + name, *_as_lines(details.pop("history", ())))
    return make(values, time=time, kind=kind, unit=unit, unit_coords=coords, history=history, **details)


def to_pynapple(recording: xr.Dataset, *, centre: bool = False):
    """Turn a recording into a pynapple TsdFrame.

    Parameters
    ----------
    recording : xarray.Dataset
        A recording `(time, unit)`.
    centre : bool
        Stamp every bin at its centre, as pynapple does with counts, instead of at its start.

    Returns
    -------
    pynapple.TsdFrame
        One column per unit, with `kind` and the other coordinates of `unit` as metadata; NaN stays NaN. Its
        time support goes from the first stamp to the last.

    Raises
    ------
    RecordingError
        If the recording has trials.
    ImportError
        If pynapple is not installed: pip install "neurodyn[pynapple]".

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> frame = recording.to_pynapple(recording.make(np.ones((10, 2)), sampling_interval=0.1))
    >>> frame.shape
    (10, 2)
    """
    check(recording, allow_empty=True)
    if "trial" in recording["activity"].dims:
        raise RecordingError(
            "A pynapple TsdFrame has no trials: convert one trial at a time, recording.isel(trial=0)."
        )
    try:
        import pynapple
    except ImportError as error:
        raise ImportError('to_pynapple needs pynapple: run pip install "neurodyn[pynapple]".') from error
    shift = recording.attrs["sampling_interval"] / 2 if centre else 0.0
    metadata = {
        str(name): coord.values.tolist()
        for name, coord in recording.coords.items()
        if coord.dims == ("unit",) and name != "unit"
    }
    return pynapple.TsdFrame(
        t=recording["time"].values + shift,
        d=recording["activity"].values,
        columns=recording["unit"].values.tolist(),
        metadata=metadata,
    )


def _as_lines(history) -> tuple[str, ...]:
    """History as a tuple of lines."""
    return (history,) if isinstance(history, str) else tuple(history)


def _metadata(obj) -> dict[str, np.ndarray]:
    """The metadata columns of a pynapple object, without those of the schema."""
    skip = ("rate", "kind", "unit", "time")
    return {
        str(name): as_column(np.asarray(obj.get_info(name)))
        for name in obj.metadata_columns
        if name not in skip
    }


def _on_grid(time: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Samples with gaps, laid on the uniform grid of their commonest step; NaN in the gaps."""
    if time.size < 2:
        raise RecordingError(f"The signal has {time.size} samples: two are needed to tell its time step.")
    steps = np.diff(time)
    width = float(np.median(steps))
    gaps = steps > 1.5 * width
    fine = np.abs(steps - width) <= STEP_TOLERANCE * width + 4 * np.spacing(np.abs(time).max())
    if not (gaps | fine).all():
        i = int(np.argmin(gaps | fine))
        raise RecordingError(
            f"The signal has no uniform step: it is {width:.6g} s mostly, and {steps[i]:.6g} s after sample {i} "
            f"({time[i]:.6g} s); use obj.bin_average or obj.interpolate first."
        )
    width = float(steps[~gaps].mean())
    index = floor_bins(time - time[0] + width / 2, width)
    if (np.diff(index) < 1).any():
        raise RecordingError(
            "Two samples of the signal fall into the same time step: use obj.bin_average first."
        )
    out = np.full((int(index[-1]) + 1, values.shape[1]), np.nan, np.result_type(values.dtype, np.float32))
    out[index] = values
    return time[0] + np.arange(out.shape[0]) * width, out
