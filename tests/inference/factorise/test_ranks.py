"""Ranks beside each other: the planted one is found, and what is held out has no part in the fits."""

import numpy as np
import pytest

from neurodyn.errors import ModelError
from neurodyn.inference.factorise.comparison import congruence
from neurodyn.inference.factorise.ranks import deviances, survey_ranks
from neurodyn.simulate.tensors import planted_tensor

SHAPE = (14, 15, 16)


def test_the_planted_rank_is_found_and_more_components_agree_less():
    planted = planted_tensor(SHAPE, 2, key=0, missing=0.2)
    mask = np.isfinite(planted.values)
    survey = survey_ranks(planted.values, (1, 2, 3), mask=mask, key=0, restarts=3, loss="poisson")
    one, two, three = survey.ranks
    assert survey.recommended == 2
    assert congruence(planted.factors, two.best.factors).components.min() > 0.97
    assert two.held_out > one.held_out + 0.05
    assert one.behind > 3 * one.standard_error > 0
    assert two.similarity > 0.99 > three.similarity
    assert two.core_consistency > 90 > three.core_consistency
    for found in survey.ranks:
        assert len(found.objective) == 3
        assert (np.diff(found.objective) >= 0).all()
        np.testing.assert_allclose(found.best.objective[-1], found.objective[0])


def test_held_out_entries_are_scored_and_never_fitted():
    planted = planted_tensor(SHAPE, 2, key=1)
    mask = np.random.default_rng(0).random(SHAPE) > 0.1
    held_out = np.random.default_rng(1).random(SHAPE) < 0.2
    # No other entry of this row is observed, so that its factor means nothing there.
    held_out[3], mask[3] = False, False
    held_out[3, 4, 5], mask[3, 4, 5] = True, True
    settings = {"mask": mask, "key": 0, "restarts": 1, "held_out": held_out, "max_sweeps": 20}
    first = survey_ranks(planted.values, (2,), **settings).ranks[0]
    altered = np.where(held_out & mask, 7.0, planted.values)
    second = survey_ranks(altered, (2,), **settings).ranks[0]
    for one, other in zip(first.best.factors, second.best.factors, strict=True):
        np.testing.assert_array_equal(one, other)
    scored = held_out & mask
    scored[3] = False
    fitted = planted.values[mask & ~held_out].mean()
    data, model = planted.values[scored], first.best.dense()[scored]
    expected = 1 - np.square(data - model).sum() / np.square(data - fitted).sum()
    np.testing.assert_allclose(first.held_out, expected, rtol=1e-4)
    assert second.held_out != first.held_out
    assert np.isnan(first.similarity)


def test_deviances_are_those_of_the_losses():
    values, model = np.array([0.0, 1.0, 3.0]), np.array([2.0, 1.0, 1.5])
    np.testing.assert_allclose(deviances(values, model, "squares"), [4.0, 0.0, 2.25])
    np.testing.assert_allclose(deviances(values, model, "poisson"), [4.0, 0.0, 2 * (3 * np.log(2) - 1.5)])
    assert np.isfinite(deviances(np.array([1.0]), np.array([0.0]), "poisson")).all()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"ranks": ()}, "give one number of components"),
        ({"ranks": (2, 2)}, "each once"),
        ({"held_out_fraction": 1.0}, "share between 0 and 1"),
        ({"held_out": np.ones((2, 2), bool)}, "held_out has shape"),
        ({"held_out": np.zeros(SHAPE, bool)}, "0 of 3360 observed entries are held out"),
        ({"held_out": np.arange(14)[:, None, None] < 14 * np.ones(SHAPE)}, "leave some to fit"),
        ({"held_out": (np.arange(14) == 2)[:, None, None] & np.ones(SHAPE, bool)}, "hold out others"),
        ({"key": None}, "key is None"),
    ],
)
def test_surveys_that_cannot_be_are_refused(more, message):
    with pytest.raises(ModelError, match=message):
        survey_ranks(np.ones(SHAPE), **{"ranks": (1,), "key": 0, **more})
