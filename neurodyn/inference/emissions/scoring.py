"""Data as scoring takes them: what can be computed from the parameters once, in double precision."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurodyn.inference.emissions._dense import DenseData, with_factors


def for_scoring(data: Any, parameters: Mapping[str, np.ndarray]) -> Any:
    """The same data, with the factors of dense covariances where their family has such.

    Factorising a covariance loses as many digits as its condition number has; in double precision there are enough.

    Parameters
    ----------
    data : pytree
        What an emission prepared.
    parameters : mapping
        The emission's parameters on the host, in double precision and their own units.

    Returns
    -------
    pytree
        Likelihoods and predictions from it equal those from `data` up to rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.emissions import Gaussian
    >>> values = np.random.default_rng(0).standard_normal((20, 2))
    >>> data = Gaussian().prepare(values, np.isfinite(values), np.arange(20) == 0)
    >>> for_scoring(data, {"mean": np.zeros((1, 2)), "covariance": np.eye(2)[None]}).factors.whitener.shape
    (1, 2, 2)
    """
    if not isinstance(data, DenseData):
        return data
    if "covariance" in parameters:
        covariance = parameters["covariance"]
    else:
        loading = np.asarray(parameters["loading"], float)
        covariance = loading @ loading.swapaxes(1, 2)
        covariance = covariance + parameters["noise_variance"][:, :, None] * np.eye(loading.shape[1])
    return with_factors(data, parameters["mean"], covariance)
