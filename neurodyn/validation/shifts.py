"""What courses of latents have to do with behaviour, against the same courses shifted in time."""

from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from neurodyn.errors import ModelError
from neurodyn.validation import uncertainty
from neurodyn.validation.layout import generator

STATISTICS = ("correlation", "auc")
SHARE = 0.05


def association(
    courses: xr.DataArray,
    behaviour: xr.DataArray,
    *,
    key: Any,
    statistic: str = "correlation",
    n_shifts: int = 1000,
    least_shift: int | None = None,
) -> xr.Dataset:
    r"""How courses follow behaviour, with the level that shifted courses reach.

    The statistic is Pearson's correlation, or, of events, the area under the receiver operating characteristic: the chance
    that a course is higher in a bin with the event than in one without. Courses are shifted circularly within every
    trial, which keeps their own time course and destroys what ties them to behaviour.

    .. math:: p = \frac{1 + \#\{|s_{\text{shifted}} - s_0| \ge |s - s_0|\}}{1 + \text{shifts}}

    with s_0 = 0 for correlations and 1/2 for areas.

    Parameters
    ----------
    courses : xr.DataArray
        ``([trial,] time, component)``; without trials they serve every trial of the behaviour.
    behaviour : xr.DataArray
        ``([trial,] time[, covariate])``; NaN bins are left out. For ``auc``: 0, 1 or boolean.
    key : int or jax.Array
        Draws the shifts.
    statistic : {"correlation", "auc"}
        What is measured.
    n_shifts : int
        Number of random shifts.
    least_shift : int, optional
        Bins; default: a twentieth of the trial.

    Returns
    -------
    xr.Dataset
        On ``([trial,] covariate, component)``: ``value``; ``upper``, the level that 95 % of the shifted courses stay below;
        ``p_value``, two-sided; ``p_adjusted``, corrected over components and covariates of a trial (Holm); ``bins`` used.
        NaN where the course or the behaviour does not vary.

    Raises
    ------
    ModelError
        If sizes do not match, the statistic is unknown, or an event is neither 0 nor 1.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> from neurodyn.validation import association
    >>> wave = xr.DataArray(np.random.default_rng(0).normal(size=(400, 1)), dims=("time", "component"))
    >>> found = association(wave, wave[:, 0] > 0, key=0, statistic="auc", n_shifts=200)
    >>> float(found["value"].item()), bool(found["upper"] < 0.6)
    (1.0, True)
    """
    if statistic not in STATISTICS:
        raise ModelError(f"statistic is {statistic!r}; choose one of {', '.join(STATISTICS)}.")
    behaviour = (
        behaviour
        if "covariate" in behaviour.dims
        else behaviour.expand_dims(covariate=[str(behaviour.name)], axis=-1)
    )
    trials = "trial" in behaviour.dims or "trial" in courses.dims
    target = _as3(behaviour, "covariate")
    source = _as3(courses, "component")
    n_trials = max(len(target), len(source))
    for what, array in (("courses", source), ("behaviour", target)):
        if len(array) not in (1, n_trials):
            raise ModelError(
                f"{what} has {len(array)} trials, the other {n_trials}; give both for the same trials."
            )
    for dim in ("trial", "time"):
        if all(dim in array.dims and dim in array.coords for array in (courses, behaviour)):
            _same_labels(dim, courses[dim].values, behaviour[dim].values)
    if source.shape[1] != target.shape[1]:
        raise ModelError(
            f"courses have {source.shape[1]} bins, the behaviour {target.shape[1]}; resample one to the other's bins."
        )
    if statistic == "auc" and not np.isin(target[np.isfinite(target)], (0, 1)).all():
        raise ModelError(
            "behaviour holds values other than 0 and 1; an area under the curve needs events, such as velocity < 0."
        )
    draw = generator(key, "association")
    names = ("value", "upper", "p_value", "p_adjusted")
    shape = (n_trials, target.shape[2], source.shape[2])
    table = {name: np.full(shape, np.nan) for name in names}
    bins = np.zeros(shape, dtype=int)
    for trial in range(n_trials):
        for covariate in range(shape[1]):
            here = target[trial % len(target), :, covariate]
            course = source[trial % len(source)]
            found = _one(course, here, statistic, n_shifts, least_shift, draw)
            for name, row in zip(names[:3], found[:3], strict=True):
                table[name][trial, covariate] = row
            bins[trial, covariate] = found[3]
        adjusted = uncertainty.correct(table["p_value"][trial].ravel(), "holm")
        table["p_adjusted"][trial] = adjusted.reshape(shape[1:])
    dims = ("trial", "covariate", "component")
    result = xr.Dataset({name: (dims, array) for name, array in table.items()})
    result["bins"] = (dims, bins)
    coords = {"covariate": behaviour["covariate"].values} if "covariate" in behaviour.coords else {}
    for array in (courses, behaviour):
        coords |= {
            dim: array[dim].values
            for dim in ("trial", "component")
            if dim in array.coords and dim in array.dims
        }
    result = result.assign_coords(coords).assign_attrs(statistic=statistic, n_shifts=n_shifts)
    return result if trials else result.isel(trial=0, drop=True)


