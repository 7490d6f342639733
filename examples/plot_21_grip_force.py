"""
Electrodes in a hand's grip: coherence in a band
================================================

The measure of who goes with whom is a part that can be exchanged. Field potentials do not rise and fall together, they
oscillate; what they share is a rhythm. Here pairs of electrodes on the cortex and in the subthalamic nucleus are measured by
their coherence between 13 and 30 Hz (beta) in a window of half a second, the components of the pairs are found, and held
against the force of a hand that gripped three times.

- With ``NEURODYN_DATA`` set: one patient, nine contacts, nineteen seconds.
- Otherwise: simulated electrodes, of which some share a rhythm while the hand is at rest.

Three grips are three events: this page shows how it is done, not that it is so.
"""

# sphinx_gallery_thumbnail_number = 1
import os
import pathlib
import warnings

import numpy as np
import xarray as xr

import neurodyn
from neurodyn import report
from neurodyn.models import DynamicConnectome
from neurodyn.models.connectome import BandCoherence, ConcurrentChange, affinity
from neurodyn.validation import association

folder = pathlib.Path(os.environ.get("NEURODYN_DATA", "")) / "ieeg-stn-ecog-brainvision"
headers = sorted(folder.rglob("*.vhdr"))

if headers:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the header's micro sign: the loader scales the data and says so
        potentials, hand = neurodyn.read(headers[0]), neurodyn.read(headers[0], picks="misc")
    force = xr.DataArray(hand["activity"].values[:, 0], dims="time", name="grip force")
else:
    print("NEURODYN_DATA holds no electrodes: simulating them.\n")
    rng, time = np.random.default_rng(0), np.arange(19000) / 1000
    force = xr.DataArray((np.sin(time) > 0.5).astype(float), dims="time", name="grip force")
    rhythm = np.sin(2 * np.pi * 20 * time + rng.normal(size=19000).cumsum() * 0.02)[:, None]
    shared = np.array([1, 1, 1, 0, 0, 0]) * (1 - force.values[:, None])
    potentials = neurodyn.recording.make(
        rhythm * shared + rng.normal(size=(19000, 6)),
        sampling_interval=0.001,
        unit=[f"contact {k}" for k in range(6)],
    )
print(neurodyn.recording.describe(potentials))

# %%
# Pairs in a band
# ---------------
# The filter and the window reach most of a second: an affinity knows of its neighbourhood, and one every 50 ms is plenty.

step = 50
pairs = affinity(potentials, BandCoherence(band=(13.0, 30.0), window=501, rate=1000.0)).isel(
    time=slice(0, None, step)
)
pairs.attrs["sampling_interval"] = 0.001 * step
smooth = force.rolling(time=step, center=True, min_periods=1).mean().isel(time=slice(0, None, step))
smooth = smooth.assign_coords(time=pairs["time"].values)

fit = DynamicConnectome(rank=3, clock="own").fit(pairs, key=0)
inferred = fit.infer(pairs)
course = inferred["course"].where(inferred["seen"])
found = association(course, smooth, key=0, n_shifts=500)
print(found[["value", "p_value", "p_adjusted"]].isel(covariate=0).to_dataframe().round(3))
component = int(np.abs(found["value"].values[0]).argmax())
report.plot_component(fit, component, behaviour=smooth)

# %%
# The p values are corrected over the three components. They are not corrected over the measures, bands and windows one might
# have tried; with three grips, anything slow that happens three times fits about as well. More patients would decide.
#
# What the measure cannot see
# ---------------------------
# Slopes of raw potentials do not tell a rhythm from anything else that moves: the measure of a calcium recording, beside it.

slopes = affinity(potentials, ConcurrentChange(window=11)).isel(time=slice(0, None, step))
slopes.attrs["sampling_interval"] = 0.001 * step
other = DynamicConnectome(rank=3, clock="own").fit(slopes, key=0)
inferred = other.infer(slopes)
beside = association(inferred["course"].where(inferred["seen"]), smooth, key=0, n_shifts=500)
print(beside[["value", "p_adjusted"]].isel(covariate=0).to_dataframe().round(3))
