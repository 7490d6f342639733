"""What a fit draws has the statistics of the model, from the first bin on."""

import numpy as np
import pytest
import xarray as xr

from neurodyn import recording as rec
from neurodyn.errors import ModelError
from neurodyn.inference.emissions import AutoregressiveGaussian
from neurodyn.models import HMM


def test_an_autoregression_is_typical_from_its_first_bin():
    rng = np.random.default_rng(0)
    values = np.zeros(4000)
    for t in range(1, len(values)):
        values[t] = 0.95 * values[t - 1] + rng.normal()
    wave = rec.make(values[:, None] + 50.0, sampling_interval=0.01)
    fit = HMM(n_states=1, emission=AutoregressiveGaussian(order=1)).fit(wave, key=0)
    drawn = fit.simulate(3, n_trials=2000, key=1)["activity"].values[..., 0]
    deviation = 1 / np.sqrt(1 - 0.95**2)
    assert drawn.mean(axis=0) == pytest.approx(np.full(3, values.mean() + 50), abs=1.0)
    assert drawn.std(axis=0) == pytest.approx(np.full(3, deviation), rel=0.15)


def test_states_before_a_trial_follow_the_chain():
    import jax
    import jax.numpy as jnp

    from neurodyn.models.hmm.drawing import draw_before
    from neurodyn.models.hmm.states import stationary_distribution

    transition = np.array([[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.5, 0.0, 0.5]])
    stationary = stationary_distribution(transition)
    first = np.random.default_rng(0).choice(3, size=20_000, p=stationary)
    before = np.asarray(
        draw_before(
            jax.random.key(0), jnp.asarray(first), jnp.asarray(transition), jnp.asarray(stationary), 2
        )
    )
    path = np.concatenate([before, first[:, None]], axis=1)
    for step in range(2):
        pairs = np.zeros((3, 3))
        np.add.at(pairs, (path[:, step], path[:, step + 1]), 1)
        np.testing.assert_allclose(pairs / len(path), stationary[:, None] * transition, atol=0.012)


def test_covariates_drive_what_is_drawn():
    rng = np.random.default_rng(0)
    drive = np.repeat(rng.integers(0, 2, 60), 50).astype(float)
    state = np.zeros(len(drive), int)
    for t in range(1, len(drive)):
        leave = 0.3 if drive[t] == state[t - 1] else 0.02  # the drive chases the chain into the other state
        state[t] = 1 - state[t - 1] if rng.random() < leave else state[t - 1]
    values = 4.0 * state[:, None] + rng.normal(size=(len(state), 1))
    recording = rec.make(values, sampling_interval=0.1, covariates={"drive": drive})
    fit = HMM(n_states=2, transition_covariates=("drive",)).fit(recording, key=0)
    drawn = fit.simulate(len(drive), key=3, covariates=recording)
    low = int(fit.parameters["mean"].values[:, 0].argmin())
    high_state = drawn["state"].values != low
    assert high_state[drive == 0].mean() - high_state[drive == 1].mean() == pytest.approx(
        (state[drive == 0] == 1).mean() - (state[drive == 1] == 1).mean(), abs=0.1
    )
    with pytest.raises(ModelError, match="give simulate the option covariates"):
        fit.simulate(10, key=0)
    with pytest.raises(ModelError, match="has 1 trials of 3000 bins, but 1 of 10"):
        fit.simulate(10, key=0, covariates=recording)
    with pytest.raises(ModelError, match="give simulate the option covariates"):
        fit.simulate(10, key=0, covariates=xr.DataArray(drive))
