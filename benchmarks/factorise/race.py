"""T5's problem, who takes part, the error that all are scored by, and the lines."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.glm.race import Event, hold
from benchmarks.measure import (
    Line,
    at_most,
    cheapest,
    lines_table,
    ratio,
    spread,
    table,
    unmeasured,
    versions,
    write_page,
)
from benchmarks.problems import as_stem
from benchmarks.race import OURS, Contestant, Race
from neurodyn.simulate.tensors import planted_tensor

ACCELERATED, THEIRS = "neurodyn, extrapolated", "tensortools HALS"
EQUAL_SWEEPS, EQUAL_ERROR, SAME, WITHIN = 0.3, 0.15, 1e-4, 1e-5
CONTESTANTS = (
    Contestant(OURS, "run_factorise_neurodyn.py", ("plain",)),
    Contestant(ACCELERATED, "run_factorise_neurodyn.py", ("accelerated",)),
    Contestant(THEIRS, "run_factorise_tensortools.py", (), "tensortools"),
    Contestant("tensorly HALS", "run_factorise_tensorly.py", ("hals",), "tensorly"),
    Contestant("tensorly multiplicative", "run_factorise_tensorly.py", ("updates",), "tensorly"),
)


@dataclasses.dataclass(frozen=True)
class TensorTask:
    """Size of the problem.

    Parameters
    ----------
    name : str
        Short name, used for files.
    shape : tuple of int
        Of the tensor.
    rank : int
        Components, planted and fitted.
    iterations : int
        Sweeps of every contestant.
    seed : int
        Of the tensor and of the start.
    """

    name: str = "T5"
    shape: tuple[int, ...] = (100, 100, 500)
    rank: int = 10
    iterations: int = 30
    seed: int = 0

    @property
    def stem(self) -> str:
        """The name, fit for a file."""
        return as_stem(self.name)


def write(task: TensorTask, folder: pathlib.Path) -> pathlib.Path:
    """Tensor and start on one file, in single precision."""
    planted = planted_tensor(task.shape, task.rank, key=task.seed)
    rng = np.random.default_rng([task.seed, 5])
    start = {f"start_{mode}": rng.gamma(2.0, size=(size, task.rank)) for mode, size in enumerate(task.shape)}
    path = folder / f"{task.stem}.npz"
    arrays = {"values": planted.values, **start}
    np.savez(path, **{name: array.astype(np.float32) for name, array in arrays.items()})
    return path


def error(parameters: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Half the squared error, in double precision."""
    values = data["values"]
    factors = [parameters[f"factor_{mode}"].astype(np.float64) for mode in range(values.ndim)]
    columns = factors[-1].T
    for factor in reversed(factors[1:-1]):
        columns = (factor.T[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
    rest = values.reshape(len(values), -1) - factors[0] @ columns
    return {"half squared error": 0.5 * float(np.square(rest).sum())}


def judge(found: Race) -> list[Line]:
    """The lines: seconds at equal sweeps, seconds to equal error, and whether the errors agree."""
    absent = [name for name in (OURS, ACCELERATED, THEIRS) if name in found.absent]
    if absent:
        reason = f"{absent[0]}: {found.absent[absent[0]]}"
        return [unmeasured("T5 CPU ratio at equal sweeps", f"<= {EQUAL_SWEEPS:g}", reason)]
    seconds = {
        clock: {name: found.spread(name, "second", clock).median for name in found.rounds}
        for clock in ("cpu", "wall")
    }
    peers = [one.name for one in CONTESTANTS if one.environment and one.name in found.rounds]
    peer, cost = cheapest({name: seconds["cpu"][name] for name in peers})
    errors = {name: score["half squared error"] for name, score in found.scores.items()}
    wall = ratio(seconds["wall"][OURS], seconds["wall"][peer])
    lines = [
        at_most(
            "T5 CPU ratio at equal sweeps",
            ratio(seconds["cpu"][OURS], cost),
            EQUAL_SWEEPS,
            note=f"against {peer}, the cheapest, compilation counted in neither; wall {wall:.3g}",
        ),
        at_most(
            f"T5 error over that of {THEIRS}, less 1, at equal sweeps",
            abs(errors[OURS] / errors[THEIRS] - 1),
            SAME,
        ),
        *to_equal_error(found, seconds["cpu"], errors[THEIRS]),
    ]
    one_sweep = seconds["cpu"][OURS] / found.task.iterations
    products = spread(run["about"]["products"]["cpu"] for run in found.rounds[OURS]).median
    note = f"{1e3 * one_sweep:.3g} CPU ms a sweep, {1e3 * products:.3g} ms its two products with the tensor"
    return [*lines, Line("T5 CPU of a sweep over its products", f"{one_sweep / products:.3g}", note=note)]


def to_equal_error(found: Race, seconds: Mapping[str, float], error: float) -> list[Line]:
    """CPU seconds until the error of the peer's last sweep: over all its sweeps, and over those it needed itself."""
    name, bar = "T5 CPU ratio to equal error, extrapolated", f"<= {EQUAL_ERROR:g}"
    ours, theirs = (reached(found.rounds[who][0]["about"]["trace"], error) for who in (ACCELERATED, THEIRS))
    if ours is None:
        return [unmeasured(name, bar, f"not reached in {found.task.iterations} sweeps")]
    cost = ours * seconds[ACCELERATED] / found.task.iterations
    note = f"{ours} sweeps to the error that {THEIRS} has after {found.task.iterations}"
    lines = [at_most(name, ratio(cost, seconds[THEIRS]), EQUAL_ERROR, note=note)]
    if theirs is not None:
        until = theirs * seconds[THEIRS] / found.task.iterations
        note = f"{THEIRS} is within {WITHIN:g} of its last error after {theirs} sweeps; the stricter divisor"
        lines.append(
            at_most("T5 CPU ratio, each until that error", ratio(cost, until), EQUAL_ERROR, note=note)
        )
    return lines


def reached(trace: Sequence[float], error: float) -> int | None:
    """Sweeps until an error, None where it is not reached."""
    found = np.flatnonzero(np.asarray(trace) <= error * (1 + WITHIN))
    return int(found[0]) + 1 if found.size else None


def publish(rounds: int) -> list[Line]:
    """Race, print lines and table, and write them as a page; returns the lines."""
    found = hold(Event(TensorTask(), CONTESTANTS, write, error), rounds)
    lines = judge(found)
    rows = [
        (
            name,
            found.spread(name, "first"),
            found.spread(name, "second"),
            found.spread(name, "second", "wall"),
            f"{found.peak(name):.2f}",
            f"{found.scores[name]['half squared error']:.6g}",
        )
        for name in found.rounds
    ]
    header = (
        "contestant",
        "first fit, CPU s",
        "second fit, CPU s",
        "second, wall s",
        "peak GB",
        "half squared error",
    )
    task = found.task
    body = [
        f"Tensor of {' x '.join(map(str, task.shape))}, {task.rank} planted components, gamma noise; {task.iterations} "
        f"sweeps from one start, single precision; median (range) of {rounds} rounds, contestants in turns.",
        "",
        table(header, rows),
        "",
        *[f"- {name} was not run: {reason}" for name, reason in found.absent.items()],
        "",
        lines_table(lines),
    ]
    text = "\n".join(body)
    print(text)
    record = {
        "rounds": rounds,
        "tasks": [dataclasses.asdict(found)],
        "lines": [dataclasses.asdict(one) for one in lines],
        "versions": found.versions | versions("neurodyn", "jax", "jaxlib", "numpy", "scipy"),
    }
    page = write_page("t5", "T5: non-negative tensor factorisation", "python -m benchmarks.t5", text, record)
    print(f"written: {page} and {page.with_suffix('.json').name}")
    return lines
