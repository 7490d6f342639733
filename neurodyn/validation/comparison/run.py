"""One model on one split: fit, predict, and the sums every metric needs."""

import dataclasses
import time
import warnings
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.analysis.connectivity import functional_connectivity
from neurodyn.errors import ModelError, NeurodynWarning, NotApplicable
from neurodyn.models.base import Fit, Model
from neurodyn.models.verbs import HasAdapt, HasLogLikelihood, HasSimulate
from neurodyn.validation.layout import as3, derived_key, observed3, shape3
from neurodyn.validation.metrics import Marginals, Metric, evaluation, marginals
from neurodyn.validation.split import Split

MOST_SIMULATED = 100_000
RECOVERABLE = (ValueError, ArithmeticError, RuntimeError, MemoryError)
SILENT = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Ground:
    """What all models of a comparison share on one split.

    Parameters
    ----------
    split : Split
        The split as the protocol made it.
    scored : Split
        The same without the warm-up of the longest-reaching model.
    chunk : np.ndarray
        Chunk number of every scored bin, ``(trial, time)``; -1 elsewhere.
    n_chunks : int
        Number of chunks.
    trained : Marginals
        Moments of the training part.
    centre : np.ndarray
        ``(unit,)``: a constant shared by all folds, subtracted before squaring; it changes no score.
    """

    split: Split
    scored: Split
    chunk: np.ndarray
    n_chunks: int
    trained: Marginals
    centre: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What one model did on one split.

    Parameters
    ----------
    sums : dict of str to dict of str to np.ndarray
        By metric, by term: ``(chunk, unit)``.
    entries : dict of str to int
        Scored entries, by metric.
    missing : dict of str to str
        Why a metric has no meaning, by metric.
    likelihood_kind : str
        ``exact``, ``bound`` or ``estimate``; empty without a likelihood.
    reason : str
        Why there is nothing at all; empty otherwise.
    fit : Fit, optional
        The fit.
    seconds_fit, seconds_predict : float
        Wall-clock time.
    warnings : tuple of str
        Warnings raised on the way.
    """

    sums: dict[str, dict[str, np.ndarray]] = dataclasses.field(default_factory=dict)
    entries: dict[str, int] = dataclasses.field(default_factory=dict)
    missing: dict[str, str] = dataclasses.field(default_factory=dict)
    likelihood_kind: str = ""
    reason: str = ""
    fit: Fit | None = None
    seconds_fit: float = 0.0
    seconds_predict: float = 0.0
    warnings: tuple[str, ...] = ()


def make_ground(split: Split, reach: int, chunk_of: Any, n_chunks: int) -> Ground:
    """Common entries, chunks and training moments of a split; `chunk_of` numbers the scored bins."""
    scored = split.without_warm_up(reach + split.horizon - 1 if reach else 0)
    bins = np.asarray((as3(scored.target_mask) & observed3(split.recording)).any(axis=2))
    chunk = chunk_of(bins)
    return Ground(
        split=split,
        scored=scored,
        chunk=chunk,
        n_chunks=n_chunks,
        trained=marginals(split.train),
        centre=marginals(split.recording).mean,
    )


def run_model(
    model: Model,
    ground: Ground,
    metrics: tuple[Metric, ...],
    *,
    key: int,
    options: dict[str, Any],
    strict: bool,
) -> Outcome:
    """Fit, predict and score one model on one split; failures become reasons unless `strict`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            outcome = _run(model, ground, metrics, key=key, options=options)
        except NotApplicable as error:
            outcome = Outcome(reason=error.reason)
        except RECOVERABLE as error:
            if strict:
                raise
            outcome = Outcome(reason=f"{type(error).__name__}: {error}")
    said = [
        str(entry.message)
        if issubclass(entry.category, NeurodynWarning)
        else f"{entry.category.__name__}: {entry.message}"
        for entry in caught
        if not issubclass(entry.category, SILENT)
    ]
    return dataclasses.replace(outcome, warnings=tuple(dict.fromkeys(said)))


