"""
A loader of your own
====================

Whole-brain calcium recordings of *C. elegans* come as one HDF5 file an animal, with a table beside them that says which
trace is which neuron. neurodyn does not know this layout. This module teaches it: three functions, a
:class:`neurodyn.io.Loader` that holds them, and one line of ``pyproject.toml`` that announces it.

What the three owe is on the page *How to add a loader*; what to look at here are the decisions that only somebody who
knows the data can make: which names to trust, what counts as behaviour, and what to refuse.
"""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurodyn.errors import FileError, ModelError
from neurodyn.io import Loader
from neurodyn.io.files import contents, existing_file, is_hdf5, reading
from neurodyn.io.nwb.opening import refuse_outside_links
from neurodyn.io.table import load_frame
from neurodyn.recording import make

TRACES, TIMES = "gcamp/trace_array", "timing/timestamp_confocal"
BEHAVIOUR = {
    "velocity": "behavior/velocity",
    "reversal": "behavior/reversal_vec",
    "head_angle": "behavior/head_angle",
    "body_angle": "behavior/body_angle",
    "pumping": "behavior/pumping",
}
COLUMNS = ("animal", "trace_index", "label", "neuron_class", "left_right", "confidence")
LABELS = "neuron_labels.csv"

# %%
# Recognise it
# ------------
# By the content and not by the name: many formats end in ``.h5``. A file that another program damaged, or that is no
# HDF5 at all, is simply not ours.


def sniff(path: Path) -> int:
    """Whether a file is HDF5 with traces where this laboratory keeps them."""
    import h5py
    from h5py import h5l

    if not is_hdf5(path):
        return 0
    try:
        with h5py.File(path, "r") as file:
            # Names are looked at without following where they lead: a link may leave the file.
            links = file.id.links
            hard = links.exists(b"gcamp") and links.get_info(b"gcamp").type == h5l.TYPE_HARD
            group = file["gcamp"] if hard else None
            return 2 * (isinstance(group, h5py.Group) and "trace_array" in list(group))
    except OSError:
        return 0


# %%
# Say what is in it
# -----------------
# One row for the traces and one for each behaviour, without reading any of them.


def inspect(path) -> pd.DataFrame:
    """Table of the traces and behaviours of one animal."""
    path = existing_file(path)
    with _opened(path) as file:
        step = _step(file, path)
        rows = []
        for kind, name, place in [
            ("calcium", "traces", TRACES),
            *(("behaviour", *row) for row in BEHAVIOUR.items()),
        ]:
            if place in file:
                shape = _matrix(file, place, path).shape
                rows.append(
                    {
                        "kind": kind,
                        "name": name,
                        "shape": shape,
                        "rate": 1 / step,
                        "duration": shape[0] * step,
                    }
                )
        return contents(rows)


# %%
# Read it
# -------
# A name that ends in a question mark is one the person who named it did not trust: the trace then counts as unnamed,
# unless you say otherwise. Unnamed traces cannot be compared over animals and are left out, unless you want them.


def read(
    path,
    *,
    labels=None,
    uncertain: bool = False,
    unnamed: bool = False,
    behaviour: bool | str | list[str] = True,
    subject: str | None = None,
) -> xr.Dataset:
    """Read the traces of one animal, named, with its behaviour.

    Parameters
    ----------
    path : path-like
        HDF5 file of one animal, ``<animal>-data.h5``.
    labels : path-like, optional
        Table of names with the columns animal, trace_index (from 0), label, neuron_class, left_right and confidence; by
        default ``neuron_labels.csv`` in the same folder.
    uncertain : bool
        Whether names that end in ``?`` count; by default such a trace is unnamed.
    unnamed : bool
        Whether traces without a name are kept, as ``trace-12``.
    behaviour : bool, str or list of str
        Which of velocity, reversal, head_angle, body_angle and pumping become covariates.
    subject : str, optional
        The animal in the table; by default from the file's name.

    Returns
    -------
    xarray.Dataset
        A recording, ``activity`` on (time, unit); on ``unit`` the coordinates ``neuron_class``, ``side``, ``confidence``
        and ``trace``. A name that several traces carry belongs to the one named with most confidence; where they tie, to
        none. Behaviour is measured in the frame of the activity, so that it is available with it; it has the numbers and
        units of the file, which states none.

    Raises
    ------
    FileError
        The file or the table is missing, damaged, of another layout, or does not know the animal.
    ModelError
        A behaviour is asked for that there is none of.
    """
    path = existing_file(path)
    wanted = _wanted(behaviour)
    subject = path.stem.removesuffix("-data") if subject is None else subject
    with _opened(path) as file:
        traces, step = np.asarray(_numbers(file, TRACES, path), np.float32), _step(file, path)
        n_time, n_traces = traces.shape
        covariates, absent = {}, []
        for name in wanted:
            if BEHAVIOUR[name] not in file:
                absent.append(name)
                continue
            values = _numbers(file, BEHAVIOUR[name], path, n_time=n_time)
            if not np.isfinite(values).any():
                absent.append(name)
            else:
                columns = (
                    [name] if values.shape[1] == 1 else [f"{name}_{at}" for at in range(values.shape[1])]
                )
                covariates |= {
                    column: (values[:, at], "with", "measured") for at, column in enumerate(columns)
                }
    named, note = _names(path, labels, subject, n_traces, uncertain)
    kept = range(n_traces) if unnamed else sorted(named)
    if not len(kept):
        raise FileError(f"{path} has no trace with a name for {subject!r}; read it with unnamed=True.")
    rows: list[dict[str, Any]] = [named.get(trace, {}) for trace in kept]
    return make(
        traces[:, list(kept)],
        sampling_interval=step,
        unit=[row.get("label", f"trace-{trace}") for row, trace in zip(rows, kept, strict=True)],
        unit_coords={
            "neuron_class": [row.get("neuron_class", "") for row in rows],
            "side": [row.get("left_right", "") for row in rows],
            "confidence": [float(row.get("confidence", np.nan)) for row in rows],
            "trace": list(kept),
        },
        covariates=covariates or None,
        modality="calcium",
        subject=subject,
        session=subject,
        source=path.name,
        history=(
            f"read {n_traces} traces; {note}",
            f"frames taken as {step:g} s apart; behaviour in the units of the file, which it does not state"
            + (f"; no {', '.join(absent)} in it" if absent else ""),
        ),
    )


