"""Simulated participants: inputs a network predicts, responses to given inputs, agents in an environment."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.inference.predictive_coding.responses import CategoryOfInputs
from neurodyn.inference.predictive_coding.sampling import in_environment, inputs_of_all, responses_of_all
from neurodyn.inference.predictive_coding.tasks import Behaviour
from neurodyn.models.predictive_coding import learning
from neurodyn.models.predictive_coding.layout import told_of
from neurodyn.models.predictive_coding.plans import Plan
from neurodyn.recording import make

if TYPE_CHECKING:
    from neurodyn.models.predictive_coding.fit import PredictiveCodingFit

OPTIONS = ("inputs", "environment", "participants")


def simulated(
    fit: "PredictiveCodingFit", n_time: int, n_trials: int, key: jax.Array, options: dict[str, Any]
) -> xr.Dataset:
    """Draw a recording; see `PredictiveCodingFit._simulate`."""
    strange = sorted(set(options) - set(OPTIONS))
    if strange:
        raise ModelError(f"simulate got the unknown option {strange[0]!r}; it takes {', '.join(OPTIONS)}.")
    shown, environment = options.get("inputs"), options.get("environment")
    model, plan = fit.model, fit.model.plan()
    if model.response is None and (shown is not None or environment is not None):
        raise ModelError(
            "this network has no response, so simulate draws its inputs; drop inputs= and environment=."
        )
    if model.response is not None and (shown is None) == (environment is None):
        raise ModelError(
            "simulate needs either inputs=, a recording whose covariates are shown, or environment=, a callable that "
            "answers to responses."
        )
    labels = chosen(fit, n_trials, options.get("participants"))
    free = fit.parameters["individual"].sel(participant=labels).values
    if shown is not None:
        return _to_inputs(fit, plan, free, labels, shown, n_time, key)
    blank = _blank(plan, n_trials, n_time, len(model.inputs))
    if environment is not None:
        return _in_environment(fit, plan, free, labels, blank, environment, key)
    return _inputs(fit, plan, free, labels, blank, key)


def chosen(fit: "PredictiveCodingFit", n_trials: int, wanted: Any) -> list[str]:
    """Participants whose parameters the trials have."""
    known = [str(label) for label in fit.parameters["participant"].values]
    if wanted is None:
        return [known[trial % len(known)] for trial in range(n_trials)]
    labels = [str(label) for label in wanted]
    if len(labels) != n_trials:
        raise ModelError(
            f"simulate got {len(labels)} participants for {n_trials} trials; name one for every trial."
        )
    for label in labels:
        if label not in known:
            raise ModelError(
                f"the participant {label!r} was not fitted; known are {', '.join(known[:5])}, ..."
            )
    return labels


def _blank(plan: Plan, n_people: int, n_time: int, n_leaves: int) -> Behaviour:
    """Trials of which nothing is known yet."""
    dtype = jnp.zeros(0).dtype
    del plan
    leaves: tuple[Any, ...] = (
        np.zeros((n_people, n_time, n_leaves), dtype),
        np.zeros((n_people, n_time, n_leaves), bool),
        np.ones((n_people, n_time), dtype),
        np.zeros((n_people, n_time), dtype),
        np.zeros((n_people, n_time), bool),
        np.full((n_people, n_time), -1, dtype),
        np.zeros((n_people, n_time, 0), dtype),
    )
    return Behaviour(*leaves)


def _data(plan: Plan, behaviour: Behaviour, free: np.ndarray) -> tuple[jax.Array, tuple]:
    """What the compiled functions take."""
    data = learning.prepared(plan, behaviour, plan.mean, plan.deviation)[:3]
    return jnp.asarray(free, data[0].inputs.dtype), data


def _finished(
    fit: "PredictiveCodingFit",
    plan: Plan,
    free: np.ndarray,
    labels: list[str],
    behaviour: Behaviour,
    values: np.ndarray,
    covariates: Any,
) -> xr.Dataset:
    """A recording with the predictions of all nodes beside it."""
    parameters = fit.parameters
    kind = parameters["kind"].values if "kind" in parameters.coords else "binary"
    recording = make(
        values,
        kind=kind,
        unit=fit.units,
        trial=[f"simulated {number}" for number in range(len(labels))],
        trial_coords={"participant": labels},
        covariates=covariates,
        modality="behaviour",
        time_unit="trial",
        source="simulated by neurodyn.models.PredictiveCodingFit.simulate",
    )
    _, found = learning.everyones_beliefs(plan, behaviour, free)
    n_time = values.shape[1]
    names = list(plan.task.structure.names)
    recording = recording.assign_coords(node=names)
    recording["expected_mean"] = (("trial", "time", "node"), np.asarray(found.expected.mean)[:, :n_time])
    return recording


def _to_inputs(
    fit: "PredictiveCodingFit",
    plan: Plan,
    free: np.ndarray,
    labels: list[str],
    shown: xr.Dataset,
    n_time: int,
    key: jax.Array,
) -> xr.Dataset:
    """Responses to the covariates of a recording."""
    if not isinstance(shown, xr.Dataset) or "covariates" not in shown:
        raise ModelError(
            "simulate: inputs= must be a recording with covariates; make one with recording.make(...)."
        )
    if shown.sizes["time"] < n_time:
        raise ModelError(
            f"simulate: the recording of inputs has {shown.sizes['time']} trials in time, but {n_time} were asked for."
        )
    shown = shown.isel(time=slice(0, n_time))
    covariates = shown["covariates"]
    if "trial" in covariates.dims:
        if covariates.sizes["trial"] not in (1, len(labels)):
            raise ModelError(
                f"simulate: the recording of inputs has {covariates.sizes['trial']} participants, not {len(labels)} as "
                "asked for; give as many, or inputs without a trial dimension."
            )
        places = np.arange(len(labels)) % covariates.sizes["trial"]
        covariates = covariates.isel(trial=places)
    covariates = _as_mapping(covariates)
    empty = np.zeros((len(labels), n_time, 1))
    response = fit.model.response
    carrier = make(
        empty, kind=fit.parameters["kind"].values, unit=fit.units, covariates=covariates, time_unit="trial"
    )
    behaviour = told_of(fit.model.inputs, carrier, response, fit.model.name).behaviour
    behaviour = behaviour._replace(previous=np.full(empty.shape[:2], -1, behaviour.inputs.dtype))  # type: ignore[arg-type]
    values, data = _data(plan, behaviour, free)
    drawn = np.asarray(responses_of_all(plan.task, values, data, jax.random.split(key, len(labels))))
    drawn = _in_units(fit, drawn)
    return _finished(fit, plan, free, labels, behaviour, drawn[..., None], covariates)


def _as_mapping(covariates: xr.DataArray) -> dict[str, tuple]:
    """Covariates as `make` takes them."""
    found = {}
    for name in covariates["covariate"].values:
        one = covariates.sel(covariate=name)
        values = one.transpose("trial", "time").values if "trial" in one.dims else one.values
        found[str(name)] = (values, str(one["available"].item()), str(one["role"].item()))
    return found


def _in_units(fit: "PredictiveCodingFit", drawn: np.ndarray) -> np.ndarray:
    """Measured responses in the units of the training recording."""
    if "reference_mean" not in fit.parameters:
        return drawn
    return float(fit.parameters["reference_mean"]) + float(fit.parameters["reference_deviation"]) * drawn


def _in_environment(
    fit: "PredictiveCodingFit",
    plan: Plan,
    free: np.ndarray,
    labels: list[str],
    blank: Behaviour,
    environment: Any,
    key: jax.Array,
) -> xr.Dataset:
    """Agents that are shown what their responses bring about."""
    model = fit.model
    sources = [node.source for node in model.inputs]
    if any(source is None for source in sources) or len(set(sources)) < len(sources):
        raise ModelError(
            "simulate: in an environment every input needs a covariate of its own as its source."
        )
    if model.response is not None and model.response.regressors:
        raise ModelError(
            "simulate: a response with covariates cannot be simulated in an environment; use inputs= instead."
        )
    values, data = _data(plan, blank, free)
    shown, done = in_environment(plan.task, values, data, key, environment)
    seen = np.isfinite(shown)
    behaviour = blank._replace(inputs=np.where(seen, shown, 0).astype(blank.inputs.dtype), known=seen)
    covariates = {str(name): (shown[..., k], "after", "measured") for k, name in enumerate(sources)}
    return _finished(fit, plan, free, labels, behaviour, _in_units(fit, done)[..., None], covariates)


def _inputs(
    fit: "PredictiveCodingFit",
    plan: Plan,
    free: np.ndarray,
    labels: list[str],
    blank: Behaviour,
    key: jax.Array,
) -> xr.Dataset:
    """Inputs from the network's own predictions."""
    values, data = _data(plan, blank, free)
    if isinstance(plan.task.response, CategoryOfInputs):
        numbers = [node.category for node in fit.model.inputs]

        def environment(trial: int, category: float, random: np.random.Generator) -> np.ndarray:
            del trial, random
            return np.arange(len(numbers)) == category

        shown, drawn = in_environment(plan.task, values, data, key, environment)
        drawn = np.asarray(numbers)[drawn.astype(int)][..., None]
    else:
        shown = np.asarray(inputs_of_all(plan.task, values, data, jax.random.split(key, len(labels))))
        order = fit.model.input_units(fit.units)
        drawn = shown[..., order]
    behaviour = blank._replace(inputs=shown.astype(blank.inputs.dtype), known=np.ones(shown.shape, bool))
    return _finished(fit, plan, free, labels, behaviour, drawn, None)
