"""Communities of weighted benchmark graphs: description length against Louvain and Leiden, by likeness to the truth.

python -m benchmarks.communities [--seeds 10] [--degree 10 25] [--mixing 0.25 0.5 0.75] [--exponent 0.5 1 2] [--sizes 125
250 500 1000]
"""

import argparse
import collections
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.dynamic_connectome import communities as measured
from benchmarks.dynamic_connectome.communities import FIRST_SEED, Cell, Ours, Row, leiden, louvain, rows
from benchmarks.measure import (
    ROOT,
    SHORT,
    NotMeasured,
    commit,
    lines_table,
    show,
    spread,
    table,
    versions,
    write_page,
)
from neurodyn.inference.block_model.fitting import fit
from neurodyn.simulate.block_graphs import PlantedGraph

STEM, TITLE = "communities", "Communities of weighted graphs"
STORE = ROOT / "results" / "communities"
SCALED = (("bernoulli", "exponential"), ("uniform", "lognormal-corrected"))


def cells_table(found: Sequence[Row]) -> str:
    """One row for each cell: mean likeness and range over seeds, and how often each topology was chosen."""
    header = (
        "degree",
        "topology mixing",
        "weight mixing",
        "exponent",
        "shortest description",
        "Louvain",
        "Leiden",
    )
    body = []
    for row in found:
        chosen = collections.Counter(one.model for one in row.ours)
        models = "; ".join(f"{model} x{count}" for model, count in chosen.most_common())
        likeness = [_range([one.alike for one in row.ours]), _range(row.louvain), _range(row.leiden)]
        body.append((*(f"{value:g}" for value in row.cell), *likeness, models))
    return table((*header, "models chosen"), body)


def _range(values: Sequence[float]) -> str:
    """Mean and range."""
    if not values:
        return "-"
    return f"{np.mean(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def scaling(sizes: Sequence[int]) -> list[tuple[str, ...]]:
    """CPU seconds by number of nodes, one graph each, of degree 25 and both mixings 0.25."""
    body = []
    for n_nodes in sizes:
        graph = Cell(25.0, 0.25, 0.25, 1.0).graph(0, n_nodes)
        entry = [str(n_nodes), str(int(graph.groups.max()) + 1)]
        for topology, weights in SCALED:
            began = time.process_time()
            found = fit(graph.adjacency, key=0, topology=topology, weights=weights, starts=1)
            alike = measured.likeness(found.groups, graph)
            entry.append(f"{time.process_time() - began:.1f} s, NMI {alike:.2f}")
        began = time.process_time()
        labels = louvain(graph.adjacency, 0)
        entry.append(f"{time.process_time() - began:.2f} s, NMI {measured.likeness(labels, graph):.2f}")
        try:
            (labels,), (seconds,) = leiden([graph.adjacency])
            entry.append(f"{seconds:.3f} s, NMI {measured.likeness(labels, graph):.2f}")
        except NotMeasured:
            entry.append("-")
        body.append(tuple(entry))
        print("   " + " | ".join(entry), flush=True)
    return body


def stored(cell: Cell, graph: PlantedGraph, seed: int) -> Ours:
    """A search that is not repeated at the same commit: an interrupted table goes on where it was."""
    now = commit()
    path = STORE / now / ("-".join(f"{value:g}" for value in (*cell, seed)) + ".json")
    if path.is_file() and not now.endswith("+"):
        return Ours(**json.loads(path.read_text()))
    found = measured.ours(graph, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found._asdict()))
    return found


def record(found: Sequence[Row]) -> list[dict[str, Any]]:
    """The table as plain values."""
    return [
        {
            **row.cell._asdict(),
            "ours": [one._asdict() for one in row.ours],
            "louvain": row.louvain,
            "leiden": row.leiden,
        }
        for row in found
    ]


def main() -> int:
    """Measure, print and write the page; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description="Communities against Louvain and Leiden.")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--degree", type=float, nargs="+", default=list(measured.DEGREES))
    parser.add_argument("--mixing", type=float, nargs="+", default=list(measured.MIXINGS))
    parser.add_argument("--exponent", type=float, nargs="+", default=list(measured.EXPONENTS))
    parser.add_argument("--sizes", type=int, nargs="*", default=[125, 250, 500, 1000])
    asked = parser.parse_args()
    chosen = measured.cells(tuple(asked.degree), tuple(asked.mixing), tuple(asked.exponent))
    found, why = rows(chosen, asked.seeds, lambda text: print(text, flush=True), stored)
    lines = measured.judge(
        found, why, f"{len(chosen)} cells, seeds {FIRST_SEED} to {FIRST_SEED + asked.seeds - 1}"
    )
    curve = measured.judge_detectability(measured.detectability(3))
    sizes = scaling(asked.sizes)
    for line in (*lines, *curve):
        print(show(line))
    headings = ("nodes", "groups", *(f"fit, {' and '.join(model)}" for model in SCALED), "Louvain", "Leiden")
    body = [
        f"Graphs of 125 nodes with known communities, {asked.seeds} seeds a cell, from {FIRST_SEED} on: normalised mutual "
        "information with the "
        "truth, mean (range). The shortest description is chosen among four topologies and four kinds of weights; the "
        "truth is read to score alone. Louvain is networkx's, Leiden leidenalg's, both by modularity of the weights.",
        cells_table(found),
        lines_table(lines),
        f"CPU seconds of a graph, all sixteen models: {spread(one.seconds for row in found for one in row.ours)}.",
        "Planted blocks on either side of the limit of detectability, edges alone:",
        lines_table(curve),
        "CPU seconds by number of nodes, one fit of one model, one graph each:",
        table(headings, sizes),
    ]
    command = " ".join(["python -m benchmarks.communities", *sys.argv[1:]])
    named = versions("neurodyn", "numpy", "scipy", "networkx")
    about = {
        "versions": named,
        "cells": record(found),
        "scaling": sizes,
        "lines": [vars(line) for line in (*lines, *curve)],
    }
    print(f"written: {write_page(STEM, TITLE, command, chr(10) * 2 + (chr(10) * 2).join(body), about)}")
    return int(any(line.verdict == SHORT for line in (*lines, *curve)))


if __name__ == "__main__":
    sys.exit(main())
