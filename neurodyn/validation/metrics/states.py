"""Agreement of two state sequences, whose state numbers mean nothing by themselves."""

from typing import Any

import numpy as np
import xarray as xr

from neurodyn.analysis.alignment import label_codes, shared_information
from neurodyn.analysis.matching import assign, contingency
from neurodyn.errors import ModelError
from neurodyn.validation.layout import generator


def _codes(states: Any, name: str) -> np.ndarray:
    """Labels ``(trial, time)`` as whole numbers from 0, -1 where there is none."""
    if isinstance(states, xr.DataArray):
        return label_codes(states)
    values = np.asarray(states)
    if values.ndim not in (1, 2) or values.size == 0:
        raise ModelError(f"{name} has shape {np.shape(states)}; give states as (time,) or (trial, time).")
    return label_codes(xr.DataArray(values, dims=("trial", "time")[-values.ndim :]))


def _both(one: np.ndarray, two: np.ndarray) -> tuple[float, float]:
    """Matched accuracy and normalised mutual information; 0 where no bin is known in both."""
    if not ((one >= 0) & (two >= 0)).any():
        return 0.0, 0.0
    counts = contingency(one, two)
    match, _ = assign(counts)
    kept = match >= 0
    return float(counts[kept, match[kept]].sum() / counts.sum()), shared_information(one, two)


def state_agreement(first: Any, second: Any, *, key: Any, n_null: int = 1000) -> xr.Dataset:
    """How far two labellings of the same samples agree, beside a circular-shift null.

    The matched accuracy is the share of samples that agree under the best one-to-one matching of states; the
    normalised mutual information is

    .. math:: \\frac{2 I(A; B)}{H(A) + H(B)}

    The null shifts the second labelling circularly in every trial by an independent random number of bins, which
    keeps its dwell times and occupancies.

    Parameters
    ----------
    first, second : array-like
        State numbers or text labels, ``(time,)`` or ``(trial, time)``; NaN, -1 and empty text are left out.
    key : int or jax.Array
        Draws the shifts.
    n_null : int
        Number of shifted copies.

    Returns
    -------
    xr.Dataset
        On ``measure`` (``matched_accuracy``, ``normalised_mutual_information``): ``value``, ``null_mean``,
        ``null_upper`` (95th percentile) and ``p_value``.

    Raises
    ------
    ModelError
        If the shapes differ or no sample is labelled in both.

    References
    ----------
    .. [1] Kuhn, H. W. (1955). The Hungarian method for the assignment problem. Naval Research Logistics
       Quarterly 2, 83-97. doi:10.1002/nav.3800020109
    .. [2] Strehl, A. and Ghosh, J. (2002). Cluster ensembles. Journal of Machine Learning Research 3, 583-617.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.validation import metrics
    >>> states = np.repeat([0, 1, 2, 0, 1], 20)
    >>> agreement = metrics.state_agreement(states, (states + 1) % 3, key=0, n_null=50)
    >>> float(agreement["value"].sel(measure="matched_accuracy"))
    1.0
    """
    a, b = _codes(first, "first"), _codes(second, "second")
    if a.shape != b.shape:
        raise ModelError(f"the labellings have shapes {a.shape} and {b.shape}; label the same samples.")
    if not ((a >= 0) & (b >= 0)).any():
        raise ModelError("no sample is labelled in both sequences; give overlapping labels.")
    draw = generator(key, "state_agreement")
    value = np.array(_both(a, b))
    null = np.empty((n_null, 2))
    n_time = a.shape[1]
    for copy in range(n_null):
        shifts = draw.integers(1, max(n_time, 2), size=len(a))
        shifted = (np.arange(n_time)[None, :] - shifts[:, None]) % n_time
        null[copy] = _both(a, np.take_along_axis(b, shifted, axis=1))
    at_least = (null >= value - 1e-12).sum(axis=0)
    return xr.Dataset(
        {
            "value": ("measure", value),
            "null_mean": ("measure", null.mean(axis=0) if n_null else np.full(2, np.nan)),
            "null_upper": ("measure", np.quantile(null, 0.95, axis=0) if n_null else np.full(2, np.nan)),
            "p_value": ("measure", (1 + at_least) / (1 + n_null)),
        },
        coords={"measure": ["matched_accuracy", "normalised_mutual_information"]},
        attrs={"null": "circular shift", "n_null": n_null},
    )
