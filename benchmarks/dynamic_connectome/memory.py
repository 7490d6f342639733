"""Memory of factorisations whose tensor is held, and of those whose blocks are made on the fly."""

import json
import pathlib
import sys
import tempfile
from typing import Any

import numpy as np

from benchmarks.measure import ROOT, Line, at_most
from benchmarks.race import run_script

SCRIPT = pathlib.Path(__file__).with_name("factorise_once.py")
ANIMALS = {"units": 150, "frames": 800, "animals": 7, "rank": 10, "sweeps": 10, "block": 40}
NODES = {"units": 1000, "frames": 1600, "animals": 1, "rank": 10, "sweeps": 3, "block": 20}
QUICK_ANIMALS = {"units": 60, "frames": 200, "animals": 7, "rank": 5, "sweeps": 5, "block": 20}
QUICK_NODES = {"units": 1000, "frames": 200, "animals": 1, "rank": 5, "sweeps": 2, "block": 10}
# What blocks may take at most of what the whole tensor takes; rounding of the objective in single precision.
SHARE, SAME = 0.5, 1e-4
Figures = dict[str, Any]


def factorise(request: Figures, way: str) -> Figures:
    """One factorisation in a process of its own; memory and seconds are that process's."""
    with tempfile.TemporaryDirectory(prefix="neurodyn-memory-") as name:
        asked, output = pathlib.Path(name) / "request.json", pathlib.Path(name) / "output.json"
        asked.write_text(json.dumps({**request, "way": way}))
        run_script(sys.executable, SCRIPT, [str(asked), str(output)], {"PYTHONPATH": str(ROOT)})
        return json.loads(output.read_text())


def dense_gb(request: Figures) -> float:
    """Bytes of the tensor in single precision, in GB."""
    units = request["units"]
    return 4e-9 * units * (units - 1) / 2 * request["frames"] * request["animals"]


def described(request: Figures) -> str:
    """Size of a problem in words."""
    units = request["units"]
    pairs = units * (units - 1) // 2
    return f"{request['frames']} frames x {request['animals']} animals x {pairs:,} pairs of {units:,} units"


def spent(found: Figures) -> str:
    """Seconds and memory at rest."""
    sweeps = len(found["objective"])
    return f"{found['peak_before_gb']:.2f} GB before the fit; {found['cpu']:.0f} CPU s, {sweeps} sweeps"


def animals_lines(request: Figures, bar: float) -> list[Line]:
    """The tensor of several animals, held and in blocks: peaks, and the same objective."""
    held, blocks = factorise(request, "dense"), factorise(request, "blocks")
    size, where = dense_gb(request), described(request)
    apart = np.abs(np.array(blocks["objective"]) / np.array(held["objective"]) - 1).max()
    return [
        Line(f"{where}: the dense tensor", f"{size:.3g} GB"),
        Line(f"{where}: peak memory, tensor held", f"{held['peak_gb']:.2f} GB", note=spent(held)),
        Line(f"{where}: peak memory, in blocks", f"{blocks['peak_gb']:.2f} GB", note=spent(blocks)),
        share(
            f"{where}: what the fit in blocks adds, over what the fit of the tensor adds",
            added(blocks) / added(held),
            bar,
        ),
        at_most(
            f"{where}: relative difference of the objectives of the two, worst sweep", float(apart), SAME
        ),
    ]


def added(found: Figures) -> float:
    """How much a fit raised the peak of its process, in GB."""
    return found["peak_gb"] - found["peak_before_gb"]


def share(name: str, value: float, bar: float | None) -> Line:
    """A line with a bar, or without."""
    return Line(name, f"{value:.3g}") if bar is None else at_most(name, value, bar)


def nodes_lines(request: Figures, bar: float | None) -> list[Line]:
    """A tensor in blocks only: its process's peak beside the dense tensor."""
    blocks, size, where = factorise(request, "blocks"), dense_gb(request), described(request)
    note = f"{spent(blocks)}; the dense tensor has {size:.2f} GB"
    return [
        Line(f"{where}: peak memory of the process, in blocks", f"{blocks['peak_gb']:.2f} GB", note=note),
        share(f"{where}: that peak over the dense tensor", blocks["peak_gb"] / size, bar),
    ]


def measure(*, quick: bool) -> list[Line]:
    """The lines; the reduced version's tensors are smaller than the interpreter, and have no bar."""
    lines = animals_lines(QUICK_ANIMALS if quick else ANIMALS, None if quick else SHARE)
    return [*lines, *nodes_lines(QUICK_NODES if quick else NODES, None if quick else SHARE)]