def _run(
    model: Model, ground: Ground, metrics: tuple[Metric, ...], *, key: int, options: dict[str, Any]
) -> Outcome:
    """Fit, predict and score, errors and all."""
    split = ground.split
    inputs = split.inputs if split.inputs_mask is not None else None
    known = {name: value for name, value in options.items() if name in model.fit_options}
    began = time.perf_counter()
    fit = model.fit(split.train, key=key, inputs=inputs, **known)
    adapt = split.adapt
    if adapt is not None and isinstance(fit, HasAdapt):
        fit = fit.adapt(adapt, key=key)
    fitted = time.perf_counter()
    given = split.given
    prediction = fit.predict(given, mode=split.mode, horizon=split.horizon, key=key)
    terms, kind, silent = _likelihood(fit, split, given, ground.scored.target["activity"])
    predicted = time.perf_counter()
    target = ground.scored.target
    lined_up = evaluation(
        target,
        mean=prediction["mean"],
        log_likelihood=terms,
        train=ground.trained,
        centre=ground.centre,
        given=given if split.mode == "past" else None,
        horizon=split.horizon,
    )
    silent = {"log_likelihood": silent}
    if any("connectivity" in metric.needs for metric in metrics):
        free, silent["connectivity"] = _free_run(fit, split, key)
        lined_up = dataclasses.replace(lined_up, connectivity=free)
    sums, entries, missing = {}, {}, {}
    for metric in metrics:
        name = metric.name
        silenced = [silent[need] for need in metric.needs if silent.get(need)]
        reason = silenced[0] if silenced else metric.missing(lined_up)
        if reason:
            missing[name] = reason
            continue
        sums[name] = metric.sums(lined_up, ground.chunk, ground.n_chunks)
        entries[name] = int(np.isfinite(lined_up.of_kind(*metric.kinds)).sum())
    return Outcome(
        sums=sums,
        entries=entries,
        missing=missing,
        likelihood_kind=kind,
        fit=fit,
        seconds_fit=fitted - began,
        seconds_predict=predicted - fitted,
    )


def _free_run(fit: Fit, split: Split, key: int) -> tuple[np.ndarray | None, str]:
    """Functional connectivity of a simulation as long as the recording, and why there is none.

    One length for all folds, so that they share what is compiled.
    """
    if not isinstance(fit, HasSimulate):
        return None, f"{fit.model.name} cannot simulate."
    n_trials, n_time, _ = shape3(split.recording)
    each = max(min(n_time, -(-MOST_SIMULATED // n_trials)), 2)
    try:
        run = fit.simulate(each, key=derived_key(key, "free run"), n_trials=n_trials)
    except (NotApplicable, ModelError) as error:
        return None, f"{fit.model.name} cannot simulate here: {error}"
    found = functional_connectivity(run.sel(unit=split.recording["unit"].values))
    return found.values, ""


def _likelihood(
    fit: Fit, split: Split, given: xr.Dataset, scored: xr.DataArray
) -> tuple[xr.DataArray | None, str, str]:
    """Log-likelihood terms of the target, their kind over the scored bins, and why there are none."""
    if not isinstance(fit, HasLogLikelihood):
        return None, "", f"{fit.model.name} gives no likelihood."
    target = split.target
    apart = bool((as3(split.target_mask) & ~as3(split.given_mask)).any())
    try:
        terms = fit.log_likelihood(target, given=given if apart else None)
    except NotApplicable as error:
        return None, "", error.reason
    if terms.attrs.get("space", "data") != "data":
        return (
            None,
            "",
            (
                f"the log-likelihood of {fit.model.name} is one of the reduced space, which no other model "
                "shares."
            ),
        )
    kind = str(terms.attrs.get("kind", "estimate"))
    if kind == "estimate" and bool(terms["exact"].where(scored.notnull().any("unit"), True).all()):
        kind = "exact"
    return terms, kind, ""
