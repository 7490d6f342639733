"""Contestants on one problem, back to back, several rounds; each fit in a process of its own."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from benchmarks import environments
from benchmarks.measure import NotMeasured, Spread, cheapest, ratio, spread
from benchmarks.problems import Task, as_stem
from benchmarks.scoring import log_likelihood_per_sample

SCRIPTS = pathlib.Path(__file__).parent / "contestants"
OURS = "neurodyn"
PRODUCTS = "matrix products"
TIMEOUT = 3600
# Settings of the caller that would change what is measured.
HIDDEN = ("JAX_", "XLA_", "OMP_", "OPENBLAS_", "MKL_", "PYTHONPATH")


@dataclasses.dataclass(frozen=True)
class Contestant:
    """Who runs what: a script below `contestants`, its options, and the peer's environment (None: this one)."""

    name: str
    script: str
    options: tuple[str, ...] = ()
    environment: str | None = None

    @property
    def stem(self) -> str:
        """The name, fit for a file."""
        return as_stem(self.name)


@dataclasses.dataclass
class Race:
    """What every contestant did in every round, its scores, and who could not run and why."""

    task: Task
    rounds: dict[str, list[dict[str, Any]]]
    scores: dict[str, dict[str, float]]
    absent: dict[str, str]
    versions: dict[str, str]

    def spread(self, name: str, phase: str, clock: str = "cpu") -> Spread:
        """Spread over rounds of one contestant's seconds in one phase."""
        return spread(run[phase][clock] for run in self.rounds.get(name, []) if phase in run)

    def peers(self) -> list[str]:
        """Contestants that ran and are not ours."""
        return [name for name in self.rounds if name not in (OURS, PRODUCTS)]

    def ready_cost(self, name: str, clock: str = "cpu") -> float:
        """A contestant's seconds once compiled: the lower of its second fit and its compiled one."""
        found = [self.spread(name, phase, clock) for phase in ("second", "warm")]
        return min((one.median for one in found if one.n), default=float("nan"))

    def cheapest_peer(self, clock: str = "cpu") -> tuple[str, float]:
        """The cheapest peer, its compilation not counted: the strictest divisor."""
        return cheapest({name: self.ready_cost(name, clock) for name in self.peers()})

    def ratio(self, phase: str, clock: str = "cpu") -> float:
        """Our seconds over those of the cheapest peer once compiled."""
        return ratio(self.spread(OURS, phase, clock).median, self.cheapest_peer(clock)[1])

    def first_ratio(self, clock: str = "cpu") -> float:
        """First fit of a process against the cheapest first fit of a peer, compilation counted for all."""
        _, cost = cheapest({name: self.spread(name, "first", clock).median for name in self.peers()})
        return ratio(self.spread(OURS, "first", clock).median, cost)

    def peak(self, name: str) -> float:
        """Median over rounds of the process's peak memory in GB."""
        return spread(run["peak_gb"] for run in self.rounds.get(name, [])).median

    def over_products(self, clock: str = "cpu") -> tuple[float, float]:
        """Our time per iteration over that of the two matrix products: whole second fit, and inside the loop."""
        products = spread(run[clock] for run in self.rounds.get(PRODUCTS, [])).median
        whole = self.spread(OURS, "second", clock).median / self.task.iterations
        inside = spread(
            run["about"][f"{clock}_per_iteration"]
            for run in self.rounds.get(OURS, [])
            if f"{clock}_per_iteration" in run.get("about", {})
        ).median
        return ratio(whole, products), ratio(inside, products)


def environment_of_child() -> dict[str, str]:
    """This process's environment without what would change a measurement."""
    return {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}


