"""What one participant saw, believed and did, trial by trial."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.models.predictive_coding import (
    Belief,
    BetaInput,
    GaussianInput,
    PredictiveCodingFit,
    PredictiveCodingNetwork,
    SoftmaxResponse,
    VolatileBelief,
)
from neurodyn.models.warned import one_call
from neurodyn.recording import arrays

STATISTICS = ("first moment", "second moment", "chance")
LONGEST = 40  # letters of a title


@dataclasses.dataclass(frozen=True)
class Course:
    """One participant, arrays ``(time,)`` by name of the node.

    Parameters
    ----------
    label : str
        The participant, empty where there is one only.
    mean, deviation : dict
        Of every belief what was expected, and the standard deviation of the belief after the trial.
    inputs, predicted : dict
        Of every input what was seen, NaN where nothing was, and what was predicted.
    spread : dict
        Predicted standard deviation of measured inputs that the model explains.
    kinds : dict
        Of every input.
    one_of_them : bool
        Whether exactly one of several inputs is 1 in a trial, as for categories.
    odds, chances : frozenset of str
        Beliefs about log-odds, and nodes that are probabilities.
    response, expected, expected_deviation : np.ndarray or None
        The response, what was predicted of it, and its predicted standard deviation; of a choice among options,
        their probabilities ``(time, option)``.
    response_name, response_kind : str
        Its unit and kind.
    options, option_nodes : list of str
        Names of the options, and the node that stands for each ("" where none does).
    """

    label: str
    mean: dict[str, np.ndarray]
    deviation: dict[str, np.ndarray]
    inputs: dict[str, np.ndarray]
    predicted: dict[str, np.ndarray]
    spread: dict[str, np.ndarray]
    kinds: dict[str, str]
    one_of_them: bool = False
    odds: frozenset[str] = frozenset()
    chances: frozenset[str] = frozenset()
    response: Any = None
    expected: Any = None
    expected_deviation: Any = None
    response_name: str = ""
    response_kind: str = ""
    options: list[str] = dataclasses.field(default_factory=list)
    option_nodes: list[str] = dataclasses.field(default_factory=list)

    @property
    def length(self) -> int:
        """Number of trials."""
        return len(next(iter(self.predicted.values())))

    def named(self, group: list[str]) -> str:
        """What beliefs of a group are, as the label of an axis."""
        if set(group) <= self.odds:
            return "log-odds"
        return "probability" if set(group) <= self.chances else "belief"


def course_of(fit: PredictiveCodingFit, recording: xr.Dataset, participant: Any) -> Course:
    """Beliefs, inputs and responses of one participant.

    Parameters
    ----------
    fit : PredictiveCodingFit
        The fit.
    recording : xr.Dataset
        The recording.
    participant : label, optional
        Whose; None: the first.

    Returns
    -------
    Course
        Without the trials after the participant's end.

    Raises
    ------
    ModelError
        If there is no such participant.
    """
    one, label = _one(recording, participant)
    model = fit.model
    with one_call():
        inferred, predicted = fit.infer(one), fit.predict(one, mode="past")
    told = model.told(one)
    first = (0,) if "trial" in one["activity"].dims else ()
    length = one.sizes["time"]
    if "n_bins" in one.coords and first:
        length = int(np.ravel(one["n_bins"].values)[0])

    def table(name: str, source: xr.Dataset = inferred) -> np.ndarray:
        return np.asarray(source[name].values[first], float)[:length]

    mean, precision = table("expected_mean"), table("precision")
    nodes = [str(name) for name in inferred["node"].values]
    leaves = [node.name for node in model.inputs]
    known = np.asarray(told.behaviour.known)[0, :length]
    seen = np.where(known, np.asarray(told.behaviour.inputs, float)[0, :length], np.nan)
    result: dict[str, Any] = {
        "label": label,
        "mean": {node: mean[:, k] for k, node in enumerate(nodes) if node not in leaves},
        "deviation": {
            node: deviations(model, node, nodes, mean, precision) for node in nodes if node not in leaves
        },
        "inputs": {node: seen[:, k] for k, node in enumerate(leaves)},
        "predicted": {node: mean[:, nodes.index(node)] for node in leaves},
        "spread": {},
        "kinds": {node.name: node.kind for node in model.inputs},
        "one_of_them": all(node.category is not None for node in model.inputs),
        "odds": _odds(model),
        "chances": frozenset(
            name for part in model.inputs if not isinstance(part, GaussianInput) for name in part.inside
        ),
    }
    expected = table("mean", predicted)
    deviation = np.sqrt(table("variance", predicted)) if "variance" in predicted else None
    if model.response is None:
        _explained(result, model, told.units, expected, deviation)
        return Course(**result)
    values, mask = arrays(one)
    result |= {
        "response": np.where(mask[0, :length, 0], values[0, :length, 0], np.nan).astype(float),
        "expected": expected[:, 0],
        "expected_deviation": None if deviation is None else deviation[:, 0],
        "response_name": str(one["unit"].values[0]),
        "response_kind": model.response.kind,
    }
    if model.response.kind == "categorical":
        options = [str(name) for name in predicted["category"].values]
        named = list(model.response.nodes) if isinstance(model.response, SoftmaxResponse) else []
        result |= {
            "options": options,
            "option_nodes": named if len(named) == len(options) else [""] * len(options),
        }
    return Course(**result)


def deviations(
    model: PredictiveCodingNetwork, node: str, nodes: list[str], mean: np.ndarray, precision: np.ndarray
) -> np.ndarray:
    """Standard deviation of a belief; of a chance that is counted that of its Beta distribution.

    Moments and contexts have none of their own: a moment's precision is its weight in inputs.
    """
    place = nodes.index(node)
    for part in model.inputs:
        if node in part.inside:
            if isinstance(part, BetaInput):
                return np.sqrt(mean[:, place] * (1 - mean[:, place]) / (1 + precision[:, place]))
            return np.zeros(len(mean))
    return 1 / np.sqrt(precision[:, place])


def _odds(model: PredictiveCodingNetwork) -> frozenset[str]:
    """Beliefs that predict inputs of 0 and 1, or their contexts, and nothing else."""
    of_binary = {
        name
        for node in model.inputs
        if node.kind != "continuous" and not isinstance(node, BetaInput)
        for name in (node.name, *node.inside)
    }
    return frozenset(
        node.name
        for node in model.nodes
        if isinstance(node, (Belief, VolatileBelief))
        and node.value_children
        and set(node.value_children) <= of_binary
    )


def _one(recording: xr.Dataset, participant: Any) -> tuple[xr.Dataset, str]:
    """The recording of one participant, and the label where there are several."""
    if "trial" not in recording["activity"].dims:
        if participant is not None and str(participant) != str(recording.attrs.get("subject", "")):
            raise ModelError(
                f"there is no participant {participant!r}: the recording has one only; leave participant out."
            )
        return recording, ""
    names = [name for name in ("participant", "trial") if name in recording.coords]
    labels = [[str(label) for label in recording[name].values] for name in names]
    place = 0
    if participant is not None:
        found = [own.index(str(participant)) for own in labels if str(participant) in own]
        if not found:
            some = ", ".join(labels[0][:5])
            raise ModelError(f"there is no participant {participant!r} in the recording; it has {some}.")
        place = found[0]
    several = recording.sizes["trial"] > 1
    return recording.isel(trial=[place]), labels[0][place] if several and labels else ""


def _explained(
    result: dict[str, Any],
    model: PredictiveCodingNetwork,
    units: np.ndarray,
    expected: np.ndarray,
    deviation: np.ndarray | None,
) -> None:
    """Predictions of inputs that the recording's activity holds."""
    for k, node in enumerate(model.inputs):
        if units[k] < 0:
            continue
        if expected.ndim == 3:  # categories of one unit
            result["predicted"][node.name] = expected[:, 0, node.category]
            continue
        result["predicted"][node.name] = expected[:, units[k]]
        if node.kind == "continuous" and deviation is not None:
            result["spread"][node.name] = deviation[:, units[k]]


