"""Rates against true rates of a simulation, and what every unit contributes to bits per spike."""

from typing import Any

import numpy as np
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.validation.layout import as3, like_activity
from neurodyn.validation.metrics.continuous import R2
from neurodyn.validation.metrics.evaluation import evaluation
from neurodyn.validation.metrics.functions import bits_per_spike


def rate_r2(mean: Any, target: xr.Dataset, *, truth: Any = "rates", per: str = "pooled") -> Any:
    r"""Share of the variance of the true rates that predicted rates explain.

    .. math:: 1 - \frac{\sum_i (\lambda_i - \hat\lambda_i)^2}{\sum_i (\lambda_i - \bar\lambda_{u(i)})^2}

    Sums run over the entries that are observed in the target, pooled over trials, time and units; :math:`\bar\lambda_u` is
    the mean true rate of a unit over them; one mean of all units in its place would give a value at least as high. Unlike
    scores against counts, that of the true rates is 1.

    Parameters
    ----------
    mean : xr.DataArray or array-like
        Predicted expected counts per bin, the shape of the activity.
    target : xr.Dataset
        The scored entries; NaN is not scored.
    truth : str, xr.DataArray or np.ndarray
        True expected counts per bin, the shape of the activity, or the name of the variable of `target` that holds them, as
        simulators return it.
    per : {"pooled", "unit"}
        One value from sums over all units (units with a larger range of rates weigh more), or one per unit.

    Returns
    -------
    float or xr.DataArray
        At most 1; 0 is each unit's mean rate, and a unit of constant rate has none (NaN).

    Raises
    ------
    ModelError
        If the true rates are missing or not finite where they are scored, or shapes or units do not match.

    Examples
    --------
    >>> from neurodyn.simulate.lorenz import lorenz_population
    >>> from neurodyn.validation import metrics
    >>> recording = lorenz_population(key=0, n_conditions=2, n_trials=2)
    >>> metrics.rate_r2(recording["rates"], recording)
    1.0
    >>> metrics.rate_r2(recording["rates"].mean(("trial", "time")).broadcast_like(recording["rates"]), recording)
    0.0
    """
    if per not in ("pooled", "unit"):
        raise ModelError(f"rate_r2: per is {per!r}; choose 'pooled' or 'unit'.")
    true = _true_rates(truth, target)
    scored = np.isfinite(as3(target["activity"]))
    if not scored.any():
        raise ModelError("rate_r2: no entry of the target is observed; give the part that is scored.")
    if not np.isfinite(true[scored]).all():
        raise ModelError(
            "rate_r2: a true rate is not finite where it is scored; give the rates of the simulation."
        )
    rates = target.assign(activity=like_activity(target, np.where(scored, true, np.nan)))
    rates = rates.assign_coords(kind=("unit", np.full(rates.sizes["unit"], "continuous")))
    value = R2.value(evaluation(rates, mean=mean), per)
    if per == "pooled":
        return float(value)
    return xr.DataArray(value, dims="unit", coords={"unit": target["unit"].values}, name="rate_r2")


def bits_per_spike_by_unit(
    mean: Any, target: xr.Dataset, *, null: str = "evaluated", train: xr.Dataset | None = None
) -> xr.Dataset:
    """Bits per spike of every scored unit, beside its share of the spikes that the pooled value is made of.

    The pooled value is the mean of the units' values weighed by their spikes, and one loud unit may decide it; the median
    gives every unit that fired one vote.

    Parameters
    ----------
    mean : xr.DataArray or array-like
        Predicted expected counts per bin, the shape of the activity.
    target : xr.Dataset
        The scored entries; NaN is not scored.
    null : {"evaluated", "train"}
        Where the constant rate comes from, as in `bits_per_spike`.
    train : xr.Dataset, optional
        The training part, for ``null="train"``.

    Returns
    -------
    xr.Dataset
        On ``unit``, those with a scored entry: ``bits_per_spike`` (NaN for a silent unit), ``spikes`` and ``spike_share``.
        Scalars: ``pooled`` and ``median``, in bits per spike.

    Raises
    ------
    ModelError
        If the shapes or units do not match, or no count is scored.

    See Also
    --------
    bits_per_spike : the definition.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodyn.recording import make
    >>> from neurodyn.validation import metrics
    >>> target = make(np.array([[0.0, 9.0], [1.0, 0.0]]), sampling_interval=0.1, kind="count")
    >>> metrics.bits_per_spike_by_unit(np.array([[0.5, 4.5], [0.5, 4.5]]), target)["spike_share"].values.tolist()
    [0.1, 0.9]
    """
    pooled = bits_per_spike(mean, target, null=null, train=train)
    values = bits_per_spike(mean, target, null=null, train=train, per="unit")
    counts = np.where(
        target["kind"].values.astype(str) == "count", as3(target["activity"]).astype(float), np.nan
    )
    seen = np.isfinite(counts)
    spikes = np.where(seen, counts, 0.0).sum(axis=(0, 1))
    total = spikes.sum()
    fired = values.values[np.isfinite(values.values)]
    table = xr.Dataset(
        {
            "bits_per_spike": ("unit", values.values),
            "spikes": ("unit", spikes),
            "spike_share": ("unit", spikes / total if total > 0 else np.full(spikes.shape, np.nan)),
            "pooled": ((), pooled),
            "median": ((), float(np.median(fired)) if fired.size else np.nan),
        },
        coords={"unit": target["unit"].values},
    )
    return table.isel(unit=np.flatnonzero(seen.any(axis=(0, 1))))


def _true_rates(truth: Any, target: xr.Dataset) -> np.ndarray:
    """True rates ``(trial, time, unit)``."""
    if isinstance(truth, str):
        if truth not in target:
            held = ", ".join(map(str, target.data_vars))
            raise ModelError(f"rate_r2: the target has no variable {truth!r}, it has {held}; give truth=.")
        truth = target[truth]
    shape = getattr(truth, "shape", None)
    if shape != target["activity"].shape:
        raise ModelError(
            f"rate_r2: truth has the shape {shape}, the target {target['activity'].shape}; give the true rate of "
            "every entry."
        )
    return np.asarray(evaluation(target, mean=truth).mean)
