"""
Choices: does a mouse learn which side is likely?
=================================================

In this task the grating appears on one side more often than on the other, for some fifty trials, and then the other way
round. An animal that knows it can guess well when the grating is faint. This page asks whether a belief about the side,
updated trial by trial, predicts choices better than the stimulus alone.

- With ``NEURODYN_DATA`` set: 500 choices of one mouse.
- Otherwise: 500 choices of a simulated mouse that does hold such a belief.
"""

# sphinx_gallery_thumbnail_number = 1
import os
import pathlib

import numpy as np

import neurodyn
from neurodyn import report
from neurodyn.models import create
from neurodyn.models.predictive_coding import HGF, BinaryResponse, Normal
from neurodyn.validation import holdout

path = pathlib.Path(os.environ.get("NEURODYN_DATA", "")) / "behaviour-ibl-trials" / "trials_df_test.csv"


def session(choice, contrast, side, correct):
    """One session; the stimulus is seen before the choice, the rest is known after."""
    return neurodyn.recording.make(
        choice[:, None],
        kind="binary",
        unit=["right"],
        time_unit="trial",
        modality="behaviour",
        covariates={
            "stimulus": (np.tanh(5 * contrast) / np.tanh(5), "before", "exogenous"),
            "side": (side, "after", "measured"),
            "correct": (correct, "after", "measured"),
        },
    )


# %%
# The model
# ---------
# The input of the filter is the side on which the grating was, known at the latest when the reward came or did not. Its
# prediction before the trial is the belief that counts; the stimulus, a side preference and a tendency to repeat are added
# to its log-odds.

response = BinaryResponse(
    bias=Normal(0.0, 1.0), perseveration=Normal(0.0, 1.0), weights={"stimulus": Normal(0.0, 3.0)}
)
network = HGF(2, source="side", response=response, unknown="prior")

if path.is_file():
    table = neurodyn.read(
        path,
        responses="right_choice",
        covariates={
            "signed_contrast": ("before", "exogenous"),
            "stim_side": ("after", "measured"),
            "correct": ("after", "measured"),
        },
    ).isel(trial=0)
    given = {str(name): table["covariates"].sel(covariate=name).values for name in table["covariate"].values}
    right = (given["stim_side"] > 0).astype(float)
    recording = session(table["activity"].values[:, 0], given["signed_contrast"], right, given["correct"])
else:
    print("NEURODYN_DATA holds no choices of this page: simulating a mouse.\n")
    rng = np.random.default_rng(0)
    right = (rng.uniform(size=500) < np.repeat([0.8, 0.2] * 5, 50)).astype(float)
    contrast = (2 * right - 1) * rng.choice([0, 0.0625, 0.125, 0.25, 1.0], 500)
    blank = session(np.zeros(500), contrast, right, np.ones(500))
    values = {"x1.tonic_volatility": -2.0, "response.inverse_temperature": 1.0, "response.bias": 0.0}
    mouse = network.at(
        values | {"response.perseveration": 0.2, "response.weight.stimulus": 3.0}, unit=["right"]
    )
    choice = mouse.simulate(500, key=0, inputs=blank)["activity"].values[:, 0]
    recording = session(choice, contrast, right, (choice == right).astype(float))
print(neurodyn.recording.describe(recording))

# %%
# The belief about the side
# -------------------------

fit = network.fit(recording, key=0)
print(fit.values().to_series().round(2).to_string())
report.plot_beliefs(fit, recording)

# %%
# The inverse temperature says how much the belief counts: near 0 the choices ignore it.
#
# Is it worth anything on held-out trials?
# ----------------------------------------
# "stimulus" has the same stimulus, preference and repetition, and no belief. A learner from rewards and a regression on past
# choices stand beside it.

models = {
    "belief about the side": network,
    "and its volatility": HGF(3, source="side", response=response, unknown="prior"),
    "stimulus": create("rescorla_wagner", outcome=None, stimulus=("stimulus",)),
    "Rescorla-Wagner": create("rescorla_wagner", outcome="correct", stimulus=("stimulus",)),
    "regression": create("choice_history_regression", outcome="correct", stimulus=("stimulus",)),
    "preference": create("mean"),
}
comparison = neurodyn.compare(
    models, recording, holdout.blocks(5), key=0, nulls=(), metrics=["bits_per_choice", "accuracy"]
)
report.plot_scores(comparison, metrics=["bits_per_choice"])

# %%
# How this analysis fails
# -----------------------
# - A belief, a tendency to repeat and a slow preference all make choices of neighbouring trials alike. Leave one out and
#   the others take its part: compare models, do not read one weight.
# - With a clear grating the belief hardly matters. Sessions with few faint trials cannot show it.
# - One session of one animal.
