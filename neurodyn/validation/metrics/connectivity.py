"""Functional connectivity: correlations between units, over all time or per state."""

from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.validation.layout import as3


def weighted_correlation(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Correlation matrix from samples with weights, each pair over the samples where both are observed.

    Parameters
    ----------
    values : np.ndarray
        ``(sample, unit)``, NaN = not observed.
    weights : np.ndarray
        ``(sample,)``, not negative.

    Returns
    -------
    np.ndarray
        ``(unit, unit)``; 1 on the diagonal, NaN where a pair was never observed or a unit is constant.
    """
    seen = np.isfinite(values)
    weight = seen * np.asarray(weights, float)[:, None]
    total = weight.sum(axis=0)
    filled = np.where(seen, values, 0.0).astype(float)
    centred = np.where(seen, filled - (weight * filled).sum(axis=0) / np.where(total > 0, total, 1.0), 0.0)
    scale = np.sqrt((weight * centred**2).sum(axis=0) / np.where(total > 0, total, 1.0))
    centred = centred / np.where(scale > 0, scale, 1.0)
    root = np.sqrt(np.asarray(weights, float))[:, None]
    x, m = centred * root, seen * root
    n = m.T @ m
    first, second = x.T @ m, m.T @ x
    cross = x.T @ x
    squares = (centred * x * root).T @ seen
    count = np.where(n > 0, n, 1.0)
    covariance = cross - first * second / count
    spread = squares - first**2 / count
    denominator = np.sqrt(np.maximum(spread * spread.T, 0.0))
    usable = (n > 0) & (denominator > 1e-12 * count)
    result = np.where(usable, covariance / np.where(usable, denominator, 1.0), np.nan)
    return np.clip(result, -1.0, 1.0)


def functional_connectivity(recording: xr.Dataset, probability: Any = None) -> xr.DataArray:
    """Correlation between units, over all observed bins or weighted by the probability of each state.

    Parameters
    ----------
    recording : xr.Dataset
        A recording.
    probability : xr.DataArray, optional
        State probabilities ``([trial,] time, state)``, as ``fit.infer`` returns.

    Returns
    -------
    xr.DataArray
        ``([state,] unit, other_unit)``; NaN where a pair was never observed together or a unit is constant.

    Raises
    ------
    ModelError
        If the probabilities have another number of bins.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import metrics
    >>> x = np.random.default_rng(0).normal(size=(50, 1))
    >>> fc = metrics.functional_connectivity(make(np.hstack([x, -x]), sampling_interval=1.0))
    >>> round(float(fc[0, 1]), 6)
    -1.0
    """
    values = as3(recording["activity"])
    flat = values.reshape(-1, values.shape[2])
    labels = recording["unit"].values
    coords = {"unit": labels, "other_unit": labels}
    if probability is None:
        return xr.DataArray(
            weighted_correlation(flat, np.ones(len(flat))), dims=("unit", "other_unit"), coords=coords
        )
    weights = np.asarray(probability.transpose(*[d for d in ("trial", "time") if d in probability.dims], ...))
    weights = weights.reshape(-1, weights.shape[-1])
    if len(weights) != len(flat):
        raise ModelError(
            f"the state probabilities cover {len(weights)} bins, the recording {len(flat)}; infer on this "
            "recording."
        )
    maps = np.stack(
        [weighted_correlation(flat, np.nan_to_num(weights[:, k])) for k in range(weights.shape[1])]
    )
    state_dim = str(probability.dims[-1])
    if state_dim in probability.coords:
        coords = {state_dim: probability[state_dim].values, **coords}
    return xr.DataArray(maps, dims=(state_dim, "unit", "other_unit"), coords=coords)


def connectivity_match(first: xr.DataArray, second: xr.DataArray) -> float:
    """Correlation of the upper triangles of two connectivity matrices.

    Parameters
    ----------
    first, second : xr.DataArray
        ``(unit, other_unit)``, as `functional_connectivity` returns.

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
            "least 3 "
            "differing ones are needed."
        )
    return float(np.corrcoef(x[known], y[known])[0, 1])
