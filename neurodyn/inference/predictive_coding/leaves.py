r"""What a network expects of an input: density, moments and draws of every kind of leaf, one step at a time.

A number of unknown mean and variance has the predictive density

.. math::

    p(x) = t_{\nu_2 + 1}\Bigl(x;\ \xi_1,\ (\xi_2 - \xi_1^2)\,\frac{\nu_2 (\nu_1 + 1)}{\nu_1 (\nu_2 + 1)}\Bigr),

a Student density with its degrees of freedom, location and squared scale. It is that of the conjugate belief
:math:`p(m, \tau) \propto \exp(\nu(\xi_1 m\tau - \xi_2\tau/2 - m^2\tau/2 + \tfrac12\log\tau))` about mean and precision
under a flat measure, whose mean is worth :math:`\nu_1` observations and whose variance :math:`\nu_2`. Where one weight
:math:`\nu` holds for both statistics the factor is 1: :math:`\nu + 1` degrees of freedom, squared scale
:math:`\xi_2 - \xi_1^2`.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from neurodyn.inference.predictive_coding.predictions import (
    NEAR,
    Expected,
    Parameters,
    component,
    doubt,
    pseudo_count,
)
from neurodyn.inference.predictive_coding.structure import Structure

NEVER = 1e-30  # a context's probability before its logarithm is taken
SHIFT = 8
LEAST_EXCESS = 1e-2  # of the degrees of freedom over 2, where a Student variance is reported


def gaussian_surprise(value: Array, mean: Array, precision: Array) -> Array:
    r""":math:`-\log N(x; \hat\mu, 1/\hat\pi)`."""
    return 0.5 * (jnp.log(2 * jnp.pi) - jnp.log(precision) + precision * (value - mean) ** 2)


def binary_surprise(value: Array, chance: Array) -> Array:
    """-log p of 0 or 1."""
    chance = jnp.clip(chance, NEAR, 1 - NEAR)
    return -jnp.log(jnp.where(value > 0.5, chance, 1 - chance))


def finite_binary_surprise(value: Array, chance: Array, precision: Array) -> Array:
    """-log of the mixture of a Gaussian about 1 and one about 0."""
    one = jnp.log(chance) - gaussian_surprise(value, jnp.ones(()), precision)
    zero = jnp.log1p(-chance) - gaussian_surprise(value, jnp.zeros(()), precision)
    return -jnp.logaddexp(one, zero)


def student_surprise(value: Array, location: Array, square_scale: Array, freedom: Array) -> Array:
    r"""Negative log-density of a Student distribution.

    .. math::

        -\log\frac{\Gamma(\frac{k+1}{2})}{\Gamma(\frac k2)\sqrt{\pi k s^2}}
        + \frac{k+1}{2}\log\Bigl(1 + \frac{(x - m)^2}{k s^2}\Bigr)

    Parameters
    ----------
    value : Array
        x.
    location, square_scale : Array
        m and :math:`s^2`.
    freedom : Array
        Degrees of freedom k.

    Returns
    -------
    Array
        Nats.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> one, zero = jnp.asarray(1.0), jnp.asarray(0.0)
    >>> round(float(student_surprise(zero, zero, one, one)), 4)  # of a Cauchy density log(pi)
    1.1447
    """
    tail = jnp.log1p((value - location) ** 2 / (freedom * square_scale))
    height = _half_step(freedom / 2) - 0.5 * jnp.log(jnp.pi * freedom * square_scale)
    return 0.5 * (freedom + 1) * tail - height


def _half_step(z: Array) -> Array:
    r""":math:`\log\Gamma(z + 1/2) - \log\Gamma(z)`, by an asymptotic series: the difference itself loses all digits."""
    total = jnp.zeros_like(z)
    for step in range(SHIFT):
        total = total - jnp.log1p(0.5 / (z + step))
    z = z + SHIFT
    series = -1 / (8 * z) + 1 / (192 * z**3) - 1 / (640 * z**5) + 17 / (14336 * z**7)
    return total + 0.5 * jnp.log(z) + series


def student(
    structure: Structure, parameters: Parameters, expected: Any, leaf: int
) -> tuple[Array, Array, Array]:
    """Location, squared scale and degrees of freedom of what is expected of a number of unknown mean and variance.

    Parameters
    ----------
    structure, parameters
        The network.
    expected : Expected
        Predictions of one step.
    leaf : int
        The leaf.

    Returns
    -------
    (), () and ()
        As in the density of this module.
    """
    first, second = (
        pseudo_count(structure, parameters, expected, node)
        for _, node in structure.links(structure.value, child=leaf)
    )
    factor = second * (first + 1) / (first * (second + 1))
    return expected.mean[leaf], expected.variance[leaf] * factor, second + 1


def switched(
    structure: Structure, parameters: Parameters, expected: Any, leaf: int, value: Array
) -> tuple[list[Array], Array]:
    r"""Which context an input comes from, and how well they explain it together.

    .. math:: r_k \propto \hat p_k\, p(u \mid k), \qquad -\log\sum_k \hat p_k\, p(u \mid k)

    Parameters
    ----------
    structure, parameters
        The network.
    expected : Expected
        Predictions of one step.
    leaf : int
        A switching leaf.
    value : ()
        The input u.

    Returns
    -------
    list of ()
        Responsibilities r.
    ()
        Surprise in nats.
    """
    binary, logs = structure.nodes[leaf].kind == "binary_switching", []
    for _, context in structure.links(structure.value, child=leaf):
        mean, variance = component(structure, parameters, expected, context)
        cost = binary_surprise(value, mean) if binary else gaussian_surprise(value, mean, 1 / variance)
        logs.append(jnp.log(jnp.maximum(expected.mean[context], NEVER)) - cost)
    table = jnp.stack(logs)
    total = jax.nn.logsumexp(table)
    return list(jnp.exp(table - total)), -total


def leaf_surprise(
    structure: Structure, parameters: Parameters, expected: Expected, leaf: int, value: Array
) -> Array:
    """Negative log-density of an input given those before it.

    Parameters
    ----------
    structure, parameters
        The network.
    expected : Expected
        Predictions of one step.
    leaf : int
        The leaf.
    value : ()
        The input.

    Returns
    -------
    ()
        Nats.
    """
    kind = structure.nodes[leaf].kind
    mean, precision = expected.mean[leaf], expected.precision[leaf]
    if kind in ("binary", "chance"):
        return binary_surprise(value, mean)
    if kind == "finite_binary":
        return finite_binary_surprise(value, mean, precision)
    if kind == "gaussian":
        return student_surprise(value, *student(structure, parameters, expected, leaf))
    if kind == "input":
        variance = 1 / precision + doubt(structure, parameters, expected, leaf)
        return gaussian_surprise(value, mean, 1 / variance)
    return switched(structure, parameters, expected, leaf, value)[1]


def leaf_moments(
    structure: Structure, parameters: Parameters, expected: Expected, leaf: int
) -> tuple[Array, Array]:
    """Mean and variance of an input given those before it.

    Parameters
    ----------
    structure, parameters
        The network.
    expected : Expected
        Predictions of one step.
    leaf : int
        The leaf.

    Returns
    -------
    () and ()
        The variance of a Student distribution exists above 2 degrees of freedom; below 2.01, that at 2.01 is given.
    """
    kind = structure.nodes[leaf].kind
    mean, variance = expected.mean[leaf], expected.variance[leaf]
    if kind in ("binary", "chance", "binary_switching"):
        return mean, mean * (1 - mean)
    if kind == "finite_binary":
        return mean, variance + mean * (1 - mean)
    if kind == "gaussian":
        mean, square, freedom = student(structure, parameters, expected, leaf)
        excess = jnp.maximum(freedom - 2, LEAST_EXCESS)
        return mean, square * (excess + 2) / excess
    if kind == "input":
        return mean, variance + doubt(structure, parameters, expected, leaf)
    return mean, variance


def leaf_draw(
    structure: Structure, parameters: Parameters, expected: Expected, leaf: int, keys: tuple[Array, Array]
) -> Array:
    """An input.

    Parameters
    ----------
    structure, parameters
        The network.
    expected : Expected
        Predictions of one step.
    leaf : int
        The leaf.
    keys : pair of Array
        Randomness.

    Returns
    -------
    ()
        0 or 1 (with noise added where it is seen through noise), or a number.
    """
    kind = structure.nodes[leaf].kind
    mean, (first, second) = expected.mean[leaf], keys
    if kind in ("input", "finite_binary"):
        noise = jax.random.normal(first if kind == "input" else second, (), mean.dtype)
    if kind == "input":
        return mean + jnp.sqrt(leaf_moments(structure, parameters, expected, leaf)[1]) * noise
    if kind == "gaussian":
        location, square, freedom = student(structure, parameters, expected, leaf)
        return location + jnp.sqrt(square) * jax.random.t(first, freedom, (), mean.dtype)
    if kind == "switching":
        contexts = [context for _, context in structure.links(structure.value, child=leaf)]
        chances = jnp.stack([expected.mean[context] for context in contexts])
        place = jax.random.categorical(first, jnp.log(jnp.maximum(chances, NEVER)))
        parts = [component(structure, parameters, expected, context) for context in contexts]
        centre, variance = (jnp.stack(field)[place] for field in zip(*parts, strict=True))
        return centre + jnp.sqrt(variance) * jax.random.normal(second, (), mean.dtype)
    value = jax.random.bernoulli(first, mean).astype(mean.dtype)
    if kind == "finite_binary":
        value = value + noise / jnp.sqrt(expected.precision[leaf])
    return value
