"""Recordings from a long table: one row per trial of a participant."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from neurodyn.errors import RecordingError
from neurodyn.recording.build import make
from neurodyn.recording.columns import as_column
from neurodyn.recording.schema import KINDS, listed


def from_dataframe(
    frame,
    *,
    responses: Mapping[str, str],
    participant: str | Sequence[str] | None = None,
    trial: str | None = None,
    covariates: Mapping | Sequence[str] = (),
    trial_coords: Sequence[str] = (),
    categories: Mapping | None = None,
    modality: str = "behaviour",
    subject="",
    session="",
    source="",
    history=(),
) -> xr.Dataset:
    """Build a recording of trial-by-trial behaviour.

    Every participant becomes an entry of the dimension `trial`, time counts the trials of that
    participant, and a response is a unit. Participants may differ in their number of trials.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per trial.
    responses : mapping
        Column to kind (`binary`, `categorical`, `continuous`, `count`). Booleans are 0 and 1; a binary or
        categorical column of text is coded in alphabetical order, or in that of `categories`.
    participant : str or sequence of str, optional
        Column or columns (participant and session) that tell sequences apart; by default all rows are one.
    trial : str, optional
        Column of whole numbers that counts the trials; a number left out is a trial not observed. By
        default the order of the rows.
    covariates : mapping or sequence of str
        Columns known of each trial, or a mapping from column to `(available, role)`; by default
        `(before, exogenous)`. See `make`.
    trial_coords : sequence of str
        Columns that are constant within a participant, such as age; they become coordinates of `trial`.
    categories : mapping, optional
        Column to the list of its category names, in the order of their codes.
    modality, subject, session, source, history
        As in `make`.

    Returns
    -------
    xarray.Dataset
        A recording `(trial, time, unit)` with the attribute `time_unit="trial"`.

    Raises
    ------
    RecordingError
        If a column is missing or not of its kind, or a trial number occurs twice.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurodyn import recording
    >>> table = pd.DataFrame({"who": ["a", "a", "b"], "choice": ["left", "right", "left"], "cue": [0.5, 0.1, 0.3]})
    >>> choices = recording.from_dataframe(table, responses={"choice": "binary"}, participant="who",
    ...                                    covariates=["cue"])
    >>> choices.activity.sel(unit="choice").values.tolist()
    [[0.0, 1.0], [0.0, nan]]
    """
    keys = [participant] if isinstance(participant, str) else list(participant or [])
    inputs = (
        dict(covariates)
        if isinstance(covariates, Mapping)
        else dict.fromkeys(covariates, ("before", "exogenous"))
    )
    _check_columns(frame, [*responses, *keys, *([trial] if trial else []), *inputs, *trial_coords])
    if not responses:
        raise RecordingError("`responses` is empty: name at least one column and its kind.")
    if len(frame) == 0:
        raise RecordingError("The table has 0 rows: there is nothing to model.")
    names: dict[str, list[str]] = {}
    columns = []
    for name, kind in responses.items():
        column, named = _coded(frame[name], name, kind, (categories or {}).get(name))
        columns.append(column)
        if named is not None:
            names[name] = named
    values = np.stack(columns, axis=-1)
    known = (
        np.stack([_numeric(frame[name], name) for name in inputs], axis=-1)
        if inputs
        else np.zeros((len(frame), 0))
    )
    labels, groups = _groups(frame, keys)
    bins = [_bins(frame, rows, trial, label) for rows, label in zip(groups, labels, strict=True)]
    n_bins = np.array([int(b.max()) + 1 for b in bins])
    activity = np.full((len(groups), n_bins.max(), values.shape[1]), np.nan)
    received = np.full((len(groups), n_bins.max(), known.shape[1]), np.nan)
    for i, (rows, b) in enumerate(zip(groups, bins, strict=True)):
        activity[i, b] = values[rows]
        received[i, b] = known[rows]
    columns_of_trial = {name: _constant(frame, name, groups, labels) for name in (*trial_coords, *keys[1:])}
    if len(keys) > 1:
        columns_of_trial[keys[0]] = _constant(frame, keys[0], groups, labels)
    return make(
        activity,
        time_unit="trial",
        kind=list(responses.values()),
        unit=list(responses),
        trial=labels,
        trial_coords={"n_bins": n_bins, **columns_of_trial},
        covariates={name: (received[..., i], *inputs[name]) for i, name in enumerate(inputs)} or None,
        categories=names or None,
        modality=modality,
        subject=subject,
        session=session,
        source=source,
        history=(
            *((history,) if isinstance(history, str) else history),
            f"laid out {len(frame)} rows of a table as {len(groups)} sequences of up to {n_bins.max()} trials",
        ),
    )


def _check_columns(frame, wanted: Sequence[str]) -> None:
    """All the columns are there."""
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise RecordingError(f"The table has no column {missing[0]!r}: it has {listed(frame.columns, 20)}.")


def _coded(series, name: str, kind: str, order) -> tuple[np.ndarray, list[str] | None]:
    """A response as numbers, and the names of its codes where it was text."""
    if kind not in KINDS:
        raise RecordingError(
            f"The kind of the response {name!r} is {kind!r}: it must be one of {', '.join(KINDS)}."
        )
    column = as_column(series.to_numpy())
    if column.dtype.kind != "U":
        return _numeric(series, name), None if order is None else [str(word) for word in order]
    if kind in ("continuous", "count"):
        raise RecordingError(
            f"The response {name!r} is text ({column[0]!r}), and cannot be {kind}: convert it to numbers."
        )
    order = [str(word) for word in order] if order is not None else sorted(set(column.tolist()) - {""})
    unknown = set(column.tolist()) - set(order) - {""}
    if unknown:
        raise RecordingError(
            f"The response {name!r} holds {min(unknown)!r}, which `categories` does not name: add it."
        )
    if kind == "binary" and len(order) > 2:
        raise RecordingError(
            f"The response {name!r} has {len(order)} values ({listed(order)}): call it categorical."
        )
    codes = {word: float(i) for i, word in enumerate(order)}
    return np.array([codes.get(word, np.nan) for word in column.tolist()]), order


def _numeric(series, name: str) -> np.ndarray:
    """A column as floating numbers."""
    column = as_column(series.to_numpy())
    if column.dtype.kind not in "biuf":
        raise RecordingError(
            f"The column {name!r} holds {column[0]!r}, not numbers: recode it as one column of 0 and 1 per value."
        )
    return column.astype(np.float64)


def _groups(frame, keys: list[str]) -> tuple[list, list[np.ndarray]]:
    """Labels of the sequences, in order of appearance, and the rows of each."""
    if not keys:
        return [0], [np.arange(len(frame))]
    parts = [as_column(frame[key].to_numpy()) for key in keys]
    for key, part in zip(keys, parts, strict=True):
        gone = (
            (part == "")
            if part.dtype.kind == "U"
            else (np.isnan(part) if part.dtype.kind == "f" else np.zeros(1, bool))
        )
        if gone.any():
            raise RecordingError(
                f"Row {int(np.argmax(gone))} of the column {key!r} is empty: say whose trial it is."
            )
    rows: dict = {}
    for i, row in enumerate(zip(*(part.tolist() for part in parts), strict=True)):
        rows.setdefault(row, []).append(i)
    labels = [row[0] if len(keys) == 1 else "/".join(str(word) for word in row) for row in rows]
    return labels, [np.array(found) for found in rows.values()]


def _bins(frame, rows: np.ndarray, trial: str | None, label) -> np.ndarray:
    """The time index of each row of one sequence."""
    if trial is None:
        return np.arange(rows.size)
    numbers = _numeric(frame[trial], trial)[rows]
    if not np.all(numbers == np.floor(numbers)):
        raise RecordingError(
            f"The column {trial!r} of {label} does not hold whole numbers: count the trials 0, 1, ..."
        )
    found, counts = np.unique(numbers, return_counts=True)
    if (counts > 1).any():
        raise RecordingError(
            f"Trial {found[counts > 1][0]:g} of {label} occurs {counts.max()} times: name the session too, "
            "participant=['participant', 'session'], or leave `trial` out to take the order of the rows."
        )
    return (numbers - numbers.min()).astype(np.int64)


def _constant(frame, name: str, groups: list[np.ndarray], labels: list) -> np.ndarray:
    """A column that must be constant within every sequence."""
    column = as_column(frame[name].to_numpy())
    for rows, label in zip(groups, labels, strict=True):
        found = set(column[rows].tolist())
        if len(found) > 1 and not all(value != value for value in found):
            raise RecordingError(
                f"The column {name!r} takes {len(found)} values for {label} ({listed(sorted(found, key=str))}): it "
                "cannot be a coordinate of `trial`; make it a covariate."
            )
    return np.array([column[rows[0]] for rows in groups])
