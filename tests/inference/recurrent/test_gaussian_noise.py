"""Fast Gaussian noise: the published generator's values, its distribution, and independence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.random import threefry_2x32
from scipy import stats

from neurodyn.inference.recurrent import gaussian_noise, noise, random_words


def test_twenty_rounds_give_the_words_of_the_reference(monkeypatch):
    """JAX's own generator is the same function with 20 rounds."""
    monkeypatch.setattr(noise, "ROUNDS", 20)
    key = jax.random.key(7)
    left, right = random_words(key, 5)
    counters = jnp.concatenate([jnp.arange(5, dtype=jnp.uint32), jnp.zeros(5, jnp.uint32)])
    expected = threefry_2x32(jax.random.key_data(key), counters)
    np.testing.assert_array_equal(jnp.concatenate([left, right]), expected)


def test_numbers_are_standard_normal_and_independent():
    numbers = np.asarray(gaussian_noise(jax.random.key(0), (1000, 1001))).astype(float)
    flat = numbers.ravel()
    assert stats.kstest(flat, "norm").pvalue > 0.01
    assert flat.mean() == pytest.approx(0, abs=4e-3)
    assert flat.var() == pytest.approx(1, abs=6e-3)
    assert stats.kurtosis(flat) == pytest.approx(0, abs=0.02)
    for tail in (3.0, 4.0):
        expected = len(flat) * 2 * stats.norm.sf(tail)
        assert (np.abs(flat) > tail).sum() == pytest.approx(expected, abs=4 * np.sqrt(expected))
    half = (len(flat) + 1) // 2
    for shift in (1, 2, 1001, half - 1, half):
        one, two = flat[:-shift], flat[shift:]
        bound = 4 / np.sqrt(len(one))
        assert abs(np.corrcoef(one, two)[0, 1]) < bound
        assert abs(np.corrcoef(one**2, two**2)[0, 1]) < bound


def test_keys_differ_and_a_key_gives_the_same_again():
    one, two = (gaussian_noise(jax.random.key(k), (5000,)) for k in (0, 1))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.06
    np.testing.assert_array_equal(one, gaussian_noise(jax.random.key(0), (5000,)))
    assert gaussian_noise(jax.random.key(0), (3, 0)).shape == (3, 0)
    assert gaussian_noise(jax.random.key(0), (3, 1, 3)).shape == (3, 1, 3)
