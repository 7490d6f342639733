"""Bad input is refused in one sentence, or gives a finite result that says so."""

import jax
import numpy as np
import pytest

from neurodyn.errors import ModelError
from neurodyn.inference.factorise.comparison import congruence
from neurodyn.inference.factorise.core_consistency import core_consistency
from neurodyn.inference.factorise.fitting import fit
from neurodyn.inference.factorise.penalties import Penalties
from neurodyn.simulate.tensors import planted_tensor

GOOD = np.random.default_rng(0).gamma(1.0, size=(4, 5, 6))
NEGATIVE = np.where(np.arange(120).reshape(4, 5, 6) == 7, -1.0, GOOD)
HOLE = np.where(np.arange(120).reshape(4, 5, 6) == 7, np.nan, GOOD)


@pytest.mark.parametrize(
    ("values", "rank", "more", "message"),
    [
        (NEGATIVE, 2, {}, "1 negative entries"),
        (HOLE, 2, {}, "1 observed entries that are NaN"),
        (GOOD, 7, {}, "rank is 7, larger than every mode"),
        (GOOD, 0, {}, "rank is 0"),
        (GOOD[0, 0], 1, {}, "2 modes or more"),
        (GOOD, 2, {"mask": np.ones((4, 5), bool)}, "mask has shape"),
        (GOOD, 2, {"mask": np.zeros(GOOD.shape, bool)}, "no entry of values is observed"),
        (GOOD, 2, {"loss": "absolute"}, "loss is 'absolute'"),
        (GOOD, 2, {"key": None}, "key is None"),
        (GOOD, 2, {"restarts": 0}, "restarts is 0"),
        (GOOD, 2, {"fixed": {3: np.ones((6, 2))}}, "fixed names mode 3"),
        (GOOD, 2, {"fixed": {1: np.ones((6, 2))}}, r"fixed\[1\] has shape"),
        (
            GOOD,
            2,
            {"fixed": {m: np.ones((s, 2)) for m, s in enumerate(GOOD.shape)}},
            "fixed names every mode",
        ),
        (GOOD, 2, {"start": [np.ones((4, 2))]}, "start has 1 factors"),
        (GOOD, 2, {"start": [-np.ones((s, 2)) for s in GOOD.shape]}, "negative or not finite"),
        (GOOD, 2, {"start": [np.ones((s, 2)) for s in GOOD.shape], "restarts": 2}, "restarts is more than 1"),
        (GOOD, 2, {"penalties": Penalties(sparsity={5: 1.0})}, "penalties name mode 5"),
        (GOOD, 2, {"penalties": Penalties(sparsity={0: 1.0})}, "scale of components would escape"),
    ],
)
def test_refused(values, rank, more, message):
    with pytest.raises(ModelError, match=message) as raised:
        fit(values, rank, **{"key": 0, **more})
    assert "\n" not in str(raised.value)


def test_refused_elsewhere():
    with pytest.raises(ModelError, match="ridge of mode 1"):
        Penalties(ridge={1: -1.0})
    with pytest.raises(ModelError, match="shapes"):
        congruence((np.ones((3, 1)), np.ones((4, 1))), (np.ones((3, 1)), np.ones((5, 1))))
    with pytest.raises(ModelError, match="factors have lengths"):
        core_consistency(GOOD, np.ones(1), (np.ones((4, 1)), np.ones((5, 1)), np.ones((5, 1))))
    for wrong, message in (
        ({"shape": (3,)}, "2 modes"),
        ({"rank": 0}, "rank is 0"),
        ({"missing": 1.0}, "missing"),
        ({"key": -1}, "key is -1"),
        ({"noise_shape": 0.0}, "noise_shape"),
    ):
        with pytest.raises(ModelError, match=message):
            planted_tensor(**{"shape": (3, 4), "rank": 2, "key": 0, **wrong})


@pytest.mark.parametrize("loss", ["squares", "poisson"])
def test_a_slice_never_observed_is_zero_and_named_and_changes_nothing_else(loss):
    with jax.enable_x64(True):
        mask = np.ones(GOOD.shape, bool)
        mask[2], mask[:, :, 4], mask[0, 1, 2] = False, False, False
        start = [np.random.default_rng(1).gamma(2.0, size=(size, 2)) for size in GOOD.shape]
        run = fit(GOOD, 2, mask=mask, start=start, loss=loss, max_sweeps=30)[0]
        rows, last = np.delete(np.arange(4), 2), np.delete(np.arange(6), 4)
        less = [start[0][rows], start[1], start[2][last]]
        part = np.ix_(rows, np.arange(5), last)
        without = fit(GOOD[part], 2, mask=mask[part], start=less, loss=loss, max_sweeps=30)[0]
    assert [some.tolist() for some in (~run.seen[0], ~run.seen[2])] == [
        [False, False, True, False],
        [False] * 4 + [True, False],
    ]
    assert (run.factors[0][2] == 0).all()
    assert (run.factors[2][4] == 0).all()
    np.testing.assert_allclose(run.dense()[part], without.dense(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("loss", ["squares", "poisson"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_tensor_of_zeros_has_zero_weights(loss, masked):
    mask = np.arange(120).reshape(4, 5, 6) % 3 > 0 if masked else None
    run = fit(np.zeros((4, 5, 6)), 2, mask=mask, key=0, loss=loss, max_sweeps=20)[0]
    np.testing.assert_array_equal(run.weights, 0.0)
    assert np.isfinite(run.objective).all()
    assert run.converged


def test_more_components_than_one_mode_has_entries_are_allowed():
    planted = planted_tensor((3, 14, 15), 4, key=0, noise_shape=None)
    run = fit(planted.values, 4, key=0, restarts=3, tolerance=1e-8)[0]
    np.testing.assert_allclose(run.dense(), planted.mean, atol=0.02 * planted.mean.max())


def test_planted_tensors_are_what_they_say():
    planted = planted_tensor((30, 40, 50), 3, key=0, missing=0.3)
    np.testing.assert_allclose(planted.mean, np.einsum("ir,jr,kr->ijk", *planted.factors))
    seen = np.isfinite(planted.values)
    ratio = (planted.values / planted.mean)[seen & (planted.mean > 0)]
    np.testing.assert_allclose([seen.mean(), ratio.mean(), ratio.var()], [0.7, 1.0, 0.25], atol=0.01)
    bare = planted_tensor((30, 40, 50), 3, key=0, noise_shape=None)
    np.testing.assert_array_equal(bare.values, planted.mean)
