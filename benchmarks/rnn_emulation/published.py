"""Aligned distances at the size of the published figures: 5,000 sequences, linear chains over 100 steps whatever M.

The published figures do not say so; `measure` says how near the chains' distances from themselves then come to the
published ranges. The fully connected chain has 30 steps and the cyclic one 40.
"""

import dataclasses

import numpy as np

from benchmarks.measure import HOLDS, SHORT, Line
from benchmarks.rnn_emulation.cases import case_fit, cases, listed
from neurodyn.models.recurrent import HMMEmulatorFit
from neurodyn.validation import metrics

SEQUENCES, LINEAR_STEPS = 5_000, 100
TOLERANCE = 0.02
SAMPLES = 3


@dataclasses.dataclass(frozen=True)
class Figure:
    """Read off the published figures: lowest and highest distance of the chain against itself, and of the network."""

    lowest: float
    highest: float
    network: float


FIGURES = {
    "linear_2": Figure(4.54, 4.56, 4.29),
    "linear_3": Figure(7.281, 7.288, 7.235),
    "linear_4": Figure(7.506, 7.519, 7.527),
    "linear_5": Figure(7.517, 7.521, 7.567),
    "fully": Figure(1.35, 1.35, 1.43),
    "cyclic": Figure(3.32, 3.32, 3.20),
}


def steps(name: str) -> int:
    """Steps of the sequences that a published distance is of."""
    return LINEAR_STEPS if name.startswith("linear") else cases()[name].steps


def floors(name: str, samples: int = SAMPLES, sequences: int = SEQUENCES) -> list[float]:
    """Distances of samples of the chain from others of the chain."""
    chain, length = cases()[name].chain, steps(name)
    drawn = [
        chain.sample(length, n_trials=sequences, key=40 + k).drop_vars("state") for k in range(2 * samples)
    ]
    return [
        float(metrics.sequence_distance(one, other, key=0, most=sequences))
        for one, other in zip(drawn[::2], drawn[1::2], strict=True)
    ]


def network(fit: HMMEmulatorFit, name: str, sequences: int = SEQUENCES) -> float:
    """Distance of a network's sequences, run as long as the published ones, from those of its chain."""
    length = steps(name)
    target = cases()[name].chain.sample(length, n_trials=sequences, key=40).drop_vars("state")
    sample = fit.simulate(length, n_trials=sequences, key=7, hidden=False)
    return float(metrics.sequence_distance(sample, target, key=0, most=sequences))


def measure(*, quick: bool) -> list[Line]:
    """The chains against themselves beside the published ranges, and three networks beside the published ones."""
    lines = []
    sequences, samples = (500, 1) if quick else (SEQUENCES, SAMPLES)
    for name, figure in FIGURES.items():
        found = floors(name, samples, sequences)
        ours = float(np.mean(found))
        near = figure.lowest - TOLERANCE <= ours <= figure.highest + TOLERANCE
        words = f"{figure.lowest:g} to {figure.highest:g}, ± {TOLERANCE:g}"
        lines.append(
            Line(
                f"aligned distance of {cases()[name].name} from itself, {sequences} sequences of {steps(name)} steps",
                f"{ours:.3f}",
                "" if quick else words,
                "reported" if quick else HOLDS if near else SHORT,
                f"samples {listed(found)}" + (f"; published, of 5,000: {words}" if quick else ""),
            )
        )
    for name in ("linear_3", "fully", "cyclic"):
        case, figure = cases()[name], FIGURES[name]
        ours = network(case_fit(case, 0, quick), name, sequences)
        lines.append(
            Line(
                f"aligned distance of the network for {case.name}, at that size",
                f"{ours:.3f}",
                note=f"published: network {figure.network:g}, chain {figure.lowest:g} to {figure.highest:g}",
            )
        )
    return lines
