"""Errors of ridge regression on held-out blocks of rows, by whichever of two ways takes less work.

With many rows, one eigendecomposition of the second moments of a fold's training rows serves all strengths. With many
predictors, one eigendecomposition of all rows serves all folds as well: leaving out the rows f of a fold changes their
errors from :math:`r_f` to :math:`(I - H_{ff})^{-1} r_f`, where :math:`H = X (X^T X + \\lambda I)^{-1} X^T`.
"""

import itertools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import cho_factor, cho_solve, eigh, get_blas_funcs

SMALLEST_STRENGTH = 1e-6
LEAST_ERROR = 1e-6


def held_out_squares(
    predictors: Float[np.ndarray, "row feature"],
    targets: Float[np.ndarray, "row unit"],
    observed: Bool[np.ndarray, "row unit"],
    bounds: Int[np.ndarray, " fold_plus"],
    widths: tuple[int, ...],
    strengths: tuple[float, ...],
    *,
    by_rows: bool | None = None,
) -> Float[np.ndarray, "width strength"]:
    """Sum of squared errors of every fold's rows under weights fitted to the other rows.

    Parameters
    ----------
    predictors, targets : numpy.ndarray
        ``(row, feature)`` and ``(row, unit)``.
    observed : numpy.ndarray of bool
        Which targets count in the sum, ``(row, unit)``.
    bounds : numpy.ndarray of int
        First row of every fold, and the number of rows.
    widths : tuple of int
        Numbers of leading predictors, increasing.
    strengths : tuple of float
        Ridge strengths; the penalty is the strength times the number of rows fitted.
    by_rows : bool, optional
        Whether to work on the eigenvectors of all rows; None takes what needs less work.

    Returns
    -------
    numpy.ndarray
        ``(width, strength)``.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference._held_out import held_out_squares
    >>> x, every = np.ones((4, 1)), np.ones((4, 1), bool)
    >>> held_out_squares(x, 2 * x, every, np.array([0, 2, 4]), (1,), (1.0,)).tolist()
    [[4.0]]
    """
    complete = bool(observed.all())
    if by_rows is None:
        size = (*targets.shape, len(bounds) - 1)
        by_rows = min(strengths) >= SMALLEST_STRENGTH and _less_work_by_rows(
            size, widths, len(strengths), complete
        )
    if by_rows:
        squares = np.zeros((len(widths), len(strengths)))
        for i, width in enumerate(widths):
            for first, errors in _errors_by_rows(predictors[:, :width], targets, bounds, strengths):
                squares[i] += _sums(errors, observed[first : first + len(errors)])
        return squares
    return _squares_by_folds(predictors, targets, None if complete else observed, bounds, widths, strengths)


def held_out_residuals(
    predictors: Float[np.ndarray, "row feature"],
    targets: Float[np.ndarray, "row unit"],
    bounds: Int[np.ndarray, " fold_plus"],
    strength: float,
) -> Float[np.ndarray, "row unit"]:
    """Errors of every fold's rows under weights fitted to the other rows.

    Parameters
    ----------
    predictors, targets : numpy.ndarray
        ``(row, feature)`` and ``(row, unit)``.
    bounds : numpy.ndarray of int
        First row of every fold, and the number of rows.
    strength : float
        Ridge strength.

    Returns
    -------
    numpy.ndarray
        ``(row, unit)``.
    """
    n_rows, width = predictors.shape
    residuals = np.empty(targets.shape)
    if width > n_rows and strength >= SMALLEST_STRENGTH:
        for first, errors in _errors_by_rows(predictors, targets, bounds, (strength,)):
            residuals[first : first + len(errors)] = errors[:, 0]
        return residuals
    folds = [slice(a, b) for a, b in itertools.pairwise(bounds.tolist())]
    moments = [(predictors[fold].T @ predictors[fold], predictors[fold].T @ targets[fold]) for fold in folds]
    gram, cross = sum(part[0] for part in moments), sum(part[1] for part in moments)
    for fold, (held_gram, held_cross) in zip(folds, moments, strict=True):
        damped = gram - held_gram
        damped[np.diag_indices(width)] += strength * max(n_rows - (fold.stop - fold.start), 1)
        root = cho_factor(damped.T, lower=True, overwrite_a=True, check_finite=False)
        weights = cho_solve(root, cross - held_cross, check_finite=False)
        residuals[fold] = targets[fold] - predictors[fold] @ weights
    return residuals


