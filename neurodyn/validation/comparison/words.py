"""The verdict of a comparison in words."""

from typing import Any

import numpy as np
import xarray as xr


def verdict(comparison: Any) -> str:
    """One paragraph per protocol: the best model, against the best baseline and the floor."""
    scores = comparison.scores
    paragraphs = [_protocol(comparison, str(name)) for name in scores["protocol"].values]
    for (protocol, metric, model), reason in comparison.not_applicable.items():
        if not metric and not model:
            paragraphs.append(f"{protocol}: not applicable. {reason}")
    if comparison.leaking:
        names = ", ".join(comparison.leaking)
        paragraphs.append(
            f"Leaking: {names} scores above the floor on data in which there is nothing to find, so no "
            "score of it "
            "can be trusted."
        )
    if not comparison.complete:
        paragraphs.append("The comparison was interrupted; only folds that every model finished are counted.")
    return "\n".join(paragraphs)


def main_metric(scores: xr.Dataset, protocol: str) -> str | None:
    """First metric of the table with a value under a protocol."""
    for metric in scores["metric"].values:
        if np.isfinite(scores["value"].sel(protocol=protocol, metric=metric)).any():
            return str(metric)
    return None


def _protocol(comparison: Any, protocol: str) -> str:
    """The paragraph of one protocol."""
    scores = comparison.scores
    metric = main_metric(scores, protocol)
    missing = [
        f"{model} has no result ({reason})"
        for (where, column, model), reason in comparison.not_applicable.items()
        if where == protocol and not column and model
    ]
    tail = f" {'; '.join(missing)}." if missing else ""
    if metric is None:
        return f"{protocol}: no model has a score.{tail}"
    here = scores.sel(protocol=protocol, metric=metric)
    higher = bool(here["higher_is_better"])
    value = here["value"].where(np.isfinite(here["value"]), drop=True)
    contenders = value.where(~value["is_baseline"], drop=True)
    pool = contenders if contenders.sizes["model"] else value
    best = str(pool["model"].values[int(np.argmax(pool.values) if higher else np.argmin(pool.values))])
    row = here.sel(model=best)
    unit = str(here["metric_unit"].values)
    suffix = "" if unit == "1" else f" {unit}"
    text = (
        f"{protocol}: {best} reaches {metric} = {_number(row['value'])}{suffix} "
        f"[{_number(row['lower'])}, {_number(row['upper'])}] on {int(row['n_entries'])} held-out entries"
    )
    if "n_recordings" in row:
        text += f" of {int(row['n_recordings'])} recordings"
    reference = str(here["reference"].values)
    if reference and reference != best:
        text += (
            f"; the best baseline, {reference}, reaches {_number(here['value'].sel(model=reference))}. "
            + _judged(row, best, reference, higher)
        )
    else:
        text += "."
    floor = float(here["floor"])
    if np.isfinite(floor) and not _better(float(row["value"]), floor, higher):
        text += f" That is no better than the floor of {_number(floor)}."
    chosen = comparison.chosen.get((protocol, best), [])
    if chosen:
        text += f" Chosen in each training part: {chosen_words(chosen)}."
    return text + ceiling_words(here, _number) + tail


def chosen_words(chosen: list[dict[str, Any]]) -> str:
    """Hyperparameters chosen fold by fold, such as ``number of states 2, 2, 4``.

    Parameters
    ----------
    chosen : list of dict
        One per fold.

    Returns
    -------
    str
        One list per hyperparameter.
    """
    listed = {name: ", ".join(str(one[name]) for one in chosen) for name in chosen[0]}
    return "; ".join(
        f"{'number of states' if name == 'n_states' else name.replace('_', ' ')} {values}"
        for name, values in listed.items()
    )


def ceiling_words(here: xr.Dataset, write: Any) -> str:
    """A sentence on data against data, or why there is no such value; nothing where it was never asked.

    Parameters
    ----------
    here : xr.Dataset
        One protocol and one metric of the scores.
    write : callable
        Turns a number into text.

    Returns
    -------
    str
        Starts with a space.
    """
    if "ceiling" not in here:
        return ""
    note = str(here["ceiling_note"].values)
    if not np.isfinite(float(here["ceiling"])):
        return f" {note[:1].upper()}{note[1:]}" if note else ""
    ends = [float(here[name]) for name in ("ceiling_lower", "ceiling_upper")]
    span = f" [{write(ends[0])}, {write(ends[1])}]" if np.isfinite(ends).all() else ""
    return f" Data against data: {write(here['ceiling'])}{span} ({note})."


def _judged(row: xr.Dataset, best: str, reference: str, higher: bool) -> str:
    """Whether a difference holds."""
    difference = float(row["difference"])
    span = f"[{_number(row['difference_lower'])}, {_number(row['difference_upper'])}]"
    p = float(row["p_adjusted"])
    said = f"difference {_number(difference)} {span}, p = {p:.2g} after Holm's correction"
    if not np.isfinite(p):
        return f"The difference is {_number(difference)}; there are too few independent chunks to judge it."
    if p < 0.05:
        side = "beats" if _better(difference, 0.0, higher) else "falls short of"
        return f"{best} {side} {reference} ({said})."
    return f"The two cannot be told apart ({said})."


def _better(value: float, than: float, higher: bool) -> bool:
    """Whether a value is better than another."""
    return value > than if higher else value < than


def _number(value: Any) -> str:
    """Three significant digits."""
    return f"{float(value):.3g}"
