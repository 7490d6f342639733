"""Rat motor cortex: held-out units and forward bins of held-out trials, against regressions and averages."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.langevin_flow.models import ablations, default
from benchmarks.measure import HOLDS, SHORT, Line, at_least
from benchmarks.recordings import rat_motor
from neurodyn.errors import NotApplicable
from neurodyn.models import GLM, HMM, create
from neurodyn.recording import hide

SEEDS, SPLITS, EPOCHS, TABLE_EPOCHS = 3, 3, 30, 12
FORWARD = 10
LOWEST_RATE = 0.5
DRAWS = 2000
BASELINE = "smoothed_poisson_time"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What is trained on, fed, given and scored.

    Parameters
    ----------
    train, inputs, given : xr.Dataset
        As in a split.
    counts : np.ndarray
        Counts of the test trials, ``(trial, time, unit)``, NaN where not scored.
    units : np.ndarray
        Labels of the units scored.
    mode : str
        Of the prediction.
    """

    train: xr.Dataset
    inputs: xr.Dataset
    given: xr.Dataset
    counts: np.ndarray
    units: np.ndarray
    mode: str


def co_smoothing(recording: xr.Dataset, hidden: np.ndarray, test: np.ndarray) -> Task:
    """Units hidden in the test trials, predicted from the others."""
    train, tested = recording.isel(trial=~test), recording.isel(trial=test)

    def without(part: xr.Dataset) -> xr.Dataset:
        return hide(part, np.broadcast_to(hidden, part["activity"].shape))

    counts = np.where(hidden, tested["activity"].values, np.nan)
    return Task(
        train=train,
        inputs=without(train),
        given=without(tested),
        counts=counts,
        units=recording["unit"].values[hidden],
        mode="all",
    )


def forward(recording: xr.Dataset, test: np.ndarray) -> Task:
    """The last bins of the test trials, given the bins before."""
    train, tested = recording.isel(trial=~test), recording.isel(trial=test)
    late = np.arange(recording.sizes["time"]) >= recording.sizes["time"] - FORWARD

    def without(part: xr.Dataset) -> xr.Dataset:
        return hide(part, np.broadcast_to(late[:, None], part["activity"].shape))

    counts = np.where(late[:, None], tested["activity"].values, np.nan)
    return Task(
        train=train,
        inputs=without(train),
        given=without(tested),
        counts=counts,
        units=recording["unit"].values,
        mode="past",
    )


