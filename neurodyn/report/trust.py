"""Can the states be trusted: how far restarts and folds agree, and how to read that."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from neurodyn.models.base import Fit, Trace
from neurodyn.report import drawings, views
from neurodyn.report.html import definitions, figure, text
from neurodyn.report.style import duration

if TYPE_CHECKING:
    from neurodyn.validation.comparison import Comparison

# Conventions, not tests: what agreement by chance is depends on the number of states and on how long they last.
HIGH, LOW = 0.9, 0.7


def states(comparison: "Comparison", fit: Fit, recording: xr.Dataset, dpi: float) -> str:
    """What speaks for and against the states of a fit, in a sentence, in numbers and in a figure."""
    trace = views.last(fit).trace
    facts = [("stopped because", trace.reason), ("time to fit", duration(trace.seconds))]
    if np.size(trace.restarts) > 1:
        facts.insert(0, ("restarts", str(np.size(trace.restarts))))
        if np.isfinite(trace.agreement):
            facts.insert(1, ("restarts agree on", f"{trace.agreement:.0%} of bins, after matching states"))
    for (protocol, name), fits in comparison.fits.items():
        if len(fits) > 1 and _alike(fits[0], fit):
            agreed = drawings.fold_agreement(fits, recording)
            if np.isfinite(agreed):
                facts.append(
                    (f"{name}, folds of {protocol} agree on", f"{agreed:.0%} of bins, after matching states")
                )
    restarts = drawings.restart_drawing(fit)
    return "".join(
        (
            "<h3>Can the states be trusted?</h3>",
            f"<p>{text(reading(trace))}</p>",
            definitions(facts),
            "" if restarts is None else figure(restarts, dpi),
        )
    )


def reading(trace: Trace) -> str:
    """How to read the agreement of the restarts.

    Parameters
    ----------
    trace : Trace
        Of the fit with states.

    Returns
    -------
    str
        A sentence or two.
    """
    agreement = trace.agreement
    if not np.isfinite(agreement):
        why = "No second start came to its end" if np.size(trace.restarts) > 1 else "There was a single start"
        return (
            f"Not known. {why}, so nothing says whether another start would find the same states: fit with more "
            "restarts or iterations before you name them."
        )
    found = f"The restarts agree on {agreement:.0%} of bins"
    if agreement < LOW:
        return (
            f"Not as they stand. {found}, which is low: another start gives other states. Do not name or interpret "
            "them; try fewer states or a simpler emission."
        )
    if agreement < HIGH:
        return (
            f"In part. {found}: another start keeps most of the states and moves the rest. Interpret only what is "
            "the same in every restart."
        )
    return (
        f"As far as the optimiser goes, yes. {found}: another start gives nearly the same states. That does not say "
        "that they predict anything; the verdict does."
    )


def _alike(one: Fit, other: Fit) -> bool:
    """Whether two fits are of the same kind with as many states."""
    if one.model.name != other.model.name or not views.has_states(one):
        return False
    return views.last(one).parameters.sizes["state"] == views.last(other).parameters.sizes["state"]
