"""Agreement of functional connectivity: of two recordings, two states, a simulation and the data."""

import numpy as np
import xarray as xr

from neurodyn.analysis.connectivity import functional_connectivity
from neurodyn.errors import ModelError


def connectivity_by_state(recording: xr.Dataset, probability: xr.DataArray) -> xr.DataArray:
    """Functional connectivity of every state, each bin weighted by the state's probability.

    Parameters
    ----------
    recording : xr.Dataset
        A recording.
    probability : xr.DataArray
        State probabilities ``([trial,] time, state)``, as ``fit.infer`` returns.

    Returns
    -------
    xr.DataArray
        Correlations ``(state, unit, unit_2)``.

    Raises
    ------
    ModelError
        If the probabilities have other bins than the recording.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import metrics
    >>> recording = make(np.random.default_rng(0).normal(size=(40, 3)), sampling_interval=1.0)
    >>> probability = xr.DataArray(np.full((40, 2), 0.5), dims=("time", "state"))
    >>> metrics.connectivity_by_state(recording, probability).shape
    (2, 3, 3)
    """
    state = str(probability.dims[-1])
    maps = [
        functional_connectivity(recording, probability.isel({state: k}, drop=True))
        for k in range(probability.sizes[state])
    ]
    coords = {**maps[0].coords}
    if state in probability.coords:
        coords[state] = probability[state]
    return xr.DataArray(np.stack([item.values for item in maps]), dims=(state, *maps[0].dims), coords=coords)


def connectivity_match(first: xr.DataArray, second: xr.DataArray) -> float:
    """Correlation of the upper triangles of two connectivity matrices.

    Parameters
    ----------
    first, second : xr.DataArray
        ``(unit, unit_2)``, as `neurodyn.analysis.functional_connectivity` returns.

    Returns
    -------
    float
        Between -1 and 1, over the pairs known in both; data against data (two halves) gives the ceiling.

    Raises
    ------
    ModelError
        If the shapes differ or fewer than 3 pairs are known in both.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurodyn.validation import metrics
    >>> matrix = xr.DataArray(np.corrcoef(np.random.default_rng(0).normal(size=(4, 30))))
    >>> round(metrics.connectivity_match(matrix, matrix), 6)
    1.0
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    if a.shape != b.shape or a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ModelError(
            f"the connectivity matrices have shapes {a.shape} and {b.shape}; give two of the same units."
        )
    upper = np.triu_indices(len(a), k=1)
    x, y = a[upper], b[upper]
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < 3 or np.std(x[known]) == 0 or np.std(y[known]) == 0:
        raise ModelError(
            f"only {int(known.sum())} pairs of units are known in both matrices, or they are all equal; at "
            "least 3 differing ones are needed."
        )
    return float(np.corrcoef(x[known], y[known])[0, 1])
