"""Which state is which: one-to-one matching of the states of two fits, and agreement of two sequences."""

import numpy as np
import xarray as xr

from neurodyn.analysis.sequences import MISSING, codes, inside_trials, with_trials
from neurodyn.errors import ModelError


def match_states(reference: xr.DataArray, other: xr.DataArray) -> xr.Dataset:
    """Match the states of one fit to those of another, one to one (Hungarian algorithm).

    Two arrays with a ``time`` dim are matched by how much their state probabilities overlap (the sum of
    products over the bins known in both, normalised like a cosine), all others by their parameters :math:`a,
    b` (the mean, the covariance), from which the average over the reference's states is removed:

    .. math:: s(a, b) = 1 - \\frac{|a - b|^2}{|a|^2 + |b|^2}

    Parameters
    ----------
    reference : xr.DataArray
        State probabilities ``([trial,] time, state)``, or parameters ``(state, ...)``.
    other : xr.DataArray
        The same of the other fit, with as many bins or features; the number of states may differ.

    Returns
    -------
    xr.Dataset
        Dim ``state`` (positions in `reference`): ``match``, the position of the matched state of `other`
        (-1 where `other` has too few), and ``similarity`` (-1 to 1; NaN without a match).

    Raises
    ------
    ModelError
        If the arrays do not have the same bins or features.

    References
    ----------
    Kuhn, H. W. (1955). The Hungarian method for the assignment problem. Naval Research Logistics Quarterly
    2, 83-97. https://doi.org/10.1002/nav.3800020109

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> a = xr.DataArray(np.eye(3), dims=("state", "unit"))
    >>> match_states(a, a[[2, 0, 1]])["match"].values.tolist()
    [1, 2, 0]
    """
    if "time" in reference.dims:
        similarity = _overlap(reference, other)
    else:
        similarity = _closeness(_features(reference), _features(other))
    match, score = assign(similarity)
    coords = {"state": reference["state"]} if "state" in reference.coords else {}
    return xr.Dataset({"match": ("state", match), "similarity": ("state", score)}, coords=coords)


def sequence_agreement(first: xr.DataArray, second: xr.DataArray) -> float:
    """Fraction of bins in which two state sequences agree, once their states are matched.

    Parameters
    ----------
    first, second : xr.DataArray
        State sequences, dims ``([trial,] time)``; bins unknown (NaN, -1) in either are left out.

    Returns
    -------
    float
        1 for sequences that differ only in the names of their states.

    Raises
    ------
    ModelError
        If the sequences have other shapes, or no bin in common.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> a = xr.DataArray(np.array([0, 0, 1, 2]), dims="time")
    >>> sequence_agreement(a, (a + 1) % 3)
    1.0
    """
    one, two = codes(first), codes(second)
    if one.shape != two.shape:
        raise ModelError(
            f"the sequences have the shapes {one.shape} and {two.shape}; they must have the same bins."
        )
    counts = contingency(one, two)
    match, _ = assign(counts)
    kept = match >= 0
    return float(counts[kept, match[kept]].sum() / counts.sum())


def contingency(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Counts (states of one, states of two) over the bins known in both."""
    known = (one != MISSING) & (two != MISSING)
    if not known.any():
        raise ModelError("the two sequences have no known bin in common; compare them on the same recording.")
    one, two = one[known], two[known]
    counts = np.zeros((one.max() + 1, two.max() + 1))
    np.add.at(counts, (one, two), 1.0)
    return counts


def assign(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best one-to-one partner of each row, -1 for none, and its similarity."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(similarity, maximize=True)
    match = np.full(len(similarity), -1)
    score = np.full(len(similarity), np.nan)
    match[rows] = columns
    score[rows] = similarity[rows, columns]
    return match, score


def _overlap(reference: xr.DataArray, other: xr.DataArray) -> np.ndarray:
    """Cosine between the probability time courses of every pair of states."""
    one, two = with_trials(reference, "state"), with_trials(other, "state")
    if one.shape[:2] != two.shape[:2]:
        raise ModelError(
            f"the probabilities cover {one.shape[:2]} and {two.shape[:2]} (trials, bins); they must be "
            "inferred "
            "from the same recording."
        )
    known = inside_trials(one) & one.notnull().all("state").values & two.notnull().all("state").values
    if not known.any():
        raise ModelError("the two fits have no known bin in common; infer both from the same recording.")
    a, b = one.values[known].astype(np.float64), two.values[known].astype(np.float64)
    scale = np.sqrt(np.outer((a**2).sum(axis=0), (b**2).sum(axis=0)))
    return np.divide(a.T @ b, scale, out=np.zeros_like(scale), where=scale > 0)


def _features(parameters: xr.DataArray) -> np.ndarray:
    """Parameters flattened to (state, feature)."""
    if "state" not in parameters.dims:
        raise ModelError(f"the parameters have dims {parameters.dims}; one of them must be `state`.")
    values = parameters.transpose("state", ...).values
    return values.reshape(len(values), -1).astype(np.float64)


def _closeness(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """1 - |a - b|^2 / (|a|^2 + |b|^2) of every pair, after removing what the reference's states share."""
    if one.shape[1] != two.shape[1]:
        raise ModelError(
            f"the parameters have {one.shape[1]} and {two.shape[1]} features; they must be the same."
        )
    centre = one.mean(axis=0) if len(one) > 1 else np.zeros(one.shape[1])
    one, two = one - centre, two - centre
    size = (one**2).sum(axis=1)[:, None] + (two**2).sum(axis=1)[None, :]
    return np.divide(2 * one @ two.T, size, out=np.ones_like(size), where=size > 0)
