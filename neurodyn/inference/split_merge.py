"""Ways out of a local optimum: one state split in two, two others merged into one.

The usual wrong optimum of a hidden Markov model describes two of the true states by one and spends the state it
saved on halving another. No small step leads out of it, but one move does.
"""

import itertools
from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from neurodyn.inference.emissions._standardise import centre_and_scale, standardise
from neurodyn.inference.initialise import METHODS, features, kmeans
from neurodyn.inference.random import Key, as_key, key_words

_RIDGE = 1e-3
_COMPONENTS = 32
_EACH = 2


class Proposal(NamedTuple):
    """A changed assignment of bins to states."""

    merged: tuple[int, int]
    split: int
    method: str
    labels: np.ndarray  # (time,), int


def proposals(
    key: Key,
    values: np.ndarray,
    mask: np.ndarray,
    start: np.ndarray,
    labels: np.ndarray,
    n_states: int,
    n_proposals: int,
    *,
    kind: str = "gaussian",
    known: Collection[tuple[tuple[int, int], int]] = (),
) -> list[Proposal]:
    r"""The most promising moves from an assignment, by the change of a Gaussian description of every state.

    A group of n bins with covariance S costs :math:`\tfrac n2 \log|S|` (counts: the Poisson likelihood at their
    own rates), the sequence of states its likelihood under its own transition matrix. Two states are merged
    where that raises the cost least, one is split (by k-means on what
    `neurodyn.inference.initialise.starts` clusters) where it lowers the cost most.

    Parameters
    ----------
    key : int or JAX key
        Source of randomness.
    values : ndarray, (time, unit)
        Observations, any unit.
    mask : ndarray of bool, (time, unit)
        True where observed.
    start : ndarray of bool, (time,)
        True at each trial's first bin.
    labels : ndarray of int, (time,)
        The assignment to change.
    n_states : int
        Number of states; below 3 there is no move.
    n_proposals : int
        How many to return at most.
    kind : {"gaussian", "count", "autoregressive"}
        What the states differ in.
    known : collection of ((int, int), int), optional
        Moves (states merged, state split) not to propose again.

    Returns
    -------
    list of Proposal
        Best first.

    References
    ----------
    Ueda, Nakano, Ghahramani and Hinton (2000), SMEM algorithm for mixture models, Neural Computation 12,
    doi:10.1162/089976600300015088.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.repeat([[0.0], [1.0], [9.0], [20.0]], 30, axis=0)
    >>> values = values + 0.1 * np.random.default_rng(0).normal(size=values.shape)
    >>> wrong = np.repeat([0, 0, 1, 2], 30)
    >>> wrong[75:90] = 3
    >>> best = proposals(0, values, np.ones((120, 1), bool), np.arange(120) == 0, wrong, 4, 1)[0]
    >>> best.split, sorted(best.merged)
    (0, [1, 3])
    """
    if n_states < 3 or n_proposals < 1:
        return []
    seen = np.any(mask, axis=1)
    counts = np.where(mask, values, 0).astype(float) if kind == "count" else None
    values = np.asarray(values) if counts is None else np.sqrt(counts)
    standard = standardise(values, mask, *centre_and_scale(values, mask), np.dtype(np.float64))
    table = standard if counts is None else counts
    table = features("dynamics", standard, mask, start) if kind == "autoregressive" else table
    cost = _Cost(np.asarray(table, float)[:, :_COMPONENTS], seen, start, kind == "count")
    labels = np.where(seen, labels, 0)
    groups = [np.flatnonzero(seen & (labels == state)) for state in range(n_states)]
    alone = [cost.group(group) for group in groups]
    moves = cost.moves(labels, n_states)
    whole = cost.chain(moves)
    losses = {}
    for i, j in itertools.combinations(range(n_states), 2):
        joint = cost.group(np.concatenate([groups[i], groups[j]])) - alone[i] - alone[j]
        losses[i, j] = joint + cost.chain(_merged(moves, i, j)) - whole
    gains = _splits(key, standard, mask, start, labels, groups, cost, alone, whole, kind)
    ranked = sorted(
        (
            (gain - loss, pair, state)
            for pair, loss in losses.items()
            for state, (gain, _, _) in gains.items()
        ),
        key=lambda move: -move[0],
    )
    found: list[Proposal] = []
    for _, pair, state in ranked:
        often = [one for one in found if one.merged == pair], [one for one in found if one.split == state]
        if state in pair or (pair, state) in known or max(map(len, often)) >= _EACH:
            continue
        _, method, part = gains[state]
        moved = labels.copy()
        moved[labels == pair[1]] = pair[0]
        moved[part] = pair[1]
        found.append(Proposal(pair, state, method, moved))
        if len(found) == n_proposals:
            break
    return found