def groups_of(model: PredictiveCodingNetwork) -> tuple[list[list[str]], list[list[str]]]:
    """Nodes that play the same part, such as the arms of a bandit.

    Parameters
    ----------
    model : PredictiveCodingNetwork
        The network.

    Returns
    -------
    beliefs : list of list of str
        Highest first, without statistics of an input that beliefs follow.
    inputs : list of list of str
        In their order.

    Examples
    --------
    >>> from neurodyn.models import HGF
    >>> groups_of(HGF(3, inputs="categorical", categories=2))
    ([['x2'], ['x1_0', 'x1_1']], [['u0', 'u1']])
    """
    graph = model.graph()
    parts: dict[str, Any] = {}
    for name in sorted(graph, key=lambda node: graph.nodes[node]["level"]):
        below = sorted(
            (graph.edges[name, child]["coupling"], parts[child]) for child in graph.successors(name)
        )
        parts[name] = repr((graph.nodes[name]["kind"], below))
    groups: dict[tuple[int, str], list[str]] = {}
    for name in graph:
        kind = graph.nodes[name]["kind"]
        if kind in STATISTICS and graph.in_degree(
            name
        ):  # what it is expected to be the belief above it shows
            continue
        groups.setdefault((-graph.nodes[name]["level"], parts[name]), []).append(name)
    order = sorted(groups.items(), key=lambda item: item[0][0])
    return [names for (level, _), names in order if level], [
        names for (level, _), names in order if not level
    ]


def in_words(model: PredictiveCodingNetwork, group: list[str]) -> str:
    """What beliefs of one group are for, as a title.

    Parameters
    ----------
    model : PredictiveCodingNetwork
        The network.
    group : list of str
        Beliefs.

    Returns
    -------
    str
        A sentence without its point.

    Examples
    --------
    >>> from neurodyn.models import HGF
    >>> in_words(HGF(3), ["x2"])
    'x2 sets the volatility of x1'
    """
    graph = model.graph()
    said = []
    for verb, plural, sorts in (
        ("predicts", "predict", ("value", "both")),
        ("sets the volatility of", "set the volatility of", ("volatility", "both")),
    ):
        children = [
            child
            for node in group
            for child in graph.successors(node)
            if graph.edges[node, child]["coupling"] in sorts
        ]
        if children:
            said.append(f"{verb if len(group) == 1 else plural} {_listed(list(dict.fromkeys(children)))}")
    return f"{_listed(group)} {' and '.join(said)}".strip()


def _listed(names: list[str]) -> str:
    """Names, the inner ones left out where they are many."""
    joined = ", ".join(names)
    return joined if len(joined) <= LONGEST / 2 else f"{names[0]} … {names[-1]}" if len(names) > 1 else joined
