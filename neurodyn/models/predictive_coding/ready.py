"""Ready-made hierarchical Gaussian filters."""

from typing import Any

from neurodyn.errors import ModelError
from neurodyn.models.predictive_coding.network import PredictiveCodingNetwork
from neurodyn.models.predictive_coding.parts import Belief, Input, LogNormal, Normal, Shared
from neurodyn.models.predictive_coding.responses import Response


def HGF(
    levels: int = 2,
    *,
    inputs: str = "binary",
    categories: int = 3,
    source: str | None = None,
    response: Response | None = None,
    learn: tuple[str, ...] = ("x1.tonic_volatility",),
    **settings: Any,
) -> PredictiveCodingNetwork:
    r"""Hierarchical Gaussian filter of two or three levels.

    Binary inputs: the belief x1 about the log-odds and, with three levels, the belief x2 about their volatility.
    Categorical inputs: a ladder of a binary input and a belief (u0, x1_0 and so on) for every category, all with the same
    parameters and, with three levels, one belief x2 about their volatility. Continuous inputs: x1 follows the input, x2
    is its volatility and, with three levels, x3 that of x2.

    Parameters
    ----------
    levels : {2, 3}
        Levels, the input counted as the first of binary and categorical ones.
    inputs : {"binary", "categorical", "continuous"}
        Kind of the input.
    categories : int
        Number of categories.
    source : str, optional
        Covariate that holds the input; None: the activity.
    response : BinaryResponse, SoftmaxResponse, GaussianResponse or CustomResponse, optional
        How beliefs become responses.
    learn : tuple of str
        Parameters ``node.parameter`` that are learnt, under weak priors about their defaults; others are fixed.
    **settings
        Hyperparameters of `PredictiveCodingNetwork`, and values or priors as ``x1_tonic_volatility=-3.0``.

    Returns
    -------
    PredictiveCodingNetwork
        The network.

    Raises
    ------
    ModelError
        If a level, kind or parameter is unknown.

    References
    ----------
    Mathys et al. (2011), Frontiers in Human Neuroscience 5, doi:10.3389/fnhum.2011.00039.

    Examples
    --------
    >>> [node.name for node in HGF(3).nodes]
    ['u', 'x1', 'x2']
    >>> [node.name for node in HGF(3, inputs="categorical", categories=2).nodes]
    ['u0', 'u1', 'x1_0', 'x1_1', 'x2']
    """
    if levels not in (2, 3) or isinstance(levels, bool):
        raise ModelError(f"HGF: levels is {levels!r}; choose 2 or 3, or build a PredictiveCodingNetwork.")
    if inputs not in KINDS:
        raise ModelError(f"HGF: inputs is {inputs!r}; choose one of {', '.join(KINDS)}.")
    if inputs == "categorical" and (isinstance(categories, bool) or categories < 2):
        raise ModelError(f"HGF: categories is {categories!r}; give a whole number, 2 or more.")
    depth = levels if inputs == "continuous" else levels - 1
    names = [f"x{level}" for level in range(1, depth + 1)]
    given: dict[str, dict[str, Any]] = {name: {} for name in ("u", *names)}
    if inputs == "continuous":
        for name in names[1:]:
            given[name]["initial_mean"] = 1.0
    for entry in learn:
        node, _, parameter = entry.partition(".")
        if node not in given or parameter not in WEAK:
            raise ModelError(
                f"HGF: there is no parameter {entry!r} to learn; nodes are {', '.join(given)}, parameters "
                f"{', '.join(WEAK)}."
            )
        given[node][parameter] = WEAK[parameter]
    hyper = {}
    for name, value in settings.items():
        node, _, parameter = name.partition("_")
        if node in given and parameter:
            given[node][parameter] = value
        else:
            hyper[name] = value
    if inputs == "categorical":
        nodes = _ladders(categories, source, names, given)
    else:
        nodes = _ladder(inputs, source, names, given)
    return PredictiveCodingNetwork(nodes=tuple(nodes), response=response, **hyper)


def _ladder(
    inputs: str, source: str | None, names: list[str], given: dict[str, dict[str, Any]]
) -> list[Input | Belief]:
    """An input and the beliefs above it."""
    nodes: list[Input | Belief] = [Input("u", kind=inputs, source=source, **given["u"])]
    for position, name in enumerate(names):
        below = ("u", *names)[position]
        child = {"value_children": (below,)} if position == 0 else {"volatility_children": (below,)}
        nodes.append(Belief(name, **child, **given[name]))
    return nodes


def _ladders(
    categories: int, source: str | None, names: list[str], given: dict[str, dict[str, Any]]
) -> list[Input | Belief]:
    """An input and a belief for every category, with parameters in common, under one belief about their volatility."""
    common: dict[str, Any] = {
        parameter: Shared(f"x1.{parameter}", value) if isinstance(value, (Normal, LogNormal)) else value
        for parameter, value in given["x1"].items()
    }
    numbers = range(categories)
    nodes: list[Input | Belief] = [Input(f"u{k}", source=source, category=k, **given["u"]) for k in numbers]
    nodes += [Belief(f"x1_{k}", value_children=(f"u{k}",), **common) for k in numbers]
    if len(names) > 1:
        nodes.append(Belief("x2", volatility_children=tuple(f"x1_{k}" for k in numbers), **given["x2"]))
    return nodes


KINDS = ("binary", "categorical", "continuous")
WEAK = {
    "tonic_volatility": Normal(-4.0, 3.0),
    "tonic_drift": Normal(0.0, 1.0),
    "autoconnection": Normal(1.0, 0.3),
    "initial_mean": Normal(0.0, 2.0),
    "initial_precision": LogNormal(1.0, 1.5),
    "value_coupling": Normal(1.0, 0.5),
    "volatility_coupling": Normal(1.0, 0.5),
    "precision": LogNormal(10.0, 2.0),
}
