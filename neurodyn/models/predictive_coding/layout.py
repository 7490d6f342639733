"""From the parts of a network and a recording to structure, free parameters and arrays."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, RecordingError
from neurodyn.inference.predictive_coding.functions import coupling_function
from neurodyn.inference.predictive_coding.predictions import Parameters
from neurodyn.inference.predictive_coding.responses import CategoryOfInputs
from neurodyn.inference.predictive_coding.structure import Edge, Node, Structure
from neurodyn.inference.predictive_coding.tasks import OF_RESPONSE, Behaviour, Slot, Task
from neurodyn.models.baselines.behaviour import refuse_known_after
from neurodyn.models.predictive_coding.parts import OF_NODES, Belief, Input, Prior, Shared
from neurodyn.models.predictive_coding.responses import Response
from neurodyn.recording import arrays, covariate_arrays

NODE_KINDS = {"binary": "binary", "continuous": "input", "noisy_binary": "finite_binary"}
TIME_STEP = "time_step"
PEOPLE, TRIALS = 4, 64  # sizes become multiples of these, so that similar recordings share what was compiled


def structure_of(nodes: tuple[Input | Belief, ...]) -> Structure:
    """Nodes and couplings."""
    value, volatility = [], []
    for node in nodes:
        if isinstance(node, Belief):
            function = None if node.coupling_function is None else coupling_function(node.coupling_function)
            value += [Edge(node.name, child, function) for child in node.value_children]
            volatility += [Edge(node.name, child) for child in node.volatility_children]
    kinds = tuple(
        Node(node.name, NODE_KINDS[node.kind] if isinstance(node, Input) else "continuous") for node in nodes
    )
    return Structure(kinds, tuple(value), tuple(volatility))


@dataclasses.dataclass(frozen=True)
class Plan:
    """A network ready to be fitted.

    Parameters
    ----------
    task : Task
        Structure, free parameters, response.
    base : Parameters
        Values of all parameters, the free ones at their prior's centre.
    response : ndarray
        The same of the response's parameters.
    names : tuple of str
        Names of the free parameters.
    mean, deviation : ndarray, (parameter,)
        Priors on the unconstrained scale.
    """

    task: Task
    base: Parameters
    response: np.ndarray
    names: tuple[str, ...]
    mean: np.ndarray
    deviation: np.ndarray


def plan_of(
    nodes: tuple[Input | Belief, ...], response: Response | None, update: str, scaled_inputs: bool = False
) -> Plan:
    """Places of all parameters."""
    structure = structure_of(nodes)
    fields: dict[str, Any] = {name: np.zeros(len(nodes)) for name in OF_NODES}
    fields["autoconnection"][:] = 1.0
    fields["initial_precision"][:] = 1.0
    fields["value_coupling"] = np.ones(len(structure.value))
    fields["volatility_coupling"] = np.ones(len(structure.volatility))
    slots, names, moments = [], [], []

    def put(field: str, position: int, name: str, given: Any) -> None:
        if not isinstance(given, Prior):
            fields[field][position] = float(given)
            return
        centre = given.moments[0]
        fields[field][position] = np.exp(centre) if given.scale == "log" else centre
        if isinstance(given, Shared):
            if given.label in names:
                place = names.index(given.label)
                kept = slots[place]
                if kept.field != field or moments[place] != given.moments:
                    raise ModelError(
                        f"the shared parameter {given.label!r} is {kept.field} in one place and {field} in another, or has "
                        "two priors; give it another label."
                    )
                positions = kept.position if isinstance(kept.position, tuple) else (kept.position,)
                slots[place] = Slot(field, (*positions, position), given.scale)
                return
            name = given.label
        slots.append(Slot(field, position, given.scale))
        names.append(name)
        moments.append(given.moments)

    for number, node in enumerate(nodes):
        if isinstance(node, Input):
            put("initial_precision", number, f"{node.name}.precision", node.precision)
            continue
        for name in OF_NODES:
            put(name, number, f"{node.name}.{name}", getattr(node, name))
        for name, edges in (
            ("value_coupling", structure.value),
            ("volatility_coupling", structure.volatility),
        ):
            for position, edge in enumerate(edges):
                if edge.parent == node.name:
                    put(name, position, f"{node.name}.{name}.{edge.child}", getattr(node, name))
    rule = None if response is None else response.rule
    fields[OF_RESPONSE] = np.zeros(0 if rule is None else len(rule.parameters))
    if response is not None and rule is not None:
        for position, (name, value) in enumerate(zip(rule.parameters, response.values, strict=True)):
            put(OF_RESPONSE, position, f"response.{name}", value)
    if response is None and (shared := of_categories(nodes)):
        rule = CategoryOfInputs(tuple(node.name for node in shared))
    table = np.array(moments, float).reshape(-1, 2)
    return Plan(
        Task(structure, tuple(slots), rule, update, scaled_inputs),
        Parameters(*(fields[name] for name in Parameters._fields)),
        fields[OF_RESPONSE],
        tuple(names),
        table[:, 0],
        table[:, 1],
    )


def unconstrained(plan: Plan, values: Mapping[str, Any], name: str) -> np.ndarray:
    """Given parameters on the unconstrained scale, ``(participant, parameter)``."""
    strange = sorted(set(values) - set(plan.names))
    missing = [one for one in plan.names if one not in values]
    if strange or missing:
        what = (
            f"there is no learnt parameter {strange[0]!r}"
            if strange
            else f"no value is given for {missing[0]!r}"
        )
        raise ModelError(f"{name}: {what}; learnt are {', '.join(plan.names) or 'none'}.")
    columns = [np.atleast_1d(np.asarray(values[one], float)) for one in plan.names]
    n_people = max((len(column) for column in columns), default=1)
    found = np.zeros((n_people, len(columns)))
    for number, (slot, column) in enumerate(zip(plan.task.slots, columns, strict=True)):
        if column.ndim > 1 or len(column) not in (1, n_people) or not np.isfinite(column).all():
            raise ModelError(
                f"{name}: {plan.names[number]} has the shape {column.shape} or is not finite; give one number, or "
                f"one for each of the {n_people} participants."
            )
        if slot.scale == "log" and (column <= 0).any():
            raise ModelError(f"{name}: {plan.names[number]} is {column.min():g}; it must be above 0.")
        found[:, number] = np.log(column) if slot.scale == "log" else column
    return found


def of_categories(nodes: Iterable[Input | Belief]) -> list[Input]:
    """Inputs that share the recording's categorical activity."""
    return [
        node
        for node in nodes
        if isinstance(node, Input) and node.category is not None and node.source is None
    ]


