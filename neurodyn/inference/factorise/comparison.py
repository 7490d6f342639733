"""Normal form of a factorisation, and how alike two of them are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from neurodyn.errors import ModelError

Factors = tuple[Float[np.ndarray, "_ component"], ...]


class Congruence(NamedTuple):
    """How alike two sets of factors are.

    Attributes
    ----------
    mean : float
        Mean over the components of the larger set; one without a partner counts 0.
    components : numpy.ndarray
        Product of the cosines over the modes, for every component of the first set, ``(component,)``.
    partner : numpy.ndarray of int
        The component of the second set matched to it, -1 where there is none, ``(component,)``.
    """

    mean: float
    components: np.ndarray
    partner: np.ndarray


def normalised(
    factors: Factors, *, keep: tuple[int, ...] = ()
) -> tuple[Float[np.ndarray, " component"], Factors]:
    """Columns of unit length, their scale as weights, largest first.

    Parameters
    ----------
    factors : tuple of numpy.ndarray
        ``(entry, component)``, one a mode.
    keep : tuple of int
        Modes left as they are; with any, components keep their order too.

    Returns
    -------
    weights : numpy.ndarray
        ``(component,)``; 0 for a component that is zero in any mode.
    factors : tuple of numpy.ndarray
        Their columns have length 1, or 0 where the column was zero.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.comparison import normalised
    >>> weights, factors = normalised((np.array([[1.0, 3.0]]), np.array([[1.0, 0.0], [0.0, 2.0]])))
    >>> weights.tolist(), factors[1].tolist()
    ([6.0, 1.0], [[0.0, 1.0], [1.0, 0.0]])
    """
    weights, scaled = np.ones(factors[0].shape[1], factors[0].dtype), []
    for mode, factor in enumerate(factors):
        if mode in keep:
            scaled.append(factor)
            continue
        length = np.linalg.norm(factor, axis=0)
        weights = weights * length
        scaled.append(factor / np.where(length > 0, length, 1))
    order = np.arange(len(weights)) if keep else np.argsort(-weights, kind="stable")
    return weights[order], tuple(factor[:, order] for factor in scaled)


def congruence(first: Factors, second: Factors) -> Congruence:
    r"""Match the components of two factorisations of the same tensor, and say how alike they are.

    .. math:: c_{rs} = \prod_n \frac{f_{nr} \cdot g_{ns}}{\lVert f_{nr} \rVert \lVert g_{ns} \rVert}

    Components are paired so that the sum of c is largest; scale and order do not matter.

    Parameters
    ----------
    first, second : tuple of numpy.ndarray
        ``(entry, component)``, one a mode; the numbers of components may differ.

    Returns
    -------
    Congruence
        Its mean is 1 where the two are the same.

    Raises
    ------
    ModelError
        If the two do not belong to tensors of one shape.

    References
    ----------
    .. [1] Tomasi, G. & Bro, R. (2006). A comparison of algorithms for fitting the PARAFAC model. Computational Statistics
       & Data Analysis 50, 1700-1734. doi:10.1016/j.csda.2004.11.013

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.comparison import congruence
    >>> factors = (np.eye(3), np.eye(3))
    >>> congruence(factors, tuple(2 * factor[:, ::-1] for factor in factors)).partner.tolist()
    [2, 1, 0]
    """
    sizes = [tuple(len(factor) for factor in factors) for factors in (first, second)]
    if sizes[0] != sizes[1]:
        raise ModelError(
            f"factors belong to tensors of shapes {sizes[0]} and {sizes[1]}; compare equal ones."
        )
    table = np.ones((first[0].shape[1], second[0].shape[1]))
    for one, other in zip(first, second, strict=True):
        table *= _unit(one).T @ _unit(other)
    rows, columns = linear_sum_assignment(-table)
    partner: Int[np.ndarray, " component"] = np.full(len(table), -1)
    partner[rows] = columns
    components = np.zeros(len(table))
    components[rows] = table[rows, columns]
    return Congruence(float(components.sum() / max(table.shape)), components, partner)


def similarity(runs: Sequence[Factors]) -> Float[np.ndarray, "run run"]:
    """Mean congruence of every pair of runs.

    Parameters
    ----------
    runs : sequence of tuple of numpy.ndarray
        Factors of every run, ``(entry, component)``.

    Returns
    -------
    numpy.ndarray
        Symmetric, 1 on the diagonal.

    References
    ----------
    .. [1] Williams, A. H. et al. (2018). Unsupervised discovery of demixed, low-dimensional neural dynamics across multiple
       timescales through tensor component analysis. Neuron 98, 1099-1115. doi:10.1016/j.neuron.2018.05.015

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.comparison import similarity
    >>> similarity([(np.eye(2), np.eye(2)), (np.ones((2, 2)), np.ones((2, 2)))]).round(1).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    found = np.eye(len(runs))
    for one in range(len(runs)):
        for other in range(one):
            found[one, other] = found[other, one] = congruence(runs[one], runs[other]).mean
    return found


def _unit(factor: np.ndarray) -> np.ndarray:
    """Columns of length 1, or 0 where a column is zero; in double precision."""
    factor = np.asarray(factor, float)
    length = np.linalg.norm(factor, axis=0)
    return factor / np.where(length > 0, length, 1)
