"""What a comparison is about to do: models, protocols and metrics under distinct names."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.models import registry
from neurodyn.models.base import Model
from neurodyn.validation.holdout import Protocol
from neurodyn.validation.metrics import Metric, automatic, get

BASELINES = "neurodyn.models.baselines"
FLOOR = "mean"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Models, protocols and metrics of a comparison.

    Parameters
    ----------
    models : dict of str to Model
        Under the names they have in the table.
    protocols : dict of str to Protocol
        Under the names they have in the table; gaps are at least `reach`.
    metrics : tuple of Metric
        In the order of the table.
    baselines : tuple of str
        Names of the models that are baselines.
    reach : int
        Largest finite reach of the models, in bins.
    """

    models: dict[str, Model]
    protocols: dict[str, Protocol]
    metrics: tuple[Metric, ...]
    baselines: tuple[str, ...]
    reach: int


def make_plan(models: Any, recording: xr.Dataset, protocols: Any, metrics: Any) -> Plan:
    """Check and name everything; the mean is added where it is absent."""
    named = _named_models(models)
    if not any(getattr(model, "name", "") == FLOOR for model in named.values()):
        label = FLOOR if FLOOR not in named else f"{FLOOR} (floor)"
        named[label] = registry.create(FLOOR)
    reach = max((model.reach for model in named.values()), default=0)
    return Plan(
        models=named,
        protocols={name: item.with_gap(max(reach, 0)) for name, item in _named_protocols(protocols).items()},
        metrics=chosen_metrics(metrics, recording),
        baselines=tuple(name for name, model in named.items() if is_baseline(model)),
        reach=max(reach, 0),
    )


def is_baseline(model: Model) -> bool:
    """Whether a model is one of the package's baselines, alone, behind preprocessing or with settings left open."""
    inner = getattr(model, "final", None)
    if isinstance(inner, Model):
        return is_baseline(inner)
    return type(model).__module__.startswith(BASELINES)


def _named_models(models: Any) -> dict[str, Model]:
    """Models by name, with numbers where a name occurs twice."""
    if isinstance(models, Model):
        models = [models]
    if isinstance(models, Mapping):
        pairs = [(str(name), model) for name, model in models.items()]
    elif isinstance(models, Iterable) and not isinstance(models, str):
        pairs = [(str(getattr(model, "name", model)), model) for model in models]
    else:
        raise ModelError(
            f"models is a {type(models).__name__}; give a dict of names to models, or a list of models."
        )
    if not pairs:
        raise ModelError("models is empty; give at least one model.")
    for name, model in pairs:
        if not isinstance(model, Model):
            hint = " (make it first, as in HMM(n_states=4))" if isinstance(model, type) else ""
            raise ModelError(f"the model {name!r} is a {type(model).__name__}, not a neurodyn Model{hint}.")
    return _distinct(pairs)


def _named_protocols(protocols: Any) -> dict[str, Protocol]:
    """Protocols by name, with numbers where a name occurs twice."""
    if isinstance(protocols, Protocol):
        protocols = [protocols]
    if isinstance(protocols, Mapping):
        pairs = [(str(name), protocol) for name, protocol in protocols.items()]
    else:
        pairs = [
            (getattr(protocol, "label", getattr(protocol, "name", "")), protocol) for protocol in protocols
        ]
    if not pairs:
        raise ModelError(
            "protocols is empty; give at least one, such as neurodyn.validation.holdout.blocks()."
        )
    for name, protocol in pairs:
        if not isinstance(protocol, Protocol):
            raise ModelError(
                f"the protocol {name!r} is a {type(protocol).__name__}; use neurodyn.validation.holdout, "
                "as in "
                "holdout.blocks(5)."
            )
    return _distinct(pairs)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dict that keeps all pairs, numbering repeated names."""
    result: dict[str, Any] = {}
    for name, item in pairs:
        label, number = name, 2
        while label in result:
            label, number = f"{name} {number}", number + 1
        result[label] = item
    return result


def chosen_metrics(metrics: Any, recording: xr.Dataset) -> tuple[Metric, ...]:
    """The metrics asked for; "auto", alone or among others, stands for those that suit the recording."""
    if isinstance(metrics, str) and metrics == "auto":
        return tuple(automatic(recording))
    if isinstance(metrics, (str, Metric)):
        metrics = [metrics]
    chosen: dict[str, Metric] = {}
    for item in metrics:
        found = automatic(recording) if isinstance(item, str) and item == "auto" else [item]
        for one in found:
            metric = one if isinstance(one, Metric) else get(one)
            chosen.setdefault(metric.name, metric)
    if not chosen:
        raise ModelError("metrics is empty; give names of metrics, or 'auto'.")
    return tuple(chosen.values())
