"""Regressions of every unit on the smoothed activity of the population, and on the time within a trial."""

import abc
import dataclasses
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from neurodyn.errors import RecordingError
from neurodyn.inference.population.learning import Regressions, learn
from neurodyn.inference.population.smoothing import time_functions
from neurodyn.inference.population.views import BOTH, PRESENT, Inputs, Targets, predictor
from neurodyn.models.base import Model, Prediction, Trace
from neurodyn.models.baselines.common import (
    cast,
    entry_log_density,
    into_range,
    learn_floor,
    moments,
    positive_number,
    prior_mean,
    replicate_variance,
    unit_kinds,
    unit_parameters,
    whole_number,
)
from neurodyn.models.verbs import HasLogLikelihood
from neurodyn.recording import arrays

WIDTHS = (1.0, 2.0, 4.0, 8.0, 16.0)  # bins
STRENGTHS = (10.0, 100.0, 1000.0, 10000.0)
LOWEST = 0.02  # of a unit's mean: the least rate of the log link
VIEWS = {"all": BOTH, "present": PRESENT, "past": "past"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PopulationRegression(Model, abc.ABC):
    """Hyperparameters and fit of the smoothed regressions; see `SmoothedPoisson`.

    Parameters
    ----------
    width : float, optional
        Standard deviation of the Gaussian kernels in seconds (in the units of the recording's `time`); None chooses
        one between 1 and 16 bins for every unit.
    strength : float, optional
        Precision of the prior on the weights of standardised regressors; None chooses one between 10 and 10,000 for
        every unit. Functions of time have a thirtieth of it.
    time_basis : int, optional
        Number of splines of the time within a trial; None: no such regressors.
    max_horizon : int
        Bins ahead up to which the past has weights of its own.
    """

    link: ClassVar[str]

    width: float | None = None
    strength: float | None = None
    time_basis: int | None = None
    max_horizon: int = 10

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        for name in ("width", "strength"):
            if getattr(self, name) is not None:
                positive_number(self.name, name, getattr(self, name))
        if self.time_basis is not None:
            whole_number(self.name, "time_basis", self.time_basis, 2)
        whole_number(self.name, "max_horizon", self.max_horizon, 1)
        self._check()

    @abc.abstractmethod
    def _check(self) -> None:
        """Check what only this model asks of its hyperparameters."""

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: unbounded, as the width is learnt."""
        return -1

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """Choose widths and strengths on held-out trials, then fit every view to all of them."""
        del key, options
        kinds = unit_kinds(recording)
        counting = bool((kinds == "count").all())
        dtype = recording["activity"].dtype if counting else np.float64
        values, mask = arrays(recording, dtype)
        fed, shown = (values, mask) if inputs is None else arrays(inputs, dtype)
        seen, bins = mask.any((1, 2)), 1 + int(np.flatnonzero(mask.any((0, 2))).max(initial=0))
        if self.time_basis is not None and seen.sum() < 2:
            raise RecordingError(
                f"{self.name} with a time basis needs 2 trials or more with observed entries, but there is "
                f"{int(seen.sum())}; cut the recording into trials with neurodyn.recording.cut_trials, or use "
                f"{self.name.removesuffix('_time')} without time_basis."
            )
        values, mask, fed, shown = (array[seen, :bins] for array in (values, mask, fed, shown))
        level, variance = moments(values, mask)
        mean = prior_mean(values, mask, kinds)
        visible = np.asarray(shown.any((0, 1)))
        regressor = np.where(visible, np.cumsum(visible) - 1, -1)
        given = fed[..., visible], shown[..., visible]
        functions = np.zeros((bins, 0)) if self.time_basis is None else time_functions(bins, self.time_basis)
        bare = Inputs(*given, moments(*given)[0].astype(dtype), regressor, functions)
        spread = np.sqrt(variance) if self.link == "identity" else np.ones(len(mean))
        centre = level if self.link == "identity" else np.zeros(len(mean))
        step = float(recording.attrs["sampling_interval"])
        found = learn(
            bare,
            Targets(np.where(mask, (values - centre) / spread, 0).astype(dtype), mask),
            self.link,
            tuple(one for one in WIDTHS if one <= max(bins / 4, 1))
            if self.width is None
            else (self.width / step,),
            STRENGTHS if self.strength is None else (float(self.strength),),
            min(max(self.max_horizon, _hidden_tail(mask, shown)), max(bins - 1, 1)),
        )
        for weights in found.weights.values():
            weights *= spread
            weights[-1] += centre
        parameters = self._parameters(recording, found, visible, functions, step)
        parameters = parameters.assign(regressor_mean=("regressor", bare.mean.astype(np.float64)))
        predicted = predictor(bare, found.weights, found.width["past"], "past")
        square = np.where(mask, np.square(values - predicted), 0.0).sum((0, 1)) / np.maximum(
            mask.sum((0, 1)), 1
        )
        floor = np.maximum(LOWEST * mean, 1e-6)
        if self.link == "identity":
            floor = learn_floor(predicted, values, mask, np.maximum(mean, 0))
        parameters = parameters.assign(
            rate_floor=("unit", floor),
            ceiling=("unit", np.where(mask, values, 0).max((0, 1)).astype(np.float64) + 1.0),
            error=("unit", np.maximum(np.where(mask.any((0, 1)), square, variance), 1e-6 * variance)),
        )
        trace = Trace(
            objective=found.objective,
            converged=found.converged,
            reason="every unit's Newton steps ended" if found.converged else "reached the most Newton steps",
        )
        return PopulationRegressionFit(model=self, parameters=parameters, trace=trace)

    def _parameters(
        self,
        recording: xr.Dataset,
        found: Regressions,
        visible: np.ndarray,
        functions: np.ndarray,
        step: float,
    ) -> xr.Dataset:
        """Labelled weights and choices."""
        n_regressors = int(visible.sum())
        weights = np.stack(list(found.weights.values())).transpose(0, 2, 1)
        variables: dict[str, Any] = {
            "weight": (("view", "unit", "regressor"), weights[..., :n_regressors]),
            "time_weight": (("view", "unit", "function"), weights[..., n_regressors:-1]),
            "bias": (("view", "unit"), weights[..., -1]),
            "width": (("side", "unit"), step * np.stack(list(found.width.values()))),
            "strength": (("side", "unit"), np.stack(list(found.strength.values()))),
            "time_function": (("bin", "function"), functions),
        }
        return unit_parameters(recording, variables).assign_coords(
            view=list(found.weights), side=list(found.width), regressor=recording["unit"].values[visible]
        )


def _hidden_tail(mask: np.ndarray, shown: np.ndarray) -> int:
    """Most bins that `inputs` hides at the end of a trial, of those observed."""
    time = np.arange(1, mask.shape[1] + 1)
    last, known = (np.where(array.any(-1), time, 0).max(1, initial=0) for array in (mask, shown))
    return int((last - known)[known > 0].max(initial=0))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PopulationRegressionFit(HasLogLikelihood):
    """Fitted regressions of every unit on the population.

    ``parameters`` has ``weight`` (view, unit, regressor: on smoothed activity as a deviation from
    ``regressor_mean``), ``time_weight`` (view, unit, function) on ``time_function`` (bin, function), ``bias`` (view,
    unit), and what was chosen: ``width`` in seconds and ``strength`` (side, unit). Views are ``both`` (mode ``all``),
    ``present``, ``past k`` (k bins ahead) and ``nothing`` (no activity known). Regressors are the units that
    `inputs` showed in training.
    """

    def _expected(self, recording: xr.Dataset, mode: str, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of every entry."""
        learnt = self.parameters
        kinds = unit_kinds(recording)
        visible = np.isin(self.units, learnt["regressor"].values)
        values, shown = arrays(recording, np.float64)
        inputs = Inputs(
            values[..., visible],
            shown[..., visible],
            learnt["regressor_mean"].values,
            np.where(visible, np.cumsum(visible) - 1, -1),
            learnt["time_function"].values,
        )
        stacked = [learnt["weight"], learnt["time_weight"], learnt["bias"].expand_dims(one=1, axis=2)]
        together = np.concatenate([part.values for part in stacked], axis=2).transpose(0, 2, 1)
        weights = dict(zip(learnt["view"].values.astype(str).tolist(), together, strict=True))
        width = learnt["width"].sel(side="both" if mode == "all" else "past").values
        width = width / float(recording.attrs["sampling_interval"])
        found = predictor(inputs, weights, width, VIEWS[mode], horizon)
        floor = learnt["rate_floor"].values
        if self.model.link == "log":  # type: ignore[attr-defined]
            ceiling = learnt["ceiling"].values
            found = np.clip(np.exp(np.minimum(found, np.log(ceiling))), np.minimum(floor, ceiling), ceiling)
        else:
            found = into_range(found, kinds, floor)
        error = np.broadcast_to(learnt["error"].values, found.shape)
        return found, replicate_variance(found, error, kinds)

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """From the view of the mode."""
        del key
        mean, variance = self._expected(recording, mode, horizon)
        return Prediction(cast(recording, mean), cast(recording, variance))

    def _exact_terms(self, recording: xr.Dataset) -> np.ndarray:
        """Exact where no regressor was missing before."""
        mask = arrays(recording).mask
        visible = np.isin(self.units, self.parameters["regressor"].values)
        whole = np.logical_and.accumulate(mask[..., visible].all(-1), axis=1)
        before = np.concatenate([np.ones((len(whole), 1), bool), whole[:, :-1]], axis=1)
        return before | ~mask.any(-1)

    def _log_likelihood_terms(self, recording: xr.Dataset) -> np.ndarray:
        """One-step densities given the past."""
        values, mask = arrays(recording, np.float64)
        expected = self._expected(recording, "past", 1)
        return entry_log_density(values, mask, *expected, unit_kinds(recording)).sum(-1)
