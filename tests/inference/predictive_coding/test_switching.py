"""Inputs that one of several contexts drives: responsibilities, moments, limits, recovery of the context."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from test_statistics import parameters

from neurodyn.errors import ModelError
from neurodyn.inference.predictive_coding.filtering import run, surprise
from neurodyn.inference.predictive_coding.leaves import leaf_moments
from neurodyn.inference.predictive_coding.structure import Edge, Node, Structure

ORDERS = ("standard", "ehgf", "unbounded")


def switching(kind: str, n_contexts: int, volatile: bool = False) -> Structure:
    """An input, its contexts, a belief for each, and maybe one about the volatility of all."""
    contexts = [f"c{k}" for k in range(n_contexts)]
    nodes = [Node("u", kind), *(Node(name, "context") for name in contexts)]
    nodes += [Node(f"x{k}") for k in range(n_contexts)]
    value = [Edge(name, "u") for name in contexts] + [Edge(f"x{k}", f"c{k}") for k in range(n_contexts)]
    above = []
    if volatile:
        nodes.append(Node("v"))
        above = [Edge("v", f"x{k}") for k in range(n_contexts)]
    return Structure(tuple(nodes), tuple(value), tuple(above))


def learnt_of(
    structure: Structure, *, rate: float, precision: float, means: list, spread: float, tonic: float, top=()
):
    """Contexts equally likely when drawn."""
    n_contexts = len(means)
    return parameters(
        structure,
        mean=[0, *[1 / n_contexts] * n_contexts, *means, *(0.0 for _ in top)],
        precision=[precision, *[1.0] * n_contexts, *[spread] * n_contexts, *(1.0 for _ in top)],
        tonic=[0, *[rate] * n_contexts, *[tonic] * n_contexts, *top],
    )


def filtered(structure, learnt, values, known=None, steps=None, order="ehgf"):
    """Beliefs, and terms of the surprise."""
    values = jnp.asarray(values, jnp.zeros(0).dtype)[:, None]
    known = jnp.ones(values.shape, bool) if known is None else jnp.asarray(known)[:, None]
    steps = jnp.ones(len(values)) if steps is None else jnp.asarray(steps, values.dtype)
    found = run(structure, learnt, values, known, steps, order=order)
    return found, surprise(structure, learnt, found.expected, values, known)[:, 0]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("kind", "plain"), [("switching", "input"), ("binary_switching", "binary")])
def test_one_context_is_none(kind, plain, order):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2, size=60).astype(float) if plain == "binary" else rng.normal(size=60)
    known = np.arange(60) % 7 != 2
    with jax.enable_x64(True):
        one = switching(kind, 1, volatile=True)
        learnt = learnt_of(one, rate=0.1, precision=4.0, means=[0.3], spread=2.0, tonic=-2.0, top=(-3.0,))
        direct = Structure((Node("u", plain), Node("x"), Node("v")), (Edge("x", "u"),), (Edge("v", "x"),))
        same = parameters(direct, mean=[0, 0.3, 0], precision=[4.0, 2.0, 1.0], tonic=[0, -2.0, -3.0])
        found, terms = filtered(one, learnt, values, known, order=order)
        expected, expected_terms = filtered(direct, same, values, known, order=order)
    np.testing.assert_allclose(terms, expected_terms, rtol=1e-9)
    for name in ("mean", "precision"):
        ours, theirs = (np.asarray(getattr(one.posterior, name)) for one in (found, expected))
        np.testing.assert_allclose(ours[:, 2:], theirs[:, 1:], rtol=1e-9)
    np.testing.assert_array_equal(found.posterior.mean[:, 1], 1.0)


def test_a_step_has_the_moments_of_the_exact_mixture():
    rate, noise, means, variance, value = 0.3, 0.5, np.array([-1.0, 0.8]), 0.6, 0.1
    with jax.enable_x64(True):
        structure = switching("switching", 2)
        learnt = learnt_of(
            structure, rate=rate, precision=1 / noise, means=list(means), spread=1 / variance, tonic=-1.0
        )
        learnt = learnt._replace(initial_mean=learnt.initial_mean.at[1:3].set(jnp.asarray([0.7, 0.3])))
        found, terms = filtered(structure, learnt, [value])
        first = jax.tree.map(lambda leaf: leaf[0], found.expected)
        moments = [float(one) for one in leaf_moments(structure, learnt, first, 0)]
    chance, before = np.array([0.7, 0.3]), variance + np.exp(-1.0)
    density = scipy.stats.norm(means, np.sqrt(before + noise)).pdf(value)
    responsible = chance * density / (chance * density).sum()
    assert float(terms[0]) == pytest.approx(-np.log((chance * density).sum()), rel=1e-12)
    np.testing.assert_allclose(found.posterior.mean[0, 1:3], responsible, rtol=1e-12)
    gain = before / (before + noise)
    moved, narrow = means + gain * (value - means), (1 - gain) * before
    mean = responsible * moved + (1 - responsible) * means
    square = responsible * (narrow + moved**2) + (1 - responsible) * (before + means**2)
    np.testing.assert_allclose(found.posterior.mean[0, 3:], mean, rtol=1e-12)
    np.testing.assert_allclose(1 / np.asarray(found.posterior.precision[0, 3:]), square - mean**2, rtol=1e-10)
    whole = (chance * means).sum()
    spread = (chance * (before + noise + means**2)).sum() - whole**2
    np.testing.assert_allclose(moments, [whole, spread], rtol=1e-12)


def test_contexts_are_forgotten_with_time_when_nothing_is_seen():
    with jax.enable_x64(True):
        structure = switching("switching", 3)
        learnt = learnt_of(structure, rate=0.2, precision=10.0, means=[-3, 0, 3], spread=4.0, tonic=-4.0)
        found, terms = filtered(
            structure, learnt, [3.0, 0, 0, 0], [True, False, False, False], [1.0, 0.5, 1.0, 2.5]
        )
        start = np.asarray(found.posterior.mean[0, 1:4])
    assert start[2] > 0.99
    np.testing.assert_allclose(
        found.posterior.mean[-1, 1:4], 1 / 3 + (start - 1 / 3) * np.exp(-0.2 * 4), rtol=1e-10
    )
    np.testing.assert_array_equal(np.asarray(terms)[1:], 0.0)


@pytest.mark.parametrize("kind", ["switching", "binary_switching"])
def test_order_of_contexts_means_nothing(kind):
    rng = np.random.default_rng(1)
    values = rng.integers(0, 2, size=50) if kind == "binary_switching" else rng.normal(scale=2.0, size=50)
    structure = switching(kind, 3)
    settings = {"rate": 0.1, "precision": 2.0, "spread": 2.0, "tonic": -3.0}
    with jax.enable_x64(True):
        one, two = (
            filtered(structure, learnt_of(structure, means=means, **settings), values)
            for means in ([-1.0, 0.2, 2.0], [2.0, -1.0, 0.2])
        )
    np.testing.assert_allclose(one[1], two[1], rtol=1e-10)
    np.testing.assert_allclose(one[0].posterior.mean[:, [6, 4, 5]], two[0].posterior.mean[:, 4:], rtol=1e-9)


@pytest.mark.parametrize("order", ORDERS)
def test_what_a_context_rules_out_teaches_nothing_above(order):
    """A belief about the volatility of the belief of a context that never holds keeps its prediction."""
    structure = Structure(
        (*switching("switching", 2).nodes, Node("v")), switching("switching", 2).value, (Edge("v", "x1"),)
    )
    with jax.enable_x64(True):
        learnt = parameters(
            structure,
            mean=[0, 1.0, 0.0, 0.0, 50.0, 0.0],
            precision=[4.0, 1, 1, 2.0, 2.0, 1.0],
            tonic=[0, 0, 0, -2.0, -2.0, -3.0],
        )
        found, _ = filtered(structure, learnt, np.random.default_rng(2).normal(size=20), order=order)
    np.testing.assert_allclose(found.posterior.mean[:, 4:], found.expected.mean[:, 4:], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.posterior.precision[:, 4:], found.expected.precision[:, 4:], rtol=1e-9)
    assert (np.asarray(found.posterior.precision[:, 3]) > np.asarray(found.expected.precision[:, 3])).all()


@pytest.mark.parametrize(
    ("kind", "order"), [("switching", "standard"), ("switching", "unbounded"), ("binary_switching", "ehgf")]
)
def test_gradients_are_finite_differences(kind, order):
    rng = np.random.default_rng(3)
    structure = switching(kind, 2, volatile=True)
    values = rng.integers(0, 2, size=30) if kind == "binary_switching" else rng.normal(scale=2.0, size=30)
    known, steps = np.arange(30) % 5 != 2, rng.uniform(0.5, 2.0, size=30)
    with jax.enable_x64(True):
        learnt = learnt_of(
            structure, rate=0.2, precision=2.0, means=[-1.0, 1.0], spread=2.0, tonic=-2.0, top=(-3.0,)
        )

        @jax.jit
        def total(learnt):
            return filtered(structure, learnt, values, known, steps, order)[1].sum()

        direction = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), learnt)
        direction = direction._replace(  # couplings of contexts to the leaf are no parameters
            value_coupling=direction.value_coupling.at[:2].set(0.0)
        )
        slope = jax.tree.map(lambda a, b: float((a * b).sum()), jax.grad(total)(learnt), direction)
        size = 1e-6
        high, low = (
            float(total(jax.tree.map(lambda a, b, s=sign: a + s * size * b, learnt, direction)))
            for sign in (1, -1)
        )
    assert sum(slope) == pytest.approx((high - low) / (2 * size), rel=1e-5)
    assert abs(slope.tonic_volatility) > 1e-3


@pytest.mark.parametrize("kind", ["switching", "binary_switching"])
def test_the_context_is_recovered(kind):
    rng = np.random.default_rng(4)
    n_time = 400
    context = np.cumsum(rng.uniform(size=n_time) < 0.03) % 2
    walk = np.cumsum(rng.normal(scale=0.05, size=(2, n_time)), axis=1)
    structure = switching(kind, 2)
    if kind == "switching":
        values = (
            np.array([-1.0, 1.0])[context]
            + walk[context, np.arange(n_time)]
            + rng.normal(scale=0.7, size=n_time)
        )
        precision, means, bar = 1 / 0.49, [-0.5, 0.5], 0.95
    else:
        chance = np.array([0.1, 0.9])[context]
        values, precision, means, bar = (rng.uniform(size=n_time) < chance), 1.0, [-1.0, 1.0], 0.9
    learnt = learnt_of(structure, rate=0.06, precision=precision, means=means, spread=4.0, tonic=-5.0)
    found, terms = filtered(structure, learnt, values)
    believed = np.asarray(found.posterior.mean[:, 2]) > 0.5
    assert (believed == context).mean() > bar
    # Without a context to choose, the same beliefs explain less.
    known = np.ones(n_time, bool)
    alone = Structure((Node("u", {"switching": "input"}.get(kind, "binary")), Node("x")), (Edge("x", "u"),))
    costs = [
        float(
            filtered(
                alone,
                parameters(alone, mean=[0, 0], precision=[precision, 4.0], tonic=[0, tonic]),
                values,
                known,
            )[1].sum()
        )
        for tonic in (-5.0, -3.0, -1.0)
    ]
    assert float(terms.sum()) < min(costs) - 10


def test_contexts_out_of_place_are_refused_in_one_sentence():
    u, c, x, y = Node("u", "switching"), Node("c", "context"), Node("x"), Node("y")
    wrong = {
        "needs contexts": lambda: Structure((u, x), (Edge("x", "u"),)),
        "no belief drives": lambda: Structure((u, c), (Edge("c", "u"),)),
        "has other children": lambda: Structure(
            (u, c, x, Node("w", "input")), (Edge("c", "u"), Edge("x", "c"), Edge("x", "w"))
        ),
        "no volatility": lambda: Structure((u, c, x, y), (Edge("c", "u"), Edge("x", "c")), (Edge("y", "c"),)),
    }
    for words, make in wrong.items():
        with pytest.raises(ModelError, match=words):
            make()
