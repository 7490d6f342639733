"""
Spikes: do hidden states know sleep from wake?
==============================================

The question of this page: a population was recorded for a while, and the experimenter wrote down what went on
meanwhile. Does a model that sees *only the spikes* find states that follow the experimenter's notes, and does
it predict spikes it never saw better than simpler models do?

The page runs on one of two real recordings, and prints which one it used.

- With ``NEURODYN_DATA`` set: 15 neurons of the anterodorsal thalamic nucleus and hippocampal CA1 of a mouse, in
  an NWB file, over sleep and then wake.
- Otherwise, from the package nitime: an auditory receptor of a grasshopper that hears noise of changing
  loudness. The notes are then the loudness of the sound in three classes.
"""

# sphinx_gallery_thumbnail_number = 3
import os
import pathlib

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import neurodyn
from neurodyn import analysis, datasets, report, validation
from neurodyn.models import HMM, create
from neurodyn.validation import Selected, holdout

# %%
# Read the recording
# ------------------
# ``neurodyn.inspect`` lists what a file holds; ``neurodyn.read`` turns it into a labelled array of spike
# counts. ``labels`` are the notes, one for every bin. The model never sees them.

folder = pathlib.Path(os.environ.get("NEURODYN_DATA", ""))
path = folder / "nwb-a2929-adn-headdirection" / "A2929-200711.nwb"

if path.is_file():
    print(neurodyn.inspect(path)[["kind", "name", "shape"]].to_string(), "\n")
    recording = neurodyn.read(path, bin_width=0.5, behaviour=False)
    labels = recording["epoch"]
else:
    print("NEURODYN_DATA holds no NWB file of this page: using the grasshopper recording of nitime.\n")
    fine = datasets.load("nitime_grasshopper").coarsen(time=50, coord_func="min")
    loudness = fine.mean()["covariates"].sel(covariate="stimulus", drop=True)
    recording = neurodyn.recording.make(
        fine.sum()["activity"].values,
        sampling_interval=0.05,
        kind="count",
        unit=["receptor"],
        modality="spikes",
    )
    lower, upper = np.quantile(loudness, [1 / 3, 2 / 3])
    named = np.where(loudness < lower, "quiet", np.where(loudness < upper, "middle", "loud"))
    labels = xr.DataArray(named, dims=("trial", "time"))

print(neurodyn.recording.describe(recording))

# %%
# Dark is a high count relative to the unit's own peak. What to look for before any model: units that fall
# silent half-way, stretches without data, an obvious change of the whole population.

report.plot_recording(recording)

# %%
# The verdict first
# -----------------
# Contiguous blocks are held out in turn, and each bin is predicted from what came *before* it. Two
# opponents set the scale: each unit's mean rate (the floor), and a smoothed rate whose width is learnt from
# the training part. The score is in bits per spike, what knowing the prediction saves over knowing the mean
# rate only. ``Selected`` chooses the number of states within each training part, so that no block has a say in
# the model that predicts it.

numbers = (2, 4, 8, 12)
models = {
    "hmm": Selected(HMM(n_states=2), n_states=numbers),
    "smoothed rate": create("smoothed_rate"),
    "mean rate": create("mean"),
}
comparison = neurodyn.compare(
    models, recording, holdout.blocks(4), key=0, nulls=(), fit_options={"restarts": 2}
)
print(comparison.verdict())
for chosen in comparison.chosen.values():
    print("states chosen in each fold:", [one["n_states"] for one in chosen])

# %%
# Read the distance between the dots against the bars, which say how much the score would move with another
# stretch of the same recording. A model whose bar reaches the line of the floor has shown nothing.

report.plot_scores(comparison, metrics=["bits_per_spike"])

# %%
# What the states are
# -------------------
# For the pictures one model is fitted to everything, its number of states chosen by held-out blocks of everything.
# Probabilities near 0 or 1 nearly everywhere mean that
# the states are well separated; a state that flickers from bin to bin is noise that was given a name.

sweep = validation.sweep(HMM(n_states=2), recording, holdout.blocks(4), key=0, n_states=numbers)
fit = sweep.best_model.fit(recording, key=0, restarts=4)
print(sweep)
posterior = fit.infer(recording)
report.plot_states(fit, recording)

# %%
# The rates of each unit in each state, relative to the unit's highest. A state in which *all* units are
# dark is a state of the gain of the population; a state with its own subset of units is one of content.

report.plot_state_means(fit, recording)

# %%
# States against the notes
# ------------------------
# First the share of each condition that is spent in each state.

conditions = xr.DataArray(np.unique(labels), dims="condition", name="condition")
probability = posterior["state_probability"]
shares = xr.concat(
    [probability.where(labels == name).mean(labels.dims) for name in conditions.values], dim=conditions
)
print(shares.transpose("condition", "state").to_pandas().round(2).to_string())

# %%
# Then one number: how much the state tells about the condition (normalised mutual information, 0 to 1).
# Both series are slow, and slow series agree by chance. The number therefore stands beside the same number
# after the notes were shifted in time against the states, which keeps everything but their relation.

agreement = analysis.alignment_to_labels(posterior["state_path"], labels, key=0, n_shifts=500)
print(f"shared information {float(agreement['nmi']):.3f}")
print(
    f"95 % of the shifts lie below {float(agreement['null_95']):.3f}; p = {float(agreement['p_value']):.3f}"
)

figure, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
axes.hist(agreement["null"], bins=40, color="#c9ccd1", label="notes shifted in time")
axes.axvline(float(agreement["nmi"]), color="#0b5fa5", lw=2, label="notes as they were written")
axes.set(xlabel="information shared by states and notes", ylabel="shifts")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
plt.show()

# %%
# How this analysis fails
# -----------------------
# - With two long epochs a shift has hardly any room: half of the shifts put most of the notes back on the
#   right side. Such a null is lenient or strict by accident, and one session cannot settle it. More
#   sessions can.
# - Anything that drifts through a session, an electrode too, separates its first half from its second.
#   Agreement with two consecutive epochs is not evidence of sleep; returning to sleep after wake would be.
# - States answer the question that the *data* pose, not yours. The grasshopper's receptor tires after a
#   sound begins, and that is slower and larger than its answer to loudness: look where in each trial its
#   states change.
# - The states are one-step predictors of spike counts. A population that turns smoothly, such as
#   head-direction cells do, will be tiled by states, and a smoothed rate can then be as good a predictor as
#   they are.
