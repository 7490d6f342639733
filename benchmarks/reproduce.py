"""The claims of a system's page, measured one by one: measured, bar, holds or falls short.

    python benchmarks/reproduce.py SYSTEM [--quick] [--full] [--only LINE ...]

with SYSTEM one of hmm, switching-glm, predictive-coding, langevin-flow, dynamic-connectome, rnn-emulation.

`QUICK=1` in the environment means `--quick`: a reduced version, and every line it prints says so. `--full` has no
limit of time and resumes: a line already measured at this commit is taken from `results/`. The exit status is 1
where any line falls short; a line that could not be measured falls short, and says why.
"""

import argparse
import dataclasses
import functools
import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measure import HOLDS, SHORT, Line, NotMeasured, commit, show, today, unmeasured  # noqa: E402

RESULTS = ROOT / "results"
MINUTES, QUICK_MINUTES = 60, 10
FAILURES = (ArithmeticError, AttributeError, ImportError, LookupError, MemoryError, OSError, RuntimeError)
FAILURES += (TypeError, ValueError)
Action = Callable[[bool], list[Line]]


def line(module: str, name: str = "measure", *arguments: object, **options: object) -> Action:
    """A function of a module of the benchmarks, imported only when it is measured."""

    def call(quick: bool) -> list[Line]:
        found = getattr(importlib.import_module(f"benchmarks.{module}"), name)
        return functools.partial(found, *arguments, **options)(quick=quick)

    return call


def hmm_lines(full: bool) -> dict[str, Action]:
    """The lines of systems/hmm, quick ones first."""
    return {
        "equality": line("hmm.equality"),
        "blocked": line("hmm.blocked"),
        "compilation": line("hmm.compilation"),
        "t1_10000": line("hmm.speed", "measure_t1", 10_000),
        "t1_100000": line("hmm.speed", "measure_t1", 100_000),
        "t1_1000000": line("hmm.speed", "measure_t1", 1_000_000),
        "t2": line("hmm.speed", "measure_t2"),
        "haxby": line("hmm.haxby"),
        "hcp": line("hmm.hcp"),
        "gap": line("hmm.gap", resume=full),
    }


def switching_glm_lines(full: bool) -> dict[str, Action]:
    """The lines of systems/switching-glm: those that time something, then the simulated networks and real data."""
    del full
    return {
        "t3": line("glm.speed", "measure_t3"),
        "t3b": line("glm.speed", "measure_t3b"),
        "e_step": line("switching_glm.e_step"),
        "memory": line("switching_glm.memory"),
        "network": line("switching_glm.network"),
        "redrawn": line("switching_glm.network", "measure_redrawn"),
        "n50": line("switching_glm.network", "measure_size", 50),
        "n100": line("switching_glm.network", "measure_size", 100),
        "starts": line("switching_glm.starts"),
        "head_direction": line("switching_glm.real", "measure_head_direction"),
        "rat_motor": line("switching_glm.real", "measure_rat_motor"),
        "mouse_choices": line("switching_glm.real", "measure_mouse_choices"),
    }


def predictive_coding_lines(full: bool) -> dict[str, Action]:
    """The lines of systems/predictive-coding: those that time something, then exactness, recovery and real choices."""
    del full
    return {
        "t4": line("predictive_coding.speed"),
        "t4_people": line("predictive_coding.speed", "measure_people"),
        "golden": line("predictive_coding.golden"),
        "recovery": line("predictive_coding.recovery"),
        "human": line("predictive_coding.choices", "measure_human"),
        "mouse": line("predictive_coding.choices", "measure_mouse"),
        "signal": line("predictive_coding.signal"),
    }


def langevin_flow_lines(full: bool) -> dict[str, Action]:
    """The lines of systems/langevin-flow: speed first, then simulated and recorded populations."""
    del full
    return {
        "speed": line("langevin_flow.speed"),
        "exactness": line("langevin_flow.exactness"),
        "pytorch": line("langevin_flow.pytorch"),
        "lorenz_10": line("langevin_flow.lorenz", "measure_rate", 10.0, 0.95),
        "lorenz_5": line("langevin_flow.lorenz", "measure_rate", 5.0, 0.92),
        "lorenz_trials": line("langevin_flow.lorenz", "measure_trials"),
        "lorenz_others": line("langevin_flow.lorenz", "measure_others"),
        "rat_page_split": line("langevin_flow.rat", "measure_page_split"),
        "rat_stratified": line("langevin_flow.rat", "measure_stratified"),
        "rat_forward": line("langevin_flow.rat", "measure_forward"),
        "rat_table": line("langevin_flow.rat", "measure_table"),
        "olfaction": line("langevin_flow.olfaction"),
    }


