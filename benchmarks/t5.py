"""T5: non-negative factorisation of a 100 x 100 x 500 tensor, rank 10, 30 sweeps, beside tensortools and tensorly.

python -m benchmarks.t5 [--rounds 3]
"""

import argparse
import sys

from benchmarks.factorise.race import publish
from benchmarks.measure import SHORT


def main() -> int:
    """Race, print and write the page; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    return int(any(line.verdict == SHORT for line in publish(parser.parse_args().rounds)))


if __name__ == "__main__":
    sys.exit(main())
