"""Plain arrays in .npy, .npz, .mat and HDF5 files: nothing in such a file says what it means, the user does."""

from pathlib import Path

import numpy as np

from neurodyn import recording
from neurodyn.errors import FileError, ModelError
from neurodyn.io.files import contents, existing_file, head, is_hdf5, reading, suffix_of, warn
from neurodyn.io.registry import Loader

NPY = b"\x93NUMPY"
ZIP = b"PK\x03\x04"
MATLAB = b"MATLAB 5.0 MAT-file"
DIMS = ("trial", "time", "unit")


def sniff(path: Path) -> bool:
    """Whether a file is .npy, .npz, MATLAB or HDF5 by its first bytes."""
    if not path.is_file():
        return False
    start = head(path, 32)
    if start.startswith(ZIP):
        return suffix_of(path) == ".npz"
    return start.startswith((NPY, MATLAB)) or is_hdf5(path)


def stored_arrays(path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and dtype of every array in a file, by key, without reading the values where possible."""
    path = existing_file(path)
    start = head(path, 32)
    if is_hdf5(path):
        import h5py

        from neurodyn.io.nwb.opening import datasets, refuse_outside_links

        with reading(path, "HDF5"), h5py.File(path, "r") as file:
            refuse_outside_links(file, path)
            return {row["name"]: (row["shape"], row["note"]) for row in datasets(file)}
    with reading(path, "an array file"):
        if start.startswith(NPY):
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            return {"array": (array.shape, str(array.dtype))}
        if start.startswith(ZIP):
            with np.load(path, allow_pickle=False) as archive:
                return {key: _npz_header(archive, key) for key in archive.files}
        if start.startswith(MATLAB):
            from scipy.io import whosmat

            return {name: (tuple(shape), kind) for name, shape, kind in whosmat(path)}
    raise FileError(
        f"{path} is neither .npy, .npz, .mat nor HDF5 by its content; see neurodyn.io.inspect(path)."
    )


def _npz_header(archive, key):
    """Shape and dtype of a member of an .npz archive from its header alone."""
    for name in (f"{key}.npy", key):
        if name in archive.zip.namelist():
            with archive.zip.open(name) as stream:
                version = np.lib.format.read_magic(stream)
                read_header = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = read_header(stream)
                return shape, str(dtype)
    return (), ""


def load_array(path, key: str | None = None) -> np.ndarray:
    """One array of a file by its key; without a key the file must hold one array.

    Pickled objects are refused: a file of them can run any code when opened.
    """
    path = existing_file(path)
    stored = stored_arrays(path)
    if key is None:
        numeric = [
            name
            for name, (shape, kind) in stored.items()
            if len(shape) and not kind.startswith(("object", "|O"))
        ]
        if len(numeric) != 1:
            raise FileError(
                f"{path} holds {len(numeric)} arrays; name one with key=...: {', '.join(stored) or 'none'}."
            )
        key = numeric[0]
    if key not in stored:
        raise FileError(f"{path} has no array {key!r}; it has: {', '.join(stored) or 'none'}.")
    start = head(path, 32)
    if stored[key][1] in ("object", "cell", "struct", "function", "opaque"):
        raise FileError(
            f"{path}: {key!r} holds {stored[key][1]} values, not numbers; save it as a plain array first."
        )
    with reading(path, "an array file"):
        if is_hdf5(path):
            import h5py

            with h5py.File(path, "r") as file:
                item = file[key]
                values = np.asarray(item[()]) if isinstance(item, h5py.Dataset) else np.empty(0)
            return values.T if suffix_of(path) == ".mat" else values
        if start.startswith(NPY):
            return np.load(path, allow_pickle=False)
        if start.startswith(ZIP):
            with np.load(path, allow_pickle=False) as archive:
                return archive[key]
        from scipy.io import loadmat

        return loadmat(path, variable_names=[key])[key]


def inspect_arrays(path):
    """Table of the arrays in a file."""
    return contents(
        {"kind": "array", "name": name, "shape": shape, "note": kind}
        for name, (shape, kind) in stored_arrays(path).items()
    )


def read_array(
    path,
    *,
    sampling_interval: float,
    key: str | None = None,
    dims: tuple[str, ...] = (),
    kind: str = "continuous",
    scale: float = 1.0,
    units: str = "",
    modality: str = "",
    unit=None,
    subject: str = "",
    session: str = "",
):
    """Read one array of a .npy, .npz, .mat or HDF5 file into a recording.

    Parameters
    ----------
    path : path-like
        The file; pickled objects in it are refused.
    sampling_interval : float
        Seconds between samples; such files do not say it.
    key : str, optional
        Name of the array (`inspect` lists them); not needed where there is one.
    dims : tuple of str, optional
        What each axis is, out of `trial`, `time`, `unit`, in the array's order, for example
        `("trial", "time")`; default (time, unit), or (trial, time, unit) for three axes.
    kind : str
        `continuous`, `count`, `binary` or `categorical`.
    scale : float
        Factor to SI units, for example 1e-6 for microvolts.
    units : str
        SI unit after scaling, such as `V`.
    modality, subject, session : str
        Attributes of the recording.
    unit : sequence, optional
        Labels of the units.

    Returns
    -------
    xarray.Dataset
        Recording; `activity` (time, unit) or (trial, time, unit).

    Raises
    ------
    FileError
        No such array, several without a key, pickled objects, or a damaged file.

    Examples
    --------
    >>> import numpy, tempfile, pathlib
    >>> from neurodyn.io import read_array
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "lfp.npz"
    >>> numpy.savez(path, lfp=numpy.zeros((7, 50)))
    >>> lfp = read_array(path, key="lfp", dims=("trial", "time"), sampling_interval=0.001)
    >>> dict(lfp.sizes)
    {'trial': 7, 'time': 50, 'unit': 1}
    """
    values = np.asarray(load_array(path, key))
    path = existing_file(path)
    if values.dtype.kind not in "fiub":
        raise FileError(
            f"{path}: the array holds {values.dtype} values, not numbers; name another with key=..."
        )
    if not dims:
        if values.ndim not in (1, 2, 3):
            raise FileError(
                f"{path}: the array has shape {values.shape}; say what its axes are with dims=(...)."
            )
        dims = {1: ("time",), 2: ("time", "unit"), 3: DIMS}[values.ndim]
        if values.ndim == 2 and unit is None and values.shape[0] < values.shape[1]:
            warn(
                f"{path}: the array of shape {values.shape} is read as {values.shape[0]:,} time steps of "
                f"{values.shape[1]:,} units; give dims=('unit', 'time') if time is its second axis, dims=('time', 'unit') "
                "to state that it is not."
            )
    if (
        len(dims) != values.ndim
        or len(set(dims)) != len(dims)
        or not set(dims) <= set(DIMS)
        or "time" not in dims
    ):
        raise ModelError(
            f"dims={dims} does not name the axes of shape {values.shape}, each of {DIMS} once, with time."
        )
    values = np.transpose(values, [dims.index(name) for name in DIMS if name in dims])
    if "unit" not in dims:
        values = values[..., None]
    note = ()
    if scale != 1.0:
        values, note = values * scale, (f"multiplied by {scale:g}",)
    return recording.make(
        values,
        sampling_interval=sampling_interval,
        kind=kind,
        unit=unit if unit is not None else list(range(values.shape[-1])),
        units=units,
        modality=modality,
        subject=subject,
        session=session,
        source=path.name,
        history=(f"read array {key or 'of the file'}, axes {', '.join(dims)}", *note),
    )


LOADER = Loader(
    name="array",
    suffixes=(".npy", ".npz", ".mat", ".h5", ".hdf5"),
    sniff=sniff,
    inspect=inspect_arrays,
    read=read_array,
    hint="sampling_interval=",
)
