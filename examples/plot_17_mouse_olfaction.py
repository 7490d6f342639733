"""
Few trials: when a regression is enough
=======================================

Forty-five sniffs of an odour, half a second each, seen by thirty neurons of a mouse: many recordings are of this size. A
network has thousands of weights to learn from them, a regression a few dozen for every neuron. This page runs the test of
the page on rat motor cortex on so little data, and then takes trials away.

- With ``NEURODYN_DATA`` set: 30 neurons recorded in the mouse's olfactory system, 45 trials.
- Otherwise: as many trials and neurons of a simulation driven by the Lorenz attractor.
"""

# sphinx_gallery_thumbnail_number = 2
import os
import pathlib

import matplotlib.pyplot as plt
import numpy as np

import neurodyn
from neurodyn import report
from neurodyn.models import SequentialVAE, create
from neurodyn.models.vae import Training
from neurodyn.simulate.lorenz import lorenz_population
from neurodyn.validation import holdout, metrics

path = pathlib.Path(os.environ.get("NEURODYN_DATA", "")) / "mouse-olfaction-affinewarp" / "pinene_data.npz"

if path.is_file():
    recording = neurodyn.read(path, bin_width=0.02, time_unit="ms", window=(0, 0.5))
else:
    print("NEURODYN_DATA holds no spike table of this page: simulating a population.\n")
    recording = lorenz_population(key=0, n_conditions=9, n_trials=5, n_bins=25).drop_vars("rates")
print(neurodyn.recording.describe(recording))

# %%
# Two tests on all trials
# -----------------------
# *Units*: a third of the neurons is hidden in a third of the trials and predicted from the others; then the next third of
# both, and the next. *Future*: in held-out trials the last tenth of a second is hidden, and predicted from what came
# before. The network gets more epochs than by default, since an epoch of thirty trials is one step.

network = SequentialVAE(training=Training(epochs=150))
models = {
    "sequential autoencoder": network,
    "regression with time": create("smoothed_poisson_time"),
    "regression": create("smoothed_poisson"),
    "trial average": create("trial_average"),
}
hidden_units = holdout.units(fraction=1 / 3, trials=1 / 3, folds=3, key=0)
comparison = neurodyn.compare(
    models,
    recording,
    [hidden_units, holdout.future(5, trials=1 / 3, folds=3, key=0)],
    key=0,
    metrics=["bits_per_spike"],
    nulls=(),
    repeats=None,
    reference="regression with time",
)
columns = ["value", "standard_error", "difference", "difference_standard_error", "p_adjusted"]
print("bits per spike; differences are from the regression with time")
for protocol in comparison.scores["protocol"].values:
    scores = comparison.scores.sel(metric="bits_per_spike", protocol=protocol)
    print(f"\n{protocol}\n{scores[columns].to_dataframe()[columns].round(3).to_string()}")
report.plot_scores(comparison)

# %%
# Bars say how far a score would move with other trials of this animal. Differences are paired, trial by trial, and much less
# uncertain than the two scores: read them in the table, beside their standard errors.
#
# How many trials does it take?
# -----------------------------
# The same hidden neurons and the same held-out trials, learnt from fewer and fewer trials. A dot is one of the three sets, a
# line their mean.

sizes = (5, 10, 20, 30)
names = ("sequential autoencoder", "regression with time")
found = np.zeros((len(names), len(sizes), 3))
for fold, split in enumerate(hidden_units.splits(recording)):
    learnt = np.setdiff1d(np.arange(recording.sizes["trial"]), split.test_trials)
    learnt = np.random.default_rng(fold).permutation(learnt)
    for place, size in enumerate(sizes):
        some = np.sort(learnt[:size])
        for row, name in enumerate(names):
            fit = models[name].fit(split.train.isel(trial=some), inputs=split.inputs.isel(trial=some), key=0)
            mean = fit.predict(split.given, mode=split.mode)["mean"]
            found[row, place, fold] = metrics.bits_per_spike(mean, split.target)

print(f"{'bits per spike from so many trials':36}" + "".join(f"{size:>8}" for size in sizes))
for name, values in zip(names, found, strict=True):
    print(f"{name:36}" + "".join(f"{value:8.3f}" for value in values.mean(axis=1)))
print(f"{'difference':36}" + "".join(f"{value:+8.3f}" for value in (found[0] - found[1]).mean(axis=1)))

figure, axes = plt.subplots(figsize=(5.5, 3), layout="constrained")
for row, (name, colour, face) in enumerate(
    zip(names, ("#0b5fa5", "#5b6470"), ("#0b5fa5", "white"), strict=True)
):
    places = np.array(sizes) + (0.3 if row else -0.3)
    axes.plot(places, found[row].mean(axis=1), color=colour, lw=1.8)
    axes.plot(np.repeat(places, 3), found[row].ravel(), "o", color=colour, mfc=face, ms=4.5, label=name)
axes.axhline(0, color="#5b6470", lw=0.8, ls="--")
axes.set(xlabel="trials learnt from", ylabel="bits per spike", xticks=sizes)
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
plt.show()

# %%
# What this means
# ---------------
# - On the mouse the regression wins from the fewest trials: the network has not learnt yet how neurons belong together, and
#   may predict worse than the mean rate does. Do not fit one to a handful of trials. In the simulation, where every neuron
#   follows the same three numbers, far fewer are enough: what counts is how much neurons share.
# - From all trials the network is level with the regression or ahead of it, on the mouse by no more than the draw of neurons
#   and trials can explain. On such evidence take the model that is fitted in a moment and has weights that can be read,
#   and look at the network again when there are more trials.
# - The curve says more than its last point. Where the network still rises and the regression does not, record more; where
#   both are flat, a larger model has nothing to find.
#
# How this analysis fails
# -----------------------
# - The draw decides. Other neurons, other trials, or another key of the network move the difference by as much as its
#   standard error: repeat with other keys of ``holdout.units`` and of ``fit``, and report all of them.
# - Three sets share their training trials, so the three dots of a size are no independent repetitions.
# - The last tenth of a second of a sniff is hardly predictable from what came before it, for any model here. A ranking
#   of scores so near to zero is not worth a sentence.
