"""What components explain of affinities that were held out, beside what simpler models do; on worms and on shifted worms."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr

from benchmarks.dynamic_connectome.data import worms
from benchmarks.dynamic_connectome.worms import (
    MEASURE,
    OPTIONS,
    STRETCH,
    WHOLE_RANK,
    chosen_rank,
    measure_reversals,
    model,
)
from benchmarks.measure import HOLDS, SHORT, Line
from neurodyn.models import HMM, Pipeline, Standardise, create
from neurodyn.validation import holdout, uncertainty
from neurodyn.validation.nulls import circular_shift

CONNECTOME, AMPLITUDE, STATIC = "connectome", "amplitudes", "static mean"
N_STATES = 8
Predict = Callable[[holdout.OfPairs, xr.Dataset, int, "holdout.Protocol"], np.ndarray]


class Scores(NamedTuple):
    """Squared errors of one protocol.

    Attributes
    ----------
    errors : dict of str to numpy.ndarray
        By model, summed over the entries of every stretch, ``(stretch,)``.
    null : numpy.ndarray
        Those of every pair's training mean.
    fold : numpy.ndarray of int
        Fold of every stretch.
    """

    errors: dict[str, np.ndarray]
    null: np.ndarray
    fold: np.ndarray

    def explained(self, name: str, weights: np.ndarray | None = None) -> np.ndarray:
        """Explained deviance; of every row of weights where there are any."""
        weights = np.ones((1, len(self.null))) if weights is None else weights
        return 1 - weights @ self.errors[name] / (weights @ self.null)

    def gain(self, name: str, other: str, seed: int = 0) -> tuple[float, float, float, float]:
        """Difference, its standard error and 95 % interval, from resampled stretches."""
        weights = uncertainty.resamples(len(self.null), 2000, seed)
        drawn = self.explained(name, weights) - self.explained(other, weights)
        low, high = np.quantile(drawn, [0.025, 0.975])
        return (
            float(self.explained(name)[0] - self.explained(other)[0]),
            float(drawn.std()),
            float(low),
            float(high),
        )


def of_pairs_model(make: Callable[[int], object], options: dict | None = None) -> Callable:
    """Predictions of a model of pairs, made anew for every fold."""

    def predict(protocol: holdout.OfPairs, data: xr.Dataset, fold: int, split) -> np.ndarray:
        made = make(fold)
        fit = made.fit(split.train, key=fold, **(options or {}))
        return fit.predict(split.given, mode=split.mode, horizon=split.horizon)["mean"].values

    return predict


def states_of_traces(protocol: holdout.OfPairs, data: xr.Dataset, fold: int, split) -> np.ndarray:
    """A hidden Markov model of the traces, and the mean affinities of its states."""
    behind = protocol.of_traces(data, fold)
    chain = Pipeline(
        Standardise(by="trial", unknown="prior"), HMM(n_states=N_STATES, emission="gaussian_diagonal")
    )
    fit = chain.fit(behind.train, key=fold, restarts=2, max_iterations=100)
    trained = fit.infer(behind.train)["state_probability"].transpose("trial", "time", "state").values
    shown = fit if behind.adapt is None else fit.adapt(behind.adapt)
    given = shown.infer(behind.given)["state_probability"].transpose("trial", "time", "state").values
    values = split.train["activity"].values
    seen = np.isfinite(values)
    filled = np.where(seen, values, 0.0)
    above = np.einsum("atk,atp->kp", trained, filled)
    below = np.einsum("atk,atp->kp", trained, seen.astype(float))
    mean = filled.sum((0, 1)) / np.maximum(seen.sum((0, 1)), 1)
    patterns = (above + mean) / (below + 1)
    return given @ patterns


def score(
    protocol: holdout.OfPairs, data: xr.Dataset, models: dict[str, Callable], folds: int | None = None
) -> Scores:
    """Every model on every fold."""
    errors: dict[str, list[float]] = {name: [] for name in models}
    null, number = [], []
    for fold, split in enumerate(protocol.splits(data)[:folds]):
        target = split.target["activity"].values
        train = split.train["activity"].values
        seen = np.isfinite(train)
        count = seen.sum((0, 1))
        mean = np.where(seen, train, 0).sum((0, 1), dtype=float) / np.maximum(count, 1)
        mean = np.where(count > 0, mean, mean[count > 0].mean())
        scored = np.isfinite(target)
        cells = [
            (trial, start)
            for trial in range(len(target))
            for start in range(0, target.shape[1], STRETCH)
            if scored[trial, start : start + STRETCH].any()
        ]

        def summed(prediction: np.ndarray) -> list[float]:
            square = np.where(scored, np.square(target - prediction), 0.0)  # noqa: B023
            return [float(square[trial, start : start + STRETCH].sum()) for trial, start in cells]  # noqa: B023

        for name, predict in models.items():
            errors[name] += summed(predict(protocol, data, fold, split))
        null += summed(np.broadcast_to(mean, target.shape))
        number += [fold] * len(cells)
    found = {name: np.array(values) for name, values in errors.items()}
    return Scores({**found, STATIC: np.array(null)}, np.array(null), np.array(number))


def contestants(rank_of: Callable[[int], int], *, states: bool, quick: bool = False) -> dict[str, Callable]:
    """The models compared; in the reduced version those that take a fit of their own stay out."""
    found = {
        CONNECTOME: of_pairs_model(lambda fold: model(rank_of(fold)), {**OPTIONS, "restarts": 2}),
        "connectome, rank 8": of_pairs_model(lambda fold: model(8), {**OPTIONS, "restarts": 2}),
        AMPLITUDE: of_pairs_model(lambda fold: create("pair_amplitude")),
        "rank one": of_pairs_model(lambda fold: model(1), {**OPTIONS, "restarts": 1}),
        "principal components, as many": of_pairs_model(
            lambda fold: create("factor_analysis", rank=rank_of(fold), noise="ppca", max_iterations=30)
        ),
        "k-means of windows": of_pairs_model(
            lambda fold: create("window_states", n_states=N_STATES, window=11)
        ),
    }
    if quick:
        return {name: found[name] for name in (CONNECTOME, AMPLITUDE, "principal components, as many")}
    if states:
        found[f"hidden Markov model of the traces, {N_STATES} states"] = states_of_traces
    return found


def _lines(name: str, found: Scores, bar: bool) -> list[Line]:
    """Gain over the static mean, and every model's score."""
    value, error, low, high = found.gain(CONNECTOME, STATIC)
    folds = " ".join(
        f"{1 - found.errors[CONNECTOME][found.fold == f].sum() / found.null[found.fold == f].sum():.3f}"
        for f in np.unique(found.fold)
    )
    words = f"s.e. {error:.4f}, interval {low:.4f} to {high:.4f}; by fold {folds}"
    first = Line(
        f"{name}: explained deviance of the connectome over every pair's training mean",
        f"{value:+.4f}",
        "> 0" if bar else "",
        (HOLDS if low > 0 else SHORT) if bar else "reported",
        words,
    )
    rest = []
    for other in found.errors:
        if other in (CONNECTOME, STATIC):
            continue
        value, error, low, high = found.gain(CONNECTOME, other)
        note = f"connectome better by {value:+.4f} (s.e. {error:.4f}, {low:.4f} to {high:.4f})"
        rest.append(Line(f"{name}, {other}", f"{found.explained(other)[0]:+.4f}", note=note))
    return [first, *rest]


