"""States of affinities in sliding windows, by k-means."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.inference.random import key_words
from neurodyn.models.base import Fit, Model, Prediction, Trace
from neurodyn.models.baselines.common import cast, unit_kinds, whole_number
from neurodyn.recording import arrays


def window_means(
    values: np.ndarray, mask: np.ndarray, before: int, after: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the observed entries from `before` bins earlier to `after` bins later, and their number.

    Both ``(trial, time, unit)``. A negative `after` leaves out the last bins; a window with nothing observed is 0.
    """
    n_time = values.shape[1]
    bins = np.arange(n_time)
    stop = np.clip(bins + after + 1, 0, n_time)
    start = np.minimum(np.clip(bins - before, 0, n_time), stop)

    def summed(array: np.ndarray) -> np.ndarray:
        total = np.zeros((array.shape[0], n_time + 1, array.shape[2]))
        np.cumsum(array, axis=1, out=total[:, 1:])
        return total[:, stop] - total[:, start]

    count = np.round(summed(mask.astype(float)))
    return summed(np.where(mask, values, 0.0)) / np.maximum(count, 1), count


def last_seen(seen: np.ndarray, back: int) -> np.ndarray:
    """Last bin at least `back` bins earlier in which anything was seen, ``(trial, time)``; -1 where there is none."""
    n_time = seen.shape[1]
    last = np.maximum.accumulate(np.where(seen, np.arange(n_time), -1), axis=1)
    found = np.full_like(last, -1)
    back = min(back, n_time)
    found[:, back:] = last[:, : n_time - back]
    return found


