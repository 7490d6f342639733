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

    A group of n bins with covariance S costs :math:`\tfrac n2 \log|S| - n \log n`. Two states are merged where
    that raises the cost least, one is split (by k-means on what `neurodyn.inference.initialise.starts`
    clusters) where it lowers the cost most.

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
    values = np.sqrt(np.where(mask, values, 0)) if kind == "count" else np.asarray(values)
    standard = standardise(values, mask, *centre_and_scale(values, mask), np.dtype(np.float64))
    table = features("dynamics", standard, mask, start) if kind == "autoregressive" else standard
    table = np.asarray(table, float)[:, :_COMPONENTS]
    groups = [np.flatnonzero(seen & (labels == state)) for state in range(n_states)]
    alone = [_cost(table[group]) for group in groups]
    losses = {
        (i, j): _cost(table[np.concatenate([groups[i], groups[j]])]) - alone[i] - alone[j]
        for i, j in itertools.combinations(range(n_states), 2)
    }
    gains = _splits(key, standard, mask, start, groups, table, alone, kind)
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
    groups: list[np.ndarray],
    table: np.ndarray,
    alone: list[float],
    kind: str,
) -> dict[int, tuple[float, str, np.ndarray]]:
    """For every state the gain of its best split, how it was found, and the bins that leave."""
    best: dict[int, tuple[float, str, np.ndarray]] = {}
    least = 2 * (table.shape[1] + 1)
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
            gain = alone[state] - sum(_cost(table[part]) for part in parts)
            if state not in best or gain > best[state][0]:
                best[state] = gain, method, parts[1]
    return best


def _cost(points: np.ndarray) -> float:
    """Negative log-likelihood of a group under its own Gaussian, and of belonging to it, up to constants."""
    size = len(points)
    if size == 0:
        return 0.0
    centred = points - points.mean(axis=0)
    covariance = centred.T @ centred / size + _RIDGE * np.eye(points.shape[1])
    return 0.5 * size * float(np.linalg.slogdet(covariance)[1]) - size * float(np.log(size))
