"""Starting assignments of bins to states: k-means on samples, smoothed samples and local moments.

A good start is worth more than a fast iteration: from random rows of data, expectation
maximisation of an 8-state model ends well below the generating model.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from neurodyn.errors import ModelError
from neurodyn.inference.emissions._standardise import bucket, centre_and_scale, standardise
from neurodyn.inference.emissions._time import chunk_length, map_time
from neurodyn.inference.random import as_key

_FIT_ROWS = 16_384


class Clusters(NamedTuple):
    """Result of `kmeans`, best restart first."""

    labels: np.ndarray  # (restart, time), int
    centres: np.ndarray  # (restart, cluster, feature), in the features' standardised units
    objective: np.ndarray  # (restart,), mean squared distance to the nearest centre


def kmeans(
    key: Array | int,
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
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(np.float32 if values.dtype != np.float64 else np.float64))
    if standardised:
        points = np.where(mask, values, 0).astype(dtype)
    else:
        points = standardise(values, mask, *centre_and_scale(values, mask), dtype)
    chosen = rows[np.linspace(0, rows.size - 1, min(rows.size, _FIT_ROWS)).astype(int)]
    padded = np.zeros((bucket(chosen.size), values.shape[1]), dtype)
    padded[: chosen.size] = points[chosen]
    weight = np.zeros(len(padded), dtype)
    weight[: chosen.size] = 1
    keys = jax.random.split(as_key(key), restarts)
    centres, objective = _lloyd(
        keys, jnp.asarray(padded), jnp.asarray(weight), n_clusters=n_clusters, iterations=iterations
    )
    order = np.argsort(np.asarray(objective), kind="stable")
    labels = np.asarray(_assign(jnp.asarray(points), centres))
    return Clusters(labels[order], np.asarray(centres)[order], np.asarray(objective)[order])


class Start(NamedTuple):
    """One starting assignment of bins to states, and how it was found."""

    method: str
    labels: np.ndarray  # (time,), int


METHODS = {
    "gaussian": ("samples", "smooth", "whitened", "moments", "segments"),
    "count": ("smooth", "samples", "long", "whitened", "segments"),
    "autoregressive": ("dynamics", "moments", "smooth", "dynamics", "segments"),
}
_WINDOWS = {"smooth": 5, "long": 15, "moments": 25, "dynamics": 25}
_COMPONENTS = 8


def starts(
    key: Array | int,
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
    keys = jax.random.split(as_key(key), n_starts)
    methods = [METHODS[kind][i % len(METHODS[kind])] for i in range(n_starts)]
    found: list[Start | None] = [None] * n_starts
    for method in dict.fromkeys(methods):
        places = [i for i, m in enumerate(methods) if m == method]
        if method == "segments":
            labelings = [_segments(keys[i], len(values), n_states) for i in places]
        else:
            table = _features(method, standard, mask, np.asarray(start, bool))
            seen = np.repeat(mask.any(axis=1, keepdims=True), table.shape[1], axis=1)
            clusters = kmeans(
                keys[places[0]], table, n_states, mask=seen, restarts=max(4, len(places)), standardised=True
            )
            labelings = list(clusters.labels[: len(places)])
        for place, labels in zip(places, labelings, strict=True):
            found[place] = Start(method, labels)
    return [s for s in found if s is not None]


def _features(method: str, standard: np.ndarray, mask: np.ndarray, start: np.ndarray) -> np.ndarray:
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


def _segments(key: Array, n_bins: int, n_states: int) -> np.ndarray:
    """Equal stretches, several to a state, in random order."""
    count = min(5 * n_states, n_bins)
    order = np.asarray(jax.random.permutation(key, count)) % n_states
    return order[np.arange(n_bins) * count // n_bins]


def _distances(points: Array, centres: Array) -> Float[Array, "row cluster"]:
    """Squared distances of every point to every centre."""
    squares = jnp.sum(points**2, 1)[:, None] - 2 * points @ centres.T + jnp.sum(centres**2, 1)
    return jnp.maximum(squares, 0)


def _seed(
    key: Array, points: Float[Array, "row feature"], weight: Float[Array, " row"], n_clusters: int
) -> Float[Array, "cluster feature"]:
    """Greedy k-means++: of several candidates keep the one that lowers the objective most."""
    trials = 2 + int(np.log(n_clusters))
    first_key, rest = jax.random.split(key)
    first = points[jax.random.categorical(first_key, jnp.log(weight))]
    nearest = _distances(points, first[None])[:, 0] * weight

    def add(nearest: Array, key: Array) -> tuple[Array, Array]:
        chance = jnp.where(nearest.sum() > 0, nearest, weight)
        candidates = points[jax.random.categorical(key, jnp.log(chance), shape=(trials,))]
        reached = jnp.minimum(nearest[:, None], _distances(points, candidates) * weight[:, None])
        best = jnp.argmin(reached.sum(0))
        return reached[:, best], candidates[best]

    _, others = lax.scan(add, nearest, jax.random.split(rest, n_clusters - 1))
    return jnp.concatenate([first[None], others])


@functools.partial(jax.jit, static_argnames=("n_clusters", "iterations"))
def _lloyd(
    keys: Array,
    points: Float[Array, "row feature"],
    weight: Float[Array, " row"],
    *,
    n_clusters: int,
    iterations: int,
) -> tuple[Float[Array, "restart cluster feature"], Float[Array, " restart"]]:
    """Centres and objective of every restart."""

    def step(_: Any, centres: Array) -> Array:
        distances = _distances(points, centres)
        member = jax.nn.one_hot(jnp.argmin(distances, 1), n_clusters, dtype=points.dtype) * weight[:, None]
        count = member.sum(0)
        moved = (member.T @ points) / jnp.maximum(count, 1)[:, None]
        farthest = points[jnp.argmax(distances.min(1) * weight)]
        return jnp.where((count > 0)[:, None], moved, farthest)

    def run(key: Array) -> tuple[Array, Array]:
        centres = lax.fori_loop(0, iterations, step, _seed(key, points, weight, n_clusters))
        return centres, jnp.sum(_distances(points, centres).min(1) * weight) / weight.sum()

    return jax.vmap(run)(keys)


@jax.jit
def _assign(
    points: Float[Array, "time feature"], centres: Float[Array, "restart cluster feature"]
) -> Int[Array, "restart time"]:
    """Nearest centre of every bin, for every restart."""
    restarts, clusters, features = centres.shape

    def rows(part: Array) -> Array:
        return jnp.argmin(_distances(part, centres.reshape(-1, features)).reshape(-1, restarts, clusters), 2)

    return map_time(rows, (points,), len(points), chunk_length(restarts * clusters)).T
