"""Hidden Markov models over symbols are drawn as their tables say."""

import numpy as np
import pytest
import xarray as xr

from neurodyn.errors import ModelError
from neurodyn.recording import check
from neurodyn.simulate.symbol_chains import (
    SymbolChain,
    cyclic,
    fully_connected,
    linear_chain,
    state_recording,
)

CHAINS = [*(linear_chain(m) for m in (2, 3, 4, 5)), fully_connected(), cyclic()]


@pytest.mark.parametrize("chain", CHAINS)
def test_draws_have_the_frequencies_of_the_tables(chain):
    symbols, states = chain.draw(20_000, 12, key=1)
    n_states = len(chain.initial)
    first = np.bincount(states[:, 0], minlength=n_states) / 20_000
    np.testing.assert_allclose(first, chain.initial, atol=0.02)
    counts = np.zeros((n_states, n_states))
    np.add.at(counts, (states[:, :-1], states[:, 1:]), 1)
    np.testing.assert_allclose(counts / counts.sum(1, keepdims=True), chain.transition, atol=0.02)
    emitted = np.zeros(chain.emission.shape)
    np.add.at(emitted, (states, symbols), 1)
    np.testing.assert_allclose(emitted / emitted.sum(1, keepdims=True), chain.emission, atol=0.02)
    assert (counts[chain.transition == 0] == 0).all()


def test_crossing_a_linear_chain_inwards_takes_one_in_twenty_runs():
    for m in (2, 3, 4, 5):
        chain = linear_chain(m)
        assert np.prod(np.diag(chain.transition, 1)) == pytest.approx(0.05)
        np.testing.assert_allclose(chain.transition, chain.transition[::-1, ::-1])


@pytest.mark.parametrize("n_states", [1, 6, 9, 2.5])
def test_a_chain_the_rule_does_not_give_is_refused(n_states):
    with pytest.raises(ModelError, match="2 to 5"):
        linear_chain(n_states)
    if n_states == 6:
        with pytest.raises(ModelError, match=r"1 - 2q = -0\.10"):
            linear_chain(n_states)


def test_a_recording_of_symbols_passes_the_schema_and_repeats_with_its_key():
    chain = linear_chain(3)
    recording = check(chain.sample(30, n_trials=4, key=0))
    assert str(recording["kind"].values[0]) == "categorical"
    assert recording["activity"].attrs["categories"] == {"symbol": ["0", "1", "2"]}
    xr.testing.assert_identical(recording, chain.sample(30, n_trials=4, key=0))
    assert chain.sample(30, key=0)["activity"].dims == ("time", "unit")


def test_log_likelihood_is_that_of_all_paths():
    chain = cyclic()
    symbols = np.array([[0, 1, 1], [2, 0, 2]])
    found = chain.log_likelihood(symbols)
    for row, value in zip(symbols, found, strict=True):
        total = 0.0
        for path in np.ndindex(4, 4, 4):
            chance = chain.initial[path[0]] * chain.emission[path[0], row[0]]
            for t in (1, 2):
                chance *= chain.transition[path[t - 1], path[t]] * chain.emission[path[t], row[t]]
            total += chance
        assert np.exp(value) == pytest.approx(total, abs=1e-12)


def test_states_become_symbols_with_what_is_missing_kept():
    path = xr.DataArray([[0, 2, -1], [1, 1, 1]], dims=("trial", "time"))
    values = state_recording(path, n_states=4)["activity"].values[..., 0]
    np.testing.assert_array_equal(values, [[0, 2, np.nan], [1, 1, 1]])
    assert state_recording(path[0], n_states=3)["activity"].dims == ("time", "unit")
    with pytest.raises(ModelError, match="below n_states"):
        state_recording(path, n_states=2)
    with pytest.raises(ModelError, match="dims"):
        state_recording(path.rename(trial="other"), n_states=3)


def test_tables_that_are_no_probabilities_are_refused():
    with pytest.raises(ModelError, match="sum to 1"):
        SymbolChain(np.array([1.0]), np.array([[1.0]]), np.array([[0.5, 0.4]]))
    with pytest.raises(ModelError, match="shape"):
        SymbolChain(np.array([0.5, 0.5]), np.array([[1.0]]), np.array([[1.0]]))
