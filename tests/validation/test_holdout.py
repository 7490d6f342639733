"""Protocols: what is trained on, given and scored."""

import numpy as np
import pytest
import xarray as xr
from validation_recordings import continuous, ragged

from neurodyn.errors import ModelError, NeurodynWarning, NotApplicable
from neurodyn.recording import check, make
from neurodyn.validation import Split, holdout
from neurodyn.validation.layout import as3, near, stretches
from neurodyn.validation.split import inside

ON_TIME = {
    "blocks": holdout.blocks(4),
    "blocks with a gap": holdout.blocks(5, gap=7),
    "runs": holdout.groups("run"),
    "runs, adapting": holdout.groups("run", adapt=True),
    "units": holdout.units(0.3, trials=0.25, folds=3, key=0),
    "entries": holdout.entries(0.2, folds=3, key=0),
    "future": holdout.future(6, folds=3),
    "runs, one for validation": holdout.groups("run", validation=1, gap=3, key=0),
}
ON_TRIALS = {
    "trials": holdout.trials(4),
    "random trials": holdout.trials(4, key=3),
    "contiguous trials": holdout.trials(4, order="contiguous"),
    "blocks in trials": holdout.blocks(3, gap=1),
    "subjects": holdout.groups("subject_id"),
    "subjects, adapting": holdout.groups("subject_id", adapt=True),
    "units": holdout.units(0.4, trials=0.3, folds=2, key=1),
    "entries": holdout.entries(0.2, length=5, folds=2, key=0),
    "forward bins": holdout.future(6, folds=3),
    "trials of every subject": holdout.trials(4, within="subject_id", validation=2, key=0),
    "subjects, one for validation": holdout.groups("subject_id", adapt=True, validation=1),
}
CASES = [
    *((name, protocol, continuous()) for name, protocol in ON_TIME.items()),
    *(
        (name + ", missing data", protocol, continuous(share_missing=0.2))
        for name, protocol in ON_TIME.items()
    ),
    *((name, protocol, ragged()) for name, protocol in ON_TRIALS.items()),
]
every_case = pytest.mark.parametrize(
    ("protocol", "recording"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)


def seen(part: xr.Dataset) -> np.ndarray:
    return np.isfinite(as3(part["activity"]))


@every_case
def test_no_scored_entry_is_ever_trained_on_or_adapted_on(protocol, recording):
    for split in protocol.splits(recording):
        assert seen(split.target).any()
        assert not (seen(split.train) & seen(split.target)).any()
        assert not (seen(split.inputs) & ~seen(split.train)).any()
        if split.adapt is not None:
            assert seen(split.adapt).any()
            assert not (seen(split.adapt) & (seen(split.target) | seen(split.train))).any()
        if split.validation is not None:
            assert seen(split.validation).any()
            shown = seen(split.target) | seen(split.train) | seen(split.given) | seen(split.inputs)
            assert not (seen(split.validation) & shown).any()
            check(split.validation)
        if split.mode == "all":
            assert not (seen(split.given) & seen(split.target)).any()


@every_case
def test_parts_keep_the_full_shape_and_pass_the_schema(protocol, recording):
    split = protocol(recording)
    for part in (split.train, split.inputs, split.given, split.target):
        check(part)
        assert part["activity"].dims == recording["activity"].dims
        assert part["activity"].dtype == recording["activity"].dtype
        assert part.sizes == recording.sizes


@every_case
def test_altering_held_out_entries_leaves_the_training_part_unchanged(protocol, recording):
    draw = np.random.default_rng(0)
    for fold, split in enumerate(protocol.splits(recording)):
        train = seen(split.train)
        values = recording["activity"].values.copy()
        flat = np.broadcast_to(train, as3(recording["activity"]).shape).reshape(values.shape)
        values[~flat & np.isfinite(values)] = draw.integers(0, 50, (~flat & np.isfinite(values)).sum())
        altered = recording.assign(activity=recording["activity"].copy(data=values))
        again = protocol.splits(altered)[fold]
        np.testing.assert_array_equal(again.train["activity"], split.train["activity"])
        np.testing.assert_array_equal(again.inputs["activity"], split.inputs["activity"])


@every_case
def test_folds_never_score_an_entry_twice(protocol, recording):
    counts = sum(seen(split.target).astype(int) for split in protocol.splits(recording))
    assert np.max(counts) == 1


@every_case
def test_descriptions_are_sentences(protocol, recording):
    assert protocol.describe().endswith(".")
    assert str(int(seen(protocol(recording).target).sum())) in protocol(recording).describe()


@pytest.mark.parametrize("recording", [continuous(), continuous(share_missing=0.2)])
def test_blocks_and_groups_score_every_observed_entry_once(recording):
    for protocol in (holdout.blocks(7), holdout.groups("run")):
        counts = sum(seen(split.target).astype(int) for split in protocol.splits(recording))
        np.testing.assert_array_equal(counts, seen(recording).astype(int))


@pytest.mark.parametrize("gap", [0, 1, 9])
def test_the_gap_around_a_block_is_exact(one, gap):
    for split in holdout.blocks(5, gap=gap).splits(one):
        target = as3(split.target_mask)[0, :, 0]
        train = as3(split.train_mask)[0, :, 0]
        ((start, stop),) = stretches(target)
        expected = np.ones(200, dtype=bool)
        expected[max(start - gap, 0) : stop + gap] = False
        np.testing.assert_array_equal(train, expected)


def test_the_default_gap_is_the_autocorrelation_time_capped_at_five_percent():
    draw = np.random.default_rng(0)
    series = draw.normal(size=(20_000, 2))
    for t in range(1, len(series)):
        series[t] += 0.9 * series[t - 1]
    expected = int(np.ceil(-1 / np.log(0.9)))
    split = holdout.blocks(4)(make(series, sampling_interval=1.0))
    assert abs(split.gap - expected) <= 1
    walk = make(np.cumsum(draw.normal(size=(1000, 2)), axis=0), sampling_interval=1.0)
    assert holdout.blocks(4)(walk).gap == 50


def test_a_comparison_can_raise_the_gap_to_the_longest_reach(one):
    assert holdout.blocks(4, gap=2).with_gap(11)(one).gap == 11
    assert holdout.blocks(4, gap=20).with_gap(11)(one).gap == 20
    assert holdout.trials(4).with_gap(11) == holdout.trials(4)


def test_autocorrelation_of_observed_pairs_matches_a_direct_sum():
    draw = np.random.default_rng(4)
    values = draw.normal(size=(2, 40, 3)) * [1.0, 5.0, 0.1]
    mask = draw.random(values.shape) < 0.7
    found = holdout.autocorrelation(values, mask, 6)
    scaled = np.full(values.shape, np.nan)
    for unit in range(3):
        chosen = values[:, :, unit][mask[:, :, unit]]
        scaled[:, :, unit] = (values[:, :, unit] - chosen.mean()) / chosen.std()
    scaled[~mask] = np.nan
    direct = [np.nanmean(scaled[:, lag:] * scaled[:, : 40 - lag]) for lag in range(7)]
    np.testing.assert_allclose(found, np.array(direct) / direct[0], rtol=1e-9)


def test_near_marks_exactly_the_bins_within_a_distance():
    flags = np.zeros(10, dtype=bool)
    flags[[3, 8]] = True
    assert np.flatnonzero(near(flags, 2)).tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert np.flatnonzero(near(flags, 1)).tolist() == [2, 3, 4, 7, 8, 9]


def test_units_never_feeds_held_out_units_and_gives_the_others_in_test_trials(trialled):
    split = holdout.units(0.4, trials=0.2, key=5)(trialled)
    hidden = as3(split.target_mask).any(axis=(0, 1))
    tested = as3(split.target_mask).any(axis=(1, 2))
    assert (hidden.sum(), tested.sum(), split.mode) == (2, 3, "all")
    assert not seen(split.inputs)[:, :, hidden].any()
    np.testing.assert_array_equal(seen(split.train)[~tested], seen(trialled)[~tested])
    np.testing.assert_array_equal(
        seen(split.inputs)[~tested][:, :, ~hidden], seen(trialled)[~tested][:, :, ~hidden]
    )
    np.testing.assert_array_equal(
        seen(split.given)[tested][:, :, ~hidden], seen(trialled)[tested][:, :, ~hidden]
    )
    assert not seen(split.given)[~tested].any()
    assert not seen(split.train)[tested].any()


def test_forward_bins_are_counted_from_each_trials_own_end(trialled):
    split = holdout.future(6)(trialled)
    lengths = trialled["n_bins"].values
    tested = split.test_trials
    for trial in range(trialled.sizes["trial"]):
        bins = np.flatnonzero(as3(split.target_mask)[trial, :, 0])
        if trial in tested:
            assert bins.tolist() == list(range(lengths[trial] - 6, lengths[trial]))
            assert not seen(split.given)[trial, lengths[trial] - 6 :].any()
            np.testing.assert_array_equal(
                seen(split.given)[trial, : lengths[trial] - 6], seen(trialled)[trial, : lengths[trial] - 6]
            )
            assert not seen(split.train)[trial].any()
        else:
            assert len(bins) == 0
            assert not seen(split.given)[trial].any()
            np.testing.assert_array_equal(
                seen(split.inputs)[trial, : lengths[trial] - 6], seen(trialled)[trial, : lengths[trial] - 6]
            )
            assert not seen(split.inputs)[trial, lengths[trial] - 6 :].any()
            np.testing.assert_array_equal(seen(split.train)[trial], seen(trialled)[trial])


def test_forward_bins_hide_measured_covariates_from_inputs_and_given_but_not_from_training(trialled):
    speed = np.ones(trialled["activity"].shape[:2])
    covariates = {"speed": (speed, "after", "measured"), "stimulus": (speed, "before", "exogenous")}
    recording = make(
        trialled["activity"].values,
        sampling_interval=0.02,
        kind="count",
        trial_coords={"n_bins": trialled["n_bins"].values},
        covariates=covariates,
    )
    split = holdout.future(6)(recording)
    assert (split.mode, split.horizon) == ("past", 1)
    lengths = recording["n_bins"].values
    tail = np.arange(recording.sizes["time"]) >= lengths[:, None] - 6
    tested = np.isin(np.arange(len(lengths)), split.test_trials)

    def known(part, name):
        return np.isfinite(part["covariates"].sel(covariate=name).values)

    for part in (split.inputs, split.given):
        np.testing.assert_array_equal(known(part, "speed"), ~tail)
        assert known(part, "stimulus").all()
    assert known(split.train, "speed")[~tested][tail[~tested] & inside(recording)[~tested, :, 0]].all()
    assert not known(split.train, "speed")[tested][tail[tested]].any()


def test_the_future_of_one_recording_is_a_forecast_from_everything_before_the_cut(one):
    first, second = holdout.future(10, folds=2).splits(one)
    assert np.flatnonzero(as3(first.target_mask)[0, :, 0]).tolist() == list(range(180, 190))
    assert np.flatnonzero(as3(second.target_mask)[0, :, 0]).tolist() == list(range(190, 200))
    np.testing.assert_array_equal(seen(first.train), seen(first.given))
    assert not seen(first.given)[0, 180:].any()
    assert seen(first.given)[0, :180].all()
    assert (first.mode, first.horizon) == ("past", 1)


def test_measured_covariates_are_hidden_in_the_future_and_exogenous_ones_are_not(one):
    split = holdout.future(10)(one)
    for part in (split.train, split.given, split.inputs):
        speed = part["covariates"].sel(covariate="speed").values
        assert np.isfinite(speed[:190]).all()
        assert np.isnan(speed[190:]).all()
        assert np.isfinite(part["covariates"].sel(covariate="stimulus").values).all()
    assert np.isfinite(one["covariates"].values).all()


def test_trials_are_held_out_whole(trialled):
    for split in holdout.trials(5).splits(trialled):
        per_trial = seen(split.target).any(axis=(1, 2))
        assert np.flatnonzero(per_trial).tolist() == split.test_trials.tolist()
        np.testing.assert_array_equal(seen(split.target)[per_trial], seen(trialled)[per_trial])
        np.testing.assert_array_equal(seen(split.given), seen(split.target))


def labels_shown(recording, part, coord):
    return set(recording[coord].values[seen(part).any(axis=(1, 2))].tolist())


def conditions(n_conditions=65, n_repeats=20):
    counts = np.ones((n_conditions * n_repeats, 2, 1))
    condition = np.random.default_rng(0).permutation(np.repeat(np.arange(n_conditions), n_repeats))
    return make(counts, sampling_interval=0.02, kind="count", trial_coords={"condition": condition})


@pytest.mark.parametrize("key", [None, 3])
def test_whole_conditions_are_trained_on_kept_or_scored(key):
    recording = conditions()
    scored = []
    for split in holdout.groups("condition", 5, validation=6, key=key).splits(recording):
        sets = [
            labels_shown(recording, part, "condition")
            for part in (split.train, split.validation, split.target)
        ]
        assert [len(labels) for labels in sets] == [46, 6, 13]
        assert len(set.union(*sets)) == 65
        total = sum(seen(part).astype(int) for part in (split.train, split.validation, split.target))
        np.testing.assert_array_equal(total, 1)
        scored += sets[2]
    assert sorted(scored) == list(range(65))


def test_a_key_deals_the_groups_at_random():
    recording = conditions()
    first, again, other, plain = (
        labels_shown(recording, holdout.groups("condition", 5, key=key)(recording).target, "condition")
        for key in (0, 0, 1, None)
    )
    assert first == again
    assert len({frozenset(labels) for labels in (first, other, plain)}) == 3


@pytest.mark.parametrize("key", [None, 3])
def test_trials_of_every_condition_are_trained_on_kept_and_scored(key):
    recording = conditions()
    condition = recording["condition"].values
    times_scored = np.zeros(len(condition), int)
    patterns = set()
    for split in holdout.trials(5, within="condition", validation=2, key=key).splits(recording):
        parts = [seen(part)[:, 0, 0] for part in (split.train, split.validation, split.target)]
        for part, expected in zip(parts, (14, 2, 4), strict=True):
            assert (np.bincount(condition[part], minlength=65) == expected).all()
        np.testing.assert_array_equal(sum(part.astype(int) for part in parts), 1)
        times_scored += parts[2]
        patterns |= {tuple(parts[2][condition == label]) for label in range(65)}
    assert (times_scored == 1).all()
    # At random, conditions do not all hold out the same of their trials.
    assert len(patterns) == 5 if key is None else len(patterns) > 100


def test_trials_without_a_label_are_not_used_within_conditions(trialled):
    labels = np.where(np.arange(15) < 12, np.arange(15) % 2, np.nan)
    recording = trialled.assign_coords(cue=("trial", labels))
    for split in holdout.trials(3, within="cue").splits(recording):
        for part in (split.train, split.given, split.target):
            assert not seen(part)[12:].any()


def test_a_gap_is_left_on_either_side_of_what_is_kept_for_validation(one):
    for split in holdout.groups("run", validation=1, gap=3, key=0).splits(one):
        train, kept, target = (
            as3(mask)[0, :, 0] for mask in (split.train_mask, split.validation_mask, split.target_mask)
        )
        assert not (train & near(kept | target, 3)).any()
        assert not (kept & near(target, 3)).any()
        assert kept.sum() >= 44


def test_adapting_uses_the_first_half_of_a_held_out_group_and_scores_the_second(trialled):
    split = holdout.groups("subject_id", adapt=True)(trialled)
    adapted = np.flatnonzero(seen(split.adapt).any(axis=(1, 2)))
    scored = np.flatnonzero(seen(split.target).any(axis=(1, 2)))
    assert adapted.tolist() == [0, 1]
    assert scored.tolist() == [2, 3, 4]
    without = holdout.groups("subject_id")(trialled)
    np.testing.assert_array_equal(without.train["activity"], split.train["activity"])


def test_a_group_that_comes_back_gets_a_gap_and_a_warning(one):
    again = one.assign_coords(state=("time", np.repeat(["sleep", "wake", "sleep", "wake"], 50)))
    with pytest.warns(NeurodynWarning, match="comes back"):
        split = holdout.groups("state")(again)
    assert split.gap >= 1
    assert not as3(split.train_mask)[0, 50 : 50 + split.gap, 0].any()


def test_the_warm_up_is_dropped_after_each_start_of_the_given_stretch(trialled):
    split = holdout.trials(5)(trialled)
    shorter = split.without_warm_up(4)
    for trial in split.test_trials:
        rows = np.flatnonzero(seen(split.target)[trial].any(axis=1))
        left = np.flatnonzero(seen(shorter.target)[trial].any(axis=1))
        assert left.tolist() == rows[rows >= rows[0] + 4].tolist()
    np.testing.assert_array_equal(shorter.given["activity"], split.given["activity"])


@pytest.mark.parametrize("protocol", [holdout.future(6), holdout.units(0.4, key=0), holdout.entries(key=0)])
def test_no_warm_up_is_dropped_where_the_past_is_given(trialled, protocol):
    split = protocol(trialled)
    np.testing.assert_array_equal(split.without_warm_up(4).target["activity"], split.target["activity"])


def test_a_warm_up_longer_than_the_target_is_refused(trialled):
    with pytest.raises(ModelError, match="no scored entry left"):
        holdout.trials(5)(trialled).without_warm_up(40)


def test_shuffled_bins_warn_and_need_a_key(one):
    with pytest.raises(ModelError, match="needs a key"):
        holdout.blocks(5, shuffled=True)
    with pytest.warns(NeurodynWarning, match="shuffled"):
        split = holdout.blocks(5, shuffled=True, key=0)(one)
    assert len(stretches(as3(split.target_mask)[0, :, 0])) > 20


def test_the_same_key_gives_the_same_split_and_another_key_another(trialled):
    first, again, other = (holdout.units(0.4, key=key)(trialled) for key in (0, 0, 1))
    np.testing.assert_array_equal(first.target_mask, again.target_mask)
    assert (as3(first.target_mask) != as3(other.target_mask)).any()


@pytest.mark.parametrize(
    ("protocol", "recording", "sentence"),
    [
        (holdout.trials(5), continuous(), "no trial dim"),
        (holdout.trials(20), ragged(), "at least 20 trials, this recording has 15"),
        (holdout.blocks(5), continuous().isel(time=slice(0, 8)), "at least 10 bins"),
        (holdout.groups("session"), continuous(), "'session'"),
        (holdout.groups("kind"), continuous(), "on trial or on time"),
        (holdout.groups("subject_id", validation=2), ragged(), "at least 4 values of 'subject_id'"),
        (holdout.groups("subject_id", 2, validation=1), ragged(), "at least 4 values of 'subject_id'"),
        (
            holdout.trials(5, within="subject_id", validation=4),
            ragged(),
            "at least 6 trials of every subject_id",
        ),
        (holdout.trials(2, validation=7), ragged(), "at least 16 trials to leave one"),
        (holdout.trials(5, within="cue"), ragged(), "trials needs the coordinate 'cue'"),
        (
            holdout.trials(2, within="run"),
            ragged().assign_coords(run=("time", np.ones(30))),
            "on trial, it lies on time",
        ),
        (holdout.future(300), continuous(), "forecast fewer bins"),
        (holdout.future(29), ragged().isel(trial=slice(0, 2)), "fewer than 2 trials are longer"),
        (holdout.units(key=0), continuous(n_units=1), "at least 2 units"),
        (holdout.entries(0.01, length=200, key=0), continuous(), "shorten them"),
    ],
)
def test_protocols_that_do_not_apply_say_why(protocol, recording, sentence):
    with pytest.raises(NotApplicable, match=sentence):
        protocol.splits(recording)


@pytest.mark.parametrize(
    "make_protocol",
    [
        lambda: holdout.blocks(1),
        lambda: holdout.blocks(5, gap=-1),
        lambda: holdout.trials(True),
        lambda: holdout.trials(5, order="sideways"),
        lambda: holdout.trials(5, order="random"),
        lambda: holdout.units(0.0, key=0),
        lambda: holdout.units(1.0, key=0),
        lambda: holdout.units(0.5, key=None)(ragged()),
        lambda: holdout.entries(2.0, key=0),
        lambda: holdout.entries(key=None),
        lambda: holdout.future(0),
        lambda: holdout.groups(""),
        lambda: holdout.groups("run", validation=-1),
        lambda: holdout.trials(5, validation=1.5),
        lambda: holdout.trials(5, within=3),
    ],
)
def test_arguments_out_of_range_are_refused(make_protocol):
    with pytest.raises(ModelError):
        make_protocol()


def test_a_split_with_overlapping_masks_is_refused(one):
    split = holdout.blocks(5)(one)
    with pytest.raises(ModelError, match="both trained on and scored"):
        Split(
            recording=one,
            train_mask=split.target_mask,
            given_mask=split.given_mask,
            target_mask=split.target_mask,
        )
    with pytest.raises(ModelError, match="sees every given entry"):
        Split(
            recording=one,
            train_mask=split.train_mask,
            given_mask=split.given_mask,
            target_mask=split.target_mask,
            mode="all",
        )


def test_a_split_that_keeps_for_validation_what_it_trains_on_is_refused(one):
    split = holdout.blocks(5)(one)
    for mask in (split.train_mask, split.target_mask):
        with pytest.raises(ModelError, match="kept for validation and also trained on or scored"):
            Split(
                recording=one,
                train_mask=split.train_mask,
                given_mask=split.given_mask,
                target_mask=split.target_mask,
                validation_mask=mask,
            )


def test_a_fold_without_observed_entries_is_refused(one):
    empty = one.assign(activity=one["activity"].where(one["time"] >= 30))
    with pytest.raises(ModelError, match="no observed entry in its target part"):
        holdout.blocks(5, gap=0).splits(empty)