def _splits(
    key: Key,
    standard: np.ndarray,
    mask: np.ndarray,
    start: np.ndarray,
    labels: np.ndarray,
    groups: list[np.ndarray],
    cost: "_Cost",
    alone: list[float],
    whole: float,
    kind: str,
) -> dict[int, tuple[float, str, np.ndarray]]:
    """For every state the gain of its best split, how it was found, and the bins that leave."""
    best: dict[int, tuple[float, str, np.ndarray]] = {}
    least = 2 * (standard.shape[1] + 1)
    words = key_words(as_key(key))
    for method in dict.fromkeys(m for m in METHODS[kind] if m != "segments"):
        points = features(method, standard, mask, start)
        for state, group in enumerate(groups):
            if len(group) < 2 * least:
                continue
            seed = int(np.random.default_rng([*words, state]).integers(2**31))
            halves = kmeans(seed, points[group], 2, restarts=2, standardised=True).labels[0]
            parts = group[halves == 0], group[halves == 1]
            if min(map(len, parts)) < least:
                continue
            changed = labels.copy()
            changed[parts[1]] = len(groups)
            gain = alone[state] - sum(cost.group(part) for part in parts)
            gain += whole - cost.chain(cost.moves(changed, len(groups) + 1))
            if state not in best or gain > best[state][0]:
                best[state] = gain, method, parts[1]
    return best


def _merged(moves: np.ndarray, i: int, j: int) -> np.ndarray:
    """Transition counts with state j made part of state i."""
    moves = moves.copy()
    moves[i] += moves[j]
    moves[:, i] += moves[:, j]
    return np.delete(np.delete(moves, j, axis=0), j, axis=1)


class _Cost:
    """Description length, in nats, of bins given their states, and of the sequence of states."""

    def __init__(self, table: np.ndarray, seen: np.ndarray, start: np.ndarray, counts: bool) -> None:
        self.table = table
        self.counts = counts
        self.inside = seen[1:] & seen[:-1] & ~start[1:]

    def group(self, bins: np.ndarray) -> float:
        """Negative log-likelihood of bins under one Gaussian (or Poisson rates) of their own, up to constants."""
        points, size = self.table[bins], len(bins)
        if size == 0:
            return 0.0
        if self.counts:
            total = points.sum(axis=0)
            return float(-(total * np.log(np.maximum(total, 1e-12) / size)).sum())
        centred = points - points.mean(axis=0)
        covariance = centred.T @ centred / size + _RIDGE * np.eye(points.shape[1])
        return 0.5 * size * float(np.linalg.slogdet(covariance)[1])

    def moves(self, labels: np.ndarray, n_states: int) -> np.ndarray:
        """Number of moves from state to state inside trials."""
        pair = labels[:-1][self.inside] * n_states + labels[1:][self.inside]
        return np.bincount(pair, minlength=n_states**2).reshape(n_states, n_states).astype(float)

    @staticmethod
    def chain(moves: np.ndarray) -> float:
        """Negative log-likelihood of the sequence of states under its own transition matrix."""
        leaving = np.maximum(moves.sum(axis=1, keepdims=True), 1.0)
        return float(-(moves * np.log(np.maximum(moves, 1e-12) / leaving)).sum())
