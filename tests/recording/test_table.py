"""Behaviour from a long table."""

import numpy as np
import pandas as pd
import pytest

from neurodyn import recording
from neurodyn.errors import RecordingError


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "who": ["b", "b", "a", "b", "a"],
            "trial": [3, 1, 7, 2, 8],
            "choice": ["right", "left", "left", None, "right"],
            "rt": [0.3, 0.5, np.nan, 0.4, 0.2],
            "won": [True, False, True, True, False],
            "contrast": [1.0, 0.5, 0.25, 0.0, -1.0],
            "age": [30, 30, 25, 30, 25],
        }
    )


def test_participants_are_ragged_sequences_in_trial_order(table):
    made = recording.from_dataframe(
        table,
        responses={"choice": "binary", "rt": "continuous"},
        participant="who",
        trial="trial",
        covariates={"contrast": ("before", "exogenous"), "won": ("after", "exogenous")},
        trial_coords=["age"],
    )
    assert made.activity.dims == ("trial", "time", "unit")
    assert made.trial.values.tolist() == ["b", "a"]
    assert made.n_bins.values.tolist() == [3, 2]
    assert made.attrs["time_unit"] == "trial"
    assert made.attrs["sampling_interval"] == 1.0
    assert made.time.values.tolist() == [0, 1, 2]
    assert made.kind.values.tolist() == ["binary", "continuous"]
    np.testing.assert_array_equal(made.activity.sel(unit="choice"), [[0, np.nan, 1], [0, 1, np.nan]])
    np.testing.assert_array_equal(made.activity.sel(unit="rt").values[0], np.float32([0.5, 0.4, 0.3]))
    np.testing.assert_array_equal(made.covariates.sel(covariate="contrast").values[0], [0.5, 0, 1])
    np.testing.assert_array_equal(made.covariates.sel(covariate="won").values[1], [1, 0, np.nan])
    assert made.available.values.tolist() == ["before", "after"]
    assert made.activity.attrs["categories"] == {"choice": ["left", "right"]}
    assert made.age.values.tolist() == [30, 25]
    assert made.attrs["modality"] == "behaviour"
    recording.check(made, strict=True)


def test_without_a_trial_column_the_rows_are_in_order(table):
    made = recording.from_dataframe(table, responses={"rt": "continuous"}, participant="who")
    np.testing.assert_array_equal(made.activity.values[0, :, 0], np.float32([0.3, 0.5, 0.4]))
    alone = recording.from_dataframe(table, responses={"won": "binary"})
    assert alone.activity.values[0, :, 0].tolist() == [1, 0, 1, 1, 0]


def test_a_trial_number_left_out_was_not_observed():
    frame = pd.DataFrame({"n": [1, 2, 5], "x": [0, 1, 1]})
    made = recording.from_dataframe(frame, responses={"x": "binary"}, trial="n")
    np.testing.assert_array_equal(made.activity.values[0, :, 0], [0, 1, np.nan, np.nan, 1])


def test_participant_and_session_together_tell_sequences_apart():
    frame = pd.DataFrame(
        {"who": list("aabb"), "day": [1, 2, 1, 1], "n": [0, 0, 0, 1], "x": [0.1, 0.2, 0.3, 0.4]}
    )
    made = recording.from_dataframe(
        frame, responses={"x": "continuous"}, participant=["who", "day"], trial="n"
    )
    assert made.trial.values.tolist() == ["a/1", "a/2", "b/1"]
    assert made.day.values.tolist() == [1, 2, 1]
    assert made.who.values.tolist() == ["a", "a", "b"]
    with pytest.raises(RecordingError, match="Trial 0 of a occurs 2 times: name the session too"):
        recording.from_dataframe(frame, responses={"x": "continuous"}, participant="who", trial="n")


def test_order_of_categories_can_be_given(table):
    made = recording.from_dataframe(
        table, responses={"choice": "categorical"}, categories={"choice": ["right", "left", "none"]}
    )
    np.testing.assert_array_equal(made.activity.values[0, :, 0], [0, 1, 1, np.nan, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"responses": {"answer": "binary"}}, "no column 'answer': it has who, trial"),
        ({"responses": {}}, "`responses` is empty"),
        ({"responses": {"rt": "binary"}}, "binary units hold 0 or 1"),
        ({"responses": {"rt": "speed"}}, "'speed': it must be one of"),
        ({"responses": {"choice": "continuous"}}, "text .*cannot be continuous"),
        (
            {"responses": {"choice": "binary"}, "categories": {"choice": ["left"]}},
            "holds 'right', which `categories`",
        ),
        ({"responses": {"who": "binary"}, "covariates": ["choice"]}, "recode it as one column"),
        ({"responses": {"won": "binary"}, "trial": "rt"}, "empty|whole numbers"),
        ({"responses": {"won": "binary"}, "trial_coords": ["age"]}, "'age' takes 2 values for 0"),
        ({"responses": {"won": "binary"}, "participant": "choice"}, "Row 3 of the column 'choice' is empty"),
    ],
)
def test_bad_tables_are_named(table, options, message):
    with pytest.raises(RecordingError, match=message):
        recording.from_dataframe(table, **options)


def test_an_empty_table_is_refused(table):
    with pytest.raises(RecordingError, match="0 rows"):
        recording.from_dataframe(table.iloc[:0], responses={"rt": "continuous"})


def test_three_words_are_not_binary():
    frame = pd.DataFrame({"x": ["a", "b", "c"]})
    with pytest.raises(RecordingError, match="has 3 values .a, b, c.: call it categorical"):
        recording.from_dataframe(frame, responses={"x": "binary"})
