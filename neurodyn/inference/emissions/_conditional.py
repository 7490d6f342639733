"""Gaussian conditionals of the missing entries of a bin given its observed ones.

With precision P = S^-1 the covariance of the missing given the observed is P_mm^-1, the
conditional mean is mu_m - P_mm^-1 P_mo (x_o - mu_o), and log det S_oo = log det S + log det P_mm.
Filling the gap with that mean leaves r' P r = r_o' S_oo^-1 r_o: no cancellation.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import cho_solve
from jaxtyping import Array, Float, Int

from neurodyn.inference.emissions._standardise import MissingGroup

_BATCH_ELEMENTS = 2**20
_SWEEP_SIZE = 16


def conditionals(
    missing: Int[Array, "block size"],
    residual: Float[Array, "block slot state unit"],
    precision: Float[Array, "state unit unit"],
) -> tuple[
    Float[Array, "block slot state unit"], Float[Array, "block size size state"], Float[Array, "block state"]
]:
    """Completed residuals, covariances of the missing entries, log det P_mm; padding adds nothing."""
    n_units = precision.shape[-1]
    real = (missing < n_units).astype(precision.dtype)
    table = jnp.pad(jnp.moveaxis(precision, 0, 2), ((0, 1), (0, 1), (0, 0)))
    block = table[missing[:, :, None], missing[:, None, :]]
    block = block + (jnp.eye(missing.shape[1], dtype=block.dtype) * (1 - real)[:, :, None])[..., None]
    covariance, log_det = _invert(block)
    covariance = covariance * (real[:, :, None] * real[:, None, :])[..., None]
    select = jax.nn.one_hot(missing, n_units, dtype=precision.dtype)
    residual = residual * (1 - select.sum(1))[:, None, None, :]
    pulled = jnp.einsum("nbkd,kde,nie->nbki", residual, precision, select, optimize=[(0, 1), (0, 1)])
    gap = jnp.einsum("nijk,nbkj->nbki", covariance, pulled)
    return residual - jnp.einsum("nbki,nid->nbkd", gap, select), covariance, log_det


def _invert(
    matrices: Float[Array, "block size size state"],
) -> tuple[Float[Array, "block size size state"], Float[Array, "block state"]]:
    """Inverse and log-determinant of positive definite matrices.

    Small ones by Gauss-Jordan sweeps over all matrices at once: a library call each would cost
    more than the arithmetic.
    """
    size = matrices.shape[1]
    if size > _SWEEP_SIZE:
        stacked = jnp.moveaxis(matrices, 3, 1)
        factor = jnp.linalg.cholesky(stacked)
        identity = jnp.broadcast_to(jnp.eye(size, dtype=matrices.dtype), stacked.shape)
        log_det = 2 * jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
        return jnp.moveaxis(cho_solve((factor, True), identity), 1, 3), log_det

    def sweep(index: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        current, log_det = carry
        row = lax.dynamic_index_in_dim(current, index, 1)
        column = lax.dynamic_index_in_dim(current, index, 2)
        pivot = lax.dynamic_index_in_dim(row, index, 2)
        here = jnp.arange(size) == index
        is_row, is_column = here[None, :, None, None], here[None, None, :, None]
        outer = jnp.where(is_row, -1, column) * jnp.where(is_column, 1, row)
        swept = jnp.where(is_row | is_column, 0, current) - outer / pivot
        return swept, log_det + jnp.log(pivot[:, 0, 0])

    zero = jnp.zeros(matrices.shape[:1] + matrices.shape[3:], matrices.dtype)
    return lax.fori_loop(0, size, sweep, (matrices, zero))


def block_width(group: MissingGroup, n_states: int, n_units: int) -> int:
    """Numbers in the widest intermediate of one block."""
    return n_states * n_units * max(group.rows.shape[1], group.missing.shape[1])


def over_blocks(function: Callable[..., Any], arrays: tuple, width: int, accumulate: bool) -> Any:
    """`function(*batches)` on batches of the arrays' leading axis, results joined or summed."""
    n_blocks = arrays[0].shape[0]
    batch = n_blocks & -n_blocks
    while batch > 1 and batch * width > _BATCH_ELEMENTS:
        batch //= 2
    parts = jax.tree.map(lambda a: a.reshape((n_blocks // batch, batch) + a.shape[1:]), arrays)
    if not accumulate:
        mapped = lax.map(lambda part: function(*part), parts)
        return jax.tree.map(lambda a: a.reshape((n_blocks,) + a.shape[2:]), mapped)
    shapes = jax.eval_shape(lambda: function(*[a[:batch] for a in arrays]))
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

    def add(total: Any, part: tuple) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, function(*part)), None

    return lax.scan(add, zeros, parts)[0]
