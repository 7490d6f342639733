"""Random factors to start from."""

from typing import Any

import numpy as np
from jaxtyping import Float

from neurodyn.inference.random import as_key, key_words

SHAPE = 2.0


def random_start(
    seen: tuple[np.ndarray, ...], rank: int, mean: float, *, key: Any, restart: int = 0
) -> tuple[Float[np.ndarray, "_ component"], ...]:
    """Draw factors from a gamma distribution, scaled so that the model's mean is the data's.

    Parameters
    ----------
    seen : tuple of numpy.ndarray of bool
        By mode, which entries have any observed value; the others are zero.
    rank : int
        Number of components.
    mean : float
        Mean of the observed values.
    key : int or jax.Array
        Seed.
    restart : int
        Number of the start; each has a stream of its own, whatever the number of restarts.

    Returns
    -------
    tuple of numpy.ndarray
        ``(entry, component)``, one a mode.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.starts import random_start
    >>> first, second = random_start((np.ones(4, bool), np.ones(5, bool)), 3, 2.0, key=0)
    >>> round(float((first @ second.T).mean()), 6)
    2.0
    """
    generator = np.random.default_rng([*key_words(as_key(key)), restart])
    drawn = [generator.gamma(SHAPE, size=(len(some), rank)) * some[:, None] for some in seen]
    means = np.prod([factor.sum(0) / some.sum() for factor, some in zip(drawn, seen, strict=True)], axis=0)
    scale = (mean / means.sum()) ** (1 / len(drawn))
    return tuple(scale * factor for factor in drawn)
