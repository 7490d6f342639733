"""Contestants on one problem, back to back, several rounds, and one scorer for all: the race of T3, T3b and T4."""

import dataclasses
import json
import pathlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from benchmarks.glm.problems import ChoiceTask, CouplingTask, write_choice, write_coupling
from benchmarks.glm.scoring import choice_scores, coupling_scores
from benchmarks.measure import ROOT, NotMeasured
from benchmarks.race import OURS, SCRIPTS, Contestant, Race, interpreters, run_script

COUPLING = (
    Contestant(OURS, "run_glm_neurodyn.py"),
    Contestant("scipy L-BFGS per unit", "run_glm_scipy.py"),
    Contestant("nemos LBFGS", "run_glm_nemos.py", ("solver=LBFGS",), "nemos"),
    Contestant("nemos", "run_glm_nemos.py", (), "nemos"),
)
CHOICE = (
    Contestant(OURS, "run_glmhmm_neurodyn.py"),
    Contestant("dynamax", "run_glmhmm_dynamax.py", (), "dynamax"),
    Contestant("ssm, likelihood added", "run_glmhmm_ssm.py", (), "ssm"),
)


class Task(Protocol):
    """What is raced on: a name, the same fit for a file, and a number handed to every contestant."""

    name: str
    stem: str
    iterations: int


@dataclasses.dataclass(frozen=True)
class Event:
    """How one task is drawn, raced and scored."""

    task: Task
    contestants: tuple[Contestant, ...]
    write: Callable[[Any, pathlib.Path], pathlib.Path]
    score: Callable[[Mapping[str, np.ndarray], Mapping[str, np.ndarray]], dict[str, float]]


def coupling_event() -> Event:
    """T3: a network of 50 units."""
    return Event(CouplingTask("T3"), COUPLING, write_coupling, coupling_scores)


def choice_event() -> Event:
    """T3b: choices in three states."""
    return Event(ChoiceTask("T3b"), CHOICE, write_choice, choice_scores)


def hold(
    event: Event, rounds: int, say: Callable[[str], None] = print, *, leave_out: Sequence[str] = ()
) -> Race:
    """Draw the problem, run every contestant once a round in turns, and score the parameters of the first round.

    Parameters
    ----------
    event : Event
        What is raced.
    rounds : int
        Repeats; a slow minute of the machine then falls on everybody.
    say : callable
        Takes one line of progress.
    leave_out : sequence of str
        Names of contestants that do not take part.

    Returns
    -------
    Race
        Seconds, memory, scores.
    """
    task = event.task
    entered = [one for one in event.contestants if one.name not in leave_out]
    pythons, absent, versions = interpreters(entered)
    found = Race(task, {}, {}, absent, versions)
    with tempfile.TemporaryDirectory(prefix="neurodyn-bench-") as name:
        folder = pathlib.Path(name)
        problem = event.write(task, folder)
        with np.load(problem) as stored:
            data = dict(stored)
        for turn in range(rounds):
            for one in (one for one in entered if one.name not in absent):
                output = folder / f"{task.stem}-{one.stem}-{turn}.json"
                try:
                    arguments = [str(problem), str(task.iterations), str(output), *one.options]
                    # Ours is the package of this checkout, wherever another is installed.
                    extra = {"PYTHONPATH": str(ROOT)} if one.environment is None else None
                    run_script(pythons[one.name], SCRIPTS / one.script, arguments, extra)
                except NotMeasured as error:
                    absent[one.name] = str(error)
                    found.rounds.pop(one.name, None)
                    say(f"   {task.name}: {one.name} cannot run: {error}")
                    continue
                run = json.loads(output.read_text())
                found.rounds.setdefault(one.name, []).append(run)
                say(f"   {task.name} round {turn + 1}/{rounds}: {one.name} {in_words(run)}")
                if turn == 0:
                    with np.load(output.with_suffix(".npz")) as stored:
                        found.scores[one.name] = event.score(dict(stored), data)
        if "true_weight" in data:
            truth = {
                key.removeprefix("true_"): array for key, array in data.items() if key.startswith("true_")
            }
            found.scores["generating model"] = event.score(truth, data)
    return found


def in_words(run: Mapping[str, Any]) -> str:
    """One contestant's round in a few words."""
    words = [f"{phase} {run[phase]['cpu']:.3g}" for phase in ("first", "second", "warm") if phase in run]
    return f"{', '.join(words)} CPU s, peak {run['peak_gb']:.2f} GB"
