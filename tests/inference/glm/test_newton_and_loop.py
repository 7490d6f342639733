"""Newton steps against dense algebra, and optima against an outside optimiser."""

import jax
import jax.numpy as jnp
import numpy as np
import problems as small
import pytest
from scipy.optimize import minimize

from neurodyn.inference.em import TransitionPrior
from neurodyn.inference.glm.design import Weights, make_design
from neurodyn.inference.glm.families import PoissonFamily
from neurodyn.inference.glm.hyper import PriorState, Shape
from neurodyn.inference.glm.loop import run_em
from neurodyn.inference.glm.newton import by_bend, newton_step, spectrum_of, unevenness
from neurodyn.inference.glm.passes import feature_moments, slopes
from neurodyn.inference.glm.penalty import (
    Penalty,
    allowed_features,
    no_penalty,
    penalty_gradient,
    penalty_product,
    penalty_value,
    project,
)
from neurodyn.inference.glm.priors import GaussianPrior, GroupLasso, Ridge
from neurodyn.inference.glm.switching import Chain, Parameters, Settings

FAMILY = PoissonFamily()
ONE = jnp.ones(small.N_UNITS)


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def some_penalty(weights: Weights) -> Penalty:
    plain = no_penalty(weights)
    rng = np.random.default_rng(3)
    allowed = np.ones(weights.shared.shape)
    allowed[1, 0, 2] = allowed[4, 1, 1] = 0
    tied = np.zeros((weights.shared.shape[0], 1, 1))
    tied[-1] = 1
    return plain._replace(
        precision=jax.tree.map(lambda leaf: jnp.asarray(rng.uniform(0, 2, leaf.shape)), weights),
        pooled=jax.tree.map(lambda leaf: jnp.full_like(leaf[:, :1], 1.5), weights),
        allowed=plain.allowed._replace(shared=jnp.asarray(allowed)),
        tied=plain.tied._replace(shared=jnp.asarray(tied)),
    )


def dense_step(weights: Weights, design, posterior, penalty: Penalty, unit: int) -> np.ndarray:
    """Newton direction of one unit on the subspace of allowed and tied weights, by dense algebra."""
    n_shared, n_own = weights.shared[:, :, unit].size, weights.own[:, :, unit].size
    found = slopes(weights, ONE, design, posterior, FAMILY)
    shared, own = small.features_in_loops()
    curvature = np.asarray(found.curvature).reshape(small.N_TIME, small.N_STATES, -1)[:, :, unit]

    def flat(one: Weights) -> np.ndarray:
        return np.concatenate(
            [np.asarray(one.shared)[:, :, unit].ravel(), np.asarray(one.own)[:, :, unit].ravel()]
        )

    def wide(vector: np.ndarray) -> Weights:
        left, right = np.zeros(weights.shared.shape), np.zeros(weights.own.shape)
        left[:, :, unit] = vector[:n_shared].reshape(-1, small.N_STATES)
        right[:, :, unit] = vector[n_shared:].reshape(-1, small.N_STATES)
        return Weights(jnp.asarray(left), jnp.asarray(right))

    size = n_shared + n_own
    matrix, projector = np.zeros((size, size)), np.zeros((size, size))
    for column in range(size):
        unit_vector = wide(np.eye(size)[column])
        eta = np.einsum("tf,fs->ts", shared, unit_vector.shared[:, :, unit])
        eta = eta + own[:, unit, None] * np.asarray(unit_vector.own)[0, :, unit]
        back = np.einsum("tf,ts->fs", shared, curvature * eta).ravel()
        own_back = np.einsum("t,ts->s", own[:, unit], curvature * eta)
        matrix[:, column] = np.concatenate([back, own_back]) + flat(penalty_product(unit_vector, penalty))
        projector[:, column] = flat(project(unit_vector, penalty))
    slope = flat(jax.tree.map(jnp.subtract, found.gradient, penalty_gradient(weights, penalty)))
    inside = projector @ matrix @ projector.T
    return np.linalg.pinv(inside, rcond=1e-10) @ (projector @ slope)


@pytest.mark.parametrize("keep", [True, False])
def test_a_step_solves_the_newton_equations_of_every_unit(keep):
    design, posterior = small.design(keep=keep), jnp.asarray(small.posterior())
    penalty = some_penalty(small.weights())
    weights = project(small.weights(), penalty)
    spectrum = spectrum_of(feature_moments(design, posterior))
    step = newton_step(
        weights, ONE, design, posterior, penalty, spectrum, np.int32(200), np.float64(1e-11), family=FAMILY
    )
    for unit in range(small.N_UNITS):
        expected = dense_step(weights, design, posterior, penalty, unit)
        found = np.concatenate(
            [
                np.asarray(step.direction.shared)[:, :, unit].ravel(),
                np.asarray(step.direction.own)[:, :, unit].ravel(),
            ]
        )
        np.testing.assert_allclose(found, expected, atol=1e-7)


