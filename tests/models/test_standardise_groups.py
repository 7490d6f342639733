"""Standardising by session where a whole session is held out."""

import numpy as np
import pytest

from neurodyn import recording
from neurodyn.errors import ModelError
from neurodyn.models import Pipeline, Standardise
from neurodyn.models.baselines import Mean
from neurodyn.validation import holdout


@pytest.fixture
def sessions():
    rng = np.random.default_rng(0)
    parts = {
        name: recording.make(level + rng.normal(size=(40, 2)), sampling_interval=0.1, session=name)
        for name, level in (("one", 0.0), ("two", 50.0), ("three", 100.0))
    }
    return recording.concatenate(parts)


def test_a_held_out_session_needs_no_moments_until_it_is_observed(sessions):
    split = holdout.groups("session", adapt=True)(sessions)
    fit = Pipeline(Standardise(by="session"), Mean()).fit(split.train, key=0)
    with pytest.raises(ModelError, match="has not seen session"):
        fit.log_likelihood(split.target)
    with pytest.raises(ModelError, match="has not seen session"):
        fit.predict(split.train)
    adapted = fit.adapt(split.adapt)
    assert np.isfinite(adapted.log_likelihood(split.target)).all()
    held = int(split.test_trials[0])
    own = float(split.adapt["activity"].isel(trial=held).mean())
    assert float(adapted.predict(split.given)["mean"].isel(trial=held).mean()) == pytest.approx(own, abs=0.5)
