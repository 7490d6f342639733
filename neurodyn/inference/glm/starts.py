"""Where expectation-maximisation begins: windows of a pooled model's scores, grouped by k-means.

The score of one pooled model (residual times feature) says in which direction the weights would have to move in a
bin. Summed over a window it tells states apart that differ in their couplings, not only in their rates. Of a bin only the
direction counts: residuals enter by their signed logarithm, features divided by their common size, so that a burst says
as much as any other bin and not a thousand times more.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.compilation import light_jit
from neurodyn.inference.glm.design import Design, Weights, rows_of
from neurodyn.inference.glm.families import Family
from neurodyn.inference.glm.passes import linear_predictor
from neurodyn.inference.initialise import kmeans

WINDOWS = (20, 10, 40, 5)
COMPONENTS = 20
LARGEST_EXACT = 1024
TRIES = 10
ROOT = 4  # of the mean that is a feature's typical size: bursts hardly move it


def typical_features(design: Design) -> Float[Array, " feature"]:
    r"""Typical size of every feature where it is not zero, :math:`(\overline{|h|^{1/4}})^4`; infinite if never seen."""
    _, features = observed_rows(design)
    return jnp.where(features, _typical(design), jnp.inf)


@light_jit()
def _typical(design: Design) -> Float[Array, " feature"]:
    """Typical size of every feature where it is not zero."""

    def one(carry: tuple[Array, Array], index: Array) -> tuple[tuple[Array, Array], None]:
        rows = rows_of(design, index)
        size = jnp.abs(rows.features)
        used = (size > 0) & rows.seen[:, None]
        total = carry[0] + jnp.where(used, size ** (1 / ROOT), 0).sum(axis=0)
        return (total, carry[1] + used.sum(axis=0)), None

    zero = jnp.zeros(design.n_features, design.targets.dtype)
    (total, count), _ = jax.lax.scan(one, (zero, zero), jnp.arange(design.n_chunks))
    return jnp.where(count > 0, (total / jnp.maximum(count, 1)) ** ROOT, 1)


@light_jit(static_argnames=("family", "n_windows", "exact"))
def window_scores(
    weights: Weights,
    scale: Array,
    typical: Float[Array, " feature"],
    design: Design,
    window: Int[Array, " time"],
    left: Float[Array, "unit left"],
    right: Float[Array, "feature right"],
    *,
    family: Family,
    n_windows: int,
    exact: bool,
) -> Float[Array, "window number"]:
    """Scores of a pooled model summed over windows: every residual x feature, or a random sketch of them."""

    def one(carry: Array, index: Array) -> tuple[Array, None]:
        rows = rows_of(design, index)
        eta = linear_predictor(weights, rows)
        _, score, curvature = family.derivatives(eta, rows.targets[:, None], scale)
        known = rows.seen[:, None] if rows.mask is None else rows.mask
        residual = (score / jnp.sqrt(jnp.maximum(curvature, 1e-3)))[:, 0]
        residual = jnp.where(known, jnp.sign(residual) * jnp.log1p(jnp.abs(residual)), 0)
        features = rows.features / typical
        features = features / jnp.sqrt(
            1 + jnp.sum(features**2, axis=1, keepdims=True) / jnp.isfinite(typical).sum()
        )
        if exact:
            table = jnp.einsum("tn,tf->tnf", residual, features).reshape(design.chunk, -1)
        else:
            table = (residual @ left) * (features @ right)
        where = jax.lax.dynamic_slice_in_dim(window, index * design.chunk, design.chunk)
        return carry + jax.ops.segment_sum(table, where, n_windows + 1), None

    size = left.shape[0] * right.shape[0] if exact else left.shape[1]
    start = jnp.zeros((n_windows + 1, size), weights.shared.dtype)
    return jax.lax.scan(one, start, jnp.arange(design.n_chunks))[0][:-1]


def windows_of(since: Int[np.ndarray, " time"], valid: np.ndarray, length: int) -> tuple[np.ndarray, int]:
    """Number of every bin's window, cut anew in every trial; padding gets the number of windows."""
    begins = (since % length == 0) & valid
    number = np.cumsum(begins) - 1
    count = int(begins.sum())
    return np.where(valid, number, count), count


