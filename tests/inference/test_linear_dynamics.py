"""Poisson linear dynamical systems against dense Gaussians, Kalman recursions and quadrature written here."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn.inference.linear_dynamics import climbing
from neurodyn.inference.linear_dynamics.expectation import expect, on_device, problem_of, slopes_of
from neurodyn.inference.linear_dynamics.filtering import filter_counts, forecast
from neurodyn.inference.linear_dynamics.gauge import canonical, recoordinated
from neurodyn.inference.linear_dynamics.moments import Moments, loading_slopes
from neurodyn.inference.linear_dynamics.parameters import Parameters, Prior, best_dynamics, better_loadings
from neurodyn.inference.linear_dynamics.poisson import Counts, Loadings, first_sites, posterior
from neurodyn.inference.linear_dynamics.small import cholesky, inverse
from neurodyn.inference.linear_dynamics.smoother import Dynamics, Gaussians, Sites, smooth
from neurodyn.inference.linear_dynamics.starting import first_parameters

T, B, D, N = 7, 3, 2, 6


def system(offset: float = 0.5, scale: float = 0.6, n_units: int = N, key: int = 0) -> Parameters:
    """Two latents that turn, and are driven."""
    rng = np.random.default_rng(key)
    turn = 0.9 * np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
    return Parameters(
        transition=turn,
        drive=np.array([[0.05], [-0.1]]),
        noise=np.array([[0.2, 0.05], [0.05, 0.1]]),
        initial_mean=np.array([0.3, -0.2]),
        initial_covariance=np.array([[0.8, -0.1], [-0.1, 0.5]]),
        weight=scale * rng.normal(size=(n_units, D)),
        offset=offset + 0.3 * rng.normal(size=n_units),
    )


def drawn(
    parameters: Parameters, n_trials: int, n_time: int, missing: float = 0.0, key: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts, what was observed of them, and the latents; ``(trial, time, ...)``."""
    rng = np.random.default_rng(key)
    latent = np.zeros((n_trials, n_time, D))
    latent[:, 0] = rng.multivariate_normal(
        parameters.initial_mean, parameters.initial_covariance, size=n_trials
    )
    for t in range(1, n_time):
        jolt = rng.multivariate_normal(np.zeros(D), parameters.noise, size=n_trials)
        latent[:, t] = latent[:, t - 1] @ parameters.transition.T + parameters.drive[:, 0] + jolt
    values = rng.poisson(np.exp(latent @ parameters.weight.T + parameters.offset)).astype(float)
    return values, rng.uniform(size=values.shape) >= missing, latent


