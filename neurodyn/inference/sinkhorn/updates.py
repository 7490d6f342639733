"""Sinkhorn's updates in the log domain, a block of rows at a time.

Memory is bounded: beyond `STORED` pairs the products are formed anew in every pass.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

STORED = 2**24
BLOCK = 2**20


class Pairs(NamedTuple):
    """Two weighted batches, the rows cut in blocks.

    Parameters
    ----------
    x, a, w : array
        Rows, half of their squared norms, and weights (zero where a row only fills a block up).
    y, b, v : array
        Columns likewise.
    products : array or None
        All inner products, where they are few enough to be kept.
    """

    x: Float[Array, "block row feature"]
    a: Float[Array, "block row"]
    w: Float[Array, "block row"]
    y: Float[Array, "column feature"]
    b: Float[Array, " column"]
    v: Float[Array, " column"]
    products: Float[Array, "block row column"] | None

    def rows(self, *more: Array) -> tuple[Any, ...]:
        """What a scan over blocks reads."""
        return self.x, self.a, self.w, self.products, *more

    def inner(self, x: Array, products: Array | None) -> Array:
        """Inner products of a block of rows with all columns."""
        return x @ self.y.T if products is None else products


def cut(x: Array, y: Array, a: Array, b: Array, products: Array | None = None) -> Pairs:
    """Cut the rows in blocks of about `BLOCK` pairs; `products` takes the place of inner products."""
    n, m = x.shape[0], y.shape[0]
    size = max(min(BLOCK // m, n), 1)
    count = -(-n // size)
    size = -(-n // count)

    def blocks(array: Array) -> Array:
        filled = jnp.concatenate([array, jnp.zeros((count * size - n, *array.shape[1:]), array.dtype)])
        return filled.reshape(count, size, *array.shape[1:])

    rows = blocks(x)
    if products is None and n * m <= STORED:
        products = x @ y.T
    return Pairs(
        rows,
        blocks(a),
        blocks(jnp.full(n, 1 / n, x.dtype)),
        y,
        b,
        jnp.full(m, 1 / m, y.dtype),
        None if products is None else blocks(products),
    )


def _kernel_sums(pairs: Pairs, f: Array, g: Array, blur: Array) -> tuple[Array, Array]:
    """Weighted sums of exp((f + g - C) / blur) over columns and over rows, in one pass of exponentials."""
    column = (g - pairs.b) / blur

    def one(total: Array, rows: tuple[Any, ...]) -> tuple[Array, Array]:
        x, a, w, products, f = rows
        kernel = jnp.exp(((f - a) / blur)[:, None] + column + pairs.inner(x, products) / blur)
        return total + w @ kernel, kernel @ pairs.v

    over_rows, over_columns = jax.lax.scan(one, jnp.zeros_like(g), pairs.rows(f))
    return over_columns, over_rows


def exact(pairs: Pairs, f: Array, g: Array, blur: Array) -> tuple[Array, Array]:
    """Soft minima of C - g over columns and of C - f over rows, each with its own maximum taken out."""
    column = (g - pairs.b) / blur + jnp.log(pairs.v)
    nothing = jnp.full_like(g, -jnp.inf), jnp.zeros_like(g)

    def one(carry: tuple[Array, Array], rows: tuple[Any, ...]) -> tuple[tuple[Array, Array], Array]:
        x, a, w, products, f = rows
        inner = pairs.inner(x, products) / blur
        across = jax.scipy.special.logsumexp(column + inner, axis=1)
        down = jnp.where(w > 0, (f - a) / blur + jnp.log(jnp.maximum(w, 1e-30)), -jnp.inf)[:, None] + inner
        most = jnp.maximum(carry[0], down.max(axis=0))
        total = carry[1] * jnp.exp(carry[0] - most) + jnp.exp(down - most).sum(axis=0)
        return (most, total), a - blur * across

    (most, total), new_f = jax.lax.scan(one, nothing, pairs.rows(f))
    return new_f, pairs.b - blur * (most + jnp.log(total))


def usable(pairs: Pairs, over_columns: Array, over_rows: Array) -> Bool[Array, ""]:
    """Whether no sum over- or underflowed."""

    def good(sums: Array) -> Array:
        return jnp.isfinite(sums) & (sums > 1e-30)

    return jnp.all(good(over_columns) | (pairs.w == 0)) & jnp.all(good(over_rows))


def _updated(pairs: Pairs, f: Array, g: Array, blur: Array) -> tuple[Array, Array]:
    """New potentials of both sides from the old ones."""
    over_columns, over_rows = _kernel_sums(pairs, f, g, blur)
    return jax.lax.cond(
        usable(pairs, over_columns, over_rows),
        lambda: (f - blur * jnp.log(jnp.maximum(over_columns, 1e-30)), g - blur * jnp.log(over_rows)),
        lambda: exact(pairs, f, g, blur),
    )


def potentials(pairs: Pairs, start: Array, blur: Any, scaling: Any, updates: Any) -> tuple[Array, Array]:
    """Potentials after annealing: averaged updates at every blur on the way down."""
    f, g = jnp.zeros_like(pairs.a), jnp.zeros_like(pairs.b)
    f, g = _updated(pairs, f, g, start)

    def averaged(f: Array, g: Array, at: Array) -> tuple[Array, Array]:
        new_f, new_g = _updated(pairs, f, g, at)
        return (f + new_f) / 2, (g + new_g) / 2

    def anneal(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        f, g, at = carry
        return *averaged(f, g, at), at * scaling

    f, g, _ = jax.lax.while_loop(lambda carry: carry[2] > blur, anneal, (f, g, start))
    return jax.lax.fori_loop(
        0, updates, lambda _, both: averaged(both[0], both[1], jnp.asarray(blur, f.dtype)), (f, g)
    )


def plan_means(pairs: Pairs, f: Array, g: Array, blur: Array) -> tuple[Array, Array]:
    """Mean partner of every row under the plan normalised by row, and of every column by column.

    `f` is the soft minimum that belongs to `g` for the rows; for the columns the sums are divided out.
    """
    column = (g - pairs.b) / blur
    partners = jnp.concatenate([pairs.y, jnp.ones_like(pairs.y[:, :1])], axis=1) * pairs.v[:, None]
    total = jnp.zeros((pairs.y.shape[0], pairs.y.shape[1] + 1), pairs.y.dtype)

    def one(total: Array, rows: tuple[Any, ...]) -> tuple[Array, Array]:
        x, a, w, products, f = rows
        kernel = jnp.exp(((f - a) / blur)[:, None] + column + pairs.inner(x, products) / blur)
        own = jnp.concatenate([x, jnp.ones_like(x[:, :1])], axis=1) * w[:, None]
        return total + kernel.T @ own, kernel @ partners

    back, there = jax.lax.scan(one, total, pairs.rows(f))
    return there, back
