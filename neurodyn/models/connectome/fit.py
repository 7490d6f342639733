"""A fitted dynamic functional connectome."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.inference.factorise.courses import (
    Habits,
    Normal,
    expected,
    non_negative,
    normal_equations,
    strengths,
)
from neurodyn.inference.factorise.fitting import fit as factorise
from neurodyn.models.base import Fit, Prediction
from neurodyn.models.baselines.common import cast
from neurodyn.models.connectome.layout import ONE_ANIMAL, bins_of, lay, trial_labels
from neurodyn.models.verbs import HasAdapt, HasInfer
from neurodyn.recording import arrays

ADAPT_SWEEPS = 500


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class DynamicConnectomeFit(HasInfer, HasAdapt):
    """Fitted components; `parameters` has ``weight``, ``pair``, ``course``, under a shared clock ``animal``, and habits."""

    model: Any

    def _habits(self) -> Habits:
        """What is expected of the courses."""
        names = ("course_mean", "course_variance", "noise", "autocorrelation")
        mean, variance, noise, rho = (self.parameters[name].values for name in names)
        return Habits(mean, variance, float(noise), rho)

    def _loadings(self, recording: xr.Dataset) -> np.ndarray:
        """Scale of every component in every trial, ``(trial, component)``."""
        weight = self.parameters["weight"].values
        labels = trial_labels(recording)
        if self.model.clock == "own":
            return np.broadcast_to(weight, (len(labels), len(weight)))
        known = self.parameters["animal"]
        row = {
            label: values
            for label, values in zip(known["trial"].values.tolist(), known.values, strict=True)
            if np.isfinite(values).all()
        }
        unknown = [label for label in labels.tolist() if label not in row]
        if unknown and self.model.unknown == "raise" and known["trial"].values.tolist() != [ONE_ANIMAL]:
            raise ModelError(
                f"the animal {unknown[0]!r} is not known to this {self.model.name} fit; learn its loadings with "
                "fit.adapt(recording), or make the model with unknown='prior' to give it the mean of the others."
            )
        typical = np.mean(list(row.values()), axis=0)
        return weight * np.stack([row.get(label, typical) for label in labels.tolist()])

    def _known_courses(self, recording: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Courses of training at the recording's bins under a shared clock, and which bins have one."""
        course = self.parameters["course"]
        origin, interval = course.attrs["origin"], course.attrs["interval"]
        at = bins_of(recording["time"].values, origin, interval)
        inside = (at >= 0) & (at < len(course))
        taken = course.values[np.clip(at, 0, len(course) - 1)]
        seen = inside & np.isfinite(taken).all(-1)
        return np.where(seen[:, None], taken, 0.0), seen

    def _courses(self, recording: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Strengths ``(trial, time, component)`` from each bin's own entries, where there are any, and trials' loadings.

        Under a shared clock all trials have one course, on a first axis of length 1.
        """
        values, mask = arrays(recording, np.float64)
        # A pair that was never observed in training has no loadings of its own to read strengths from.
        mask = mask & self.parameters["pair_seen"].values
        values = np.where(mask, np.maximum(values, 0.0), 0.0)
        loadings, pair, habits = self._loadings(recording), self.parameters["pair"].values, self._habits()
        loss = self.model.loss
        if self.model.clock == "own":
            seen = np.any(mask, axis=2)
            found = np.zeros((*seen.shape, len(habits.mean)))
            found[seen] = strengths(values[seen], mask[seen], loadings[0] * pair, habits, loss=loss)
            return found, seen, loadings
        known, have = self._known_courses(recording)
        bins = ~have & mask.any((0, 2))
        if bins.any():
            wide = (loadings[:, None] * pair).reshape(-1, pair.shape[1])
            rows = [np.swapaxes(a[:, bins], 0, 1).reshape(int(bins.sum()), -1) for a in (values, mask)]
            known[bins] = strengths(rows[0], rows[1], wide, habits, loss=loss)
        return known[None], (have | bins)[None], loadings

    def _expected(self, recording: xr.Dataset, mode: str, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """Courses expected in every bin ``(trial, time, component)``, and loadings."""
        found, seen, loadings = self._courses(recording)
        habits = self._habits()
        if self.model.clock == "own":
            return expected(found, seen, habits, mode=mode, horizon=horizon), loadings
        # What training knew of a bin is known beforehand; the other bins only once they are given.
        _, have = self._known_courses(recording)
        found = expected(found, seen, habits, mode=mode, horizon=horizon, always=have[None])
        return np.broadcast_to(found, (len(loadings), *found.shape[1:])), loadings

    def _predict(self, recording: xr.Dataset, *, mode: str, horizon: int, key: Any) -> Prediction:
        """Courses times loadings times pairs."""
        del key
        courses, loadings = self._expected(recording, mode, horizon)
        mean = (courses * loadings[:, None]) @ self.parameters["pair"].values.T
        return Prediction(cast(recording, mean))

    def _infer(self, recording: xr.Dataset) -> xr.Dataset:
        """Course of every component, with the bins in which it was read from entries."""
        courses, _ = self._expected(recording, "all", 1)
        _, seen, _ = self._courses(recording)
        shared = self.model.clock == "shared"
        activity = recording["activity"]
        dims = tuple(dim for dim in activity.dims if dim != "unit" and not (shared and dim == "trial"))
        if shared or "trial" not in dims:
            courses, seen = courses[0], seen[0]
        coords = {name: c for name, c in activity.coords.items() if set(c.dims) <= set(dims)}
        coords["component"] = self.parameters["component"].values
        return xr.Dataset({"course": ((*dims, "component"), courses), "seen": (dims, seen)}, coords=coords)

    def _adapt(self, recording: xr.Dataset, *, key: Any, options: dict[str, Any]) -> Fit:
        """Loadings of animals from their observed entries, courses and pairs frozen; nothing under own clocks."""
        del key, options
        if self.model.clock == "own":
            return self
        laid = lay(recording)
        known, have = self._known_courses(recording)
        pair = self.parameters["pair"].values[laid.order]
        seen_pairs = self.parameters["pair_seen"].values[laid.order]
        rows: dict[str, np.ndarray] = {}
        for trial, label in enumerate(laid.trials.tolist()):
            mask = laid.mask[trial] & have[:, None] & seen_pairs
            if mask.any():
                rows[label] = self._one_animal(laid.values[trial], mask, known, pair)
        if not rows:
            raise ModelError(
                "none of the animals has an entry observed in a bin and a pair that training knew; under a shared clock "
                "loadings are learnt from such entries."
            )
        old = self.parameters["animal"]
        kept = {
            label: values
            for label, values in zip(old["trial"].values.tolist(), old.values, strict=True)
            if label not in rows
        }
        merged = {**kept, **rows}
        others = self.parameters.drop_dims("trial")
        parameters = others.assign_coords(trial=np.array(list(merged))).assign(
            animal=(("trial", "component"), np.stack(list(merged.values())))
        )
        parameters["course"].attrs = dict(self.parameters["course"].attrs)
        return dataclasses.replace(self, parameters=parameters)

    def _one_animal(
        self, values: np.ndarray, mask: np.ndarray, course: np.ndarray, pair: np.ndarray
    ) -> np.ndarray:
        """Non-negative loadings of one animal, ``(component,)``, in units of the model's weights."""
        weight = self.parameters["weight"].values
        bins = mask.any(1)
        scaled = course[bins] * weight
        if self.model.loss == "squares":
            total, target = np.zeros((len(weight), len(weight))), np.zeros(len(weight))
            for row, seen, here in zip(values[bins], mask[bins], scaled, strict=True):
                normal = normal_equations(row[None], seen[None].astype(float), pair * here)
                total, target = total + normal.matrix[0], target + normal.target[0]
            total = total + 1e-9 * np.trace(total) / len(total) * np.eye(len(total))
            return non_negative(Normal(total[None], target[None]))[0]
        found = factorise(
            values[bins][:, None],
            len(weight),
            mask=mask[bins][:, None],
            loss=self.model.loss,
            key=0,
            fixed={0: scaled, 2: pair},
            max_sweeps=ADAPT_SWEEPS,
            tolerance=1e-8,
        )[0]
        return (found.weights * found.factors[1])[0]
