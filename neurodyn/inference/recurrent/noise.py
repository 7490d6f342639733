"""Gaussian noise by the million, for training steps that take longer to draw it than to use it."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

ROUNDS = 13
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA
# Taylor series on half a turn, highest power first; the terms left out are below single precision.
SINE = tuple((-1) ** k / math.factorial(2 * k + 1) for k in reversed(range(7)))
COSINE = tuple((-1) ** k / math.factorial(2 * k) for k in reversed(range(8)))


def random_words(key: jax.Array, count: int) -> UInt32[Array, "2 word"]:
    """Two streams of random words by Threefry with 13 rounds, the fewest that pass all tests of its authors.

    Parameters
    ----------
    key : jax.Array
        A typed key of 64 bits.
    count : int
        Words of each stream.

    Returns
    -------
    array
        Words.

    References
    ----------
    Salmon et al. (2011), doi:10.1145/2063384.2063405.
    """
    words = jax.random.key_data(key).ravel()
    keys = (words[0], words[1], words[0] ^ words[1] ^ jnp.uint32(PARITY))
    left, right = jnp.arange(count, dtype=jnp.uint32) + keys[0], jnp.full(count, keys[1])
    for number in range(ROUNDS):
        turn = ROTATIONS[number % 8]
        left = left + right
        right = ((right << turn) | (right >> (32 - turn))) ^ left
        if number % 4 == 3:
            injected = number // 4 + 1
            left = left + keys[injected % 3]
            right = right + keys[(injected + 1) % 3] + jnp.uint32(injected)
    return jnp.stack([left, right])


def gaussian_noise(key: jax.Array, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Standard normal numbers by the method of Box and Muller.

    .. math:: z, z' = \\sqrt{-2 \\ln u}\\,(\\cos \\theta, \\sin \\theta), \\quad u \\sim U(0, 1), \\quad
        \\theta \\sim U(-\\pi, \\pi)

    Of single precision; the largest is below 6.

    Parameters
    ----------
    key : jax.Array
        A typed key of 64 bits.
    shape : tuple of int
        Of the result.

    Returns
    -------
    array
        Numbers.

    References
    ----------
    Box and Muller (1958), doi:10.1214/aoms/1177706645.

    Examples
    --------
    >>> import jax
    >>> from neurodyn.inference.recurrent import gaussian_noise
    >>> gaussian_noise(jax.random.key(0), (3, 5)).shape
    (3, 5)
    """
    count = math.prod(shape)
    level, angle = random_words(key, -(-count // 2))
    uniform = ((level >> 8).astype(jnp.float32) + 0.5) * np.float32(2.0**-24)
    radius = jnp.sqrt(-2 * jnp.log(uniform))
    # The other half of the turn by the sign, from a bit that the level does not use.
    radius = jnp.where((level & 1) == 1, radius, -radius)
    theta = jax.lax.bitcast_convert_type(angle, jnp.int32).astype(jnp.float32) * np.float32(np.pi * 2.0**-32)
    squared = theta * theta
    both = jnp.concatenate(
        [radius * _power_series(COSINE, squared), radius * theta * _power_series(SINE, squared)]
    )
    return both[:count].reshape(shape)


def _power_series(coefficients: tuple[float, ...], x: Array) -> Array:
    """Sum of powers, highest first."""
    total = jnp.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + np.float32(coefficient)
    return total
