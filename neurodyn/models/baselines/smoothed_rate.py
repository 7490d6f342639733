"""Kernel smoothing of each unit's own activity."""

import dataclasses
import zlib
from typing import Any

import numpy as np
import xarray as xr
from scipy.signal import oaconvolve

from neurodyn.errors import ModelError
from neurodyn.inference.random import key_words
from neurodyn.models.base import Model, Prediction, Trace
from neurodyn.models.baselines.common import (
    cast,
    entry_log_density,
    into_range,
    moments,
    past_is_complete,
    prior_mean,
    replicate_variance,
    unit_kinds,
    unit_parameters,
)
from neurodyn.models.verbs import HasLogLikelihood
from neurodyn.recording import arrays

BINS = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 89.0, 144.0)
PRIOR_WEIGHTS = (0.003, 0.03, 0.3, 3.0)
TRUNCATE = 4.0
HOLE = 5
HOLE_FRACTION = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class SmoothedRate(Model):
    """Gaussian-weighted average of a unit's own neighbouring bins, drawn to its mean where they are few.

    .. math:: \\hat x_{ti} = \\frac{\\sum_{s \\ne t} w(s - t)\\, x_{si} + c\\, \\mu_i}{\\sum_{s \\ne t} w(s - t) + c},
        \\qquad w(u) = e^{-u^2 / 2\\sigma^2}

    over observed entries of the same trial; the entry itself never enters its own prediction. Mode ``all``
    sums over both sides, ``past`` and ``present`` over earlier bins only, each with its own width and prior
    weight c: those of the past minimise the one-step error in training, those of both sides the error on held-out
    blocks of training entries of 5 bins (`key` places them).

    Parameters
    ----------
    width : float, optional
        Standard deviation of both kernels in seconds (in the units of the recording's `time`); None chooses
        each between half a bin and 144 bins.

    Raises
    ------
    ModelError
        If the width is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.baselines import SmoothedRate
    >>> rate = 5 + 4 * np.sin(np.arange(400) / 30)
    >>> spikes = recording.make(np.random.default_rng(0).poisson(rate), sampling_interval=0.1, kind="count")
    >>> fit = SmoothedRate().fit(spikes, key=0)
    >>> bool(np.corrcoef(fit.predict(spikes)["mean"][:, 0], rate)[0, 1] > 0.9)
    True
    """

    name = "smoothed_rate"
    kinds = frozenset({"continuous", "count", "binary"})

    width: float | None = None

    def __post_init__(self):
        wrong = isinstance(self.width, bool) or not isinstance(self.width, (int, float, type(None)))
        if wrong or (self.width is not None and not 0 < self.width < np.inf):
            raise ModelError(
                f"{self.name}: width is {self.width!r}; it must be a number of seconds above 0, or None."
            )

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: unbounded, as the width is learnt."""
        return -1

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """Choose the width and the prior weight of each side on training data."""
        del inputs, options
        kinds = unit_kinds(recording)
        values, mask = arrays(recording, np.float64)
        _, variance = moments(values, mask)
        mean = prior_mean(values, mask, kinds)
        step = float(recording.attrs["sampling_interval"])
        widths = (
            tuple(b for b in BINS if b <= max(mask.shape[1] / 4, 1))
            if self.width is None
            else (self.width / step,)
        )
        hidden = mask & _holes(mask, recording["unit"].values.tolist(), key)
        past = _choose(values, mask, mask, mean, variance, kinds, widths, causal=True)
        both = _choose(values, mask & ~hidden, hidden, mean, variance, kinds, widths, causal=False)
        variables: dict[str, Any] = {
            "mean": ("unit", mean),
            "floor": ("unit", np.maximum(0.02 * np.abs(mean), 1e-6)),
        }
        for name, (found, error) in {"past": past, "both": both}.items():
            variables[f"{name}_width"] = found[0] * step
            variables[f"{name}_prior_weight"] = found[1]
            variables[f"{name}_error"] = ("unit", error)
        reason = f"closed form, width {past[0][0] * step:.3g} s into the past, {both[0][0] * step:.3g} s to both sides"
        parameters = unit_parameters(recording, variables)
        return SmoothedRateFit(model=self, parameters=parameters, trace=Trace(reason=reason))


def _holes(mask: np.ndarray, labels: list[Any], key: Any) -> np.ndarray:
    """Random short blocks of entries, drawn by unit label for observed bins only: padding and order do not matter."""
    seen = mask.any(-1)
    n_rows = int(seen.sum())
    words = key_words(key)
    holes = np.zeros(mask.shape, dtype=bool)
    for unit, label in enumerate(labels):
        rng = np.random.default_rng([*words, zlib.crc32(str(label).encode())])
        draw = rng.uniform(size=n_rows // HOLE + 1) < HOLE_FRACTION
        holes[seen, unit] = np.repeat(draw, HOLE)[:n_rows]
    return holes


def _smooth(
    values: np.ndarray,
    mask: np.ndarray,
    mean: np.ndarray,
    width: float,
    prior: float,
    causal: bool,
    horizon: int,
) -> np.ndarray:
    """Weighted average of each entry's neighbours, never of itself; `width` in bins."""
    furthest = max(int(np.ceil(TRUNCATE * width)), 1)
    lags = np.arange(-furthest, furthest + 1)
    kernel = np.exp(-0.5 * np.square(lags / width))
    kernel[lags == 0] = 0.0
    kernel[np.abs(lags) == 1] = np.maximum(kernel[np.abs(lags) == 1], 1e-3)
    if causal:
        kernel[lags < horizon] = 0.0
    if not kernel.any():
        return np.broadcast_to(mean, values.shape).copy()
    shape = (1, len(kernel), 1)
    total = oaconvolve(np.where(mask, values - mean, 0.0), kernel.reshape(shape), mode="full", axes=1)
    weight = oaconvolve(mask.astype(float), kernel.reshape(shape), mode="full", axes=1)
    middle = slice(furthest, furthest + values.shape[1])
    return mean + total[:, middle] / (np.maximum(weight[:, middle], 0.0) + prior)


