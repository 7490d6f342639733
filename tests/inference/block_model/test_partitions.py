"""Likeness of divisions against values worked by hand."""

import numpy as np
import pytest

from neurodyn.errors import ModelError
from neurodyn.inference.block_model.partitions import adjusted_rand_index, normalised_mutual_information


def test_the_same_division_under_other_names_is_the_same():
    first, second = np.array([0, 0, 1, 2, 2]), np.array(["c", "c", "a", "b", "b"])
    assert normalised_mutual_information(first, second) == pytest.approx(1.0)
    assert adjusted_rand_index(first, second) == pytest.approx(1.0)


def test_crossed_halves_share_nothing():
    first, second = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert normalised_mutual_information(first, second) == pytest.approx(0.0, abs=1e-12)
    # No pair is together in both; 2 and 2 of 6 pairs in each; by chance 2/3.
    assert adjusted_rand_index(first, second) == pytest.approx((0 - 2 / 3) / (2 - 2 / 3))


def test_a_finer_division():
    first, second = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])
    # Information 1 bit, entropies 1 and 1.5 bits.
    assert normalised_mutual_information(first, second) == pytest.approx(2 / 2.5)
    # 1 pair together in both, 2 and 1 in each, 1/3 by chance.
    assert adjusted_rand_index(first, second) == pytest.approx((1 - 1 / 3) / (1.5 - 1 / 3))


def test_one_group_against_itself_and_others():
    one, each = np.zeros(5, int), np.arange(5)
    for likeness in (normalised_mutual_information, adjusted_rand_index):
        assert likeness(one, one) == likeness(each, each) == likeness(one[:1], one[:1]) == 1.0
        assert likeness(one, each) == pytest.approx(0.0, abs=1e-12)


def test_unrelated_divisions_have_no_agreement_beyond_chance():
    rng = np.random.default_rng(0)
    values = [adjusted_rand_index(rng.integers(5, size=60), rng.integers(4, size=60)) for _ in range(300)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(300)


def test_divisions_of_other_nodes_are_refused():
    with pytest.raises(ModelError, match="3 and 2 nodes"):
        adjusted_rand_index(np.zeros(3), np.zeros(2))
    with pytest.raises(ModelError, match="at least 1"):
        normalised_mutual_information(np.zeros(0), np.zeros(0))
