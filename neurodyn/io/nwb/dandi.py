"""NWB files of the DANDI archive, read over the network without keeping a copy."""

import contextlib
import fnmatch
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from neurodyn.errors import FileError
from neurodyn.io.files import first_line, reading

NEEDED = 'pip install "neurodyn[dandi]"'


@contextlib.contextmanager
def open_dandi(dandiset: str, pattern: str) -> Iterator[tuple[Any, str]]:
    """Yield the `pynwb.NWBFile` of the one file of a dandiset whose path fits a pattern, and that path."""
    try:
        import h5py
        import remfile
        from dandi.dandiapi import DandiAPIClient
    except ImportError as error:
        raise FileError(
            f"Reading {pattern} of DANDI {dandiset} over the network needs the extra dandi: {NEEDED}, or download the file "
            "and give its path."
        ) from error
    with contextlib.ExitStack() as stack:
        try:
            with DandiAPIClient() as client:
                assets = {asset.path: asset for asset in client.get_dandiset(dandiset).get_assets()}
                path = _only(list(assets), dandiset, pattern)
                url = assets[path].get_content_url(follow_redirects=1, strip_query=True)
            stream = remfile.File(url)
            file = stack.enter_context(h5py.File(stream, "r"))
        except FileError:
            raise
        except (OSError, RuntimeError, ValueError) as error:
            raise FileError(
                f"{pattern} of DANDI {dandiset} cannot be read over the network ({first_line(error)}); download the file "
                "and give its path."
            ) from error
        yield _read(file, path, stack), path


def _only(paths: list[str], dandiset: str, pattern: str) -> str:
    """The one path that fits."""
    found = [path for path in paths if fnmatch.fnmatchcase(PurePosixPath(path).name, pattern)]
    if len(found) != 1:
        held = ", ".join(sorted(paths)[:8]) or "nothing"
        raise FileError(f"DANDI {dandiset} has {len(found)} files like {pattern}, not one; it holds {held}.")
    return found[0]


def _read(file: Any, path: str, stack: contextlib.ExitStack) -> Any:
    """The file through pynwb, once it is known to name nothing outside itself."""
    from pathlib import Path

    from neurodyn.io.nwb.opening import read_through_pynwb, refuse_outside_links

    where = Path("/dandi") / path
    with reading(where, "NWB"):
        refuse_outside_links(file, where)
        return read_through_pynwb(stack, file=file)
