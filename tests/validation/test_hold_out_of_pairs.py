"""Affinities are held out on the traces; associations are judged against shifts."""

import numpy as np
import pytest
import xarray as xr

from neurodyn.errors import ModelError, NotApplicable
from neurodyn.models.connectome import ConcurrentChange, DynamicConnectome, affinity
from neurodyn.recording import make
from neurodyn.validation import association, compare, holdout
from neurodyn.validation.nulls import circular_shift

MEASURE = ConcurrentChange(window=5)


def traces(n_trials: int = 3, n_time: int = 90, n_units: int = 5, seed: int = 0) -> xr.Dataset:
    values = np.random.default_rng(seed).normal(size=(n_trials, n_time, n_units)).cumsum(axis=1)
    values[1, :, 4] = np.nan
    names = [f"n{i}" for i in range(n_units)]
    return make(
        values,
        sampling_interval=0.6,
        unit=names,
        trial=[f"worm {i}" for i in range(n_trials)],
        dtype="float64",
    )


PROTOCOLS = {
    "entries": holdout.entries(0.2, length=15, key=0),
    "blocks": holdout.blocks(3),
    "units": holdout.units(trials=0.34, key=0),
    "animals": holdout.animals(key=0),
}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_is_held_out_of_the_traces_changes_nothing_that_is_shown(name):
    data = traces()
    protocol = holdout.of_pairs(PROTOCOLS[name], MEASURE)
    behind = protocol.of_traces(data)
    hidden = behind.target_mask.transpose(*data["activity"].dims).values & np.isfinite(
        data["activity"].values
    )
    other = data.copy(deep=True)
    other["activity"].values[hidden] = np.random.default_rng(9).normal(size=int(hidden.sum())) * 50
    first, second = protocol(data), protocol(other)
    xr.testing.assert_identical(first.train["activity"], second.train["activity"])
    if first.mode == "all":
        xr.testing.assert_identical(first.given["activity"], second.given["activity"])
    changed = first.target["activity"].fillna(0) != second.target["activity"].fillna(0)
    assert bool(changed.any())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_is_shown_can_be_made_from_the_shown_traces_alone(name):
    data = traces()
    protocol = holdout.of_pairs(PROTOCOLS[name], MEASURE)
    split, behind = protocol(data), protocol.of_traces(data)
    alone = affinity(behind.train, MEASURE, scale_on=np.isfinite(behind.train["activity"].values))
    seen = split.train["activity"].notnull().values
    np.testing.assert_allclose(split.train["activity"].values[seen], alone["activity"].values[seen])
    assert (np.isfinite(alone["activity"].values) >= seen).all()


def test_all_pairs_of_a_held_out_unit_leave_together():
    split = holdout.of_pairs(PROTOCOLS["units"], MEASURE)(traces())
    target = split.target["activity"].notnull().any(("trial", "time"))
    out = {
        name
        for name in ["n0", "n1", "n2", "n3", "n4"]
        if bool(target.where((target["source"] == name) | (target["target"] == name), True).all())
    }
    touching = np.isin(target["source"], list(out)) | np.isin(target["target"], list(out))
    given = split.given["activity"].notnull().any(("trial", "time")).values
    assert out
    assert not (given & touching).any()
    assert (target.values == touching).all()


def test_of_an_animal_pairs_within_one_half_are_given_and_within_the_other_scored():
    split = holdout.of_pairs(holdout.animals(key=1), MEASURE)(traces(n_units=6))
    parts = []
    for part in (split.given, split.target):
        seen = part["activity"].notnull().any(("trial", "time"))
        parts.append(set(seen["source"].values[seen]) | set(seen["target"].values[seen]))
    assert parts[0].isdisjoint(parts[1])
    assert split.train["activity"].isel(trial=0).isnull().all()
    xr.testing.assert_identical(split.adapt["activity"], split.given["activity"])


def test_the_past_ends_where_windows_overlap():
    split = holdout.of_pairs(holdout.blocks(3, horizon=2), MEASURE)(traces())
    assert split.horizon == 2 + 2 * MEASURE.reach


def test_a_comparison_scores_pairs_and_finds_nothing_on_shifted_traces():
    data = circular_shift(traces(n_trials=2, n_time=400, n_units=6, seed=3), key=0)
    data = data.isel(unit=[0, 1, 2, 3, 5])
    protocol = holdout.of_pairs(holdout.entries(0.2, length=40, key=0), MEASURE)
    found = compare(
        {"connectome": DynamicConnectome(rank=2, clock="own")},
        data,
        protocol,
        key=0,
        metrics=["r2_train_null"],
        nulls=(),
        repeats=None,
        fit_options={"restarts": 1},
    )
    score = found.scores.sel(model="connectome").isel(protocol=0, metric=0)
    assert found.unit_scores.sizes["unit"] == 10
    assert float(score["lower"]) < 0.05


