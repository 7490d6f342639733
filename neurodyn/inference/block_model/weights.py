"""Integrated likelihoods of the weights between two groups."""

from collections.abc import Callable

import numpy as np
from scipy.special import gammaln

from neurodyn.inference.block_model.counting import log_factorial

# Prior of the Gaussian in units of the standard deviation of all weights: worth of the mean in observations, shape
# and rate of the precision.
KAPPA, ALPHA, BETA = 1.0, 1.0, 0.5
# Below this ratio of standard deviation and mean all weights are the same.
LEAST_SPREAD = 1e-9


def exponential_cost(n_edges: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    r"""Minus log likelihood of exponential weights whose rate has been integrated out.

    The weights between two groups, in units of the mean weight of the graph, are exponential with a rate which is itself
    exponential with mean 1 (a gamma distribution of shape 1):

    .. math::

        p(x_1 \dots x_m) = \int_0^\infty e^{-\lambda}\, \lambda^m e^{-\lambda S}\, d\lambda
        = \frac{m!}{(1 + S)^{m+1}}, \qquad S = \sum_l x_l.

    As weights are counted in units of their own mean, nothing depends on the scale of the weights.

    Parameters
    ----------
    n_edges : int
        Largest number of edges between two groups.

    Returns
    -------
    Callable
        From (numbers of edges, sums of weights) to nats.

    References
    ----------
    Peixoto (2018), Physical Review E 97, 012306, doi:10.1103/PhysRevE.97.012306; Aicher, Jacobs & Clauset (2015),
    Journal of Complex Networks 3, doi:10.1093/comnet/cnu026.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.weights import exponential_cost
    >>> np.exp(-exponential_cost(2)(np.array([0, 2]), np.array([0.0, 1.0]))).round(6).tolist()
    [1.0, 0.25]
    """
    factorial = log_factorial(n_edges)
    return lambda m, total: (m + 1) * np.log1p(np.maximum(total, 0.0)) - factorial(m)


def gaussian_cost(
    n_edges: int, floor: float = 0.0
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    r"""Minus log likelihood of Gaussian weights whose mean and variance have been integrated out.

    The weights between two groups, less the mean weight of the graph and in units of the standard deviation of all
    weights, are Gaussian with precision :math:`\tau \sim \mathrm{Gamma}(\alpha = 1, \beta = 1/2)` and mean
    :math:`\mu \sim N(0, 1/(\kappa\tau))`, :math:`\kappa = 1`:

    .. math::

        p(z_1 \dots z_m) = (2\pi)^{-m/2} \sqrt{\frac{\kappa}{\kappa + m}}\,
        \frac{\Gamma(\alpha + m/2)}{\Gamma(\alpha)}\,
        \frac{\beta^\alpha}{\beta_m^{\alpha + m/2}}, \qquad
        \beta_m = \beta + \frac12\Big(\sum_l z_l^2 - \frac{(\sum_l z_l)^2}{\kappa + m}\Big).

    As weights are standardised over the whole graph, nothing depends on their scale. Where all are equal they say nothing
    about groups (the density of one group's would grow beyond bounds and hide what the edges say) and are left out.

    Parameters
    ----------
    n_edges : int
        Largest number of edges between two groups.
    floor : float
        Variance added to every weight; above 0 it smooths a search among weights with next to no noise, and the value
        is no description length.

    Returns
    -------
    Callable
        From (numbers of edges, sums, sums of squares) to nats.

    References
    ----------
    Peixoto (2018), Physical Review E 97, 012306, doi:10.1103/PhysRevE.97.012306; Aicher, Jacobs & Clauset (2015),
    Journal of Complex Networks 3, doi:10.1093/comnet/cnu026.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.weights import gaussian_cost
    >>> gaussian_cost(1)(np.array([0]), np.zeros(1), np.zeros(1)).tolist()
    [0.0]
    """
    m = np.arange(n_edges + 1)
    table = (
        m / 2 * np.log(2 * np.pi)
        + np.log1p(m / KAPPA) / 2
        - gammaln(ALPHA + m / 2)
        + gammaln(ALPHA)
        - ALPHA * np.log(BETA)
    )

    def cost(m: np.ndarray, total: np.ndarray, squares: np.ndarray) -> np.ndarray:
        rest = np.maximum(squares - total**2 / (KAPPA + m), 0.0)
        return table[m] + (ALPHA + m / 2) * np.log(BETA + (rest + floor * m) / 2)

    return cost


def standardised(weights: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Weights less their mean in units of their standard deviation, and that unit in means; None if all are equal."""
    mean = weights.mean() if len(weights) else 0.0
    spread = weights.std() if len(weights) else 0.0
    if spread <= LEAST_SPREAD * mean:
        return None
    return (weights - mean) / spread, float(spread / mean)
