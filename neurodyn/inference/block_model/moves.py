"""Moves between divisions into groups: nodes by the best change or by chance, groups merged, split, and both."""

import numpy as np

from neurodyn.inference.block_model.division import Division

# A change counts as a descent only beyond rounding.
TOLERANCE = 1e-8
SWEEPS = 30
POWER_STEPS = 12


def descend(
    blocks: Division,
    nodes: np.ndarray | None = None,
    targets: np.ndarray | None = None,
    *,
    sweeps: int = SWEEPS,
    keep_number: bool = False,
) -> float:
    """Move single nodes to where the description length falls most, until it falls no more.

    The changes of all nodes are computed at once and those that promise a descent are carried out from the largest on,
    each computed anew before it is made, so that the description length never rises.

    Parameters
    ----------
    blocks : Division
        The division, changed in place.
    nodes : numpy.ndarray, optional
        Nodes that may move; default all.
    targets : numpy.ndarray, optional
        Groups they may enter, with `keep_number`; default all.
    sweeps : int
        Most passes over the nodes.
    keep_number : bool
        Neither found a group nor leave one empty.

    Returns
    -------
    float
        Change in nats, 0 or less.
    """
    nodes = np.arange(blocks.terms.n_nodes) if nodes is None else nodes
    total = 0.0
    for _ in range(sweeps):
        promise = _allowed(blocks, nodes, _targets(blocks, targets, keep_number), keep_number).min(axis=1)
        moved = 0.0
        for at in np.argsort(promise, kind="stable"):
            if promise[at] >= -TOLERANCE:
                break
            to, node = _targets(blocks, targets, keep_number), nodes[at : at + 1]
            change = _allowed(blocks, node, to, keep_number)[0]
            best = int(change.argmin())
            if change[best] < -TOLERANCE:
                blocks.move(int(node[0]), int(to[best]))
                moved += float(change[best])
        total += moved
        if moved >= -TOLERANCE:
            break
    return total


def _targets(blocks: Division, targets: np.ndarray | None, keep_number: bool) -> np.ndarray:
    """Groups to choose from: those given, or all and a new one."""
    if targets is not None:
        return targets
    with_new = not keep_number and blocks.n_groups < blocks.terms.n_nodes
    return np.arange(blocks.n_groups + with_new)


def _allowed(blocks: Division, nodes: np.ndarray, targets: np.ndarray, keep_number: bool) -> np.ndarray:
    """Changes, infinite for the last node of a group where the number of groups is to stay."""
    change = blocks.changes(nodes, targets)
    if keep_number:
        change[blocks.size[blocks.groups[nodes]] == 1] = np.inf
    return change


def gibbs_sweep(
    blocks: Division,
    rng: np.random.Generator,
    inverse_temperature: float = 1.0,
    *,
    labelled: bool = True,
    keep_number: bool = False,
) -> None:
    r"""Draw the group of every node in turn given those of all others.

    .. math:: P(b_i = s \mid b_{-i}) \propto e^{-\beta L(b)}

    over the groups of the other nodes and a new one. Where groups bear no labels a division stands for the :math:`B!`
    ways to label it, and the weight has that factor too.

    Parameters
    ----------
    blocks : Division
        The division, changed in place.
    rng : numpy.random.Generator
        Source of chance.
    inverse_temperature : float
        :math:`\beta`; 1 samples the posterior.
    labelled : bool
        Whether two labellings of a division are two states.
    keep_number : bool
        Neither found a group nor leave one empty.
    """
    n_nodes = blocks.terms.n_nodes
    for node in rng.permutation(n_nodes):
        row, b = blocks.groups[node], blocks.n_groups
        alone = blocks.size[row] == 1
        if alone and keep_number:
            continue
        targets = np.arange(b + (not alone and b < n_nodes and not keep_number))
        score = -blocks.changes(np.array([node]), targets)[0]
        if not labelled:
            if alone:
                score -= np.log(b)
                score[row] += np.log(b)
            elif len(targets) > b:
                score[b] += np.log(b + 1)
        reached = np.exp(inverse_temperature * (score - score.max())).cumsum()
        drawn = int(np.searchsorted(reached, rng.random() * reached[-1], side="right"))
        blocks.move(int(node), min(drawn, len(targets) - 1))


