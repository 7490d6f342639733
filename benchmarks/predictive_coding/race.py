"""T4's problems, who takes part in what, and the score that all must agree on: the summed surprise."""

import csv
import dataclasses
import pathlib
from collections.abc import Mapping

import numpy as np

from benchmarks.glm.race import Event
from benchmarks.measure import ROOT
from benchmarks.problems import as_stem
from benchmarks.race import OURS, Contestant

CORE, TUTORIAL = "pyhgf core, compiled by hand", "pyhgf as in its tutorials"
OUR_GRADIENT, OUR_INFER, THEIR_GRADIENT = "neurodyn gradient", "neurodyn infer", "pyhgf core gradient"
BATCH, OUR_LOOP, THEIR_LOOP = "neurodyn, one call", "neurodyn, a loop", "pyhgf core, a loop"
INPUTS = ROOT / "tests" / "golden" / "hgf_inputs.csv"
OMEGA = -4.0
# Of the outcomes: how long a chance lasts, and between what it changes.
BLOCKS, CHANCES = (20, 60), (0.2, 0.8)
# Of the participants: centre, spread and range of the tonic volatility of both levels.
SPREAD, RANGE = 0.5, (-6.0, -3.0)


@dataclasses.dataclass(frozen=True)
class FilterTask:
    """Size of a problem.

    Parameters
    ----------
    name : str
        Short name, used for files.
    n_time, n_people : int
        Trials, participants.
    iterations : int
        How often a call is repeated after the first; the median of these counts.
    seed : int
        Of outcomes and participants.
    """

    name: str
    n_time: int = 100_000
    n_people: int = 1
    iterations: int = 9
    seed: int = 0

    @property
    def stem(self) -> str:
        """The name, fit for a file."""
        return as_stem(self.name)


def outcomes(n_time: int, seed: int) -> np.ndarray:
    """Outcomes of 0 or 1 whose chance reverses after blocks of random length."""
    rng = np.random.default_rng([seed, 4])
    lengths = rng.integers(*BLOCKS, endpoint=True, size=n_time // BLOCKS[0] + 1)
    high = np.repeat(np.arange(len(lengths)) % 2 == 0, lengths)[:n_time]
    return (rng.uniform(size=n_time) < np.where(high, *CHANCES[::-1])).astype(np.float64)


def write_sequence(task: FilterTask, folder: pathlib.Path) -> pathlib.Path:
    """Draw one long sequence of outcomes.

    Parameters
    ----------
    task : FilterTask
        What to draw.
    folder : Path
        Where to write.

    Returns
    -------
    Path
        An .npz with ``values`` (1, trial) and ``start_omega`` (1, 2), tonic volatilities of the levels above the outcome.
    """
    path = folder / f"{task.stem}.npz"
    np.savez(path, values=outcomes(task.n_time, task.seed)[None], start_omega=np.full((1, 2), OMEGA))
    return path


def write_people(task: FilterTask, folder: pathlib.Path) -> pathlib.Path:
    """The outcomes of the golden values, seen by participants who differ in their tonic volatilities.

    Parameters
    ----------
    task : FilterTask
        How many participants and trials.
    folder : Path
        Where to write.

    Returns
    -------
    Path
        An .npz with ``values`` (1, trial), which all participants saw, and ``start_omega`` (participant, 2).
    """
    with INPUTS.open() as file:
        seen = np.array([float(row["u"]) for row in csv.DictReader(file)])[: task.n_time]
    rng = np.random.default_rng([task.seed, 5])
    omega = np.clip(rng.normal(OMEGA, SPREAD, size=(task.n_people, 2)), *RANGE)
    path = folder / f"{task.stem}.npz"
    np.savez(path, values=seen[None], start_omega=omega)
    return path


def totals(found: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Summed surprise of all participants and the sums of its derivatives, where a contestant gives them."""
    del data
    scores = {}
    if "surprise" in found:
        scores["surprise"] = float(np.sum(found["surprise"], dtype=np.float64))
    if "gradient" in found:
        slopes = np.sum(np.reshape(found["gradient"], (-1, 2)), axis=0, dtype=np.float64)
        scores |= {"slope x1": float(slopes[0]), "slope x2": float(slopes[1])}
    return scores


def ours(name: str, *options: str) -> Contestant:
    """A contestant of this package."""
    return Contestant(name, "run_hgf_neurodyn.py", options)


def theirs(name: str, *options: str) -> Contestant:
    """A contestant of pyhgf."""
    return Contestant(name, "run_hgf_pyhgf.py", options, "pyhgf")


def sequence_event(n_time: int) -> Event:
    """T4: one long sequence, single precision as both packages come."""
    contestants = (
        ours(OURS, "log_likelihood"),
        theirs(CORE, "core"),
        ours(OUR_GRADIENT, "gradient"),
        theirs(THEIR_GRADIENT, "gradient"),
        ours(OUR_INFER, "infer"),
        theirs(TUTORIAL, "tutorial"),
    )
    return Event(FilterTask("T4", n_time), contestants, write_sequence, totals)


def double_event(n_time: int) -> Event:
    """The same in double precision, for the scores."""
    contestants = (
        ours(OURS, "log_likelihood", "float64"),
        theirs(CORE, "core", "float64"),
        ours(OUR_GRADIENT, "gradient", "float64"),
        theirs(THEIR_GRADIENT, "gradient", "float64"),
    )
    return Event(
        FilterTask("T4 in double precision", n_time, iterations=1), contestants, write_sequence, totals
    )


def people_event(n_people: int) -> Event:
    """Many participants, filtered and differentiated in one call and one by one."""
    contestants = (ours(BATCH, "batch"), ours(OUR_LOOP, "loop"), theirs(THEIR_LOOP, "loop"))
    task = FilterTask("T4 participants", 400, n_people, iterations=5)
    return Event(task, contestants, write_people, totals)
