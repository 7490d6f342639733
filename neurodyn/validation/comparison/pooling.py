"""The mean over recordings, with the uncertainty of another set of recordings."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.validation import uncertainty
from neurodyn.validation.comparison.assemble import DIFFERENCES, SCORES
from neurodyn.validation.layout import generator

DIMS = ("protocol", "metric", "model")
LABEL = "mean over recordings"
CARRIED = ("metric_unit", "metric_label", "higher_is_better", "floor", "perfect", "is_baseline")


def pool_recordings(
    tables: Mapping[str, xr.Dataset],
    draws: Mapping[str, xr.DataArray],
    *,
    reference: str | None,
    key: Any,
    level: float,
) -> xr.Dataset:
    """Mean over recordings of every score and of every paired difference.

    Every resample draws recordings with replacement and, within each of them, a resample of its stretches of data, the
    same for all models. A recording in which a model has no score does not count for it; a difference is taken over
    the recordings in which both models have one. Scores of different kinds of likelihood stay apart, as their columns.

    Parameters
    ----------
    tables : mapping of str to xr.Dataset
        Scores by recording, on ``(protocol, metric, model)``.
    draws : mapping of str to xr.DataArray
        Values in every resample, by recording, with a further dim ``resample``.
    reference : str, optional
        Model that differences are taken from; default: the best baseline by its mean, among those with the most
        recordings.
    key : int or jax.Array
        Draws the recordings.
    level : float
        Coverage of intervals.

    Returns
    -------
    xr.Dataset
        As the scores of one recording, with ``n_recordings``.
    """
    names = list(tables)
    first = tables[names[0]]
    labels = {
        dim: list(dict.fromkeys(x for t in tables.values() for x in t[dim].values.tolist())) for dim in DIMS
    }
    value = np.stack([tables[name]["value"].reindex(labels).values for name in names])
    n_bootstrap = min(int(draws[name].sizes["resample"]) for name in names)
    draw = generator(key, "recordings", len(names))
    within = np.stack(
        [
            draws[name]
            .reindex(labels)
            .values[..., draw.permutation(draws[name].sizes["resample"])[:n_bootstrap]]
            for name in names
        ]
    )
    weights = uncertainty.resamples(len(names), n_bootstrap, key)
    shape = value.shape[1:]
    table = {name: np.full(shape, np.nan) for name in (*SCORES, *DIFFERENCES, "p_value", "p_adjusted")}
    references = np.full(shape[:2], "", dtype=object)
    described = {name: _carried(tables, name, labels) for name in CARRIED}
    for p, m in np.ndindex(shape[:2]):
        for k in range(shape[2]):
            found = _mean(value[:, p, m, k], within[:, p, m, k], weights, level)
            for name, number in zip(SCORES, found, strict=True):
                table[name][p, m, k] = number
        known = np.isfinite(value[:, p, m]).sum(axis=0)
        better = 1.0 if described["higher_is_better"].values[m] else -1.0
        against = _reference(
            table["value"][p, m], known, described["is_baseline"].values, better, labels, reference
        )
        if against is None:
            continue
        references[p, m] = labels["model"][against]
        for k in range(shape[2]):
            gap = value[:, p, m, k] - value[:, p, m, against]
            if k == against or not np.isfinite(gap).any():
                continue
            found = _mean(gap, within[:, p, m, k] - within[:, p, m, against], weights, level)
            shared = int(np.isfinite(gap).sum())
            for name, number in zip(DIFFERENCES, uncertainty.by_student(found, shared, level), strict=True):
                table[name][p, m, k] = number
            table["p_value"][p, m, k] = uncertainty.p_value(found.value, found.standard_error, shared)
        table["p_adjusted"][p, m] = uncertainty.correct(table["p_value"][p, m], "holm")
    data: dict[str, Any] = {name: (DIMS, array) for name, array in table.items()}
    data["reference"] = (DIMS[:2], references.astype(str))
    data["n_recordings"] = (DIMS, np.isfinite(value).sum(axis=0))
    for name in ("n_entries", "n_chunks", "seconds_fit", "seconds_predict"):
        dims = tuple(str(dim) for dim in first[name].dims)
        own = {dim: labels[dim] for dim in dims}
        total = np.nansum([tables[item][name].reindex(own).values for item in names], axis=0)
        data[name] = (dims, total.astype(first[name].dtype))
    data.update(_ceiling(tables, labels))
    pooled = xr.Dataset(data, coords={**labels, **described})
    return pooled.assign_attrs({**first.attrs, "n_recordings": len(names)})


def _mean(value: np.ndarray, within: np.ndarray, weights: np.ndarray, level: float) -> uncertainty.Interval:
    """Mean over the recordings that have a value, and its two-stage bootstrap interval."""
    known = np.isfinite(value)
    if not known.any():
        nothing = np.asarray(np.nan)
        return uncertainty.Interval(nothing, nothing, nothing, nothing)
    drawn = np.where(np.isfinite(within), within, value[:, None])[known]
    counts = weights[:, known]
    total = counts.sum(axis=1)
    means = np.where(total > 0, (counts * drawn.T).sum(axis=1) / np.maximum(total, 1), np.nan)
    means = means[np.isfinite(means)]
    return uncertainty.interval(value[known].mean(), means, int(known.sum()), level)


def _carried(tables: Mapping[str, xr.Dataset], name: str, labels: dict[str, list]) -> xr.DataArray:
    """A coordinate of metrics or models, from the first recording that has the label."""
    dim = str(next(iter(tables.values()))[name].dims[0])
    found = {}
    for table in reversed(list(tables.values())):
        found.update(zip(table[dim].values.tolist(), table[name].values, strict=True))
    return xr.DataArray([found[label] for label in labels[dim]], dims=dim, coords={dim: labels[dim]})


def _reference(
    means: np.ndarray,
    known: np.ndarray,
    baseline: np.ndarray,
    better: float,
    labels: dict[str, list],
    reference: str | None,
) -> int | None:
    """Place of the model that differences are taken from; None where there is none."""
    if reference is not None:
        place = labels["model"].index(reference)
        return place if np.isfinite(means[place]) else None
    able = baseline.astype(bool) & np.isfinite(means)
    if not able.any():
        return None
    able &= known == known[able].max()
    return int(np.argmax(np.where(able, better * means, -np.inf)))


def _ceiling(tables: Mapping[str, xr.Dataset], labels: dict[str, list]) -> dict[str, Any]:
    """Mean ceiling where every recording has one, with its spread over recordings, and a note."""
    dims = DIMS[:2]
    if any("ceiling" not in table for table in tables.values()):
        return {}
    own = {dim: labels[dim] for dim in dims}
    found = np.stack([table["ceiling"].reindex(own).values for table in tables.values()])
    notes = np.stack([table["ceiling_note"].reindex(own).fillna("").values for table in tables.values()])
    known = np.isfinite(found)
    mean = np.where(known.all(axis=0), np.where(known, found, 0.0).mean(axis=0), np.nan)
    words = np.full(mean.shape, "", dtype=object)
    for place in np.ndindex(mean.shape):
        said = list(dict.fromkeys(note for note in notes[(slice(None), *place)].tolist() if note))
        if known[(slice(None), *place)].all():
            words[place] = f"mean over recordings; {said[0]}" if said else LABEL
        elif known[(slice(None), *place)].any():
            words[place] = "no ceiling: not every recording has one."
        else:
            words[place] = said[0] if said else ""
    nothing = np.full(mean.shape, np.nan)
    ends = {f"ceiling_{end}": (dims, nothing.copy()) for end in ("standard_error", "lower", "upper")}
    return {"ceiling": (dims, mean), **ends, "ceiling_note": (dims, words.astype(str))}
