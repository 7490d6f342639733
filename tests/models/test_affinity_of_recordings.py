"""Affinities of recordings: labels, missing units, and refusals."""

import numpy as np
import pytest

from neurodyn import recording
from neurodyn.errors import ModelError, RecordingError
from neurodyn.models.connectome import ConcurrentChange, WindowCorrelation, affinity


def worm(units, seed, n_time=40, **more):
    traces = np.random.default_rng(seed).normal(size=(n_time, len(units))).cumsum(axis=0)
    return recording.make(traces, sampling_interval=0.6, unit=list(units), session=f"worm {seed}", **more)


@pytest.mark.parametrize(
    "measure", [ConcurrentChange(5), ConcurrentChange(3, 1, rises=True), WindowCorrelation(7)]
)
def test_pairs_of_animals_are_aligned_by_the_labels_of_their_units(measure):
    one, two = worm("ABC", 1), worm("BCD", 2, n_time=30)
    both = affinity(recording.concatenate([one, two], join="outer"), measure)
    assert both["session"].values.tolist() == ["worm 1", "worm 2"]
    alone = affinity(two, measure)
    pairs = alone["unit"].values.tolist()
    assert pairs == ["B--C", "B--D", "C--D"]
    np.testing.assert_allclose(
        both["activity"].isel(trial=1, time=slice(0, 30)).sel(unit=pairs).values,
        alone["activity"].values,
        rtol=1e-6,
    )
    missing = both["activity"].sel(unit=["A--D", "B--D", "C--D"]).isel(trial=0)
    assert missing.isnull().all()
    assert both["activity"].isel(trial=1, time=slice(30, None)).isnull().all()
    assert (both["activity"].values[np.isfinite(both["activity"].values)] >= 0).all()


@pytest.mark.parametrize("measure", [ConcurrentChange(7), WindowCorrelation(5)])
def test_an_affinity_depends_on_no_bin_beyond_its_reach(measure):
    data = worm("ABC", 3)
    holed = data.copy(deep=True)
    holed["activity"][20, 1] = np.nan
    whole, broken = (affinity(part, measure)["activity"].sel(unit="A--B").values for part in (data, holed))
    lost = np.isnan(broken) & ~np.isnan(whole)
    assert np.flatnonzero(lost).tolist() == list(range(20 - measure.reach, 21 + measure.reach))
    if isinstance(measure, WindowCorrelation):
        np.testing.assert_allclose(broken[~lost], whole[~lost], rtol=1e-6)


def test_what_makes_no_pairs_is_refused_in_one_sentence():
    with pytest.raises(RecordingError, match="1 unit; an affinity needs two"):
        affinity(worm("A", 0))
    with pytest.raises(ModelError, match="the measure is 'correlation'"):
        affinity(worm("AB", 0), "correlation")
    with pytest.raises(ModelError, match="but the recording only 4"):
        affinity(worm("AB", 0, n_time=4))