# %%
# What to refuse
# --------------
# An HDF5 file can point to other files, and a reader that follows gives away what lies there. Links that leave the folder
# are refused before anything is read. Everything else that does not fit is one sentence: what was found, where, and what
# to do.


@contextlib.contextmanager
def _opened(path: Path):
    """The file, open, once it is known to be of this layout and to stay within its folder."""
    import h5py

    if not is_hdf5(path):
        raise FileError(
            f"{path} is not an HDF5 file (its first bytes differ); see neurodyn.io.inspect(path)."
        )
    with reading(path, "a worm's HDF5 file"), h5py.File(path, "r") as file:
        refuse_outside_links(file, path)
        if TRACES not in file:
            raise FileError(
                f"{path} has no {TRACES!r}, so it is no recording of this layout; it has: "
                f"{', '.join(file) or 'nothing'}."
            )
        yield file


def _matrix(file, place: str, path: Path):
    """A dataset of numbers over time, not read yet."""
    import h5py

    item = file[place]
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiub" or item.ndim not in (1, 2):
        raise FileError(f"{place!r} of {path} is not a matrix of numbers over time; export the file again.")
    return item


def _numbers(file, place: str, path: Path, n_time: int | None = None) -> np.ndarray:
    """Numbers (time, column) that are as long as the traces."""
    values = _matrix(file, place, path)[()]
    values = values.reshape(len(values), -1)
    if n_time is not None and len(values) != n_time:
        raise FileError(
            f"{place!r} of {path} has {len(values)} frames, the traces {n_time}; export the file again."
        )
    return values


def _step(file, path: Path) -> float:
    """Seconds between frames, to a millisecond; refused where frames are missing."""
    if TIMES not in file:
        raise FileError(
            f"{path} has no {TIMES!r}, so the time between frames is unknown; export the file with it."
        )
    steps = np.diff(_numbers(file, TIMES, path)[:, 0])
    step = round(float(np.median(steps)), 3)
    if not step > 0 or not np.all((steps > 0.5 * step) & (steps < 1.5 * step)):
        raise FileError(
            f"the frames of {path} are {steps.min():.3g} to {steps.max():.3g} s apart, which no uniform clock has; cut the "
            "recording at the gap."
        )
    return step


def _wanted(behaviour) -> list[str]:
    """Names of the behaviours asked for."""
    if isinstance(behaviour, bool):
        return list(BEHAVIOUR) if behaviour else []
    names = [behaviour] if isinstance(behaviour, str) else list(behaviour)
    unknown = [name for name in names if name not in BEHAVIOUR]
    if unknown:
        raise ModelError(f"there is no behaviour {unknown[0]!r}; choose among {', '.join(BEHAVIOUR)}.")
    return names


def _names(path: Path, labels, subject: str, n_traces: int, uncertain: bool) -> tuple[dict[int, dict], str]:
    """Row of the table for every trace that has a name, by trace, and what was done."""
    table_path = path.parent / LABELS if labels is None else Path(labels)
    if labels is None and not table_path.is_file():
        return {}, f"no {LABELS} beside it"
    table: Any = load_frame(table_path)
    lacking = [name for name in COLUMNS if name not in table]
    if lacking:
        raise FileError(f"{table_path} has no column {lacking[0]!r}; it has: {', '.join(map(str, table))}.")
    animals = table["animal"].astype(str)
    table = table[animals == subject]
    if table.empty:
        raise FileError(
            f"{table_path} does not know the animal {subject!r}; name one with subject=...: "
            f"{', '.join(sorted(set(animals)))}."
        )
    outside = [trace for trace in table["trace_index"] if trace not in range(n_traces)]
    if outside:
        raise FileError(
            f"{table_path} names trace {outside[0]} of {subject!r}, but {path} has traces 0 to {n_traces - 1}; use "
            "the table that belongs to the file."
        )
    table = table.assign(trace_index=table["trace_index"].astype(int), label=table["label"].astype(str))
    unsure = table["label"].str.endswith("?")
    if not uncertain:
        table = table[~unsure]
    best = table.groupby("label")["confidence"].transform("max")
    chosen = table[table["confidence"] == best]
    chosen = chosen[~chosen["label"].duplicated(keep=False)]
    left = sorted(set(table["label"][~table["trace_index"].isin(chosen["trace_index"])]))
    note = (
        f"{len(chosen)} have names, {unsure.sum()} names with '?' were {'kept' if uncertain else 'left out'}"
    )
    if left:
        note += f"; {', '.join(left)} named several traces, at most the surest kept it"
    rows = chosen[list(COLUMNS)].replace({"undefined": "", "missing": ""}).to_dict("records")
    return {row["trace_index"]: row for row in rows}, note


# %%
# Announce it
# -----------
# ``pyproject.toml`` beside this module has ``[project.entry-points."neurodyn.loaders"]`` with ``worm =
# "worm_loader:LOADER"``. After ``pip install examples/worm_loader``, ``neurodyn.read("2022-07-26-31-data.h5")`` finds it.

LOADER = Loader(name="worm", suffixes=(".h5",), sniff=sniff, inspect=inspect, read=read, hint="uncertain=")