def test_the_preconditioner_needs_few_products():
    design, posterior = small.design(), jnp.asarray(small.posterior())
    penalty = no_penalty(small.weights())._replace(
        precision=jax.tree.map(lambda leaf: jnp.full_like(leaf, 0.5), small.weights())
    )
    spectrum = spectrum_of(feature_moments(design, posterior))
    step = newton_step(
        small.weights(),
        ONE,
        design,
        posterior,
        penalty,
        spectrum,
        np.int32(99),
        np.float64(1e-2),
        family=FAMILY,
    )
    assert int(step.products) <= 12


def test_bins_that_count_by_their_curvature_save_products_in_bursts():
    rng = np.random.default_rng(0)
    n_time, n_units = 400, 4
    rates = np.where(rng.uniform(size=n_time) < 0.1, 300.0, 1.0)[:, None] * rng.uniform(0.5, 2, n_units)
    counts = rng.poisson(rates).astype(np.float64)
    kernel, none = np.array([[0.6], [0.4]]), np.zeros((0, 0))
    rest = (np.ones_like(counts, bool), counts, np.arange(n_time), np.zeros((n_time, 0)), kernel, none, 1)
    design = make_design(counts, *rest, keep=True)
    posterior = jnp.ones((len(design.seen), 1)) * jnp.asarray(design.seen)[:, None]
    weights = Weights(jnp.full((n_units + 1, 1, n_units), 0.2), jnp.zeros((0, 1, n_units)))
    found = slopes(weights, jnp.ones(n_units), design, posterior, FAMILY)
    assert float(unevenness(found.bend, posterior)) > 0.5
    products, directions = [], []
    for weight in (posterior, by_bend(found.bend, posterior)):
        spectrum = spectrum_of(feature_moments(design, weight))
        rest = (no_penalty(weights), spectrum, np.int32(200), np.float64(1e-6))
        step = newton_step(weights, jnp.ones(n_units), design, posterior, *rest, family=FAMILY)
        products.append(int(step.products))
        directions.append(np.asarray(step.direction.shared))
    np.testing.assert_allclose(directions[0], directions[1], atol=1e-4)
    assert products[1] < products[0]


def test_bins_of_equal_curvature_count_alike():
    posterior = jnp.asarray(small.posterior())
    bend = jnp.full_like(posterior, 0.3)
    np.testing.assert_allclose(by_bend(bend, posterior), posterior, rtol=1e-12)
    assert float(unevenness(bend, posterior)) < 1e-6


def test_the_gradient_of_the_penalty_is_its_derivative():
    weights = small.weights()
    penalty = some_penalty(weights)
    found = penalty_gradient(weights, penalty)
    expected = jax.grad(lambda one: penalty_value(one, penalty).sum())(weights)
    np.testing.assert_allclose(found.shared, expected.shared, atol=1e-12)
    direction = small.weights(seed=8)
    moved = jax.tree.map(jnp.add, weights, direction)
    change = jax.tree.map(jnp.subtract, penalty_gradient(moved, penalty), found)
    np.testing.assert_allclose(penalty_product(direction, penalty).shared, change.shared, atol=1e-12)


def alone(prior) -> tuple:
    """A fit with one state, no covariate ridge to speak of, in double precision."""
    design = small.design()
    n_features = 2 * small.N_UNITS + 3
    wide = Weights(jnp.ones((n_features, 1, small.N_UNITS)), jnp.ones((1, 1, small.N_UNITS)))
    tied = Weights(jnp.zeros((n_features, 1, 1)), jnp.zeros((1, 1, 1)))
    shape = Shape(2, small.N_UNITS, 2, wide, tied, np.full(small.N_UNITS, float(small.N_TIME)))
    state = PriorState(prior, shape, 0.0)
    start = Parameters(jnp.ones(1), jnp.ones((1, 1)), jax.tree.map(jnp.zeros_like, wide), ONE)
    chain = Chain(jnp.asarray(small.SINCE == 0), jnp.ones(small.N_TIME, bool))
    run = run_em(start, design, chain, FAMILY, state, TransitionPrior(), Settings(200, 1e-13), n_products=60)
    return run, state


def objective_in_loops(vector: np.ndarray, unit: int, ridge: float) -> tuple[float, np.ndarray]:
    values, _, _ = small.arrays()
    shared, own = small.features_in_loops()
    table = np.concatenate([shared, own[:, unit : unit + 1]], axis=1)
    eta = table @ vector
    rate = np.logaddexp(0, eta)
    penalised = np.r_[np.ones(2 * small.N_UNITS), np.zeros(3), 1.0] * ridge * small.N_TIME
    value = (rate - values[:, unit] * np.log(rate)).sum() + 0.5 * (penalised * vector**2).sum()
    slope = 1 / (1 + np.exp(-eta))
    return value, table.T @ (slope - values[:, unit] * slope / rate) + penalised * vector


