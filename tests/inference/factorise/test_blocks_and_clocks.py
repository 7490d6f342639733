"""Blocks made on the fly give what a tensor in memory gives; animals without a common clock are one longer tensor."""

import jax
import numpy as np
import pytest

from neurodyn.errors import ModelError
from neurodyn.inference.factorise.clocks import join_clocks, split_clocks
from neurodyn.inference.factorise.comparison import congruence
from neurodyn.inference.factorise.fitting import fit
from neurodyn.inference.factorise.penalties import Penalties
from neurodyn.inference.factorise.streaming import fit_blocks
from neurodyn.simulate.tensors import planted_tensor


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def blocks_of(values, mask, size):
    calls = []

    def block(index):
        calls.append(index)
        here = slice(size * index, size * (index + 1))
        return values[here], None if mask is None else mask[here]

    return block, calls


@pytest.mark.parametrize("loss", ["squares", "poisson"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_blocks_are_the_tensor_in_memory(loss, missing):
    planted = planted_tensor((23, 8, 9), 3, key=0, missing=missing)
    mask = np.isfinite(planted.values) if missing else None
    block, calls = blocks_of(planted.values, mask, 6)
    penalties = Penalties(ridge={0: 0.1, 1: 0.1, 2: 0.1}, smoothness={2: 0.5})
    whole = fit(planted.values, 3, mask=mask, key=0, loss=loss, penalties=penalties, max_sweeps=40)[0]
    found = fit_blocks(block, 4, 3, key=0, loss=loss, penalties=penalties, max_sweeps=40)
    assert len(found.objective) == len(whole.objective)
    assert found.converged == whole.converged
    np.testing.assert_allclose(found.objective, whole.objective, rtol=1e-9)
    np.testing.assert_allclose(found.dense(), whole.dense(), rtol=1e-6, atol=1e-9)
    rejected = int((np.diff(found.objective) == 0).sum())
    assert len(calls) <= 4 * (len(found.objective) + rejected + 2)


def test_blocks_fit_the_time_factor_alone_where_the_rest_is_fixed():
    planted = planted_tensor((12, 5, 6), 2, key=1, missing=0.3, noise_shape=None)
    block, _ = blocks_of(planted.values, np.isfinite(planted.values), 4)
    fixed = {1: planted.factors[1], 2: planted.factors[2]}
    found = fit_blocks(block, 3, 2, key=0, fixed=fixed, tolerance=1e-12)
    np.testing.assert_array_equal(found.factors[2], planted.factors[2])
    np.testing.assert_allclose(found.factors[0] * found.weights, planted.factors[0], atol=1e-4)


def test_blocks_that_do_not_serve_are_refused():
    ones = np.ones((4, 3))
    with pytest.raises(ModelError, match="block 1 has shape"):
        fit_blocks(lambda i: (ones if i == 0 else np.ones((4, 2)), None), 2, 1, key=0)
    with pytest.raises(ModelError, match="block 1 holds 1 negative"):
        fit_blocks(lambda i: (ones if i == 0 else ones - 2 * np.eye(4, 3) * np.eye(4, 1), None), 2, 1, key=0)
    with pytest.raises(ModelError, match="no entry of any block"):
        fit_blocks(lambda i: (ones, np.zeros(ones.shape, bool)), 2, 1, key=0)
    with pytest.raises(ModelError, match="n_blocks"):
        fit_blocks(lambda i: (ones, None), 0, 1, key=0)
    with pytest.raises(ModelError, match="smoothness of mode 0"):
        fit_blocks(lambda i: (ones, None), 2, 1, key=0, penalties=Penalties(smoothness={0: 1.0}))


def test_animals_with_clocks_of_their_own_share_pair_factors():
    rng = np.random.default_rng(0)
    pairs = rng.gamma(0.3, size=(40, 3))
    times = [rng.gamma(0.3, size=(length, 3)) for length in (50, 30, 70)]
    animals = [time @ pairs.T for time in times]
    animals[1][:, 10:18] = np.nan
    animals[2][:, 30:] = np.nan
    joined = join_clocks(animals)
    assert joined.breaks == (50, 80)
    run = fit(joined.values, 3, mask=joined.mask, key=0, restarts=4, tolerance=1e-9, max_sweeps=2000)[0]
    assert congruence((np.concatenate(times), pairs), run.factors).components.min() > 0.97
    own = split_clocks(run.factors[0] * run.weights, joined.lengths)
    for animal, time in zip(animals, own, strict=True):
        seen = np.isfinite(animal)
        np.testing.assert_allclose(
            (time @ run.factors[1].T)[seen], animal[seen], atol=0.02 * np.nanmax(animal)
        )
    # An animal that was not there: its clock from the shared pair factor.
    fresh = rng.gamma(0.3, size=(25, 3))
    held = fit(fresh @ run.factors[1].T, 3, key=0, fixed={1: run.factors[1]}, tolerance=1e-12)[0]
    np.testing.assert_allclose(held.factors[0] * held.weights, fresh, atol=1e-4)


def test_animals_that_do_not_fit_together_are_refused():
    with pytest.raises(ModelError, match="no animal"):
        join_clocks([])
    with pytest.raises(ModelError, match="animal 1 has shape"):
        join_clocks([np.ones((3, 2)), np.ones((3, 4))])
    with pytest.raises(ModelError, match="add up"):
        split_clocks(np.ones((5, 2)), (3, 3))