def prior_of_path(parameters: Parameters, n_time: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean ``(T * D,)`` and precision of all latents of a trial."""
    rows = np.eye(n_time * D)
    for t in range(1, n_time):
        rows[t * D : (t + 1) * D, (t - 1) * D : t * D] = -parameters.transition
    shift = np.concatenate([parameters.initial_mean, *[parameters.drive[:, 0]] * (n_time - 1)])
    blocks = np.zeros((n_time * D, n_time * D))
    for t in range(n_time):
        part = slice(t * D, (t + 1) * D)
        blocks[part, part] = np.linalg.inv(parameters.noise if t else parameters.initial_covariance)
    return np.linalg.solve(rows, shift), rows.T @ blocks @ rows


def single(parameters: Parameters, n_time: int) -> tuple[Dynamics, Loadings]:
    return on_device(parameters, np.ones((n_time, 1)))


def counts_of(values: np.ndarray, observed: np.ndarray) -> Counts:
    """Trials last to trials in the middle, in single precision."""
    mask = observed.transpose(1, 0, 2).astype(np.float32)
    return Counts(jnp.asarray(values.transpose(1, 0, 2) * mask, jnp.float32), jnp.asarray(mask))


@functools.cache
def inferred():
    """A system, its counts with missing ones, and their posterior."""
    parameters = system()
    values, observed, _ = drawn(parameters, B, T, missing=0.3)
    observed[1, 2] = False
    dynamics, loadings = single(parameters, T)
    counts = counts_of(values, observed)
    first = first_sites(loadings, counts, jnp.ones(N))
    found = jax.jit(functools.partial(posterior, steps=60, tolerance=1e-6))(
        dynamics, loadings, counts, first, first
    )
    return parameters, values, observed, found


def test_factorisations_are_those_of_the_library():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 4, 4))
    matrix = root @ root.transpose(0, 2, 1) + np.eye(4)
    both, log_determinant = inverse(jnp.asarray(matrix, jnp.float32))
    np.testing.assert_allclose(
        cholesky(jnp.asarray(matrix, jnp.float32)), np.linalg.cholesky(matrix), atol=1e-5
    )
    np.testing.assert_allclose(both, np.linalg.inv(matrix), atol=1e-5)
    np.testing.assert_allclose(log_determinant, np.linalg.slogdet(matrix)[1], rtol=1e-5)


def test_smoothing_of_gaussian_sites_is_conditioning_of_the_joint():
    parameters = system()
    rng = np.random.default_rng(3)
    root = rng.normal(size=(T, B, D, D))
    precision, linear = root @ root.transpose(0, 1, 3, 2), rng.normal(size=(T, B, D))
    precision[3], linear[3] = 0, 0  # nothing was seen
    dynamics, _ = single(parameters, T)
    found = smooth(dynamics, Sites(jnp.asarray(linear, jnp.float32), jnp.asarray(precision, jnp.float32)))
    mean, prior = prior_of_path(parameters, T)
    for b in range(B):
        after = prior.copy()
        for t in range(T):
            part = slice(t * D, (t + 1) * D)
            after[part, part] += precision[t, b]
        covariance = np.linalg.inv(after)
        natural = prior @ mean + linear[:, b].ravel()
        path = (covariance @ natural).reshape(T, D)
        blocks = covariance.reshape(T, D, T, D)
        np.testing.assert_allclose(found.mean[:, b], path, atol=2e-5)
        for t in range(T):
            np.testing.assert_allclose(found.covariance[t, b], blocks[t, :, t], atol=2e-5)
        for t in range(T - 1):
            np.testing.assert_allclose(found.lagged[t, b], blocks[t, :, t + 1], atol=2e-5)
        evidence = 0.5 * (natural @ covariance @ natural - mean @ prior @ mean)
        evidence += 0.5 * (np.linalg.slogdet(prior)[1] - np.linalg.slogdet(after)[1])
        np.testing.assert_allclose(found.log_evidence[b], evidence, rtol=1e-5, atol=1e-4)


def test_at_the_posterior_the_bound_has_no_slope():
    parameters, values, observed, found = inferred()
    mean, prior = prior_of_path(parameters, T)
    weight, offset = parameters.weight, parameters.offset
    for b in range(B):
        path = np.asarray(found.smoothed.mean[:, b], np.float64)
        spread = np.asarray(found.smoothed.covariance[:, b], np.float64)
        eta = path @ weight.T + offset
        rate = np.exp(eta + 0.5 * np.einsum("ni,tij,nj->tn", weight, spread, weight)) * observed[b]
        slope = ((values[b] - rate) * observed[b]) @ weight
        slope = slope - (prior @ (path.ravel() - mean)).reshape(T, D)
        np.testing.assert_allclose(slope, 0, atol=2e-3)
        curvature = prior.copy()  # a slope of zero in the covariance: its inverse is the curvature
        for t in range(T):
            part = slice(t * D, (t + 1) * D)
            curvature[part, part] += (weight * rate[t][:, None]).T @ weight
        covariance = np.linalg.inv(curvature)
        for t in range(T):
            np.testing.assert_allclose(spread[t], covariance.reshape(T, D, T, D)[t, :, t], atol=2e-4)
        away = path.ravel() - mean
        divergence = 0.5 * (np.trace(prior @ covariance) + away @ prior @ away - T * D)
        divergence += 0.5 * (np.linalg.slogdet(curvature)[1] - np.linalg.slogdet(prior)[1])
        bound = np.where(observed[b], values[b] * eta - rate, 0).sum() - divergence
        np.testing.assert_allclose(found.bound[b], bound, rtol=1e-5, atol=1e-4)


def test_without_counts_the_posterior_is_the_prior():
    parameters = system()
    dynamics, loadings = single(parameters, T)
    counts = counts_of(np.full((B, T, N), 9.0), np.zeros((B, T, N), bool))
    first = first_sites(loadings, counts, jnp.ones(N))
    found = posterior(dynamics, loadings, counts, first, first, steps=5, tolerance=1e-6)
    mean, prior = prior_of_path(parameters, T)
    np.testing.assert_allclose(found.smoothed.mean[:, 0].ravel(), mean, atol=1e-5)
    blocks = np.linalg.inv(prior).reshape(T, D, T, D)
    for t in range(T):
        np.testing.assert_allclose(found.smoothed.covariance[t, 0], blocks[t, :, t], atol=1e-5)
    np.testing.assert_allclose(found.bound, 0, atol=1e-5)


def kalman(parameters: Parameters, seen: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, ...]:
    """Filtered and smoothed means and covariances of Gaussian observations ``(time, unit)`` of one trial."""
    a, c = parameters.transition, parameters.weight
    mean, covariance = parameters.initial_mean, parameters.initial_covariance
    before, after = [], []
    for t in range(len(seen)):
        if t:
            mean = a @ mean + parameters.drive[:, 0]
            covariance = a @ covariance @ a.T + parameters.noise
        before.append((mean, covariance))
        gain = np.linalg.solve(c @ covariance @ c.T + np.diag(variance[t]), c @ covariance).T
        mean = mean + gain @ (seen[t] - c @ mean - parameters.offset)
        covariance = covariance - gain @ c @ covariance
        after.append((mean, covariance))
    smoothed = [after[-1]]
    for t in range(len(seen) - 2, -1, -1):
        back = np.linalg.solve(before[t + 1][1], a @ after[t][1]).T
        mean = after[t][0] + back @ (smoothed[0][0] - before[t + 1][0])
        covariance = after[t][1] + back @ (smoothed[0][1] - before[t + 1][1]) @ back.T
        smoothed.insert(0, (mean, covariance))
    return tuple(np.array(part) for pairs in (after, smoothed) for part in zip(*pairs, strict=True))


def test_with_large_counts_it_is_a_kalman_smoother_of_their_logarithms():
    parameters = system(offset=9.0, scale=0.5)
    values, observed, _ = drawn(parameters, 1, 12)
    dynamics, loadings = single(parameters, 12)
    counts = counts_of(values, observed)
    typical = jnp.exp(jnp.asarray(parameters.offset, jnp.float32))
    first = first_sites(loadings, counts, typical)
    found = posterior(dynamics, loadings, counts, first, first, steps=40, tolerance=1e-6)
    filtered = filter_counts(dynamics, loadings, counts, typical)
    *at, mean, covariance = kalman(parameters, np.log(values[0]), 1 / values[0])
    deviation = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    assert deviation.max() < 0.03
    assert (np.abs(found.smoothed.mean[:, 0] - mean) < 0.1 * deviation).all()
    np.testing.assert_allclose(
        found.smoothed.covariance[:, 0], covariance, rtol=0.05, atol=0.02 * deviation.min() ** 2
    )
    assert (np.abs(filtered.after.mean[:, 0] - at[0]) < 0.1 * deviation).all()
    np.testing.assert_allclose(
        filtered.after.covariance[:, 0], at[1], rtol=0.05, atol=0.02 * deviation.min() ** 2
    )


def test_the_bound_of_one_bin_lies_just_below_the_evidence():
    weight, offset, values = np.array([0.7, -0.5, 1.0]), np.array([0.2, 0.5, -0.5]), np.array([3.0, 0.0, 1.0])
    one = np.ones((1, 1))
    parameters = Parameters(0.5 * one, 0 * one, one, np.array([0.2]), 0.8 * one, weight[:, None], offset)
    dynamics, loadings = on_device(parameters, np.ones((1, 1)))
    counts = counts_of(values[None, None], np.ones((1, 1, 3), bool))
    found = filter_counts(dynamics, loadings, counts, jnp.ones(3))
    grid = np.linspace(-7, 7, 20001)
    eta = grid[:, None] * weight + offset
    log_joint = (values * eta - np.exp(eta)).sum(1) - 0.5 * (grid - 0.2) ** 2 / 0.8
    density = np.exp(log_joint) / np.sqrt(2 * np.pi * 0.8)
    total = density.sum() * (grid[1] - grid[0])
    assert np.log(total) - 0.02 < float(found.terms[0, 0]) <= np.log(total) + 1e-5
    mean = (grid * density).sum() / density.sum()
    deviation = np.sqrt((np.square(grid - mean) * density).sum() / density.sum())
    assert abs(float(found.after.mean[0, 0, 0]) - mean) < 0.05 * deviation


def test_a_filter_does_not_look_ahead_and_forecasts_by_the_dynamics():
    parameters = system()
    values, observed, _ = drawn(parameters, B, T)
    dynamics, loadings = single(parameters, T)
    run = jax.jit(filter_counts)
    found = run(dynamics, loadings, counts_of(values, observed), jnp.ones(N))
    changed = values.copy()
    changed[:, 4:] += 5
    other = run(dynamics, loadings, counts_of(changed, observed), jnp.ones(N))
    np.testing.assert_array_equal(found.after.mean[:4], other.after.mean[:4])
    np.testing.assert_array_equal(found.before.mean[:5], other.before.mean[:5])
    np.testing.assert_array_equal(found.terms[:4], other.terms[:4])
    assert np.abs(found.after.mean[4] - other.after.mean[4]).min() > 1e-3
    ahead = forecast(dynamics, found.after, jnp.asarray(3))
    a, mean, covariance = parameters.transition, found.after.mean[2], found.after.covariance[2]
    for _ in range(3):
        mean, covariance = mean @ a.T + parameters.drive[:, 0], a @ covariance @ a.T + parameters.noise
    np.testing.assert_allclose(ahead.mean[5], mean, atol=1e-5)
    np.testing.assert_allclose(ahead.covariance[5], covariance, atol=1e-5)
    start, _ = prior_of_path(parameters, T)
    np.testing.assert_allclose(ahead.mean[:3, 0].ravel(), start[: 3 * D], atol=1e-5)
    np.testing.assert_allclose(ahead.covariance[0, 0], parameters.initial_covariance, atol=1e-5)


def test_slopes_of_loadings_are_differences_of_their_value():
    parameters, values, observed, found = inferred()
    _, loadings = single(parameters, T)
    counts = counts_of(values, observed)
    latent = Gaussians(found.smoothed.mean, found.smoothed.covariance)
    slopes = loading_slopes(loadings, latent, counts)
    mean, spread = (np.asarray(part, np.float64) for part in latent)

    def value(weight: np.ndarray, offset: np.ndarray) -> np.ndarray:
        eta = mean @ weight.T + offset
        rate = np.exp(eta + 0.5 * np.einsum("ni,tbij,nj->tbn", weight, spread, weight))
        return ((np.asarray(counts.values) * eta - rate) * np.asarray(counts.observed)).sum((0, 1))

    step = 1e-4
    points = np.concatenate([parameters.weight, parameters.offset[:, None]], axis=1)

    def along(i: int, j: int, a: float, b: float) -> np.ndarray:
        moved = points.copy()
        moved[:, i] += a * step
        moved[:, j] += b * step
        return value(moved[:, :-1], moved[:, -1])

    np.testing.assert_allclose(slopes.value, value(points[:, :-1], points[:, -1]), rtol=1e-4, atol=1e-3)
    for i in range(D + 1):
        difference = (along(i, i, 1, 0) - along(i, i, -1, 0)) / (2 * step)
        np.testing.assert_allclose(slopes.gradient[:, i], difference, rtol=1e-3, atol=1e-3)
        for j in range(D + 1):
            bend = along(i, j, 1, 1) - along(i, j, 1, -1) - along(i, j, -1, 1) + along(i, j, -1, -1)
            np.testing.assert_allclose(slopes.curvature[:, i, j], -bend / (4 * step**2), rtol=1e-3, atol=1e-2)


def expected_log_density(parameters: Parameters, sums: Moments) -> float:
    """Of the latents under their posterior, up to a constant."""
    a, b = parameters.transition, parameters.drive
    both = a @ sums.before_basis @ b.T
    spread = sums.after - a @ sums.across.T - sums.across @ a.T - b @ sums.after_basis.T
    spread = spread - sums.after_basis @ b.T + a @ sums.before @ a.T + both + both.T + b @ sums.basis @ b.T
    total = -0.5 * np.trace(np.linalg.solve(parameters.noise, spread))
    total -= 0.5 * sums.n_transitions * np.linalg.slogdet(parameters.noise)[1]
    mean = parameters.initial_mean
    first = sums.first_square - np.outer(sums.first, mean) - np.outer(mean, sums.first)
    first = first + sums.n_first * np.outer(mean, mean)
    total -= 0.5 * np.trace(np.linalg.solve(parameters.initial_covariance, first))
    return float(total - 0.5 * sums.n_first * np.linalg.slogdet(parameters.initial_covariance)[1])


@functools.cache
def problem():
    parameters = system()
    values, observed, _ = drawn(parameters, 24, 20, missing=0.1)
    observed[3, 15:] = False  # a short trial
    return problem_of(values, observed, np.ones((20, 1)), D), values, observed


def test_the_best_dynamics_leave_no_slope():
    made, *_ = problem()
    prior = Prior(rate=np.full(N, 1.0))
    found = expect(system(key=4), made, None, steps=40, tolerance=1e-4)
    best = best_dynamics(system(key=4), found.moments, prior)

    def objective(parameters: Parameters) -> float:
        return expected_log_density(parameters, found.moments) + prior.log_density(parameters)

    rng = np.random.default_rng(0)
    for name in ("transition", "drive", "noise", "initial_mean", "initial_covariance"):
        value = getattr(best, name)
        way = rng.normal(size=value.shape)
        way = 0.5 * (way + way.T) if name in ("noise", "initial_covariance") else way
        up, down = (objective(best._replace(**{name: value + sign * 1e-4 * way})) for sign in (1, -1))
        here = objective(best)
        assert abs(up - down) / 2e-4 < 1e-2
        assert up < here
        assert down < here


def test_plain_steps_never_lower_the_bound_and_the_climb_gets_further():
    made, values, observed = problem()
    prior = Prior(rate=np.full(N, values[observed].mean()), loading=10.0)
    start = first_parameters(values, observed, D, 1)
    current, before, plain = start, None, []
    for _ in range(12):
        found = expect(current, made, before, steps=40, tolerance=1e-4)
        plain.append(float(found.bound.sum()) + prior.log_density(current))
        before = found.latents
        moved = best_dynamics(current, found.moments, prior)
        current = better_loadings(moved, functools.partial(slopes_of, made, found.latents), prior)
    assert (np.diff(plain) > -1e-6 * abs(plain[-1])).all()
    assert plain[-1] > plain[0] + 10
    climbed = climbing.climb(made, start, prior, max_iterations=12, tolerance=1e-4)
    assert (np.diff(climbed.objective) >= 0).all()
    assert climbed.objective[-1] >= plain[-1]


def test_other_coordinates_describe_the_same_system():
    made, *_ = problem()
    parameters = system()
    found = expect(parameters, made, None, steps=40, tolerance=1e-4)
    other = recoordinated(parameters, np.array([[1.2, 0.4], [-0.3, 0.7]]), np.array([0.3, -0.6]))
    bound = expect(other, made, None, steps=40, tolerance=1e-4).bound
    np.testing.assert_allclose(bound, found.bound, rtol=1e-4, atol=5e-3)
    root = np.array([[1.5, 0.2], [0.2, 0.7]])
    mean, square = np.array([0.2, -0.1]), root @ root.T + np.outer([0.2, -0.1], [0.2, -0.1])
    first = canonical(parameters, mean, square)
    again = canonical(first, np.zeros(D), np.eye(D))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-9)
    assert (np.diff(np.linalg.norm(first.weight, axis=0)) < 0).all()


def test_covariances_survive_being_written_as_a_vector():
    parameters = system()
    again = climbing.from_flat(climbing.flat(parameters), parameters)
    for one, two in zip(parameters, again, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("order", [[3, 0, 5, 1, 4, 2], [5, 4, 3, 2, 1, 0]])
def test_the_start_knows_no_order_of_units(order):
    parameters = system()
    values, observed, _ = drawn(parameters, 24, 20, missing=0.1)
    one = first_parameters(values, observed, D, 1)
    two = first_parameters(values[..., order], observed[..., order], D, 1)
    np.testing.assert_allclose(np.abs(two.weight), np.abs(one.weight[order]), atol=1e-6)
    np.testing.assert_allclose(two.offset, one.offset[order], atol=1e-6)
    np.testing.assert_allclose(
        np.linalg.eigvals(two.transition).sum(), np.linalg.eigvals(one.transition).sum(), atol=1e-6
    )
