"""Reference cells of the published grid: linear chains of two to five states, noise of one or of 100 dimensions."""

import dataclasses
import hashlib
import json
import math
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.measure import ROOT, commit, source, table, today, versions, write_page
from benchmarks.rnn_emulation import published
from benchmarks.rnn_emulation.cases import (
    MEASURED,
    TARGET,
    Case,
    cases,
    emulator,
    plateau,
    trained,
)
from benchmarks.rnn_emulation.emulate import scores
from neurodyn.models import HMMEmulator

STORED = ROOT / "results" / "rnn-emulation" / "grid"
PUBLISHED_SEQUENCES = 10_000
NOISES = (100, 1)
ERROR, VOLATILITY, RARE = 0.005, 0.05, 0.3


@dataclasses.dataclass(frozen=True)
class Cell:
    """A chain, the dimensions of the noise, and how the network is trained and measured.

    Parameters
    ----------
    chain : str
        Name among `cases.cases`.
    noise : int
        Dimensions.
    steps, batch : int
        Of training.
    measured : int
        Sequences that are measured.
    seed : int
        Of the network.
    """

    chain: str
    noise: int
    steps: int
    batch: int
    measured: int = MEASURED
    seed: int = 0

    @property
    def name(self) -> str:
        """Chain and noise."""
        return f"{self.chain}-d{self.noise}"

    @property
    def case(self) -> Case:
        """The target."""
        return cases()[self.chain]

    @property
    def sequences(self) -> int:
        """Recorded sequences, in whole batches."""
        return -(-PUBLISHED_SEQUENCES // self.batch) * self.batch

    @property
    def model(self) -> HMMEmulator:
        """The network to be trained."""
        usual = emulator(self.case.clip, False, steps=self.steps, noise=self.noise)
        return dataclasses.replace(usual, training=dataclasses.replace(usual.training, batch_size=self.batch))

    @property
    def path(self) -> pathlib.Path:
        """Where what was measured is kept."""
        words = f"{self!r} {self.model!r} {self.sequences} {source()}"
        return STORED / f"{self.name}-{hashlib.sha256(words.encode()).hexdigest()[:12]}.json"


def names() -> list[str]:
    """All cells, those with much noise first."""
    return [f"linear_{m}-d{noise}" for noise in NOISES for m in (2, 3, 4, 5)]


def cells(wanted: Iterable[str], steps: int, batch: int, measured: int, seed: int) -> list[Cell]:
    """Cells by name."""
    found = []
    for name in wanted:
        if name not in names():
            raise SystemExit(f"unknown cell {name}; choose among {', '.join(names())}")
        chain, noise = name.split("-d")
        found.append(Cell(chain, int(noise), steps, batch, measured, seed))
    return found


def measure(cell: Cell) -> dict[str, Any]:
    """Train where no fit is stored, simulate, and compare with the target beside its floors."""
    case = cell.case
    fit = trained(cell.model, case.recording(cell.sequences, key=100 + cell.seed), cell.seed)
    sample = fit.simulate(case.steps, n_trials=cell.measured, key=7, hidden=False)
    found = scores(sample, case.recording(2 * cell.measured, key=TARGET), False, cell.batch)
    return {
        "cell": dataclasses.asdict(cell),
        "commit": commit(),
        "date": today(),
        "minutes": fit.trace.seconds / 60,
        "plateau": plateau(fit),
        "published_size": published.network(fit, cell.chain),
        "published_size_floor": published.floors(cell.chain, samples=1)[0],
        "compared": int(found.attrs["compared"]),
        "batch": int(found.attrs["batch"]),
        **{str(name): float(value) for name, value in found.items()},
    }


def result(cell: Cell) -> dict[str, Any]:
    """What was measured of a cell, now or in an earlier run with the same settings."""
    if cell.path.is_file():
        return json.loads(cell.path.read_text())
    found = measure(cell)
    STORED.mkdir(parents=True, exist_ok=True)
    part = cell.path.with_suffix(".part")
    part.write_text(json.dumps(found, indent=1) + "\n")
    part.replace(cell.path)
    return found


def missed(found: Mapping[str, Any]) -> str:
    """What a cell does not meet of the statistics that must hold, in words; empty where it meets all."""
    excess = abs(found["divergence"] - found["divergence_floor"])
    error = math.hypot(found["divergence_error"], found["divergence_floor_error"])
    checks = {
        "divergence": excess <= 2 * error,
        "transitions": found["transition_error"] < ERROR,
        "volatility": abs(found["volatility_ratio"] - 1) <= VOLATILITY,
        "rare symbol": abs(found["rare_ratio"] - 1) <= RARE,
    }
    return ", ".join(name for name, holds in checks.items() if not holds)


def _published(name: str) -> str:
    """What was read off the published figures for a cell."""
    chain, noise = name.split("-d")
    figure = published.FIGURES[chain]
    network = f"{figure.network:g}" if noise == "100" else "7.39" if chain == "linear_3" else "worse"
    return f"{network} / {figure.lowest:g}-{figure.highest:g}"


def row(name: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    """One row of the table."""
    distance, divergence = found["distance"], found["divergence"]
    return (
        name,
        f"{distance:.3f} / {found['distance_floor']:.3f} = {distance / found['distance_floor']:.3f}",
        f"{found['published_size']:.3f} / {found['published_size_floor']:.3f}",
        _published(name),
        f"{divergence:.3f} ({found['divergence_error']:.3f}) / {found['divergence_floor']:.3f} "
        f"({found['divergence_floor_error']:.3f})",
        f"{found['transition_error']:.5f} / {found['transition_error_floor']:.5f}",
        f"{found['volatility_ratio']:.3f}",
        f"{found['rare_ratio']:.2f}",
        f"{found['minutes']:.1f}",
        missed(found) or "nothing",
        found["commit"],
    )


HEADER = (
    "cell",
    "distance / floor",
    "at the published size / floor",
    "published / range of the floor",
    "divergence (se) / floor (se)",
    "transition error / floor",
    "volatility ratio",
    "rare symbol ratio",
    "minutes",
    "misses",
    "commit",
)


def publish(wanted: list[Cell], command: str) -> None:
    """Measure the cells one after the other, each kept as it ends, and write the page of those there are."""
    for cell in wanted:
        known = cell.path.is_file()
        found = result(cell)
        words = " | ".join(
            f"{a} {b}" for a, b in zip(HEADER[1:], row(cell.name, found)[1:], strict=True) if b
        )
        print(f"{cell.name}{' (stored)' if known else ''}: {words}", flush=True)
    one = wanted[0]
    alike = cells(names(), one.steps, one.batch, one.measured, one.seed)
    done = {cell.name: json.loads(cell.path.read_text()) for cell in alike if cell.path.is_file()}
    left = [cell.name for cell in alike if cell.name not in done]
    shared = next(iter(done.values()))
    body = [
        f"Networks of 150 units, {one.steps} steps of batch {one.batch} (in whole epochs of {one.sequences} sequences), "
        f"seed {one.seed}; {one.measured} sequences measured, distances of {shared['compared']}, divergences of batches of "
        f"{shared['batch']}. The floor is one half of the target's sequences against the other. A distance below its floor "
        "means less varied sequences, not better ones. At the published size: 5,000 sequences of 100 steps, for which "
        "the networks run on beyond the length they were trained on. Published: as read off the figures of "
        "arXiv:2510.25674.",
        "",
        f"Misses: divergence further than 2 standard errors from its floor, transition error not below {ERROR:g}, "
        f"volatility off by more than {VOLATILITY:.0%}, the rarest symbol's frequency by more than {RARE:.0%}.",
        "",
        table(HEADER, [row(name, found) for name, found in done.items()]),
        "",
        *[f"- {name} has not been run with these settings." for name in left],
    ]
    text = "\n".join(body)
    print(text)
    stem = "emulation-grid-partial" if left else "emulation-grid"
    record = {"cells": done, "versions": versions("neurodyn", "jax", "jaxlib", "numpy", "scipy")}
    page = write_page(stem, "Emulated chains: cells of the published grid", command, text, record)
    print(f"written: {page} and {page.with_suffix('.json').name}")
