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


def conditionals(
    missing: Int[Array, " size"],
    residual: Float[Array, "slot state unit"],
    precision: Float[Array, "state unit unit"],
) -> tuple[Array, Array, Array]:
    """Completed residuals (slot, state, unit), conditional covariance (state, size, size), log det P_mm."""
    n_units = precision.shape[-1]
    real = missing < n_units
    rows = precision.at[:, missing].get(mode="fill", fill_value=0)
    block = rows.at[:, :, missing].get(mode="fill", fill_value=0)
    block = block + jnp.diag(1 - real.astype(precision.dtype))
    factor = jnp.linalg.cholesky(block)
    identity = jnp.broadcast_to(jnp.eye(len(missing), dtype=precision.dtype), block.shape)
    covariance = cho_solve((factor, True), identity)
    log_det = 2 * jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
    select = jax.nn.one_hot(missing, n_units, dtype=precision.dtype)
    residual = residual * (1 - select.sum(0))
    gap = -jnp.einsum("kij,kjd,bkd->bki", covariance, rows, residual)
    return residual + gap @ select, covariance * real, log_det


def over_blocks(function: Callable[..., Any], group: MissingGroup, width: int, accumulate: bool) -> Any:
    """`function(missing (block, size), rows (block, slot))` on batches of blocks, joined or summed."""
    n_blocks = group.rows.shape[0]
    batch = n_blocks & -n_blocks
    while batch > 1 and batch * width > _BATCH_ELEMENTS:
        batch //= 2
    parts = jax.tree.map(lambda a: a.reshape((n_blocks // batch, batch) + a.shape[1:]), group)
    if not accumulate:
        mapped = lax.map(lambda g: function(g.missing, g.rows), parts)
        return jax.tree.map(lambda a: a.reshape((n_blocks,) + a.shape[2:]), mapped)
    shapes = jax.eval_shape(lambda: function(group.missing[:batch], group.rows[:batch]))
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

    def add(total: Any, part: MissingGroup) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, function(part.missing, part.rows)), None

    return lax.scan(add, zeros, parts)[0]
