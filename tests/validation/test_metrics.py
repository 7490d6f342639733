"""Metrics against values known by hand or by analysis."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy.special import gammaln

from neurodyn.errors import ModelError
from neurodyn.recording import make
from neurodyn.validation import metrics
from neurodyn.validation.metrics.base import Metric

COUNTS = np.array([[0.0, 1.0], [2.0, 3.0]])
RATES = np.array([[0.5, 2.0], [1.5, 2.0]])


def counts(values=COUNTS):
    return make(np.asarray(values), sampling_interval=0.1, kind="count")


def test_bits_per_spike_by_hand_with_the_evaluated_null():
    model = 2 * np.log(1.5) - 2.0 + 4 * np.log(2.0) - 4.0
    null = 2 * np.log(1.0) - 2.0 + 4 * np.log(2.0) - 4.0
    expected = (model - null) / (6 * np.log(2))
    assert metrics.bits_per_spike(RATES, counts()) == pytest.approx(expected)
    per_unit = metrics.bits_per_spike(RATES, counts(), per="unit")
    np.testing.assert_allclose(per_unit, [2 * np.log(1.5) / (2 * np.log(2)), 0.0], atol=1e-12)


def test_bits_per_spike_by_hand_with_the_training_null():
    train = counts([[1.0, 4.0], [3.0, 4.0], [2.0, 4.0]])
    model = 2 * np.log(1.5) - 2.0 + 4 * np.log(2.0) - 4.0
    null = 2 * np.log(2.0) - 4.0 + 4 * np.log(4.0) - 8.0
    expected = (model - null) / (6 * np.log(2))
    assert metrics.bits_per_spike(RATES, counts(), null="train", train=train) == pytest.approx(expected)


def test_bits_per_spike_of_the_definition_on_ragged_data():
    draw = np.random.default_rng(0)
    trials = [draw.poisson(2.0, size=(length, 3)).astype(float) for length in (20, 13, 17)]
    target = make(trials, sampling_interval=0.02, kind="count")
    rates = draw.gamma(2.0, 1.0, size=target["activity"].shape)
    x = target["activity"].values.astype(float)
    null = np.broadcast_to(np.nanmean(x, axis=(0, 1)), x.shape)

    def poisson(rate):
        return np.nansum(x * np.log(rate) - rate - gammaln(x + 1) + 0 * x)

    expected = (poisson(rates) - poisson(null)) / np.nansum(x) / np.log(2)
    assert metrics.bits_per_spike(rates, target) == pytest.approx(expected)


def test_predicted_rates_of_zero_are_floored_not_infinite():
    found = metrics.bits_per_spike(np.zeros((2, 2)), counts())
    null = 6 * 0 + 4 * np.log(2.0) - 6.0
    assert found == pytest.approx((6 * np.log(1e-9) - null) / (6 * np.log(2)), rel=1e-6)


def test_a_silent_unit_has_no_value_of_its_own_and_costs_its_predicted_rate():
    target = counts([[0.0, 1.0], [0.0, 3.0]])
    rates = np.array([[0.2, 2.0], [0.3, 2.0]])
    per_unit = metrics.bits_per_spike(rates, target, per="unit")
    assert np.isnan(per_unit[0])
    assert metrics.bits_per_spike(rates, target) == pytest.approx(-0.5 / (4 * np.log(2)))


def test_r2_of_the_signal_in_known_noise_is_the_share_of_signal_variance():
    draw = np.random.default_rng(1)
    signal = draw.normal(size=(200_000, 2)) * [2.0, 1.0]
    target = make(signal + draw.normal(size=signal.shape), sampling_interval=1.0)
    per_unit = metrics.r2(signal, target, per="unit")
    np.testing.assert_allclose(per_unit, [0.8, 0.5], atol=0.01)
    assert metrics.r2(signal, target) == pytest.approx(1 - 2.0 / 7.0, abs=0.01)
    r = metrics.pearson_r(signal, target, per="unit")
    np.testing.assert_allclose(r, np.sqrt([0.8, 0.5]), atol=0.01)


def test_r2_equals_the_textbook_formula_on_badly_scaled_data_with_holes():
    draw = np.random.default_rng(2)
    values = 1e4 + draw.normal(size=(300, 4))
    predicted = values + 0.5 * draw.normal(size=values.shape)
    values[draw.random(values.shape) < 0.3] = np.nan
    target = make(values, sampling_interval=1.0)
    values = target["activity"].values.astype(float)
    error = np.nansum((values - predicted) ** 2, axis=0)
    spread = np.nansum((values - np.nanmean(values, axis=0)) ** 2, axis=0)
    np.testing.assert_allclose(metrics.r2(predicted, target, per="unit"), 1 - error / spread, rtol=1e-7)
    assert metrics.r2(predicted, target) == pytest.approx(1 - error.sum() / spread.sum(), rel=1e-7)
    correlation = [
        np.corrcoef(values[seen, k], predicted[seen, k])[0, 1] for k, seen in enumerate(np.isfinite(values).T)
    ]
    np.testing.assert_allclose(metrics.pearson_r(predicted, target, per="unit"), correlation, rtol=1e-7)


def test_r2_about_the_training_mean_forgives_a_shift_of_the_mean_the_other_does_not():
    target = make(np.array([[1.0], [3.0]]), sampling_interval=1.0)
    train = make(np.array([[0.0], [0.0]]), sampling_interval=1.0)
    predicted = np.array([[0.0], [0.0]])
    assert metrics.r2(predicted, target, null="train", train=train) == pytest.approx(0.0)
    assert metrics.r2(predicted, target) == pytest.approx(1 - 10 / 2)


def test_a_constant_target_has_no_r2_and_a_constant_prediction_no_correlation():
    target = make(np.array([[2.0, 0.0], [2.0, 1.0], [2.0, 5.0]]), sampling_interval=1.0)
    predicted = np.full((3, 2), 1.7)
    r = metrics.pearson_r(predicted, target, per="unit")
    assert np.isnan(r[0])
    assert r[1] == 0.0
    assert np.isnan(metrics.r2(predicted, target, per="unit")[0])


def test_missing_entries_never_count():
    target = counts([[0.0, 1.0], [2.0, 3.0], [np.nan, np.nan]])
    rates = np.vstack((RATES, [[9.0, 9.0]]))
    assert metrics.bits_per_spike(rates, target) == pytest.approx(metrics.bits_per_spike(RATES, counts()))
    assert metrics.mean_squared_error(rates, target) == pytest.approx(((RATES - COUNTS) ** 2).mean())


def test_predictions_are_aligned_by_unit_label():
    target = make(COUNTS, sampling_interval=0.1, kind="count", unit=["a", "b"])
    rates = xr.DataArray(RATES[:, ::-1], dims=("time", "unit"), coords={"unit": ["b", "a"]})
    assert metrics.bits_per_spike(rates, target) == pytest.approx(metrics.bits_per_spike(RATES, counts()))
    with pytest.raises(ModelError, match="lacks unit"):
        metrics.bits_per_spike(rates.assign_coords(unit=["b", "c"]), target)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ModelError, match="shape"):
        metrics.r2(np.zeros((3, 2)), counts())


def test_kinds_without_meaning_are_refused():
    with pytest.raises(ModelError, match="count"):
        metrics.bits_per_spike(np.ones((2, 2)), make(COUNTS, sampling_interval=0.1))


def test_accuracy_and_log_loss_of_binary_and_categorical_units():
    binary = make(np.array([[0.0], [1.0], [1.0]]), sampling_interval=1.0, kind="binary")
    p = np.array([[0.2], [0.9], [0.4]])
    assert metrics.accuracy(p, binary) == pytest.approx(2 / 3)
    assert metrics.log_loss(p, binary) == pytest.approx(-np.mean(np.log([0.8, 0.9, 0.4])))
    choice = make(np.array([[0.0], [2.0]]), sampling_interval=1.0, kind="categorical")
    table = xr.DataArray(
        [[[0.5, 0.3, 0.2]], [[0.1, 0.6, 0.3]]],
        dims=("time", "unit", "category"),
        coords={"unit": choice["unit"]},
    )
    assert metrics.accuracy(table, choice) == pytest.approx(0.5)
    assert metrics.log_loss(table, choice) == pytest.approx(-np.mean(np.log([0.5, 0.3])))


def test_bits_per_choice_are_zero_at_the_evaluated_frequencies():
    draw = np.random.default_rng(0)
    binary = make(draw.integers(0, 2, size=(50, 2)).astype(float), sampling_interval=1.0, kind="binary")
    frequency = np.broadcast_to(binary["activity"].mean("time").values, (50, 2))
    lined_up = metrics.evaluation(binary, mean=frequency)
    assert float(metrics.get("bits_per_choice").value(lined_up)) == pytest.approx(0.0, abs=1e-6)


def test_log_likelihood_gain_of_the_null_itself_is_zero_for_every_kind():
    draw = np.random.default_rng(3)
    columns = np.stack(
        (draw.normal(3, 2, 80), draw.poisson(2.0, 80), draw.integers(0, 2, 80), draw.integers(0, 3, 80)),
        axis=1,
    )
    recording = make(columns, sampling_interval=1.0, kind=["continuous", "count", "binary", "categorical"])
    trained = metrics.marginals(recording)
    from scipy import stats

    x = recording["activity"].values.astype(float)
    share = np.array([(x[:, 3] == code).sum() + 0.5 for code in range(3)])
    terms = (
        stats.norm.logpdf(x[:, 0], trained.mean[0], np.sqrt(trained.variance[0]))
        + stats.poisson.logpmf(x[:, 1], trained.mean[1])
        + stats.bernoulli.logpmf(x[:, 2].astype(int), trained.mean[2])
        + np.log(share / share.sum())[x[:, 3].astype(int)]
    )
    assert metrics.log_likelihood_gain(terms, recording, recording) == pytest.approx(0.0, abs=1e-9)
    assert metrics.log_likelihood_gain(terms + 0.3, recording, recording) == pytest.approx(0.3)
    assert metrics.log_likelihood_gain(terms + 0.3, recording, recording, per="entry") == pytest.approx(0.075)


def test_log_likelihood_gain_per_spike_is_in_bits():
    target = counts()
    x = target["activity"].values.astype(float)
    rate = x.mean(axis=0)
    null = (x * np.log(rate) - rate - gammaln(x + 1)).sum(axis=1)
    gain = metrics.log_likelihood_gain(null + 3 * np.log(2), target, target, per="spike")
    assert gain == pytest.approx(1.0)


def test_persistence_is_the_last_given_value_a_horizon_ago():
    given = make(np.array([[1.0], [np.nan], [3.0], [4.0], [np.nan]]), sampling_interval=1.0)
    np.testing.assert_array_equal(metrics.persistence(given, 1)[0, :, 0], [np.nan, 1, 1, 3, 4])
    np.testing.assert_array_equal(metrics.persistence(given, 3)[0, :, 0], [np.nan, np.nan, np.nan, 1, 1])
    np.testing.assert_array_equal(metrics.persistence(given, 9)[0, :, 0], [np.nan] * 5)


def test_n_step_error_of_persistence_on_a_random_walk_grows_linearly():
    walk = np.cumsum(np.random.default_rng(0).normal(size=(20_000, 1)), axis=0)
    recording = make(walk, sampling_interval=1.0)

    class LastValue:
        def predict(self, given, *, mode, horizon):
            values = np.nan_to_num(metrics.persistence(given, horizon)[0])
            return xr.Dataset({"mean": given["activity"].copy(data=values)})

    table = metrics.n_step_error(LastValue(), recording, recording, horizons=(1, 4))
    np.testing.assert_allclose(table["mse"], [1.0, 4.0], rtol=0.1)
    np.testing.assert_allclose(table["relative"], 1.0, rtol=1e-5)
    assert table.attrs["n_entries"] == 20_000 - 4


@pytest.mark.parametrize("metric", metrics.METRICS.values(), ids=list(metrics.METRICS))
def test_every_metric_is_a_function_of_sums_over_any_partition(metric: Metric):
    draw = np.random.default_rng(5)
    kind = sorted(metric.kinds)[0]
    values = draw.integers(0, 2, size=(4, 12, 3)).astype(float)
    values[draw.random(values.shape) < 0.2] = np.nan
    recording = make(values, sampling_interval=1.0, kind=kind)
    lined_up = metrics.evaluation(
        recording,
        mean=draw.uniform(0.1, 0.9, size=values.shape),
        log_likelihood=draw.normal(size=values.shape[:2]),
        train=recording,
        given=recording,
    )
    lined_up = dataclasses.replace(lined_up, connectivity=np.corrcoef(draw.normal(size=(3, 9))))
    whole = metric.value(lined_up)
    sums = metric.sums(lined_up, np.repeat([[0], [0], [1], [2]], 12, axis=1), 3)
    again = metric.combine({name: total.sum(axis=0) for name, total in sums.items()}, "pooled")
    assert np.isfinite(whole)
    assert float(again) == pytest.approx(float(whole))
    assert all(np.isfinite(total).all() and len(total) == 3 for total in sums.values())


def test_automatic_metrics_follow_the_kinds():
    names = [metric.name for metric in metrics.automatic(counts())]
    assert names == [
        "bits_per_spike",
        "bits_per_spike_train_null",
        "log_likelihood",
        "log_likelihood_per_spike",
    ]
    with pytest.raises(ModelError, match="no metric"):
        metrics.get("accuracyy")


def test_state_agreement_is_blind_to_state_numbers_and_significant_only_when_real():
    draw = np.random.default_rng(0)
    states = np.repeat(draw.integers(0, 4, size=60), 10)
    names = np.array(["rest", "task", "sleep", "wake"])[(states + 2) % 4]
    same = metrics.state_agreement(states, names, key=0, n_null=200)
    np.testing.assert_allclose(same["value"], 1.0)
    np.testing.assert_allclose(same["p_value"], 1 / 201)
    other = metrics.state_agreement(states, np.repeat(draw.integers(0, 4, size=60), 10), key=0, n_null=200)
    assert (other["p_value"] > 0.05).all()
    assert (other["null_mean"] > 0).all()


def test_matched_accuracy_and_mutual_information_by_hand():
    table = metrics.state_agreement([0, 0, 0, 1, 1, 1], [1, 1, 0, 0, 0, 0], key=0, n_null=5)
    assert float(table["value"].sel(measure="matched_accuracy")) == pytest.approx(5 / 6)
    joint = np.array([[1 / 6, 2 / 6], [3 / 6, 0.0]])
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    information = sum(
        joint[i, j] * np.log(joint[i, j] / rows[i] / columns[j])
        for i in range(2)
        for j in range(2)
        if joint[i, j] > 0
    )
    entropies = -(rows * np.log(rows)).sum() - (columns * np.log(columns)).sum()
    found = float(table["value"].sel(measure="normalised_mutual_information"))
    assert found == pytest.approx(2 * information / entropies)


def test_unlabelled_samples_are_left_out_of_state_agreement():
    table = metrics.state_agreement([0.0, 1.0, np.nan, 1.0], [1, 0, 0, 0], key=0, n_null=5)
    assert float(table["value"][0]) == 1.0
    with pytest.raises(ModelError, match="shapes"):
        metrics.state_agreement([0, 1], [0, 1, 1], key=0)


def test_connectivity_per_state_finds_the_state_in_which_units_are_coupled():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(4000, 2))
    x[2000:, 1] = x[2000:, 0]
    state = np.zeros((4000, 2))
    state[:2000, 0] = state[2000:, 1] = 1.0
    probability = xr.DataArray(state, dims=("time", "state"))
    maps = metrics.connectivity_by_state(make(x, sampling_interval=1.0), probability)
    assert abs(float(maps[0, 0, 1])) < 0.06
    assert float(maps[1, 0, 1]) == pytest.approx(1.0, abs=1e-5)


def test_connectivity_match_uses_the_upper_triangle_only():
    draw = np.random.default_rng(0)
    a = xr.DataArray(draw.normal(size=(5, 5)))
    b = a.copy(data=np.triu(a.values, 1) * 2 + 1 + np.tril(draw.normal(size=(5, 5))))
    assert metrics.connectivity_match(a, b) == pytest.approx(1.0)
    with pytest.raises(ModelError, match="at least 3"):
        metrics.connectivity_match(a[:2, :2], b[:2, :2])
