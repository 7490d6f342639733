"""T1: Gaussian hidden Markov model, full covariance, beside hmmlearn and dynamax.

python -m benchmarks.t1 [--time 10000 100000 1000000] [--rounds 3]
"""

import argparse
import sys

from benchmarks.measure import SHORT
from benchmarks.peers import T1, Bars, publish, run_task, t1_task


def main() -> int:
    """Race at every length, print and write the page; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--time", type=int, nargs="+", default=list(T1), help="numbers of samples")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    races = [(run_task(t1_task(size), chosen.rounds), T1.get(size, Bars(0.12))) for size in chosen.time]
    standard = set(chosen.time) == set(T1)
    command = "python -m benchmarks.t1" + ("" if standard else f" --time {' '.join(map(str, chosen.time))}")
    stem = "t1" if standard else "t1-partial"
    lines = publish(stem, "T1: Gaussian hidden Markov model", command, races, chosen.rounds)
    return int(any(line.verdict == SHORT for line in lines))


if __name__ == "__main__":
    sys.exit(main())
