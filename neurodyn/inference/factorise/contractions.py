"""Products of a tensor with factors, in the arrangement that every sweep shares.

Inside this package a factor lies with its components first, ``(component, entry)``, and a tensor as a matrix whose rows
are the first mode and whose columns are all further ones, the *tail*. A sweep then needs two products with the tensor:

.. math:: M^{(0)}_{ri} = \\sum_c X_{ic} \\, T_{rc}, \\qquad P_{rc} = \\sum_i A_{ri} X_{ic}

with :math:`T` the Khatri-Rao product of the tail. What any mode of the tail needs is contracted from P, which is smaller
than the tensor by the length of the first mode over the number of components.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


class Tensor(NamedTuple):
    """A tensor as a matrix, and which of its entries were observed.

    Attributes
    ----------
    values : (row, column)
        First mode by all further ones, 0 where not observed.
    mask : (row, column) or None
        Which entries were observed; None where all were.
    half_square : ()
        Half the sum of squares of the observed values.
    """

    values: Float[Array, "row column"]
    mask: Bool[Array, "row column"] | None
    half_square: Float[Array, ""]


# Times the number of components: how long the product with the tensor should be.
WIDE = 4

Tail = tuple[Float[Array, "component _"], ...]


def columns_product(tail: Tail) -> Float[Array, "component column"]:
    """Khatri-Rao product of the tail: every component's outer product, flattened."""
    product = tail[0]
    for factor in tail[1:]:
        product = (product[:, :, None] * factor[:, None, :]).reshape(len(product), -1)
    return product


def rows_target(entries: Float[Array, "row column"], tail: Tail) -> Float[Array, "component row"]:
    """Every row times the Khatri-Rao product of the tail.

    Of the tail only the last modes are multiplied out, as few as make a long enough product; the result has no more
    than a quarter of the tensor's entries, and the modes before are summed over it. What is multiplied out stays in
    the cache, which the whole Khatri-Rao product would not.
    """
    rank, split, length = len(tail[0]), len(tail) - 1, tail[-1].shape[1]
    while split and length < WIDE * rank:
        split -= 1
        length *= tail[split].shape[1]
    product = tail[split].T
    for factor in tail[split + 1 :]:
        product = (product[:, None, :] * factor.T).reshape(-1, rank)
    found = entries.reshape(-1, length) @ product
    found = found.reshape(len(entries), *(factor.shape[1] for factor in tail[:split]), rank)
    for factor in reversed(tail[:split]):
        found = (found * factor.T).sum(-2)
    return found.T


def gram(factor: Float[Array, "component entry"]) -> Float[Array, "component component"]:
    """Inner products of the components of one mode."""
    return factor @ factor.T


def gram_without(factors: Tail, mode: int) -> Float[Array, "component component"]:
    """Inner products of the components over all modes but one."""
    product = jnp.ones((len(factors[0]), len(factors[0])), factors[0].dtype)
    for which, factor in enumerate(factors):
        if which != mode:
            product = product * gram(factor)
    return product


def contract(
    partial: Float[Array, "component column"], tail: Tail, mode: int
) -> Float[Array, "component entry"]:
    """Contract the columns with every factor of the tail but one."""
    found = partial.reshape(len(partial), *(factor.shape[1] for factor in tail))
    for which in reversed(range(len(tail))):
        if which != mode:
            shape = [len(partial)] + [1] * (found.ndim - 1)
            axis = which + 1 if which < mode else found.ndim - 1
            shape[axis] = tail[which].shape[1]
            found = (found * tail[which].reshape(shape)).sum(axis)
    return found


def total(entries: Float[Array, "row column"], tail: Tail) -> Float[Array, ""]:
    """Sum of all entries, mode after mode, so that rounding stays small in single precision."""
    found = entries.sum(0).reshape([factor.shape[1] for factor in tail])
    while found.ndim:
        found = found.sum(-1)
    return found
