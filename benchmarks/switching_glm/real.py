"""Real recordings: switching GLMs beside simpler models, on the same held-out entries.

What is fixed beforehand: bin widths, basis functions, the default prior. The number of states on every fold is the one
with the best held-out likelihood on the other folds. A fit begins from one start (k-means of scores) and ends below a
gain of 1e-4 nats per bin: with two starts and 1e-6 the likelihoods change in the third digit and the time tenfold.
"""

from collections.abc import Sequence
from typing import Any

from benchmarks.measure import Line, NotMeasured, unmeasured
from benchmarks.recordings import head_direction, mouse_choices, rat_motor
from benchmarks.switching_glm.real_scores import (
    Family,
    Scores,
    curve_lines,
    paired_line,
    score,
    table_lines,
)
from benchmarks.switching_glm.real_states import choice_lines, epoch_lines

STATES = (1, 2, 3, 4, 5, 6)
OPTIONS = {"restarts": 1, "tolerance": 1e-4}
BITS, NATS, MEAN_BITS = (
    "log_likelihood_per_spike",
    "log_likelihood",
    "bits_per_spike",
)
METRICS = ("log_likelihood_per_spike", "log_likelihood", "bits_per_spike")
SPIKES = {BITS: "bits/spike", NATS: "nats/bin", MEAN_BITS: "bits/spike of the predicted rate"}
# Couplings of different states this close to their mean are one network.
CLOSE = 0.02
SWITCHING, ONE_NETWORK, NO_COUPLING = (
    "SwitchingGLM",
    "one network, rates by state",
    "no coupling, rates and own history by state",
)
HMM, GLM, UNCOUPLED = "Poisson HMM", "single-state GLM", "uncoupled GLM"
BURSTS, RIDGE, SMOOTHED = "single-state GLM, negative binomial", "AR ridge", "smoothed rate"
BURSTING_STATES = "SwitchingGLM, negative binomial"
HEAD_BIN, HEAD_GAP = 0.05, 5.0
RAT_BIN, RAT_EVERY = 0.02, 6


def switching(basis: Any, **settings: Any) -> Family:
    """State-switching GLMs with rates of their own in every state."""
    from neurodyn.models import SwitchingGLM

    return lambda n_states: SwitchingGLM(
        n_states=n_states, **{"coupling": basis, "bias": "state", **settings}
    )


def poisson_hmm(n_states: int) -> Any:
    """States of rates alone."""
    from neurodyn.models import HMM as Model

    return Model(n_states=n_states, emission="poisson")


def scored_spikes(
    recording: Any, protocol: Any, basis: Any, states: Sequence[int], more: dict[str, Any]
) -> Scores:
    """The families with all numbers of states, models without states, then controls at the numbers chosen."""
    from neurodyn.inference.glm.priors import GaussianPrior
    from neurodyn.models import GLM as Single
    from neurodyn.models import create

    models = {
        GLM: Single(coupling=basis),
        UNCOUPLED: Single(coupling=None, history=basis),
        BURSTS: Single(coupling=basis, observation="negative_binomial"),
        RIDGE: create("ar_ridge"),
        SMOOTHED: create("smoothed_rate"),
        **more,
        "mean rate": create("mean"),
    }
    families = {SWITCHING: (switching(basis), states), HMM: (poisson_hmm, states)}
    first = score(recording, protocol, families, models, list(METRICS), OPTIONS)
    chosen = sorted(set(first.numbers(SWITCHING)))
    controls = {
        ONE_NETWORK: (switching(basis, prior=GaussianPrior(CLOSE)), chosen),
        NO_COUPLING: (switching(None, history=basis), chosen),
        BURSTING_STATES: (switching(basis, observation="negative_binomial"), chosen),
    }
    reach = {RIDGE: create("ar_ridge")}  # drops the same warm-up
    second = score(recording, protocol, controls, reach, list(METRICS), OPTIONS)
    return first.joined(second, follow=SWITCHING)


def spike_lines(where: str, scores: Scores, more: Sequence[str]) -> list[Line]:
    """Tables, curves and the differences a reader asks for."""
    names = [
        SWITCHING,
        ONE_NETWORK,
        NO_COUPLING,
        BURSTING_STATES,
        HMM,
        GLM,
        BURSTS,
        UNCOUPLED,
        RIDGE,
        SMOOTHED,
        *more,
        "mean rate",
    ]
    notes = {
        GLM: "",
        BURSTS: "states also stand for counts that scatter more than a Poisson number; this model has the scatter alone",
        UNCOUPLED: "",
        HMM: "",
        NO_COUPLING: "what coupling between units adds, at the same numbers of states",
        ONE_NETWORK: f"what switching couplings add: the same states, couplings within {CLOSE} of their mean",
        RIDGE: "",
    }
    lines = [
        paired_line(f"{where}: SwitchingGLM over {other}", scores, SWITCHING, other, BITS, "bits/spike", note)
        for other, note in notes.items()
    ]
    lines.append(
        paired_line(
            f"{where}: {BURSTING_STATES}, over one state of it",
            scores,
            BURSTING_STATES,
            BURSTS,
            BITS,
            "bits/spike",
            "what states add where both models have the scatter",
        )
    )
    lines += [
        paired_line(
            f"{where}: predicted rates of SwitchingGLM over those of {other}",
            scores,
            SWITCHING,
            other,
            MEAN_BITS,
            "bits/spike",
            "Poisson likelihood of the predicted mean, so that only the mean counts",
        )
        for other in (GLM, RIDGE, SMOOTHED)
    ]
    lines += curve_lines(where, scores, BITS, "bits/spike")
    lines += table_lines(where, scores, names, SPIKES)
    lines.append(Line(f"{where}: seconds of all fits, by the clock", scores.seconds()))
    return lines