def page_split(recording: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The split of the first line: held-out units, then test trials, of one generator."""
    generator = np.random.default_rng(0)
    hidden, test = np.zeros(recording.sizes["unit"], bool), np.zeros(recording.sizes["trial"], bool)
    hidden[generator.permutation(30)[:8]] = True
    test[generator.permutation(1266)[:253]] = True
    return hidden, test


def stratified_split(recording: xr.Dataset, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Eight units, one of every eighth of the units ranked by their rate, and a fifth of the trials."""
    generator = np.random.default_rng([1, number])
    rate = recording["activity"].mean(("trial", "time")).values
    hidden, test = np.zeros(recording.sizes["unit"], bool), np.zeros(recording.sizes["trial"], bool)
    for stratum in np.array_split(np.argsort(rate), 8):
        hidden[generator.choice(stratum)] = True
    test[generator.permutation(recording.sizes["trial"])[:253]] = True
    return hidden, test


def rates(model: Any, task: Task, seed: int) -> np.ndarray:
    """Expected counts of the test trials."""
    fit = model.fit(task.train, inputs=task.inputs, key=seed)
    found = fit.predict(task.given, mode=task.mode, key=seed)["mean"]
    return np.maximum(found.values, 1e-9)


def log_likelihood(expected: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Poisson log-likelihood in bits without what no rate changes, ``(trial, unit)``."""
    return np.nansum(counts * np.log2(expected) - expected / np.log(2), axis=1)


def bits_per_spike(expected: np.ndarray, counts: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Pooled over units, the median unit's, and every unit's share of the spikes."""
    scored = np.isfinite(counts).any((0, 1))
    null = np.broadcast_to(np.nanmean(counts[..., scored], axis=(0, 1)), counts[..., scored].shape)
    gain = log_likelihood(expected[..., scored], counts[..., scored]) - log_likelihood(
        null, counts[..., scored]
    )
    spikes = np.nansum(counts[..., scored], axis=(0, 1))
    return float(gain.sum() / spikes.sum()), float(np.median(gain.sum(0) / spikes)), spikes / spikes.sum()


def paired(expected: np.ndarray, other: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Bits per spike gained over another model, and its standard error over resampled trials."""
    gain = (log_likelihood(expected, counts) - log_likelihood(other, counts)).sum(1)
    spikes = np.nansum(counts, axis=(1, 2))
    drawn = np.random.default_rng(0).integers(len(gain), size=(DRAWS, len(gain)))
    return float(gain.sum() / spikes.sum()), float((gain[drawn].sum(1) / spikes[drawn].sum(1)).std())


def measure_page_split(*, quick: bool) -> list[Line]:
    """The first line: pooled co-smoothing of the page's own split."""
    recording = rat_motor(0.02)
    task = co_smoothing(recording, *page_split(recording))
    found = [
        bits_per_spike(rates(default(EPOCHS, quick), task, s), task.counts)
        for s in range(1 if quick else SEEDS)
    ]
    shares = ", ".join(f"{unit} {share:.0%}" for unit, share in zip(task.units, found[0][2], strict=True))
    note = f"pooled {_listed([f[0] for f in found])}; median unit {_listed([f[1] for f in found])}; spikes {shares}"
    return [
        at_least(
            "Rat motor (i): co-smoothing bits/spike, worst seed", min(f[0] for f in found), 0.48, note=note
        )
    ]


def measure_stratified(*, quick: bool) -> list[Line]:
    """The second line: stratified units, against the regression that knows the time of the trial."""
    recording = rat_motor(0.02)
    rate = recording["activity"].mean(("trial", "time")).values / 0.02
    recording = recording.isel(unit=rate >= LOWEST_RATE)
    lines = []
    for number in range(1 if quick else SPLITS):
        task = co_smoothing(recording, *stratified_split(recording, number))
        lines += [_against(f"Rat motor (ii), split {number}", task, quick)]
    return lines


def measure_forward(*, quick: bool) -> list[Line]:
    """The third line: the last bins given those before."""
    recording = rat_motor(0.02)
    rate = recording["activity"].mean(("trial", "time")).values / 0.02
    recording = recording.isel(unit=rate >= LOWEST_RATE)
    return [_against("Rat motor, last 10 bins", forward(recording, page_split(rat_motor(0.02))[1]), quick)]


def _against(name: str, task: Task, quick: bool) -> Line:
    """Gain over the regression in standard errors, the worst seed's."""
    base = rates(create(BASELINE), task, 0)
    gains, scores = [], []
    for seed in range(1 if quick else SEEDS):
        expected = rates(default(EPOCHS, quick), task, seed)
        gains.append(paired(expected, base, task.counts))
        scores.append(bits_per_spike(expected, task.counts))
    worst = min(gain / error for gain, error in gains)
    pooled, median, _ = bits_per_spike(base, task.counts)
    listed = ", ".join(f"{gain:+.4f} ({error:.4f})" for gain, error in gains)
    note = f"gain (s.e.) {listed}; pooled {_listed([s[0] for s in scores])}, median unit "
    note += f"{_listed([s[1] for s in scores])}; regression with time {pooled:.3f}, median {median:.3f}"
    return Line(
        f"{name}: bits/spike over the regression with time, in s.e., worst seed",
        f"{worst:.1f}",
        "> 2",
        HOLDS if worst > 2 else SHORT,
        note,
    )


def measure_table(*, quick: bool) -> list[Line]:
    """Every ablation and baseline on the page's split, seed 0; reported, whoever wins."""
    recording = rat_motor(0.02)
    task = co_smoothing(recording, *page_split(recording))
    rows: dict[str, Any] = dict(ablations(TABLE_EPOCHS, TABLE_EPOCHS, quick))
    for name in (
        "smoothed_ridge",
        "smoothed_poisson",
        BASELINE,
        "trial_average",
        "factor_analysis",
        "poisson_lds",
    ):
        rows[name] = create(name)
    rows["HMM, 8 states"] = HMM(n_states=8, emission="poisson")
    rows["coupled GLM"] = GLM()
    reference = rates(rows.pop("default"), task, 0)
    pooled, median, _ = bits_per_spike(reference, task.counts)
    lines = [Line("Rat motor table, default: bits/spike", f"{pooled:.3f}", note=f"median unit {median:.3f}")]
    for name, model in rows.items():
        try:
            expected = rates(model, task, 0)
        except NotApplicable as error:
            lines.append(Line(f"Rat motor table, {name}", "not applicable", note=error.reason))
            continue
        pooled, median, _ = bits_per_spike(expected, task.counts)
        gain, error = paired(expected, reference, task.counts)
        note = f"median unit {median:.3f}; against the default {gain:+.4f} (s.e. {error:.4f})"
        lines.append(Line(f"Rat motor table, {name}: bits/spike", f"{pooled:.3f}", note=note))
    return lines


def _listed(values: list[float]) -> str:
    """Every seed's figure."""
    return ", ".join(f"{value:.3f}" for value in values)
