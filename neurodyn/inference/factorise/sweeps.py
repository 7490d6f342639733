"""One sweep over all modes, first to last, for least squares and for Kullback-Leibler (Poisson) loss.

A sweep is a pass over the rows of the tensor, which updates the first mode and gathers what the tail needs, and then the
tail. Rows may come in blocks whose gatherings are summed: that is the same sweep.

Missing entries are replaced by the present model (expectation-maximisation), once before the first mode and once before
the tail. Updates of weighted least squares would need the inner products of the components for every row, which costs
half the rank more; extrapolation wins back the sweeps that the imputation loses.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from neurodyn.inference.factorise.columns import poisson_update, squares_update
from neurodyn.inference.factorise.contractions import (
    Tail,
    Tensor,
    columns_product,
    contract,
    gram,
    gram_without,
    rows_target,
    total,
)
from neurodyn.inference.factorise.penalties import ModePenalty, penalty_of

SQUARES, POISSON = "squares", "poisson"


class Settings(NamedTuple):
    """What is compiled into a sweep.

    Attributes
    ----------
    loss : str
        "squares" or "poisson".
    free : tuple of bool
        Which modes are fitted.
    passes : int
        Passes over the components at every update of a mode, for least squares.
    accelerate : bool
        Whether sweeps start from extrapolated factors.
    """

    loss: str
    free: tuple[bool, ...]
    passes: int = 1
    accelerate: bool = True


class Gathered(NamedTuple):
    """What the tail needs of the rows; sums over blocks of rows.

    Attributes
    ----------
    partial : (component, column)
        The first mode times the tensor (least squares) or times its ratio to the model (Poisson).
    gram : (component, component)
        Inner products of the first mode's components.
    sums : (component,)
        Their sums.
    exposure : (component, column) or None
        The first mode times the mask; None without mask or for least squares.
    """

    partial: Float[Array, "component column"]
    gram: Float[Array, "component component"]
    sums: Float[Array, " component"]
    exposure: Float[Array, "component column"] | None


class Rows(NamedTuple):
    """The first mode updated on some rows.

    Attributes
    ----------
    first : (component, row)
        Their new entries.
    gathered : Gathered
        For the tail.
    target : (component, row)
        What the entries were fitted to, for the objective of least squares without mask.
    """

    first: Float[Array, "component row"]
    gathered: Gathered
    target: Float[Array, "component row"]


def residual(
    values: Float[Array, "row column"],
    mask: Bool[Array, "row column"] | None,
    first: Float[Array, "component row"],
    columns: Float[Array, "component column"],
) -> Float[Array, "row column"]:
    """Values less the model, 0 where not observed."""
    rest = values - first.T @ columns
    return rest if mask is None else jnp.where(mask, rest, 0.0)


def ratio(
    values: Float[Array, "row column"],
    mask: Bool[Array, "row column"] | None,
    first: Float[Array, "component row"],
    columns: Float[Array, "component column"],
) -> Float[Array, "row column"]:
    """Values over the model, 0 where not observed."""
    found = values / jnp.maximum(first.T @ columns, smallest(values))
    return found if mask is None else jnp.where(mask, found, 0.0)


def smallest(values: Array) -> float:
    """Model values below it count as it."""
    return float(jnp.finfo(values.dtype).tiny) ** 0.5


def squares_rows(
    values: Float[Array, "row column"],
    mask: Bool[Array, "row column"] | None,
    first: Float[Array, "component row"],
    tail: Tail,
    penalty: ModePenalty,
    settings: Settings,
) -> Rows:
    """Least squares: the first mode on some rows, and what the tail needs of them."""
    columns, inner = columns_product(tail), gram_without((first, *tail), 0)
    if mask is None:
        target = rows_target(values, tail)
    else:
        target = rows_target(residual(values, mask, first, columns), tail) + inner @ first
    if settings.free[0]:
        first = squares_update(first, target, inner, penalty, settings.passes)
    own = gram(first)
    if not any(settings.free[1:]):
        partial = jnp.zeros_like(columns)
    elif mask is None:
        partial = first @ values
    else:
        partial = first @ residual(values, mask, first, columns) + own @ columns
    return Rows(first, Gathered(partial, own, first.sum(1), None), target)


def squares_tail(
    gathered: Gathered, tail: Tail, penalties: tuple[ModePenalty, ...], settings: Settings
) -> tuple[Tail, Array, Array]:
    """Least squares: the tail, mode after mode; and the last mode's target and inner products."""
    target = inner = jnp.zeros((), gathered.partial.dtype)
    for mode in range(len(tail)):
        if settings.free[mode + 1]:
            target = contract(gathered.partial, tail, mode)
            inner = gathered.gram * gram_without(tail, mode)
            new = squares_update(tail[mode], target, inner, penalties[mode + 1], settings.passes)
            tail = (*tail[:mode], new, *tail[mode + 1 :])
    return tail, target, inner


