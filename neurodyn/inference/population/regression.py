"""Penalised regressions of many units on the same regressors: exact Newton steps, one Hessian a unit.

Every unit may have one regressor of its own in the place of a shared one: what stands for its own activity must not
contain the entry that is explained.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from neurodyn.inference.threads import one_thread

LINKS = ("identity", "log")
ROWS = 1 << 13  # of one chunk
HESSIANS = 1 << 25  # numbers in the Hessians of the units fitted together
LARGEST_LOG_RATE = 15.0
TRUST = 0.15  # by how much a gain may differ from what the Hessian promised, as a fraction
NOISE = 1e-9  # of a sum in double precision, as a fraction


class Rows(NamedTuple):
    """Regressors and targets.

    Attributes
    ----------
    shared : numpy.ndarray
        ``(row, feature)``; the last feature is a constant.
    own : numpy.ndarray
        ``(row, unit)``: what stands in the place of feature ``replaced`` for a unit.
    replaced : numpy.ndarray of int
        ``(unit,)``; -1 where a unit sees the shared features as they are.
    targets : numpy.ndarray
        ``(row, unit)``.
    observed : numpy.ndarray of bool
        ``(row, unit)``: the targets that count.
    """

    shared: Float[np.ndarray, "row feature"]
    own: Float[np.ndarray, "row unit"]
    replaced: Int[np.ndarray, " unit"]
    targets: Float[np.ndarray, "row unit"]
    observed: Bool[np.ndarray, "row unit"]

    def of(self, rows: Shaped[np.ndarray, " index"] | slice) -> "Rows":
        """Some of the rows."""
        return Rows(self.shared[rows], self.own[rows], self.replaced, self.targets[rows], self.observed[rows])


class Solution(NamedTuple):
    """What `fit_regressions` found.

    Attributes
    ----------
    weights : numpy.ndarray
        ``(feature, unit)``.
    objective : numpy.ndarray
        Penalised log-likelihood summed over units, at every iterate; for the identity minus half the squared error.
    converged : bool
        Whether no unit's next step would have gained more than the tolerance.
    """

    weights: np.ndarray
    objective: np.ndarray
    converged: bool


class _Slopes(NamedTuple):
    """Log-likelihood ``(unit,)``, its gradient ``(feature, unit)`` and negative Hessian ``(unit, feature, feature)``."""

    value: np.ndarray
    gradient: np.ndarray
    curvature: np.ndarray | None


def _computed(curvature: np.ndarray | None) -> np.ndarray:
    """A curvature that was asked for."""
    if curvature is None:
        raise ValueError("the curvature was not asked for")
    return curvature


def linear_predictor(rows: Rows, weights: Float[np.ndarray, "feature unit"]) -> Float[np.ndarray, "row unit"]:
    """Weighted sum of every unit's regressors.

    Parameters
    ----------
    rows : Rows
        Regressors.
    weights : numpy.ndarray
        ``(feature, unit)``.

    Returns
    -------
    numpy.ndarray
        ``(row, unit)``.
    """
    has_own = np.flatnonzero(rows.replaced >= 0)
    shared = weights.astype(rows.shared.dtype)
    own = shared[rows.replaced[has_own], has_own]
    shared[rows.replaced[has_own], has_own] = 0
    found = rows.shared @ shared
    found[:, has_own] += rows.own[:, has_own] * own
    return found


def log_likelihoods(
    rows: Rows, weights: Float[np.ndarray, "feature unit"], link: str
) -> Float[np.ndarray, " unit"]:
    """Log-likelihood of every unit's observed targets, up to a constant.

    Parameters
    ----------
    rows : Rows
        Regressors and targets.
    weights : numpy.ndarray
        ``(feature, unit)``.
    link : {"identity", "log"}
        ``log``: :math:`x\\eta - e^\\eta`; ``identity``: :math:`-(x - \\eta)^2 / 2`.

    Returns
    -------
    numpy.ndarray
        ``(unit,)``.
    """
    eta = linear_predictor(rows, weights)
    return _values(eta, rows, link)[0]


def _values(eta: np.ndarray, rows: Rows, link: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Log-likelihoods, residuals, and weights of the curvature (None: 1 for all)."""
    if link == "identity":
        residual = np.where(rows.observed, rows.targets - eta, 0)
        weight = None if rows.observed.all() else rows.observed.astype(eta.dtype)
        return -0.5 * np.square(residual).sum(0, dtype=np.float64), residual, weight
    rate = np.exp(np.minimum(eta, LARGEST_LOG_RATE))
    rate *= rows.observed
    seen = np.where(rows.observed, rows.targets, 0)
    return (seen * eta - rate).sum(0, dtype=np.float64), seen - rate, rate


