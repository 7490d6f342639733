"""Occupancy, dwell times, switching and transitions of known state sequences."""

import numpy as np
import pytest
import xarray as xr

from neurodyn import analysis
from neurodyn.errors import ModelError


def probabilities(path: np.ndarray, n_states: int) -> xr.DataArray:
    """One-hot probabilities of a path."""
    return xr.DataArray(
        np.eye(n_states)[path], dims=("time", "state"), coords={"time": 0.5 * np.arange(len(path))}
    )


def test_occupancy_sums_to_one_and_counts_the_bins() -> None:
    p = probabilities(np.array([0, 0, 0, 2]), 3)
    occupancy = analysis.fractional_occupancy(p)
    np.testing.assert_allclose(occupancy, [0.75, 0.0, 0.25])
    soft = xr.DataArray(
        np.random.default_rng(0).dirichlet(np.ones(4), (3, 20)), dims=("trial", "time", "state")
    )
    np.testing.assert_allclose(analysis.fractional_occupancy(soft).sum(), 1.0)
    np.testing.assert_allclose(analysis.fractional_occupancy(soft, by_trial=True).sum("state"), 1.0)


def test_occupancy_ignores_missing_bins_and_ragged_padding() -> None:
    p = probabilities(np.array([0, 0, 1, 1, 1, 1]), 2)
    with_gap = p.where(xr.DataArray(np.arange(6) != 1, dims="time"))
    np.testing.assert_allclose(analysis.fractional_occupancy(with_gap), [0.2, 0.8])
    trials = xr.concat([p, p], dim="trial").assign_coords(n_bins=("trial", [2, 4]))
    np.testing.assert_allclose(analysis.fractional_occupancy(trials), [4 / 6, 2 / 6])
    np.testing.assert_allclose(analysis.fractional_occupancy(trials, by_trial=True), [[1, 0], [0.5, 0.5]])


def test_dwell_times_of_a_known_path() -> None:
    path = xr.DataArray([1, 1, 0, 0, 0, 1, 2], dims="time", coords={"time": 0.2 * np.arange(7)})
    visits = analysis.dwell_times(path)
    assert visits["state"].values.tolist() == [1, 0, 1, 2]
    np.testing.assert_allclose(visits["duration"], [0.4, 0.6, 0.2, 0.2])
    assert visits["complete"].values.tolist() == [False, True, True, False]
    assert visits["start"].values.tolist() == [0, 2, 5, 6]


def test_a_missing_bin_ends_a_visit_and_marks_it_incomplete() -> None:
    path = xr.DataArray([0.0, 1.0, np.nan, 1.0, 0.0], dims="time")
    visits = analysis.dwell_times(path, sampling_interval=1.0)
    assert visits["state"].values.tolist() == [0, 1, 1, 0]
    assert not visits["complete"].any()


def test_dwell_times_stop_at_each_trials_own_end() -> None:
    path = xr.DataArray(np.zeros((2, 5), int), dims=("trial", "time")).assign_coords(n_bins=("trial", [3, 5]))
    visits = analysis.dwell_times(path, sampling_interval=1.0)
    assert visits["duration"].values.tolist() == [3.0, 5.0]
    assert visits["trial"].values.tolist() == [0, 1]


def test_dwell_times_sum_to_the_known_time() -> None:
    path = xr.DataArray(np.random.default_rng(1).integers(-1, 4, (3, 50)), dims=("trial", "time"))
    total = float(analysis.dwell_times(path, sampling_interval=0.1)["duration"].sum())
    np.testing.assert_allclose(total, 0.1 * (path >= 0).sum())


def test_expected_dwell_times_match_a_simulated_chain() -> None:
    stay = np.array([0.9, 0.6])
    transition = xr.DataArray([[0.9, 0.1], [0.4, 0.6]], dims=("state", "state_next"))
    generator = np.random.default_rng(3)
    path = np.zeros(40000, int)
    draws = generator.random(path.size)
    for t in range(1, path.size):
        path[t] = path[t - 1] if draws[t] < stay[path[t - 1]] else 1 - path[t - 1]
    visits = analysis.dwell_times(xr.DataArray(path, dims="time"), sampling_interval=2.0)
    expected = analysis.expected_dwell_times(transition, 2.0)
    for k in range(2):
        mean = float(visits["duration"][visits["state"].values == k].mean())
        assert mean == pytest.approx(float(expected[k]), rel=0.05)


def test_an_absorbing_state_is_never_left() -> None:
    transition = xr.DataArray([[1.0, 0.0], [0.4, 0.6]], dims=("state", "state_next"))
    assert np.isinf(analysis.expected_dwell_times(transition, 1.0)[0])
    assert list(analysis.transition_graph(transition).edges) == [(1, 0)]


def test_switching_rate_counts_changes_per_second() -> None:
    path = xr.DataArray([[0, 1, 1, 0], [0, 0, -1, 1]], dims=("trial", "time"))
    rate = analysis.switching_rate(path, sampling_interval=0.5)
    np.testing.assert_allclose(rate, [2 / 1.5, 0.0])


def test_transition_graph_edges_are_probabilities_on_leaving() -> None:
    a = np.array([[0.8, 0.15, 0.05], [0.0, 0.9, 0.1], [0.5, 0.0, 0.5]])
    transition = xr.DataArray(a, dims=("state", "state_next"), coords={"state": ["a", "b", "c"]})
    occupancy = xr.DataArray([0.5, 0.3, 0.2], dims="state")
    graph = analysis.transition_graph(transition, occupancy, threshold=0.3)
    assert set(graph.edges) == {("a", "b"), ("b", "c"), ("c", "a")}
    assert graph.edges["a", "b"]["weight"] == pytest.approx(0.75)
    assert graph.nodes["b"]["occupancy"] == 0.3


def test_state_sequence_marks_unknown_bins() -> None:
    p = probabilities(np.array([0, 2, 1]), 3)
    p[1] = np.nan
    assert analysis.state_sequence(p).values.tolist() == [0, -1, 1]


def test_wrong_input_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="dims"):
        analysis.fractional_occupancy(xr.DataArray(np.ones((2, 3)), dims=("state", "time")))
    with pytest.raises(ModelError, match="no bin"):
        analysis.fractional_occupancy(xr.DataArray(np.full((2, 3), np.nan), dims=("time", "state")))
    with pytest.raises(ModelError, match="whole numbers"):
        analysis.dwell_times(xr.DataArray([0.5, 1.0], dims="time"), sampling_interval=1.0)
    with pytest.raises(ModelError, match="sampling_interval"):
        analysis.dwell_times(xr.DataArray([0, 1], dims="time"))
    with pytest.raises(ModelError, match="square|as many rows"):
        analysis.transition_graph(xr.DataArray(np.ones((2, 3)), dims=("state", "state_next")))
