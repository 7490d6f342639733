"""Non-negative Tucker factorisation."""

import numpy as np
import pytest

from neurodyn.errors import ModelError
from neurodyn.inference.factorise.tucker import tucker

RNG = np.random.default_rng(0)
FACTORS = tuple(RNG.gamma(0.5, size=(size, rank)) for size, rank in ((14, 2), (9, 3), (11, 2)))
CORE = RNG.gamma(0.5, size=(2, 3, 2))
TENSOR = np.einsum("rst,ar,bs,ct->abc", CORE, *FACTORS)


def test_a_planted_core_is_fitted_and_hidden_entries_are_predicted():
    mask = np.random.default_rng(1).random(TENSOR.shape) < 0.7
    found = tucker(TENSOR, (2, 3, 2), mask=mask, key=0, max_sweeps=3000, tolerance=1e-8)
    error = np.square(found.dense() - TENSOR)[~mask].sum() / np.square(TENSOR - TENSOR.mean())[~mask].sum()
    assert error < 0.02
    assert all(np.allclose(np.linalg.norm(factor, axis=0), 1) for factor in found.factors)
    assert min(found.core.min(), *(factor.min() for factor in found.factors)) >= 0


def test_every_sweep_lowers_the_error_and_masked_entries_do_not_matter():
    mask = np.random.default_rng(2).random(TENSOR.shape) < 0.6
    found = tucker(TENSOR, (2, 2, 2), mask=mask, key=0, max_sweeps=100, tolerance=0.0)
    assert (np.diff(found.objective) <= 1e-5 * found.objective[0]).all()
    assert found.objective[-1] == pytest.approx(0.5 * np.square(found.dense() - TENSOR)[mask].sum(), rel=1e-3)
    other = tucker(np.where(mask, TENSOR, 99.0), (2, 2, 2), mask=mask, key=0, max_sweeps=100, tolerance=0.0)
    np.testing.assert_array_equal(other.core, found.core)


@pytest.mark.parametrize(
    ("ranks", "words"), [((2, 2), "2 numbers"), ((2, 30, 2), "mode 1 is 30"), ((0, 1, 1), "mode 0 is 0")]
)
def test_ranks_that_do_not_fit_are_refused(ranks, words):
    with pytest.raises(ModelError, match=words):
        tucker(TENSOR, ranks, key=0)