def measure_head_direction(quick: bool = False) -> list[Line]:
    """Sleep and wake of a mouse: held-out blocks, and states against the epochs.

    Parameters
    ----------
    quick : bool
        Bins of 100 ms, three blocks, fewer numbers of states.

    Returns
    -------
    list of Line
        Differences with verdicts, curves, the table, and held-out states against the epochs.
    """
    from neurodyn.inference.bases import RaisedCosine
    from neurodyn.validation import holdout

    width = 0.1 if quick else HEAD_BIN
    where = f"head direction, bins of {1000 * width:.0f} ms"
    try:
        recording = head_direction(width)
    except NotMeasured as error:
        return [unmeasured(f"{where}: SwitchingGLM over {GLM}", "> 2 standard errors", str(error))]
    # 400 ms of history; the gap keeps slow changes of the population from reaching across a border.
    basis = RaisedCosine(round(0.4 / width), n_functions=3)
    protocol = holdout.blocks(3 if quick else 5, gap=round(HEAD_GAP / width))
    states = (1, 2, 4) if quick else STATES
    scores = scored_spikes(recording, protocol, basis, states, {})
    lines = spike_lines(where, scores, ())
    return [*epoch_lines(where, scores, recording, (SWITCHING, HMM)), *lines]


def measure_rat_motor(quick: bool = False) -> list[Line]:
    """Motor cortex of a rat: whole held-out trials, every sixth of 1,266.

    Parameters
    ----------
    quick : bool
        Every twentieth trial, three sets of them, fewer numbers of states.

    Returns
    -------
    list of Line
        Differences with verdicts, curves, the table.
    """
    from neurodyn.inference.bases import Exponential
    from neurodyn.models import create
    from neurodyn.validation import holdout

    every = 20 if quick else RAT_EVERY
    where = f"rat motor cortex, bins of {1000 * RAT_BIN:.0f} ms"
    try:
        recording = rat_motor(RAT_BIN, every)
    except NotMeasured as error:
        return [unmeasured(f"{where}: SwitchingGLM over {GLM}", "> 2 standard errors", str(error))]
    where += f", {recording.sizes['trial']} of 1,266 trials"
    # One fast and one slow decay, 20 and 100 ms.
    basis = Exponential(10, (1.0, 5.0))
    more = {"trial average": create("trial_average")}
    states = (1, 2, 4) if quick else STATES
    scores = scored_spikes(recording, holdout.trials(3 if quick else 5), basis, states, more)
    return spike_lines(where, scores, tuple(more))


CHOICES = {
    "log_likelihood": "nats/choice over the frequency",
    "bits_per_choice": "bits/choice",
    "accuracy": "choices predicted",
}
GLM_HMM, RAW_HMM, RAW_GLM = "GLM-HMM", "GLM-HMM of the raw contrast", "single-state GLM of the raw contrast"
LEARNING, STATIC = "Rescorla-Wagner learning", "softmax without learning"


def measure_mouse_choices(quick: bool = False) -> list[Line]:
    """500 choices of a mouse: Bernoulli GLM-HMM, held-out blocks of trials, psychometric curves by state.

    Parameters
    ----------
    quick : bool
        Three blocks, one and two states.

    Returns
    -------
    list of Line
        Differences with verdicts, curves, the table, and what a state does.
    """
    from neurodyn.inference.bases import Lags
    from neurodyn.models import GLM as Single
    from neurodyn.models import create
    from neurodyn.validation import holdout

    where = "mouse choices"
    try:
        recording = mouse_choices()
    except NotMeasured as error:
        return [unmeasured(f"{where}: GLM-HMM over the single-state GLM", "> 2 standard errors", str(error))]
    states = (1, 2) if quick else (1, 2, 3)
    # Log-odds of 2 for a stimulus of its usual size: a weak prior, and one that holds states of few trials.
    shape = {"coupling": None, "history": Lags(1), "covariates": ("stimulus",), "covariate_deviation": 2.0}
    raw = {**shape, "covariates": ("signed_contrast",)}
    families = {GLM_HMM: (switching(None, **shape), states), RAW_HMM: (switching(None, **raw), states)}
    models = {
        GLM: Single(**shape),
        RAW_GLM: Single(**raw),
        LEARNING: create("rescorla_wagner", outcome="correct", stimulus=("stimulus",)),
        STATIC: create("rescorla_wagner", outcome=None, stimulus=("stimulus",)),
        "mean": create("mean"),
    }
    metrics = ("log_likelihood", "bits_per_choice", "accuracy")
    protocol = holdout.blocks(3 if quick else 5)
    scores = score(recording, protocol, families, models, metrics, {"max_iterations": 1000})
    nats, unit = "log_likelihood", "nats/choice"
    claims = {
        f"{where}: GLM-HMM over the single-state GLM": (GLM_HMM, GLM),
        f"{where}: the same of the raw contrast": (RAW_HMM, RAW_GLM),
        f"{where}: GLM-HMM over Rescorla-Wagner learning": (GLM_HMM, LEARNING),
        f"{where}: GLM-HMM over the mean": (GLM_HMM, "mean"),
    }
    notes = {
        RAW_GLM: "states here also stand for the bend of the psychometric curve, which the saturating scale has already"
    }
    lines = [
        paired_line(claim, scores, mine, other, nats, unit, notes.get(other, ""))
        for claim, (mine, other) in claims.items()
    ]
    lines += curve_lines(where, scores, nats, unit)
    lines += table_lines(where, scores, [*families, *models], CHOICES)
    lines += choice_lines(where, scores, recording, switching(None, **shape), GLM_HMM)
    lines.append(Line(f"{where}: seconds of all fits, by the clock", scores.seconds()))
    return lines
