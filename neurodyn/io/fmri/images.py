"""Voxels and regions of 4-D NIfTI images as time series, NaN where the image is not finite."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurodyn.errors import FileError, ModelError
from neurodyn.io.files import existing_file, reading, warn

LONGEST_TR = 30.0
TIME_UNITS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
SPACE_UNITS = {"mm": 1e-3, "micron": 1e-6, "meter": 1.0, "unknown": 1e-3}


class Series(NamedTuple):
    """Time series of one run: `values` (time, unit), labels, coordinates on unit, history."""

    values: np.ndarray
    labels: list
    coords: dict
    history: tuple[str, ...]


def load_image(path) -> Any:
    """A NIfTI (or other nibabel) image without its data; damaged files are one FileError."""
    if hasattr(path, "get_fdata"):
        return path
    import nibabel
    from nibabel.filebasedimages import ImageFileError

    path = existing_file(path)
    with reading(path, "a NIfTI image"):
        try:
            return nibabel.load(path)
        except ImageFileError as error:
            raise FileError(f"{path} is not an image nibabel can read: {error}.") from error


def load_run(path) -> Any:
    """The image of a run, which must have four axes."""
    image = load_image(path)
    if len(image.shape) != 4:
        raise FileError(
            f"{path} is a {len(image.shape)}-D image of shape {image.shape}, one volume and no time series; "
            "give the 4-D image of a run, or a list of runs."
        )
    if image.shape[3] < 2:
        raise FileError(f"{path} has {image.shape[3]} volume on its time axis; a recording needs at least 2.")
    return image


def repetition_time(image, path, given: float | None) -> tuple[float, tuple[str, ...]]:
    """Seconds between volumes: as given, else of the BIDS sidecar, else of the header; or an error."""
    stated, source = stated_repetition_time(image, path)
    if given is not None:
        given = checked_repetition_time(given)
        if stated is not None and abs(stated - given) > 0.01 * given:
            warn(
                f"{path}: the {source} states a repetition time of {stated:g} s, but {given:g} s was given and used."
            )
        return given, (f"repetition time {given:g} s as given",)
    if stated is None:
        raise FileError(f"{path} does not state its repetition time; give repetition_time in seconds.")
    return stated, (f"repetition time {stated:g} s from the {source}",)


def checked_repetition_time(value) -> float:
    """A repetition time in seconds; milliseconds are refused."""
    value = float(value)
    if not np.isfinite(value) or value <= 0:
        raise ModelError(f"repetition_time={value:g} must be a positive number of seconds.")
    if value > LONGEST_TR:
        raise ModelError(
            f"repetition_time={value:g} s is too long for fMRI; it is in seconds: did you mean {value / 1000:g}?"
        )
    return value


def stated_repetition_time(image, path):
    """What a run's own files say of the repetition time, and where."""
    if not hasattr(path, "get_fdata"):
        name = Path(path).name
        for suffix in (".nii.gz", ".nii"):
            sidecar = Path(path).with_name(name.removesuffix(suffix) + ".json")
            if name.endswith(suffix) and sidecar.is_file():
                with reading(sidecar, "JSON"):
                    value = json.loads(sidecar.read_text(encoding="utf-8")).get("RepetitionTime")
                if value is not None:
                    return checked_repetition_time(value), f"sidecar {sidecar.name}"
    zooms = image.header.get_zooms()
    value = float(zooms[3]) if len(zooms) > 3 else 0.0
    unit = image.header.get_xyzt_units()[1] if hasattr(image.header, "get_xyzt_units") else "unknown"
    if not np.isfinite(value) or value <= 0 or (unit == "unknown" and value == 1.0):
        return None, "header"
    value *= TIME_UNITS.get(unit, 1.0)
    if value > LONGEST_TR and unit != "msec":
        warn(
            f"{path}: the header's repetition time of {value:g} s can only be milliseconds; {value / 1000:g} s is used."
        )
        value /= 1000
    return value, "header"


def coordinates(image, index) -> dict[str, np.ndarray]:
    """x, y, z in metres of (unit, 3) array indices, by the image's affine."""
    unit = image.header.get_xyzt_units()[0] if hasattr(image.header, "get_xyzt_units") else "mm"
    world = index @ image.affine[:3, :3].T + image.affine[:3, 3]
    world = world * SPACE_UNITS.get(unit, 1e-3)
    return {axis: world[:, number] for number, axis in enumerate("xyz")}


def volumes(image, path, chosen: np.ndarray) -> np.ndarray:
    """Values (time, voxel) of the chosen voxels, float32; an uncompressed file is read volume by volume."""
    import nibabel

    with reading(Path(str(path)), "a NIfTI image"):
        if nibabel.is_proxy(image.dataobj) and not str(path).endswith(".gz"):
            parts = [np.asarray(image.dataobj[..., t])[chosen] for t in range(image.shape[3])]
            values = np.stack(parts).astype(np.float32)
        else:
            values = np.asarray(image.dataobj, dtype=np.float32)[chosen].T
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def mask_voxels(image, path, mask) -> Series:
    """Voxels of a mask, or without one the voxels that vary at all."""
    if mask is None:
        every = volumes(image, path, np.ones(image.shape[:3], dtype=bool))
        finite = np.isfinite(every)
        low = np.where(finite, every, np.inf).min(axis=0)
        high = np.where(finite, every, -np.inf).max(axis=0)
        varies = high > low
        if not varies.any():
            raise FileError(
                f"{path}: no voxel varies over its {image.shape[3]} volumes; the image is damaged or empty."
            )
        chosen = varies.reshape(image.shape[:3])
        values = every[:, varies]
        note = f"took the {int(varies.sum())} of {varies.size} voxels that vary, without a mask"
    else:
        picture = same_grid(load_image(mask), image, "mask")
        chosen = np.asarray(picture.dataobj).reshape(picture.shape[:3])
        chosen = np.isfinite(chosen) & (chosen != 0)
        if not chosen.any():
            raise FileError(f"The mask {mask} keeps no voxel of {path}; is it in the same space?")
        values = volumes(image, path, chosen)
        note = f"took the {int(chosen.sum())} voxels of the mask"
    index = np.argwhere(chosen)
    labels = [f"{i}-{j}-{k}" for i, j, k in index]
    return Series(values, labels, coordinates(image, index), (note,))


def same_grid(picture, image, name: str) -> Any:
    """The atlas or mask on the run's own grid: unchanged where it is, else the nearest label."""
    if len(picture.shape) == 4 and picture.shape[3] == 1:
        picture = picture.slicer[..., 0]
    if len(picture.shape) != 3:
        raise FileError(f"The {name} has shape {picture.shape}; a mask or label image has three axes.")
    if picture.shape == image.shape[:3] and np.allclose(picture.affine, image.affine, atol=1e-3):
        return picture
    import nibabel
    from nilearn.image import resample_img

    whole: Any = nibabel.Nifti1Image(np.asarray(picture.dataobj).astype(np.float32), picture.affine)
    return resample_img(
        whole,
        target_affine=image.affine,
        target_shape=image.shape[:3],
        interpolation="nearest",
        copy_header=True,
        force_resample=True,
    )
