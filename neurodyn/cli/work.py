"""What each command does, between reading its options and leaving."""

import contextlib
import dataclasses
import pathlib
import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from neurodyn.cli import choices, show
from neurodyn.cli.folder import check_folder, start_folder
from neurodyn.cli.guard import ERROR, say
from neurodyn.cli.progress import Bar, bars, waiting
from neurodyn.cli.source import Source
from neurodyn.cli.spelling import on_command_line
from neurodyn.errors import FileError, NeurodynWarning

if TYPE_CHECKING:
    import xarray

    from neurodyn.models.base import Fit, Model
    from neurodyn.validation.comparison import Comparison
    from neurodyn.validation.selection import Sweep

DEMO_STATES = "2,4"
YARDSTICKS = ("ar_ridge", "persistence")
FIGURES = (
    "recording",
    "states",
    "transitions",
    "means",
    "couplings",
    "connectivity",
    "occupancy",
    "dwell_times",
    "network_0",
    "network_1",
)
WRITTEN_BY_COMPARE = ("scores.csv", "report.html")
WRITTEN = (*WRITTEN_BY_COMPARE, "sweep.csv", "fit.nc", *(f"figures/{name}.png" for name in FIGURES))
OF_A_FOLD = re.compile(r"^fold \d+: ")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What a command was asked to do."""

    models: tuple[str, ...]
    states: str
    out: pathlib.Path
    command: str
    emission: str = "auto"
    shrink: float = 0.0
    standardise: bool = False
    high_pass: float | None = None
    embed: int | None = None
    pca: int | None = None
    holdout: tuple[str, ...] = ()
    restarts: int = 5
    seed: int = 0


def inspect(file: pathlib.Path, loader: str | None) -> None:
    """Print what is in a file."""
    from neurodyn.io.registry import inspect as contents

    with saying(), waiting(f"looking into {file.name}"):
        table = contents(file, loader=loader)
    show.frame(table, str(file))


def read(source: Source) -> "xarray.Dataset":
    """Read a recording, say what it is, and pass its warnings on as lines."""
    from neurodyn.recording.describe import describe

    with saying(), waiting(f"reading {source.file.name}"):
        recording = source.read()
    show.console().print(describe(recording), markup=False)
    return recording


@contextlib.contextmanager
def saying() -> Iterator[None]:
    """Pass the warnings of a reader on as lines, also where it failed after them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for entry in caught:
                if issubclass(entry.category, NeurodynWarning):
                    say(f"warning: {on_command_line(str(entry.message))}")


def fit(source: Source, settings: Settings) -> bool:
    """Choose the number of states, judge the model that chooses it, fit everything; whether it came to an end."""
    from neurodyn.validation.selected import Selected

    recording = read(source)
    check_folder(settings.out)
    words = list(settings.holdout) or choices.default_protocols(recording)[:1]
    protocols = choices.protocols(words, recording, settings.seed)
    named = settings.models[0]
    numbers = choices.state_numbers(settings.states) if named in choices.WITH_STATES else ()
    label, model = next(iter(candidate_models(named, settings, preprocess(settings)).items()))
    found: Sweep | None = None
    comparison: Comparison | None = None
    whole_fit: Fit | None = None
    with bars() as (whole, part, stop):
        judged = model
        if len(numbers) > 1:
            label, judged = named, Selected(model, n_states=numbers)
            found = sweep_states(model, numbers, recording, protocols[0], settings, whole, part)
            model = found.best_model
        if not stop.pressed:
            others = {name: choices.make_model(name, []) for name in usable(YARDSTICKS, recording, {label})}
            comparison = judge({label: judged, **others}, recording, protocols, settings, whole, part)
        if not stop.pressed:
            whole_fit = fit_whole(model, recording, settings, part)
    shown = (
        whole_fit
        or (first_fit(comparison, label) if comparison else None)
        or (swept_fit(found) if found else None)
    )
    if shown is None and stop.pressed:
        raise KeyboardInterrupt
    if shown is None and comparison is not None:
        reason = failures(comparison).get(label, "no fold was finished")
        raise FileError(f"{label} could not be fitted to {source.file}: {reason}")
    folder = start_folder(settings.out, WRITTEN)
    if found is not None:
        found.table.drop_dims("fold").to_dataframe().to_csv(folder / "sweep.csv")
        show.sweep(found)
    if comparison is not None:
        show.scores(comparison)
        show.verdict(comparison)
    if shown is not None:
        shown.save(folder / "fit.nc")
        draw(shown, recording, folder / "figures")
    write(comparison, folder, settings, fit=whole_fit, sweep=found)
    return not stop.pressed and (comparison is None or comparison.complete)


