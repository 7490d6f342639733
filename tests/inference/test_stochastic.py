"""Steps after every segment come near the optimum of exact steps, in fewer passes."""

import jax
import numpy as np
import pytest

from neurodyn import recording as rec
from neurodyn.errors import ModelError
from neurodyn.inference import segments
from neurodyn.inference.arrangement import IN_TIME, Arrangement
from neurodyn.inference.em import Sequence, TransitionPrior, em_step
from neurodyn.inference.em_state import HMMParameters
from neurodyn.inference.emissions import Gaussian, Poisson
from neurodyn.inference.stochastic import empty_memory, incremental_fit, incremental_steps
from neurodyn.models import HMM
from neurodyn.simulate.markov import MarkovModel

SEGMENT, N_SEGMENTS, K = 240, 8, 3


@pytest.fixture
def short_segments(monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT", SEGMENT)
    monkeypatch.setattr(segments, "LONG", SEGMENT)


def problem(poisson=False, order=IN_TIME):
    transition = np.full((K, K), 0.05) + 0.85 * np.eye(K)
    means = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    means = np.exp(0.5 * means) if poisson else means
    truth = MarkovModel(np.full(K, 1 / K), transition, means, None if poisson else np.stack([np.eye(2)] * K))
    values = truth.sample(SEGMENT * N_SEGMENTS, key=1)["activity"].values.astype(np.float32)
    valid = np.arange(len(values)) < len(values) - 50
    mask = np.ones(values.shape, bool) & valid[:, None]
    start = np.isin(np.arange(len(values)), [0, 100, 3 * SEGMENT]) | ~valid
    values, mask, start, valid = map(order.arrange, (values, mask, start, valid))
    emission = Poisson() if poisson else Gaussian()
    data = emission.prepare(values, mask, start)
    guess = np.digitize(values[:, 0] - values[:, 1], [-1.0, 1.0])
    emitted = emission.start_from_data(jax.random.key(0), data, jax.nn.one_hot(guess, K))
    parameters = HMMParameters(jax.numpy.full(K, 1 / K), jax.numpy.asarray(transition, np.float32), emitted)
    return (
        Sequence(data, jax.numpy.asarray(start), jax.numpy.asarray(valid), None, order),
        emission,
        parameters,
    )


def objective(emission, sequence, parameters):
    _, log_prior, found = em_step(emission, TransitionPrior(), sequence, parameters)
    return float(np.sum(np.asarray(found.log_normalizer), dtype=float) + log_prior)


@pytest.mark.parametrize("poisson", [False, True])
@pytest.mark.parametrize("order", [IN_TIME, Arrangement(N_SEGMENTS, 24)], ids=["time", "arranged"])
def test_two_passes_do_more_than_two_exact_steps(short_segments, poisson, order):
    sequence, emission, start = problem(poisson, order)
    exact = start
    for _ in range(2):
        exact, _, _ = em_step(emission, TransitionPrior(), sequence, exact)
    optimum = exact
    for _ in range(20):
        optimum, _, _ = em_step(emission, TransitionPrior(), sequence, optimum)
    incremental = incremental_fit(0, start, sequence, emission, TransitionPrior(), 2)
    best = objective(emission, sequence, optimum)
    assert objective(emission, sequence, exact) < objective(emission, sequence, incremental)
    assert best - objective(emission, sequence, incremental) < 0.2 * (
        best - objective(emission, sequence, exact)
    )


def test_statistics_of_all_segments_are_those_of_the_recording(short_segments):
    sequence, emission, parameters = problem()
    memory = empty_memory(parameters, sequence, emission, SEGMENT)
    for index in range(N_SEGMENTS):  # every segment at the same parameters
        _, memory = incremental_steps(
            parameters,
            memory,
            sequence,
            np.array([index], np.int32),
            emission=emission,
            prior=TransitionPrior(),
            segment=SEGMENT,
        )
    _, _, whole = em_step(emission, TransitionPrior(), sequence, parameters)
    moments, initial, transitions, occupancy = jax.tree.map(
        lambda leaf: np.asarray(leaf).sum(0), memory.parts
    )
    borders = N_SEGMENTS - 2  # a trial goes on across all borders but the one with a start
    np.testing.assert_allclose(initial, whole.initial_counts, atol=0.02)
    assert abs(transitions.sum() - (float(whole.transition_counts.sum()) - borders)) < 1e-2
    np.testing.assert_allclose(occupancy, whole.occupancy, atol=2.0)
    np.testing.assert_allclose(moments["weight"], whole.statistics["weight"], atol=2.0)
    np.testing.assert_allclose(moments["second"], whole.statistics["second"], rtol=0.02, atol=2.0)


def test_a_recording_too_short_for_segments_is_refused_in_words():
    values = np.random.default_rng(0).normal(size=(300, 2))
    with pytest.raises(ModelError, match="incremental_passes is 2, but this recording cannot be cut"):
        HMM(n_states=2).fit(rec.make(values, sampling_interval=0.1), key=0, incremental_passes=2)
    with pytest.raises(ModelError, match="incremental_passes is -1"):
        HMM(n_states=2).fit(rec.make(values, sampling_interval=0.1), key=0, incremental_passes=-1)


def test_a_fit_with_incremental_passes_ends_at_the_same_optimum(monkeypatch):
    from neurodyn.models.hmm import layout, starting

    for module in (segments, layout, starting):
        monkeypatch.setattr(module, "LONG", SEGMENT)
    for module in (segments, layout):
        monkeypatch.setattr(module, "SEGMENT", SEGMENT)
    rng = np.random.default_rng(0)
    states = (np.arange(SEGMENT * 6) // 37) % 3
    values = np.array([[0.0, 0], [3, 0], [0, 3]])[states] + rng.normal(size=(len(states), 2))
    recording = rec.make(values, sampling_interval=0.1)
    exact = HMM(n_states=3).fit(recording, key=0, restarts=4)
    hurried = HMM(n_states=3).fit(recording, key=0, restarts=4, incremental_passes=2)
    assert hurried.trace.objective[-1] == pytest.approx(exact.trace.objective[-1], abs=0.05)
    assert hurried.trace.converged
    assert np.all(np.diff(hurried.trace.objective) > -1e-3)
