"""Held-out gap to the generating model on twenty random problems, default settings, true number of states."""

import json
import time
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.measure import HOLDS, REPORTED, ROOT, SHORT, Line, Spread, commit, spread, today

SEEDS = range(20)
# Small problems of all four sorts, for the reduced version.
QUICK_SEEDS = (0, 1, 3, 6)
REQUIRED = 19
FOLDER = ROOT / "results" / "hmm" / "gap"


def truth_as_fit(model: Any) -> Any:
    """The generating parameters as a fit, so that one verb scores both."""
    from neurodyn.models import HMM, HMMFit

    n_states, n_units = model.means.shape
    units = np.arange(n_units)
    variables = {
        "initial": ("state", model.initial),
        "transition": (("state", "state_next"), model.transition),
        "trial_start": ((), np.int8(1)),
    }
    coords = {"state": np.arange(n_states), "state_next": np.arange(n_states), "unit": units}
    if model.covariances is None:
        variables["rate"] = (("state", "unit"), model.means)
    else:
        variables["mean"] = (("state", "unit"), model.means)
        variables["covariance"] = (("state", "unit", "unit_2"), model.covariances)
        coords["unit_2"] = units
    emission = HMM(n_states=n_states, emission=model.emission)
    return HMMFit(model=emission, parameters=xr.Dataset(variables, coords=coords))


def bar(allowance: float) -> float:
    """What the gap may be: 1.3 p / 2T + 0.01 nats a sample."""
    return 1.3 * allowance + 0.01


def one(seed: int, n_time: int | None = None) -> dict[str, Any]:
    """Fit one problem and score it on a fresh sequence; the true parameters enter the scoring only."""
    from neurodyn.models import HMM
    from neurodyn.simulate.markov import random_problem

    problem = random_problem(seed, n_time=n_time)
    began = time.perf_counter()
    fit = HMM(n_states=problem.model.n_states).fit(problem.recording, key=seed)
    seconds = time.perf_counter() - began
    fresh = problem.fresh()
    size = fresh.sizes["time"]
    truth = float(truth_as_fit(problem.model).log_likelihood(fresh).sum()) / size
    ours = float(fit.log_likelihood(fresh).sum()) / size
    return {
        "seed": seed,
        "emission": problem.model.emission,
        "n_states": problem.model.n_states,
        "n_units": int(problem.model.means.shape[1]),
        "n_time": size,
        "n_parameters": problem.model.n_parameters,
        "separated": problem.separated,
        "allowance": problem.allowance,
        "gap": truth - ours,
        "bar": bar(problem.allowance),
        "seconds": seconds,
        "warnings": list(fit.trace.warnings),
    }


def remembered(seed: int, resume: bool) -> dict[str, Any]:
    """One problem, taken from an earlier run of the same commit where resuming."""
    path = FOLDER / f"seed{seed:02d}.json"
    now = commit()
    if resume and path.is_file() and not now.endswith("+"):
        stored = json.loads(path.read_text())
        if stored.get("commit") == now:
            return stored
    result = {**one(seed), "commit": now, "date": today()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    return result


def describe(result: dict[str, Any]) -> Line:
    """The line of one problem; it counts through the total only."""
    kind = "well" if result["separated"] else "poorly"
    return Line(
        f"gap, seed {result['seed']} ({result['emission']}, K {result['n_states']}, {result['n_units']} units, "
        f"{kind} separated, T {result['n_time']:,}, p {result['n_parameters']:,})",
        f"{result['gap']:.4f} nats/sample",
        f"<= {result['bar']:.4f} (p/2T {result['allowance']:.4f})",
        note=f"{'inside' if result['gap'] <= result['bar'] else 'OUTSIDE'}, fit {result['seconds']:.0f} s",
    )


def measure(quick: bool = False, resume: bool = False) -> list[Line]:
    """Every seed and the count.

    Parameters
    ----------
    quick : bool
        Four small problems only; the requirement is then all of them.
    resume : bool
        Take seeds already done at this commit from the stored results.

    Returns
    -------
    list of Line
        One a seed (no verdict), the coverage of the problems, and the count (with the verdict).
    """
    seeds = QUICK_SEEDS if quick else SEEDS
    required = len(seeds) if quick else REQUIRED
    results = []
    for seed in seeds:
        results.append(remembered(seed, resume))
        print(f"   {describe(results[-1]).name}: {results[-1]['gap']:.4f}", flush=True)
    inside = sum(result["gap"] <= result["bar"] for result in results)
    seconds: Spread = spread(result["seconds"] for result in results)
    total = Line(
        "gap to the generating model",
        f"{inside} of {len(results)} inside 1.3 p/2T + 0.01",
        f">= {required} of {len(results)}",
        HOLDS if inside >= required else SHORT,
        f"a fit took {seconds} s",
    )
    return [*map(describe, results), coverage(results, quick), total]


def coverage(results: list[dict[str, Any]], quick: bool) -> Line:
    """Whether the problems span what they should."""
    states = [result["n_states"] for result in results]
    units = [result["n_units"] for result in results]
    sorts = {(result["emission"], result["separated"]) for result in results}
    long_enough = all(result["allowance"] <= 1 / 40 for result in results)
    spans = min(states) <= 4 and max(states) >= 11 and min(units) <= 5 and max(units) >= 28
    complete = len(sorts) == 4 and long_enough
    return Line(
        "the problems span what they should",
        f"K {min(states)}-{max(states)}, units {min(units)}-{max(units)}, {len(sorts)} of 4 sorts, "
        f"T >= 20 p: {'yes' if long_enough else 'no'}",
        "" if quick else "K 3-12, units 4-32, 4 sorts",
        REPORTED if quick else (HOLDS if spans and complete else SHORT),
    )
