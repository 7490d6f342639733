"""
Rates of single trials: can a network predict neurons that it is not shown?
===========================================================================

A rat presses a lever twice while its motor cortex is recorded. The average over trials says what a neuron does around the
presses; what it did in *this* trial it does not say, and no true rate exists to compare with. **Co-smoothing** is the
test that remains: some neurons are hidden in trials that were held out, and predicted from the other neurons. A
sequential autoencoder has to beat a regression on those neurons that also knows the time within the trial.

- With ``NEURODYN_DATA`` set: 30 neurons of rat motor cortex, every third of 1,266 trials.
- Otherwise: a simulated population driven by the Lorenz attractor, in which the truth is known.
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
from neurodyn.validation import holdout, metrics, psth_match

path = pathlib.Path(os.environ.get("NEURODYN_DATA", "")) / "rat-motor-affinewarp" / "motor_ctx_data.npz"

if path.is_file():
    everything = neurodyn.read(
        path, bin_width=0.02, time_unit="ms", window=(0, 2), trial_columns=["tap1", "tap2"]
    )
    recording = everything.isel(trial=slice(0, None, 3))
    # The second press comes at a time of its own; thirds of the trials by that time are the conditions.
    order = recording["tap2"].argsort().argsort().values * 3 // recording.sizes["trial"]
    press = np.array(["early", "middle", "late"])[order]
    recording = recording.assign_coords(condition=("trial", press))
else:
    print("NEURODYN_DATA holds no spike table of this page: simulating a population.\n")
    recording = lorenz_population(key=0, n_conditions=20, n_trials=20)
print(neurodyn.recording.describe(recording))

# %%
# Held-out neurons in held-out trials
# -----------------------------------
# A quarter of the neurons is never fed to a model, neither in training nor afterwards: in training they are what is
# predicted, and in the held-out trials they are what is scored. Every model is given the same. Bits per spike are gained
# over the mean rate of each neuron in the scored trials; zero is to know no more than that.

models = {
    "sequential autoencoder": SequentialVAE(training=Training(epochs=30)),
    "regression with time": create("smoothed_poisson_time"),
    "regression": create("smoothed_poisson"),
    "trial average": create("trial_average"),
}
comparison = neurodyn.compare(
    models,
    recording,
    holdout.units(fraction=0.25, trials=0.2, key=0),
    key=0,
    metrics=["bits_per_spike"],
    nulls=(),
    repeats=None,
    reference="regression with time",
)
scores = comparison.scores.sel(metric="bits_per_spike").isel(protocol=0)
columns = ["value", "standard_error", "difference", "difference_standard_error", "p_adjusted"]
print("bits per spike, all held-out neurons pooled; differences are from the regression with time")
print(scores[columns].to_dataframe()[columns].round(4).to_string())
report.plot_scores(comparison)

# %%
# Unit by unit
# ------------
# A pooled score is made of spikes, and one loud neuron may decide it. Below, every held-out neuron has a row of its own,
# with its share of the scored spikes; the median gives each of them one vote.

protocol = str(comparison.scores["protocol"].values[0])
split = comparison.splits[protocol][0]
fitted = {name: comparison.fits[protocol, name][0] for name in models}
predicted = {name: fit.predict(split.given, mode=split.mode) for name, fit in fitted.items()}
single = {
    name: metrics.bits_per_spike_by_unit(found["mean"], split.target) for name, found in predicted.items()
}
print("median unit, bits per spike")
for name, found in single.items():
    print(f"  {name:24}{float(found['median']):.3f}")

table = comparison.unit_scores.sel(metric="bits_per_spike").isel(protocol=0)
share = single["regression with time"]["spike_share"]
units = share["unit"].values[np.argsort(-share.values)]
wins = (table["difference"].sel(model="sequential autoencoder", unit=units) > 0) & (
    table["p_holm"].sel(model="sequential autoencoder", unit=units) < 0.05
)
print(
    f"the autoencoder is better, beyond chance after Holm's correction, in {int(wins.sum())} of {len(units)} units"
)

figure, axes = plt.subplots(figsize=(6.5, 0.36 * len(units) + 1.2), layout="constrained")
rows = np.arange(len(units))
for name, shift, style in (
    ("sequential autoencoder", -0.14, {"color": "#0b5fa5"}),
    ("regression with time", 0.14, {"color": "#5b6470", "mfc": "white"}),
):
    one = table.sel(model=name, unit=units)
    axes.errorbar(one["value"], rows + shift, xerr=one["standard_error"], fmt="o", ms=5, label=name, **style)
axes.axvline(0, color="#5b6470", lw=0.8, ls="--")
axes.set_yticks(rows, [f"unit {unit} ({float(share.sel(unit=unit)):.0%} of spikes)" for unit in units])
axes.set(xlabel="bits per spike ± standard error over trials", ylim=(len(units) - 0.5, -0.5))
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
plt.show()

# %%
# On the rat the two loudest neurons fire most of the spikes, and no model knows much of them: that is why the pooled score
# is low, and what a network is worth shows in the rows below. In the simulation all neurons share the same signal.

# %%
# Single trials of neurons that were not shown
# --------------------------------------------
# Spikes are ticks, the line is what was predicted from the other neurons, in three held-out trials. Shown are the neurons
# of which the network knows most, in bits per spike times spikes. Chosen so, the figure flatters the model: a loud neuron
# that shares nothing with the others is not here.

tested = split.test_trials
bits = single["sequential autoencoder"]["bits_per_spike"] * single["sequential autoencoder"]["spikes"]
known = bits["unit"].values[np.argsort(-bits.fillna(-np.inf).values)]
seen = recording.isel(trial=tested)
shown = predicted["sequential autoencoder"].isel(trial=tested)
report.plot_rates(shown, seen, trial=[0, len(tested) // 2, len(tested) - 1], units=known[:3])

# %%
# Averages of trials
# ------------------
# Average the predictions over trials, and they should give the average of the counts. Here over the held-out trials of
# each condition: on the recording, the thirds of the trials in which the second press came early, in the middle and late.
# Nobody told the network about presses. R² cannot reach 1, since averages of a few trials are noisy: the ceiling is what
# true rates would reach, the floor is the average of the other conditions.

for name, found in predicted.items():
    match = psth_match(found["mean"], split.target, by="condition", smoothing=0.04, key=0)
    print(
        f"{name:24}R² {float(match['r2']):.3f} ± {float(match['r2_standard_error']):.3f}, "
        f"floor {float(match['floor']):.3f}, ceiling {float(match['ceiling']):.3f}"
    )
report.plot_condition_average(
    predicted["sequential autoencoder"].isel(trial=tested),
    split.target.isel(trial=tested),
    units=known[:6],
    smoothing=0.04,
)

# %%
# Training, and the paths of all trials
# -------------------------------------
# The two losses are of different entries, so that it is their courses that count and not their levels. Paths are of the
# features that rates are read from.

fit = fitted["sequential autoencoder"]
report.plot_training(fit)

# %%

report.plot_trajectories(fit, split.given.isel(trial=tested), by="condition")

# %%
# How this analysis fails
# -----------------------
# - A neuron that shares nothing with the others can be predicted from the clock alone, and there the regression that knows
#   the time has the advantage. Look at the rows, not at the pooled score.
# - Which neurons are hidden matters as much as the model. Give ``holdout.units`` other keys before believing a difference.
# - Standard errors are over trials of this animal and this day; they say nothing about another one.
# - The network is trained once. A second key gives other numbers, and the difference between keys belongs beside the
#   standard error.
#
# The same comparison as one file to keep or to send, with figures, warnings and methods:
#
# .. code-block:: python
#
#     neurodyn.report.write(comparison, "report.html")
