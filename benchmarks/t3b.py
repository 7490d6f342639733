"""T3b: choices whose weights switch between three states, beside dynamax and ssm.

python -m benchmarks.t3b [--rounds 3]
"""

import argparse
import sys

from benchmarks.glm.peers import publish
from benchmarks.glm.race import choice_event, hold
from benchmarks.measure import SHORT


def main() -> int:
    """Race, print and write the page; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    found = hold(choice_event(), rounds)
    title = "T3b: Bernoulli generalised linear model with hidden states"
    lines = publish("t3b", title, "python -m benchmarks.t3b", found, rounds)
    return int(any(line.verdict == SHORT for line in lines))


if __name__ == "__main__":
    sys.exit(main())
