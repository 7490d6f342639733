"""What the baselines share: moments of a unit, observation densities, floors of rates, argument checks."""

from typing import Any

import numpy as np
import xarray as xr
from scipy.special import gammaln

from neurodyn.errors import ModelError

FLOOR_FRACTIONS = (0.01, 0.03, 0.1, 0.3, 1.0)
TINY_RATE = 1e-6


def whole_number(model: str, name: str, value: Any, least: int) -> None:
    """Refuse a hyperparameter that is not a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ModelError(f"{model}: {name} is {value!r}; it must be a whole number, {least} or more.")


def positive_number(model: str, name: str, value: Any) -> None:
    """Refuse a hyperparameter that is not a finite number above 0."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not np.isfinite(value) or value <= 0:
        raise ModelError(f"{model}: {name} is {value!r}; it must be a finite number above 0.")


def one_of(model: str, name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Refuse a hyperparameter outside its list."""
    if value not in allowed:
        raise ModelError(f"{model}: {name} is {value!r}; choose one of {', '.join(map(repr, allowed))}.")


def unit_kinds(recording: xr.Dataset) -> np.ndarray:
    """Kind of every unit, shape ``(unit,)``."""
    return recording["kind"].values.astype(str)


def unit_parameters(recording: xr.Dataset, variables: dict[str, Any]) -> xr.Dataset:
    """Learnt arrays labelled with the units (and their kinds) of the training recording."""
    coords = {"unit": recording["unit"].values, "kind": ("unit", unit_kinds(recording))}
    return xr.Dataset(variables, coords=coords)


def moments(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each unit's observed entries, both ``(unit,)``.

    A unit never observed takes the average over the others; a constant unit has a variance a millionth
    of the average one, so that its density is finite.
    """
    axes = tuple(range(values.ndim - 1))
    count = mask.sum(axes)
    known = count > 0
    safe = np.maximum(count, 1)
    data = np.where(mask, values, 0.0).astype(np.float64)
    mean = data.sum(axes) / safe
    variance = (np.where(mask, data - mean, 0.0) ** 2).sum(axes) / safe
    mean = np.where(known, mean, mean[known].mean() if known.any() else 0.0)
    typical = variance[known].mean() if known.any() else 1.0
    typical = typical if typical > 0 else max(float(np.square(mean).mean()), 1e-6)
    variance = np.where(known, variance, typical)
    return mean, np.maximum(variance, 1e-6 * typical)


def prior_mean(values: np.ndarray, mask: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Mean of each unit, for counts and binary units with a weak prior that keeps it inside its range.

    Counts: one extra observation at the population's rate. Binary: Jeffreys' half of each answer.
    """
    mean, _ = moments(values, mask)
    axes = tuple(range(values.ndim - 1))
    count = mask.sum(axes)
    total = np.where(mask, values, 0.0).sum(axes, dtype=np.float64)
    counting = kinds == "count"
    if counting.any():
        pooled = max(total[counting].sum() / max(count[counting].sum(), 1), TINY_RATE)
        mean = np.where(counting, (total + pooled) / (count + 1.0), mean)
    return np.where(kinds == "binary", (total + 0.5) / (count + 1.0), mean)


def learn_floor(predicted: np.ndarray, values: np.ndarray, mask: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Lowest rate a unit's prediction may take, ``(unit,)``: the fraction of its mean rate with the best Poisson
    log-likelihood on training predictions."""
    best = np.full(mean.shape, -np.inf)
    floor = np.maximum(mean, TINY_RATE)
    for fraction in FLOOR_FRACTIONS:
        candidate = np.maximum(fraction * mean, TINY_RATE)
        rate = np.maximum(predicted, candidate)
        score = np.where(mask, values * np.log(rate) - rate, 0.0).sum((0, 1))
        better = score > best
        best = np.where(better, score, best)
        floor = np.where(better, candidate, floor)
    return floor


def into_range(mean: np.ndarray, kinds: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Predictions of counts at or above their floor, of binary units strictly inside (0, 1)."""
    mean = np.where(kinds == "count", np.maximum(mean, floor), mean)
    return np.where(kinds == "binary", np.clip(mean, 1e-3, 1 - 1e-3), mean)


def replicate_variance(mean: np.ndarray, variance: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Variance of a replicate: Poisson for counts, Bernoulli for binary units, as given for continuous ones."""
    variance = np.where(kinds == "count", mean, variance)
    return np.where(kinds == "binary", mean * (1 - mean), variance)


def entry_log_density(
    values: np.ndarray, mask: np.ndarray, mean: np.ndarray, variance: np.ndarray, kinds: np.ndarray
) -> np.ndarray:
    """Log-density of each observed entry, 0 where NaN: Gaussian, Poisson or Bernoulli by the unit's kind."""
    result = np.zeros(values.shape)
    for kind in np.unique(kinds):
        at = kinds == kind
        x, m = values[..., at].astype(np.float64), mean[..., at]
        if kind == "count":
            terms = x * np.log(m) - m - gammaln(x + 1)
        elif kind == "binary":
            terms = x * np.log(m) + (1 - x) * np.log1p(-m)
        else:
            v = np.broadcast_to(variance, mean.shape)[..., at]
            terms = -0.5 * (np.log(2 * np.pi * v) + (x - m) ** 2 / v)
        result[..., at] = terms
    return np.where(mask, result, 0.0)


def past_is_complete(mask: np.ndarray) -> bool:
    """Whether no entry observed later than a missing one of the same trial exists."""
    later_observed = np.flip(np.maximum.accumulate(np.flip(mask.any(-1), 1), 1), 1)
    return bool(mask[later_observed].all())


def cast(recording: xr.Dataset, array: np.ndarray) -> np.ndarray:
    """The array in the floating type of the recording's activity."""
    return array.astype(recording["activity"].dtype, copy=False)
