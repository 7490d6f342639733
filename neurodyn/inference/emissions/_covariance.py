"""Covariances kept positive definite, and their inverse factors."""

from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float


@custom_vmap
def any_true(flag: Array) -> Array:
    """`flag` itself; under vmap, whether any member of the batch is True.

    A batched condition would make `lax.cond` compute both branches for every member.
    """
    return flag


@any_true.def_vmap
def _any_true_batched(axis_size: int, in_batched: Any, flag: Array) -> tuple[Array, bool]:
    return any_true(jnp.any(flag, axis=0)), False


def working_floor(floor: float, n_units: int, dtype: Any) -> float:
    """`floor`, but not so low that rounding makes a factorisation fail."""
    return max(floor, 20 * n_units * float(jnp.finfo(dtype).eps))


def inverse_factor(
    covariance: Float[Array, "*batch unit unit"],
) -> tuple[Float[Array, "*batch unit unit"], Float[Array, "*batch"]]:
    """Lower triangular `W` with `W cov W' = I`, and the log-determinant of `cov`."""
    factor = jnp.linalg.cholesky(covariance)
    identity = jnp.broadcast_to(jnp.eye(covariance.shape[-1], dtype=covariance.dtype), covariance.shape)
    inverse = solve_triangular(factor, identity, lower=True)
    return inverse, 2 * jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)


def floor_covariance(
    covariance: Float[Array, "state unit unit"], floor: float
) -> Float[Array, "state unit unit"]:
    """The same matrices with no eigenvalue below `floor`.

    Raising eigenvalues maximises the Gaussian likelihood among covariances bounded below by
    `floor` times the identity, so expectation maximisation stays monotone. Directions whose
    variance exceeds 1 by far are rescaled first, else rounding at their size swamps the rest.
    """

    def clip(matrix: Array) -> Array:
        size = jnp.sqrt(jnp.maximum(jnp.diagonal(matrix, axis1=-2, axis2=-1), 1.0))
        outer = size[..., :, None] * size[..., None, :]
        values, vectors = jnp.linalg.eigh(matrix / outer)
        raised = jnp.maximum(values, floor)
        clipped = (vectors * raised[..., None, :]) @ jnp.swapaxes(vectors, -1, -2)
        return 0.5 * (clipped + jnp.swapaxes(clipped, -1, -2)) * outer

    inverse, _ = inverse_factor(lax.stop_gradient(covariance))
    smallest = 1 / jnp.sum(inverse**2, axis=(-2, -1))
    return lax.cond(any_true(~(smallest > floor).all()), clip, lambda matrix: matrix, covariance)


def sound_factor(
    covariance: Float[Array, "*batch unit unit"],
) -> tuple[Float[Array, "*batch unit unit"], Float[Array, "*batch"]]:
    """`inverse_factor` that also serves where rounding made a matrix lose its positive definiteness.

    Every matrix is factorised as it is and with a ridge of the size of rounding; the second is taken where the
    first fails.
    """
    size = jnp.sqrt(jnp.maximum(jnp.diagonal(covariance, axis1=-2, axis2=-1), 1e-30))
    scaled = covariance / (size[..., :, None] * size[..., None, :])
    identity = jnp.eye(covariance.shape[-1], dtype=covariance.dtype)
    ridge = working_floor(0.0, covariance.shape[-1], covariance.dtype)
    plain, safe = jnp.linalg.cholesky(jnp.stack([scaled, scaled + ridge * identity]))
    fine = jnp.isfinite(plain).all(axis=(-2, -1), keepdims=True)
    factor = jnp.where(fine, plain, safe)
    inverse = solve_triangular(factor, jnp.broadcast_to(identity, covariance.shape), lower=True)
    log_det = 2 * jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1) * size).sum(-1)
    return inverse / size[..., None, :], log_det


def sound_covariance(covariance: Float[Array, "state unit unit"]) -> Float[Array, "state unit unit"]:
    """The same matrices, changed only where rounding would make a factorisation fail."""
    size = jnp.sqrt(jnp.maximum(jnp.diagonal(covariance, axis1=-2, axis2=-1), 1e-30))
    outer = size[..., :, None] * size[..., None, :]
    least = 0.5 * working_floor(0.0, covariance.shape[-1], covariance.dtype)
    return floor_covariance(covariance / outer, least) * outer
