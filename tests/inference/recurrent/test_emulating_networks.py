"""Networks that emit symbols: homogeneity, gradients, and the particle filter against integrals on a grid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from neurodyn.errors import ModelError
from neurodyn.inference.recurrent import (
    Network,
    Objective,
    Sequences,
    change_frequencies,
    filter_symbols,
    gaussian_noise,
    visit_frequencies,
    word_frequencies,
)
from neurodyn.simulate.symbol_chains import fully_connected

NETWORK = Network(width=6, noise=4, symbols=3)


def known(symbols):
    """What a training step knows of all recorded sequences."""
    codes = np.asarray(symbols)
    return {
        "symbols": jnp.asarray(codes),
        "count": jnp.float32(len(codes)),
        "words": tuple(map(jnp.asarray, word_frequencies(codes, 3))),
        "changes": tuple(map(jnp.asarray, change_frequencies(codes))),
        "visits": jnp.asarray(visit_frequencies(codes, 3)),
    }


def test_noise_c_times_as_strong_makes_states_c_times_as_large_and_keeps_the_leading_symbol():
    parameters = NETWORK.start(jax.random.key(0))
    noise = jax.random.normal(jax.random.key(1), (40, 20, 4))
    small, large = NETWORK.run(parameters, noise), NETWORK.run(parameters, 7.0 * noise)
    np.testing.assert_allclose(large, 7.0 * small, rtol=1e-4, atol=1e-5)
    first, second = (jnp.argmax(NETWORK.logits(parameters, h), -1) for h in (small, large))
    driven = np.asarray(jnp.abs(small).sum(-1) > 1e-3)
    np.testing.assert_array_equal(np.asarray(first)[driven], np.asarray(second)[driven])


def test_a_bias_breaks_that_and_a_run_may_go_on_from_where_another_ended():
    network = Network(6, 4, 3, bias=True)
    parameters = network.start(jax.random.key(0))
    noise = jax.random.normal(jax.random.key(1), (8, 2, 4))
    whole = network.run(parameters, noise)
    np.testing.assert_allclose(network.run(parameters, noise[5:], whole[4]), whole[5:], rtol=1e-5, atol=1e-6)
    assert float(jnp.abs(network.run(parameters, 7 * noise) - 7 * whole).max()) > 0.1
    np.testing.assert_allclose(network.step(parameters, whole[4], noise[5]), whole[5], rtol=1e-5, atol=1e-6)


def test_without_noise_nothing_ever_happens():
    network = Network(6, 0, 3)
    parameters = network.start(jax.random.key(0))
    symbols, hidden = network.draw(parameters, jax.random.key(1), 400, 30)
    assert float(jnp.abs(hidden).max()) == 0.0
    assert len(np.unique(jnp.argmax(network.logits(parameters, hidden), -1))) == 1
    follows = np.asarray(symbols[:, 1:] == symbols[:, :-1]).mean()
    assert follows == pytest.approx(1 / 3, abs=0.02)


def test_generated_symbols_are_hard_and_pass_the_gradient_of_the_softened_ones():
    parameters = NETWORK.start(jax.random.key(0))
    found, chances = NETWORK.generate(parameters, jax.random.key(1), 5, 7)
    assert chances.shape == (7, 3, 5)
    np.testing.assert_allclose(chances.sum(1), 1, atol=1e-6)
    assert found.shape == (5, 7, 3)
    np.testing.assert_allclose(np.sort(np.asarray(found), -1)[..., :2], 0, atol=1e-6)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
    again, _ = NETWORK.generate(parameters, jax.random.key(1), 5, 7)
    np.testing.assert_array_equal(found, again)
    weights = jax.random.normal(jax.random.key(2), (5, 7, 3))
    driving, choosing = jax.random.split(jax.random.key(1))
    noise = gaussian_noise(driving, (7, 4, 5))
    gumbel = jax.random.gumbel(choosing, (7, 3, 5))

    def hard(parameters):
        return (NETWORK.generate(parameters, jax.random.key(1), 5, 7, temperature=0.7)[0] * weights).sum()

    def soft(parameters):
        logits = NETWORK.logits(parameters, NETWORK.run(parameters, jnp.swapaxes(noise, 1, 2)))
        softened = jax.nn.softmax((logits + jnp.swapaxes(gumbel, 1, 2)) / 0.7)
        return (jnp.swapaxes(softened, 0, 1) * weights).sum()

    one, two = jax.grad(hard)(parameters), jax.grad(soft)(parameters)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), one, two)
    assert all(float(jnp.abs(leaf).max()) > 1e-3 for leaf in one.values())


@pytest.mark.parametrize(("loss", "pulled"), [("independent", False), ("paper", True)])
def test_at_the_target_the_gradient_is_zero_on_average_unless_the_self_term_holds_every_sequence(
    loss, pulled
):
    """The recorded sequences are the network's own: the published loss drives it off them all the same."""
    objective = Objective(network=NETWORK, loss=loss, word_weight=0.0)
    parameters = NETWORK.start(jax.random.key(0))

    @jax.jit
    def slope(key):
        recording, training = jax.random.split(key)
        own, _ = NETWORK.draw(parameters, recording, 24, 6)
        rows = Sequences(own, jnp.ones(24, bool))
        context = {"symbols": own, "count": jnp.float32(24)}

        def value(gain):
            found, _ = objective.parts(
                {**parameters, "log_gain": gain}, rows, context, training, jnp.int32(0)
            )
            return sum(found.values())

        return jax.grad(value)(parameters["log_gain"])

    slopes = np.array([float(slope(key)) for key in jax.random.split(jax.random.key(5), 400)])
    off = abs(slopes.mean()) / (slopes.std(ddof=1) / np.sqrt(len(slopes)))
    assert (off > 6) if pulled else (off < 3)


