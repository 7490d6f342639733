"""What the activity of a population says of a unit: from both sides in time, up to now, or up to some bins ago.

Each is a view with weights of its own. What is missing counts as the regressor's mean.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from neurodyn.inference.population.regression import Rows
from neurodyn.inference.population.smoothing import smoothed
from neurodyn.inference.ridge import shifted

BOTH, PRESENT, NOTHING = "both", "present", "nothing"


class Inputs(NamedTuple):
    """Regressors of a recording.

    Attributes
    ----------
    values : numpy.ndarray
        Activity that may be fed, ``(trial, time, regressor)``.
    shown : numpy.ndarray of bool
        Which of it is known.
    mean : numpy.ndarray
        What stands for the rest, ``(regressor,)``.
    regressor : numpy.ndarray of int
        Which regressor is a unit's own activity, ``(unit,)``; -1: none.
    time : numpy.ndarray
        Functions of time, ``(time, function)``.
    """

    values: Float[np.ndarray, "trial time regressor"]
    shown: Bool[np.ndarray, "trial time regressor"]
    mean: Float[np.ndarray, " regressor"]
    regressor: Int[np.ndarray, " unit"]
    time: Float[np.ndarray, "time function"]


class Targets(NamedTuple):
    """What is explained, and which of it was observed; both ``(trial, time, unit)``."""

    values: Float[np.ndarray, "trial time unit"]
    observed: Bool[np.ndarray, "trial time unit"]


class Table(NamedTuple):
    """Rows of one view with regressors of mean square 1, and what they were divided by."""

    rows: Rows
    scale: Float[np.ndarray, " feature"]
    own_scale: Float[np.ndarray, " unit"]

    def factors(self) -> Float[np.ndarray, "feature unit"]:
        """What every unit's regressors were divided by."""
        factors = np.repeat(self.scale[:, None], len(self.own_scale), axis=1)
        has_own = np.flatnonzero(self.rows.replaced >= 0)
        factors[self.rows.replaced[has_own], has_own] = self.own_scale[has_own]
        return factors


def past(ahead: int) -> str:
    """Name of the view of the activity up to so many bins ago."""
    return f"past {ahead}"


def ahead_of(view: str) -> int:
    """Bins between a row and the latest activity of a view of the past; 0 for other views."""
    return int(view.removeprefix("past ")) if view.startswith("past ") else 0


def by_width(width: Float[np.ndarray, " unit"]) -> Iterator[tuple[float, Int[np.ndarray, " some"]]]:
    """Every width with the units that have it."""
    for one in np.unique(width):
        yield float(one), np.flatnonzero(width == one)


def activity(
    inputs: Inputs, width: float, view: str
) -> tuple[Float[np.ndarray, "trial time regressor"], Float[np.ndarray, "trial time regressor"] | None]:
    """Smoothed activity, and what stands for it where the unit itself is explained.

    Parameters
    ----------
    inputs : Inputs
        Regressors.
    width : float
        Standard deviation of the kernel, in bins.
    view : str
        ``both``, ``present`` or one of the past.

    Returns
    -------
    shared : numpy.ndarray
        ``(trial, time, regressor)``.
    own : numpy.ndarray or None
        The same without the bin itself; None where `shared` is without it anyway.
    """
    bare = inputs.values, inputs.shown, inputs.mean, width
    if view == BOTH:
        return smoothed(*bare, "both"), smoothed(*bare, "around")
    found = smoothed(*bare, "past")
    return (found, shifted(found, 1)) if view == PRESENT else (shifted(found, ahead_of(view)), None)


def rows_of_view(inputs: Inputs, targets: Targets, view: str) -> tuple[np.ndarray, np.ndarray]:
    """Trials and times of the rows of a view: bins with a target, and with a past where it is needed.

    They go bin by bin over all trials: of the functions of time few are then not zero in any chunk of rows.
    """
    usable = np.asarray(targets.observed.any(-1))
    if ahead_of(view):
        usable = usable & shifted(np.asarray(inputs.shown.any(-1))[..., None], ahead_of(view))[..., 0]
    time, trial = np.nonzero(usable.T)
    return trial, time


def table_of(
    inputs: Inputs, targets: Targets, view: str, width: float, units: Int[np.ndarray, " some"]
) -> Table:
    """Rows of a view for some of the units.

    Parameters
    ----------
    inputs : Inputs
        Regressors.
    targets : Targets
        What is explained.
    view : str
        ``both``, ``present``, ``nothing`` or one of the past.
    width : float
        Standard deviation of the kernel, in bins.
    units : numpy.ndarray of int
        Which units.

    Returns
    -------
    Table
        Features are the regressors, the functions of time and a constant; memory is that of a few copies of them.
    """
    where = rows_of_view(inputs, targets, view)
    dtype = targets.values.dtype
    replaced, own = np.full(len(units), -1), np.zeros((len(where[0]), len(units)), dtype)
    shared = np.zeros((len(where[0]), inputs.values.shape[2]), dtype)
    if view != NOTHING:
        smooth, mine = activity(inputs, width, view)
        shared = smooth[where]
        if mine is not None:
            replaced = inputs.regressor[units]
            own[:, replaced >= 0] = mine[where][:, replaced[replaced >= 0]]
    scale, own_scale = _size(shared), _size(own)
    course = inputs.time[where[1]].astype(dtype)
    features = np.concatenate(
        [shared / scale.astype(dtype), course, np.ones((len(shared), 1), dtype)], axis=1
    )
    scale = np.concatenate([scale, np.ones(course.shape[1] + 1)])
    explained = targets.values[where][:, units], targets.observed[where][:, units]
    return Table(Rows(features, own / own_scale.astype(dtype), replaced, *explained), scale, own_scale)


