"""Factorisation of a tensor that is made block by block and never held.

A pass over the blocks of the first mode updates its entries, which blocks do not share, and sums what the other modes need:
one product of the first mode with the tensor, of the size of one row times the number of components. The objective of the
factors that a pass starts from is computed in that pass. So the passes take for granted that the last sweep was not too
long a step; where it was, the pass is void and is made again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from neurodyn.errors import ModelError
from neurodyn.inference.compilation import light_jit
from neurodyn.inference.factorise.checks import Checked, check_request, check_tensor, precision
from neurodyn.inference.factorise.comparison import normalised
from neurodyn.inference.factorise.contractions import Tail
from neurodyn.inference.factorise.descent import Descent, begin, judged, proposed
from neurodyn.inference.factorise.fitting import CHECK_EVERY, PASSES, Factorisation, starting
from neurodyn.inference.factorise.penalties import ModePenalty, Penalties, penalty_of
from neurodyn.inference.factorise.sweeps import (
    SQUARES,
    Gathered,
    Settings,
    poisson_rows,
    poisson_tail,
    rows_loss,
    squares_rows,
    squares_tail,
)
from neurodyn.inference.progress import Progress

Block = Callable[[int], tuple[np.ndarray, np.ndarray | None]]


class Survey(NamedTuple):
    """What a first pass over the blocks found.

    Attributes
    ----------
    checked : Checked
        As of the whole tensor, without its values.
    shape : tuple of int
        Of the whole tensor.
    lengths : tuple of int
        Rows of every block.
    """

    checked: Checked
    shape: tuple[int, ...]
    lengths: tuple[int, ...]


@light_jit(static_argnames=["settings"])
def _rows(
    values: Float[Array, "row column"],
    mask: Bool[Array, "row column"] | None,
    start: Tail,
    before: Gathered | None,
    penalty: ModePenalty,
    *,
    settings: Settings,
) -> tuple[Array, Gathered]:
    """New rows of the first mode, and what the tail needs of them and of those before."""
    rows_of = squares_rows if settings.loss == SQUARES else poisson_rows
    rows = rows_of(values, mask, start[0], start[1:], penalty, settings)
    gathered = rows.gathered if before is None else jax.tree.map(jnp.add, before, rows.gathered)
    return rows.first, gathered


@light_jit(static_argnames=["loss"])
def _loss(
    values: Float[Array, "row column"], mask: Bool[Array, "row column"] | None, known: Tail, *, loss: str
) -> Array:
    """Loss of the factors on some rows; apart from the new rows, whose temporary arrays it would double."""
    return rows_loss(values, mask, known[0], known[1:], loss)


@light_jit(static_argnames=["settings"])
def _tail(gathered: Gathered, tail: Tail, penalties: tuple[ModePenalty, ...], *, settings: Settings) -> Tail:
    """The tail after the rows."""
    if settings.loss == SQUARES:
        return squares_tail(gathered, tail, penalties, settings)[0]
    return poisson_tail(gathered, tail, penalties, settings)


def survey(block: Block, n_blocks: int) -> Survey:
    """Check every block, and find which entries of each mode have any value.

    Parameters
    ----------
    block : callable
        ``block(i)`` gives values and mask (None where all is observed) of block i.
    n_blocks : int
        Number of blocks.

    Returns
    -------
    Survey
        Shape, lengths, mean, and seen entries.

    Raises
    ------
    ModelError
        If a block is not a tensor as `fit` takes it, or differs from the first in a further mode.
    """
    lengths, rows, total, count = [], [], 0.0, 0
    seen: list[np.ndarray] = []
    shape: tuple[int, ...] = ()
    for index in range(n_blocks):
        values, mask = block(index)
        checked = check_tensor(values, mask, place=f"block {index}", empty=True)
        if index and checked.values.shape[1:] != shape[1:]:
            raise ModelError(
                f"block {index} has shape {checked.values.shape}; after the first mode it must be {shape[1:]}."
            )
        shape = checked.values.shape
        observed = checked.values.size if checked.mask is None else int(checked.mask.sum())
        total, count = total + checked.mean * observed, count + observed
        lengths.append(len(checked.values))
        rows.append(checked.seen[0])
        seen = [one | other for one, other in zip(seen or checked.seen[1:], checked.seen[1:], strict=True)]
    if not count:
        raise ModelError("no entry of any block is observed; every mask is False throughout.")
    whole = Checked(np.zeros((0, 0), precision()), None, (np.concatenate(rows), *seen), total / count)
    return Survey(whole, (sum(lengths), *shape[1:]), tuple(lengths))


def fit_blocks(
    block: Block,
    n_blocks: int,
    rank: int,
    *,
    loss: str = SQUARES,
    key: Any = None,
    start: Sequence[Float[np.ndarray, "_ component"]] | None = None,
    fixed: Mapping[int, Float[np.ndarray, "_ component"]] | None = None,
    penalties: Penalties | None = None,
    accelerate: bool = True,
    passes: int = PASSES,
    max_sweeps: int = 500,
    tolerance: float = 1e-6,
    progress: Progress | None = None,
) -> Factorisation:
    """Fit a tensor whose blocks along the first mode are made on the fly; the same sweeps as `fit`.

    Parameters
    ----------
    block : callable
        ``block(i) -> (values, mask)``, the same at every call; the mask is None where all is observed. Blocks may differ in
        their first mode only; equal lengths waste nothing.
    n_blocks : int
        Number of blocks.
    rank, loss, key, start, fixed, penalties, accelerate, passes, max_sweeps, tolerance, progress
        As in `fit`. The first mode takes no smoothness.

    Returns
    -------
    Factorisation
        As `fit` with one start would give. Beside the factors, memory holds one block and a few arrays of the size of one
        row of the tensor times the number of components. The blocks are made once to check them, once a sweep, once at the
        end, and once more for every sweep that rises.

    Raises
    ------
    ModelError
        If a block or a setting is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.streaming import fit_blocks
    >>> rows, pairs = np.arange(1.0, 13), np.arange(1.0, 6)
    >>> found = fit_blocks(lambda i: (np.outer(rows[4 * i : 4 * i + 4], pairs), None), 3, 1, key=0)
    >>> bool(np.allclose(found.dense(), np.outer(rows, pairs), rtol=1e-4))
    True
    """
    fixed, penalties = dict(fixed or {}), penalties or Penalties()
    modes = tuple(sorted(fixed))
    if isinstance(n_blocks, bool) or not isinstance(n_blocks, (int, np.integer)) or n_blocks < 1:
        raise ModelError(f"n_blocks is {n_blocks!r}; it must be a whole number, 1 or more.")
    if penalties.smoothness.get(0):
        raise ModelError("smoothness of mode 0 links blocks to each other; use fit, or smooth another mode.")
    found = survey(block, int(n_blocks))
    check_request(found.shape, rank, loss, modes, tolerance, {"passes": passes, "max_sweeps": max_sweeps})
    strengths = penalties.by_mode(found.shape, modes, precision())
    free = tuple(mode not in fixed for mode in range(len(found.shape)))
    settings = Settings(loss, free, passes, accelerate)
    passes_over = _Passes(block, found, strengths, settings)
    # The start is handed over, not kept: every array of the length of a row times the components counts.
    state, trace, converged = passes_over.run(
        begin(_start_of(found, rank, key, start, fixed)), max_sweeps, tolerance, progress
    )
    first = np.asarray(state.factors[0]).reshape(rank, n_blocks, -1)
    parts = [first[:, index, :length] for index, length in enumerate(found.lengths)]
    whole = (np.concatenate(parts, axis=1), *(np.asarray(factor) for factor in state.factors[1:]))
    weights, factors = normalised(tuple(factor.T for factor in whole), keep=modes)
    return Factorisation(weights, factors, np.asarray(trace), converged, found.checked.seen)


def _start_of(
    found: Survey,
    rank: int,
    key: Any,
    start: Sequence[np.ndarray] | None,
    fixed: Mapping[int, np.ndarray],
) -> Tail:
    """Factors to start from."""
    first, *tail = (jnp.asarray(part[0]) for part in starting(found.checked, rank, key, 1, start, fixed))
    return (_padded(first, found.lengths), *tail)


def _padded(first: Array, lengths: tuple[int, ...]) -> Array:
    """The first mode with every block as long as the longest."""
    longest, starts = max(lengths), np.cumsum((0, *lengths))
    parts = [first[:, starts[i] : starts[i + 1]] for i in range(len(lengths))]
    return jnp.concatenate([jnp.pad(part, ((0, 0), (0, longest - part.shape[1]))) for part in parts], axis=1)


class _Passes:
    """Passes over the blocks, with what they share."""

    def __init__(
        self, block: Block, found: Survey, strengths: tuple[ModePenalty, ...], settings: Settings
    ) -> None:
        self.block, self.lengths, self.longest = block, found.lengths, max(found.lengths)
        self.strengths, self.settings = strengths, settings

    def over(self, start: Tail, known: Tail) -> tuple[Tail, Array]:
        """One sweep from `start`, and the objective of `known`."""
        rows, gathered, loss = [], None, jnp.zeros((), start[0].dtype)
        for index in range(len(self.lengths)):
            values, mask = self.part(index)
            # No more than one block waits for another: those not yet worked on would pile up in memory.
            jax.block_until_ready(loss)
            here = slice(index * self.longest, (index + 1) * self.longest)
            rows_of = _rows if self.settings.loss == SQUARES else _rows.full
            loss_of = _loss if self.settings.loss == SQUARES else _loss.full
            near = (start[0][:, here], *start[1:])
            new, gathered = rows_of(values, mask, near, gathered, self.strengths[0], settings=self.settings)
            rows.append(new)
            loss = loss + loss_of(values, mask, (known[0][:, here], *known[1:]), loss=self.settings.loss)
        tail = _tail(gathered, start[1:], self.strengths, settings=self.settings)
        return (jnp.concatenate(rows, axis=1), *tail), loss + penalty_of(known, self.strengths)

    def after(self, state: Descent, candidate: Tail) -> Tail:
        """Where the next sweep starts, in the hope that the candidate is accepted; the pass from it tells whether it was."""
        if not self.settings.accelerate:
            return candidate
        hopeful = judged(state, candidate, jnp.asarray(-jnp.inf, state.objective.dtype), True)
        return proposed(hopeful, self.settings.loss)

    def part(self, index: int) -> tuple[Array, Array | None]:
        """Values and mask of one block, made as long as the longest by rows of zeros, which stay zero."""
        values, mask = self.block(index)
        short = self.longest - len(values)
        if mask is None or mask.all():
            filled, seen = np.asarray(values, precision()), None
        else:
            filled = np.where(mask, values, 0).astype(precision(), copy=False)
            seen = mask.reshape(len(mask), -1)
        filled = filled.reshape(len(values), -1)
        if short:
            filled = np.pad(filled, ((0, short), (0, 0)))
            seen = None if seen is None else np.pad(seen, ((0, short), (0, 0)))
        return jnp.asarray(filled), None if seen is None else jnp.asarray(seen)

    def run(
        self, state: Descent, max_sweeps: int, tolerance: float, progress: Progress | None
    ) -> tuple[Descent, list[float], bool]:
        """Sweep until converged; the state, the objective after every sweep, and whether it converged."""
        accelerate, trace = self.settings.accelerate, []
        candidate, _ = self.over(state.factors, state.factors)
        reference = np.inf
        while True:
            following, objective = self.over(self.after(state, candidate), candidate)
            state = judged(state, candidate, objective, accelerate)
            trace.append(float(state.objective))
            made, after = len(trace), trace[-1]
            if progress is not None:
                progress.update(made / max_sweeps, f"sweep {made}, objective {after:.6g}")
            if tolerance > 0 and (made % CHECK_EVERY == 0 or made == max_sweeps):
                length = (made - 1) % CHECK_EVERY + 1
                if reference - after <= tolerance * length * abs(after):
                    return state, trace, True
                reference = after
            if made == max_sweeps:
                return state, trace, False
            risen = accelerate and bool(state.plain)
            candidate = self.over(state.factors, state.factors)[0] if risen else following
