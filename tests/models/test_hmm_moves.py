"""Split-and-merge moves leave the local optima that starts end in."""

import jax
import numpy as np
import pytest

from neurodyn import recording as rec
from neurodyn.errors import ModelError
from neurodyn.inference.em import TransitionPrior
from neurodyn.inference.em_driver import Settings, run_restarts
from neurodyn.inference.emissions import Gaussian, Poisson
from neurodyn.inference.split_merge import proposals
from neurodyn.models import HMM
from neurodyn.models.hmm.layout import fast_sequence, lay_out
from neurodyn.models.hmm.starting import from_labels, rearrange
from neurodyn.simulate.markov import MarkovModel

K = 4
MEANS = np.array([[0.0, 0.0], [1.6, 0.0], [9.0, 9.0], [-9.0, 9.0]])


def simulated(poisson: bool):
    transition = np.full((K, K), 0.02)
    np.fill_diagonal(transition, 0.94)
    means = np.exp(0.3 * (MEANS + 9)) if poisson else MEANS
    covariances = None if poisson else np.stack([np.eye(2)] * K)
    model = MarkovModel(np.full(K, 0.25), transition, means, covariances)
    return model.sample(1500, key=3)


@pytest.mark.parametrize("poisson", [False, True])
def test_a_move_leaves_the_optimum_with_one_state_halved_and_two_in_one(poisson):
    recording = simulated(poisson)
    values = recording["activity"].values[None].astype(np.float32)
    true = recording["state"].values.ravel()
    wrong = np.array([0, 0, 1, 2])[true]
    wrong[(true == 3) & (np.random.default_rng(0).random(len(true)) < 0.5)] = 3
    emission = Poisson() if poisson else Gaussian()
    layout = lay_out(values, np.ones(values.shape, bool), strip=True)
    sequence = fast_sequence(layout, emission)
    prior, settings, key = TransitionPrior(), Settings(300, 1e-6, True), jax.random.key(0)

    def run(labels):
        padded = np.pad(labels, (0, len(layout.valid) - len(labels)))
        start = from_labels(key, emission, sequence, layout, padded, K)
        return run_restarts([start], sequence, emission, prior, settings)[0][0]

    stuck, good = run(wrong), run(true)
    assert stuck.converged
    assert stuck.objective[-1] < good.objective[-1] - 20
    moved, interrupted = rearrange(stuck, [stuck], sequence, layout, emission, prior, settings, key, rounds=3)
    assert not interrupted
    assert moved.objective[-1] >= good.objective[-1] - 0.01


def test_proposals_ignore_bins_and_units_behind_the_mask():
    values = simulated(False)["activity"].values
    true = np.digitize(values[:, 0], [-4, 0.8, 5])
    mask = np.ones(values.shape, bool)
    mask[100:200] = False
    start = np.arange(len(values)) == 0

    def labels(filled):
        found = proposals(0, filled, mask, start, true, K, 4)
        return [(one.merged, one.split, one.labels[mask[:, 0]].tolist()) for one in found]

    other = np.where(mask, values, 1e6)
    assert labels(np.where(mask, values, 0.0)) == labels(other)


def test_two_states_have_no_move_and_a_negative_number_of_rounds_is_refused():
    values = np.random.default_rng(0).normal(size=(50, 2))
    assert proposals(0, values, np.ones((50, 2), bool), np.arange(50) == 0, np.arange(50) % 2, 2, 4) == []
    with pytest.raises(ModelError, match="split_merge_rounds"):
        HMM(n_states=2).fit(rec.make(values, sampling_interval=0.1), key=0, split_merge_rounds=-1)
