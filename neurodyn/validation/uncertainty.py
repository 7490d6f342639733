"""Uncertainty of held-out scores: resampled chunks, paired differences, multiplicity.

Scores are functions of sums over entries (`neurodyn.validation.metrics`). The entries are cut into chunks that are
as good as independent (trials, subjects, stretches of time), and the chunks are resampled with the same draws for
every model, so that differences are paired.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

from neurodyn.errors import ModelError
from neurodyn.validation.layout import generator, stretches

CHUNKS_WANTED = 10
CHUNKS_AT_MOST = 500
MEMORIES_PER_CHUNK = 5


class Interval(NamedTuple):
    """A value with its uncertainty.

    Attributes
    ----------
    value : np.ndarray
        The estimate from all chunks.
    standard_error : np.ndarray
        Standard deviation over resamples, with the factor for few chunks.
    lower, upper : np.ndarray
        Ends of the interval.
    """

    value: np.ndarray
    standard_error: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def chunk_length(n_bins: int, memory: int) -> int:
    """Bins of one chunk of time: five autocorrelation times, but at least 10 and at most 500 chunks in all.

    Parameters
    ----------
    n_bins : int
        Scored bins in all.
    memory : int
        Autocorrelation time, in bins.

    Returns
    -------
    int
        Bins, 1 or more.

    Examples
    --------
    >>> from neurodyn.validation import uncertainty
    >>> uncertainty.chunk_length(1000, 4)
    20
    """
    most = max(n_bins // CHUNKS_WANTED, 1)
    return int(max(min(MEMORIES_PER_CHUNK * max(memory, 1), most), -(-n_bins // CHUNKS_AT_MOST), 1))


def chunks_of_time(scored: np.ndarray, length: int) -> np.ndarray:
    """Number every scored bin by its chunk: stretches cut into pieces of about equal length.

    Parameters
    ----------
    scored : np.ndarray
        Boolean ``(trial, time)``.
    length : int
        Bins of a chunk.

    Returns
    -------
    np.ndarray
        ``(trial, time)``; -1 where nothing is scored.
    """
    number = np.full(scored.shape, -1)
    following = 0
    for trial in range(scored.shape[0]):
        for start, stop in stretches(scored[trial]):
            pieces = max(round((stop - start) / length), 1)
            number[trial, start:stop] = following + np.arange(stop - start) * pieces // (stop - start)
            following += pieces
    return number


def chunk_sums(terms: Mapping[str, np.ndarray], chunk: np.ndarray, n_chunks: int) -> dict[str, np.ndarray]:
    """Sum terms over every chunk.

    Parameters
    ----------
    terms : mapping of str to np.ndarray
        ``(trial, time, unit)``.
    chunk : np.ndarray
        Chunk number of every bin, ``(trial, time)``; -1 is left out.
    n_chunks : int
        Number of chunks.

    Returns
    -------
    dict of str to np.ndarray
        ``(chunk, unit)``.
    """
    inside = chunk.ravel() >= 0
    order = np.argsort(chunk.ravel()[inside], kind="stable")
    sorted_chunks = chunk.ravel()[inside][order]
    present, starts = np.unique(sorted_chunks, return_index=True)
    sums = {}
    for name, term in terms.items():
        rows = term.reshape(-1, term.shape[-1])[inside][order]
        total = np.zeros((n_chunks, term.shape[-1]))
        if len(present):
            total[present] = np.add.reduceat(rows, starts, axis=0)
        sums[name] = total
    return sums


def resamples(n_chunks: int, n_bootstrap: int, key: Any) -> np.ndarray:
    """How often each chunk is drawn in every resample.

    Parameters
    ----------
    n_chunks, n_bootstrap : int
        Chunks, and resamples of them.
    key : int or jax.Array
        Randomness.

    Returns
    -------
    np.ndarray
        ``(resample, chunk)``; every row sums to `n_chunks`.
    """
    draw = generator(key, "resamples", n_chunks)
    return draw.multinomial(n_chunks, np.full(n_chunks, 1.0 / n_chunks), size=n_bootstrap).astype(float)


def draws(
    sums: Mapping[str, np.ndarray], combine: Callable[[Any, str], Any], weights: np.ndarray, per: str
) -> np.ndarray:
    """Value of a metric in every resample.

    Parameters
    ----------
    sums : mapping of str to np.ndarray
        ``(chunk, unit)``.
    combine : callable
        `Metric.combine`.
    weights : np.ndarray
        ``(resample, chunk)``.
    per : {"pooled", "unit"}
        One value, or one per unit.

    Returns
    -------
    np.ndarray
        ``(resample,)`` or ``(resample, unit)``.
    """
    return np.asarray(combine({name: weights @ total for name, total in sums.items()}, per))


def interval(value: Any, drawn: np.ndarray, n_chunks: int, level: float = 0.95) -> Interval:
    """Expanded percentile interval from resampled values.

    Percentile intervals are too narrow for few chunks; their tails are widened as for Student's t, and the
    standard error carries the factor ``sqrt(n / (n - 1))``. Resampling blurs some scores, such as the correlation of
    two matrices, so that all resamples lie on one side of the estimate; the interval is then moved by the distance
    of the estimate from the resamples' median, the bias.

    Parameters
    ----------
    value : array-like
        Estimate from all chunks.
    drawn : np.ndarray
        ``(resample, ...)``.
    n_chunks : int
        Number of chunks resampled; with fewer than 2 there is no uncertainty, and NaN is returned.
    level : float
        Coverage.

    Returns
    -------
    Interval
        Value, standard error, lower and upper end.

    References
    ----------
    .. [1] Hesterberg, T. C. (2015). What teachers should know about the bootstrap. The American Statistician 69,
       371-386. doi:10.1080/00031305.2015.1089789

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.validation import uncertainty
    >>> found = uncertainty.interval(0.0, np.random.default_rng(0).normal(size=5000), n_chunks=1000)
    >>> bool(abs(found.upper - 1.96) < 0.1)
    True
    """
    value = np.asarray(value, dtype=float)
    nothing = np.full(value.shape, np.nan)
    usable = np.isfinite(drawn).mean(axis=0) > 0.5 if len(drawn) else np.zeros(value.shape, bool)
    if n_chunks < 2 or not np.any(usable):
        return Interval(value, nothing, nothing.copy(), nothing.copy())
    factor = np.sqrt(n_chunks / (n_chunks - 1))
    tail = ndtr(-factor * stdtrit(n_chunks - 1, 0.5 + level / 2))
    filled = np.where(usable, drawn, 0.0)
    error = np.where(usable, factor * np.nanstd(filled, axis=0), np.nan)
    lower, median, upper = np.nanquantile(filled, [tail, 0.5, 1 - tail], axis=0)
    bias = np.where((value < lower) | (value > upper), value - median, 0.0)
    lower, upper = lower + bias, upper + bias
    return Interval(value, error, np.where(usable, lower, np.nan), np.where(usable, upper, np.nan))


def by_student(found: Interval, n_chunks: int, level: float = 0.95) -> Interval:
    """The interval of Student's t around the value: the one that excludes 0 exactly where `p_value` is below 1 - level.

    Parameters
    ----------
    found : Interval
        Value and bootstrap standard error.
    n_chunks : int
        Number of chunks.
    level : float
        Coverage.

    Returns
    -------
    Interval
        With other ends; NaN where they were.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.validation import uncertainty
    >>> found = uncertainty.by_student(uncertainty.Interval(*map(np.asarray, (1.0, 0.5, 0.2, 1.9))), 10_000)
    >>> float(found.lower.round(2)), float(found.upper.round(2))
    (0.02, 1.98)
    """
    if n_chunks < 2:
        return found
    half = stdtrit(n_chunks - 1, 0.5 + level / 2) * found.standard_error
    return found._replace(lower=found.value - half, upper=found.value + half)


def p_value(difference: Any, standard_error: Any, n_chunks: int) -> np.ndarray:
    """Two-sided p value of a paired difference, from Student's t with one degree of freedom per chunk less one.

    Parameters
    ----------
    difference, standard_error : array-like
        Difference of two scores on the same chunks, and its bootstrap standard error.
    n_chunks : int
        Number of chunks.

    Returns
    -------
    np.ndarray
        Between 0 and 1; 1 where the difference is exactly 0, NaN where there is no standard error.

    Examples
    --------
    >>> from neurodyn.validation import uncertainty
    >>> round(float(uncertainty.p_value(1.96, 1.0, 10_000)), 3)
    0.05
    """
    difference, error = np.asarray(difference, float), np.asarray(standard_error, float)
    if n_chunks < 2:
        return np.full(difference.shape, np.nan)
    moved = error > 0
    statistic = np.abs(difference) / np.where(moved, error, 1.0)
    p = np.where(moved, 2 * stdtr(n_chunks - 1, -statistic), np.where(difference == 0, 1.0, 0.0))
    return np.where(np.isfinite(difference) & np.isfinite(error), p, np.nan)


def correct(p: Any, method: str = "holm") -> np.ndarray:
    """Correct p values for the number of tests.

    Parameters
    ----------
    p : array-like
        P values, ``(test,)``; NaN is passed through and not counted.
    method : {"holm", "benjamini_hochberg"}
        Family-wise error rate, or false discovery rate.

    Returns
    -------
    np.ndarray
        Adjusted p values, ``(test,)``.

    Raises
    ------
    ModelError
        If the method is unknown.

    References
    ----------
    .. [1] Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of
       Statistics 6, 65-70.
    .. [2] Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate. Journal of the Royal
       Statistical Society B 57, 289-300. doi:10.1111/j.2517-6161.1995.tb02031.x

    Examples
    --------
    >>> from neurodyn.validation import uncertainty
    >>> uncertainty.correct([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    if method not in ("holm", "benjamini_hochberg"):
        raise ModelError(f"correct: method is {method!r}; choose 'holm' or 'benjamini_hochberg'.")
    p = np.asarray(p, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    if len(known) == 0:
        return adjusted
    order = known[np.argsort(p[known], kind="stable")]
    count = len(order)
    rank = np.arange(1, count + 1)
    if method == "holm":
        stepped = np.maximum.accumulate(p[order] * (count - rank + 1))
    else:
        stepped = np.minimum.accumulate((p[order] * count / rank)[::-1])[::-1]
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
