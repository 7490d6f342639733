"""Errors of ridge regression on held-out blocks of rows, by whichever of two ways takes less work.

With many rows, the weights of every fold are solved for from the second moments of the other rows: one Cholesky factor
serves all numbers of leading predictors. With many predictors, one eigendecomposition of all rows serves all folds and
strengths: leaving out the rows f of a fold changes their errors from :math:`r_f` to :math:`(I - H_{ff})^{-1} r_f`, where
:math:`H = X (X^T X + \\lambda I)^{-1} X^T`.
"""

import itertools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import cho_factor, cho_solve, eigh, get_blas_funcs, solve_triangular

SMALLEST_STRENGTH = 1e-6


def held_out_errors(
    predictors: Float[np.ndarray, "row feature"],
    targets: Float[np.ndarray, "row unit"],
    bounds: Int[np.ndarray, " fold_plus"],
    widths: tuple[int, ...],
    strengths: tuple[float, ...],
    *,
    by_rows: bool | None = None,
) -> Iterator[tuple[int, int, Float[np.ndarray, "row strength unit"]]]:
    """Errors of every fold's rows under weights fitted to the other rows.

    Parameters
    ----------
    predictors, targets : numpy.ndarray
        ``(row, feature)`` and ``(row, unit)``.
    bounds : numpy.ndarray of int
        First row of every fold, and the number of rows.
    widths : tuple of int
        Numbers of leading predictors, increasing.
    strengths : tuple of float
        Ridge strengths; the penalty is the strength times the number of rows fitted.
    by_rows : bool, optional
        Whether to work on the eigenvectors of all rows; None takes what needs less work.

    Yields
    ------
    width : int
        Index into `widths`.
    first : int
        First row of the fold.
    errors : numpy.ndarray
        ``(row of the fold, strength, unit)``.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference._held_out import held_out_errors
    >>> x = np.ones((4, 1))
    >>> [errors.ravel().tolist() for *_, errors in held_out_errors(x, 2 * x, np.array([0, 2, 4]), (1,), (1.0,))]
    [[1.0, 1.0], [1.0, 1.0]]
    """
    if by_rows is None:
        by_rows = min(strengths) >= SMALLEST_STRENGTH and _less_work_by_rows(
            predictors.shape[0], targets.shape[1], len(bounds) - 1, widths, len(strengths)
        )
    if not by_rows:
        yield from _by_folds(predictors, targets, bounds, widths, strengths)
        return
    for i, width in enumerate(widths):
        for first, errors in _by_rows(predictors[:, :width], targets, bounds, strengths):
            yield i, first, errors


def _less_work_by_rows(
    n_rows: int, n_units: int, n_folds: int, widths: tuple[int, ...], n_strengths: int
) -> bool:
    """Compare rough counts of operations, factorisations weighted by how much slower than products they are."""
    held, wide = n_rows / n_folds, max(widths)
    folds = wide**3 + sum(2 * w * w * n_units + 2 * held * w * n_units for w in widths)
    rows, once = 0.0, 0.0
    for w in widths:
        rank = min(w, n_rows)
        once += 10 * rank**3 + 2 * n_rows * w * rank
        rows += held**2 * rank + held**3 + 2 * held**2 * n_units + 2 * held * rank * n_units
    return once + n_folds * n_strengths * rows < n_folds * n_strengths * folds + 2 * n_rows * wide**2


def _by_folds(
    predictors: np.ndarray,
    targets: np.ndarray,
    bounds: np.ndarray,
    widths: tuple[int, ...],
    strengths: tuple[float, ...],
) -> Iterator[tuple[int, int, np.ndarray]]:
    """From second moments: the Cholesky factor of the widest problem holds those of the narrower ones."""
    n_rows, n_units = targets.shape
    predictors = predictors[:, : max(widths)]
    parts = [(predictors[a:b], targets[a:b]) for a, b in itertools.pairwise(bounds)]
    grams, crosses = [x.T @ x for x, _ in parts], [x.T @ y for x, y in parts]
    whole_gram, whole_cross = sum(grams), sum(crosses)
    for first, (x, y), gram, cross in zip(bounds, parts, grams, crosses, strict=False):
        train = max(n_rows - len(y), 1)
        weights = [np.empty((width, len(strengths), n_units)) for width in widths]
        for j, strength in enumerate(strengths):
            damped = whole_gram - gram
            damped[np.diag_indices_from(damped)] += strength * train
            root, _ = cho_factor(damped.T, lower=True, overwrite_a=True, check_finite=False)
            half = solve_triangular(root, whole_cross - cross, lower=True, check_finite=False)
            for width, weight in zip(widths, weights, strict=True):
                leading = root[:width, :width]
                weight[:, j] = solve_triangular(
                    leading, half[:width], lower=True, trans=1, check_finite=False
                )
        for i, (width, weight) in enumerate(zip(widths, weights, strict=True)):
            predicted = x[:, :width] @ weight.reshape(width, -1)
            yield i, int(first), y[:, None] - predicted.reshape(len(y), len(strengths), n_units)


def _by_rows(
    predictors: np.ndarray, targets: np.ndarray, bounds: np.ndarray, strengths: tuple[float, ...]
) -> Iterator[tuple[int, np.ndarray]]:
    """From the eigenvectors of all rows, of the smaller of the two sides."""
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
