"""Recordings of the Neural Latents Benchmark: spikes of monkeys in trials, with the parts that its authors assigned."""

import contextlib
import dataclasses
import fnmatch
import pathlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurodyn import recording as rec
from neurodyn.errors import FileError, ModelError, NeurodynWarning
from neurodyn.io.files import existing_file
from neurodyn.io.nwb import dandi, opening, tables, trials, units

PATTERN = "*desc-train*.nwb"
PARTS = ("train", "val")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NeuralLatents:
    """What the benchmark defines for one of its data sets; times in seconds.

    Parameters
    ----------
    dandiset : str
        Number of the data set in the DANDI archive.
    summary : str
        What was recorded.
    marks : tuple of str
        Parts of the name of its file.
    align : str
        Column of the trials table with the event that trials are aligned to.
    window : tuple of float
        First and last time of a trial around the event.
    forward : float
        Length of the forward bins after it.
    condition : tuple of str
        Columns that make a condition.
    behaviour : tuple of str
        Series of behaviour that are decoded.
    lag : float
        How long behaviour follows the rates it is decoded from.
    smoothing : float
        Standard deviation of the Gaussian for averages by condition; 0 where the benchmark makes none.
    between : tuple of str, optional
        Columns with the times between which held-out units are scored; None: everywhere in the window.
    """

    dandiset: str
    summary: str
    marks: tuple[str, ...]
    align: str
    window: tuple[float, float]
    forward: float = 0.2
    condition: tuple[str, ...] = ()
    behaviour: tuple[str, ...] = ()
    lag: float = 0.0
    smoothing: float = 0.0
    between: tuple[str, str] | None = None


def _maze(dandiset: str, session: str, trials: str, lag: float, smoothing: float) -> NeuralLatents:
    """One of the four maze data sets."""
    return NeuralLatents(
        dandiset=dandiset,
        summary=f"motor and premotor cortex, delayed reaches through mazes, {trials}",
        marks=("Jenkins", session),
        align="move_onset_time",
        window=(-0.25, 0.45),
        condition=("trial_type", "trial_version"),
        behaviour=("hand_vel",),
        lag=lag,
        smoothing=smoothing,
    )


DEFINITIONS = {
    "mc_maze": _maze("000128", "full", "the full session", 0.1, 0.07),
    "mc_maze_large": _maze("000138", "large", "500 trials", 0.12, 0.05),
    "mc_maze_medium": _maze("000139", "medium", "250 trials", 0.12, 0.05),
    "mc_maze_small": _maze("000140", "small", "100 trials", 0.12, 0.05),
    "mc_rtt": NeuralLatents(
        dandiset="000129",
        summary="motor cortex, continuous reaches to random targets, cut into pieces of 0.6 s",
        marks=("Indy",),
        align="start_time",
        window=(0.0, 0.6),
        behaviour=("finger_vel",),
        lag=0.14,
    ),
    "area2_bump": NeuralLatents(
        dandiset="000127",
        summary="somatosensory cortex, active reaches and bumps of the arm",
        marks=("Han",),
        align="move_onset_time",
        window=(-0.1, 0.5),
        condition=("cond_dir", "ctr_hold_bump"),
        behaviour=("hand_vel",),
        lag=-0.02,
        smoothing=0.04,
    ),
    "dmfc_rsg": NeuralLatents(
        dandiset="000130",
        summary="dorsomedial frontal cortex, intervals between two cues reproduced",
        marks=("Haydn",),
        align="go_time",
        window=(-1.5, 0.0),
        condition=("is_eye", "theta", "is_short", "ts"),
        smoothing=0.07,
        between=("set_time", "go_time"),
    ),
}


def nlb_definition(name: str) -> NeuralLatents:
    """What the Neural Latents Benchmark defines for one of its data sets.

    Parameters
    ----------
    name : str
        ``mc_maze``, ``mc_maze_large``, ``mc_maze_medium``, ``mc_maze_small``, ``mc_rtt``, ``area2_bump`` or ``dmfc_rsg``.

    Returns
    -------
    NeuralLatents
        Alignment, forward bins, conditions, behaviour, lag and smoothing.

    Raises
    ------
    FileError
        If the name is unknown.

    Examples
    --------
    >>> from neurodyn import datasets
    >>> datasets.nlb_definition("mc_maze").window
    (-0.25, 0.45)
    """
    if name not in DEFINITIONS:
        raise FileError(f"There is no benchmark data set {name!r}: choose one of {', '.join(DEFINITIONS)}.")
    return DEFINITIONS[name]


