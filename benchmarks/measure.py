"""Figures, spreads, verdicts and tables: what every benchmark prints."""

import dataclasses
import datetime
import functools
import hashlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "benchmarks"
HOLDS, SHORT, REPORTED, LEFT_OUT = "holds", "falls short", "reported", "left out"


class NotMeasured(Exception):
    """A line could not be measured; the message says why."""


@dataclasses.dataclass(frozen=True)
class Line:
    """One claim and what was measured.

    Parameters
    ----------
    name : str
        The claim, in a few words.
    measured : str
        What was found, with its unit.
    bar : str
        What it is held against; empty where there is no bar.
    verdict : str
        One of ``holds``, ``falls short``, ``reported`` (no bar), ``left out`` (by the reduced version).
    note : str
        What a reader must know beside it.
    """

    name: str
    measured: str
    bar: str = ""
    verdict: str = REPORTED
    note: str = ""


def at_most(name: str, value: float, bar: float, unit: str = "", note: str = "") -> Line:
    """A line that holds where the value does not exceed the bar (a NaN never holds)."""
    end = f" {unit}" if unit else ""
    return Line(name, f"{value:.3g}{end}", f"<= {bar:g}{end}", HOLDS if value <= bar else SHORT, note)


def at_least(name: str, value: float, bar: float, unit: str = "", note: str = "") -> Line:
    """A line that holds where the value reaches the bar (a NaN never holds)."""
    end = f" {unit}" if unit else ""
    return Line(name, f"{value:.4g}{end}", f">= {bar:g}{end}", HOLDS if value >= bar else SHORT, note)


def unmeasured(name: str, bar: str, reason: str) -> Line:
    """A line that could not be measured: it falls short, and says why."""
    return Line(name, "not measured", bar, SHORT, reason)


def show(line: Line, label: str = "") -> str:
    """One printed line, with an optional label in front."""
    parts = [f"{label}{line.name}: {line.measured}"]
    if line.bar:
        parts.append(f"bar {line.bar}")
    parts.append(line.verdict)
    if line.note:
        parts.append(f"({line.note})")
    return " | ".join(parts)


@dataclasses.dataclass(frozen=True)
class Spread:
    """Median and range of repeated measurements."""

    median: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if self.n < 2:
            return f"{self.median:.3g}"
        return f"{self.median:.3g} ({self.low:.3g}-{self.high:.3g})"


def spread(values: Iterable[float]) -> Spread:
    """Median, smallest and largest of some values."""
    found = [float(value) for value in values]
    if not found:
        return Spread(float("nan"), float("nan"), float("nan"), 0)
    return Spread(statistics.median(found), min(found), max(found), len(found))


def ratio(above: float, below: float) -> float:
    """A ratio, NaN where the divisor is not a positive number."""
    return above / below if below > 0 else float("nan")


def cheapest(costs: Mapping[str, float]) -> tuple[str, float]:
    """Name and cost of the cheapest contestant; an empty name and NaN where none ran."""
    finite = {name: cost for name, cost in costs.items() if cost == cost}
    if not finite:
        return "", float("nan")
    name = min(finite, key=lambda one: finite[one])
    return name, finite[name]


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table, padded so that it also reads well in a terminal."""
    cells = [[str(cell) for cell in header], *([str(cell) for cell in row] for row in rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"

    return "\n".join(
        [line(cells[0]), "|" + "|".join("-" * (w + 2) for w in widths) + "|", *map(line, cells[1:])]
    )


def lines_table(lines: Iterable[Line]) -> str:
    """Lines as a Markdown table."""
    header = ("claim", "measured", "bar", "verdict", "note")
    return table(header, [(line.name, line.measured, line.bar, line.verdict, line.note) for line in lines])


def commit() -> str:
    """Short name of the commit, with ``+`` where tracked files of the package or the benchmarks differ from it."""
    try:
        name = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--", "neurodyn", "benchmarks"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name + ("+" if changed else "")


@functools.cache
def source() -> str:
    """A digest of the package's modules: what a stored fit was made by."""
    found = hashlib.sha256()
    for path in sorted((ROOT / "neurodyn").rglob("*.py")):
        found.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:12]


def today() -> str:
    """Date and time in UTC, to the minute."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def versions(*names: str) -> dict[str, str]:
    """Versions of installed distributions, those absent left out."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """Cores, processor, load and Python, for the head of a page."""
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    model = platform.processor() or platform.machine()
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        named = [
            row for row in cpuinfo.read_text(errors="replace").splitlines() if row.startswith("model name")
        ]
        model = named[0].split(":", 1)[1].strip() if named else model
    return f"{usable_cores()} cores, {model}, {load} at the end, Python {platform.python_version()}"


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def write_page(stem: str, title: str, command: str, body: str, record: Mapping[str, Any]) -> pathlib.Path:
    """Write a page and its JSON beside it: what was run, when, on what, and what came out."""
    PAGES.mkdir(parents=True, exist_ok=True)
    about = {"command": command, "date": today(), "commit": commit(), "machine": machine()}
    named = record.get("versions", {})
    listed = ", ".join(f"{name} {version}" for name, version in sorted(named.items()))
    head = [
        "---",
        "orphan: true",
        "---",
        "",
        f"# {title}",
        "",
        f"Printed by `{command}` on {about['date']} at commit {about['commit']} ({about['machine']}).",
        f"Versions: {listed}." if listed else "",
        "",
    ]
    page = PAGES / f"{stem}.md"
    page.write_text("\n".join(head) + body.rstrip() + "\n", encoding="utf-8")
    (PAGES / f"{stem}.json").write_text(json.dumps({**about, **record}, indent=1) + "\n", encoding="utf-8")
    return page
