"""Training steps of an emulating network here and in PyTorch: the problem, seconds, held-out divergence, the page."""

import dataclasses
import pathlib
from collections.abc import Mapping

import jax
import numpy as np

from benchmarks.glm.race import Event, hold
from benchmarks.measure import (
    Line,
    Spread,
    at_most,
    lines_table,
    spread,
    table,
    unmeasured,
    usable_cores,
    versions,
    write_page,
)
from benchmarks.problems import as_stem
from benchmarks.race import OURS, Contestant, Race
from benchmarks.rnn_emulation import transport
from neurodyn.inference.recurrent import Network
from neurodyn.recording import make
from neurodyn.simulate.symbol_chains import linear_chain
from neurodyn.validation import metrics

PEER = "PyTorch"
STEPS, SYMBOLS, WIDTH, NOISE = 30, 3, 150, 100
FRESH, SCORED, DRAWS = 8192, 1024, 4
BAR = 1.0


@dataclasses.dataclass(frozen=True)
class EmulationTask:
    """Size of one race.

    Parameters
    ----------
    name : str
        Short name, used for files.
    batch : int
        Sequences of a step, recorded; twice as many are generated.
    sequences : int
        Recorded ones, a multiple of the batch.
    iterations : int
        Steps, a whole number of epochs.
    scored : bool
        Whether what was learnt is scored.
    """

    name: str
    batch: int
    sequences: int
    iterations: int
    scored: bool = False

    @property
    def stem(self) -> str:
        """The name, fit for a file."""
        return as_stem(self.name)


SPEED = (
    EmulationTask("emulator, batch 1024", 1024, 4096, 12),
    EmulationTask("emulator, batch 4096", 4096, 8192, 4),
)
TRAINED = EmulationTask("emulator, trained", 256, 2560, 150, scored=True)


def contestants(task: EmulationTask) -> tuple[Contestant, ...]:
    """Both, with the batch of the task."""
    options = (f"batch={task.batch}",)
    return (
        Contestant(OURS, "run_emulator_neurodyn.py", options),
        Contestant(PEER, "run_emulator_torch.py", options, "torch"),
    )


def write(task: EmulationTask, folder: pathlib.Path) -> pathlib.Path:
    """Sequences, fresh ones and the parameters at the start on one file, in single precision."""
    chain = linear_chain(3)
    start = Network(WIDTH, NOISE, SYMBOLS).start(jax.random.key(0))
    path = folder / f"{task.stem}.npz"
    np.savez(
        path,
        values=chain.draw(task.sequences, STEPS, key=0)[0].astype(np.int8),
        fresh=chain.draw(FRESH, STEPS, key=1)[0].astype(np.int8),
        **{f"start_{name}": np.asarray(leaf) for name, leaf in start.items()},
    )
    return path


