"""Factor analysis and probabilistic PCA with missing entries, by exact expectation-maximisation.

.. math:: x_t = \\mu + W z_t + \\epsilon_t, \\quad z_t \\sim N(0, I), \\quad \\epsilon_{ti} \\sim N(0, \\psi_i)

A missing entry is dropped from its row, which marginalises it exactly. Rows that miss the same entries share
one posterior covariance; where there are few such patterns, a step works on second moments instead of rows.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from neurodyn.inference._factor_climb import climb
from neurodyn.inference._factor_steps import Factors, batches, covariances, distinct, latent_means, prepare
from neurodyn.inference.threads import one_thread

SMALLEST_NOISE = 1e-4
LEAST_NEW_VARIANCE = 0.05


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
    patterns, pattern = distinct(mask)
    return Rows(np.where(mask, values, 0.0), patterns, pattern)


@one_thread()
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
        Means, covariances by pattern, log-likelihoods. Memory beyond it is bounded.
    """
    n_factors = parameters.loadings.shape[1]
    covariance = np.empty((len(rows.patterns), n_factors, n_factors))
    latent, log_likelihood = np.empty((len(rows.values), n_factors)), np.empty(len(rows.values))
    for which, patterns, means, spread, terms in _in_batches(parameters, rows):
        latent[which], log_likelihood[which] = means, terms
        covariance[patterns] = spread
    return Posterior(latent, covariance, log_likelihood)


@one_thread()
def replicate(
    parameters: Factors, rows: Rows
) -> tuple[Float[np.ndarray, "row unit"], Float[np.ndarray, "row unit"], Float[np.ndarray, " row"]]:
    """Mean and variance of a fresh replicate of every entry given its row, and the rows' log-density.

    Parameters
    ----------
    parameters : Factors
        The model.
    rows : Rows
        Grouped data.

    Returns
    -------
    mean, variance : numpy.ndarray
        ``(row, unit)``. Memory beyond them is bounded.
    log_likelihood : numpy.ndarray
        Log-density of every row's observed entries, ``(row,)``.
    """
    loadings = parameters.loadings
    mean, variance = np.empty(rows.values.shape), np.empty((len(rows.patterns), len(loadings)))
    log_likelihood = np.empty(len(rows.values))
    outer = (loadings[:, :, None] * loadings[:, None, :]).reshape(len(loadings), -1)
    for which, patterns, means, spread, terms in _in_batches(parameters, rows):
        mean[which] = parameters.mean + means @ loadings.T
        variance[patterns] = spread.reshape(len(spread), -1) @ outer.T + parameters.noise
        log_likelihood[which] = terms
    return mean, variance[rows.pattern], log_likelihood


