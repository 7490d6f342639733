"""A fit says what is odd about its recording: what, where, and what to do."""

import warnings

import numpy as np
import pytest

from neurodyn import recording
from neurodyn.errors import DataWarning, NeurodynWarning, RecordingError
from neurodyn.models import HMM, Pipeline, Standardise
from neurodyn.models.baselines import Mean
from neurodyn.models.pipeline import PCA
from neurodyn.models.suspicions import suspicions


def trace(values, **more):
    return recording.make(values, sampling_interval=0.5, **more)


def noise(n_time=200, n_units=3):
    return np.random.default_rng(0).normal(size=(n_time, n_units))


def test_sound_recordings_raise_no_suspicion():
    assert suspicions(trace(noise())) == ()
    assert suspicions(trace(np.random.default_rng(0).poisson(0.05, (300, 2)), kind="count")) == ()
    assert suspicions(trace(noise(1))) == ()


def test_a_constant_unit_is_named():
    values = noise()
    values[:, 1] = 4.0
    (said,) = suspicions(trace(values, unit=["a", "b", "c"]))
    assert said.startswith("1 of 3 units is constant ('b')")
    assert "drop it" in said


def test_a_unit_never_observed_is_not_called_constant():
    values = noise()
    values[:, 1] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert suspicions(trace(values)) == ()


@pytest.mark.parametrize("size", [1e6, -1e6])
def test_an_outlier_is_found_with_its_place(size):
    values = noise()
    values[17, 2] = size
    (said,) = suspicions(trace(values, unit=["a", "b", "c"]))
    assert said.startswith(f"unit 'c' holds {size:g} at time 8.5,")
    assert "set it to NaN" in said


def test_a_fit_warns_once_and_keeps_the_words():
    values = noise()
    values[17, 2], values[:, 0] = 1e6, 1.0
    model = Pipeline(Standardise(), PCA(2), Mean())
    with pytest.warns(DataWarning) as caught:
        fit = model.fit(trace(values), key=0)
    texts = [str(entry.message) for entry in caught if entry.category is DataWarning]
    assert len(texts) == 2
    assert fit.trace.warnings[:2] == tuple(texts)


def test_an_outlier_leaves_every_number_finite():
    values = noise()
    values[17, 2] = 1e6
    with pytest.warns(DataWarning, match="holds 1e\\+06"):
        fit = HMM(n_states=2).fit(trace(values), key=0, restarts=2)
    assert all(np.isfinite(fit.parameters[name]).all() for name in ("mean", "covariance", "transition"))


def test_fewer_numbers_than_parameters_are_said():
    with pytest.warns(NeurodynWarning, match="free parameters for 12 observed numbers"):
        HMM(n_states=3).fit(trace(noise(4)), key=0, restarts=1)


def test_whole_numbers_called_continuous_are_asked_about():
    counts = np.random.default_rng(0).poisson(3, (30, 2)).astype(float)
    with pytest.raises(RecordingError, match="kind='count'"):
        HMM(n_states=2, emission="poisson").fit(trace(counts), key=0)
    with pytest.raises(RecordingError, match="which take count"):
        HMM(n_states=2, emission="poisson").fit(trace(noise()), key=0)
