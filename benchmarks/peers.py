"""T1 and T2: the tasks, who takes part, the bars, and the pages they print."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Callable, Sequence

from benchmarks.measure import Line, at_most, lines_table, table, unmeasured, versions, write_page
from benchmarks.problems import Task, write
from benchmarks.race import OURS, PRODUCTS, Contestant, Race, race

NEURODYN = Contestant(OURS, "run_neurodyn.py")
HMMLEARN = tuple(
    Contestant(f"hmmlearn {way}", "run_hmmlearn.py", (way,), "hmmlearn") for way in ("scaling", "log")
)
DYNAMAX = Contestant("dynamax", "run_dynamax.py", (), "dynamax")
SSM = Contestant("ssm", "run_ssm.py", (), "ssm")
MATRIX = Contestant(PRODUCTS, "run_products.py")


@dataclasses.dataclass(frozen=True)
class Bars:
    """What the ratio to the cheapest peer, the peak memory and the time over the products are held against."""

    ratio: float
    peak_gb: float | None = None
    over_products: float | None = None


T1 = {
    10_000: Bars(0.05, over_products=2.0),
    100_000: Bars(0.12, over_products=2.0),
    1_000_000: Bars(0.15, peak_gb=0.8, over_products=2.0),
}
T2 = Bars(0.3)


def t1_task(n_time: int) -> Task:
    """Gaussian, full covariance, 8 states, 16 units; 20 iterations, 4 at a million samples."""
    return Task(f"T1 {n_time:,}", "gaussian", 8, 16, n_time, 4 if n_time >= 1_000_000 else 20)


def t2_task(n_time: int = 20_000) -> Task:
    """Poisson, 8 states, 100 units, 20 iterations."""
    return Task("T2" if n_time == 20_000 else f"T2 {n_time:,}", "poisson", 8, 100, n_time, 20)


def run_task(
    task: Task, rounds: int, say: Callable[[str], None] = print, *, leave_out: Sequence[str] = ()
) -> Race:
    """Draw the problem and race everybody on it but those left out."""
    gaussian = task.emission == "gaussian"
    others = (*HMMLEARN, DYNAMAX, MATRIX) if gaussian else (SSM, *HMMLEARN, DYNAMAX)
    others = tuple(one for one in others if one.name not in leave_out)
    with tempfile.TemporaryDirectory(prefix="neurodyn-bench-") as name:
        folder = pathlib.Path(name)
        problem = write(task, folder)
        return race(task, (NEURODYN, *others), problem, folder, rounds, say)


def judge(found: Race, bars: Bars) -> list[Line]:
    """The lines of one task: ratios on both fits, memory, time over the products, score beside the peers'."""
    name = found.task.name
    if OURS not in found.rounds:
        return [unmeasured(f"{name} ratio", f"<= {bars.ratio:g}", found.absent.get(OURS, "did not run"))]
    if not found.peers():
        why = "no peer ran: " + "; ".join(f"{peer}: {reason}" for peer, reason in found.absent.items())
        return [unmeasured(f"{name} ratio", f"<= {bars.ratio:g}", why)]
    peer, _ = found.cheapest_peer()
    missing = f"; not run: {', '.join(found.absent)}" if found.absent else ""
    against = f"against {peer}, its compilation not counted{missing}"
    lines = [
        at_most(
            f"{name} CPU ratio, second fit of the same shape",
            found.ratio("second"),
            bars.ratio,
            note=f"{against}; wall {found.ratio('second', 'wall'):.3g}",
        ),
        at_most(
            f"{name} CPU ratio, first fit of a process",
            found.ratio("first"),
            bars.ratio,
            note=f"{against}; wall {found.ratio('first', 'wall'):.3g}; "
            f"against the cheapest first fit of a peer {found.first_ratio():.3g}",
        ),
    ]
    if bars.peak_gb is not None:
        others = ", ".join(f"{one} {found.peak(one):.2f}" for one in found.peers())
        lines.append(at_most(f"{name} peak memory", found.peak(OURS), bars.peak_gb, "GB", f"peers: {others}"))
    if bars.over_products is not None:
        whole, inside = found.over_products()
        lines.append(
            at_most(
                f"{name} CPU per iteration over the two matrix products",
                inside if inside == inside else whole,
                bars.over_products,
                note=f"inside the loop; whole second fit over its iterations {whole:.3g}",
            )
        )
    scores = found.scores
    best = max((scores[one]["held-out"] for one in found.peers() if one in scores), default=float("nan"))
    lines.append(
        Line(
            f"{name} held-out score below the best peer's",
            f"{best - scores[OURS]['held-out']:.4f} nats/sample",
            note=f"ours {scores[OURS]['held-out']:.4f}, generating model {scores['generating model']['held-out']:.4f}; "
            "ours returns the parameters of its last E-step, the peers those after one more M-step",
        )
    )
    return lines


def times_table(found: Race) -> str:
    """Seconds, memory and scores of everybody on one task."""
    rows = []
    for one in (OURS, *found.peers()):
        if one not in found.rounds:
            continue
        score = found.scores.get(one, {"training": float("nan"), "held-out": float("nan")})
        compiling = [run["first"].get("compile_wall") for run in found.rounds[one]]
        share = (
            f"{100 * compiling[0] / found.rounds[one][0]['first']['wall']:.0f} %"
            if compiling and compiling[0] is not None
            else "-"
        )
        rows.append(
            (
                one,
                found.spread(one, "first"),
                found.spread(one, "second"),
                found.spread(one, "warm") if found.spread(one, "warm").n else "-",
                found.spread(one, "first", "wall"),
                found.spread(one, "second", "wall"),
                share,
                f"{found.peak(one):.2f}",
                f"{score['training']:.4f}",
                f"{score['held-out']:.4f}",
            )
        )
    truth = found.scores["generating model"]
    rows.append(("generating model", *"-------", f"{truth['training']:.4f}", f"{truth['held-out']:.4f}"))
    header = (
        "contestant",
        "first fit, CPU s",
        "second fit, CPU s",
        "compiled beforehand, CPU s",
        "first, wall s",
        "second, wall s",
        "first fit: share compiling",
        "peak GB",
        "training nats/sample",
        "held-out nats/sample",
    )
    return table(header, rows)


def publish(stem: str, title: str, command: str, races: list[tuple[Race, Bars]], rounds: int) -> list[Line]:
    """Print the lines and tables of some tasks and write them as a page; returns the lines."""
    body, lines, record = [], [], {"rounds": rounds, "tasks": [], "versions": {}}
    for found, bars in races:
        task = found.task
        judged = judge(found, bars)
        lines += judged
        body += [
            f"## {task.name}",
            "",
            f"{task.emission}, K {task.n_states}, {task.n_units} units, T {task.n_time:,}, {task.iterations} "
            f"iterations, seed {task.seed}; median (range) of {rounds} rounds, contestants in turns.",
            "",
            times_table(found) if OURS in found.rounds else "",
            "",
            *(f"- {peer} was not run: {reason}" for peer, reason in found.absent.items()),
            "",
            lines_table(judged),
            "",
        ]
        record["tasks"].append(
            {**dataclasses.asdict(found), "lines": [dataclasses.asdict(one) for one in judged]}
        )
        record["versions"] |= found.versions
    record["versions"] |= versions("neurodyn", "jax", "jaxlib", "numpy", "scipy", "xarray")
    text = "\n".join(body)
    print(text)
    page = write_page(stem, title, command, text, record)
    print(f"written: {page} and {page.with_suffix('.json').name}")
    return lines
