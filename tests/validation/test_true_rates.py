"""Bits per spike against its benchmark's definition, by unit, and rates against true rates."""

import numpy as np
import pytest
import xarray as xr
from scipy.special import gammaln

from neurodyn.errors import ModelError
from neurodyn.recording import make
from neurodyn.simulate.lorenz import lorenz_population
from neurodyn.validation import metrics


def recorded(counts):
    return make(np.asarray(counts, dtype=float), sampling_interval=0.02, kind="count")


def loss(rates, counts):
    """Poisson loss in nats, where a rate of exactly 0 is taken for 1e-9 and NaN counts are left out."""
    known = ~np.isnan(counts)
    rate, count = rates[known].copy(), counts[known]
    rate[rate == 0] = 1e-9
    return np.sum(rate - count * np.log(rate) + gammaln(count + 1))


def by_definition(rates, counts):
    """Bits per spike as the benchmark defines it; the null is every neuron's mean over what is evaluated."""
    null = np.broadcast_to(np.nanmean(counts, axis=(0, 1)), counts.shape)
    return (loss(null, counts) - loss(rates, counts)) / np.nansum(counts) / np.log(2)


@pytest.mark.parametrize(
    ("rates", "counts", "bits"),
    [
        # One spike where it was expected, none where it was not: one of two bins was known to hold it.
        ([[0.0], [2.0]], [[0.0], [2.0]], 1.0),
        # A rate of zero where a spike fell costs log2(1e9) bits a spike less the null's.
        ([[2.0], [0.0]], [[0.0], [1.0]], (np.log(1e-9) - 2.0 - (np.log(0.5) - 1.0)) / np.log(2)),
        # Twice the right constant rate: 2 x ln 2 - (4 - 2) nats for 2 spikes.
        ([[2.0], [2.0]], [[1.0], [1.0]], (2 * np.log(2) - 2) / (2 * np.log(2))),
        # The entry that was not observed counts nowhere, not even in the null.
        ([[0.5], [1.5], [7.0]], [[0.0], [2.0], [np.nan]], np.log2(1.5)),
        # Pooled: 3 spikes of one neuron predicted perfectly, 1 of another by its mean.
        ([[3.0, 0.5], [0.0, 0.5]], [[3.0, 1.0], [0.0, 0.0]], 3 / 4),
    ],
)
def test_hand_worked_cases(rates, counts, bits):
    found = metrics.bits_per_spike(np.array(rates), recorded(counts))
    assert found == pytest.approx(bits, abs=1e-8)
    assert by_definition(np.array(rates)[None], np.array(counts)[None]) == pytest.approx(bits, abs=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_the_definition_on_random_counts_with_holes_silent_neurons_and_rates_of_zero(seed):
    draw = np.random.default_rng(seed)
    counts = draw.poisson(0.2 + draw.gamma(1.0, 0.3, size=5), size=(6, 11, 5)).astype(float)
    counts[draw.random(counts.shape) < 0.2] = np.nan
    counts[..., 4] *= 0
    rates = draw.gamma(1.0, 0.5, size=counts.shape)
    rates[draw.random(counts.shape) < 0.1] = 0.0
    target = recorded(counts)
    assert metrics.bits_per_spike(rates, target) == pytest.approx(by_definition(rates, counts), abs=1e-7)
    units = metrics.bits_per_spike(rates, target, per="unit").values
    for unit in range(4):
        only = slice(unit, unit + 1)
        assert units[unit] == pytest.approx(by_definition(rates[..., only], counts[..., only]), abs=1e-7)
    assert np.isnan(units[4])


def test_nothing_is_written_into_the_callers_arrays():
    counts = np.array([[[0.0, 1.0], [2.0, np.nan]]])
    rates = np.array([[[0.0, 0.0], [0.0, 1.0]]])
    labelled = xr.DataArray(rates, dims=("trial", "time", "unit"), coords={"unit": [0, 1]})
    target = recorded(counts)
    before, kept = rates.copy(), target.copy(deep=True)
    metrics.bits_per_spike(rates, target)
    metrics.bits_per_spike(labelled, target, per="unit")
    metrics.bits_per_spike_by_unit(labelled, target, null="train", train=target)
    np.testing.assert_array_equal(rates, before)
    np.testing.assert_array_equal(labelled.values, before)
    assert target.identical(kept)


def test_units_weighed_by_their_spikes_give_the_pooled_value():
    draw = np.random.default_rng(0)
    counts = draw.poisson([0.1, 1.0, 5.0, 0.0, 2.0], size=(8, 20, 5)).astype(float)
    counts[:, :, 2] = np.nan
    rates = draw.gamma(4.0, 0.25, size=counts.shape) * 0.8
    table = metrics.bits_per_spike_by_unit(rates, recorded(counts))
    assert table["unit"].values.tolist() == [0, 1, 3, 4]
    np.testing.assert_array_equal(table["spikes"], np.nansum(counts, axis=(0, 1))[[0, 1, 3, 4]])
    assert float(table["spike_share"].sum()) == pytest.approx(1)
    fired = table.isel(unit=[0, 1, 3])
    np.testing.assert_allclose(
        fired["bits_per_spike"], metrics.bits_per_spike(rates, recorded(counts), per="unit")[[0, 1, 4]]
    )
    assert np.isnan(table["bits_per_spike"].sel(unit=3))
    assert float(table["median"]) == pytest.approx(float(np.median(fired["bits_per_spike"])))
    # The silent unit costs its expected counts, which is in no unit's own value.
    cost = rates[:, :, 3].sum() / np.nansum(counts) / np.log(2)
    weighed = float((fired["bits_per_spike"] * fired["spike_share"]).sum()) - cost
    assert float(table["pooled"]) == pytest.approx(weighed)
    assert float(table["pooled"]) == pytest.approx(metrics.bits_per_spike(rates, recorded(counts)))


def test_the_training_null_is_passed_on():
    target, train = recorded([[1.0], [3.0]]), recorded([[4.0], [4.0]])
    table = metrics.bits_per_spike_by_unit(np.full((2, 1), 4.0), target, null="train", train=train)
    assert float(table["pooled"]) == float(table["bits_per_spike"][0]) == 0.0
    with pytest.raises(ModelError, match="pass train="):
        metrics.bits_per_spike_by_unit(np.full((2, 1), 4.0), target, null="train")


@pytest.fixture(scope="module")
def lorenz():
    return lorenz_population(key=1, n_conditions=6, n_trials=3, n_units=5, n_bins=20)


def test_rate_r2_is_the_textbook_formula_on_the_scored_entries(lorenz):
    draw = np.random.default_rng(0)
    rates = lorenz["rates"].values
    predicted = rates * np.exp(0.3 * draw.normal(size=rates.shape))
    hidden = draw.random(rates.shape) < 0.4
    target = lorenz.assign(activity=lorenz["activity"].where(~hidden))
    true, guess = np.where(hidden, np.nan, rates), np.where(hidden, np.nan, predicted)
    error = np.nansum((true - guess) ** 2, axis=(0, 1))
    spread = np.nansum((true - np.nanmean(true, axis=(0, 1))) ** 2, axis=(0, 1))
    assert metrics.rate_r2(predicted, target) == pytest.approx(1 - error.sum() / spread.sum(), rel=1e-9)
    np.testing.assert_allclose(metrics.rate_r2(predicted, target, per="unit"), 1 - error / spread, rtol=1e-9)
    wild = np.where(hidden, 1e6, predicted)
    assert metrics.rate_r2(wild, target) == metrics.rate_r2(predicted, target)
    assert metrics.rate_r2(predicted, target, truth=rates) == metrics.rate_r2(predicted, target)


def test_rate_r2_of_the_truth_is_one_and_that_of_the_counts_is_not(lorenz):
    assert metrics.rate_r2(lorenz["rates"], lorenz) == 1.0
    assert metrics.rate_r2(lorenz["activity"], lorenz) < 0
    shuffled = lorenz["rates"].isel(unit=[3, 0, 4, 1, 2])
    assert metrics.rate_r2(shuffled.assign_coords(unit=[3, 0, 4, 1, 2]), lorenz) == 1.0


def test_rate_r2_says_what_is_missing(lorenz):
    for options, words in (
        ({"truth": "speed"}, "no variable 'speed'"),
        ({"truth": None}, "truth has the shape None"),
        ({"per": "trial"}, "per is 'trial'"),
        ({"truth": np.full(lorenz["rates"].shape, np.nan)}, "not finite where it is scored"),
        ({"truth": np.ones((2, 3, 4))}, r"truth has the shape \(2, 3, 4\)"),
    ):
        with pytest.raises(ModelError, match=words):
            metrics.rate_r2(lorenz["rates"], lorenz, **options)
    with pytest.raises(ModelError, match="no entry of the target is observed"):
        metrics.rate_r2(lorenz["rates"], lorenz.assign(activity=lorenz["activity"] * np.nan))
