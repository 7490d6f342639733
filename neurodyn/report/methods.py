"""What a paper's methods section needs: a paragraph, citations, versions, how to reproduce it."""

import dataclasses
import importlib
import importlib.metadata
import platform
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.models.citations import ENTRIES, bibtex
from neurodyn.models.vae import SequentialVAE
from neurodyn.report.connectome_drawings import model_sentences, pairs_sentence
from neurodyn.report.emulator_drawings import emulator_sentences
from neurodyn.report.html import text
from neurodyn.report.network_words import network_sentences
from neurodyn.report.style import duration, number

if TYPE_CHECKING:
    from neurodyn.validation.comparison import Comparison

NULL_WORDS = {
    "permute_time": "shuffled time",
    "circular_shift": "circularly shifted units",
    "phase_randomise": "randomised phases",
    "trial_shuffle": "shuffled trials",
}
HOMES = (  # where a class is to be imported from
    "neurodyn.models",
    "neurodyn.models.vae",
    "neurodyn.models.baselines",
    "neurodyn.inference.bases",
    "neurodyn.inference.emissions",
    "neurodyn.validation",
)
PACKAGES = ("neurodyn", "jax", "numpy", "scipy", "xarray", "matplotlib")


def versions() -> list[tuple[str, str]]:
    """Versions of Python and the libraries that made the numbers."""
    found = [("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def seed(key: Any) -> str:
    """The key as text: the whole number it was made from, or its words."""
    if isinstance(key, (int, np.integer)):
        return str(int(key))
    if key is None:
        return "none"
    import jax

    dtype = getattr(key, "dtype", None)
    words = (
        jax.random.key_data(key)
        if dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key)
        else key
    )
    return "key " + " ".join(str(int(word)) for word in np.asarray(words).ravel())


def citation_keys(comparison: "Comparison", fits: Iterable[Any] = ()) -> tuple[str, ...]:
    """Keys of the methods that a comparison used."""
    keys: list[str] = []
    for model in comparison.models.values():
        keys += model.citations
    for found in comparison.fits.values():
        for fit in found[:1]:
            keys += fit.citation_keys()
    for fit in fits:
        keys += fit.citation_keys()
    return tuple(dict.fromkeys(key for key in keys if key in ENTRIES))


def references(keys: Iterable[str]) -> str:
    """A list of references with links to their DOI, and BibTeX to copy."""
    items = []
    for key in dict.fromkeys(["neurodyn", *keys]):
        entry = ENTRIES[key]
        title = re.search(r"title = \{(.*)\},?$", entry, re.MULTILINE)
        author = re.search(r"author = \{(.*?)\},?$", entry, re.MULTILINE | re.DOTALL)
        year = re.search(r"year = \{?(\d{4})", entry)
        doi = re.search(r"doi = \{(.*?)\}", entry)
        who, what = (
            " ".join(part.group(1).replace("{", "").replace("}", "").split()) if part else ""
            for part in (author, title)
        )
        who = who.replace(" and others", " et al.").replace(" and ", "; ").rstrip(".")
        said = ". ".join(part for part in (who, what) if part)
        link = f' <a href="https://doi.org/{text(doi.group(1))}">doi:{text(doi.group(1))}</a>' if doi else ""
        items.append(f"<li>{text(said)}{' (' + year.group(1) + ')' if year else ''}.{link}</li>")
    return f"<ol>{''.join(items)}</ol><details><summary>BibTeX</summary><pre>{text(bibtex(keys))}</pre></details>"


def concise(value: Any) -> str:
    """A model, a step or an emission as written in Python, without what is left at its default."""
    if isinstance(value, (tuple, list)):
        inside = ", ".join(concise(one) for one in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' if len(value) == 1 else ''})"
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return repr(value)
    said = []
    for field in dataclasses.fields(value):
        held = getattr(value, field.name)
        plain = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if field.name == "parts":
            said += [concise(one) for one in held]
        elif field.repr and field.init and (plain is dataclasses.MISSING or repr(held) != repr(plain)):
            said.append(f"{field.name}={concise(held)}")
    return f"{type(value).__name__}({', '.join(said)})"


def model_words(label: str, model: Any) -> str:
    """A model as one would write it in Python, under its name in the table."""
    shown = concise(model)
    return shown if label == getattr(model, "name", "") else f"{label}: {shown}"


def paragraph(comparison: "Comparison", recording: xr.Dataset | None) -> str:
    """A methods paragraph that can be pasted into a paper."""
    scores = comparison.scores
    parts = []
    if recording is not None:
        parts.append(data_sentence(recording))
    parts += filter(None, [pairs_sentence(comparison)])
    models = "; ".join(model_words(label, model) for label, model in comparison.models.items())
    parts.append(f"We compared {len(comparison.models)} models: {models}.")
    for label, model in comparison.models.items():
        network = getattr(model, "final", model)
        if isinstance(network, SequentialVAE):
            parts.append(network_sentences(label, network))
        parts += filter(None, [model_sentences(label, network), emulator_sentences(label, network)])
    for name, words in comparison.protocols.items():
        parts.append(f"Protocol “{name}”: {words}")
    reach = comparison.settings.get("reach", 0)
    if reach:
        parts.append(
            "All models were scored on the same entries: gaps around held-out stretches are at least "
            f"{reach} bins, "
            "the longest reach of a model, and the first bins of a stretch that such a model cannot predict "
            "count "
            "for none."
        )
    labels = dict.fromkeys(str(label) for label in scores["metric_label"].values)
    measured = "; ".join(
        label
        if label[1:2].isupper() or label[1:2] == "²" or label.startswith("Pearson")
        else label[:1].lower() + label[1:]
        for label in labels
    )
    if pairs_sentence(comparison):
        measured = measured.replace("units", "pairs")
    level, draws = scores.attrs.get("level", 0.95), scores.attrs.get("n_bootstrap", 0)
    chunks = (
        ", ".join(
            f"{int(n)} under {name}"
            for name, n in zip(scores["protocol"].values, scores["n_chunks"].values, strict=True)
        )
        if "n_chunks" in scores and scores["n_chunks"].dims == ("protocol",)
        else ""
    )
    parts.append(
        f"Scores: {measured}. Brackets are {level:.0%} intervals from {draws} bootstrap resamples of "
        "independent "
        f"stretches of data{f' ({chunks})' if chunks else ''}, drawn alike for every model; differences "
        "from the "
        "best baseline are paired, with intervals and p values by Student's t; p has Holm's correction over models."
    )
    if comparison.chosen:
        parts.append(
            "Settings left open were chosen for every fold within its training part, by held-out score on sub-folds of it "
            "(nested cross-validation)."
        )
    if "ceiling" in scores and bool(np.isfinite(scores["ceiling"]).any()):
        parts.append(
            "Ceilings put measured data in place of a model: averages over training trials, smoothed over time and "
            "extrapolated from all and from half of them to infinitely many repeats, or the functional connectivity "
            "of the training part."
        )
    tried = tuple(dict.fromkeys(null.null for null in comparison.nulls))
    if tried:
        named = ", ".join(NULL_WORDS.get(name, name.replace("_", " ")) for name in tried)
        parts.append(
            f"To find leaks, every model was also fitted to null recordings ({named}). Shuffled time leaves nothing to "
            "predict; a circular shift leaves each unit its own past and destroys what units share."
        )
    parts.append(
        "Everything learnt from data was learnt on the training part only. The analysis was made with "
        "neurodyn "
        f"{comparison.settings.get('version', '')}, random key {seed(comparison.settings.get('key'))}."
    )
    return " ".join(parts)


def data_sentence(recording: xr.Dataset) -> str:
    """What was recorded, in a sentence."""
    attrs, activity = recording.attrs, recording["activity"]
    kinds, counts = np.unique(recording["kind"].values.astype(str), return_counts=True)
    named = " and ".join(f"{n} {kind}" for n, kind in zip(counts, kinds, strict=True))
    trials = f"{activity.sizes['trial']} trials of up to " if "trial" in activity.dims else ""
    if attrs.get("time_unit") == "trial":
        bins = f"{activity.sizes['time']} choices"
    else:
        interval = float(attrs["sampling_interval"])
        bins = (
            f"{activity.sizes['time']} bins of {duration(interval)} "
            f"({duration(interval * activity.sizes['time'])})"
        )
    seen = float(np.isfinite(activity.values).mean())
    share = "" if seen == 1 else f"; {number(100 * seen)} % of the entries were observed"
    who = f" of subject {attrs['subject']}" if attrs.get("subject") else ""
    what = "pairs" if "source" in recording.coords and "target" in recording.coords else "units"
    return f"The recording{who} has {named} {what} over {trials}{bins}{share}."


def python_snippet(comparison: "Comparison") -> str:
    """Python that names the models and the key, for a comparison made without the command line."""
    classes: dict[str, list[str]] = {}
    for kind in sorted(set(_classes(list(comparison.models.values()))), key=lambda kind: kind.__name__):
        homes = [
            home for home in HOMES if getattr(importlib.import_module(home), kind.__name__, None) is kind
        ]
        classes.setdefault((homes or [kind.__module__])[0], []).append(kind.__name__)
    lines = ["import neurodyn"]
    lines += [f"from {home} import {', '.join(names)}" for home, names in sorted(classes.items())]
    lines += ["", "models = {"]
    lines += [f"    {label!r}: {model!r}," for label, model in comparison.models.items()]
    lines += [
        "}",
        f"protocols = {list(comparison.protocols)!r}  # neurodyn.validation.holdout, as described above",
    ]
    lines += [
        f"comparison = neurodyn.compare(models, recording, protocols, key={comparison.settings.get('key')!r})"
    ]
    return "\n".join(lines)


def _classes(value: Any) -> list[type]:
    """Classes of a model and of what it is made of."""
    if isinstance(value, (tuple, list)):
        return [kind for one in value for kind in _classes(one)]
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return []
    inside = [getattr(value, field.name) for field in dataclasses.fields(value)]
    return [type(value), *_classes(inside)]
