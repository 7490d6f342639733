"""Starting assignments of bins to states: k-means on samples, smoothed samples and local moments.

A good start is worth more than a fast iteration: from random rows of data, expectation
maximisation of an 8-state model ends well below the generating model.
"""

from typing import NamedTuple

import numpy as np

from neurodyn.errors import ModelError
from neurodyn.inference.emissions._standardise import centre_and_scale, standardise
from neurodyn.inference.random import Key, as_key, key_words

_FIT_ROWS = 16_384
_STRETCH = 65_536


class Clusters(NamedTuple):
    """Result of `kmeans`, best restart first."""

    labels: np.ndarray  # (restart, time), int
    centres: np.ndarray  # (restart, cluster, feature), in the features' standardised units
    objective: np.ndarray  # (restart,), mean squared distance to the nearest centre


class Start(NamedTuple):
    """A starting assignment."""

    method: str  # what was clustered
    labels: np.ndarray  # (time,), int


def kmeans(
    key: Key,
    values: np.ndarray,
    n_clusters: int,
    *,
    mask: np.ndarray | None = None,
    restarts: int = 4,
    iterations: int = 50,
    standardised: bool = False,
) -> Clusters:
    r"""Group bins by Lloyd's iterations from greedy k-means++ seeds, several times in one batch.

    .. math:: \min_{c, \ell} \sum_t \lVert x_t - c_{\ell_t} \rVert^2

    Long recordings are clustered on 16,384 evenly chosen bins and every bin then takes its
    nearest centre.

    Parameters
    ----------
    key : int or JAX key
        Source of randomness.
    values : ndarray, (time, feature)
        Observations in any unit.
    n_clusters : int
        Number of groups.
    mask : ndarray of bool, (time, feature), optional
        True where observed. A missing entry counts as its feature's mean; a bin without any
        observation takes no part in the fit.
    restarts : int
        Independent runs.
    iterations : int
        Lloyd iterations of each.
    standardised : bool
        True when the features already have comparable scales and should be used as they are.

    Returns
    -------
    Clusters
        Labels, centres and objective of every run, best first.

    Raises
    ------
    ModelError
        When there are no observed bins or `n_clusters` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.concatenate([np.zeros((20, 1)), np.ones((20, 1))])
    >>> labels = kmeans(0, values, 2, restarts=1).labels[0]
    >>> bool(labels[0] != labels[-1]) and len(set(labels[:20])) == 1
    True

    References
    ----------
    Arthur and Vassilvitskii (2007), k-means++: the advantages of careful seeding, SODA.
    """
    values = np.asarray(values)
    mask = np.isfinite(values) if mask is None else np.asarray(mask, bool)
    rows = np.flatnonzero(mask.any(axis=1))
    if n_clusters < 1 or restarts < 1:
        raise ModelError(f"n_clusters is {n_clusters} and restarts {restarts}; both must be at least 1.")
    if rows.size == 0:
        raise ModelError("No bin of the recording is observed, so there is nothing to cluster.")
    points = (
        values
        if standardised
        else standardise(values, mask, *centre_and_scale(values, mask), np.dtype(np.float32))
    )
    points = np.where(rows_seen(mask), points, 0).astype(np.float32)
    chosen = points[rows[np.linspace(0, rows.size - 1, min(rows.size, _FIT_ROWS)).astype(int)]]
    runs = [
        _lloyd(rng, chosen, n_clusters, iterations)
        for rng in np.random.default_rng(key_words(as_key(key))).spawn(restarts)
    ]
    order = np.argsort([objective for _, objective in runs], kind="stable")
    centres = np.stack([runs[i][0] for i in order])
    labels = np.stack([_nearest(points, one) for one in centres])
    return Clusters(labels, centres, np.array([runs[i][1] for i in order]))


def rows_seen(mask: np.ndarray) -> np.ndarray:
    """Bins with an observation, as a column."""
    return np.any(mask, axis=1)[:, None]


METHODS = {
    "gaussian": ("samples", "smooth", "whitened", "moments", "segments"),
    "count": ("smooth", "samples", "long", "whitened", "segments"),
    "autoregressive": ("dynamics", "moments", "smooth", "dynamics", "segments"),
}
_WINDOWS = {"smooth": 5, "long": 15, "moments": 25, "dynamics": 25}
_COMPONENTS = 8


