"""How the beliefs of a predictive-coding network become responses, with priors on the parameters."""

import dataclasses
from collections.abc import Mapping
from typing import Any, final

from neurodyn.errors import ModelError
from neurodyn.inference.predictive_coding import responses as rules
from neurodyn.inference.predictive_coding.written import WrittenResponse, response_rule
from neurodyn.models.predictive_coding.parts import LogNormal, Normal, Value, check_value

Named = Mapping[str, Value] | tuple[tuple[str, Value], ...]


def _pairs(owner: str, what: str, given: Any) -> tuple[tuple[str, Value], ...]:
    """Names and values, each checked; a mapping becomes pairs, so that it can be compared and saved."""
    pairs = tuple(given.items()) if isinstance(given, Mapping) else tuple(given)
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise ModelError(
                f"{owner}: {what} holds {pair!r}; give a mapping from names to numbers or priors."
            )
        check_value(owner, *pair)
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ModelError(f"{owner}: {what} names something twice: {', '.join(names)}.")
    return pairs


@final
@dataclasses.dataclass(frozen=True)
class BinaryResponse:
    r"""Choices of 0 or 1 from the prediction m of the first input.

    .. math:: \log\frac{p}{1-p} = \beta\log\frac{m}{1-m} + b + \kappa s_{t-1} + w^T x_t

    With bias, perseveration and weights at 0 this is :math:`p = m^\beta/(m^\beta + (1-m)^\beta)`. The choice before,
    :math:`s_{t-1}`, is -1 or 1, and 0 where there was none.

    Parameters
    ----------
    inverse_temperature : float or Prior
        :math:`\beta`.
    bias, perseveration : float or Prior
        b and :math:`\kappa`.
    weights : mapping of str to float or Prior
        Covariates known before the choice, and their weights w.

    Raises
    ------
    ModelError
        If the inverse temperature is not above 0, or a weight no number and no prior.

    Examples
    --------
    >>> BinaryResponse().inverse_temperature
    LogNormal(median=1.0, deviation=1.5)
    >>> BinaryResponse(weights={"signed_contrast": Normal(0.0, 3.0)}).rule.parameters
    ('inverse_temperature', 'bias', 'perseveration', 'weight.signed_contrast')
    """

    inverse_temperature: Value = dataclasses.field(default_factory=lambda: LogNormal(1.0, 1.5))
    bias: Value = 0.0
    perseveration: Value = 0.0
    weights: Named = ()

    def __post_init__(self) -> None:
        for name in ("inverse_temperature", "bias", "perseveration"):
            check_value("BinaryResponse", name, getattr(self, name))
        object.__setattr__(self, "weights", _pairs("BinaryResponse", "weights", self.weights))

    @property
    def kind(self) -> str:
        """Kind of the unit it explains."""
        return "binary"

    @property
    def nodes(self) -> tuple[str, ...]:
        """Nodes it names: none, it follows the first input."""
        return ()

    @property
    def regressors(self) -> tuple[str, ...]:
        """Covariates it depends on."""
        return tuple(name for name, _ in self.weights)  # type: ignore[misc]

    @property
    def rule(self) -> rules.Response:
        """The response on bare arrays."""
        return rules.BinaryChoice(self.regressors)

    @property
    def values(self) -> tuple[Value, ...]:
        """In the order of the rule's parameters."""
        return (
            self.inverse_temperature,
            self.bias,
            self.perseveration,
            *(value for _, value in self.weights),  # type: ignore[misc]
        )


@final
@dataclasses.dataclass(frozen=True)
class SoftmaxResponse:
    r"""Choices among options, the value of each the prediction of a node.

    .. math:: p_k \propto e^{\beta \hat\mu_k + \kappa [c_{t-1} = k]}

    Parameters
    ----------
    nodes : tuple of str
        A node for every option, in the order of the options.
    inverse_temperature : float or Prior
        :math:`\beta`.
    perseveration : float or Prior
        :math:`\kappa`.

    Raises
    ------
    ModelError
        If there are fewer than two options or a parameter is out of range.

    Examples
    --------
    >>> SoftmaxResponse(("left", "right")).perseveration
    0.0
    """

    nodes: tuple[str, ...]
    inverse_temperature: Value = dataclasses.field(default_factory=lambda: LogNormal(3.0, 1.5))
    perseveration: Value = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.nodes, str) or len(tuple(self.nodes)) < 2:
            raise ModelError(
                f"SoftmaxResponse: nodes is {self.nodes!r}; name a node for each of two or more options."
            )
        object.__setattr__(self, "nodes", tuple(self.nodes))
        for name in ("inverse_temperature", "perseveration"):
            check_value("SoftmaxResponse", name, getattr(self, name))

    @property
    def kind(self) -> str:
        """Kind of the unit it explains."""
        return "categorical"

    @property
    def regressors(self) -> tuple[str, ...]:
        """Covariates it depends on: none."""
        return ()

    @property
    def rule(self) -> rules.Response:
        """The response on bare arrays."""
        return rules.SoftmaxChoice(self.nodes)

    @property
    def values(self) -> tuple[Value, ...]:
        """In the order of the rule's parameters."""
        return (self.inverse_temperature, self.perseveration)


