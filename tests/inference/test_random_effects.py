"""Frequencies of models: the bound, its fixed point, and exceedance probabilities against exact answers."""

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import logsumexp

from neurodyn.inference import random_effects as effects


def quadrature(log_evidence: np.ndarray, concentration: float = 1.0) -> float:
    """Log evidence of two models, the frequency of the first integrated over."""
    prior = stats.beta(concentration, concentration)

    def density(r: float) -> float:
        return prior.pdf(r) * np.exp(logsumexp(log_evidence + np.log([r, 1 - r]), axis=1).sum())

    return float(np.log(integrate.quad(density, 0, 1, epsabs=0, epsrel=1e-11, limit=200)[0]))


@pytest.mark.parametrize("concentration", [1.0, 2.5])
def test_the_bound_is_the_evidence_where_every_participants_model_is_certain(concentration):
    sure = np.repeat([[-3.0, -63.0], [-61.0, -1.0]], [4, 2], axis=0)
    found = effects.random_effects_posterior(sure, concentration)
    assert found.free_energy == pytest.approx(quadrature(sure, concentration), abs=1e-8)
    np.testing.assert_allclose(found.alpha, [concentration + 4, concentration + 2], rtol=1e-9)


@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("n", [1, 3, 7])
def test_the_bound_lies_below_the_evidence_and_near_it(spread, n):
    for seed in range(5):
        values = spread * np.random.default_rng([seed, n]).normal(size=(n, 2)) - 5.0
        gap = quadrature(values) - effects.random_effects_posterior(values).free_energy
        # About half a log of the number of participants where evidences say nothing, none where they decide.
        assert -1e-9 < gap < 0.5 * np.log(n + 1) + 0.1


def test_the_bound_equals_its_definition_at_any_distributions():
    rng = np.random.default_rng(0)
    values, alpha, prior = rng.normal(size=(6, 3)), rng.gamma(3.0, size=3) + 0.2, np.array([1.0, 0.5, 2.0])
    chance = effects.responsibilities(values, alpha)
    expected = stats.dirichlet(alpha).rvs(400_000, random_state=1)
    logs = np.log(expected).mean(axis=0)
    given = (chance * (values - np.log(chance))).sum() + (chance @ logs).sum()
    ratio = (stats.dirichlet(prior).logpdf(expected.T) - stats.dirichlet(alpha).logpdf(expected.T)).mean()
    assert effects.free_energy(values, alpha, prior) == pytest.approx(given + ratio, abs=0.02)


@pytest.mark.parametrize(("n", "n_models"), [(5, 2), (40, 3), (1000, 4)])
@pytest.mark.parametrize("spread", [0.0, 0.05, 1.0, 30.0])
def test_the_posterior_is_the_fixed_point_and_the_highest_bound_around(n, n_models, spread):
    values = spread * np.random.default_rng(n).normal(size=(n, n_models))
    found = effects.random_effects_posterior(values)
    assert found.settled
    prior = np.ones(n_models)
    again = prior + effects.responsibilities(values, found.alpha).sum(axis=0)
    np.testing.assert_allclose(again, found.alpha, atol=1e-8 * n)
    assert found.alpha.sum() == pytest.approx(n + n_models)
    rng = np.random.default_rng(1)
    for _ in range(30):
        other = found.alpha * np.exp(rng.choice([0.01, 0.3, 2.0]) * rng.normal(size=n_models))
        assert effects.free_energy(values, other, prior) <= found.free_energy + 1e-9 * n


def test_newton_ends_where_the_plain_map_creeps_to():
    values = 0.3 * np.random.default_rng(3).normal(size=(30, 3))
    alpha = np.array([25.0, 4.0, 4.0])  # another start
    for _ in range(20_000):
        alpha = 1.0 + effects.responsibilities(values, alpha).sum(axis=0)
    np.testing.assert_allclose(effects.random_effects_posterior(values).alpha, alpha, rtol=1e-7)


def test_equal_frequencies_are_an_exact_mixture():
    values = np.random.default_rng(0).normal(size=(4, 3))
    assert effects.equal_frequencies(values) == pytest.approx(np.log(np.exp(values).mean(axis=1)).sum())


@pytest.mark.parametrize("alpha", [(1.0, 1.0), (3.2, 8.0), (0.3, 0.7), (700.0, 650.0), (2.0, 40_000.0)])
def test_exceedance_of_two_models_is_the_tail_of_a_beta_distribution(alpha):
    found = effects.exceedance(np.array(alpha))
    assert found[0] == pytest.approx(stats.beta(*alpha).sf(0.5), rel=1e-9, abs=1e-13)
    assert found.sum() == pytest.approx(1.0, abs=1e-14)


def test_exceedance_of_several_models_agrees_with_draws():
    alpha = np.array([0.8, 3.0, 4.5, 12.0, 11.0])
    drawn = np.random.default_rng(0).dirichlet(alpha, size=400_000).argmax(axis=1)
    share = np.bincount(drawn, minlength=5) / len(drawn)
    np.testing.assert_allclose(effects.exceedance(alpha), share, atol=4 * np.sqrt(0.25 / len(drawn)))


def test_exceedance_of_many_equal_models_is_equal():
    for value in (0.05, 1.0, 30.0, 1e5):
        np.testing.assert_allclose(effects.exceedance(np.full(7, value)), 1 / 7, rtol=1e-12)
