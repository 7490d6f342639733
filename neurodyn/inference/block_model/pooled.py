"""A division of nodes into groups where all pairs of different groups are one: what is between groups is pooled."""

import numpy as np
from jaxtyping import Int

from neurodyn.inference.block_model.terms import Terms


class PooledBlocks:
    """Groups of nodes and the sums within each and between all, kept up to date while nodes move and groups merge.

    It has the methods of `state.Blocks`, for terms of the form

    .. math:: L(b) = f\\Big(\\sum_{r<s} T_{rs}\\Big) + \\sum_r g(T_{rr}) + \\sum_r h(n_r) + w(B) + \\mathrm{const},

    in which a move changes two groups and the rest, however many groups there are. Where `Terms.uniform`, :math:`g` is of
    the sum over all groups too.

    Parameters
    ----------
    terms : Terms
        What the description length is made of; `Terms.pooled` is true.
    groups : (node,)
        Group number of each node.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.graph import read_graph
    >>> from neurodyn.inference.block_model.terms import graph_terms
    >>> graph = read_graph(np.kron(np.eye(2), np.ones((4, 4))))
    >>> blocks = PooledBlocks(graph_terms(graph, "assortative", "none"), np.repeat([0, 1], 4))
    >>> change, before = blocks.changes(np.array([0]), np.array([1]))[0, 0], blocks.description_length()
    >>> blocks.move(0, 1)
    >>> bool(np.isclose(blocks.description_length() - before, change))
    True
    """

    def __init__(self, terms: Terms, groups: Int[np.ndarray, " node"]):
        self.terms = terms
        self.groups = np.unique(groups, return_inverse=True)[1].reshape(-1).astype(np.int64)
        self._total = [np.triu(channel, 1).sum() for channel in terms.channels]
        self.refresh()

    def refresh(self) -> None:
        """Sum everything anew, which also drops the rounding errors of many moves."""
        n_groups = int(self.groups.max()) + 1
        member = (self.groups == np.arange(n_groups + 1)[:, None]).astype(np.float64)
        self.size = member.sum(axis=1).astype(np.int64)
        self._reach, self._within = [], []
        for channel in self.terms.channels:
            reach = _like(member @ channel, channel)
            self._reach.append(reach)
            self._within.append(_like((reach * member).sum(axis=1) / 2, channel))
        self._price()

    @property
    def n_groups(self) -> int:
        """Number of groups with a node."""
        return len(self.size) - 1

    def copy(self) -> "PooledBlocks":
        """An independent copy."""
        other = object.__new__(PooledBlocks)
        other.__dict__.update(self.__dict__)
        for name in ("groups", "size", "_cost"):
            setattr(other, name, getattr(self, name).copy())
        other._reach = [reach.copy() for reach in self._reach]
        other._within = [within.copy() for within in self._within]
        return other

    def description_length(self) -> float:
        """Nats of the present groups."""
        whole = self.terms.whole(self.n_groups) + self.terms.constant
        return float(self._cost.sum() + self._inner_cost + self._outer_cost + whole)

    def changes(self, nodes: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Change of the description length if one node moved to one group, for all of some nodes and some groups.

        Parameters
        ----------
        nodes : (moved,)
            Node numbers.
        targets : (target,)
            Group numbers; `n_groups` is a new group.

        Returns
        -------
        (moved, target)
            Nats; 0 for the group where the node is.
        """
        terms, row, to = self.terms, self.groups[nodes], targets
        lost = [reach[row, nodes] for reach in self._reach]
        won = [reach[to[:, None], nodes].T for reach in self._reach]
        stays = row[:, None] == to
        # A node that stays neither leaves nor comes; the sums of such a pair need only be possible.
        come = [np.where(stays, 0, w) for w in won]
        go = [np.where(stays, 0, x[:, None]) for x in lost]
        outer = (total + x - w for total, x, w in zip(self._outer, go, come, strict=True))
        result = terms.between(*outer) - self._outer_cost
        left = terms.group(self.size[row] - 1, np.zeros(len(row))) - self._cost[row]
        joined = terms.group(self.size[to] + 1, np.zeros(len(to))) - self._cost[to]
        if terms.uniform:
            inner = (total - x + w for total, x, w in zip(self._inner, go, come, strict=True))
            result = result + terms.within(*inner) - self._inner_cost
        else:
            left = left + terms.within(*(s[row] - x for s, x in zip(self._within, lost, strict=True)))
            joined = joined + terms.within(*(s[to] + w for s, w in zip(self._within, come, strict=True)))
        result = result + left[:, None] + joined
        b = self.n_groups
        after = b - (self.size[row] == 1)[:, None] + (self.size[to] == 0)
        if (after != b).any():
            whole = np.array(
                [terms.whole(x) if x else 0.0 for x in range(b - 1, min(b + 2, terms.n_nodes + 1))]
            )
            result += whole[np.minimum(after - b + 1, len(whole) - 1)] - whole[1]
        result[stays] = 0.0
        return result

    def move(self, node: int, target: int) -> None:
        """Put a node into a group; `n_groups` is a new group."""
        source = int(self.groups[node])
        if source == target:
            return
        if target == self.n_groups:
            self._found()
        for within, reach, channel in zip(self._within, self._reach, self.terms.channels, strict=True):
            within[source] -= reach[source, node]
            within[target] += reach[target, node]
            reach[source] -= channel[node]
            reach[target] += channel[node]
        self.groups[node] = target
        self.size[source] -= 1
        self.size[target] += 1
        if self.size[source] == 0:
            self._drop(source)
        else:
            self._price()

    def merge_changes(self) -> np.ndarray:
        """Change of the description length if two groups became one, ``(group, group)``; infinite on the diagonal."""
        terms, b = self.terms, self.n_groups
        member = (self.groups == np.arange(b)[:, None]).astype(np.float64)
        between = [_like(reach[:b] @ member.T, reach) for reach in self._reach]
        for array in between:
            np.fill_diagonal(array, 0)
        between = [(array + array.T) / 2 if array.dtype.kind == "f" else array for array in between]
        if terms.uniform:
            result = (
                terms.within(*(s + t for s, t in zip(self._inner, between, strict=True))) - self._inner_cost
            )
        else:
            off = 1 - np.eye(b, dtype=np.int64)
            within = [(x[:b] + x[:b, None]) * off + t for x, t in zip(self._within, between, strict=True)]
            result = terms.within(*within)
        result = result + terms.between(*(total - t for total, t in zip(self._outer, between, strict=True)))
        result = result + terms.group(self.size[:b] + self.size[:b, None], np.zeros((b, b)))
        result -= self._outer_cost + self._cost[:b] + self._cost[:b, None]
        if b > 1:
            result += terms.whole(b - 1) - terms.whole(b)
        np.fill_diagonal(result, np.inf)
        return result

    def merge(self, source: int, target: int) -> None:
        """Put all nodes of one group into another."""
        nodes = np.flatnonzero(self.groups == source)
        for within, reach in zip(self._within, self._reach, strict=True):
            within[target] += within[source] + reach[target, nodes].sum()
            reach[target] += reach[source]
        self.groups[nodes] = target
        self.size[target] += self.size[source]
        self._drop(source)

    def divide(self, leavers: np.ndarray) -> None:
        """Put some nodes of one group, but not all, into a new group, whose number is the highest."""
        source, target = int(self.groups[leavers[0]]), self.n_groups
        self._found()
        self.groups[leavers] = target
        for within, reach, channel in zip(self._within, self._reach, self.terms.channels, strict=True):
            gone = channel[leavers].sum(axis=0)
            reach[source] -= gone
            reach[target] += gone
            for group in (source, target):
                within[group] = _like(np.atleast_1d(reach[group, self.groups == group].sum() / 2), channel)[0]
        self.size[[source, target]] += (-len(leavers), len(leavers))
        self._price()

    def _found(self) -> None:
        """Room for the next empty group."""
        self._within = [np.pad(within, (0, 1)) for within in self._within]
        self._reach = [np.pad(reach, ((0, 1), (0, 0))) for reach in self._reach]
        self.size = np.pad(self.size, (0, 1))

    def _drop(self, group: int) -> None:
        """Remove an empty group."""
        self._within = [np.delete(within, group) for within in self._within]
        self._reach = [np.delete(reach, group, 0) for reach in self._reach]
        self.size = np.delete(self.size, group)
        self.groups[self.groups > group] -= 1
        self._price()

    def _price(self) -> None:
        """Nats of all groups and of what is between them."""
        outer = [
            np.atleast_1d(total - within.sum())
            for total, within in zip(self._total, self._within, strict=True)
        ]
        if self.n_groups == 1:
            outer = [np.zeros_like(total) for total in outer]
        self._outer = outer
        self._outer_cost = float(self.terms.between(*outer).sum())
        self._cost = self.terms.group(self.size, np.zeros(len(self.size)))
        self._inner, self._inner_cost = [np.atleast_1d(within.sum()) for within in self._within], 0.0
        if self.terms.uniform:
            self._inner_cost = float(self.terms.within(*self._inner).sum())
        else:
            self._cost = self._cost + self.terms.within(*self._within)


def _like(sums: np.ndarray, channel: np.ndarray) -> np.ndarray:
    """Sums of whole numbers as whole numbers."""
    return np.rint(sums).astype(np.int64) if channel.dtype.kind == "i" else sums