@pytest.mark.parametrize("ridge", [0.0, 0.02])
def test_one_state_reaches_the_optimum_an_outside_optimiser_finds(ridge):
    run, _ = alone(Ridge(ridge))
    assert run.converged
    total = 0.0
    for unit in range(small.N_UNITS):
        start = np.zeros(2 * small.N_UNITS + 4)
        best = minimize(
            objective_in_loops,
            start,
            (unit, max(ridge, 1e-7)),
            jac=True,
            method="BFGS",
            options={"gtol": 1e-9, "maxiter": 2000},
        )
        found = np.r_[
            np.asarray(run.parameters.weights.shared)[:, 0, unit], run.parameters.weights.own[0, 0, unit]
        ]
        np.testing.assert_allclose(found, best.x, atol=2e-4)
        total -= best.fun
    np.testing.assert_allclose(run.objective[-1], total, rtol=1e-8)


def test_a_group_lasso_meets_its_optimality_conditions():
    strength = 0.03
    run, state = alone(GroupLasso(strength))
    weights = state.sparsified(run.parameters.weights)
    found = slopes(weights, ONE, small.design(), jnp.ones((small.N_TIME, 1)), FAMILY)
    gradient = np.asarray(found.gradient.shared)[: 2 * small.N_UNITS, 0].reshape(
        2, small.N_UNITS, small.N_UNITS
    )
    coupling = np.asarray(weights.shared)[: 2 * small.N_UNITS, 0].reshape(2, small.N_UNITS, small.N_UNITS)
    bound = strength * small.N_TIME * np.sqrt(2)
    zero = np.abs(coupling).sum(axis=0) == 0
    assert zero.any()
    assert not zero.all()
    size = np.sqrt((gradient**2).sum(axis=0))
    assert (size[zero] <= 1.02 * bound).all()
    np.testing.assert_allclose(size[~zero], bound, rtol=0.03)


def test_a_tight_gaussian_prior_makes_all_states_alike_and_a_loose_one_does_not():
    design, posterior = small.design(), jnp.asarray(small.posterior())
    n_features = 2 * small.N_UNITS + 3
    wide = Weights(jnp.ones((n_features, 2, small.N_UNITS)), jnp.ones((1, 2, small.N_UNITS)))
    tied = Weights(jnp.zeros((n_features, 1, 1)).at[-1].set(1), jnp.zeros((1, 1, 1)))
    shape = Shape(2, small.N_UNITS, 2, wide, tied, np.full(small.N_UNITS, float(small.N_TIME)))
    chain = Chain(jnp.asarray(small.SINCE == 0), jnp.ones(small.N_TIME, bool))
    start = Parameters(jnp.ones(2) / 2, jnp.ones((2, 2)) / 2, jax.tree.map(jnp.zeros_like, wide), ONE)
    apart = []
    for deviation in (1e-3, 10.0):
        state = PriorState(GaussianPrior(deviation), shape, 0.0)
        run = run_em(
            start, design, chain, FAMILY, state, TransitionPrior(), Settings(30, 1e-6), posterior=posterior
        )
        coupling = np.asarray(run.parameters.weights.shared)[: 2 * small.N_UNITS]
        apart.append(np.abs(coupling[:, 0] - coupling[:, 1]).max())
        bias = np.asarray(run.parameters.weights.shared)[-1]
        np.testing.assert_allclose(bias[0], bias[1], atol=1e-12)
    assert apart[0] < 1e-2
    assert apart[1] > 0.1


def test_allowed_features_leave_out_own_history_and_silent_units():
    found = allowed_features(3, 2, 1, self_coupling=False, silent=np.array([False, True, False]))
    assert found.shape == (8, 3)
    assert found[:3].tolist() == [[0, 1, 1], [0, 0, 0], [1, 1, 0]]
    assert found[3:6].tolist() == found[:3].tolist()
    assert (found[6:] == 1).all()


def test_a_prior_on_the_mean_network_leaves_the_deviations_alone():
    wide = Weights(jnp.ones((4, 2, 3)), jnp.zeros((0, 2, 3)))
    tied = Weights(jnp.zeros((4, 1, 1)), jnp.zeros((0, 1, 1)))
    state = PriorState(GaussianPrior(1.0, 0.1), Shape(1, 3, 0, wide, tied, np.full(3, 9.0)), 0.0)
    apart = wide.shared * jnp.array([1.0, -1.0])[None, :, None]
    apart = apart.at[-1].set(0.0)
    cost = penalty_value(Weights(apart, wide.own), state.penalty(wide))
    np.testing.assert_allclose(cost, 3 * 1.0)  # three sources, half of 1 + 1 each
    same = jnp.ones_like(apart).at[-1].set(0.0)
    cost = penalty_value(Weights(same, wide.own), state.penalty(wide))
    np.testing.assert_allclose(cost, 3 * 0.5 / 0.1**2)
