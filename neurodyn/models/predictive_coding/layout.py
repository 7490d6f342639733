"""From a recording to the arrays that a network is told."""

import dataclasses
from typing import Any

import jax
import numpy as np
import xarray as xr

from neurodyn.errors import RecordingError
from neurodyn.inference.predictive_coding.tasks import Behaviour
from neurodyn.models.baselines.behaviour import refuse_known_after
from neurodyn.models.predictive_coding.plans import AnyInput, of_categories
from neurodyn.models.predictive_coding.responses import Response
from neurodyn.recording import arrays, covariate_arrays

TIME_STEP = "time_step"
PEOPLE, TRIALS = 4, 64  # sizes become multiples of these, so that similar recordings share what was compiled


@dataclasses.dataclass(frozen=True)
class Told:
    """A recording as arrays.

    Parameters
    ----------
    behaviour : Behaviour
        Participants first.
    labels : list of str
        The participants.
    units : ndarray of int, (leaf,)
        Unit that holds each input, -1 where it is a covariate.
    ahead : bool
        Whether later inputs are known ahead of time (exogenous covariates all of them).
    """

    behaviour: Behaviour
    labels: list[str]
    units: np.ndarray
    ahead: bool


def units_of(inputs: list[AnyInput], recording: xr.Dataset, responds: bool, name: str) -> np.ndarray:
    """Unit of each input, -1 for covariates."""
    labels = recording["unit"].values.astype(str).tolist()
    return places_of(inputs, labels, responds, name)


def places_of(inputs: list[AnyInput], labels: list[str], responds: bool, name: str) -> np.ndarray:
    """Of each input the place of its unit among the labels, -1 for covariates."""
    own = [node for node in inputs if node.source is None]
    shared = of_categories(inputs)
    if shared and not responds and (len(shared) < len(own) or len(labels) != 1):
        raise RecordingError(
            f"{name} reads categories from the activity, which must then be one categorical unit and nothing else, but it "
            f"has {len(labels)} units and {len(own)} inputs without a source; give the others a covariate as source."
        )
    if responds and own:
        raise RecordingError(
            f"{name}: the activity holds responses, so the input {own[0].name!r} needs a covariate as its source; name "
            "one with Input(source=...)."
        )
    if responds and len(labels) != 1:
        raise RecordingError(
            f"{name} explains one response, but the recording has {len(labels)} units; select one with "
            "recording.sel(unit=[...])."
        )
    if shared and not responds:
        return np.array([-1 if node.source is not None else 0 for node in inputs], int)
    if not responds and len(own) != len(labels):
        raise RecordingError(
            f"{name} has {len(own)} inputs without a covariate as source for the {len(labels)} units of the recording; "
            "give every unit an input of its own, or select units."
        )
    found, free = [], list(range(len(labels)))
    for node in own:
        if node.name in labels:
            free.remove(labels.index(node.name))
    for node in inputs:
        if node.source is not None:
            found.append(-1)
        elif node.name in labels:
            found.append(labels.index(node.name))
        else:
            found.append(free.pop(0))
    return np.array(found, int)


def told_of(inputs: list[AnyInput], recording: xr.Dataset, response: Response | None, name: str) -> Told:
    """Inputs, responses, elapsed times and regressors of every participant."""
    responds = response is not None
    values, mask = arrays(recording)
    units = units_of(inputs, recording, responds, name)
    sources = [node.source for node in inputs if node.source is not None]
    given = covariate_arrays(recording, sources)
    n_people, n_time = values.shape[:2]
    dtype = jax.dtypes.canonicalize_dtype(values.dtype)
    columns, seen, covariate = [], [], 0
    for node, unit in zip(inputs, units, strict=True):
        if unit >= 0:
            column, known = values[..., unit], mask[..., unit]
        else:
            column, known = given.values[..., covariate], given.mask[..., covariate]
            covariate += 1
        known = np.broadcast_to(known, (n_people, n_time))
        column = np.where(known, np.broadcast_to(column, (n_people, n_time)), 0)
        if node.category is not None:
            column = np.where(known, column == node.category, 0)
        if node.kind == "binary" and (strange := (column != 0) & (column != 1)).any():
            where = np.argwhere(strange)[0]
            raise RecordingError(
                f"{name}: the binary input {node.name!r} is {column[tuple(where)]:g} at participant {int(where[0])}, trial "
                f"{int(where[1])}; binary inputs are 0 or 1 (NaN where nothing was seen)."
            )
        columns.append(column)
        seen.append(known)
    steps = np.ones((n_people, n_time), dtype)
    if "covariates" in recording and TIME_STEP in recording["covariate"].values:
        elapsed = covariate_arrays(recording, [TIME_STEP])
        steps = np.broadcast_to(np.where(elapsed.mask, elapsed.values, 1.0)[..., 0], steps.shape)
        if (steps <= 0).any():
            where = np.argwhere(steps <= 0)[0]
            raise RecordingError(
                f"{name}: {TIME_STEP} is {steps[tuple(where)]:g} at participant {int(where[0])}, trial {int(where[1])}; the "
                "time between trials is above 0."
            )
    shape = (n_people, n_time)
    answered, answer = np.zeros(shape, bool), np.zeros(shape, dtype)
    before, regressors = np.full(shape, -1, dtype), np.zeros((*shape, 0), dtype)
    if responds or of_categories(inputs):
        answered = mask[..., 0]
        answer = np.where(answered, values[..., 0], 0)
        before[:, 1:] = np.where(answered, answer, -1)[:, :-1]
    if response is not None and response.regressors:
        told = covariate_arrays(recording, list(response.regressors))
        refuse_known_after(recording, name, response.regressors, "response")
        regressors = np.where(told.mask, told.values, 0)
        regressors = np.broadcast_to(regressors, (*shape, regressors.shape[-1]))
    ahead = bool(sources) and bool((units < 0).all())
    if ahead:
        roles = recording["role"].sel(covariate=sources).values.astype(str)
        ahead = bool((roles == "exogenous").all())
    if "trial" in recording["activity"].dims:
        source = "participant" if "participant" in recording.coords else "trial"
        labels = [str(label) for label in recording[source].values]
    else:
        labels = [str(recording.attrs.get("subject", "")) or "0"]
    leaves: tuple[Any, ...] = (
        np.stack(columns, axis=2).astype(dtype, copy=False),
        np.stack(seen, axis=2),
        steps.astype(dtype, copy=False),
        answer.astype(dtype, copy=False),
        answered,
        before,
        regressors.astype(dtype, copy=False),
    )
    behaviour = Behaviour(*leaves)
    return Told(behaviour, labels, units, ahead)


def padded(behaviour: Behaviour) -> Behaviour:
    """Behaviour with unobserved trials and participants added; elapsed times there are 1."""
    n_people, n_time = behaviour.response.shape
    extra = -n_people % PEOPLE if n_people > 1 else 0, -n_time % TRIALS
    if extra == (0, 0):
        return behaviour

    def wider(leaf: Any, fill: float) -> Any:
        wide = np.full((n_people + extra[0], n_time + extra[1], *leaf.shape[2:]), fill, leaf.dtype)
        wide[:n_people, :n_time] = leaf
        return wide

    return Behaviour(
        *(wider(leaf, 1 if name == "time_step" else 0) for name, leaf in behaviour._asdict().items())
    )
