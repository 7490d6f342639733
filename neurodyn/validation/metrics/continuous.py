"""Scores of predicted means: explained variance, correlation, n-step error."""

from typing import Any

import numpy as np

from neurodyn.validation.metrics.base import Metric, Sums, average, masked, pool, ratio
from neurodyn.validation.metrics.evaluation import Evaluation

REAL = frozenset({"continuous", "count"})
ROUNDING = 1e-12


def _centre(evaluation: Evaluation) -> np.ndarray:
    """A constant per unit that keeps squares small; any constant gives the same value."""
    if evaluation.centre is not None:
        return evaluation.centre
    seen = np.isfinite(evaluation.observed)
    total = np.where(seen, evaluation.observed, 0.0).sum(axis=(0, 1))
    return total / np.maximum(seen.sum(axis=(0, 1)), 1)


def _moments(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """First and second moments of what was observed and what was predicted, and the squared error."""
    observed = evaluation.of_kind(*REAL)
    seen = np.isfinite(observed)
    centre = _centre(evaluation)
    x = masked(observed - centre, seen)
    y = masked(np.asarray(evaluation.mean) - centre, seen)
    terms = {
        "entries": seen.astype(float),
        "x": x,
        "y": y,
        "xx": x * x,
        "yy": y * y,
        "xy": x * y,
        "error": (x - y) ** 2,
    }
    if evaluation.marginals is not None:
        terms["train_error"] = masked((observed - evaluation.marginals.mean) ** 2, seen)
    return terms


def _moments_within(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Second moments about the means of this split, so that folds are never correlated through their means."""
    observed = evaluation.of_kind(*REAL)
    seen = np.isfinite(observed)
    entries = np.maximum(seen.sum(axis=(0, 1)), 1)
    x, y = masked(observed, seen), masked(np.asarray(evaluation.mean), seen)
    constant = _constant(y, seen)
    x = masked(x - x.sum(axis=(0, 1)) / entries, seen)
    y = masked(y - y.sum(axis=(0, 1)) / entries, seen & ~constant)
    return {"entries": seen.astype(float), "x": x, "y": y, "xx": x * x, "yy": y * y, "xy": x * y}


def _constant(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Whether all scored values of a unit are equal up to rounding, ``(unit,)``."""
    highest = np.where(seen, values, -np.inf).max(axis=(0, 1))
    lowest = np.where(seen, values, np.inf).min(axis=(0, 1))
    return ~(highest - lowest > 1e-6 * np.maximum(np.abs(highest), np.abs(lowest)))


def _spread(total: np.ndarray, squares: np.ndarray, entries: np.ndarray) -> np.ndarray:
    """Sum of squares about the mean; zero where it is rounding noise."""
    about = squares - ratio(total * total, np.maximum(entries, 1.0))
    return np.where(about > ROUNDING * np.maximum(squares, np.finfo(float).tiny), about, 0.0)


def _r2(sums: Sums, per: str) -> Any:
    """One minus squared error over the variance about the evaluated mean."""
    spread = _spread(sums["x"], sums["xx"], sums["entries"])
    return 1.0 - ratio(pool(sums["error"], per), pool(spread, per))


def _r2_train(sums: Sums, per: str) -> Any:
    """One minus squared error over that of the training mean."""
    return 1.0 - ratio(pool(sums["error"], per), pool(sums["train_error"], per))


def _pearson(sums: Sums, per: str) -> Any:
    """Correlation per unit, averaged over units; a constant prediction scores 0."""
    entries = np.maximum(sums["entries"], 1.0)
    spread_x = _spread(sums["x"], sums["xx"], entries)
    spread_y = _spread(sums["y"], sums["yy"], entries)
    covariance = sums["xy"] - sums["x"] * sums["y"] / entries
    constant = spread_y == 0
    value = ratio(np.where(constant, 0.0, covariance), np.sqrt(spread_x * np.where(constant, 1.0, spread_y)))
    return average(value, per)


def _pearson_of_many(full: Sums, half: Sums, gain: float, per: str) -> Any:
    """Correlation that averages over infinitely many repeats would reach: the root of their explained variance."""

    def explained(sums: Sums) -> np.ndarray:
        spread = _spread(sums["x"], sums["xx"], sums["entries"])
        return 1.0 - ratio(sums["xx"] - 2 * sums["xy"] + sums["yy"], spread)

    share = explained(full) + gain * (explained(full) - explained(half))
    return average(np.sign(share) * np.sqrt(np.abs(share)), per)


def _mse(sums: Sums, per: str) -> Any:
    """Mean squared error per entry."""
    return ratio(pool(sums["error"], per), pool(sums["entries"], per))


def _against_persistence(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Squared errors of the model and of the last given value, where there is one."""
    observed = evaluation.of_kind(*REAL)
    seen = np.isfinite(observed) & np.isfinite(np.asarray(evaluation.previous))
    return {
        "error": masked((observed - np.asarray(evaluation.mean)) ** 2, seen),
        "persistence": masked((observed - np.asarray(evaluation.previous)) ** 2, seen),
    }


def _relative(sums: Sums, per: str) -> Any:
    """Squared error as a share of persistence's."""
    return ratio(pool(sums["error"], per), pool(sums["persistence"], per))


R2 = Metric(
    name="r2",
    label="R² about the evaluated mean",
    unit="1",
    kinds=REAL,
    terms=_moments,
    combine=_r2,
    floor=0.0,
    perfect=1.0,
    ceiling="repeats",
)
R2_TRAIN = Metric(
    name="r2_train_null",
    label="R² about the training mean",
    unit="1",
    kinds=REAL,
    terms=_moments,
    combine=_r2_train,
    needs=("mean", "marginals"),
    floor=0.0,
    perfect=1.0,
    ceiling="repeats",
)
PEARSON = Metric(
    name="pearson_r",
    label="Pearson correlation, mean over units",
    unit="1",
    kinds=REAL,
    terms=_moments_within,
    combine=_pearson,
    extrapolate=_pearson_of_many,
    floor=0.0,
    perfect=1.0,
    ceiling="repeats",
)
MSE = Metric(
    name="mse",
    label="Mean squared error",
    unit="squared unit of the recording",
    kinds=REAL,
    terms=_moments,
    combine=_mse,
    higher_is_better=False,
    perfect=0.0,
    ceiling="repeats",
)
RELATIVE_MSE = Metric(
    name="mse_over_persistence",
    label="Mean squared error relative to persistence",
    unit="1",
    kinds=REAL,
    terms=_against_persistence,
    combine=_relative,
    needs=("mean", "previous"),
    higher_is_better=False,
    floor=1.0,
    perfect=0.0,
    ceiling="repeats",
)