def _choose(
    values: np.ndarray,
    given: np.ndarray,
    scored: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    kinds: np.ndarray,
    widths: tuple[float, ...],
    causal: bool,
) -> tuple[tuple[float, float], np.ndarray]:
    """Width (bins) and prior weight of the best density of the scored entries, and their squared error."""
    best, choice = -np.inf, (widths[0], PRIOR_WEIGHTS[-1])
    for width in widths:
        for prior in PRIOR_WEIGHTS:
            score = _score(values, given, scored, mean, variance, kinds, width, prior, causal)[0]
            if score > best:
                best, choice = score, (width, prior)
    return choice, _score(values, given, scored, mean, variance, kinds, *choice, causal)[1]


def _score(values, given, scored, mean, variance, kinds, width, prior, causal) -> tuple[float, np.ndarray]:
    """Log-density of the scored entries, and their mean squared error by unit."""
    found = _smooth(values, given, mean, width, prior, causal, 1)
    found = into_range(found, kinds, np.maximum(0.02 * np.abs(mean), 1e-6))
    square = np.where(scored, np.square(values - found), 0.0).sum((0, 1))
    count = scored.sum((0, 1))
    error = np.where(count > 0, square / np.maximum(count, 1), variance)
    error = np.maximum(error, 1e-6 * variance)
    return float(entry_log_density(values, scored, found, error, kinds).sum()), error


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SmoothedRateFit(HasLogLikelihood):
    """Fitted widths (seconds), prior weights and errors, for the past alone and for both sides."""

    def _expected(self, recording: xr.Dataset, side: str, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of every entry."""
        values, mask = arrays(recording, np.float64)
        kinds = unit_kinds(recording)
        width = float(self.parameters[f"{side}_width"]) / float(recording.attrs["sampling_interval"])
        prior = float(self.parameters[f"{side}_prior_weight"])
        found = _smooth(values, mask, self.parameters["mean"].values, width, prior, side == "past", horizon)
        found = into_range(found, kinds, self.parameters["floor"].values)
        error = np.broadcast_to(self.parameters[f"{side}_error"].values, found.shape)
        return found, replicate_variance(found, error, kinds)

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """From both sides in mode ``all``, from earlier bins otherwise."""
        del key
        mean, variance = self._expected(recording, "both" if mode == "all" else "past", horizon)
        return Prediction(cast(recording, mean), cast(recording, variance))

    def _exact_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Exact when nothing is missing before an observed entry."""
        mask = arrays(recording).mask
        return np.full(mask.shape[:2], past_is_complete(mask))

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """One-step densities given the past."""
        values, mask = arrays(recording, np.float64)
        return entry_log_density(
            values, mask, *self._expected(recording, "past", 1), unit_kinds(recording)
        ).sum(-1)


SmoothedRate.fit_type = SmoothedRateFit
