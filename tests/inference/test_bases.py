"""Basis functions have the shapes their formulas say, and refuse what no fit could tell apart."""

import dataclasses
import json

import numpy as np
import pytest

from neurodyn.errors import ModelError
from neurodyn.inference import bases
from neurodyn.inference.bases import BSpline, Combined, Exponential, Lags, LearntKernel, RaisedCosine

ALL = (
    Lags(4),
    Exponential(),
    Exponential(12, (1.0, 4.0)),
    RaisedCosine(20),
    RaisedCosine(20, 7, spacing="linear"),
    RaisedCosine(50, 10, offset=0.5),
    BSpline(20),
    BSpline(12, 4, degree=0),
    LearntKernel(6, decay=2.0),
    Lags(2) + RaisedCosine(30),
)


def given(basis, **changes):
    """The basis as made with other hyperparameters, past the type checker that only tests run."""
    made = object.__new__(type(basis))
    for name, value in {**vars(basis), **changes}.items():
        object.__setattr__(made, name, value)
    made.__post_init__()
    return made


@pytest.mark.parametrize("basis", ALL, ids=repr)
def test_sizes_labels_and_sums_fit(basis):
    kernels = basis.kernels()
    assert kernels.shape == (basis.n_lags, basis.n_functions)
    assert kernels.dtype == np.float64
    assert len(set(basis.labels())) == basis.n_functions
    np.testing.assert_allclose(kernels.sum(axis=0), 1, rtol=1e-12)
    assert (kernels >= 0).all()
    assert np.linalg.matrix_rank(kernels) == basis.n_functions


@pytest.mark.parametrize("basis", ALL, ids=repr)
def test_equal_hyperparameters_make_equal_hashable_bases(basis):
    again = dataclasses.replace(basis)
    assert again == basis
    assert hash(again) == hash(basis)
    with pytest.raises(dataclasses.FrozenInstanceError):
        basis.n_lags = 3
    if not isinstance(basis, Combined):
        saved = json.loads(json.dumps(dataclasses.asdict(basis)))
        back = {name: tuple(v) if isinstance(v, list) else v for name, v in saved.items()}
        assert type(basis)(**back) == basis


def test_lags_are_the_identity():
    np.testing.assert_array_equal(Lags(7).kernels(), np.eye(7))
    assert Lags(2).labels() == ("lag 1", "lag 2")


def test_exponential_weighs_the_newest_bin_most():
    golden = [0.6364, 0.2341, 0.0861, 0.0317, 0.0117]
    np.testing.assert_allclose(Exponential().kernels()[:, 0], golden, atol=5e-5)
    np.testing.assert_array_equal(LearntKernel(5).kernels(), Exponential().kernels())
    slow = Exponential(8, (2.0, 5.0)).kernels()
    np.testing.assert_allclose(slow[1:] / slow[:-1], np.exp([[-1 / 2, -1 / 5]] * 7))


def test_numpy_numbers_and_lists_become_plain_ones():
    basis = given(Exponential(), n_lags=np.int64(6), decays=[np.float32(2.0), 3])
    assert basis == Exponential(6, (2.0, 3.0))
    assert [type(v) for v in (basis.n_lags, *basis.decays)] == [int, float, float]


def test_raised_cosine_follows_its_formula():
    basis = RaisedCosine(10, 4, offset=2.0)
    peaks = np.log(2) + np.arange(4) / 3 * (np.log(11) - np.log(2))
    raw = np.zeros((10, 4))
    for k in range(1, 11):
        for b in range(4):
            phase = (np.log(k + 1) - peaks[b]) * np.pi / 2 / (peaks[1] - peaks[0])
            raw[k - 1, b] = 0.5 * (1 + np.cos(phase)) if abs(phase) < np.pi else 0
    np.testing.assert_allclose(basis.kernels(), raw / raw.sum(axis=0), atol=1e-12)


@pytest.mark.parametrize("spacing", ["log", "linear"])
def test_raised_cosine_peaks_span_the_lags(spacing):
    basis = RaisedCosine(101, 6, spacing=spacing)
    found = basis.kernels().argmax(axis=0) + 1
    named = [float(label.rpartition(" ")[2]) for label in basis.labels()]
    assert (found[0], found[-1]) == (1, 101)
    assert np.abs(found - named).max() <= 0.5
    gaps = np.diff(named)
    assert (np.diff(gaps) > 0).all() if spacing == "log" else np.allclose(gaps, 20)


def test_linear_raised_cosine_bumps_are_local_and_cover_evenly():
    basis = RaisedCosine(101, 6, spacing="linear")
    kernels = basis.kernels()
    lags, peaks = np.arange(1, 102)[:, None], 1 + 20 * np.arange(6)
    assert (kernels[np.abs(lags - peaks) >= 40] < 1e-12).all()
    assert (kernels[np.abs(lags - peaks) < 40] > 0).all()
    raw = kernels / kernels.max(axis=0)
    np.testing.assert_allclose(raw.sum(axis=1)[20:81], 2)


