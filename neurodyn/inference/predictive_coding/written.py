"""Response rules that users write, registered by name."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from neurodyn.errors import ModelError
from neurodyn.inference.predictive_coding.predictions import NEAR
from neurodyn.inference.predictive_coding.responses import Moment, Response, normal_log_density
from neurodyn.inference.predictive_coding.structure import Structure


class Rule(NamedTuple):
    """A registered rule: what it explains, and how."""

    kind: str
    function: Callable[..., Any]


RULES: dict[str, Rule] = {}


def register_response(name: str, function: Callable[..., Any], *, kind: str) -> None:
    """Make a response rule known by name; a fit that uses it can be loaded wherever it is registered.

    Parameters
    ----------
    name : str
        Its name.
    function : callable
        ``function(mean, precision, parameters, told)``, written with `jax.numpy`: predictions of the nodes and their
        precisions by name, parameters by name, and the response before (``told["previous"]``, -1 where there was none)
        with the covariates by name; all of one trial. It gives the probability of 1, or mean and variance.
    kind : {"binary", "continuous"}
        What it explains.

    Raises
    ------
    ModelError
        If the name is taken by another rule, or the kind unknown.

    Examples
    --------
    >>> import jax
    >>> def biased(mean, precision, parameters, told):
    ...     return jax.nn.sigmoid(mean["x1"] + parameters["bias"])
    >>> register_response("biased", biased, kind="binary")
    >>> response_rule("biased").kind
    'binary'
    """
    if kind not in ("binary", "continuous"):
        raise ModelError(f"the response {name!r} is of kind {kind!r}; choose binary or continuous.")
    if name in RULES and RULES[name] != Rule(kind, function):
        raise ModelError(f"the response rule {name!r} is taken; choose another name.")
    RULES[name] = Rule(kind, function)


def response_rule(name: str) -> Rule:
    """The rule registered under a name.

    Parameters
    ----------
    name : str
        Name.

    Returns
    -------
    Rule
        Its kind and function.

    Raises
    ------
    ModelError
        If there is none.

    Examples
    --------
    >>> response_rule("none such")
    Traceback (most recent call last):
    ...
    neurodyn.errors.ModelError: there is no response rule 'none such'; register_response adds one.
    """
    if name not in RULES:
        raise ModelError(f"there is no response rule {name!r}; register_response adds one.")
    return RULES[name]


@dataclasses.dataclass(frozen=True)
class WrittenResponse(Response):
    """A response whose rule a user wrote and registered.

    Parameters
    ----------
    rule : str
        Name under which it is registered.
    names : tuple of str
        Its parameters.
    regressors : tuple of str
        Covariates it is given.
    """

    kind: ClassVar[str] = "written"
    rule: str = ""
    names: tuple[str, ...] = ()
    regressors: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[str, ...]:
        """As given."""
        return self.names

    def moments(self, moment: Moment, structure: Structure, values: Array) -> tuple[Array, Array]:
        """Mean and variance: of 0 or 1 from its probability, of a number as the rule has it."""
        written = response_rule(self.rule)
        told = {"previous": moment.previous}
        told |= {name: moment.regressors[position] for position, name in enumerate(self.regressors)}
        nodes = dict(zip(structure.names, moment.expected.mean, strict=True))
        precision = dict(zip(structure.names, moment.expected.precision, strict=True))
        found = written.function(nodes, precision, dict(zip(self.names, values, strict=True)), told)
        if written.kind == "binary":
            chance = jnp.clip(found, NEAR, 1 - NEAR)
            return chance, chance * (1 - chance)
        return found

    def log_probability(self, moment: Moment, structure: Structure, values: Array, response: Array) -> Array:
        """Of 0 or 1, or the normal density of a number."""
        mean, variance = self.moments(moment, structure, values)
        if response_rule(self.rule).kind == "binary":
            return jnp.where(response > 0.5, jnp.log(mean), jnp.log1p(-mean))
        return normal_log_density(response, mean, variance)

    def draw(self, key: Array, moment: Moment, structure: Structure, values: Array) -> Array:
        """0 or 1, or a number."""
        mean, variance = self.moments(moment, structure, values)
        if response_rule(self.rule).kind == "binary":
            return jax.random.bernoulli(key, mean).astype(mean.dtype)
        return mean + jnp.sqrt(variance) * jax.random.normal(key, (), mean.dtype)
