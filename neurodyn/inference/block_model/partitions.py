"""How alike two divisions of the same nodes are."""

import numpy as np
from jaxtyping import Float, Shaped

from neurodyn.errors import ModelError


def overlap(
    first: Shaped[np.ndarray, " node"], second: Shaped[np.ndarray, " other"]
) -> Float[np.ndarray, "group group2"]:
    """Number of nodes in every group of one division and every group of the other.

    Parameters
    ----------
    first, second : (node,)
        Labels of any kind.

    Returns
    -------
    (group, group)
        Counts, labels in ascending order.

    Raises
    ------
    ModelError
        If the two have different lengths, or no nodes.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.partitions import overlap
    >>> overlap(np.array([0, 0, 1]), np.array([5, 7, 7])).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    if len(first) != len(second) or len(first) == 0:
        raise ModelError(
            f"the divisions have {len(first)} and {len(second)} nodes; they must have the same, at least 1."
        )
    rows, i = np.unique(first, return_inverse=True)
    columns, j = np.unique(second, return_inverse=True)
    flat = np.bincount(i.reshape(-1) * len(columns) + j.reshape(-1), minlength=len(rows) * len(columns))
    return flat.reshape(len(rows), len(columns)).astype(np.float64)


def normalised_mutual_information(
    first: Shaped[np.ndarray, " node"], second: Shaped[np.ndarray, " other"]
) -> float:
    r"""Mutual information of two divisions over the mean of their entropies.

    .. math:: \mathrm{NMI} = \frac{2\, I(X; Y)}{H(X) + H(Y)}

    Two divisions into one group each are the same: 1. The value of unrelated divisions into many groups is above 0.

    Parameters
    ----------
    first, second : (node,)
        Labels of any kind.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ModelError
        If the two have different lengths, or no nodes.

    References
    ----------
    Danon et al. (2005), Journal of Statistical Mechanics P09008, doi:10.1088/1742-5468/2005/09/P09008.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.partitions import normalised_mutual_information
    >>> normalised_mutual_information(np.array([0, 0, 1, 1]), np.array([3, 3, 2, 2]))
    1.0
    """
    share = overlap(first, second) / len(first)
    rows, columns = _entropy(share.sum(axis=1)), _entropy(share.sum(axis=0))
    if rows + columns == 0:
        return 1.0
    return float(np.clip(2 * (rows + columns - _entropy(share.ravel())) / (rows + columns), 0.0, 1.0))


def _entropy(share: np.ndarray) -> float:
    """Entropy in nats."""
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


def adjusted_rand_index(first: Shaped[np.ndarray, " node"], second: Shaped[np.ndarray, " other"]) -> float:
    r"""Agreement of two divisions on which pairs of nodes are together, less that of chance.

    .. math::

        \mathrm{ARI} = \frac{\sum_{rs} \binom{n_{rs}}2 - x}{\frac12 (a + b) - x}, \qquad
        a = \sum_r \binom{n_{r\cdot}}2, \quad b = \sum_s \binom{n_{\cdot s}}2, \quad x = a b \Big/ \binom n2.

    Parameters
    ----------
    first, second : (node,)
        Labels of any kind.

    Returns
    -------
    float
        1 for the same division, 0 on average for unrelated ones of given sizes.

    Raises
    ------
    ModelError
        If the two have different lengths, or no nodes.

    References
    ----------
    Hubert & Arabie (1985), Journal of Classification 2, 193-218, doi:10.1007/BF01908075.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.partitions import adjusted_rand_index
    >>> round(adjusted_rand_index(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])), 6)
    -0.5
    """
    counts = overlap(first, second)
    together, a, b = (_pairs(x) for x in (counts, counts.sum(axis=1), counts.sum(axis=0)))
    whole = _pairs(np.array([float(len(first))]))
    chance = a * b / whole if whole else 0.0
    most = (a + b) / 2
    return 1.0 if most == chance else float((together - chance) / (most - chance))


def _pairs(counts: np.ndarray) -> float:
    """Number of pairs within groups of such sizes."""
    return float((counts * (counts - 1) / 2).sum())
