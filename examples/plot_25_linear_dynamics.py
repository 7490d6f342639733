"""
Linear dynamics: latents whose time constants can be read
=========================================================

Before a network is asked what a population does, a linear dynamical system should be: a few latents that decay or turn at
fixed speeds, seen through the counts of many neurons. It is fitted to few trials, its transition matrix has time constants
and frequencies, and it predicts neurons that it is not shown. Where something larger does not beat it on those, nothing
larger is needed.

- With ``NEURODYN_DATA`` set: 30 neurons of rat motor cortex around two presses of a lever, every tenth of 1,266 trials.
- Otherwise: a simulated population driven by the Lorenz attractor, which is not linear at all.
"""

# sphinx_gallery_thumbnail_number = 2
import os
import pathlib

import matplotlib.pyplot as plt
import numpy as np

import neurodyn
from neurodyn import report
from neurodyn.models import PoissonLDS, create
from neurodyn.simulate.lorenz import lorenz_population
from neurodyn.validation import holdout

path = pathlib.Path(os.environ.get("NEURODYN_DATA", "")) / "rat-motor-affinewarp" / "motor_ctx_data.npz"

if path.is_file():
    everything = neurodyn.read(path, bin_width=0.02, time_unit="ms", window=(0, 2))
    recording = everything.isel(trial=slice(0, None, 10))
else:
    print("NEURODYN_DATA holds no spike table of this page: simulating a population.\n")
    recording = lorenz_population(key=0, n_conditions=8, n_trials=10).drop_vars("rates")
print(neurodyn.recording.describe(recording))

# %%
# How many latents, and against whom
# ----------------------------------
# A quarter of the neurons is hidden in a fifth of the trials, and predicted from the others. Bits per spike are gained over
# the mean rate of each neuron. The number of latents is judged by the same score as the opponents. One model has splines of
# the time within the trial as a drive: what is locked to the trial need not be made by the latents then.

splines = 8
models = {
    "2 latents": PoissonLDS(n_latents=2),
    "4 latents": PoissonLDS(n_latents=4),
    "8 latents": PoissonLDS(n_latents=8),
    "4 latents, driven": PoissonLDS(n_latents=4, time_basis=splines),
    "regression with time": create("smoothed_poisson_time"),
    "trial average": create("trial_average"),
}
comparison = neurodyn.compare(
    models,
    recording,
    holdout.units(fraction=0.25, trials=0.2, folds=2, key=0),
    key=0,
    metrics=["bits_per_spike"],
    nulls=(),
    repeats=None,
    reference="regression with time",
)
columns = ["value", "standard_error", "difference", "difference_standard_error", "p_adjusted"]
scores = comparison.scores.sel(metric="bits_per_spike").isel(protocol=0)
print("bits per spike; differences are from the regression with time")
print(scores[columns].to_dataframe()[columns].round(4).to_string())
report.plot_scores(comparison)

# %%
# Time constants
# --------------
# An eigenvalue of the transition matrix is a latent's fate from one bin to the next: its modulus says how long it lasts, its
# angle how fast it turns. Both fits below saw all trials.

interval = float(recording.attrs["sampling_interval"])
fits = {name: models[name].fit(recording, key=0) for name in ("4 latents", "4 latents, driven")}
figure, axes = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
turn = np.linspace(0, 2 * np.pi, 200)
axes.plot(np.cos(turn), np.sin(turn), color="#5b6470", lw=0.8)
found = {name: np.linalg.eigvals(fit.parameters["transition"].values) for name, fit in fits.items()}
for (name, values), colour, marker in zip(found.items(), ("#0b5fa5", "#b5542d"), "os", strict=True):
    axes.plot(values.real, values.imag, marker, color=colour, mfc="none", ms=7, label=name)
    print(name)
    for value in values[np.argsort(-np.abs(values))]:
        lasting = f"{-interval / np.log(abs(value)):.2f} s" if abs(value) < 1 else "for ever"
        print(f"  lasts {lasting}, turns {abs(np.angle(value)) / (2 * np.pi * interval):.2f} times a second")
every = np.concatenate(list(found.values()))
axes.set(xlabel="real part of the eigenvalue", ylabel="imaginary part", aspect="equal")
axes.set(
    xlim=(every.real.min() - 0.05, 1.03), ylim=np.array([-1.5, 1.5]) * max(np.abs(every.imag).max(), 0.04)
)
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
plt.show()

# %%
# Paths of single trials
# ----------------------
# The latents themselves have no axes of their own, so they are drawn in principal components, coloured by time.

report.plot_trajectories(fits["4 latents, driven"], recording, by=None)

# %%
# What this means
# ---------------
# - Take the smallest number of latents that is not beaten by a larger one. The differences are paired, trial by trial; the
#   bars of two scores may overlap where their difference is certain.
# - On the rat the regression that knows the time is ahead of two and of four latents, by more than chance, and eight are no
#   better than it: for predicting a neuron from the others, linear dynamics add nothing there. They are fitted to be read.
# - A time constant belongs to the model with its drive. Without one, what is locked to the trial has to be explained by
#   latents that last long; with one, what remains of them varies from trial to trial.
# - A latent that lasts "for ever" is usually a drift over the session or the trial, not an integrator. Fit halves of the
#   session before it is given a name.
#
# How this analysis fails
# -----------------------
# - Rates that jump cannot be followed at one speed: around fast events the prediction is too flat.
# - Rotating pairs of eigenvalues appear in fits of smooth data without rotation. Hold the model against one with fewer
#   latents on held-out neurons before a frequency is reported.
# - The climb may stop at its last iteration: few spikes make it slow, and another hundred iterations may still move the
#   eigenvalues.
