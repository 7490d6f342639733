"""Functional MRI: NIfTI images through an atlas, a mask or voxel by voxel, and region time series."""

import re
from pathlib import Path

import numpy as np

from neurodyn import recording
from neurodyn.errors import FileError, ModelError
from neurodyn.io.arrays import inspect_arrays
from neurodyn.io.arrays import sniff as is_array_file
from neurodyn.io.files import contents, existing_file, head, suffix_of
from neurodyn.io.fmri import atlas as atlas_module
from neurodyn.io.fmri import design, images
from neurodyn.io.fmri.series_table import load_series
from neurodyn.io.registry import Loader
from neurodyn.io.table import inspect_table
from neurodyn.io.table import sniff as is_table_file

IMAGE_SUFFIXES = (".nii", ".nii.gz", ".img", ".hdr", ".mgz", ".mgh")
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".npy", ".npz", ".mat")


def sniff(path: Path) -> int:
    """Whether a file is an image by its first bytes (2) or name, or a table or matrix (1)."""
    if not path.is_file():
        return 0
    if suffix_of(path) in TABLE_SUFFIXES:
        return int(is_array_file(path) or is_table_file(path))
    start = head(path, 352)
    single = len(start) >= 348 and start[344:348] in (b"n+1\x00", b"ni1\x00")
    second = start[4:8] in (b"n+2\x00", b"ni2\x00")
    if single or second:
        return 2
    return int(suffix_of(path) in (".nii.gz", ".mgz", ".mgh", ".nii"))


