"""What a predictive-coding network learns, in words and at which nodes."""

import dataclasses
from collections import Counter

import numpy as np

from neurodyn.models.predictive_coding import PredictiveCodingFit, PredictiveCodingNetwork
from neurodyn.report.style import number

RESPONSE = " response"  # stands for the response among nodes, none of which has this name


@dataclasses.dataclass(frozen=True)
class Learnt:
    """A learnt parameter.

    Parameters
    ----------
    name : str
        Its name in the plan of the network.
    words : str
        The parameter in full words, its value behind where there is one.
    nodes : tuple of str
        Nodes that it belongs to; several share it.
    """

    name: str
    words: str
    nodes: tuple[str, ...]

    def said(self, level: list[str]) -> str:
        """Words beside the last of the nodes that share it, these named unless they are the whole level."""
        if len(self.nodes) == 1:
            return self.words
        whole = set(self.nodes) == set(level)
        return f"{self.words}, shared" if whole else f"{self.words}, shared by {', '.join(self.nodes)}"


def full_words(name: str) -> str:
    """Name of a parameter in words, its node in front.

    Parameters
    ----------
    name : str
        From the plan of a network.

    Returns
    -------
    str
        Without underscores and points.

    Examples
    --------
    >>> full_words("x1.tonic_volatility"), full_words("x2.volatility_coupling.x1")
    ('x1: tonic volatility', 'x2: volatility coupling to x1')
    >>> full_words("response.weight.signed_contrast"), full_words("volatility_of_arms")
    ('response: weight of signed contrast', 'volatility of arms')
    """
    owner, _, rest = name.partition(".")
    if not rest:
        return owner.replace("_", " ")
    return f"{owner}: {_parameter(rest)}"


def _parameter(rest: str) -> str:
    """A parameter without its owner in words."""
    parameter, _, further = rest.partition(".")
    if not further:
        return parameter.replace("_", " ")
    if parameter == "weight":
        return f"weight of {further.replace('_', ' ')}"
    return f"{parameter.replace('_', ' ')} to {further}"


def learnt_of(model: PredictiveCodingNetwork, fit: PredictiveCodingFit | None = None) -> list[Learnt]:
    """Learnt parameters of a network with the nodes they belong to.

    Parameters
    ----------
    model : PredictiveCodingNetwork
        The network.
    fit : PredictiveCodingFit, optional
        Its fit, for the values.

    Returns
    -------
    list of Learnt
        In the order of the plan.

    Examples
    --------
    >>> from neurodyn.models import HGF
    >>> learnt_of(HGF(2))
    [Learnt(name='x1.tonic_volatility', words='tonic volatility', nodes=('x1',))]
    """
    plan = model.plan()
    structure = plan.task.structure
    values = None if fit is None else fit.values().values
    couplings = Counter((edge.parent, "value") for edge in structure.value)
    couplings += Counter((edge.parent, "volatility") for edge in structure.volatility)
    found = []
    for column, (name, slot) in enumerate(zip(plan.names, plan.task.slots, strict=True)):
        positions = slot.position if isinstance(slot.position, tuple) else (slot.position,)
        _, _, rest = name.partition(".")
        words = _parameter(rest) if rest else name.replace("_", " ")
        if slot.field == "response":
            nodes: tuple[str, ...] = (RESPONSE,)
        elif slot.field.endswith("_coupling"):
            sort = slot.field.removesuffix("_coupling")
            edges = structure.value if sort == "value" else structure.volatility
            nodes = tuple(dict.fromkeys(edges[position].parent for position in positions))
            if len(positions) == 1 and couplings[nodes[0], sort] == 1:
                words = slot.field.replace("_", " ")
        else:
            nodes = tuple(structure.names[position] for position in positions)
        if values is not None:
            words += f" {_value(values[:, column])}"
        found.append(Learnt(name, words, nodes))
    return found


def _value(values: np.ndarray) -> str:
    """One participant's value, or mean and standard deviation of several."""
    mean = number(float(values.mean()), tiny=0.0)
    return mean if len(values) == 1 else f"{mean} ± {float(values.std(ddof=1)):.2g}"
