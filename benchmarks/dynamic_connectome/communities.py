"""Communities of weighted graphs whose groups are known: description length against Louvain and Leiden."""

import itertools
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import networkx
import numpy as np

from benchmarks import environments
from benchmarks.measure import Line, NotMeasured, Spread, at_least, at_most, spread
from benchmarks.race import SCRIPTS, run_script
from neurodyn.inference.block_model.fitting import description_length, fit, fit_models
from neurodyn.inference.block_model.partitions import normalised_mutual_information
from neurodyn.inference.block_model.posterior import sample
from neurodyn.simulate.block_graphs import PlantedGraph, benchmark_graph, planted_blocks

WEIGHTS = ("exponential", "gaussian", "lognormal", "lognormal-corrected")
DEGREES, MIXINGS, EXPONENTS = (10.0, 25.0), (0.25, 0.5, 0.75), (0.5, 1.0, 2.0)
# Distances from the limit of detectability, in units of it.
DISTANCES = (0.5, 0.8, 1.0, 1.2, 1.5, 2.0)
N_NODES, N_GROUPS, MEAN_DEGREE = 400, 2, 10.0
DRAWS = 100
# Seeds below this one were looked at while the models were built.
FIRST_SEED = 100


class Cell(NamedTuple):
    """Parameters of a benchmark graph."""

    degree: float
    topology: float
    weight: float
    exponent: float

    def graph(self, seed: int, n_nodes: int = 125) -> PlantedGraph:
        """Draw one."""
        return benchmark_graph(
            n_nodes,
            key=seed,
            mean_degree=self.degree,
            topology_mixing=self.topology,
            weight_mixing=self.weight,
            weight_exponent=self.exponent,
        )


class Ours(NamedTuple):
    """What the description-length choice came to on one graph."""

    alike: float
    seconds: float
    model: str
    groups: int
    no_longer: bool


class Row(NamedTuple):
    """One cell: likeness to the truth over seeds, ours, Louvain's, and Leiden's (none where it did not run)."""

    cell: Cell
    ours: list[Ours]
    louvain: list[float]
    leiden: list[float]

    def mean(self, name: str) -> float:
        """Mean likeness."""
        values = [one.alike for one in self.ours] if name == "ours" else getattr(self, name)
        return float(np.mean(values)) if values else float("nan")

    def holds(self) -> bool:
        """Whether ours is at least Louvain's."""
        return self.mean("ours") >= self.mean("louvain") - 1e-9


def cells(degrees=DEGREES, mixings=MIXINGS, exponents=EXPONENTS) -> list[Cell]:
    """All cells of the table."""
    return [Cell(*one) for one in itertools.product(degrees, mixings, mixings, exponents)]


def louvain(adjacency: np.ndarray, seed: int) -> np.ndarray:
    """Louvain communities of a weighted graph, as a label for each node."""
    found = networkx.community.louvain_communities(networkx.from_numpy_array(adjacency), seed=seed)
    labels = np.zeros(len(adjacency), dtype=int)
    for number, members in enumerate(found):
        labels[list(members)] = number
    return labels


def leiden(graphs: Sequence[np.ndarray], seed: int = 0) -> tuple[list[np.ndarray], list[float]]:
    """Leiden communities of many graphs, and CPU seconds of each, in leidenalg's own environment."""
    python = environments.ensure("leiden")
    with tempfile.TemporaryDirectory(prefix="neurodyn-bench-") as name:
        folder = pathlib.Path(name)
        named: dict = {f"g{at}": graph for at, graph in enumerate(graphs)}
        np.savez(folder / "graphs.npz", **named)
        arguments = [str(folder / "graphs.npz"), str(folder / "found.npz"), str(seed)]
        run_script(python, SCRIPTS / "run_leiden.py", arguments)
        with np.load(folder / "found.npz") as stored:
            return [stored[f"g{at}"] for at in range(len(graphs))], stored["seconds"].tolist()


def ours(graph: PlantedGraph, seed: int) -> Ours:
    """Fit all models to a graph and take the shortest description; the truth is used to score alone."""
    began = time.process_time()
    found = fit_models(graph.adjacency, key=seed, weights=WEIGHTS, starts=1)
    seconds = time.process_time() - began
    (topology, weights), best = next(iter(found.items()))
    truth = description_length(graph.adjacency, graph.groups, topology=topology, weights=weights)
    return Ours(
        normalised_mutual_information(best.groups, graph.groups),
        seconds,
        f"{topology}, {weights}",
        best.n_groups,
        best.description_length <= truth + 1e-3,
    )


def rows(
    chosen: Iterable[Cell],
    seeds: int,
    say: Callable[[str], None] = print,
    search: Callable[[Cell, PlantedGraph, int], Ours] = lambda cell, graph, seed: ours(graph, seed),
) -> tuple[list[Row], str]:
    """The table, and why Leiden is absent where it is; seeds count from `FIRST_SEED`."""
    chosen, numbers = list(chosen), range(FIRST_SEED, FIRST_SEED + seeds)
    graphs = [[cell.graph(seed) for seed in numbers] for cell in chosen]
    theirs, why = {}, ""
    try:
        labels, _ = leiden([graph.adjacency for row in graphs for graph in row])
        theirs = {at: labels[at * seeds : (at + 1) * seeds] for at in range(len(chosen))}
    except NotMeasured as error:
        why = str(error)
    result = []
    for at, (cell, drawn) in enumerate(zip(chosen, graphs, strict=True)):
        found = [search(cell, graph, seed) for seed, graph in zip(numbers, drawn, strict=True)]
        modular = [
            likeness(louvain(one.adjacency, seed), one) for seed, one in zip(numbers, drawn, strict=True)
        ]
        refined = [likeness(one, graph) for one, graph in zip(theirs.get(at, []), drawn, strict=False)]
        result.append(Row(cell, found, modular, refined))
        say(f"   {cell}: ours {result[-1].mean('ours'):.3f}, Louvain {result[-1].mean('louvain'):.3f}")
    return result, why


