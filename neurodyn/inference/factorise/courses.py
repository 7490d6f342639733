r"""How strongly known components act, row by row; and what is expected of them where nothing was observed."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from neurodyn.errors import ModelError
from neurodyn.inference.factorise.sweeps import POISSON, SQUARES

SETTLED, PASSES = 1e-12, 2000
SCORING_STEPS = 100
LAGS = 50


class Habits(NamedTuple):
    """What is known of the components' strengths before a row is seen.

    Attributes
    ----------
    mean : numpy.ndarray
        ``(component,)``.
    variance : numpy.ndarray
        ``(component,)``, above 0.
    noise : float
        Variance of an entry about the model.
    autocorrelation : numpy.ndarray
        Of every component's strength, lag 0 first, ``(lag, component)``; taken as 0 beyond.
    """

    mean: np.ndarray
    variance: np.ndarray
    noise: float
    autocorrelation: np.ndarray


class Normal(NamedTuple):
    """Normal equations of every row.

    Attributes
    ----------
    matrix : numpy.ndarray
        ``(row, component, component)``.
    target : numpy.ndarray
        ``(row, component)``.
    """

    matrix: np.ndarray
    target: np.ndarray


def normal_equations(
    values: Float[np.ndarray, "row column"],
    weights: Float[np.ndarray, "row column"],
    loadings: Float[np.ndarray, "column component"],
) -> Normal:
    """Weighted least squares of every row on the loadings.

    Parameters
    ----------
    values : (row, column)
        Finite wherever the weight is not 0.
    weights : (row, column)
        0 where not observed.
    loadings : (column, component)
        Known components.

    Returns
    -------
    Normal
        Matrix and right-hand side of every row.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.courses import normal_equations
    >>> normal_equations(np.array([[2.0, 0.0]]), np.array([[1.0, 0.0]]), np.array([[3.0], [5.0]])).target
    array([[6.]])
    """
    rank = loadings.shape[1]
    products = (loadings[:, :, None] * loadings[:, None, :]).reshape(len(loadings), -1)
    return Normal((weights @ products).reshape(len(values), rank, rank), (weights * values) @ loadings)


def non_negative(
    normal: Normal, start: Float[np.ndarray, "row component"] | None = None
) -> Float[np.ndarray, "row component"]:
    """Solve normal equations under the constraint that nothing is negative, by coordinate descent.

    Parameters
    ----------
    normal : Normal
        Matrices are positive definite.
    start : (row, component), optional
        Where to begin; zeros by default.

    Returns
    -------
    (row, component)
        The minima.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.courses import Normal, non_negative
    >>> non_negative(Normal(np.array([[[1.0, 0.5], [0.5, 1.0]]]), np.array([[1.0, -1.0]])))
    array([[1., 0.]])
    """
    matrix, target = normal
    found = np.zeros_like(target) if start is None else start.copy()
    diagonal = np.diagonal(matrix, axis1=1, axis2=2)
    scale = max(float(np.abs(target / diagonal).max(initial=0.0)), np.finfo(float).tiny)
    rows = np.arange(len(target))
    for _ in range(PASSES):
        moved = np.zeros(len(rows))
        for r in range(target.shape[1]):
            old = found[rows, r]
            step = (target[rows, r] - np.einsum("ts,ts->t", matrix[rows, r], found[rows])) / diagonal[rows, r]
            new = np.maximum(old + step, 0.0)
            found[rows, r] = new
            moved = np.maximum(moved, np.abs(new - old))
        rows = rows[moved > SETTLED * scale]
        if not len(rows):
            break
    return found


def strengths(
    values: Float[np.ndarray, "row column"],
    mask: Bool[np.ndarray, "row column"],
    loadings: Float[np.ndarray, "column component"],
    habits: Habits,
    *,
    loss: str = SQUARES,
) -> Float[np.ndarray, "row component"]:
    r"""Most probable strengths of known components in every row.

    .. math:: \hat c_t = \arg\min_{c \ge 0} \sum_{p \in \text{seen}} \frac{(x_{tp} - (W c)_p)^2}{2 v_{tp}}
        + \sum_r \frac{(c_r - m_r)^2}{2 s_r^2}

    with :math:`v = \sigma^2` for least squares and :math:`v_{tp} = \phi\,(W \hat c)_p` for counts, whose weights are found
    by repetition (Fisher scoring). Rows in which much was observed hardly depend on the habits.

    Parameters
    ----------
    values : (row, column)
        Finite wherever observed.
    mask : (row, column)
        Which entries were observed.
    loadings : (column, component)
        Known components.
    habits : Habits
        Of the strengths; for counts its noise is the dispersion :math:`\phi`.
    loss : {"squares", "poisson"}
        What the components were learnt with.

    Returns
    -------
    (row, component)
        0 or more; the mean of the habits where a row has no observed entry.

    Raises
    ------
    ModelError
        If the loss is neither.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.courses import Habits, strengths
    >>> habits = Habits(np.ones(1), np.full(1, 1e6), 1e-3, np.ones((1, 1)))
    >>> rows = np.array([[2.0, 4.0], [0.0, 6.0]])
    >>> strengths(rows, rows > 0, np.array([[1.0], [2.0]]), habits).round(3).tolist()
    [[2.0], [3.0]]
    """
    if loss not in (SQUARES, POISSON):
        raise ModelError(f"loss is {loss!r}; choose 'squares' or 'poisson'.")
    values = np.where(mask, values, 0.0).astype(float)
    seen = mask.astype(float)
    prior = habits.noise / habits.variance

    def solved(weights: np.ndarray, start: np.ndarray | None) -> np.ndarray:
        normal = normal_equations(values, weights, loadings)
        matrix = normal.matrix + np.diag(prior)
        return non_negative(Normal(matrix, normal.target + prior * habits.mean), start)

    found = solved(seen, None)
    if loss == SQUARES:
        return found
    # A model of next to nothing must not be believed without end.
    floor = max(1e-3 * float((habits.mean @ loadings.T).mean()), np.finfo(float).tiny)
    found = solved(seen / np.maximum(habits.mean @ loadings.T, floor), found)
    for _ in range(SCORING_STEPS):
        new = solved(seen / np.maximum(found @ loadings.T, floor), found)
        moved = np.abs(new - found).max(initial=0.0)
        found = 0.5 * (new + found)
        if moved <= 1e-9 * max(np.abs(found).max(initial=0.0), np.finfo(float).tiny):
            break
    return found


def autocorrelation(
    courses: Float[np.ndarray, "trial time component"], seen: Bool[np.ndarray, "trial time"], lags: int = LAGS
) -> Float[np.ndarray, "lag component"]:
    """Autocorrelation of strengths over pairs of bins in which both were seen, kept between 0 and .999 beyond lag 0.

    Parameters
    ----------
    courses : (trial, time, component)
        Strengths.
    seen : (trial, time)
        Where they were observed.
    lags : int
        Largest lag; lags with fewer than ten pairs are 0.

    Returns
    -------
    (lag, component)
        1 at lag 0.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.courses import autocorrelation
    >>> wave = np.tile([1.0, 0.0], 50)[None, :, None]
    >>> autocorrelation(wave, np.ones((1, 100), bool), 2)[:, 0].round(2).tolist()
    [1.0, 0.0, 1.0]
    """
    n_time, rank = courses.shape[1:]
    found = np.zeros((lags + 1, rank))
    found[0] = 1.0
    if not seen.any():
        return found
    centred = np.where(seen[..., None], courses - courses[seen].mean(0), 0.0)
    variance = np.square(centred[seen]).mean(0)
    for lag in range(1, min(lags, n_time - 1) + 1):
        pairs = int((seen[:, lag:] & seen[:, :-lag]).sum())
        if pairs < 10:
            continue
        product = (centred[:, lag:] * centred[:, :-lag]).sum((0, 1)) / pairs
        found[lag] = np.clip(product / np.where(variance > 0, variance, np.inf), 0.0, 0.999)
    return found


def expected(
    courses: Float[np.ndarray, "trial time component"],
    seen: Bool[np.ndarray, "trial time"],
    habits: Habits,
    *,
    mode: str = "all",
    horizon: int = 1,
    always: Bool[np.ndarray, "trial time"] | None = None,
) -> Float[np.ndarray, "trial time component"]:
    r"""Strengths expected in every bin, from those of the bins that were seen.

    Best linear prediction from the nearest seen bin on either side, with the components' autocorrelation
    :math:`\rho`; from the past alone it is :math:`m + \rho_k (c_{t - k} - m)`.

    Parameters
    ----------
    courses : (trial, time, component)
        Strengths; those of unseen bins are not read.
    seen : (trial, time)
        Which bins were observed.
    habits : Habits
        Mean and autocorrelation.
    mode : {"all", "past", "present"}
        From every seen bin; from those up to ``t - horizon``; from those up to ``t``.
    horizon : int
        Bins ahead, for ``past``.
    always : (trial, time), optional
        Seen bins that are known beforehand in every mode; none by default.

    Returns
    -------
    (trial, time, component)
        0 or more; a seen bin's own strength in modes ``all`` and ``present``.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.courses import Habits, expected
    >>> habits = Habits(np.zeros(1), np.ones(1), 1.0, 0.5 ** np.arange(4.0)[:, None])
    >>> courses, seen = np.array([8.0, 0, 0, 0])[None, :, None], np.array([[True, False, False, False]])
    >>> expected(courses, seen, habits)[0, :, 0].tolist()
    [8.0, 4.0, 2.0, 1.0]
    """
    n_time = seen.shape[1]
    bins = np.arange(n_time)
    always = np.zeros_like(seen) if always is None else always & seen
    back = min(horizon, n_time) if mode == "past" else 0
    last = np.maximum.accumulate(np.where(seen, bins, -1), axis=1)
    before = np.maximum.accumulate(np.where(always, bins, -1), axis=1)
    before[:, back:] = np.maximum(before[:, back:], last[:, : n_time - back])
    later = seen if mode == "all" else always
    after = np.minimum.accumulate(np.where(later, bins, n_time)[:, ::-1], axis=1)[:, ::-1]
    known = np.concatenate([habits.autocorrelation, np.zeros((1, len(habits.mean)))])

    def rho(lag: np.ndarray) -> np.ndarray:
        return known[np.minimum(lag, len(known) - 1)]

    def strength(at: np.ndarray) -> np.ndarray:
        inside = (at >= 0) & (at < n_time)
        taken = np.take_along_axis(courses, np.clip(at, 0, n_time - 1)[..., None], axis=1)
        return np.where(inside[..., None], taken - habits.mean, 0.0)

    left = np.where((before >= 0)[..., None], rho(bins - before), 0.0)
    right = np.where((after < n_time)[..., None], rho(after - bins), 0.0)
    both = ((before >= 0) & (after < n_time) & (before < after))[..., None]
    shared = np.where(both, rho(np.maximum(after - before, 0)), 0.0)
    apart = 1 - np.square(shared)
    to_left, to_right = (left - shared * right) / apart, (right - shared * left) / apart
    to_right = np.where(before[..., None] == after[..., None], 0.0, to_right)
    found = habits.mean + to_left * strength(before) + to_right * strength(after)
    return np.maximum(found, 0.0)
