"""Averages by condition: worked by hand, true rates at the ceiling, and nothing learnt from what is not scored."""

import numpy as np
import pytest
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.recording import make
from neurodyn.simulate.lorenz import lorenz_population
from neurodyn.validation import psth_match


@pytest.fixture(scope="module")
def lorenz():
    return lorenz_population(key=0, n_conditions=30, n_trials=12, n_units=6, n_bins=25)


def recorded(counts, condition, **options):
    return make(
        np.asarray(counts, dtype=float),
        sampling_interval=0.1,
        kind="count",
        trial_coords={"condition": condition},
        **options,
    )


def test_two_conditions_by_hand():
    # Averages 1, 3 of the first condition and 2, 4 of the second; predicted 2, 2 and 2, 5; their mean is 2.5.
    counts = [[[0], [3]], [[2], [3]], [[2], [3]], [[2], [5]]]
    predicted = [[[2], [2]], [[2], [2]], [[1], [5]], [[3], [5]]]
    found = psth_match(np.array(predicted, dtype=float), recorded(counts, ["a", "a", "b", "b"]), key=0)
    np.testing.assert_array_equal(found["observed"].squeeze("unit"), [[1, 3], [2, 4]])
    np.testing.assert_array_equal(found["predicted"].squeeze("unit"), [[2, 2], [2, 5]])
    # Squared standard errors: (1 + 1) / 1 / 2 = 1 where counts differ by 2, else 0.
    np.testing.assert_array_equal(found["noise"].squeeze("unit"), [[1, 0], [0, 1]])
    spread, error, noise = 5.0, 3.0, 2.0
    assert float(found["r2"]) == pytest.approx(1 - error / spread)
    assert float(found["ceiling"]) == pytest.approx(1 - noise / spread)
    assert float(found["corrected_r2"]) == pytest.approx(1 - (error - noise) / (spread - noise))
    # The other condition's average is wrong by 1 everywhere.
    assert float(found["floor"]) == pytest.approx(1 - 4 / spread)
    assert found["condition"].values.tolist() == ["a", "b"]
    assert found["n_trials"].values.tolist() == [2, 2]
    assert float(found["unit_r2"][0]) == float(found["r2"])


def test_true_rates_reach_the_ceiling_and_are_perfect_once_corrected(lorenz):
    found = psth_match(lorenz["rates"], lorenz, key=0)
    assert float(found["r2"]) == pytest.approx(float(found["ceiling"]), abs=0.02)
    assert float(found["ceiling"]) < 0.95
    assert float(found["corrected_r2"]) == pytest.approx(1.0, abs=0.03)
    assert float(found["floor"]) < 0.2
    assert 0 < float(found["r2_standard_error"]) < 0.1
    assert found["r2_lower"] < found["r2"] < found["r2_upper"]


@pytest.mark.parametrize("smoothing", [0.02, 0.05])
def test_smoothing_both_sides_keeps_true_rates_perfect_and_lowers_the_noise(lorenz, smoothing):
    raw, smooth = (psth_match(lorenz["rates"], lorenz, smoothing=width, key=0) for width in (0.0, smoothing))
    assert float(smooth["ceiling"]) > float(raw["ceiling"]) + 0.05
    assert float(smooth["corrected_r2"]) == pytest.approx(1.0, abs=0.03)
    assert float(smooth["noise"].sum()) < 0.6 * float(raw["noise"].sum())


def test_smoothing_is_a_gaussian_average_of_what_was_observed():
    draw = np.random.default_rng(0)
    counts = draw.poisson(2.0, size=(2, 9, 1)).astype(float)
    counts[0, 3] = np.nan
    rates = draw.gamma(2.0, 1.0, size=counts.shape)
    found = psth_match(rates, recorded(counts, [1, 1]), smoothing=0.15, key=0)
    kernel = np.exp(-0.5 * ((np.arange(9)[:, None] - np.arange(9)) / 1.5) ** 2)
    smooth = {}
    for name, values in (("observed", counts), ("predicted", rates)):
        seen = np.isfinite(counts[..., 0])
        rows = [
            (kernel[:, ok] @ row[ok]) / kernel[:, ok].sum(1)
            for row, ok in zip(values[..., 0], seen, strict=True)
        ]
        smooth[name] = np.where(seen.all(0), np.mean(rows, axis=0), np.nan)
        np.testing.assert_allclose(found[name].values[0, :, 0], smooth[name], rtol=1e-3)
    assert np.isnan(found["observed"].values[0, 3, 0])


