"""The sections of the page, each from a comparison to HTML."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from neurodyn.models.base import Fit
from neurodyn.recording import describe, fingerprint
from neurodyn.report import drawings, methods, scores, searches, words
from neurodyn.report.html import Drawing, definitions, figure, section, table, text
from neurodyn.report.style import number
from neurodyn.validation.comparison.words import chosen_words

if TYPE_CHECKING:
    from neurodyn.validation.comparison import Comparison
    from neurodyn.validation.selection import Sweep

MODALITIES = {"fmri": "fMRI", "ieeg": "iEEG", "eeg": "EEG", "meg": "MEG", "lfp": "LFP"}
CLASSES = {"beats": "beats", "falls short": "short", "floor": "short", "ties": "open", "unjudged": "open"}
TAGS = {
    "beats": "beats the best baseline",
    "falls short": "falls short of the best baseline",
    "floor": "no better than its floor",
    "ties": "cannot be told from the best baseline",
    "unjudged": "not judged",
    "nothing": "no score",
}


def verdict(comparison: "Comparison", identity: str = "verdict", title: str = "Verdict") -> str:
    """The verdict: a headline, then a finding for every protocol."""
    items = []
    for found in words.findings(comparison):
        items.append(
            f'<li class="{CLASSES.get(found.outcome, "")}"><b>{text(found.protocol)}: '
            f'{text(scores.metric_name(found.metric))} <span class="tag">{text(_tag(found))}</span></b>'
            f"{text(found.sentence)}</li>"
        )
    headline = f'<p class="headline">{text(words.headline(comparison))}</p>'
    return section(identity, title, headline, f'<ul class="findings">{"".join(items)}</ul>')


def _tag(found: words.Finding) -> str:
    """A finding in a few words."""
    return TAGS[found.outcome] + (", below the floor" if found.under and found.outcome != "floor" else "")


def data(recording: xr.Dataset, dpi: float, identity: str = "data") -> str:
    """What was recorded, with a picture."""
    lines = describe(recording).split("\n")
    pairs, term = [], ""
    for line in lines[1:]:
        head, _, rest = line.strip().partition("  ")
        if line.startswith("  ") and line[2] != " ":
            term = head
            pairs.append((term, rest.strip()))
        elif pairs:
            pairs.append(("", line.strip()))
    pairs.append(("fingerprint", fingerprint(recording)[:16]))
    return section(
        identity,
        "Data",
        f"<p>{text(_modality(lines[0]))}.</p>",
        figure(drawings.data_drawing(recording), dpi),
        definitions(pairs),
    )


def _modality(line: str) -> str:
    """The first line of a description, with the modality as people write it."""
    first, _, rest = line.partition(" ")
    return f"{MODALITIES.get(first, first.capitalize())} {rest}"


def score_section(
    comparison: "Comparison", dpi: float, identity: str = "scores", title: str = "Scores"
) -> str:
    """Figures and tables of all scores, and what does not apply."""
    table_of = comparison.scores
    parts = [_over_recordings(table_of)] if "n_recordings" in table_of else []
    parts += [
        "<p>Dots are scores on data the model never saw, bars their intervals; models are filled, baselines "
        "hollow. "
        "The dashed grey line is the floor, what a prediction reaches that knows nothing. The solid green line in "
        "its band is the ceiling: the measured data of one part in place of a model of another; the dashed green "
        "one, where shown, is perfection. Diamonds are scores on a null recording, "
        "in which what is to be found was destroyed.</p>"
    ]
    for protocol in table_of["protocol"].values.astype(str):
        shown = [m for m in scores.headline_metrics(table_of, 2) if scores.has_values(table_of, protocol, m)]
        parts.append(f"<h3>{text(protocol)}</h3>")
        if protocol in comparison.protocols:
            parts.append(f'<p class="quiet">{text(comparison.protocols[protocol])}</p>')
        if not shown:
            parts.append("<p>No model has a score.</p>")
            continue
        parts.append(figure(_score_drawing(comparison, protocol, shown), dpi))
        parts.append(_score_table(comparison, protocol))
        parts.append(_ceiling_notes(table_of.sel(protocol=protocol)))
    reasons = words.reasons(comparison)
    if reasons:
        parts.append(
            "<h3>Not applicable</h3><ul>" + "".join(f"<li>{text(r)}</li>" for r in reasons) + "</ul>"
        )
    return section(identity, title, *parts)


def _over_recordings(table_of: xr.Dataset) -> str:
    """What a mean over recordings and its interval are."""
    return (
        f"<p>Every score is the mean over {table_of.attrs['n_recordings']} recordings. Intervals and p values are those of "
        "another set of recordings: each resample draws recordings and, within them, stretches of data, alike for all "
        "models.</p>"
    )


def _score_drawing(comparison: "Comparison", protocol: str, metrics: list[str]) -> Drawing:
    """The figure of one protocol."""
    here = comparison.scores["value"].sel(protocol=protocol, metric=metrics[0])
    said = ", ".join(
        f"{name} {value:.3g}" for name, value in zip(here["model"].values, here.values, strict=True)
    )
    return Drawing(
        lambda width: scores.plot_scores(comparison, protocols=[protocol], metrics=metrics, width=width),
        alt=f"{scores.metric_name(metrics[0])} under {protocol}: {said}.",
        caption="",
        width=8.6 if len(metrics) > 1 else 5.2,
        name=f"scores_{protocol}",
    )


def _score_table(comparison: "Comparison", protocol: str) -> str:
    """All scores of a protocol: models, then the null, the floor and the ceiling."""
    here = comparison.scores.sel(protocol=protocol)
    metrics = [
        str(m) for m in here["metric"].values if scores.has_values(comparison.scores, protocol, str(m))
    ]
    main = words.main_metric(comparison.scores, protocol) or metrics[0]
    order = words.ranked(here, main)
    metrics = [main, *(metric for metric in metrics if metric != main)]
    header = ["model", text(scores.metric_name(main)), "difference from the best baseline", "p"]
    header += [*(text(scores.metric_name(m)) for m in metrics[1:]), "fit (s)"]
    rows, classes = [], []
    for name in order:
        cells = [_cell(here.sel(metric=metric), name, comparison, protocol, metric) for metric in metrics]
        row = [text(name), cells[0], *_difference(here.sel(metric=main, model=name), name), *cells[1:]]
        row.append(text(f"{float(here['seconds_fit'].sel(model=name)):.2g}") if "seconds_fit" in here else "")
        rows.append(row)
        classes.append("" if bool(here["is_baseline"].sel(model=name)) else "model")
    for null in comparison.nulls:
        if null.protocol == protocol and not bool(here["is_baseline"].sel(model=null.model)):
            shown = f"{number(null.value)}<small>{words.span(null.lower, null.upper)}</small>"
            cells = [shown if metric == null.metric else "" for metric in metrics]
            mark = " (leaks)" if null.leaking else ""
            null_words = methods.NULL_WORDS.get(null.null, null.null.replace("_", " "))
            label = text(f"null: {null.model}, {null_words}{mark}")
            rows.append([label, cells[0], "", "", *cells[1:], ""])
            classes.append("bound")
    stands = _ceiling_cells(here, metrics)
    if stands:
        rows.append(["ceiling: data against data", stands[0], "", "", *stands[1:], ""])
        classes.append("bound")
    for label, coordinate in (("floor: knows nothing", "floor"), ("perfection", "perfect")):
        limits = [float(here[coordinate].sel(metric=m)) for m in metrics]
        if np.isfinite(limits).any():
            cells = [number(v) if np.isfinite(v) else "no bound" for v in limits]
            rows.append([label, cells[0], "", "", *cells[1:], ""])
            classes.append("bound")
    entries = int(here["n_entries"].sel(metric=main).max())
    level = comparison.scores.attrs.get("level", 0.95)
    over = (
        f" of {comparison.scores.attrs['n_recordings']} recordings, means over them"
        if "n_recordings" in here
        else ""
    )
    caption = f"{protocol}: {entries:,} held-out entries{over}; "
    caption += f"brackets are {level:.0%} intervals, bold the best of a column"
    if np.isfinite(here["p_adjusted"].sel(metric=main)).any():
        caption += (
            "; p is that of the paired difference from the best baseline in the column before it, "
            "corrected for the number of models (Holm)"
        )
    return table(header, rows, caption=caption, classes=classes)


def _ceiling_cells(here: xr.Dataset, metrics: list[str]) -> list[str]:
    """Data against data under every metric, or a dash that says why there is none; empty where it was not asked."""
    if "ceiling" not in here:
        return []
    cells = []
    for metric in metrics:
        column = here.sel(metric=metric)
        if np.isfinite(float(column["ceiling"])):
            ends = words.span(column["ceiling_lower"], column["ceiling_upper"])
            cells.append(f"{number(column['ceiling'])}<small>{ends}</small>")
        else:
            cells.append(f'<span title="{text(column["ceiling_note"].values)}">none</span>')
    return cells


def _ceiling_notes(here: xr.Dataset) -> str:
    """What the ceilings of a protocol are, and why others are missing, one line for each reason."""
    lines = words.ceiling_notes(here)
    items = "".join(f"<li>{text(line)}</li>" for line in lines)
    return f'<p class="quiet">The ceiling</p><ul class="quiet">{items}</ul>' if items else ""


def _cell(column: xr.Dataset, name: str, comparison: "Comparison", protocol: str, metric: str) -> str:
    """A score with its interval, or a dash that says why there is none."""
    value = column["value"]
    row = column.sel(model=name)
    if not np.isfinite(float(row["value"])):
        return f'<span title="{text(comparison.reason(protocol, metric, name))}">–</span>'
    best = float(value.max() if bool(column["higher_is_better"]) else value.min())
    shown = text(number(row["value"]))
    shown = f"<b>{shown}</b>" if float(row["value"]) == best else shown
    return f"{shown}<small>{words.span(row['lower'], row['upper'])}</small>"


def _difference(row: xr.Dataset, name: str) -> list[str]:
    """Paired difference and corrected p value."""
    if str(row["reference"].values) == name:
        return ["reference", ""]
    if not np.isfinite(float(row["difference"])):
        return ["–", ""]
    ends = words.span(row["difference_lower"], row["difference_upper"])
    p = float(row["p_adjusted"])
    return [
        f"{number(row['difference'])}<small>{ends}</small>",
        text("–" if not np.isfinite(p) else "< 0.001" if p < 0.001 else f"{p:.2g}"),
    ]


def choice_section(
    comparison: "Comparison", sweep: "Sweep | None", dpi: float, identity: str = "choice"
) -> str:
    """What every fold chose in its training part, and the choice for the fit to everything."""
    nested = _fold_choices(comparison)
    if sweep is None:
        return section(identity, "The choice", nested) if nested else ""
    return _sweep_section(sweep, nested, dpi, identity)


def _fold_choices(comparison: "Comparison") -> str:
    """What was chosen, fold by fold."""
    if not comparison.chosen:
        return ""
    rows = [
        [text(model), text(protocol), text(chosen_words(settings))]
        for (protocol, model), settings in comparison.chosen.items()
    ]
    words_of = (
        "<p>For every score above, the settings were chosen within the training part of its fold, by held-out score "
        "on sub-folds of it: what is scored had no part in the choice.</p>"
    )
    return words_of + table(["model", "protocol", "chosen, fold by fold"], rows)


def _sweep_section(sweep: "Sweep", nested: str, dpi: float, identity: str) -> str:
    """How a hyperparameter was chosen by held-out score on the whole recording."""
    held = sweep.table
    chosen = ", ".join(
        f"{name.replace('n_states', 'number of states')} {value}" for name, value in sweep.best.items()
    )
    rule = {
        "one_standard_error": "the simplest setting whose paired deficit from the best one is within its standard error",
        "best": "the best score",
    }[sweep.rule]
    seen = (
        "These scores are of the folds that chose; they flatter the choice, and the verdict does not rest on them."
        if nested
        else "The choice saw the folds that the scores above are from, so those of the chosen model are a little "
        "optimistic."
    )
    flat = held.drop_dims("fold").to_dataframe().reset_index()
    dims = [str(dim) for dim in held["score"].dims]
    rows = [
        [
            *(text(row[dim]) for dim in dims),
            f"{number(row['score'])}<small>± {number(row['standard_error'])}</small>",
            number(row["deficit"]),
            f"{row['agreement']:.0%}" if np.isfinite(row["agreement"]) else "–",
        ]
        for row in flat.to_dict("records")
    ]
    header = [
        *(text(dim.replace("_", " ")) for dim in dims),
        "held-out score",
        "from the best",
        "restarts agree",
    ]
    cut = searches.sweep_limits(sweep)[2]
    drawing = Drawing(
        lambda width: searches.plot_sweep(sweep, width=width),
        alt=f"Held-out score against {', '.join(dims)}; chosen: {chosen}.",
        caption="Held-out score with its standard error; "
        + (
            ""
            if len(dims) > 1
            else "pale lines are single folds, " + ("cut where they lie far off, " if cut else "")
        )
        + "the ring is the choice.",
        width=4.8,
        name="sweep",
    )
    return section(
        identity,
        "The choice",
        nested,
        f"<p>Chosen on the whole recording{', for the fit that is shown' if nested else ''}: {text(chosen)}, "
        f"{text(rule)}. {text(seen)}</p>",
        figure(drawing, dpi),
        table(header, rows, caption=str(held.attrs.get("metric_label", held.attrs["metric"]))),
    )


def warning_section(comparison: "Comparison", extra: tuple[str, ...] = ()) -> str:
    """Everything that was warned of on the way."""
    items = [f"<li>{text(line)}</li>" for line in dict.fromkeys(extra)]
    for model, lines in comparison.warnings.items():
        items += [f"<li><strong>{text(model)}</strong>: {text(line)}</li>" for line in lines]
    body = f'<ul class="warnings">{"".join(items)}</ul>' if items else "<p>None were raised.</p>"
    return section("warnings", "Warnings", body)


def method_section(
    comparison: "Comparison", recording: xr.Dataset | None, command: str | None, fit: Fit | None
) -> str:
    """Methods, citations, versions and how to make this page again."""
    keys = methods.citation_keys(comparison, () if fit is None else (fit,))
    again = (
        f'<p>This command makes this page again:</p><pre class="wrap">{text(command)}</pre>'
        if command
        else f"<p>In Python:</p><pre>{text(methods.python_snippet(comparison))}</pre>"
    )
    facts = [*methods.versions(), ("random key", methods.seed(comparison.settings.get("key")))]
    return section(
        "methods",
        "Methods",
        f"<p>{text(methods.paragraph(comparison, recording))}</p>",
        "<h3>References</h3>",
        methods.references(keys),
        "<h3>Reproduce</h3>",
        again,
        definitions(facts),
    )
