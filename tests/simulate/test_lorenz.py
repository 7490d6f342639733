"""Neurons driven by the Lorenz attractor are drawn as their formulas say."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import chi2

from neurodyn.errors import ModelError
from neurodyn.recording import check
from neurodyn.simulate.lorenz import BETA, BURN_IN, RHO, SIGMA, lorenz_flow, lorenz_population

FIELDS = ("activity", "rates", "latent", "loadings")


def field(_, state):
    x, y, z = state
    return [10 * (y - x), x * (28 - z) - y, x * y - 8 * z / 3]


@pytest.fixture(scope="module")
def protocol():
    return lorenz_population(key=0)


def test_constants_are_those_of_the_classical_system():
    assert (SIGMA, RHO, BETA, BURN_IN) == (10.0, 28.0, 8 / 3, 10.0)


def test_one_bin_is_three_hundredths_of_a_time_unit():
    start = np.array([[1.0, 2.0, 20.0], [-3.0, 2.0, 10.0]])
    found = lorenz_flow(start, n_bins=51)
    for trial, first in zip(found, start, strict=True):
        times = 0.03 * np.arange(51)
        truth = solve_ivp(field, (0, 1.5), first, t_eval=times, method="DOP853", rtol=1e-12, atol=1e-12).y.T
        np.testing.assert_allclose(trial, truth, atol=1e-5)
    assert np.ptp(found, axis=1).min() > 10


def test_a_fixed_point_stays_where_it_is():
    wing = np.sqrt(BETA * (RHO - 1))
    found = lorenz_flow(np.array([[wing, wing, RHO - 1]]), n_bins=20, time_step=0.07)
    np.testing.assert_allclose(found, np.broadcast_to(found[:, :1], found.shape), atol=1e-9)


def test_sizes_are_those_of_the_protocol(protocol):
    check(protocol, kinds={"count"}, strict=True)
    assert protocol["activity"].dims == protocol["rates"].dims == ("trial", "time", "unit")
    assert protocol["activity"].shape == (65 * 20, 50, 30)
    assert protocol.attrs["sampling_interval"] == 0.02
    np.testing.assert_array_equal(protocol["condition"], np.repeat(np.arange(65), 20))
    np.testing.assert_array_equal(protocol["repeat"], np.tile(np.arange(20), 65))


def test_every_neuron_has_the_mean_rate_asked_for(protocol):
    np.testing.assert_allclose(protocol["rates"].mean(("trial", "time")) / 0.02, 10.0, rtol=1e-12)
    slow = lorenz_population(key=0, mean_rate=5.0)
    np.testing.assert_allclose(slow["rates"].values, protocol["rates"].values / 2, rtol=1e-12)
    np.testing.assert_array_equal(slow["latent"], protocol["latent"])


def test_states_are_z_scored_over_conditions_and_time(protocol):
    latent = protocol["latent"].values
    np.testing.assert_allclose(latent.mean(axis=(0, 1)), 0, atol=1e-12)
    np.testing.assert_allclose(latent.std(axis=(0, 1)), 1, rtol=1e-12)
    by_condition = latent.reshape(65, 20, 50, 3)
    assert (by_condition == by_condition[:, :1]).all()
    assert by_condition.mean(axis=(1, 2)).std() > 0.3


def test_log_rates_are_loadings_of_unit_norm_times_the_state(protocol):
    loadings = protocol["loadings"].values
    np.testing.assert_allclose(np.linalg.norm(loadings, axis=1), 1, rtol=1e-12)
    offset = np.log(protocol["rates"].values) - protocol["latent"].values @ loadings.T
    np.testing.assert_allclose(offset, np.broadcast_to(offset[:1, :1], offset.shape), atol=1e-10)
    # Directions have no preferred axis: 30 of them average to nothing.
    assert np.abs(loadings.mean(axis=0)).max() < 0.4


def test_states_obey_the_flow_up_to_their_z_score(protocol):
    raw = lorenz_flow(
        lorenz_flow(np.random.default_rng([0, 0]).normal(size=(65, 3)), n_bins=2, time_step=BURN_IN)[:, 1],
        n_bins=50,
    )
    scaled = (raw - raw.mean(axis=(0, 1))) / raw.std(axis=(0, 1))
    np.testing.assert_allclose(protocol["latent"].values[::20], scaled, atol=1e-9)
    assert 15 < raw[..., 2].mean() < 32
    assert raw[..., 0].std() > 6


def test_counts_are_poisson_of_their_rates(protocol):
    counts, rates = protocol["activity"].values.astype(float), protocol["rates"].values
    statistic = ((counts - rates) ** 2 / rates).sum()
    # The variance of a squared Poisson residual is 2 + 1 / rate.
    spread = np.sqrt((2 + 1 / rates).sum())
    assert abs(statistic - rates.size) < 5 * spread
    mean = counts.reshape(65, 20, 50, 30).mean(axis=1)
    expected = rates[::20]
    deviance = ((mean - expected) ** 2 / (expected / 20))[expected * 20 > 4].sum()
    n = int((expected * 20 > 4).sum())
    assert n > 1000
    assert chi2.ppf(1e-6, n) < deviance < chi2.ppf(1 - 1e-6, n) * 1.05


def test_the_same_key_gives_the_same_recording():
    sizes = {"n_conditions": 4, "n_trials": 3, "n_units": 6, "n_bins": 20}
    first, again, other = (lorenz_population(key=key, **sizes) for key in (3, 3, 4))
    assert first.identical(again)
    for name in FIELDS:
        assert not np.array_equal(first[name], other[name])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_conditions": 0}, "n_conditions is 0"),
        ({"n_trials": 2.0}, "n_trials is 2.0"),
        ({"n_units": -3}, "n_units is -3"),
        ({"n_bins": True}, "n_bins is True"),
        ({"mean_rate": 0.0}, "mean_rate is 0.0"),
        ({"mean_rate": float("nan")}, "mean_rate is nan"),
        ({"sampling_interval": -0.02}, "sampling_interval is -0.02"),
        ({"time_step": "fast"}, "time_step is 'fast'"),
        ({"key": -1}, "key is -1"),
        ({"n_conditions": 1, "n_bins": 1}, "a z-score needs 2 states"),
        ({"mean_rate": 1e12, "n_conditions": 2, "n_trials": 1}, "lower it"),
    ],
)
def test_bad_arguments_are_named(options, words):
    with pytest.raises(ModelError, match=words):
        lorenz_population(**{"key": 0, **options})


def test_a_start_of_another_shape_is_refused():
    with pytest.raises(ModelError, match=r"start has shape \(3,\)"):
        lorenz_flow(np.zeros(3), n_bins=4)