def score_labels(
    key: int | tuple[int, ...],
    weights: Weights,
    scale: Array,
    typical: Float[Array, " feature"],
    design: Design,
    since: np.ndarray,
    valid: np.ndarray,
    family: Family,
    n_states: int,
    length: int,
) -> Int[np.ndarray, " time"]:
    """A state for every bin from the windowed scores of a pooled model.

    Parameters
    ----------
    key : int or tuple of int
        Seed.
    weights, scale
        The pooled model, with one state.
    typical : (F,)
        Typical size of every feature.
    design : Design
        The recording.
    since, valid : ndarray, (T,)
        Bins since the trial's first; False in the padding.
    family : Family
        Observation model.
    n_states : int
        Groups.
    length : int
        Bins of a window.

    Returns
    -------
    ndarray of int, (T,)
        Labels.
    """
    window, count = windows_of(since, valid, length)
    dtype = design.targets.dtype
    units, features = observed_rows(design)
    exact = bool(units.sum() * features.sum() <= LARGEST_EXACT)
    left, right = (
        np.eye(len(rows)) if exact else random_signs(key, which, rows)
        for which, rows in enumerate((units, features))
    )
    # The number of windows is rounded up, so that folds share what was compiled.
    room = 1 << max(count - 1, 1).bit_length()
    table = window_scores(
        weights,
        scale,
        typical,
        design,
        jnp.asarray(np.where(valid, window, room), jnp.int32),
        jnp.asarray(left, dtype),
        jnp.asarray(right, dtype),
        family=family,
        n_windows=room,
        exact=exact,
    )
    scores = np.asarray(table, float)[:count]
    sizes = np.bincount(window[valid], minlength=count)[:count]
    reduced = principal(comparable(scores / np.sqrt(np.maximum(sizes, 1))[:, None]), COMPONENTS)
    if count <= n_states:
        labels = np.arange(count) % n_states
    else:
        seed = int(np.random.default_rng(key).integers(2**31))
        labels = kmeans(seed, reduced, n_states, restarts=TRIES, standardised=True).labels[0]
    return np.where(valid, np.append(labels, 0)[window], 0)


def observed_rows(design: Design) -> tuple[Bool[np.ndarray, " unit"], Bool[np.ndarray, " feature"]]:
    """Units that were ever observed, and the features that are not of others: what is never seen decides nothing."""
    n_units = design.targets.shape[1]
    units = np.ones(n_units, bool) if design.mask is None else np.any(np.asarray(design.mask), axis=0)
    n_functions = design.kernel.shape[1]
    rest = np.ones(design.n_features - n_functions * n_units, bool)
    return units, np.concatenate([np.tile(units, n_functions), rest])


def random_signs(
    key: int | tuple[int, ...], which: int, rows: Bool[np.ndarray, " row"]
) -> Float[np.ndarray, "row number"]:
    """A random sign for every number of the chosen rows, zero in the others."""
    rng = np.random.default_rng([*np.atleast_1d(key).tolist(), which])
    signs = np.zeros((len(rows), LARGEST_EXACT))
    signs[rows] = rng.choice([-1.0, 1.0], (int(rows.sum()), LARGEST_EXACT))
    return signs


def comparable(scores: Float[np.ndarray, "window number"]) -> Float[np.ndarray, "window number"]:
    """Scores with mean 0 and deviation 1 over windows, their signed square roots taken so that no burst decides alone."""
    for last in (False, True):
        deviation = scores.std(axis=0)
        scores = (scores - scores.mean(axis=0)) / np.where(deviation > 1e-9, deviation, 1.0)
        scores = scores if last else np.sign(scores) * np.sqrt(np.abs(scores))
    return scores


def principal(
    table: Float[np.ndarray, "row column"], n_components: int
) -> Float[np.ndarray, "row component"]:
    """Leading principal components of centred rows, by the smaller of the two second-moment matrices."""
    rows, columns = table.shape
    n_components = min(n_components, rows, columns)
    if columns <= rows:
        values, vectors = np.linalg.eigh(table.T @ table)
        return table @ vectors[:, np.argsort(values)[::-1][:n_components]]
    values, vectors = np.linalg.eigh(table @ table.T)
    order = np.argsort(values)[::-1][:n_components]
    return vectors[:, order] * np.sqrt(np.maximum(values[order], 0))
