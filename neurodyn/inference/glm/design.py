"""The regressors of a generalised linear model, computed block by block from the recording.

Features of a bin are the recent values of every unit seen through each basis function, the covariates and a
constant; a unit's own history may have a basis of its own. They are held in full only where they are small.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from neurodyn.inference.compilation import light_jit

# Numbers of bins x states x units one chunk works on, and the largest table of features that is kept.
CHUNK_ELEMENTS = 1 << 16
KEPT_ELEMENTS = 1 << 26


class Weights(NamedTuple):
    """Weights on the linear predictor of every unit in every state.

    Parameters
    ----------
    shared : Array
        On the features all units see, shape ``(feature, state, unit)``: couplings (function-major), covariates, bias.
    own : Array
        On the unit's own history where that has a basis of its own, ``(function, state, unit)``.
    """

    shared: Float[Array, "feature state unit"]
    own: Float[Array, "own_function state unit"]


class Design(eqx.Module):
    """A recording on one flat, padded time axis, as the passes over it need it."""

    targets: Float[Array, "time unit"]
    mask: Bool[Array, "time unit"] | None  # None: a bin is observed whole or not at all
    seen: Bool[Array, " time"]  # any unit observed
    regressors: Float[Array, "lag_and_time unit"]  # values behind the lags, zeros in front
    since: Int[Array, " time"]  # bins since the trial's first
    covariates: Float[Array, "time covariate"]
    kernel: Float[Array, "lag function"]  # of the coupling
    own_kernel: Float[Array, "own_lag own_function"]  # of a unit's own history
    features: Float[Array, "time feature"] | None
    chunk: int = eqx.field(static=True)

    @property
    def n_chunks(self) -> int:
        """Number of chunks."""
        return self.targets.shape[0] // self.chunk

    @property
    def n_coupling(self) -> int:
        """Number of coupling features."""
        return self.kernel.shape[1] * self.targets.shape[1]

    @property
    def n_features(self) -> int:
        """Coupling, covariates, bias."""
        return self.n_coupling + self.covariates.shape[1] + 1


class Rows(NamedTuple):
    """One chunk of a design."""

    features: Float[Array, "time feature"]
    own: Float[Array, "time function unit"]
    targets: Float[Array, "time unit"]
    mask: Bool[Array, "time unit"] | None
    seen: Bool[Array, " time"]


def chunk_length(n_time: int, width: int) -> int:
    """Length of a chunk that divides `n_time` and keeps `width` numbers a bin within the cache."""
    wanted = max(CHUNK_ELEMENTS // max(width, 1), 256)
    length = n_time
    while length > wanted and length % 2 == 0:
        length //= 2
    if length > 4 * wanted:  # an odd number of bins: the largest divisor that is not too long
        length = max(one for one in range(1, 2 * wanted) if length % one == 0)
    return length


def convolved(
    window: Float[Array, "lag_and_time unit"],
    since: Int[Array, " time"],
    kernel: Float[Array, "lag function"],
) -> Float[Array, "time function unit"]:
    """Values of the past through every basis function, zero before a trial's first bin.

    Parameters
    ----------
    window : (K + L, N)
        The L bins and the K before them.
    since : (L,)
        Bins since the trial's first.
    kernel : (K, B)
        Row k weighs the value k + 1 bins ago.

    Returns
    -------
    (L, B, N)
        Features.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> window = jnp.array([[0.0], [1.0], [2.0]])
    >>> convolved(window, jnp.arange(2), jnp.array([[1.0]]))[:, 0, 0].tolist()
    [0.0, 1.0]
    """
    n_lags, length = kernel.shape[0], since.shape[0]
    total = jnp.zeros((length, kernel.shape[1], window.shape[1]), window.dtype)
    if n_lags == 0 or kernel.shape[1] == 0:
        return total

    def add(index: Array, current: Array) -> Array:
        rows = jax.lax.dynamic_slice_in_dim(window, n_lags - 1 - index, length)
        rows = jnp.where((since > index)[:, None], rows, 0)
        return current + rows[:, None, :] * kernel[index][None, :, None]

    return jax.lax.fori_loop(0, n_lags, add, total)


def _lagged(design: Design, kernel: Array, index: Array) -> Array:
    """Convolved values of chunk `index`; the regressors are padded for the longer of the two kernels."""
    padding = design.regressors.shape[0] - design.targets.shape[0]
    n_lags, length = kernel.shape[0], design.chunk
    first = index * length + padding - n_lags
    window = jax.lax.dynamic_slice_in_dim(design.regressors, first, n_lags + length)
    since = jax.lax.dynamic_slice_in_dim(design.since, index * length, length)
    return convolved(window, since, kernel)


def _features(design: Design, index: Array) -> Array:
    """The table of features of chunk `index`."""
    coupling = _lagged(design, design.kernel, index).reshape(design.chunk, -1)
    covariates = jax.lax.dynamic_slice_in_dim(design.covariates, index * design.chunk, design.chunk)
    return jnp.concatenate([coupling, covariates, jnp.ones((design.chunk, 1), coupling.dtype)], axis=1)


def rows_of(design: Design, index: Array) -> Rows:
    """Chunk `index` of a design."""

    def cut(array: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(array, index * design.chunk, design.chunk)

    features = _features(design, index) if design.features is None else cut(design.features)
    mask = None if design.mask is None else cut(design.mask)
    own = _lagged(design, design.own_kernel, index)
    return Rows(features, own, cut(design.targets), mask, cut(design.seen))


@light_jit()
def _whole_table(design: Design) -> Array:
    """All features."""
    table = jax.lax.map(lambda index: _features(design, index), jnp.arange(design.n_chunks))
    return table.reshape(-1, table.shape[2])


def make_design(
    targets: np.ndarray,
    mask: np.ndarray,
    regressors: np.ndarray,
    since: np.ndarray,
    covariates: np.ndarray,
    kernel: np.ndarray,
    own_kernel: np.ndarray,
    n_states: int,
    *,
    keep: bool = True,
) -> Design:
    """A design from host arrays on one flat time axis.

    Parameters
    ----------
    targets, regressors : ndarray, (T, N)
        What is to be explained (read where `mask`), and the values that enter the features (read everywhere).
    mask : ndarray of bool, (T, N)
        Which targets were observed.
    since : ndarray of int, (T,)
        Bins since the trial's first.
    covariates : ndarray, (T, C)
        Finite.
    kernel, own_kernel : ndarray, (K, B)
        Basis functions of the coupling and of the own history; no columns: none.
    n_states : int
        States the passes will work on, for the size of the chunks.
    keep : bool
        Hold the table of features where it has at most 2^26 numbers.

    Returns
    -------
    Design
        Memory: targets and regressors, and the features (bins x (functions x units + covariates + 1)) if kept.
    """
    dtype = targets.dtype
    seen = mask.any(axis=1)
    whole = bool((mask.all(axis=1) == seen).all())
    reach = max(len(kernel), len(own_kernel), 1)
    n_time, n_units = targets.shape
    padded = np.zeros((reach + n_time, n_units), dtype)
    padded[reach:] = regressors
    design = Design(
        targets=jnp.asarray(np.where(mask, targets, 0).astype(dtype)),
        mask=None if whole else jnp.asarray(mask),
        seen=jnp.asarray(seen),
        regressors=jnp.asarray(padded),
        since=jnp.asarray(since, jnp.int32),
        covariates=jnp.asarray(covariates, dtype),
        kernel=jnp.asarray(kernel, dtype),
        own_kernel=jnp.asarray(own_kernel, dtype),
        features=None,
        chunk=chunk_length(n_time, n_states * n_units),
    )
    return with_features(design) if keep else design


def with_longer_chunks(design: Design, times: int) -> Design:
    """The same design in chunks some times as long, as far as the number of chunks allows."""
    chunk, left = design.chunk, design.n_chunks
    while times > 1 and left % 2 == 0:
        chunk, left, times = 2 * chunk, left // 2, times // 2
    fields = {name: getattr(design, name) for name in type(design).__dataclass_fields__}
    return Design(**{**fields, "chunk": chunk})


def with_features(design: Design) -> Design:
    """The design with its table of features, where that is small enough to keep."""
    if design.features is None and design.targets.shape[0] * design.n_features <= KEPT_ELEMENTS:
        return eqx.tree_at(
            lambda one: one.features, design, _whole_table(design), is_leaf=lambda leaf: leaf is None
        )
    return design
