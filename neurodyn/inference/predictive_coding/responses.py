"""How beliefs become responses: choices, reaction times, pupil size."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from neurodyn.inference.predictive_coding.predictions import NEAR


def tempered(chance: Array, inverse_temperature: Array) -> Array:
    r"""Probability of choosing 1 from the believed chance of 1.

    .. math:: p = \frac{m^\beta}{m^\beta + (1 - m)^\beta}

    Parameters
    ----------
    chance : Array
        m in (0, 1).
    inverse_temperature : Array
        :math:`\beta`; 0 is guessing, 1 matching.

    Returns
    -------
    Array
        p.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> round(float(tempered(jnp.asarray(0.8), jnp.asarray(1.0))), 3)
    0.8
    """
    chance = jnp.clip(chance, NEAR, 1 - NEAR)
    return jax.nn.sigmoid(inverse_temperature * (jnp.log(chance) - jnp.log1p(-chance)))


def softmax_choice(values: Array, inverse_temperature: Array) -> Array:
    r"""Log-probabilities of options from their values, :math:`\log p_k = \beta v_k - \log \sum_j e^{\beta v_j}`.

    Parameters
    ----------
    values : Array
        :math:`v`, options last.
    inverse_temperature : Array
        :math:`\beta`.

    Returns
    -------
    Array
        As `values`.
    """
    return jax.nn.log_softmax(inverse_temperature * values, axis=-1)