def read_fmri(
    path,
    *,
    atlas=None,
    region_names=None,
    mask=None,
    repetition_time: float | None = None,
    confounds=None,
    scrub=None,
    volume_labels=None,
    events=None,
    key: str | None = None,
    time_axis: int | None = None,
    subject: str | None = None,
    session: str | None = None,
):
    """Read functional MRI into a recording: one run, or several as trials.

    The signal is left as the scanner or the preprocessing made it: nothing is standardised,
    detrended or filtered, since those are steps of a model (`Pipeline`) learnt on training data.

    Parameters
    ----------
    path : path-like or list of path-like
        4-D images (NIfTI), or matrices of region time series (.csv, .tsv, .txt, .npy, .npz, .mat).
        A list gives one trial per run with a coordinate `run`.
    atlas : path-like, image or nilearn atlas, optional
        Regions: a 3-D label image (mean over each region's voxels) or 4-D maps (least squares).
    region_names : sequence, mapping or path-like, optional
        Names of the regions: in order of their atlas value, by value, or a table with `index`, `name`.
    mask : path-like or image, optional
        Voxels to keep; without atlas and mask, the voxels that vary.
    repetition_time : float, optional
        Seconds between volumes; default from the BIDS sidecar or the header. Required for matrices.
    confounds : path-like, DataFrame, array or list of them, optional
        Kept as covariates (role measured), one row per volume; regress them out with a model step.
    scrub : array or mapping, or list of them, optional
        Volumes set to NaN: booleans, volume numbers, or thresholds on confounds such as
        `{"framewise_displacement": 0.5}`.
    volume_labels : path-like, DataFrame or array, optional
        Condition (and run) of each volume; becomes the coordinate `label`, and runs become trials.
    events : path-like, DataFrame or list of them, optional
        BIDS events (onset, duration, trial_type); the condition at each volume's middle is `label`.
    key : str, optional
        Array to read from an .npz or .mat file with several.
    time_axis : int, optional
        Axis of a matrix that is time; default the rows below a header, else the longer axis.
    subject, session : str, optional
        Attributes; default from a BIDS file name.

    Returns
    -------
    xarray.Dataset
        Recording; `activity` (time, unit) or (trial, time, unit) in the image's own scale. Coordinates
        on `unit`: `x`, `y`, `z` (m, the image's space), `n_voxels`; on time (or trial and time): `label`.

    Raises
    ------
    FileError
        A 3-D image, no repetition time anywhere, a damaged file, or tables that do not fit.
    ModelError
        An option is out of range, such as a repetition time in milliseconds.

    Examples
    --------
    >>> import numpy, tempfile, pathlib
    >>> from neurodyn.io import read_fmri
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "regions.npy"
    >>> numpy.save(path, numpy.random.default_rng(0).normal(size=(4, 100)))
    >>> bold = read_fmri(path, repetition_time=2.0)
    >>> dict(bold.sizes), bold.attrs["sampling_interval"]
    ({'time': 100, 'unit': 4}, 2.0)
    """
    if atlas is not None and mask is not None:
        raise ModelError("atlas and mask were both given; choose regions or voxels.")
    paths = list(path) if isinstance(path, (list, tuple)) else [path]
    if not paths:
        raise ModelError("The list of runs is empty; give at least one file.")
    if events is not None and volume_labels is not None:
        raise ModelError("events and volume_labels were both given; choose one.")
    if volume_labels is not None and len(paths) > 1:
        raise ModelError("volume_labels describe one file; for several runs give a list of events.")
    runs = [_read_run(one, atlas, region_names, mask, repetition_time, key, time_axis) for one in paths]
    per_run = _per_run({"confounds": confounds, "scrub": scrub, "events": events}, len(runs))
    times = [run[1] for run in runs]
    if max(times) - min(times) > 1e-3 * min(times):
        raise FileError(
            f"The runs have different repetition times, {min(times):g} to {max(times):g} s; read them apart."
        )
    tr, labels, coords = times[0], runs[0][0].labels, runs[0][0].coords
    for one, (series, _) in zip(paths, runs, strict=True):
        if series.labels != labels:
            raise FileError(
                f"{one} has other units ({len(series.labels)}) than {paths[0]} ({len(labels)}); "
                "read all runs with one mask or atlas in a common space."
            )
    history = list(dict.fromkeys(line for series, _ in runs for line in series.history))
    values, conditions, covariates = [], [], []
    for number, (series, _) in enumerate(runs):
        length = len(series.values)
        table = per_run["confounds"][number]
        table = None if table is None else design.confound_table(table, length)
        hidden = design.scrubbed(per_run["scrub"][number], table, length)
        values.append(np.where(hidden[:, None], np.float32(np.nan), series.values))
        if hidden.any():
            history.append(f"scrubbed {int(hidden.sum())} of {length} volumes of run {number + 1} to NaN")
        if per_run["events"][number] is not None:
            conditions.append(design.event_labels(per_run["events"][number], length, tr))
        covariates.append(table)
    names = _run_names(paths)
    if volume_labels is not None:
        label, run = design.volume_labels(volume_labels, len(values[0]))
        parts = [slice(None)] if run is None else design.split_runs(run)
        conditions = [label[part] for part in parts]
        if run is not None:
            names = [str(run[part.start]) for part in parts]
            covariates = [None if covariates[0] is None else covariates[0].iloc[part] for part in parts]
            values = [values[0][part] for part in parts]
            history.append(f"split into {len(parts)} runs by the volume labels")
    about = _about(paths, subject, session, history)
    if len(values) == 1 and not isinstance(path, (list, tuple)):
        result = recording.make(
            values[0], sampling_interval=tr, unit=labels, unit_coords=coords, modality="fmri", **about
        )
    else:
        result = recording.make(
            values,
            sampling_interval=tr,
            unit=labels,
            unit_coords=coords,
            trial=list(range(len(values))),
            trial_coords={"run": names},
            modality="fmri",
            **about,
        )
    result = _with_covariates(result, covariates)
    if conditions:
        result = _with_labels(result, conditions)
    return recording.check(result)


def _read_run(path, atlas, names, mask, given, key, time_axis):
    """Time series of one run and its repetition time."""
    is_image = hasattr(path, "get_fdata") or suffix_of(existing_file(path)) not in TABLE_SUFFIXES
    if not is_image:
        if atlas is not None or mask is not None:
            raise ModelError(f"{path} is a matrix of time series; atlas and mask apply to images only.")
        if given is None:
            raise FileError(f"{path} does not state its repetition time; give repetition_time in seconds.")
        tr = images.checked_repetition_time(given)
        return load_series(path, key, time_axis), tr
    image = images.load_run(path)
    tr, note = images.repetition_time(image, path, given)
    if atlas is not None:
        series = atlas_module.regions(image, path, atlas, names)
    else:
        series = images.mask_voxels(image, path, mask)
    return series._replace(history=(*series.history, *note)), tr


