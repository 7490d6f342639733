"""Resting brains: whether maps of components are symmetric, of which they know nothing, and alike in a subject left out."""

import numpy as np
import xarray as xr

from benchmarks.dynamic_connectome.data import hcp
from benchmarks.measure import HOLDS, SHORT, Line
from neurodyn.analysis import together
from neurodyn.inference.factorise.comparison import congruence
from neurodyn.models.connectome import ConcurrentChange, DynamicConnectome, affinity
from neurodyn.validation import holdout

RANK, WINDOW = 6, 9
MEASURE = ConcurrentChange(window=WINDOW)
OPTIONS = {"restarts": 2, "max_sweeps": 200, "tolerance": 1e-5}
PERMUTATIONS = 2000


def strengths(parameters: xr.Dataset, names: np.ndarray) -> np.ndarray:
    """Summed loadings of every region's pairs, ``(region, component)``."""
    pair = parameters["pair"]
    ends = [pair[end].values.astype(str) for end in ("source", "target")]
    return np.stack([pair.values[(ends[0] == name) | (ends[1] == name)].sum(0) for name in names])


def measure(*, quick: bool) -> list[Line]:
    """Symmetry of every component, homologues in one component, and components of other subjects."""
    data = hcp()
    data = data.isel(time=slice(0, 400)) if quick else data
    names = data["unit"].values.astype(str)
    model = DynamicConnectome(rank=RANK, clock="own")
    fit = model.fit(affinity(data, MEASURE), key=0, **OPTIONS)
    found = strengths(fit.parameters, names)
    left, right = found[0::2], found[1::2]
    rng = np.random.default_rng(0)
    values, levels, p_values = [], [], []
    for component in range(RANK):
        value = np.corrcoef(left[:, component], right[:, component])[0, 1]
        null = [
            np.corrcoef(left[:, component], right[rng.permutation(len(right)), component])[0, 1]
            for _ in range(PERMUTATIONS)
        ]
        values.append(float(value))
        levels.append(float(np.quantile(null, 0.95)))
        p_values.append((1 + sum(one >= value for one in null)) / (1 + PERMUTATIONS))
    shares = found / np.maximum(found.sum(0), 1e-12)
    leading = dict(zip(names.tolist(), shares.argmax(1).tolist(), strict=True))
    beside = together(leading, zip(names[0::2], names[1::2], strict=True), key=0, n_permutations=PERMUTATIONS)
    lines = [
        Line(
            "Resting brains: strengths of left with right regions, least correlation of a component",
            f"{min(values):.3f}",
            "p < 0.01, each",
            HOLDS if max(p_values) < 0.01 else SHORT,
            f"{' '.join(f'{value:.3f}' for value in values)}; 95 % of exchanged regions below {max(levels):.3f}",
        ),
        Line(
            "Resting brains: left and right regions led by one component",
            f"{beside.value:.3f} of {beside.size}",
            "p < 0.01",
            HOLDS if beside.p_value < 0.01 else SHORT,
            f"by chance {beside.expected:.3f}, p {beside.p_value:.4f}; restarts agree {fit.trace.agreement:.2f}",
        ),
    ]
    for component in range(RANK):
        regions = names[np.argsort(-shares[:, component])][:6]
        lines.append(Line(f"Resting brains, component {component}: largest shares", " ".join(regions)))
    alike = []
    for subject in range(1 if quick else data.sizes["trial"]):
        others = [trial for trial in range(data.sizes["trial"]) if trial != subject]
        one = model.fit(affinity(data.isel(trial=[subject]), MEASURE), key=1, **OPTIONS)
        rest = model.fit(affinity(data.isel(trial=others), MEASURE), key=2, **OPTIONS)
        alike.append(congruence((one.parameters["pair"].values,), (rest.parameters["pair"].values,)).mean)
    said = " ".join(f"{value:.3f}" for value in alike)
    lines.append(
        Line(
            "Resting brains: pairs of one subject's components against the others'",
            f"{np.mean(alike):.3f}",
            note=said,
        )
    )
    lines += _held_out(data, model, quick)
    return lines


def _held_out(data: xr.Dataset, model: DynamicConnectome, quick: bool) -> list[Line]:
    """Explained deviance on subjects held out in turn, from half of their regions."""
    protocol = holdout.of_pairs(holdout.animals(key=0), MEASURE)
    found = []
    for fold, split in enumerate(protocol.splits(data)[: 1 if quick else None]):
        fit = model.fit(split.train, key=fold, **{**OPTIONS, "restarts": 1})
        target, train = split.target["activity"].values, split.train["activity"].values
        predicted = fit.predict(split.given)["mean"].values
        seen = np.isfinite(target)
        mean = np.broadcast_to(np.nanmean(train, axis=(0, 1)), target.shape)
        errors = [float(np.square(target - other)[seen].sum()) for other in (predicted, mean)]
        found.append(1 - errors[0] / errors[1])
    name = "Resting brains, held-out subjects: explained deviance over every pair's training mean"
    return [
        Line(
            name,
            f"{np.mean(found):+.4f}",
            "> 0, each",
            HOLDS if min(found) > 0 else SHORT,
            " ".join(f"{value:+.4f}" for value in found),
        )
    ]
