"""Networks that emulate linear chains of two to five states, with noise of 100 dimensions and of one, beside their floors.

python -m benchmarks.emulation_grid [--steps 1000] [--batch 1024] [--measured 49152] [--seed 0]
    [--cells linear_3-d100 ...]

Every cell is kept as it ends, and a fit goes on from its checkpoint: an interrupted run resumes.
"""

import argparse
import sys

from benchmarks.rnn_emulation.cases import BATCH, MEASURED, STEPS
from benchmarks.rnn_emulation.grid import cells, names, publish


def main() -> int:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--measured", type=int, default=MEASURED)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cells", nargs="+", default=names(), metavar="CELL")
    given = parser.parse_args()
    command = " ".join(["python -m benchmarks.emulation_grid", *sys.argv[1:]])
    publish(cells(given.cells, given.steps, given.batch, given.measured, given.seed), command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
