"""One self-contained page that tells a comparison."""

import os
import pathlib
import tempfile
from datetime import date
from typing import TYPE_CHECKING

import xarray as xr

from neurodyn.__about__ import __version__
from neurodyn.errors import FileError, ModelError
from neurodyn.models.base import Fit
from neurodyn.report import html, methods, sections, words
from neurodyn.report.connectome_drawings import pairs_sentence
from neurodyn.report.shown_fit import fit_section

if TYPE_CHECKING:
    from neurodyn.validation.comparison import Comparison
    from neurodyn.validation.selection import Sweep

LARGEST = 3_000_000
RESOLUTIONS = (144, 110, 84, 64)
NAVIGATION = (
    ("verdict", "Verdict"),
    ("pooled", "Over recordings"),
    ("data", "Data"),
    ("scores", "Scores"),
    ("fit", "The fit"),
    ("choice", "The choice"),
    ("warnings", "Warnings"),
    ("methods", "Methods"),
)


def write(
    comparison: "Comparison",
    path: str | os.PathLike,
    *,
    title: str | None = None,
    command: str | None = None,
    fit: Fit | None = None,
    sweep: "Sweep | None" = None,
) -> pathlib.Path:
    """Write a comparison as one HTML file with everything in it, under 3 MB.

    The page holds the verdict in words, the data, scores with floors, ceilings and intervals, the figures of
    the fit, how its restarts and folds agree, warnings, a methods paragraph, citations, versions, and what
    reproduces it. It loads nothing from elsewhere; figures come in a wide version and one for phones.

    Parameters
    ----------
    comparison : Comparison
        From `neurodyn.validation.compare`.
    path : str or os.PathLike
        File to write; replaced only once the page is complete.
    title : str, optional
        Heading; default: the subject or the source of the recording.
    command : str, optional
        The shell command that makes this page; without it the page shows Python.
    fit : Fit, optional
        A fit to the whole recording to show; default: the best model with states, single-trial rates, components of
        pairs or emulated symbols, on the first fold.
    sweep : Sweep, optional
        From `neurodyn.validation.sweep`: how the number of states (or another hyperparameter) was chosen.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    FileError
        If the folder does not exist, or `path` is a folder.
    ModelError
        If the page cannot be made smaller than 3 MB.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import neurodyn
    >>> from neurodyn.validation import holdout
    >>> noise = np.random.default_rng(0).normal(size=(60, 2))
    >>> data = neurodyn.recording.make(noise, sampling_interval=0.1)
    >>> models = [neurodyn.models.create("mean"), neurodyn.models.create("persistence")]
    >>> comparison = neurodyn.compare(models, data, holdout.blocks(3), key=0, nulls=())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = neurodyn.report.write(comparison, pathlib.Path(folder) / "report.html")
    ...     page.read_text(encoding="utf-8")[:15]
    '<!DOCTYPE html>'
    """
    target = pathlib.Path(path)
    if target.is_dir():
        raise FileError(
            f"{target} is a folder; give the name of a file in it, such as {target / 'report.html'}."
        )
    if not target.parent.is_dir():
        raise FileError(f"the folder {target.parent} does not exist; make it before writing {target.name}.")
    for resolution in RESOLUTIONS:
        content = _compose(comparison, title, command, fit, sweep, resolution).encode("utf-8")
        if len(content) < LARGEST:
            break
    else:
        raise ModelError(
            f"the page has {len(content):,} bytes even with coarse figures, more than {LARGEST:,}; write "
            "one for each "
            "recording of comparison.parts."
        )
    handle, temporary = tempfile.mkstemp(suffix=".html", prefix=".writing-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    finally:
        pathlib.Path(temporary).unlink(missing_ok=True)
    return target


def _umask() -> int:
    """The permissions that new files do not get, read without changing them for long."""
    current = os.umask(0o022)
    os.umask(current)
    return current


def _compose(
    comparison: "Comparison",
    title: str | None,
    command: str | None,
    fit: Fit | None,
    sweep: "Sweep | None",
    dpi: float,
) -> str:
    """The whole page as text."""
    extra = () if fit is None else fit.trace.warnings
    if comparison.parts:
        body, present = _many(comparison, dpi)
    else:
        body, present = _one(comparison, fit, dpi)
    choice = sections.choice_section(comparison, sweep, dpi)
    if choice:
        body += choice
        present.add("choice")
    body += sections.warning_section(comparison, extra)
    body += sections.method_section(comparison, comparison.recording, command, fit)
    heading = title or _title(comparison)
    lead = f'<p class="what">{html.text(_lead(comparison))}</p>'
    footer = html.text(
        f"Written on {date.today().isoformat()} by neurodyn {__version__}. "
        f"Random key {methods.seed(comparison.settings.get('key'))}."
    )
    return html.page(
        heading,
        lead,
        [item for item in NAVIGATION if item[0] in {*present, "warnings", "methods"}],
        body,
        footer,
    )


def _one(comparison: "Comparison", fit: Fit | None, dpi: float) -> tuple[str, set[str]]:
    """Sections of one recording."""
    recording = comparison.recording
    body = sections.verdict(comparison)
    present = {"verdict", "scores"}
    if recording is not None:
        body += sections.data(recording, dpi)
        present.add("data")
    body += sections.score_section(comparison, dpi)
    if recording is not None:
        shown = fit_section(comparison, fit, recording, dpi)
        body += shown
        present |= {"fit"} if shown else set()
    return body, present


def _many(comparison: "Comparison", dpi: float) -> tuple[str, set[str]]:
    """Sections of several recordings, one after the other, the first with the figures of its fit."""
    items = [
        f"<li><b>{html.text(name)}</b>{html.text(words.headline(part))}</li>"
        for name, part in comparison.parts.items()
    ]
    listed = f'<ul class="findings">{"".join(items)}</ul>'
    if comparison.pooled is not None:
        body = sections.verdict(comparison.pooled, "verdict", title=f"Verdict over {len(items)} recordings")
        body += sections.score_section(comparison.pooled, dpi, "pooled", title="Scores over recordings")
        body += html.section("each", "Each recording", listed)
    else:
        body = html.section("verdict", "Verdict", listed)
    for index, (name, part) in enumerate(comparison.parts.items()):
        body += f"<h2>{html.text(name)}</h2>"
        body += sections.verdict(part, f"verdict-{index}")
        if part.recording is not None:
            body += sections.data(part.recording, dpi, "data" if index == 0 else f"data-{index}")
        body += sections.score_section(part, dpi, "scores" if index == 0 else f"scores-{index}")
        if index == 0 and part.recording is not None:
            body += fit_section(part, None, part.recording, dpi)
    return body, {"verdict", "data", "scores"} | ({"pooled"} if comparison.pooled is not None else set())


def _title(comparison: "Comparison") -> str:
    """Subject and session, or the file, or the number of recordings."""
    recording: xr.Dataset | None = comparison.recording
    if recording is None:
        return f"{len(comparison.parts)} recordings"
    attrs = recording.attrs
    named = ", ".join(
        f"{what} {attrs[what]}" for what in ("subject", "session") if str(attrs.get(what, "")).strip()
    )
    source = str(attrs.get("source", "")).rstrip("/").split("/")[-1]
    return (named[0].upper() + named[1:]) if named else source or "Comparison of models"


def _lead(comparison: "Comparison") -> str:
    """The line under the title."""
    recording = comparison.recording
    parts = [] if recording is None else [methods.data_sentence(recording), pairs_sentence(comparison)]
    what = "".join(f"{part} " for part in parts if part)
    return f"{what}{len(comparison.models)} models, judged on data they never saw."
