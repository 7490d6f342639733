"""Factor analysis and probabilistic PCA with missing entries, by exact expectation-maximisation.

.. math:: x_t = \\mu + W z_t + \\epsilon_t, \\quad z_t \\sim N(0, I), \\quad \\epsilon_{ti} \\sim N(0, \\psi_i)

A missing entry is dropped from its row, which marginalises it exactly. Rows that miss the same entries share
one posterior covariance.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

SMALLEST_NOISE = 1e-4


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


class Rows(NamedTuple):
    """Rows of data grouped by which entries they miss.

    Attributes
    ----------
    values : numpy.ndarray
        ``(row, unit)``, 0 where not observed.
    patterns : numpy.ndarray of bool
        Distinct masks, ``(pattern, unit)``.
    pattern : numpy.ndarray of int
        Pattern of every row, ``(row,)``.
    """

    values: np.ndarray
    patterns: np.ndarray
    pattern: np.ndarray


class Posterior(NamedTuple):
    """Posterior of the factors.

    Attributes
    ----------
    mean : numpy.ndarray
        ``(row, factor)``.
    covariance : numpy.ndarray
        By pattern, ``(pattern, factor, factor)``.
    log_likelihood : numpy.ndarray
        Log-density of every row's observed entries, ``(row,)``.
    """

    mean: np.ndarray
    covariance: np.ndarray
    log_likelihood: np.ndarray


def group_rows(values: Float[np.ndarray, "row unit"], mask: Bool[np.ndarray, "row unit"]) -> Rows:
    """Group rows by the entries they miss.

    Parameters
    ----------
    values : numpy.ndarray
        ``(row, unit)``.
    mask : numpy.ndarray of bool
        Which entries were observed.

    Returns
    -------
    Rows
        Values (0 where not observed), distinct masks, and the mask of every row.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factor_analysis import group_rows
    >>> group_rows(np.ones((3, 2)), np.array([[True, True], [True, False], [True, True]])).pattern.tolist()
    [1, 0, 1]
    """
    packed = np.packbits(mask, axis=1)
    _, first, inverse = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    return Rows(np.where(mask, values, 0.0), mask[first], inverse.reshape(-1))


def posterior(parameters: Factors, rows: Rows) -> Posterior:
    """Posterior of the factors given each row's observed entries, and their log-density.

    Parameters
    ----------
    parameters : Factors
        The model.
    rows : Rows
        Grouped data.

    Returns
    -------
    Posterior
        Means, covariances by pattern, log-likelihoods.
    """
    mean, loadings, noise = parameters
    n_factors = loadings.shape[1]
    seen = rows.patterns.astype(loadings.dtype)
    outer = np.einsum("ij,ik->ijk", loadings / noise[:, None], loadings).reshape(len(noise), -1)
    precision = (seen @ outer).reshape(-1, n_factors, n_factors) + np.eye(n_factors)
    root = np.linalg.cholesky(precision)
    covariance = np.linalg.inv(precision)
    observed = rows.patterns[rows.pattern]
    error = np.where(observed, rows.values - mean, 0.0)
    projected = error @ (loadings / noise[:, None])
    if len(rows.patterns) == 1:
        latent = projected @ covariance[0]
    else:
        latent = np.einsum("ni,nij->nj", projected, covariance[rows.pattern])
    log_determinant = 2 * np.log(np.diagonal(root, axis1=1, axis2=2)).sum(-1) + seen @ np.log(noise)
    constant = log_determinant + seen.sum(-1) * np.log(2 * np.pi)
    square = np.square(error) @ (1 / noise) - (projected * latent).sum(-1)
    return Posterior(latent, covariance, -0.5 * (square + constant[rows.pattern]))


def maximise(
    rows: Rows, found: Posterior, *, isotropic: bool, least_noise: Float[np.ndarray, " unit"]
) -> Factors:
    """Parameters that maximise the expected log-likelihood, with the factors' own moments expanded.

    The expansion (Liu, Rubin & Wu 1998) lets the factors have any mean and covariance for one step and
    absorbs them into `mean` and `loadings`; it keeps the likelihood's rise and removes the slow crawl.

    Parameters
    ----------
    rows : Rows
        Grouped data.
    found : Posterior
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
    n_rows, n_factors = found.mean.shape
    n_patterns = len(rows.patterns)
    counts = np.bincount(rows.pattern, minlength=n_patterns).astype(found.mean.dtype)
    observed = rows.patterns[rows.pattern]
    design = np.concatenate([found.mean, np.ones((n_rows, 1))], axis=1)
    if n_patterns == 1:
        second = (design.T @ design)[None]
    elif n_patterns < n_rows // 4:
        second = np.stack(
            [design[rows.pattern == k].T @ design[rows.pattern == k] for k in range(n_patterns)]
        )
    else:
        second = np.zeros((n_patterns, n_factors + 1, n_factors + 1))
        np.add.at(second, rows.pattern, np.einsum("ni,nj->nij", design, design))
    second[:, :n_factors, :n_factors] += counts[:, None, None] * found.covariance
    weight = rows.patterns.astype(design.dtype)
    size = n_factors + 1
    moments = (weight.T @ second.reshape(n_patterns, -1)).reshape(-1, size, size)
    cross = rows.values.T @ design
    number = np.maximum(moments[:, -1, -1], 1.0)
    never = moments[:, -1, -1] == 0
    moments = np.where(never[:, None, None], np.eye(size), moments)
    solution = np.linalg.solve(moments, cross[..., None])[..., 0]
    squares = np.square(rows.values).sum(0) - (solution * cross).sum(-1)
    noise = squares / number
    if isotropic:
        noise = np.full_like(noise, squares.sum() / number[~never].sum())
    noise = np.maximum(np.where(never, least_noise + 1.0, noise), least_noise)
    total = second.sum(0) / n_rows
    centre = total[-1, :n_factors]
    spread = total[:n_factors, :n_factors] - np.outer(centre, centre)
    loadings = solution[:, :n_factors]
    mean = np.where(observed.any(0), solution[:, -1] + loadings @ centre, 0.0)
    return Factors(mean, loadings @ np.linalg.cholesky(spread), noise)


