"""Text tables (.csv, .tsv): one row per trial of behaviour."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurodyn import recording
from neurodyn.errors import FileError
from neurodyn.io.files import contents, existing_file, is_text, reading, suffix_of, warn
from neurodyn.io.registry import Loader

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".txt")


def sniff(path: Path) -> bool:
    """Whether a file is text with a table's name."""
    if suffix_of(path) in (".csv.gz", ".tsv.gz"):
        return path.is_file()
    return suffix_of(path) in SUFFIXES and is_text(path)


def load_frame(path, rows: int | None = None):
    """A text table as a DataFrame: separator and byte-order mark found, an unnamed index column dropped."""
    import pandas

    path = existing_file(path)
    if suffix_of(path).endswith(".gz"):
        separator = "\t" if ".tsv" in suffix_of(path) else ","
    else:
        if not is_text(path):
            raise FileError(
                f"{path} is not a text table (its first bytes are binary); see neurodyn.io.inspect(path)."
            )
        separator = _separator(path)
    with reading(path, "a text table"):
        first = pandas.read_csv(path, sep=separator, nrows=1, header=None, dtype=str, encoding="utf-8-sig")
        header = not all(_is_number(word) for word in first.iloc[0])
        frame = pandas.read_csv(
            path,
            sep=separator,
            nrows=rows,
            header=0 if header else None,
            encoding="utf-8-sig",
            na_values=["n/a", "nan", "NaN", "NA", ""],
        )
    frame.columns = [str(name).strip() if header else f"column-{name}" for name in frame.columns]
    unnamed = [name for name in frame.columns[:1] if name == "" or name.startswith("Unnamed:")]
    frame = frame.drop(columns=unnamed)
    frame.attrs["header"] = header
    return frame


def _is_number(word) -> bool:
    """Whether a cell of a first row is a number, so that the row is no header."""
    try:
        float(word)
    except (TypeError, ValueError):
        return False
    return True


def _separator(path: Path) -> str:
    """The separator of a text table from its first lines."""
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        sample = "".join(line for _, line in zip(range(5), stream, strict=False))
    if "\t" in sample:
        return "\t"
    try:
        return {",": ",", ";": ";"}.get(csv.Sniffer().sniff(sample, delimiters=",;").delimiter, ",")
    except csv.Error:
        return r"\s+" if " " in sample.strip() and "," not in sample else ","


def inspect_table(path):
    """Table of the columns of a text table."""
    frame = load_frame(path)
    rows = []
    for name in frame.columns:
        column: Any = frame[name]
        note = f"{column.dtype}, {column.nunique()} values, {column.isna().sum()} missing"
        rows.append({"kind": "column", "name": name, "shape": (len(column),), "note": note})
    return contents(rows)


