"""Text tables (.csv, .tsv): one row per trial of behaviour."""

import csv
from pathlib import Path

from neurodyn import recording
from neurodyn.errors import FileError
from neurodyn.io.files import contents, existing_file, is_text, reading, suffix_of
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
            raise FileError(f"{path} is not a text table (its first bytes are binary); see neurodyn.io.inspect(path).")
        separator = _separator(path)
    with reading(path, "a text table"):
        frame = pandas.read_csv(
            path, sep=separator, nrows=rows, encoding="utf-8-sig", na_values=["n/a", "nan", "NaN", "NA", ""]
        )
    frame.columns = [str(name).strip() for name in frame.columns]
    unnamed = [name for name in frame.columns[:1] if name == "" or name.startswith("Unnamed:")]
    return frame.drop(columns=unnamed)


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
        column = frame[name]
        note = f"{column.dtype}, {column.nunique()} values, {int(column.isna().sum())} missing"
        rows.append({"kind": "column", "name": name, "shape": (len(column),), "note": note})
    return contents(rows)


def read_table(path, **options):
    """placeholder"""
    return recording.from_dataframe(load_frame(path), **options)


LOADER = Loader(name="table", suffixes=SUFFIXES, sniff=sniff, inspect=inspect_table, read=read_table)
