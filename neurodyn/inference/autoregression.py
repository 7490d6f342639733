"""Vector autoregression with missing entries: fitting, filtering and forecasting.

Coefficients of all orders up to p are kept, so that the first bins of a trial are predicted from the
predecessors they have: `coefficients[q, l]` maps the value ``l + 1`` bins ago under the model of order ``q``.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from neurodyn.inference.ridge import choose, held_out, shifted, shrunk_covariance, solve
from neurodyn.inference.threads import one_thread

ROUNDS = 8
ROUNDING = 1e-13
SIDE_BY_SIDE = 256
SHORTEST_BLOCK = 32


@dataclasses.dataclass(frozen=True)
class Autoregression:
    """Parameters on standardised values (mean 0, variance 1 in training).

    Parameters
    ----------
    coefficients : numpy.ndarray
        ``(order + 1, order, unit_to, unit_from)``, zero beyond each order.
    noise : numpy.ndarray
        Held-out residual covariance of each order, ``(order + 1, unit, unit)``.
    strength : float
        Ridge strength per training row.
    score : float
        Held-out mean squared one-step error in training.
    radius : float
        Spectral radius before it was brought below 1.
    """

    coefficients: np.ndarray
    noise: np.ndarray
    strength: float
    score: float
    radius: float

    @property
    def order(self) -> int:
        """Number of lags."""
        return self.coefficients.shape[1]


def step(
    coefficients: Float[np.ndarray, "order_plus order unit unit"],
    lags: list[np.ndarray],
    position: int,
) -> Float[np.ndarray, "trial unit"]:
    """One-step prediction of the bin at `position` of every trial from its predecessors.

    Parameters
    ----------
    coefficients : numpy.ndarray
        Of all orders, ``(order + 1, order, unit, unit)``.
    lags : list of numpy.ndarray
        Values 1, 2, ... bins ago, each ``(trial, unit)``.
    position : int
        Index of the bin in its trial, which limits the order.

    Returns
    -------
    numpy.ndarray
        ``(trial, unit)``.
    """
    order = min(position, coefficients.shape[1])
    result = np.zeros_like(lags[0]) if lags else np.zeros((1, coefficients.shape[-1]))
    for lag in range(order):
        result = result + lags[lag] @ coefficients[order, lag].T
    return result


def fill_causally(
    values: Float[np.ndarray, "trial time unit"],
    mask: Bool[np.ndarray, "trial time unit"],
    parameters: Autoregression,
) -> tuple[Float[np.ndarray, "trial time unit"], Float[np.ndarray, "trial time unit"]]:
    """Replace each missing entry by its prediction from earlier ones (an iterated forecast over a gap).

    Parameters
    ----------
    values, mask : numpy.ndarray
        Standardised values and which were observed, ``(trial, time, unit)``.
    parameters : Autoregression
        The fitted model.

    Returns
    -------
    filled, variance : numpy.ndarray
        Completed values, and the variance of what was filled in (0 where observed): errors of different
        entries are taken as independent, and no variance exceeds the marginal one.
    """
    filled, variance = np.where(mask, values, 0.0), np.zeros(values.shape)
    noise = np.diagonal(parameters.noise, axis1=1, axis2=2)
    fill(filled, ~mask, parameters.coefficients)
    fill(variance, ~mask, np.square(parameters.coefficients), noise)
    return filled, variance


@one_thread()
def fill(
    state: Float[np.ndarray, "trial time unit"],
    missing: Bool[np.ndarray, "trial time unit"],
    coefficients: Float[np.ndarray, "order_plus order unit unit"],
    noise: Float[np.ndarray, "order_plus unit"] | None = None,
) -> None:
    """Replace, in place, each missing entry by its step from earlier bins.

    Time is cut into blocks that are walked through side by side, as if what precedes them were settled; then the
    beginnings of blocks are walked through again, as far as they change beyond rounding.

    Parameters
    ----------
    state : numpy.ndarray
        ``(trial, time, unit)``; overwritten where missing.
    missing : numpy.ndarray of bool
        ``(trial, time, unit)``.
    coefficients : numpy.ndarray
        Of all orders, ``(order + 1, order, unit, unit)``.
    noise : numpy.ndarray, optional
        Added at each position up to the order, ``(order + 1, unit)``, with the sum kept below its first entry.
    """
    order, some = coefficients.shape[1], known_rows(missing)
    n_trials, n_time, _ = missing.shape
    block = max(-(-n_trials * n_time // SIDE_BY_SIDE), SHORTEST_BLOCK)
    due = some.copy()
    while due.any():
        for step_in_block in range(min(block, n_time)):
            trial, which = np.nonzero(due[:, step_in_block::block])
            if not len(trial):
                continue
            time = step_in_block + block * which
            due[trial, time] = False
            changed = _renew(state, missing, coefficients, noise, trial, time)
            for lag in range(1, order + 1):
                later = changed & (time + lag < n_time)
                due[trial[later], time[later] + lag] |= some[trial[later], time[later] + lag]


def _renew(
    state: np.ndarray,
    missing: np.ndarray,
    coefficients: np.ndarray,
    noise: np.ndarray | None,
    trial: np.ndarray,
    time: np.ndarray,
) -> np.ndarray:
    """Step the missing entries of the given bins; which of the bins changed beyond rounding."""
    order = coefficients.shape[1]
    position = np.minimum(time, order)
    old = state[trial, time]
    new = np.zeros_like(old)
    if time.min() >= order:
        for lag in range(order):
            new += state[trial, time - lag - 1] @ coefficients[order, lag].T
    else:
        for q in range(1, order + 1):
            at = np.flatnonzero(position == q)
            for lag in range(q):
                new[at] += state[trial[at], time[at] - lag - 1] @ coefficients[q, lag].T
    if noise is not None:
        new = np.minimum(new + noise[position], noise[0])
    new = np.where(missing[trial, time], new, old)
    state[trial, time] = new
    return np.any(np.abs(new - old) > ROUNDING * np.maximum(np.abs(new), 1.0), axis=1)


def forecast(
    filled: Float[np.ndarray, "trial time unit"],
    variance: Float[np.ndarray, "trial time unit"],
    parameters: Autoregression,
    horizon: int,
) -> tuple[Float[np.ndarray, "trial time unit"], Float[np.ndarray, "trial time unit"]]:
    """Iterated forecast of every bin from the bins up to `horizon` earlier.

    Parameters
    ----------
    filled, variance : numpy.ndarray
        Result of `fill_causally`.
    parameters : Autoregression
        The fitted model.
    horizon : int
        Steps ahead, 1 or more.

    Returns
    -------
    mean, variance : numpy.ndarray
        ``(trial, time, unit)``; bins without a bin `horizon` earlier have the marginal moments.
    """
    order = parameters.order
    squared = np.square(parameters.coefficients)
    noise = np.diagonal(parameters.noise, axis1=1, axis2=2)
    means = [shifted(filled, horizon + lag) for lag in range(order)]
    spreads = [shifted(variance, horizon + lag) for lag in range(order)]
    mean = np.zeros_like(filled)
    spread = np.broadcast_to(noise[0], filled.shape).copy()
    for ahead in range(1, horizon + 1):
        mean = _everywhere(parameters.coefficients, means, ahead - horizon)
        spread = _everywhere(squared, spreads, ahead - horizon)
        positions = np.arange(filled.shape[1]) + ahead - horizon
        spread = np.minimum(spread + noise[np.clip(positions, 0, order)], noise[0])
        means, spreads = [mean, *means][:order], [spread, *spreads][:order]
    early = slice(0, horizon)
    unknown = np.arange(filled.shape[1])[early]
    if horizon > 1 or order == 0:
        mean[:, unknown], spread[:, unknown] = 0.0, noise[0]
    return mean, spread


def _everywhere(coefficients: np.ndarray, lags: list[np.ndarray], offset: int) -> np.ndarray:
    """One step for all bins at once; bin t stands at position t + offset of its trial."""
    order = coefficients.shape[1]
    n_time = lags[0].shape[1] if lags else 0
    if order == 0:
        return np.zeros(0)
    result = np.zeros_like(lags[0])
    for lag, weight in zip(lags, coefficients[order], strict=True):
        result += lag @ weight.T
    for position in range(min(order, max(n_time + offset, 0))):
        t = position - offset
        if t < n_time:
            result[:, t] = step(coefficients, [lag[:, t] for lag in lags], position)
    return result


def spectral_radius(coefficients: Float[np.ndarray, "order unit unit"]) -> float:
    """Growth rate per step of the autoregression, from repeated squaring of its companion matrix.

    Parameters
    ----------
    coefficients : numpy.ndarray
        ``(order, unit, unit)``.

    Returns
    -------
    float
        An upper bound of the largest modulus of an eigenvalue, tight to a fraction of a percent.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.autoregression import spectral_radius
    >>> round(spectral_radius(np.full((1, 1, 1), 0.5)), 6)
    0.5
    """
    order, n_units, _ = coefficients.shape
    size = order * n_units
    companion = np.zeros((size, size))
    companion[:n_units] = np.concatenate(list(coefficients), axis=1)
    companion[n_units:, :-n_units] = np.eye(size - n_units)
    log_norm = 0.0
    for doubling in range(11):
        norm = float(np.linalg.norm(companion))
        if norm == 0.0:
            return 0.0
        log_norm = log_norm + np.log(norm) / 2**doubling
        companion = (companion / norm) @ (companion / norm)
    return float(np.exp(log_norm))


@one_thread()
def fit(
    values: Float[np.ndarray, "trial time unit"],
    mask: Bool[np.ndarray, "trial time unit"],
    *,
    orders: tuple[int, ...],
    strengths: tuple[float, ...],
    full_noise: bool,
) -> Autoregression:
    """Fit by ridge regression; order and strength are those with the smallest error on held-out blocks.

    A row is used if some of its entries and at least half of its predecessors were observed; missing
    entries are replaced by the model's own prediction, and the fit is repeated until it settles.

    Parameters
    ----------
    values, mask : numpy.ndarray
        Standardised values (0 where not observed) and which were observed.
    orders : tuple of int
        Candidate orders, increasing, each 1 or more and below the number of bins.
    strengths : tuple of float
        Candidate ridge strengths per row.
    full_noise : bool
        Whether the residual covariance has off-diagonal entries.

    Returns
    -------
    Autoregression
        The fitted model. Memory is that of a few arrays of bins by units times the largest order.
    """
    n_units = values.shape[2]
    longest = max(orders)
    known = mask[..., mask.any((0, 1))]
    present = np.mean([shifted(known.astype(float), lag).mean(-1) for lag in range(1, longest + 1)], axis=0)
    late = np.arange(values.shape[1]) >= longest
    rows = known_rows(mask) & (present >= 0.5) & late
    if rows.sum() < 4:
        rows = known_rows(mask) & late
    targets_observed = mask[rows]
    complete = bool(targets_observed[:, mask.any((0, 1))].all() and (present[rows] == 1).all())
    widths = tuple(order * n_units for order in orders)
    filled = np.where(mask, values, 0.0)
    predictors, targets = _table(filled, rows, longest)
    path = choose(predictors, targets, targets_observed, widths=widths, strengths=strengths)
    order, weights = path.width // n_units, None
    predictors = predictors[:, : path.width]
    for _ in range(0 if complete else ROUNDS):
        previous, weights = weights, _weights(predictors, targets, path.width, path.strength)
        if previous is not None and np.abs(weights - previous).max() < 1e-4:
            break
        fill(filled, ~mask, _coefficients([weights], order, n_units))
        predictors, targets = _table(filled, rows, order)
    solutions, noises, score = [], [_noise(values[known_rows(mask)], mask, full_noise)], 0.0
    for q in range(1, order + 1):
        width = q * n_units
        if complete and q == order:
            residuals = path.residuals
        else:
            residuals = held_out(predictors[:, :width], targets, targets_observed, path.strength)
        solutions.append(_weights(predictors, targets, width, path.strength))
        covariance = (
            shrunk_covariance(residuals, targets_observed)
            if full_noise
            else np.diag(np.square(residuals).sum(0) / np.maximum(targets_observed.sum(0), 1))
        )
        noises.append(_below_marginal(covariance, noises[0]))
        score = float(np.square(residuals).sum() / max(targets_observed.sum(), 1))
    coefficients = _coefficients(solutions, order, n_units)
    radius = spectral_radius(coefficients[order])
    if radius >= 0.999:
        powers = (0.999 / radius) ** np.arange(1, order + 1)
        coefficients[order] *= powers[:, None, None]
    return Autoregression(coefficients, np.stack(noises), path.strength, score, radius)


def known_rows(mask: Bool[np.ndarray, "trial time unit"]) -> Bool[np.ndarray, "trial time"]:
    """Bins with some entry marked."""
    return np.asarray(mask.any(-1))


def _table(filled: np.ndarray, rows: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictors (nearest lag first) and targets of the chosen bins."""
    return np.concatenate([shifted(filled, lag)[rows] for lag in range(1, longest + 1)], axis=1), filled[rows]


