"""Planted tensors: whether the rank is found from held-out entries, and whether the factors are the planted ones."""

import time

import numpy as np

from benchmarks.measure import HOLDS, SHORT, Line, at_least
from neurodyn.inference.factorise.comparison import congruence
from neurodyn.inference.factorise.fitting import Factorisation, fit
from neurodyn.inference.factorise.ranks import RankSurvey, survey_ranks
from neurodyn.simulate.tensors import PlantedTensor, planted_tensor

SHAPE, RANK, AROUND = (100, 100, 500), 10, (8, 9, 10, 11, 12)
QUICK_SHAPE, QUICK_RANK, QUICK_AROUND = (40, 50, 60), 4, (2, 3, 4, 5)
SEEDS, MISSING, RESTARTS, QUICK_RESTARTS = (0, 1, 2), (0.0, 0.3, 0.6), 3, 2
SAME = 0.97


def measure(*, quick: bool) -> list[Line]:
    """The lines: for every share of missing entries, the rank found and the congruence with the planted factors."""
    shape, rank, around = (QUICK_SHAPE, QUICK_RANK, QUICK_AROUND) if quick else (SHAPE, RANK, AROUND)
    seeds = SEEDS[:2] if quick else SEEDS
    lines = []
    for missing in MISSING:
        surveys, poisson, squares = [], [], []
        for seed in seeds:
            began = time.process_time()
            planted = planted_tensor(shape, rank, key=seed, missing=missing)
            mask = np.isfinite(planted.values)
            found = survey_ranks(
                planted.values,
                around,
                mask=mask,
                key=seed,
                restarts=QUICK_RESTARTS if quick else RESTARTS,
                loss="poisson",
                max_sweeps=200,
            )
            surveys.append(found)
            chosen = next(one for one in found.ranks if one.rank == found.recommended)
            poisson.append(worst(planted, chosen.best))
            squares.append(worst(planted, fit(planted.values, rank, mask=mask, key=seed, restarts=3)[0]))
            print(
                f"   {missing:.0%} missing, seed {seed}: {time.process_time() - began:.0f} CPU s; {told(found)}",
                flush=True,
            )
        lines += lines_of(missing, surveys, rank, poisson, squares)
    where = f"{' x '.join(map(str, shape))}, rank {rank}, {len(seeds)} seeds"
    return [
        Line("Planted tensors", where, note="gamma factors of shape .5, gamma entries of shape 4"),
        *lines,
    ]


def worst(planted: PlantedTensor, run: Factorisation) -> float:
    """Congruence of the planted component that was found least well, 0 where one has no partner."""
    return float(congruence(planted.factors, run.factors).components.min())


def told(survey: RankSurvey) -> str:
    """A survey in one line."""
    parts = [
        f"{one.rank}: explained {one.held_out:.4f}, restarts alike {one.similarity:.3f}, core {one.core_consistency:.0f}"
        for one in survey.ranks
    ]
    return f"recommended {survey.recommended}; " + "; ".join(parts)


def lines_of(
    missing: float, surveys: list[RankSurvey], rank: int, poisson: list[float], squares: list[float]
) -> list[Line]:
    """The lines of one share of missing entries."""
    name = f"Planted tensor, {missing:.0%} missing"
    chosen = [one.recommended for one in surveys]
    right = all(one == rank for one in chosen)
    tried = surveys[0].ranks
    note = (
        f"of {tried[0].rank} to {tried[-1].rank}, by a tenth of the observed entries held out, Poisson loss; first seed: "
        f"{told(surveys[0])}"
    )
    shown = ", ".join(map(str, chosen))
    return [
        Line(f"{name}: rank recommended", shown, f"{rank} every time", HOLDS if right else SHORT, note),
        at_least(
            f"{name}: congruence of the worst component, Poisson loss",
            min(poisson),
            SAME,
            note="the best run of the rank recommended, fitted to nine tenths of the observed entries; by seed "
            f"{shares(poisson)}",
        ),
        Line(
            f"{name}: congruence of the worst component, least squares",
            f"{min(squares):.4g}",
            note="rank given, the best of 3 restarts; noise that grows with the value is not what this loss is for; by "
            f"seed {shares(squares)}",
        ),
    ]


def shares(values: list[float]) -> str:
    """Numbers with four digits after the point."""
    return ", ".join(f"{value:.4f}" for value in values)
