"""
Trials: how many states, and what happens at the taps
=====================================================

A rat presses a lever twice, and its motor cortex is recorded for two seconds around the presses, trial after trial.
Whole trials can be held out, which is the cleanest test there is: a trial of this afternoon says nothing about the
noise of another. This page chooses the number of states of a switching GLM on one half of the trials, judges the model
on the other half, and then looks where in a trial the states are.

- With ``NEURODYN_DATA`` set: 30 neurons of rat motor cortex, every sixth of 1,266 trials.
- Otherwise: 40 trials of a simulated network of 12 neurons with three states.
"""

# sphinx_gallery_thumbnail_number = 4
import os
import pathlib

import xarray as xr

import neurodyn
from neurodyn import analysis, report
from neurodyn.inference.bases import Exponential
from neurodyn.inference.glm.priors import GaussianPrior
from neurodyn.models import GLM, HMM, SwitchingGLM, create
from neurodyn.simulate.glm_network import GLMNetwork
from neurodyn.validation import holdout, sweep

path = pathlib.Path(os.environ.get("NEURODYN_DATA", "")) / "rat-motor-affinewarp" / "motor_ctx_data.npz"

if path.is_file():
    everything = neurodyn.read(
        path, bin_width=0.02, time_unit="ms", window=(0, 2), trial_columns=["tap1", "tap2"]
    )
    recording = everything.isel(trial=slice(0, None, 6))
else:
    print("NEURODYN_DATA holds no spike table of this page: simulating a network.\n")
    recording = GLMNetwork.draw(1, n_states=3, n_units=12).sample(200, key=0, n_trials=40).drop_vars("state")
print(neurodyn.recording.describe(recording))
choosing, judging = recording.isel(trial=slice(0, None, 2)), recording.isel(trial=slice(1, None, 2))

# %%
# How many states, on half of the trials
# --------------------------------------
# Every number is fitted to the same training trials and scored on the same held-out ones. The ring is the smallest
# number whose deficit from the best is within the standard error of that difference. Some of the units fire a few
# times in all of these trials, and the spread of the couplings about zero is learnt (``mean_deviation``), so that such
# units do not get couplings without bounds.

basis = Exponential(10, (1.0, 5.0))
prior = GaussianPrior(mean_deviation="learnt")
model = SwitchingGLM(n_states=1, coupling=basis, bias="state", prior=prior)
options = {"restarts": 1, "tolerance": 3e-4}
found = sweep(model, choosing, holdout.trials(3), key=0, fit_options=options, n_states=(1, 2, 3))
print(found)
report.plot_sweep(found)

# %%
# The verdict, on the other half
# ------------------------------
# None of these trials had a say in the number of states. The average over trials at each moment (*trial average*) is an
# opponent that knows the task's clock and nothing of the trial at hand; the autoregression knows the last
# eight bins of every neuron and no states.

models = {
    "switching GLM": found.best_model,
    "GLM": GLM(coupling=basis, prior=prior),
    "HMM": HMM(n_states=max(found.best["n_states"], 2), emission="poisson"),
    "autoregression": create("ar_ridge"),
    "trial average": create("trial_average"),
}
comparison = neurodyn.compare(
    models,
    judging,
    holdout.trials(2),
    key=0,
    nulls=(),
    repeats=None,
    metrics=["log_likelihood_per_spike"],
    fit_options=options,
)
scores = comparison.scores.isel(protocol=0, metric=0)
table = scores[["value", "standard_error"]].to_dataframe()[["value", "standard_error"]]
for fold in scores["fold"].values:
    table[f"set {fold + 1}"] = scores["fold_value"].sel(fold=fold).to_series()
print("bits per spike over each unit's mean rate")
print(table.round(3).to_string())
report.plot_scores(comparison)

# %%
# Read the two figures together. On the choosing half more states are better, by little, and every number has the same
# opponent: itself with fewer states. On the judging half, where each model learns from about fifty trials, the GLM
# *without* states predicts as well as the switching one or better: whether states are needed at all is answered by the
# model beside it, and with so few trials the answer is no. It changes with the data: the benchmark of this recording trains
# on three times as many trials, and there five states beat one in every fold (``make reproduce SYSTEM=switching-glm``).
# The couplings are worth most: both are far above the hidden Markov model, and above the average over trials.

# %%
# States over the spikes of one trial
# -----------------------------------
# The states below are a description of the trial, then, not a finding about couplings.

n_states = max(found.best["n_states"], 2)
model = SwitchingGLM(n_states=n_states, coupling=basis, bias="state", prior=prior)
fit = model.fit(recording, key=0, restarts=1, tolerance=3e-4)
report.plot_raster_states(fit, recording, trial=3)

# %%
# States around an event
# ----------------------
# The first press is at half a second of every trial, the second one later, at a time of its own. A state that belongs to
# a press rises at both; one that belongs to the clock of the trial does not. In the simulated network nothing
# happens at any time, and the curves should be flat.

probability = fit.infer(recording)["state_probability"]
report.plot_event_aligned(analysis.event_aligned(probability, [0.5], window=(-0.4, 0.6)))

# %%
# The same around the second press, trial by trial, where the recording has one.

if "tap2" in recording.coords:
    windows = [
        analysis.event_aligned(probability.isel(trial=[k]), [second / 1000], window=(-0.4, 0.3))
        for k, second in enumerate(recording["tap2"].values)
    ]
    report.plot_event_aligned(xr.concat(windows, "event"))

# %%
# Who drives whom
# ---------------

report.plot_couplings(fit)

# %%
# How this analysis fails
# -----------------------
# - A number of states is chosen for a purpose, here prediction, and for an amount of data: with all trials of this
#   recording the choice would be larger.
# - A trial-locked rate that every neuron shares looks like coupling to a model that has no clock. The trial average is
#   beside the others for that reason; a covariate of the time since the press would be the next step.
# - The autoregression is a strong opponent wherever counts are high: its free weight for every lag fits
#   kernels that two exponentials do not.
# - Units that never fire in one of the states are named in a warning; their couplings in that state are the
#   prior's.