def squared_distances(rows: np.ndarray, seen: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Mean squared difference of every row from every centre over the row's observed entries, ``(row, state)``."""
    seen = seen.astype(float)
    rows = np.where(seen > 0, rows, 0.0)
    square = np.square(rows).sum(1)[:, None] - 2 * rows @ centres.T + seen @ np.square(centres).T
    return np.maximum(square, 0.0) / np.maximum(seen.sum(1), 1)[:, None]


def k_means(
    rows: np.ndarray, seen: np.ndarray, n_states: int, generator: np.random.Generator, iterations: int = 100
) -> tuple[np.ndarray, float]:
    """Centres and mean squared distance of one run from rows drawn far apart."""
    overall = (rows * seen).sum(0) / np.maximum(seen.sum(0), 1)
    chosen = [int(generator.integers(len(rows)))]
    nearest = np.full(len(rows), np.inf)
    for _ in range(n_states):
        centre = np.where(seen[chosen[-1]], rows[chosen[-1]], overall)
        nearest = np.minimum(nearest, squared_distances(rows, seen, centre[None])[:, 0])
        chance = nearest / nearest.sum() if nearest.sum() > 0 else np.full(len(rows), 1 / len(rows))
        chosen.append(int(np.searchsorted(np.cumsum(chance), generator.random()).clip(0, len(rows) - 1)))
    centres = np.where(seen[chosen[:n_states]], rows[chosen[:n_states]], overall)
    label = np.full(len(rows), -1)
    distance = np.zeros((len(rows), n_states))
    for _ in range(iterations):
        distance = squared_distances(rows, seen, centres)
        new = distance.argmin(1)
        if (new == label).all():
            break
        label = new
        member = (label[:, None] == np.arange(n_states)).astype(float)
        count = member.T @ seen
        centres = np.where(count > 0, member.T @ (rows * seen) / np.maximum(count, 1), centres)
    return centres, float(distance.min(1).mean())


@dataclasses.dataclass(frozen=True, kw_only=True)
class WindowStates(Model):
    """k-means on means in sliding windows: at any time one of a few fixed patterns.

    The usual way to dynamic functional connectivity. A bin takes the pattern nearest to the mean of what is given in the
    window about it (of the past: in the window up to the last bin that is known); without anything there, the training mean.

    Parameters
    ----------
    n_states : int
        Patterns.
    window : int
        Bins, odd.

    Raises
    ------
    ModelError
        If a hyperparameter is out of range; by `fit`, if there are fewer windows than states.

    References
    ----------
    Allen, E. A., Damaraju, E., Plis, S. M., Erhardt, E. B., Eichele, T. & Calhoun, V. D. (2014). Tracking whole-brain
    connectivity dynamics in the resting state. Cerebral Cortex 24, 663-676. doi:10.1093/cercor/bhs352

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn import recording
    >>> from neurodyn.models import registry
    >>> on = np.repeat([0.0, 1.0, 0.0, 1.0], 30)[:, None]
    >>> pairs = recording.make(np.hstack([on, 1 - on]), sampling_interval=1.0)
    >>> fit = registry.create("window_states", n_states=2, window=5).fit(pairs, key=0)
    >>> fit.parameters["pattern"].round(1).values.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    name: ClassVar[str] = "window_states"
    kinds: ClassVar[frozenset[str]] = frozenset({"continuous"})
    citations: ClassVar[tuple[str, ...]] = ("allen2014",)
    fit_options: ClassVar[Mapping[str, Any]] = {"restarts": 5}
    n_states: int = 8
    window: int = 21

    def __post_init__(self) -> None:
        whole_number(self.name, "n_states", self.n_states, 1)
        whole_number(self.name, "window", self.window, 1)
        if self.window % 2 == 0:
            raise ModelError(f"{self.name}: window is {self.window}; it must be odd, to be about a bin.")

    @property
    def reach(self) -> int:
        """Bins of the past that one prediction needs: none."""
        return 0

    def _fit(self, recording: xr.Dataset, *, inputs: xr.Dataset | None, key: Any, options: dict[str, Any]):
        """Cluster windows that overlap by half."""
        del inputs
        values, mask = arrays(recording, np.float64)
        order = np.argsort(recording["unit"].values.astype(str), kind="stable")
        values, mask = values[..., order], mask[..., order]
        half = self.window // 2
        means, count = window_means(values, mask, half, half)
        places = np.zeros(mask.shape[:2], bool)
        for trial, row in enumerate(np.any(mask, axis=2)):
            places[trial, np.flatnonzero(row)[half :: half + 1]] = True
        rows, seen = means[places], count[places] > 0
        if len(rows) < self.n_states:
            raise ModelError(
                f"{self.name}: the recording has {len(rows)} windows of {self.window} bins, fewer than the {self.n_states} "
                "states; shorten the window or ask for fewer states."
            )
        generator = np.random.default_rng(key_words(key))
        runs = [k_means(rows, seen, self.n_states, generator) for _ in range(int(options["restarts"]))]
        centres, _ = min(runs, key=lambda run: run[1])
        total = mask.sum((0, 1))
        mean = values.sum((0, 1), where=mask) / np.maximum(total, 1)
        mean = np.where(total > 0, mean, mean[total > 0].mean() if (total > 0).any() else 0.0)
        centres = np.where(seen.any(0), centres, mean)
        centres = centres[np.argsort([-np.square(centre).sum() for centre in centres], kind="stable")]
        back = np.argsort(order)
        parameters = xr.Dataset(
            {"pattern": (("state", "unit"), centres[:, back]), "mean": ("unit", mean[back])},
            coords={"unit": recording["unit"].values, "kind": ("unit", unit_kinds(recording))},
        )
        trace = Trace(
            restarts=-np.array([run[1] for run in runs]), reason=f"best of {len(runs)} runs of k-means"
        )
        return WindowStatesFit(model=self, parameters=parameters, trace=trace)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class WindowStatesFit(Fit):
    """Fitted patterns; `parameters` has ``pattern (state, unit)`` and ``mean (unit)``."""

    model: Any

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """The pattern nearest to what the window shows."""
        del key
        values, mask = arrays(recording, np.float64)
        half = self.model.window // 2
        if mode == "all":
            means, count = window_means(values, mask, half, half)
        else:
            means, count = window_means(values, mask, self.model.window - 1, 0)
            last = last_seen(np.any(mask, axis=2), horizon if mode == "past" else 0)[..., None]
            known = np.clip(last, 0, None)
            means = np.take_along_axis(means, known, axis=1)
            count = np.where(last >= 0, np.take_along_axis(count, known, axis=1), 0)
        seen = count > 0
        patterns, mean = self.parameters["pattern"].values, self.parameters["mean"].values
        flat, shown = means.reshape(-1, mask.shape[2]), seen.reshape(-1, mask.shape[2])
        state = squared_distances(flat, shown, patterns).argmin(1)
        found = np.where(np.any(shown, axis=1)[:, None], patterns[state], mean).reshape(mask.shape)
        return Prediction(cast(recording, found))


WindowStates.fit_type = WindowStatesFit
