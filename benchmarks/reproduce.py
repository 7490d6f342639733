"""The claims of a system's page, measured one by one: measured, bar, holds or falls short.

    python benchmarks/reproduce.py hmm [--quick] [--full] [--only LINE ...]

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
import sys
import time
import traceback
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measure import HOLDS, SHORT, Line, NotMeasured, commit, show, today, unmeasured  # noqa: E402

RESULTS = ROOT / "results"
MINUTES, QUICK_MINUTES = 60, 10
FAILURES = (ArithmeticError, AttributeError, ImportError, LookupError, MemoryError, OSError, RuntimeError)
FAILURES += (TypeError, ValueError)


def hmm_lines(full: bool) -> dict[str, Callable[[bool], list[Line]]]:
    """The lines of systems/hmm, quick ones first; each is imported only when it is measured."""

    def line(module: str, name: str = "measure", *arguments: object, **options: object):
        def call(quick: bool) -> list[Line]:
            found = getattr(importlib.import_module(f"benchmarks.hmm.{module}"), name)
            return functools.partial(found, *arguments, **options)(quick=quick)

        return call

    return {
        "equality": line("equality"),
        "blocked": line("blocked"),
        "compilation": line("compilation"),
        "t1_10000": line("speed", "measure_t1", 10_000),
        "t1_100000": line("speed", "measure_t1", 100_000),
        "t1_1000000": line("speed", "measure_t1", 1_000_000),
        "t2": line("speed", "measure_t2"),
        "haxby": line("haxby"),
        "hcp": line("hcp"),
        "gap": line("gap", resume=full),
    }


SYSTEMS = {"hmm": hmm_lines}


def stored(path: pathlib.Path, now: str) -> list[Line] | None:
    """Lines measured earlier at this very commit, nothing changed since."""
    if now == "unknown" or now.endswith("+") or not path.is_file():
        return None
    record = json.loads(path.read_text())
    return [Line(**one) for one in record["lines"]] if record.get("commit") == now else None


def measure_one(name: str, action: Callable[[bool], list[Line]], quick: bool) -> list[Line]:
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
    now = commit()
    print(f"{label}reproduce {chosen.system} at commit {now}, {today()}", flush=True)
    began = time.perf_counter()
    lines: list[Line] = []
    for name, action in actions.items():
        if chosen.only and name not in chosen.only:
            continue
        path = RESULTS / chosen.system / f"{name}{'-quick' if quick else ''}.json"
        found = stored(path, now) if chosen.full else None
        source = " (stored)" if found else ""
        if found is None:
            started = time.perf_counter()
            found = measure_one(name, action, quick)
            seconds = time.perf_counter() - started
            record = {"commit": now, "date": today(), "quick": quick, "seconds": seconds}
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                json.dumps({**record, "lines": [dataclasses.asdict(one) for one in found]}, indent=1) + "\n"
            )
            source = f" ({seconds:.0f} s)"
        print(f"{label}{name}{source}", flush=True)
        for one in found:
            print("  " + show(one, label), flush=True)
        lines += found
    print(label + summary(lines, (time.perf_counter() - began) / 60, quick), flush=True)
    return int(any(line.verdict == SHORT for line in lines))


if __name__ == "__main__":
    sys.exit(main())
