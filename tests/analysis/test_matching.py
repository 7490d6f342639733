"""Matching recovers a known permutation; alignment knows chance."""

import numpy as np
import pytest
import xarray as xr

from neurodyn import analysis
from neurodyn.errors import ModelError


def test_matching_recovers_a_permutation_of_responsibilities() -> None:
    generator = np.random.default_rng(0)
    p = xr.DataArray(generator.dirichlet(0.2 * np.ones(5), (2, 100)), dims=("trial", "time", "state"))
    order = generator.permutation(5)
    matched = analysis.match_states(p, p.isel(state=order))
    np.testing.assert_array_equal(order[matched["match"]], np.arange(5))
    np.testing.assert_allclose(matched["similarity"], 1.0)


@pytest.mark.parametrize("n_features", [1, 2, 12])
def test_matching_recovers_a_permutation_of_noisy_parameters(n_features: int) -> None:
    generator = np.random.default_rng(4)
    means = np.arange(6.0)[:, None] + generator.normal(size=(6, n_features)) * 0.1
    order = generator.permutation(6)
    noisy = means[order] + 0.05 * generator.normal(size=means.shape)
    matched = analysis.match_states(
        xr.DataArray(means, dims=("state", "unit")), xr.DataArray(noisy, dims=("state", "unit"))
    )
    np.testing.assert_array_equal(order[matched["match"]], np.arange(6))
    assert (matched["similarity"] > 0.5).all()


def test_a_state_without_partner_is_marked() -> None:
    a = xr.DataArray(np.eye(3), dims=("state", "unit"))
    matched = analysis.match_states(a, a[:2])
    assert matched["match"].values.tolist() == [0, 1, -1]
    assert np.isnan(matched["similarity"][2])


def test_agreement_ignores_names_and_missing_bins() -> None:
    one = xr.DataArray([0, 0, 1, 1, 2, -1], dims="time")
    two = xr.DataArray([2, 2, 0, 0, 0, 1], dims="time")
    assert analysis.sequence_agreement(one, two) == pytest.approx(4 / 5)
    assert analysis.sequence_agreement(two, one) == pytest.approx(4 / 5)


def test_mutual_information_equals_scikit_learns() -> None:
    from sklearn.metrics import normalized_mutual_info_score

    generator = np.random.default_rng(2)
    a = generator.integers(0, 4, 300)
    b = np.where(generator.random(300) < 0.5, a, generator.integers(0, 3, 300))
    ours = analysis.normalised_mutual_information(xr.DataArray(a, dims="time"), xr.DataArray(b, dims="time"))
    assert ours == pytest.approx(normalized_mutual_info_score(a, b), abs=1e-12)


def test_mutual_information_with_a_constant_is_zero() -> None:
    a = xr.DataArray([0, 1, 0, 1], dims="time")
    assert analysis.normalised_mutual_information(a, xr.zeros_like(a)) == 0.0


def test_aligned_states_beat_their_null_and_unrelated_slow_ones_do_not() -> None:
    generator = np.random.default_rng(5)
    labels = np.repeat(generator.integers(0, 3, 60), 10)
    noisy = np.where(generator.random(600) < 0.3, generator.integers(0, 3, 600), labels)
    names = xr.DataArray(np.array(["rest", "left", "right"])[labels], dims="time")
    found = analysis.alignment_to_labels(xr.DataArray(noisy, dims="time"), names, key=0, n_shifts=200)
    assert found["p_value"] == pytest.approx(1 / 201)
    assert found["nmi"] > found["null_95"]
    unrelated = xr.DataArray(np.repeat(generator.integers(0, 3, 60), 10), dims="time")
    assert analysis.alignment_to_labels(unrelated, names, key=0, n_shifts=200)["p_value"] > 0.05


def test_the_null_holds_each_shift_once_and_depends_on_the_key_only() -> None:
    a = xr.DataArray(np.tile([0, 0, 1], 20), dims="time")
    one = analysis.alignment_to_labels(a, a, key=3, n_shifts=1000, minimum_shift=5)
    assert sorted(one["shift"].values.tolist()) == list(range(5, 56))
    xr.testing.assert_identical(
        one, analysis.alignment_to_labels(a, a, key=3, n_shifts=1000, minimum_shift=5)
    )


def test_unlabelled_bins_are_left_out() -> None:
    states = xr.DataArray([0, 0, 1, 1, 0], dims="time")
    labels = xr.DataArray(np.array(["a", "a", "b", "b", ""]), dims="time")
    assert analysis.normalised_mutual_information(states, labels) == pytest.approx(1.0)
    nothing = xr.DataArray(np.array([""] * 5), dims="time")
    with pytest.raises(ModelError, match="no known bin"):
        analysis.normalised_mutual_information(states, nothing)


def test_too_short_and_unlike_sequences_are_refused() -> None:
    one, two = xr.DataArray([0, 1], dims="time"), xr.DataArray([0, 1, 1], dims="time")
    with pytest.raises(ModelError, match="same bins"):
        analysis.alignment_to_labels(one, two, key=0)
    with pytest.raises(ModelError, match="cannot be shifted"):
        analysis.alignment_to_labels(one, one, key=0, minimum_shift=2)
    with pytest.raises(ModelError, match="fractions"):
        analysis.normalised_mutual_information(one, xr.DataArray([0.5, 1.0], dims="time"))