def compare(source: Source, settings: Settings, *, report: bool) -> bool:
    """Compare models on the same held-out entries; whether it came to an end."""
    recording = read(source)
    check_folder(settings.out)
    preprocessing = preprocess(settings)
    protocols = choices.protocols(list(settings.holdout), recording, settings.seed)
    models: dict[str, Model] = {}
    for name in settings.models or choices.usable_defaults(recording):
        models.update(candidate_models(name, settings, preprocessing))
    with bars() as (whole, part, stop):
        comparison = judge(models, recording, protocols, settings, whole, part)
    failed = failures(comparison)
    for name, reason in failed.items():
        say(f"{name} could not be fitted to {source.file}: {reason}")
    nothing = bool(failed) and set(candidates(comparison)) <= set(failed)
    show.scores(comparison)
    if not nothing:
        show.verdict(comparison)
    folder = start_folder(settings.out, WRITTEN_BY_COMPARE)
    write(comparison, folder, settings, report=report)
    if nothing and not stop.pressed:
        raise typer.Exit(ERROR)
    return comparison.complete and not stop.pressed


def demo(out: pathlib.Path, seed: int, command: str) -> bool:
    """Resting fMRI from an installed package, states against baselines, a null, and a report."""
    from neurodyn import datasets
    from neurodyn.models.pipeline.pipeline import Pipeline
    from neurodyn.models.pipeline.standardise import Standardise
    from neurodyn.models.registry import create
    from neurodyn.recording.describe import describe
    from neurodyn.validation import holdout
    from neurodyn.validation.selected import Selected

    recording = datasets.load("nitime_fmri")
    recording = recording.sel(unit=recording["tissue"] == "grey matter")
    check_folder(out)
    show.console().print(describe(recording), markup=False)
    settings = Settings(models=("hmm",), states=DEMO_STATES, out=out, command=command, restarts=3, seed=seed)
    numbers = choices.state_numbers(DEMO_STATES)
    hmm = Pipeline(Standardise(), create("hmm", n_states=numbers[0], emission="gaussian_tied"))
    protocols = [holdout.blocks(4), holdout.units(0.25, folds=2, key=seed)]
    comparison: Comparison | None = None
    chosen: Fit | None = None
    with bars() as (whole, part, stop):
        found = sweep_states(hmm, numbers, recording, protocols[0], settings, whole, part)
        models: dict[str, Model] = {"hmm": Selected(hmm, n_states=numbers)}
        models |= {name: create(name) for name in ("ar_ridge", "factor_analysis", "persistence", "mean")}
        if not stop.pressed:
            asked: dict[str, Any] = {
                "nulls": ("circular_shift",),
                "metrics": ("auto", "connectivity_match"),
            }
            comparison = judge(models, recording, protocols, settings, whole, part, **asked)
        if not stop.pressed:
            chosen = fit_whole(found.best_model, recording, settings, part)
    show.sweep(found)
    if comparison is not None:
        show.scores(comparison)
        show.verdict(comparison)
    folder = start_folder(out, (*WRITTEN_BY_COMPARE, "fit.nc"))
    if chosen is not None:
        chosen.save(folder / "fit.nc")
    title = "Resting fMRI: do states predict?"
    write(comparison, folder, settings, fit=chosen, sweep=found, title=title)
    return not stop.pressed and (comparison is None or comparison.complete)


def cite(what: tuple[str, ...]) -> str:
    """BibTeX of models by name and of saved fits."""
    from neurodyn.models import registry
    from neurodyn.models.citations import bibtex
    from neurodyn.models.storage import load

    keys: list[str] = []
    for item in what:
        if item not in registry.names() and pathlib.Path(item).suffix:
            keys += load(item).citation_keys()
        else:
            keys += registry.get(item).citations
    return bibtex(keys)


def preprocess(settings: Settings) -> list[Any]:
    """Steps before the model."""
    return choices.steps(settings.standardise, settings.high_pass, settings.embed, settings.pca)


def candidate_models(name: str, settings: Settings, preprocessing: list[Any]) -> "dict[str, Model]":
    """A model by its name in the table; one with states for each number of them, after the preprocessing."""
    if name not in choices.WITH_STATES:
        return {name: choices.make_model(name, [])}
    numbers = choices.state_numbers(settings.states)
    extra = {"emission": choices.emission(settings.emission, settings.shrink)} if name == "hmm" else {}
    made = {n: choices.make_model(name, preprocessing, n_states=n, **extra) for n in numbers}
    return {name if len(numbers) == 1 else f"{name} {n}": model for n, model in made.items()}


