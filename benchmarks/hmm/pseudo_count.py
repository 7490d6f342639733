"""How the default pseudo-count of the transitions is chosen: held-out gaps on problems the proof does not use.

python -m benchmarks.hmm.pseudo_count [--seeds 20 36] [--concentrations 1.0 1.25 1.5 2.0]
"""

import argparse
import pathlib
import sys
from typing import Any

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from benchmarks.hmm.gap import SEEDS, truth_as_fit


def gaps(seed: int, concentrations: list[float]) -> dict[float, float]:
    """Gap to the generating model in nats a sample, one fit for every concentration."""
    from neurodyn.models import HMM
    from neurodyn.simulate.markov import random_problem

    problem: Any = random_problem(seed)
    fresh = problem.fresh()
    size = fresh.sizes["time"]
    truth = float(truth_as_fit(problem.model).log_likelihood(fresh).sum()) / size
    found = {}
    for value in concentrations:
        model = HMM(n_states=problem.model.n_states, concentration=value)
        fit = model.fit(problem.recording, key=seed)
        found[value] = truth - float(fit.log_likelihood(fresh).sum()) / size
    listed = " ".join(f"{gap:8.4f}" for gap in found.values())
    print(f"{seed:4d} {problem.allowance:8.4f} {listed}", flush=True)
    return found


def main() -> int:
    """Print the gaps of every seed and their means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs=2, default=[20, 36], metavar=("FIRST", "END"))
    parser.add_argument("--concentrations", type=float, nargs="+", default=[1.0, 1.25, 1.5, 2.0])
    chosen = parser.parse_args()
    seeds = range(*chosen.seeds)
    if set(seeds) & set(SEEDS):
        parser.error(f"seeds {SEEDS[0]} to {SEEDS[-1]} are the proof's; choose others.")
    print("seed   p/2T   " + " ".join(f"a = {value:4.2f}" for value in chosen.concentrations), flush=True)
    table = np.array([list(gaps(seed, chosen.concentrations).values()) for seed in seeds])
    print("mean          " + " ".join(f"{value:8.4f}" for value in table.mean(axis=0)))
    print("largest       " + " ".join(f"{value:8.4f}" for value in table.max(axis=0)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
