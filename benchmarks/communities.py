"""Communities of weighted benchmark graphs: description length against Louvain, by normalised mutual information.

Run: ``python -m benchmarks.communities [--seeds 10] [--mixing 0.25 0.5 0.75] [--degree 10 25] [--exponent 0.5 1 2]``
"""

import argparse
import itertools
import time
from collections.abc import Iterator

import networkx
import numpy as np

from neurodyn.inference.block_model.fitting import description_length, fit_models
from neurodyn.inference.block_model.partitions import normalised_mutual_information
from neurodyn.simulate.block_graphs import benchmark_graph

COLUMNS = (
    "degree",
    "topology",
    "weight",
    "exponent",
    "shortest",
    "bernoulli",
    "corrected",
    "truth",
    "Louvain",
    "s",
)


def louvain(adjacency: np.ndarray, seed: int) -> np.ndarray:
    """Louvain communities of a weighted graph, as a label for each node."""
    found = networkx.community.louvain_communities(networkx.from_numpy_array(adjacency), seed=seed)
    labels = np.zeros(len(adjacency), dtype=int)
    for number, members in enumerate(found):
        labels[list(members)] = number
    return labels


def cell(seed: int, starts: int, **asked: float) -> tuple[float, ...]:
    """One graph: likeness to the truth of the shortest description, of both topologies and of Louvain.

    The fourth value is 1 where the search found a description no longer than the truth's in both topologies.
    """
    graph = benchmark_graph(key=seed, **asked)
    start = time.perf_counter()
    found = fit_models(graph.adjacency, key=seed, starts=starts)
    seconds = time.perf_counter() - start
    alike = {
        name[0]: normalised_mutual_information(partition.groups, graph.groups)
        for name, partition in found.items()
    }
    no_longer = all(
        partition.description_length
        <= description_length(graph.adjacency, graph.groups, topology=name[0], weights=name[1]) + 1e-6
        for name, partition in found.items()
    )
    other = normalised_mutual_information(louvain(graph.adjacency, seed), graph.groups)
    return (
        alike[next(iter(found))[0]],
        alike["bernoulli"],
        alike["degree-corrected"],
        float(no_longer),
        other,
        seconds,
    )


def rows(options: argparse.Namespace) -> Iterator[tuple[float, ...]]:
    """Means over seeds, cell by cell."""
    for degree, topology, weight, exponent in itertools.product(
        options.degree, options.mixing, options.mixing, options.exponent
    ):
        asked = {
            "mean_degree": degree,
            "topology_mixing": topology,
            "weight_mixing": weight,
            "weight_exponent": exponent,
        }
        values = [cell(seed, options.starts, **asked) for seed in range(options.seeds)]
        yield (degree, topology, weight, exponent, *np.mean(values, axis=0))


def main() -> None:
    """Print the table, a line as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--degree", type=float, nargs="+", default=[10.0, 25.0])
    parser.add_argument("--mixing", type=float, nargs="+", default=[0.25, 0.5, 0.75])
    parser.add_argument("--exponent", type=float, nargs="+", default=[0.5, 1.0, 2.0])
    print(" ".join(f"{name:>9}" for name in COLUMNS), flush=True)
    for row in rows(parser.parse_args()):
        print(" ".join(f"{value:9.2f}" for value in row), flush=True)


if __name__ == "__main__":
    main()
