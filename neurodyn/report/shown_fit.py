"""The section of the page that shows a fit."""

from typing import TYPE_CHECKING

import xarray as xr

from neurodyn.models.base import Fit
from neurodyn.report import connectome_drawings, drawings, rate_drawings, trust, views, words
from neurodyn.report.connectome_views import is_connectome
from neurodyn.report.emulator_drawings import emulator_facts, is_emulator
from neurodyn.report.html import figure, section, text

if TYPE_CHECKING:
    from neurodyn.validation.comparison import Comparison

SHOWN = (views.has_states, rate_drawings.has_rates, is_connectome, is_emulator)


def chosen_fit(comparison: "Comparison") -> tuple[Fit, str, str] | None:
    """The fit to show where none is given: the best model that has something to show, on the first fold."""
    for found in words.findings(comparison):
        ranked = words.ranked(comparison.scores.sel(protocol=found.protocol), found.metric)
        for name in ranked:
            fits = comparison.fits.get((found.protocol, name), [])
            if fits and any(has(fits[0]) for has in SHOWN):
                return (
                    fits[0],
                    name,
                    f"The fit shown is {name} on the training part of fold 1 of {found.protocol}.",
                )
    return None


def fit_section(
    comparison: "Comparison", fit: Fit | None, recording: xr.Dataset, dpi: float, identity: str = "fit"
) -> str:
    """The figures of the fit, its restarts, and how stable its states or components are between folds."""
    if fit is not None:
        shown = fit
        note = "The fit shown was made on the whole recording; all scores are of fits that never saw what they predict."
    else:
        chosen = chosen_fit(comparison)
        if chosen is None:
            return ""
        shown, _, note = chosen
    wide, pairs = drawings.fit_drawings(shown, recording)
    if not wide:
        return ""
    beside = [f'<div class="pair">{figure(left, dpi)}{figure(right, dpi)}</div>' for left, right in pairs]
    parts = [f"<p>{text(note)}</p>", figure(wide[0], dpi), *beside[:1]]
    parts += [*(figure(item, dpi) for item in wide[1:]), *beside[1:]]
    if rate_drawings.has_rates(shown):
        parts.append(rate_drawings.training_facts(shown))
    if is_emulator(shown):
        parts.append(emulator_facts(shown))
    if is_connectome(shown):
        parts.append(connectome_drawings.trust(comparison, shown))
    if views.has_states(shown):
        parts.append(trust.states(comparison, shown, recording, dpi))
    return section(identity, "The fit", *parts)