def test_a_large_offset_makes_log_spacing_linear():
    linear = RaisedCosine(30, 5, spacing="linear").kernels()
    np.testing.assert_allclose(RaisedCosine(30, 5, offset=1e6).kernels(), linear, atol=1e-4)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("n_functions", [4, 9])
def test_splines_sum_to_one_at_every_lag_and_are_local(degree, n_functions):
    basis = BSpline(40, n_functions, degree=degree)
    raw = bases._splines(basis)
    np.testing.assert_allclose(raw.sum(axis=1), 1, rtol=1e-12)
    assert ((raw > 0).sum(axis=1) <= degree + 1).all()
    np.testing.assert_allclose(basis.kernels(), raw / raw.sum(axis=0))
    assert raw[0, 0] == raw[-1, -1] == 1


def test_splines_reproduce_polynomials_of_their_degree():
    lags = np.arange(1, 31.0)
    for degree in (1, 2, 3):
        kernels = BSpline(30, 7, degree=degree).kernels()
        target = (lags / 30) ** degree
        weights = np.linalg.lstsq(kernels, target)[0]
        np.testing.assert_allclose(kernels @ weights, target, atol=1e-10)


def test_a_sum_has_the_functions_of_both_and_zeros_beyond_the_shorter():
    both = Lags(2) + Exponential(5, (3.0,))
    assert both == Combined(parts=(Lags(2), Exponential(5, (3.0,))))
    kernels = both.kernels()
    np.testing.assert_array_equal(kernels[:2, :2], np.eye(2))
    np.testing.assert_array_equal(kernels[2:, :2], 0)
    np.testing.assert_array_equal(kernels[:, 2:], Exponential(5, (3.0,)).kernels())
    assert both.labels() == ("lag 1", "lag 2", "decay 3")


def test_nested_sums_are_flat():
    one, two, three = Lags(1), Exponential(6), RaisedCosine(20, 4)
    flat = Combined(parts=(one, two, three))
    assert (one + two) + three == flat
    assert one + (two + three) == flat
    assert hash((one + two) + three) == hash(flat)


def test_only_the_learnt_kernel_is_learnt():
    assert LearntKernel(3).learnt
    assert not any(basis.learnt for basis in ALL if not isinstance(basis, LearntKernel))
    with pytest.raises(ModelError, match=r"parts holds LearntKernel\(n_lags=3"):
        LearntKernel(3) + Lags(1)


@pytest.mark.parametrize(
    "basis", [Lags(9), Exponential(), RaisedCosine(9), BSpline(9), LearntKernel(9)], ids=repr
)
@pytest.mark.parametrize("n_lags", [0, -2, 2.0, True, "5", None, np.nan])
def test_n_lags_must_be_a_whole_number(basis, n_lags):
    with pytest.raises(ModelError, match=rf"{type(basis).__name__}: n_lags is .*whole number"):
        given(basis, n_lags=n_lags)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Exponential(5, ()), "decays"),
        (lambda: given(Exponential(5), decays=1.0), "decays"),
        (lambda: Exponential(5, (1.0, 0.0)), "decays holds 0.0"),
        (lambda: Exponential(5, (np.inf,)), "decays holds inf"),
        (lambda: given(Exponential(5), decays=("1",)), "decays holds '1'"),
        (lambda: Exponential(5, (2.0, 2.0)), "only 1 of them.*differ more"),
        (lambda: Exponential(1, (1.0, 2.0)), "n_lags = 1 only 1"),
        (lambda: LearntKernel(5, decay=-1.0), "decay holds -1.0"),
        (lambda: RaisedCosine(20, 1), "n_functions is 1"),
        (lambda: RaisedCosine(20, 5, spacing="cubic"), "spacing is 'cubic'.*'linear'"),
        (lambda: given(RaisedCosine(20), spacing=["log"]), "spacing is"),
        (lambda: RaisedCosine(20, 5, offset=0.0), "offset holds 0.0"),
        (lambda: RaisedCosine(20, 5, offset=np.nan), "offset holds nan"),
        (lambda: RaisedCosine(20, 5, offset=1e300), "another offset"),
        (lambda: RaisedCosine(4, 5), "n_lags = 4 only 4.*fewer functions"),
        (lambda: RaisedCosine(100, 20), "only 19 of them.*fewer functions"),
        (lambda: RaisedCosine(20, 12, offset=1e-3), "fewer functions"),
        (lambda: BSpline(20, 3), "n_functions is 3.*4 or more"),
        (lambda: BSpline(20, 5, degree=-1), "degree is -1"),
        (lambda: given(BSpline(20), degree=1.5), "degree is 1.5"),
        (lambda: BSpline(5, 6), "n_lags = 5 only 5.*larger n_lags"),
        (lambda: Combined(parts=()), "parts is ()"),
        (lambda: given(Lags(1) + Exponential(), parts=(Lags(1), "Lags")), "parts holds 'Lags'"),
        (lambda: Lags(5) + Exponential(5), "drop one of the parts"),
    ],
)
def test_hyperparameters_out_of_range_are_refused(make, words):
    with pytest.raises(ModelError, match=words):
        make()


def test_only_bases_can_be_added():
    with pytest.raises(Exception, match="unsupported|Type-check"):
        Lags(2) + 1
