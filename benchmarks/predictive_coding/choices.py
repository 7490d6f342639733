"""Held-out choices of a mouse and of a volunteer: filters against learners, regression, habits and bias."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.measure import Line, NotMeasured, unmeasured
from benchmarks.predictive_coding.networks import human_choices
from benchmarks.recordings import folder
from benchmarks.switching_glm.real_scores import paired_line, score, table_lines

FILTERS = {"HGF of 2 levels": (2, "ehgf"), "HGF of 3 levels": (3, "ehgf")}
BEST = "HGF of 3 levels"
METRICS = {
    "log_likelihood": "nats/choice",
    "bits_per_choice": "bits/choice over guessing",
    "accuracy": "accuracy",
}
LEARNING, ATTENTION, REGRESSION = "Rescorla-Wagner", "Pearce-Hall", "logistic regression on history"
HABIT, BIAS = "win-stay-lose-shift", "bias"


def mouse_sides() -> Any:
    """500 choices of a mouse, 1 for right, with the side of the stimulus, known when the outcome is."""
    from neurodyn import io
    from neurodyn.recording import make

    table = io.read_table(
        folder("behaviour-ibl-trials") / "trials_df_test.csv",
        responses="right_choice",
        covariates={
            "signed_contrast": ("before", "exogenous"),
            "correct": ("after", "measured"),
            "stim_side": ("after", "measured"),
        },
    ).isel(trial=0)
    contrast, correct, side = (
        table["covariates"].sel(covariate=name).values for name in ("signed_contrast", "correct", "stim_side")
    )
    return make(
        table["activity"].values,
        kind="binary",
        unit=["right_choice"],
        time_unit="trial",
        covariates={
            "stimulus": (np.tanh(5 * contrast) / np.tanh(5), "before", "exogenous"),
            "correct": (correct, "after", "measured"),
            "side": ((side > 0).astype(float), "after", "measured"),
        },
        modality="behaviour",
        source="trials_df_test.csv",
    )


def compared(
    where: str, recording: Any, models: Mapping[str, Any], protocol: Any, options: Mapping[str, Any]
) -> list[Line]:
    """Differences of the best filter to every opponent, and the table of all."""
    scores = score(recording, protocol, {}, dict(models), tuple(METRICS), options)
    opponents = [name for name in models if name not in FILTERS]
    lines = [
        paired_line(
            f"{where}: {BEST} over {other}", scores, BEST, other, "log_likelihood", METRICS["log_likelihood"]
        )
        for other in opponents
    ]
    lines.append(
        paired_line(
            f"{where}: {BEST} over HGF of 2 levels",
            scores,
            BEST,
            "HGF of 2 levels",
            "log_likelihood",
            METRICS["log_likelihood"],
            "what a belief about volatility adds",
        )
    )
    return [*lines, *table_lines(where, scores, list(models), METRICS)]


def measure_human(quick: bool = False) -> list[Line]:
    """320 predictions of a binary outcome: blocks of trials held out, each choice predicted from the past.

    Parameters
    ----------
    quick : bool
        Three blocks instead of eight.

    Returns
    -------
    list of Line
        Differences with verdicts, and the table.
    """
    from neurodyn.models import create
    from neurodyn.models.predictive_coding import HGF, BinaryResponse, Normal
    from neurodyn.validation import holdout

    where = "320 human trials"
    try:
        recording = human_choices()
    except NotMeasured as error:
        return [unmeasured(f"{where}: held-out choices", "> 2 standard errors", str(error))]
    response = BinaryResponse(bias=Normal(0.0, 1.0), perseveration=Normal(0.0, 1.0))
    models: dict[str, Any] = {
        name: HGF(levels, source="u", response=response, update=update, unknown="prior")
        for name, (levels, update) in FILTERS.items()
    }
    models |= {
        LEARNING: create("rescorla_wagner", outcome="u", learning="cue"),
        ATTENTION: create("pearce_hall", outcome="u", learning="cue"),
        REGRESSION: create("choice_history_regression", outcome="u", learning="cue"),
        HABIT: create("win_stay_lose_shift", outcome="u", learning="cue"),
        BIAS: create("mean"),
    }
    return compared(where, recording, models, holdout.blocks(3 if quick else 8), {})


def measure_mouse(quick: bool = False) -> list[Line]:
    """500 choices of a mouse between sides: a prior over sides that is learnt, and the stimulus.

    Parameters
    ----------
    quick : bool
        Three blocks instead of five.

    Returns
    -------
    list of Line
        Differences with verdicts, and the table.
    """
    from neurodyn.models import create
    from neurodyn.models.predictive_coding import HGF, BinaryResponse, Normal
    from neurodyn.validation import holdout

    where = "mouse choices"
    try:
        recording = mouse_sides()
    except NotMeasured as error:
        return [unmeasured(f"{where}: held-out choices", "> 2 standard errors", str(error))]
    response = BinaryResponse(
        bias=Normal(0.0, 1.0), perseveration=Normal(0.0, 1.0), weights={"stimulus": Normal(0.0, 3.0)}
    )
    models: dict[str, Any] = {
        name: HGF(levels, source="side", response=response, update=update, unknown="prior")
        for name, (levels, update) in FILTERS.items()
    }
    stimulus = ("stimulus",)
    models |= {
        LEARNING: create("rescorla_wagner", outcome="correct", stimulus=stimulus),
        ATTENTION: create("pearce_hall", outcome="correct", stimulus=stimulus),
        REGRESSION: create("choice_history_regression", outcome="correct", stimulus=stimulus),
        "stimulus and bias": create("rescorla_wagner", outcome=None, stimulus=stimulus),
        HABIT: create("win_stay_lose_shift", outcome="correct"),
        BIAS: create("mean"),
    }
    return compared(where, recording, models, holdout.blocks(3 if quick else 5), {})
