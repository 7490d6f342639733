"""What figures of predicted activity have in common: chosen trials and units, measured beside predicted, in Hz."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models.base import Fit
from neurodyn.report.style import time_axis

PER_SECOND = {"count": "rate (Hz)", "binary": "probability", "continuous": "standard deviations"}


@dataclasses.dataclass(frozen=True)
class Courses:
    """Measured and predicted activity of some trials, ``(trial, time, unit)``.

    Parameters
    ----------
    measured : np.ndarray
        As recorded; continuous units in standard deviations from their mean.
    predicted : np.ndarray
        Rates in Hz where units are counts; else on the scale of what was measured.
    true : np.ndarray or None
        The true rates of a simulation, in Hz.
    edges : np.ndarray
        Of the bins, on the axis.
    axis, scale : str
        Labels of the time axis and of the predictions.
    kind : str
        Of the units.
    units, trials : np.ndarray
        Labels.
    """

    measured: np.ndarray
    predicted: np.ndarray
    true: np.ndarray | None
    edges: np.ndarray
    axis: str
    scale: str
    kind: str
    units: np.ndarray
    trials: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Bins of every trial before its tail in which nothing was measured."""
        seen = np.asarray(np.isfinite(self.measured).any(axis=2))
        return np.where(seen.any(axis=1), seen.shape[1] - np.argmax(seen[:, ::-1], axis=1), 0)


def prediction_of(fit: Fit | xr.Dataset, recording: xr.Dataset, who: str) -> xr.DataArray:
    """Expected activity with the shape of the recording: of a fit given everything, or as it was predicted.

    Parameters
    ----------
    fit : Fit or xr.Dataset
        A fit, or what its `predict` returned.
    recording : xr.Dataset
        The recording.
    who : str
        The function that asks, for messages.

    Returns
    -------
    xr.DataArray
        ``([trial,] time, unit)``.

    Raises
    ------
    ModelError
        If a prediction has another shape, or `fit` is neither.
    NotApplicable
        If probabilities of categories were predicted.
    """
    if isinstance(fit, xr.Dataset):
        found = fit
    elif hasattr(fit, "predict"):
        found = fit.predict(recording, mode="all")
    else:
        raise ModelError(f"{who}: {type(fit).__name__} is neither a fit nor a prediction; give one of them.")
    if "mean" not in found:
        held = ", ".join(map(str, found.data_vars))
        raise ModelError(f"{who}: the prediction holds {held or 'nothing'}; give what fit.predict returns.")
    mean = found["mean"]
    if "category" in mean.dims:
        raise NotApplicable(
            f"{who} shows expected activity, and units here are categorical; use plot_beliefs."
        )
    if mean.shape != recording["activity"].shape:
        raise ModelError(
            f"{who}: the prediction has the shape {mean.shape}, the recording {recording['activity'].shape}; predict for "
            "the recording that is shown."
        )
    return mean.transpose(*recording["activity"].dims)


def kind_of(recording: xr.Dataset, who: str) -> str:
    """The one kind of all units."""
    kinds = sorted(set(recording["kind"].values.astype(str).tolist()))
    if len(kinds) > 1:
        raise NotApplicable(f"{who} has one scale, the units are {' and '.join(kinds)}; choose with units=.")
    return kinds[0]


def chosen_units(recording: xr.Dataset, units: Any, who: str) -> np.ndarray:
    """Labels of the units to show, all where none are named.

    Parameters
    ----------
    recording : xr.Dataset
        The recording.
    units : label, sequence of labels, or None
        Which.
    who : str
        The function that asks, for messages.

    Returns
    -------
    np.ndarray
        Labels in the order given.

    Raises
    ------
    ModelError
        If there is no such unit.
    """
    held = recording["unit"].values
    if units is None:
        return held
    wanted = [units] if isinstance(units, str) or np.ndim(units) == 0 else list(units)
    lacking = [label for label in wanted if label not in held.tolist()]
    if lacking or not wanted:
        raise ModelError(
            f"{who}: there is no unit {lacking[0] if lacking else '(none named)'!r} among the {len(held)} of the recording, "
            f"such as {held[0]!r}."
        )
    return np.asarray(wanted, dtype=held.dtype)


