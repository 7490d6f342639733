"""A comparison in plain words: what holds, against what, and by how much."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.models.connectome.dynamic_connectome import DynamicConnectome
from neurodyn.report import caveats
from neurodyn.report.scores import has_values, headline_metrics, metric_name
from neurodyn.report.style import number
from neurodyn.validation.comparison.words import chosen_words
from neurodyn.validation.selected import Selected

if TYPE_CHECKING:
    from neurodyn.validation.comparison import Comparison

FULL_NAMES = {
    "hmm": "the hidden Markov model",
    "glm": "the generalised linear model",
    "switching_glm": "the switching generalised linear model",
    "uncoupled_glm": "the generalised linear model without coupling",
    "mean": "the mean",
    "persistence": "persistence",
    "ar_ridge": "autoregressive ridge regression",
    "direct_ridge": "direct ridge regression",
    "smoothed_rate": "the smoothed rate",
    "trial_average": "the trial average",
    "factor_analysis": "factor analysis",
    "sequential_vae": "the sequential autoencoder",
    "poisson_lds": "the Poisson linear dynamical system",
    "smoothed_ridge": "ridge regression on smoothed activity",
    "smoothed_poisson": "Poisson regression on smoothed activity",
    "smoothed_poisson_time": "Poisson regression on smoothed activity and time",
    "predictive_coding": "the predictive-coding network",
    "rescorla_wagner": "the Rescorla-Wagner model",
    "pearce_hall": "the Pearce-Hall model",
    "win_stay_lose_shift": "win-stay lose-shift",
    "dynamic_connectome": "the dynamic connectome",
    "pair_amplitude": "the product of amplitudes of units",
    "window_states": "sliding-window k-means",
    "choice_history_regression": "the regression on past choices",
}
OUTCOMES = ("beats", "ties", "falls short", "floor", "unjudged", "nothing")
SIGNIFICANT = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """What one metric says under one protocol.

    Parameters
    ----------
    protocol, metric : str
        Where.
    model : str
        The best model that is no baseline; the best of all where there are only baselines.
    reference : str
        The best baseline, or "".
    outcome : str
        One of `OUTCOMES`, against the best baseline; "floor" where there is no other to compare with.
    under : bool
        Whether the model is no better than its floor.
    sentence : str
        The finding in words.
    """

    protocol: str
    metric: str
    model: str
    reference: str
    outcome: str
    sentence: str
    under: bool = False


def full_name(comparison: "Comparison", label: str) -> str:
    """A model in words: its own label where the user gave one."""
    model = comparison.models.get(label)
    model = getattr(model, "final", model)
    name = getattr(model, "name", label)
    if label not in (name, "pipeline"):
        return label
    words = FULL_NAMES.get(name, name)
    if label == "pipeline":
        words += " after preprocessing"
    size, word = ("rank", "component") if name == DynamicConnectome.name else ("n_states", "state")
    chosen = [
        one[size]
        for (_, who), found in comparison.chosen.items()
        if who == label
        for one in found
        if size in one
    ]
    count = None if isinstance(comparison.models.get(label), Selected) else getattr(model, size, None)
    if chosen:
        count = f"{min(chosen)} to {max(chosen)}" if min(chosen) < max(chosen) else chosen[0]
    return (
        f"{words} with {count} {word}{'' if count == 1 and size == 'rank' else 's'}"
        if count is not None
        else words
    )


def span(low: Any, high: Any) -> str:
    """An interval in brackets, nothing where it is unknown."""
    return f"[{number(low)}, {number(high)}]" if np.isfinite([float(low), float(high)]).all() else ""


def finding(comparison: "Comparison", protocol: str, metric: str) -> Finding:
    """Judge the best model under a protocol against the best baseline and the floor."""
    here = comparison.scores.sel(protocol=protocol, metric=metric)
    higher = bool(here["higher_is_better"])
    known = here["model"].values[np.isfinite(here["value"].values)].astype(str)
    if known.size == 0:
        return Finding(
            protocol=protocol,
            metric=metric,
            model="",
            reference="",
            outcome="nothing",
            sentence="No model has a score here.",
        )
    contenders = [name for name in known if not bool(here["is_baseline"].sel(model=name))]
    sign = 1.0 if higher else -1.0
    best = max(contenders or list(known), key=lambda name: sign * float(here["value"].sel(model=name)))
    row = here.sel(model=best)
    name = full_name(comparison, best)
    value = f"{number(row['value'])} {span(row['lower'], row['upper'])}".strip()
    over = f", the mean over {int(row['n_recordings'])} recordings" if "n_recordings" in row else ""
    opening = f"{_capital(name)} reaches {metric_name(metric)} {value}{over}"
    floor = float(here["floor"])
    under = np.isfinite(floor) and sign * (float(row["value"]) - floor) <= 0
    reference = str(here["reference"].values)
    if not contenders or not reference or reference == best:
        outcome = "floor" if under else "unjudged"
        tail = ", no better than its floor" if under else ""
        return Finding(
            protocol=protocol,
            metric=metric,
            model=best,
            reference="",
            outcome=outcome,
            sentence=f"{opening}{tail}.{_ceiling(here)}",
        )
    outcome, judged = _judge(row, full_name(comparison, reference), sign)
    against = number(here["value"].sel(model=reference))
    text = f"{opening}; the best baseline, {full_name(comparison, reference)}, {against}. {judged}"
    if under:
        text += f" It is no better than the floor of {number(floor)}."
    text += _ceiling(here)
    return Finding(
        protocol=protocol,
        metric=metric,
        model=best,
        reference=reference,
        outcome=outcome,
        sentence=text,
        under=under,
    )


def _ceiling(here: xr.Dataset) -> str:
    """Data against data in a sentence, where there is such a value."""
    if "ceiling" not in here or not np.isfinite(float(here["ceiling"])):
        return ""
    ends = span(here["ceiling_lower"], here["ceiling_upper"])
    return f" The ceiling, data against data, is {number(here['ceiling'])} {ends}".rstrip() + "."


def ceiling_notes(here: xr.Dataset) -> list[str]:
    """What the ceilings of one protocol are, and why others are missing, one line for each note."""
    if "ceiling" not in here:
        return []
    found: dict[str, list[str]] = {}
    for metric in here["metric"].values.astype(str):
        note = str(here["ceiling_note"].sel(metric=metric).values)
        if note and np.isfinite(here["value"].sel(metric=metric)).any():
            value = float(here["ceiling"].sel(metric=metric))
            shown = f" {number(value)}" if np.isfinite(value) else ""
            found.setdefault(note, []).append(metric_name(metric) + shown)
    return [
        f"{note.rstrip('.')} ({', '.join(metrics)})."
        if note.startswith("no ceiling")
        else f"ceiling: {', '.join(metrics)} ({note})."
        for note, metrics in found.items()
    ]


def _judge(row: xr.Dataset, reference: str, sign: float) -> tuple[str, str]:
    """Outcome and sentence of a paired difference."""
    difference, p = float(row["difference"]), float(row["p_adjusted"])
    size = f"{number(abs(difference))}"
    if not np.isfinite(p):
        return (
            "unjudged",
            f"They differ by {size}, with too few independent stretches of data (or recordings) to judge it.",
        )
    ends = span(row["difference_lower"], row["difference_upper"])
    said = f"difference {number(difference)} {ends}, p {_p(p)}"
    if p >= SIGNIFICANT:
        corrected = (
            " once p is corrected for the number of models" if float(row["p_value"]) < SIGNIFICANT else ""
        )
        return "ties", f"The two cannot be told apart{corrected} ({said})."
    if sign * difference > 0:
        return "beats", f"It beats {reference} ({said})."
    return "falls short", f"It falls short of {reference} ({said})."


def _p(value: float) -> str:
    """A p value for text."""
    return "< 0.001" if value < 0.001 else f"= {value:.2g}"


def _capital(text: str) -> str:
    """First letter in upper case, labels of users untouched."""
    return text[0].upper() + text[1:] if text.startswith("the ") else text


def main_metric(scores: xr.Dataset, protocol: str) -> str | None:
    """The metric that decides under a protocol."""
    chosen = [metric for metric in headline_metrics(scores, limit=99) if has_values(scores, protocol, metric)]
    return chosen[0] if chosen else None


def findings(comparison: "Comparison") -> list[Finding]:
    """The main finding of every protocol, then that of the likelihood where several models share one."""
    found = []
    for protocol in comparison.scores["protocol"].values.astype(str):
        main = main_metric(comparison.scores, protocol)
        if main is None:
            continue
        first = finding(comparison, protocol, main)
        chosen = comparison.chosen.get((protocol, first.model), [])
        said = f" Chosen in each training part: {chosen_words(chosen)}." if chosen else ""
        found.append(dataclasses.replace(first, sentence=first.sentence + said))
        for metric in comparison.scores["metric"].values.astype(str):
            shared = int(np.isfinite(comparison.scores["value"].sel(protocol=protocol, metric=metric)).sum())
            if metric.startswith("log_likelihood") and metric != main and shared > 1:
                found.append(finding(comparison, protocol, metric))
                break
    return found


def headline(comparison: "Comparison") -> str:
    """The verdict in a sentence or two."""
    text = _main_sentence(comparison)
    if comparison.leaking:
        leaking = _listed(list(comparison.leaking))
        text += f" Do not trust {leaking}: it scores on data in which there is nothing to find."
    if not comparison.complete:
        text += " The comparison was interrupted: only folds that every model finished are counted."
    return text


def _main_sentence(comparison: "Comparison") -> str:
    """What the main scores of all protocols say together."""
    scores = comparison.scores
    main = [
        finding(comparison, protocol, metric)
        for protocol in scores["protocol"].values.astype(str)
        if (metric := main_metric(scores, protocol)) is not None
    ]
    if not main:
        return "No model could be scored; the reasons are listed below."
    if bool(scores["is_baseline"].all()):
        best = [f"{full_name(comparison, item.model)} does best under {item.protocol}" for item in main]
        return f"Only baselines were compared: {_listed(best)}."
    if all(not item.reference for item in main):
        return "No baseline was compared, so the scores stand without a yardstick."
    who = _subject(comparison, main)
    where = {outcome: [item.protocol for item in main if item.outcome == outcome] for outcome in OUTCOMES}
    rivals = list(dict.fromkeys(full_name(comparison, item.reference) for item in main if item.reference))
    judged = [item for item in main if item.outcome != "unjudged"]
    if not judged:
        text = f"There is too little data to tell {who} from {_listed(rivals)}."
    elif all(item.outcome == "beats" for item in judged):
        text = f"{_capital(who)} holds: on data it never saw it beats every baseline under {_listed(where['beats'])}."
        doubts = [
            clause for item in main for clause in caveats.against(comparison, item.protocol, item.model)
        ]
        if doubts:
            places = _listed(where["beats"])
            text = f"Mixed: {who} beats every baseline compared under {places}, but {_listed(doubts)}."
    elif where["beats"]:
        elsewhere = _listed([item.protocol for item in main if item.outcome != "beats"])
        behind = _behind(comparison, main) or f"not under {elsewhere}"
        text = f"Mixed: {who} beats every baseline under {_listed(where['beats'])}, but {behind}."
    else:
        text = f"{_capital(who)} does not hold against its baselines: {_behind(comparison, main)}."
    under = [item.protocol for item in main if item.under]
    if under:
        text += f" Under {_listed(under)} it predicts no better than one who knows nothing."
        praise = [
            clause
            for item in main
            if item.under
            for clause in caveats.in_favour(comparison, item.protocol, item.model)
        ]
        text += f" Yet {_listed(praise)}." if praise else ""
    return text


def _subject(comparison: "Comparison", main: list[Finding]) -> str:
    """The model the headline is about."""
    names = list(dict.fromkeys(full_name(comparison, item.model) for item in main if item.reference))
    return names[0] if len(names) == 1 else "the best model"


def _behind(comparison: "Comparison", main: list[Finding]) -> str:
    """Which baseline is ahead or level, and where."""
    parts = []
    for outcome, words in (
        ("falls short", "{} is ahead"),
        ("ties", "{} does as well"),
        ("floor", "{} is ahead"),
    ):
        for rival in dict.fromkeys(
            item.reference for item in main if item.outcome == outcome and item.reference
        ):
            places = [item.protocol for item in main if item.outcome == outcome and item.reference == rival]
            parts.append(words.format(full_name(comparison, rival)) + f" under {_listed(places)}")
    if not parts:
        return "the data are too few to judge it"
    return "; ".join(parts)


def _listed(items: list[str]) -> str:
    """Items with commas and a final and."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def ranked(here: xr.Dataset, main: str) -> list[str]:
    """Models, the best first, those without a score last."""
    column = here.sel(metric=main)
    sign = -1.0 if bool(column["higher_is_better"]) else 1.0
    key = np.where(np.isfinite(column["value"].values), sign * column["value"].values, np.inf)
    return [str(here["model"].values[i]) for i in np.argsort(key, kind="stable")]


def reasons(comparison: "Comparison") -> list[str]:
    """Why scores are missing, one line for each reason."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for (protocol, metric, model), reason in comparison.not_applicable.items():
        found.setdefault((protocol, metric, reason), []).append(model)
    lines = []
    for (protocol, metric, reason), models in found.items():
        who = ", ".join(model for model in models if model)
        place = ", ".join(part for part in (protocol, metric_name(metric) if metric else "", who) if part)
        lines.append(f"{place}: {reason}")
    return lines
