"""An epoch here against the same network written plainly in PyTorch, alternating, with what both score."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np

from benchmarks.environments import ensure
from benchmarks.langevin_flow.rat import page_split
from benchmarks.measure import ROOT, Line, NotMeasured
from benchmarks.recordings import rat_motor

EPOCHS, ROUNDS = 8, 2


def run(python: str, script: str, problem: pathlib.Path, epochs: int, output: pathlib.Path) -> dict[str, Any]:
    """One contestant in a process of its own."""
    path = ROOT / "benchmarks" / "contestants" / script
    done = subprocess.run(
        [python, str(path), str(problem), str(epochs), str(output)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    if done.returncode:
        raise NotMeasured(f"{script} failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(output.read_text())


def measure(*, quick: bool) -> list[Line]:
    """Seconds of an epoch, the ratio, held-out bits per spike and peak memory."""
    recording = rat_motor(0.02)
    hidden, test = page_split(recording)
    epochs, rounds = (2, 1) if quick else (EPOCHS, ROUNDS)
    theirs, ours = ensure("torch"), sys.executable
    with tempfile.TemporaryDirectory() as folder:
        problem, output = pathlib.Path(folder) / "problem.npz", pathlib.Path(folder) / "output.json"
        np.savez(problem, counts=recording["activity"].values, hidden=hidden, test=test)
        found: dict[str, list[dict[str, Any]]] = {"neurodyn": [], "PyTorch": []}
        for _ in range(rounds):
            found["neurodyn"].append(run(ours, "run_vae_neurodyn.py", problem, epochs, output))
            found["PyTorch"].append(run(theirs, "run_vae_torch.py", problem, epochs, output))
    cost = {
        name: statistics.median(s for one in runs for s in one["seconds"]) for name, runs in found.items()
    }
    notes = [
        f"{name} {cost[name]:.2f} s an epoch, {runs[-1]['bits_per_spike']:.3f} bits/spike after {epochs} epochs, "
        f"{runs[-1]['peak_megabytes']:.0f} MB"
        for name, runs in found.items()
    ]
    name = "Rat motor cortex, an epoch over that of the same network in PyTorch"
    return [Line(name, f"{cost['neurodyn'] / cost['PyTorch']:.2f}", note="; ".join(notes))]
