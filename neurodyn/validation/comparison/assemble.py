"""From sums per chunk to labelled tables with uncertainty."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.validation import uncertainty
from neurodyn.validation.comparison.run import Ground, Outcome
from neurodyn.validation.layout import derived_key
from neurodyn.validation.metrics import Metric

SCORES = ("value", "standard_error", "lower", "upper")
DIFFERENCES = ("difference", "difference_standard_error", "difference_lower", "difference_upper")
LIKELIHOOD_KINDS = ("exact", "bound", "estimate")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """Everything measured under one protocol.

    Parameters
    ----------
    grounds : list of Ground
        One per fold.
    outcomes : dict of str to list of Outcome
        By model, one per fold.
    """

    grounds: list[Ground]
    outcomes: dict[str, list[Outcome]]

    def complete(self) -> int:
        """Number of folds that every model has been through."""
        return min((len(done) for done in self.outcomes.values()), default=0)

    def kind(self, model: str) -> str:
        """Weakest kind of likelihood of a model over the folds; empty where it has none."""
        done = self.outcomes.get(model, [])[: self.complete()]
        kinds = [outcome.likelihood_kind for outcome in done]
        return max(kinds, key=LIKELIHOOD_KINDS.index) if kinds and all(kinds) else ""

    def has(self, model: str, column: "Column") -> bool:
        """Whether a model has a value in a column on every complete fold."""
        done = self.outcomes.get(model, [])[: self.complete()]
        if not done or not all(column.metric.name in outcome.sums for outcome in done):
            return False
        return not column.kind or self.kind(model) == column.kind


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table: a metric, and for likelihoods the one kind it holds.

    Parameters
    ----------
    metric : Metric
        What is scored.
    kind : str
        Kind of likelihood; empty for other metrics.
    """

    metric: Metric
    kind: str = ""


def columns(metrics: tuple[Metric, ...], evidence: Mapping[str, Evidence]) -> dict[str, Column]:
    """Columns by name; a likelihood has one per kind that occurs, so that kinds are never mixed."""
    kinds = {item.kind(model) for item in evidence.values() for model in item.outcomes}
    result = {}
    for metric in metrics:
        if "log_likelihood" not in metric.needs:
            result[metric.name] = Column(metric=metric)
            continue
        for kind in LIKELIHOOD_KINDS:
            if kind in kinds:
                result[f"{metric.name}_{kind}"] = Column(metric=metric, kind=kind)
    return result


def totals(item: Evidence, model: str, name: str, used: np.ndarray) -> dict[str, np.ndarray]:
    """Sums of a metric over all complete folds, ``(chunk, unit)``."""
    parts = [outcome.sums[name] for outcome in item.outcomes[model][: item.complete()]]
    terms = {term for part in parts for term in part}
    return {term: np.sum([part[term] for part in parts if term in part], axis=0)[used] for term in terms}


def used_chunks(item: Evidence) -> np.ndarray:
    """Chunks that hold a scored bin in any complete fold."""
    numbers = [np.unique(ground.chunk[ground.chunk >= 0]) for ground in item.grounds[: item.complete()]]
    return np.unique(np.concatenate(numbers)) if numbers else np.zeros(0, dtype=int)


def assemble(
    evidence: Mapping[str, Evidence],
    metrics: dict[str, Column],
    models: tuple[str, ...],
    baselines: tuple[str, ...],
    *,
    reference: str | None,
    key: Any,
    n_bootstrap: int,
    level: float,
) -> xr.Dataset:
    """Scores, uncertainties and paired differences on ``(protocol, metric, model)``; ``draws`` holds every resample."""
    names = list(evidence)
    shape = (len(names), len(metrics), len(models))
    n_folds = max((len(item.grounds) for item in evidence.values()), default=0)
    table = {name: np.full(shape, np.nan) for name in (*SCORES, *DIFFERENCES, "p_value", "p_adjusted")}
    per_fold = np.full((*shape, n_folds), np.nan)
    n_entries, n_chunks = np.zeros(shape, dtype=int), np.zeros(len(names), dtype=int)
    references = np.full(shape[:2], "", dtype=object)
    every_draw = np.full((*shape, n_bootstrap), np.nan)
    for p, protocol in enumerate(names):
        item = evidence[protocol]
        used = used_chunks(item)
        n_chunks[p] = len(used)
        weights = uncertainty.resamples(
            max(len(used), 1), n_bootstrap, derived_key(key, "bootstrap", protocol)
        )
        for m, column in enumerate(metrics.values()):
            metric = column.metric
            drawn: dict[str, np.ndarray] = {}
            values: dict[str, float] = {}
            for k, model in enumerate(models):
                if not item.has(model, column):
                    continue
                sums = totals(item, model, metric.name, used)
                values[model] = float(metric.combine(_whole(sums), "pooled"))
                drawn[model] = uncertainty.draws(sums, metric.combine, weights, "pooled")
                every_draw[p, m, k] = drawn[model]
                found = uncertainty.interval(values[model], drawn[model], len(used), level)
                for name, number in zip(SCORES, found, strict=True):
                    table[name][p, m, k] = number
                done = item.outcomes[model][: item.complete()]
                n_entries[p, m, k] = sum(outcome.entries[metric.name] for outcome in done)
                for fold, outcome in enumerate(done):
                    per_fold[p, m, k, fold] = metric.combine(_whole(outcome.sums[metric.name]), "pooled")
            chosen = _reference(values, metric, baselines, reference)
            references[p, m] = chosen
            if chosen:
                _compare(table, (p, m), models, chosen, values, drawn, len(used), level)
    dims = ("protocol", "metric", "model")
    data: dict[str, Any] = {name: (dims, array) for name, array in table.items()}
    data["draws"] = ((*dims, "resample"), every_draw)
    data["fold_value"] = ((*dims, "fold"), per_fold)
    data["n_entries"] = (dims, n_entries)
    data["n_chunks"] = ("protocol", n_chunks)
    data["reference"] = (dims[:2], references.astype(str))
    coords = {
        "protocol": names,
        "metric": list(metrics),
        "model": list(models),
        "fold": np.arange(n_folds),
        "metric_unit": ("metric", [column.metric.unit for column in metrics.values()]),
        "metric_label": ("metric", [column.metric.label for column in metrics.values()]),
        "higher_is_better": ("metric", [column.metric.higher_is_better for column in metrics.values()]),
        "floor": ("metric", [column.metric.floor for column in metrics.values()]),
        "perfect": ("metric", [column.metric.perfect for column in metrics.values()]),
        "is_baseline": ("model", [model in baselines for model in models]),
    }
    return xr.Dataset(data, coords=coords, attrs={"level": level, "n_bootstrap": n_bootstrap})


