"""Blocked message passing against the sequential recursion, hmmlearn and the sum over all paths."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn.inference.log_space import log_forward_backward
from neurodyn.inference.message_passing import (
    accurate_sum,
    expected_statistics,
    filter_only,
    forward_backward,
    predict_states,
)

SEQUENTIAL = jax.jit(log_forward_backward)


def problem(seed, time, n_states, *, per_step=False, spread=3.0, start_rate=0.1):
    """Random chain with random trial starts, float64 numpy."""
    rng = np.random.default_rng(seed)
    shape = (time, n_states) if per_step else (n_states,)
    start = rng.random(time) < start_rate
    start[0] = True
    return (
        rng.normal(size=(time, n_states)) * spread - 10,
        rng.dirichlet(np.ones(n_states), shape),
        rng.dirichlet(np.ones(n_states)),
        start,
    )


def enumerate_paths(log_likelihood, transition, initial, start):
    """Everything by the sum over all paths: weights (paths,) in logs and paths (paths, time)."""
    time, n_states = log_likelihood.shape
    paths = np.array(list(itertools.product(range(n_states), repeat=time)))
    transition = np.broadcast_to(transition, (time, n_states, n_states))
    weight = np.zeros(len(paths))
    with np.errstate(divide="ignore"):
        for t in range(time):
            step = np.log(initial)[paths[:, t]]
            if t > 0 and not start[t]:
                step = np.log(transition[t])[paths[:, t - 1], paths[:, t]]
            weight += step + log_likelihood[t, paths[:, t]]
    return weight, paths


def expected_by_enumeration(log_likelihood, transition, initial, start):
    """Smoothed probabilities, counts and log-likelihood by the sum over all paths."""
    weight, paths = enumerate_paths(log_likelihood, transition, initial, start)
    total = np.logaddexp.reduce(weight)
    share = np.exp(weight - total)
    time, n_states = log_likelihood.shape
    smoothed = np.stack([np.bincount(paths[:, t], share, n_states) for t in range(time)])
    counts = np.zeros((n_states, n_states))
    for t in range(1, time):
        if not start[t]:
            np.add.at(counts, (paths[:, t - 1], paths[:, t]), share)
    return smoothed, counts, smoothed[start].sum(0), total


def reference(log_likelihood, transition, initial, start):
    """The sequential recursion in the log domain, float64."""
    with jax.enable_x64(True), np.errstate(divide="ignore"):
        messages = SEQUENTIAL(
            jnp.asarray(log_likelihood),
            jnp.log(jnp.asarray(transition)),
            jnp.log(jnp.asarray(initial)),
            jnp.asarray(start),
        )
        return jax.tree.map(np.asarray, messages)


def single(arrays):
    """Arguments in float32."""
    log_likelihood, transition, initial, start = arrays
    return (
        jnp.asarray(log_likelihood, jnp.float32),
        jnp.asarray(transition, jnp.float32),
        jnp.asarray(initial, jnp.float32),
        jnp.asarray(start),
    )


FIELDS = ("smoothed", "filtered", "predicted", "log_normalizer", "transition_counts")


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize(("time", "n_states"), [(1, 3), (2, 2), (97, 3)])
def test_blocked_equals_sequential_for_every_block_length(time, n_states, per_step):
    arrays = problem(1, time, n_states, per_step=per_step)
    expected = reference(*arrays)
    for block_length in (1, 10, 96, 97, 1000) if time > 2 else (1, 2, 5):
        found = forward_backward(*single(arrays), block_length=block_length, guard=False)
        for field in FIELDS:
            np.testing.assert_allclose(
                getattr(found, field), getattr(expected, field), rtol=2e-5, atol=2e-6, err_msg=field
            )


def test_float64_blocked_equals_sequential_to_twelve_digits():
    arrays = problem(2, 97, 3)
    expected = reference(*arrays)
    with jax.enable_x64(True):
        found = forward_backward(*map(jnp.asarray, arrays), guard=False)
        assert found.smoothed.dtype == jnp.float64
        for field in FIELDS:
            np.testing.assert_allclose(
                getattr(found, field), getattr(expected, field), rtol=1e-12, atol=1e-13
            )


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_sum_over_all_paths(seed, per_step):
    arrays = problem(seed, 7, 3, per_step=per_step, start_rate=0.3)
    arrays[0][3] = 0  # a bin without observation
    smoothed, counts, initial_counts, total = expected_by_enumeration(*arrays)
    with jax.enable_x64(True):
        found = forward_backward(*map(jnp.asarray, arrays), block_length=3)
        lean = expected_statistics(*map(jnp.asarray, arrays), block_length=2)
        np.testing.assert_allclose(found.smoothed, smoothed, atol=1e-12)
        np.testing.assert_allclose(found.transition_counts, counts, atol=1e-12)
        np.testing.assert_allclose(found.initial_counts, initial_counts, atol=1e-12)
        np.testing.assert_allclose(found.log_normalizer.sum(), total, rtol=1e-12)
        np.testing.assert_allclose(lean.smoothed, smoothed, atol=1e-12)
        np.testing.assert_allclose(lean.transition_counts, counts, atol=1e-12)
        np.testing.assert_allclose(lean.log_likelihood, total, rtol=1e-12)


def test_equals_hmmlearn():
    from hmmlearn.hmm import GaussianHMM

    rng = np.random.default_rng(4)
    n_states, lengths = 4, [700, 1, 299]
    model = GaussianHMM(n_states, "diag")
    model.startprob_ = rng.dirichlet(np.ones(n_states))
    model.transmat_ = rng.dirichlet(np.ones(n_states), n_states)
    model.means_ = rng.normal(size=(n_states, 2))
    model.covars_ = np.full((n_states, 2), 0.7)
    data = np.concatenate([model.sample(n, random_state=i)[0] for i, n in enumerate(lengths)])
    total, posterior = model.score_samples(data, lengths)
    log_likelihood = model._compute_log_likelihood(data)
    start = np.zeros(len(data), bool)
    start[np.cumsum([0, *lengths[:-1]])] = True
    arrays = (log_likelihood, model.transmat_, model.startprob_, start)
    found = forward_backward(*single(arrays))
    np.testing.assert_allclose(accurate_sum(found.log_normalizer), total, rtol=1e-5)
    np.testing.assert_allclose(found.smoothed, posterior, rtol=1e-4, atol=1e-5)
    with jax.enable_x64(True):
        found = forward_backward(*map(jnp.asarray, arrays))
        np.testing.assert_allclose(accurate_sum(found.log_normalizer), total, rtol=1e-9)
        np.testing.assert_allclose(found.smoothed, posterior, rtol=1e-9, atol=1e-12)


def left_to_right(n_states):
    """A chain that stays or moves one state on."""
    return 0.9 * np.eye(n_states) + 0.1 * np.eye(n_states, k=1) + 0.1 * np.diag(np.eye(n_states)[-1])


@pytest.mark.parametrize("scale", [5.0, 60.0, 500.0])
@pytest.mark.parametrize("seed", range(3))
def test_structural_zeros_and_500_nat_differences(seed, scale):
    rng = np.random.default_rng(seed)
    log_likelihood = rng.normal(size=(200, 4)) * scale
    initial = np.eye(4)[0]
    start = np.zeros(200, bool)
    start[[0, 77]] = True
    arrays = (log_likelihood, left_to_right(4), initial, start)
    expected = reference(*(np.asarray(a, np.float32).astype(float) for a in arrays[:3]), start)
    found = forward_backward(*single(arrays), block_length=30)
    for field in ("smoothed", "filtered", "predicted", "transition_counts"):
        np.testing.assert_allclose(
            getattr(found, field), getattr(expected, field), rtol=1e-4, atol=1e-3, err_msg=field
        )
    np.testing.assert_allclose(found.log_normalizer, expected.log_normalizer, rtol=1e-4, atol=1e-3)


def test_slow_reversal_of_a_lost_state_is_noticed():
    # State 0 loses 200 nats at once and regains 400 in steps of ten, too slowly for any single
    # normaliser to vanish; state 1 has no way back.
    log_likelihood = np.zeros((60, 2))
    log_likelihood[5, 0] = -200
    log_likelihood[10:50, 1] = -10
    arrays = (log_likelihood, np.array([[0.9, 0.1], [0.0, 1.0]]), np.array([1.0, 0.0]), np.arange(60) == 0)
    expected = reference(*arrays)
    assert expected.smoothed[5, 0] > 0.9
    for block_length in (9, 60):
        found = forward_backward(*single(arrays), block_length=block_length)
        np.testing.assert_allclose(found.smoothed, expected.smoothed, atol=1e-4)


def test_filtered_states_survive_a_reversal_that_is_later_undone():
    log_likelihood = np.zeros((120, 2))
    log_likelihood[5, 0] = -200
    log_likelihood[10:50, 1] = -10
    log_likelihood[60:110, 0] = -10
    arrays = (log_likelihood, np.array([[0.9, 0.1], [0.0, 1.0]]), np.array([1.0, 0.0]), np.arange(120) == 0)
    expected = reference(*arrays)
    assert expected.filtered[55, 0] > 0.5
    for block_length in (9, 120):
        found = filter_only(*single(arrays), block_length=block_length)
        np.testing.assert_allclose(found.filtered, expected.filtered, atol=1e-4)
        np.testing.assert_allclose(found.log_normalizer, expected.log_normalizer, rtol=1e-4, atol=1e-4)
        found = forward_backward(*single(arrays), block_length=block_length)
        np.testing.assert_allclose(found.filtered, expected.filtered, atol=1e-4)


@pytest.mark.parametrize("block_length", [1, 20])
def test_impossible_data_are_minus_infinity_and_never_nan(block_length):
    log_likelihood = np.random.default_rng(0).normal(size=(12, 3))
    log_likelihood[4] = -np.inf
    log_likelihood[8] = [0, -np.inf, -np.inf]
    arrays = (log_likelihood, left_to_right(3), np.array([0.0, 1.0, 0.0]), np.arange(12) == 0)
    found = forward_backward(*single(arrays), block_length=block_length)
    assert all(not np.isnan(value).any() for value in found)
    np.testing.assert_array_equal(np.flatnonzero(np.isneginf(found.log_normalizer)), [4, 8])
    np.testing.assert_allclose(found.smoothed.sum(1), 1, rtol=1e-5)
    assert accurate_sum(found.log_normalizer) == -np.inf


def test_padding_changes_nothing():
    arrays = problem(5, 60, 3)
    padded = (
        np.concatenate([arrays[0], np.zeros((23, 3))]),
        arrays[1],
        arrays[2],
        np.concatenate([arrays[3], np.ones(23, bool)]),
    )
    valid = jnp.arange(83) < 60
    plain = forward_backward(*single(arrays))
    found = forward_backward(*single(padded), valid=valid)
    for field in ("smoothed", "filtered", "predicted", "log_normalizer"):
        np.testing.assert_allclose(getattr(found, field)[:60], getattr(plain, field), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.log_normalizer[60:], 0, atol=1e-6)
    np.testing.assert_allclose(found.transition_counts, plain.transition_counts, rtol=1e-5)
    np.testing.assert_allclose(found.initial_counts, plain.initial_counts, rtol=1e-5)


def test_a_batch_equals_its_members_even_when_one_is_retried():
    easy, hard = problem(6, 60, 3, start_rate=0), problem(7, 60, 3, spread=400, start_rate=0)
    transition = np.stack([easy[1], left_to_right(3)])
    batch = (np.stack([easy[0], hard[0]]), transition, np.stack([easy[2], np.eye(3)[0]]))
    batch = tuple(jnp.asarray(value, jnp.float32) for value in batch)
    start = jnp.asarray(easy[3])
    found = jax.vmap(lambda *args: forward_backward(*args, start))(*batch)
    for i in range(2):
        alone = forward_backward(*(value[i] for value in batch), start)
        np.testing.assert_allclose(found.smoothed[i], alone.smoothed, atol=1e-6)
        np.testing.assert_allclose(found.log_normalizer[i], alone.log_normalizer, rtol=1e-5)


def test_gradient_of_the_log_likelihood_is_the_smoothed_probability():
    arrays = single(problem(8, 60, 3))

    def total(log_likelihood):
        return expected_statistics(log_likelihood, *arrays[1:], guard=False).log_likelihood

    np.testing.assert_allclose(jax.grad(total)(arrays[0]), forward_backward(*arrays).smoothed, atol=1e-5)


def test_filter_and_predictions_at_longer_horizons():
    log_likelihood, transition, initial, start = problem(9, 60, 3)
    smoothed = forward_backward(*single((log_likelihood, transition, initial, start)))
    found = filter_only(*single((log_likelihood, transition, initial, start)), horizon=3)
    np.testing.assert_allclose(found.filtered, smoothed.filtered, rtol=1e-6)
    np.testing.assert_allclose(found.log_normalizer, smoothed.log_normalizer, rtol=1e-6)
    first = np.maximum.accumulate(np.where(start, np.arange(60), 0))
    for t in range(60):
        known = t - 3 >= first[t]
        row = smoothed.filtered[t - 3] if known else initial
        power = 3 if known else t - first[t]
        expected = np.asarray(row) @ np.linalg.matrix_power(transition, power)
        np.testing.assert_allclose(found.predicted[t], expected, rtol=1e-4)
    arguments = single((smoothed.filtered, transition, initial, start))
    np.testing.assert_array_equal(predict_states(*arguments, horizon=0), smoothed.filtered)


def test_sums_of_a_million_terms_keep_six_digits():
    values = np.random.default_rng(0).normal(size=10**6).astype(np.float32) - 23
    np.testing.assert_allclose(accurate_sum(jnp.asarray(values)), values.sum(dtype=float), rtol=1e-6)


def test_second_call_of_the_same_shape_does_not_retrace():
    traces = []

    @jax.jit
    def run(*arrays):
        traces.append(None)
        return forward_backward(*arrays)

    for seed in range(3):
        run(*single(problem(seed, 60, 3)))
    assert len(traces) == 1
