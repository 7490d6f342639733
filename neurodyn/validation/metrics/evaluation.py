"""What a metric sees: the scored entries, the prediction, and what training knew of each unit."""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.validation.layout import as3, shape3


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Marginals:
    """Moments of every unit over the training entries, the knowledge of a model without dynamics.

    Parameters
    ----------
    mean, variance : np.ndarray
        ``(unit,)``; pooled over units where a unit was never observed in training.
    probability : np.ndarray
        ``(unit, category)``: share of every category, with half a count added to each; one column where
        there are no categorical units.
    """

    mean: np.ndarray
    variance: np.ndarray
    probability: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Bare arrays of one prediction beside what was held out.

    Parameters
    ----------
    observed : np.ndarray
        ``(trial, time, unit)``, NaN where not scored.
    kind : np.ndarray
        ``(unit,)``: count, continuous, binary or categorical.
    mean : np.ndarray, optional
        Prediction, the shape of `observed`.
    probability : np.ndarray, optional
        Predicted probabilities ``(trial, time, unit, category)``.
    log_likelihood : np.ndarray, optional
        Terms in nats, ``(trial, time)``.
    marginals : Marginals, optional
        Moments of the training entries.
    centre : np.ndarray, optional
        ``(unit,)``: a constant subtracted before squaring, for precision only. Evaluations whose sums are added
        (folds) must share it.
    previous : np.ndarray, optional
        Last given value before each entry (persistence), the shape of `observed`, NaN where there is none.
    connectivity : np.ndarray, optional
        Correlations ``(unit, unit)`` of a simulation of the fitted model (or of another part of the data).
    """

    observed: np.ndarray
    kind: np.ndarray
    mean: np.ndarray | None = None
    probability: np.ndarray | None = None
    log_likelihood: np.ndarray | None = None
    marginals: Marginals | None = None
    centre: np.ndarray | None = None
    previous: np.ndarray | None = None
    connectivity: np.ndarray | None = None

    def of_kind(self, *kinds: str) -> np.ndarray:
        """Scored entries of the units of some kinds.

        Parameters
        ----------
        *kinds : str
            Kinds of units.

        Returns
        -------
        np.ndarray
            ``(trial, time, unit)``, NaN elsewhere.
        """
        return np.where(np.isin(self.kind, kinds), self.observed, np.nan)


def marginals(recording: xr.Dataset) -> Marginals:
    """Moments of every unit over the observed entries of a training recording.

    Parameters
    ----------
    recording : xr.Dataset
        The training part.

    Returns
    -------
    Marginals
        Mean, variance and category shares of every unit.
    """
    values = as3(recording["activity"]).astype(float)
    seen = np.isfinite(values)
    count = seen.sum(axis=(0, 1))
    total = np.where(seen, values, 0.0).sum(axis=(0, 1))
    pooled = total.sum() / max(count.sum(), 1)
    mean = np.where(count > 0, total / np.maximum(count, 1), pooled)
    squares = np.where(seen, (values - mean) ** 2, 0.0).sum(axis=(0, 1))
    pooled_variance = squares.sum() / max(count.sum(), 1)
    variance = np.where(count > 1, squares / np.maximum(count, 1), pooled_variance)
    smallest = 1e-12 * max(float(pooled_variance), np.finfo(float).tiny)
    kind = recording["kind"].values.astype(str)
    codes = values[:, :, kind == "categorical"]
    n_categories = int(np.nanmax(codes)) + 1 if np.isfinite(codes).any() else 1
    named = recording["activity"].attrs.get("categories") or {}
    n_categories = max([n_categories, *(len(names) for names in named.values())])
    hits = np.stack([(values == code).sum(axis=(0, 1)) for code in range(n_categories)], axis=1)
    probability = (hits + 0.5) / (hits.sum(axis=1, keepdims=True) + 0.5 * n_categories)
    return Marginals(mean=mean, variance=np.maximum(variance, smallest), probability=probability)


def persistence(given: xr.Dataset, horizon: int = 1) -> np.ndarray:
    """Last given value at least `horizon` bins before each entry; NaN where there is none.

    Parameters
    ----------
    given : xr.Dataset
        What a prediction is given.
    horizon : int
        Bins ahead.

    Returns
    -------
    np.ndarray
        ``(trial, time, unit)``.
    """
    values = as3(given["activity"]).astype(float)
    n_time = values.shape[1]
    position = np.where(np.isfinite(values), np.arange(n_time)[None, :, None], -1)
    last = np.maximum.accumulate(position, axis=1)
    last = np.concatenate((np.full_like(last[:, :horizon], -1), last[:, : n_time - horizon]), axis=1)[
        :, :n_time
    ]
    filled = np.take_along_axis(values, np.maximum(last, 0), axis=1)
    return np.where(last >= 0, filled, np.nan)


def evaluation(
    target: xr.Dataset,
    *,
    mean: Any = None,
    probability: Any = None,
    log_likelihood: Any = None,
    train: xr.Dataset | Marginals | None = None,
    centre: np.ndarray | None = None,
    given: xr.Dataset | None = None,
    horizon: int = 1,
) -> Evaluation:
    """Line up a prediction with the scored entries, by label.

    Parameters
    ----------
    target : xr.Dataset
        The scored entries, NaN elsewhere.
    mean : xr.DataArray or array-like, optional
        Predicted mean with the dims of the activity; a labelled one is aligned by unit. With a dim
        ``category`` it holds probabilities.
    probability : xr.DataArray, optional
        Predicted probabilities with a last dim ``category``.
    log_likelihood : xr.DataArray or array-like, optional
        Terms on ``([trial,] time)``.
    train : xr.Dataset or Marginals, optional
        The training part.
    centre : np.ndarray, optional
        ``(unit,)``: a constant shared by evaluations whose sums are added; default: the evaluated mean.
    given : xr.Dataset, optional
        What the prediction was given, for persistence.
    horizon : int
        Bins ahead of the prediction.

    Returns
    -------
    Evaluation
        Bare arrays.

    Raises
    ------
    ModelError
        If a shape or the units do not match.
    """
    if isinstance(mean, xr.DataArray) and "category" in mean.dims:
        probability, mean = mean, None
    found = marginals(train) if isinstance(train, xr.Dataset) else train
    return Evaluation(
        observed=as3(target["activity"]).astype(float),
        kind=target["kind"].values.astype(str),
        mean=_aligned(mean, target, "mean"),
        probability=_aligned(probability, target, "probability"),
        log_likelihood=_terms(log_likelihood, target),
        marginals=found,
        centre=centre,
        previous=None if given is None else persistence(given, horizon),
    )


def _aligned(prediction: Any, target: xr.Dataset, name: str) -> np.ndarray | None:
    """Values of a prediction in the target's order of units."""
    if prediction is None:
        return None
    if isinstance(prediction, xr.DataArray):
        labels = target["unit"].values.tolist()
        if "unit" in prediction.coords and prediction["unit"].values.tolist() != labels:
            missing = sorted(set(labels) - set(prediction["unit"].values.tolist()), key=str)
            if missing:
                raise ModelError(
                    f"the prediction lacks unit {missing[0]!r} of the target ({len(missing)} missing); "
                    "predict "
                    "from a recording with the same units."
                )
            prediction = prediction.sel(unit=labels)
        values = as3(prediction)
    else:
        values = np.asarray(prediction)
        values = values if "trial" in target["activity"].dims else values[None]
    if values.shape[:3] != shape3(target):
        raise ModelError(
            f"the predicted {name} has shape {values.shape}, the target {shape3(target)} (trial, time, "
            "unit); "
            "predict for the recording that is scored."
        )
    return values.astype(float)


def _terms(terms: Any, target: xr.Dataset) -> np.ndarray | None:
    """Log-likelihood terms as ``(trial, time)``."""
    if terms is None:
        return None
    values = as3(terms) if isinstance(terms, xr.DataArray) else np.asarray(terms)
    values = values if values.ndim == 2 else values[None]
    if values.shape != shape3(target)[:2]:
        raise ModelError(
            f"log-likelihood terms have shape {values.shape}, the target {shape3(target)[:2]} (trial, "
            "time); score "
            "the same recording."
        )
    return values.astype(float)
