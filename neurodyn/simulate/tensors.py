"""Tensors whose non-negative factors are known."""

from typing import NamedTuple

import numpy as np

from neurodyn.errors import ModelError

FACTOR_SHAPE, NOISE_SHAPE = 0.5, 4.0


class PlantedTensor(NamedTuple):
    """A tensor and the truth behind it.

    Attributes
    ----------
    values : numpy.ndarray
        What was observed, NaN where missing.
    mean : numpy.ndarray
        The noiseless tensor, also where missing.
    factors : tuple of numpy.ndarray
        ``(entry, component)``, one a mode; the mean is the sum of their outer products.
    """

    values: np.ndarray
    mean: np.ndarray
    factors: tuple[np.ndarray, ...]


def planted_tensor(
    shape: tuple[int, ...] = (100, 100, 500),
    rank: int = 10,
    *,
    key: int,
    missing: float = 0.0,
    factor_shape: float = FACTOR_SHAPE,
    noise_shape: float | None = NOISE_SHAPE,
) -> PlantedTensor:
    r"""Draw a tensor from non-negative factors.

    .. math:: f_{nir} \sim \mathrm{Gamma}(a), \quad \mu_{ij \dots} = \sum_r f_{0ir} f_{1jr} \cdots, \quad
        x_{ij \dots} \sim \mathrm{Gamma}(k) \, \mu_{ij \dots} / k

    so that noise is proportional to the mean; entries are missing independently of each other.

    Parameters
    ----------
    shape : tuple of int
        Length of every mode, two or more.
    rank : int
        Number of components.
    key : int
        Seed. Factors, noise and missing entries have streams of their own.
    missing : float
        Share of missing entries, from 0 to below 1.
    factor_shape : float
        a, the shape of the factors' distribution; small values give sparse factors.
    noise_shape : float or None
        k, the shape of the entries' distribution; None gives the mean itself.

    Returns
    -------
    PlantedTensor
        Values, mean and factors, in double precision.

    Raises
    ------
    ModelError
        If a size, a share or a shape is out of range.

    References
    ----------
    .. [1] Dyballa, L. et al. (2024). Learning dynamic representations of the functional connectome in neurobiological
       networks. International Conference on Learning Representations. doi:10.48550/arXiv.2402.14102

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.simulate.tensors import planted_tensor
    >>> planted = planted_tensor((6, 5, 4), 2, key=0, missing=0.5)
    >>> planted.mean.shape, bool(np.isnan(planted.values).any()), planted.factors[2].shape
    ((6, 5, 4), True, (4, 2))
    """
    if len(shape) < 2:
        raise ModelError(f"shape is {shape!r}; a tensor needs 2 modes or more.")
    for name, size in {"rank": rank, **{f"shape[{mode}]": size for mode, size in enumerate(shape)}}.items():
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
            raise ModelError(f"{name} is {size!r}; it must be a whole number, 1 or more.")
    if isinstance(key, bool) or not isinstance(key, (int, np.integer)) or key < 0:
        raise ModelError(f"key is {key!r}; it must be a whole number, 0 or more.")
    if not 0 <= missing < 1:
        raise ModelError(f"missing is {missing!r}; it must be a share from 0 to below 1.")
    for name, value in {"factor_shape": factor_shape, "noise_shape": noise_shape}.items():
        if value is not None and not 0 < value < np.inf:
            raise ModelError(f"{name} is {value!r}; it must be a finite number above 0.")
    factor_stream, noise_stream, mask_stream = (np.random.default_rng([key, stream]) for stream in range(3))
    factors = tuple(factor_stream.gamma(factor_shape, size=(size, rank)) for size in shape)
    columns = factors[0]
    for factor in factors[1:-1]:
        columns = (columns[:, None, :] * factor).reshape(-1, rank)
    mean = (columns @ factors[-1].T).reshape(shape)
    values = mean.copy() if noise_shape is None else mean * noise_stream.gamma(noise_shape, size=shape)
    if noise_shape is not None:
        values /= noise_shape
    if missing:
        values[mask_stream.uniform(size=shape) < missing] = np.nan
    return PlantedTensor(values, mean, factors)
