"""Recordings of every shape the protocols must cope with."""

import numpy as np
import xarray as xr

from neurodyn.recording import make


def continuous(n_time: int = 200, n_units: int = 6, seed: int = 0, share_missing: float = 0.0) -> xr.Dataset:
    """One recording of autocorrelated noise, with covariates of both roles."""
    draw = np.random.default_rng(seed)
    noise = draw.normal(size=(n_time, n_units))
    for t in range(1, n_time):
        noise[t] += 0.7 * noise[t - 1]
    noise[draw.random(noise.shape) < share_missing] = np.nan
    recording = make(noise, sampling_interval=0.5)
    covariates = xr.DataArray(
        draw.normal(size=(n_time, 2)),
        dims=("time", "covariate"),
        coords={
            "covariate": ["stimulus", "speed"],
            "available": ("covariate", ["before", "with"]),
            "role": ("covariate", ["exogenous", "measured"]),
        },
    )
    recording = recording.assign(covariates=covariates.assign_coords(time=recording["time"]))
    return recording.assign_coords(run=("time", np.repeat([1, 2, 3, 4], n_time // 4)))


def ragged(n_trials: int = 15, n_time: int = 30, n_units: int = 5, seed: int = 1) -> xr.Dataset:
    """Counts in trials of unequal length with a dead unit in one trial, and a subject per trial."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(n_time - 12, n_time + 1, size=n_trials)
    counts = [draw.poisson(1.5, size=(length, n_units)).astype(float) for length in lengths]
    counts[2][:, 1] = np.nan
    counts[4][:3] = np.nan
    recording = make(counts, sampling_interval=0.02, kind="count")
    return recording.assign_coords(
        subject_id=("trial", np.array(list("abc"))[np.arange(n_trials) * 3 // n_trials])
    )
