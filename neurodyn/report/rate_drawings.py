"""Figures that tell a fit of single-trial rates, each with its caption and the words for those who cannot see it."""

import numpy as np
import xarray as xr

from neurodyn.models.base import Fit
from neurodyn.models.vae import SequentialVAEFit
from neurodyn.report import condition_averages, potentials, rates, trainings, trajectories, views
from neurodyn.report.html import Drawing, definitions
from neurodyn.report.style import duration

MOST_BINS = 400
REPEATS = ("condition", "stimulus", "stimulus_id")  # as a comparison looks for them


def has_rates(fit: Fit) -> bool:
    """Whether a fit infers rates of single trials by a network."""
    return isinstance(views.last(fit), SequentialVAEFit)


def rate_drawings(fit: Fit, recording: xr.Dataset) -> list[Drawing]:
    """Figures of a sequential autoencoder.

    Parameters
    ----------
    fit : Fit
        The fit.
    recording : xr.Dataset
        What it is shown on.

    Returns
    -------
    list of Drawing
        Single trials first.
    """
    known: dict[str, xr.Dataset] = {}

    def predicted() -> xr.Dataset:
        """Everything predicted from everything, computed when first needed."""
        if "all" not in known:
            known["all"] = fit.predict(recording, mode="all")
        return known["all"]

    found = [_single(predicted, recording), *_averages(predicted, recording)]
    found.append(_paths(fit, recording))
    if potentials.has_potential(fit):
        found.append(_potential(fit))
    found.append(_training(fit))
    return found


def training_facts(fit: Fit) -> str:
    """Why training stopped, which parameters were kept, and how long it took."""
    learner = views.last(fit)
    parameters, trace = learner.parameters, learner.trace
    facts = [("stopped because", trace.reason), ("time to fit", duration(trace.seconds))]
    best = int(learner.provenance["best"])
    if np.isfinite(parameters["held_out_loss"].values).any():
        facts.insert(
            1,
            (
                "kept",
                f"the parameters of epoch {float(parameters['epoch'][best]):g}, best on entries set aside",
            ),
        )
    if np.size(trace.restarts) > 1:
        facts.insert(0, ("starts", str(np.size(trace.restarts))))
    return definitions(facts)


def _single(predicted, recording: xr.Dataset) -> Drawing:
    """Two trials, or the beginning of a recording without trials."""
    count = (recording["kind"].values.astype(str) == "count").all()
    n_trials = recording.sizes.get("trial", 1)
    trials = sorted({0, n_trials // 2})
    cut = {"time": slice(0, MOST_BINS)}
    what = "counts" if count else "activity"
    return Drawing(
        lambda width: rates.plot_rates(
            predicted().isel(cut), recording.isel(cut), trial=trials if width > 5 else trials[0], width=width
        ),
        alt=f"Single trials: {what} of {recording.sizes['unit']} units beside what is inferred of them.",
        caption=f"Single trials: the {what}, and beside them what the model infers from them, given the whole trial.",
        name="rates",
    )


def _averages(predicted, recording: xr.Dataset) -> list[Drawing]:
    """Averages over the trials of a condition, where there are trials."""
    if recording.sizes.get("trial", 1) < 4:
        return []
    by = next(
        (name for name in REPEATS if name in recording.coords and recording[name].dims == ("trial",)), None
    )
    if by is not None and np.unique(recording[by].values.astype(str), return_counts=True)[1].max() < 2:
        by = None
    step = float(recording.attrs["sampling_interval"])
    return [
        Drawing(
            lambda width: condition_averages.plot_condition_average(
                predicted(), recording, by=by, smoothing=step, width=width
            ),
            alt=f"Averages over trials of {f'each {by}' if by else 'all conditions'}, measured and inferred.",
            caption="Averages over trials, smoothed with one bin: bands are measured, lines inferred. The inferred "
            "ones have seen these trials; agreement is a check, not a score.",
            name="condition_averages",
        )
    ]


def _paths(fit: Fit, recording: xr.Dataset) -> Drawing:
    """Trajectories."""
    uses = views.last(fit).network.uses_latent  # type: ignore[attr-defined]
    what = "latent state" if uses else "features that rates are read from"
    return Drawing(
        lambda width: trajectories.plot_trajectories(fit, recording, width=width),
        alt=f"Paths of single trials in the first principal components of the {what}.",
        caption=f"Single trials in the first principal components of the {what}. Axes have no meaning of their own.",
        name="trajectories",
    )


def _potential(fit: Fit) -> Drawing:
    """The potential of a Langevin latent."""
    away = int((potentials.learnt_potential(fit).fates == "runs away").sum())
    doubt = (
        f" {away} of its modes run away: what the latent says late in a trial is not to be trusted."
        if away
        else ""
    )
    return Drawing(
        lambda width: potentials.plot_potential(fit, width=width),
        alt="Spectrum of the learnt potential, energy along its modes, and the modes themselves.",
        caption="The learnt potential about the origin: squared frequencies of its modes, and the energy along the stiffest "
        f"and the softest of them.{doubt}",
        name="potential",
    )


def _training(fit: Fit) -> Drawing:
    """The course of training."""
    return Drawing(
        lambda width: trainings.plot_training(fit, width=width),
        alt="Loss of training entries and of entries set aside over epochs.",
        caption="Training: loss of the entries hidden in each step, and of entries set aside; the ring marks the parameters "
        "that were kept.",
        name="training",
    )