def merge_best(blocks: Division, n_groups: int) -> None:
    """Merge groups, those first whose merger changes the description length least, until so many are left.

    No group takes part twice in a round; between rounds all changes are computed anew.

    Parameters
    ----------
    blocks : Division
        The division, changed in place.
    n_groups : int
        Number of groups to end with, at least 1.
    """
    while blocks.n_groups > n_groups:
        change = blocks.merge_changes()
        rows, columns = np.triu_indices(len(change), 1)
        order = np.argsort(change[rows, columns], kind="stable")
        wanted, used = [], np.zeros(len(change), dtype=bool)
        for r, s in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
            if len(wanted) == blocks.n_groups - n_groups:
                break
            if not (used[r] or used[s]):
                used[[r, s]] = True
                wanted.append((s, r))
        # From the highest number on, so that those still to go keep theirs.
        for source, target in sorted(wanted, reverse=True):
            blocks.merge(source, target)


def merge_down(blocks: Division) -> float:
    """Merge pairs of groups while that lowers the description length; the change in nats."""
    total = 0.0
    while blocks.n_groups > 1:
        change = blocks.merge_changes()
        r, s = np.unravel_index(int(change.argmin()), change.shape)
        if change[r, s] >= -TOLERANCE:
            break
        blocks.merge(int(max(r, s)), int(min(r, s)))
        total += float(change[r, s])
    return total


def split(blocks: Division, group: int, rng: np.random.Generator, how: str) -> Division | None:
    """A copy with a group split in two and its nodes moved between the halves until the description length falls no more.

    Parameters
    ----------
    blocks : Division
        The division, left as it is.
    group : int
        The group to split.
    rng : numpy.random.Generator
        Source of chance.
    how : {"edges", "weights", "random"}
        First halves: by the sign of the leading component of the nodes' rows of edges, of weights, or by chance.

    Returns
    -------
    Blocks or None
        None where the group has one node or the first halves leave one empty.
    """
    nodes = np.flatnonzero(blocks.groups == group)
    if len(nodes) < 2:
        return None
    if how == "random":
        score = rng.normal(size=len(nodes))
    else:
        channel = blocks.terms.channels[blocks.terms.clues[how == "weights"]]
        score = _leading(channel[nodes].astype(np.float64), rng)
    leavers = nodes[score > np.median(score) if how == "random" else score > 0]
    if len(leavers) in (0, len(nodes)):
        return None
    trial = blocks.copy()
    trial.divide(leavers)
    both = np.array([group, trial.n_groups - 1])
    descend(trial, nodes, both, sweeps=5, keep_number=True)
    return trial


def _leading(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Projections of the rows on their leading principal component, by power iteration."""
    rows = rows - rows.mean(axis=0)
    score = rng.normal(size=len(rows))
    for _ in range(POWER_STEPS):
        score = rows @ (score @ rows)
        norm = np.abs(score).max()
        if norm == 0:
            break
        score = score / norm
    return score


def split_down(blocks: Division, rng: np.random.Generator) -> Division:
    """Split every group in turn where that lowers the description length; the better division."""
    value = blocks.description_length()
    pending = list(range(blocks.n_groups))
    while pending:
        group = pending.pop()
        for how in ("edges", "weights", "random"):
            trial = split(blocks, group, rng, how)
            if trial is not None and trial.description_length() < value - TOLERANCE:
                blocks, value = trial, trial.description_length()
                pending += [group, blocks.n_groups - 1]
                break
    return blocks


def merge_split_down(blocks: Division, rng: np.random.Generator) -> Division:
    """Merge every group with the one that fits it best and split the two anew, where that lowers the description length.

    References
    ----------
    Peixoto (2020), Physical Review E 102, 012305, doi:10.1103/PhysRevE.102.012305.
    """
    value = blocks.description_length()
    for group in range(blocks.n_groups):
        if group >= blocks.n_groups or blocks.n_groups < 2:
            break
        partner = int(blocks.merge_changes()[group].argmin())
        merged = blocks.copy()
        merged.merge(max(group, partner), min(group, partner))
        for how in ("edges", "weights", "random"):
            trial = split(merged, min(group, partner), rng, how)
            if trial is not None and trial.description_length() < value - TOLERANCE:
                blocks, value = trial, trial.description_length()
                break
    return blocks
