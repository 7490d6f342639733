"""Whole-brain recordings of worms: reversals of held-out animals, homologues, and what is predicted of animals never seen.

Nothing is chosen by behaviour. Affinities are common rises over five frames, as of the page's prototype; the rank is chosen
anew for every held-out animal, by holding out each of the other four; and the reversal component is the one with the
largest share of its loadings on pairs among AVA, AVE, AIB and RIM.
"""

import functools

import numpy as np
import xarray as xr

from benchmarks.dynamic_connectome.data import REVERSAL, homologues, worms
from benchmarks.measure import HOLDS, SHORT, Line, at_least
from neurodyn.analysis import together
from neurodyn.models.connectome import ConcurrentChange, DynamicConnectome, affinity, communities, graphs
from neurodyn.validation import association, holdout, sweep, uncertainty

MEASURE = ConcurrentChange(window=5, rises=True)
RANKS = (2, 3, 4, 5, 6, 8)
SEEDS = 3
WHOLE_RANK = 4  # where no animal is held out; the middle of the ranks that are chosen where one is
MEAN_BAR, LEAST_BAR = 0.85, 0.75
STRETCH = 40
OPTIONS = {"max_sweeps": 300, "tolerance": 1e-5}


def model(rank: int) -> DynamicConnectome:
    """Components of animals that follow no common clock."""
    return DynamicConnectome(rank=rank, clock="own")


@functools.cache
def chosen_rank(left_out: int, quick: bool) -> int:
    """The smallest rank within a standard error of the one that predicts animals best, among the other four."""
    data = worms().recording
    others = [trial for trial in range(data.sizes["trial"]) if trial != left_out]
    found = sweep(
        model(2),
        data.isel(trial=others),
        holdout.of_pairs(holdout.animals(key=0), MEASURE),
        key=0,
        metric="r2_train_null",
        restarts=1,
        fit_options=OPTIONS,
        rank=RANKS[1::2] if quick else RANKS,
    )
    return int(found.best["rank"])


def reversal_component(fit) -> int:
    """The component with the largest share of its loadings on pairs among the reversal neurons."""
    pair = fit.parameters["pair"]
    among = np.ones(pair.sizes["unit"], bool)
    for end in ("source", "target"):
        among &= np.array([label[:3] in REVERSAL for label in pair[end].values.astype(str)])
    share = pair.values[among].sum(0) / np.maximum(pair.values.sum(0), 1e-12)
    return int(share.argmax())


def area(course: np.ndarray, event: np.ndarray) -> float:
    """Chance that a course is higher in a bin with the event than in one without."""
    both = [
        xr.DataArray(a[:, None], dims=("time", name))
        for a, name in ((course, "component"), (event, "covariate"))
    ]
    return float(association(*both, key=0, statistic="auc", n_shifts=1)["value"].item())


def interval(course: np.ndarray, event: np.ndarray, seed: int) -> tuple[float, float]:
    """95 % interval of the area, by resampling stretches of frames."""
    starts = np.arange(0, len(course), STRETCH)
    weights = uncertainty.resamples(len(starts), 200, seed).astype(int)
    areas = []
    for row in weights:
        bins = np.concatenate([np.arange(s, min(s + STRETCH, len(course))) for s in np.repeat(starts, row)])
        areas.append(area(course[bins], event[bins]))
    return tuple(np.nanquantile(areas, [0.025, 0.975]))


