"""Expectation and maximisation steps of factor analysis, on rows or on their second moments.

Rows that miss the same entries (a pattern) share one posterior covariance, and units observed in the same rows (a
group) one system of equations. Arrays over patterns have the pattern first, so that sums over patterns are matrix
products.
"""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import get_lapack_funcs

BATCH = 2**20
SIDE_BY_SIDE = 256
LARGE = 16


class Factors(NamedTuple):
    """Parameters of the factor model.

    Attributes
    ----------
    mean : numpy.ndarray
        :math:`\\mu`, ``(unit,)``.
    loadings : numpy.ndarray
        :math:`W`, ``(unit, factor)``.
    noise : numpy.ndarray
        :math:`\\psi`, ``(unit,)``.
    """

    mean: np.ndarray
    loadings: np.ndarray
    noise: np.ndarray


class Data(NamedTuple):
    """Rows in the order of their patterns, or their second moments where those are fewer numbers.

    Attributes
    ----------
    values : numpy.ndarray
        ``(row, unit)``, 0 where not observed.
    patterns : numpy.ndarray of bool
        Distinct masks, ``(pattern, unit)``.
    ends : numpy.ndarray of int
        First row of every pattern, and the number of rows, ``(pattern + 1,)``.
    columns : numpy.ndarray of bool
        Distinct columns of `patterns`, ``(group, pattern)``: units observed in the same rows.
    column : numpy.ndarray of int
        Group of every unit, ``(unit,)``.
    squares : numpy.ndarray
        Sum of squares of every unit, ``(unit,)``.
    sums, products : numpy.ndarray
        First and second moments, ``(pattern, unit)`` and ``(pattern, unit, unit)``; empty to work on rows.
    """

    values: np.ndarray
    patterns: np.ndarray
    ends: np.ndarray
    columns: np.ndarray
    column: np.ndarray
    squares: np.ndarray
    sums: np.ndarray
    products: np.ndarray


class Expected(NamedTuple):
    """What a maximisation needs of the posterior; the design of a row is its factors and a 1.

    Attributes
    ----------
    log_likelihood : float
        Of all observed entries.
    moments : numpy.ndarray
        Expected second moments of the design over the rows of a group's units, ``(group, factor + 1, factor + 1)``.
    total : numpy.ndarray
        The same over all rows, ``(factor + 1, factor + 1)``.
    cross : numpy.ndarray
        Products of values and design, ``(unit, factor + 1)``.
    """

    log_likelihood: float
    moments: np.ndarray
    total: np.ndarray
    cross: np.ndarray


def distinct(mask: Bool[np.ndarray, "row unit"]) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows of a mask, and which of them every row is.

    Parameters
    ----------
    mask : numpy.ndarray of bool
        ``(row, unit)``.

    Returns
    -------
    patterns : numpy.ndarray of bool
        ``(pattern, unit)``.
    pattern : numpy.ndarray of int
        ``(row,)``.
    """
    packed = np.ascontiguousarray(np.packbits(mask, axis=1))
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return mask[first], inverse.reshape(-1)


def prepare(
    values: Float[np.ndarray, "row unit"],
    mask: Bool[np.ndarray, "row unit"],
    *,
    by_rows: bool | None = None,
) -> Data:
    """Sort rows by what they miss; where patterns are few, keep second moments in place of the rows.

    Parameters
    ----------
    values, mask : numpy.ndarray
        Data with means near 0, and which of it was observed, ``(row, unit)``.
    by_rows : bool, optional
        Whether to work on rows; None decides by the size of the moments.

    Returns
    -------
    Data
        For `expect`.
    """
    patterns, pattern = distinct(mask)
    order = np.argsort(pattern, kind="stable")
    values = np.where(mask, values, 0.0)[order]
    ends = np.searchsorted(pattern[order], np.arange(len(patterns) + 1))
    columns, column = distinct(np.ascontiguousarray(patterns.T))
    squares = np.square(values).sum(0)
    sums, products = np.empty((0, mask.shape[1])), np.empty((0, mask.shape[1], mask.shape[1]))
    if by_rows is None:
        by_rows = mask.shape[1] * len(patterns) > len(values)
    if not by_rows:
        parts = [values[ends[k] : ends[k + 1]] for k in range(len(patterns))]
        sums = np.stack([part.sum(0) for part in parts])
        products = np.stack([part.T @ part for part in parts])
    return Data(values, patterns, ends, columns, column, squares, sums, products)


def invert(matrices: Float[np.ndarray, "pattern factor factor"]) -> tuple[np.ndarray, np.ndarray]:
    """Inverses and log-determinants of positive definite matrices.

    Parameters
    ----------
    matrices : numpy.ndarray
        ``(pattern, factor, factor)``.

    Returns
    -------
    inverses : numpy.ndarray
        ``(pattern, factor, factor)``.
    log_determinants : numpy.ndarray
        ``(pattern,)``.
    """
    number, size, _ = matrices.shape
    return _in_turn(matrices) if size >= LARGE or number < size else _side_by_side(matrices)


def _in_turn(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One factorisation after another: faster for large matrices."""
    number, size, _ = matrices.shape
    inverses, diagonals = matrices.copy(), np.empty((number, size))
    potrf, potri = get_lapack_funcs(("potrf", "potri"), (matrices,))
    for matrix, diagonal in zip(inverses, diagonals, strict=True):
        root, _ = potrf(matrix.T, lower=1, clean=0, overwrite_a=1)
        diagonal[:] = root.diagonal()
        matrix.T[:], _ = potri(root, lower=1, overwrite_c=1)
    row, column = np.triu_indices(size, 1)
    flat = inverses.reshape(number, -1)
    flat[:, column * size + row] = flat[:, row * size + column]
    return inverses, 2 * np.log(diagonals).sum(1)


