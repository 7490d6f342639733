"""Leiden communities of many weighted graphs by leidenalg: `python run_leiden.py graphs.npz output.npz seed`.

The graphs are arrays of adjacency; the output has their labels under the same names, and `seconds` of each.
"""

import sys
import time

import igraph
import leidenalg
import numpy as np


def main():
    """Read, divide, write."""
    source, output, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
    found, seconds = {}, []
    with np.load(source) as stored:
        for name in stored.files:
            adjacency = stored[name]
            began = time.process_time()
            i, j = np.nonzero(np.triu(adjacency, 1))
            graph = igraph.Graph(n=len(adjacency), edges=list(zip(i.tolist(), j.tolist(), strict=True)))
            part = leidenalg.find_partition(
                graph, leidenalg.ModularityVertexPartition, weights=adjacency[i, j].tolist(), seed=seed
            )
            seconds.append(time.process_time() - began)
            found[name] = np.array(part.membership)
    np.savez(output, seconds=np.array(seconds), **found)


if __name__ == "__main__":
    main()