@dataclasses.dataclass(frozen=True)
class Told:
    """A recording as arrays.

    Parameters
    ----------
    behaviour : Behaviour
        Participants first.
    labels : list of str
        The participants.
    units : ndarray of int, (leaf,)
        Unit that holds each input, -1 where it is a covariate.
    ahead : bool
        Whether later inputs are known ahead of time (exogenous covariates all of them).
    """

    behaviour: Behaviour
    labels: list[str]
    units: np.ndarray
    ahead: bool


def units_of(inputs: list[Input], recording: xr.Dataset, responds: bool, name: str) -> np.ndarray:
    """Unit of each input, -1 for covariates."""
    labels = recording["unit"].values.astype(str).tolist()
    return places_of(inputs, labels, responds, name)


def places_of(inputs: list[Input], labels: list[str], responds: bool, name: str) -> np.ndarray:
    """Of each input the place of its unit among the labels, -1 for covariates."""
    own = [node for node in inputs if node.source is None]
    shared = of_categories(inputs)
    if shared and not responds and (len(shared) < len(own) or len(labels) != 1):
        raise RecordingError(
            f"{name} reads categories from the activity, which must then be one categorical unit and nothing else, but it "
            f"has {len(labels)} units and {len(own)} inputs without a source; give the others a covariate as source."
        )
    if responds and own:
        raise RecordingError(
            f"{name}: the activity holds responses, so the input {own[0].name!r} needs a covariate as its source; name "
            "one with Input(source=...)."
        )
    if responds and len(labels) != 1:
        raise RecordingError(
            f"{name} explains one response, but the recording has {len(labels)} units; select one with "
            "recording.sel(unit=[...])."
        )
    if shared and not responds:
        return np.array([-1 if node.source is not None else 0 for node in inputs], int)
    if not responds and len(own) != len(labels):
        raise RecordingError(
            f"{name} has {len(own)} inputs without a covariate as source for the {len(labels)} units of the recording; "
            "give every unit an input of its own, or select units."
        )
    found, free = [], list(range(len(labels)))
    for node in own:
        if node.name in labels:
            free.remove(labels.index(node.name))
    for node in inputs:
        if node.source is not None:
            found.append(-1)
        elif node.name in labels:
            found.append(labels.index(node.name))
        else:
            found.append(free.pop(0))
    return np.array(found, int)


