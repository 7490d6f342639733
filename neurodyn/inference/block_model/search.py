"""The search for the division with the shortest description, whatever the description is made of."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int

from neurodyn.errors import ModelError
from neurodyn.inference.block_model.division import Division, divided
from neurodyn.inference.block_model.moves import (
    TOLERANCE,
    descend,
    gibbs_sweep,
    merge_best,
    merge_down,
    merge_split_down,
    split_down,
)
from neurodyn.inference.block_model.terms import Terms
from neurodyn.inference.random import as_key, key_words

# Up to so many nodes every node is a group of its own at first.
MOST_SINGLE = 150
FIRST_GROUPS = 80
SHRINK = 1.3
STAGE_SWEEPS = 3
# From so many groups on they merge one pair at a time, and nodes move by chance before they descend: close to the limit
# of what can be detected, descents alone end more than ten nats above the planted groups.
FEW_GROUPS = 12
STAGE_TEMPERATURES = (1.4, 1.4, 1.0, 1.0)
ROUNDS = 20
# Cooling of a shake; it starts at the posterior's own temperature.
TEMPERATURES = (1.0, 1.0, 1.0, 0.7, 0.4)
IDLE_SHAKES, IDLE_ADAPTED = 4, 2
# Most times that latent values are fitted to new groups in one descent.
ADAPTATIONS, ROUGH_ADAPTATIONS = 8, 4
# Nodes of a group that may be there only because latent values were fitted to it.
SMALL = 2

Adapt = Callable[[np.ndarray, bool], Terms]


@dataclasses.dataclass(frozen=True, eq=False)
class Partition:
    """Groups of nodes, numbered from 0 by falling size, then by their first node.

    Parameters
    ----------
    groups : (node,)
        Group of each node.
    description_length : float
        Nats; densities of weights in units of the mean weight.
    trace : (step,)
        Description length during the last descent of the start that was kept; never rises.
    starts : (start,)
        Description length that every start came to.
    path : dict
        For every number of groups that was met, the shortest description and its groups.
    """

    groups: Int[np.ndarray, " node"]
    description_length: float
    trace: np.ndarray
    starts: np.ndarray
    path: dict[int, tuple[float, np.ndarray]]

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.groups.max()) + 1


def fit_terms(terms: Terms, *, key, starts: int = 2, shake: bool = True) -> Partition:
    """`fitting.fit` for terms that are there already, with or without the shakes at the end."""
    return search(
        lambda groups, rough: terms, terms.n_nodes, key=key, starts=starts, shake=shake, adapted=False
    )


def search(
    adapt: Adapt,
    n_nodes: int,
    *,
    key,
    starts: int = 2,
    shake: bool = True,
    adapted: bool = True,
    divisions: Sequence[np.ndarray] = (),
) -> Partition:
    """The division with the shortest description, where latent values may have to be fitted to each division.

    Parameters
    ----------
    adapt : Callable
        Terms from groups, and from whether a rough fit of latent values will do.
    n_nodes : int
        Number of nodes.
    key : int or jax.Array
        Randomness.
    starts : int
        Number of starts from many groups; 0 with `divisions`.
    shake : bool
        Whether the best is shaken at the end.
    adapted : bool
        Whether `adapt` depends on the groups.
    divisions : sequence of (node,)
        Groups to start from besides.

    Returns
    -------
    Partition
        The best division.
    """
    if starts + len(divisions) < 1:
        raise ModelError(f"starts is {starts}; it must be at least 1.")
    words = key_words(as_key(key))
    path: dict[int, tuple[float, np.ndarray]] = {}
    runs = []
    for start in range(starts + len(divisions)):
        rng = np.random.default_rng([*words, start])
        if start < starts:
            first = _agglomerate(adapt, n_nodes, rng, path, adapted)
        else:
            first = divided(adapt(divisions[start - starts], False), divisions[start - starts])
        blocks, steps = _settle_adapted(first, adapt, rng, adapted)
        _note(blocks, path)
        runs.append((blocks.description_length(), blocks, steps))
    values = [run[0] for run in runs]
    # The first of those that no other is shorter than.
    _, best, trace = next(run for run in runs if run[0] <= min(values) + TOLERANCE)
    if shake:
        best, trace = _shake(best, trace, adapt, np.random.default_rng([*words, starts]), adapted)
    _note(best, path)
    groups = in_order(best.groups)
    value = divided(best.terms, groups).description_length()
    return Partition(groups, value, np.array(trace), np.array(values), path)


def _settle_adapted(
    blocks: Division, adapt: Adapt, rng: np.random.Generator, adapted: bool
) -> tuple[Division, list[float]]:
    """Descend, and where latent values are fitted to groups do both in turns, as long as the description gets shorter."""
    if not adapted:
        return settle(blocks, rng)
    for _ in range(ROUGH_ADAPTATIONS):
        before = divided(adapt(blocks.groups, True), blocks.groups)
        blocks, trace = settle(before, rng)
        if trace[-1] >= trace[0] - TOLERANCE:
            break
    best, trace, value = blocks, [np.inf], np.inf
    for _ in range(ADAPTATIONS):
        now = divided(adapt(blocks.groups, False), blocks.groups)
        if now.description_length() >= value - TOLERANCE:
            break
        best, value = now, now.description_length()
        blocks, trace = settle(now.copy(), rng)
    best, value = _absorb(best, adapt)
    return best, [*trace, value] if value <= trace[-1] else [value]


def _absorb(best: Division, adapt: Adapt) -> tuple[Division, float]:
    """Merge groups of next to no nodes with others where, once latent values are fitted, that shortens the description.

    Values fitted to a node that is alone are its own and hide where it belongs.
    """
    value = best.description_length()
    while best.n_groups > 1 and best.size[:-1].min() <= SMALL:
        small, before, nearest = int(best.size[:-1].argmin()), value, best
        for other in range(best.n_groups):
            if other == small:
                continue
            groups = np.where(best.groups == small, other, best.groups)
            trial = divided(adapt(groups, False), groups)
            if trial.description_length() < value - TOLERANCE:
                nearest, value = trial, trial.description_length()
        if value == before:
            break
        best = nearest
    return best, value


def _shake(
    best: Division, trace: list[float], adapt: Adapt, rng: np.random.Generator, adapted: bool
) -> tuple[Division, list[float]]:
    """Leave the division by a Markov chain that cools down, and descend, until several shakes in a row bring nothing."""
    idle = 0
    while idle < (IDLE_ADAPTED if adapted else IDLE_SHAKES):
        blocks = best.copy()
        for temperature in TEMPERATURES:
            gibbs_sweep(blocks, rng, 1 / temperature)
        blocks, steps = _settle_adapted(blocks, adapt, rng, adapted)
        idle += 1
        if blocks.description_length() < best.description_length() - TOLERANCE:
            best, trace, idle = blocks, steps, 0
    return best, trace


def _agglomerate(
    adapt: Adapt,
    n_nodes: int,
    rng: np.random.Generator,
    path: dict[int, tuple[float, np.ndarray]],
    adapted: bool,
) -> Division:
    """From many groups to one by the cheapest mergers; the division with the shortest description on the way."""
    n = n_nodes
    groups = rng.permutation(n) if n <= MOST_SINGLE else rng.integers(FIRST_GROUPS, size=n)
    blocks = divided(adapt(np.zeros(n, np.int64), True), groups)
    best, value = blocks.copy(), blocks.description_length()
    while True:
        if 1 < blocks.n_groups <= FEW_GROUPS:
            for temperature in STAGE_TEMPERATURES[2 * adapted :]:
                gibbs_sweep(blocks, rng, 1 / temperature, keep_number=True)
        descend(blocks, sweeps=STAGE_SWEEPS, keep_number=True)
        if adapted:
            blocks = divided(adapt(blocks.groups, True), blocks.groups)
        blocks.refresh()
        _note(blocks, path)
        if blocks.description_length() < value - TOLERANCE:
            best, value = blocks.copy(), blocks.description_length()
        if blocks.n_groups == 1:
            return best
        fewer = max(int(blocks.n_groups / SHRINK), FEW_GROUPS)
        merge_best(blocks, min(blocks.n_groups - 1, fewer))


def _note(blocks: Division, path: dict[int, tuple[float, np.ndarray]]) -> None:
    """Remember the division if none of so many groups has a shorter description."""
    value = blocks.description_length()
    if value < path.get(blocks.n_groups, (np.inf,))[0]:
        path[blocks.n_groups] = (value, blocks.groups.copy())


def settle(blocks: Division, rng: np.random.Generator) -> tuple[Division, list[float]]:
    """Descend by all kinds of moves until none lowers the description length; the division and its trace."""
    trace = [blocks.description_length()]
    kinds: tuple[Callable[[Division], Division], ...] = (
        _in_place(descend),
        _in_place(merge_down),
        lambda now: split_down(now, rng),
        lambda now: merge_split_down(now, rng),
    )
    for _ in range(ROUNDS):
        before = trace[-1]
        for kind in kinds:
            blocks = kind(blocks)
            trace.append(blocks.description_length())
        blocks.refresh()
        if trace[-1] >= before - TOLERANCE:
            break
    return blocks, trace


def _in_place(change: Callable[[Division], float]) -> Callable[[Division], Division]:
    """A move that changes the division as one that returns it."""

    def moved(blocks: Division) -> Division:
        change(blocks)
        return blocks

    return moved


def in_order(groups: Int[np.ndarray, " node"]) -> Int[np.ndarray, " node"]:
    """Groups numbered from 0 by falling size, equal ones by their first node."""
    _, first, label, size = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(size), dtype=np.int64)
    rank[np.lexsort((first, -size))] = np.arange(len(size))
    return rank[label.reshape(-1)]
