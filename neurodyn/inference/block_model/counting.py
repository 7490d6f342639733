"""Logarithms of numbers of ways: factorials from a table, subsets, multisets and partitions."""

from collections.abc import Callable

import numpy as np
from scipy.special import gammaln

LARGEST_TABLE = 1 << 23


def log_factorial(largest: int) -> Callable[[np.ndarray], np.ndarray]:
    """The function log n! of whole numbers up to a largest one.

    Parameters
    ----------
    largest : int
        Largest argument; up to eight million it is looked up in a table, beyond that computed anew.

    Returns
    -------
    Callable
        From an array of whole numbers (``int64``) to an array of floats; -1 gives 0, so that 0 objects in 0 places
        can be arranged in one way.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.counting import log_factorial
    >>> np.exp(log_factorial(4)(np.array([0, 1, 4]))).round(6).tolist()
    [1.0, 1.0, 24.0]
    """
    if largest + 2 > LARGEST_TABLE:
        return lambda n: gammaln(np.maximum(n, 0) + 1.0)
    # The last entry answers for -1.
    table = np.append(gammaln(np.arange(largest + 1) + 1.0), 0.0)
    return table.__getitem__


def log_multisets(n: int, m: int | float) -> float:
    r"""Log of the number of ways to put `m` equal objects into `n` places, :math:`\log\binom{n + m - 1}{m}`."""
    return float(gammaln(n + m) - gammaln(m + 1.0) - gammaln(n)) if n else 0.0


def log_subsets(n: int, m: int) -> float:
    r"""Log of the number of ways to choose `m` of `n` objects, :math:`\log\binom nm`."""
    return float(gammaln(n + 1.0) - gammaln(m + 1.0) - gammaln(n - m + 1.0))


def log_partition_cost(n_nodes: int, n_groups: int) -> float:
    r"""What a division of nodes costs beyond the sizes of its groups, in nats.

    .. math::

        -\log P(b) = \log N + \log\binom{N-1}{B-1} + \log N! - \sum_r \log n_r!,

    without the last sum: the number of groups `B` is uniform from 1 to `N`, their sizes uniform among those that add up
    to `N`, and the division uniform among those of such sizes.

    Parameters
    ----------
    n_nodes, n_groups : int
        Numbers of nodes and groups.

    Returns
    -------
    float
        Nats.

    References
    ----------
    Peixoto (2017), Physical Review E 95, 012317, doi:10.1103/PhysRevE.95.012317.
    """
    return float(np.log(n_nodes) + log_subsets(n_nodes - 1, n_groups - 1) + gammaln(n_nodes + 1.0))
