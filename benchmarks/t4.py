"""T4: binary hierarchical Gaussian filter of three levels, beside pyhgf.

python -m benchmarks.t4 [--rounds 3] [--time 100000] [--people 1000]
"""

import argparse
import sys

from benchmarks.measure import SHORT
from benchmarks.predictive_coding.speed import N_PEOPLE, N_TIME, hold_people, hold_sequence, publish


def main() -> int:
    """Race, print and write the page; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--time", type=int, default=N_TIME, help="trials of the long sequence")
    parser.add_argument("--people", type=int, default=N_PEOPLE, help="participants of the batch")
    chosen = parser.parse_args()
    standard = (chosen.time, chosen.people) == (N_TIME, N_PEOPLE)
    sequence = hold_sequence(chosen.rounds, chosen.time)
    people = hold_people(chosen.rounds, chosen.people)
    command = "python -m benchmarks.t4"
    if not standard:
        command += f" --time {chosen.time} --people {chosen.people}"
    title = "T4: hierarchical Gaussian filter"
    lines = publish("t4" if standard else "t4-partial", title, command, sequence, people, chosen.rounds)
    return int(any(line.verdict == SHORT for line in lines))


if __name__ == "__main__":
    sys.exit(main())
