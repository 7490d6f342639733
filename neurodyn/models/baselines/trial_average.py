"""The peri-stimulus time histogram: what a unit does on average at this moment of a trial."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from neurodyn.errors import ModelError, RecordingError
from neurodyn.inference.ridge import contiguous_folds
from neurodyn.models.base import Model, Prediction, Trace
from neurodyn.models.baselines.common import (
    cast,
    entry_log_density,
    into_range,
    moments,
    prior_mean,
    replicate_variance,
    unit_kinds,
    unit_parameters,
)
from neurodyn.models.verbs import HasLogLikelihood
from neurodyn.recording import arrays

BINS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
PRIOR_TRIALS = (0.1, 1.0, 10.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialAverage(Model):
    """Smoothed average over trials (PSTH), drawn to the unit's mean where trials are few.

    .. math:: \\hat x_{ti} = \\frac{\\sum_s w(s - t) \\left(\\sum_n x_{nsi} + c \\mu_i\\right)}
        {\\sum_s w(s - t) \\left(N_{si} + c\\right)}

    over bins s observed in some trial, with a Gaussian kernel w over bins and c trials at the unit's mean; both are
    chosen on held-out trials of the training recording. Every mode gives the same prediction: the time since the
    start of the trial is all it knows, bin by bin in the order of the recording. Bins beyond the training trials
    have the unit's mean.

    Parameters
    ----------
    width : float, optional
        Standard deviation of the kernel in seconds; None chooses between 0 and 64 bins.

    Raises
    ------
    ModelError
        If the width is negative.
    RecordingError
        By `fit`, if there are not two trials with an observed entry.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.baselines import TrialAverage
    >>> rate = 5 + 4 * np.sin(np.arange(50) / 8)
    >>> spikes = recording.make(np.random.default_rng(0).poisson(rate, (40, 50))[..., None],
    ...                         sampling_interval=0.1, kind="count")
    >>> psth = TrialAverage().fit(spikes, key=0).predict(spikes)["mean"][0, :, 0]
    >>> bool(np.corrcoef(psth, rate)[0, 1] > 0.95)
    True
    """

    name = "trial_average"
    kinds = frozenset({"continuous", "count", "binary"})

    width: float | None = None

    def __post_init__(self):
        wrong = isinstance(self.width, bool) or not isinstance(self.width, (int, float, type(None)))
        if wrong or (self.width is not None and not 0 <= self.width < np.inf):
            raise ModelError(
                f"{self.name}: width is {self.width!r}; it must be a number of seconds from 0, or None."
            )

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: none."""
        return 0

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """Average, with the smoothing chosen on held-out trials."""
        del inputs, key, options
        kinds = unit_kinds(recording)
        values, mask = arrays(recording, np.float64)
        seen = mask.any((1, 2))
        if "trial" not in recording["activity"].dims or seen.sum() < 2:
            raise RecordingError(
                f"trial_average needs 2 trials or more with observed entries, but there is {int(seen.sum())}; cut the "
                "recording into trials with neurodyn.recording.cut_trials, or use smoothed_rate."
            )
        values, mask = values[seen], mask[seen]
        _, variance = moments(values, mask)
        mean = prior_mean(values, mask, kinds)
        step = float(recording.attrs["sampling_interval"])
        widths = [b for b in BINS if b <= mask.shape[1] / 4] if self.width is None else [self.width / step]
        width, prior, error = _choose(values, mask, mean, variance, kinds, widths)
        average = _average(values, mask, mean, width, prior)
        variables = {
            "mean": ("unit", mean),
            "psth": (("time", "unit"), average),
            "error": ("unit", error),
            "width": width * step,
            "prior_trials": prior,
        }
        parameters = unit_parameters(recording, variables)
        reason = f"closed form, width {width * step:.3g} s"
        return TrialAverageFit(model=self, parameters=parameters, trace=Trace(reason=reason))


def _average(
    values: np.ndarray, mask: np.ndarray, mean: np.ndarray, width: float, prior: float
) -> np.ndarray:
    """Smoothed average over trials, ``(time, unit)``."""
    total = np.where(mask, values - mean, 0.0).sum(0)
    count = mask.sum(0)
    weight = count + prior * (count > 0)
    if width > 0:
        total, weight = (
            gaussian_filter1d(a, width, axis=0, mode="constant") for a in (total, weight.astype(float))
        )
    return mean + total / np.maximum(weight, 1e-9)


def _choose(values, mask, mean, variance, kinds, widths) -> tuple[float, float, np.ndarray]:
    """Width (bins), prior trials and squared error with the best density of held-out trials."""
    folds = contiguous_folds(len(values), min(5, len(values)))
    best, choice = -np.inf, (widths[0], PRIOR_TRIALS[-1], variance)
    for width in widths:
        for prior in PRIOR_TRIALS:
            found = np.zeros(values.shape)
            for fold in np.unique(folds):
                found[folds == fold] = _average(
                    values[folds != fold], mask[folds != fold], mean, width, prior
                )
            found = into_range(found, kinds, np.maximum(0.02 * np.abs(mean), 1e-6))
            count = mask.sum((0, 1))
            square = np.where(mask, np.square(values - found), 0.0).sum((0, 1))
            error = np.maximum(np.where(count > 0, square / np.maximum(count, 1), variance), 1e-6 * variance)
            score = float(entry_log_density(values, mask, found, error, kinds).sum())
            if score > best:
                best, choice = score, (width, prior, error)
    return choice


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrialAverageFit(HasLogLikelihood):
    """Fitted average; `parameters` has ``psth`` (time, unit), ``mean`` and ``error`` (unit)."""

    def _expected(self, recording: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of every entry."""
        shape = arrays(recording).values.shape
        kinds = unit_kinds(recording)
        mean, psth = self.parameters["mean"].values, self.parameters["psth"].values
        course = np.broadcast_to(mean, shape[1:]).copy()
        known = min(shape[1], len(psth))
        course[:known] = psth[:known]
        found = into_range(np.broadcast_to(course, shape), kinds, np.maximum(0.02 * np.abs(mean), 1e-6))
        error = np.broadcast_to(self.parameters["error"].values, shape)
        return found, replicate_variance(found, error, kinds)

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """The same for every mode."""
        del mode, horizon, key
        mean, variance = self._expected(recording)
        return Prediction(cast(recording, mean), cast(recording, variance))

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Independent entries."""
        values, mask = arrays(recording, np.float64)
        return entry_log_density(values, mask, *self._expected(recording), unit_kinds(recording)).sum(-1)


TrialAverage.fit_type = TrialAverageFit
