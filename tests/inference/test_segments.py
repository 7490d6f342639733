"""A long recording gives the same numbers segment by segment as in one pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn.inference import segments
from neurodyn.inference.em import Sequence, TransitionPrior, em_step
from neurodyn.inference.em_state import HMMParameters
from neurodyn.inference.emissions import (
    AutoregressiveGaussian,
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    Gaussian,
    Poisson,
)

SEGMENT, N_SEGMENTS, N_UNITS = 240, 5, 3


def problem(emission, n_states, missing=False):
    rng = np.random.default_rng(0)
    n_time = SEGMENT * N_SEGMENTS
    values = rng.integers(0, 2, size=(n_time, N_UNITS)).astype(np.float32)
    if "continuous" in emission.kinds:
        values = rng.normal(size=(n_time, N_UNITS)).astype(np.float32)
    mask = np.ones(values.shape, bool)
    mask[100:150] = False
    if missing:
        mask[300:500, 1] = False
    start = np.isin(np.arange(n_time), [0, 77, SEGMENT, 3 * SEGMENT - 1])
    valid = np.arange(n_time) < n_time - 60
    mask[~valid], start = False, start | ~valid
    data = emission.prepare(values, mask, start)
    labels = rng.integers(0, n_states, n_time)
    emitted = emission.start_from_data(jax.random.key(0), data, jax.nn.one_hot(labels, n_states))
    transition = jnp.asarray(rng.dirichlet(np.ones(n_states), size=n_states), jnp.float32)
    parameters = HMMParameters(jnp.full(n_states, 1 / n_states, jnp.float32), transition, emitted)
    return Sequence(data, jnp.asarray(start), jnp.asarray(valid)), parameters


@pytest.mark.parametrize("n_states", [2, 4])  # fewer and more than units: likelihoods kept, or computed twice
@pytest.mark.parametrize(
    "emission",
    [
        Gaussian(),
        Gaussian(covariance="tied"),
        DiagonalGaussian(),
        Poisson(),
        Bernoulli(),
        Categorical(n_categories=2),
    ],
    ids=lambda emission: type(emission).__name__,
)
def test_segments_equal_one_pass(emission, n_states, monkeypatch):
    sequence, parameters = problem(emission, n_states)
    whole, prior_whole, found_whole = em_step(emission, TransitionPrior(), sequence, parameters, guard=False)
    monkeypatch.setattr(segments, "SEGMENT", SEGMENT)
    monkeypatch.setattr(segments, "LONG", SEGMENT)
    assert segments.segment_length(SEGMENT * N_SEGMENTS, sequence.data) == SEGMENT
    cut, prior_cut, found_cut = em_step(emission, TransitionPrior(), sequence, parameters, guard=False)
    assert bool(found_cut.trusted)
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(cut), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(found_whole.log_normalizer, found_cut.log_normalizer, atol=2e-5)
    np.testing.assert_allclose(found_whole.occupancy, found_cut.occupancy, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(prior_whole, prior_cut, rtol=1e-5)
    assert np.mean(np.asarray(found_whole.path) == np.asarray(found_cut.path)) > 0.999


def test_data_that_refer_to_other_bins_stay_whole(monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT", SEGMENT)
    monkeypatch.setattr(segments, "LONG", SEGMENT)
    partly, _ = problem(Gaussian(), 2, missing=True)
    lagged, _ = problem(AutoregressiveGaussian(), 2)
    assert segments.segment_length(SEGMENT * N_SEGMENTS, partly.data) == 0
    assert segments.segment_length(SEGMENT * N_SEGMENTS, lagged.data) == 0
