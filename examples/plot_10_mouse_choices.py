"""
Choices: is it a state, or the bend of a curve?
===============================================

A mouse turns a wheel to say on which side it saw a grating. Hidden states of engagement have become the common
description of such choices: in one state it follows the stimulus, in another it repeats itself or prefers a side. This
page fits that model, a **GLM-HMM**, and then shows how easily a state stands for something else.

- With ``NEURODYN_DATA`` set: 500 choices of one mouse.
- Otherwise: 1,500 choices of a simulated mouse that *does* have an engaged and a biased state, each lasting for
  forty trials on average.
"""

# sphinx_gallery_thumbnail_number = 3
import os
import pathlib

import numpy as np

import neurodyn
from neurodyn import report
from neurodyn.inference.bases import Lags
from neurodyn.models import GLM, SwitchingGLM, create
from neurodyn.validation import holdout

path = pathlib.Path(os.environ.get("NEURODYN_DATA", "")) / "behaviour-ibl-trials" / "trials_df_test.csv"


def simulated_mouse(n_trials, rng):
    """Contrast, choice and reward of a mouse with an engaged and a biased state."""
    contrast = rng.choice([-1, -0.25, -0.125, -0.0625, 0, 0.0625, 0.125, 0.25, 1], n_trials)
    engaged = np.cumsum(rng.random(n_trials) < 1 / 40) % 2 == 0
    drive = np.where(engaged, 6 * np.tanh(5 * contrast), -1.5 + 0.5 * np.tanh(5 * contrast))
    choice = (rng.random(n_trials) < 1 / (1 + np.exp(-drive))).astype(float)
    return contrast, choice, (choice == (contrast > 0)).astype(float)


# %%
# Read the choices
# ----------------
# One row of the table is one trial, and time counts trials. What the animal saw came *before* its choice; what it
# earned came *after*, and no model may use it for that choice. The stimulus enters on a scale that saturates, for a
# grating of full contrast is not four times as clear as one of a quarter.

if path.is_file():
    table = neurodyn.read(
        path,
        responses="right_choice",
        covariates={"signed_contrast": ("before", "exogenous"), "correct": ("after", "measured")},
    ).isel(trial=0)
    contrast, correct = table["covariates"].transpose("covariate", "time").values
    choice = table["activity"].values[:, 0]
else:
    print("NEURODYN_DATA holds no choices of this page: simulating a mouse.\n")
    contrast, choice, correct = simulated_mouse(1500, np.random.default_rng(0))

recording = neurodyn.recording.make(
    choice[:, None],
    kind="binary",
    unit=["right"],
    time_unit="trial",
    modality="behaviour",
    covariates={
        "contrast": (contrast, "before", "exogenous"),
        "stimulus": (np.tanh(5 * contrast) / np.tanh(5), "before", "exogenous"),
        "correct": (correct, "after", "measured"),
    },
)
print(neurodyn.recording.describe(recording))

# %%
# The verdict first
# -----------------
# Blocks of trials are held out in turn. Each model comes twice, with the raw contrast and with the saturating scale.
# Beside them stands a learner (Rescorla-Wagner) with the same stimulus, which follows what has paid off lately.


prior = {"covariate_deviation": 2.0}  # without one, a state of few trials gets weights without bounds


def choices(n_states, covariate):
    """States, stimulus, bias and previous choice."""
    return SwitchingGLM(
        n_states=n_states, bias="state", coupling=None, history=Lags(1), covariates=(covariate,), **prior
    )


models = {
    "raw contrast, 1 state": GLM(coupling=None, history=Lags(1), covariates=("contrast",), **prior),
    "raw contrast, 2 states": choices(2, "contrast"),
    "saturating, 1 state": GLM(coupling=None, history=Lags(1), covariates=("stimulus",), **prior),
    "saturating, 2 states": choices(2, "stimulus"),
    "learner": create("rescorla_wagner", outcome="correct", stimulus=("stimulus",)),
}
comparison = neurodyn.compare(
    models,
    recording,
    holdout.blocks(5),
    key=0,
    nulls=(),
    metrics=["bits_per_choice", "accuracy"],
    fit_options={"restarts": 2},
)
scores = comparison.scores.isel(protocol=0).sel(metric="bits_per_choice")
table = scores[["value", "standard_error"]].to_dataframe()[["value", "standard_error"]]
for fold in scores["fold"].values:
    table[f"block {fold + 1}"] = scores["fold_value"].sel(fold=fold).to_series()
print("bits per choice over the frequency of right choices")
print(table.round(3).to_string())

# %%
# Compare the two rows with the raw contrast, then the two with the saturating scale. Where the second state helps
# with the first pair only, it was never a state of the animal: a steep and a flat curve, mixed within a few trials,
# make one that bends.

report.plot_scores(comparison, metrics=["bits_per_choice"])

# %%
# What the mouse does in each state
# ---------------------------------
# Lines are the model, dots the choices, each counted with the probability of the state. First the raw contrast.

raw = models["raw contrast, 2 states"].fit(recording, key=0)
report.plot_psychometric(raw, recording, "contrast")

# %%
# Then the saturating scale.

fit = models["saturating, 2 states"].fit(recording, key=0)
report.plot_psychometric(fit, recording, "stimulus")

# %%
# A state of engagement lasts. How many trials a state lasts on average, from its probability of staying:

for name, one in (("raw contrast", raw), ("saturating", fit)):
    stay = np.diagonal(one.parameters["transition"].values)
    print(f"{name}: states last {', '.join(f'{1 / (1 - p):.1f}' for p in stay)} trials on average")

# %%
# And over the session.

report.plot_raster_states(fit, recording, start=0, stop=300)

# %%
# How this analysis fails
# -----------------------
# - Any misfit of the single-state model is an offer to a second state: the wrong scale of the stimulus, a side
#   preference that drifts, blocks in which one side pays. States that last a trial or two are such a misfit.
# - Held-out likelihood tells whether a model predicts, not whether it is right. The learner has no states, and where the
#   two score alike, behaviour of this length cannot tell them apart.
# - One session of one animal. Published states of engagement come from dozens of sessions with shared
#   parameters, in which every state has thousands of trials.