def nlb(
    name: str,
    path: str | pathlib.Path | None = None,
    *,
    bin_width: float = 0.02,
    align: str | None = None,
    window: tuple[float, float] | None = None,
    forward: float | None = None,
    behaviour: bool | str | Sequence[str] = True,
    condition: Sequence[str] | None = None,
) -> xr.Dataset:
    r"""Read a data set of the Neural Latents Benchmark, in trials, with the parts that it assigns.

    Spikes of trial r are counted in bins from its own event, :math:`x_{rtu} = \#\{s \in S_u : t \Delta \le s - e_r - w_0 <
    (t + 1) \Delta\}`, from the start :math:`w_0` of the window to its end, and through the forward bins after it.

    Parameters
    ----------
    name : str
        ``mc_maze``, ``mc_maze_large``, ``mc_maze_medium``, ``mc_maze_small``, ``mc_rtt``, ``area2_bump`` or ``dmfc_rsg``.
    path : path-like, optional
        The file ``*desc-train*.nwb``, or a folder in which it is found; default: read over the network from the DANDI
        archive, with the extra ``dandi``.
    bin_width : float
        :math:`\Delta` in seconds; the benchmark has 0.005 and 0.02.
    align : str, optional
        Column of the trials table with the event; default, as the following, the benchmark's (`nlb_definition`).
    window : tuple of float, optional
        Seconds before and after the event.
    forward : float, optional
        Seconds of forward bins after the window; 0 for none.
    behaviour : bool, str or sequence of str
        Covariates: the behaviour that the benchmark decodes, other series by name, or none.
    condition : sequence of str, optional
        Columns of the trials table that make a condition.

    Returns
    -------
    xarray.Dataset
        Recording of counts ``(trial, time, unit)`` of the trials whose part is train or val. Coordinates: ``split`` and
        ``condition`` (where there is one), ``event_time``, ``start_time`` (of the first bin) and all columns of the trials
        table on ``trial``; ``heldout`` and what else is known on ``unit``; ``forward`` on ``time``, which is 0 at the event.
        Behaviour is a measured covariate, averaged in every bin, available after the response. Bins outside a unit's
        observation intervals are NaN.

    Raises
    ------
    FileError
        If the name is unknown, there is no file or more than one, it lacks a column or a series, or it cannot be read.
    ModelError
        If the bin width, window or forward time is out of range, or no whole number of bins.

    Notes
    -----
    The benchmark's server for the test part closed in January 2026; the validation part is public, and
    ``holdout.assigned("units")`` and ``holdout.assigned("bins")`` hold it out as the benchmark does its test part. Scores on
    it are no scores of the leader board. For ``dmfc_rsg`` the benchmark shifts trials of these two parts by random amounts,
    which is not done here, and scores held-out units between the set cue and the go time alone:
    ``between=("set_time", "go_time")``.

    References
    ----------
    .. [1] Pei, F. et al. (2021). Neural Latents Benchmark '21: evaluating latent variable models of neural population
       activity. NeurIPS Datasets and Benchmarks. arXiv:2109.04463. doi:10.48550/arXiv.2109.04463

    Examples
    --------
    >>> from neurodyn import datasets
    >>> recording = datasets.nlb("mc_maze", "000128/sub-Jenkins")  # doctest: +SKIP
    """
    definition = nlb_definition(name)
    align = definition.align if align is None else str(align)
    first, n_bins, n_forward = _bins(
        bin_width, window or definition.window, definition.forward if forward is None else forward
    )
    columns = definition.condition if condition is None else tuple(condition)
    with _opened(definition, path) as (nwbfile, source):
        table = _trials(nwbfile, align, columns, source)
        result = _counts(nwbfile, table, align, (first, n_bins + n_forward, float(bin_width)), source)
        wanted = definition.behaviour if behaviour is True else (behaviour or ())
        if wanted:
            result = trials.with_behaviour(nwbfile, result, wanted, source)
    ahead = np.arange(n_bins + n_forward) >= n_bins
    result = result.assign_coords(forward=("time", ahead))
    if columns:
        words = [[f"{column} {_word(value)}" for value in table[column]] for column in columns]
        result = result.assign_coords(
            condition=("trial", [", ".join(parts) for parts in zip(*words, strict=True)])
        )
    return rec.check(
        rec.with_history(result, f"read {name} of the Neural Latents Benchmark, aligned to {align}")
    )


def _bins(width: Any, window: Any, forward: Any) -> tuple[float, int, int]:
    """Start of the window, its bins, and the forward bins."""
    numbers = [width, forward, *window] if len(tuple(window)) == 2 else []
    if not numbers or not all(isinstance(x, (int, float, np.number)) and np.isfinite(x) for x in numbers):
        raise ModelError(
            f"nlb: bin_width {width!r}, window {window!r} and forward {forward!r} must be seconds."
        )
    first, last = (float(x) for x in window)
    if not (width > 0 and last > first and forward >= 0):
        raise ModelError(
            f"nlb: bin_width is {width!r}, window {tuple(window)} and forward {forward!r}; widths must be above 0, the "
            "window end after it starts, and forward be 0 or more."
        )
    counts = []
    for what, length in (("window", last - first), ("forward", float(forward))):
        number = round(length / width)
        if abs(number * width - length) > 1e-6 * width:
            raise ModelError(
                f"nlb: {what} lasts {length:g} s, no whole number of bins of {width:g} s; change either."
            )
        counts.append(number)
    return first, counts[0], counts[1]


