"""Parts of sequential autoencoders against formulas worked out by other means."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from neurodyn.errors import ModelError
from neurodyn.inference.vae.decoders import LinearDecoder, TransformerDecoder, sinusoids
from neurodyn.inference.vae.encoders import GRUEncoder
from neurodyn.inference.vae.langevin import LangevinFlow
from neurodyn.inference.vae.latents import GRUGenerator, IndependentNoise, LinearDynamics, RandomWalk
from neurodyn.inference.vae.layers import Coins, attention, dropout, gru_step, keep_mask, layer_norm
from neurodyn.inference.vae.likelihoods import Gaussian, NegativeBinomial, Poisson
from neurodyn.inference.vae.potentials import CoupledChannels, LearntPotential, NoPotential, Oscillators

NO_COINS = Coins(None, (), 0)
POTENTIALS = [
    NoPotential(),
    Oscillators(0.7),
    CoupledChannels(2),
    CoupledChannels(2, circular=True),
    CoupledChannels(2, confinement="quadratic"),
    CoupledChannels(4, confinement="quartic"),
    LearntPotential(5),
]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("potential", POTENTIALS, ids=repr)
def test_the_force_is_the_gradient_of_the_energy(potential):
    prepared = potential.prepare(potential.start(rng(), 8), 8)
    position = jnp.asarray(rng(1).normal(size=(3, 8)), jnp.float32)
    slope = jax.grad(lambda z: potential.energy(prepared, z).sum())(position)
    np.testing.assert_allclose(potential.gradient(prepared, position), slope, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("circular", [False, True])
def test_coupled_channels_are_a_sum_of_convolutions(circular):
    potential = CoupledChannels(2, circular=circular)
    parameters = potential.start(rng(), 10)
    taps = parameters["filter"].astype(np.float64)
    taps /= np.linalg.norm(taps, axis=-1, keepdims=True)
    z = rng(1).normal(size=(2, 5))
    energy = 0.0
    for to in range(2):
        for source in range(2):
            for place in range(5):
                for tap in (-1, 0, 1):
                    near = place + tap
                    if circular or 0 <= near < 5:
                        energy += taps[to, source, tap + 1] * z[source, near % 5] * z[to, place]
    found = potential.energy(potential.prepare(parameters, 10), jnp.asarray(z.reshape(1, 10), jnp.float32))
    np.testing.assert_allclose(float(found[0]), energy, rtol=1e-5)


def test_filters_at_zero_have_finite_gradients():
    potential = CoupledChannels(2)

    def energy(taps):
        return potential.energy(potential.prepare({"filter": taps}, 8), jnp.ones((1, 8))).sum()

    assert np.isfinite(jax.grad(energy)(jnp.zeros((2, 2, 3)))).all()


@pytest.mark.parametrize("symplectic", [False, True])
def test_a_langevin_step_is_the_formula(symplectic):
    flow = LangevinFlow(
        width=4,
        potential=CoupledChannels(2),
        eta=0.1,
        gamma=0.4,
        learn=False,
        symplectic=symplectic,
        drive=False,
    )
    prepared = flow.prepare(flow.start_dynamics(rng()))
    z, v, e = rng(1).normal(size=(3, 2, 4))
    force = np.asarray(flow.potential.gradient(prepared["potential"], jnp.asarray(z, jnp.float32)))
    after = 0.6 * (v - 0.1 * force) + e
    moved = z + 0.1 * (after if symplectic else v)
    state = jnp.asarray(np.concatenate([z, v], axis=1), jnp.float32)
    found = flow.step(prepared, state, jnp.asarray(e, jnp.float32))
    np.testing.assert_allclose(found, np.concatenate([moved, after], axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("noise", "variance"), [("unit", 1.0), ("published", 0.8 / (1 - 0.36))])
def test_the_velocity_of_a_free_flow_has_the_variance_its_noise_implies(noise, variance):
    flow = LangevinFlow(
        width=50, potential=NoPotential(), eta=0.0, gamma=0.4, learn=False, drive=False, noise=noise
    )
    states = flow.prior({"dynamics": flow.start_dynamics(rng())}, 40, 60, jax.random.key(0))
    np.testing.assert_allclose(np.var(np.asarray(states)[:, 20:, 50:]), variance, rtol=0.03)


LATENTS = [
    LangevinFlow(width=4, potential=CoupledChannels(2)),
    LinearDynamics(width=4),
    RandomWalk(width=4),
    GRUGenerator(width=5, inputs=2),
    IndependentNoise(width=3, drive=True),
]


@pytest.mark.parametrize("latent", LATENTS, ids=lambda latent: type(latent).__name__)
def test_the_divergence_of_a_path_is_that_of_its_gaussians(latent):
    parameters = latent.start(rng(), 6)
    hidden = jnp.asarray(rng(1).normal(size=(2, 7, 6)), jnp.float32)
    path = latent.path(parameters, hidden, jax.random.key(0))
    assert path.state.shape == (2, 7, latent.n_state)
    assert path.steps.shape == (2, 7)
    np.testing.assert_array_equal(path.steps[:, 0], 0)
    scale = float(latent.deviation(latent.prepare(parameters["dynamics"])))
    keys = jax.random.split(jax.random.key(1), 400)
    draws = np.asarray(jax.jit(jax.vmap(lambda key: latent.path(parameters, hidden, key).innovation))(keys))
    mean, deviation = draws.mean(0), draws.std(0)
    expected = np.log(scale / deviation) + (deviation**2 + mean**2) / (2 * scale**2) - 0.5
    np.testing.assert_allclose(path.steps[:, 1:], expected.sum(-1), rtol=0.15, atol=0.15)


def test_an_undriven_latent_takes_nothing_from_later_bins():
    flow = LangevinFlow(width=4, potential=CoupledChannels(2), drive=False)
    parameters = flow.start(rng(), 6)
    hidden = jnp.asarray(rng(1).normal(size=(2, 7, 6)), jnp.float32)
    other = hidden.at[:, 1:].set(9.0)
    one, two = (flow.path(parameters, h, jax.random.key(0)).state for h in (hidden, other))
    np.testing.assert_array_equal(one, two)


def test_a_gated_unit_is_the_formula():
    n = 3
    recurrent, bias, state, driven = (
        rng(k).normal(size=s) for k, s in enumerate([(n, 3 * n), (n,), (2, n), (2, 3 * n)])
    )
    pulled = state @ recurrent
    reset, update = (
        sigmoid(driven[:, :n] + pulled[:, :n]),
        sigmoid(driven[:, n : 2 * n] + pulled[:, n : 2 * n]),
    )
    candidate = np.tanh(driven[:, 2 * n :] + reset * (pulled[:, 2 * n :] + bias))
    found = gru_step(
        {"recurrent": recurrent, "recurrent_bias": bias}, jnp.asarray(state), jnp.asarray(driven)
    )
    np.testing.assert_allclose(found, update * state + (1 - update) * candidate, rtol=1e-5)


def test_attention_is_the_formula():
    query, key, value = rng().normal(size=(3, 2, 5, 4))
    seen = np.tril(np.ones((5, 5), bool))
    expected = np.zeros((2, 5, 4))
    for trial in range(2):
        for head in (slice(0, 2), slice(2, 4)):
            scores = query[trial][:, head] @ key[trial][:, head].T / np.sqrt(2)
            weights = np.where(seen, np.exp(scores), 0)
            expected[trial][:, head] = weights / weights.sum(1, keepdims=True) @ value[trial][:, head]
    single = [jnp.asarray(a, jnp.float32) for a in (query, key, value)]
    found = attention(*single, 2, jnp.asarray(seen), 0.0, None)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_normalised_features_have_mean_zero_and_variance_one():
    found = layer_norm(
        {"scale": jnp.ones(6), "shift": jnp.zeros(6)}, jnp.asarray(rng().normal(3, 5, size=(4, 6)))
    )
    np.testing.assert_allclose(np.mean(found, axis=-1), 0, atol=1e-5)
    np.testing.assert_allclose(np.var(found, axis=-1), 1, rtol=1e-4)


def test_dropout_keeps_the_mean_and_does_nothing_without_coins():
    values = jnp.ones((200, 300))
    coins = jax.random.bits(jax.random.key(0), values.shape, jnp.uint8)
    dropped = np.asarray(dropout(values, 0.25, coins))
    np.testing.assert_allclose((dropped == 0).mean(), 0.25, atol=0.01)
    np.testing.assert_allclose(dropped.mean(), 1, atol=0.01)
    assert dropout(values, 0.25, None) is values


def test_coins_follow_a_unit_wherever_it_stands():
    seeds = jnp.asarray([7, 3, 99], jnp.uint32)
    coins = keep_mask(jax.random.key(0), seeds, 0.3, 50, 40)
    np.testing.assert_array_equal(coins[..., ::-1], keep_mask(jax.random.key(0), seeds[::-1], 0.3, 50, 40))
    np.testing.assert_allclose(np.mean(coins, axis=(0, 1)), 0.3, atol=0.04)


@pytest.mark.parametrize(
    ("encoder", "decoder", "changes"),
    [
        (GRUEncoder(4, bidirectional=False), TransformerDecoder(4, feed_forward=4, causal=True), False),
        (GRUEncoder(4, bidirectional=False), LinearDecoder(4), False),
        (GRUEncoder(4), LinearDecoder(4), True),
        (GRUEncoder(4, bidirectional=False), TransformerDecoder(4, feed_forward=4), True),
    ],
)
def test_only_what_is_not_causal_looks_ahead(encoder, decoder, changes):
    weights = encoder.start(rng(), np.arange(3)), decoder.start(rng(1), encoder.n_hidden)
    values = jnp.asarray(rng(2).normal(size=(2, 9, 3)), jnp.float32)

    def output(values):
        hidden = encoder(weights[0], values, jnp.ones(values.shape, bool), NO_COINS)
        return np.asarray(decoder(weights[1], hidden, NO_COINS))

    before, after = output(values), output(values.at[:, 5:].add(1.0))
    assert (np.abs(after[:, :5] - before[:, :5]).max() > 1e-6) == changes
    assert np.abs(after[:, 5:] - before[:, 5:]).max() > 1e-4
    assert (encoder.causal and decoder.causal) == (not changes)


def test_a_bin_without_data_is_fed_the_last_input_before_it_where_that_is_held():
    values = jnp.asarray(rng().normal(size=(1, 6, 2)), jnp.float32)
    observed = jnp.ones((1, 6, 2), bool).at[:, 3:].set(False)
    held = GRUEncoder(3, bidirectional=False, hold=True)
    weights = held.start(rng(), np.arange(2))
    blank = jnp.where(observed, values, 0)
    repeated = blank.at[:, 3:].set(values[:, 2:3])
    expected = held(weights, repeated, jnp.ones((1, 6, 2), bool), NO_COINS)
    np.testing.assert_allclose(held(weights, blank, observed, NO_COINS), expected, rtol=1e-5)
    plain = GRUEncoder(3, bidirectional=False)
    assert np.abs(np.asarray(plain(weights, blank, observed, NO_COINS) - expected))[:, 3:].max() > 1e-4


def test_positions_tell_bins_apart():
    found = np.asarray(sinusoids(50, 8))
    distance = np.linalg.norm(found[:, None] - found[None], axis=-1) + 10 * np.eye(50)
    assert distance.min() > 0.1


COUNTS = jnp.asarray([[0, 1, 2, 7.0]])


def test_poisson_probabilities_are_scipys_up_to_what_depends_on_the_data_alone():
    likelihood = Poisson()
    parameters = likelihood.start(np.full(4, 0.5), np.ones(4))
    read = jnp.asarray([[0.1, -0.3, 1.0, 2.0]])
    rate = 0.5 * np.exp(np.asarray(read))
    np.testing.assert_allclose(likelihood.mean(parameters, read), rate, rtol=1e-5)
    expected = (
        -scipy.stats.poisson.logpmf(np.asarray(COUNTS), rate)
        + scipy.stats.poisson.logpmf(np.asarray(COUNTS), 1.0)
        + 1
    )
    np.testing.assert_allclose(likelihood.negative(parameters, read, COUNTS), expected, rtol=1e-5)


def test_negative_binomial_probabilities_are_scipys_up_to_what_depends_on_the_data_alone():
    likelihood = NegativeBinomial()
    parameters = likelihood.start(np.full(4, 0.5), np.ones(4))
    read = jnp.asarray([[0.1, -0.3, 1.0, 2.0]])
    rate = 0.5 * np.exp(np.asarray(read))
    exact = scipy.stats.nbinom.logpmf(np.asarray(COUNTS), 10, 10 / (10 + rate))
    factorials = scipy.stats.poisson.logpmf(np.asarray(COUNTS), 1.0) + 1
    found = np.asarray(likelihood.negative(parameters, read, COUNTS))
    np.testing.assert_allclose(found, -exact + factorials, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(likelihood.variance(parameters, read), rate + rate**2 / 10, rtol=1e-4)


def test_gaussian_densities_are_scipys_in_units_of_the_training_deviation():
    likelihood = Gaussian()
    parameters = likelihood.start(np.array([1.0, -2.0]), np.array([0.5, 3.0]))
    read, values = jnp.asarray([[0.2, -1.0]]), jnp.asarray([[1.3, -4.0]])
    mean = np.array([1.1, -5.0])
    np.testing.assert_allclose(likelihood.mean(parameters, read)[0], mean, rtol=1e-5)
    expected = -scipy.stats.norm.logpdf(np.asarray(values), mean, [0.5, 3.0]) - np.log([0.5, 3.0])
    np.testing.assert_allclose(likelihood.negative(parameters, read, values), expected, rtol=1e-5)


@pytest.mark.parametrize("likelihood", [Poisson(), NegativeBinomial()], ids=repr)
def test_draws_have_the_mean_and_variance_stated(likelihood):
    parameters = likelihood.start(np.full(3, 2.0), np.ones(3))
    read = jnp.broadcast_to(jnp.asarray([0.0, 0.5, -1.0]), (20_000, 3))
    drawn = np.asarray(likelihood.draw(parameters, read, jax.random.key(0)))
    np.testing.assert_allclose(drawn.mean(0), likelihood.mean(parameters, read)[0], rtol=0.04)
    np.testing.assert_allclose(drawn.var(0), likelihood.variance(parameters, read)[0], rtol=0.06)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GRUEncoder(0), "width is 0"),
        (lambda: GRUEncoder(4, dropout=1.0), "dropout is 1.0"),
        (lambda: TransformerDecoder(5, heads=2), "heads must divide"),
        (lambda: TransformerDecoder(None, heads=2).start(rng(), 5), "5 features"),
        (lambda: CoupledChannels(3).start(rng(), 8), "channels"),
        (lambda: CoupledChannels(confinement="cubic"), "confinement is 'cubic'"),
        (lambda: Oscillators(-1.0), "stiffness is -1.0"),
        (lambda: LangevinFlow(gamma=1.0), "gamma is 1.0"),
        (lambda: LangevinFlow(eta=0.0), "eta is 0"),
        (lambda: GRUGenerator(inputs=0), "inputs is 0"),
    ],
)
def test_hyperparameters_out_of_range_are_refused_by_name(make, message):
    with pytest.raises(ModelError, match=message):
        make()
