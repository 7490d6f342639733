"""A long recording gives the same numbers segment by segment as in one pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn.inference import segments
from neurodyn.inference.arrangement import IN_TIME, Arrangement
from neurodyn.inference.em import Sequence, TransitionPrior, em_step
from neurodyn.inference.em_state import HMMParameters
from neurodyn.inference.emissions import (
    AutoregressiveGaussian,
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    Gaussian,
    LowRankGaussian,
    Poisson,
)

SEGMENT, N_SEGMENTS, N_UNITS = 240, 5, 3


FAMILIES = [
    Gaussian(),
    Gaussian(covariance="tied"),
    DiagonalGaussian(),
    Poisson(),
    Bernoulli(),
    Categorical(n_categories=2),
]


def name_of(emission):
    return type(emission).__name__


EVERY = pytest.mark.parametrize("emission", FAMILIES, ids=name_of)


def problem(emission, n_states, missing=False, order=IN_TIME):
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
    labels = rng.integers(0, n_states, n_time)
    values, mask, start, valid, labels = map(order.arrange, (values, mask, start, valid, labels))
    data = emission.prepare(values, mask, start)
    emitted = emission.start_from_data(jax.random.key(0), data, jax.nn.one_hot(labels, n_states))
    transition = jnp.asarray(rng.dirichlet(np.ones(n_states), size=n_states), jnp.float32)
    parameters = HMMParameters(jnp.full(n_states, 1 / n_states, jnp.float32), transition, emitted)
    return Sequence(data, jnp.asarray(start), jnp.asarray(valid), None, order), parameters


@pytest.mark.parametrize("n_states", [2, 4])  # fewer and more than units: likelihoods kept, or computed twice
@EVERY
def test_segments_equal_one_pass(emission, n_states, monkeypatch):
    sequence, parameters = problem(emission, n_states)
    whole, prior_whole, found_whole = em_step(emission, TransitionPrior(), sequence, parameters, guard=False)
    monkeypatch.setattr(segments, "SEGMENT", SEGMENT)
    monkeypatch.setattr(segments, "LONG", SEGMENT)
    assert segments.segment_length(SEGMENT * N_SEGMENTS, sequence.data) == SEGMENT
    cut, prior_cut, found_cut = em_step(emission, TransitionPrior(), sequence, parameters, guard=False)
    assert bool(found_cut.trusted)
    same(whole, cut, found_whole, found_cut, IN_TIME)
    np.testing.assert_allclose(prior_whole, prior_cut, rtol=1e-5)


def same(whole, other, found_whole, found_other, order):
    """One step equals another made with the bins in a different order."""
    for one, two in zip(jax.tree.leaves(whole), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-4, atol=1e-5)
    terms, path = (
        order.restore(np.asarray(found_other.log_normalizer)),
        order.restore(np.asarray(found_other.path)),
    )
    np.testing.assert_allclose(found_whole.log_normalizer, terms, atol=2e-5)
    np.testing.assert_allclose(found_whole.occupancy, found_other.occupancy, rtol=1e-4, atol=1e-3)
    assert np.mean(np.asarray(found_whole.path) == path) > 0.999


@pytest.mark.parametrize(
    ("order", "guard", "missing"),
    [(Arrangement(1, 16), False, False), (Arrangement(5, 24), True, True)],
    ids=["whole", "segments"],
)
@EVERY
def test_the_order_of_the_bins_in_memory_changes_nothing(emission, missing, guard, order):
    in_time, parameters = problem(emission, 3, missing)
    arranged, _ = problem(emission, 3, missing, order)
    whole, _, found_whole = em_step(emission, TransitionPrior(), in_time, parameters, guard=guard)
    other, _, found_other = em_step(emission, TransitionPrior(), arranged, parameters, guard=guard)
    same(whole, other, found_whole, found_other, order)


@pytest.mark.parametrize("emission", [*FAMILIES, AutoregressiveGaussian(), LowRankGaussian()], ids=name_of)
def test_prepared_data_share_no_memory_with_the_host_arrays(emission):
    values = np.ones((64, 2), np.float32)
    values[::2] = 0
    mask, start = np.ones(values.shape, bool), np.arange(64) == 0
    mask[5, 1] = False
    data = emission.prepare(values, mask, start)
    before = [np.array(leaf) for leaf in jax.tree.leaves(data)]
    values[:], mask[:], start[:] = 7, False, True
    for one, other in zip(before, jax.tree.leaves(data), strict=True):
        np.testing.assert_array_equal(one, np.asarray(other))


def test_arranged_segments_equal_one_pass(monkeypatch):
    emission, order = Gaussian(), Arrangement(N_SEGMENTS, 24)
    in_time, parameters = problem(emission, 3)
    arranged, _ = problem(emission, 3, order=order)
    whole, _, found_whole = em_step(emission, TransitionPrior(), in_time, parameters, guard=False)
    monkeypatch.setattr(segments, "SEGMENT", SEGMENT)
    monkeypatch.setattr(segments, "LONG", SEGMENT)
    assert segments.segment_length(SEGMENT * N_SEGMENTS, arranged.data) == SEGMENT
    other, _, found_other = em_step(emission, TransitionPrior(), arranged, parameters, guard=False)
    same(whole, other, found_whole, found_other, order)


def test_underflow_is_redone_in_the_order_of_time():
    from neurodyn.inference.message_passing import expected_statistics

    order, n_time = Arrangement(1, 16), 64
    rng = np.random.default_rng(0)
    log_likelihood = np.where(rng.random((n_time, 3)) < 0.3, -400.0, 0.0).astype(np.float32)
    transition = jnp.asarray([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [1e-35, 0.0, 1.0]], jnp.float32)
    initial, start = jnp.asarray([1.0, 0.0, 0.0]), np.arange(n_time) == 0
    straight = expected_statistics(jnp.asarray(log_likelihood), transition, initial, jnp.asarray(start))
    turned = expected_statistics(
        jnp.asarray(order.arrange(log_likelihood)),
        transition,
        initial,
        jnp.asarray(order.arrange(start)),
        order=order,
    )
    assert not bool(
        expected_statistics(
            jnp.asarray(log_likelihood), transition, initial, jnp.asarray(start), guard=False
        ).trusted
    )
    np.testing.assert_allclose(straight.smoothed, order.restore(np.asarray(turned.smoothed)), atol=1e-6)
    np.testing.assert_allclose(straight.transition_counts, turned.transition_counts, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(straight.log_likelihood, turned.log_likelihood, rtol=1e-6)


def test_data_that_refer_to_other_bins_stay_whole(monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT", SEGMENT)
    monkeypatch.setattr(segments, "LONG", SEGMENT)
    partly, _ = problem(Gaussian(), 2, missing=True)
    lagged, _ = problem(AutoregressiveGaussian(), 2)
    assert segments.segment_length(SEGMENT * N_SEGMENTS, partly.data) == 0
    assert segments.segment_length(SEGMENT * N_SEGMENTS, lagged.data) == 0
