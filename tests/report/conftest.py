"""A small recording with planted states, a fit, and a comparison, made once for all tests of reports."""

import numpy as np
import pytest
import xarray as xr

from neurodyn import models, recording
from neurodyn.models import HMM
from neurodyn.validation import compare, holdout

HOSTILE = "<script>alert('x')</script>&"


@pytest.fixture(scope="session")
def planted() -> xr.Dataset:
    """Three states of 20 bins each in turn, five units, the first with a hostile name, some entries missing."""
    generator = np.random.default_rng(0)
    state = np.repeat(np.tile([0, 1, 2], 4), 20)
    means = np.array([[3, 0, 0, 0, 1], [0, 3, 0, 0, -1], [0, 0, 3, 3, 0]], float)
    values = means[state] + generator.normal(size=(240, 5))
    values[50:60, 1] = np.nan
    return recording.make(
        values,
        sampling_interval=0.5,
        unit=[HOSTILE, "b", "c", "d", "e"],
        modality="eeg",
        subject=HOSTILE,
        source="planted.npy",
    )


@pytest.fixture(scope="session")
def fit(planted: xr.Dataset):
    """An HMM fitted to all of it."""
    return HMM(n_states=3, emission="gaussian_diagonal").fit(planted, key=0, restarts=2)


@pytest.fixture(scope="session")
def comparison(planted: xr.Dataset):
    """The HMM against two baselines under blocks, with nulls."""
    compared = {
        "hmm": HMM(n_states=3, emission="gaussian_diagonal"),
        "persistence": models.create("persistence"),
        "mean": models.create("mean"),
    }
    return compare(compared, planted, holdout.blocks(3), key=0, fit_options={"restarts": 1}, n_bootstrap=200)
