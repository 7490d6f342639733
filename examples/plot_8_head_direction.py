"""
Couplings that change: a population through sleep and wake
==========================================================

Neurons drive each other, and how strongly depends on what the brain is doing. A **switching GLM** predicts each
neuron from the recent spikes of all of them, with one set of rates and couplings for every hidden state. The question of
this page is not whether such a model can be fitted, for it always can, but which of its parts predict spikes
that it never saw: the states, the couplings, or couplings *that change with the state*.

- With ``NEURODYN_DATA`` set: 15 neurons of the anterodorsal thalamic nucleus and hippocampal CA1 of a mouse, ten
  minutes of sleep and ten of wake.
- Otherwise: a simulated network of 12 neurons whose couplings do switch. There the answer is known.
"""

# sphinx_gallery_thumbnail_number = 3
import os
import pathlib

import numpy as np
import xarray as xr

import neurodyn
from neurodyn import analysis, report
from neurodyn.inference.bases import RaisedCosine
from neurodyn.inference.glm.priors import GaussianPrior
from neurodyn.models import GLM, HMM, SwitchingGLM
from neurodyn.simulate.glm_network import GLMNetwork
from neurodyn.validation import holdout

folder = pathlib.Path(os.environ.get("NEURODYN_DATA", ""))
path = folder / "nwb-a2929-adn-headdirection" / "A2929-200711.nwb"

if path.is_file():
    recording = neurodyn.read(path, bin_width=0.1, behaviour=False)
    labels, n_states, piece, shown = recording["epoch"], 3, 20.0, (560.0, 640.0)
else:
    print("NEURODYN_DATA holds no NWB file of this page: simulating a network.\n")
    recording = GLMNetwork.draw(1, n_states=3, n_units=12).sample(9000, key=0)
    labels, n_states, piece, shown = recording["state"], 3, 3.0, (0.0, 4.0)
    recording = recording.drop_vars("state")
print(neurodyn.recording.describe(recording))

# %%
# How much of the past counts
# ---------------------------
# The past of every neuron enters as a few sums over recent bins. Raised cosines are narrow for the last bin and wide
# for distant ones; three of them take the place of a weight for every lag.

basis = RaisedCosine(5, n_functions=3)
report.plot_basis(basis, sampling_interval=recording.attrs["sampling_interval"])

# %%
# The verdict first
# -----------------
# The recording is cut into pieces, and sets of neighbouring pieces are held out in turn: a piece begins with a
# history of its own, as a trial does. Six models predict the same held-out bins, and each leaves something out.
#
# - *One network* has the same states, with rates of their own, but its prior holds the couplings of all states together:
#   what the switching GLM is better by is what *changing* couplings are worth.
# - The hidden Markov model has the states and no couplings, the GLM has couplings and no states.
# - *GLM, scattered counts* has no states either. Its counts follow a negative binomial distribution, which allows more
#   scatter than a Poisson one; so does a mixture of states, and a gain over the plain GLM may be nothing else.

seconds = float(recording.sizes["time"] * recording.attrs["sampling_interval"])
pieces = neurodyn.recording.cut_trials(
    recording, np.arange(0.0, seconds - piece / 2, piece), window=(0.0, piece)
)
models = {
    "switching GLM": SwitchingGLM(n_states=n_states, coupling=basis, bias="state"),
    "one network": SwitchingGLM(n_states=n_states, coupling=basis, bias="state", prior=GaussianPrior(0.02)),
    "HMM": HMM(n_states=n_states, emission="poisson"),
    "GLM": GLM(coupling=basis),
    "GLM, own history": GLM(coupling=None, history=basis),
    "GLM, scattered counts": GLM(coupling=basis, observation="negative_binomial"),
}
comparison = neurodyn.compare(
    models,
    pieces,
    holdout.trials(3, order="contiguous"),
    key=0,
    nulls=(),
    repeats=None,
    metrics=["log_likelihood_per_spike", "bits_per_spike"],
    fit_options={"restarts": 1, "tolerance": 3e-4},
)
for metric, words in (
    ("log_likelihood_per_spike_exact", "bits per spike over each unit's mean rate"),
    ("bits_per_spike", "the same of the predicted rates alone"),
):
    scores = comparison.scores.isel(protocol=0).sel(metric=metric)
    table = scores[["value", "standard_error"]].to_dataframe()[["value", "standard_error"]]
    for fold in scores["fold"].values:
        table[f"part {fold + 1}"] = scores["fold_value"].sel(fold=fold).to_series()
    print(f"{words}\n{table.round(3).to_string()}\n")