def _chunk(rows: Rows, weights: np.ndarray, link: str, curved: bool) -> _Slopes:
    """Slopes of some rows."""
    value, residual, weight = _values(linear_predictor(rows, weights), rows, link)
    has_own = np.flatnonzero(rows.replaced >= 0)
    gradient = (rows.shared.T @ residual).astype(np.float64)
    gradient[rows.replaced[has_own], has_own] = (rows.own * residual).sum(0, dtype=np.float64)[has_own]
    if not curved:
        return _Slopes(value, gradient, None)
    n_features, n_units = weights.shape
    # Regressors that are zero in all of these rows, such as functions of another time, are left out.
    live = np.flatnonzero(rows.shared.any(axis=0))
    shared = rows.shared if len(live) == n_features else np.ascontiguousarray(rows.shared[:, live])
    curvature = np.zeros((n_units, n_features, n_features))
    if weight is None:
        curvature[:, live[:, None], live] = shared.T @ shared
    else:
        for unit in range(n_units):
            curvature[unit, live[:, None], live] = (shared * weight[:, unit, None]).T @ shared
    if len(has_own):
        weighted = rows.own if weight is None else rows.own * weight
        cross = (rows.shared.T @ weighted).astype(np.float64)
        cross[rows.replaced[has_own], has_own] = (rows.own * weighted).sum(0, dtype=np.float64)[has_own]
        for unit in has_own:
            at = rows.replaced[unit]
            curvature[unit, at, :] = curvature[unit, :, at] = cross[:, unit]
    return _Slopes(value, gradient, curvature)


