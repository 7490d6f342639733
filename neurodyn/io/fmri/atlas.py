"""Regions of an atlas: mean of each label's voxels, or nilearn's least squares for overlapping maps."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neurodyn.errors import FileError, ModelError
from neurodyn.io.files import warn
from neurodyn.io.fmri.images import Series, coordinates, load_image, same_grid, volumes


def regions(image, path, atlas, names) -> Series:
    """Time series of every region of an atlas: a label image (3-D), or maps (4-D)."""
    if hasattr(atlas, "maps"):
        names = atlas.labels if names is None and hasattr(atlas, "labels") else names
        atlas = atlas.maps
    picture = load_image(atlas)
    if len(picture.shape) == 4 and picture.shape[3] > 1:
        return _maps(image, path, picture, names)
    resampled = same_grid(picture, image, "atlas")
    numbers = np.rint(np.nan_to_num(np.asarray(resampled.dataobj, dtype=np.float64))).astype(np.int64)
    numbers = numbers.reshape(image.shape[:3])
    whole = np.unique(np.rint(np.nan_to_num(np.asarray(picture.dataobj, dtype=np.float64))).astype(np.int64))
    present = np.unique(numbers)
    present, whole = present[present != 0], whole[whole != 0]
    if not present.size:
        raise FileError(f"The atlas has no region in {path}; are they in the same space?")
    lost = sorted(set(whole.tolist()) - set(present.tolist()))
    if lost:
        warn(
            f"{path}: {len(lost)} of {whole.size} regions of the atlas have no voxel in the image and are left out."
        )
    inside = numbers != 0
    index = np.argwhere(inside)
    which = np.searchsorted(present, numbers[inside])
    voxels = volumes(image, path, inside)
    values = _means(voxels, which, present.size)
    size = np.bincount(which, minlength=present.size)
    centre = np.stack([np.bincount(which, weights=index[:, axis]) / size for axis in range(3)], axis=1)
    coords = {"region_value": present, "n_voxels": size, **coordinates(image, centre)}
    labels = region_names(names, present, whole)
    note = f"mean over the voxels of each of {present.size} regions"
    same = resampled is picture or picture.shape[:3] == image.shape[:3]
    return Series(
        values, labels, coords, (note if same else f"{note}, atlas resampled to the image (nearest)",)
    )


def _means(voxels, which, number) -> np.ndarray:
    """Mean over the finite voxels of each region, (time, region); NaN where none is finite."""
    order = np.argsort(which, kind="stable")
    first = np.searchsorted(which[order], np.arange(number))
    finite = np.isfinite(voxels)
    total = np.add.reduceat(np.where(finite, voxels, 0)[:, order].astype(np.float64), first, axis=1)
    count = np.add.reduceat(finite[:, order].astype(np.int64), first, axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _maps(image, path, picture, names) -> Series:
    """Overlapping maps by least squares, through nilearn without any cleaning."""
    from nilearn.maskers import NiftiMapsMasker

    finite = np.isfinite(np.asarray(image.dataobj, dtype=np.float32)).all(axis=(0, 1, 2))
    masker = NiftiMapsMasker(maps_img=picture, resampling_target="data", reports=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        values = np.array(masker.fit_transform(image), dtype=np.float32)
    values[~finite] = np.nan
    number = values.shape[1]
    if names is None:
        labels = [f"map-{i}" for i in range(number)]
    else:
        labels = [str(name) for name in names]
        if len(labels) != number:
            raise ModelError(f"{len(labels)} region names were given for {number} maps of the atlas.")
    return Series(values, labels, {}, (f"least-squares time series of {number} maps (nilearn), no cleaning",))


def region_names(names, present, whole) -> list[str]:
    """Name of each region present, from a list, a mapping number -> name, or a table file."""
    if names is None:
        return [f"region-{number}" for number in present]
    if isinstance(names, (str, Path)):
        names = _names_from_table(names)
    if isinstance(names, Mapping):
        missing = [int(number) for number in present if number not in names]
        if missing:
            raise ModelError(
                f"The region names lack the atlas value {missing[0]} ({len(missing)} missing in all)."
            )
        labels = [str(names[number]) for number in present]
    else:
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in names]
        if names and names[0].lower() in ("background", "unknown", "0") and len(names) == whole.size + 1:
            names = names[1:]
        if len(names) != whole.size:
            raise ModelError(
                f"{len(names)} region names were given for the {whole.size} regions of the atlas."
            )
        table = dict(zip(whole.tolist(), names, strict=True))
        labels = [table[number] for number in present.tolist()]
    repeated = {label for label in labels if labels.count(label) > 1}
    return [
        f"{label}-{number}" if label in repeated else label
        for label, number in zip(labels, present.tolist(), strict=True)
    ]


def _names_from_table(path) -> dict[int, str]:
    """Atlas value to name from a BIDS `dseg.tsv` or any table with an index and a name column."""
    from neurodyn.io.table import load_frame

    frame = load_frame(path)
    lower = {name.lower(): name for name in frame.columns}
    number = next((lower[name] for name in ("index", "value", "id", "label_id") if name in lower), None)
    word = next((lower[name] for name in ("name", "label", "region", "abbreviation") if name in lower), None)
    if number is None or word is None:
        raise FileError(f"{path} needs columns index and name; it has: {', '.join(frame.columns)}.")
    return {int(key): str(value) for key, value in zip(frame[number], frame[word], strict=True)}
