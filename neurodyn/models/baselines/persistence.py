"""Tomorrow is like today: the last observed value of each unit."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.inference.ridge import shifted
from neurodyn.models.base import Model, Prediction
from neurodyn.models.baselines.common import (
    cast,
    entry_log_density,
    into_range,
    learn_floor,
    moments,
    prior_mean,
    replicate_variance,
    unit_kinds,
    unit_parameters,
    whole_number,
)
from neurodyn.models.verbs import HasLogLikelihood, exact_by_reach
from neurodyn.recording import arrays


@dataclasses.dataclass(frozen=True, kw_only=True)
class Persistence(Model):
    """Each unit keeps its last observed value.

    .. math:: x_{ti} \\mid x_{t-k,i} \\sim N(x_{t-k,i}, s_i(k))

    where k is the number of bins since the unit was last observed and :math:`s_i(k)` its mean squared
    change over k bins in training. Before the first observation of a trial the training mean is used. Mode
    ``all`` is answered from the past as well. Counts have a Poisson likelihood above a floor learnt in training.

    Parameters
    ----------
    max_lag : int
        Largest k whose mean squared change is learnt; longer gaps use that of `max_lag`.

    Raises
    ------
    ModelError
        If `max_lag` is out of range.

    Examples
    --------
    >>> from neurodyn import recording
    >>> from neurodyn.models.baselines import Persistence
    >>> ramp = recording.make([0.0, 1.0, 2.0, 3.0], sampling_interval=1.0)
    >>> Persistence().fit(ramp, key=0).predict(ramp, mode="past")["mean"].values[1:, 0].tolist()
    [0.0, 1.0, 2.0]
    """

    name = "persistence"
    kinds = frozenset({"continuous", "count"})

    max_lag: int = 50

    def __post_init__(self):
        whole_number(self.name, "max_lag", self.max_lag, 1)

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: one."""
        return 1

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """Mean squared change over 1, 2, ... bins."""
        del inputs, key, options
        kinds = unit_kinds(recording)
        values, mask = arrays(recording, np.float64)
        mean, variance = moments(values, mask)
        mean = prior_mean(values, mask, kinds)
        change = [variance]
        for lag in range(1, self.max_lag + 1):
            both = mask & shifted(mask, lag)
            square = np.where(both, np.square(values - shifted(values, lag)), 0.0).sum((0, 1))
            count = both.sum((0, 1))
            found = np.where(count > 0, square / np.maximum(count, 1), change[-1])
            change.append(np.maximum(found, 1e-6 * variance))
        last, _ = _last_observed(values, mask, mean, 1)
        variables = {
            "mean": ("unit", mean),
            "squared_change": (("lag", "unit"), np.stack(change)),
            "rate_floor": ("unit", learn_floor(last, values, mask, np.maximum(mean, 0))),
        }
        parameters = unit_parameters(recording, variables).assign_coords(lag=np.arange(self.max_lag + 1))
        return PersistenceFit(model=self, parameters=parameters)


def _last_observed(
    values: np.ndarray, mask: np.ndarray, mean: np.ndarray, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Last observed value at least `horizon` bins back and its age in bins; the mean and 0 where none is."""
    time = np.arange(values.shape[1])[None, :, None]
    latest = np.maximum.accumulate(np.where(mask, time, -1), axis=1)
    latest = shifted(latest + 1, horizon) - 1
    found = latest >= 0
    last = np.take_along_axis(values, np.maximum(latest, 0), axis=1)
    return np.where(found, last, mean), np.where(found, time - latest, 0)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PersistenceFit(HasLogLikelihood):
    """Fitted persistence; `parameters` has ``mean`` (unit) and ``squared_change`` (lag, unit)."""

    def _expected(self, recording: xr.Dataset, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of every entry."""
        values, mask = arrays(recording, np.float64)
        kinds = unit_kinds(recording)
        last, age = _last_observed(values, mask, self.parameters["mean"].values, horizon)
        change = self.parameters["squared_change"].values
        variance = np.take_along_axis(change[None], np.minimum(age, len(change) - 1), axis=1)
        mean = into_range(last, kinds, self.parameters["rate_floor"].values)
        return mean, replicate_variance(mean, variance, kinds)

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """A replicate of the present bin is predicted from the past alone."""
        del key, mode
        mean, variance = self._expected(recording, horizon)
        return Prediction(cast(recording, mean), cast(recording, variance))

    def _exact_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Exact wherever the bins reached back to were observed."""
        return exact_by_reach(arrays(recording).mask, 1)

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """One-step densities."""
        values, mask = arrays(recording, np.float64)
        return entry_log_density(values, mask, *self._expected(recording, 1), unit_kinds(recording)).sum(-1)


Persistence.fit_type = PersistenceFit