def held_out_reversals(animal: int, seed: int, quick: bool) -> dict[str, float]:
    """Area, its interval and the 95 % level of shifts, of one animal that the fit never saw."""
    data, behaviour = worms()
    others = [trial for trial in range(data.sizes["trial"]) if trial != animal]
    rank = chosen_rank(animal, quick)
    options = {**OPTIONS, "restarts": 1 if quick else 3}
    fit = model(rank).fit(affinity(data.isel(trial=others), MEASURE), key=seed, **options)
    alone = affinity(data.isel(trial=[animal]), MEASURE)
    inferred = fit.infer(alone)
    course = inferred["course"].isel(trial=0, component=[reversal_component(fit)])
    course = course.where(inferred["seen"].isel(trial=0))
    velocity = behaviour.isel(trial=animal).sel(covariate=["velocity"])
    found = association(course, (velocity < 0).where(velocity.notnull()), key=seed, statistic="auc")
    known = np.isfinite(course.values[:, 0]) & np.isfinite(velocity.values[:, 0])
    event = (velocity.values[known, 0] < 0).astype(float)
    low, high = interval(course.values[known, 0], event, seed)
    result = {"rank": rank, "area": float(found["value"].item()), "level": float(found["upper"].item())}
    result |= {"low": low, "high": high, "p": float(found["p_value"].item())}
    if "reversal" in behaviour["covariate"].values:
        marked = behaviour.isel(trial=animal).sel(covariate=["reversal"])
        result["marked"] = float(
            association(course, marked, key=seed, statistic="auc", n_shifts=1)["value"].item()
        )
    return result


def measure_reversals(*, quick: bool) -> list[Line]:
    """Every animal in turn, over seeds."""
    n_animals = 2 if quick else worms().recording.sizes["trial"]
    seeds = range(1 if quick else SEEDS)
    table = [[held_out_reversals(animal, seed, quick) for animal in range(n_animals)] for seed in seeds]
    areas = np.array([[cell["area"] for cell in row] for row in table])
    levels = np.array([[cell["level"] for cell in row] for row in table])
    said = "; ".join(f"seed {seed}: {_listed(row)}" for seed, row in zip(seeds, areas, strict=True))
    ranks = "; ".join(" ".join(str(cell["rank"]) for cell in row) for row in table)
    lines = [
        at_least(
            "Worms: reversals (velocity < 0) of held-out animals, mean area, worst seed",
            float(areas.mean(1).min()),
            MEAN_BAR,
            note=f"{said}; ranks chosen without the animal {ranks}",
        ),
        at_least("Worms: reversals, worst animal of any seed", float(areas.min()), LEAST_BAR),
        Line(
            "Worms: reversals, each above the 95 % level of shifted courses",
            f"least margin {float((areas - levels).min()):+.3f}",
            "> 0",
            HOLDS if (areas > levels).all() else SHORT,
            f"levels {_listed(levels.max(0))} (worst seed)",
        ),
    ]
    for animal in range(n_animals):
        cell = table[0][animal]
        label = str(worms().recording["trial"].values[animal])
        more = f"; marked as reversal in the file {cell['marked']:.3f}" if "marked" in cell else ""
        words = f"interval {cell['low']:.3f} to {cell['high']:.3f}, 95 % level {cell['level']:.3f}, p {cell['p']:.4f}{more}"
        lines.append(Line(f"Worm {label}: reversals, seed 0", f"{cell['area']:.3f}", note=words))
    return lines


@functools.cache
def whole(seed: int, rank: int):
    """A fit to all animals."""
    return model(rank).fit(affinity(worms().recording, MEASURE), key=seed, **OPTIONS, restarts=3)


def measure_alignment(*, quick: bool) -> list[Line]:
    """Names align animals: the two neurons of a kind go together in every one."""
    del quick
    data = worms().recording
    values = data["activity"].transpose("trial", "time", "unit").values
    found, chance = [], []
    for left, right in homologues(data):
        for trial in values:
            both = np.isfinite(trial[:, [left, right]]).all(1)
            if both.sum() > 100:
                found.append(np.corrcoef(trial[both][:, left], trial[both][:, right])[0, 1])
    for trial in values:
        here = trial[:, np.isfinite(trial).all(0)]
        chance.append(np.corrcoef(here.T)[np.triu_indices(here.shape[1], 1)])
    reversal = [
        np.corrcoef(trial[:, left], trial[:, right])[0, 1]
        for left, right in homologues(data)
        if str(data["unit"].values[left]) == "AVAL"
        for trial in values
        if np.isfinite(trial[:, [left, right]]).all()
    ]
    observed = float(np.isfinite(values).any(1).mean())
    return [
        at_least(
            "Worms: least correlation of AVAL with AVAR over animals",
            min(reversal),
            0.9,
            note=_listed(reversal),
        ),
        Line(
            "Worms: median correlation of left with right neurons, and of all pairs",
            f"{np.median(found):.3f}, {np.median(np.concatenate(chance)):.3f}",
            note=f"{data.sizes['unit']} neurons named surely in 3 or more of {data.sizes['trial']} animals; "
            f"{observed:.0%} of neurons x animals observed",
        ),
    ]


