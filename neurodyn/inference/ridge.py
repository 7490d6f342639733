"""Ridge regression on lagged values, with its strength chosen on held-out contiguous blocks."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.linalg import cho_factor, cho_solve, cholesky

from neurodyn.inference._held_out import held_out_residuals, held_out_squares
from neurodyn.inference.threads import one_thread

STRENGTHS = tuple(10.0**power for power in (-4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1))
SHRINKAGES = (0.001, 0.03, 0.1, 0.3, 0.6, 1.0)


def shifted(values: Shaped[np.ndarray, "trial time unit"], lag: int) -> Shaped[np.ndarray, "trial time unit"]:
    """Values `lag` bins earlier; zeros where there is no such bin.

    Parameters
    ----------
    values : numpy.ndarray
        Shape ``(trial, time, unit)``.
    lag : int
        Number of bins, 0 or more.

    Returns
    -------
    numpy.ndarray
        ``result[:, t] = values[:, t - lag]``.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.ridge import shifted
    >>> shifted(np.array([[[1.0], [2.0], [3.0]]]), 1)[0, :, 0].tolist()
    [0.0, 1.0, 2.0]
    """
    result = np.zeros_like(values)
    if lag < values.shape[1]:
        result[:, lag:] = values[:, : values.shape[1] - lag]
    return result


def contiguous_folds(n_rows: int, n_folds: int) -> Int[np.ndarray, " row"]:
    """Fold number of each of `n_rows` successive rows, in contiguous blocks of equal length.

    Parameters
    ----------
    n_rows, n_folds : int
        Sizes.

    Returns
    -------
    numpy.ndarray of int
        Shape ``(n_rows,)``.

    Examples
    --------
    >>> from neurodyn.inference.ridge import contiguous_folds
    >>> contiguous_folds(4, 2).tolist()
    [0, 0, 1, 1]
    """
    return (np.arange(n_rows) * n_folds) // max(n_rows, 1)


@dataclasses.dataclass(frozen=True)
class RidgePath:
    """Outcome of `choose`: the best number of predictors and strength, and held-out residuals.

    Parameters
    ----------
    width : int
        Number of leading predictors kept.
    strength : float
        Ridge strength per row.
    score : float
        Held-out mean squared error at the choice.
    residuals : numpy.ndarray
        Held-out residuals at the choice, ``(row, unit)``, 0 where the target was not observed.
    """

    width: int
    strength: float
    score: float
    residuals: np.ndarray


def solve(
    gram: Float[np.ndarray, "feature feature"],
    cross: Float[np.ndarray, "feature unit"],
    penalty: float,
) -> Float[np.ndarray, "feature unit"]:
    """Ridge weights from second moments, :math:`W = (X^T X + \\lambda I)^{-1} X^T Y`.

    Parameters
    ----------
    gram : numpy.ndarray
        :math:`X^T X`, ``(feature, feature)``.
    cross : numpy.ndarray
        :math:`X^T Y`, ``(feature, unit)``.
    penalty : float
        :math:`\\lambda`, in the same units as `gram`, above 0.

    Returns
    -------
    numpy.ndarray
        Weights ``(feature, unit)``.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.ridge import solve
    >>> solve(np.eye(1), np.ones((1, 1)), 1.0)
    array([[0.5]])
    """
    if len(gram) == 0:
        return np.zeros_like(cross)
    damped = gram + penalty * np.eye(len(gram))
    return cho_solve(cho_factor(damped, check_finite=False), cross, check_finite=False)


@one_thread()
def choose(
    predictors: Float[np.ndarray, "row feature"],
    targets: Float[np.ndarray, "row unit"],
    observed: Bool[np.ndarray, "row unit"],
    *,
    widths: tuple[int, ...],
    strengths: tuple[float, ...] = STRENGTHS,
    n_folds: int = 5,
    bounds: Int[np.ndarray, " fold_plus"] | None = None,
) -> RidgePath:
    """Choose how many leading predictors to keep, and the ridge strength, on held-out contiguous blocks of rows.

    Parameters
    ----------
    predictors : numpy.ndarray
        ``(row, feature)``, most important ones first; rows in the order of time.
    targets : numpy.ndarray
        ``(row, unit)``; where `observed` is False, an imputed value.
    observed : numpy.ndarray of bool
        Which targets count in the score.
    widths : tuple of int
        Candidate numbers of leading predictors.
    strengths : tuple of float
        Candidate ridge strengths; the penalty is the strength times the number of rows.
    n_folds : int
        Number of blocks of equal length.
    bounds : numpy.ndarray of int, optional
        First row of every block, and the number of rows, in place of equal lengths.

    Returns
    -------
    RidgePath
        The choice with the smallest held-out squared error, the simpler one on a tie. Memory is that of a few
        arrays of the size of `predictors`, or of its errors at every strength on one fold.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.ridge import choose
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> choose(x, 2 * x[:, :1], np.ones((200, 1), bool), widths=(1, 2)).width
    1
    """
    if bounds is None:
        bounds = _fold_bounds(len(targets), n_folds)
    squares = held_out_squares(predictors, targets, observed, bounds, widths, strengths) / max(
        observed.sum(), 1
    )
    i, j = _simplest_best(squares)
    residuals = held_out_residuals(predictors[:, : widths[i]], targets, bounds, strengths[j])
    residuals = np.where(observed, residuals, 0.0)
    return RidgePath(widths[i], strengths[j], float(squares[i, j]), residuals)


@one_thread()
def held_out(
    predictors: Float[np.ndarray, "row feature"],
    targets: Float[np.ndarray, "row unit"],
    observed: Bool[np.ndarray, "row unit"],
    strength: float,
    n_folds: int = 5,
) -> Float[np.ndarray, "row unit"]:
    """Residuals of contiguous blocks of rows under weights fitted to the other rows.

    Parameters
    ----------
    predictors : numpy.ndarray
        ``(row, feature)``.
    targets : numpy.ndarray
        ``(row, unit)``; where `observed` is False, an imputed value.
    observed : numpy.ndarray of bool
        Which residuals are wanted.
    strength : float
        Ridge strength; the penalty is the strength times the number of rows fitted.
    n_folds : int
        Number of blocks.

    Returns
    -------
    numpy.ndarray
        ``(row, unit)``, 0 where the target was not observed.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.ridge import held_out
    >>> held_out(np.ones((4, 1)), np.full((4, 1), 2.0), np.ones((4, 1), bool), 1.0, 2).ravel().tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    residuals = held_out_residuals(predictors, targets, _fold_bounds(len(targets), n_folds), strength)
    return np.where(observed, residuals, 0.0)