def _in_batches(
    parameters: Factors, rows: Rows
) -> Iterator[tuple[np.ndarray, slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Rows, their patterns, posterior means, covariances and log-densities, batch by batch."""
    mean, loadings, noise = parameters
    order = np.argsort(rows.pattern, kind="stable")
    starts = np.searchsorted(rows.pattern[order], np.arange(len(rows.patterns) + 1))
    for first, last in batches(len(rows.patterns), loadings.shape[1]):
        which, ends = order[starts[first] : starts[last]], starts[first : last + 1] - starts[first]
        covariance, constant = covariances(parameters, rows.patterns[first:last].astype(float))
        observed = np.repeat(rows.patterns[first:last], np.diff(ends), axis=0)
        error = np.where(observed, rows.values[which] - mean, 0.0)
        projected = error @ (loadings / noise[:, None])
        latent = latent_means(projected, covariance, ends)
        square = np.square(error) @ (1 / noise) - (projected * latent).sum(-1)
        terms = -0.5 * (square + np.repeat(constant, np.diff(ends)))
        yield which, slice(first, last), latent, covariance, terms


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
    mean = np.where(mask, values, 0.0).sum(0) / np.maximum(mask.sum(0), 1)
    covariance = _pairwise(values, mask, mean)
    variances, vectors = np.linalg.eigh(covariance)
    variances, vectors = variances[::-1], vectors[:, ::-1]
    rest = variances[rank:]
    left = max(
        float(rest.mean()) if rest.size else 0.0, 0.05 * float(np.trace(covariance)) / len(mean), 1e-12
    )
    loadings = vectors[:, :rank] * np.sqrt(np.maximum(variances[:rank] - left, 0.01 * left))
    noise = np.maximum(np.diag(covariance) - np.square(loadings).sum(1), 0.05 * np.diag(covariance))
    return Factors(mean, loadings, np.maximum(noise, 1e-3 * left))


def grow(
    parameters: Factors, values: Float[np.ndarray, "row unit"], mask: Bool[np.ndarray, "row unit"], rank: int
) -> Factors:
    """More factors: leading eigenvectors of what the present ones leave unexplained.

    Parameters
    ----------
    parameters : Factors
        Fewer than `rank` factors.
    values, mask : numpy.ndarray
        Data and which of it was observed, ``(row, unit)``.
    rank : int
        Number of factors wanted.

    Returns
    -------
    Factors
        A start for `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factor_analysis import grow, initialise
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> grow(initialise(x, np.ones(x.shape, bool), 1), x, np.ones(x.shape, bool), 3).loadings.shape
    (4, 3)
    """
    mean, loadings, noise = parameters
    deviation = np.sqrt(noise)
    latent = posterior(parameters, group_rows(values, mask)).mean
    rest = _pairwise((values - mean - latent @ loadings.T) / deviation, mask, np.zeros_like(mean))
    variances, vectors = np.linalg.eigh(rest)
    wanted = rank - loadings.shape[1]
    variances, vectors = variances[::-1][:wanted], vectors[:, ::-1][:, :wanted]
    new = deviation[:, None] * vectors * np.sqrt(np.maximum(variances - 1, LEAST_NEW_VARIANCE))
    noise = np.maximum(noise - np.square(new).sum(1), 0.5 * noise)
    return Factors(mean, np.concatenate([loadings, new], axis=1), noise)


def _pairwise(values: np.ndarray, mask: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Covariance about a mean, over the rows where both units are observed."""
    weight = mask.astype(float)
    centred = np.where(mask, values - mean, 0.0)
    return centred.T @ centred / np.maximum(weight.T @ weight, 1.0)


@one_thread()
def fit(
    values: Float[np.ndarray, "row unit"],
    mask: Bool[np.ndarray, "row unit"],
    rank: int,
    *,
    isotropic: bool = False,
    max_iterations: int = 500,
    tolerance: float = 1e-6,
    start: Factors | None = None,
) -> tuple[Factors, Float[np.ndarray, " iteration"], bool]:
    """Maximum likelihood from the observed entries.

    Expectation-maximisation, with every third iterate extrapolated from the two before it (Varadhan & Roland
    2008) and dropped again where it lowers the likelihood. Memory is that of a few copies of the data and, where
    rows share few patterns of missing entries, of one ``(unit, unit)`` matrix a pattern, which is never more.

    Parameters
    ----------
    values, mask : numpy.ndarray
        Data and which of it was observed, ``(row, unit)``; rows without any observed entry are ignored, units
        without any have mean 0 and variance 1.
    rank : int
        Number of factors.
    isotropic : bool
        One noise variance for all units (probabilistic PCA).
    max_iterations : int
        Most expectation steps.
    tolerance : float
        Stop when a step of expectation and maximisation raises the log-likelihood per row by less.
    start : Factors, optional
        Where to start; None starts from `initialise`.

    Returns
    -------
    parameters : Factors
        Loadings rotated to decreasing explained variance, signs fixed.
    objective : numpy.ndarray
        Log-likelihood at each accepted iterate.
    converged : bool
        Whether the tolerance was met.

    References
    ----------
    Varadhan, R. & Roland, C. (2008). Simple and globally convergent methods for accelerating the convergence
    of any EM algorithm. Scandinavian Journal of Statistics 35, 335-353. doi:10.1111/j.1467-9469.2007.00585.x

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
    rows, units = np.asarray(mask.any(1)), np.asarray(mask.any(0))
    values, mask = values[rows][:, units], mask[rows][:, units]
    if start is not None:
        start = Factors(*(array[units] for array in start))
    count = np.maximum(mask.sum(0), 1)
    origin = np.where(mask, values, 0.0).sum(0) / count
    values = np.where(mask, values - origin, 0.0)
    parameters = initialise(values, mask, rank) if start is None else start._replace(mean=start.mean - origin)
    variance = np.square(values).sum(0) / count
    typical = variance[variance > 0].mean() if (variance > 0).any() else 1.0
    least = np.maximum(SMALLEST_NOISE * variance, 1e-9 * typical)
    parameters = parameters._replace(noise=np.maximum(parameters.noise, least))
    if isotropic:
        parameters = parameters._replace(noise=np.full_like(least, max(parameters.noise.mean(), least.max())))
        least = np.full_like(least, SMALLEST_NOISE * typical)
    parameters, objective, converged = climb(
        parameters,
        prepare(values, mask),
        isotropic=isotropic,
        least_noise=least,
        max_iterations=max_iterations,
        tolerance=tolerance * len(values),
    )
    parameters = canonical(parameters._replace(mean=parameters.mean + origin))
    return _among(parameters, units, rank), np.asarray(objective), converged


def _among(parameters: Factors, units: np.ndarray, rank: int) -> Factors:
    """Parameters of all units, those never observed with mean 0, noise 1 and no part in the factors."""
    loadings = np.zeros((len(units), rank))
    loadings[units, : parameters.loadings.shape[1]] = parameters.loadings
    mean, noise = np.zeros(len(units)), np.ones(len(units))
    mean[units], noise[units] = parameters.mean, parameters.noise
    return Factors(mean, loadings, noise)


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