def _sums(errors: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Sum of squares of the errors that count, by strength."""
    counted = errors if observed.all() else errors * observed[:, None]
    return np.einsum("rsu,rsu->s", counted, counted)


def _less_work_by_rows(
    size: tuple[int, int, int], widths: tuple[int, ...], n_strengths: int, complete: bool
) -> bool:
    """Compare rough counts of operations, an eigendecomposition counted for how much slower than products it is."""
    n_rows, n_units, n_folds = size
    held, by_rows, by_folds = n_rows / n_folds, 0.0, 0.0
    for w in widths:
        rank = min(w, n_rows)
        each = held**2 * rank + held**3 + 2 * held**2 * n_units + 2 * held * rank * n_units
        by_rows += 10 * rank**3 + 2 * n_rows * w * rank + n_folds * n_strengths * each
        by_folds += n_folds * (14 * w**3 + 4 * w**2 * n_units)
        if not complete:
            by_folds += n_folds * n_strengths * 2 * (w + held) * w * n_units
    return by_rows < by_folds + 2 * n_rows * max(widths) ** 2


def _squares_by_folds(
    predictors: np.ndarray,
    targets: np.ndarray,
    observed: np.ndarray | None,
    bounds: np.ndarray,
    widths: tuple[int, ...],
    strengths: tuple[float, ...],
) -> np.ndarray:
    """From the eigenvectors of the second moments that every fold leaves to the others."""
    n_rows, n_units = targets.shape
    predictors = predictors[:, : max(widths)]
    folds = [slice(a, b) for a, b in itertools.pairwise(bounds.tolist())]
    grams = [predictors[fold].T @ predictors[fold] for fold in folds]
    crosses = [predictors[fold].T @ targets[fold] for fold in folds]
    whole_gram, whole_cross = sum(grams), sum(crosses)
    squares = np.zeros((len(widths), len(strengths)))
    for fold, gram, cross in zip(folds, grams, crosses, strict=True):
        y = targets[fold]
        total = float(np.square(y).sum())
        penalties = max(n_rows - len(y), 1) * np.asarray(strengths)
        for i, w in enumerate(widths):
            variances, vectors = eigh(
                (whole_gram - gram)[:w, :w], driver="evd", overwrite_a=True, check_finite=False
            )
            along = vectors.T @ (whole_cross - cross)[:w]
            gains = 1 / (np.maximum(variances, 0.0)[:, None] + penalties)
            if observed is None:
                explained = (vectors.T @ cross[:w] * along).sum(1)
                spread = (vectors.T @ gram[:w, :w] @ vectors) * (along @ along.T)
                errors = total - 2 * explained @ gains + (gains * (spread @ gains)).sum(0)
                if errors.min() > LEAST_ERROR * total:
                    squares[i] += errors
                    continue
            weights = vectors @ (gains[:, :, None] * along[:, None]).reshape(w, -1)
            predicted = (predictors[fold, :w] @ weights).reshape(len(y), len(strengths), n_units)
            counted = np.ones(y.shape, bool) if observed is None else observed[fold]
            squares[i] += _sums(y[:, None] - predicted, counted)
    return squares


def _errors_by_rows(
    predictors: np.ndarray, targets: np.ndarray, bounds: np.ndarray, strengths: tuple[float, ...]
) -> Iterator[tuple[int, np.ndarray]]:
    """First row of every fold and its errors, from the eigenvectors of all rows on the smaller of the two sides."""
    n_rows, width = predictors.shape
    if width <= n_rows:
        variances, vectors = eigh(predictors.T @ predictors, driver="evd", check_finite=False)
        scores = predictors @ vectors
    else:
        variances, vectors = eigh(predictors @ predictors.T, driver="evd", check_finite=False)
        scores = vectors * np.sqrt(np.maximum(variances, 0.0))
    variances = np.maximum(variances, 0.0)
    along = scores.T @ targets
    (syrk,) = get_blas_funcs(("syrk",), (scores,))
    for first, last in itertools.pairwise(bounds.tolist()):
        held, n_held = scores[first:last], last - first
        gains = 1 / (variances[:, None] + max(n_rows - n_held, 1) * np.asarray(strengths))
        predicted = held @ (gains[:, :, None] * along[:, None]).reshape(len(along), -1)
        errors = targets[first:last, None] - predicted.reshape(n_held, len(strengths), -1)
        for j, gain in enumerate(gains.T):
            left = syrk(-1.0, (held * np.sqrt(gain)).T, trans=1, lower=1)
            left[np.diag_indices(n_held)] += 1.0
            root = cho_factor(left, lower=True, overwrite_a=True, check_finite=False)
            errors[:, j] = cho_solve(root, errors[:, j], check_finite=False)
        yield first, errors