@final
@dataclasses.dataclass(frozen=True)
class GaussianResponse:
    r"""A measured response (log reaction time, pupil), :math:`y \sim N(b_0 + b_1 \hat\mu, \sigma^2)`.

    Parameters
    ----------
    node : str
        Node whose prediction counts.
    intercept, slope, noise : float or Prior
        :math:`b_0, b_1, \sigma`, of standardised responses.

    Raises
    ------
    ModelError
        If a parameter is out of range.

    Examples
    --------
    >>> GaussianResponse("x2").slope
    Normal(mean=0.0, deviation=1.0)
    """

    node: str
    intercept: Value = dataclasses.field(default_factory=lambda: Normal(0.0, 1.0))
    slope: Value = dataclasses.field(default_factory=lambda: Normal(0.0, 1.0))
    noise: Value = dataclasses.field(default_factory=lambda: LogNormal(1.0, 1.0))

    def __post_init__(self) -> None:
        for name in ("intercept", "slope", "noise"):
            check_value("GaussianResponse", name, getattr(self, name))

    @property
    def kind(self) -> str:
        """Kind of the unit it explains."""
        return "continuous"

    @property
    def regressors(self) -> tuple[str, ...]:
        """Covariates it depends on: none."""
        return ()

    @property
    def nodes(self) -> tuple[str, ...]:
        """Nodes it depends on."""
        return (self.node,)

    @property
    def rule(self) -> rules.Response:
        """The response on bare arrays."""
        return rules.GaussianResponse(self.node)

    @property
    def values(self) -> tuple[Value, ...]:
        """In the order of the rule's parameters."""
        return (self.intercept, self.slope, self.noise)


@final
@dataclasses.dataclass(frozen=True)
class CustomResponse:
    """A response by a rule of the user's own, registered with `register_response`.

    Parameters
    ----------
    rule_name : str
        Name of the rule.
    parameters : mapping of str to float or Prior
        Its parameters.
    regressors : tuple of str
        Covariates known before the response that the rule is told.

    Raises
    ------
    ModelError
        If the rule is not registered, or a parameter neither a number nor a prior.

    Examples
    --------
    >>> import jax
    >>> from neurodyn.inference.predictive_coding.written import register_response
    >>> def leaning(mean, precision, parameters, told):
    ...     return jax.nn.sigmoid(parameters["slope"] * mean["x1"])
    >>> register_response("leaning", leaning, kind="binary")
    >>> CustomResponse("leaning", {"slope": Normal(1.0, 1.0)}).kind
    'binary'
    """

    rule_name: str
    parameters: Named = ()
    regressors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        response_rule(self.rule_name)
        object.__setattr__(self, "parameters", _pairs("CustomResponse", "parameters", self.parameters))
        object.__setattr__(self, "regressors", tuple(self.regressors))

    @property
    def kind(self) -> str:
        """Kind of the unit it explains."""
        return response_rule(self.rule_name).kind

    @property
    def nodes(self) -> tuple[str, ...]:
        """Nodes it is known to depend on: the rule is told all."""
        return ()

    @property
    def rule(self) -> rules.Response:
        """The response on bare arrays."""
        names = tuple(name for name, _ in self.parameters)  # type: ignore[misc]
        return WrittenResponse(self.rule_name, names, self.regressors)

    @property
    def values(self) -> tuple[Value, ...]:
        """In the order of the rule's parameters."""
        return tuple(value for _, value in self.parameters)  # type: ignore[misc]


Response = BinaryResponse | SoftmaxResponse | GaussianResponse | CustomResponse
RESPONSES = (BinaryResponse, SoftmaxResponse, GaussianResponse, CustomResponse)
