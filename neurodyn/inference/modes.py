"""Posterior modes of many small problems at once: damped Newton steps that accept only improvements."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

LONGEST = 2.0  # of a step in one parameter
LEAST_CURVATURE = 1e-6


class Modes(NamedTuple):
    """Modes of a batch of problems.

    Parameters
    ----------
    parameters : (problem, parameter)
        Where the log-density is highest.
    log_density : (problem,)
        Its value there.
    covariance : (problem, parameter, parameter)
        Inverse of its negative Hessian, eigenvalues at least 1e-6.
    log_evidence : (problem,)
        Laplace approximation of the log of the integral of the density.
    gradient : (problem,)
        Largest entry of the gradient.
    settled : (problem,)
        Whether the last accepted step was expected to gain less than 1e-4 nats.
    """

    parameters: Float[Array, "problem parameter"]
    log_density: Float[Array, " problem"]
    covariance: Float[Array, "problem parameter parameter"]
    log_evidence: Float[Array, " problem"]
    gradient: Float[Array, " problem"]
    settled: Bool[Array, " problem"]


@partial(jax.jit, static_argnames=("log_density", "steps"))
def find_modes(
    log_density: Callable[[Array, Any], Array],
    start: Float[Array, "problem parameter"],
    data: Any,
    *,
    steps: int = 40,
) -> Modes:
    r"""Newton's method on every problem, eigenvalues of the Hessian made negative, with a damping of its own.

    .. math:: x \leftarrow x + (|H| + \eta I)^{-1} \nabla \log p(x)

    The damping :math:`\eta` falls after an improvement and rises where there was none, which is then taken back.

    Parameters
    ----------
    log_density : callable
        ``log_density(parameters, one)`` of one problem; minus infinity where it is not defined. Hashable.
    start : (problem, parameter)
        Where to begin.
    data : pytree
        What the problems are about, problems first.
    steps : int
        Number of steps.

    Returns
    -------
    Modes
        Modes and their curvature.
    """

    def local(parameters: Array, one: Any) -> tuple[Array, Array, Array]:
        def slope(parameters: Array) -> tuple[Array, tuple[Array, Array]]:
            value, gradient = jax.value_and_grad(log_density)(parameters, one)
            return gradient, (value, gradient)

        hessian, (value, gradient) = jax.jacfwd(slope, has_aux=True)(parameters)
        return value, gradient, -(hessian + hessian.T) / 2

    everywhere = jax.vmap(local)

    def direction(gradient: Array, curvature: Array, damping: Array) -> tuple[Array, Array]:
        values, vectors = jnp.linalg.eigh(curvature)
        size = jnp.maximum(jnp.abs(values), LEAST_CURVATURE) + damping[:, None]
        along = jnp.einsum("npi,np->ni", vectors, gradient)
        move = jnp.einsum("npi,ni->np", vectors, along / size)
        return jnp.clip(move, -LONGEST, LONGEST), 0.5 * (along**2 / size).sum(axis=1)

    def step(carry: tuple, _: None) -> tuple[tuple, None]:
        candidate, best, damping, gain = carry
        value, gradient, curvature = everywhere(candidate, data)
        usable = (
            jnp.isfinite(value)
            & jnp.isfinite(gradient).all(axis=1)
            & jnp.isfinite(curvature).all(axis=(1, 2))
        )
        better = usable & (value >= best[1])
        damping = jnp.where(better, damping * 0.2, jnp.minimum(damping * 8 + 1e-3, 1e6))
        new = (candidate, value, gradient, curvature)
        best = jax.tree.map(
            lambda one, old: jnp.where(better.reshape((-1,) + (1,) * (one.ndim - 1)), one, old), new, best
        )
        move, expected = direction(best[2], best[3], damping)
        return (best[0] + move, best, damping, jnp.where(better, expected, gain)), None

    n_problems, size = start.shape
    dtype = start.dtype
    nothing = (
        start,
        jnp.full(n_problems, -jnp.inf, dtype),
        jnp.zeros_like(start),
        jnp.broadcast_to(jnp.eye(size, dtype=dtype), (n_problems, size, size)),
    )
    begin = (start, nothing, jnp.full(n_problems, 0.1, dtype), jnp.full(n_problems, jnp.inf, dtype))
    (_, (parameters, value, gradient, curvature), _, gain), _ = jax.lax.scan(step, begin, None, length=steps)
    values, vectors = jnp.linalg.eigh(curvature)
    values = jnp.maximum(values, LEAST_CURVATURE)
    covariance = jnp.einsum("npi,ni,nqi->npq", vectors, 1 / values, vectors)
    evidence = value + 0.5 * size * jnp.log(2 * jnp.pi) - 0.5 * jnp.log(values).sum(axis=1)
    return Modes(parameters, value, covariance, evidence, jnp.abs(gradient).max(axis=1), gain < 1e-4)
