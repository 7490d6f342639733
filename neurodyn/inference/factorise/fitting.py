"""Non-negative canonical polyadic factorisation of a tensor in memory."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Shaped

from neurodyn.errors import ModelError
from neurodyn.inference.factorise.checks import Checked, check_request, check_tensor
from neurodyn.inference.factorise.comparison import Factors, normalised
from neurodyn.inference.factorise.contractions import Tensor
from neurodyn.inference.factorise.descent import CHUNK, Descent, begin, compiled
from neurodyn.inference.factorise.penalties import ModePenalty, Penalties
from neurodyn.inference.factorise.starts import random_start
from neurodyn.inference.factorise.sweeps import SQUARES, Settings
from neurodyn.inference.progress import Progress, Share

CHECK_EVERY = 10
PASSES = 3
# A larger tensor with holes, or of counts, keeps the machine busy with one start at a time.
BATCH_ENTRIES = 2**20


class Factorisation(NamedTuple):
    r"""A sum of outer products, :math:`\hat x_{i \dots k} = \sum_r w_r f_{ir} \cdots h_{kr}`.

    Attributes
    ----------
    weights : numpy.ndarray
        Scale of every component, largest first, ``(component,)``.
    factors : tuple of numpy.ndarray
        ``(entry, component)``, one a mode; columns of length 1 (or 0 where nothing is left of a component). Fixed modes
        are as given, and the components then in the order given.
    objective : numpy.ndarray
        Loss plus penalties after every sweep.
    converged : bool
        Whether the objective fell by less than the tolerance.
    seen : tuple of numpy.ndarray of bool
        By mode, which entries had any observed value; the factors of the others are 0 and mean nothing, unless a
        smoothness filled them.
    """

    weights: np.ndarray
    factors: Factors
    objective: np.ndarray
    converged: bool
    seen: tuple[np.ndarray, ...]

    def dense(self) -> np.ndarray:
        """The model of every entry of the tensor."""
        columns = self.weights
        for factor in self.factors:
            columns = columns[..., None, :] * factor
        return columns.sum(-1)


def fit(
    values: Shaped[np.ndarray, "..."],
    rank: int,
    *,
    mask: Bool[np.ndarray, "..."] | None = None,
    loss: str = SQUARES,
    key: Any = None,
    restarts: int = 1,
    start: Sequence[Float[np.ndarray, "_ component"]] | None = None,
    fixed: Mapping[int, Float[np.ndarray, "_ component"]] | None = None,
    penalties: Penalties | None = None,
    accelerate: bool = True,
    passes: int = PASSES,
    max_sweeps: int = 500,
    tolerance: float = 1e-6,
    progress: Progress | None = None,
) -> tuple[Factorisation, ...]:
    r"""Fit non-negative factors to the observed entries of a tensor.

    .. math:: \min_{f, g, \dots \ge 0} \sum_{i j \dots} w_{ij \dots} \, \ell(x_{ij \dots}, \hat x_{ij \dots}) + \Omega,
        \qquad \hat x_{ij \dots} = \sum_r f_{ir} g_{jr} \cdots

    with :math:`\ell = \tfrac12 (x - \hat x)^2` ("squares") or :math:`\hat x - x + x \log (x / \hat x)` ("poisson", the
    Kullback-Leibler divergence), w the mask and :math:`\Omega` the penalties. Least squares are fitted by hierarchical
    alternating least squares, Poisson by multiplicative updates; missing entries are replaced by the present model
    before each; both are monotone up to rounding, also with extrapolation.

    Parameters
    ----------
    values : numpy.ndarray
        Two modes or more, not negative. What lies behind the mask is never read.
    rank : int
        Number of components, at most the length of the longest mode.
    mask : numpy.ndarray of bool, optional
        Which entries were observed; all by default.
    loss : {"squares", "poisson"}
        What to minimise.
    key : int or jax.Array
        Seed of the random starts.
    restarts : int
        Random starts; side by side where that is faster.
    start : sequence of numpy.ndarray, optional
        Factors to start from, ``(entry, component)``, in place of random ones. An entry of 0 stays 0 under the Poisson
        loss.
    fixed : mapping of int to numpy.ndarray, optional
        Factors of modes that are not fitted, ``(entry, component)``.
    penalties : Penalties, optional
        Ridge, sparsity and smoothness by mode.
    accelerate : bool
        Extrapolate, with restart where the objective would rise.
    passes : int
        Passes over the components at every update of a mode (least squares); 1 is the classic algorithm, more cost little
        beside the products with the tensor and save sweeps.
    max_sweeps : int
        Most sweeps.
    tolerance : float
        Converged where a sweep lowers the objective by less than this share of it; 0 makes all sweeps.
    progress : Progress, optional
        Told how far the work has come.

    Returns
    -------
    tuple of Factorisation
        One a start, the lowest objective first. An all-zero tensor gives zero weights. In single precision a least-squares
        objective below a millionth of half the sum of squares is rounding.

    Raises
    ------
    ModelError
        If the tensor, the start or a setting is out of range.

    References
    ----------
    .. [1] Cichocki, A. & Phan, A.-H. (2009). Fast local algorithms for large scale nonnegative matrix and tensor
       factorizations. IEICE Transactions E92-A, 708-721. doi:10.1587/transfun.E92.A.708
    .. [2] Ang, A. M. S. & Gillis, N. (2019). Accelerating nonnegative matrix factorization algorithms using
       extrapolation. Neural Computation 31, 417-439. doi:10.1162/neco_a_01157
    .. [3] Chi, E. C. & Kolda, T. G. (2012). On tensors, sparsity, and nonnegative factorizations. SIAM Journal on Matrix
       Analysis and Applications 33, 1272-1299. doi:10.1137/110859063

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.inference.factorise.fitting import fit
    >>> truth = np.arange(1.0, 5)[:, None, None] * np.arange(1.0, 4)[:, None] * np.ones(2)
    >>> best, *_ = fit(truth, 1, key=0)
    >>> bool(np.allclose(best.dense(), truth, rtol=1e-4))
    True
    """
    fixed = dict(fixed or {})
    modes = tuple(sorted(fixed))
    checked = check_tensor(values, mask)
    shape = checked.values.shape
    check_request(
        shape,
        rank,
        loss,
        modes,
        tolerance,
        {"restarts": restarts, "passes": passes, "max_sweeps": max_sweeps},
    )
    strengths = (penalties or Penalties()).by_mode(shape, modes, checked.values.dtype)
    starts = begin(tuple(jnp.asarray(part) for part in starting(checked, rank, key, restarts, start, fixed)))
    settings = Settings(loss, tuple(mode not in fixed for mode in range(len(shape))), passes, accelerate)
    whole = loss == SQUARES and checked.mask is None
    batch = restarts if whole or restarts * checked.values.size <= BATCH_ENTRIES else 1
    tensor, found = on_device(checked), []
    for first in range(0, restarts, batch):
        states = jax.tree.map(lambda part: part[first : first + batch], starts)  # noqa: B023
        told = None if progress is None else Share(progress, first / restarts, batch / restarts)
        states, traces, converged = _run(tensor, states, strengths, settings, max_sweeps, tolerance, told)
        for which, trace in enumerate(traces):
            weights, factors = normalised(tuple(np.asarray(f[which]).T for f in states.factors), keep=modes)
            found.append(Factorisation(weights, factors, trace, bool(converged[which]), checked.seen))
    return tuple(sorted(found, key=lambda one: one.objective[-1]))


def on_device(checked: Checked) -> Tensor:
    """The tensor as compiled code takes it."""
    values, mask = checked.values.reshape(len(checked.values), -1), checked.mask
    # Row by row, so that no copy of the tensor in double precision is made.
    rows = (row.astype(np.float64, copy=False) for row in values) if mask is None else ()
    half = 0.5 * sum(float(np.square(row).sum()) for row in rows)
    return Tensor(
        jnp.asarray(values),
        None if mask is None else jnp.asarray(mask.reshape(values.shape)),
        jnp.asarray(half, values.dtype),
    )


def starting(
    checked: Checked,
    rank: int,
    key: Any,
    restarts: int,
    start: Sequence[np.ndarray] | None,
    fixed: Mapping[int, np.ndarray],
) -> list[Float[np.ndarray, "restart component _"]]:
    """Factors of every restart, by mode, components first."""
    if start is not None and restarts > 1:
        raise ModelError("start gives one set of factors, but restarts is more than 1; pass one of the two.")
    if start is not None:
        runs = [tuple(np.where(some[:, None], part, 0) for some, part in _fitting(checked, rank, start))]
    else:
        runs = [
            random_start(checked.seen, rank, checked.mean, key=key, restart=restart)
            for restart in range(restarts)
        ]
    given = dict(enumerate(fixed.get(mode) for mode in range(len(checked.seen))))
    for mode, factor in given.items():
        if factor is not None:
            _check_factor(factor, (len(checked.seen[mode]), rank), f"fixed[{mode}]")
    dtype = checked.values.dtype
    return [
        np.stack([np.asarray(run[mode] if given[mode] is None else given[mode], dtype).T for run in runs])
        for mode in given
    ]


def _fitting(checked: Checked, rank: int, start: Sequence[np.ndarray]) -> zip:
    """Masks of seen entries beside the start's factors, once these are checked."""
    if len(start) != len(checked.seen):
        raise ModelError(f"start has {len(start)} factors; the tensor has {len(checked.seen)} modes.")
    for mode, factor in enumerate(start):
        _check_factor(factor, (len(checked.seen[mode]), rank), f"start[{mode}]")
    return zip(checked.seen, start, strict=True)