def test_bad_requests_for_pairs_are_refused():
    with pytest.raises(ModelError, match="protocol for traces"):
        holdout.of_pairs(holdout.of_pairs(holdout.blocks(3)))
    with pytest.raises(ModelError, match="measure is 3"):
        holdout.of_pairs(holdout.blocks(3), 3)
    with pytest.raises(NotApplicable, match="already holds pairs"):
        holdout.of_pairs(holdout.blocks(3))(affinity(traces()))
    with pytest.raises(NotApplicable, match="has 3"):
        holdout.animals(key=0)(traces().isel(trial=[0, 2], unit=[0, 1, 2]))
    with pytest.raises(ModelError, match="key is None"):
        holdout.animals(key=None)


def test_an_association_is_found_where_there_is_one_and_levels_are_those_of_shifts():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2, 500, 2))
    smooth = np.apply_along_axis(lambda v: np.convolve(v, np.ones(20) / 20, "same"), 1, noise)
    courses = xr.DataArray(smooth, dims=("trial", "time", "component"))
    event = xr.DataArray(smooth[..., :1] > 0.1, dims=("trial", "time", "covariate"))
    found = association(courses, event, key=0, statistic="auc", n_shifts=300)
    assert (found["value"].sel(component=0) == 1.0).all()
    assert (found["p_adjusted"].isel(component=0) < 0.02).all()
    assert (found["value"].isel(component=1) < 0.75).all()
    assert (found["upper"] > 0.55).all()  # slow courses reach that by chance
    flat = association(courses, xr.zeros_like(event), key=0, statistic="auc")
    assert flat["value"].isnull().all()
    linear = association(
        courses, courses.isel(component=[0]).rename(component="covariate"), key=0, n_shifts=100
    )
    np.testing.assert_allclose(linear["value"].isel(component=0), 1.0)


def test_p_values_of_nothing_are_spread_evenly():
    rng = np.random.default_rng(1)
    courses = xr.DataArray(rng.normal(size=(200, 120, 1)), dims=("trial", "time", "component"))
    behaviour = xr.DataArray(rng.normal(size=(200, 120, 1)), dims=("trial", "time", "covariate"))
    p_values = association(courses, behaviour, key=0, n_shifts=99)["p_value"].values.ravel()
    assert 0.02 <= (p_values <= 0.1).mean() <= 0.18
    assert abs(p_values.mean() - 0.5) < 0.08


def test_bad_associations_are_refused():
    courses = xr.DataArray(np.zeros((50, 2)), dims=("time", "component"))
    with pytest.raises(ModelError, match="50 bins"):
        association(courses, xr.DataArray(np.zeros(40), dims="time"), key=0)
    with pytest.raises(ModelError, match="other than 0 and 1"):
        association(courses, xr.DataArray(np.full(50, 0.5), dims="time"), key=0, statistic="auc")
    with pytest.raises(ModelError, match="statistic is"):
        association(courses, xr.DataArray(np.zeros(50), dims="time"), key=0, statistic="t")


def test_the_part_adapted_on_does_not_know_the_part_that_is_scored():
    data = traces()
    protocol = holdout.of_pairs(holdout.groups("trial", adapt=True), MEASURE)
    behind = protocol.of_traces(data)
    other = data.copy(deep=True)
    hidden = behind.target_mask.transpose(*data["activity"].dims).values & np.isfinite(
        data["activity"].values
    )
    other["activity"].values[hidden] *= 50
    first, second = protocol(data), protocol(other)
    xr.testing.assert_identical(first.train["activity"], second.train["activity"])
    xr.testing.assert_identical(first.adapt["activity"], second.adapt["activity"])


def test_units_of_co_smoothing_are_never_fed():
    split = holdout.of_pairs(PROTOCOLS["units"], MEASURE)(traces())
    fed = split.inputs["activity"].notnull().any(("trial", "time"))
    trained = split.train["activity"].notnull().any(("trial", "time"))
    assert int(fed.sum()) < int(trained.sum())


def test_labels_that_do_not_match_are_refused():
    courses = xr.DataArray(
        np.random.default_rng(0).normal(size=(2, 40, 1)), dims=("trial", "time", "component")
    )
    courses = courses.assign_coords(trial=["a", "b"])
    behaviour = courses.isel(component=0, trial=[1, 0])
    with pytest.raises(ModelError, match="different labels on trial"):
        association(courses, behaviour, key=0)