def dynamic_connectome_lines(full: bool) -> dict[str, Action]:
    """The lines of systems/dynamic-connectome: speed and memory first, then planted tensors and graphs, then recordings."""
    del full
    return {
        "speed": line("dynamic_connectome.speed"),
        "memory": line("dynamic_connectome.memory"),
        "equality": line("dynamic_connectome.equality"),
        "planted": line("dynamic_connectome.planted"),
        "graphs": line("dynamic_connectome.communities"),
        "detectability": line("dynamic_connectome.communities", "measure_detectability"),
        "alignment": line("dynamic_connectome.worms", "measure_alignment"),
        "homologues": line("dynamic_connectome.worms", "measure_homologues"),
        "animals": line("dynamic_connectome.gains"),
        "parts": line("dynamic_connectome.gains", "measure_parts"),
        "nulls": line("dynamic_connectome.gains", "measure_nulls"),
        "resting": line("dynamic_connectome.resting"),
        "grip": line("dynamic_connectome.grip"),
    }


def rnn_emulation_lines(full: bool) -> dict[str, Action]:
    """The lines of systems/rnn-emulation: speed, networks for every target, a real recording, and how they switch."""
    alone = {"alone": line("rnn_emulation.real", "measure_alone")} if full else {}
    return {
        "speed": line("rnn_emulation.speed"),
        "linear_3": line("rnn_emulation.emulate", "measure_case", "linear_3"),
        "fully": line("rnn_emulation.emulate", "measure_case", "fully"),
        "cyclic": line("rnn_emulation.emulate", "measure_case", "cyclic"),
        "real_states": line("rnn_emulation.real", "measure_states"),
        "held_out": line("rnn_emulation.real", "measure_held_out"),
        "published": line("rnn_emulation.published"),
        "bias": line("rnn_emulation.emulate", "measure_bias"),
        "power": line("rnn_emulation.emulate", "measure_power"),
        "paper": line("rnn_emulation.emulate", "measure_paper"),
        "decay": line("rnn_emulation.mechanism", "measure_decay"),
        "kicks": line("rnn_emulation.mechanism", "measure_kicks"),
        "zones": line("rnn_emulation.mechanism", "measure_zones"),
        "large": line("rnn_emulation.emulate", "measure_large"),
        **alone,
    }


SYSTEMS = {
    "hmm": hmm_lines,
    "switching-glm": switching_glm_lines,
    "predictive-coding": predictive_coding_lines,
    "langevin-flow": langevin_flow_lines,
    "dynamic-connectome": dynamic_connectome_lines,
    "rnn-emulation": rnn_emulation_lines,
}
# Lines that time nothing but themselves run two at a time, each in a process of its own, after the others; long first.
SIDE_BY_SIDE = {
    "hmm": ("hcp", "gap", "haxby"),
    "switching-glm": (
        "n100",
        "network",
        "n50",
        "redrawn",
        "starts",
        "head_direction",
        "rat_motor",
        "mouse_choices",
    ),
    "langevin-flow": (
        "rat_stratified",
        "rat_table",
        "lorenz_others",
        "lorenz_trials",
        "rat_page_split",
        "rat_forward",
        "olfaction",
        "lorenz_10",
        "lorenz_5",
    ),
    "dynamic-connectome": (
        "animals",
        "graphs",
        "planted",
        "parts",
        "nulls",
        "homologues",
        "detectability",
        "resting",
        "grip",
        "equality",
        "alignment",
    ),
    # Networks train one at a time, on both cores, as their minutes are a bar; what opens them comes when they are stored.
    "rnn-emulation": (
        "paper",
        "power",
        "bias",
        "held_out",
        "published",
        "decay",
        "kicks",
        "zones",
        "alone",
    ),
    "predictive-coding": ("recovery", "signal", "human", "mouse", "golden"),
}


def result_path(system: str, name: str, quick: bool) -> pathlib.Path:
    """Where the lines of one module are stored."""
    return RESULTS / system / f"{name}{'-quick' if quick else ''}.json"


def stored(path: pathlib.Path, now: str) -> list[Line] | None:
    """Lines measured earlier at this very commit, nothing changed since."""
    if now == "unknown" or now.endswith("+") or not path.is_file():
        return None
    record = json.loads(path.read_text())
    return [Line(**one) for one in record["lines"]] if record.get("commit") == now else None


