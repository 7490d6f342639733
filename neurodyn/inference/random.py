"""Randomness is explicit: a key is an integer or a JAX key, never a hidden default."""

from typing import Any

import jax
import numpy as np

from neurodyn.errors import ModelError

Key = Any


def as_key(key: Any) -> jax.Array:
    """Return a typed JAX key from an integer, a typed key or raw key data.

    Parameters
    ----------
    key : int or jax.Array
        A non-negative integer seed, a key made by `jax.random.key`, or raw key data of shape ``(2,)``.

    Returns
    -------
    jax.Array
        A typed key.

    Raises
    ------
    ModelError
        If `key` is missing, negative, or not a key.

    Examples
    --------
    >>> from neurodyn.inference.random import as_key
    >>> as_key(3) == as_key(3)
    Array(True, dtype=bool)
    """
    if key is None:
        raise ModelError(
            "key is None, but this call is stochastic; pass an integer or a JAX key, e.g. key=0."
        )
    if isinstance(key, bool):
        raise ModelError(f"key is {key}, not an integer or a JAX key; pass e.g. key=0.")
    if isinstance(key, (int, np.integer)):
        if key < 0:
            raise ModelError(f"key is {key}; an integer key must be 0 or greater.")
        return jax.random.key(int(key))
    if isinstance(key, np.ndarray):
        key = jax.numpy.asarray(key)
    if isinstance(key, jax.Array):
        if jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key):
            if key.shape != ():
                raise ModelError(f"key has shape {key.shape}; pass one key, not an array of keys.")
            return key
        if key.dtype == np.uint32 and key.shape == (2,):
            return jax.random.wrap_key_data(key)
    raise ModelError(f"key is a {type(key).__name__}; pass an integer or a JAX key, e.g. key=0.")


def key_words(key: jax.Array) -> list[int]:
    """Return the key's raw words, for provenance records."""
    return [int(word) for word in np.asarray(jax.random.key_data(key)).ravel()]
