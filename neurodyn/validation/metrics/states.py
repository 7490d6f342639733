"""Agreement of two state sequences, whose state numbers mean nothing by themselves."""

from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.validation.layout import generator


def _codes(states: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Integer codes ``(trial, time)`` from 0, and where they are known."""
    values = np.asarray(states)
    if values.ndim == 1:
        values = values[None]
    if values.ndim != 2 or values.size == 0:
        raise ModelError(f"{name} has shape {np.shape(states)}; give states as (time,) or (trial, time).")
    if values.dtype.kind == "f":
        known = np.isfinite(values)
    else:
        known = np.array([[item is not None and item == item for item in row] for row in values.tolist()])
    labels = np.unique(values[known])
    codes = np.zeros(values.shape, dtype=int)
    codes[known] = np.searchsorted(labels, values[known])
    return codes, known


def contingency(first: np.ndarray, second: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Counts of joint states, ``(states of the first, states of the second)``."""
    a, b = first[known], second[known]
    table = np.zeros((a.max(initial=0) + 1, b.max(initial=0) + 1))
    np.add.at(table, (a, b), 1.0)
    return table


def matched_accuracy(table: np.ndarray) -> float:
    """Share of samples that agree under the best one-to-one matching of states."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum() / max(table.sum(), 1.0))


def mutual_information(table: np.ndarray) -> float:
    """Mutual information over the mean of the two entropies; 0 where a sequence never changes."""
    joint = table / max(table.sum(), 1.0)
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)

    def entropy(p: np.ndarray) -> float:
        return float(-(p[p > 0] * np.log(p[p > 0])).sum())

    mean = 0.5 * (entropy(rows) + entropy(columns))
    if mean < 1e-12:
        return 0.0
    return max(0.0, (entropy(rows) + entropy(columns) - entropy(joint.ravel())) / mean)


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
        State numbers or labels, ``(time,)`` or ``(trial, time)``; NaN is left out.
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
    a, known_a = _codes(first, "first")
    b, known_b = _codes(second, "second")
    if a.shape != b.shape:
        raise ModelError(f"the labellings have shapes {a.shape} and {b.shape}; label the same samples.")
    if not (known_a & known_b).any():
        raise ModelError("no sample is labelled in both sequences; give overlapping labels.")
    draw = generator(key, "state_agreement")

    def both(codes: np.ndarray, known: np.ndarray) -> tuple[float, float]:
        table = contingency(a, codes, known_a & known)
        return matched_accuracy(table), mutual_information(table)

    value = np.array(both(b, known_b))
    null = np.empty((n_null, 2))
    n_time = a.shape[1]
    for copy in range(n_null):
        shifts = draw.integers(1, max(n_time, 2), size=len(a))
        shifted = (np.arange(n_time)[None, :] - shifts[:, None]) % n_time
        null[copy] = both(
            np.take_along_axis(b, shifted, axis=1), np.take_along_axis(known_b, shifted, axis=1)
        )
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