def measure_one(name: str, action: Action, quick: bool) -> list[Line]:
    """Lines of one module; what goes wrong there is a line that falls short."""
    try:
        return action(quick)
    except NotMeasured as error:
        return [unmeasured(name, "", str(error))]
    except FAILURES as error:  # a claim that cannot be measured must not hide the others
        traceback.print_exc()
        return [
            unmeasured(
                name, "", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            )
        ]


def summary(lines: list[Line], minutes: float, quick: bool) -> str:
    """Counts and the time taken."""
    held = sum(line.verdict == HOLDS for line in lines)
    short = sum(line.verdict == SHORT for line in lines)
    rest = len(lines) - held - short
    limit = QUICK_MINUTES if quick else MINUTES
    return f"{held} hold, {short} fall short, {rest} without a verdict; {minutes:.1f} minutes (limit {limit})"


def measure_and_store(
    system: str, name: str, action: Action, quick: bool, resume: bool
) -> tuple[list[Line], str]:
    """Lines of one module, written to the results, and how long they took; with `resume`, stored ones where current."""
    path, now = result_path(system, name, quick), commit()
    found = stored(path, now) if resume else None
    if found is not None:
        return found, "(stored)"
    began = time.perf_counter()
    found = measure_one(name, action, quick)
    seconds = time.perf_counter() - began
    record = {"commit": now, "date": today(), "quick": quick, "seconds": seconds}
    path.parent.mkdir(parents=True, exist_ok=True)
    record["lines"] = [dataclasses.asdict(one) for one in found]
    path.write_text(json.dumps(record, indent=1) + "\n")
    return found, f"({seconds:.0f} s)"


def measured_apart(system: str, name: str, quick: bool, full: bool) -> tuple[list[Line], str]:
    """The same in a process of its own, for lines that may run beside each other."""
    path = result_path(system, name, quick)
    if not full:
        path.unlink(missing_ok=True)
    flags = [flag for flag, on in (("--quick", quick), ("--full", full)) if on]
    command = [sys.executable, str(pathlib.Path(__file__)), system, "--only", name, *flags]
    with tempfile.TemporaryFile() as said:
        subprocess.run(command, stdout=said, stderr=subprocess.STDOUT, check=False)
        said.seek(0)
        printed = said.read().decode(errors="replace")
    if not path.is_file():
        return [unmeasured(name, "", f"its process did not end well: {printed.strip()[-300:]}")], ""
    record = json.loads(path.read_text())
    return [Line(**one) for one in record["lines"]], f"({record['seconds']:.0f} s, beside others)"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, store; exit status 1 where any line falls short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", choices=sorted(SYSTEMS))
    parser.add_argument("--quick", action="store_true", help="reduced version, labelled QUICK")
    parser.add_argument("--full", action="store_true", help="no limit of time; resumes")
    parser.add_argument("--only", nargs="+", metavar="LINE", help="only these lines")
    chosen = parser.parse_args(arguments)
    quick = (chosen.quick or os.environ.get("QUICK", "") not in ("", "0")) and not chosen.full
    actions = SYSTEMS[chosen.system](chosen.full)
    unknown = sorted(set(chosen.only or ()) - set(actions))
    if unknown:
        parser.error(f"unknown line {unknown[0]}; choose among {', '.join(actions)}")
    label = "QUICK | " if quick else ""
    print(f"{label}reproduce {chosen.system} at commit {commit()}, {today()}", flush=True)
    began = time.perf_counter()
    lines: list[Line] = []

    def tell(name: str, found: list[Line], source: str) -> None:
        print(f"{label}{name} {source}", flush=True)
        for one in found:
            print("  " + show(one, label), flush=True)
        lines.extend(found)

    names = [name for name in actions if not chosen.only or name in chosen.only]
    apart = [name for name in SIDE_BY_SIDE[chosen.system] if name in names and len(names) > 1]
    for name in names:
        if name not in apart:
            tell(name, *measure_and_store(chosen.system, name, actions[name], quick, chosen.full))
    with ThreadPoolExecutor(2) as pool:
        running = {
            name: pool.submit(measured_apart, chosen.system, name, quick, chosen.full) for name in apart
        }
        for name, one in running.items():
            tell(name, *one.result())
    print(label + summary(lines, (time.perf_counter() - began) / 60, quick), flush=True)
    return int(any(line.verdict == SHORT for line in lines))


if __name__ == "__main__":
    sys.exit(main())
