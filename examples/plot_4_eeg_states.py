"""
EEG: states of rhythm, and what happens to them around an event
===============================================================

In electrophysiology a state is rarely a level of voltage; it is a rhythm, on some channels, for a while. A single
sample cannot show a rhythm, but a short stretch can: **time-delay embedding** gives the model each channel together
with its near past and future, principal components make that small enough, and each state then is a
pattern of spectra and phases across channels.

- With ``NEURODYN_DATA`` set: scalp EEG of 32 channels while squares appear on a screen, an EEGLAB file with markers.
- Otherwise, from the package matplotlib: the four EEG traces that its gallery draws beside a brain scan,
  ten seconds. The file has no markers, so the sharpest moments of one channel serve as events, and that channel is kept
  away from the model.
"""

# sphinx_gallery_thumbnail_number = 4
import os
import pathlib

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

import neurodyn
from neurodyn import analysis, report
from neurodyn.models import HMM, PCA, Pipeline, Standardise, TimeDelayEmbedding, create
from neurodyn.report.style import state_colour
from neurodyn.validation import event_average, holdout

# %%
# Read the recording
# ------------------
# ``neurodyn.io.read_ieeg`` reads whatever MNE reads, in volts. Filtering and resampling are done on reading
# and noted in the recording's history. Bad channels and bad stretches become NaN, and stay NaN.

folder = pathlib.Path(os.environ.get("NEURODYN_DATA", ""))
path = folder / "eeg-eeglab-mne" / "test_raw.set"

if path.is_file():
    print(neurodyn.inspect(path)[["kind", "name", "shape", "rate"]].to_string(), "\n")
    recording = neurodyn.io.read_ieeg(path, reference="average", band_pass=(1.0, 30.0), resample=64.0)
    markers = neurodyn.io.read_events(path)
    events = markers.loc[markers["description"] == "square", "onset"].to_numpy()
    n_states, n_components, window = 4, 12, (-0.5, 1.0)
else:
    print("NEURODYN_DATA holds no EEG of this page: using the traces that matplotlib ships.\n")
    file = pathlib.Path(matplotlib.get_data_path()) / "sample_data" / "eeg.dat"
    traces = np.fromfile(file, dtype=float).reshape(-1, 4)
    everything = neurodyn.recording.make(
        traces,
        sampling_interval=10 / len(traces),
        unit=["PG3", "PG5", "PG7", "PG9"],
        modality="eeg",
        source="eeg.dat",
    )
    recording = everything.isel(unit=slice(0, 3))
    apart = np.abs(everything["activity"].sel(unit="PG9"))
    peaks = np.flatnonzero(
        (apart == apart.rolling(time=41, center=True, min_periods=1).max()) & (apart > 2.0)
    )
    events = apart["time"].values[peaks]
    n_states, n_components, window = 3, 8, (-0.4, 0.4)

print(neurodyn.recording.describe(recording))
print(f"{len(events)} events")

# %%
# Look at the traces before anything else: an electrode that came loose, a blink or a discharge will own a
# state.

report.plot_recording(recording.isel(time=slice(0, 640)))

# %%
# States of stretches, not of samples
# -----------------------------------
# Lags from a few samples before to a few after; the reach in seconds decides which rhythms can be told
# apart. The model is told that states persist (``sticky``), for otherwise it may name the phases of one
# wave.

lags = tuple(range(-7, 8))
rhythm = Pipeline(
    Standardise(), TimeDelayEmbedding(lags), PCA(n_components), HMM(n_states=n_states, sticky=100.0)
)
fit = rhythm.fit(recording, key=0, restarts=3)
print(f"reach of the embedding: {len(lags) * recording.attrs['sampling_interval']:.2f} s")
report.plot_states(fit, recording)

# %%
# Visits should last longer than the embedding's reach. Shorter ones are its edges.

report.plot_dwell_times(fit, recording)

# %%
# The spectrum of each state
# --------------------------
# Power of the recording itself, weighted by how probable the state is. States with the same spectrum up to
# a factor differ in amplitude; a peak that moves or appears is a difference of rhythm.

probability = fit.infer(recording)["state_probability"]
spectra = analysis.state_spectra(recording, probability, window=2.0)["power"].mean("unit")
spectra = spectra.sel(frequency=slice(1.0, 30.0))

figure, axes = plt.subplots(figsize=(5.5, 3), layout="constrained")
for state in range(n_states):
    axes.loglog(
        spectra["frequency"],
        spectra.isel(state=state),
        color=state_colour(state),
        label=f"state {state}",
    )
axes.set(
    xlabel="frequency (Hz)", ylabel="power per Hz", xticks=[1, 2, 5, 10, 20], xticklabels=[1, 2, 5, 10, 20]
)
axes.minorticks_off()
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()

# %%
# Around an event
# ---------------
# Mean probability of each state around the events, and its standard error over events. A response is a bump
# that starts *after* time zero; the embedding itself smears by its reach, so a rise shortly before zero is
# no anticipation.

aligned = analysis.event_aligned(probability, events, window=window)
report.plot_event_aligned(aligned)

# %%
# The same in numbers, with intervals from resampled events. The baseline is the part before the event.

average = event_average(probability, events, window=window, key=0)
before = average["mean"].where(average["lag"] < 0).mean("lag")
peak = abs(average["mean"] - before).where(average["lag"] >= 0).argmax("lag")
for state in range(n_states):
    there = average.isel(state=state, lag=int(peak[state]))
    print(
        f"state {state}: {float(before[state]):.2f} before; {float(there['mean']):.2f} "
        f"[{float(there['lower']):.2f}, {float(there['upper']):.2f}] at {float(there['lag']):+.2f} s"
    )

# %%
# That lag was *chosen* for its distance from the baseline, so an interval which just misses the baseline
# proves nothing; one that misses it by far does.
#
# The verdict
# -----------
# An embedding that looks into the future cannot forecast: predicting a sample from itself would be
# cheating, and the package refuses it. The question for held-out data is therefore put to states with an
# autoregressive emission, each of them a rhythm of its own, beside one autoregression without states.

candidates = {
    "hmm, autoregressive": Pipeline(Standardise(), HMM(n_states=n_states, emission="autoregressive")),
    "AR ridge": create("ar_ridge"),
    "persistence": create("persistence"),
}
short = recording.isel(time=slice(0, 3000), unit=slice(0, 8))
comparison = neurodyn.compare(
    candidates, short, holdout.blocks(3), key=0, nulls=(), fit_options={"restarts": 1}
)
print(comparison.verdict())

# %%
report.plot_scores(comparison, metrics=["r2"])