def _per_run(given, number):
    """Each option as a list with one entry per run."""
    result = {}
    for name, value in given.items():
        if number == 1 and not (isinstance(value, list) and name != "scrub"):
            result[name] = [value]
        elif value is None:
            result[name] = [None] * number
        elif isinstance(value, (list, tuple)) and len(value) == number:
            result[name] = list(value)
        elif name == "scrub" and hasattr(value, "keys"):
            result[name] = [value] * number
        else:
            raise ModelError(f"{name} must be a list with one entry for each of the {number} runs.")
    return result


def _run_names(paths) -> list[str]:
    """Names of runs from BIDS entities, else from the file names, else numbers."""
    stems = [Path(str(path)).name.split(".")[0] for path in paths if not hasattr(path, "get_fdata")]
    if len(stems) == len(paths):
        found = [re.search(r"run-?(\d+)", stem) for stem in stems]
        numbers = [match.group(1) if match else "" for match in found]
        for names in (numbers, stems):
            if len(set(names)) == len(names) and all(names):
                return names
    return [str(number + 1) for number in range(len(paths))]


def _about(paths, subject, session, history):
    """Attributes of the recording from BIDS file names where the caller gave none."""
    name = "" if hasattr(paths[0], "get_fdata") else Path(paths[0]).name
    entity = dict(re.findall(r"(sub|ses)-([A-Za-z0-9]+)", name))
    return {
        "subject": subject if subject is not None else entity.get("sub", ""),
        "session": session if session is not None else entity.get("ses", ""),
        "source": name,
        "history": history,
    }


def _with_covariates(result, tables):
    """Confounds as covariates, role measured, available with the volume."""
    import xarray

    if tables[0] is None:
        return result
    names = [str(name) for name in tables[0].columns]
    length = result.sizes["time"]
    block = np.full((len(tables), length, len(names)), np.nan, dtype=np.float32)
    filled = 0
    for row, table in zip(block, tables, strict=True):
        if [str(name) for name in table.columns] != names:
            raise FileError("The runs' confounds have different columns; keep those they have in common.")
        numbers = table.to_numpy(dtype=np.float32, copy=True)
        first = ~np.isfinite(numbers[0])
        numbers[0, first] = 0
        filled += int(first.sum())
        row[: len(numbers)] = numbers
    if "trial" not in result["activity"].dims:
        block = block[0]
    covariates = xarray.DataArray(
        block,
        dims=(*result["activity"].dims[:-1], "covariate"),
        coords={
            "covariate": names,
            "available": ("covariate", ["with"] * len(names)),
            "role": ("covariate", ["measured"] * len(names)),
        },
    )
    result = recording.with_history(
        result.assign(covariates=covariates), f"kept {len(names)} confounds as covariates"
    )
    if filled:
        result = recording.with_history(result, f"set {filled} missing confounds of first volumes to 0")
    return result


def _with_labels(result, conditions):
    """Condition of each volume as the coordinate `label`, empty where unknown or padding."""
    if "trial" not in result["activity"].dims:
        return result.assign_coords(label=("time", conditions[0]))
    width = max(max((len(word) for word in part), default=1) for part in conditions)
    block = np.full((result.sizes["trial"], result.sizes["time"]), "", dtype=f"<U{max(width, 1)}")
    for row, part in zip(block, conditions, strict=True):
        row[: len(part)] = part
    return result.assign_coords(label=(("trial", "time"), block))


def inspect_image(path):
    """Table with the one row of an image: shape, repetition time, voxel size; or of a matrix's arrays."""
    path = existing_file(path)
    if suffix_of(path) in TABLE_SUFFIXES:
        return inspect_arrays(path) if is_array_file(path) else inspect_table(path)
    image = images.load_image(path)
    shape = tuple(int(size) for size in image.shape)
    rate = duration = None
    note = "voxels " + " x ".join(f"{float(size):g}" for size in image.header.get_zooms()[:3]) + " mm"
    if len(shape) == 4:
        tr, _ = images.stated_repetition_time(image, path)
        if tr is None:
            note += "; no repetition time in the header, give repetition_time"
        else:
            rate, duration = 1 / tr, tr * shape[3]
    kind = "run" if len(shape) == 4 else "volume"
    return contents(
        [{"kind": kind, "name": path.name, "shape": shape, "rate": rate, "duration": duration, "note": note}]
    )


LOADER = Loader(
    name="fmri",
    suffixes=IMAGE_SUFFIXES + TABLE_SUFFIXES,
    sniff=sniff,
    inspect=inspect_image,
    read=read_fmri,
    hint="repetition_time=",
)
