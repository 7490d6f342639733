"""Figures and sentences of a page that tell a dynamic connectome, and how far its components are to be trusted."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurodyn.inference.factorise.comparison import congruence
from neurodyn.models.base import Fit
from neurodyn.models.baselines.pair_amplitude import PairAmplitude
from neurodyn.models.baselines.window_states import WindowStates
from neurodyn.models.connectome.dynamic_connectome import DynamicConnectome
from neurodyn.report import connectome_summaries, connectomes, views
from neurodyn.report.connectome_views import ConnectomeView, connectome_view, is_connectome
from neurodyn.report.html import Drawing, definitions, text
from neurodyn.report.style import duration, number

if TYPE_CHECKING:
    from neurodyn.validation.comparison import Comparison

MOST_CARDS = 6
ALIKE = 0.8  # as in `neurodyn.validation.select_rank`
NAMED = 4
HOW = (
    " The course times the share of a pair in the matrix is the affinity that the component gives the pair; under a shared "
    "clock, times the loading of the animal too. In the graph, lines are as wide as pairs are strong."
)


def connectome_drawings(fit: Fit, recording: xr.Dataset) -> list[Drawing]:
    """All components at a glance, then a card for each, the largest first.

    Parameters
    ----------
    fit : Fit
        A fit of a dynamic connectome.
    recording : xr.Dataset
        Traces or pairs; the first of its covariates, where there is one, is shown beside the courses.

    Returns
    -------
    list of Drawing
        At most six cards.
    """
    view = connectome_view(fit)
    behaviour = _behaviour(recording, view)
    beside = (
        "" if behaviour is None else f" On top, {behaviour['covariate'].item()}, which the model never saw."
    )
    drawings = [
        Drawing(
            lambda width: connectome_summaries.plot_connectome_summary(fit, behaviour=behaviour, width=width),
            alt=f"Courses of {len(view.components)} components in {len(view.trials)} animals, and their strongest units.",
            caption="Every component in a row: when it is strong in each animal, and the units whose pairs it holds most "
            f"of. Percentages are shares of the modelled affinity; white stretches at 0, grey not observed.{beside}",
            name="components",
        )
    ]
    largest = np.argsort(-view.total, kind="stable")[:MOST_CARDS].tolist()
    return drawings + [_card(fit, view, place, behaviour, how=place == largest[0]) for place in largest]


def _card(fit: Fit, view: ConnectomeView, place: int, behaviour: Any, *, how: bool) -> Drawing:
    """Card of one component."""
    label = view.components[place]
    units = view.nodes[np.argsort(-np.nan_to_num(view.strength(place)), kind="stable")[:NAMED]]
    named = ", ".join(units.tolist())
    return Drawing(
        lambda width: connectomes.plot_component(fit, label, behaviour=behaviour, width=width),
        alt=f"Component {label}: its course, its animals, its pairs, those of {named} the strongest, and their graph.",
        caption=f"Component {label}, led by {named}." + (HOW if how else ""),
        name=f"component_{label}",
    )


def _behaviour(recording: xr.Dataset, view: ConnectomeView) -> xr.DataArray | None:
    """The first covariate, where its bins and animals are those of the courses."""
    if "covariates" not in recording or not recording.sizes["covariate"]:
        return None
    found = recording["covariates"].isel(covariate=0)
    sizes = (found.sizes.get("trial", 1), found.sizes["time"])
    return found if sizes == (len(view.trials), len(view.time)) else None


def trust(comparison: "Comparison", fit: Fit) -> str:
    """Whether restarts and folds find the same components, in a sentence and in numbers."""
    held = views.last(fit)
    view, trace = connectome_view(fit), held.trace
    facts = [("stopped because", trace.reason), ("time to fit", duration(trace.seconds))]
    if np.size(trace.restarts) > 1:
        facts.insert(0, ("restarts", str(np.size(trace.restarts))))
    for (protocol, name), fits in comparison.fits.items():
        if len(fits) > 1 and all(map(is_connectome, fits)):
            agreed = fold_agreement(fits)
            if np.isfinite(agreed):
                facts.append((f"{name}, folds of {protocol} agree", f"{agreed:.2f} (congruence of pairs)"))
    return "".join(
        (
            "<h3>Can the components be trusted?</h3>",
            f"<p>{text(reading(view.components, view.agreement))}</p>",
            definitions(facts),
        )
    )


def reading(components: np.ndarray, agreement: np.ndarray) -> str:
    """How to read the agreement of the restarts, component by component.

    Parameters
    ----------
    components : np.ndarray
        Labels.
    agreement : np.ndarray
        Mean congruence of each with its partner in the other restarts; NaN where it is not known.

    Returns
    -------
    str
        A sentence or two.

    Examples
    --------
    >>> import numpy as np
    >>> reading(np.arange(3), np.array([0.97, 0.95, 0.4])).split(".")[0]
    'In part'
    """
    if not np.isfinite(agreement).all():
        return (
            "Not known. There was a single start, so nothing says whether another would find the same components: fit with "
            "more restarts before you name them."
        )
    said = ", ".join(f"{label}: {value:.2f}" for label, value in zip(components, agreement, strict=True))
    found = f"Mean congruence of the components with those of the other restarts (1 is the same): {said}."
    alike = agreement >= ALIKE
    if alike.all():
        return f"As far as the optimiser goes, yes. {found} That does not say that they predict anything; the verdict does."
    lost = ", ".join(map(str, components[~alike]))
    if not alike.any():
        return f"Not as they stand. {found} Another start gives other components: use a lower rank before you name them."
    return (
        f"In part. {found} Another start gives others in place of {lost}: do not interpret these one by one."
    )


def fold_agreement(fits: list[Fit]) -> float:
    """Mean congruence of the pairs of fits to different folds with those of the first, after matching.

    Parameters
    ----------
    fits : list of Fit
        Fits of dynamic connectomes.

    Returns
    -------
    float
        NaN where they have no pairs in common.
    """
    factors = [views.last(fit).parameters for fit in fits]
    first = factors[0]
    found = []
    for other in factors[1:]:
        seen = first["pair_seen"].values & other["pair_seen"].values
        if seen.any():
            found.append(congruence((first["pair"].values[seen],), (other["pair"].values[seen],)).mean)
    return float(np.mean(found)) if found else float("nan")


def model_sentences(label: str, model: Any) -> str:
    """What a model of pairs is, for a methods section; nothing for other models.

    Parameters
    ----------
    label : str
        Its name in the table.
    model : Model
        Any.

    Returns
    -------
    str
        Sentences.

    Examples
    --------
    >>> model_sentences("pair_amplitude", PairAmplitude()).split(",")[0]
    'The pair-amplitude baseline takes an affinity to be the product of the amplitudes of its two units at the time'
    """
    tag = "" if label == model.name else f" “{label}”"
    if isinstance(model, DynamicConnectome):
        return _connectome(tag, model)
    if isinstance(model, PairAmplitude):
        return (
            f"The pair-amplitude baseline{tag} takes an affinity to be the product of the amplitudes of its two units at "
            "the time, which it infers from the pairs that are given, and of a strength of the pair: what is beyond it is "
            "more than which units are active when."
        )
    if isinstance(model, WindowStates):
        return (
            f"The sliding-window baseline{tag} takes the affinities at a time to be one of {model.n_states} patterns, the "
            f"one nearest to the mean of what is given within {model.window} bins; patterns are centres of k-means on such "
            "means (Allen et al., 2014)."
        )
    return ""


def _connectome(tag: str, model: DynamicConnectome) -> str:
    """A dynamic connectome."""
    shared = model.clock == "shared"
    product = (
        "a course that all animals share, a loading of the animal and a loading of the pair"
        if shared
        else "a course that every animal has for itself and a loading of the pair that all share"
    )
    loss = "least squares" if model.loss == "squares" else "Kullback-Leibler divergence"
    extra = [
        f"{what} of {number(value, tiny=0.0)}"
        for what, value in (
            ("shrinkage of all factors as by a share of the bins, all zeros,", model.shrinkage),
            ("an l1 penalty on pairs", model.sparsity),
            ("a penalty on squared differences of courses", model.smoothness),
        )
        if value > 0
    ]
    penalties = f", with {' and '.join(extra)}" if extra else ""
    learnt = " and loadings of an unknown animal" if shared else ""
    many = model.rank > 1
    return (
        f"The dynamic connectome{tag} writes affinities as {'a sum of ' if many else ''}{model.rank} non-negative "
        f"component{'s' * many}{', each' if many else ''} the product of {product} (Dyballa et al., 2024), found by {loss} "
        f"over the observed entries alone, one column at a time (Cichocki & Phan, 2009){penalties}, from several starts. On "
        f"data it did not see, courses{learnt} are inferred from what is given, with pairs held fixed."
    )


def pairs_sentence(comparison: "Comparison") -> str:
    """What is scored where protocols score the pairs of a recording of units; nothing elsewhere."""
    for splits in comparison.splits.values():
        scored = splits[0].recording if splits else None
        if scored is not None and "source" in scored.coords and "target" in scored.coords:
            history = str(scored.attrs.get("history", ("",))[-1])
            measure = re.sub(r"^affinity of pairs: ", "", history) if history.startswith("affinity") else ""
            how = f", made by {measure}" if measure else ""
            return f"Models were fitted to and scored on the affinities of its {scored.sizes['unit']:,} pairs of units{how}."
    return ""
