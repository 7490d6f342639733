"""The recordings that the benchmarks and pages of the dynamic connectome share."""

import numpy as np
import pytest

from benchmarks.dynamic_connectome.data import AAL2, ecog, hcp, homologues, worms
from neurodyn import recording


def test_homologues_differ_in_their_side_alone():
    traces = recording.make(
        np.ones((3, 5)), sampling_interval=1.0, unit=["AVAR", "M1", "AVAL", "URXL", "AVER"]
    )
    assert homologues(traces) == [(2, 0)]


def test_worms_are_aligned_by_name_without_their_behaviour(data):
    found = worms()
    assert recording.check(found.recording) is found.recording
    assert dict(found.recording.sizes) == {"trial": 5, "time": 800, "unit": 102}
    assert found.recording["activity"].notnull().any("time").sum("trial").min() >= 3
    assert "covariates" not in found.recording
    assert found.behaviour.sel(covariate="velocity").notnull().all()
    assert not any(label.endswith("?") for label in found.recording["unit"].values)
    assert len(homologues(found.recording)) == 39


def test_regions_lie_beside_their_homologues(data):
    found = hcp()
    assert recording.check(found) is found
    assert homologues(found) == [(at, at + 1) for at in range(0, 2 * len(AAL2), 2)]
    series = found["activity"].isel(trial=0).values
    alike = np.corrcoef(series.T)
    beside = np.mean([alike[pair] for pair in homologues(found)])
    assert beside > alike[np.triu_indices(len(alike), 1)].mean() + 0.2


def test_potentials_are_volts_beside_the_force(data):
    found = ecog()
    assert dict(found.recording.sizes) == {"time": 19001, "unit": 9}
    assert 1e-6 < float(found.recording["activity"].std()) < 1e-3
    assert found.behaviour.sizes["time"] == 19001
    assert float(found.behaviour.max()) == pytest.approx(4.268, abs=0.01)
