"""Which figures tell a fit, each with its caption and the words for those who cannot see it."""

import numpy as np
import xarray as xr

from neurodyn.analysis.matching import sequence_agreement
from neurodyn.analysis.states import fractional_occupancy
from neurodyn.errors import NotApplicable
from neurodyn.models.base import Fit
from neurodyn.report import couplings, maps, networks, psychometrics, recordings, searches, states, views
from neurodyn.report.connectome_drawings import connectome_drawings
from neurodyn.report.connectome_views import is_connectome
from neurodyn.report.emulator_drawings import emulator_drawings, is_emulator
from neurodyn.report.html import Drawing
from neurodyn.report.methods import data_sentence
from neurodyn.report.rate_drawings import has_rates, rate_drawings

HALF = 4.3
MOST_CONNECTED, MOST_DRAWN, MOST_COVARIATES = 400, 60, 2


class Remembered:
    """A fit that infers a recording once and remembers it, for figures that all ask the same."""

    def __init__(self, fit: Fit):
        self._fit = fit
        self._known: dict[int, xr.Dataset] = {}

    def __getattr__(self, name: str):
        """Everything else is the fit's."""
        return getattr(self._fit, name)

    def infer(self, recording: xr.Dataset) -> xr.Dataset:
        """Posterior over the latents, computed once per recording."""
        if id(recording) not in self._known:
            self._known[id(recording)] = self._fit.infer(recording)  # type: ignore[attr-defined]
        return self._known[id(recording)]


def data_drawing(recording: xr.Dataset) -> Drawing:
    """The picture of the data."""
    counts = (recording["kind"].values == "count").all()
    few = recording.sizes["unit"] <= recordings.TRACES and not counts
    shown = (
        "White is no event, black the unit's 99th percentile."
        if counts
        else ("One line per unit." if few else "Colours are standard deviations from each unit's mean.")
    )
    missing = " Missing entries are tinted." if not np.isfinite(recording["activity"].values).all() else ""
    return Drawing(
        lambda width: recordings.plot_recording(recording, width=width),
        alt="Activity of all units over time. " + data_sentence(recording),
        caption=shown + missing,
        name="recording",
    )


def fit_drawings(fit: Fit, recording: xr.Dataset) -> tuple[list[Drawing], list[tuple[Drawing, Drawing]]]:
    """Figures of a fit that has some: wide ones, and pairs that stand side by side."""
    if has_rates(fit):
        return rate_drawings(fit, recording), []
    if is_connectome(fit):
        return connectome_drawings(fit, recording), []
    if is_emulator(fit):
        return emulator_drawings(fit, recording), []
    if not views.has_states(fit):
        return coupling_drawings(fit), []
    held: Fit = Remembered(fit)  # type: ignore[assignment]
    share = fractional_occupancy(views.states(held, recording).probability)
    names = (
        [str(s) for s in share["state"].values]
        if "state" in share.coords
        else list(map(str, range(share.size)))
    )
    spent = ", ".join(f"state {name} {value:.0%}" for name, value in zip(names, share.values, strict=True))
    wide = [
        Drawing(
            lambda width: states.plot_states(held, recording, width=width),
            alt=f"Activity over time and, below it, when each of {share.size} states is active.",
            caption="Above the data, below the probability of each state at each moment (full height is certainty).",
            name="states",
        ),
        Drawing(
            lambda width: maps.plot_transitions(held, recording, width=width),
            alt=f"Graph and matrix of the transitions between {share.size} states.",
            caption="The graph: where the chain goes when it leaves a state; circles are as large as the time spent there, "
            "arrows below 5 % are left out. The matrix: probabilities per bin; the grey diagonal is staying and "
            "has no part in the scale of colours.",
            width=7.0,
            name="transitions",
        ),
        Drawing(
            lambda width: maps.plot_state_means(held, recording, width=width),
            alt=f"Mean activity of {recording.sizes['unit']} units in each of {share.size} states.",
            caption="What each state looks like: activity of every unit in each state.",
            name="means",
        ),
    ]
    wide += coupling_drawings(fit) + choice_drawings(held, recording)
    connected = (
        2 < recording.sizes["unit"] <= MOST_CONNECTED
        and not (recording["kind"].values == "categorical").any()
    )
    if connected:
        wide.append(
            Drawing(
                lambda width: maps.plot_connectivity(held, recording, width=width),
                alt=f"Correlation matrices of {recording.sizes['unit']} units, one for each of {share.size} states.",
                caption="Functional connectivity in each state; units in the same order everywhere.",
                name="connectivity",
            )
        )
    pairs = [
        (
            Drawing(
                lambda width: states.plot_occupancy(held, recording, width=width),
                alt=f"Time spent in each state: {spent}.",
                caption="Share of the time spent in each state"
                + ("; dots are trials." if "trial" in recording["activity"].dims else "."),
                width=HALF,
                name="occupancy",
            ),
            Drawing(
                lambda width: states.plot_dwell_times(held, recording, width=width),
                alt="Duration of the visits to each state, on a logarithmic axis.",
                caption="How long visits last: dots are visits, the bar their median, the ring the mean that the "
                "transition matrix implies." + states.cut_words(held, recording),
                width=HALF,
                name="dwell_times",
            ),
        )
    ]
    networked = network_drawings(fit)
    return wide, pairs + ([networked] if networked else [])