def test_symbols_are_drawn_from_the_probabilities_that_come_with_them():
    """Frequencies of pairs of the symbols and of the probabilities agree within sampling, whatever the lag."""
    parameters = NETWORK.start(jax.random.key(0))
    found, chances = NETWORK.generate(parameters, jax.random.key(1), 40_000, 6)
    for lag in (1, 3):
        drawn, expected = (
            jnp.einsum("nta,ntb->tab", x[:, :-lag], x[:, lag:]) / 40_000
            for x in (found, jnp.moveaxis(chances, 2, 0))
        )
        np.testing.assert_allclose(drawn, expected, atol=0.012)
        assert float(jnp.abs(drawn - expected).max()) > 0


@pytest.mark.parametrize("loss", ["independent", "paper"])
def test_the_loss_falls_towards_sequences_like_the_recorded_ones(loss):
    """Rows that only fill a batch up are replaced by recorded ones, whatever they hold."""
    objective = Objective(network=NETWORK, loss=loss)
    parameters = NETWORK.start(jax.random.key(0))
    recorded = jnp.asarray(np.random.default_rng(0).integers(0, 3, (64, 5)), jnp.int32)
    stuck = jnp.zeros((64, 5), jnp.int32)
    real = jnp.arange(64) < 40

    def value(symbols, rows=recorded):
        context = known(symbols[:40])
        found, below = objective.parts(
            parameters, Sequences(rows, real), context, jax.random.key(3), jnp.zeros((), jnp.int32)
        )
        assert tuple(found) == objective.names
        assert all(float(one) == 1 for one in below.values())
        return float(sum(found.values()))

    like = value(recorded)
    assert like < value(stuck, stuck) - 0.5
    junk = jnp.where(real[:, None], recorded, 2)
    assert value(recorded, junk) == pytest.approx(like, abs=1e-5)
    total, count = objective.score(parameters, Sequences(recorded, real), known(recorded[:40]))
    assert float(count) == 40
    assert np.isfinite(float(total))


def test_words_drive_the_parameters_more_and_more_between_the_epochs_of_the_ramp():
    recorded = fully_connected().draw(64, 8, key=0)[0].astype(np.int32)
    rows = Sequences(jnp.asarray(recorded), jnp.ones(64, bool))
    context = known(rows.symbols)
    parameters = NETWORK.start(jax.random.key(0))

    def part(ramp, epoch):
        objective = Objective(network=NETWORK, ramp=ramp)

        def value(parameters):
            return objective.parts(parameters, rows, context, jax.random.key(1), jnp.int32(epoch))[0]["words"]

        found, gradient = jax.value_and_grad(value)(parameters)
        return float(found), float(gradient["readout"].ravel()[0])

    whole, slope = part((0.0, 0.0), 0)
    assert whole > 0.1
    assert abs(slope) > 1e-3
    rising = np.array([part((2.0, 6.0), epoch) for epoch in range(8)])
    np.testing.assert_allclose(rising[:, 0], whole, rtol=1e-5)
    np.testing.assert_allclose(rising[:, 1] / slope, [0, 0, 0.25, 0.5, 0.75, 1, 1, 1], atol=1e-5)


