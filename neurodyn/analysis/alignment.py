"""Do the states follow the labels of the experiment? Normalised mutual information and its null."""

import jax
import numpy as np
import xarray as xr

from neurodyn.analysis.matching import contingency
from neurodyn.analysis.sequences import MISSING, codes, with_trials
from neurodyn.errors import ModelError
from neurodyn.inference.random import as_key


def normalised_mutual_information(first: xr.DataArray, second: xr.DataArray) -> float:
    """Information two label sequences share, between 0 (independent) and 1 (one renames the other).

    .. math:: \\mathrm{NMI} = \\frac{2\\, I(A; B)}{H(A) + H(B)}

    Parameters
    ----------
    first, second : xr.DataArray
        State sequences or labels (numbers or text), dims ``([trial,] time)``; bins in which either is NaN, -1
        or an empty text are left out.

    Returns
    -------
    float
        The normalised mutual information; 0 where either sequence is constant. It is biased upwards in short
        recordings and with many states: read it against `alignment_to_labels`' null.

    Raises
    ------
    ModelError
        If the sequences have other shapes, or no bin in common.

    References
    ----------
    Strehl, A., Ghosh, J. (2002). Cluster ensembles. JMLR 3, 583-617.
    https://doi.org/10.1162/153244303321897735

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> states = xr.DataArray(np.array([0, 0, 1, 1]), dims="time")
    >>> labels = xr.DataArray(np.array(["rest", "rest", "run", "run"]), dims="time")
    >>> round(normalised_mutual_information(states, labels), 6)
    1.0
    """
    one, two = label_codes(first), label_codes(second)
    _same_bins(one, two)
    return shared_information(one, two)


def alignment_to_labels(
    path: xr.DataArray,
    labels: xr.DataArray,
    *,
    key: int | jax.Array,
    n_shifts: int = 1000,
    minimum_shift: int | None = None,
) -> xr.Dataset:
    """Alignment of states to labels, beside what slow sequences share by chance.

    The null shifts the labels in time, circularly and by the same number of bins in every trial, which keeps
    the autocorrelation of both sequences and breaks only their relation:

    .. math:: p = \\frac{1 + \\#\\{\\mathrm{NMI}_{\\mathrm{null}} \\ge \\mathrm{NMI}\\}}{1 + n}

    Parameters
    ----------
    path : xr.DataArray
        State sequence, dims ``([trial,] time)``; NaN, -1 = unknown.
    labels : xr.DataArray
        Labels of the same bins (numbers or text); NaN, -1 or an empty text = no label.
    key : int or jax.Array
        Explicit randomness of the shifts.
    n_shifts : int
        Number of shifts; where the trials are so short that fewer are possible, each is used once.
    minimum_shift : int, optional
        Smallest shift in bins, either way round; by default a twentieth of the trial length, at least 1.

    Returns
    -------
    xr.Dataset
        ``nmi``, ``null`` (dim ``shift``), ``null_mean``, ``null_95`` (its 95th percentile), ``p_value``.

    Raises
    ------
    ModelError
        If the sequences have other shapes, no bin in common, or are too short to shift.

    References
    ----------
    Harris, K. D. (2020). Nonsense correlations in neuroscience. bioRxiv.
    https://doi.org/10.1101/2020.11.29.402719

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> states = xr.DataArray(np.repeat(np.tile([0, 1], 20), 7)[:271], dims="time")
    >>> float(alignment_to_labels(states, states, key=0, n_shifts=50)["nmi"].round(6))
    1.0
    """
    one, two = label_codes(path), label_codes(labels)
    _same_bins(one, two)
    if n_shifts < 1:
        raise ModelError(f"n_shifts is {n_shifts}; it must be 1 or more.")
    n_time = one.shape[1]
    least = max(1, n_time // 20) if minimum_shift is None else int(minimum_shift)
    possible = np.arange(least, n_time - least + 1)
    possible = possible[(possible > 0) & (possible < n_time)]
    if possible.size == 0:
        raise ModelError(
            f"a sequence of {n_time} bins cannot be shifted by at least {least} bins either way; lower "
            "minimum_shift."
        )
    chosen = np.asarray(jax.random.permutation(as_key(key), possible.size))[:n_shifts]
    found = shared_information(one, two)
    null = np.array([_shared_or_zero(one, np.roll(two, shift, axis=1)) for shift in possible[chosen]])
    return xr.Dataset(
        {
            "nmi": found,
            "null": ("shift", null),
            "null_mean": null.mean(),
            "null_95": np.quantile(null, 0.95),
            "p_value": (1 + np.sum(null >= found - 1e-12)) / (1 + null.size),
        },
        coords={"shift": possible[chosen]},
    )


def label_codes(labels: xr.DataArray) -> np.ndarray:
    """Labels (trial, time) as whole numbers from 0, -1 where there is none."""
    if labels.dtype.kind in "iufb":
        values = labels.values
        if labels.dtype.kind == "f" and (np.nan_to_num(values) != np.floor(np.nan_to_num(values))).any():
            raise ModelError(
                "the labels hold fractions; round or bin a continuous quantity into classes first."
            )
        return codes(labels)
    text = with_trials(labels).values
    known = np.array([isinstance(item, str) and item != "" for item in text.ravel()]).reshape(text.shape)
    result = np.full(text.shape, MISSING)
    if known.any():
        result[known] = np.unique(text[known].astype(str), return_inverse=True)[1]
    return result


def shared_information(one: np.ndarray, two: np.ndarray) -> float:
    """Normalised mutual information of two integer arrays, -1 = missing."""
    joint = contingency(one, two)
    joint = joint / joint.sum()
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    entropy = _entropy(rows) + _entropy(columns)
    shared = _entropy(rows) + _entropy(columns) - _entropy(joint)
    return float(np.clip(2 * shared / entropy, 0.0, 1.0)) if entropy > 0 and shared > 1e-12 else 0.0


def _shared_or_zero(one: np.ndarray, two: np.ndarray) -> float:
    """As `shared_information`, 0 where a shift leaves no bin in common."""
    return shared_information(one, two) if ((one >= 0) & (two >= 0)).any() else 0.0


def _entropy(share: np.ndarray) -> float:
    """Entropy in nats."""
    positive = share[share > 0]
    return float(-(positive * np.log(positive)).sum())


def _same_bins(one: np.ndarray, two: np.ndarray) -> None:
    """Refuse sequences of other shapes."""
    if one.shape != two.shape:
        raise ModelError(
            f"the sequences have the shapes {one.shape} and {two.shape}; they must have the same bins."
        )