def _noise(values: np.ndarray, mask: np.ndarray, full_noise: bool) -> np.ndarray:
    """Covariance of the values themselves: the model of order 0."""
    observed = mask[known_rows(mask)]
    if full_noise:
        return shrunk_covariance(values, observed)
    return np.diag(np.maximum(np.square(values).sum(0) / np.maximum(observed.sum(0), 1), 1e-6))


def _below_marginal(covariance: np.ndarray, marginal: np.ndarray) -> np.ndarray:
    """Scale a covariance so that no variance exceeds the marginal one or vanishes."""
    variance = np.diag(covariance)
    wanted = np.clip(variance, 1e-6 * np.diag(marginal), np.diag(marginal))
    scale = np.sqrt(wanted / np.maximum(variance, 1e-300))
    scaled = covariance * scale[:, None] * scale[None, :]
    return np.where(np.eye(len(variance), dtype=bool), np.diag(wanted), scaled)


def _weights(predictors: np.ndarray, targets: np.ndarray, width: int, strength: float) -> np.ndarray:
    """Ridge weights of the leading predictors."""
    leading = predictors[:, :width]
    return solve(leading.T @ leading, leading.T @ targets, strength * len(targets))


def _coefficients(solutions: list[np.ndarray], order: int, n_units: int) -> np.ndarray:
    """Stack weights of every order (or one of the highest, for all positions) into ``(q, lag, to, from)``."""
    result = np.zeros((order + 1, order, n_units, n_units))
    for q in range(1, order + 1):
        weights = solutions[0] if len(solutions) == 1 else solutions[q - 1]
        lags = weights.reshape(-1, n_units, n_units).transpose(0, 2, 1)
        result[q, :q] = lags[:q]
    return result
