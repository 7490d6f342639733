"""T2: Poisson hidden Markov model of 100 units, beside ssm, hmmlearn and dynamax.

python -m benchmarks.t2 [--time 20000] [--rounds 3]
"""

import argparse
import sys

from benchmarks.measure import SHORT
from benchmarks.peers import T2, publish, run_task, t2_task


def main() -> int:
    """Race, print and write the page; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--time", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    races = [(run_task(t2_task(chosen.time), chosen.rounds), T2)]
    standard = chosen.time == 20_000
    command = "python -m benchmarks.t2" + ("" if standard else f" --time {chosen.time}")
    stem = "t2" if standard else "t2-partial"
    lines = publish(stem, "T2: Poisson hidden Markov model", command, races, chosen.rounds)
    return int(any(line.verdict == SHORT for line in lines))


if __name__ == "__main__":
    sys.exit(main())
