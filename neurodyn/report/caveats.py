"""What the other scores of a model say against its main one, or for it."""

from typing import TYPE_CHECKING

import numpy as np

from neurodyn.report.scores import metric_name
from neurodyn.report.style import number

if TYPE_CHECKING:
    from neurodyn.validation.comparison import Comparison

PERSISTENCE = "mse_over_persistence"


def _known(
    comparison: "Comparison", protocol: str, model: str, start: str
) -> list[tuple[str, float, float, float]]:
    """Metrics whose name starts so, with value and both ends of the interval."""
    here = comparison.scores.sel(protocol=protocol, model=model)
    found = []
    for metric in here["metric"].values.astype(str):
        row = here.sel(metric=metric)
        ends = tuple(float(row[name]) for name in ("value", "lower", "upper"))
        if metric.startswith(start) and np.isfinite(ends).all():
            found.append((metric, *ends))
    return found


def against(comparison: "Comparison", protocol: str, model: str) -> list[str]:
    """Scores of a model that are plainly worse than a prediction that knows little.

    Parameters
    ----------
    comparison : Comparison
        The scores.
    protocol, model : str
        Whose.

    Returns
    -------
    list of str
        Clauses; empty where nothing speaks against the model.
    """
    clauses = []
    for metric, value, _, upper in _known(comparison, protocol, model, "log_likelihood")[:1]:
        if upper < float(comparison.scores["floor"].sel(metric=metric)):
            clauses.append(
                f"under {protocol} its likelihood is below that of independent units "
                f"({metric_name(metric)} {number(value)})"
            )
    for _, value, lower, _ in _known(comparison, protocol, model, PERSISTENCE):
        if lower > 1:
            clauses.append(
                f"under {protocol} the last value predicts better (its squared error is {number(value)} times persistence's)"
            )
    return clauses


def in_favour(comparison: "Comparison", protocol: str, model: str) -> list[str]:
    """What the likelihood gains where the main score is at its floor.

    Parameters
    ----------
    comparison : Comparison
        The scores.
    protocol, model : str
        Whose.

    Returns
    -------
    list of str
        Clauses; empty where the likelihood gains nothing either.
    """
    return [
        f"under {protocol} its likelihood, which also counts how units vary together, gains "
        f"{number(value)} over independent units ({metric_name(metric)})"
        for metric, value, lower, _ in _known(comparison, protocol, model, "log_likelihood")[:1]
        if lower > float(comparison.scores["floor"].sel(metric=metric))
    ]
