"""Most probable paths and posterior samples against brute force."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn.inference.message_passing import forward_backward
from neurodyn.inference.path_sampling import sample_paths
from neurodyn.inference.viterbi import viterbi


def problem(seed, time, n_states, per_step=False):
    """Random chain with random trial starts."""
    rng = np.random.default_rng(seed)
    shape = (time, n_states) if per_step else (n_states,)
    start = rng.random(time) < 0.2
    start[0] = True
    return (
        jnp.asarray(rng.normal(size=(time, n_states)) * 1.5, jnp.float32),
        jnp.asarray(rng.dirichlet(np.ones(n_states), shape), jnp.float32),
        jnp.asarray(rng.dirichlet(np.ones(n_states)), jnp.float32),
        jnp.asarray(start),
    )


def log_joint(path, log_likelihood, transition, initial, start):
    """Log joint probability of one path and the data, float64."""
    time, n_states = log_likelihood.shape
    transition = np.broadcast_to(np.asarray(transition, float), (time, n_states, n_states))
    total = 0.0
    with np.errstate(divide="ignore"):
        for t, state in enumerate(path):
            chance = float(initial[state]) if start[t] else transition[t, path[t - 1], state]
            total += np.log(chance) + float(log_likelihood[t, state])
    return total


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_viterbi_equals_brute_force(seed, per_step):
    arrays = problem(seed, 7, 3, per_step)
    arguments = jax.tree.map(np.asarray, arrays)
    scores = {path: log_joint(path, *arguments) for path in itertools.product(range(3), repeat=7)}
    best = max(scores, key=scores.get)
    for block_length in (None, 1, 3, 50):
        found = viterbi(*arrays, block_length=block_length)
        assert tuple(found.path.tolist()) == best
        np.testing.assert_allclose(found.log_joint, scores[best], rtol=1e-5)


@pytest.mark.parametrize("per_step", [False, True])
def test_viterbi_does_not_depend_on_the_block_length(per_step):
    arrays = problem(3, 500, 4, per_step)
    paths = [viterbi(*arrays, block_length=block_length).path for block_length in (17, 501)]
    for path in paths[1:]:
        np.testing.assert_array_equal(path, paths[0])


def test_viterbi_agrees_with_hmmlearn():
    from hmmlearn import _hmmc

    log_likelihood, transition, initial, _ = problem(4, 300, 4)
    start = jnp.arange(300) == 0
    arguments = [np.asarray(value, float) for value in (initial, transition, log_likelihood)]
    total, path = _hmmc.viterbi(*arguments)
    found = viterbi(log_likelihood, transition, initial, start)
    np.testing.assert_array_equal(found.path, path)
    np.testing.assert_allclose(found.log_joint, total, rtol=1e-5)


def test_viterbi_respects_structural_zeros_and_ties():
    cycle = jnp.roll(jnp.eye(3), 1, axis=1)
    start = jnp.arange(10) == 0
    found = viterbi(jnp.zeros((10, 3)), cycle, jnp.full(3, 1 / 3), start, block_length=4)
    assert (np.diff(found.path) % 3 == 1).all()
    np.testing.assert_allclose(found.log_joint, -np.log(3), rtol=1e-6)


def test_viterbi_of_impossible_data_is_minus_infinity():
    log_likelihood = jnp.zeros((6, 2)).at[3].set(-jnp.inf)
    found = viterbi(log_likelihood, jnp.full((2, 2), 0.5), jnp.full(2, 0.5), jnp.arange(6) == 0)
    assert found.log_joint == -jnp.inf


@pytest.mark.parametrize("per_step", [False, True])
def test_marginals_of_posterior_samples_are_the_smoothed_probabilities(per_step):
    arrays = problem(5, 25, 3, per_step)
    n_samples = 20_000
    found = np.asarray(sample_paths(jax.random.key(0), *arrays, n_samples=n_samples, block_length=4))
    assert found.shape == (n_samples, 25)
    messages = forward_backward(*arrays)
    frequency = np.stack([(found == k).mean(0) for k in range(3)], axis=1)
    np.testing.assert_allclose(frequency, messages.smoothed, atol=5 * 0.5 / np.sqrt(n_samples))
    pairs = np.zeros((3, 3))
    for t in np.flatnonzero(~np.asarray(arrays[3])):
        np.add.at(pairs, (found[:, t - 1], found[:, t]), 1 / n_samples)
    np.testing.assert_allclose(pairs, messages.transition_counts, atol=0.1)


def test_posterior_samples_do_not_depend_on_the_block_length():
    arrays = problem(6, 40, 3)
    paths = [sample_paths(jax.random.key(1), *arrays, n_samples=5, block_length=length) for length in (1, 41)]
    np.testing.assert_array_equal(paths[0], paths[1])


def test_posterior_samples_never_take_an_impossible_step():
    rng = np.random.default_rng(0)
    chain = 0.9 * np.eye(4) + 0.1 * np.eye(4, k=1) + 0.1 * np.diag(np.eye(4)[-1])
    log_likelihood = jnp.asarray(rng.normal(size=(50, 4)) * 500, jnp.float32)
    arguments = (log_likelihood, jnp.asarray(chain, jnp.float32), jnp.eye(4)[0], jnp.arange(50) == 0)
    paths = np.asarray(sample_paths(jax.random.key(2), *arguments, n_samples=50))
    assert (paths[:, 0] == 0).all()
    assert set(np.diff(paths, axis=1).ravel().tolist()) <= {0, 1}
