"""Steps and a model, together a model with the same verbs."""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.inference.ridge import shifted
from neurodyn.models.base import Fit, Model, Prediction
from neurodyn.models.baselines.common import (
    TINY_RATE,
    cast,
    into_range,
    moments,
    unit_kinds,
    unit_parameters,
)
from neurodyn.models.pipeline.step import Step, StepFit
from neurodyn.models.verbs import HasAdapt, HasInfer, HasLogLikelihood, HasSimulate
from neurodyn.recording import arrays


@dataclasses.dataclass(frozen=True, kw_only=True, init=False)
class Pipeline(Model):
    """Preprocessing steps followed by a model: `Pipeline(Standardise(), PCA(10), HMM(n_states=8))`.

    Steps are learnt on the training recording only. `predict` maps back to the original units, in which it is
    scored. `log_likelihood` adds the Jacobian of invertible steps,

    .. math:: \\log p(x) = \\log p(y) + \\log |\\partial y / \\partial x|,

    and is marked ``space="reduced"`` after a step that discards or copies dimensions. A verb the final model
    lacks is absent; `adapt` is there too when a step has local parameters (`Standardise(by=...)`), and `simulate`
    only where every step can be undone (`Standardise()`).
    Counts become continuous in a step: their predictions are kept above 2 % of the unit's mean rate, and their
    likelihood is not applicable, because a density of counts is not the probability of a count.

    Parameters
    ----------
    *steps : Step and, last, Model
        In the order in which they are applied.
    parts : tuple, optional
        The same as one tuple, which is how a saved pipeline is made again.

    Raises
    ------
    ModelError
        If there is no step, or the last part is not a model.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models.baselines import ARRidge
    >>> from neurodyn.models.pipeline import PCA, Pipeline, Standardise
    >>> x = recording.make(np.random.default_rng(0).normal(size=(80, 4)) + 7, sampling_interval=1.0)
    >>> fit = Pipeline(Standardise(), PCA(2), ARRidge(order=1)).fit(x, key=0)
    >>> bool(abs(fit.predict(x, mode="past")["mean"].mean() - 7) < 0.5)
    True
    """

    name = "pipeline"
    kinds = frozenset({"continuous", "count"})

    parts: tuple[Any, ...] = ()

    def __init__(self, *steps: Any, parts: tuple[Any, ...] = ()):
        parts = tuple(steps) or tuple(parts)
        if len(parts) < 2 or not isinstance(parts[-1], Model):
            raise ModelError(
                "Pipeline needs one or more steps and, last, a model: Pipeline(Standardise(), HMM(...))."
            )
        for part in parts[:-1]:
            if not isinstance(part, Step):
                raise ModelError(
                    f"Pipeline got {type(part).__name__} before its end; every part but the last must be a step such "
                    "as Standardise() or PCA(10)."
                )
        object.__setattr__(self, "parts", parts)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The transformations, in order."""
        return self.parts[:-1]

    @property
    def final(self) -> Model:
        """The model behind the steps."""
        return self.parts[-1]

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs, those of the steps included."""
        reaches = [part.reach for part in self.parts]
        return -1 if -1 in reaches else sum(reaches)

    @property
    def fit_options(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Options of the final model's fit."""
        return self.final.fit_options

    @property
    def fit_type(self) -> type[Fit]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The fit with the verbs of the final model's."""
        final = self.final.fit_type
        verbs: list[type] = [
            verb for verb in (HasLogLikelihood, HasInfer, HasAdapt) if issubclass(final, verb)
        ]
        if HasAdapt not in verbs and any(step.local for step in self.steps):
            verbs.append(HasAdapt)
        if issubclass(final, HasSimulate) and all(step.invertible for step in self.steps):
            verbs.append(HasSimulate)
        options = getattr(final, "adapt_options", {})
        return fit_class(tuple(verbs), tuple(options.items()))

    def _fit(
        self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: jax.Array, options: dict[str, Any]
    ) -> Fit:
        """Learn step by step, then the model on what comes out."""
        mean, _ = moments(*arrays(recording, np.float64))
        floor = np.maximum(0.02 * np.abs(mean), TINY_RATE)
        parameters = unit_parameters(recording, {"rate_floor": ("unit", floor)})
        children: list[Any] = []
        for step in self.steps:
            learnt = step.fit(recording)
            recording = learnt.forward(recording)
            inputs = None if inputs is None else learnt.forward(inputs)
            children.append(learnt)
        final = self.final.fit(recording, key=key, inputs=inputs, **options)
        trace = dataclasses.replace(final.trace, warnings=())
        return self.fit_type(model=self, parameters=parameters, trace=trace, children=(*children, final))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PipelineFit(Fit):
    """Fitted steps and, last, the fitted model, as `children`."""

    model: Pipeline

    @property
    def steps(self) -> tuple[StepFit, ...]:
        """The learnt transformations, in order."""
        return self.children[:-1]  # pyright: ignore[reportReturnType]

    @property
    def final(self) -> Any:
        """The fit of the model behind the steps."""
        return self.children[-1]

    def _stages(self, recording: xr.Dataset) -> list[xr.Dataset]:
        """The recording before the first step, between steps, and after the last."""
        stages = [recording]
        for step in self.steps:
            stages.append(step.forward(stages[-1]))
        return stages

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """Predict what comes out of the steps, and map it back."""
        stages = self._stages(recording)
        leads = np.cumsum([0] + [step.model.lead for step in self.steps])
        asked, ahead = mode, horizon
        if leads[-1] and mode != "all":
            asked, ahead = "past", int(leads[-1]) + (horizon if mode == "past" else 0)
        found = self.final.predict(stages[-1], mode=asked, horizon=ahead, key=key)
        mean = _bare(found["mean"])
        variance = _bare(found["variance"]) if "variance" in found else None
        for step, stage, lead in reversed(list(zip(self.steps, stages[:-1], leads[:-1], strict=True))):
            back = mode if not lead or mode == "all" else "past"
            steps_back = (
                horizon if back == mode and not lead else int(lead) + (horizon if mode == "past" else 0)
            )
            mean, variance = step.inverse(mean, variance, stage, mode=back, horizon=max(steps_back, 1))
        mean = into_range(mean, unit_kinds(recording), self.parameters["rate_floor"].values)
        return Prediction(cast(recording, mean), None if variance is None else cast(recording, variance))


def _bare(predicted: xr.DataArray) -> np.ndarray:
    """Values ``(trial, time, unit)``."""
    values = predicted.values.astype(np.float64)
    return values if "trial" in predicted.dims else values[None]


class _LogLikelihoodHooks:
    """Hooks of `HasLogLikelihood` for a pipeline."""

    def _log_likelihood_terms(self: Any, recording: xr.Dataset) -> np.ndarray:
        """Terms of the final model, at the bin when all they hold is known, with the Jacobians of the steps."""
        if (unit_kinds(recording) == "count").any():
            raise NotApplicable(
                "the steps of this pipeline make counts continuous, and a density of counts is not comparable with the "
                "probability of a count; compare its predictions instead."
            )
        stages = self._stages(recording)
        terms = self.final._log_likelihood_terms(stages[-1])
        for step, stage in reversed(list(zip(self.steps, stages[:-1], strict=True))):
            known = shifted(terms[..., None], step.model.lead)[..., 0]
            terms = known + step.log_jacobian(stage)
        return terms

    def _exact_terms(self: Any, recording: xr.Dataset) -> np.ndarray:
        """Terms of the final model that are exact, unless a step makes the whole an estimate."""
        stages = self._stages(recording)
        exact = self.final._exact_terms(stages[-1])
        for step, stage in zip(self.steps, stages[:-1], strict=True):
            known = step.likelihood_attrs(stage, {"kind": "exact", "space": "data"})["kind"] == "exact"
            exact = exact & (known and step.model.lead == 0)
        return exact

    def _likelihood_attrs(self: Any, recording: xr.Dataset) -> dict[str, str]:
        """Kind and space of the final model's likelihood, as changed by the steps."""
        stages = self._stages(recording)
        attrs = self.final._likelihood_attrs(stages[-1])
        for step, stage in reversed(list(zip(self.steps, stages[:-1], strict=True))):
            attrs = step.likelihood_attrs(stage, attrs)
        return attrs


class _InferHooks:
    """Hooks of `HasInfer` for a pipeline."""

    def _infer(self: Any, recording: xr.Dataset) -> xr.Dataset:
        """Posterior of the final model's latents."""
        return self.final.infer(self._stages(recording)[-1])


class _AdaptHooks:
    """Hooks of `HasAdapt` for a pipeline."""

    def _adapt(self: Any, recording: xr.Dataset, *, key: Any, options: dict[str, Any]) -> Fit:
        """Adapt each step with local parameters, then the model if it has any."""
        children: list[Any] = []
        for step in self.steps:
            children.append(step.adapt(recording))
            recording = children[-1].forward(recording)
        final = self.final
        if isinstance(final, HasAdapt):
            final = final.adapt(recording, key=key, **options)
        return dataclasses.replace(self, children=(*children, final))


class _SimulateHooks:
    """Hooks of `HasSimulate` for a pipeline."""

    def _simulate(self: Any, n_time: int, n_trials: int, key: Any, options: dict[str, Any]) -> xr.Dataset:
        """Draw from the final model and map it back."""
        if (self.parameters["kind"].values.astype(str) == "count").any():
            raise NotApplicable(
                "the steps of this pipeline make counts continuous, so that it cannot draw counts; simulate from the "
                "model without them."
            )
        drawn = self.final.simulate(n_time, key=key, n_trials=n_trials, **options)
        values = drawn["activity"].transpose("trial", "time", "unit").values.astype(np.float64)
        for step in reversed(self.steps):
            values, _ = step.inverse(values, None, drawn, mode="all", horizon=1)
        activity = drawn["activity"].copy(data=values.astype(drawn["activity"].dtype))
        return drawn.assign(activity=activity)


_HOOKS = {
    HasLogLikelihood: _LogLikelihoodHooks,
    HasInfer: _InferHooks,
    HasAdapt: _AdaptHooks,
    HasSimulate: _SimulateHooks,
}


@functools.cache
def fit_class(verbs: tuple[type, ...], adapt_options: tuple[tuple[str, Any], ...] = ()) -> type[Fit]:
    """The pipeline's fit class with just these optional verbs.

    Parameters
    ----------
    verbs : tuple of type
        Among `HasLogLikelihood`, `HasInfer`, `HasAdapt` and `HasSimulate`.
    adapt_options : tuple of (str, value)
        Options of the final model's `adapt`.

    Returns
    -------
    type of Fit
        The same class for the same verbs.
    """
    bases = (*(_HOOKS[verb] for verb in verbs), PipelineFit, *verbs)
    namespace = {"__doc__": PipelineFit.__doc__, "__module__": __name__}
    if HasAdapt in verbs:
        namespace["adapt_options"] = dict(adapt_options)
    made: Any = type("PipelineFit", bases, namespace)
    return dataclasses.dataclass(frozen=True, kw_only=True, eq=False)(made)