def _side_by_side(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Jordan elimination of many matrices at once: faster for small ones."""
    number, size, _ = matrices.shape
    inverses, log_determinants = np.empty(matrices.shape), np.zeros(number)
    for first in range(0, number, SIDE_BY_SIDE):
        some = slice(first, first + SIDE_BY_SIDE)
        a = np.ascontiguousarray(np.moveaxis(matrices[some], 0, -1))
        update = np.empty_like(a)
        for j in range(size):
            pivot = a[j, j].copy()
            log_determinants[some] += np.log(pivot)
            column, row = a[:, j].copy(), a[j] / pivot
            column[j], row[j] = 0.0, 0.0
            a -= np.multiply(column[:, None], row[None], out=update)
            a[j], a[:, j] = row, -column / pivot
            a[j, j] = 1 / pivot
        inverses[some] = np.moveaxis(a, -1, 0)
    return inverses, log_determinants


def covariances(
    parameters: Factors, seen: Float[np.ndarray, "pattern unit"]
) -> tuple[Float[np.ndarray, "pattern factor factor"], Float[np.ndarray, " pattern"]]:
    """Posterior covariance of the factors by pattern, and the constant of the log-density.

    Parameters
    ----------
    parameters : Factors
        The model.
    seen : numpy.ndarray
        Patterns, 1 where observed, ``(pattern, unit)``.

    Returns
    -------
    covariance : numpy.ndarray
        ``(pattern, factor, factor)``.
    constant : numpy.ndarray
        Log-determinant plus :math:`\\log 2\\pi` for every observed entry, ``(pattern,)``.
    """
    _, loadings, noise = parameters
    n_factors = loadings.shape[1]
    outer = ((loadings / noise[:, None])[:, :, None] * loadings[:, None]).reshape(-1, n_factors**2)
    precision = (seen @ outer).reshape(-1, n_factors, n_factors)
    precision += np.eye(n_factors)
    covariance, log_determinant = invert(precision)
    return covariance, log_determinant + seen @ (np.log(noise) + np.log(2 * np.pi))


def batches(n_patterns: int, n_factors: int) -> list[tuple[int, int]]:
    """Ranges of patterns whose posterior covariances together hold no more than `BATCH` numbers.

    Parameters
    ----------
    n_patterns, n_factors : int
        Sizes.

    Returns
    -------
    list of tuple
        First pattern and the one after the last.
    """
    size = max(BATCH // (n_factors + 1) ** 2, 1)
    return [(first, min(first + size, n_patterns)) for first in range(0, n_patterns, size)]


def latent_means(
    projected: Float[np.ndarray, "row factor"], covariance: np.ndarray, ends: np.ndarray
) -> Float[np.ndarray, "row factor"]:
    """Posterior means of rows in the order of their patterns.

    Parameters
    ----------
    projected : numpy.ndarray
        Noise-weighted errors on the loadings, ``(row, factor)``.
    covariance : numpy.ndarray
        ``(pattern, factor, factor)``.
    ends : numpy.ndarray of int
        First row of every pattern, and the number of rows.

    Returns
    -------
    numpy.ndarray
        ``(row, factor)``.
    """
    if len(ends) - 1 < len(projected) // 4 or len(ends) == 2:
        ranges = zip(ends, ends[1:], covariance, strict=False)
        return np.concatenate([projected[i:j] @ one for i, j, one in ranges])
    each = covariance if len(ends) - 1 == len(projected) else np.repeat(covariance, np.diff(ends), axis=0)
    return (each @ projected[:, :, None])[..., 0]


def expect(parameters: Factors, data: Data) -> Expected:
    """Expectation step.

    Parameters
    ----------
    parameters : Factors
        The model.
    data : Data
        Result of `prepare`.

    Returns
    -------
    Expected
        Expected statistics; the memory beyond them is bounded by `BATCH` numbers a temporary array on rows of
        distinct patterns.
    """
    size = parameters.loadings.shape[1] + 1
    moments, total = np.zeros((len(data.columns), size * size)), np.zeros((size, size))
    cross, log_likelihood = np.zeros((len(parameters.mean), size)), 0.0
    step = _from_rows if len(data.products) == 0 else _from_products
    for first, last in batches(len(data.patterns), size - 1):
        covariance, constant = covariances(parameters, data.patterns[first:last].astype(float))
        counts = np.diff(data.ends[first : last + 1])
        second, part, twice = step(parameters, data, first, last, covariance)
        second[:, :-1, :-1] += counts[:, None, None] * covariance
        flat = second.reshape(-1, size * size)
        moments += data.columns[:, first:last].astype(float) @ flat
        total += flat.sum(0).reshape(size, size)
        cross += part
        log_likelihood -= 0.5 * float(twice + counts @ constant)
    return Expected(log_likelihood, moments.reshape(-1, size, size), total, cross)


def _from_rows(
    parameters: Factors, data: Data, first: int, last: int, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Second moments of the posterior means by pattern, their products with values, and the quadratic form."""
    mean, loadings, noise = parameters
    ends = data.ends[first : last + 1] - data.ends[first]
    values = data.values[data.ends[first] : data.ends[last]]
    observed = np.repeat(data.patterns[first:last], np.diff(ends), axis=0)
    error = np.where(observed, values - mean, 0.0)
    projected = error @ (loadings / noise[:, None])
    latent = latent_means(projected, covariance, ends)
    design = np.concatenate([latent, np.ones((len(latent), 1))], axis=1)
    if last - first < len(values) // 4 or last - first == 1:
        parts = [design[i:j].T @ design[i:j] for i, j in itertools.pairwise(ends)]
        second = np.stack(parts)
    else:
        second = design[:, :, None] * design[:, None]
        if last - first < len(values):
            second = np.add.reduceat(second, ends[:-1], axis=0)
    twice = float((np.square(error) @ (1 / noise)).sum() - (projected * latent).sum())
    return second, values.T @ design, twice


def _from_products(
    parameters: Factors, data: Data, first: int, last: int, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """The same as `_from_rows`, from first and second moments of the rows of each pattern."""
    mean, loadings, noise = parameters
    size = loadings.shape[1] + 1
    some = slice(first, last)
    seen, total, products = data.patterns[some].astype(float), data.sums[some], data.products[some]
    number = np.diff(data.ends[first : last + 1]).astype(float)
    weighted = loadings / noise[:, None]
    masked = seen[:, :, None] * weighted
    centre = seen * mean
    offset, error = centre @ weighted, total - number[:, None] * centre
    projected = error @ weighted
    # Values times projected errors, and errors times projected errors.
    along = products @ masked - total[:, :, None] * offset[:, None]
    inner = np.swapaxes(masked, 1, 2) @ along - offset[:, :, None] * projected[:, None]
    second = np.empty((last - first, size, size))
    second[:, :-1, :-1] = covariance @ inner @ covariance
    second[:, -1, :-1] = second[:, :-1, -1] = (covariance @ projected[:, :, None])[..., 0]
    second[:, -1, -1] = number
    cross = np.concatenate([(along @ covariance).sum(0), total.sum(0)[:, None]], axis=1)
    squares = (-2 * centre * total + number[:, None] * np.square(centre)).sum(0)
    squares += np.diagonal(products, axis1=1, axis2=2).sum(0)
    return second, cross, float((squares / noise).sum() - (covariance * inner).sum())


def maximise(
    data: Data, found: Expected, *, isotropic: bool, least_noise: Float[np.ndarray, " unit"]
) -> Factors:
    """Parameters that maximise the expected log-likelihood, with the factors' own moments expanded.

    The expansion (Liu, Rubin & Wu 1998) lets the factors have any mean and covariance for one step and
    absorbs them into `mean` and `loadings`; it keeps the likelihood's rise and removes the slow crawl.

    Parameters
    ----------
    data : Data
        Result of `prepare`, every unit observed in some row.
    found : Expected
        Of the current parameters.
    isotropic : bool
        One noise variance for all units (probabilistic PCA).
    least_noise : numpy.ndarray
        Floor of the noise variances, ``(unit,)``.

    Returns
    -------
    Factors
        Updated parameters.
    """
    moments = found.moments
    if len(moments) == 1:
        solution = np.linalg.solve(moments[0], found.cross.T).T
    elif len(moments) == len(found.cross):
        solution = np.linalg.solve(moments[data.column], found.cross[..., None])[..., 0]
    else:
        solution = np.empty_like(found.cross)
        for group, moment in enumerate(moments):
            units = data.column == group
            solution[units] = np.linalg.solve(moment, found.cross[units].T).T
    number = moments[:, -1, -1][data.column]
    squares = data.squares - (solution * found.cross).sum(-1)
    noise = squares / number
    if isotropic:
        noise = np.full_like(noise, squares.sum() / number.sum())
    noise = np.maximum(noise, least_noise)
    total = found.total / found.total[-1, -1]
    centre = total[-1, :-1]
    spread = total[:-1, :-1] - np.outer(centre, centre)
    loadings = solution[:, :-1]
    return Factors(solution[:, -1] + loadings @ centre, loadings @ np.linalg.cholesky(spread), noise)
