"""From the parts of a network to its structure and the places of its parameters."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from neurodyn.errors import ModelError
from neurodyn.inference.predictive_coding.functions import coupling_function
from neurodyn.inference.predictive_coding.predictions import Parameters
from neurodyn.inference.predictive_coding.responses import CategoryOfInputs
from neurodyn.inference.predictive_coding.structure import Edge, Node, Structure
from neurodyn.inference.predictive_coding.tasks import OF_RESPONSE, Slot, Task
from neurodyn.models.predictive_coding.composed import SwitchingInput, VolatileBelief
from neurodyn.models.predictive_coding.parts import OF_NODES, Belief, Input, Prior, Shared, Value
from neurodyn.models.predictive_coding.responses import Response
from neurodyn.models.predictive_coding.tracked import BetaInput, GaussianInput

AnyInput = Input | GaussianInput | BetaInput | SwitchingInput
Part = AnyInput | Belief | VolatileBelief
INPUTS = (Input, GaussianInput, BetaInput, SwitchingInput)
PARTS = (*INPUTS, Belief, VolatileBelief)
NODE_KINDS = {"binary": "binary", "continuous": "input", "noisy_binary": "finite_binary"}
SWITCHING_KINDS = {"binary": "binary_switching", "continuous": "switching"}
Placed = tuple[str, list[str], str, Value]  # field of the parameters, nodes, name, value


def single(parts: tuple[Part, ...]) -> list[AnyInput | Belief]:
    """The parts with each belief by itself."""
    found: list[AnyInput | Belief] = []
    for part in parts:
        if isinstance(part, VolatileBelief):
            found += part.beliefs
        else:
            found.append(part)
    return found


def nodes_of(part: AnyInput | Belief) -> list[Node]:
    """Nodes of a part: its own, and those inside it."""
    if isinstance(part, Belief):
        return [Node(part.name)]
    if isinstance(part, Input):
        return [Node(part.name, NODE_KINDS[part.kind])]
    if isinstance(part, SwitchingInput):
        own, inner = SWITCHING_KINDS[part.kind], "context"
    else:
        own = "gaussian" if isinstance(part, GaussianInput) else "chance"
        inner = "statistic" if part.forgetting is None else "count"
    return [Node(part.name, own), *(Node(name, inner) for name in part.inside)]


def structure_of(parts: tuple[Part, ...]) -> Structure:
    """Nodes and couplings."""
    nodes, value, volatility = [], [], []
    for part in single(parts):
        nodes += nodes_of(part)
        if isinstance(part, Belief):
            function = None if part.coupling_function is None else coupling_function(part.coupling_function)
            value += [Edge(part.name, child, function) for child in part.value_children]
            volatility += [Edge(part.name, child) for child in part.volatility_children]
        else:
            value += [Edge(name, part.name) for name in part.inside]
    return Structure(tuple(nodes), tuple(value), tuple(volatility))


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


def _placed(part: AnyInput | Belief, followed: set[str]) -> Iterator[Placed]:
    """Parameters of the nodes of a part; `followed` are the nodes that beliefs predict."""
    name = part.name
    if isinstance(part, Belief):
        for parameter in OF_NODES:
            yield parameter, [name], f"{name}.{parameter}", getattr(part, parameter)
    elif isinstance(part, Input):
        yield "initial_precision", [name], f"{name}.precision", part.precision
    elif isinstance(part, SwitchingInput):
        inside = list(part.inside)
        yield "initial_precision", [name], f"{name}.precision", part.precision
        yield "initial_mean", inside, f"{name}.initial_chance", 1 / len(inside)
        yield "tonic_volatility", inside, f"{name}.switching_rate", part.switching_rate
    else:
        yield from _placed_statistics(part, followed)


def _placed_statistics(part: GaussianInput | BetaInput, followed: set[str]) -> Iterator[Placed]:
    """Parameters of statistics: of those that beliefs follow the precision, of others weight and beginning."""
    name, alone = part.name, [inner for inner in part.inside if inner not in followed]
    if alone:
        yield "initial_precision", alone, f"{name}.pseudo_count", part.pseudo_count
        if part.forgetting is not None:
            yield "tonic_volatility", alone, f"{name}.forgetting", part.forgetting
    elif isinstance(part.pseudo_count, Prior):
        raise ModelError(
            f"input {name!r}: pseudo_count has a prior, but beliefs follow all of its statistics, so it has no effect; "
            "leave it out."
        )
    for inner, precision in zip(part.inside, part.precisions, strict=True):
        if inner in followed:
            yield "initial_precision", [inner], f"{inner}.precision", precision
        elif isinstance(precision, Prior):
            raise ModelError(
                f"input {name!r}: no belief follows {inner!r}, so its precision with a prior has no effect; leave it out."
            )
    if isinstance(part, BetaInput):
        yield "initial_mean", alone, f"{name}.initial_chance", part.initial_chance
        return
    first, second = part.inside
    if alone:
        yield "initial_mean", [first], f"{name}.initial_mean", part.initial_mean
        yield "initial_mean", [second], f"{name}.initial_variance", part.initial_variance
    elif isinstance(part.initial_mean, Prior) or isinstance(part.initial_variance, Prior):
        raise ModelError(
            f"input {name!r}: initial_mean or initial_variance has a prior, but beliefs follow both statistics; give it to "
            "the beliefs' own initial_mean."
        )


class _Places:
    """Values of all parameters and the free ones among them, as they are put in their places."""

    def __init__(self, structure: Structure) -> None:
        n_nodes = len(structure.nodes)
        self.fields: dict[str, Any] = {name: np.zeros(n_nodes) for name in OF_NODES}
        self.fields["autoconnection"][:] = 1.0
        self.fields["initial_precision"][:] = 1.0
        self.fields["value_coupling"] = np.ones(len(structure.value))
        self.fields["volatility_coupling"] = np.ones(len(structure.volatility))
        self.slots: list[Slot] = []
        self.names: list[str] = []
        self.moments: list[tuple[float, float]] = []

    def put(self, field: str, positions: list[int], name: str, given: Any) -> None:
        """A number, or a prior of one free parameter at all positions."""
        prior = isinstance(given, Prior)
        centre = given.moments[0] if prior else float(given)
        self.fields[field][positions] = np.exp(centre) if prior and given.scale == "log" else centre
        if not prior or not positions:
            return
        if isinstance(given, Shared):
            if given.label in self.names:
                self._share(field, positions, given)
                return
            name = given.label
        self.slots.append(Slot(field, positions[0] if len(positions) == 1 else tuple(positions), given.scale))
        self.names.append(name)
        self.moments.append(given.moments)

    def _share(self, field: str, positions: list[int], given: Shared) -> None:
        """More places of a parameter that has some."""
        place = self.names.index(given.label)
        kept = self.slots[place]
        if kept.field != field or self.moments[place] != given.moments:
            raise ModelError(
                f"the shared parameter {given.label!r} is {kept.field} in one place and {field} in another, or has "
                "two priors; give it another label."
            )
        self.slots[place] = Slot(field, (*kept.places, *positions), given.scale)


def plan_of(
    parts: tuple[Part, ...], response: Response | None, update: str, scaled_inputs: bool = False
) -> Plan:
    """Places of all parameters."""
    structure, apart = structure_of(parts), single(parts)
    places = _Places(structure)
    followed = {child for part in apart if isinstance(part, Belief) for child in part.value_children}
    for part in apart:
        for field, nodes, name, value in _placed(part, followed):
            places.put(field, [structure.index(node) for node in nodes], name, value)
        for name, edges in (
            ("value_coupling", structure.value),
            ("volatility_coupling", structure.volatility),
        ):
            for position, edge in enumerate(edges):
                if isinstance(part, Belief) and edge.parent == part.name:
                    places.put(name, [position], f"{part.name}.{name}.{edge.child}", getattr(part, name))
    rule = None if response is None else response.rule
    places.fields[OF_RESPONSE] = np.zeros(0 if rule is None else len(rule.parameters))
    if response is not None and rule is not None:
        for position, (name, value) in enumerate(zip(rule.parameters, response.values, strict=True)):
            places.put(OF_RESPONSE, [position], f"response.{name}", value)
    if response is None and (shared := of_categories(apart)):
        rule = CategoryOfInputs(tuple(node.name for node in shared))
    table = np.array(places.moments, float).reshape(-1, 2)
    return Plan(
        Task(structure, tuple(places.slots), rule, update, scaled_inputs),
        Parameters(*(places.fields[name] for name in Parameters._fields)),
        places.fields[OF_RESPONSE],
        tuple(places.names),
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


def of_categories(parts: Iterable[Any]) -> list[Input]:
    """Inputs that share the recording's categorical activity."""
    return [
        part
        for part in parts
        if isinstance(part, Input) and part.category is not None and part.source is None
    ]
