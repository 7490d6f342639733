"""Measures of symbol sequences: their values on cases done by hand, their floors, and their power."""

import numpy as np
import pytest

from neurodyn.errors import ModelError
from neurodyn.recording import make
from neurodyn.simulate.symbol_chains import SymbolChain, fully_connected
from neurodyn.validation import metrics

OPTIONS = {"most": 100, "batch": 50, "draws": 8}


def sequences(symbols) -> object:
    return make(
        np.asarray(symbols)[..., None],
        sampling_interval=1.0,
        kind="categorical",
        unit=["symbol"],
        categories={"symbol": ["a", "b", "c"]},
    )


def test_statistics_by_hand():
    found = metrics.sequence_statistics(sequences([[0, 0, 1, 0], [1, 1, 1, 1]]))
    np.testing.assert_allclose(found["transition"][:2, :2], [[0.5, 0.5], [0.25, 0.75]])
    assert np.isnan(found["transition"][2]).all()
    np.testing.assert_allclose(found["frequency"], [3 / 8, 5 / 8, 0])
    assert (float(found["volatility"]), float(found["changes_variance"])) == (1.0, 1.0)
    assert float(found["return_share"]) == 1.0
    onward = metrics.sequence_statistics(sequences([[0, 1, 2, 2, 1], [0, 1, 0, 0, 2]]))
    assert float(onward["return_share"]) == 1 / 4
    still = metrics.sequence_statistics(sequences([[0, 0, 0], [1, 1, 1]]))
    assert float(still["volatility"]) == float(still["changes_variance"]) == 0
    assert np.isnan(still["return_share"])


def test_the_transitions_of_a_long_sample_are_those_of_the_chain():
    table = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.25, 0.25, 0.5]])
    chain = SymbolChain(np.full(3, 1 / 3), table, np.eye(3))
    found = metrics.sequence_statistics(chain.sample(20, n_trials=4000, key=0).drop_vars("state"))
    np.testing.assert_allclose(found["transition"], table, atol=0.015)


def test_two_samples_of_one_chain_are_at_the_floor_and_another_chain_is_not():
    chain = fully_connected()
    target = chain.sample(40, n_trials=400, key=0).drop_vars("state")
    same = metrics.compare_sequences(
        chain.sample(40, n_trials=400, key=1).drop_vars("state"), target, key=0, **OPTIONS
    )
    faster = SymbolChain(chain.initial, np.full((3, 3), 0.2) + 0.4 * np.eye(3), chain.emission)
    other = metrics.compare_sequences(
        faster.sample(40, n_trials=400, key=1).drop_vars("state"), target, key=0, **OPTIONS
    )
    assert abs(float(same["divergence"])) < 4 * float(same["divergence_error"]) + 0.02
    assert float(other["divergence"]) > 5 * float(other["divergence_error"])
    assert float(other["distance"]) > float(other["distance_floor"]) + 0.3
    assert abs(float(same["distance"]) - float(same["distance_floor"])) < 0.2
    assert float(same["volatility_ratio"]) == pytest.approx(1, abs=0.15)
    assert float(other["volatility_ratio"]) > 2
    assert float(same["transition_error"]) < 0.02 < float(other["transition_error"])
    assert float(same["rare_ratio"]) == pytest.approx(1, abs=0.2)


def test_changes_in_clusters_that_go_on_are_told_from_single_ones_that_come_back():
    """Of the noisy chain most changes are flickers. Of one as often and as long in all states, they are not undone."""
    chain = fully_connected()
    target = chain.sample(30, n_trials=4000, key=0).drop_vars("state")
    known = metrics.sequence_statistics(target)
    first_order = SymbolChain(np.full(3, 1 / 3), known["transition"].values, np.eye(3))
    sample = first_order.sample(30, n_trials=4000, key=1).drop_vars("state")
    found = metrics.compare_sequences(sample, target, key=0, **OPTIONS)
    assert float(found["volatility_ratio"]) == pytest.approx(1, abs=0.05)
    assert float(found["transition_error"]) < 1e-3
    assert float(found["return_share_ratio"]) < 0.7
    assert float(found["changes_variance_ratio"]) < 0.85
    for name in ("return_share", "changes_variance"):
        assert float(found[f"{name}_ratio_floor"]) == pytest.approx(1, abs=0.06)


def test_less_varied_sequences_fall_below_the_floor_of_the_distance_yet_differ():
    """Why the distance alone decides nothing: the most probable sequence is nearer than a second sample."""
    table = np.array([[0.8, 0.2], [0.2, 0.8]])
    chain = SymbolChain(np.array([1.0, 0.0]), np.eye(2), np.c_[table, np.zeros(2)])
    target = chain.sample(40, n_trials=400, key=0).drop_vars("state")
    flat = sequences(np.zeros((400, 40), int))
    found = metrics.compare_sequences(flat, target, key=0, **{**OPTIONS, "most": 20})
    assert float(found["distance"]) < float(found["distance_floor"])
    assert float(found["divergence"]) > 10 * float(found["divergence_error"])


def test_what_cannot_be_compared_is_refused():
    one, two = sequences(np.zeros((9, 4), int)), sequences(np.zeros((9, 5), int))
    with pytest.raises(ModelError, match="equal lengths"):
        metrics.sequence_distance(one, two, key=0)
    with pytest.raises(ModelError, match="smaller batch"):
        metrics.sequence_divergence(one, one, key=0, batch=5)
    with pytest.raises(ModelError, match="eight or more"):
        metrics.compare_sequences(one, one.isel(trial=[0, 1, 2]), key=0)
    holes = one.copy(deep=True)
    holes["activity"].values[0, 0] = np.nan
    with pytest.raises(ModelError, match="missing symbols"):
        metrics.sequence_statistics(holes)
    with pytest.raises(ModelError, match="one categorical unit"):
        metrics.sequence_statistics(make(np.ones((3, 4, 1)), sampling_interval=1.0))