def _same_labels(dim: str, one: np.ndarray, other: np.ndarray) -> None:
    """Refuse labels that are written differently, or times a hundredth of a bin apart."""
    if len(one) != len(other):
        return  # said by the check of sizes
    if dim == "time":
        width = np.median(np.diff(one.astype(float))) if len(one) > 1 else 1.0
        same = np.allclose(one.astype(float), other.astype(float), atol=0.01 * abs(width), rtol=0)
    else:
        same = one.astype(str).tolist() == other.astype(str).tolist()
    if not same:
        raise ModelError(
            f"courses and behaviour have different labels on {dim} ({one[0]!r} and {other[0]!r} first); select one like the "
            f"other, as with behaviour.sel({dim}=courses.{dim}), or drop the labels of one."
        )


def _as3(array: xr.DataArray, last: str) -> np.ndarray:
    """Values ``(trial, time, last)``."""
    values = array.transpose(*[dim for dim in ("trial", "time", last) if dim in array.dims]).values.astype(
        float
    )
    return values if "trial" in array.dims else values[None]


def _one(
    course: np.ndarray,
    target: np.ndarray,
    statistic: str,
    n_shifts: int,
    least: int | None,
    draw: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Value, 95 % level of shifts and p-value of every component, and how many bins counted."""
    rank = course.shape[1]
    nothing = np.full(rank, np.nan)
    there = np.flatnonzero(np.isfinite(course).all(1))
    if len(there) < 3:
        return nothing, nothing, nothing, 0
    # From the first to the last bin in which there is a course, so that shifts keep it whole.
    course, target = course[there[0] : there[-1] + 1], target[there[0] : there[-1] + 1]
    course = np.where(np.isfinite(course), course, np.nanmean(course, axis=0))
    known = np.isfinite(target)
    n_bins, used = len(course), int(known.sum())
    least = max(round(SHARE * n_bins), 1) if least is None else least
    if used < 3 or np.ptp(target[known]) == 0 or n_bins < 2 * least + 1:
        return nothing, nothing, nothing, used
    scored = rankdata(course, axis=0) if statistic == "auc" else course
    centre = 0.5 if statistic == "auc" else 0.0
    shifts = np.concatenate([[0], draw.integers(least, n_bins - least + 1, size=n_shifts)])
    found = np.empty((len(shifts), rank))
    for at, shift in enumerate(shifts):
        found[at] = _statistic(np.roll(scored, shift, axis=0)[known], target[known], statistic)
    varies = np.ptp(course, axis=0) > 0
    value, null = np.where(varies, found[0], np.nan), found[1:]
    p_value = (1 + (np.abs(null - centre) >= np.abs(value - centre) - 1e-12).sum(0)) / (1 + len(null))
    upper = np.where(varies, np.quantile(null, 0.95, axis=0), np.nan)
    return value, upper, np.where(varies, p_value, np.nan), used


def _statistic(course: np.ndarray, target: np.ndarray, statistic: str) -> np.ndarray:
    """Correlation, or area under the curve, of every column."""
    if statistic == "auc":
        event = target > 0.5
        ranks = rankdata(course, axis=0)
        above = ranks[event].sum(0) - event.sum() * (event.sum() + 1) / 2
        return above / (event.sum() * (~event).sum())
    course, target = course - course.mean(0), target - target.mean()
    size = np.sqrt(np.square(course).sum(0) * np.square(target).sum())
    return target @ course / np.where(size > 0, size, np.inf)
