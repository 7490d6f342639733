"""Open an NWB file after making sure it is one and names nothing outside its own folder."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neurodyn.errors import FileError
from neurodyn.io.files import existing_file, inside_folder, is_hdf5, listing, reading


def sniff(path: Path) -> int:
    """Whether a file is HDF5 with the attribute that every NWB 2 file has (2), or a damaged one (1)."""
    import h5py

    if not is_hdf5(path):
        return int(path.is_file() and path.suffix.lower() == ".nwb")
    try:
        with h5py.File(path, "r") as file:
            return 2 * is_nwb(file)
    except OSError:
        return int(path.suffix.lower() == ".nwb")


def is_nwb(file) -> bool:
    """Whether an open HDF5 file says it is NWB."""
    return "nwb_version" in file.attrs or "nwb_version" in file


@contextlib.contextmanager
def open_nwb(path) -> Iterator:
    """Yield the `pynwb.NWBFile` of a path; whatever is wrong with the file is one FileError."""
    import h5py

    path = existing_file(path)
    if not is_hdf5(path):
        raise FileError(
            f"{path} is not NWB: it does not begin like an HDF5 file; see neurodyn.io.inspect(path)."
        )
    with reading(path, "NWB"), h5py.File(path, "r") as file:
        if not is_nwb(file):
            raise FileError(
                f"{path} is an HDF5 file but not NWB (no `nwb_version`); it holds {listing(datasets(file), 5)}: "
                "read one of them with neurodyn.io.read_array(path, key=...)."
            )
        if "nwb_version" not in file.attrs:
            raise FileError(f"{path} is NWB version 1, which is not read; convert it to NWB 2 first.")
        refuse_outside_links(file, path)
    with _opened(path) as nwbfile:
        yield nwbfile


@contextlib.contextmanager
def _opened(path: Path) -> Iterator:
    """The file through pynwb."""
    with contextlib.ExitStack() as stack:
        with reading(path, "NWB"):
            nwbfile = read_through_pynwb(stack, path=str(path))
        with reading(path, "NWB", errors=(OSError, RuntimeError)):
            yield nwbfile


def read_through_pynwb(stack: contextlib.ExitStack, **source: Any) -> Any:
    """The file of a path or of an open HDF5 file, closed with the stack; notes on cached schema versions are silenced."""
    import pynwb

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Ignoring .*cached namespace")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        handle = pynwb.NWBHDF5IO(mode="r", load_namespaces=True, **source)
        stack.callback(handle.close)
        return handle.read()


def refuse_outside_links(file, path: Path, seen: set | None = None) -> None:
    """Refuse HDF5 external links, storage and virtual sources that leave the folder, in linked files too."""
    import h5py

    folder = path.resolve().parent
    seen = {path.resolve()} if seen is None else seen
    groups, known = [file], set()
    while groups:
        group = groups.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                _follow(link.filename, folder, path, seen)
                continue
            if isinstance(link, h5py.SoftLink):
                continue
            item = group[name]
            if item in known:
                continue
            known.add(item)
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif isinstance(item, h5py.Dataset):
                for stored in item.external or ():
                    inside_folder(stored[0], folder, source=path)
                for source in item.virtual_sources() if item.is_virtual else ():
                    if source.file_name != ".":
                        _follow(source.file_name, folder, path, seen)


def _follow(named, folder: Path, source: Path, seen: set) -> None:
    """Check a file that another links to, once."""
    import h5py

    target = inside_folder(named, folder, source=source)
    if target in seen or not target.is_file():
        return
    seen.add(target)
    with h5py.File(target, "r") as linked:
        refuse_outside_links(linked, target, seen)


def datasets(file) -> list[dict]:
    """Rows for `inspect` of every dataset of an open HDF5 file; links are not followed out of it."""
    import h5py

    rows = []

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            rows.append(
                {"kind": "dataset", "name": name, "shape": tuple(item.shape or ()), "note": str(item.dtype)}
            )

    file.visititems(visit)
    return rows
