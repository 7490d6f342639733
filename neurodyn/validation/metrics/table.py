"""All metrics by name, and which ones suit a recording."""

import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.validation.metrics import choices, continuous, counts, likelihood, structure
from neurodyn.validation.metrics.base import Metric

METRICS = {
    metric.name: metric
    for metric in (
        counts.BITS_PER_SPIKE,
        counts.BITS_PER_SPIKE_TRAIN,
        continuous.R2,
        continuous.R2_TRAIN,
        continuous.PEARSON,
        continuous.MSE,
        continuous.RELATIVE_MSE,
        choices.CHOICE_GAIN,
        choices.LOG_LOSS,
        choices.ACCURACY,
        likelihood.LOG_LIKELIHOOD,
        likelihood.LOG_LIKELIHOOD_PER_ENTRY,
        likelihood.LOG_LIKELIHOOD_PER_SPIKE,
        structure.CONNECTIVITY_MATCH,
    )
}
BY_KIND = {
    "count": ("bits_per_spike", "bits_per_spike_train_null"),
    "continuous": ("r2", "r2_train_null", "pearson_r", "mse_over_persistence"),
    "binary": ("bits_per_choice", "log_loss", "accuracy"),
    "categorical": ("bits_per_choice", "log_loss", "accuracy"),
}


def get(name: str) -> Metric:
    """Return a metric by its name.

    Parameters
    ----------
    name : str
        A key of `METRICS`.

    Returns
    -------
    Metric
        The metric.

    Raises
    ------
    ModelError
        If the name is unknown.

    Examples
    --------
    >>> from neurodyn.validation import metrics
    >>> metrics.get("r2").unit
    '1'
    """
    if name not in METRICS:
        raise ModelError(f"there is no metric {name!r}; there are {', '.join(METRICS)}.")
    return METRICS[name]


def automatic(recording: xr.Dataset) -> list[Metric]:
    """Metrics that suit the kinds of a recording's units, the main one of every kind first.

    Parameters
    ----------
    recording : xr.Dataset
        A recording.

    Returns
    -------
    list of Metric
        In the order of a table's columns.
    """
    kinds = set(recording["kind"].values.astype(str).tolist())
    names = [name for kind, chosen in BY_KIND.items() if kind in kinds for name in chosen]
    names.append("log_likelihood")
    if kinds == {"count"}:
        names.append("log_likelihood_per_spike")
    return [METRICS[name] for name in dict.fromkeys(names)]