def told_of(inputs: list[Input], recording: xr.Dataset, response: Response | None, name: str) -> Told:
    """Inputs, responses, elapsed times and regressors of every participant."""
    responds = response is not None
    values, mask = arrays(recording)
    units = units_of(inputs, recording, responds, name)
    sources = [node.source for node in inputs if node.source is not None]
    given = covariate_arrays(recording, sources)
    n_people, n_time = values.shape[:2]
    dtype = jax.dtypes.canonicalize_dtype(values.dtype)
    columns, seen, covariate = [], [], 0
    for node, unit in zip(inputs, units, strict=True):
        if unit >= 0:
            column, known = values[..., unit], mask[..., unit]
        else:
            column, known = given.values[..., covariate], given.mask[..., covariate]
            covariate += 1
        known = np.broadcast_to(known, (n_people, n_time))
        column = np.where(known, np.broadcast_to(column, (n_people, n_time)), 0)
        if node.category is not None:
            column = np.where(known, column == node.category, 0)
        if node.kind == "binary" and (strange := (column != 0) & (column != 1)).any():
            where = np.argwhere(strange)[0]
            raise RecordingError(
                f"{name}: the binary input {node.name!r} is {column[tuple(where)]:g} at participant {int(where[0])}, trial "
                f"{int(where[1])}; binary inputs are 0 or 1 (NaN where nothing was seen)."
            )
        columns.append(column)
        seen.append(known)
    steps = np.ones((n_people, n_time), dtype)
    if "covariates" in recording and TIME_STEP in recording["covariate"].values:
        elapsed = covariate_arrays(recording, [TIME_STEP])
        steps = np.broadcast_to(np.where(elapsed.mask, elapsed.values, 1.0)[..., 0], steps.shape)
        if (steps <= 0).any():
            where = np.argwhere(steps <= 0)[0]
            raise RecordingError(
                f"{name}: {TIME_STEP} is {steps[tuple(where)]:g} at participant {int(where[0])}, trial {int(where[1])}; the "
                "time between trials is above 0."
            )
    shape = (n_people, n_time)
    answered, answer = np.zeros(shape, bool), np.zeros(shape, dtype)
    before, regressors = np.full(shape, -1, dtype), np.zeros((*shape, 0), dtype)
    if responds or of_categories(inputs):
        answered = mask[..., 0]
        answer = np.where(answered, values[..., 0], 0)
        before[:, 1:] = np.where(answered, answer, -1)[:, :-1]
    if response is not None and response.regressors:
        told = covariate_arrays(recording, list(response.regressors))
        refuse_known_after(recording, name, response.regressors, "response")
        regressors = np.where(told.mask, told.values, 0)
        regressors = np.broadcast_to(regressors, (*shape, regressors.shape[-1]))
    ahead = bool(sources) and bool((units < 0).all())
    if ahead:
        roles = recording["role"].sel(covariate=sources).values.astype(str)
        ahead = bool((roles == "exogenous").all())
    if "trial" in recording["activity"].dims:
        source = "participant" if "participant" in recording.coords else "trial"
        labels = [str(label) for label in recording[source].values]
    else:
        labels = [str(recording.attrs.get("subject", "")) or "0"]
    leaves: tuple[Any, ...] = (
        np.stack(columns, axis=2).astype(dtype, copy=False),
        np.stack(seen, axis=2),
        steps.astype(dtype, copy=False),
        answer.astype(dtype, copy=False),
        answered,
        before,
        regressors.astype(dtype, copy=False),
    )
    behaviour = Behaviour(*leaves)
    return Told(behaviour, labels, units, ahead)


def padded(behaviour: Behaviour) -> Behaviour:
    """Behaviour with unobserved trials and participants added; elapsed times there are 1."""
    n_people, n_time = behaviour.response.shape
    extra = -n_people % PEOPLE if n_people > 1 else 0, -n_time % TRIALS
    if extra == (0, 0):
        return behaviour

    def wider(leaf: Any, fill: float) -> Any:
        wide = np.full((n_people + extra[0], n_time + extra[1], *leaf.shape[2:]), fill, leaf.dtype)
        wide[:n_people, :n_time] = leaf
        return wide

    return Behaviour(
        *(wider(leaf, 1 if name == "time_step" else 0) for name, leaf in behaviour._asdict().items())
    )