def test_the_published_loss_and_a_weight_of_zero_have_no_words():
    assert Objective(network=NETWORK).names == ("towards", "among", "words")
    assert Objective(network=NETWORK, word_weight=0.0).names == ("towards", "among")
    assert Objective(network=NETWORK, loss="paper").names == ("towards", "among")


def test_an_unknown_loss_is_refused():
    with pytest.raises(ModelError, match="independent, paper"):
        Objective(network=NETWORK, loss="other")


ONE = Network(width=1, noise=1, symbols=2)
GAIN, KEEP, READ = 0.8, 0.9, np.array([[1.5], [-0.5]])


def grid_filter(symbols, observed):
    """Terms, predictions and filtered probabilities of the one-unit network by integration."""
    step = 0.005
    grid = np.arange(step / 2, 9, step)
    places = np.concatenate([[0.0], grid])
    chance = np.exp(places[:, None] * READ[:, 0])
    chance /= chance.sum(1, keepdims=True)
    onward = np.empty((len(places), len(places)))
    onward[:, 0] = norm.cdf(0, KEEP * places, GAIN)
    onward[:, 1:] = norm.pdf(grid[None], KEEP * places[:, None], GAIN) * step
    weight = np.zeros(len(places))
    weight[0] = 1.0
    terms, ahead, present = [], [], []
    for symbol, seen in zip(symbols, observed, strict=True):
        weight = weight @ onward
        weight /= weight.sum()
        ahead.append(weight @ chance)
        terms.append(np.log(ahead[-1][symbol]) if seen else 0.0)
        if seen:
            weight = weight * chance[:, symbol]
            weight /= weight.sum()
        present.append(weight @ chance)
    return np.array(terms), np.array(ahead), np.array(present)


def test_the_particle_filter_agrees_with_integrals_on_a_grid():
    parameters = {
        "input": jnp.array([[GAIN]]),
        "recurrent": jnp.array([[KEEP]]),
        "readout": jnp.asarray(READ, jnp.float32),
    }
    symbols = np.array([0, 0, 1, 0, 1, 1, 1, 0, 0, 0])
    observed = np.array([1, 1, 1, 0, 1, 1, 0, 0, 1, 1], bool)
    repeats = 16
    keys = jax.random.split(jax.random.key(0), repeats)
    tiled = [jnp.asarray(np.tile(row, (repeats, 1))) for row in (symbols, observed)]
    found = filter_symbols(parameters, *tiled, keys, network=ONE, particles=2000, lag=1)
    for name, exact in zip(
        ("log_likelihood", "ahead", "present"), grid_filter(symbols, observed), strict=True
    ):
        values = np.asarray(getattr(found, name))
        error = np.maximum(values.std(0, ddof=1) / np.sqrt(repeats), 2e-4)
        assert (np.abs(values.mean(0) - exact) < 4.5 * error).all(), name
    total = np.asarray(found.log_likelihood).sum(1)
    assert total.std() < 0.05
    assert (np.asarray(found.log_likelihood)[:, ~observed] == 0).all()
    # The likelihood itself is estimated without bias.
    exact = np.exp(grid_filter(symbols, observed)[0].sum())
    assert np.exp(total).mean() == pytest.approx(exact, abs=4 * np.exp(total).std() / np.sqrt(repeats))


def test_smoothing_sees_what_follows_and_nothing_hangs_on_what_is_not_observed():
    parameters = {
        "input": jnp.array([[1.0]]),
        "recurrent": jnp.array([[0.98]]),
        "readout": jnp.array([[3.0], [-3.0]]),
    }
    symbols = np.array([[1, 0, 0, 0, 0, 0], [1, 0, 1, 1, 1, 1]])
    observed = np.array([[1, 0, 1, 1, 1, 1]] * 2, bool)
    keys = jnp.stack([jax.random.key(0)] * 2)
    found = filter_symbols(
        parameters, jnp.asarray(symbols), jnp.asarray(observed), keys, network=ONE, particles=500, lag=4
    )
    np.testing.assert_allclose(found.present[0, 1], found.present[1, 1], atol=1e-6)
    assert float(found.smoothed[0, 1, 0]) > float(found.smoothed[1, 1, 0]) + 0.05
    assert float(found.mean[0, 1, 0]) > float(found.mean[1, 1, 0])
    changed = symbols.copy()
    changed[:, 1] = 1 - changed[:, 1]
    again = filter_symbols(
        parameters, jnp.asarray(changed), jnp.asarray(observed), keys, network=ONE, particles=500, lag=4
    )
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, other)