def divergence(parameters: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Independent-batch divergence of fresh sequences of a network from fresh sequences of the chain."""
    network = Network(WIDTH, NOISE, SYMBOLS)
    drawn = network.draw(
        {name: np.asarray(leaf) for name, leaf in parameters.items()}, jax.random.key(2), FRESH, STEPS
    )
    return _against(np.asarray(drawn[0]), data["fresh"])


def _against(symbols: np.ndarray, fresh: np.ndarray) -> dict[str, float]:
    """Value and standard error."""
    names = {"symbol": [str(k) for k in range(SYMBOLS)]}

    def recording(codes: np.ndarray):
        options = {"sampling_interval": 1.0, "kind": "categorical", "unit": ["symbol"], "categories": names}
        return make(codes[..., None].astype(float), **options)

    found = metrics.sequence_divergence(
        recording(symbols), recording(fresh), key=0, batch=SCORED, draws=DRAWS
    )
    return {"divergence": float(found["value"]), "error": float(found["standard_error"])}


def floor() -> dict[str, float]:
    """The chain against itself."""
    chain = linear_chain(3)
    return _against(*(chain.draw(FRESH, STEPS, key=key)[0] for key in (3, 1)))


def _nothing(parameters: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]) -> dict[str, float]:
    """After a few steps there is nothing to score."""
    del parameters, data
    return {}


def a_step(found: Race, name: str, clock: str = "wall", phase: str = "second") -> Spread:
    """Seconds of a step over the rounds."""
    return spread(run[phase][clock] / found.task.iterations for run in found.rounds.get(name, []))


def ratios(found: Race, clock: str = "wall") -> Spread:
    """Ours over theirs, round by round."""
    pairs = zip(found.rounds[OURS], found.rounds[PEER], strict=True)
    return spread(ours["second"][clock] / theirs["second"][clock] for ours, theirs in pairs)


def judge(found: Race) -> list[Line]:
    """Seconds of a step against the peer, and against what its own products take."""
    task = found.task
    lines: list[Line] = []
    if OURS in found.absent:
        return [unmeasured(f"{task.name}: seconds of a step", "", found.absent[OURS])]
    if PEER in found.absent:
        lines.append(
            unmeasured(f"{task.name}: a step over that of {PEER}", f"<= {BAR:g}", found.absent[PEER])
        )
    else:
        wall = ratios(found)
        lines.append(
            at_most(
                f"{task.name}: wall seconds of a step over those of {PEER}",
                wall.median,
                BAR,
                note=f"rounds {wall.low:.3g} to {wall.high:.3g}; {a_step(found, OURS)} / {a_step(found, PEER)} s; "
                f"CPU {ratios(found, 'cpu')}",
            )
        )
    about = [run["about"] for run in found.rounds[OURS]]
    products, exponentials = (
        spread(one[name]["wall"] for one in about) for name in ("products", "exponentials")
    )
    ours = a_step(found, OURS).median
    return [
        *lines,
        Line(
            f"{task.name}: a step over its own matrix products",
            f"{ours / products.median:.3g}",
            note=f"{ours:.3g} / {products} s; the exponentials of its transport alone {exponentials} s, "
            f"over both {ours / (products.median + exponentials.median):.3g}",
        ),
    ]


def scored(found: Race, itself: Mapping[str, float]) -> list[Line]:
    """What both have learnt after the same number of steps, beside the chain against itself."""
    note = f"the chain against itself {itself['divergence']:.3f}, se {itself['error']:.3f}"
    lines = []
    for name in (OURS, PEER):
        title = f"{found.task.name}: divergence after {found.task.iterations} steps of batch {found.task.batch}, {name}"
        if name in found.scores:
            one = found.scores[name]
            lines.append(Line(title, f"{one['divergence']:.3f}, se {one['error']:.3f}", note=note))
        else:
            lines.append(unmeasured(title, "", found.absent.get(name, "it did not run")))
    return lines


def rows(found: Race) -> list[tuple[object, ...]]:
    """One row of the table for every contestant."""
    return [
        (
            found.task.name,
            name,
            f"{a_step(found, name, phase='first').median * found.task.iterations:.3g}",
            a_step(found, name),
            a_step(found, name, "cpu"),
            f"{found.peak(name):.2f}",
        )
        for name in found.rounds
    ]


def publish(
    rounds: int, tasks: tuple[EmulationTask, ...] = (*SPEED, TRAINED), exact: bool = True
) -> list[Line]:
    """Race, print lines and tables, and write them as a page; returns the lines."""
    races = []
    for task in tasks:
        event = Event(task, contestants(task), write, divergence if task.scored else _nothing)
        races.append(hold(event, 1 if task.scored else rounds))
    lines = [
        line for found in races for line in (scored(found, floor()) if found.task.scored else judge(found))
    ]
    header = ("race", "contestant", "first fit, s", "a step, wall s", "a step, CPU s", "peak GB")
    body = [
        f"Network of {WIDTH} units, noise of {NOISE} dimensions, {STEPS} bins, {SYMBOLS} symbols; independent Sinkhorn loss "
        "without the frequencies of words, which the peer does not have, on the same schedule, clipping, Adam; single "
        f"precision, {usable_cores()} cores for both. Median (range) over "
        f"{rounds} rounds in turns of the second fit in a process, compiled and warm, divided by its steps.",
        "",
        "The peer is written plainly: `nn.RNN`, `gumbel_softmax(hard=True)`, Sinkhorn in the log domain without gradients "
        "and one extrapolation with frozen potentials under autograd; eager, subnormal numbers flushed to zero.",
        "",
        table(header, [row for found in races for row in rows(found)]),
        "",
    ]
    missing = {name: reason for found in races for name, reason in found.absent.items()}
    body += [f"- {name} was not run: {reason}" for name, reason in missing.items()]
    if exact:
        errors, exactness = transport.errors()
        lines += exactness
        body += [
            "Errors of the transport in single precision: sequences of the chain against many updates in double precision "
            "and against the best assignment; and points with noise added, whose best assignment is unique.",
            "",
            errors,
            "",
        ]
    text = "\n".join([*body, lines_table(lines)])
    print(text)
    record = {
        "rounds": rounds,
        "tasks": [dataclasses.asdict(found) for found in races],
        "lines": [dataclasses.asdict(one) for one in lines],
        "versions": races[0].versions | versions("neurodyn", "jax", "jaxlib", "numpy", "scipy"),
    }
    page = write_page(
        "emulator-training",
        "Training steps of an emulating network",
        "python -m benchmarks.emulator_training",
        text,
        record,
    )
    print(f"written: {page} and {page.with_suffix('.json').name}")
    return lines