def usable(names: tuple[str, ...], recording: "xarray.Dataset", taken: set[str]) -> list[str]:
    """Those baselines that accept the recording and are not candidates already."""
    from neurodyn.models import registry

    kinds = set(recording["kind"].values.astype(str).tolist())
    return [name for name in names if name not in taken and kinds <= set(registry.get(name).kinds)]


def judge(
    models: "dict[str, Model]",
    recording: "xarray.Dataset",
    protocols: list[Any],
    settings: Settings,
    whole: Bar,
    part: Bar,
    **options: Any,
) -> "Comparison":
    """Compare under the display's bars; warnings end up in the comparison, not on the screen."""
    from neurodyn.validation.comparison import compare as run

    return run(
        models,
        recording,
        protocols,
        key=settings.seed,
        progress=whole,
        fit_options={"restarts": settings.restarts, "progress": part},
        **options,
    )


def fit_whole(model: "Model", recording: "xarray.Dataset", settings: Settings, part: Bar) -> "Fit":
    """One fit to everything, for the figures and the file."""
    known = {"restarts": settings.restarts, "progress": part}
    options = {name: value for name, value in known.items() if name in model.fit_options}
    with warnings.catch_warnings():
        # They are kept in the trace, from where the report prints them.
        warnings.simplefilter("ignore", NeurodynWarning)
        return model.fit(recording, key=settings.seed, **options)


def sweep_states(
    model: "Model",
    numbers: tuple[int, ...],
    recording: "xarray.Dataset",
    protocol: Any,
    settings: Settings,
    whole: Bar,
    part: Bar,
) -> "Sweep":
    """Score every number of states on held-out data, for the fit to everything."""
    from neurodyn.validation.selection import sweep

    options = {"restarts": settings.restarts, "progress": part}
    return sweep(
        model,
        recording,
        protocol,
        key=settings.seed,
        fit_options=options,
        progress=whole,
        n_states=numbers,
    )


def swept_fit(found: "Sweep") -> "Fit | None":
    """A fit of the chosen number of states that the sweep holds."""
    fits = found.fits.get((found.best["n_states"],), [])
    return fits[0] if fits else None


def first_fit(comparison: "Comparison", label: str) -> "Fit | None":
    """Any fit of a model that the comparison holds."""
    return next((fits[0] for (_, name), fits in comparison.fits.items() if name == label and fits), None)


def candidates(comparison: "Comparison") -> list[str]:
    """Names of the models that are no baselines; of all where there are only baselines."""
    from neurodyn.validation.comparison.plan import is_baseline

    names = [name for name, model in comparison.models.items() if not is_baseline(model)]
    return names or list(comparison.models)


def failures(comparison: "Comparison") -> dict[str, str]:
    """Why models could not be fitted under any protocol, by model."""
    fitted = {name for (_, name), fits in comparison.fits.items() if fits}
    found: dict[str, str] = {}
    for (_, metric, name), reason in comparison.not_applicable.items():
        if not metric and name and name not in fitted:
            found.setdefault(name, on_command_line(OF_A_FOLD.sub("", reason)))
    return found


def draw(fit: "Fit", recording: "xarray.Dataset", folder: pathlib.Path) -> None:
    """Save the figures of a fit as PNG files."""
    from neurodyn.report.drawings import data_drawing, fit_drawings

    folder.mkdir(exist_ok=True)
    wide, pairs = fit_drawings(fit, recording)
    for item in [data_drawing(recording), *wide, *(half for both in pairs for half in both)]:
        item.draw(item.width).savefig(folder / f"{item.name}.png", dpi=200)


def write(
    comparison: "Comparison | None",
    folder: pathlib.Path,
    settings: Settings,
    *,
    fit: "Fit | None" = None,
    sweep: "Sweep | None" = None,
    report: bool = True,
    title: str | None = None,
) -> None:
    """Write the scores, and the report where it is wanted, and say where they are."""
    from neurodyn.report.page import write as write_report

    if comparison is not None:
        comparison.to_dataframe().to_csv(folder / "scores.csv", index=False)
        if report:
            with waiting("writing the report"):
                page = folder / "report.html"
                write_report(comparison, page, title=title, command=settings.command, fit=fit, sweep=sweep)
    written = ", ".join(sorted(item.name for item in folder.iterdir()))
    show.console().print(f"\nin {folder}: {written}", markup=False)