def chosen_trials(recording: xr.Dataset, trial: int | Sequence[int], most: int, who: str) -> list[int]:
    """Positions of the trials to show.

    Parameters
    ----------
    recording : xr.Dataset
        The recording.
    trial : int or sequence of int
        Which, counted from 0.
    most : int
        How many have room.
    who : str
        The function that asks, for messages.

    Returns
    -------
    list of int
        Positions.

    Raises
    ------
    ModelError
        If there is no such trial, or there are too many.
    """
    wanted = [int(one) for one in np.atleast_1d(np.asarray(trial, dtype=int))]
    held = recording.sizes.get("trial", 1)
    wrong = [one for one in wanted if not 0 <= one < held]
    if wrong:
        raise ModelError(f"{who}: trial is {wrong[0]}; the recording has {held}, counted from 0.")
    if not 1 <= len(wanted) <= most:
        raise ModelError(f"{who}: {len(wanted)} trials were chosen; choose 1 to {most}.")
    return wanted


def courses_of(
    fit: Fit | xr.Dataset, recording: xr.Dataset, trials: list[int], units: Any, truth: str | None, who: str
) -> Courses:
    """Measured and predicted activity of chosen trials and units.

    Parameters
    ----------
    fit : Fit or xr.Dataset
        A fit, or what its `predict` returned for the recording.
    recording : xr.Dataset
        The recording.
    trials : list of int
        Positions of the trials.
    units : label, sequence of labels, or None
        Which units.
    truth : str or None
        Variable with the true expected counts, used where it is there.
    who : str
        The function that asks, for messages.

    Returns
    -------
    Courses
        Arrays ``(trial, time, unit)``.
    """
    labels = chosen_units(recording, units, who)
    with_trials = "trial" in recording["activity"].dims
    part = recording.isel(trial=trials) if with_trials else recording
    given = (
        fit.isel(trial=trials) if isinstance(fit, xr.Dataset) and "trial" in fit.dims and with_trials else fit
    )
    mean = prediction_of(given, part, who)
    held = {str(label): place for place, label in enumerate(recording["unit"].values.tolist())}
    places = [held[str(label)] for label in labels.tolist()]
    kind = kind_of(recording.isel(unit=places), who)
    if kind == "categorical":
        raise NotApplicable(f"{who} shows expected activity, and the units are categorical.")

    def cut(array: xr.DataArray) -> np.ndarray:
        values = array.transpose(*recording["activity"].dims).values.astype(np.float64)
        return (values if with_trials else values[None])[..., places]

    measured, predicted = cut(part["activity"]), cut(mean)
    true = cut(part[truth]) if truth is not None and truth in part else None
    interval = float(recording.attrs["sampling_interval"])
    if kind == "count":
        predicted = predicted / interval
        true = None if true is None else true / interval
    elif kind == "continuous":
        every = recording["activity"].isel(unit=places)
        others = [dim for dim in every.dims if dim != "unit"]
        centre, spread = every.mean(others).values, np.maximum(every.std(others).values, 1e-12)
        measured, predicted = (measured - centre) / spread, (predicted - centre) / spread
        true = None if true is None else (true - centre) / spread
    step, axis = time_axis(part.isel(trial=[0]) if with_trials else part)
    first = 0.0 if recording.attrs.get("time_unit") == "trial" else float(part["time"].values[0]) / interval
    return Courses(
        measured=measured,
        predicted=predicted,
        true=true,
        edges=(first + np.arange(measured.shape[1] + 1)) * step,
        axis=axis,
        scale=PER_SECOND[kind],
        kind=kind,
        units=labels,
        trials=part["trial"].values if "trial" in part.coords else np.asarray(trials),
    )
