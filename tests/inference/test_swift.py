"""A glimpse over the borders of blocks gives the result of the transfer matrices, or is noticed to be in vain."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn.inference import em_driver, segments
from neurodyn.inference.arrangement import Arrangement
from neurodyn.inference.em import RARE, REST, Sequence, TransitionPrior, em_chunk, em_step
from neurodyn.inference.em_state import HMMParameters, Packing, initial_state
from neurodyn.inference.emissions import Gaussian
from neurodyn.inference.log_space import log_forward_backward
from neurodyn.inference.message_passing import expected_statistics, forward_backward

LENGTH, N_BLOCKS = 96, 7
WHOLE = Arrangement(1, LENGTH)
SEQUENTIAL = jax.jit(log_forward_backward)


def chain(seed, stay, spread, n_time=LENGTH * N_BLOCKS, n_states=3, starts=()):
    """Log-likelihoods of a chain with so much information a bin, and its parameters."""
    rng = np.random.default_rng(seed)
    transition = np.full((n_states, n_states), (1 - stay) / (n_states - 1))
    np.fill_diagonal(transition, stay)
    log_likelihood = rng.normal(size=(n_time, n_states)) * spread
    start = np.isin(np.arange(n_time), [0, *starts])
    return log_likelihood, transition, rng.dirichlet(np.ones(n_states)), start


def both_ways(arrays, order, dtype=np.float32):
    """The pass with the glimpse, the pass with the transfer matrices, and the recursion step by step."""
    log_likelihood, transition, initial, start = arrays
    turned = (
        jnp.asarray(order.arrange(log_likelihood), dtype),
        jnp.asarray(transition, dtype),
        jnp.asarray(initial, dtype),
        jnp.asarray(order.arrange(start)),
    )
    found = [
        expected_statistics(*turned, guard=False, order=order, swift=jnp.asarray(swift))
        for swift in (True, False)
    ]
    plain = SEQUENTIAL(
        jnp.asarray(log_likelihood, dtype),
        jnp.log(jnp.asarray(transition, dtype)),
        jnp.log(jnp.asarray(initial, dtype)),
        jnp.asarray(start),
    )
    return (*found, plain)


def assert_equal(swift, exact, plain, order, atol):
    for name in ("smoothed", "log_normalizer", "path"):
        one, other = (order.restore(np.asarray(getattr(found, name))) for found in (swift, exact))
        np.testing.assert_allclose(one, other, atol=atol, err_msg=name)
    np.testing.assert_allclose(swift.transition_counts, exact.transition_counts, rtol=1e-5, atol=atol)
    np.testing.assert_allclose(swift.initial_counts, exact.initial_counts, rtol=1e-5, atol=atol)
    np.testing.assert_allclose(order.restore(np.asarray(swift.smoothed)), plain.smoothed, atol=10 * atol)


@pytest.mark.parametrize(
    "order", [Arrangement(1, LENGTH), Arrangement(N_BLOCKS, LENGTH)], ids=["whole", "segments"]
)
@pytest.mark.parametrize("starts", [(), (1, 95, 96, 300)], ids=["one trial", "trials"])
def test_an_informative_chain_forgets_and_the_glimpse_pays(order, starts):
    swift, exact, plain = both_ways(chain(0, 0.9, 3.0, starts=starts), order)
    assert bool(swift.paid)
    assert_equal(swift, exact, plain, order, 3e-6)


@pytest.mark.parametrize("stay", [0.999999, 1.0])
def test_a_chain_that_remembers_is_noticed(stay):
    order = WHOLE
    swift, exact, plain = both_ways(chain(1, stay, 0.01), order)
    assert not bool(swift.paid)
    assert bool(exact.paid)
    assert_equal(swift, exact, plain, order, 3e-6)


def test_evidence_far_from_every_border_is_noticed():
    arrays = chain(2, 1.0, 0.0)
    arrays[0][10] = [0.0, 2.0, 4.0]  # in the first block alone, too early for the window before its end
    order = Arrangement(1, LENGTH)
    swift, exact, plain = both_ways(arrays, order)
    assert not bool(swift.paid)
    assert_equal(swift, exact, plain, order, 3e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["single", "double"])
@pytest.mark.parametrize("seed", range(6))
def test_whether_it_pays_or_not_the_result_is_that_of_the_transfer_matrices(seed, dtype):
    rng = np.random.default_rng(seed)
    arrays = chain(seed, 1 - 10 ** rng.uniform(-4, -0.5), 10 ** rng.uniform(-2, 1))
    order = Arrangement(1, LENGTH)
    with jax.enable_x64(dtype is np.float64):
        swift, exact, plain = both_ways(arrays, order, dtype)
        assert_equal(swift, exact, plain, order, 2e-5 if dtype is np.float32 else 1e-11)


def problem(spread, order=WHOLE):
    """A recording in three states whose means lie `spread` apart."""
    rng = np.random.default_rng(0)
    n_time, n_states = LENGTH * N_BLOCKS, 3
    labels = np.repeat(rng.integers(0, n_states, n_time // 4), 4)
    values = (rng.normal(size=(n_time, 2)) + spread * labels[:, None]).astype(np.float32)
    start, valid = np.arange(n_time) == 0, np.arange(n_time) < n_time - 30
    mask = np.broadcast_to(valid[:, None], values.shape).copy()
    start |= ~valid
    values, mask, start, valid, labels = map(order.arrange, (values, mask, start, valid, labels))
    data = Gaussian().for_fitting(Gaussian().prepare(values, mask, start))
    emitted = Gaussian().start_from_data(jax.random.key(0), data, jax.nn.one_hot(labels, n_states))
    stay = 0.9999 if spread == 0 else 0.8
    transition = jnp.full((n_states, n_states), (1 - stay) / 2) + (1.5 * stay - 0.5) * jnp.eye(n_states)
    parameters = HMMParameters(jnp.full(n_states, 1 / 3), transition.astype(jnp.float32), emitted)
    return Sequence(data, jnp.asarray(start), jnp.asarray(valid), None, order), parameters


@pytest.mark.parametrize("spread", [0.0, 5.0], ids=["in vain", "paid"])
def test_segments_glimpse_over_their_borders_too(spread, monkeypatch):
    order = Arrangement(N_BLOCKS, LENGTH)
    sequence, parameters = problem(spread, order)
    monkeypatch.setattr(segments, "SEGMENT", LENGTH)
    monkeypatch.setattr(segments, "LONG", LENGTH)
    assert segments.segment_length(len(sequence.start), sequence.data) == LENGTH
    step = [
        em_step(Gaussian(), TransitionPrior(), sequence, parameters, guard=False, swift=jnp.asarray(swift))
        for swift in (True, False)
    ]
    assert bool(step[0][2].paid) == (spread > 0)
    assert bool(step[1][2].paid)
    for one, other in zip(jax.tree.leaves(step[0]), jax.tree.leaves(step[1]), strict=True):
        if np.asarray(one).dtype != bool:
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("spread", [0.0, 5.0], ids=["in vain", "paid"])
def test_after_a_glimpse_in_vain_the_loop_rests(spread):
    sequence, parameters = problem(spread)
    start = initial_state(parameters, len(sequence.start), 4)
    count, none = np.float32(LENGTH * N_BLOCKS), np.float32(0)
    settings = {"emission": Gaussian(), "prior": TransitionPrior(), "packing": Packing.of(parameters)}
    for steps in (1, 2):
        state = em_chunk(start, sequence, np.int32(steps), count, none, accelerate=False, **settings)
        assert int(state.counters[5]) == (0 if spread else REST + 1 - steps)


def test_likelihoods_of_a_fit_are_those_of_scoring():
    sequence, parameters = problem(5.0)
    exact = dataclasses.replace(sequence.data, fitting=False)
    assert sequence.data.fitting
    fast = Gaussian().log_likelihood(parameters.emission, sequence.data)
    slow = Gaussian().log_likelihood(parameters.emission, exact)
    np.testing.assert_allclose(fast, slow, rtol=1e-5, atol=1e-4)
    assert float(jnp.abs(slow).max()) > 10


def test_small_deviations_at_many_borders_are_not_let_through():
    length, n_blocks = 64, 2048
    order = Arrangement(1, length)
    log_likelihood = np.zeros((length * n_blocks, 2))
    log_likelihood[
        ::length, 1
    ] = -7e-6  # at every border less than the tolerance, over all of them a nat and more
    arrays = (log_likelihood, np.eye(2), np.full(2, 0.5), np.arange(length * n_blocks) == 0)
    swift, exact, _ = both_ways(arrays, order)
    assert not bool(swift.paid)
    np.testing.assert_allclose(swift.smoothed, exact.smoothed, atol=1e-7)


@pytest.mark.parametrize("guard", [True, False])
@pytest.mark.parametrize("block_length", [None, 240])
def test_a_state_lost_from_both_sides_is_found_again_or_the_result_not_trusted(block_length, guard):
    log_likelihood = np.zeros((240, 2), np.float32)
    log_likelihood[:60, 1], log_likelihood[60:180, 0], log_likelihood[180:, 1] = -2, -4, -2
    found = expected_statistics(
        jnp.asarray(log_likelihood),
        jnp.eye(2),
        jnp.full(2, 0.5),
        jnp.arange(240) == 0,
        guard=guard,
        block_length=block_length,
    )
    assert bool(found.trusted) == guard
    if guard:
        np.testing.assert_allclose(found.smoothed[100], [0, 1], atol=1e-6)
        np.testing.assert_allclose(found.log_likelihood, -240 + np.log(0.5), rtol=1e-5)


@pytest.mark.parametrize("block_length", [1, 5, 16, 48])
def test_borders_hold_what_single_precision_cannot(block_length):
    log_likelihood = np.zeros((48, 2), np.float32)
    log_likelihood[16:24, 0], log_likelihood[32:40, 0] = -50 / 8, -44 / 8
    transition = jnp.array([[1, 1e-22], [1e-22, 1]], jnp.float32)
    start = np.isin(np.arange(48), [0, 24])
    arrays = (jnp.asarray(log_likelihood), transition, jnp.array([1.0, 0.0]), jnp.asarray(start))
    plain = SEQUENTIAL(arrays[0], jnp.log(transition), jnp.log(arrays[2]), arrays[3])
    found = forward_backward(*arrays, block_length=block_length)
    np.testing.assert_allclose(found.smoothed, plain.smoothed, atol=1e-5)
    np.testing.assert_allclose(found.transition_counts, plain.transition_counts, rtol=1e-5)


def left_to_right(sequence, parameters):
    """Parameters whose structural zeros no bound of a swift pass can vouch for."""
    transition = jnp.array([[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0]], jnp.float32)
    return sequence, parameters._replace(transition=transition)


@pytest.mark.parametrize("sparse", [False, True])
def test_the_length_of_the_chunks_changes_no_number(sparse, monkeypatch):
    sequence, parameters = problem(5.0)
    if sparse:
        sequence, parameters = left_to_right(sequence, parameters)
    found = []
    for steps in (1, 3, 7, 20):
        monkeypatch.setattr(
            em_driver._Pace, "__init__", lambda self, steps=steps: setattr(self, "steps", steps)
        )
        monkeypatch.setattr(em_driver._Pace, "learn", lambda *_: None)
        settings = em_driver.Settings(20, 0.0, True)
        (run,), _ = em_driver.run_restarts([parameters], sequence, Gaussian(), TransitionPrior(), settings)
        found.append(np.asarray(run.parameters.emission["mean"]))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_what_the_chain_forbids_stays_forbidden_and_the_rest_possible():
    sequence, parameters = left_to_right(*problem(5.0))
    settings = em_driver.Settings(12, 0.0, True)
    (run,), _ = em_driver.run_restarts([parameters], sequence, Gaussian(), TransitionPrior(), settings)
    transition, allowed = np.asarray(run.parameters.transition), np.asarray(parameters.transition) > 0
    assert (transition[~allowed] == 0).all()
    assert (transition[allowed] >= RARE).all()
