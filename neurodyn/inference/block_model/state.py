"""A division of nodes into groups with all its sums, kept up to date while nodes move and groups merge."""

import numpy as np
from jaxtyping import Int, Shaped

from neurodyn.inference.block_model.terms import Terms

# Entries of one temporary array: small enough to stay in the processor's cache.
BLOCK = 200_000


class Blocks:
    """Groups of nodes and the sums that a description length needs.

    Group numbers run from 0; one more row, the last, stands for an empty group that a node may found. A group left by its
    last node disappears, and the numbers above it fall by one.

    Parameters
    ----------
    terms : Terms
        What the description length is made of.
    groups : (node,)
        Group number of each node.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.block_model.terms import multigraph_terms
    >>> blocks = Blocks(multigraph_terms(np.array([[0, 4], [4, 0]])), np.array([0, 1]))
    >>> change = blocks.changes(np.array([0]), np.array([1]))[0, 0]
    >>> before = blocks.description_length()
    >>> blocks.move(0, 1)
    >>> bool(np.isclose(blocks.description_length() - before, change))
    True
    """

    def __init__(self, terms: Terms, groups: Int[np.ndarray, " node"]):
        self.terms = terms
        self.groups = np.unique(groups, return_inverse=True)[1].reshape(-1).astype(np.int64)
        self._own = [np.diagonal(channel).copy() for channel in terms.channels]
        self._off = [channel - np.diag(own) for channel, own in zip(terms.channels, self._own, strict=True)]
        self._degree = self._off[0].sum(axis=1) + 2 * self._own[0]
        self.refresh()

    def refresh(self) -> None:
        """Sum everything anew, which also drops the rounding errors of many moves."""
        n_groups = int(self.groups.max()) + 1
        member = (self.groups == np.arange(n_groups + 1)[:, None]).astype(np.float64)
        self.size = member.sum(axis=1).astype(np.int64)
        self.degree = _as_kind(member @ self._degree, self._degree)
        self._reach, self._sums = [], []
        for own, off in zip(self._own, self._off, strict=True):
            reach = member @ off
            total = reach @ member.T
            diagonal = np.diagonal(total) / 2 + member @ own
            np.fill_diagonal(total, diagonal)
            self._reach.append(_as_kind(reach, off))
            self._sums.append(_as_kind(total, off))
        self._price()

    @property
    def n_groups(self) -> int:
        """Number of groups with a node."""
        return len(self.size) - 1

    @property
    def edges_between(self) -> Shaped[np.ndarray, "group group"]:
        """Numbers of edges between groups, those within a group once; expected ones where multiplicities are."""
        return self._sums[0][:-1, :-1].copy()

    def copy(self) -> "Blocks":
        """An independent copy."""
        other = object.__new__(Blocks)
        other.__dict__.update(self.__dict__)
        for name in ("groups", "size", "degree", "_cost", "_group_cost"):
            setattr(other, name, getattr(self, name).copy())
        other._reach = [reach.copy() for reach in self._reach]
        other._sums = [total.copy() for total in self._sums]
        return other

    def description_length(self) -> float:
        """Nats of the present groups."""
        pairs = np.triu(self._cost).sum()
        return float(pairs + self._group_cost.sum() + self.terms.whole(self.n_groups) + self.terms.constant)

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
        step = max(1, BLOCK // (len(targets) * len(self.size)))
        if len(nodes) <= step:
            return self._changes(nodes, targets)
        parts = [self._changes(nodes[at : at + step], targets) for at in range(0, len(nodes), step)]
        return np.concatenate(parts)

    def _changes(self, nodes: np.ndarray, targets: np.ndarray) -> np.ndarray:
        terms, sums = self.terms, self._sums
        row, each, to = self.groups[nodes], np.arange(len(nodes)), targets
        d = [reach[:, nodes].T for reach in self._reach]
        own = [o[nodes] for o in self._own]
        d_row = [x[each, row] for x in d]
        # The old group without the node, towards every group that is not the target.
        left = terms.between(*(total[row] - x for total, x in zip(sums, d, strict=True)))
        result = (left.sum(axis=1) - left[each, row])[:, None] - left[:, to]
        within = (total[row, row] - x - o for total, x, o in zip(sums, d_row, own, strict=True))
        result += terms.within(*within)[:, None]
        # The new group with the node, towards every group that is neither.
        joined = terms.between(*(total[to] + x[:, None, :] for total, x in zip(sums, d, strict=True)))
        column = np.arange(len(to))
        result += joined.sum(axis=2) - joined[:, column, to] - joined[each, :, row]
        result += terms.within(
            *(total[to, to] + x[:, to] + o[:, None] for total, x, o in zip(sums, d, own, strict=True))
        )
        # Between the two.
        result += terms.between(
            *(
                total[row[:, None], to] - x[:, to] + y[:, None]
                for total, x, y in zip(sums, d, d_row, strict=True)
            )
        )
        rows = self._row_cost
        result -= rows[row][:, None] + rows[to] - self._cost[row[:, None], to]
        k, cost = self._degree[nodes], self._group_cost
        out = terms.group(self.size[row] - 1, self.degree[row] - k) - cost[row]
        result += out[:, None] + terms.group(self.size[to] + 1, self.degree[to] + k[:, None]) - cost[to]
        b = self.n_groups
        after = b - (self.size[row] == 1)[:, None] + (self.size[to] == 0)
        if (after != b).any():
            whole = np.array(
                [terms.whole(x) if x else 0.0 for x in range(b - 1, min(b + 2, terms.n_nodes + 1))]
            )
            result += whole[np.minimum(after - b + 1, len(whole) - 1)] - whole[1]
        result[row[:, None] == to] = 0.0
        return result

    def move(self, node: int, target: int) -> None:
        """Put a node into a group; `n_groups` is a new group."""
        source = int(self.groups[node])
        if source == target:
            return
        for total, reach, off, own in zip(self._sums, self._reach, self._off, self._own, strict=True):
            d, o = reach[:, node].copy(), own[node]
            total[source] -= d
            total[:, source] -= d
            total[source, source] += d[source] - o
            total[target] += d
            total[:, target] += d
            total[target, target] += o - d[target]
            reach[source] -= off[node]
            reach[target] += off[node]
        self.groups[node] = target
        self.size[source] -= 1
        self.size[target] += 1
        self.degree[source] -= self._degree[node]
        self.degree[target] += self._degree[node]
        founded, left = target == self.n_groups, self.size[source] == 0
        if founded:
            self._found()
        if left:
            self._drop(source)
        elif founded:
            self._price()
        else:
            self._price_rows(source, target)

    def merge_changes(self) -> np.ndarray:
        """Change of the description length if two groups became one, ``(group, group)``; infinite on the diagonal."""
        terms, b = self.terms, self.n_groups
        sums = [total[:b, :b] for total in self._sums]
        diagonals = [np.diagonal(total) for total in sums]
        result, column = np.empty((b, b)), np.arange(b)
        step = max(1, BLOCK // max(b * b, 1))
        for start in range(0, b, step):
            rows = column[start : start + step]
            joined = terms.between(*(_with_others(total, rows) for total in sums))
            part = joined.sum(axis=2) - joined[:, column, column]
            result[rows] = part - joined[np.arange(len(rows)), :, rows]
        within = [total + x + x[:, None] for total, x in zip(sums, diagonals, strict=True)]
        size, degree = (x[:b] + x[:b, None] for x in (self.size, self.degree))
        for array in (*within, size, degree):
            np.fill_diagonal(array, 0)
        result += terms.within(*within)
        cost, alone = self._row_cost[:b], self._group_cost[:b]
        result -= cost[:, None] + cost - self._cost[:b, :b]
        result += terms.group(size, degree) - alone[:, None] - alone
        if b > 1:
            result += terms.whole(b - 1) - terms.whole(b)
        np.fill_diagonal(result, np.inf)
        return result

    def merge(self, source: int, target: int) -> None:
        """Put all nodes of one group into another."""
        for total, reach in zip(self._sums, self._reach, strict=True):
            between = total[source, target]
            total[target] += total[source]
            total[:, target] += total[:, source]
            total[target, target] -= between
            reach[target] += reach[source]
        self.groups[self.groups == source] = target
        self.size[target] += self.size[source]
        self.degree[target] += self.degree[source]
        self._drop(source)

    def divide(self, leavers: np.ndarray) -> None:
        """Put some nodes of one group, but not all, into a new group, whose number is the highest."""
        source, target = int(self.groups[leavers[0]]), self.n_groups
        self._found()
        self.groups[leavers] = target
        for total, reach, off, own in zip(self._sums, self._reach, self._off, self._own, strict=True):
            gone = off[leavers].sum(axis=0)
            reach[source] -= gone
            reach[target] += gone
            for group in (source, target):
                row = np.bincount(self.groups, weights=reach[group], minlength=len(total))
                row[group] = row[group] / 2 + own[self.groups == group].sum()
                total[group] = total[:, group] = _as_kind(row, total)
        size, degree = len(leavers), self._degree[leavers].sum()
        self.size[[source, target]] += (-size, size)
        self.degree[[source, target]] += (-degree, degree)
        self._price()

    def _found(self) -> None:
        """Room for the next empty group."""
        self._sums = [np.pad(total, (0, 1)) for total in self._sums]
        self._reach = [np.pad(reach, ((0, 1), (0, 0))) for reach in self._reach]
        self.size, self.degree = np.pad(self.size, (0, 1)), np.pad(self.degree, (0, 1))

    def _drop(self, group: int) -> None:
        """Remove an empty group."""
        self._sums = [np.delete(np.delete(total, group, 0), group, 1) for total in self._sums]
        self._reach = [np.delete(reach, group, 0) for reach in self._reach]
        self.size, self.degree = np.delete(self.size, group), np.delete(self.degree, group)
        self.groups[self.groups > group] -= 1
        self._price()

    def _price(self) -> None:
        """Nats of all pairs of groups and of all groups."""
        self._cost = self.terms.between(*self._sums)
        np.fill_diagonal(self._cost, self.terms.within(*(np.diagonal(total) for total in self._sums)))
        self._group_cost = self.terms.group(self.size, self.degree)
        self._row_cost = self._cost.sum(axis=1)

    def _price_rows(self, *groups: int) -> None:
        """Nats of the pairs with some of the groups."""
        index = np.array(groups)
        rows = self.terms.between(*(total[index] for total in self._sums))
        rows[np.arange(len(index)), index] = self.terms.within(*(total[index, index] for total in self._sums))
        self._cost[index] = rows
        self._cost[:, index] = rows.T
        self._group_cost[index] = self.terms.group(self.size[index], self.degree[index])
        self._row_cost = self._cost.sum(axis=1)


def _as_kind(sums: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Sums of whole numbers as whole numbers."""
    return np.rint(sums).astype(np.int64) if like.dtype.kind == "i" else sums


def _with_others(total: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Sums of some groups joined with every other group; 0 where a group would be joined with itself."""
    result = total[rows][:, None, :] + total
    result[np.arange(len(rows)), rows] = 0
    return result
