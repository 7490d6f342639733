"""Connectivity equals numpy's, spectra find planted rhythms, events are cut where they are."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neurodyn import analysis, recording
from neurodyn.errors import ModelError


def test_connectivity_equals_numpy_on_complete_data() -> None:
    x = np.random.default_rng(0).normal(size=(200, 5)).cumsum(axis=1)
    found = analysis.functional_connectivity(recording.make(x, sampling_interval=1.0))
    np.testing.assert_allclose(found, np.corrcoef(x.T), atol=1e-6)


def test_connectivity_uses_the_bins_a_pair_shares() -> None:
    x = np.random.default_rng(1).normal(size=(300, 3)).cumsum(axis=1)
    x[:100, 0] = np.nan
    x[250:, 2] = np.nan
    found = analysis.functional_connectivity(recording.make(x, sampling_interval=1.0))
    np.testing.assert_allclose(found, pd.DataFrame(x).corr(), atol=1e-5)


def test_a_constant_unit_has_no_correlation() -> None:
    x = np.random.default_rng(1).normal(size=(50, 3))
    x[:, 1] = 7.0
    found = analysis.functional_connectivity(recording.make(x, sampling_interval=1.0))
    assert np.isnan(found[1]).all()
    assert found[0, 0] == pytest.approx(1.0)


def test_connectivity_weighted_by_a_state_is_that_of_its_bins() -> None:
    x = np.random.default_rng(2).normal(size=(200, 4)).cumsum(axis=1)
    weight = xr.DataArray(np.arange(200) < 80, dims="time").astype(float)
    found = analysis.functional_connectivity(recording.make(x, sampling_interval=1.0), weight)
    np.testing.assert_allclose(found, np.corrcoef(x[:80].T), atol=1e-5)


def test_state_connectivity_has_a_unit_diagonal() -> None:
    root = np.random.default_rng(3).normal(size=(2, 4, 4))
    covariance = xr.DataArray(root @ root.transpose(0, 2, 1), dims=("state", "unit", "unit_2"))
    found = analysis.state_connectivity(covariance)
    np.testing.assert_allclose(np.diagonal(found.values, axis1=1, axis2=2), 1.0)
    with pytest.raises(ModelError, match="positive"):
        analysis.state_connectivity(0 * covariance)


def test_unit_order_keeps_planted_clusters_together() -> None:
    generator = np.random.default_rng(5)
    group = generator.integers(0, 3, 18)
    x = generator.normal(size=(500, 3))[:, group] + 0.3 * generator.normal(size=(500, 18))
    order = analysis.unit_order(xr.DataArray(np.corrcoef(x.T), dims=("unit", "unit_2")))
    assert sorted(order.tolist()) == list(range(18))
    assert np.count_nonzero(np.diff(group[order])) == 2


def test_unit_order_respects_given_networks() -> None:
    networks = np.array(["b", "a", "b", "a"])
    order = analysis.unit_order(xr.DataArray(np.eye(4), dims=("unit", "unit_2")), networks)
    assert networks[order].tolist() == ["a", "a", "b", "b"]


def two_rhythms() -> tuple[xr.Dataset, xr.DataArray]:
    """10 Hz in state 0, 25 Hz in state 1, in alternating 2 s blocks at 100 Hz."""
    time = np.arange(6000) / 100
    state = (time // 2).astype(int) % 2
    wave = np.where(state == 0, np.sin(2 * np.pi * 10 * time), np.sin(2 * np.pi * 25 * time))
    noise = np.random.default_rng(0).normal(size=(6000, 2))
    data = recording.make(wave[:, None] + 0.5 * noise, sampling_interval=0.01)
    return data, xr.DataArray(np.eye(2)[state], dims=("time", "state"))


def test_spectra_peak_at_the_planted_frequency_of_each_state() -> None:
    data, p = two_rhythms()
    power = analysis.state_spectra(data, p, window=1.0)["power"].isel(unit=0)
    peak = power["frequency"].values[power.argmax("frequency").values]
    np.testing.assert_allclose(peak, [10.0, 25.0], atol=2.5)


def test_white_noise_has_its_variance_in_every_state_whatever_is_missing() -> None:
    x = np.random.default_rng(1).normal(size=(20000, 1)) * 3.0
    x[5000:9000] = np.nan
    gamma = np.random.default_rng(2).dirichlet(np.ones(2), 20000)
    data = recording.make(x, sampling_interval=0.01)
    power = analysis.state_spectra(data, xr.DataArray(gamma, dims=("time", "state")))["power"]
    density = power.sel(frequency=slice(5, 45)).mean("frequency")
    np.testing.assert_allclose(density, 2 * 9.0 / 100, rtol=0.05)


def test_coherence_is_high_where_units_share_a_rhythm() -> None:
    data, p = two_rhythms()
    coherence = analysis.state_spectra(data, p, window=1.0, coherence=True)["coherence"]
    pair = coherence.sel(state=0).isel(unit=0, unit_2=1)
    assert pair.sel(frequency=10.0) > 0.7 > pair.sel(frequency=40.0)


def test_spectra_refuse_impossible_windows() -> None:
    data, p = two_rhythms()
    with pytest.raises(ModelError, match="window"):
        analysis.state_spectra(data, p, window=100.0)
    with pytest.raises(ModelError, match="infer the states of this recording"):
        analysis.state_spectra(data, p[:10])


def test_events_are_cut_around_their_bin() -> None:
    p = xr.DataArray(
        np.arange(20.0).reshape(10, 2), dims=("time", "state"), coords={"time": 0.5 * np.arange(10)}
    )
    cut = analysis.event_aligned(p, [2.0, 2.4, 4.5], window=(-0.5, 0.5))
    np.testing.assert_allclose(cut["lag"], [-0.5, 0.0, 0.5])
    np.testing.assert_array_equal(cut[0], p[3:6])
    np.testing.assert_array_equal(cut[1], p[3:6])
    assert np.isnan(cut[2, 2]).all()
    assert not np.isnan(cut[2, :2]).any()


def test_events_outside_the_recording_are_refused() -> None:
    p = xr.DataArray(np.ones((10, 2)), dims=("time", "state"), coords={"time": np.arange(10.0)})
    with pytest.raises(ModelError, match="none of the 1 events"):
        analysis.event_aligned(p, [99.0], window=(-1.0, 1.0))
