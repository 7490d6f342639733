"""A recording of symbols as sequences of equal length, as networks are trained on them and samples are compared."""

import xarray as xr

from neurodyn.models.recurrent.model import codes
from neurodyn.models.recurrent.windows import cut_windows
from neurodyn.recording import make


def sequence_windows(recording: xr.Dataset, window: int | None = None) -> xr.Dataset:
    """Cut the stretches without gaps of a recording of symbols into sequences of equal length.

    Parameters
    ----------
    recording : xr.Dataset
        One categorical unit.
    window : int, optional
        Bins of a sequence; default: as long as the stretches without gaps, up to 100.

    Returns
    -------
    xr.Dataset
        Complete sequences as trials; the attribute ``dropped_bins`` counts the observed bins that are in none.

    Raises
    ------
    ModelError
        If there are several units, or fewer than two sequences.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.models.recurrent import sequence_windows
    >>> from neurodyn.recording import make
    >>> symbols = np.array([0, 0, 1, np.nan, 1, 1, 0, 0, 1])[:, None]
    >>> recording = make(symbols, sampling_interval=1.0, kind="categorical", unit=["symbol"])
    >>> found = sequence_windows(recording, 3)
    >>> found["activity"].values[..., 0].tolist(), found.attrs["dropped_bins"]
    ([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]], 2)
    """
    symbols, observed, names = codes(recording)
    windows = cut_windows(symbols, observed, window)
    attrs = recording.attrs
    label = str(recording["unit"].values[0])
    found = make(
        windows.symbols[..., None],
        sampling_interval=float(attrs.get("sampling_interval", 1.0)),
        kind="categorical",
        unit=[label],
        categories={label: names},
        modality=str(attrs.get("modality", "")),
        source=str(attrs.get("source", "")),
    )
    return found.assign_attrs(dropped_bins=windows.dropped)
