"""The recordings of the dynamic connectome: worms, resting brains, and electrodes during grips."""

import importlib.util
import pathlib
from typing import NamedTuple

import numpy as np
import xarray as xr

from benchmarks.recordings import folder, resting_subjects

ROOT = pathlib.Path(__file__).resolve().parents[2]
REVERSAL = ("AVA", "AVE", "AIB", "RIM")
REGIONS = (
    "Precentral Frontal_Sup_2 Frontal_Mid_2 Frontal_Inf_Oper Frontal_Inf_Tri Frontal_Inf_Orb_2 Rolandic_Oper "
    "Supp_Motor_Area Olfactory Frontal_Sup_Medial Frontal_Med_Orb Rectus OFCmed OFCant OFCpost OFClat Insula "
    "Cingulate_Ant Cingulate_Mid Cingulate_Post Hippocampus ParaHippocampal Amygdala Calcarine Cuneus Lingual "
    "Occipital_Sup Occipital_Mid Occipital_Inf Fusiform Postcentral Parietal_Sup Parietal_Inf SupraMarginal Angular "
    "Precuneus Paracentral_Lobule Caudate Putamen Pallidum Thalamus Heschl Temporal_Sup Temporal_Pole_Sup Temporal_Mid "
    "Temporal_Pole_Mid Temporal_Inf"
)
AAL2 = REGIONS.split(" ")


class Recorded(NamedTuple):
    """A recording without behaviour, and the behaviour, which no fit sees.

    Attributes
    ----------
    recording : xarray.Dataset
        Traces.
    behaviour : xarray.DataArray
        On ``([trial,] time, covariate)``.
    """

    recording: xr.Dataset
    behaviour: xr.DataArray


def worm_loader():
    """The module of the example package that reads worms, without installing it."""
    path = ROOT / "examples" / "worm_loader" / "worm_loader.py"
    spec = importlib.util.spec_from_file_location("worm_loader", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def worms(*, animals: int = 3) -> Recorded:
    """Five animals as trials, ``(trial 5, time 800, unit 102)``: neurons with a sure name in at least so many animals.

    On ``unit`` the coordinates ``neuron_class`` and ``side`` ("L", "R" or empty).
    """
    from neurodyn.recording import concatenate

    loader = worm_loader()
    paths = sorted(folder("celegans-flavell-nsm").glob("*-data.h5"))
    # How sure a name is, and which trace has it, differ from animal to animal.
    parts = [loader.read(path).drop_vars(["trace", "confidence"]) for path in paths]
    whole = concatenate(parts, join="outer")
    named = whole["activity"].notnull().any("time").sum("trial") >= animals
    whole = whole.isel(unit=np.flatnonzero(named.values))
    behaviour = whole["covariates"].drop_vars(["available", "role"])
    return Recorded(whole.drop_dims("covariate"), behaviour)


def hcp() -> xr.Dataset:
    """Four resting subjects as trials, ``(trial 4, time 1200, unit 94)``, regions named as in the atlas AAL2.

    The regions of the file alternate between left and right: of the 94, neighbours 2k and 2k + 1 correlate .55 on average,
    all pairs .26.
    """
    whole = resting_subjects()
    names = [f"{name}_{side}" for name in AAL2 for side in "LR"]
    sides = [side for _ in AAL2 for side in "LR"]
    return whole.assign_coords(unit=("unit", np.array(names)), side=("unit", np.array(sides)))


def ecog() -> Recorded:
    """Three subthalamic and six cortical contacts at 1000 Hz, ``(time 19001, unit 9)``, volts; and grip force."""
    import warnings

    import neurodyn
    from neurodyn.errors import NeurodynWarning

    [path] = folder("ieeg-stn-ecog-brainvision").rglob("*.vhdr")
    with warnings.catch_warnings():
        # The loader says that it took microvolts labelled volts for what they are: known of this file.
        warnings.simplefilter("ignore", NeurodynWarning)
        potentials, moved = neurodyn.read(path), neurodyn.read(path, picks="misc")
    force = moved["activity"].drop_vars(
        [name for name in moved["activity"].coords if name not in ("time", "unit")]
    )
    return Recorded(potentials, force.rename(unit="covariate").assign_coords(covariate=["grip_force"]))


def homologues(recording: xr.Dataset) -> list[tuple[int, int]]:
    """Places of the left and right unit of every pair whose names differ in a final L and R alone."""
    labels = recording["unit"].values.astype(str).tolist()
    place = {label: at for at, label in enumerate(labels)}
    return [
        (at, place[f"{label[:-1]}R"])
        for label, at in place.items()
        if label.endswith("L") and f"{label[:-1]}R" in place
    ]