def test_what_is_not_scored_changes_nothing(lorenz):
    draw = np.random.default_rng(1)
    hidden = np.zeros(lorenz["activity"].shape, bool)
    hidden[draw.random(len(hidden)) < 0.4] = True
    hidden[:, :, 2] = True
    hidden[3::7, 5:9] = True
    target = lorenz.assign(activity=lorenz["activity"].where(~hidden))
    wild = lorenz["rates"].where(~hidden, 1e6)
    first, second = (psth_match(rates, target, key=0, n_bootstrap=20) for rates in (lorenz["rates"], wild))
    assert first.identical(second)
    assert np.isnan(first["unit_r2"][2])
    assert np.isfinite(float(first["r2"]))


def test_the_order_of_trials_does_not_matter(lorenz):
    order = np.random.default_rng(2).permutation(lorenz.sizes["trial"])
    shuffled = lorenz.isel(trial=order)
    first = psth_match(lorenz["rates"], lorenz, key=0)
    second = psth_match(shuffled["rates"], shuffled, key=0)
    assert float(first["r2"]) == pytest.approx(float(second["r2"]))
    assert float(first["floor"]) == pytest.approx(float(second["floor"]))


def test_conditions_of_one_trial_and_trials_without_a_condition_are_left_out(lorenz):
    label = lorenz["condition"].values.astype(float)
    label[label == 4] = np.nan
    label[np.flatnonzero(label == 7)[1:]] = np.nan
    found = psth_match(
        lorenz["rates"], lorenz.assign_coords(condition=("trial", label)), key=0, n_bootstrap=10
    )
    assert found["condition"].values.tolist() == [c for c in range(30) if c not in (4, 7)]
    without = lorenz.isel(trial=~np.isin(lorenz["condition"], [4, 7]))
    assert float(found["r2"]) == pytest.approx(float(psth_match(without["rates"], without, key=0)["r2"]))


def test_bins_of_one_condition_alone_are_held_against_the_mean_of_the_others():
    counts = np.array([[[0], [3]], [[2], [5]], [[2], [np.nan]], [[2], [np.nan]]])
    found = psth_match(np.ones(counts.shape), recorded(counts, ["a", "a", "b", "b"]), key=0)
    # Averages 1, 4 and 2: errors 1 against the other condition's 2, 2 against its mean of 2, and 1 against 1.
    spread = 1 + 16 + 4 - 49 / 3
    assert float(found["floor"]) == pytest.approx(1 - (1 + 4 + 1) / spread)


def test_one_condition_has_neither_floor_nor_interval(lorenz):
    one = lorenz.isel(trial=slice(0, 12))
    found = psth_match(one["rates"], one, key=0)
    assert np.isfinite(float(found["r2"]))
    assert np.isnan([float(found[name]) for name in ("floor", "r2_standard_error", "r2_lower")]).all()


def test_the_standard_error_is_that_of_other_conditions():
    made = lorenz_population(key=0, n_conditions=300, n_trials=5, n_units=5, n_bins=20)
    mixed = 0.5 * made["rates"] + 0.5 * made["rates"].mean("trial")
    values, errors = [], []
    for part in range(15):
        which = np.flatnonzero(made["condition"] % 15 == part)
        found = psth_match(mixed.isel(trial=which), made.isel(trial=which), key=0, n_bootstrap=200)
        values.append(float(found["r2"]))
        errors.append(float(found["r2_standard_error"]))
    assert 0.6 < np.mean(errors) / np.std(values, ddof=1) < 1.7


def test_bad_input_is_named(lorenz):
    one = lorenz.isel(trial=0, drop=True).drop_vars(["latent", "loadings"])
    with pytest.raises(NotApplicable, match="has none; cut it into trials"):
        psth_match(one["rates"], one, key=0)
    with pytest.raises(NotApplicable, match="needs the coordinate 'cue'"):
        psth_match(lorenz["rates"], lorenz, by="cue", key=0)
    with pytest.raises(NotApplicable, match="on trial, it lies on time"):
        psth_match(lorenz["rates"], lorenz.assign_coords(cue=("time", np.arange(25))), by="cue", key=0)
    for options, words in (
        ({"smoothing": -1}, "smoothing is -1"),
        ({"smoothing": "wide"}, "smoothing is 'wide'"),
        ({"level": 1.5}, "level is 1.5"),
        ({"n_bootstrap": 0}, "n_bootstrap is 0"),
        ({"by": "repeat", "target": lorenz.isel(trial=slice(0, 12))}, "no repeat has 2 scored trials"),
    ):
        target = options.pop("target", lorenz)
        with pytest.raises(ModelError, match=words):
            psth_match(target["rates"], target, key=0, **options)
    with pytest.raises(ModelError, match="mean is None"):
        psth_match(None, lorenz, key=0)
    with pytest.raises(ModelError, match="has shape"):
        psth_match(xr.DataArray(np.ones((2, 25, 6)), dims=("trial", "time", "unit")), lorenz, key=0)