def _fold_bounds(n_rows: int, n_folds: int) -> np.ndarray:
    """First row of every contiguous fold, and the number of rows."""
    folds = contiguous_folds(n_rows, min(n_folds, n_rows))
    return np.append(np.flatnonzero(np.diff(folds, prepend=-1)), n_rows)


def _simplest_best(squares: np.ndarray) -> tuple[int, int]:
    """Indices of the smallest error; among equals the narrowest, then the strongest penalty."""
    best = squares.min()
    for i in range(squares.shape[0]):
        for j in reversed(range(squares.shape[1])):
            if squares[i, j] <= best * (1 + 1e-9):
                return i, j
    return 0, squares.shape[1] - 1


@one_thread()
def shrunk_covariance(
    residuals: Float[np.ndarray, "row unit"],
    observed: Bool[np.ndarray, "row unit"],
    n_folds: int = 5,
) -> Float[np.ndarray, "unit unit"]:
    """Covariance about zero, shrunk towards its diagonal by an amount chosen on held-out contiguous blocks.

    Parameters
    ----------
    residuals : numpy.ndarray
        ``(row, unit)``, 0 where not observed.
    observed : numpy.ndarray of bool
        Which entries count.
    n_folds : int
        Number of blocks.

    Returns
    -------
    numpy.ndarray
        Positive definite, ``(unit, unit)``.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.ridge import shrunk_covariance
    >>> shrunk_covariance(np.array([[1.0], [-1.0]]), np.ones((2, 1), bool))
    array([[1.]])
    """
    whole = _pairwise(residuals, observed)
    if residuals.shape[1] == 1:
        return whole
    folds = contiguous_folds(len(residuals), min(n_folds, len(residuals)))
    amounts, scores = np.asarray(SHRINKAGES)[:, None], np.zeros(len(SHRINKAGES))
    for fold in np.unique(folds):
        train = _pairwise(residuals[folds != fold], observed[folds != fold])
        test = _pairwise(residuals[folds == fold], observed[folds == fold])
        # On the scale of the diagonal all amounts have the same eigenvectors.
        deviation = np.sqrt(np.diag(train))
        scale = np.outer(deviation, deviation)
        variances, vectors = np.linalg.eigh(train / scale)
        variances = (1 - amounts) * variances + amounts
        along = ((test / scale @ vectors) * vectors).sum(0)
        positive = variances.min(1) > 0
        variances = np.where(positive[:, None], variances, 1.0)
        terms = np.log(variances).sum(1) + 2 * np.log(deviation).sum() + (along / variances).sum(1)
        scores += np.where(positive, terms, np.inf)
    for amount in SHRINKAGES[int(np.argmin(scores)) :]:
        result = _towards_diagonal(whole, amount)
        if _positive_definite(result):
            return result
    return np.diag(np.diag(whole))


def _positive_definite(matrix: np.ndarray) -> bool:
    """Whether a symmetric matrix has a Cholesky factor."""
    try:
        cholesky(matrix, check_finite=False)
    except np.linalg.LinAlgError:
        return False
    return True


def _towards_diagonal(covariance: np.ndarray, amount: float) -> np.ndarray:
    """Off-diagonal entries reduced by a fraction."""
    return (1 - amount) * covariance + amount * np.diag(np.diag(covariance))


def _pairwise(residuals: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Second moments over the rows where both units are observed; the diagonal is positive."""
    if observed.all():
        result = residuals.T @ residuals / max(len(residuals), 1)
    else:
        weight = observed.astype(residuals.dtype)
        masked = residuals * weight
        result = masked.T @ masked / np.maximum(weight.T @ weight, 1.0)
    diagonal = np.diag(result)
    typical = diagonal[diagonal > 0].mean() if (diagonal > 0).any() else 1.0
    never = ~observed.any(0)
    lift = np.where(never, typical, np.maximum(diagonal, 1e-6 * typical)) - diagonal
    return result + np.diag(lift)
