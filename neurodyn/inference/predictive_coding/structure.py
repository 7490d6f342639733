"""The structure of a predictive-coding network: nodes, value and volatility coupling, checked and put in order.

A structure is hashable and holds no parameters: those are arrays, so that new values or participants compile nothing.
"""

import dataclasses
from collections.abc import Callable, Sequence

from jaxtyping import Array

from neurodyn.errors import ModelError
from neurodyn.inference.predictive_coding.kinds import INSIDE, KINDS, LEAVES, WITHOUT_VOLATILITY, check_inside


@dataclasses.dataclass(frozen=True)
class Edge:
    """A coupling from a parent to a child.

    Parameters
    ----------
    parent, child : str
        Names of nodes.
    function : callable, optional
        g of a value coupling, a differentiable function of one number; default the identity.
    """

    parent: str
    child: str
    function: Callable[[Array], Array] | None = None


@dataclasses.dataclass(frozen=True)
class Node:
    """A node.

    Parameters
    ----------
    name : str
        Its name.
    kind : str
        A leaf that observes a number (``"input"``), 0 or 1 (``"binary"``), 0 or 1 with noise (``"finite_binary"``), a
        number of unknown mean and variance (``"gaussian"``), 0 or 1 of a chance that is counted (``"chance"``), or a
        number or 0 or 1 that one of several contexts drives (``"switching"``, ``"binary_switching"``); an inner node
        (``"continuous"``); or what stands between the last four and beliefs: a sufficient statistic that follows its
        parents or has a fixed weight (``"statistic"``), one that counts (``"count"``), a ``"context"``.
    """

    name: str
    kind: str = "continuous"


@dataclasses.dataclass(frozen=True)
class Structure:
    r"""Nodes and couplings; parents may be shared, cycles are refused.

    Parameters
    ----------
    nodes : tuple of Node
        Nodes.
    value, volatility : tuple of Edge
        Couplings: a value parent predicts its child's mean, a volatility parent its child's rate of change.

    Raises
    ------
    ModelError
        If a name is unknown or doubled, a kind unknown, a leaf has children, a coupling is doubled, there is no leaf, or
        the couplings close a cycle.

    Examples
    --------
    >>> Structure(
    ...     (Node("u", "binary"), Node("x1"), Node("x2")), (Edge("x1", "u"),), (Edge("x2", "x1"),)
    ... ).down
    (2, 1, 0)
    """

    nodes: tuple[Node, ...]
    value: tuple[Edge, ...] = ()
    volatility: tuple[Edge, ...] = ()

    def __post_init__(self) -> None:
        names = [node.name for node in self.nodes]
        for node in self.nodes:
            if node.kind not in KINDS:
                raise ModelError(
                    f"node {node.name!r} has the kind {node.kind!r}; choose one of {', '.join(KINDS)}."
                )
            if names.count(node.name) > 1:
                raise ModelError(
                    f"there are two nodes named {node.name!r}; give every node a name of its own."
                )
        for edge in (*self.value, *self.volatility):
            for name in (edge.parent, edge.child):
                if name not in names:
                    raise ModelError(
                        f"a coupling names the node {name!r}, which does not exist; nodes are {', '.join(names)}."
                    )
            if self.nodes[names.index(edge.parent)].kind in LEAVES:
                raise ModelError(
                    f"{edge.parent!r} observes the input, so it cannot be the parent of {edge.child!r}; turn the coupling "
                    "around."
                )
        for what, edges in (("value", self.value), ("volatility", self.volatility)):
            pairs = [(edge.parent, edge.child) for edge in edges]
            for pair in pairs:
                if pairs.count(pair) > 1:
                    raise ModelError(
                        f"the {what} coupling from {pair[0]!r} to {pair[1]!r} is given twice; drop one."
                    )
        for edge in self.volatility:
            if edge.function is not None:
                raise ModelError(
                    f"the volatility coupling from {edge.parent!r} to {edge.child!r} has a function; only "
                    "value coupling has."
                )
            kind = self.nodes[names.index(edge.child)].kind
            if kind in WITHOUT_VOLATILITY:
                raise ModelError(
                    f"{edge.child!r} is of kind {kind!r}, so it has no volatility for {edge.parent!r} to set; couple to "
                    "its parent."
                )
            kind = self.nodes[names.index(edge.parent)].kind
            if kind in INSIDE:
                raise ModelError(f"{edge.parent!r} is of kind {kind!r} and sets no volatility; use a belief.")
        if not self.leaves:
            raise ModelError(
                f"no node observes an input; give one of {', '.join(names)} the kind 'input' or 'binary'."
            )
        check_inside(self)
        object.__setattr__(self, "_down", self._ordered())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the nodes."""
        return tuple(node.name for node in self.nodes)

    @property
    def leaves(self) -> tuple[int, ...]:
        """Nodes that observe an input, in order."""
        return tuple(index for index, node in enumerate(self.nodes) if node.kind in LEAVES)

    @property
    def down(self) -> tuple[int, ...]:
        """Nodes, every parent before its children."""
        return self._down  # type: ignore[attr-defined]

    @property
    def held(self) -> tuple[int, ...]:
        """Nodes whose beliefs a step hands on: all but leaves, and statistics that follow the beliefs above them."""
        return tuple(
            place
            for place, node in enumerate(self.nodes)
            if node.kind not in LEAVES
            and not (node.kind == "statistic" and self.links(self.value, child=place))
        )

    def power(self, statistic: int) -> int:
        """Which power of its input a statistic is: 1 or 2."""
        _, leaf = self.links(self.value, parent=statistic)[0]
        above = [parent for _, parent in self.links(self.value, child=leaf)]
        return above.index(statistic) + 1

    def index(self, name: str) -> int:
        """Position of a node."""
        return self.names.index(name)

    def links(
        self, edges: Sequence[Edge], *, parent: int | None = None, child: int | None = None
    ) -> list[tuple[int, int]]:
        """Couplings of a node as ``(position of the coupling, the other node)``."""
        found = []
        for position, edge in enumerate(edges):
            if child is not None and self.index(edge.child) == child:
                found.append((position, self.index(edge.parent)))
            if parent is not None and self.index(edge.parent) == parent:
                found.append((position, self.index(edge.child)))
        return found

    def _ordered(self) -> tuple[int, ...]:
        """Parents before children: of several possible ones the node named last first."""
        waiting = {index: set() for index in range(len(self.nodes))}
        for edge in (*self.value, *self.volatility):
            waiting[self.index(edge.child)].add(self.index(edge.parent))
        order: list[int] = []
        while waiting:
            free = [index for index, parents in waiting.items() if not parents - set(order)]
            if not free:
                stuck = ", ".join(self.names[index] for index in sorted(waiting))
                raise ModelError(
                    f"the couplings of {stuck} close a cycle; a node cannot be its own ancestor."
                )
            order.append(max(free))
            del waiting[order[-1]]
        return tuple(order)
