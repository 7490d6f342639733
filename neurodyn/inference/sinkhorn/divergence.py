"""Entropic optimal transport between two batches: value and gradient, and the divergences made of it."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neurodyn.inference.sinkhorn.updates import cut, exact, plan_means, potentials, usable

BLUR = 0.04
SCALING = 0.25


class Transport(NamedTuple):
    """Solution of one problem.

    Parameters
    ----------
    value : array
        Cost in the units of C.
    row_partner, column_partner : array
        Mean partner of every row of x among y, and of every row of y among x.
    """

    value: Float[Array, ""]
    row_partner: Float[Array, "row feature"]
    column_partner: Float[Array, "column feature"]


@jax.jit
def solve(
    x: Array, y: Array, a: Array, b: Array, start: Array, blur: Any, scaling: Any, updates: Any
) -> Transport:
    """Anneal, extrapolate once with frozen potentials, and read off value and mean partners."""
    pairs = cut(x, y, a, b)
    n = x.shape[0]
    f, g = potentials(pairs, start, blur, scaling, updates)
    last = jnp.asarray(blur, x.dtype)
    there, back = plan_means(pairs, f, g, last)

    def usual() -> tuple[Array, ...]:
        new_f = f - last * jnp.log(jnp.maximum(there[..., -1], 1e-30))
        return new_f, g - last * jnp.log(back[:, -1]), there, back

    def careful() -> tuple[Array, ...]:
        new_f, new_g = exact(pairs, f, g, last)
        return new_f, new_g, plan_means(pairs, new_f, g, last)[0], plan_means(pairs, f, new_g, last)[1]

    new_f, new_g, there, back = jax.lax.cond(usable(pairs, there[..., -1], back[:, -1]), usual, careful)
    there = there.reshape(-1, there.shape[-1])[:n]
    value = (pairs.w * new_f).sum() + (pairs.v * new_g).sum()
    return Transport(value, there[:, :-1] / there[:, -1:], back[:, :-1] / back[:, -1:])


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4, 5))
def _one_hot(x: Array, y: Array, steps: int, blur: float, scaling: float, updates: int) -> Array:
    """Transport cost between one-hot sequences of a number of steps, with C = steps - x.y."""
    return _one_hot_forward(x, y, steps, blur, scaling, updates)[0]


def _one_hot_forward(
    x: Array, y: Array, steps: int, blur: float, scaling: float, updates: int
) -> tuple[Array, tuple[Array, Array]]:
    """Value and both gradients."""
    a, b = jnp.full(x.shape[0], steps / 2, x.dtype), jnp.full(y.shape[0], steps / 2, y.dtype)
    found = solve(x, y, a, b, jnp.asarray(3.0 * steps, x.dtype), blur, scaling, updates)
    return found.value, (-found.row_partner / x.shape[0], -found.column_partner / y.shape[0])


def _scaled(
    steps: int, blur: float, scaling: float, updates: int, kept: tuple[Array, Array], by: Array
) -> tuple[Array, Array]:
    """Reverse rule: the gradients were formed on the way forward."""
    del steps, blur, scaling, updates
    return kept[0] * by, kept[1] * by


_one_hot.defvjp(_one_hot_forward, _scaled)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _euclidean(x: Array, y: Array, blur: float, scaling: float, updates: int) -> Array:
    """Transport cost with half the squared Euclidean distance."""
    return _euclidean_forward(x, y, blur, scaling, updates)[0]


def _euclidean_forward(
    x: Array, y: Array, blur: float, scaling: float, updates: int
) -> tuple[Array, tuple[Array, Array]]:
    """Value and both gradients."""
    a, b = jnp.square(x).sum(1) / 2, jnp.square(y).sum(1) / 2
    start = jnp.maximum(jnp.square(jnp.sqrt(2 * a.max()) + jnp.sqrt(2 * b.max())) / 2, 4 * blur)
    found = solve(x, y, a, b, start, blur, scaling, updates)
    return found.value, ((x - found.row_partner) / x.shape[0], (y - found.column_partner) / y.shape[0])


def _euclidean_backward(
    blur: float, scaling: float, updates: int, kept: tuple[Array, Array], by: Array
) -> tuple[Array, Array]:
    """Reverse rule: the gradients were formed on the way forward."""
    del blur, scaling, updates
    return kept[0] * by, kept[1] * by


_euclidean.defvjp(_euclidean_forward, _euclidean_backward)


def transport_cost(
    x: Float[Array, "row feature"],
    y: Float[Array, "column feature"],
    *,
    steps: int | None = None,
    blur: float = BLUR,
    scaling: float = SCALING,
    updates: int = 1,
) -> Float[Array, ""]:
    """Entropic transport cost between two batches with equal weights.

    .. math:: \\mathrm{OT}_\\epsilon(x, y) = \\max_{f, g} \\; \\tfrac1N \\sum_i f_i + \\tfrac1M \\sum_j g_j -
        \\frac{\\epsilon}{N M} \\sum_{ij} (e^{(f_i + g_j - C_{ij}) / \\epsilon} - 1), \\quad
        C_{ij} = \\tfrac12 \\| x_i - y_j \\|^2

    The potentials are annealed from a large blur by the factor `scaling`, with one averaged update each, and
    extrapolated once. The gradient is that of the extrapolation with frozen potentials,
    :math:`\\partial_{x_i} = \\tfrac1N \\sum_j P_{ij} (x_i - y_j)` with rows of P that sum to one; it is formed on the
    way forward.

    Parameters
    ----------
    x, y : array
        Batches, ``(row, feature)``.
    steps : int, optional
        Where x and y are flattened sequences of that many one-hot vectors: their squared norms are known, so that
        ``C = steps - x.y`` and the gradient is :math:`-\\tfrac1N \\sum_j P_{ij} y_j`.
    blur : float
        Entropic regularisation :math:`\\epsilon`, in units of the cost.
    scaling : float
        Factor between successive blurs.
    updates : int
        Averaged updates at the last blur; the more, the closer to the optimum.

    Returns
    -------
    array
        The cost.

    References
    ----------
    Cuturi (2013), arXiv:1306.0895. Feydy et al. (2019), arXiv:1810.08278.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from neurodyn.inference.sinkhorn import transport_cost
    >>> x = jnp.array([[0.0], [4.0]])
    >>> print(f"{transport_cost(x, x + 1, blur=1e-3, updates=50):.2f}")
    0.50
    """
    if steps is None:
        return _euclidean(x, y, blur, scaling, updates)
    return _one_hot(x, y, steps, blur, scaling, updates)


def sinkhorn_divergence(
    x: Float[Array, "row feature"],
    y: Float[Array, "column feature"],
    *,
    steps: int | None = None,
    blur: float = BLUR,
    scaling: float = SCALING,
    updates: int = 1,
) -> Float[Array, ""]:
    """Debiased divergence, zero for a batch and itself.

    .. math:: S(x, y) = \\mathrm{OT}(x, y) - \\tfrac12 \\mathrm{OT}(x, x) - \\tfrac12 \\mathrm{OT}(y, y)

    In OT(x, x) every row finds itself, so that as a loss on finite batches it is not least at the distribution of y;
    see `independent_divergence`.

    Parameters
    ----------
    x, y, steps, blur, scaling, updates
        As in `transport_cost`.

    Returns
    -------
    array
        The divergence.

    References
    ----------
    Feydy et al. (2019), arXiv:1810.08278.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from neurodyn.inference.sinkhorn import sinkhorn_divergence
    >>> x = jnp.array([[0.0], [4.0]])
    >>> print(f"{abs(sinkhorn_divergence(x, x)):.3f}")
    0.000
    """
    cost = functools.partial(transport_cost, steps=steps, blur=blur, scaling=scaling, updates=updates)
    return cost(x, y) - cost(x, x) / 2 - cost(y, y) / 2


def independent_divergence(
    x: Float[Array, "row feature"],
    other_x: Float[Array, "row feature"],
    y: Float[Array, "column feature"],
    other_y: Float[Array, "column feature"],
    *,
    steps: int | None = None,
    blur: float = BLUR,
    scaling: float = SCALING,
    updates: int = 1,
) -> Float[Array, ""]:
    """Divergence whose self terms compare independent batches: zero on average where both distributions are the same.

    .. math:: \\mathrm{OT}(x, y) - \\tfrac12 \\mathrm{OT}(x, x') - \\tfrac12 \\mathrm{OT}(y, y')

    It may be negative in one draw.

    Parameters
    ----------
    x, other_x : array
        Two independent batches of one distribution.
    y, other_y : array
        Two of the other.
    steps, blur, scaling, updates
        As in `transport_cost`.

    Returns
    -------
    array
        The divergence.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from neurodyn.inference.sinkhorn import independent_divergence
    >>> x, y = jnp.array([[0.0], [4.0]]), jnp.array([[1.0], [3.0]])
    >>> print(f"{independent_divergence(x, x, y, y, blur=0.01):.3f}")
    0.500
    """
    cost = functools.partial(transport_cost, steps=steps, blur=blur, scaling=scaling, updates=updates)
    return cost(x, y) - cost(x, other_x) / 2 - cost(y, other_y) / 2