def _check_factor(factor: np.ndarray, shape: tuple[int, int], name: str) -> None:
    """Refuse a factor of another shape, or one that is negative or not finite."""
    if np.shape(factor) != shape:
        raise ModelError(f"{name} has shape {np.shape(factor)}; it must be (entry, component), {shape}.")
    if not np.isfinite(factor).all() or np.min(factor) < 0:
        raise ModelError(f"{name} holds values that are negative or not finite; factors are 0 or more.")


def _run(
    tensor: Tensor,
    states: Descent,
    strengths: tuple[ModePenalty, ...],
    settings: Settings,
    max_sweeps: int,
    tolerance: float,
    progress: Progress | None,
) -> tuple[Descent, list[np.ndarray], np.ndarray]:
    """Sweep in chunks until every restart converged; one that did stays as it is."""
    restarts, done = len(states.objective), np.zeros(len(states.objective), bool)
    traces: list[list[np.ndarray]] = [[] for _ in range(restarts)]
    every, made = CHECK_EVERY if tolerance > 0 else CHUNK, 0
    while made < max_sweeps and not done.all():
        length = min(every, max_sweeps - made)
        new, trace = compiled(settings.loss)(tensor, states, strengths, length, settings=settings)
        if done.any():
            keep = jnp.asarray(done)
            new = jax.tree.map(
                lambda old, now: jnp.where(keep.reshape(-1, *[1] * (old.ndim - 1)), old, now),  # noqa: B023
                states,
                new,
            )
        before, states, trace = np.asarray(states.objective), new, np.asarray(trace)[:, :length]
        for which in np.flatnonzero(~done):
            traces[which].append(trace[which])
        after = trace[:, -1]
        done |= (before - after) <= tolerance * length * np.abs(after) if tolerance > 0 else False
        made += length
        if progress is not None:
            progress.update(made / max_sweeps, f"sweep {made}, objective {after.min():.6g}")
    return states, [np.concatenate(trace) for trace in traces], done