def _size(values: np.ndarray) -> np.ndarray:
    """Root mean square of every column, 1 where it is zero beside the others."""
    size = np.sqrt(np.square(values, dtype=np.float64).sum(0) / max(len(values), 1))
    return np.where(size > 1e-8 * max(size.max(initial=0.0), 1e-300), size, 1.0)


def predictor(
    inputs: Inputs,
    weights: dict[str, Float[np.ndarray, "feature unit"]],
    width: Float[np.ndarray, " unit"],
    view: str,
    horizon: int = 1,
) -> Float[np.ndarray, "trial time unit"]:
    """Linear predictor of every unit in every bin.

    Parameters
    ----------
    inputs : Inputs
        Regressors; functions of time as in training, the last bin's for all later ones.
    weights : dict
        Of every view, ``(feature, unit)``: regressors, functions of time, constant.
    width : numpy.ndarray
        Standard deviation of every unit's kernel for this view, in bins.
    view : {"both", "present", "past"}
        ``past`` looks from the latest bin of which anything is known, at least `horizon` bins ago, with weights
        interpolated between the views of the past, and none of the activity's beyond the last of them.
    horizon : int
        Least number of bins between activity and prediction, for ``past``.

    Returns
    -------
    numpy.ndarray
        ``(trial, time, unit)``.
    """
    n_trials, n_time, n_regressors = inputs.values.shape
    known = inputs.time[np.minimum(np.arange(n_time), len(inputs.time) - 1)]
    course = np.concatenate([known, np.ones((n_time, 1))], axis=1)
    found = np.zeros((n_trials, n_time, len(width)))
    if view != "past":
        found += course @ weights[view][n_regressors:]
        for one, units in by_width(width):
            shared, mine = activity(inputs, one, view)
            on_activity = weights[view][:n_regressors, units].copy()
            has_own = np.flatnonzero(inputs.regressor[units] >= 0)
            at = inputs.regressor[units][has_own]
            own = on_activity[at, has_own]
            on_activity[at, has_own] = 0
            found[..., units] += shared @ on_activity
            if mine is not None:
                found[..., units[has_own]] += mine[..., at] * own
        return found
    latest, ahead = origins(inputs.shown, horizon)
    between = _interpolated(weights, int(ahead.max(initial=0)))
    for one, units in by_width(width):
        smooth = smoothed(inputs.values, inputs.shown, inputs.mean, one, "past")
        for k in np.unique(ahead):
            trial, time = np.nonzero(ahead == k)
            at = between[k][:, units]
            before = smooth[trial, np.maximum(latest[trial, time], 0)]
            found[trial[:, None], time[:, None], units] = (
                before @ at[:n_regressors] + course[time] @ at[n_regressors:]
            )
    return found


def origins(
    shown: Bool[np.ndarray, "trial time regressor"], horizon: int
) -> tuple[Int[np.ndarray, "trial time"], Int[np.ndarray, "trial time"]]:
    """The latest bin at least `horizon` ago of which anything is known, and how long ago it is; -1 and 0: none.

    Parameters
    ----------
    shown : numpy.ndarray of bool
        What is known.
    horizon : int
        Bins, 1 or more.

    Returns
    -------
    latest, ahead : numpy.ndarray of int
        ``(trial, time)``.

    Examples
    --------
    >>> import numpy as np
    >>> origins(np.array([True, True, False, False])[None, :, None], 1)[1].tolist()
    [[0, 1, 1, 2]]
    """
    time = np.broadcast_to(np.arange(shown.shape[1]), shown.shape[:2])
    latest = np.maximum.accumulate(np.where(shown.any(-1), time, -1), axis=1)
    latest = shifted(latest[..., None] + 1, horizon)[..., 0] - 1
    return latest, np.where(latest >= 0, time - latest, 0)


def _interpolated(weights: dict[str, np.ndarray], furthest: int) -> dict[int, np.ndarray]:
    """Weights at every number of bins ahead; at 0 and beyond the last view of the past those of ``nothing``."""
    learnt = sorted(ahead_of(view) for view in weights if ahead_of(view))
    result = dict.fromkeys(range(furthest + 1), weights[NOTHING])
    for ahead in range(1, min(furthest, max(learnt, default=0)) + 1):
        after = next(one for one in learnt if one >= ahead)
        before = max((one for one in learnt if one <= ahead), default=after)
        share = (ahead - before) / max(after - before, 1)
        result[ahead] = (1 - share) * weights[past(before)] + share * weights[past(after)]
    return result
