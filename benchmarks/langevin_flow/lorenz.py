"""Lorenz populations: rates of trials and conditions that were held out, against the true ones."""

import functools
from typing import Any

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from benchmarks.langevin_flow.models import ablations, default, published
from benchmarks.measure import Line, at_least
from neurodyn.models import create
from neurodyn.simulate.lorenz import lorenz_population
from neurodyn.validation import holdout

SEEDS = 3
EPOCHS, PUBLISHED_EPOCHS = 60, 30
WIDTHS = (2.0, 3.0, 4.0, 6.0)
CONDITIONS = functools.partial(holdout.groups, "condition", 5, validation=6)
TRIALS = functools.partial(holdout.trials, 5, within="condition", validation=2)


def r_squared(rates: np.ndarray, true: np.ndarray) -> float:
    """Coefficient of determination of expected counts, pooled over entries."""
    return float(1 - np.square(rates - true).sum() / np.square(true - true.mean()).sum())


def parts(rate: float, seed: int, protocol: Any) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Training, validation and test trials of a population."""
    recording = lorenz_population(key=seed, mean_rate=rate)
    split = protocol(key=seed)(recording)
    found = []
    for one in (split.train, split.validation, split.target):
        shown = one["activity"].notnull().any(("time", "unit")).values
        found.append(recording.isel(trial=shown))
    return found[0], found[1], found[2]


def score(model: Any, train: xr.Dataset, test: xr.Dataset, seed: int, **options: Any) -> float:
    """Fit on training trials, rates of test trials given all their counts."""
    seen = train.drop_vars(["rates", "latent", "loadings"])
    given = test.drop_vars(["rates", "latent", "loadings"])
    fit = model.fit(seen, key=seed, **options)
    return r_squared(fit.predict(given, mode="all", key=seed)["mean"].values, test["rates"].values)


def factor_analysis(train: xr.Dataset, test: xr.Dataset, seed: int) -> float:
    """Factor analysis of smoothed counts, given the width that suits the true rates of the test trials best."""

    def smooth(recording: xr.Dataset, width: float) -> xr.Dataset:
        values = gaussian_filter1d(recording["activity"].values.astype(np.float64), width, axis=1)
        plain = recording.drop_vars(["rates", "latent", "loadings"])
        changed = plain.assign(activity=plain["activity"].copy(data=values))
        return changed.assign_coords(kind=("unit", ["continuous"] * changed.sizes["unit"]))

    found = []
    for width in WIDTHS:
        fit = create("factor_analysis").fit(smooth(train, width), key=seed)
        rates = np.maximum(fit.predict(smooth(test, width), mode="all")["mean"].values, 0)
        found.append(r_squared(rates, test["rates"].values))
    return max(found)


def condition_average(train: xr.Dataset, test: xr.Dataset) -> float:
    """The training trials of the same condition, averaged and smoothed with the best width on the test trials' rates."""
    mean = train["activity"].groupby("condition").mean("trial")
    chosen = mean.sel(condition=test["condition"].values).values
    true = test["rates"].values
    return max(
        r_squared(gaussian_filter1d(chosen, width, axis=1), true) for width in (0.5, 1.0, 1.5, 2.0, 3.0)
    )


def _listed(values: list[float]) -> str:
    """Every seed's figure."""
    return ", ".join(f"{value:.3f}" for value in values)


def measure_rate(rate: float, bar: float, *, quick: bool) -> list[Line]:
    """Unseen conditions: the default model against the bar and against factor analysis."""
    found, factors = [], []
    for seed in range(1 if quick else SEEDS):
        train, _, test = parts(rate, seed, CONDITIONS)
        found.append(score(default(EPOCHS, quick), train, test, seed))
        factors.append(factor_analysis(train, test, seed))
    gains = [one - other for one, other in zip(found, factors, strict=True)]
    name = f"Lorenz {rate:g} Hz, unseen conditions"
    return [
        at_least(f"{name}: R2, default, worst seed", min(found), bar, note=f"seeds {_listed(found)}"),
        at_least(
            f"{name}: R2 above factor analysis, worst seed",
            min(gains),
            0.08,
            note=f"factor analysis of smoothed counts {_listed(factors)}",
        ),
    ]


def measure_trials(*, quick: bool) -> list[Line]:
    """Unseen trials of known conditions at 10 Hz: the default, the published model, the condition's average."""
    found, theirs, averages = [], [], []
    for seed in range(1 if quick else SEEDS):
        train, _, test = parts(10.0, seed, TRIALS)
        found.append(score(default(EPOCHS, quick), train, test, seed))
        theirs.append(score(published(PUBLISHED_EPOCHS, quick), train, test, seed))
        averages.append(condition_average(train, test))
    gains = [one - other for one, other in zip(found, averages, strict=True)]
    name = "Lorenz 10 Hz, unseen trials"
    return [
        at_least(
            f"{name}: R2 above the condition's average, worst seed",
            min(gains),
            0.03,
            note=f"default {_listed(found)}; average {_listed(averages)}",
        ),
        at_least(f"{name}: R2, as published, worst seed", min(theirs), 0.93, note=f"seeds {_listed(theirs)}"),
    ]


def measure_others(*, quick: bool) -> list[Line]:
    """Ablations and other models on unseen conditions at 10 Hz, seed 0; reported, whoever wins."""
    train, _, test = parts(10.0, 0, CONDITIONS)
    lines = []
    rows: dict[str, Any] = dict(ablations(EPOCHS, PUBLISHED_EPOCHS, quick))
    rows["Poisson linear dynamical system"] = create("poisson_lds")
    for name, model in rows.items():
        found = score(model, train, test, 0)
        lines.append(Line(f"Lorenz 10 Hz, unseen conditions, {name}: R2", f"{found:.3f}", note="seed 0"))
    return lines
