"""Participants whose parameters are given, not fitted."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.models.base import Trace
from neurodyn.models.predictive_coding.fit import PredictiveCodingFit
from neurodyn.models.predictive_coding.plans import of_categories, unconstrained
from neurodyn.recording import check

if TYPE_CHECKING:
    from neurodyn.models.predictive_coding.network import PredictiveCodingNetwork


def unit_kinds(model: "PredictiveCodingNetwork") -> list[str]:
    """Kind of the response, of the categories, or of every input."""
    if model.response is not None:
        return [model.response.kind]
    if of_categories(model.inputs):
        return ["categorical"]
    return ["binary" if node.kind == "binary" else "continuous" for node in model.inputs]


def given_fit(
    model: "PredictiveCodingNetwork",
    values: Mapping[str, Any],
    recording: xr.Dataset | None,
    participants: Iterable[object] | None,
    unit: Iterable[object] | None,
) -> PredictiveCodingFit:
    """See `PredictiveCodingNetwork.at`."""
    plan = model.plan()
    individual = unconstrained(plan, values, model.name)
    kinds = unit_kinds(model)
    if model.response is not None:
        own = ["response"]
    elif kinds == ["categorical"]:
        own = ["category"]
    else:
        kinds = [kind for kind, node in zip(kinds, model.inputs, strict=True) if node.source is None]
        own = [node.name for node in model.inputs if node.source is None]
    if recording is not None:
        if participants is not None or unit is not None:
            raise ModelError(
                f"{model.name}: at got a recording and labels of participants or units; the recording has both, so leave "
                "the labels out."
            )
        check(recording, kinds=model.kinds, model=model.name, allow_empty=True)
        participants, unit = model.told(recording).labels, recording["unit"].values
        kinds = recording["kind"].values.astype(str).tolist()
    labels = [str(label) for label in (range(len(individual)) if participants is None else participants)]
    if len(individual) == 1 and recording is not None:
        individual = np.repeat(individual, len(labels), axis=0)
    if len(labels) != len(individual):
        raise ModelError(
            f"{model.name}: there are {len(labels)} participants, but parameters of {len(individual)}; give one value each."
        )
    n_people, size = individual.shape
    data = xr.Dataset(
        {
            "individual": (("participant", "parameter"), individual),
            "individual_covariance": (
                ("participant", "parameter", "parameter_other"),
                np.zeros((n_people, size, size)),
            ),
            "log_evidence": (("participant",), np.zeros(n_people)),
            "population_mean": (("parameter",), plan.mean),
            "population_deviation": (("parameter",), plan.deviation),
        },
        coords={
            "participant": labels,
            "parameter": list(plan.names),
            "parameter_other": list(plan.names),
            "unit": list(own if unit is None else unit),
            "kind": ("unit", kinds),
        },
    )
    trace = Trace(objective=np.zeros(1), converged=True, reason="given, not fitted")
    return PredictiveCodingFit(model=model, parameters=data, trace=trace)