def starts(
    key: Key,
    values: np.ndarray,
    mask: np.ndarray,
    start: np.ndarray,
    n_states: int,
    n_starts: int,
    *,
    kind: str = "gaussian",
) -> list[Start]:
    """Unlike starting assignments, the most promising kinds first.

    K-means on the samples finds states that differ in their mean; on samples averaged over 5 or
    15 bins, those that overlap but last; on principal-component scores of equal variance, those
    that differ in directions of little variance; on local second moments (25 bins), those that
    differ in covariance only; on local lagged moments, those that differ in their dynamics.
    `segments` cuts the recording into equal stretches in random order.

    Parameters
    ----------
    key : int or JAX key
        Source of randomness.
    values : ndarray, (time, unit)
        Observations, any unit; counts for `kind="count"` (their square root is used).
    mask : ndarray of bool, (time, unit)
        True where observed.
    start : ndarray of bool, (time,)
        True at each trial's first bin; averages do not cross trials.
    n_states : int
        Number of states.
    n_starts : int
        Number of assignments; beyond the number of methods they repeat with new seeds.
    kind : {"gaussian", "count", "autoregressive"}
        What the states differ in.

    Returns
    -------
    list of Start
        `n_starts` labelings, each with its method.

    Raises
    ------
    ModelError
        When `kind` is unknown, or nothing is observed.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.random.default_rng(0).standard_normal((60, 2))
    >>> found = starts(0, values, np.ones((60, 2), bool), np.arange(60) == 0, 2, 3)
    >>> [s.method for s in found]
    ['samples', 'smooth', 'whitened']
    """
    if kind not in METHODS:
        raise ModelError(f"kind is {kind!r}; choose one of {', '.join(METHODS)}.")
    mask = np.asarray(mask, bool)
    if not mask.any():
        raise ModelError("No bin of the recording is observed, so there is nothing to cluster.")
    values = np.asarray(values)
    if kind == "count":
        values = np.sqrt(np.where(mask, values, 0))
    dtype = np.float64 if values.dtype == np.float64 else np.float32
    standard = standardise(values, mask, *centre_and_scale(values, mask), np.dtype(dtype))
    keys = np.random.default_rng(key_words(as_key(key))).integers(2**31, size=n_starts).tolist()
    methods = [METHODS[kind][i % len(METHODS[kind])] for i in range(n_starts)]
    found: list[Start | None] = [None] * n_starts
    for method in dict.fromkeys(methods):
        places = [i for i, m in enumerate(methods) if m == method]
        if method == "segments":
            labelings = [_segments(keys[i], len(values), n_states) for i in places]
        else:
            table = features(method, standard, mask, np.asarray(start, bool))
            seen = np.repeat(mask.any(axis=1, keepdims=True), table.shape[1], axis=1)
            clusters = kmeans(
                keys[places[0]], table, n_states, mask=seen, restarts=max(4, len(places)), standardised=True
            )
            labelings = list(clusters.labels[: len(places)])
        for place, labels in zip(places, labelings, strict=True):
            found[place] = Start(method, labels)
    return [s for s in found if s is not None]


def features(method: str, standard: np.ndarray, mask: np.ndarray, start: np.ndarray) -> np.ndarray:
    """What k-means clusters for `method`."""
    weight = mask.any(axis=1).astype(float)
    if method == "samples":
        return standard
    if method in ("smooth", "long"):
        average = _moving_average(standard, weight, start, _WINDOWS[method])
        return average / np.maximum(average.std(axis=0), 1e-6)
    scores = _scores(standard, mask)
    if method == "whitened":
        return scores
    scores = scores[:, :_COMPONENTS]
    if method == "dynamics":
        return _lagged_correlations(scores, weight, start)
    upper = np.triu_indices(scores.shape[1])
    table = np.concatenate([scores, scores[:, upper[0]] * scores[:, upper[1]]], axis=1)
    average = _moving_average(table, weight, start, _WINDOWS[method])
    return (average - average.mean(axis=0)) / np.maximum(average.std(axis=0), 1e-6)