def _listed(values) -> str:
    """Numbers with three digits."""
    return " ".join(f"{value:.3f}" for value in values)


def strength_shares(fit) -> tuple[np.ndarray, np.ndarray]:
    """Names of the neurons, and how each shares its strength among the components, ``(neuron, component)``."""
    pair = fit.parameters["pair"]
    ends = [pair[end].values.astype(str) for end in ("source", "target")]
    names = np.unique(np.concatenate(ends))
    strength = np.stack([pair.values[(ends[0] == name) | (ends[1] == name)].sum(0) for name in names])
    strength = strength / np.maximum(strength.sum(0), 1e-12)
    return names, strength / np.maximum(strength.sum(1, keepdims=True), 1e-12)


def measure_homologues(*, quick: bool) -> list[Line]:
    """Left and right neurons of a kind in one community, and the neurons that lead the reversal component."""
    data = worms().recording
    labels = data["unit"].values.astype(str)
    pairs = [(labels[left], labels[right]) for left, right in homologues(data)]
    lines = []
    for seed in range(1 if quick else SEEDS):
        fit = whole(seed, WHOLE_RANK)
        names, shares = strength_shares(fit)
        found = together(
            dict(zip(names.tolist(), shares.argmax(1).tolist(), strict=True)),
            pairs,
            key=seed,
            n_permutations=5000,
        )
        lines.append(
            Line(
                f"Worms: left and right neurons of a kind led by one component, seed {seed}",
                f"{found.value:.3f} of {found.size}",
                "p < 0.01",
                HOLDS if found.p_value < 0.01 else SHORT,
                f"by chance {found.expected:.3f}, 95 % level {found.upper:.3f}, p {found.p_value:.4f}",
            )
        )
    lines += _communities(pairs, quick)
    reversal = reversal_component(whole(0, WHOLE_RANK))
    pair = whole(0, WHOLE_RANK).parameters["pair"][:, reversal]
    strength = dict.fromkeys(labels.tolist(), 0.0)
    for end in ("source", "target"):
        for name, load in zip(pair[end].values.astype(str), pair.values, strict=True):
            strength[name] += float(load)
    leaders = sorted(strength, key=lambda name: -strength[name])[:8]
    among = sum(name[:3] in REVERSAL for name in leaders)
    lines.append(
        at_least(
            "Worms: reversal neurons among the eight strongest of the reversal component",
            among,
            6,
            note=" ".join(leaders),
        )
    )
    return lines


def _communities(pairs: list[tuple[str, str]], quick: bool) -> list[Line]:
    """Homologues in one community of the components' graphs, the level that description length prefers."""
    fit = whole(0, WHOLE_RANK)
    lines = []
    for component, graph in graphs(fit.parameters).items():
        if quick and component:
            break
        found = communities(graph, key=0)
        groups = found["group"].isel(level=0).to_series().to_dict()
        beside = together(groups, pairs, key=0, n_permutations=5000)
        lines.append(
            Line(
                f"Worms, component {component}: homologues in one community of its graph",
                f"{beside.value:.3f}",
                note=f"{len(set(groups.values()))} communities; by chance {beside.expected:.3f}, p {beside.p_value:.4f}",
            )
        )
    return lines