def _slopes(rows: Rows, weights: np.ndarray, link: str, curved: bool) -> _Slopes:
    """Slopes of all rows, chunk by chunk; every thread sums its own contiguous share, so that the sum is repeatable."""
    n_rows = len(rows.targets)
    n_threads = max(1, min(os.cpu_count() or 1, 4, n_rows // ROWS))
    bounds = np.linspace(0, n_rows, n_threads + 1).astype(int)

    def share(index: int) -> _Slopes:
        total = None
        for first in range(bounds[index], bounds[index + 1], ROWS):
            part = rows.of(slice(first, min(first + ROWS, bounds[index + 1])))
            found = _chunk(part, weights, link, curved)
            total = found if total is None else _sum(total, found)
        return total if total is not None else _chunk(rows.of(slice(0, 0)), weights, link, curved)

    if n_threads == 1:
        return share(0)
    with ThreadPoolExecutor(n_threads) as pool:
        parts = list(pool.map(share, range(n_threads)))
    total = parts[0]
    for part in parts[1:]:
        total = _sum(total, part)
    return total


def _sum(left: _Slopes, right: _Slopes) -> _Slopes:
    """Both added, the curvature in place."""
    if left.curvature is not None and right.curvature is not None:
        left.curvature[:] += right.curvature
    return _Slopes(left.value + right.value, left.gradient + right.gradient, left.curvature)


@one_thread()
def fit_regressions(
    rows: Rows,
    penalty: Float[np.ndarray, "feature unit"],
    link: str,
    *,
    start: Float[np.ndarray, "feature unit"] | None = None,
    tolerance: float = 0.05,
    max_iterations: int = 50,
) -> Solution:
    r"""Penalised maximum likelihood of every unit.

    .. math:: \max_w\ \log p(x_n \mid \eta_n) - \tfrac12 \sum_f \lambda_{fn} w_{fn}^2, \qquad
        \eta_{tn} = \sum_f w_{fn} s_{tf}

    with Poisson targets :math:`x \sim \mathrm{Poisson}(e^\eta)` or, for the identity, Gaussian ones of variance 1.
    Damped Newton steps; a Hessian is kept as long as the steps gain what it promises.

    Parameters
    ----------
    rows : Rows
        Regressors and targets.
    penalty : numpy.ndarray
        Precisions :math:`\lambda` of the prior, ``(feature, unit)``, 0 or more.
    link : {"identity", "log"}
        Inverse link: none, or the exponential.
    start : numpy.ndarray, optional
        Where to begin, ``(feature, unit)``; default: the constant alone.
    tolerance : float
        A unit is done when its next step promises to gain less (in nats).
    max_iterations : int
        Most steps.

    Returns
    -------
    Solution
        Weights ``(feature, unit)``, objective, whether it converged. Memory beyond the rows is bounded.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> s = np.stack([rng.normal(size=5000), np.ones(5000)], axis=1)
    >>> x = rng.poisson(np.exp(s @ np.array([[0.5], [-1.0]]))).astype(float)
    >>> rows = Rows(s, np.zeros((5000, 1)), np.array([-1]), x, np.ones(x.shape, bool))
    >>> fit_regressions(rows, np.zeros((2, 1)), "log").weights.round(1).ravel().tolist()
    [0.5, -1.0]
    """
    n_features, n_units = penalty.shape
    together = max(1, HESSIANS // max(n_features**2, 1))
    parts = []
    for first in range(0, n_units, together):
        units = slice(first, min(first + together, n_units))
        some = Rows(
            rows.shared,
            rows.own[:, units],
            rows.replaced[units],
            rows.targets[:, units],
            rows.observed[:, units],
        )
        begin = _constant(some, n_features, link) if start is None else start[:, units]
        parts.append(_climb(some, penalty[:, units], link, begin, tolerance, max_iterations))
    longest = max(len(part.objective) for part in parts)
    course = [np.pad(part.objective, (0, longest - len(part.objective)), mode="edge") for part in parts]
    weights = np.concatenate([part.weights for part in parts], axis=1)
    return Solution(weights, np.sum(course, axis=0), all(part.converged for part in parts))


def _constant(rows: Rows, n_features: int, link: str) -> np.ndarray:
    """Weights of the mean alone."""
    count = np.maximum(rows.observed.sum(0), 1)
    mean = np.where(rows.observed, rows.targets, 0).sum(0, dtype=np.float64) / count
    weights = np.zeros((n_features, len(mean)))
    weights[-1] = np.log(np.maximum(mean, 0.1 / count)) if link == "log" else mean
    return weights


def _climb(
    rows: Rows,
    penalty: np.ndarray,
    link: str,
    weights: np.ndarray,
    tolerance: float,
    max_iterations: int,
) -> Solution:
    """Newton steps of a few units until each of them is done."""
    n_units = penalty.shape[1]
    weights = np.array(weights, np.float64)
    found = _slopes(rows, weights, link, True)
    value = found.value - 0.5 * (penalty * np.square(weights)).sum(0)
    gradient, curvature = found.gradient - penalty * weights, _computed(found.curvature)
    stale = np.zeros(n_units, bool)
    objective, active = [value.sum()], np.ones(n_units, bool)
    diagonal = np.arange(penalty.shape[0])
    for _ in range(max_iterations):
        step, promise = np.zeros_like(weights), np.zeros(n_units)
        for unit in np.flatnonzero(active):
            matrix = curvature[unit].copy()
            matrix[diagonal, diagonal] += penalty[:, unit] + 1e-9 * np.trace(matrix) / len(matrix) + 1e-12
            step[:, unit] = np.linalg.solve(matrix, gradient[:, unit])
            promise[unit] = 0.5 * gradient[:, unit] @ step[:, unit]
        active &= promise > tolerance
        if not active.any():
            return Solution(weights, np.asarray(objective), True)
        step, length = np.where(active, step, 0.0), np.where(active, 1.0, 0.0)
        here = np.flatnonzero(active)
        kept = weights.copy()
        for _ in range(12):
            candidate = weights[:, here] + length[here] * step[:, here]
            some = Rows(
                rows.shared,
                rows.own[:, here],
                rows.replaced[here],
                rows.targets[:, here],
                rows.observed[:, here],
            )
            found = _slopes(some, candidate, link, False)
            after = found.value - 0.5 * (penalty[:, here] * np.square(candidate)).sum(0)
            good = after >= value[here] - NOISE * np.abs(value[here])
            taken = here[good]
            kept[:, taken] = candidate[:, good]
            # A Hessian that kept its promise serves again.
            kept_promise = np.abs((after - value[here])[good] / promise[taken] - 1) < TRUST
            stale[taken] |= ~kept_promise
            value[taken] = np.maximum(after[good], value[taken])
            gradient[:, taken] = found.gradient[:, good] - penalty[:, taken] * candidate[:, good]
            here = here[~good]
            if not len(here):
                break
            length[here] *= 0.5
            stale[here] = True
        active[here] = False  # no step along its direction gains anything
        weights = kept
        objective.append(value.sum())
        again = np.flatnonzero(active & stale)
        if len(again):
            some = Rows(
                rows.shared,
                rows.own[:, again],
                rows.replaced[again],
                rows.targets[:, again],
                rows.observed[:, again],
            )
            curvature[again] = _computed(_slopes(some, weights[:, again], link, True).curvature)
            stale[again] = False
    return Solution(weights, np.asarray(objective), False)