def _lagged_correlations(scores: np.ndarray, weight: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Local correlations of every score with every score one bin earlier, and local log-variances."""
    before = np.roll(scores, 1, axis=0)
    before[start] = 0
    products = (scores[:, :, None] * before[:, None, :]).reshape(len(scores), -1)
    window = _WINDOWS["dynamics"]
    lagged = _moving_average(products, weight, start, window)
    power = np.maximum(_moving_average(scores**2, weight, start, window), 1e-6)
    size = np.sqrt(power)
    lagged = lagged / (size[:, :, None] * size[:, None, :]).reshape(len(scores), -1)
    table = np.concatenate([lagged, np.log(power)], axis=1)
    return (table - table.mean(axis=0)) / np.maximum(table.std(axis=0), 1e-6)


def _scores(standard: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Principal-component scores scaled to unit variance, largest first."""
    seen = standard[mask.any(axis=1)]
    covariance = np.cov(seen, rowvar=False, ddof=0).reshape(standard.shape[1], -1).astype(float)
    variances, directions = np.linalg.eigh(covariance)
    order = np.argsort(-variances)
    order = order[variances[order] > 1e-3 * max(variances.max(), 1e-12)]
    return (standard @ (directions[:, order] / np.sqrt(variances[order]))).astype(standard.dtype)


def _moving_average(table: np.ndarray, weight: np.ndarray, start: np.ndarray, window: int) -> np.ndarray:
    """Average over the observed bins of a centred window cut at the trial's ends."""
    n_bins = len(table)
    begin = np.flatnonzero(start | (np.arange(n_bins) == 0))
    trial = np.cumsum(start | (np.arange(n_bins) == 0)) - 1
    end = np.append(begin[1:], n_bins)
    low = np.maximum(np.arange(n_bins) - window // 2, begin[trial])
    high = np.minimum(np.arange(n_bins) + window // 2 + 1, end[trial])
    count = np.concatenate([[0.0], np.cumsum(weight)])
    size = np.maximum(count[high] - count[low], 1)
    result = np.empty_like(table)
    for column in range(table.shape[1]):
        total = np.concatenate([[0.0], np.cumsum(table[:, column] * weight, dtype=float)])
        result[:, column] = (total[high] - total[low]) / size
    return result


def _segments(key: int, n_bins: int, n_states: int) -> np.ndarray:
    """Equal stretches, several to a state, in random order."""
    count = min(5 * n_states, n_bins)
    order = np.random.default_rng(key).permutation(count) % n_states
    return order[np.arange(n_bins) * count // n_bins]


def _distances(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared distances of every point to every centre."""
    squares = np.sum(points**2, 1)[:, None] - 2 * points @ centres.T + np.sum(centres**2, 1)
    return np.maximum(squares, 0)


def _nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Index of the nearest centre of every point, stretch by stretch to spare memory."""
    stretches = range(0, len(points), _STRETCH)
    found = [np.argmin(_distances(points[i : i + _STRETCH], centres), axis=1) for i in stretches]
    return np.concatenate(found)


def _seed(rng: np.random.Generator, points: np.ndarray, n_clusters: int) -> np.ndarray:
    """Greedy k-means++: of several candidates keep the one that lowers the objective most."""
    trials = 2 + int(np.log(n_clusters))
    centres = [points[rng.integers(len(points))]]
    nearest = _distances(points, centres[0][None])[:, 0]
    for _ in range(n_clusters - 1):
        total = nearest.sum(dtype=float)
        chance = nearest / total if total > 0 else np.full(len(points), 1 / len(points))
        candidates = points[
            np.searchsorted(np.cumsum(chance, dtype=float), rng.random(trials)).clip(max=len(points) - 1)
        ]
        reached = np.minimum(nearest[:, None], _distances(points, candidates))
        best = int(np.argmin(reached.sum(0)))
        nearest = reached[:, best]
        centres.append(candidates[best])
    return np.stack(centres)


def _lloyd(
    rng: np.random.Generator, points: np.ndarray, n_clusters: int, iterations: int
) -> tuple[np.ndarray, float]:
    """Centres and mean squared distance after Lloyd's iterations; an empty cluster takes the farthest point."""
    centres = _seed(rng, points, n_clusters)
    labels = np.full(len(points), -1)
    distances = _distances(points, centres)
    for _ in range(iterations):
        moved = np.argmin(distances, axis=1)
        if np.array_equal(moved, labels):
            break
        labels = moved
        member = np.zeros((len(points), n_clusters), points.dtype)
        member[np.arange(len(points)), labels] = 1
        count = member.sum(0)
        centres = (member.T @ points) / np.maximum(count, 1)[:, None]
        farthest = np.argsort(distances.min(1))[::-1]
        for place, empty in enumerate(np.flatnonzero(count == 0)):
            centres[empty] = points[farthest[min(place, len(points) - 1)]]
        distances = _distances(points, centres)
    return centres, float(distances.min(1).mean())
