"""How many components a dynamic connectome has: three views and a recommendation."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.inference.factorise.core_consistency import core_consistency
from neurodyn.models.connectome.dynamic_connectome import DynamicConnectome
from neurodyn.models.connectome.layout import lay
from neurodyn.models.connectome.measures import Affinity, ConcurrentChange, affinity
from neurodyn.validation import holdout
from neurodyn.validation.layout import derived_key, shape3
from neurodyn.validation.selection import Sweep, sweep

ALIKE = 0.8
METRIC = "r2_train_null"
SCORES = ("score", "standard_error", "deficit", "deficit_standard_error")


def select_rank(
    traces: xr.Dataset,
    ranks: Iterable[int],
    *,
    key: Any,
    measure: Affinity | None = None,
    model: DynamicConnectome | None = None,
    fraction: float = 0.2,
    length: int | None = None,
    blocks: int = 4,
    restarts: int = 5,
    alike: float = ALIKE,
    fit_options: dict[str, Any] | None = None,
    progress: Any = None,
) -> xr.Dataset:
    """Score ranks on held-out units in stretches of time and on held-out stretches, and see whether restarts agree.

    Entries are held out of the traces. The recommendation is the smallest rank whose explained deviance on held-out units is
    within one standard error (paired) of the best; and among the ranks up to that, the largest of which restarts agree. It
    is one reading of the three columns, which are to be looked at together.

    Parameters
    ----------
    traces : xr.Dataset
        A recording of units; animals are trials.
    ranks : iterable of int
        Ranks, the smallest first.
    key : int or jax.Array
        All randomness.
    measure : ConcurrentChange or another measure, optional
        How affinities are made.
    model : DynamicConnectome, optional
        Its other settings; default: own clocks, least squares.
    fraction : float
        Share of stretches of single units that are held out.
    length : int, optional
        Bins of such a stretch; default as in `neurodyn.validation.holdout.entries`.
    blocks : int
        Stretches of time held out in turn, predicted from their own past.
    restarts : int
        Restarts of every fit.
    alike : float
        Least mean congruence of restarts with the best one that counts as agreement.
    fit_options : dict, optional
        Further options of the fit.
    progress : object, optional
        Has a method ``update(fraction, text)``.

    Returns
    -------
    xr.Dataset
        On ``rank``: ``units_score`` and ``blocks_score``, explained deviance about every pair's training mean, each with
        ``..._standard_error``, ``..._deficit`` from the best and ``..._deficit_standard_error``; ``agreement`` of restarts;
        ``core_consistency`` in percent under a shared clock, fitted to all. Attributes ``recommended`` and ``reason``.

    Raises
    ------
    ModelError
        If there is no rank, or ranks do not rise.
    NotApplicable
        If the traces are too short for what is held out.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import select_rank
    >>> noise = np.random.default_rng(0).normal(size=(200, 4)).cumsum(axis=0)
    >>> found = select_rank(make(noise, sampling_interval=0.5), (1,), key=0, restarts=1, blocks=2)
    >>> found["units_score"].dims, found.attrs["recommended"]
    (('rank',), 1)
    """
    ranks = [int(rank) for rank in ranks]
    if not ranks or sorted(set(ranks)) != ranks:
        raise ModelError(f"ranks are {ranks}; give at least one, each once, the smallest first.")
    measure = ConcurrentChange() if measure is None else measure
    model = DynamicConnectome(rank=ranks[0], clock="own") if model is None else model
    settings = {
        "key": key,
        "metric": METRIC,
        "restarts": restarts,
        "fit_options": fit_options,
        "progress": progress,
        "rank": ranks,
    }
    units = sweep(
        model,
        traces,
        holdout.of_pairs(holdout.entries(fraction, length=length, key=derived_key(key, "units")), measure),
        **settings,
    )
    later = sweep(model, traces, holdout.of_pairs(holdout.blocks(blocks), measure), **settings)
    data = {
        f"{name}_{column}": ("rank", found.table[column].values)
        for name, found in (("units", units), ("blocks", later))
        for column in SCORES
    }
    data["agreement"] = ("rank", units.table["agreement"].values)
    cores = _cores(traces, ranks, model, measure, key, fit_options)
    data["core_consistency"] = ("rank", cores)
    recommended, reason = _recommend(units, np.asarray(units.table["agreement"].values), alike)
    return xr.Dataset(
        data, coords={"rank": ranks}, attrs={"recommended": recommended, "reason": reason, "alike": alike}
    )


def _recommend(units: Sweep, agreement: np.ndarray, alike: float) -> tuple[int, str]:
    """A rank and why."""
    ranks = units.table["rank"].values
    simplest = int(units.choose("one_standard_error")["rank"])
    best = int(units.choose("best")["rank"])
    reason = (
        f"held-out units are predicted best with rank {best}; "
        f"rank {simplest} is the smallest within one standard error of it"
    )
    agree = (agreement >= alike) & (ranks <= simplest)
    at = int(np.flatnonzero(ranks == simplest)[0])
    if not np.isfinite(agreement[at]):
        return simplest, f"{reason}; with a single restart nothing is known of agreement"
    if agree[at]:
        return simplest, f"{reason}, and its restarts agree ({agreement[at]:.2f})"
    if agree.any():
        largest = int(ranks[np.flatnonzero(agree)[-1]])
        return largest, (
            f"{reason}, but its restarts do not agree ({agreement[at]:.2f}); {largest} is the largest rank below of which "
            "they do: components beyond it are not to be read one by one"
        )
    return (
        simplest,
        f"{reason}, but restarts agree at no rank up to it: its components are not to be read one by one",
    )


def _cores(
    traces: xr.Dataset, ranks: list[int], model: DynamicConnectome, measure: Affinity, key: Any, options: Any
) -> np.ndarray:
    """Core consistency of every rank fitted to all of the data; NaN without a third mode."""
    found = np.full(len(ranks), np.nan)
    if model.clock != "shared" or shape3(traces)[0] < 2:
        return found
    pairs = affinity(traces, measure)
    laid = lay(pairs)
    order = laid.order
    values, mask = np.swapaxes(laid.values, 0, 1), np.swapaxes(laid.mask, 0, 1)
    for at, rank in enumerate(ranks):
        fit = dataclasses.replace(model, rank=rank).fit(
            pairs, key=derived_key(key, "core", rank), **(options or {})
        )
        parts = fit.parameters
        factors = [parts[name].fillna(0.0).values for name in ("course", "animal")]
        pair = np.where(parts["pair_seen"].values[:, None], parts["pair"].values, 0.0)[order]
        found[at] = core_consistency(values, parts["weight"].values, (*factors, pair), mask=mask)
    return found
