"""
Rates of single trials: a population driven by the Lorenz attractor
===================================================================

Thirty simulated neurons fire about ten spikes a second, and their rates follow the Lorenz attractor from many initial
conditions. What a model makes of a single trial can be held against the truth here, which no recording allows. A
**sequential autoencoder** is fitted to most of the conditions and infers the rates of conditions that it never saw.
"""

# sphinx_gallery_thumbnail_number = 2
import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter1d

import neurodyn
from neurodyn import report
from neurodyn.models import SequentialVAE, create
from neurodyn.models.vae import LangevinFlow, Oscillators, Training
from neurodyn.simulate.lorenz import lorenz_population
from neurodyn.validation import holdout, metrics

recording = lorenz_population(key=0, mean_rate=10.0, n_conditions=65, n_trials=6)
print(neurodyn.recording.describe(recording))

# %%
# Whole conditions are held out
# -----------------------------
# Trials of one condition share their rates, so that a model that had seen some of them could copy the rates of the
# others. Here every trial of a held-out condition is new. The network is given the counts of such a trial, all of its
# bins, and says what the rates were.

split = holdout.groups("condition", 5, key=0)(recording)
held_out = split.target["activity"].notnull().any(("time", "unit")).values
train, test = recording.isel(trial=~held_out), recording.isel(trial=held_out)
print(
    f"{len(np.unique(train['condition']))} conditions to learn from, {len(np.unique(test['condition']))} held out"
)

fit = SequentialVAE().fit(train, key=0)
inferred = fit.predict(test, mode="all")

# %%
# One trial: the counts, what the network makes of them, and the rates that they were drawn from.

report.plot_rates(inferred, test, trial=[0, 30])

# %%
# Four of the neurons as curves, in one trial of each of three conditions. Spikes are the ticks below.

report.plot_rates(inferred, test, trial=[0, 30, 60], units=[0, 9, 18, 27])

# %%
# How good, and beside what
# -------------------------
# Factor analysis looks for shared fluctuations too, and cannot say when they happen any better than its smoothing
# allows. It gets the width of smoothing that suits the true rates of the *test* trials best, which no recording would
# tell. The regression predicts every neuron from the smoothed activity of all; it chooses its widths inside the training
# trials.


def smoothed(recording: xr.Dataset, width: float) -> xr.Dataset:
    """Counts smoothed by a Gaussian, as a continuous recording; the width is in bins."""
    counts = recording["activity"]
    found = recording.assign(activity=counts.copy(data=gaussian_filter1d(counts.values, width, axis=1)))
    return found.assign_coords(kind=("unit", ["continuous"] * recording.sizes["unit"]))


def of_factors(width: float) -> xr.DataArray:
    """Rates of the test trials by factor analysis of smoothed counts."""
    factors = create("factor_analysis").fit(smoothed(train, width), key=0)
    return factors.predict(smoothed(test, width), mode="all")["mean"].clip(0)


rates = {
    "sequential autoencoder": inferred["mean"],
    "factor analysis": max(map(of_factors, (2.0, 3.0, 4.0)), key=lambda mean: metrics.rate_r2(mean, test)),
    "regression": create("smoothed_poisson").fit(train, key=0).predict(test, mode="all")["mean"],
}


def compared(rates: dict[str, xr.DataArray]) -> str:
    """R² against the true rates: of all held-out conditions, and the spread over single ones."""
    rows = [f"{'':24}{'R²':>7}{'lowest':>9}{'median':>9}{'best of the conditions':>25}"]
    number = test["condition"].values
    single = {
        name: [
            metrics.rate_r2(mean.isel(trial=number == one), test.isel(trial=number == one))
            for one in np.unique(number)
        ]
        for name, mean in rates.items()
    }
    best = np.argmax(list(single.values()), axis=0)
    for place, (name, values) in enumerate(single.items()):
        pooled = metrics.rate_r2(rates[name], test)
        wins = f"{(best == place).sum()} of {len(best)}"
        rows.append(f"{name:24}{pooled:7.3f}{min(values):9.3f}{np.median(values):9.3f}{wins:>25}")
    return "\n".join(rows)


print(compared(rates))

# %%
# Training
# --------
# In every step some counts are hidden from the network, and only those are scored: a network that is scored on the
# counts it was fed learns to copy them. A share of the trials is set aside, and decides which parameters are kept.

report.plot_training(fit)

# %%
# Trajectories
# ------------
# What the rates are read from, in its first principal components: all trials of six conditions that were held out, and
# the average of each in bold. Trials of one condition differ by the noise of their spikes alone, so thin lines that
# keep close to their own bold one are what to look for. The axes mean nothing by themselves.

six = np.unique(test["condition"])[::2][:6]
report.plot_trajectories(fit, test.isel(trial=np.isin(test["condition"], six)), by="condition")

# %%
# And the Langevin flow?
# ----------------------
# The default leaves the latent dynamics out, and decodes rates from the encoder. Here they are put in: a position and a
# velocity move in a learnt potential, the encoder pushes them in every bin, and nothing else reaches the decoder
# (``reads_encoder=False``). The potential is that of oscillators, each with a frequency of its own that is learnt. Half of
# the default's epochs are enough to see them.

short = Training(epochs=30)
flow = SequentialVAE(
    latent=LangevinFlow(potential=Oscillators()),
    ablate=None,
    reads_encoder=False,
    divergence_weight=0.1,
    training=short,
).fit(train, key=0)
report.plot_potential(flow)

# %%
# Every mode is an oscillator, the stiffest first. (With ``CoupledChannels(confinement="quartic")`` neighbours are coupled,
# and a further row of the figure shows the modes as patterns of channels and places.) Is this a discovery about the
# population? The encoder alone, trained for as many epochs, is the comparison to make.

alone = SequentialVAE(training=short).fit(train, key=0)
print(
    compared(
        {
            "Langevin flow": flow.predict(test, mode="all")["mean"],
            "encoder alone": alone.predict(test, mode="all")["mean"],
        }
    )
)

# %%
# **The encoder alone does as well.** What is between the two is a small part of what either gains over factor analysis, and
# other trials or another key may turn it round. So the modes describe how this network carries the signal, and are no
# evidence that the signal obeys them. What a flow adds is that it can be simulated (``flow.simulate``), which a network that
# reads its rates from the encoder cannot.
#
# How this analysis fails
# -----------------------
# - These rates are a smooth function of three numbers, the same for every neuron. In a recording some neurons share
#   nothing with the others, and no model gets their rates from them.
# - With few conditions the network learns those instead of the attractor: lower ``n_conditions`` above, with as many trials
#   in all, and the score of new conditions falls.
# - R² against true rates exists in simulations only. On a recording, hold out neurons or the ends of trials.