def initialise(
    values: Float[np.ndarray, "row unit"], mask: Bool[np.ndarray, "row unit"], rank: int
) -> Factors:
    """Leading eigenvectors of the covariance of the mean-filled data.

    Parameters
    ----------
    values, mask : numpy.ndarray
        Data and which of it was observed, ``(row, unit)``.
    rank : int
        Number of factors.

    Returns
    -------
    Factors
        A start for `fit`.
    """
    count = np.maximum(mask.sum(0), 1)
    mean = np.where(mask, values, 0.0).sum(0) / count
    centred = np.where(mask, values - mean, 0.0)
    pairs = np.maximum(mask.T.astype(float) @ mask, 1.0)
    covariance = centred.T @ centred / pairs
    variances, vectors = np.linalg.eigh(covariance)
    variances, vectors = variances[::-1], vectors[:, ::-1]
    rest = variances[rank:]
    left = max(
        float(rest.mean()) if rest.size else 0.0, 0.05 * float(np.trace(covariance)) / len(mean), 1e-12
    )
    loadings = vectors[:, :rank] * np.sqrt(np.maximum(variances[:rank] - left, 0.01 * left))
    noise = np.maximum(np.diag(covariance) - np.square(loadings).sum(1), 0.05 * np.diag(covariance))
    return Factors(mean, loadings, np.maximum(noise, 1e-3 * left))


def fit(
    values: Float[np.ndarray, "row unit"],
    mask: Bool[np.ndarray, "row unit"],
    rank: int,
    *,
    isotropic: bool = False,
    max_iterations: int = 500,
    tolerance: float = 1e-6,
) -> tuple[Factors, Float[np.ndarray, " iteration"], bool]:
    """Maximum likelihood from the observed entries.

    Parameters
    ----------
    values, mask : numpy.ndarray
        Data and which of it was observed, ``(row, unit)``; rows without any observed entry are ignored.
    rank : int
        Number of factors.
    isotropic : bool
        One noise variance for all units (probabilistic PCA).
    max_iterations : int
        Most iterations.
    tolerance : float
        Stop when the log-likelihood per row rises by less.

    Returns
    -------
    parameters : Factors
        Loadings rotated to decreasing explained variance, signs fixed.
    objective : numpy.ndarray
        Log-likelihood at each iteration.
    converged : bool
        Whether the tolerance was met.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factor_analysis import fit
    >>> z = np.random.default_rng(0).normal(size=(500, 1))
    >>> x = z @ np.ones((1, 3)) + 0.1 * np.random.default_rng(1).normal(size=(500, 3))
    >>> parameters, objective, converged = fit(x, np.ones(x.shape, bool), 1)
    >>> bool(np.all(np.diff(objective) > -1e-6))
    True
    """
    some = mask.any(1)
    values, mask = values[some], mask[some]
    parameters = initialise(values, mask, rank)
    rows = group_rows(values, mask)
    count = np.maximum(mask.sum(0), 1)
    variance = np.where(mask, np.square(values - parameters.mean), 0.0).sum(0) / count
    typical = variance[variance > 0].mean() if (variance > 0).any() else 1.0
    least = np.maximum(SMALLEST_NOISE * variance, 1e-9 * typical)
    parameters = parameters._replace(noise=np.maximum(parameters.noise, least))
    if isotropic:
        parameters = parameters._replace(noise=np.full_like(least, max(parameters.noise.mean(), least.max())))
        least = np.full_like(least, SMALLEST_NOISE * typical)
    objective, converged = [], False
    for _ in range(max_iterations):
        found = posterior(parameters, rows)
        objective.append(float(found.log_likelihood.sum()))
        if len(objective) > 1 and objective[-1] - objective[-2] < tolerance * len(values):
            converged = True
            break
        parameters = maximise(rows, found, isotropic=isotropic, least_noise=least)
    return canonical(parameters), np.asarray(objective), converged


def canonical(parameters: Factors) -> Factors:
    """Rotate the factors so that their noise-weighted loadings are orthogonal, largest first, signs fixed.

    Parameters
    ----------
    parameters : Factors
        Any rotation.

    Returns
    -------
    Factors
        The same distribution.
    """
    scaled = parameters.loadings / np.sqrt(parameters.noise)[:, None]
    _, _, rotation = np.linalg.svd(scaled, full_matrices=False)
    loadings = parameters.loadings @ rotation.T
    sign = np.where(loadings.sum(0) < 0, -1.0, 1.0)
    return parameters._replace(loadings=loadings * sign)
