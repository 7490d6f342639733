"""How often a fit finds the truth from random starts, beside starts from the scores of a pooled model."""

import numpy as np

from benchmarks.measure import Line
from benchmarks.switching_glm.cases import Case, draw, result_of

KEYS = range(10)
SUCCESS = 0.01
# A run that finds the truth is there after some twenty iterations; others creep on for hundreds.
ITERATIONS = 60
ROADS = (("none", "random"), ("Gaussian", "random"), ("none", "scores"))
NAMES = {"random": "one random start", "scores": "one start from pooled scores (the default makes four)"}


def one_road(case: Case, prior: str, initialisation: str, keys: range) -> Line:
    """Share of keys whose single run ends within a hundredth of the truth's state accuracy."""
    options = {"restarts": 1, "max_iterations": ITERATIONS, "initialisation": initialisation}
    found = [result_of(case, prior, links=False, key=key, **options) for key in keys]
    accuracy = np.array([one["accuracy"] for one in found])
    good = accuracy >= case.truth_accuracy - SUCCESS
    each = ", ".join(f"{value:.3f}" for value in accuracy)
    return Line(
        f"seed {case.seed}, {prior}: {NAMES[initialisation]}",
        f"{int(good.sum())} of {len(good)} find the truth",
        note=f"at most {ITERATIONS} iterations; state accuracy {each}; truth {case.truth_accuracy:.3f}",
    )


def measure(quick: bool = False) -> list[Line]:
    """Ten keys on the network of seed 0, twenty neurons.

    Parameters
    ----------
    quick : bool
        Three keys, no prior only.

    Returns
    -------
    list of Line
        A count for every prior and sort of start; no bar.
    """
    case = draw(0)
    keys, roads = (KEYS[:3], ROADS[::2]) if quick else (KEYS, ROADS)
    return [one_road(case, prior, initialisation, keys) for prior, initialisation in roads]