def coupling_drawings(fit: Fit) -> list[Drawing]:
    """The matrices of couplings, where a fit has some."""
    if not couplings.has_couplings(fit) or views.last(fit).parameters.sizes["unit"] < 2:
        return []
    parameters = views.last(fit).parameters
    n_states, n_units = parameters.sizes["state"], parameters.sizes["unit"]
    shared = "" if n_states == 1 else " The first panel is the mean over states."
    if "connectome" in parameters:
        shared = " The first panel is the connectome that all states share."
    return [
        Drawing(
            lambda width: couplings.plot_couplings(fit, width=width),
            alt=f"Matrices of the couplings between {n_units} units, one for each of {n_states} states.",
            caption=f"Couplings: how much a {couplings.per_unit(fit)} of the source (column) raises or lowers the drive of "
            "the target (row), summed over lags; own histories are grey. Units that share an input look coupled."
            + shared,
            name="couplings",
        )
    ]


def choice_drawings(fit: Fit, recording: xr.Dataset) -> list[Drawing]:
    """Choices against the first covariates of a model of choices."""
    if not psychometrics.has_choices(fit):
        return []
    names = [str(name) for name in views.last(fit).parameters["covariate"].values[:MOST_COVARIATES]]

    def drawn(number: int, name: str) -> Drawing:
        return Drawing(
            lambda width: psychometrics.plot_psychometric(fit, recording, name, width=width),
            alt=f"Probability of the choice against {name} in each state.",
            caption="Lines: the model, all else at its mean in the state. Points: the choices, weighed by the probability "
            "of the state, with 95 % binomial intervals; these probabilities have seen the choices.",
            width=5.6,
            name=f"choices_{number}",
        )

    return [drawn(number, name) for number, name in enumerate(names)]


def network_drawings(fit: Fit) -> tuple[Drawing, Drawing] | None:
    """The networks of the two most common states, where they can be read."""
    if not couplings.has_couplings(fit):
        return None
    parameters = views.last(fit).parameters
    if parameters.sizes["state"] < 2 or not 2 < parameters.sizes["unit"] <= MOST_DRAWN:
        return None

    def drawn(state: int) -> Drawing:
        return Drawing(
            lambda width: networks.plot_network(fit, state, width=width),
            alt=f"The strongest couplings of state {state} as a network.",
            caption=f"The strongest couplings of state {state}: red arrows excite, blue bars inhibit.",
            width=HALF,
            name=f"network_{state}",
        )

    first, second = parameters["state"].values[:2].tolist()
    return drawn(first), drawn(second)


def restart_drawing(fit: Fit) -> Drawing | None:
    """The figure of the restarts, where there were any."""
    trace = views.last(fit).trace
    if np.size(trace.objective) < 2 and np.size(trace.restarts) < 2:
        return None
    ends = np.asarray(trace.restarts)
    finite = ends[np.isfinite(ends)]
    worst = (
        f" The worst ended {finite.max() - finite.min():.3g} nats below the best." if finite.size > 1 else ""
    )
    return Drawing(
        lambda width: searches.plot_restarts(fit, width=width),
        alt=f"Training objective by iteration, and the end of {finite.size} restarts.{worst}",
        caption="Training objective of the kept run, and where every restart ended; the percentage is the share of bins on "
        "which they agree. Restarts that end level and agree mean that the optimum is no accident of the start.",
        width=6.4,
        name="restarts",
    )


def fold_agreement(fits: list[Fit], recording: xr.Dataset) -> float:
    """Mean share of bins on which the states of fits to different folds agree, after matching."""
    able = [fit for fit in fits if views.has_states(fit)]
    if len(able) < 2:
        return float("nan")
    try:
        paths = [views.states(fit, recording).path for fit in able]
    except NotApplicable:
        return float("nan")
    return float(np.mean([sequence_agreement(paths[0], path) for path in paths[1:]]))