def likeness(labels: np.ndarray, graph: PlantedGraph) -> float:
    """Likeness to the truth."""
    return normalised_mutual_information(labels, graph.groups)


def judge(found: Sequence[Row], why: str, reduced: str) -> list[Line]:
    """The lines of a table."""
    short = [
        f"{row.cell.degree:g}/{row.cell.topology:g}/{row.cell.weight:g}/{row.cell.exponent:g}"
        f" {row.mean('ours'):.2f} < {row.mean('louvain'):.2f}"
        for row in found
        if not row.holds()
    ]
    note = f"{reduced}; degree/topology mixing/weight mixing/exponent of those that do not: {', '.join(short) or 'none'}"
    name = "Benchmark graphs, cells where the shortest description is at least as like the truth as Louvain"
    lines = [at_least(name, len(found) - len(short), len(found), f"of {len(found)}", note)]
    for other in ("ours", "louvain", "leiden"):
        values = [row.mean(other) for row in found]
        said = {"ours": "the shortest description", "louvain": "Louvain", "leiden": "Leiden"}[other]
        missing = why if other == "leiden" else ""
        lines.append(
            Line(f"Benchmark graphs, NMI of {said}, mean over cells", f"{np.mean(values):.3f}", note=missing)
        )
    every = [one for row in found for one in row.ours]
    lines.append(
        Line(
            "Benchmark graphs, CPU seconds of all models",
            str(spread(one.seconds for one in every)),
            note=f"N 125, {len(WEIGHTS)} kinds of weights",
        )
    )
    share = float(np.mean([one.no_longer for one in every]))
    lines.append(
        Line(
            "Benchmark graphs, share of searches that end no longer than the truth",
            f"{share:.3f}",
            note="of the model chosen",
        )
    )
    return lines


def measure(*, quick: bool) -> list[Line]:
    """The LFR line: every cell at one seed; in the reduced version four cells."""
    chosen = cells(mixings=(0.25, 0.5), exponents=(1.0,), degrees=(25.0,)) if quick else cells()
    found, why = rows(chosen, 1, say=lambda text: None)
    return judge(found, why, f"{len(chosen)} cells, 1 seed each; python -m benchmarks.communities has more")


class Detected(NamedTuple):
    """Likeness to the truth at one distance from the limit, over seeds."""

    distance: float
    alike: Spread
    groups: Spread
    given: Spread


def detectability(seeds: int, distances: Iterable[float] = DISTANCES) -> list[Detected]:
    r"""Equal groups at multiples of :math:`|c_{in} - c_{out}| = q \sqrt c`, found by edges alone.

    Their number is unknown: the shortest description; and given: the sign of the leading component of the posterior
    probability that two nodes share a group, of a chain that starts from groups drawn at random.
    """
    result = []
    for distance in distances:
        gap = distance * N_GROUPS * np.sqrt(MEAN_DEGREE)
        outer = MEAN_DEGREE - gap / N_GROUPS
        density = np.full((N_GROUPS, N_GROUPS), outer) + np.eye(N_GROUPS) * gap
        alike, groups, given = [], [], []
        for seed in range(seeds):
            sizes, ones = (N_NODES // N_GROUPS,) * N_GROUPS, np.ones((N_GROUPS, N_GROUPS))
            graph = planted_blocks(sizes, density / N_NODES, ones, key=seed)
            found = fit(graph.adjacency, key=seed, weights="none", starts=1)
            alike.append(likeness(found.groups, graph))
            groups.append(found.n_groups)
            start = np.random.default_rng(seed).permutation(N_NODES) % N_GROUPS
            drawn = sample(
                graph.adjacency, start, key=seed, weights="none", draws=DRAWS, burn_in=DRAWS, keep_number=True
            )
            together = drawn.together - drawn.together.mean(axis=0)
            together -= together.mean(axis=1, keepdims=True)
            given.append(likeness(np.linalg.eigh(together)[1][:, -1] > 0, graph))
        result.append(Detected(distance, spread(alike), spread(groups), spread(given)))
    return result


def judge_detectability(found: Sequence[Detected]) -> list[Line]:
    """Two lines for each distance: below the limit nothing may be found, from half as far again on something must be."""
    lines = []
    graph = f"{N_GROUPS} groups, {N_NODES} nodes, mean degree {MEAN_DEGREE:g}"
    for one in found:
        name = f"Planted blocks at {one.distance:g} of the detectability limit, NMI"
        ranges = [f"range {s.low:.2f}-{s.high:.2f}" for s in (one.alike, one.given)]
        note = f"{graph}; {ranges[0]}, groups found {one.groups}"
        unknown, given = f"{name}, number of groups unknown", f"{name}, number given"
        if one.distance < 1:
            lines.append(at_most(unknown, one.alike.median, 0.05, note=note))
            lines.append(at_most(given, one.given.median, 0.05, note=ranges[1]))
        else:
            lines.append(Line(unknown, f"{one.alike.median:.3f}", note=note))
            if one.distance >= 1.5:
                lines.append(at_least(given, one.given.median, 0.2, note=ranges[1]))
            else:
                lines.append(Line(given, f"{one.given.median:.3f}", note=ranges[1]))
    return lines


def measure_detectability(*, quick: bool) -> list[Line]:
    """The curve of planted blocks across the detectability limit."""
    return judge_detectability(detectability(1 if quick else 3, (0.5, 1.5) if quick else DISTANCES))
