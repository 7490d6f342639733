"""T3: Poisson generalised linear model of 50 coupled units, beside scipy and nemos.

python -m benchmarks.t3 [--rounds 3]
"""

import argparse
import sys

from benchmarks.glm.peers import publish
from benchmarks.glm.race import coupling_event, hold
from benchmarks.measure import SHORT


def main() -> int:
    """Race, print and write the page; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    found = hold(coupling_event(), rounds)
    title = "T3: Poisson generalised linear model with coupling"
    lines = publish("t3", title, "python -m benchmarks.t3", found, rounds)
    return int(any(line.verdict == SHORT for line in lines))


if __name__ == "__main__":
    sys.exit(main())
