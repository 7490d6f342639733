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


def as_key(key: Array | int) -> Array:
    """A JAX key from an integer or a key."""
    return jax.random.key(key) if isinstance(key, int | np.integer) else key


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
