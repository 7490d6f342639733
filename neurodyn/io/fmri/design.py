"""What happened at each volume: conditions and runs, confounds, scrubbed volumes."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neurodyn.errors import FileError, ModelError
from neurodyn.io.files import existing_file
from neurodyn.io.table import load_frame


def volume_labels(given, n_volumes: int):
    """Condition and run of each volume from a table, an array of conditions, or a path.

    A text file without a header has the columns condition and run (run optional), separated by
    blanks; with a header, a column `label`, `labels`, `condition` or `trial_type`, and `run`,
    `chunks` or `session`.
    """
    runs = None
    if isinstance(given, (str, Path)):
        path = existing_file(given)
        words = [line.split() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        names = {word.lower() for word in words[0]} if words else set()
        if names & set(CONDITION) or "," in "".join(words[0]):
            return volume_labels(load_frame(path), n_volumes)
        if len({len(line) for line in words}) != 1 or len(words[0]) > 2:
            raise FileError(f"{path} must have one line per volume: condition, and run if there are several.")
        labels = [line[0] for line in words]
        runs = [line[1] for line in words] if len(words[0]) == 2 else None
    elif hasattr(given, "columns"):
        lower = {str(name).lower(): name for name in given.columns}
        column = next((lower[name] for name in CONDITION if name in lower), None)
        if column is None:
            raise FileError(
                f"The volume labels need a column {' or '.join(CONDITION)}; they have: {', '.join(lower)}."
            )
        labels = [str(label) for label in given[column]]
        run = next((lower[name] for name in RUN if name in lower), None)
        runs = None if run is None else [str(label) for label in given[run]]
    else:
        labels = [str(label) for label in np.asarray(given).ravel()]
    if len(labels) != n_volumes:
        raise FileError(
            f"There are {len(labels)} volume labels for {n_volumes} volumes; they must be equal in number."
        )
    return np.array(labels), None if runs is None else np.array(runs)


CONDITION = ("label", "labels", "condition", "trial_type", "targets")
RUN = ("run", "runs", "chunks", "chunk", "session")


def event_labels(given, n_volumes: int, repetition_time: float) -> np.ndarray:
    """Condition at the middle of each volume from a BIDS events table; empty between events."""
    frame = load_frame(given) if isinstance(given, (str, Path)) else given
    lower = {str(name).lower(): name for name in frame.columns}
    lacking = [name for name in ("onset", "duration") if name not in lower]
    if lacking:
        raise FileError(f"The events need a column {lacking[0]} in seconds; they have: {', '.join(lower)}.")
    column = next((lower[name] for name in (*CONDITION, "value") if name in lower), None)
    names = [str(name) for name in frame[column]] if column is not None else ["event"] * len(frame)
    from neurodyn.io.resample import labels_on_bins

    onset = np.asarray(frame[lower["onset"]], dtype=float)
    end = onset + np.nan_to_num(np.asarray(frame[lower["duration"]], dtype=float))
    return labels_on_bins(repetition_time * np.arange(n_volumes), repetition_time, onset, end, names)


def split_runs(runs) -> list[slice]:
    """Stretches of volumes of each run; a run must be one stretch."""
    change = np.flatnonzero(runs[1:] != runs[:-1]) + 1
    edges = [0, *change.tolist(), len(runs)]
    parts = [slice(begin, end) for begin, end in itertools.pairwise(edges)]
    names = [str(runs[part.start]) for part in parts]
    if len(set(names)) != len(names):
        raise FileError("A run's volumes are not one stretch in the volume labels; sort the volumes by run.")
    return parts


def confound_table(given, n_volumes: int):
    """Confounds as a DataFrame with one row per volume; the first volume's missing derivatives become 0."""
    frame = load_frame(given) if isinstance(given, (str, Path)) else given
    if not hasattr(frame, "columns"):
        import pandas

        array = np.asarray(frame, dtype=float)
        array = array[:, None] if array.ndim == 1 else array
        frame = pandas.DataFrame(array, columns=[f"confound-{i}" for i in range(array.shape[1])])
    if len(frame) != n_volumes:
        raise FileError(
            f"There are {len(frame)} rows of confounds for {n_volumes} volumes; they must be equal."
        )
    return frame


def scrubbed(rule, confounds, n_volumes: int) -> np.ndarray:
    """Mask (time,) of the volumes to hide: booleans, volume numbers, or thresholds on confounds."""
    if rule is None:
        return np.zeros(n_volumes, dtype=bool)
    if isinstance(rule, Mapping):
        if confounds is None:
            raise ModelError("scrub by threshold needs the confounds, e.g. confounds='..._timeseries.tsv'.")
        mask = np.zeros(n_volumes, dtype=bool)
        for name, threshold in rule.items():
            if name not in confounds:
                raise ModelError(
                    f"scrub names {name!r}, which is not among the confounds: {', '.join(confounds)}."
                )
            mask |= np.asarray(confounds[name], dtype=float) > threshold
        return mask
    rule = np.asarray(rule)
    if rule.dtype == bool:
        if rule.shape != (n_volumes,):
            raise ModelError(f"scrub has shape {rule.shape}, but the run has {n_volumes} volumes.")
        return rule
    if rule.size and (rule.dtype.kind not in "iu" or rule.min() < 0 or rule.max() >= n_volumes):
        raise ModelError(
            f"scrub must hold volume numbers from 0 to {n_volumes - 1}, or one boolean per volume."
        )
    mask = np.zeros(n_volumes, dtype=bool)
    mask[rule.astype(np.int64)] = True
    return mask
