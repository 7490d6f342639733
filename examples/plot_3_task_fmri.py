"""
Task fMRI from a 4-D image: do states follow the task?
======================================================

A person lies in the scanner while things are shown. Here the states are learnt from the voxels alone, without the
times of the stimuli, on some runs; then they are inferred in the others, and compared with what was shown.

- With ``NEURODYN_DATA`` set: the recording of Haxby et al. (2001), 12 runs, 8 categories of objects and rest.
- Otherwise, from the package nitime: two short runs of one person. They come without a list of stimuli, so the
  condition is the half of the run, early or late. States should *not* know it; where they do, they follow drift.
"""

# sphinx_gallery_thumbnail_number = 2
import os
import pathlib

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import neurodyn
from neurodyn import analysis, datasets, report
from neurodyn.models import HMM, PCA, HighPass, Pipeline, Standardise, create
from neurodyn.validation import holdout

# %%
# Read the runs
# -------------
# Several runs become the trials of one recording. ``volume_labels`` names the condition, and the run, of
# every volume of one long image; they are coordinates of the recording, which no model looks at.

folder = pathlib.Path(os.environ.get("NEURODYN_DATA", "")) / "haxby2001-slice-nifti"

if folder.is_dir():
    print(neurodyn.inspect(folder / "bold.nii.gz").to_string(), "\n")
    recording = neurodyn.io.read_fmri(
        folder / "bold.nii.gz",
        mask=folder / "mask.nii.gz",
        volume_labels=folder / "attributes_literal.txt",
        subject="1",
    )
    labels = recording["label"]
    n_states, n_components, n_folds = 8, 20, 4
else:
    print("NEURODYN_DATA holds no Haxby recording: using the two runs of nitime.\n")
    first = datasets.path("nitime_fmri_nifti")
    print(neurodyn.inspect(first).to_string(), "\n")
    recording = neurodyn.io.read_fmri([first, first.with_name("fmri2.nii.gz")])
    half = np.where(np.arange(recording.sizes["time"]) < recording.sizes["time"] // 2, "early", "late")
    labels = xr.DataArray(np.tile(half, (recording.sizes["trial"], 1)), dims=("trial", "time"))
    n_states, n_components, n_folds = 3, 5, 2

print(neurodyn.recording.describe(recording))

# %%
# Voxels in rows, runs end to end. A step in level from run to run is the scanner's, not the brain's.

report.plot_recording(recording)

# %%
# States from the voxels alone
# ----------------------------
# Three steps come before the model and are learnt with it: slow drift is subtracted (from the *past* only,
# so that a prediction stays one), voxels are standardised, and a few principal components are kept.

model = Pipeline(HighPass(cutoff=1 / 128), Standardise(), PCA(n_components), HMM(n_states=n_states))
fit = model.fit(recording, key=0, restarts=3)
report.plot_states(fit, recording)

# %%
# One dot for each run beside the bar. States whose dots spread from nothing to nearly everything belong to
# *some* runs: look for a reason outside the brain before you look for one inside.

report.plot_occupancy(fit, recording)

# %%
# The verdict on runs that were held out
# --------------------------------------
# Whole runs are held out, a few at a time. Every model predicts each volume of a held-out run from the
# volumes before it. The last value (persistence) and factor analysis, which has the components but no
# dynamics, are the opponents.

models = {
    "hmm": model,
    "factor analysis": Pipeline(
        HighPass(cutoff=1 / 128), Standardise(), PCA(n_components), create("factor_analysis")
    ),
    "persistence": create("persistence"),
    "mean": create("mean"),
}
comparison = neurodyn.compare(
    models, recording, {"runs": holdout.groups("run", n_folds)}, key=0, nulls=(), fit_options={"restarts": 1}
)
print(comparison.verdict())

# %%
report.plot_scores(comparison, metrics=["r2"])

# %%
# The states of held-out runs against the condition
# -------------------------------------------------
# The comparison keeps the fit of every fold. Each one now names the states of the runs that *it* never saw,
# and these are set beside the conditions. The haemodynamic response lags behind a stimulus by about five
# seconds, and so do the labels here. The null shifts the labels in time within the runs: blocks of a task
# are slow, and so are states.

lag = round(5.0 / recording.attrs["sampling_interval"]) if folder.is_dir() else 0
lagged = labels.shift(time=lag, fill_value="")
rows = []
for fold_fit, split in zip(comparison.fits["runs", "hmm"], comparison.splits["runs"], strict=True):
    held_out = np.flatnonzero(split.target_mask.any(["time", "unit"]))
    path = fold_fit.infer(recording.isel(trial=held_out))["state_path"]
    found = analysis.alignment_to_labels(path, lagged.isel(trial=held_out), key=0, n_shifts=500)
    rows.append({name: float(found[name]) for name in ("nmi", "null_mean", "null_95", "p_value")})
    print(f"runs {held_out.tolist()}:", ", ".join(f"{name} {value:.3f}" for name, value in rows[-1].items()))

figure, axes = plt.subplots(figsize=(5, 2.6), layout="constrained")
place = np.arange(len(rows))
axes.bar(
    place, [row["null_95"] for row in rows], width=0.6, color="#dfe4e9", label="95 % of the shifts below"
)
axes.plot(place, [row["nmi"] for row in rows], "o", color="#0b5fa5", label="labels as they were")
axes.set(xticks=place, xticklabels=place + 1, xlabel="fold of held-out runs", ylabel="shared information")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %%
# Which state goes with which condition
# -------------------------------------
# The share of each condition spent in each state, from the fit to all runs. Rows that look alike are
# conditions which the states cannot tell apart. Look first whether rest stands out, then for a column that
# only one or two conditions fill.

probability = fit.infer(recording)["state_probability"]
conditions = np.unique(lagged.values[lagged.values != ""])
shares = np.stack([probability.where(lagged == name).mean(["trial", "time"]) for name in conditions])

figure, axes = plt.subplots(figsize=(5, 0.3 * len(conditions) + 1.4), layout="constrained")
image = axes.imshow(shares, cmap="Blues", vmin=0, aspect="auto")
axes.set(xticks=range(n_states), yticks=range(len(conditions)), yticklabels=conditions, xlabel="state")
figure.colorbar(image, label="share")
plt.show()

# %%
# How this analysis fails
# -----------------------
# - A hidden Markov model describes the *largest* variance of the voxels. Which object was seen is a small
#   part of it; a classifier that is told the categories finds them where states, which are not told, do
#   not. Failing here does not mean that the voxels know nothing.
# - Blocks that come at regular intervals look much the same after a shift by one interval, rest against
#   rest. The null then keeps part of what it should destroy, and a state that marks rest against task can
#   fail to pass it.
# - One mask, one slice, one person: states found in a few hundred voxels are states of those voxels.
# - The first states that are found are often the runs, or a run's first volumes, before the magnetisation
#   has settled. A filter that may only look back needs time to learn a run's level. Drop the first volumes,
#   bring runs to one scale before reading them, and look at the figure of the states before any number.
