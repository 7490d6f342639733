"""The ground-truth networks are drawn, run and scored as their formulas say."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import poisson

from neurodyn import recording as rec
from neurodyn.errors import ModelError
from neurodyn.simulate.glm_network import GLMNetwork


def small(link="softplus", n_states=2, n_units=3, key=0):
    """A network with its own bias in every state and a kernel of two lags."""
    rng = np.random.default_rng(key)
    transition = rng.dirichlet(np.ones(n_states), size=n_states)
    return GLMNetwork(
        initial=rng.dirichlet(np.ones(n_states)),
        transition=transition,
        bias=rng.normal(size=(n_states, n_units)),
        weights=0.3 * rng.normal(size=(n_states, n_units, n_units)),
        kernel=np.array([0.7, 0.3]),
        link=link,
    )


def growth(network):
    return np.linalg.eigvals(network.weights).real.max(axis=-1)


@pytest.mark.parametrize("key", range(5))
@pytest.mark.parametrize("version", ["scaled", "redrawn"])
def test_every_state_is_stable(version, key):
    network = GLMNetwork.draw(key, version=version)
    assert (growth(network) <= 0.9 + 1e-9).all()
    if version == "scaled":
        assert growth(network).max() == pytest.approx(0.9)
    present = np.abs(network.weights[network.weights != 0])
    assert present.max() <= np.log(4) * (1 if version == "redrawn" else np.inf)


@pytest.mark.parametrize("version", ["scaled", "redrawn"])
def test_a_neuron_only_excites_or_only_inhibits(version):
    network = GLMNetwork.draw(1, version=version)
    assert (network.weights[:, :, :10] >= 0).all()
    assert (network.weights[:, :, 10:] <= 0).all()
    assert network.connectome is not None
    assert (network.connectome[:, :10, 0] == 0).all()
    assert (network.connectome[:, 10:, 2] == 0).all()
    np.testing.assert_array_equal(np.sign(network.weights), network.present)


def test_one_connection_in_five_is_present_and_states_share_them():
    networks = [GLMNetwork.draw(key) for key in range(20)]
    present = np.abs(np.stack([network.present for network in networks]))
    assert present.mean() == pytest.approx(0.2, abs=0.01)
    # E[p^2] of a Beta(0.4, 1.6): two states of a network both have a connection.
    assert (present[:, 0] * present[:, 1]).mean() == pytest.approx(0.2 * 1.4 / 3, abs=0.01)
    # E log(1 + 3u); before scaling the strengths are those of "redrawn".
    full = np.abs(GLMNetwork.draw(0, version="redrawn").weights)
    assert full[full > 0].mean() == pytest.approx((4 * np.log(4) - 3) / 3, abs=0.08)


def test_drawn_constants():
    network = GLMNetwork.draw(3)
    np.testing.assert_allclose(network.kernel, [0.6364, 0.2341, 0.0861, 0.0317, 0.0117], atol=5e-5)
    np.testing.assert_allclose(network.transition, 0.005 + 0.975 * np.eye(5))
    np.testing.assert_allclose(network.initial, 0.2)
    assert np.abs(network.bias).max() < 0.05
    assert (network.bias == network.bias[0]).all()
    again = GLMNetwork.draw(3)
    np.testing.assert_array_equal(network.weights, again.weights)
    assert not np.array_equal(network.weights, GLMNetwork.draw(4).weights)
    one = GLMNetwork.draw(3, n_states=1, n_units=7)
    np.testing.assert_allclose(one.transition, 1)
    assert one.weights.shape == (1, 7, 7)


@pytest.mark.parametrize("link", ["softplus", "exp"])
def test_rates_equal_a_loop(link):
    network = small(link)
    values = np.random.default_rng(1).poisson(1.0, size=(2, 6, 3))
    expected = np.zeros((2, 6, 2, 3))
    for trial, t, s, n in itertools.product(range(2), range(6), range(2), range(3)):
        drive = network.bias[s, n]
        for m in range(3):
            for k in (1, 2):
                if t - k >= 0:
                    drive += network.weights[s, n, m] * network.kernel[k - 1] * values[trial, t - k, m]
        expected[trial, t, s, n] = np.exp(drive) if link == "exp" else np.log1p(np.exp(drive))
    np.testing.assert_allclose(network.rates(values), expected, rtol=1e-12)
    np.testing.assert_allclose(network.rates(values[:, :1]), expected[:, :1], rtol=1e-12)


@pytest.mark.parametrize("link", ["softplus", "exp"])
def test_forward_algorithm_equals_the_sum_over_all_paths(link):
    network = small(link)
    drawn = network.sample(4, key=2, n_trials=3)
    values = drawn["activity"].values.astype(float)
    table = poisson.logpmf(values[:, :, None], network.rates(values)).sum(-1)
    paths = np.array(list(itertools.product(range(2), repeat=4)))
    joint = np.zeros((3, len(paths)))
    for trial, (i, path) in itertools.product(range(3), enumerate(paths)):
        joint[trial, i] = np.log(network.initial[path[0]]) + table[trial, 0, path[0]]
        for t in range(1, 4):
            joint[trial, i] += np.log(network.transition[path[t - 1], path[t]]) + table[trial, t, path[t]]
    terms = network.log_likelihood_terms(drawn)
    assert terms.shape == (3, 4)
    np.testing.assert_allclose(terms.sum(axis=1), logsumexp(joint, axis=1), rtol=1e-12)
    assert network.log_likelihood(drawn) == pytest.approx(terms.sum())
    early = network.log_likelihood_terms(drawn.isel(time=slice(2)))
    np.testing.assert_allclose(terms[:, :2], early, rtol=1e-12)
    weight = np.exp(joint - joint.max(axis=1, keepdims=True))
    posterior = np.stack([weight @ (paths == s) for s in range(2)], axis=-1)
    np.testing.assert_array_equal(network.state_path(drawn), posterior.argmax(axis=-1))


def test_states_that_cannot_follow_each_other_are_scored_as_impossible():
    network = dataclasses.replace(
        small(n_states=3), initial=np.array([1.0, 0, 0]), transition=np.eye(3)[[1, 2, 0]]
    )
    drawn = network.sample(9, key=0)
    np.testing.assert_array_equal(drawn["state"], np.arange(9) % 3)
    np.testing.assert_array_equal(network.state_path(drawn)[0], np.arange(9) % 3)
    values = drawn["activity"].values[None].astype(float)
    known = network.rates(values)[0, np.arange(9), np.arange(9) % 3]
    expected = poisson.logpmf(values[0], known).sum()
    assert network.log_likelihood(drawn) == pytest.approx(expected)


def test_tiny_rates_keep_their_logarithm():
    network = dataclasses.replace(small(), bias=np.full((2, 3), -900.0))
    spike = rec.make(np.ones((1, 3)), sampling_interval=0.01, kind="count", unit=[0, 1, 2])
    assert network.log_likelihood(spike) == pytest.approx(-2700)


def test_sampled_counts_follow_the_rates_of_the_true_state():
    network = GLMNetwork.draw(0)
    drawn = network.sample(2000, key=5, n_trials=20)
    values, states = drawn["activity"].values.astype(float), drawn["state"].values
    rates = np.take_along_axis(network.rates(values), states[..., None, None], axis=2)[:, :, 0]
    score = (values - rates) / np.sqrt(rates)
    assert np.abs(score.mean(axis=(0, 1))).max() < 4.5 / np.sqrt(states.size)
    assert np.square(score).mean() == pytest.approx(1, abs=0.02)
    assert (states[:, 1:] == states[:, :-1]).mean() == pytest.approx(0.98, abs=0.005)
    assert np.bincount(states[:, 0], minlength=5).max() < 12


def test_a_recording_carries_its_states_and_repeats_with_its_key():
    network = small()
    drawn = network.sample(30, key=1)
    assert drawn["activity"].dims == ("time", "unit")
    assert drawn["state"].dims == ("time",)
    assert set(drawn["kind"].values) == {"count"}
    assert drawn.attrs["sampling_interval"] == 0.01
    assert drawn.identical(network.sample(30, key=1))
    assert not drawn.identical(network.sample(30, key=2))
    trials = network.sample(30, key=1, n_trials=2)
    assert trials["state"].dims == ("trial", "time")
    assert network.state_path(drawn).shape == (1, 30)
    rec.check(trials, strict=True)


@pytest.mark.parametrize("key", range(5))
def test_mean_counts_are_bounded(key):
    counts = GLMNetwork.draw(key).sample(2000, key=key, n_trials=10)["activity"].values
    assert 0.5 < counts.mean() < 1.5
    assert counts.max() < 40


def test_the_truth_finds_its_states():
    network = GLMNetwork.draw(0)
    drawn = network.sample(2000, key=0, n_trials=10)
    accuracy = (network.state_path(drawn) == drawn["state"].values).mean()
    assert accuracy == pytest.approx(0.988, abs=0.004)


def test_the_truth_scores_best():
    network = GLMNetwork.draw(0)
    drawn = network.sample(1000, key=0, n_trials=3)
    best = network.log_likelihood(drawn)
    for scale in (0.9, 1.1):
        other = dataclasses.replace(network, weights=scale * network.weights)
        assert other.log_likelihood(drawn) < best
    uncoupled = dataclasses.replace(network, weights=0 * network.weights, present=None)
    assert uncoupled.log_likelihood(drawn) < best - 1000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"initial": np.array([0.5, 0.6])}, "initial must hold probabilities"),
        ({"transition": np.array([[1.0, 0.0], [-0.5, 1.5]])}, "transition must hold"),
        ({"initial": np.array([np.nan, 1.0])}, "initial must hold"),
        ({"weights": np.zeros((2, 3, 4))}, r"weights has shape \(2, 3, 4\).*\(2, 3, 3\)"),
        ({"weights": np.full((2, 3, 3), np.inf)}, "weights holds a number that is not finite"),
        ({"bias": np.zeros(3)}, r"bias has shape \(3,\)"),
        ({"kernel": np.zeros((2, 1))}, "kernel has shape"),
        ({"kernel": np.zeros(0)}, "kernel has shape"),
        ({"connectome": np.ones((3, 3, 3))}, "connectome must hold"),
        ({"present": np.ones((2, 3, 3), int)}, "present is not the sign"),
        ({"link": "identity"}, "link is 'identity'.*softplus"),
        ({"sampling_interval": 0.0}, "sampling_interval is 0.0"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(ModelError, match=words):
        dataclasses.replace(small(), **changes)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_states": 0}, "n_states is 0"),
        ({"n_units": 1}, "n_units is 1"),
        ({"version": "full"}, "version is 'full'.*scaled"),
        ({"n_states": 1, "n_units": 2}, "another key"),
    ],
)
def test_networks_that_cannot_be_drawn_are_refused(arguments, words):
    with pytest.raises(ModelError, match=words):
        GLMNetwork.draw(2, **arguments)


def test_no_stable_draw_ends_with_a_remedy(monkeypatch):
    monkeypatch.setattr("neurodyn.simulate.glm_network._TRIES", 500)
    monkeypatch.setattr("neurodyn.simulate.glm_network.STABLE", -1.0)
    with pytest.raises(ModelError, match="gave 0 stable ones.*version='scaled'"):
        GLMNetwork.draw(0, version="redrawn")


def test_recordings_that_cannot_be_scored_are_refused():
    network = small()
    counts = network.sample(5, key=0)
    with pytest.raises(ModelError, match="NaN"):
        network.log_likelihood(counts.assign(activity=counts["activity"].where(counts["time"] > 0)))
    with pytest.raises(ModelError, match="not counts"):
        network.log_likelihood(counts.assign(activity=counts["activity"] + 0.5))
    with pytest.raises(ModelError, match=r"2 units.*have 3"):
        network.state_path(counts.isel(unit=slice(2)))
    with pytest.raises(ModelError, match="n_time is 0"):
        network.sample(0, key=0)
    explosive = dataclasses.replace(small("exp"), weights=np.full((2, 3, 3), 9.0))
    with pytest.raises(ModelError, match="weights make bin .* scale them down"):
        explosive.sample(50, key=0)