def poisson_rows(
    values: Float[Array, "row column"],
    mask: Bool[Array, "row column"] | None,
    first: Float[Array, "component row"],
    tail: Tail,
    penalty: ModePenalty,
    settings: Settings,
) -> Rows:
    """Poisson: the first mode on some rows, and what the tail needs of them."""
    columns = columns_product(tail)
    if settings.free[0]:
        counts = first * rows_target(ratio(values, mask, first, columns), tail)
        if mask is None:
            exposure = jnp.broadcast_to(columns.sum(1, keepdims=True), first.shape)
        else:
            exposure = rows_target(mask.astype(values.dtype), tail)
        first = poisson_update(first, counts, exposure, penalty)
    if any(settings.free[1:]):
        partial = first @ ratio(values, mask, first, columns)
        seen = None if mask is None else first @ mask.astype(values.dtype)
    else:
        partial, seen = jnp.zeros_like(columns), None
    return Rows(first, Gathered(partial, gram(first), first.sum(1), seen), first)


def poisson_tail(
    gathered: Gathered, tail: Tail, penalties: tuple[ModePenalty, ...], settings: Settings
) -> Tail:
    """Poisson: the tail, mode after mode, each given the shares that the components had before it."""
    before = tail
    for mode in range(len(tail)):
        if settings.free[mode + 1]:
            counts = before[mode] * contract(gathered.partial, before, mode)
            if gathered.exposure is None:
                sums = gathered.sums
                for which, factor in enumerate(tail):
                    sums = sums * (factor.sum(1) if which != mode else 1.0)
                exposure = jnp.broadcast_to(sums[:, None], counts.shape)
            else:
                exposure = contract(gathered.exposure, tail, mode)
            new = poisson_update(tail[mode], counts, exposure, penalties[mode + 1])
            tail = (*tail[:mode], new, *tail[mode + 1 :])
    return tail


def rows_loss(
    values: Float[Array, "row column"],
    mask: Bool[Array, "row column"] | None,
    first: Float[Array, "component row"],
    tail: Tail,
    loss: str,
) -> Float[Array, ""]:
    r"""Loss of some rows, without penalties.

    .. math:: \tfrac12 \sum w (x - \hat x)^2 \quad \text{or} \quad \sum w (\hat x - x + x \log (x / \hat x))
    """
    columns = columns_product(tail)
    if loss == SQUARES:
        return 0.5 * total(jnp.square(residual(values, mask, first, columns)), tail)
    model = jnp.maximum(first.T @ columns, smallest(values))
    some = values > 0
    terms = model - values + jnp.where(some, values * jnp.log(jnp.where(some, values, 1.0) / model), 0.0)
    return total(terms if mask is None else jnp.where(mask, terms, 0.0), tail)


def sweep(
    tensor: Tensor, factors: Tail, penalties: tuple[ModePenalty, ...], settings: Settings
) -> tuple[Tail, Float[Array, ""]]:
    """Update every free mode once, first to last.

    Parameters
    ----------
    tensor : Tensor
        The data.
    factors : tuple of (component, entry)
        One a mode.
    penalties : tuple of ModePenalty
        One a mode.
    settings : Settings
        Loss, and which modes are free.

    Returns
    -------
    factors : tuple of (component, entry)
        Never worse than what came in.
    objective : ()
        Loss plus penalties of the factors returned.
    """
    values, mask = tensor.values, tensor.mask
    if settings.loss == POISSON:
        rows = poisson_rows(values, mask, factors[0], factors[1:], penalties[0], settings)
        new = (rows.first, *poisson_tail(rows.gathered, factors[1:], penalties, settings))
        return new, rows_loss(values, mask, new[0], new[1:], POISSON) + penalty_of(new, penalties)
    rows = squares_rows(values, mask, factors[0], factors[1:], penalties[0], settings)
    tail, target, inner = squares_tail(rows.gathered, factors[1:], penalties, settings)
    new = (rows.first, *tail)
    if mask is not None:
        return new, rows_loss(values, mask, new[0], tail, SQUARES) + penalty_of(new, penalties)
    # Without holes the last update's inner products give the error without a further pass over the tensor.
    last = max(mode for mode, free in enumerate(settings.free) if free)
    if last == 0:
        target, inner = rows.target, gram_without(new, 0)
    loss = tensor.half_square - (target * new[last]).sum() + 0.5 * (inner * gram(new[last])).sum()
    return new, jnp.maximum(loss, 0.0) + penalty_of(new, penalties)
