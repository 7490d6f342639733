"""Kinds of nodes, and what couplings a structure must have for those that stand between an input and beliefs.

Of a number whose variance is unknown too, of a chance known by counting, and of an input that one of several beliefs
drives, the leaf has nodes of its own above it: one for every sufficient statistic, or one for every context.
"""

from typing import TYPE_CHECKING

from neurodyn.errors import ModelError

if TYPE_CHECKING:
    from neurodyn.inference.predictive_coding.structure import Structure

STATISTICS = ("statistic", "count")
INSIDE = (*STATISTICS, "context")
SWITCHING = ("switching", "binary_switching")
LEAVES = ("input", "binary", "finite_binary", "gaussian", "chance", *SWITCHING)
KINDS = (*LEAVES, "continuous", *INSIDE)
INNER = {
    "gaussian": STATISTICS,
    "chance": STATISTICS,
    "switching": ("context",),
    "binary_switching": ("context",),
}
WITHOUT_VOLATILITY = tuple(kind for kind in (*LEAVES, *INSIDE) if kind != "input")


def check_inside(structure: "Structure") -> None:
    """Refuse statistics and contexts without their place.

    Parameters
    ----------
    structure : Structure
        Nodes and couplings whose names are known to exist.

    Raises
    ------
    ModelError
        If a leaf lacks its statistics or contexts, one of these is coupled to anything but its leaf, or a belief that
        drives the input in a context has another child.
    """
    kinds, names = [node.kind for node in structure.nodes], structure.names
    for place, (kind, name) in enumerate(zip(kinds, names, strict=True)):
        above = [parent for _, parent in structure.links(structure.value, child=place)]
        below = [child for _, child in structure.links(structure.value, parent=place)]
        found = [kinds[parent] for parent in above]
        if kind in INNER:
            wanted = {"gaussian": 2, "chance": 1}.get(kind)
            right = all(one in INNER[kind] for one in found)
            if not right or (len(found) != wanted if wanted else not found):
                what = f"{wanted} statistics" if wanted else "contexts"
                raise ModelError(
                    f"the leaf {name!r} of kind {kind!r} has the value parents "
                    f"{', '.join(names[parent] for parent in above) or 'none'}; it needs {what}, and beliefs above these."
                )
        elif any(one in INSIDE for one in found):
            raise ModelError(
                f"{name!r} has a statistic or context as value parent, which only leaves of that sort have."
            )
        if kind not in INSIDE:
            continue
        if len(below) != 1 or kind not in INNER.get(kinds[below[0]], ()):
            raise ModelError(
                f"{name!r} is of kind {kind!r}, so it needs one leaf of that sort as child; it has "
                f"{', '.join(names[child] for child in below) or 'none'}."
            )
        if any(edge.function is not None for edge in structure.value if edge.parent == name):
            raise ModelError(
                f"the coupling from {name!r} to its leaf has a function; give it to the coupling above."
            )
        if kind == "count" and above:
            raise ModelError(
                f"{name!r} counts, so {names[above[0]]!r} cannot predict it; leave forgetting out to have it follow beliefs."
            )
        if kind == "context":
            _check_context(structure, place, above)


def _check_context(structure: "Structure", place: int, above: list[int]) -> None:
    """Refuse a context that nothing drives, or whose belief has further children."""
    names = structure.names
    if not above:
        raise ModelError(
            f"no belief drives the input in the context {names[place]!r}; name it as a value child of one."
        )
    for parent in above:
        children = sum(
            len(structure.links(edges, parent=parent)) for edges in (structure.value, structure.volatility)
        )
        if children > 1:
            raise ModelError(
                f"{names[parent]!r} drives the input in the context {names[place]!r} and has other children; it may have "
                "none, because what it learns depends on whether the context holds."
            )
