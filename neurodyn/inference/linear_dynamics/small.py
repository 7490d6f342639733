"""Factorisations of many small positive definite matrices at once, unrolled over their rows.

The library's routines are called matrix by matrix, which for a few rows costs more than the arithmetic. Here every
step works on one entry of all matrices.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

TINY = 1e-12


def transpose(matrix: Float[Array, "*batch row column"]) -> Float[Array, "*batch column row"]:
    """Last two axes exchanged."""
    return jnp.swapaxes(matrix, -1, -2)


def symmetric(matrix: Float[Array, "*batch row row"]) -> Float[Array, "*batch row row"]:
    """Mean of a matrix and its transpose."""
    return 0.5 * (matrix + transpose(matrix))


def product(matrix: Float[Array, "*batch row column"], vector: Float[Array, "*batch column"]) -> Array:
    """Matrix times vector, ``(..., row)``."""
    return (matrix @ vector[..., None])[..., 0]


def cholesky(matrix: Float[Array, "batch row row"]) -> Float[Array, "batch row row"]:
    """Lower Cholesky factors.

    Parameters
    ----------
    matrix : (B, D, D)
        Symmetric; pivots are kept above 1e-12.

    Returns
    -------
    (B, D, D)
        L with :math:`L L^T` the matrix.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> cholesky(jnp.array([[[4.0, 2.0], [2.0, 5.0]]])).tolist()
    [[[2.0, 0.0], [1.0, 2.0]]]
    """
    # The batch comes last, so that an entry of all matrices is contiguous; the barriers keep the compiler from working
    # out the same column for every later one anew.
    source = jax.lax.optimization_barrier(jnp.moveaxis(matrix, 0, -1))
    columns: list[Array] = []
    for j in range(source.shape[0]):
        column = source[j:, j]
        for k, earlier in enumerate(columns):
            column = column - earlier[j - k :] * earlier[j - k]
        columns.append(column / jnp.sqrt(jnp.maximum(column[:1], TINY)))
    padded = [jnp.pad(column, ((j, 0), (0, 0))) for j, column in enumerate(columns)]
    return jnp.moveaxis(jax.lax.optimization_barrier(jnp.stack(padded, axis=1)), -1, 0)


def inverse(
    matrix: Float[Array, "batch row row"],
) -> tuple[Float[Array, "batch row row"], Float[Array, " batch"]]:
    """Inverses and log-determinants, by sweeping row after row.

    Parameters
    ----------
    matrix : (B, D, D)
        Symmetric positive definite.

    Returns
    -------
    inverse : (B, D, D)
        Inverses.
    log_determinant : (B,)
        Logs of the determinants.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> inverse(jnp.array([[[2.0, 1.0], [1.0, 1.0]]]))[0].tolist()
    [[[1.0, -1.0], [-1.0, 2.0]]]
    """
    current = jax.lax.optimization_barrier(jnp.moveaxis(matrix, 0, -1))
    log_determinant = jnp.zeros(matrix.shape[0], matrix.dtype)
    for k in range(current.shape[0]):
        pivot = jnp.maximum(current[k, k], TINY)
        log_determinant = log_determinant + jnp.log(pivot)
        row, column = current[k] / pivot, current[:, k]
        current = current - column[:, None] * row[None]
        current = current.at[k].set(row).at[:, k].set(-column / pivot).at[k, k].set(1 / pivot)
    return jnp.moveaxis(jax.lax.optimization_barrier(current), -1, 0), log_determinant