def read_table(
    path,
    *,
    responses,
    participant=None,
    trial: str | None = None,
    covariates=(),
    onset: str | None = None,
    trial_coords=(),
    categories: Mapping | None = None,
    subject: str = "",
    session: str = "",
):
    """Read a table of choices, one row per trial, into a recording.

    Time counts the trials of each participant, who are the entries of the dimension `trial`.

    Parameters
    ----------
    path : path-like
        A .csv or .tsv file; separator, byte-order mark and an unnamed index column are dealt with.
    responses : str, sequence of str or mapping
        Columns of what the subject did, or a mapping of column to kind (`binary`, `categorical`,
        `continuous`, `count`). Without a kind it is judged by the values: two are binary, text is
        categorical, numbers are continuous. Binary numbers other than 0 and 1 are recoded, the
        smaller one to 0.
    participant : str or sequence of str, optional
        Column(s) that tell participants (and sessions) apart; default all rows are one.
    trial : str, optional
        Column that counts the trials; default the order of the rows.
    covariates : mapping or sequence of str
        Columns of what the subject received, or a mapping of column to (available, role); default
        ("before", "exogenous"). The outcome of a trial is ("after", "exogenous"), or "measured" where
        it depends on the response. `signed_contrast` is made from `contrastLeft` and
        `contrastRight` where the table lacks it.
    onset : str, optional
        Column with the time of each trial, seconds; becomes the covariate `time_step`, the seconds
        since the participant's previous trial (the median for the first).
    trial_coords : sequence of str
        Columns that are constant within a participant.
    categories : mapping, optional
        Column to the list of its category names in the order of their codes.
    subject, session : str
        Attributes of the recording.

    Returns
    -------
    xarray.Dataset
        Recording; `activity` (trial, time, unit) with `time_unit="trial"`.

    Raises
    ------
    FileError
        The file is missing or not a text table.
    RecordingError
        A column is missing or not of its kind.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from neurodyn.io import read_table
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "choices.csv"
    >>> _ = path.write_text("who,choice,cue\\na,-1,0.5\\na,1,0.1\\nb,1,0.3\\n")
    >>> choices = read_table(path, responses="choice", participant="who", covariates=["cue"])
    >>> choices["activity"].sel(unit="choice").values.tolist()
    [[0.0, 1.0], [1.0, nan]]
    """
    frame = load_frame(path)
    path = existing_file(path)
    history = [f"read {len(frame)} rows of a table"]
    covariates = dict(covariates) if isinstance(covariates, Mapping) else dict.fromkeys(covariates, DEFAULT)
    frame, note = _contrast(frame, covariates, path)
    history += note
    kinds = _kinds(frame, responses)
    for name, kind in kinds.items():
        if kind == "binary" and name in frame and frame[name].dtype.kind in "if":
            values = sorted(set(frame[name].dropna().tolist()))
            if len(values) == 2 and values != [0, 1]:
                frame = frame.assign(
                    **{name: (frame[name] == values[1]).astype(float).where(frame[name].notna())}
                )
                history.append(f"recoded {name}: {values[0]:g} to 0, {values[1]:g} to 1")
    if onset is not None:
        frame, covariates = _time_step(frame, participant, onset, covariates, path)
        history.append(f"time_step is the difference of {onset} between trials")
    return recording.from_dataframe(
        frame,
        responses=kinds,
        participant=participant,
        trial=trial,
        covariates=covariates,
        trial_coords=trial_coords,
        categories=categories,
        subject=subject,
        session=session,
        source=path.name,
        history=history,
    )


DEFAULT = ("before", "exogenous")


def _kinds(frame, responses) -> dict[str, str]:
    """Kind of each response, judged by its values where it is not given."""
    if isinstance(responses, Mapping):
        return {str(name): str(kind) for name, kind in responses.items()}
    kinds = {}
    for name in [responses] if isinstance(responses, str) else responses:
        values = frame[name].dropna() if name in frame else ()
        numeric = name not in frame or frame[name].dtype.kind in "fiub"
        if len(set(values)) == 2:
            kinds[name] = "binary"
        else:
            kinds[name] = "continuous" if numeric else "categorical"
    return kinds


def _contrast(frame, covariates, path):
    """The table with `signed_contrast`, and a warning where a one-sided contrast is asked for."""
    sides = ("contrastLeft", "contrastRight")
    if not set(sides) <= set(frame.columns):
        return frame, []
    if (frame[list(sides)].notna().sum(axis=1) == 1).all():
        asked = [name for name in sides if name in covariates]
        if asked:
            warn(
                f"{path}: {' and '.join(asked)} is empty in trials with the stimulus on the other side, which is not "
                "missing data; use the covariate signed_contrast instead."
            )
    if "signed_contrast" in frame or "signed_contrast" not in covariates:
        return frame, []
    signed = frame["contrastRight"].fillna(0) - frame["contrastLeft"].fillna(0)
    return frame.assign(signed_contrast=signed), [
        "signed_contrast is contrastRight - contrastLeft, absent is 0"
    ]


def _time_step(frame, participant, onset, covariates, path):
    """The table with seconds since each participant's previous trial as a covariate."""
    keys = [participant] if isinstance(participant, str) else list(participant or [])
    lacking = [name for name in (onset, *keys) if name not in frame]
    if lacking:
        raise FileError(f"{path} has no column {lacking[0]!r}; it has: {', '.join(frame.columns)}.")
    groups = frame.groupby(keys, sort=False)[onset] if keys else None
    step = groups.diff() if groups is not None else frame[onset].diff()
    middle = step.groupby([frame[key] for key in keys]).transform("median") if keys else step.median()
    return frame.assign(time_step=step.fillna(middle)), {**covariates, "time_step": DEFAULT}


LOADER = Loader(
    name="table", suffixes=SUFFIXES, sniff=sniff, inspect=inspect_table, read=read_table, hint="responses="
)
