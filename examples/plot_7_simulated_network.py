"""
A simulated network: are the couplings that a fit finds the true ones?
======================================================================

The question of this page: neurons excite and inhibit each other, and which of them do so depends on a hidden state.
How much of that wiring, and of the states, can be read from spikes alone?

Nobody knows the answer for a real recording, so this one is simulated: 12 neurons, three states, and couplings that
every state draws from one connectome. The page fits a switching generalised linear model twice, with two priors,
and lays each beside the truth. Nothing is loaded from disk.
"""

# sphinx_gallery_thumbnail_number = 4
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from neurodyn import analysis, report
from neurodyn.inference.glm.priors import GaussianPrior, OneHotPrior
from neurodyn.models import GLM, SwitchingGLM
from neurodyn.simulate.glm_network import GLMNetwork

# %%
# The truth
# ---------
# The first half of the neurons excites, the other half inhibits, and in each state most pairs are not connected.
# All weights are scaled so that no state can run away: networks drawn without this often explode.

network = GLMNetwork.draw(0, n_states=3, n_units=12)
apart = ~np.eye(12, dtype=bool)
print(f"pairs connected in a state: {(network.present != 0)[:, apart].mean(axis=1).round(2)}")
print(f"pairs connected in at least one state: {(network.present != 0).any(axis=0)[apart].mean():.2f}")

recording = network.sample(1500, key=0, n_trials=8)
test = network.sample(1500, key=1, n_trials=4)
report.plot_recording(recording.isel(trial=[0], time=slice(0, 600)))

# %%
# Two fits
# --------
# Both models know nothing but the spikes and the number of states. With the *Gaussian* prior the networks of the
# states scatter about their mean, and no coupling is ever exactly zero. With the *one-hot* prior every
# connection of a state is inhibitory, absent or excitatory, drawn from one connectome that is learnt; it starts from
# the Gaussian fit and then removes what the data do not ask for.

fits = {
    "Gaussian": SwitchingGLM(n_states=3, prior=GaussianPrior()).fit(recording, key=0, restarts=2),
    "one-hot": SwitchingGLM(n_states=3, prior=OneHotPrior()).fit(recording, key=0, restarts=2),
}
for name, fit in fits.items():
    print(f"{name}: {fit.trace.reason}; restarts agree on {fit.trace.agreement:.0%} of bins")

# %%
# The states first
# ----------------
# States have no names, so those of each fit are matched to the true ones before anything is compared. The yardstick is
# not 100 %: even the network itself, with its true weights, is unsure of some bins.

true_path = recording["state"].values
certain = xr.DataArray(np.eye(3)[true_path], dims=("trial", "time", "state"))
print(f"true network: {(network.state_path(recording) == true_path).mean():.3f} of bins right")
for name, fit in fits.items():
    found = analysis.match_states(certain, fit.infer(recording)["state_probability"])
    fits[name] = fit.permute_states(found["match"].values)
    path = fits[name].infer(recording)["state_path"].values
    print(f"{name}: {(path == true_path).mean():.3f} of bins right")
rates = recording["activity"].groupby(recording["state"]).mean(...).values
print(f"mean spikes per bin in the true states: {rates.round(2)}")

# %%
# Six seconds of one trial. The bands are the probabilities; between two visits they are soft for a few bins,
# because it takes some spikes to notice that the wiring has changed. The drive of a neuron without input is the same
# in all states, so whatever rates differ between them, they do so through the couplings.

report.plot_raster_states(fits["one-hot"], recording, trial=1, start=2.0, stop=8.0)

# %%
# The couplings
# -------------
# Rows are targets, columns sources; own histories are grey. Beside the states stands what they share: the learnt
# connectome.

report.plot_couplings(fits["one-hot"])

# %%
# The numbers of the connectome are *not* the share of states that use a connection: they are pulled towards 0 and 1, as
# this table shows. A connection used in a minority of the states is nearly white, in a majority nearly full. Read the
# connectome as an order of the pairs, not as frequencies.

used = (fits["one-hot"].coupling().sum("lag").values != 0).sum(axis=0)[apart]
present = 1 - fits["one-hot"].parameters["connectome"].sel(category="none").values[apart]
truly = (1 - network.connectome[..., 1])[apart]
for count in range(4):
    mine = used == count
    print(
        f"used in {count} of 3 states: {mine.sum()} pairs, learnt probability {present[mine].mean():.2f}, "
        f"true probability {truly[mine].mean():.2f}"
    )

# %%
# The Gaussian fit shows the same strong couplings on a ground of small ones that are noise.

report.plot_couplings(fits["Gaussian"])

# %%
# Now against the truth, pair by pair. Points on the line at zero are pairs that are not connected: the one-hot fit puts
# most of them exactly there.

figure, panels = plt.subplots(1, 2, figsize=(7, 3.2), sharex=True, sharey=True, layout="constrained")
for axes, (name, fit) in zip(panels, fits.items(), strict=True):
    found = fit.coupling().sum("lag").values
    axes.axline((0, 0), slope=1, color="#c9ccd1", lw=1)
    axes.plot(network.weights[:, apart].ravel(), found[:, apart].ravel(), ls="", marker="o", ms=3, alpha=0.5)
    axes.set(title=f"{name} prior", xlabel="true coupling")
    axes.spines[["top", "right"]].set_visible(False)
panels[0].set_ylabel("found coupling (per spike)")
plt.show()

truth = network.weights[:, apart]
for name, fit in fits.items():
    found = fit.coupling().sum("lag").values[:, apart]
    print(f"{name}: mean absolute error {np.abs(found - truth).mean():.3f}", end="; ")
    print(f"of absent pairs {(found[truth == 0] == 0).mean():.0%} exactly zero", end="; ")
    print(f"of present pairs {(np.sign(found) == np.sign(truth))[truth != 0].mean():.0%} with the right sign")
print(f"no coupling at all: mean absolute error {np.abs(truth).mean():.3f}")

# %%
# One state as a network, and its strongest couplings over lag in all states.

report.plot_network(fits["one-hot"], state=0)

# %%
report.plot_coupling_kernels(fits["one-hot"])

# %%
# What it is worth on new spikes
# ------------------------------
# Fresh trials of the same network, scored with all parameters fixed. The true network is the level that no fit
# exceeds on average; a model with one state, and one whose neurons do not hear each other, say what the states and the
# couplings are worth.

plain = GLM().fit(recording, key=0)
alone = GLM(coupling=None, history=fits["Gaussian"].model.coupling).fit(recording, key=0)
ceiling = network.log_likelihood(test) / test["activity"].size
print("nats per bin and neuron below the true network:")
for name, fit in {**fits, "one state": plain, "no coupling": alone}.items():
    score = float(fit.log_likelihood(test).sum()) / test["activity"].size
    print(f"  {name}: {ceiling - score:.4f}")

# %%
# How this analysis fails
# -----------------------
# - The model class was right here, down to the link and the time constant. Real neurons are not generalised
#   linear, so real couplings are the best description within this class, never a wiring diagram.
# - Every neuron of the network was recorded. A neuron that was not, and drives two that were, makes these look coupled.
# - The number of states was given. On data, choose it by held-out score, as `neurodyn.validation.sweep` does.
# - A prior matters most where data are few. Compare priors by held-out score on your own recording; the better
#   picture above is of data that were drawn as the one-hot prior assumes.
