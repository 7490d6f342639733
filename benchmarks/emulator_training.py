"""Training steps of a network that emulates discrete states, beside plain PyTorch, and how exact its transport is.

python -m benchmarks.emulator_training [--rounds 3]
"""

import argparse
import sys

from benchmarks.measure import SHORT
from benchmarks.rnn_emulation.race import publish


def main() -> int:
    """Race, print and write the page; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    return int(any(line.verdict == SHORT for line in publish(parser.parse_args().rounds)))


if __name__ == "__main__":
    sys.exit(main())
