"""Figures and words of a page that tell a network that emulates discrete states."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from neurodyn.analysis.dynamics import Portrait, kick_groups, portrait, zone_rates
from neurodyn.errors import ModelError
from neurodyn.models.base import Fit
from neurodyn.models.recurrent import HMMEmulator, HMMEmulatorFit, sequence_windows
from neurodyn.report import (
    grouped_weights,
    noise_orbits,
    symbol_sequences,
    symbol_statistics,
    views,
    zone_spectra,
)
from neurodyn.report.html import Drawing, definitions
from neurodyn.report.style import duration, number
from neurodyn.validation.metrics import sequence_statistics

RUNS, STEPS, ROLLOUTS = 24, 40, 16
STATES_OF_ZONE = 24
KICKS, SHARE = 20, 8  # units of a direction; at most one of so many
GENERATED = 2000


def is_emulator(fit: Fit) -> bool:
    """Whether a fit is a network that emulates discrete states."""
    return isinstance(views.last(fit), HMMEmulatorFit)


@dataclasses.dataclass(frozen=True)
class Inside:
    """What the figures of a network share.

    Parameters
    ----------
    found : Portrait
        Noisy runs.
    directions : list of tuple of int
        Both ways between the two symbols that lead most often, empty where a single one does.
    """

    found: Portrait
    directions: list[tuple[int, int]]


def inside(fit: HMMEmulatorFit) -> Inside:
    """Run the network, few and short runs, from the key of its fit.

    Parameters
    ----------
    fit : HMMEmulatorFit
        The fit.

    Returns
    -------
    Inside
        The runs.
    """
    found = portrait(
        fit.dynamics(), key=_key(fit), n_runs=RUNS, n_steps=STEPS, discard=STEPS, n_rollouts=ROLLOUTS
    )
    count = np.bincount(found.symbols.ravel())
    first, *rest = np.argsort(-count, kind="stable")[:2].tolist()
    second = [one for one in rest if count[one] > 0]
    return Inside(found, [(first, one) for one in second] + [(one, first) for one in second])


def _key(fit: HMMEmulatorFit) -> Any:
    """Randomness of the figures, which follows from that of the fit."""
    words = jnp.asarray(fit.provenance["key"], jnp.uint32)
    return jax.random.fold_in(jax.random.wrap_key_data(words), 7)


def emulator_drawings(fit: Fit, recording: xr.Dataset) -> list[Drawing]:
    """Sequences and their statistics beside the recorded ones, then what the network does inside.

    Parameters
    ----------
    fit : Fit
        A fit of `neurodyn.models.HMMEmulator`.
    recording : xr.Dataset
        Symbols.

    Returns
    -------
    list of Drawing
        Sequences first, where the recording holds complete ones.
    """
    learner = views.last(fit)
    if not isinstance(learner, HMMEmulatorFit):
        raise ModelError(f"{learner.model.name} is no network that emulates states.")

    @functools.cache
    def known() -> Inside:
        return inside(learner)

    @functools.cache
    def rates() -> dict[str, np.ndarray]:
        return zone_rates(learner.dynamics(), known().found, key=0, most=STATES_OF_ZONE)

    @functools.cache
    def groups() -> dict[str, np.ndarray]:
        return kick_groups(
            learner.dynamics(), known().found, known().directions, key=_key(learner), size=_size(learner)
        )

    names = [str(name) for name in learner.parameters["category"].values]
    found = _compared(learner, recording)
    found.append(
        Drawing(
            lambda width: noise_orbits.plot_orbit(known().found, symbol_names=names, width=width),
            alt="States of noisy runs in the plane of two principal components, by zone and by symbol.",
            caption="Where noise keeps the network. Left: by the mean number of steps until the symbol changes; lines "
            "show where the network goes when the noise is taken away. Right: by the symbol with the largest logit.",
            name="orbit",
        )
    )
    found.append(
        Drawing(
            lambda width: zone_spectra.plot_zone_spectra(rates(), width=width),
            alt="Eigenvalues of local Jacobians in the plane of rates, one panel for each zone.",
            caption="Eigenvalues of the step's Jacobian through (λ − 1) / (λ + 1): right of the line grows, left decays, "
            "above and below the middle turns. Local growth does not mean that the network leaves: the next step has "
            "another Jacobian.",
            name="spectra",
        )
    )
    if known().directions and learner.network.width > SHARE:
        found.append(
            Drawing(
                lambda width: grouped_weights.plot_grouped_weights(
                    learner.parameters["recurrent"].values, groups(), width=width
                ),
                alt="Recurrent weights sorted by direction of switching, and their means between groups.",
                caption=f"Recurrent weights. The groups are the {_size(learner)} units with the largest adjoint score for "
                "each direction of switching between the two commonest symbols: candidates for units that kick, which "
                "only an intervention confirms.",
                name="weights",
            )
        )
    return found


def _size(fit: HMMEmulatorFit) -> int:
    """Units of a direction."""
    return max(min(KICKS, fit.network.width // SHARE), 1)


def _compared(fit: HMMEmulatorFit, recording: xr.Dataset) -> list[Drawing]:
    """Recorded against emulated sequences."""
    try:
        recorded = sequence_windows(recording, int(fit.provenance["window"]))
    except ModelError:
        return []
    window = recorded.sizes["time"]
    count = min(max(recorded.sizes["trial"], symbol_sequences.MOST), GENERATED)
    samples = {
        "recorded": recorded,
        "emulated": fit.simulate(window, n_trials=count, key=_key(fit), hidden=False),
    }
    calm = [float(sequence_statistics(one)["volatility"]) for one in samples.values()]
    said = f"{number(calm[0])} changes in a recorded sequence, {number(calm[1])} in an emulated one"
    return [
        Drawing(
            lambda width: symbol_sequences.plot_sequences(samples, width=width),
            alt=f"Recorded and emulated sequences of {window} steps as coloured rows.",
            caption="The first recorded sequences, and as many that the network made from noise; row by row they have "
            "nothing to do with each other.",
            name="sequences",
        ),
        Drawing(
            lambda width: symbol_statistics.plot_sequence_statistics(samples, width=width),
            alt=f"Transition matrices, frequencies and volatility of recorded and emulated sequences: {said}.",
            caption=f"Transitions per step (staying is grey), symbol frequencies and changes per sequence: {said}.",
            name="statistics",
        ),
    ]


def emulator_facts(fit: Fit) -> str:
    """What the network was trained on and how that ended, as a list."""
    learner = views.last(fit)
    held = learner.provenance
    facts = [
        (
            "trained on",
            f"{held['windows']:,} sequences of {held['window']} bins; {held['dropped_bins']:,} bins in none",
        ),
        ("stopped because", learner.trace.reason),
        ("time to fit", duration(learner.trace.seconds)),
    ]
    return definitions(facts)


def emulator_sentences(label: str, model: Any) -> str:
    """What a model that emulates states is, for a methods section; nothing for other models.

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
    >>> from neurodyn.models import HMMEmulator
    >>> emulator_sentences("hmm_emulator", HMMEmulator()).split(",")[0]
    'The emulator is a network of 150 rectified units without biases'
    """
    if not isinstance(model, HMMEmulator):
        return ""
    tag = "" if label == model.name else f" “{label}”"
    second = (
        "whose self terms compare independent batches"
        if model.loss == "independent"
        else "as published, in which every sequence meets itself in the self terms"
    )
    return (
        f"The emulator{tag} is a network of {model.width} rectified units {'with' if model.bias else 'without'} biases, "
        f"driven by {model.noise}-dimensional Gaussian noise alone, whose symbols are drawn from a softmax of a linear "
        f"readout (Torre et al., 2025). It was trained for {model.steps:,} steps on the Sinkhorn divergence (Feydy et al., "
        f"2019) of blur {number(model.blur)} between batches of its sequences and of recorded ones, {second}. Predictions "
        f"and likelihoods are estimates by {model.filters} particle filters of {model.particles} particles (Gordon et al., "
        f"1993)."
    )