def run_script(
    python: str, script: pathlib.Path, arguments: Iterable[str], extra: Mapping[str, str] | None = None
) -> None:
    """Run a script in an interpreter; its last words are the reason where it fails."""
    command = [python, str(script), *arguments]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            cwd=script.parent,
            env={**environment_of_child(), **(extra or {})},
        )
    except subprocess.TimeoutExpired as error:
        raise NotMeasured(f"{script.name} did not end within {TIMEOUT} s") from error
    if done.returncode:
        said = [row for row in done.stderr.strip().splitlines() if row.strip()] or [
            f"exit status {done.returncode}"
        ]
        raise NotMeasured(f"{script.name} failed: {said[-1].strip()[:200]}")


def interpreters(contestants: Iterable[Contestant]) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Interpreter of every contestant that can run, why the others cannot, and the versions involved."""
    found, absent, versions = {}, {}, {}
    for one in contestants:
        if one.environment is None:
            found[one.name] = sys.executable
            continue
        try:
            found[one.name] = environments.ensure(one.environment)
            named = environments.installed(one.environment)
            versions |= {f"{one.environment}: {name}": version for name, version in named.items()}
        except NotMeasured as error:
            absent[one.name] = str(error)
    return found, absent, versions


def race(
    task: Task,
    contestants: Iterable[Contestant],
    problem: pathlib.Path,
    folder: pathlib.Path,
    rounds: int,
    say: Callable[[str], None] = print,
) -> Race:
    """Run every contestant once a round, in turns, and score the parameters of the first round.

    Parameters
    ----------
    task : Task
        What is being done.
    contestants : iterable of Contestant
        Who takes part.
    problem : Path
        The file `problems.write` made.
    folder : Path
        Where outputs go.
    rounds : int
        Repeats; a slow minute of the machine then falls on everybody.
    say : callable
        Takes one line of progress.

    Returns
    -------
    Race
        Seconds, memory, scores.
    """
    contestants = list(contestants)
    pythons, absent, versions = interpreters(contestants)
    runs: dict[str, list[dict[str, Any]]] = {}
    for turn in range(rounds):
        for one in contestants:
            if one.name in absent:
                continue
            output = folder / f"{task.stem}-{one.stem}-{turn}.json"
            try:
                arguments = [str(problem), str(task.iterations), str(output), *one.options]
                run_script(pythons[one.name], SCRIPTS / one.script, arguments)
            except NotMeasured as error:
                absent[one.name] = str(error)
                runs.pop(one.name, None)
                say(f"   {task.name}: {one.name} cannot run: {error}")
                continue
            runs.setdefault(one.name, []).append(json.loads(output.read_text()))
            say(f"   {task.name} round {turn + 1}/{rounds}: {one.name} {_brief(runs[one.name][-1])}")
    result = Race(task, runs, {}, absent, versions)
    with np.load(problem) as stored:
        data = {name: stored[name] for name in stored.files}
    for one in contestants:
        learnt = folder / f"{task.stem}-{one.stem}-0.npz"
        if one.name in runs and learnt.is_file():
            with np.load(learnt) as stored:
                result.scores[one.name] = score({name: stored[name] for name in stored.files}, data)
    truth = {name.removeprefix("true_"): array for name, array in data.items() if name.startswith("true_")}
    result.scores["generating model"] = score(truth, data)
    return result


def score(parameters: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Log-likelihood per sample on the training data and on the fresh sequence, by one scorer for all."""
    return {
        "training": log_likelihood_per_sample(parameters, data["values"], uniform_start=False),
        "held-out": log_likelihood_per_sample(parameters, data["fresh"], uniform_start=True),
    }


def _brief(run: Mapping[str, Any]) -> str:
    """One contestant's round in a few words."""
    if "first" not in run:
        return f"{run['cpu'] * 1e3:.2f} CPU ms an iteration"
    words = f"first {run['first']['cpu']:.2f}, second {run['second']['cpu']:.2f}"
    if "warm" in run:
        words += f", compiled {run['warm']['cpu']:.2f}"
    return f"{words} CPU s, peak {run['peak_gb']:.2f} GB"
