"""Updates of one mode given what the others make of the tensor; components first, ``(component, entry)``."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from neurodyn.inference.factorise.penalties import ModePenalty, neighbours

SMOOTH_PASSES = 4


def squares_update(
    factor: Float[Array, "component entry"],
    target: Float[Array, "component entry"],
    gram: Float[Array, "component component"],
    penalty: ModePenalty,
    passes: int,
) -> Float[Array, "component entry"]:
    r"""Hierarchical alternating least squares: every component in turn is set to its non-negative optimum.

    .. math:: f_r \leftarrow \max\Big(0, \; \frac{m_r - \sum_{s \ne r} g_{rs} f_s - \lambda}{g_{rr} + \rho}\Big)

    A smooth mode couples its entries; those at even and those at odd places are then set in turn.

    Parameters
    ----------
    factor : (component, entry)
        Where to start.
    target : (component, entry)
        The tensor times the components over all other modes.
    gram : (component, component)
        Inner products of the components over all other modes.
    penalty : ModePenalty
        Of this mode.
    passes : int
        How often to go through the components.

    Returns
    -------
    (component, entry)
        Never worse than `factor`. A component that is zero in another mode stays as it is.

    References
    ----------
    .. [1] Cichocki, A. & Phan, A.-H. (2009). Fast local algorithms for large scale nonnegative matrix and tensor
       factorizations. IEICE Transactions E92-A, 708-721. doi:10.1587/transfun.E92.A.708
    """
    links, rank = penalty.links, len(factor)

    def one(step: Array, factor: Array) -> Array:
        r = step % rank
        row, old = gram[r], factor[r]
        curvature = row[r] + penalty.ridge
        slope = target[r] - row @ factor + row[r] * old - penalty.sparsity
        if links is None:
            new = jnp.maximum(_divided(slope, curvature), 0.0)
            return factor.at[r].set(jnp.where(curvature > 0, new, old))
        linked = curvature + _degrees(links)
        new = _in_turns(old, links, lambda near: jnp.maximum(_divided(slope + near, linked), 0.0))
        return factor.at[r].set(jnp.where(linked > 0, new, old))

    return lax.fori_loop(0, passes * rank, one, factor)


def poisson_update(
    factor: Float[Array, "component entry"],
    counts: Float[Array, "component entry"],
    exposure: Float[Array, "component entry"],
    penalty: ModePenalty,
) -> Float[Array, "component entry"]:
    r"""Maximise the expected log-likelihood of counts shared out among components.

    .. math:: f = \arg\max_{f \ge 0} \; S \log f - d f - \lambda f - \tfrac12 \rho f^2

    which is :math:`S / d` (the multiplicative update) without penalties and the root of a quadratic with them.

    Parameters
    ----------
    factor : (component, entry)
        Where to start; it stays where nothing was observed.
    counts : (component, entry)
        S, the counts each component expects to have caused.
    exposure : (component, entry)
        d, the sum of the other modes over the observed entries.
    penalty : ModePenalty
        Of this mode.

    Returns
    -------
    (component, entry)
        The new factor.

    References
    ----------
    .. [1] Lee, D. D. & Seung, H. S. (2001). Algorithms for non-negative matrix factorization. Advances in Neural
       Information Processing Systems 13, 556-562.
    """
    links = penalty.links
    slope = exposure + penalty.sparsity
    if links is None:
        return jnp.where(exposure > 0, _root(counts, slope, penalty.ridge), factor)
    curvature = penalty.ridge + _degrees(links)
    new = _in_turns(factor, links, lambda near: _root(counts, slope - near, curvature))
    return jnp.where(exposure + curvature > 0, new, factor)


def _in_turns(factor: Array, links: Array, best: Callable[[Array], Array]) -> Array:
    """Set the entries at even and those at odd places in turn, each to its optimum given its linked neighbours."""
    odd = jnp.arange(factor.shape[-1]) % 2 == 1
    for turn in range(2 * SMOOTH_PASSES):
        factor = jnp.where(odd == bool(turn % 2), best(neighbours(factor, links)), factor)
    return factor


def _degrees(links: Array) -> Array:
    """Summed links of every entry."""
    none = jnp.zeros((1,), links.dtype)
    return jnp.concatenate([links, none]) + jnp.concatenate([none, links])


def _divided(above: Array, below: Array) -> Array:
    """A quotient that is finite where the divisor is 0."""
    return above / jnp.where(below > 0, below, 1.0)


def _root(counts: Array, slope: Array, curvature: Array) -> Array:
    """Positive root of ``curvature f^2 + slope f = counts``, without cancellation."""
    root = jnp.sqrt(jnp.square(slope) + 4 * curvature * counts)
    falling, rising = _divided(2 * counts, slope + root), _divided(root - slope, 2 * curvature)
    return jnp.where(slope > 0, falling, rising)
