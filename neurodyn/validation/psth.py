"""Averages over the trials of a condition: predicted ones against those of held-out trials."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.validation import uncertainty
from neurodyn.validation.holdout.protocol import group_codes
from neurodyn.validation.layout import has_trials, proportion, whole
from neurodyn.validation.metrics.base import pool, ratio
from neurodyn.validation.metrics.evaluation import evaluation

TRUNCATE = 4.0
FEWEST = 2
DIMS = ("condition", "time", "unit")


class _Averages(NamedTuple):
    """Averages of every condition ``(condition, time, unit)``, the square of their standard error, trials of each."""

    observed: np.ndarray
    predicted: np.ndarray
    noise: np.ndarray
    n_trials: np.ndarray


def psth_match(
    mean: Any,
    target: xr.Dataset,
    *,
    by: str = "condition",
    smoothing: float = 0.0,
    key: Any,
    n_bootstrap: int = 1000,
    level: float = 0.95,
) -> xr.Dataset:
    r"""How well predicted rates, averaged over the trials of a condition, match the average of held-out trials.

    .. math::

        R^2 = 1 - \frac{E}{V}, \qquad
        E = \sum_{ctu} (P_{ctu} - \hat P_{ctu})^2, \qquad V = \sum_{ctu} (P_{ctu} - \bar P_u)^2

    where P is the peri-stimulus time histogram: the mean over the scored trials of condition c of what unit u did in bin t,
    and :math:`\hat P` the mean of their predictions. P is noisy, so that even true rates stay below 1. With
    :math:`s^2_{ctu} / n_{ctu}` the squared standard error of P over its :math:`n_{ctu}` trials, and N their sum over all
    entries, true rates reach the *ceiling* :math:`1 - N / V`; the *corrected* value :math:`1 - (E - N) / (V - N)` estimates
    what endless trials would give. The *floor* has the average of the other conditions in place of :math:`\hat P`: what a
    time course common to all conditions explains.

    Parameters
    ----------
    mean : xr.DataArray or array-like
        Predicted expected counts per bin, the shape of the activity.
    target : xr.Dataset
        The scored entries, with trials; NaN is not scored. What is not observed in a trial counts in neither average.
    by : str
        Coordinate on ``trial`` that names the condition; trials without one, and bins in which a condition has fewer than
        2 observed trials, are left out.
    smoothing : float
        Standard deviation in seconds of a Gaussian that both the counts and the predictions of every trial are smoothed
        with; 0 leaves them as they are.
    key : int or jax.Array
        Draws the resamples of conditions.
    n_bootstrap : int
        Number of resamples.
    level : float
        Coverage of the intervals.

    Returns
    -------
    xr.Dataset
        Scalars: ``r2`` and ``corrected_r2`` (each with ``_standard_error``, ``_lower``, ``_upper`` over conditions),
        ``ceiling`` and ``floor``. On ``unit``: ``unit_r2``, ``unit_ceiling``. On ``(condition, time, unit)``: the averages
        ``observed`` and ``predicted``, and the squared standard error ``noise``; on ``condition``: ``n_trials``.

    Raises
    ------
    NotApplicable
        If there are no trials, or `by` is no coordinate of them.
    ModelError
        If no condition has 2 scored trials, shapes or units do not match, or an argument is out of range.

    Notes
    -----
    The Neural Latents Benchmark averages over training trials too, smooths the counts but not the predictions, and takes the
    mean of the units' values. Where predictions have seen the very counts that are averaged, their errors are those of the
    data, and the corrected value is too high: score units, bins or trials that were held out.

    References
    ----------
    .. [1] Pei, F. et al. (2021). Neural Latents Benchmark '21. doi:10.48550/arXiv.2109.04463

    Examples
    --------
    True rates reach the ceiling:

    >>> from neurodyn.simulate.lorenz import lorenz_population
    >>> from neurodyn.validation import psth_match
    >>> recording = lorenz_population(key=0, n_conditions=20, n_trials=10, n_units=8)
    >>> found = psth_match(recording["rates"], recording, key=0)
    >>> bool(abs(found["r2"] - found["ceiling"]) < 0.02), bool(abs(found["corrected_r2"] - 1) < 0.03)
    (True, True)
    """
    level = proportion("level", level, "psth_match")
    n_bootstrap = whole("n_bootstrap", n_bootstrap, 1, "psth_match")
    number = isinstance(smoothing, (int, float, np.number)) and not isinstance(smoothing, bool)
    if not number or not 0 <= smoothing < np.inf:
        raise ModelError(f"psth_match: smoothing is {smoothing!r}; it must be 0 or more seconds.")
    codes, labels = _conditions(target, by)
    lined_up = evaluation(target, mean=mean)
    if lined_up.mean is None:
        raise ModelError("psth_match: mean is None; give predicted expected counts per bin.")
    width = float(smoothing) / float(target.attrs["sampling_interval"])
    averages = _averages(lined_up.observed, lined_up.mean, codes, len(labels), width)
    kept = averages.n_trials >= FEWEST
    kept &= np.isfinite(averages.noise).any(axis=(1, 2))
    if not kept.any():
        raise ModelError(f"psth_match: no {by} has {FEWEST} scored trials or more; score more trials.")
    averages = _Averages(*(array[kept] for array in averages))
    sums = _sums(averages)
    data: dict[str, Any] = {
        name: (DIMS, getattr(averages, name)) for name in ("observed", "predicted", "noise")
    }
    data["n_trials"] = ("condition", averages.n_trials)
    total = {name: part.sum(axis=0) for name, part in sums.items()}
    data["unit_r2"], data["unit_ceiling"] = ("unit", _r2(total, "unit")), ("unit", _ceiling(total, "unit"))
    data["ceiling"], data["floor"] = ((), _ceiling(total, "pooled")), ((), _floor(total, "pooled"))
    weights = uncertainty.resamples(len(averages.n_trials), n_bootstrap, key)
    for name, combine in (("r2", _r2), ("corrected_r2", _corrected)):
        drawn = uncertainty.draws(sums, combine, weights, "pooled")
        found = uncertainty.interval(combine(total, "pooled"), drawn, len(weights[0]), level)
        data[name] = ((), found.value)
        for part in ("standard_error", "lower", "upper"):
            data[f"{name}_{part}"] = ((), getattr(found, part))
    return xr.Dataset(
        data,
        coords={"condition": labels[kept], "time": target["time"].values, "unit": target["unit"].values},
        attrs={"by": by, "smoothing": float(smoothing), "level": level, "n_bootstrap": n_bootstrap},
    )


def _conditions(target: xr.Dataset, by: str) -> tuple[np.ndarray, np.ndarray]:
    """Condition of every trial, -1 where it has none, and the labels."""
    if not has_trials(target):
        raise NotApplicable("psth_match needs trials to average, the target has none; cut it into trials.")
    codes, labels, dim = group_codes(target, by, "psth_match")
    if dim != "trial":
        raise NotApplicable(f"psth_match needs {by!r} on trial, it lies on {dim}; label every trial.")
    return codes, labels


def _averages(
    counts: np.ndarray, mean: np.ndarray, codes: np.ndarray, n_conditions: int, width: float
) -> _Averages:
    """Averages over the observed trials of every condition, NaN where there are fewer than 2."""
    shape = (n_conditions, *counts.shape[1:])
    observed, predicted, noise = (np.full(shape, np.nan) for _ in range(3))
    n_trials = np.zeros(n_conditions, dtype=int)
    for condition in range(n_conditions):
        trials = codes == condition
        seen = np.isfinite(counts[trials])
        n_trials[condition] = int(seen.any(axis=(1, 2)).sum())
        number = seen.sum(axis=0)
        x, y = (_smoothed(np.where(seen, part[trials], 0.0), seen, width) for part in (counts, mean))
        usable = number >= FEWEST
        n = np.maximum(number, FEWEST)
        average = x.sum(axis=0) / n
        squares = np.where(seen, (x - average) ** 2, 0.0).sum(axis=0)
        observed[condition] = np.where(usable, average, np.nan)
        predicted[condition] = np.where(usable, y.sum(axis=0) / n, np.nan)
        noise[condition] = np.where(usable, squares / (n * (n - 1)), np.nan)
    return _Averages(observed, predicted, noise, n_trials)


def _smoothed(values: np.ndarray, seen: np.ndarray, width: float) -> np.ndarray:
    """Gaussian average over the observed bins of every trial, 0 where not observed; `width` in bins."""
    if width <= 0:
        return values
    furthest = int(np.ceil(TRUNCATE * width))
    total, weight = np.zeros_like(values), np.zeros_like(values)
    n_time = values.shape[1]
    for lag in range(-min(furthest, n_time - 1), min(furthest, n_time - 1) + 1):
        here, there = slice(max(lag, 0), n_time + min(lag, 0)), slice(max(-lag, 0), n_time - max(lag, 0))
        share = np.exp(-0.5 * (lag / width) ** 2)
        total[:, here] += share * values[:, there]
        weight[:, here] += share * seen[:, there]
    return np.where(seen, total / np.maximum(weight, np.finfo(float).tiny), 0.0)


def _sums(averages: _Averages) -> dict[str, np.ndarray]:
    """Sums over time by condition and unit, ``(condition, unit)``."""
    known = np.isfinite(averages.noise)
    x, noise = np.where(known, averages.observed, 0.0), np.where(known, averages.noise, 0.0)
    others = known.sum(axis=0) - known
    course = (x.sum(axis=0) - x) / np.maximum(others, 1)
    # Bins in which no other condition was observed take the other conditions' mean; without any there is no floor.
    elsewhere = ratio(x.sum(axis=(0, 1)) - x.sum(axis=1), others.sum(axis=1))
    course = np.where(others > 0, course, elsewhere[:, None])
    error = np.where(known, averages.observed - averages.predicted, 0.0)
    # A constant near the unit's mean keeps squares small; any gives the same value.
    x = np.where(known, x - x.sum(axis=(0, 1)) / np.maximum(known.sum(axis=(0, 1)), 1), 0.0)
    return {
        "entries": known.sum(axis=1).astype(float),
        "x": x.sum(axis=1),
        "xx": (x**2).sum(axis=1),
        "error": (error**2).sum(axis=1),
        "noise": noise.sum(axis=1),
        "course_error": np.square(np.where(known, averages.observed - course, 0.0)).sum(axis=1),
    }


def _spread(sums: Any, per: str) -> Any:
    """V: squares about each unit's mean."""
    return pool(sums["xx"] - ratio(sums["x"] ** 2, np.maximum(sums["entries"], 1.0)), per)


def _r2(sums: Any, per: str) -> Any:
    """1 - E / V."""
    return 1.0 - ratio(pool(sums["error"], per), _spread(sums, per))


def _ceiling(sums: Any, per: str) -> Any:
    """1 - N / V."""
    return 1.0 - ratio(pool(sums["noise"], per), _spread(sums, per))


def _floor(sums: Any, per: str) -> Any:
    """1 - (error of the other conditions' average) / V."""
    return 1.0 - ratio(pool(sums["course_error"], per), _spread(sums, per))


def _corrected(sums: Any, per: str) -> Any:
    """1 - (E - N) / (V - N), NaN where the averages are nothing but noise."""
    signal = _spread(sums, per) - pool(sums["noise"], per)
    return 1.0 - ratio(pool(sums["error"] - sums["noise"], per), np.where(signal > 0, signal, 0.0))