@contextlib.contextmanager
def _opened(definition: NeuralLatents, path: Any) -> Iterator[tuple[Any, str]]:
    """The open file and what to call it."""
    if path is None:
        with dandi.open_dandi(definition.dandiset, PATTERN) as (nwbfile, source):
            yield nwbfile, source
        return
    found = _find(definition, existing_file(path, folder=True))
    with opening.open_nwb(found) as nwbfile:
        yield nwbfile, str(found)


def _find(definition: NeuralLatents, path: pathlib.Path) -> pathlib.Path:
    """The file, or the one file of this data set in a folder."""
    if not path.is_dir():
        return path
    found = sorted(file for file in path.rglob("*.nwb") if fnmatch.fnmatchcase(file.name, PATTERN))
    if len(found) > 1:
        found = [file for file in found if all(mark in file.name for mark in definition.marks)] or found
    if len(found) != 1:
        names = f": {', '.join(file.name for file in found[:5])}" if found else ""
        raise FileError(
            f"{path} holds {len(found)} files {PATTERN}{names}; give the one of DANDI {definition.dandiset} by its path."
        )
    return found[0]


def _trials(nwbfile: Any, align: str, condition: tuple[str, ...], source: str) -> Any:
    """Rows of the trials table that belong to a part and have an event, and all columns."""
    table = tables.intervals(nwbfile, "trials", source)
    for column in ("split", align, *condition):
        if column not in table:
            raise FileError(
                f"{source}: the trials table has no column {column!r}; it has {', '.join(table.columns)}: is this the "
                "file of the data set's desc-train part?"
            )
    table = table.loc[table["split"].astype(str).isin(PARTS).to_numpy()]
    if not len(table):
        raise FileError(f"{source}: no trial's split is train or val; give the file of the desc-train part.")
    known = np.isfinite(table[align].to_numpy(float))
    if not known.all():
        warnings.warn(
            f"{int((~known).sum())} of {len(known)} trials have no {align} and are left out.",
            NeurodynWarning,
            stacklevel=3,
        )
    if not known.any():
        raise FileError(
            f"{source}: no trial of train or val has a time in {align!r}; align to another column."
        )
    return table.loc[known].reset_index(drop=True)


def _counts(nwbfile: Any, table: Any, align: str, bins: tuple[float, int, float], source: str) -> xr.Dataset:
    """Counts of every trial, NaN where a unit was not observed, with what is known of units and trials."""
    first, n_bins, width = bins
    if nwbfile.units is None or not len(nwbfile.units):
        raise units.no_units(nwbfile, source)
    chosen = list(range(len(nwbfile.units)))
    coords = units.unit_coords(nwbfile, chosen)
    if "heldout" not in coords:
        raise FileError(
            f"{source}: the units have no column 'heldout'; they have {', '.join(nwbfile.units.colnames)}: is this a "
            "file of the benchmark?"
        )
    coords["heldout"] = np.asarray(coords["heldout"]).astype(bool)
    event = table[align].to_numpy(float)
    start = event + first
    columns = {_free(name): table[name].to_numpy() for name in table.columns}
    with warnings.catch_warnings():
        # Forward bins reach into the next trial on purpose; `holdout.assigned` keeps them from leaking.
        warnings.filterwarnings("ignore", message=".*trials share bins", category=NeurodynWarning)
        result = rec.from_spikes(
            units.spike_times(nwbfile, chosen, source),
            bin_width=width,
            intervals=np.stack([start, start + n_bins * width], axis=1),
            as_trials=True,
            unit=units.unit_labels(nwbfile, chosen),
            unit_coords=coords,
            trial_coords={**columns, "event_time": event},
            session=str(nwbfile.session_id or nwbfile.identifier or ""),
            subject=str(getattr(nwbfile.subject, "subject_id", "") or ""),
            source=source.replace("\\", "/").split("/")[-1],
        )
    result = result.assign_coords(time=first + width * np.arange(n_bins))
    return trials.hide_unobserved(result, units.observation_intervals(nwbfile, chosen))


def _free(name: str) -> str:
    """A column's name, changed where a recording uses it for something else."""
    taken = {"start_time", "event_time", "n_bins", "condition", "forward", *tables.RESERVED}
    return f"table_{name}" if name in taken else name


def _word(value: Any) -> str:
    """A cell of the table as a label."""
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)
