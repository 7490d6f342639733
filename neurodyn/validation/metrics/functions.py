"""The metrics as functions of a prediction and the scored entries."""

from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.validation.metrics import choices, continuous, counts, likelihood
from neurodyn.validation.metrics.base import Metric
from neurodyn.validation.metrics.evaluation import evaluation


def _score(metric: Metric, target: xr.Dataset, per: str, **parts: Any) -> Any:
    """A float, or an array labelled by unit."""
    if per not in ("pooled", "unit"):
        raise ModelError(f"{metric.name}: per is {per!r}; choose 'pooled' or 'unit'.")
    lined_up = evaluation(target, **parts)
    reason = metric.missing(lined_up)
    if reason:
        raise ModelError(reason)
    value = metric.value(lined_up, per)
    if per == "pooled":
        return float(value)
    return xr.DataArray(
        value,
        dims=("unit",),
        coords={"unit": target["unit"].values},
        name=metric.name,
        attrs={"units": metric.unit},
    )


def _null(null: str, train: xr.Dataset | None, name: str) -> bool:
    """Whether the null is that of training."""
    if null not in ("evaluated", "train"):
        raise ModelError(f"{name}: null is {null!r}; choose 'evaluated' or 'train'.")
    if null == "train" and train is None:
        raise ModelError(f"{name}: null='train' needs the training part; pass train=split.train.")
    return null == "train"


def bits_per_spike(
    mean: Any,
    target: xr.Dataset,
    *,
    null: str = "evaluated",
    train: xr.Dataset | None = None,
    per: str = "pooled",
) -> Any:
    """Poisson log-likelihood of predicted rates, gained over a constant rate, in bits per spike.

    .. math:: \\frac{1}{\\ln 2 \\sum_{i} x_i}
              \\sum_{i} \\left[ x_i \\ln \\frac{\\lambda_i}{\\bar\\lambda_{u(i)}}
              - \\lambda_i + \\bar\\lambda_{u(i)} \\right]

    Sums run over the observed entries of the target. The null rate of a unit is its mean over the evaluated
    entries, as in the Neural Latents Benchmark; ``null="train"`` takes its mean over the training entries.
    Predicted rates below 1e-9 count as 1e-9. A unit without a spike counts against the pooled value by its
    predicted rate, and has no value of its own (NaN).

    Parameters
    ----------
    mean : xr.DataArray or array-like
        Predicted expected counts per bin, the shape of the activity.
    target : xr.Dataset
        The scored entries; NaN is not scored.
    null : {"evaluated", "train"}
        Where the constant rate comes from.
    train : xr.Dataset, optional
        The training part, for ``null="train"``.
    per : {"pooled", "unit"}
        One value over all units, or one per unit.

    Returns
    -------
    float or xr.DataArray
        Bits per spike; 0 is the null, there is no upper bound.

    Raises
    ------
    ModelError
        If the shapes or units do not match, or no count is scored.

    References
    ----------
    .. [1] Pei, F. et al. (2021). Neural Latents Benchmark '21. doi:10.48550/arXiv.2109.04463

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import metrics
    >>> target = make(np.array([[0.0], [2.0]]), sampling_interval=0.1, kind="count")
    >>> metrics.bits_per_spike(np.array([[1.0], [1.0]]), target)
    0.0
    """
    trained = _null(null, train, "bits_per_spike")
    metric = counts.BITS_PER_SPIKE_TRAIN if trained else counts.BITS_PER_SPIKE
    return _score(metric, target, per, mean=mean, train=train)