def unit_scores(
    evidence: Mapping[str, Evidence],
    metrics: dict[str, Column],
    scores: xr.Dataset,
    units: np.ndarray,
    *,
    key: Any,
    n_bootstrap: int,
) -> xr.Dataset:
    """Scores per unit, and paired differences from the reference corrected over units."""
    chosen = {name: column for name, column in metrics.items() if column.metric.per_unit}
    models = [str(name) for name in scores["model"].values]
    names = list(evidence)
    shape = (len(names), len(chosen), len(models), len(units))
    variables = ("value", "standard_error", "difference", "p_value", "p_holm", "p_benjamini_hochberg")
    table = {name: np.full(shape, np.nan) for name in variables}
    for p, protocol in enumerate(names):
        item = evidence[protocol]
        used = used_chunks(item)
        weights = uncertainty.resamples(
            max(len(used), 1), n_bootstrap, derived_key(key, "bootstrap", protocol)
        )
        for m, (name, column) in enumerate(chosen.items()):
            metric = column.metric
            against = str(scores["reference"].sel(protocol=protocol, metric=name).values)
            able = [model for model in models if item.has(model, column)]
            sums = {model: totals(item, model, metric.name, used) for model in able}
            drawn = {model: uncertainty.draws(sums[model], metric.combine, weights, "unit") for model in able}
            value = {model: np.asarray(metric.combine(_whole(sums[model]), "unit")) for model in able}
            for model in able:
                place = (p, m, models.index(model))
                found = uncertainty.interval(value[model], drawn[model], len(used))
                table["value"][place], table["standard_error"][place] = found.value, found.standard_error
                if against not in able or model == against:
                    continue
                gap = value[model] - value[against]
                spread = uncertainty.interval(gap, drawn[model] - drawn[against], len(used))
                p_values = uncertainty.p_value(gap, spread.standard_error, len(used))
                table["difference"][place] = gap
                table["p_value"][place] = p_values
                table["p_holm"][place] = uncertainty.correct(p_values, "holm")
                table["p_benjamini_hochberg"][place] = uncertainty.correct(p_values, "benjamini_hochberg")
    dims = ("protocol", "metric", "model", "unit")
    return xr.Dataset(
        {name: (dims, array) for name, array in table.items()},
        coords={"protocol": names, "metric": list(chosen), "model": models, "unit": units},
    )


def _whole(sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Sums over all chunks."""
    return {name: total.sum(axis=0) for name, total in sums.items()}


def _reference(
    values: Mapping[str, float], metric: Metric, baselines: tuple[str, ...], reference: str | None
) -> str:
    """The model that others are compared with: the one asked for, or the best baseline."""
    if reference is not None:
        return reference if reference in values else ""
    known = {name: value for name, value in values.items() if name in baselines and np.isfinite(value)}
    if not known:
        return ""
    best = max if metric.higher_is_better else min
    return best(known, key=lambda name: known[name])


def _compare(
    table: dict[str, np.ndarray],
    place: tuple[int, int],
    models: tuple[str, ...],
    chosen: str,
    values: Mapping[str, float],
    drawn: Mapping[str, np.ndarray],
    n_chunks: int,
    level: float,
) -> None:
    """Fill in paired differences from the reference, corrected over models."""
    for k, model in enumerate(models):
        if model == chosen or model not in values:
            continue
        found = uncertainty.interval(
            values[model] - values[chosen], drawn[model] - drawn[chosen], n_chunks, level
        )
        for name, number in zip(DIFFERENCES, uncertainty.by_student(found, n_chunks, level), strict=True):
            table[name][(*place, k)] = number
        table["p_value"][(*place, k)] = uncertainty.p_value(found.value, found.standard_error, n_chunks)
    table["p_adjusted"][place] = uncertainty.correct(table["p_value"][place], "holm")