def measure(*, quick: bool) -> list[Line]:
    """Animals held out in turn: their reversals, and from the pairs within half of the units those within the other half.

    Together, because both need the rank chosen without the animal.
    """
    return [*measure_reversals(quick=quick), *measure_animals(quick=quick)]


def measure_animals(*, quick: bool) -> list[Line]:
    """From the pairs within half of the units to those within the other half."""
    data = worms().recording
    models = contestants(lambda fold: chosen_rank(fold, quick), states=True, quick=quick)
    found = score(holdout.of_pairs(holdout.animals(key=0), MEASURE), data, models, 1 if quick else None)
    return _lines("Worms, held-out animals", found, bar=True)


def measure_parts(*, quick: bool) -> list[Line]:
    """Units in stretches of time, and stretches of time from their own past."""
    data = worms().recording
    rank = WHOLE_RANK
    lines = []
    protocols = {
        "Worms, held-out units in stretches": (holdout.entries(0.2, length=STRETCH, key=1), True),
        "Worms, held-out stretches, five frames ahead": (holdout.blocks(4), False),
    }
    for name, (protocol, states) in protocols.items():
        models = contestants(lambda fold: rank, states=states, quick=quick)
        if not states:
            models["persistence"] = of_pairs_model(lambda fold: create("persistence"))
        found = score(holdout.of_pairs(protocol, MEASURE), data, models, 1 if quick else None)
        lines += _lines(name, found, bar=False)
    return lines


def shifted(data: xr.Dataset, seed: int) -> xr.Dataset:
    """Every trace of every animal shifted circularly by its own number of frames."""
    activity = data["activity"].transpose("trial", "time", "unit")
    values = activity.values.copy()
    for trial in range(len(values)):
        found = np.flatnonzero(np.isfinite(values[trial]).any(0))
        moved = circular_shift(data.isel(trial=[trial], unit=found), key=seed + trial)["activity"]
        values[trial][:, found] = moved.transpose("trial", "time", "unit").values[0]
    return data.assign(activity=activity.copy(data=values).transpose(*data["activity"].dims))


def measure_nulls(*, quick: bool) -> list[Line]:
    """On traces shifted against each other nothing may be gained over amplitudes."""
    data = worms().recording
    lines = []
    for seed in range(1 if quick else 2):
        null = shifted(data, 100 * (seed + 1))
        for name, protocol, folds in (
            ("animals", holdout.animals(key=0), 1 if quick else None),
            ("units in stretches", holdout.entries(0.2, length=STRETCH, key=1), 1 if quick else None),
        ):
            models = contestants(lambda fold: WHOLE_RANK, states=False)
            models = {key: models[key] for key in (CONNECTOME, AMPLITUDE)}
            found = score(holdout.of_pairs(protocol, MEASURE), null, models, folds)
            value, error, low, high = found.gain(CONNECTOME, AMPLITUDE)
            lines.append(
                Line(
                    f"Shifted worms, held-out {name}, seed {seed}: gain of rank {WHOLE_RANK} over amplitudes",
                    f"{value:+.4f}",
                    "none",
                    HOLDS if low <= 0 else SHORT,
                    f"s.e. {error:.4f}, interval {low:.4f} to {high:.4f}; connectome "
                    f"{found.explained(CONNECTOME)[0]:+.4f}, amplitudes {found.explained(AMPLITUDE)[0]:+.4f}",
                )
            )
    return lines