def r2(
    mean: Any,
    target: xr.Dataset,
    *,
    null: str = "evaluated",
    train: xr.Dataset | None = None,
    per: str = "pooled",
) -> Any:
    """Share of variance explained, R².

    .. math:: 1 - \\frac{\\sum_i (x_i - \\hat x_i)^2}{\\sum_i (x_i - \\bar x_{u(i)})^2}

    Parameters
    ----------
    mean : xr.DataArray or array-like
        Predicted mean, the shape of the activity.
    target : xr.Dataset
        The scored entries; NaN is not scored.
    null : {"evaluated", "train"}
        Whether a unit's mean is that of the evaluated or of the training entries.
    train : xr.Dataset, optional
        The training part, for ``null="train"``.
    per : {"pooled", "unit"}
        One value from sums over all units (loud units weigh more), or one per unit.

    Returns
    -------
    float or xr.DataArray
        At most 1; a constant unit has none (NaN).

    Raises
    ------
    ModelError
        If the shapes or units do not match.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import metrics
    >>> target = make(np.array([[0.0], [2.0]]), sampling_interval=0.1)
    >>> metrics.r2(np.array([[0.0], [1.0]]), target)
    0.5
    """
    metric = continuous.R2_TRAIN if _null(null, train, "r2") else continuous.R2
    return _score(metric, target, per, mean=mean, train=train)


def pearson_r(mean: Any, target: xr.Dataset, *, per: str = "pooled") -> Any:
    """Pearson correlation of prediction and target over the scored entries.

    Parameters
    ----------
    mean : xr.DataArray or array-like
        Predicted mean, the shape of the activity.
    target : xr.Dataset
        The scored entries; NaN is not scored.
    per : {"pooled", "unit"}
        Mean over units, or one per unit.

    Returns
    -------
    float or xr.DataArray
        Between -1 and 1; 0 for a constant prediction, NaN for a constant target.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import metrics
    >>> target = make(np.array([[0.0], [1.0], [2.0]]), sampling_interval=0.1)
    >>> round(metrics.pearson_r(np.array([[1.0], [3.0], [5.0]]), target), 6)
    1.0
    """
    return _score(continuous.PEARSON, target, per, mean=mean)


def mean_squared_error(mean: Any, target: xr.Dataset, *, per: str = "pooled") -> Any:
    """Mean squared error over the scored entries.

    Parameters
    ----------
    mean : xr.DataArray or array-like
        Predicted mean, the shape of the activity.
    target : xr.Dataset
        The scored entries; NaN is not scored.
    per : {"pooled", "unit"}
        One value, or one per unit.

    Returns
    -------
    float or xr.DataArray
        In the squared unit of the recording.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import metrics
    >>> target = make(np.array([[0.0], [2.0]]), sampling_interval=0.1)
    >>> metrics.mean_squared_error(np.array([[1.0], [2.0]]), target)
    0.5
    """
    return _score(continuous.MSE, target, per, mean=mean)


def n_step_error(
    fit: Any, given: xr.Dataset, target: xr.Dataset, *, horizons: Any = (1, 2, 5, 10)
) -> xr.Dataset:
    """Mean squared error of rolling predictions, by horizon, beside that of persistence.

    Parameters
    ----------
    fit : neurodyn.models.Fit
        Fitted model.
    given : xr.Dataset
        What is given; entries later than ``t - horizon`` are not used to predict ``t``.
    target : xr.Dataset
        The scored entries. Only those with an earlier given value at every horizon count, the same entries
        for all horizons.
    horizons : sequence of int
        Bins ahead.

    Returns
    -------
    xr.Dataset
        ``mse``, ``persistence_mse`` (squared unit of the recording) and their ratio ``relative``, on
        ``horizon``; attr ``n_entries``.

    Raises
    ------
    ModelError
        If no horizon is given or no entry can be scored at the largest one.
    """
    steps = [int(step) for step in horizons]
    if not steps or min(steps) < 1:
        raise ModelError(
            f"n_step_error: horizons is {list(horizons)}; give whole numbers of bins, 1 or more."
        )
    lines = {
        step: evaluation(target, mean=_mean(fit, given, step), given=given, horizon=step) for step in steps
    }
    furthest = lines[max(steps)]
    seen = np.isfinite(furthest.observed) & np.isfinite(np.asarray(furthest.previous))
    if not seen.any():
        raise ModelError(
            f"n_step_error: no scored entry has a given value {max(steps)} bins earlier; use shorter "
            "horizons."
        )
    model = [float(((line.observed - line.mean) ** 2)[seen].mean()) for line in lines.values()]
    floor = [float(((line.observed - line.previous) ** 2)[seen].mean()) for line in lines.values()]
    relative = np.array(model) / np.where(np.array(floor) > 0, floor, np.nan)
    return xr.Dataset(
        {"mse": ("horizon", model), "persistence_mse": ("horizon", floor), "relative": ("horizon", relative)},
        coords={"horizon": steps},
        attrs={"n_entries": int(seen.sum())},
    )


