"""Updates that fail, in words."""

from neurodyn.inference.predictive_coding.filtering import Failure
from neurodyn.inference.predictive_coding.predictions import HIGHEST, NEAR
from neurodyn.inference.predictive_coding.structure import Structure

STAND_IN = {  # in data that a fit meets, by kind of the node that fails
    "gaussian": f"a variance of {NEAR:g} stands in for it",
    "chance": "the nearest probability stands in for it",
}
REMEDY = {
    "gaussian": "give both statistics the same filter, or the beliefs about them a larger initial_precision",
    "chance": "leave the belief about it without drift, with an initial_mean between 0 and 1",
}


def failure_words(failure: Failure, structure: Structure, label: str) -> str:
    """The first invalid update of a participant, in one sentence.

    Parameters
    ----------
    failure : Failure
        Of one participant.
    structure : Structure
        The network.
    label : str
        The participant.

    Returns
    -------
    str
        Without its point.
    """
    node, step = structure.nodes[int(failure.node)], int(failure.step)
    numbers = (float(failure.expected_precision), float(failure.computed_precision))
    where = f"trial {step} of participant {label!r}"
    if node.kind == "gaussian":
        return (
            f"the statistics of input {node.name!r} leave no variance at {where}: second moment minus squared first moment "
            f"is {numbers[1]:.5g}"
        )
    if node.kind == "chance":
        return f"the chance followed for input {node.name!r} is {numbers[1]:.5g} at {where}"
    if float(failure.log_volatility) > HIGHEST:
        why = f"the log-volatility {float(failure.log_volatility):.5g} leaves no valid variance"
    else:
        why = f"predicted precision {numbers[0]:.5g}, computed posterior precision {numbers[1]:.5g}"
    return f"the update of node {node.name!r} fails at {where}: {why}"


def remedy(failure: Failure, structure: Structure, *, fitted: bool) -> str:
    """What to do about it.

    Parameters
    ----------
    failure, structure
        As in `failure_words`.
    fitted : bool
        Whether parameters are known, and new data met; or being learnt.

    Returns
    -------
    str
        A clause that follows the words.
    """
    kind = structure.nodes[int(failure.node)].kind
    lower = "" if fitted else " a lower tonic volatility,"
    advice = REMEDY.get(kind, f"choose update='unbounded',{lower} or look for a jump in the input")
    if not fitted:
        return advice
    return f"{STAND_IN.get(kind, 'from there on this node keeps its predictions')}; {advice}"