# %%
# In the simulated network, whose couplings do switch, each part pays, and the predicted rates improve as much as the
# likelihood. The mouse is another matter. The switching GLM is clearly better than the GLM and than the HMM, and a reader
# who saw only these would believe in changing couplings. But *one network* is as good within the differences between
# parts, the GLM with scattered counts is as good without any state, and the predicted rates of the switching GLM are
# those of the GLM. Its states say when counts scatter, in the bursts of sleep; that couplings change with them is not
# shown by this recording.
#
# Bars say how far the score would move with other pieces of the same recording. They overlap because some pieces
# are easy for every model; what counts is the difference part by part, in the table above.

report.plot_scores(comparison, metrics=["log_likelihood_per_spike_exact"])

# %%
# States over the spikes
# ----------------------
# One fit to the whole recording, for the pictures. Bands are the probability of each state; behind the counts
# the likeliest one is repeated.

fit = models["switching GLM"].fit(recording, key=0, restarts=1, tolerance=3e-4)
report.plot_raster_states(fit, recording, start=shown[0], stop=shown[1])

# %%
# Do they follow the notes? The share of every condition spent in each state, and the information that states and notes
# share beside the same number after the notes were shifted in time.

posterior = fit.infer(recording)
conditions = xr.DataArray(np.unique(labels), dims="condition", name="condition")
share = xr.concat(
    [posterior["state_probability"].where(labels == name).mean("time") for name in conditions.values],
    dim=conditions,
)
print(share.transpose("condition", "state").to_pandas().round(2).to_string())
agreement = analysis.alignment_to_labels(posterior["state_path"], labels, key=0, n_shifts=500)
print(
    f"shared information {float(agreement['nmi']):.3f}, 95 % of the shifts below {float(agreement['null_95']):.3f}, "
    f"p = {float(agreement['p_value']):.3f}"
)

# %%
# Who drives whom in each state
# -----------------------------
# Rows are driven by columns; own histories, on the diagonal, are much larger and therefore grey. Compare
# the panels of the states with their mean, on the left: what differs between panels is what changes with the state.

report.plot_couplings(fit)

# %%
# The strongest couplings of the most frequent state as a network.

report.plot_network(fit, state=0)

# %%
# And as functions of the lag, for the pairs where they are strongest.

report.plot_coupling_kernels(fit)

# %%
# How this analysis fails
# -----------------------
# - A coupling is a prediction, not a synapse. Two head-direction cells that point the same way are both
#   driven by the turning head, and each predicts the other; nothing in this model knows about the head.
# - States with rates of their own, and states that are bursts, can do all of the work of changing couplings. Without
#   *one network* and *scattered counts* beside it, the gain of a switching GLM over a GLM says nothing about couplings.
# - A coupling out of a unit that rarely fires in a state is the least certain and often the largest: a column with
#   saturated colours, and the widest lines of a network, are the first to be doubted.
# - States are a coarse way to describe something that turns smoothly. More of them keep paying, because they tile it.
# - Sleep came first and wake second, once. Anything that drifted meanwhile separates them as well.
# - Bins of a tenth of a second see no monosynaptic delay. Narrower bins cost time in proportion, and are affordable: the
#   benchmark of this recording has 50 ms.