def _mean(fit: Any, given: xr.Dataset, horizon: int) -> xr.DataArray:
    """Predicted mean at a horizon."""
    return fit.predict(given, mode="past", horizon=horizon)["mean"]


def accuracy(probability: Any, target: xr.Dataset, *, per: str = "pooled") -> Any:
    """Share of binary or categorical entries whose likeliest category was observed.

    Parameters
    ----------
    probability : xr.DataArray or array-like
        Predicted probability of 1 (binary), or probabilities on a last dim ``category``.
    target : xr.Dataset
        The scored entries; NaN is not scored.
    per : {"pooled", "unit"}
        One value, or one per unit.

    Returns
    -------
    float or xr.DataArray
        Between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import metrics
    >>> target = make(np.array([[0.0], [1.0]]), sampling_interval=1.0, kind="binary")
    >>> metrics.accuracy(np.array([[0.1], [0.4]]), target)
    0.5
    """
    return _score(choices.ACCURACY, target, per, **_probability(probability, target))


def log_loss(probability: Any, target: xr.Dataset, *, per: str = "pooled") -> Any:
    """Mean negative log probability of the observed category; probabilities below 1e-9 count as 1e-9.

    Parameters
    ----------
    probability : xr.DataArray or array-like
        Predicted probability of 1 (binary), or probabilities on a last dim ``category``.
    target : xr.Dataset
        The scored entries; NaN is not scored.
    per : {"pooled", "unit"}
        One value, or one per unit.

    Returns
    -------
    float or xr.DataArray
        Nats per entry.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import metrics
    >>> target = make(np.array([[0.0], [1.0]]), sampling_interval=1.0, kind="binary")
    >>> round(metrics.log_loss(np.array([[0.5], [0.5]]), target), 4)
    0.6931
    """
    return _score(choices.LOG_LOSS, target, per, **_probability(probability, target))


def _probability(probability: Any, target: xr.Dataset) -> dict[str, Any]:
    """Probabilities by category, or the probability of 1."""
    ndim = target["activity"].ndim
    if np.ndim(probability) == ndim + 1:
        return {"probability": probability}
    return {"mean": probability}


def log_likelihood_gain(terms: Any, target: xr.Dataset, train: xr.Dataset, *, per: str = "sample") -> float:
    """Log-likelihood gained over independent units without dynamics.

    The null gives every unit its training marginal: Poisson for counts, Gaussian, Bernoulli or categorical.

    Parameters
    ----------
    terms : xr.DataArray or array-like
        Log-likelihood terms of the model in nats, ``([trial,] time)``, as ``fit.log_likelihood`` returns.
    target : xr.Dataset
        The scored entries.
    train : xr.Dataset
        The training part.
    per : {"sample", "entry", "spike"}
        Nats per time sample, nats per observed entry, or bits per spike.

    Returns
    -------
    float
        The gain; 0 is the null.

    Raises
    ------
    ModelError
        If `per` is unknown or nothing is scored.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import metrics
    >>> target = make(np.array([[1.0], [1.0]]), sampling_interval=0.1, kind="count")
    >>> metrics.log_likelihood_gain(np.array([-1.0, -1.0]), target, target)
    0.0
    """
    table = {
        "sample": likelihood.LOG_LIKELIHOOD,
        "entry": likelihood.LOG_LIKELIHOOD_PER_ENTRY,
        "spike": likelihood.LOG_LIKELIHOOD_PER_SPIKE,
    }
    if per not in table:
        raise ModelError(f"log_likelihood_gain: per is {per!r}; choose one of {', '.join(table)}.")
    return _score(table[per], target, "pooled", log_likelihood=terms, train=train)
