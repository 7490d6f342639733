"""
Choices: learning in a world that changes
=========================================

A volunteer predicts, 320 times, which of two outcomes will follow. How likely each is changes without notice. A
**hierarchical Gaussian filter** describes what such a learner believes: about the outcome, and about how fast the world is
changing. This page fits it, looks at the beliefs, and asks what the second belief is worth on choices it never saw.

- With ``NEURODYN_DATA`` set: the 320 trials of one volunteer.
- Otherwise: 320 choices of a simulated learner of the same kind.
"""

# sphinx_gallery_thumbnail_number = 1
import os
import pathlib

import numpy as np

import neurodyn
from neurodyn import report
from neurodyn.models import create
from neurodyn.models.predictive_coding import HGF, BinaryResponse, LogNormal, Normal, calibrate, recover
from neurodyn.validation import holdout

folder = pathlib.Path(os.environ.get("NEURODYN_DATA", "")) / "behaviour-pyhgf"


def world(outcome, response=None):
    """Outcomes, told after each choice, and choices."""
    choices = np.zeros(len(outcome)) if response is None else response
    return neurodyn.recording.make(
        choices[:, None],
        kind="binary",
        unit=["response"],
        time_unit="trial",
        modality="behaviour",
        covariates={"u": (outcome, "after", "measured")},
    )


# %%
# The choices
# -----------
# The outcome is marked as known *after* the choice: no model may use it for the choice of the same trial.

network = HGF(3, source="u", response=BinaryResponse())

if folder.is_dir():
    outcome, response = (np.loadtxt(folder / f"binary_{name}.txt") for name in ("input", "response"))
    recording = world(outcome, response)
else:
    print("NEURODYN_DATA holds no choices of this page: simulating a learner.\n")
    chances = np.repeat([0.8, 0.2, 0.8, 0.2, 0.8, 0.2, 0.8, 0.2], 40)
    outcome = (np.random.default_rng(0).uniform(size=320) < chances).astype(float)
    agent = network.at({"x1.tonic_volatility": -2.5, "response.inverse_temperature": 4.0}, unit=["response"])
    recording = agent.simulate(320, key=0, inputs=world(outcome)).drop_vars("expected_mean")
print(neurodyn.recording.describe(recording))

# %%
# What is believed
# ----------------
# Two parameters are learnt, each at its most probable value under a weak prior: how much the belief about the outcome may
# change from trial to trial by itself (x1.tonic_volatility, a logarithm), and how strictly choices follow the belief.

fit = network.fit(recording, key=0)
print(fit.values().to_series().round(2).to_string())
report.plot_beliefs(fit, recording)

# %%
# The network behind it: an input, a belief about its log-odds, and a belief about how fast those change.

report.plot_hierarchy(network)

# %%
# The verdict: choices the models never saw
# -----------------------------------------
# Blocks of trials are held out in turn. The opponents: the same filter without the belief about volatility, the delta rule
# of Rescorla and Wagner, a learner whose pace follows surprise (Pearce-Hall), a regression on the last choices and outcomes,
# win-stay-lose-shift, and a mere preference.

models = {
    "HGF, 3 levels": HGF(3, source="u", response=BinaryResponse(), unknown="prior"),
    "HGF, 2 levels": HGF(2, source="u", response=BinaryResponse(), unknown="prior"),
    "Rescorla-Wagner": create("rescorla_wagner", outcome="u", learning="cue"),
    "Pearce-Hall": create("pearce_hall", outcome="u", learning="cue"),
    "regression": create("choice_history_regression", outcome="u", learning="cue"),
    "win-stay-lose-shift": create("win_stay_lose_shift", outcome="u", learning="cue"),
    "preference": create("mean"),
}
comparison = neurodyn.compare(
    models, recording, holdout.blocks(5), key=0, nulls=(), metrics=["bits_per_choice", "accuracy"]
)
report.plot_scores(comparison, metrics=["bits_per_choice"])

# %%
# Compare the two filters first: their difference is what the belief about volatility predicts of this volunteer. Where it
# is smaller than its interval, these choices do not show that volatility was tracked, however well the beliefs above look.
# Then look upwards. On the volunteer's choices the regression on the last outcomes and the delta rule stand above both
# filters: the shorter story predicts at least as well.
#
# Could the parameters be known at all?
# -------------------------------------
# Before a parameter is compared between groups, ask whether this experiment can tell it: simulate participants with known
# parameters and the same outcomes, fit them, and compare.

population = {"x1.tonic_volatility": Normal(-4.0, 1.0), "response.inverse_temperature": LogNormal(4.0, 0.5)}
recovered = recover(network, n_participants=40, n_time=320, key=0, inputs=recording, population=population)
report.plot_recovery(recovered)

# %%
# And whether its uncertainty is right: the truth should fall anywhere in its posterior equally often.

priors = HGF(
    3,
    source="u",
    response=BinaryResponse(LogNormal(4.0, 0.5)),
    learn=(),
    x1_tonic_volatility=Normal(-4.0, 1.0),
)
report.plot_calibration(calibrate(priors, n_participants=60, n_time=320, key=0, inputs=recording))

# %%
# How this analysis fails
# -----------------------
# - A tonic volatility is weakly determined by choices that hardly change; its posterior is then the prior. Look at the
#   recovery plot of *your* sequence of outcomes, not of a published one.
# - Beliefs are what the model would believe, not what was measured. A delta rule whose held-out score is the same is the
#   shorter story.
# - An update can leave the range of the equations (a precision below zero). It is named, with the node and the trial;
#   ``update="unbounded"`` avoids it.
