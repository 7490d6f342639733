"""Predictive-coding networks: gradients, missing inputs, jumps, batches, structures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_networks import BINARY3, BOTH, CONTINUOUS2, parameters, settings
from scipy.special import lambertw

from neurodyn.errors import ModelError
from neurodyn.inference.predictive_coding import filtering
from neurodyn.inference.predictive_coding.filtering import run, surprise
from neurodyn.inference.predictive_coding.leaves import finite_binary_surprise, gaussian_surprise
from neurodyn.inference.predictive_coding.structure import Edge, Node, Structure
from neurodyn.inference.predictive_coding.unbounded import lambert_w, unbounded_posterior

ORDERS = ("standard", "ehgf", "unbounded")


def total(structure, learnt, inputs, known, order, steps=None):
    steps = jnp.ones(len(inputs), inputs.dtype) if steps is None else steps
    found = run(structure, learnt, inputs, known, steps, order=order)
    return surprise(structure, learnt, found.expected, inputs, known).sum()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", ["binary3", "continuous3", "value_and_volatility_parent"])
def test_gradients_are_finite_differences_also_where_inputs_are_missing(case, order):
    with jax.enable_x64(True):
        structure, learnt, inputs, _ = settings(case)
        inputs = jnp.asarray(np.where(np.arange(400) % 7 == 3, 0.0, inputs))[:120, None]
        known = jnp.asarray(np.arange(120) % 7 != 3)[:, None]
        value, slope = jax.jit(jax.value_and_grad(lambda p: total(structure, p, inputs, known, order)))(
            learnt
        )
        assert np.isfinite(value)
        rng = np.random.default_rng(0)
        direction = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), learnt)
        direction = direction._replace(
            initial_precision=direction.initial_precision * learnt.initial_precision * 0.1
        )
        size = 1e-6
        high, low = (
            total(
                structure,
                jax.tree.map(lambda a, b, s=sign: a + s * size * b, learnt, direction),
                inputs,
                known,
                order,
            )
            for sign in (1, -1)
        )
        along = sum(float((a * b).sum()) for a, b in zip(slope, direction, strict=True))
        assert all(np.isfinite(leaf).all() for leaf in slope)
        assert along == pytest.approx(float(high - low) / (2 * size), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("order", ORDERS)
def test_missing_inputs_teach_nothing_whatever_stands_in_their_place(order):
    structure, learnt, inputs, steps = settings("binary3", np.float32)
    known = np.ones((60, 1), bool)
    known[20:30] = False
    runs = [
        run(
            structure,
            learnt,
            jnp.asarray(np.where(known[:, 0], inputs[:60], fill), jnp.float32)[:, None],
            jnp.asarray(known),
            jnp.asarray(steps[:60], jnp.float32),
            order=order,
        )
        for fill in (0.0, 1.0, -1e3)
    ]
    for other in runs[1:]:
        jax.tree.map(np.testing.assert_array_equal, runs[0], other)
    posterior = runs[0].posterior
    assert not runs[0].observed[20:30].any()
    np.testing.assert_allclose(posterior.mean[20:30, 1], posterior.mean[19, 1], rtol=1e-6)
    assert (np.diff(posterior.precision[19:30, 1:], axis=0) < 0).all()


@pytest.mark.parametrize(
    ("case", "order", "length"),
    [
        ("binary3", "ehgf", 400),
        ("binary3", "unbounded", 150),
        ("value_and_volatility_parent", "standard", 150),
        ("continuous3_timesteps", "ehgf", 400),  # an update fails
    ],
)
def test_long_sequences_are_filtered_and_differentiated_as_short_ones(monkeypatch, case, order, length):
    with jax.enable_x64(True):
        structure, learnt, inputs, steps = settings(case)
        inputs, steps = jnp.asarray(inputs)[:length, None], jnp.asarray(steps)[:length]
        fails = case == "continuous3_timesteps"
        known = jnp.asarray((np.arange(length) % 7 != 3) | fails)[:, None]

        def everything():
            options = {"order": order, "scaled_inputs": fails}
            found = jax.jit(lambda p: run(structure, p, inputs, known, steps, **options))(learnt)
            slope = jax.jit(jax.grad(lambda p: total(structure, p, inputs, known, order, steps)))(learnt)
            return jax.tree.map(np.asarray, (found, slope))

        short, short_slope = everything()
        monkeypatch.setattr(filtering, "LONG", 1)
        long, long_slope = everything()
    assert (int(short.failure.node) >= 0) == fails
    jax.tree.map(lambda one, two: np.testing.assert_allclose(one, two, rtol=1e-7, atol=1e-9), long, short)
    if not fails:
        jax.tree.map(
            lambda one, two: np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-7),
            long_slope,
            short_slope,
        )


def test_curvature_of_a_long_sequence_is_that_of_a_short_one(monkeypatch):
    with jax.enable_x64(True):
        structure, learnt, inputs, _ = settings("binary3")
        inputs, known = jnp.asarray(inputs)[:80, None], jnp.ones((80, 1), bool)

        def curvature():
            return jax.hessian(
                lambda omega: total(structure, learnt._replace(tonic_volatility=omega), inputs, known, "ehgf")
            )(learnt.tonic_volatility)

        short = np.asarray(curvature())
        monkeypatch.setattr(filtering, "LONG", 1)
        np.testing.assert_allclose(curvature(), short, rtol=1e-8, atol=1e-10)


def test_two_steps_of_one_are_one_step_of_two_where_nothing_was_observed():
    learnt = parameters(CONTINUOUS2, [0, -2, -50], [0, 0.3, 0.5], [1e3, 2.0, 1e6], np.float32)
    values, unknown = jnp.zeros((2, 1)), jnp.zeros((2, 1), bool)
    two = run(CONTINUOUS2, learnt, values, unknown, jnp.ones(2), order="ehgf")
    one = run(CONTINUOUS2, learnt, values[:1], unknown[:1], 2 * jnp.ones(1), order="ehgf")
    np.testing.assert_allclose(two.posterior.precision[-1], one.posterior.precision[-1], rtol=1e-5)


@pytest.mark.parametrize("order", ORDERS)
def test_a_jump_of_twenty_deviations_is_survived_or_named(order):
    structure, learnt, inputs, steps = settings("continuous2", np.float32)
    inputs = inputs.copy()
    inputs[200:] += 20 * inputs.std()
    found = run(
        structure,
        learnt,
        jnp.asarray(inputs, jnp.float32)[:, None],
        jnp.ones((400, 1), bool),
        jnp.asarray(steps, jnp.float32),
        order=order,
    )
    assert all(np.isfinite(leaf).all() for leaf in found.posterior)
    assert (found.posterior.precision > 0).all()
    if int(found.failure.node) >= 0:
        assert int(found.failure.step) >= 200
        assert float(found.failure.computed_precision) <= 0 or float(found.failure.log_volatility) > 60
    # Both means follow the jump within a few steps.
    assert abs(float(found.posterior.mean[220, 1]) - inputs[200:220].mean()) < 4 * inputs[:200].std()


def test_many_participants_at_once_are_each_of_them_alone():
    structure, learnt, inputs, steps = settings("binary3", np.float32)
    rng = np.random.default_rng(1)
    omega = jnp.asarray(rng.normal(-4, 1, size=(5, 3)), jnp.float32)
    values = jnp.asarray(rng.permuted(np.tile(inputs, (5, 1)), axis=1), jnp.float32)[:, :, None]
    known, steps = jnp.ones((400, 1), bool), jnp.asarray(steps, jnp.float32)

    def one(tonic, value):
        return total(structure, learnt._replace(tonic_volatility=tonic), value, known, "ehgf", steps)

    together = jax.vmap(one)(omega, values)
    apart = [one(tonic, value) for tonic, value in zip(omega, values, strict=True)]
    np.testing.assert_allclose(together, apart, rtol=1e-5)


def test_other_parameters_and_inputs_compile_nothing():
    traces = []

    @jax.jit
    def counted(learnt, values):
        traces.append(1)
        return total(BINARY3, learnt, values, jnp.ones((50, 1), bool), "ehgf")

    rng = np.random.default_rng(0)
    for omega in (-4.0, -2.0, -6.0):
        learnt = parameters(BINARY3, [0, omega, -4], [0, 0, 0], [1, 1, 1], np.float32)
        counted(learnt, jnp.asarray(rng.integers(0, 2, size=(50, 1)), jnp.float32))
    assert len(traces) == 1


def test_a_linear_network_without_volatility_parent_is_the_kalman_filter():
    rng = np.random.default_rng(3)
    structure = Structure((Node("u", "input"), Node("x")), (Edge("x", "u"),))
    noise, step = 0.5, 0.2
    values = np.cumsum(rng.normal(scale=np.sqrt(step), size=80)) + rng.normal(scale=np.sqrt(noise), size=80)
    with jax.enable_x64(True):
        learnt = parameters(structure, [0, np.log(step)], [0, 0.4], [1 / noise, 1.5])
        inputs, known = jnp.asarray(values)[:, None], jnp.ones((80, 1), bool)
        found = run(structure, learnt, inputs, known, jnp.ones(80))
        terms = surprise(structure, learnt, found.expected, inputs, known)[:, 0]
    mean, variance = 0.4, 1 / 1.5
    for time, value in enumerate(values):
        variance += step
        whole = variance + noise
        expected = 0.5 * (np.log(2 * np.pi * whole) + (value - mean) ** 2 / whole)
        assert float(terms[time]) == pytest.approx(expected, rel=1e-9)
        gain = variance / whole
        mean, variance = mean + gain * (value - mean), (1 - gain) * variance
        assert float(found.posterior.mean[time, 1]) == pytest.approx(mean, rel=1e-9)
        assert 1 / float(found.posterior.precision[time, 1]) == pytest.approx(variance, rel=1e-9)


def test_a_coupling_function_is_its_linear_case():
    plain = BOTH
    shaped = Structure(
        BOTH.nodes, (Edge("x1", "u"), Edge("x2", "x1", lambda value: 2.0 * value)), BOTH.volatility
    )
    learnt = parameters(BOTH, [0, -5, -5, -5], [0, 0, 0, 0], [1e3, 1e1, 1e1, 1e1], np.float32)
    halved = learnt._replace(value_coupling=jnp.asarray([1.0, 0.5], jnp.float32))
    values = jnp.asarray(np.random.default_rng(0).normal(size=(40, 1)), jnp.float32)
    known, steps = jnp.ones((40, 1), bool), jnp.ones(40)
    first = run(plain, learnt, values, known, steps, order="ehgf")
    second = run(shaped, halved, values, known, steps, order="ehgf")
    np.testing.assert_allclose(first.posterior.mean, second.posterior.mean, rtol=1e-4, atol=1e-5)


def test_lambert_w_over_the_whole_range():
    with jax.enable_x64(True):
        arguments = np.array([-600.0, -30.0, -3.0, -1.0, 0.0, 0.5, 1.0, 1.5, 10.0, 300.0, 5000.0])
        found = np.asarray(lambert_w(jnp.asarray(arguments)))
    usual = arguments < 600
    np.testing.assert_allclose(found[usual], lambertw(np.exp(arguments[usual])).real, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found + np.log(found), arguments, rtol=1e-12, atol=1e-14)


def test_unbounded_updates_are_close_to_the_exact_posterior():
    """Two expansions against the moments of the density by quadrature, for errors from none to huge."""
    certainty, predicted, kappa, tonic, a = 1.0, 0.0, 1.0, -2.0, 0.1
    grid = np.linspace(-12, 25, 20_001)
    for b in (0.01, 0.3, 3.0, 100.0):
        total = a + np.exp(kappa * grid + tonic)
        log_density = -np.log(total) / 2 - b / (2 * total) - certainty * (grid - predicted) ** 2 / 2
        weight = np.exp(log_density - log_density.max())
        weight /= weight.sum()
        mean = (weight * grid).sum()
        deviation = np.sqrt((weight * (grid - mean) ** 2).sum())
        child = 1 / (a + np.exp(tonic + kappa * predicted))
        with jax.enable_x64(True):
            got, precision = unbounded_posterior(
                *(jnp.asarray(one) for one in (predicted, certainty, kappa, tonic, 1.0, a, b, child))
            )
        assert abs(float(got) - mean) < 0.35 * deviation
        assert 0.6 < 1 / np.sqrt(float(precision)) / deviation < 1.6


def test_a_noisy_binary_input_is_a_mixture_of_two_gaussians():
    with jax.enable_x64(True):
        grid = jnp.linspace(-12.0, 13.0, 100_001)
        density = jnp.exp(-finite_binary_surprise(grid, jnp.asarray(0.3), jnp.asarray(4.0)))
        assert float(density.sum() * (grid[1] - grid[0])) == pytest.approx(1.0, abs=1e-6)
    structure = Structure((Node("u", "finite_binary"), Node("x")), (Edge("x", "u"),))
    exact = Structure((Node("u", "binary"), Node("x")), (Edge("x", "u"),))
    learnt = parameters(structure, [0, -3], [0, 0], [1e4, 1.0], np.float32)
    values = jnp.asarray(np.random.default_rng(0).integers(0, 2, size=(50, 1)), jnp.float32)
    known, steps = jnp.ones((50, 1), bool), jnp.ones(50)
    sharp, binary = (run(one, learnt, values, known, steps) for one in (structure, exact))
    np.testing.assert_allclose(sharp.posterior.mean[:, 1], binary.posterior.mean[:, 1], atol=1e-4)
    blunt = run(structure, learnt._replace(initial_precision=jnp.asarray([1e-6, 1.0])), values, known, steps)
    np.testing.assert_allclose(blunt.posterior.mean[:, 1], 0, atol=1e-3)


def test_densities_are_normalised():
    with jax.enable_x64(True):
        grid = jnp.linspace(-30.0, 30.0, 100_001)
        density = jnp.exp(-gaussian_surprise(grid, jnp.asarray(0.3), jnp.asarray(0.2)))
        assert float(density.sum() * (grid[1] - grid[0])) == pytest.approx(1.0, abs=1e-6)


def test_wrong_structures_are_refused_in_one_sentence():
    u, x, y = Node("u", "binary"), Node("x"), Node("y")
    wrong = {
        "does not exist": lambda: Structure((u, x), (Edge("z", "u"),)),
        "two nodes": lambda: Structure((u, x, x)),
        "close a cycle": lambda: Structure((u, x, y), (Edge("x", "y"), Edge("y", "x"))),
        "given twice": lambda: Structure((u, x), (Edge("x", "u"), Edge("x", "u"))),
        "observes the input": lambda: Structure((u, x), (Edge("u", "x"),)),
        "no volatility": lambda: Structure((u, x), (Edge("x", "u"),), (Edge("x", "u"),)),
        "no node observes": lambda: Structure((x, y), (Edge("x", "y"),)),
        "kind 'other'": lambda: Structure((Node("a", "other"),)),
        "has a function": lambda: Structure((u, x, y), (Edge("x", "u"),), (Edge("y", "x", abs),)),
    }
    for words, make in wrong.items():
        with pytest.raises(ModelError, match=words):
            make()
